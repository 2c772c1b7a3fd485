"""From a picture to face crops: detectors, and the one way a face is cut out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from hybridfer.errors import PictureError, SpecError
from hybridfer.registry import Registry
from hybridfer.spec import parse_options, parse_spec

if TYPE_CHECKING:  # commands take names from here, and --help needs no numpy
    from hybridfer.types import Face, Pixels

DEFAULT_DETECTOR = "mtcnn"

DETECTORS = Registry(
    "detectors",
    {
        "haar": "hybridfer.faces.detectors.haar:Haar",
        "mtcnn": "hybridfer.faces.detectors.mtcnn:Mtcnn",
        "mtcnn-improved": "hybridfer.faces.detectors.improved:ImprovedMtcnn",
        "none": "hybridfer.faces.detectors.whole:WholePicture",
        "yunet": "hybridfer.faces.detectors.yunet:YuNet",
    },
)

ASKED_APART = ("min_face", "threshold", "device")
"""What every detector takes besides its own options; commands have options of their own for these."""


class Detector(Protocol):
    """Finds faces. One is built for every stretch of work and used by the thread that built it.

    A detector is a dataclass. Its first fields are those below; more fields, with defaults, are the options that may
    follow its name: ``mtcnn:factor=0.8``.
    """

    eyes: tuple[tuple[float, float], tuple[float, float]] | None
    """Where the eyes lie in its boxes, as shares of width and height, used where a face has no landmarks; None where
    a box is the crop itself."""

    weights: str | None
    """SHA-256 of the weights it works with; None where it has none."""

    def __init__(self, min_face: int = 30, threshold: float | None = None, device: str = "cpu") -> None: ...

    def detect(self, pixels: Pixels) -> list[Face]:
        """Return the faces of an ``(H, W, 3) uint8`` RGB picture, the largest first.

        Landmarks, where it gives any, are five: image-left eye, image-right eye, nose, image-left and image-right
        corner of the mouth.
        """
        ...


def create_detector(text: str, min_face: int = 30, threshold: float | None = None, device: str = "cpu") -> Detector:
    """Return the detector that ``name[:key=value,…]`` names.

    Parameters
    ----------
    text : str
        A name of ``hybridfer list detectors``, with its options if any.
    min_face : int
        Side of the smallest face to look for, in pixels.
    threshold : float, optional
        The least score that counts as a face, in the detector's own unit; its own choice by default.
    device : str
        Where a network works: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    SpecError
        If no detector has this name, or it has no such option.
    DeviceError
        If the device is not there.
    WeightsError
        If the detector's weights are missing or damaged.

    Examples
    --------
    >>> create_detector("haar", min_face=60).min_face
    60
    """
    spec = parse_spec(text)
    if spec.layer is not None:
        raise SpecError(f"{text!r} is no detector; expected a name with its options, such as mtcnn:factor=0.8.")
    kind = DETECTORS.load(spec.name)
    options = parse_options(kind, spec, without=ASKED_APART) if spec.options else {}
    detector: Detector = kind(min_face=min_face, threshold=threshold, device=device, **options)
    return detector


def detect(
    picture: Pixels | str | os.PathLike[str],
    detector: str = DEFAULT_DETECTOR,
    min_face: int = 30,
    threshold: float | None = None,
) -> list[Face]:
    """Return the faces of a picture, the largest first.

    Parameters
    ----------
    picture : (H, W, 3) uint8, or path
        RGB and upright, or a file.
    detector, min_face, threshold
        As in :func:`create_detector`.
    """
    if isinstance(picture, (str, os.PathLike)):
        from hybridfer.media.images import read_image

        picture = read_image(picture).pixels
    return create_detector(detector, min_face, threshold).detect(picture)


def crop_largest(pixels: Pixels, detector: str = DEFAULT_DETECTOR) -> Pixels:
    """Return the crop of the largest face of a picture, cut as every later stage cuts it.

    Raises
    ------
    PictureError
        If the detector finds no face.
    """
    from hybridfer.faces.align import align_face

    finder = create_detector(detector)
    faces: Sequence[Face] = finder.detect(pixels)
    if not faces:
        raise PictureError(f"The detector {detector} finds no face in this picture; --detector none takes it whole.")
    return align_face(pixels, faces[0], finder.eyes)
