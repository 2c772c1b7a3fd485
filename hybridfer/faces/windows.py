"""The twelve windows of a face: eyes, nose, mouth and the face's rim, each a square of its own.

They are as large as each other, do not overlap, and lie in one order. They are cut from the picture itself, since chin,
hairline and ears fall outside the usual crop.
"""

from __future__ import annotations

import numpy as np

from hybridfer.faces.align import Alignment, Eyes, cut_square, face_transform
from hybridfer.types import Face, Pixels

EARS = 0.25
"""How far below the eyes the ears' middles lie, in distances between the eyes; the paper moves these two by hand."""

WINDOWS = {
    "left_eye": (-0.5, 0.0),
    "right_eye": (0.5, 0.0),
    "between_eyes": (0.0, 0.0),
    "nose": (0.0, 0.55),
    "mouth": (0.0, 1.1),
    "chin": (0.0, 1.65),
    "left_jawline": (-0.75, 1.35),
    "right_jawline": (0.75, 1.35),
    "left_hairline": (-0.5, -0.85),
    "right_hairline": (0.5, -0.85),
    "left_ear": (-1.15, EARS),
    "right_ear": (1.15, EARS),
}
"""Name to middle, in face units (:mod:`hybridfer.faces.align`), in order; left is the picture's left."""

SIDE = 0.5
"""A window's side, in distances between the eyes."""


def cut_windows(
    pixels: Pixels,
    face: Face,
    eyes: Eyes | None,
    size: int | None = None,
    *,
    ears: float = EARS,
    alignment: Alignment | None = None,
) -> Pixels:
    """Return the twelve windows of a face, in the order of :data:`WINDOWS`.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        The picture.
    face : Face
    eyes : ((x, y), (x, y)) or None
        Where the eyes lie in the detector's boxes, as shares of width and height; None where a box is a crop in which
        they lie where the alignment has them.
    size : int, optional
        Side of a window in pixels; what it measures in the picture when not given.
    ears : float
        How far below the eyes the ears lie, in distances between the eyes.
    alignment : Alignment, optional
        The template that the face is turned to.

    Returns
    -------
    (12, S, S, 3) uint8
        Beyond the picture's edge its border pixels are repeated.

    References
    ----------
    The twelve features are those of L. Henriksson, M. Mur, N. Kriegeskorte, "Faciotopy: a face-feature map with
    face-like topology in the human occipital face area", Cortex 72, 2015, doi 10.1016/j.cortex.2015.06.030. They give
    no places; ours leave no two windows overlapping.
    """
    from hybridfer.descriptors.base import resize

    to_units = face_transform(face, eyes, alignment)
    windows = []
    for name, (x, y) in WINDOWS.items():
        middle = ears if name.endswith("_ear") else y
        window = cut_square(pixels, to_units, x - SIDE / 2, middle - SIDE / 2, SIDE)
        windows.append(window if size is None else resize(window, size))
    return np.stack(windows)
