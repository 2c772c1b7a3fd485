"""ResNet-18 with the Amend Representation Module in place of the mean over the last maps."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from hybridfer.deep.nets.base import SMALL, check_choice, check_options, draw_he, renamed
from hybridfer.deep.nets.resnet import Backbone, BasicBlock, stage_sizes
from hybridfer.errors import SpecError

Affinity = Literal["ema", "batch", "none"]

CELL = 16
"""Side of the square of pixels that the arrangement makes of one place of 256 maps."""

MOMENTUM = 0.1
"""How much a batch moves the affinity that evaluation uses."""


def arm(
    *,
    classes: int = 7,
    channels: int = 3,
    input_size: int = 224,
    width: float = 1,
    affinity: Affinity = "ema",
    arrangement: bool = True,
    de_albino: bool = True,
) -> ARM:
    """Return an untrained ResNet-18 with the Amend Representation Module.

    Parameters
    ----------
    classes : int
        Values of the last layer; 7 classes make 11,178,395 parameters.
    channels : int
        Channels of the pictures.
    input_size : int
        Side of the pictures, a multiple of 32; or of 8 up to 64, where it begins at full resolution.
    width : float
        Factor of every number of channels, rounded to multiples of 8; those of the last stage to multiples of 256.
    affinity : {"ema", "batch", "none"}
        What is added to every picture's map: in training the mean over the batch, in evaluation the running mean of
        training, or with ``batch``, as in the paper, the mean over whoever happens to be scored together; or nothing.
    arrangement, de_albino : bool
        Without one, the network lacks that block, to see what it is good for; see :class:`Amend`.

    Returns
    -------
    ARM
        Takes ``(n, channels, input_size, input_size) float32``, returns ``(n, classes) float32``.

    Raises
    ------
    SpecError
        If a parameter is out of range.
    """
    return ARM(
        classes=classes,
        channels=channels,
        input_size=input_size,
        width=width,
        affinity=affinity,
        arrangement=arrangement,
        de_albino=de_albino,
    )


class ARM(Backbone):
    """ResNet-18 whose last maps are amended before the last layer reads them (Shi et al. 2021).

    The published code averages over the batch in evaluation too, so that a picture's scores depend on which others are
    scored with it; here they do not, unless `affinity` says ``batch``. Its checkpoints name the backbone by numbers;
    see :meth:`from_published`.

    Parameters
    ----------
    classes, channels, input_size, width, affinity, arrangement, de_albino
        See :func:`arm`.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    References
    ----------
    J. Shi, S. Zhu, Z. Liang, "Learning to Amend Facial Expression Representation via De-albino and Affinity", 2021,
    doi 10.48550/arXiv.2103.10189.
    """

    fixed_size: ClassVar[bool] = True
    """It takes pictures of its `input_size` alone."""

    def __init__(
        self,
        *,
        classes: int,
        channels: int,
        input_size: int,
        width: float,
        affinity: Affinity,
        arrangement: bool,
        de_albino: bool,
    ) -> None:
        check_options(
            classes=classes,
            channels=channels,
            input_size=input_size,
            width=width,
            multiple=8 if input_size <= SMALL else 32,
        )
        check_choice("affinity", affinity, get_args(Affinity))
        super().__init__(
            (2, 2, 2, 2),
            BasicBlock,
            channels=channels,
            input_size=input_size,
            width=width,
            last_multiple=CELL**2 if arrangement else 8,
        )
        size = stage_sizes(input_size)[-1]
        self.arm = Amend(self.widths[-1], size, affinity=affinity, arrangement=arrangement, de_albino=de_albino)
        self.fc = nn.Linear(math.prod(self.arm.shape), classes)
        draw_he(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return ``(n, classes)`` scores, before any softmax, of pictures ``(n, channels, H, W)``."""
        scores: Tensor = self.fc(self.arm(self.maps(pictures)))
        return scores

    def from_published(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of the published code by our names.

        There ``features.0``, ``features.1`` and ``features.4`` to ``features.7`` are the backbone; in a file before
        May 2021, ``element_attention_x.elm`` and ``.bn`` are the module. None of them has the affinity that evaluation
        uses here. Batch norm's shift is what the values of its map are on average, and stands in for it at every place.
        """
        named = renamed(
            state,
            {
                r"^features\.0\.": "conv1.",
                r"^features\.1\.": "bn1.",
                r"^features\.4\.": "layer1.",
                r"^features\.5\.": "layer2.",
                r"^features\.6\.": "layer3.",
                r"^features\.7\.": "layer4.",
                r"^element_attention_x\.elm\.": "arm.de_albino.",
                r"^element_attention_x\.bn\.": "arm.bn.",
            },
        )
        shift, reader = named.get("arm.bn.bias"), named.get("fc.weight")
        lacks = self.arm.share == "ema" and "arm.affinity" not in named
        if lacks and shift is not None and reader is not None and reader.ndim == 2:
            side = math.isqrt(reader.shape[1])
            named["arm.affinity"] = shift.float().mean().expand(1, side, side)
        return named


class Amend(nn.Module):
    """Turns the last maps of a network into one map that its padding has eroded less.

    *Arrangement* lays 256 maps of ``(s, s)`` out as one of ``(16 s, 16 s)``, a cell of 16 by 16 for each place.
    *De-albino* is one kernel for all maps, two cells by two, that moves on by half a cell and learns how little eroded
    values are worth. *Sharing affinity* adds to each picture's map, times a learnt factor, what the pictures of the
    batch have in common.

    Without de-albino the same windows are averaged. Without arrangement the maps stay as they are, a kernel covers
    the same two cells by two, which are pixels then, and each map's mean goes on, as in a residual network.

    Parameters
    ----------
    inputs, size : int
        Number of maps, a multiple of 256 where they are arranged, and their side.
    affinity, arrangement, de_albino
        See :func:`arm`.

    Attributes
    ----------
    shape : tuple of int
        Of a picture's amended map; without arrangement, of its vector.
    affinity : (1, *shape) float32
        The running mean of training, a buffer; only there for ``ema``.
    """

    affinity: Tensor

    def __init__(self, inputs: int, size: int, *, affinity: Affinity, arrangement: bool, de_albino: bool) -> None:
        super().__init__()
        self.share = affinity
        self.arranged = arrangement
        cell = CELL if arrangement else 1
        kernel, stride = 2 * cell, max(1, cell // 2)
        outputs = inputs // cell**2
        self.arrangement = nn.PixelShuffle(CELL) if arrangement else nn.Identity()
        self.de_albino = SharedConv(kernel, stride) if de_albino else nn.AvgPool2d(kernel, stride)
        self.bn = nn.BatchNorm2d(outputs)
        side = (size * cell - kernel) // stride + 1
        self.shape = (side, side) if arrangement else (outputs,)
        if affinity != "none":
            self.alpha = nn.Parameter(torch.ones(1))
        if affinity == "ema":
            self.register_buffer("affinity", torch.zeros(1, *self.shape))
        if affinity == "batch":
            warnings.warn(
                "With affinity=batch a picture's scores depend on which others are scored with it; not so with ema.",
                stacklevel=2,
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return vectors ``(n, d)``, each an amended map row by row, of maps ``(n, C, size, size)``.

        Raises
        ------
        SpecError
            If the maps have another size than it was made for.
        """
        x = self.bn(self.de_albino(self.arrangement(x)))
        x = x.mean(1 if self.arranged else (2, 3))
        if x.shape[1:] != self.shape:  # adding the affinity would spread a smaller map out without a word
            raise SpecError(
                f"Pictures of this size leave ARM a map of {tuple(x.shape[1:])}, where it was made for {self.shape}; "
                "resize them to its input_size."
            )
        if self.share == "ema" and not self.training:
            x = x + self.alpha * self.affinity
        elif self.share != "none":
            common = x.mean(0, keepdim=True)
            x = x + self.alpha * common
            if self.share == "ema":
                with torch.no_grad():
                    self.affinity.lerp_(common.to(self.affinity.dtype), MOMENTUM)
        return torch.flatten(x, 1)


class SharedConv(nn.Conv2d):
    """One kernel ``(1, 1, kernel, kernel)`` for every map alike, ``(n, C, H, W)`` to ``(n, C, h, w)``."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__(1, 1, kernel, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps that the kernel makes of each map."""
        alone = super().forward(x.reshape(-1, 1, *x.shape[2:]))
        return alone.reshape(*x.shape[:2], *alone.shape[2:])
