"""No detector: the whole picture is the face."""

from __future__ import annotations

from hybridfer.types import Face, Pixels


class WholePicture:
    """One face, as large as the picture, whatever it shows."""

    eyes = None

    def __init__(self, min_face: int = 1) -> None:
        self.min_face = min_face

    def detect(self, pixels: Pixels) -> list[Face]:
        """Return the whole picture as one face with score 1."""
        height, width = pixels.shape[:2]
        return [Face((0.0, 0.0, float(width), float(height)), 1.0)]
