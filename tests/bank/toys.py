"""A descriptor small enough to check by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hybridfer.descriptors.base import Descriptor, grey_stack
from hybridfer.types import Pixels


@dataclass(frozen=True)
class Means(Descriptor):
    """Mean of every row of the grey crop; counts the crops it was asked for."""

    name: ClassVar[str] = "means"
    asked: ClassVar[list[int]] = []

    size: int = 4

    @property
    def length(self) -> int:
        return self.size

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    def describe_batch(self, crops: Sequence[Pixels]) -> np.ndarray:
        self.asked.append(len(crops))
        return grey_stack(crops, self.size).mean(axis=2, dtype=np.float64).astype(np.float32)
