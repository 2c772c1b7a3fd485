"""What networks share: their widths, their first values, what they give in training, other names of their tensors."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hybridfer.errors import SpecError, did_you_mean

SMALL = 64
"""Side of pictures up to which nothing is thrown away before the first stage."""


class Answer(NamedTuple):
    """What a network gives in training where losses want more than its scores; in evaluation it gives those alone."""

    logits: Tensor
    """Scores ``(n, classes)`` before any softmax."""
    features: Tensor | None = None
    """What the classes are told apart by, ``(n, d)``."""
    margins: tuple[Tensor, ...] = ()
    """Scores ``(n, classes)`` of heads that are there to be trained."""
    reconstruction: Tensor | None = None
    """The pictures as the network can rebuild them, ``(n, channels, H, W)`` in 0 to 1."""


def scaled(channels: int, width: float, multiple: int = 8) -> int:
    """Return `width` times `channels`, rounded to a multiple of 8 or another number, and no less than it.

    Examples
    --------
    >>> scaled(64, 1), scaled(64, 0.4), scaled(64, 0.01)
    (64, 24, 8)
    """
    return multiple * max(1, round(channels * width / multiple))


def check_options(
    *,
    classes: int,
    channels: int,
    input_size: int,
    width: float,
    least: int = 16,
    multiple: int = 1,
    outputs: str = "classes",
) -> None:
    """Raise SpecError where a network cannot be made of these.

    Parameters
    ----------
    classes, channels, input_size, width
        As every network takes them.
    least, multiple : int
        The smallest side of a picture, and what every side is divided by without a rest.
    outputs : str
        What the network calls its classes.
    """
    size_wanted = f"{least} or more" + (f", a multiple of {multiple}" if multiple > 1 else "")
    for name, value, fits, wanted in (
        (outputs, classes, classes >= 1, "1 or more"),
        ("channels", channels, channels >= 1, "1 or more"),
        ("input_size", input_size, input_size >= least and input_size % multiple == 0, size_wanted),
        ("width", width, 0 < width < math.inf, "more than 0, such as 0.5"),
    ):
        if not fits:
            raise SpecError(f"{name}={value} is out of range; expected {wanted}.")


def check_choice(name: str, value: str, choices: Collection[str]) -> None:
    """Raise SpecError where a value is none of those there are."""
    if value not in choices:
        raise SpecError(f"{name}={value} is unknown.{did_you_mean(value, choices)} Known: {', '.join(choices)}.")


def draw_he(net: nn.Module) -> None:
    """Draw the kernels of all convolutions so that gradients keep their variance on the way back.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet
    Classification", ICCV 2015, doi 10.1109/ICCV.2015.123.
    """
    for module in net.modules():
        # On the meta device there is nothing to draw, and trying costs more than a second of imports.
        if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def renamed(state: Mapping[str, Tensor], rules: Mapping[str, str]) -> dict[str, Tensor]:
    """Return tensors under the names that `rules`, regular expressions and what replaces them, make of theirs.

    Two names of one tensor become one. Where they are of tensors that differ, the other keeps its name, so that whoever
    compares names finds it.
    """
    found: dict[str, Tensor] = {}
    for old, tensor in state.items():
        name = old
        for pattern, replacement in rules.items():
            name = re.sub(pattern, replacement, name)
        twin = state.get(name, tensor)
        same = twin is tensor or (twin.dtype == tensor.dtype and torch.equal(twin, tensor))
        found[name if same else old] = tensor
    return found
