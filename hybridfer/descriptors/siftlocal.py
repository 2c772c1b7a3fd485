"""Local descriptors on a dense grid, in several sizes: what encoders make visual words and Fisher vectors of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.descriptors.base import Descriptor, grey_stack
from hybridfer.descriptors.products import multiply
from hybridfer.descriptors.sift import CELLS, DIRECTIONS, orientation_planes
from hybridfer.types import Pixels

_UNIT = 512
"""Stored whole numbers to the unit."""

_NOTHING = 0.01
"""Sums of gradients, in grey levels, up to which they are what rounding leaves of none."""


@dataclass(frozen=True)
class SIFTLocal(Descriptor):
    """RootSIFT around every point of dense grids, in cells of several sizes, upright; for ``svm-train --encoder``.

    Gradients' magnitudes are spread over 8 planes of direction, as in :class:`~hybridfer.descriptors.sift.SIFT`, but
    of the face as it is: blurred as there, one of 48 pixels loses much of what tells expressions apart. For
    each size of cell the planes are smoothed by a triangle that reaches from one cell's middle to the next, along rows
    and columns, and read at the middles of 4x4 cells around every point. That is VLFeat's fast dense SIFT: neighbouring
    points share their cells, so 1,390 descriptors cost little more than the storing. As there, the Gaussian around a
    point (sigma two cells) weighs whole cells. The 128 sums are divided by their total and the square root is taken
    (RootSIFT, Arandjelović & Zisserman 2012), which is stored as a whole number, 512 to the unit, at most 255.

    All cells' middles lie in the picture, and each grid in its middle, so that a mirrored face has the same descriptors
    in mirrored order (:meth:`mirror`). A point without any gradient around gives zeros.

    The vector runs over sizes of cells, points row by row, cells row by row, directions within a cell, counted from
    right towards up.

    Parameters
    ----------
    size : int
        Side of the square that the crop is resized to.
    cells : str
        Sides of a cell in pixels, ascending, with ``+`` between them.
    step : int
        Pixels from point to point.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    References
    ----------
    A. Vedaldi, B. Fulkerson, "VLFeat: an open and portable library of computer vision algorithms", ACM Multimedia
    2010, doi 10.1145/1873951.1874249.

    R. Arandjelović, A. Zisserman, "Three things everyone should know to improve object retrieval", CVPR 2012,
    doi 10.1109/CVPR.2012.6248018.

    Examples
    --------
    >>> local = SIFTLocal()
    >>> local.spec, local.length, local.dtype
    ('siftlocal:cells=2+3+4+6,size=48,step=2', 177920, dtype('uint8'))
    >>> local.places().shape
    (1390, 2)
    """

    name = "siftlocal"
    cacheable = False

    width = CELLS**2 * DIRECTIONS
    """Values of one local descriptor."""

    cells: str = "2+3+4+6"
    step: int = 2

    def __post_init__(self) -> None:
        self.require(8 <= self.size <= 256, "size", "8 to 256 pixels")
        self.require(1 <= self.step <= self.size, "step", "1 pixel to size")
        listed = re.fullmatch(r"[1-9]\d{0,3}(\+[1-9]\d{0,3})*", self.cells)
        sides = [int(side) for side in self.cells.split("+")] if listed else []
        good = sides == sorted(set(sides)) and bool(sides) and (CELLS - 1) * sides[-1] < self.size
        self.require(good, "cells", "pixels, ascending, such as 2+3+4+6, less than a third of size")

    @property
    def sides(self) -> tuple[int, ...]:
        """Sides of a cell in pixels."""
        return tuple(int(side) for side in self.cells.split("+"))

    @property
    def length(self) -> int:
        return self.width * sum(len(_firsts(self.size, side, self.step)) ** 2 for side in self.sides)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    def places(self) -> npt.NDArray[np.float32]:
        """Return where each local descriptor's middle lies ``(count, 2)``: x and y from -0.5 to 0.5 of the crop."""
        found = []
        for side in self.sides:
            along = (_firsts(self.size, side, self.step) + (CELLS - 1) / 2 * side + 0.5) / self.size - 0.5
            found.append(np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2))
        return np.concatenate(found).astype(np.float32)

    def mirror(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return which descriptor ``(count,)`` and which of its values ``(128,)`` stand where in the mirrored face.

        With both, ``X.reshape(-1, count, 128)[:, descriptors][..., values]`` are the vectors of the mirrored faces.
        """
        begun = 0
        descriptors = []
        for side in self.sides:
            count = len(_firsts(self.size, side, self.step))
            descriptors.append(begun + np.arange(count**2).reshape(count, count)[:, ::-1].ravel())
            begun += count**2
        values = np.arange(self.width).reshape(CELLS, CELLS, DIRECTIONS)[:, ::-1]
        # Right becomes left; up stays up.
        values = values[..., (DIRECTIONS // 2 - np.arange(DIRECTIONS)) % DIRECTIONS]
        return np.concatenate(descriptors), values.ravel()

    def describe_batch(self, crops: Sequence[Pixels]) -> npt.NDArray[Any]:
        vectors = np.empty((len(crops), self.length), np.uint8)
        # One face at a time: its planes and descriptors stay in the processor's cache.
        for vector, grey in zip(vectors, grey_stack(crops, self.size), strict=True):
            planes = orientation_planes(grey[None])[0]
            start = 0
            for side in self.sides:
                found = _rooted(_histograms(planes, side, self.step))
                vector[start : start + found.size] = found.ravel()
                start += found.size
        return vectors


def _firsts(size: int, side: int, step: int) -> npt.NDArray[np.float64]:
    """Return where the first cell's middle of every point lies along a row: each grid in the middle of the picture."""
    room = size - 1 - (CELLS - 1) * side
    return room % step / 2 + np.arange(0, room + 1, step, dtype=np.float64)


@lru_cache(maxsize=16)
def _weights(size: int, side: int, step: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
    """Return each line's weight but the outermost's ``(places, size - 2)``, and whose cells ``(points * 16,)`` where.

    The second are places in the square of all places.
    """
    firsts = _firsts(size, side, step)
    middles = firsts[:, None] + side * np.arange(CELLS)
    places, which = np.unique(middles, return_inverse=True)
    weights = np.maximum(1 - np.abs(np.arange(1, size - 1) - places[:, None]) / side, 0).astype(np.float32)
    which = which.reshape(middles.shape)
    cells = which[:, None, :, None] * len(places) + which[None, :, None, :]
    flat = cells.ravel()
    weights.flags.writeable = flat.flags.writeable = False
    return weights, flat


def _histograms(planes: npt.NDArray[np.float32], side: int, step: int) -> npt.NDArray[np.float32]:
    """Return the sums ``(points, 16, 8)`` of a face's orientation planes in cells of one size."""
    weights, cells = _weights(planes.shape[-1] + 2, side, step)
    places, lines = weights.shape
    across = multiply(planes, weights.T, np.empty((DIRECTIONS, lines, places), np.float32))
    sums = multiply(weights, across, np.empty((DIRECTIONS, places, places), np.float32))
    by_place = np.ascontiguousarray(sums.reshape(DIRECTIONS, -1).T)
    return by_place[cells].reshape(-1, CELLS**2, DIRECTIONS)


def _rooted(histograms: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return the square roots of the shares of every point's 128 sums, as whole numbers; changes `histograms`."""
    away = np.exp(-((np.arange(CELLS) - (CELLS - 1) / 2) ** 2) / 8).astype(np.float32)
    histograms *= np.outer(away, away).reshape(CELLS**2, 1)
    total = histograms.sum(axis=(1, 2), keepdims=True)
    histograms *= np.where(total > _NOTHING, np.float32(_UNIT**2) / np.maximum(total, np.float32(_NOTHING)), 0)
    np.sqrt(histograms, out=histograms)
    whole: npt.NDArray[np.uint8] = np.minimum(np.rint(histograms, out=histograms), 255).astype(np.uint8)
    return whole
