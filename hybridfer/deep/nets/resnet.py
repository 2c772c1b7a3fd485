"""Residual networks of 18, 34, 50 and 152 layers, with torchvision's names for every parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hybridfer.deep.nets.base import SMALL, check_options, draw_he, scaled

WIDTHS = (64, 128, 256, 512)
"""Channels of the four stages; bottlenecks give four times as many."""


def resnet18(*, classes: int = 7, channels: int = 3, input_size: int = 224, width: float = 1) -> ResNet:
    """Return an untrained ResNet-18.

    Parameters
    ----------
    classes : int
        Values of the last layer; 7 classes make 11,180,103 parameters, ImageNet's 1000 make 11,689,512.
    channels : int
        Channels of the pictures.
    input_size : int
        Side of the pictures it is meant for; up to 64 it begins with a 3×3 convolution at full resolution.
    width : float
        Factor of every number of channels, rounded to multiples of 8.

    Returns
    -------
    ResNet
        Takes ``(n, channels, H, W) float32``, returns ``(n, classes) float32``.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    Examples
    --------
    >>> sum(p.numel() for p in resnet18().parameters())
    11180103
    """
    return ResNet((2, 2, 2, 2), classes=classes, channels=channels, input_size=input_size, width=width)


def resnet34(*, classes: int = 7, channels: int = 3, input_size: int = 224, width: float = 1) -> ResNet:
    """Return an untrained ResNet-34: as :func:`resnet18`, deeper; 7 classes make 21,288,263 parameters."""
    return ResNet((3, 4, 6, 3), classes=classes, channels=channels, input_size=input_size, width=width)


def resnet50(*, classes: int = 7, channels: int = 3, input_size: int = 224, width: float = 1) -> ResNet:
    """Return an untrained ResNet-50: as :func:`resnet34`, of bottlenecks; 7 classes make 23,522,375 parameters."""
    return ResNet((3, 4, 6, 3), Bottleneck, classes=classes, channels=channels, input_size=input_size, width=width)


def resnet152(*, classes: int = 7, channels: int = 3, input_size: int = 224, width: float = 1) -> ResNet:
    """Return an untrained ResNet-152: as :func:`resnet50`, deeper; 7 classes make 58,158,151 parameters."""
    return ResNet((3, 8, 36, 3), Bottleneck, classes=classes, channels=channels, input_size=input_size, width=width)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions whose result is added to the block's input; `stride` shrinks the map on the way."""

    expansion: ClassVar[int] = 1

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(n, outputs, H / stride, W / stride)`` of ``(n, inputs, H, W)``."""
        kept = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + kept)


class Bottleneck(nn.Module):
    """A 3×3 convolution between two 1×1 that narrow the map and widen it again, added to the block's input.

    `stride` shrinks the map at the 3×3, as torchvision has it (known as version 1.5), where the paper does at the
    first 1×1.
    """

    expansion: ClassVar[int] = 4

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        inner = outputs // self.expansion
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(n, outputs, H / stride, W / stride)`` of ``(n, inputs, H, W)``."""
        kept = x if self.downsample is None else self.downsample(x)
        return F.relu(self.correction(x) + kept)

    def correction(self, x: Tensor) -> Tensor:
        """Return what the block adds to its input."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        added: Tensor = self.bn3(self.conv3(x))
        return added


class Backbone(nn.Module):
    """All of a residual network but its end: pictures in, the maps of the last stage out.

    A 7×7 convolution and a pooling quarter the picture, four stages of blocks follow, each but the first halving it
    again. For pictures of 64 pixels or less the beginning is a 3×3 convolution that keeps their size, and nothing is
    pooled.

    Parameters
    ----------
    depths : sequence of int
        Blocks of each of the four stages.
    block : type
        :class:`BasicBlock`, :class:`Bottleneck` or one derived from them.
    channels : int
        Channels of the pictures.
    input_size : int
        Side of the pictures it is meant for.
    width : float
        Factor of every number of channels.
    last_multiple : int
        What the channels of the last stage are a multiple of.

    Attributes
    ----------
    widths : list of int
        Channels that each stage gives.
    """

    def __init__(
        self,
        depths: Sequence[int],
        block: type[BasicBlock | Bottleneck],
        *,
        channels: int,
        input_size: int,
        width: float,
        last_multiple: int = 8,
    ) -> None:
        super().__init__()
        small = input_size <= SMALL
        inner = [*(scaled(c, width) for c in WIDTHS[:3]), scaled(WIDTHS[3], width, last_multiple)]
        self.widths = [c * block.expansion for c in inner]
        kernel, stride = (3, 1) if small else (7, 2)
        self.conv1 = nn.Conv2d(channels, inner[0], kernel, stride=stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(inner[0])
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(block, inner[0], self.widths[0], depths[0], stride=1)
        self.layer2 = _stage(block, self.widths[0], self.widths[1], depths[1], stride=2)
        self.layer3 = _stage(block, self.widths[1], self.widths[2], depths[2], stride=2)
        self.layer4 = _stage(block, self.widths[2], self.widths[3], depths[3], stride=2)

    def stem(self, pictures: Tensor) -> Tensor:
        """Return the maps that the first stage is given."""
        maps: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(pictures))))
        return maps

    def maps(self, pictures: Tensor) -> Tensor:
        """Return the maps of the last stage."""
        maps: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(pictures)))))
        return maps


def stage_sizes(input_size: int) -> list[int]:
    """Return the sides of the maps of a backbone's four stages, for pictures of a multiple of 32, or of 8 if small."""
    first = input_size if input_size <= SMALL else input_size // 4
    return [first >> stage for stage in range(4)]


class ResNet(Backbone):
    """A residual network (He et al. 2016): each block adds a correction to what it was given.

    A linear layer reads the mean over the last maps of a :class:`Backbone`. Parameters and submodules are named as
    torchvision names them (``conv1``, ``layer2.0.downsample.0``, ``fc``), so its checkpoints fit. As there, and unlike
    the paper's option A, a block that changes the shape of its input carries it across by a 1×1 convolution.

    Parameters
    ----------
    depths : sequence of int
        Blocks of each of the four stages.
    block : type
        What they are; see :class:`Backbone`.
    classes : int
        Values of the last layer.
    channels, input_size, width
        See :class:`Backbone`.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016,
    doi 10.1109/CVPR.2016.90.
    """

    def __init__(
        self,
        depths: Sequence[int],
        block: type[BasicBlock | Bottleneck] = BasicBlock,
        *,
        classes: int,
        channels: int,
        input_size: int,
        width: float,
    ) -> None:
        check_options(classes=classes, channels=channels, input_size=input_size, width=width)
        super().__init__(depths, block, channels=channels, input_size=input_size, width=width)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(self.widths[3], classes)
        draw_he(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return ``(n, classes)`` scores, before any softmax, of pictures ``(n, channels, H, W)``."""
        scores: Tensor = self.fc(torch.flatten(self.avgpool(self.maps(pictures)), 1))
        return scores


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """Return what carries a block's input across, where it does not fit as it is."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))


def _stage(block: type[BasicBlock | Bottleneck], inputs: int, outputs: int, depth: int, stride: int) -> nn.Sequential:
    """Return `depth` blocks, the first of which changes the width and shrinks the map."""
    return nn.Sequential(block(inputs, outputs, stride), *(block(outputs, outputs, 1) for _ in range(depth - 1)))
