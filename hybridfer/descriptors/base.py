"""What a descriptor promises, and the two ways a crop becomes an array of one size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from hybridfer.errors import SpecError
from hybridfer.spec import FeatureSpec, format_value, parse_options
from hybridfer.types import Pixels


@dataclass(frozen=True)
class Descriptor(ABC):
    """One face crop in, one vector of fixed length out.

    Subclasses are frozen dataclasses whose fields are the parameters of the spec. A descriptor keeps no state and
    touches no files: the same crop gives the same bits, alone or in any batch, in any order.

    Class attributes
    ----------------
    name : str
        The word in a spec.
    version : int
        Raised whenever a number it returns changes.
    cacheable : bool
        False where computing is cheaper than reading the cache.
    libraries : tuple[str, ...]
        Distributions whose version may change its numbers; part of the cache key.
    view : str
        What it is shown of a face: ``face``, the crop, or ``windows``, the twelve windows one below the other.

    Parameters
    ----------
    size : int
        Side in pixels of the square that the crop is resized to.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    cacheable: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = ("opencv-contrib-python",)
    view: ClassVar[str] = "face"

    size: int = 48

    @property
    @abstractmethod
    def length(self) -> int:
        """Number of values in the vector."""

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """Type of the values: uint8 or float32."""

    @abstractmethod
    def describe_batch(self, crops: Sequence[Pixels]) -> npt.NDArray[Any]:
        """Return ``(n, length)`` of :attr:`dtype` for `n` crops.

        Parameters
        ----------
        crops : sequence of (H, W, 3) or (H, W) uint8
            RGB or grey, upright, each of its own size; left untouched. `n` may be 0.
        """

    def describe(self, crop: Pixels) -> npt.NDArray[Any]:
        """Return the ``(length,)`` vector of one crop; equals its row in any batch, bit for bit."""
        vector: npt.NDArray[Any] = self.describe_batch([crop])[0]
        return vector

    @property
    def spec(self) -> str:
        """The canonical text: every parameter spelt out, keys sorted."""
        options = {f.name: format_value(getattr(self, f.name)) for f in fields(self) if f.init}
        return str(FeatureSpec(self.name, None, options))

    @property
    def weights_sha256(self) -> str | None:
        """SHA-256 of the learned weights it rests on; None for a hand-made descriptor."""
        return None

    def on(self, device: str) -> Self:
        """Return the descriptor that works on `device`; a hand-made one knows only the processor and is itself."""
        return self

    @classmethod
    def from_spec(cls, spec: FeatureSpec) -> Self:
        """Return the descriptor that `spec` names; :class:`SpecError` where a parameter is unknown or out of range."""
        if spec.layer is not None:
            raise SpecError(f"{spec.name} is not a network and has no layer {spec.layer!r}; write {spec.name} alone.")
        return cls(**parse_options(cls, spec))

    def require(self, good: bool, parameter: str, expected: str) -> None:
        """Raise :class:`SpecError` unless `good`: the value of `parameter` and what was expected of it."""
        if not good:
            value = format_value(getattr(self, parameter))
            raise SpecError(f"{self.name}:{parameter}={value} is out of range; expected {expected}.")


def resize(crop: Pixels, size: int) -> Pixels:
    """Return `crop` as ``(size, size[, 3])``: by area when it shrinks, bilinear when it grows, itself when it fits."""
    import cv2

    height, width = crop.shape[:2]
    if (height, width) == (size, size):
        return crop
    how = cv2.INTER_AREA if height >= size and width >= size else cv2.INTER_LINEAR
    resized: Pixels = cv2.resize(crop, (size, size), interpolation=how)
    return resized


def rgb_stack(crops: Sequence[Pixels], size: int) -> Pixels:
    """Return ``(n, size, size, 3) uint8``: every crop resized, grey ones with three equal channels."""
    stack: Pixels = np.empty((len(crops), size, size, 3), np.uint8)
    for row, crop in zip(stack, crops, strict=True):
        resized = resize(crop, size)
        row[...] = resized if resized.ndim == 3 else resized[..., None]
    return stack


def grey_stack(crops: Sequence[Pixels], size: int) -> Pixels:
    """Return ``(n, size, size) uint8``: every crop made grey (0.299 R + 0.587 G + 0.114 B), then resized."""
    import cv2

    stack: Pixels = np.empty((len(crops), size, size), np.uint8)
    for row, crop in zip(stack, crops, strict=True):
        grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) if crop.ndim == 3 else crop
        row[...] = resize(grey, size)
    return stack
