"""Cosine of the angle between two pictures: of grey values, of a histogram or of any descriptor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from hybridfer.compare.metric import DescriptorMetric, grey, rank, zero_reading
from hybridfer.descriptors.base import grey_stack
from hybridfer.types import Pixels


@dataclass(frozen=True)
class CosineSimilarity(DescriptorMetric):
    """Cosine of the angle between two pictures taken as vectors: A·B / (|A| |B|).

    A picture whose vector is all zeros has no direction: 1 with another such picture, else 0.

    Parameters
    ----------
    of : str
        The vector: ``grey``, the 64x64 grey values; ``histogram``, the 64-bin histogram of the grey values of the
        picture as it is; or a feature spec with at most one option, such as ``hog`` or ``resnet18@layer4:pool=gap``.

    Examples
    --------
    >>> dark = np.full((9, 9), 10, np.uint8)
    >>> CosineSimilarity().compare(dark, 2 * dark).value
    1.0
    """

    name: ClassVar[str] = "cosine"

    of: str = "grey"

    def __post_init__(self) -> None:
        if self.of not in ("grey", "histogram"):
            self.describe_by(self.of)

    def on(self, device: str) -> Self:
        """Return the metric whose network, if it has one, works on `device`."""
        return self if self.of in ("grey", "histogram") else super().on(device)

    def prepare(self, pixels: Pixels) -> npt.NDArray[np.float64]:
        """Return the vector, ``(n,) float64``."""
        vector: npt.NDArray[Any]
        if self.of == "grey":
            vector = grey_stack([pixels], 64)[0].ravel()
        elif self.of == "histogram":
            vector = np.bincount((grey(pixels) >> 2).ravel(), minlength=64)
        else:
            vector = self.descriptor.describe(pixels)
        return vector.astype(np.float64)

    def score(self, a: Any, b: Any) -> tuple[float, dict[str, Any]]:
        """Return the cosine; details give the length of the vectors and the angle in degrees."""
        zeros = int(not a.any()) + int(not b.any())
        if zeros:
            cosine = float(zeros == 2)
        else:
            # One root of the product, not a product of roots: it is exact for equal vectors.
            cosine = float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1, 1))
        return cosine, {"length": len(a), "zero_vectors": zeros, "degrees": float(np.degrees(np.arccos(cosine)))}

    def read(self, value: float, details: Mapping[str, Any]) -> str:
        """Return where the value lies among pairs of different faces."""
        if details["zero_vectors"]:
            return zero_reading(details["zero_vectors"])
        plain = f"{details['degrees']:.1f} degrees between the vectors"
        return rank(self.spec, value) or f"{plain}; 0 is the same direction, 90 nothing in common"
