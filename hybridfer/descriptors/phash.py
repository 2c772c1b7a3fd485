"""Perceptual hash: which low frequencies of a picture are above their median."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.descriptors.base import Descriptor
from hybridfer.errors import SpecError
from hybridfer.types import Pixels

_PIXELS_AT_ONCE = 100_000
"""Pixels worked on at once: their planes stay in the processor's cache."""

_FEW, _LARGE = 8, 256
"""Pillow resizes one by one what is not square, has fewer mates of its shape or longer sides than this."""


@dataclass(frozen=True)
class PHash(Descriptor):
    """Bits that say which low frequencies of a grey picture are above their median (Zauner 2010).

    The picture is made grey and resized by Pillow (Lanczos) to a square of side `size`; of its two-dimensional DCT-II
    the lowest ``sqrt(bits)`` frequencies of each direction are kept, the constant one included; a bit is 1 where the
    coefficient is above the threshold. With ``threshold="median"`` and the default `size` the bits are those of
    ``imagehash.phash(picture, hash_size=sqrt(bits))``, bit for bit. The values are 0 and 1, row by row.

    Compare two hashes by their Hamming distance: of 64 bits, fewer than 10 different ones mean similar pictures.

    Parameters
    ----------
    size : int
        Side of the square that is transformed; 0 stands for ``4 * sqrt(bits)``, as imagehash has it.
    bits : int
        Length of the hash: 64, 256 or 1024.
    threshold : str
        ``median`` or ``mean`` of the kept coefficients.
    exclude_dc : bool
        Whether the constant coefficient, the mean brightness, is left out of the threshold; its bit is then 0.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    References
    ----------
    C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", master's thesis, Upper Austria
    University of Applied Sciences, Hagenberg, 2010, https://www.phash.org/docs/pubs/thesis_zauner.pdf.

    Examples
    --------
    >>> phash = PHash()
    >>> phash.spec
    'phash:bits=64,exclude_dc=false,size=32,threshold=median'
    >>> hash_hex(phash.describe(np.full((48, 48), 200, np.uint8)))
    '8000000000000000'
    """

    name = "phash"
    cacheable = False
    libraries = ("pillow", "scipy")

    size: int = 0
    bits: int = 64
    threshold: str = "median"
    exclude_dc: bool = False

    def __post_init__(self) -> None:
        self.require(self.bits in (64, 256, 1024), "bits", "64, 256 or 1024")
        self.require(self.threshold in ("median", "mean"), "threshold", "median or mean")
        if self.size == 0:
            object.__setattr__(self, "size", 4 * self.side)
        self.require(self.side <= self.size <= 1024, "size", f"{self.side} to 1024 pixels, or 0 for {4 * self.side}")

    @property
    def side(self) -> int:
        """Frequencies kept of each direction: ``sqrt(bits)``."""
        return isqrt(self.bits)

    @property
    def length(self) -> int:
        return self.bits

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    def describe_batch(self, crops: Sequence[Pixels]) -> npt.NDArray[np.uint8]:
        squares = np.empty((len(crops), self.size, self.size), np.uint8)
        of_shape: dict[tuple[int, ...], list[int]] = {}
        for index, crop in enumerate(crops):
            of_shape.setdefault(crop.shape, []).append(index)
        for (height, width, *_), indices in of_shape.items():
            if height == width <= _LARGE and len(indices) >= _FEW:
                at_once = max(1, _PIXELS_AT_ONCE // width**2)
                for start in range(0, len(indices), at_once):
                    some = indices[start : start + at_once]
                    squares[some] = _resized_together([crops[index] for index in some], self.size)
            else:
                for index in indices:
                    squares[index] = _resized_alone(crops[index], self.size)
        hashes = np.empty((len(crops), self.bits), np.uint8)
        at_once = max(1, _PIXELS_AT_ONCE // self.size**2)
        for start in range(0, len(crops), at_once):
            hashes[start : start + at_once] = self._hashes(squares[start : start + at_once])
        return hashes

    def _hashes(self, squares: Pixels) -> npt.NDArray[np.bool_]:
        """Return the bits ``(n, bits)`` of grey squares ``(n, size, size)``."""
        from scipy.fft import dct

        # scipy's own transform, because the last bit of its sums decides whether a coefficient that should be 0 is
        # above a median of 0 (mirror-symmetric pictures), and imagehash uses it.
        columns = dct(squares.astype(np.float64), axis=1)[:, : self.side]
        low = dct(columns, axis=2)[:, :, : self.side].reshape(-1, self.bits)
        of_threshold = low[:, 1:] if self.exclude_dc else low
        average = np.median if self.threshold == "median" else np.mean
        above: npt.NDArray[np.bool_] = low > average(of_threshold, axis=1, keepdims=True)
        if self.exclude_dc:
            above[:, 0] = False
        return above


def hash_hex(bits: npt.NDArray[np.uint8]) -> str:
    """Return the hexadecimal text of a hash, as ``str(imagehash.phash(…))`` prints it.

    Parameters
    ----------
    bits : (n,) uint8
        Values 0 and 1, the most significant first; `n` is a multiple of 8.

    Examples
    --------
    >>> hash_hex(np.array([1, 0, 0, 0, 1, 1, 1, 1], np.uint8))
    '8f'
    """
    return np.packbits(bits).tobytes().hex()


def hash_from_hex(text: str) -> npt.NDArray[np.uint8]:
    """Return the hash ``(n,) uint8`` of 0 and 1 that :func:`hash_hex` printed as `text`.

    Raises
    ------
    SpecError
        If `text` is not an even number of hexadecimal digits.

    Examples
    --------
    >>> hash_from_hex("8f")
    array([1, 0, 0, 0, 1, 1, 1, 1], dtype=uint8)
    """
    try:
        packed = bytes.fromhex(text)
    except ValueError:
        raise SpecError(f"{text!r} is not a hash; expected pairs of hexadecimal digits, as hash_hex prints.") from None
    return np.unpackbits(np.frombuffer(packed, np.uint8))


def _resized_alone(crop: Pixels, size: int) -> Pixels:
    """Return `crop` as Pillow makes it grey and resizes it: ``(size, size)``."""
    from PIL import Image

    return np.asarray(Image.fromarray(crop).convert("L").resize((size, size), Image.Resampling.LANCZOS))


def _resized_together(crops: Sequence[Pixels], size: int) -> Pixels:
    """Return square crops of one shape as :func:`_resized_alone` would, to the bit, at once: ``(n, size, size)``."""
    from PIL import Image

    stack = np.stack(crops)
    count, side = stack.shape[:2]
    if stack.ndim == 4:
        stack = np.asarray(Image.fromarray(stack.reshape(count * side, side, 3)).convert("L"))
    # Pillow resizes the rows of a square, rounds to 8 bits, then the columns (of a tall picture it may begin with the
    # columns). Its weights are whole numbers of 22 binary places: the sums are exact in float64, in whatever order.
    weights = _weights(side, size)
    rows = stack.reshape(count, side, side).astype(np.float64) @ weights
    _round_to_8_bits(rows)
    squares = weights.T @ rows
    _round_to_8_bits(squares)
    return squares.astype(np.uint8)


def _round_to_8_bits(values: npt.NDArray[np.float64]) -> None:
    """Round `values` in place, halves up, and cut them to 0 … 255."""
    values += 0.5
    np.floor(values, out=values)
    np.clip(values, 0, 255, out=values)


@lru_cache(maxsize=32)
def _weights(side: int, size: int) -> npt.NDArray[np.float64]:
    """Return the weights ``(side, size)`` by which Pillow resizes 8-bit rows and columns."""
    from PIL import Image

    # Pillow itself tells them: in 32-bit whole numbers it rounds a resized 2^22 as it rounds its 8-bit weights.
    unit = Image.fromarray(np.eye(side, dtype=np.int32) << 22)
    weights = np.asarray(unit.resize((size, side), Image.Resampling.LANCZOS)) / 2.0**22
    weights.flags.writeable = False
    return weights
