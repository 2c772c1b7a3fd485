"""Uniform local binary patterns, counted cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.descriptors.base import Descriptor, grey_stack
from hybridfer.types import Pixels

_PIXELS_AT_ONCE = 40_000
"""Pixels worked on at once: their float64 planes stay in the processor's cache."""


@dataclass(frozen=True)
class LBP(Descriptor):
    """Histograms of uniform local binary patterns over a grid of cells (Ahonen, Hadid & Pietikäinen 2006).

    Every pixel is compared with `points` neighbours on a circle. A pattern with at most two changes between "darker"
    and "not darker" along the circle is uniform and has a code of its own; all others share the last. The vector holds
    one histogram per cell, each summing to 1: cells row by row, codes within a cell.

    The codes are those of scikit-image's ``local_binary_pattern(grey, points, radius, "nri_uniform")``, pixel for
    pixel, its border rule included: outside the picture everything is 0. So the outermost ring (``radius`` pixels
    wide) compares with zeros and is not invariant to brightness, unlike the inside. Ahonen et al. leave that ring out.

    Parameters
    ----------
    size : int
        Side of the square that the crop is resized to.
    points : int
        Neighbours on the circle, 2 to 16.
    radius : float
        Radius of the circle in pixels, at most half of `size`.
    grid : int
        Cells along a side. Cell `i` spans the rows (columns) from ``i * size // grid`` up to
        ``(i + 1) * size // grid``, so that cells differ by a pixel where `grid` does not divide `size`.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    References
    ----------
    T. Ahonen, A. Hadid, M. Pietikäinen, "Face Description with Local Binary Patterns: Application to Face
    Recognition", IEEE TPAMI 28(12), 2006, doi 10.1109/TPAMI.2006.244.

    Examples
    --------
    >>> lbp = LBP()
    >>> lbp.spec, lbp.length
    ('lbp:grid=7,points=8,radius=1,size=48', 2891)
    >>> lbp.describe(np.zeros((48, 48), np.uint8)).sum()
    np.float32(49.0)
    """

    name = "lbp"
    cacheable = False

    points: int = 8
    radius: float = 1.0
    grid: int = 7

    def __post_init__(self) -> None:
        self.require(1 <= self.size <= 1024, "size", "1 to 1024 pixels")
        self.require(2 <= self.points <= 16, "points", "2 to 16 points on the circle")
        self.require(0.5 <= self.radius <= max(self.size / 2, 0.5), "radius", "half a pixel to half of size")
        self.require(1 <= self.grid <= self.size, "grid", "1 to size cells along a side")

    @property
    def bins(self) -> int:
        """Number of codes: ``points * (points - 1) + 3``."""
        return self.points * (self.points - 1) + 3

    @property
    def length(self) -> int:
        return self.grid**2 * self.bins

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    def codes(self, grey: Pixels) -> npt.NDArray[np.intp]:
        """Return the code of every pixel.

        Parameters
        ----------
        grey : (n, H, W) uint8
            Grey pictures of one size.

        Returns
        -------
        (n, H, W) int
            Codes from 0 to ``bins - 1``.

        Examples
        --------
        >>> LBP(points=4).codes(np.full((1, 3, 3), 9, np.uint8))[0]
        array([[ 6, 11,  7],
               [10, 13, 12],
               [ 5,  9,  8]])
        """
        codes: npt.NDArray[np.intp] = _code_table(self.points).take(_patterns(grey, self.points, self.radius))
        return codes

    def describe_batch(self, crops: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        histograms = np.empty((len(crops), self.length), np.float32)
        patterns = _patterns(grey_stack(crops, self.size), self.points, self.radius)
        table = _code_table(self.points)
        cell_of_pixel, pixels_of_cell = _cells(self.size, self.grid)
        areas = np.repeat(pixels_of_cell, self.bins).astype(np.float32)
        at_once = max(1, min(len(crops), _PIXELS_AT_ONCE // self.size**2))
        first_bin = cell_of_pixel * self.bins + self.length * np.arange(at_once)[:, None, None]
        for start in range(0, len(crops), at_once):
            some = patterns[start : start + at_once]
            bins = table.take(some) + first_bin[: len(some)]
            counts = np.bincount(bins.ravel(), minlength=len(some) * self.length).reshape(len(some), self.length)
            np.divide(counts, areas, out=histograms[start : start + at_once], casting="same_kind")
        return histograms


@cache
def _code_table(points: int) -> npt.NDArray[np.intp]:
    """Return the code of every pattern, whose bit `i` says whether point `i` is not darker than the centre."""
    patterns = np.arange(2**points)
    bits = (patterns[:, None] >> np.arange(points)) & 1
    ones = bits.sum(axis=1)
    changes = (bits[:, 1:] != bits[:, :-1]).sum(axis=1)
    first_one, first_zero = bits.argmax(axis=1), bits.argmin(axis=1)
    rotation = np.where(first_one == 0, ones - first_zero, points - first_one)
    table: npt.NDArray[np.intp] = 1 + (ones - 1) * points + rotation
    table[0] = 0
    table[-1] = points * (points - 1) + 1
    table[changes > 2] = points * (points - 1) + 2
    table.flags.writeable = False
    return table


@cache
def _circle(points: int, radius: float) -> tuple[tuple[float, float], ...]:
    """Return each point's ``(row, column)`` from the centre, in scikit-image's order and rounding."""
    angle = 2 * np.pi * np.arange(points) / points
    rows = np.round(-radius * np.sin(angle), 5)
    columns = np.round(radius * np.cos(angle), 5)
    return tuple(zip(rows.tolist(), columns.tolist(), strict=True))


@cache
def _cells(size: int, grid: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the cell number of every pixel ``(size, size)`` and the number of pixels of every cell."""
    borders = np.arange(grid + 1) * size // grid
    band = np.repeat(np.arange(grid), np.diff(borders))
    cells = band[:, None] * grid + band
    sizes = np.bincount(cells.ravel())
    cells.flags.writeable = sizes.flags.writeable = False
    return cells, sizes


def _patterns(grey: Pixels, points: int, radius: float) -> npt.NDArray[np.unsignedinteger[Any]]:
    """Return the pattern ``(n, H, W)`` of every pixel: bit `i` where point `i` is not darker than the centre."""
    # A few faces at a time lie one below the other in one run of memory, with `pad` zeros after every row and `pad`
    # rows of zeros between faces: a neighbour is then a shift of the whole run, and numpy's loops are long instead of
    # a row each. All arrays are made once, because fresh memory costs more than the arithmetic on it.
    total, height, width = grey.shape
    pad = int(np.ceil(radius))
    stride = width + pad
    face = (height + pad) * stride
    count = max(1, min(total, _PIXELS_AT_ONCE // face))
    with_margin = count - (-2 * pad // (height + pad))
    first = pad + pad * stride
    run = np.zeros(2 * pad + with_margin * face, np.uint8)
    exact = np.empty(run.shape)

    def part(plane: npt.NDArray[Any], start: int, faces: int = count) -> npt.NDArray[Any]:
        return plane[start : start + faces * face].reshape(faces, face)

    rows, columns = np.divmod(np.arange(face), stride)
    circle = [(row, column, int(np.floor(row)), int(np.floor(column))) for row, column in _circle(points, radius)]
    planes = {column: np.empty(with_margin * face) for _, column, _, _ in circle if not column.is_integer()}
    between_columns = {column: _weights(columns, column) for column in planes}
    between_rows = {row: _weights(rows, row) for row, _, _, _ in circle if not row.is_integer()}
    sample, other = np.empty((with_margin, face)), np.empty((with_margin, face))
    kind = np.dtype(np.uint8 if points <= 8 else np.uint16)
    bits: npt.NDArray[np.unsignedinteger[Any]] = np.empty((count, face), kind)
    not_darker = np.empty((count, face), np.bool_)
    patterns: npt.NDArray[np.unsignedinteger[Any]] = np.empty(grey.shape, kind)

    for start in range(0, total, count):
        some = grey[start : start + count]
        part(run, first).reshape(count, height + pad, stride)[: len(some), :height, :width] = some
        np.copyto(exact, run)
        for column, plane in planes.items():
            near, far = between_columns[column]
            left = pad + int(np.floor(column))
            np.multiply(near, part(exact, left, with_margin), out=sample)
            np.multiply(far, part(exact, left + 1, with_margin), out=other)
            np.add(sample, other, out=part(plane, 0, with_margin))
        bits[...] = 0
        for bit, (row, column, up, left) in enumerate(circle):
            if column in planes:
                plane, origin = planes[column], (pad + up) * stride
            else:
                plane, origin = exact, first + up * stride + left
            if row in between_rows:
                near, far = between_rows[row]
                np.multiply(near, part(plane, origin), out=sample[:count])
                np.multiply(far, part(plane, origin + stride), out=other[:count])
                np.add(sample[:count], other[:count], out=sample[:count])
                np.greater_equal(sample[:count], part(exact, first), out=not_darker)
            elif column in planes:
                np.greater_equal(part(plane, origin), part(exact, first), out=not_darker)
            else:
                np.greater_equal(part(run, origin), part(run, first), out=not_darker)
            bits |= not_darker.view(np.uint8) * kind.type(2**bit)
        inner = bits.reshape(count, height + pad, stride)[: len(some), :height, :width]
        patterns[start : start + count] = inner
    return patterns


def _weights(places: npt.NDArray[np.intp], offset: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the weights of the pixels before and after each of `places` moved by `offset`."""
    # Taken from the absolute position because its rounding decides ties, as in scikit-image.
    moved = places + offset
    far = moved - np.floor(moved)
    return 1 - far, far
