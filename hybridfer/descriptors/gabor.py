"""Magnitudes of a bank of Gabor wavelets."""

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

_SIGMA = 2 * np.pi
_REACH = 4
"""Standard deviations of the envelope from a kernel's centre to its edge."""

_VALUES_AT_ONCE = 250_000
"""Intermediate values worked on at once: they stay in the processor's cache."""

_MOST_VALUES = 1_000_000
"""A vector no longer than this keeps the matrices below 250 MB at every setting."""


@dataclass(frozen=True)
class Gabor(Descriptor):
    """How strongly a face answers to waves of several lengths and directions, place by place (Lades et al. 1993).

    The wavelet of scale `v` and orientation `u` is ``k^2 / s^2 exp(-k^2 z^2 / (2 s^2)) (exp(i k.z) - exp(-s^2 / 2))``
    with ``s = 2 pi``, a wave number ``k`` of ``(pi / 2) / sqrt(2)^v`` and the direction ``u pi / orientations`` from
    the `x` axis towards the `y` axis, which points down. The value is the magnitude of the response to the grey face,
    scaled to 0 … 1, on every `step`-th pixel of every `step`-th row, beginning with pixel ``step // 2``: the middles
    of cells of `step` pixels.

    A kernel is a square that reaches four standard deviations (``4 s / k`` pixels, rounded up) from its centre; beyond
    the border the face is mirrored without repeating the outermost pixel (OpenCV's ``BORDER_REFLECT_101``), as often
    as the kernel reaches. The values are those of ``cv2.filter2D`` with :meth:`kernels` to within 1e-5.

    A wavelet is the product of one over `x` and one over `y`, but for its last term, 3e-9 of the envelope, which
    float32 cannot tell from 0. So the response is a product of three matrices, border and sampling included: no
    kernel is ever moved over the face.

    The vector runs over scales, orientations within a scale, then rows and columns of the sampled response.

    Parameters
    ----------
    size : int
        Side of the square that the crop is resized to.
    scales : int
        Wave lengths, 1 to 10: 4, 5.7, 8, 11.3, 16 … pixels.
    orientations : int
        Directions between 0 and 180 degrees, 1 to 16.
    step : int
        Pixels from one sample to the next.

    Raises
    ------
    SpecError
        If a parameter is out of range, or `step` so small that the vector has more than a million values.

    References
    ----------
    M. Lades et al., "Distortion Invariant Object Recognition in the Dynamic Link Architecture", IEEE Transactions on
    Computers 42(3), 1993, doi 10.1109/12.210173.

    Examples
    --------
    >>> gabor = Gabor()
    >>> gabor.spec, gabor.length
    ('gabor:orientations=8,scales=5,size=48,step=4', 5760)
    >>> gabor.positions().tolist()
    [2, 6, 10, 14, 18, 22, 26, 30, 34, 38, 42, 46]
    """

    name = "gabor"

    scales: int = 5
    orientations: int = 8
    step: int = 4

    def __post_init__(self) -> None:
        self.require(2 <= self.size <= 1024, "size", "2 to 1024 pixels")
        self.require(1 <= self.scales <= 10, "scales", "1 to 10 wave lengths")
        self.require(1 <= self.orientations <= 16, "orientations", "1 to 16 directions")
        self.require(1 <= self.step <= self.size, "step", "1 pixel to size")
        self.require(self.length <= _MOST_VALUES, "step", "a larger one: the vector would pass a million values")

    @property
    def cacheable(self) -> bool:  # type: ignore[override]
        """Whether a face at this size is worth a place in the cache: from 64 pixels on.

        Computing grows with the cube of `size`, reading with the square. On one core: 0.10 and 0.025 ms a face at 48,
        0.18 and 0.027 at 64, 0.5 and 0.04 at 96, 1.6 and 0.09 at 128, 12 and 0.2 at 224. At 48 what reading saves
        does not pay for 23 kB of disk a face.
        """
        return self.size >= 64

    @property
    def length(self) -> int:
        return self.scales * self.orientations * len(self.positions()) ** 2

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    def positions(self) -> npt.NDArray[np.intp]:
        """Return the rows, and the columns, on which responses are sampled."""
        return np.arange(self.step // 2, self.size, self.step)

    def kernels(self) -> list[npt.NDArray[np.complex128]]:
        """Return the wavelets as square kernels of odd side, in the vector's order.

        Examples
        --------
        >>> [kernel.shape for kernel in Gabor(orientations=1).kernels()]
        [(33, 33), (47, 47), (65, 65), (93, 93), (129, 129)]
        """
        kernels = []
        for scale in range(self.scales):
            k = _wave_number(scale)
            x = _offsets(scale)
            y = x[:, None]
            envelope = (k / _SIGMA) ** 2 * np.exp(-(k**2) * (x**2 + y**2) / (2 * _SIGMA**2))
            for orientation in range(self.orientations):
                phi = orientation * np.pi / self.orientations
                wave = np.exp(1j * k * (np.cos(phi) * x + np.sin(phi) * y))
                kernels.append(envelope * (wave - np.exp(-(_SIGMA**2) / 2)))
        return kernels

    def describe_batch(self, crops: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        vectors = np.empty((len(crops), self.length), np.float32)
        grey = grey_stack(crops, self.size)
        over_rows, over_columns = _matrices(self.size, self.scales, self.orientations, self.step)
        at_once = max(1, _VALUES_AT_ONCE // (over_rows.size + 2 * self.length))
        for start in range(0, len(crops), at_once):
            faces = grey[start : start + at_once].astype(np.float32) / np.float32(255)
            magnitudes = self._magnitudes(faces, over_rows, over_columns)
            vectors[start : start + at_once] = magnitudes.reshape(len(faces), self.length)
        return vectors

    def _magnitudes(
        self,
        faces: npt.NDArray[np.float32],
        over_rows: npt.NDArray[np.float32],
        over_columns: npt.NDArray[np.float32],
    ) -> npt.NDArray[np.float32]:
        """Return ``(n, scales, orientations, positions, positions)`` for faces ``(n, size, size)`` between 0 and 1."""
        scales, steepest, double, _ = over_rows.shape
        places, count = double // 2, len(faces)
        rows = np.empty((count, scales, steepest, double, self.size), np.float32)
        multiply(over_rows, faces[:, None, None], out=rows)
        rows = rows.reshape(count, scales, steepest, places, 2 * self.size)
        responses = np.empty((count, scales, self.orientations, places, double), np.float32)
        multiply(rows, over_columns[:, :steepest], out=responses[:, :, :steepest])
        # Mirrored directions have the same rows: the last orientation those of the first that is not horizontal.
        mirrored = rows[:, :, self.orientations - steepest : 0 : -1]
        multiply(mirrored, over_columns[:, steepest:], out=responses[:, :, steepest:])
        np.square(responses, out=responses)
        magnitudes: npt.NDArray[np.float32] = responses[..., :places] + responses[..., places:]
        np.sqrt(magnitudes, out=magnitudes)
        return magnitudes


def _wave_number(scale: int) -> float:
    """Return the wave number of a scale in radians a pixel."""
    return float(np.pi / 2 / 2 ** (scale / 2))


def _offsets(scale: int) -> npt.NDArray[np.intp]:
    """Return how far a kernel's pixels lie from its centre."""
    # The envelope's standard deviation, _SIGMA over the wave number, is 4, 5.7, 8 … pixels.
    reach = int(np.ceil(_REACH * 4 * 2 ** (scale / 2)))
    return np.arange(-reach, reach + 1)


@lru_cache(maxsize=4)
def _matrices(
    size: int, scales: int, orientations: int, step: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return what the faces are multiplied with from the left and, after that, from the right.

    The left one is ``(scales, steepest, 2 positions, size)``: for the orientations up to the vertical, real and
    imaginary wave over `y` by turns; the right one ``(scales, orientations, 2 size, 2 positions)``: complex
    multiplication with the wave over `x`, in real numbers.
    """
    steepest = orientations // 2 + 1
    at = np.arange(step // 2, size, step)
    left = np.empty((scales, steepest, len(at), 2, size), np.float32)
    right = np.empty((scales, orientations, 2, size, 2, len(at)), np.float32)
    for scale in range(scales):
        for orientation in range(orientations):
            phi = orientation * np.pi / orientations
            if orientation < steepest:
                down = _wave(size, at, scale, np.sin(phi))
                left[scale, orientation] = np.stack([down.real, down.imag], axis=1)
            across = _wave(size, at, scale, np.cos(phi)).T
            right[scale, orientation] = [
                np.stack([across.real, across.imag], axis=1),
                np.stack([-across.imag, across.real], axis=1),
            ]
    over_rows = left.reshape(scales, steepest, 2 * len(at), size)
    over_columns = right.reshape(scales, orientations, 2 * size, 2 * len(at))
    over_rows.flags.writeable = over_columns.flags.writeable = False
    return over_rows, over_columns


def _wave(size: int, at: npt.NDArray[np.intp], scale: int, slope: float) -> npt.NDArray[np.complex128]:
    """Return the weights ``(len(at), size)`` of a line's pixels, mirrored ones included, for responses at `at`."""
    k = _wave_number(scale)
    offsets = _offsets(scale)
    values = k / _SIGMA * np.exp(-(k**2) * offsets**2 / (2 * _SIGMA**2) + 1j * k * slope * offsets)
    period = 2 * (size - 1)
    pixels = (at[:, None] + offsets) % period
    pixels = np.minimum(pixels, period - pixels)
    weights = np.zeros((len(at), size), np.complex128)
    np.add.at(weights, (np.arange(len(at))[:, None], pixels), values)
    return weights
