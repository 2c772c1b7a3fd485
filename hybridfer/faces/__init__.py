"""From a picture to face crops: detectors, and the one way a face is cut out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hybridfer.errors import PictureError
from hybridfer.registry import Registry
from hybridfer.types import Face, Pixels

DEFAULT_DETECTOR = "haar"

DETECTORS = Registry(
    "detectors",
    {
        "haar": "hybridfer.faces.detectors.haar:Haar",
        "none": "hybridfer.faces.detectors.whole:WholePicture",
    },
)


class Detector(Protocol):
    """Finds faces. One is built for every stretch of work and used by one thread."""

    eyes: tuple[tuple[float, float], tuple[float, float]] | None
    """Where the eyes lie in its boxes, as shares of width and height; None where a box is the crop itself."""

    def __init__(self, min_face: int) -> None: ...

    def detect(self, pixels: Pixels) -> list[Face]:
        """Return the faces of an ``(H, W, 3) uint8`` RGB picture, the largest first."""
        ...


def create_detector(name: str, min_face: int = 30) -> Detector:
    """Return a detector by name; `min_face` is the side of the smallest face it looks for, in pixels.

    Raises
    ------
    SpecError
        If no detector has this name.
    """
    detector: Detector = DETECTORS.load(name)(min_face)
    return detector


def detect(pixels: Pixels, detector: str = DEFAULT_DETECTOR, min_face: int = 30) -> list[Face]:
    """Return the faces of a picture, the largest first.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        RGB, upright.
    detector : str
        A name of ``hybridfer list detectors``.
    min_face : int
        Side of the smallest face to look for, in pixels.
    """
    return create_detector(detector, min_face).detect(pixels)


def crop_largest(pixels: Pixels, detector: str = DEFAULT_DETECTOR) -> Pixels:
    """Return the crop of the largest face of a picture, cut as every later stage cuts it.

    Raises
    ------
    PictureError
        If the detector finds no face.
    """
    from hybridfer.faces.align import crop_face

    finder = create_detector(detector)
    faces: Sequence[Face] = finder.detect(pixels)
    if not faces:
        raise PictureError(f"The detector {detector} finds no face in this picture; --detector none takes it whole.")
    return crop_face(pixels, faces[0], finder.eyes)
