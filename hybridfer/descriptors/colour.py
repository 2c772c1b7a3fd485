"""Colour moments, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.descriptors.base import Descriptor, rgb_stack
from hybridfer.types import Pixels

_PIXELS_AT_ONCE = 20_000
"""Pixels worked on at once: their planes stay in the processor's cache."""


@dataclass(frozen=True)
class Colour(Descriptor):
    """Mean, spread and skew of L*, a* and b* in every cell of a grid (Stricker & Orengo 1995).

    The spread is the standard deviation, the skew the cube root of the third central moment; so all three are in
    units of the channel (L* from 0 to 100) and a cell of one colour has two zeros. Stricker & Orengo took the moments
    of the whole picture in HSV; CIELAB spares the hue's circle and is closer to what people see. OpenCV's 8-bit
    conversion is used (sRGB, D65): L* comes in steps of 100/255, a* and b* in whole numbers, 0 for greys.

    The vector runs over cells row by row, channels L*, a*, b* within a cell, moments within a channel.

    Parameters
    ----------
    size : int
        Side of the square that the crop is resized to.
    grid : int
        Cells along a side; a divisor of `size`.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    References
    ----------
    M. Stricker, M. Orengo, "Similarity of Color Images", Proc. SPIE 2420, 1995, doi 10.1117/12.205308.

    Examples
    --------
    >>> colour = Colour(grid=1)
    >>> colour.spec, colour.length
    ('colour:grid=1,size=48', 9)
    >>> colour.describe(np.full((48, 48, 3), 255, np.uint8)).tolist()
    [100.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """

    name = "colour"
    cacheable = False

    grid: int = 4

    def __post_init__(self) -> None:
        self.require(1 <= self.size <= 1024, "size", "1 to 1024 pixels")
        self.require(self.grid >= 1 and self.size % self.grid == 0, "grid", f"a divisor of size, {self.size}")

    @property
    def length(self) -> int:
        return self.grid**2 * 9

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    def describe_batch(self, crops: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        vectors = np.empty((len(crops), self.length), np.float32)
        at_once = max(1, _PIXELS_AT_ONCE // self.size**2)
        for start in range(0, len(crops), at_once):
            values = self._cells(crops[start : start + at_once])
            moments = np.empty((*values.shape[:-1], 3))
            # Moments first, units after: the mean of a cell of one colour is then exact, and its spread 0.
            moments[..., 0] = values.mean(axis=-1)
            values -= moments[..., :1]
            powers = np.square(values)
            moments[..., 1] = np.sqrt(powers.mean(axis=-1))
            powers *= values
            moments[..., 2] = np.cbrt(powers.mean(axis=-1))
            moments[..., 0, :] *= 100 / 255
            moments[..., 1:, 0] -= 128
            vectors[start : start + at_once] = moments.reshape(-1, self.length)
        return vectors

    def _cells(self, crops: Sequence[Pixels]) -> npt.NDArray[np.float64]:
        """Return OpenCV's 8-bit L*, a*, b* of every cell: ``(n, grid, grid, 3, pixels)``."""
        import cv2

        rgb = rgb_stack(crops, self.size)
        lab = cv2.cvtColor(rgb.reshape(-1, self.size, 3), cv2.COLOR_RGB2LAB)
        cell = self.size // self.grid
        cells = lab.reshape(len(crops), self.grid, cell, self.grid, cell, 3).transpose(0, 1, 3, 5, 2, 4)
        values: npt.NDArray[np.float64] = cells.reshape(*cells.shape[:4], cell**2).astype(np.float64)
        return values
