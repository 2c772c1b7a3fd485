"""ResNet-50 with gates that weigh channels and places: CBAM in every block, BAM between the stages."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hybridfer.deep.nets.base import check_options, draw_he
from hybridfer.deep.nets.resnet import Backbone, Bottleneck, ResNet

DEPTHS = (3, 4, 6, 3)
"""Blocks of the four stages, as ResNet-50's."""

REDUCTION = 16
"""How many channels share one value in the middle of a gate."""


def cbam_resnet50(*, classes: int = 7, channels: int = 3, input_size: int = 224, width: float = 1) -> ResNet:
    """Return an untrained ResNet-50 with a Convolutional Block Attention Module in every block.

    Parameters
    ----------
    classes : int
        Values of the last layer; 7 classes make 26,054,967 parameters.
    channels, input_size, width
        See :func:`~hybridfer.deep.nets.resnet.resnet18`.

    Returns
    -------
    ResNet
        Of :class:`CBAMBottleneck`; takes ``(n, channels, H, W) float32``, returns ``(n, classes) float32``.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    References
    ----------
    S. Woo, J. Park, J.-Y. Lee, I. S. Kweon, "CBAM: Convolutional Block Attention Module", ECCV 2018,
    doi 10.1007/978-3-030-01234-2_1.
    """
    return ResNet(DEPTHS, CBAMBottleneck, classes=classes, channels=channels, input_size=input_size, width=width)


def bam_resnet50(*, classes: int = 7, channels: int = 3, input_size: int = 224, width: float = 1) -> BAMResNet:
    """Return an untrained ResNet-50 with a Bottleneck Attention Module between the stages.

    Parameters
    ----------
    classes : int
        Values of the last layer; 7 classes make 23,880,442 parameters.
    channels, input_size, width
        See :func:`~hybridfer.deep.nets.resnet.resnet18`.

    Returns
    -------
    BAMResNet
        Takes ``(n, channels, H, W) float32``, returns ``(n, classes) float32``.

    Raises
    ------
    SpecError
        If a parameter is out of range.
    """
    return BAMResNet(classes=classes, channels=channels, input_size=input_size, width=width)


class CBAMBottleneck(Bottleneck):
    """A bottleneck whose correction is weighed channel by channel and then place by place."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(inputs, outputs, stride)
        self.channel_gate = ChannelGate(outputs)
        self.spatial_gate = SpatialGate()

    def correction(self, x: Tensor) -> Tensor:
        """Return what the block adds to its input."""
        added: Tensor = self.spatial_gate(self.channel_gate(super().correction(x)))
        return added


class ChannelGate(nn.Module):
    """Weighs each channel by what two layers make of its mean and of its maximum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // REDUCTION)
        self.mlp = nn.Sequential(nn.Linear(channels, inner), nn.ReLU(), nn.Linear(inner, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return weighed maps ``(n, channels, H, W)``."""
        weights = torch.sigmoid(self.mlp(x.mean((2, 3))) + self.mlp(x.amax((2, 3))))
        return x * weights[:, :, None, None]


class SpatialGate(nn.Module):
    """Weighs each place by what a 7×7 kernel makes of the maximum and the mean over channels around it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.bn = nn.BatchNorm2d(1)

    def forward(self, x: Tensor) -> Tensor:
        """Return weighed maps ``(n, channels, H, W)``."""
        seen = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.bn(self.conv(seen)))


class BAMResNet(Backbone):
    """A residual network of bottlenecks with a :class:`BAM` after each stage but the last.

    Parameters
    ----------
    classes, channels, input_size, width
        See :func:`bam_resnet50`.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    References
    ----------
    J. Park, S. Woo, J.-Y. Lee, I. S. Kweon, "BAM: Bottleneck Attention Module", BMVC 2018,
    doi 10.48550/arXiv.1807.06514.
    """

    def __init__(self, *, classes: int, channels: int, input_size: int, width: float) -> None:
        check_options(classes=classes, channels=channels, input_size=input_size, width=width)
        super().__init__(DEPTHS, Bottleneck, channels=channels, input_size=input_size, width=width)
        self.bam1, self.bam2, self.bam3 = (BAM(c) for c in self.widths[:3])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(self.widths[3], classes)
        draw_he(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return ``(n, classes)`` scores, before any softmax, of pictures ``(n, channels, H, W)``."""
        x = self.bam1(self.layer1(self.stem(pictures)))
        x = self.layer4(self.bam3(self.layer3(self.bam2(self.layer2(x)))))
        scores: Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return scores


class BAM(nn.Module):
    """Weighs maps by ``1 + sigmoid(c · p)`` of a value c for each channel and a value p for each place.

    The paper adds the two; the implementation that FER2013's published score comes from multiplies them, and so does
    this. In training it wants two pictures or more at once, as any batch norm of vectors does.

    Parameters
    ----------
    channels : int
        Of the maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // REDUCTION)
        self.channel = nn.Sequential(
            nn.Linear(channels, inner), nn.BatchNorm1d(inner), nn.ReLU(), nn.Linear(inner, channels)
        )
        self.space = nn.Sequential(
            nn.Conv2d(channels, inner, 1),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, inner, 3, padding=4, dilation=4),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, inner, 3, padding=4, dilation=4),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return weighed maps ``(n, channels, H, W)``."""
        weights = self.channel(x.mean((2, 3)))[:, :, None, None] * self.space(x)
        return x * (1 + torch.sigmoid(weights))
