"""Pictures that a network learns in seconds: which half is bright tells the class."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hybridfer.errors import PictureError
from hybridfer.types import Item, Manifest, Picture

HALVES = {"anger": np.s_[:8], "happiness": np.s_[8:], "neutral": np.s_[:, :8], "surprise": np.s_[:, 8:]}


@dataclass(frozen=True)
class Held:
    """Pixels in memory; None for a picture that cannot be read."""

    pixels: np.ndarray | None

    def read(self) -> Picture:
        if self.pixels is None:
            raise PictureError("it is cut; fetch it again.")
        return Picture(self.pixels, hashlib.sha256(self.pixels.tobytes()).hexdigest())


def item(label: str | None, seed: int, split: str | None = "train", colour: bool = False, **known: str) -> Item:
    """A noisy picture of 16x16 pixels with a bright half."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 120, (16, 16, 3 if colour else 1), dtype=np.uint8)
    if label in HALVES:
        pixels[HALVES[label]] += 120
    shown = pixels if colour else np.repeat(pixels, 3, axis=2)
    return Item(f"{label}{seed}.png", Held(shown), label=label, split=split, **known)


def broken(label: str, split: str = "train") -> Item:
    """A picture that cannot be read."""
    return replace(item(label, 0, split), input=f"broken-{label}.png", source=Held(None))


def manifest(items: Sequence[Item]) -> Manifest:
    return Manifest(list(items), "toys", cropped=True)


def halves(train: int = 40, val: int = 20) -> Manifest:
    """So many pictures of four classes."""
    labels = list(HALVES)
    rows = [item(labels[i % 4], i, "train") for i in range(train)]
    return manifest([*rows, *(item(labels[i % 4], 1000 + i, "val") for i in range(val))])
