"""A network small enough to check by hand, and one with layers that no descriptor can be made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

ODD_TABLE = {"toy": "deep.toy_networks:Toy", "odd": "deep.toy_networks:Odd"}


class Toy(nn.Module):
    """Two channels of a convolution without a border, then a linear layer; the deeper one notes that it was run."""

    def __init__(self, classes: int = 7) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)
        self.norm = nn.BatchNorm2d(2)
        self.fc = nn.Linear(2, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.norm(self.conv(x)).mean((2, 3)))


class Odd(nn.Module):
    """Layers whose output is a pair, has three axes, or never comes."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair()
        self.row = nn.Flatten(2)
        self.spare = nn.ReLU()
        self.lone = nn.AvgPool2d(40)
        self.mixed = nn.Flatten(0)

    def forward(self, x: Tensor) -> Tensor:
        self.pair(x)
        self.row(x)
        self.mixed(x)
        return self.lone(x)


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, torch.relu(x)
