"""The Residual Masking Network: after each stage of a residual network a small U-Net says where to look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hybridfer.deep.nets.base import SMALL, check_choice, check_options, draw_he, renamed
from hybridfer.deep.nets.resnet import Backbone, BasicBlock, stage_sizes

MaskAct = Literal["softmax", "sigmoid", "none"]

DEPTHS = (4, 3, 2, 1)
"""Levels of the four masks in the published network."""


def rmn34(
    *, classes: int = 7, channels: int = 3, input_size: int = 224, width: float = 1, mask_act: MaskAct = "softmax"
) -> RMN:
    """Return an untrained Residual Masking Network on ResNet-34.

    Parameters
    ----------
    classes : int
        Values of the last layer; 7 classes make 137,796,423 parameters.
    channels : int
        Channels of the pictures.
    input_size : int
        Side of the pictures, a multiple of 32; or of 8 up to 64, where it begins at full resolution.
    width : float
        Factor of every number of channels, rounded to multiples of 8.
    mask_act : {"softmax", "sigmoid", "none"}
        What brings masks to 0 to 1; ``none`` leaves them out, and a residual network remains.

    Returns
    -------
    RMN
        Takes ``(n, channels, input_size, input_size) float32``, returns ``(n, classes) float32``.

    Raises
    ------
    SpecError
        If a parameter is out of range.
    """
    return RMN((3, 4, 6, 3), classes=classes, channels=channels, input_size=input_size, width=width, mask_act=mask_act)


def rmn18(
    *, classes: int = 7, channels: int = 3, input_size: int = 224, width: float = 1, mask_act: MaskAct = "softmax"
) -> RMN:
    """Return an untrained Residual Masking Network on ResNet-18: 127,688,263 parameters; see :func:`rmn34`."""
    return RMN((2, 2, 2, 2), classes=classes, channels=channels, input_size=input_size, width=width, mask_act=mask_act)


class RMN(Backbone):
    """A residual network of which each stage's maps F are refined to ``F · (1 + M)``, M being a mask made of them.

    Following the published code rather than the text, masks are a softmax over channels: at each place they add to 1,
    so that they choose among channels more than among places; ``sigmoid`` is the text's plain range of 0 to 1. The
    code's tensors have the same names but that it names each mask's shortcuts twice; see :meth:`from_published`.
    It expects grey pictures as three equal channels of 0 to 1, from which no mean is taken.

    For other sizes than 224 a mask has as many levels as leave its smallest maps four pixels wide, and no more than the
    published one.

    Parameters
    ----------
    depths : sequence of int
        Blocks of each of the four stages.
    classes, channels, input_size, width, mask_act
        See :func:`rmn34`.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    References
    ----------
    L. Pham, T. H. Vu, T. A. Tran, "Facial Expression Recognition Using Residual Masking Network", ICPR 2020,
    doi 10.1109/ICPR48806.2021.9411919.
    """

    fixed_size: ClassVar[bool] = True
    """It takes pictures of its `input_size` alone."""

    published: ClassVar[Mapping[str, object]] = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0), "grey": True}
    """What its authors' weights want to be shown, as a card of weights says it."""

    def __init__(
        self,
        depths: Sequence[int],
        *,
        classes: int,
        channels: int,
        input_size: int,
        width: float,
        mask_act: MaskAct,
    ) -> None:
        check_options(
            classes=classes,
            channels=channels,
            input_size=input_size,
            width=width,
            multiple=8 if input_size <= SMALL else 32,
        )
        check_choice("mask_act", mask_act, get_args(MaskAct))
        super().__init__(depths, BasicBlock, channels=channels, input_size=input_size, width=width)
        self.mask_act = mask_act
        if mask_act != "none":
            sizes = stage_sizes(input_size)
            self.mask1, self.mask2, self.mask3, self.mask4 = (
                Mask(self.widths[i], _levels(sizes[i], DEPTHS[i]), mask_act) for i in range(4)
            )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(nn.Dropout(0.4), nn.Linear(self.widths[3], classes))
        draw_he(self)
        for module in self.modules():
            if isinstance(module, Mask):
                module.begin_with_shortcuts()

    def forward(self, pictures: Tensor) -> Tensor:
        """Return ``(n, classes)`` scores, before any softmax, of pictures ``(n, channels, H, W)``."""
        return self.scores(self.refined(pictures)[0][-1])

    def refined(self, pictures: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return the refined maps of the four stages, and the masks that refined them."""
        x = self.stem(pictures)
        maps, masks = [], []
        for stage in (1, 2, 3, 4):
            x = self.get_submodule(f"layer{stage}")(x)
            if self.mask_act != "none":
                masks.append(self.get_submodule(f"mask{stage}")(x))
                x = x * (1 + masks[-1])
            maps.append(x)
        return maps, masks

    def scores(self, maps: Tensor) -> Tensor:
        """Return the scores that the last stage's maps are given."""
        scores: Tensor = self.fc(torch.flatten(self.avgpool(maps), 1))
        return scores

    @staticmethod
    def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of the published code by our names.

        There ``mask1.downsample2`` and ``mask1.conv2.downsample`` are one module under two names, which makes 740
        entries of 620 tensors; and a network without dropout has ``fc``, which is ``fc.1`` here.
        """
        return renamed(
            state,
            {
                r"^(mask\d)\.downsample(\d)\.": r"\1.conv\2.downsample.",
                r"^fc\.(weight|bias)$": r"fc.1.\1",
            },
        )


class Mask(nn.Module):
    """A U-Net that makes of maps ``(n, C, H, W)`` a mask of the same shape with values in 0 to 1.

    Each of `levels` doubles the channels, halving the map before it, but at the first; the way back halves the channels
    again, and reads at each level what the way down had there. Blocks are numbered in the order in which they run, as
    in the published code.

    Parameters
    ----------
    channels : int
        C.
    levels : int
        1 or more; H and W are multiples of ``2 ** (levels - 1)``.
    act : {"softmax", "sigmoid"}
        What the values go through: a softmax over channels, or each a sigmoid.
    """

    def __init__(self, channels: int, levels: int, act: MaskAct) -> None:
        super().__init__()
        self.levels = levels
        self.act = act
        for level in range(1, levels + 1):
            self.add_module(f"conv{level}", BasicBlock(channels << level - 1, channels << level, 1))
        for number in range(levels + 1, 2 * levels):
            outputs = channels << 2 * levels - number
            self.add_module(
                f"up_pool{number}",
                nn.Sequential(
                    nn.ConvTranspose2d(2 * outputs, outputs, 2, stride=2), nn.BatchNorm2d(outputs), nn.ReLU()
                ),
            )
            self.add_module(f"conv{number}", BasicBlock(2 * outputs, outputs, 1))
        self.add_module(f"conv{2 * levels}", BasicBlock(2 * channels, channels, 1))

    def begin_with_shortcuts(self) -> None:
        """Have blocks give their shortcuts at first, and learn to add to them."""
        for module in self.children():
            if isinstance(module, BasicBlock):
                nn.init.zeros_(module.bn2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return a mask for maps; see the class."""
        down: list[Tensor] = []
        for level in range(1, self.levels + 1):
            x = self.get_submodule(f"conv{level}")(F.max_pool2d(x, 2) if down else x)
            down.append(x)
        for number in range(self.levels + 1, 2 * self.levels):
            x = self.get_submodule(f"up_pool{number}")(x)
            x = self.get_submodule(f"conv{number}")(torch.cat([x, down[2 * self.levels - number - 1]], 1))
        x = self.get_submodule(f"conv{2 * self.levels}")(x)
        return torch.softmax(x, 1) if self.act == "softmax" else torch.sigmoid(x)


def _levels(size: int, most: int) -> int:
    """Return how many levels a mask for maps of this size has."""
    return max(1, min(most, (size // 2).bit_length() - 1))
