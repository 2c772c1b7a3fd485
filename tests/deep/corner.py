"""A network whose answer and whose reason for it are known by construction, and its folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from hybridfer.deep.weights import write_weights

TABLE = {"corner": "deep.corner:Corner"}

LABELS = ("dark", "bright")


class Corner(nn.Module):
    """Tells whether the upper left quarter of a picture is bright: q being its mean, by a score 4 q - 2 greater."""

    def __init__(self, classes: int = 2, channels: int = 3, input_size: int = 16) -> None:
        super().__init__()
        self.grey = nn.Conv2d(channels, 1, 2, stride=2, bias=False)
        self.look = Look(input_size // 2)
        self.fc = nn.Linear(1, classes)
        with torch.no_grad():
            self.grey.weight.fill_(1 / (4 * channels))
            self.fc.weight.copy_(torch.linspace(-8, 8, classes)[:, None])
            self.fc.bias.copy_(torch.linspace(1, -1, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.look(self.grey(x)).mean((2, 3)))


class Look(nn.Module):
    """Lets only the upper left quarter of maps through."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(side, side))
        self.seen[: side // 2, : side // 2] = 1

    def forward(self, x: Tensor) -> Tensor:
        return x * self.seen


def corner_model(folder: Path, net: nn.Module | None = None, **said: Any) -> Path:
    """Write a network's folder; `said` replaces what its card says."""
    net = net or Corner()
    record = {"name": "corner", "network": "corner", "classes": 2, "labels": LABELS, "options": {}, "size": 16}
    record |= {"mean": (0.0,) * 3, "std": (1.0,) * 3, "licence": "none", "origin": "a test", "detector": "none"}
    record |= {"trained_with": {"detector": "none", "cropped": False, "crop": None}, "hybridfer": "0.1.0"}
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_weights(folder, net.state_dict(), record | said, lambda card: "toy\n")
    return folder


def picture(corner: int, rest: int = 0, side: int = 16) -> np.ndarray:
    """Return a grey RGB picture with another upper left quarter."""
    pixels = np.full((side, side, 3), rest, np.uint8)
    pixels[: side // 2, : side // 2] = corner
    return pixels


def save(path: Path, pixels: np.ndarray) -> str:
    """Write a picture and return its path."""
    cv2.imwrite(os.fspath(path), pixels[..., ::-1])
    return os.fspath(path)
