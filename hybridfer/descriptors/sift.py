"""Dense SIFT on a fixed grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.descriptors.base import Descriptor, grey_stack
from hybridfer.descriptors.products import multiply
from hybridfer.types import Pixels

_VALUES_AT_ONCE = 250_000
"""Values of orientation planes worked on at once: they stay in the processor's cache."""

CELLS = 4
"""Cells along a side of a patch."""

DIRECTIONS = 8
"""Directions that gradients are counted in, from right towards up."""

_BLUR = float(np.sqrt(np.float32(1.6) ** 2 - np.float32(0.5) ** 2))
"""From the 0.5 pixels that a camera is taken to blur by to the 1.6 of SIFT's first picture; in float32, as OpenCV."""


@dataclass(frozen=True)
class SIFT(Descriptor):
    """SIFT's histograms of gradient directions around the points of a fixed grid, upright (Lowe 2004).

    The face is blurred a little; around every point of the grid 4x4 cells are laid, and every pixel adds its
    gradient's magnitude, weighted by a Gaussian around the point, to the two nearest of 8 directions in the four
    nearest cells. The 128 sums are brought to unit length, cut at 0.2, brought to unit length again and stored as
    whole numbers, 512 to the unit, at most 255.

    The numbers are those of OpenCV's ``SIFT_create().compute`` for keypoints on the grid of ``size=patch / 6``,
    ``angle=0``, octave 0: 99.999 % of them are equal and the rest differ by 1. A keypoint's ``size`` is not the side
    of its patch: the 4x4 cells of a keypoint span 6 times its size. By linear interpolation a gradient just outside
    still counts, up to ``patch / 8`` beyond the patch, and blur and gradient reach 7 pixels further.

    Because places, scale and direction never change, neither do the weights: all histograms of a batch are products
    with the same two matrices. A patch without any gradient gives zeros.

    The vector runs over the points of the grid row by row, cells of a patch row by row, directions within a cell,
    counted from right towards up.

    Parameters
    ----------
    size : int
        Side of the square that the crop is resized to.
    grid : int
        Points along a side, in the middles of ``grid`` equal parts, rounded to whole pixels (halves to even).
    patch : int
        Side of a patch in pixels, 4 to `size`.
    root : bool
        RootSIFT (Arandjelović & Zisserman 2012): every 128 values are divided by their sum and the square root taken,
        which makes the Euclidean distance a comparison of histograms; float32 instead of uint8.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    References
    ----------
    D. G. Lowe, "Distinctive Image Features from Scale-Invariant Keypoints", IJCV 60(2), 2004,
    doi 10.1023/B:VISI.0000029664.99615.94.

    R. Arandjelović, A. Zisserman, "Three things everyone should know to improve object retrieval", CVPR 2012,
    doi 10.1109/CVPR.2012.6248018.

    Examples
    --------
    >>> sift = SIFT()
    >>> sift.spec, sift.length, sift.dtype
    ('sift:grid=4,patch=12,root=false,size=48', 2048, dtype('uint8'))
    >>> sift.centres().tolist()
    [6, 18, 30, 42]
    """

    name = "sift"
    cacheable = False

    grid: int = 4
    patch: int = 12
    root: bool = False

    def __post_init__(self) -> None:
        self.require(8 <= self.size <= 1024, "size", "8 to 1024 pixels")
        self.require(1 <= self.grid <= self.size, "grid", "1 to size points along a side")
        self.require(4 <= self.patch <= self.size, "patch", "4 pixels to size")

    @property
    def length(self) -> int:
        return self.grid**2 * CELLS**2 * DIRECTIONS

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32 if self.root else np.uint8)

    def centres(self) -> npt.NDArray[np.intp]:
        """Return the rows, and the columns, of the grid's points."""
        return np.rint(self.size * (np.arange(self.grid) + 0.5) / self.grid).astype(np.intp)

    def describe_batch(self, crops: Sequence[Pixels]) -> npt.NDArray[Any]:
        vectors = np.empty((len(crops), self.length), self.dtype)
        grey = grey_stack(crops, self.size)
        at_once = max(1, _VALUES_AT_ONCE // (DIRECTIONS * self.size**2 + self.length))
        for start in range(0, len(crops), at_once):
            whole = _whole_numbers(self._histograms(orientation_planes(grey[start : start + at_once], _BLUR)))
            some = _rooted(whole) if self.root else whole
            vectors[start : start + at_once] = some.reshape(len(some), self.length)
        return vectors

    def _histograms(self, planes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the sums ``(n, grid**2, 128)`` of orientation planes."""
        weights = _weights(self.size, self.grid, self.patch)
        cells, lines = weights.shape
        across = multiply(planes, weights.T, np.empty((*planes.shape[:2], lines, cells), np.float32))
        sums = multiply(weights, across, np.empty((*planes.shape[:2], cells, cells), np.float32))
        sums = sums.reshape(-1, DIRECTIONS, self.grid, CELLS, self.grid, CELLS).transpose(0, 2, 4, 3, 5, 1)
        return sums.reshape(-1, self.grid**2, CELLS**2 * DIRECTIONS)


@lru_cache(maxsize=8)
def _weights(size: int, grid: int, patch: int) -> npt.NDArray[np.float32]:
    """Return the weight ``(grid * cells, size - 2)`` of every line but the outermost in every cell of every point."""
    # A Gaussian over a square of cells is a product of one over rows and one over columns, and so is the share of a
    # pixel between neighbouring cells: the same weights serve both.
    cell = patch / CELLS
    centres = SIFT(size, grid, patch).centres()
    away = (np.arange(1, size - 1) - centres[:, None, None]) / cell
    middles = np.arange(CELLS)[:, None] - (CELLS - 1) / 2
    share = np.maximum(1 - np.abs(away - middles), 0)
    weights = (share * np.exp(-2 * (away / CELLS) ** 2)).reshape(grid * CELLS, size - 2)
    rounded: npt.NDArray[np.float32] = weights.astype(np.float32)
    rounded.flags.writeable = False
    return rounded


def orientation_planes(grey: Pixels, blur: float | None = None) -> npt.NDArray[np.float32]:
    """Return gradient magnitudes ``(n, 8, size - 2, size - 2)`` shared between the two nearest directions.

    Parameters
    ----------
    grey : (n, size, size) uint8
    blur : float, optional
        Sigma in pixels of the Gaussian that comes before; none when not given.
    """
    import cv2

    count, size, _ = grey.shape
    blurred = grey.astype(np.float32)
    if blur is not None:
        for face in blurred:
            cv2.GaussianBlur(face, (0, 0), blur, dst=face)
    right = blurred[:, 1:-1, 2:] - blurred[:, 1:-1, :-2]
    up = blurred[:, :-2, 1:-1] - blurred[:, 2:, 1:-1]
    # OpenCV's arc tangent is good to 0.3 degrees; SIFT_create() uses the same.
    magnitude, turn = cv2.cartToPolar(right.reshape(count, -1), up.reshape(count, -1), angleInDegrees=True)
    turn *= np.float32(DIRECTIONS / 360)
    directions = np.arange(DIRECTIONS, dtype=np.float32)[:, None]
    planes = np.abs(turn[:, None] - directions)
    np.minimum(planes[:, 0], DIRECTIONS - planes[:, 0], out=planes[:, 0])
    np.subtract(1, planes, out=planes)
    np.maximum(planes, 0, out=planes)
    planes *= magnitude[:, None]
    shared: npt.NDArray[np.float32] = planes.reshape(count, DIRECTIONS, size - 2, size - 2)
    return shared


def _whole_numbers(histograms: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return histograms normalised, cut at 0.2, normalised again, 512 to the unit."""
    cut = np.minimum(histograms, np.float32(0.2) * _norm(histograms))
    cut *= np.float32(512) / np.maximum(_norm(cut), np.finfo(np.float32).eps)
    whole: npt.NDArray[np.uint8] = np.minimum(np.rint(cut), 255).astype(np.uint8)
    return whole


def _norm(histograms: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the length of every histogram, the last axis kept."""
    norm: npt.NDArray[np.float32] = np.sqrt(np.square(histograms).sum(axis=-1, keepdims=True))
    return norm


def _rooted(whole: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the square roots of every histogram's shares of its sum."""
    sums = np.maximum(whole.sum(axis=-1, keepdims=True, dtype=np.float32), 1)
    rooted: npt.NDArray[np.float32] = np.sqrt(whole / sums)
    return rooted
