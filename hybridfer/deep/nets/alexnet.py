"""AlexNet-Emotion: AlexNet with a short vector before its classes, which the island loss can pull together."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hybridfer.deep.nets.base import Answer, check_options, draw_he, scaled

LEAST = 99
"""Side of the smallest picture that three poolings leave anything to read of; smaller ones are enlarged to it."""

FEATURES = 128
"""Values of the vector."""


def alexnet_emotion(
    *, classes: int = 7, channels: int = 3, input_size: int = 227, width: float = 1, fc6: int = 1024
) -> AlexNetEmotion:
    """Return an untrained AlexNet-Emotion.

    Parameters
    ----------
    classes : int
        Values of the last layer; 7 classes make 13,317,511 parameters.
    channels : int
        Channels of the pictures; a fourth is for the map of changes of angles between key points.
    input_size : int
        Side of the pictures; below 99 they are enlarged to it.
    width : float
        Factor of every number of channels, rounded to multiples of 8, and of `fc6`; the vector keeps its 128 values.
    fc6 : int
        Values of the layer before the vector, 4096 in AlexNet.

    Returns
    -------
    AlexNetEmotion
        Takes ``(n, channels, input_size, input_size) float32``. In evaluation it returns ``(n, classes) float32``, in
        training an :class:`~hybridfer.deep.nets.base.Answer` with `features`.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    Examples
    --------
    >>> sum(p.numel() for p in alexnet_emotion().parameters())
    13317511
    """
    return AlexNetEmotion(classes=classes, channels=channels, input_size=input_size, width=width, fc6=fc6)


class AlexNetEmotion(nn.Module):
    """AlexNet (Krizhevsky et al. 2012) of one column, whose FC7 has 128 values.

    The paper has no table of layers; it gives FC7's 128 values and that the island loss pulls at them. Where, is our
    reading: at the values before the rectifier, which can be negative, so that centres can point away from each other.

    Parameters
    ----------
    classes, channels, input_size, width, fc6
        See :func:`alexnet_emotion`.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    References
    ----------
    H. Ge, Z. Zhu, Y. Dai, B. Wang, X. Wu, "Facial expression recognition based on deep learning", Computer Methods and
    Programs in Biomedicine 215, 2022, doi 10.1016/j.cmpb.2022.106621.
    A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet Classification with Deep Convolutional Neural Networks",
    Communications of the ACM 60(6), 2017, doi 10.1145/3065386.
    """

    fixed_size: ClassVar[bool] = True
    """It takes pictures of its `input_size` alone."""

    looks_at: ClassVar[str] = "relu5"
    """The layer whose maps tell where it looked (see :func:`~hybridfer.deep.explain.grad_cam`), before a pooling."""

    def __init__(self, *, classes: int, channels: int, input_size: int, width: float, fc6: int) -> None:
        check_options(classes=classes, channels=channels, input_size=input_size, width=width)
        super().__init__()
        first, second, third, hidden = (scaled(c, width) for c in (96, 256, 384, fc6))
        self.conv1 = nn.Conv2d(channels, first, 11, stride=4)
        self.relu1 = nn.ReLU()
        self.norm1 = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2)
        self.pool1 = nn.MaxPool2d(3, stride=2)
        self.conv2 = nn.Conv2d(first, second, 5, padding=2)
        self.relu2 = nn.ReLU()
        self.norm2 = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2)
        self.pool2 = nn.MaxPool2d(3, stride=2)
        self.conv3 = nn.Conv2d(second, third, 3, padding=1)
        self.relu3 = nn.ReLU()
        self.conv4 = nn.Conv2d(third, third, 3, padding=1)
        self.relu4 = nn.ReLU()
        self.conv5 = nn.Conv2d(third, second, 3, padding=1)
        self.relu5 = nn.ReLU()
        self.pool5 = nn.MaxPool2d(3, stride=2)
        self.fc6 = nn.Linear(second * _last_side(max(input_size, LEAST)) ** 2, hidden)
        self.relu6 = nn.ReLU()
        self.drop6 = nn.Dropout(0.5)
        self.fc7 = nn.Linear(hidden, FEATURES)
        self.relu7 = nn.ReLU()
        self.fc8 = nn.Linear(FEATURES, classes)
        draw_he(self)

    def forward(self, pictures: Tensor) -> Tensor | Answer:
        """Return ``(n, classes)`` scores of pictures ``(n, channels, H, W)``, in training with the vectors."""
        features = self.features(pictures)
        scores: Tensor = self.fc8(self.relu7(features))
        return Answer(scores, features) if self.training else scores

    def features(self, pictures: Tensor) -> Tensor:
        """Return the vectors ``(n, 128)`` of pictures, before the rectifier."""
        if min(pictures.shape[2:]) < LEAST:
            pictures = F.interpolate(pictures, size=(LEAST, LEAST), mode="bilinear")
        x = self.pool1(self.norm1(self.relu1(self.conv1(pictures))))
        x = self.pool2(self.norm2(self.relu2(self.conv2(x))))
        x = self.relu4(self.conv4(self.relu3(self.conv3(x))))
        x = self.pool5(self.relu5(self.conv5(x)))
        vectors: Tensor = self.fc7(self.drop6(self.relu6(self.fc6(torch.flatten(x, 1)))))
        return vectors


def _last_side(size: int) -> int:
    """Return the side of the last maps of pictures of `size` pixels."""
    side = (size - 11) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    return side
