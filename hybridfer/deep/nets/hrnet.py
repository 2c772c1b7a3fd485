"""HRNetV2, which finds the points of a face: maps of four sizes side by side, the largest never given up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hybridfer.deep.nets.base import check_options, draw_he, renamed, scaled
from hybridfer.deep.nets.resnet import BasicBlock, Bottleneck

STEM = 64
"""Channels of the two convolutions that quarter the picture."""

MULTIPLE = 32
"""What the side of a picture is a multiple of: it is halved twice before the largest maps, thrice after them."""

MOMENTUM = 0.01
"""Of all norms: how much of the last batch goes into what is remembered."""


class Plan(NamedTuple):
    """How large a network is.

    Attributes
    ----------
    first : (int, int)
        Bottlenecks before the maps part, and their inner channels.
    width : int
        Channels of the largest maps; each smaller one has twice as many.
    modules : (int, int, int)
        How often the maps of the three stages exchange what they know.
    blocks : int
        Blocks between two exchanges.
    """

    first: tuple[int, int]
    width: int
    modules: tuple[int, int, int]
    blocks: int


W18 = Plan((4, 64), 18, (1, 4, 3), 4)
SMALL_W18 = Plan((1, 32), 16, (1, 1, 1), 2)
"""HRNet-W18-Small-v1 of the same authors."""


def hrnet(*, points: int = 98, channels: int = 3, input_size: int = 256, width: float = 1) -> HRNet:
    """Return an untrained HRNetV2-W18.

    Parameters
    ----------
    points : int
        Maps of the last layer; 98 points make 9,662,528 parameters.
    channels : int
        Channels of the pictures.
    input_size : int
        Side of the pictures, a multiple of 32.
    width : float
        Factor of every number of channels, rounded to even ones.

    Returns
    -------
    HRNet
        Takes ``(n, channels, S, S) float32``, returns ``(n, points, S / 4, S / 4) float32``.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    Examples
    --------
    >>> sum(p.numel() for p in hrnet().parameters())
    9662528
    """
    return HRNet(W18, points=points, channels=channels, input_size=input_size, width=width)


def hrnet_light(*, points: int = 98, channels: int = 3, input_size: int = 128, width: float = 1) -> HRNet:
    """Return an untrained light HRNetV2, for a processor: as :func:`hrnet`, of the authors' HRNet-W18-Small-v1."""
    return HRNet(SMALL_W18, points=points, channels=channels, input_size=input_size, width=width)


class HRNet(nn.Module):
    """A network whose last maps, one a point, are high where the point is; named as its authors' code names it.

    Two convolutions quarter the picture. From then on maps of that size go on to the end, and beside them maps of a
    half, a quarter and an eighth of it, each begun by a stage; after every few blocks each size is given what the
    others have found, brought to its own size. At the end all are enlarged to the largest and read together. The code
    has a softmax over channels that it never uses, and this has not.

    Parameters
    ----------
    plan : Plan
        How large it is.
    points, channels, input_size, width
        See :func:`hrnet`.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    References
    ----------
    J. Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition", IEEE TPAMI 43(10), 2021,
    doi 10.1109/TPAMI.2020.2983686.
    """

    def __init__(self, plan: Plan, *, points: int, channels: int, input_size: int, width: float) -> None:
        check_options(
            classes=points,
            channels=channels,
            input_size=input_size,
            width=width,
            least=MULTIPLE,
            multiple=MULTIPLE,
            outputs="points",
        )
        super().__init__()
        stem, (depth, inner) = scaled(STEM, width, 2), plan.first
        first = scaled(inner, width, 2) * Bottleneck.expansion
        widths = [scaled(plan.width, width, 2) << branch for branch in range(4)]
        self.conv1 = nn.Conv2d(channels, stem, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.conv2 = nn.Conv2d(stem, stem, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(stem)
        self.layer1 = nn.Sequential(Bottleneck(stem, first, 1))
        self.layer1.extend(Bottleneck(first, first, 1) for _ in range(depth - 1))
        before = [first]
        for stage, modules in enumerate(plan.modules, start=2):
            after = widths[:stage]
            self.add_module(f"transition{stage - 1}", Transition(before, after))
            self.add_module(f"stage{stage}", nn.Sequential(*(Exchange(after, plan.blocks) for _ in range(modules))))
            before = after
        total = sum(widths)
        self.head = nn.Sequential(
            nn.Conv2d(total, total, 1), nn.BatchNorm2d(total), nn.ReLU(), nn.Conv2d(total, points, 1)
        )
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = MOMENTUM
        draw_he(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return ``(n, points, S / 4, S / 4)`` maps of pictures ``(n, channels, S, S)``."""
        x = F.relu(self.bn1(self.conv1(pictures)))
        x = F.relu(self.bn2(self.conv2(x)))
        maps = [self.layer1(x)]
        for stage in (2, 3, 4):
            maps = self.get_submodule(f"transition{stage - 1}")(maps)
            maps = self.get_submodule(f"stage{stage}")(maps)
        found: Tensor = self.head(torch.cat([_enlarged(x, maps[0]) for x in maps], 1))
        return found

    @staticmethod
    def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of mmpose's checkpoints, of its versions 0 and 1, by our names, the authors'."""
        return renamed(
            state,
            {
                r"^backbone\.": "",
                r"^keypoint_head\.final_layer\.(\d)\.": r"head.\1.",
                r"^head\.conv_layers\.(\d)\.": r"head.\1.",
                r"^head\.final_layer\.": "head.3.",
            },
        )


class Transition(nn.ModuleList):
    """From the maps of one stage to those of the next: widths that change are changed, and one smaller size is begun.

    Parameters
    ----------
    before, after : sequence of int
        Channels of the maps it takes and gives.
    """

    def __init__(self, before: Sequence[int], after: Sequence[int]) -> None:
        super().__init__()
        for old, new in zip(before, after, strict=False):
            self.append(nn.Sequential() if old == new else nn.Sequential(*_conv(old, new, 1), nn.ReLU()))
        self.append(nn.Sequential(nn.Sequential(*_conv(before[-1], after[-1], 2), nn.ReLU())))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return one map more, made of the last."""
        return [layer(x) for layer, x in zip(self, [*maps, maps[-1]], strict=True)]


class Exchange(nn.Module):
    """Blocks for maps of each size apart, after which each size is the sum of all, brought to it.

    Larger maps are halved by convolutions, smaller ones narrowed by a 1×1 convolution and enlarged bilinearly.

    Parameters
    ----------
    widths : sequence of int
        Channels of the maps, the largest first.
    blocks : int
        For each of them.
    """

    def __init__(self, widths: Sequence[int], blocks: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(w, w, 1) for _ in range(blocks))) for w in widths)
        self.fuse_layers = nn.ModuleList(Fusion(widths, target) for target in range(len(widths)))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return maps of the same shapes."""
        own = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        return [fusion(own, like) for fusion, like in zip(self.fuse_layers, own, strict=True)]


class Fusion(nn.ModuleList):
    """The sum of maps of all sizes, as maps of one: that of place `target` in `widths`."""

    def __init__(self, widths: Sequence[int], target: int) -> None:
        super().__init__(_carried(widths, source, target) for source in range(len(widths)))

    def forward(self, maps: Sequence[Tensor], like: Tensor) -> Tensor:
        """Return maps of the shape of `like`."""
        parts = [_enlarged(layer(x), like) for layer, x in zip(self, maps, strict=True)]
        return F.relu(reduce(torch.add, parts))


def _carried(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """Return what brings maps to another size's channels and, where that is smaller, to the size."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(*_conv(widths[source], widths[target], 1, kernel=1))
    steps = [nn.Sequential(*_conv(widths[source], widths[source], 2), nn.ReLU()) for _ in range(target - source - 1)]
    return nn.Sequential(*steps, nn.Sequential(*_conv(widths[source], widths[target], 2)))


def _conv(inputs: int, outputs: int, stride: int, kernel: int = 3) -> tuple[nn.Module, nn.Module]:
    """Return a convolution and its norm."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return conv, nn.BatchNorm2d(outputs)


def _enlarged(maps: Tensor, like: Tensor) -> Tensor:
    size = like.shape[-2:]
    return maps if maps.shape[-2:] == size else F.interpolate(maps, size=size, mode="bilinear", align_corners=False)
