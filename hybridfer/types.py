"""The few types everything shares: a picture, a face, an item of a manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""A picture's pixels: ``(H, W, 3) uint8``, RGB, upright."""

ROW_COLUMNS = (
    "input",
    "frame",
    "face_id",
    "timestamp",
    "status",
    "error",
    "FaceRectX",
    "FaceRectY",
    "FaceRectWidth",
    "FaceRectHeight",
    "FaceScore",
)
"""The columns every row of every command begins with, in this order."""

BANK_COLUMNS = (*ROW_COLUMNS, "sha256", "label", "split", "subject", "group")
"""The columns a feature bank's rows begin with; the user's own follow, then one column a block."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: ``pixels (H, W, 3) uint8`` RGB, upright, and the SHA-256 of what it was decoded from."""

    pixels: Pixels
    sha256: str


@dataclass(frozen=True, slots=True)
class Face:
    """A face in a picture.

    Attributes
    ----------
    box : tuple[float, float, float, float]
        ``(x0, y0, x1, y1)`` in source pixels, end-exclusive.
    score : float
        The detector's confidence in its own unit; 1 where the whole picture is the face.
    landmarks : (n, 2) float array or None
        Points as ``(x, y)`` in source pixels.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: npt.NDArray[np.float64] | None = None


class Source(Protocol):
    """Where an item's pixels come from: a file, a row of a data-set file, a frame of a video.

    It may have a method ``stamp()`` too, which returns, as what JSON can hold, what shows that the file behind it has
    changed (:func:`hybridfer.media.images.file_stamp`): a killed extraction is then not continued with old pictures.
    """

    def read(self) -> Picture:
        """Return the decoded picture, or raise :class:`~hybridfer.errors.PictureError`."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """One row of a manifest: what to read, and what is known about it.

    ``input`` names it in every output; ``extra`` holds the user's own columns.
    """

    input: str
    source: Source
    frame: int = 0
    timestamp: float | None = None
    label: str | None = None
    split: str | None = None
    subject: str | None = None
    group: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """Items to be read in order, and what holds for all of them.

    Attributes
    ----------
    items : Iterable[Item]
        May be a stream that can be walked once.
    dataset : str
        Which layout it was read as: ``files``, ``manifest``, ``folders``, ``fer2013`` …
    cropped : bool
        Whether the pictures are face crops already, so that no detector runs on them.
    columns : Mapping[str, type]
        The user's own columns, in order: name to int, float or str.
    notes : tuple[str, ...]
        What the reader should be told: the rule a label came by, rows left out and why.
    """

    items: Iterable[Item]
    dataset: str = "files"
    cropped: bool = False
    columns: Mapping[str, type] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
