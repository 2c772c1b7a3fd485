"""A descriptor on each of the twelve windows of a face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hybridfer.descriptors.base import Descriptor
from hybridfer.errors import SpecError
from hybridfer.spec import FeatureSpec
from hybridfer.types import Pixels

COUNT = 12
"""Windows of a face, see :data:`hybridfer.faces.windows.WINDOWS`."""


@dataclass(frozen=True)
class Windows(Descriptor):
    """What another descriptor makes of the twelve windows of a face, one after the other.

    Its crop is the windows one below the other, as :func:`hybridfer.faces.windows.cut_windows` has them in order.

    Parameters
    ----------
    of : Descriptor
        What describes a window.

    Raises
    ------
    SpecError
        If `of` is shown windows already.

    Examples
    --------
    >>> from hybridfer.descriptors import create_descriptor
    >>> windows = create_descriptor("windows(colour:grid=1)")
    >>> windows.spec, windows.length
    ('windows(colour:grid=1,size=48)', 108)
    """

    view = "windows"

    size: int = field(init=False)
    of: Descriptor

    def __post_init__(self) -> None:
        if self.of.view != "face":
            raise SpecError(f"{self.of.spec} is shown the windows of a face already; write it alone.")
        object.__setattr__(self, "size", self.of.size)

    @property
    def name(self) -> str:  # type: ignore[override]  # a class attribute of others
        """The word of its spec: ``windows(lbp)``."""
        return f"windows({self.of.name})"

    @property
    def version(self) -> int:  # type: ignore[override]
        """Raised with the version of what describes a window."""
        return self.of.version

    @property
    def cacheable(self) -> bool:  # type: ignore[override]
        """Whether what describes a window is worth keeping."""
        return self.of.cacheable

    @property
    def libraries(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of what describes a window."""
        return self.of.libraries

    @property
    def device(self) -> str | None:
        """Where a network works; None without one."""
        return getattr(self.of, "device", None)

    @property
    def length(self) -> int:
        return COUNT * self.of.length

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.of.dtype

    @property
    def spec(self) -> str:
        return f"windows({self.of.spec})"

    @property
    def weights_sha256(self) -> str | None:
        return self.of.weights_sha256

    def on(self, device: str) -> Self:
        """Return the same at work on `device`."""
        return replace(self, of=self.of.on(device))

    @classmethod
    def from_spec(cls, spec: FeatureSpec) -> Self:
        """Return what ``windows(SPEC)`` names."""
        from hybridfer.descriptors import create_descriptor

        if spec.inner is None:
            raise SpecError(f"{spec} names no descriptor for the windows; write it in brackets, as in windows(lbp).")
        return cls(create_descriptor(str(spec.inner)))

    def describe_batch(self, crops: Sequence[Pixels]) -> npt.NDArray[Any]:
        windows = [window for crop in crops for window in _parts(crop)]
        return self.of.describe_batch(windows).reshape(len(crops), self.length)


def _parts(crop: Pixels) -> list[Pixels]:
    """Return the windows that lie one below the other in a crop, of a pixel's height at least."""
    edges = [len(crop) * i // COUNT for i in range(COUNT + 1)]
    return [crop[min(top, len(crop) - 1) : max(end, top + 1)] for top, end in pairwise(edges)]
