"""Histograms of oriented gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.descriptors.base import Descriptor, grey_stack
from hybridfer.types import Pixels

_PIXELS_AT_ONCE = 20_000
"""Pixels worked on at once: their planes stay in the processor's cache."""


@dataclass(frozen=True)
class HOG(Descriptor):
    """Gradient magnitudes summed by orientation in cells, normalised over overlapping blocks (Dalal & Triggs 2005).

    The numbers are those of scikit-image's ``hog(grey, orientations, (cell, cell), (block, block),
    block_norm="L2-Hys")`` to within 1e-5: central differences, none across the border; unsigned orientation; every
    pixel votes for one orientation and one cell. Dalal & Triggs share each vote between neighbouring orientations and
    cells. Pixels beyond the last whole cell do not count. A block without any gradient is all zeros.

    The vector runs over blocks row by row, cells within a block, orientations within a cell.

    Parameters
    ----------
    size : int
        Side of the square that the crop is resized to.
    orientations : int
        Directions between 0 and 180 degrees, 1 to 180.
    cell : int
        Side of a cell in pixels; even, because scikit-image leaves out the last row and column of odd cells.
    block : int
        Side of a block in cells; blocks move on by one cell.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    References
    ----------
    N. Dalal, B. Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005,
    doi 10.1109/CVPR.2005.177.

    Examples
    --------
    >>> hog = HOG()
    >>> hog.spec, hog.length
    ('hog:block=2,cell=8,orientations=9,size=48', 900)
    """

    name = "hog"
    cacheable = False

    orientations: int = 9
    cell: int = 8
    block: int = 2

    def __post_init__(self) -> None:
        self.require(2 <= self.size <= 1024, "size", "2 to 1024 pixels")
        self.require(1 <= self.orientations <= 180, "orientations", "1 to 180 directions")
        self.require(2 <= self.cell <= self.size and self.cell % 2 == 0, "cell", "an even number of pixels up to size")
        self.require(1 <= self.block <= self.cells, "block", f"1 to {self.cells} cells, as many as a side has")

    @property
    def cells(self) -> int:
        """Cells along a side."""
        return self.size // self.cell

    @property
    def length(self) -> int:
        return (self.cells - self.block + 1) ** 2 * self.block**2 * self.orientations

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    def describe_batch(self, crops: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        vectors = np.empty((len(crops), self.length), np.float32)
        grey = grey_stack(crops, self.size)
        at_once = max(1, _PIXELS_AT_ONCE // self.size**2)
        for start in range(0, len(crops), at_once):
            histograms = self._histograms(grey[start : start + at_once])
            vectors[start : start + at_once] = self._normalised(histograms).reshape(len(histograms), self.length)
        return vectors

    def _histograms(self, grey: Pixels) -> npt.NDArray[np.float64]:
        """Return the magnitudes ``(n, cells, cells, orientations)`` summed by cell and orientation."""
        count, used = len(grey), self.cells * self.cell
        values = grey.astype(np.int32)
        gradient = np.zeros((count, used, used), np.intp)
        # Both differences make one index into the tables: 511 possible values each.
        inside = min(used, self.size - 1)
        gradient[:, 1:inside] = values[:, 2 : inside + 1, :used] - values[:, : inside - 1, :used]
        gradient *= 511
        gradient[:, :, 1:inside] += values[:, :used, 2 : inside + 1] - values[:, :used, : inside - 1]
        gradient += 255 * 511 + 255
        orientation, magnitude = _gradient_tables(self.orientations)
        bins = orientation.take(gradient)
        band = np.arange(used) // self.cell
        cell = np.arange(count)[:, None, None] * self.cells**2 + band[:, None] * self.cells + band
        bins += cell * self.orientations
        shape = (count, self.cells, self.cells, self.orientations)
        sums = np.bincount(bins.ravel(), magnitude.take(gradient).ravel(), minlength=int(np.prod(shape)))
        return sums.astype(np.float64, copy=False).reshape(shape)

    def _normalised(self, histograms: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the blocks ``(n, blocks, values)`` of `histograms`, L2-Hys: to unit length, cut at 0.2, once more."""
        windows = np.lib.stride_tricks.sliding_window_view(histograms, (self.block, self.block), axis=(1, 2))
        blocks = np.moveaxis(windows, 3, 5).reshape(len(histograms), -1, self.block**2 * self.orientations)
        blocks = blocks / _norm(blocks)
        np.minimum(blocks, 0.2, out=blocks)
        blocks /= _norm(blocks)
        return blocks


def _norm(blocks: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the length ``(n, blocks, 1)`` of every block, never 0."""
    norm: npt.NDArray[np.float64] = np.sqrt(np.square(blocks).sum(axis=2, keepdims=True) + 1e-10)
    return norm


@cache
def _gradient_tables(orientations: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Return orientation bin and magnitude by ``511 * (down + 255) + (right + 255)``."""
    down, right = (part - 255.0 for part in np.divmod(np.arange(511**2), 511))
    degrees = np.arctan2(down, right) * (180 / np.pi) % 180
    # scikit-image keeps the borders between orientations as C floats.
    borders = (180.0 / orientations * np.arange(1, orientations)).astype(np.float32)
    bins = np.searchsorted(borders.astype(np.float64), degrees, side="right")
    magnitude = np.hypot(down, right)
    bins.flags.writeable = magnitude.flags.writeable = False
    return bins, magnitude
