"""No detector: the whole picture is the face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hybridfer.types import Face, Pixels


@dataclass(frozen=True)
class WholePicture:
    """One face, as large as the picture, whatever it shows."""

    eyes: ClassVar = None
    weights: ClassVar = None

    min_face: int = 30
    threshold: float | None = None
    device: str = "cpu"

    def detect(self, pixels: Pixels) -> list[Face]:
        """Return the whole picture as one face with score 1."""
        height, width = pixels.shape[:2]
        return [Face((0.0, 0.0, float(width), float(height)), 1.0)]
