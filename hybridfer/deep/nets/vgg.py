"""VGG-19 as its paper has it, and the VGG-13 of FER+: plain convolutions one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hybridfer.deep.nets.base import check_options, draw_he, scaled


def vgg13(*, classes: int = 8, channels: int = 3, input_size: int = 64, width: float = 1) -> VGG:
    """Return an untrained VGG-13 as FER+ was introduced with, which is not the VGG-13 of Simonyan and Zisserman.

    Ten convolutions in four groups (two of 64, two of 128, three of 256, three of 256), a dropout of 0.25 after each,
    and three linear layers: 13 in all, as the authors' published code has it.

    Parameters
    ----------
    classes : int
        Values of the last layer; with 8 classes and 1 channel, as published, there are 8,757,704 parameters.
    channels : int
        Channels of the pictures.
    input_size : int
        Side of the pictures it is meant for.
    width : float
        Factor of every number of channels, rounded to multiples of 8.

    Returns
    -------
    VGG
        Takes ``(n, channels, H, W) float32``, returns ``(n, classes) float32``.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    References
    ----------
    E. Barsoum, C. Zhang, C. Canton Ferrer, Z. Zhang, "Training Deep Networks for Facial Expression Recognition with
    Crowd-Sourced Label Distribution", ICMI 2016, doi 10.1145/2993148.2993165.

    Examples
    --------
    >>> sum(p.numel() for p in vgg13(classes=8, channels=1).parameters())
    8757704
    """
    groups = ((64, 64), (128, 128), (256, 256, 256), (256, 256, 256))
    return VGG(groups, 1024, 0.25, classes=classes, channels=channels, input_size=input_size, width=width)


def vgg19(*, classes: int = 7, channels: int = 3, input_size: int = 224, width: float = 1) -> VGG:
    """Return an untrained VGG-19, named as torchvision names it; 7 classes make 139,598,919 parameters.

    Parameters
    ----------
    classes, channels, width
        See :func:`vgg13`.
    input_size : int
        Side of the pictures it is meant for, 32 or more.

    Returns
    -------
    VGG
        Takes ``(n, channels, H, W) float32``, returns ``(n, classes) float32``.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    References
    ----------
    K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
    doi 10.48550/arXiv.1409.1556.
    """
    groups = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)
    return VGG(groups, 4096, 0, classes=classes, channels=channels, input_size=input_size, width=width)


class VGG(nn.Module):
    """Groups of 3×3 convolutions, each group ended by a pooling that halves its maps, and three linear layers.

    Parameters
    ----------
    groups : sequence of sequence of int
        Channels of each convolution of each group.
    hidden : int
        Values of the first two linear layers.
    dropout : float
        After each group; after the first two linear layers it is 0.5.
    classes, channels, input_size, width
        See :func:`vgg13`.

    Attributes
    ----------
    looks_at : str
        The layer whose maps tell where it looked (:func:`~hybridfer.deep.explain.grad_cam`): the last before a pooling.

    Raises
    ------
    SpecError
        If a parameter is out of range.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[int]],
        hidden: int,
        dropout: float,
        *,
        classes: int,
        channels: int,
        input_size: int,
        width: float,
    ) -> None:
        shrinks = 2 ** len(groups)
        check_options(classes=classes, channels=channels, input_size=input_size, width=width, least=shrinks)
        super().__init__()
        layers: list[nn.Module] = []
        for group in groups:
            for outputs in (scaled(c, width) for c in group):
                layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.ReLU()]
                channels = outputs
            layers += [nn.MaxPool2d(2, stride=2), *([nn.Dropout(dropout)] if dropout else [])]
        side = input_size // shrinks
        hidden = scaled(hidden, width)
        self.features = nn.Sequential(*layers)
        self.looks_at = f"features.{max(i for i, layer in enumerate(layers) if isinstance(layer, nn.ReLU))}"
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        self.classifier = nn.Sequential(
            nn.Linear(channels * side**2, hidden),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(hidden, classes),
        )
        draw_he(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return ``(n, classes)`` scores, before any softmax, of pictures ``(n, channels, H, W)``."""
        scores: Tensor = self.classifier(torch.flatten(self.avgpool(self.features(pictures)), 1))
        return scores
