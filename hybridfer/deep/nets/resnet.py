"""Residual networks of 18 and 34 layers, with torchvision's names for every parameter."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (64, 128, 256, 512)
"""Channels of the four stages."""


def resnet18(*, classes: int = 7, channels: int = 3) -> ResNet:
    """Return an untrained ResNet-18.

    Parameters
    ----------
    classes : int
        Values of the last layer; 7 classes make 11,180,103 parameters, ImageNet's 1000 make 11,689,512.
    channels : int
        Channels of the pictures.

    Returns
    -------
    ResNet
        Takes ``(n, channels, H, W) float32``, returns ``(n, classes) float32``.

    Examples
    --------
    >>> sum(p.numel() for p in resnet18().parameters())
    11180103
    """
    return ResNet((2, 2, 2, 2), classes, channels)


def resnet34(*, classes: int = 7, channels: int = 3) -> ResNet:
    """Return an untrained ResNet-34: as :func:`resnet18`, deeper; 7 classes make 21,288,263 parameters."""
    return ResNet((3, 4, 6, 3), classes, channels)


class ResNet(nn.Module):
    """A residual network of basic blocks (He et al. 2016): each block adds a correction to what it was given.

    A 7×7 convolution and a pooling quarter the picture, four stages of blocks follow, each but the first halving it
    again, and a linear layer reads the mean over the map. Parameters and submodules are named as torchvision names
    them (``conv1``, ``layer2.0.downsample.0``, ``fc``), so its checkpoints fit. As there, and unlike the paper's
    option A, a block that changes the shape of its input carries it across by a 1×1 convolution.

    Parameters
    ----------
    depths : sequence of int
        Blocks of each of the four stages.
    classes : int
        Values of the last layer.
    channels : int
        Channels of the pictures.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016,
    doi 10.1109/CVPR.2016.90.
    """

    def __init__(self, depths: Sequence[int], classes: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, WIDTHS[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(WIDTHS[0], WIDTHS[0], depths[0], stride=1)
        self.layer2 = _stage(WIDTHS[0], WIDTHS[1], depths[1], stride=2)
        self.layer3 = _stage(WIDTHS[1], WIDTHS[2], depths[2], stride=2)
        self.layer4 = _stage(WIDTHS[2], WIDTHS[3], depths[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(WIDTHS[3], classes)
        for module in self.modules():
            # On the meta device there is nothing to draw, and trying costs more than a second of imports.
            if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pictures: Tensor) -> Tensor:
        """Return ``(n, classes)`` scores, before any softmax, of pictures ``(n, channels, H, W)``."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(pictures))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        scores: Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return scores


class BasicBlock(nn.Module):
    """Two 3×3 convolutions whose result is added to the block's input; `stride` shrinks the map on the way."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(n, outputs, H / stride, W / stride)`` of ``(n, inputs, H, W)``."""
        kept = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + kept)


def _stage(inputs: int, outputs: int, depth: int, stride: int) -> nn.Sequential:
    """Return `depth` blocks, the first of which changes the width and shrinks the map."""
    return nn.Sequential(
        BasicBlock(inputs, outputs, stride), *(BasicBlock(outputs, outputs, 1) for _ in range(depth - 1))
    )
