"""Energies of a Gabor wavelet pyramid: a model of the first stage of seeing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hybridfer.descriptors.base import Descriptor, grey_stack
from hybridfer.descriptors.products import multiply
from hybridfer.types import Pixels

_SPREAD = 0.4
"""Standard deviation of a wavelet's envelope, in wave lengths."""

_WAVE = 4
"""Pixels of the shortest wave: with fewer, its directions can no longer be told apart."""


@dataclass(frozen=True)
class GWP(Descriptor):
    """How much of every wave length and direction a picture holds at every place (Kay et al. 2008).

    Scale `s` has waves of ``2^s`` cycles across the picture, at the middles of ``2^s`` by ``2^s`` equal cells; its
    wavelets run at angles of ``u pi / orientations`` from the `x` axis towards the `y` axis, which points down. A
    wavelet is a cosine or sine about its place under a round Gaussian whose standard deviation is 0.4 wave lengths. So
    much of that Gaussian is taken off that the wavelet's pixels sum to 0, and then their squares are made to sum to 1;
    what would lie outside the picture does not count. The value is the energy: the root of the summed squares of the
    two answers to the grey picture, scaled to 0 … 1. A picture of one colour has none.

    The paper's wavelets are one octave wide, which would be 0.56 wave lengths; the narrower Gaussian keeps
    neighbouring cells apart and answers to one and a half octaves.

    The vector runs over scales, orientations within a scale, then the rows and columns of its cells.

    Parameters
    ----------
    size : int
        Side of the square that the picture is resized to.
    scales : int
        Wave lengths, 1 to 8: the picture's side, its half, its quarter …
    orientations : int
        Directions between 0 and 180 degrees, 1 to 16.

    Raises
    ------
    SpecError
        If a parameter is out of range, or the shortest wave has fewer than 4 pixels.

    References
    ----------
    K. N. Kay, T. Naselaris, R. J. Prenger, J. L. Gallant, "Identifying natural images from human brain activity",
    Nature 452, 2008, doi 10.1038/nature06713.

    Examples
    --------
    >>> GWP().spec, GWP().length, GWP(scales=5).length
    ('gwp:orientations=8,scales=6,size=128', 10920, 2728)
    """

    name = "gwp"

    size: int = 128
    scales: int = 6
    orientations: int = 8

    def __post_init__(self) -> None:
        self.require(1 <= self.scales <= 8, "scales", "1 to 8 wave lengths")
        self.require(1 <= self.orientations <= 16, "orientations", "1 to 16 directions")
        least = _WAVE * 2 ** (self.scales - 1)
        self.require(least <= self.size <= 1024, "size", f"{least} to 1024 pixels for so many scales")

    @property
    def length(self) -> int:
        # 1 + 4 + 16 + … places.
        return int(4**self.scales - 1) // 3 * self.orientations

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    def describe_batch(self, crops: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        vectors = np.empty((len(crops), self.length), np.float32)
        for vector, grey in zip(vectors, grey_stack(crops, self.size), strict=True):
            # No wavelet sees the mean; without it the answers keep all their digits, and one colour answers exactly 0.
            mean = int(grey.sum(dtype=np.int64)) / grey.size
            picture = ((grey - mean) / 255).astype(np.float32)
            end = 0
            for scale in range(self.scales):
                energies = _energies(picture, _scale(self.size, 2**scale, self.orientations))
                start, end = end, end + energies.size
                vector[start:end] = energies.ravel()
        return vectors


class _Scale(NamedTuple):
    """The wavelets of one scale; the last direction has no wave and is their Gaussian.

    A wave under a round Gaussian is a wave over `y` times one over `x`; `down` and `across` hold these as ``(directions
    + 1, 2 cells, size)`` and ``(directions + 1, 2 size, 2 cells)``, complex numbers written as real ones. ``taken`` is
    how much of the Gaussian is taken off, ``norm`` what divides the rest: ``(2, directions, cells, cells)``, cosine
    and sine.
    """

    down: npt.NDArray[np.float32]
    across: npt.NDArray[np.float32]
    taken: npt.NDArray[np.float32]
    norm: npt.NDArray[np.float32]


def _energies(picture: npt.NDArray[np.float32], scale: _Scale) -> npt.NDArray[np.float32]:
    """Return ``(directions, cells, cells)`` energies of a ``(size, size)`` picture."""
    directions, double, size = scale.down.shape
    cells = double // 2
    rows = multiply(scale.down, picture[None], out=np.empty((directions, double, size), np.float32))
    # Each cell's real row is followed by its imaginary one.
    rows = rows.reshape(directions, cells, 2 * size)
    answers = multiply(rows, scale.across, out=np.empty((directions, cells, double), np.float32))
    both = answers.reshape(directions, cells, 2, cells).transpose(2, 0, 1, 3)
    waves = (both[:, :-1] - scale.taken * both[0, -1]) / scale.norm
    energies: npt.NDArray[np.float32] = np.sqrt((waves**2).sum(axis=0))
    return energies


@lru_cache(maxsize=32)
def _scale(size: int, cells: int, orientations: int) -> _Scale:
    offsets = np.arange(size) - ((np.arange(cells) + 0.5) * size / cells - 0.5)[:, None]
    phi = np.arange(orientations) * np.pi / orientations
    # Rounding would leave a sliver of wave where there is none.
    slopes = [np.append(np.where(abs(part) < 1e-15, 0, part), 0) for part in (np.sin(phi), np.cos(phi))]

    def lines(slope: npt.NDArray[np.float64], power: int, waves: int) -> npt.NDArray[np.complex128]:
        """Return ``(directions + 1, cells, size)``: the Gaussian to a power, times the wave of `waves` frequencies."""
        gauss = np.exp(-power / 2 * (offsets / (_SPREAD * size / cells)) ** 2)
        wave = np.exp(2j * np.pi * waves * cells / size * slope[:, None, None] * offsets)
        found: npt.NDArray[np.complex128] = gauss * wave
        return found

    def total(power: int, waves: int) -> npt.NDArray[np.complex128]:
        """Return ``(directions + 1, cells, cells)``: the sum of the squares or of the values of every wavelet."""
        over_rows, over_columns = (lines(slope, power, waves).sum(axis=2) for slope in slopes)
        found: npt.NDArray[np.complex128] = over_rows[:, :, None] * over_columns[:, None, :]
        return found

    def split(values: npt.NDArray[np.complex128]) -> npt.NDArray[np.float64]:
        return np.stack([values[:-1].real, values[:-1].imag])

    taken = split(total(1, 1)) / total(1, 1)[-1].real
    # With G the Gaussian and t what is taken off: sum G² (cos - t)² = sum G² (1/2 + cos 2 / 2 - 2 t cos + t²).
    square, double = total(2, 1)[-1].real, split(total(2, 2))[0]
    waves = square / 2 + np.stack([double, -double]) / 2
    norm = np.sqrt(waves - 2 * taken * split(total(2, 1)) + taken**2 * square)

    down, across = (lines(slope, 1, 1) for slope in slopes)
    over_rows = np.stack([down.real, down.imag], axis=2).reshape(orientations + 1, 2 * cells, size)
    over_columns = np.concatenate(
        [
            np.concatenate([across.real, across.imag], axis=1).transpose(0, 2, 1),
            np.concatenate([-across.imag, across.real], axis=1).transpose(0, 2, 1),
        ],
        axis=1,
    )
    found = _Scale(*(np.ascontiguousarray(part, np.float32) for part in (over_rows, over_columns, taken, norm)))
    for part in found:
        part.flags.writeable = False
    return found
