"""Chi-square likeness of two histograms: of local binary patterns and of oriented gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from hybridfer.compare.metric import DescriptorMetric, rank, zero_reading
from hybridfer.spec import FeatureSpec
from hybridfer.types import Pixels


@dataclass(frozen=True)
class ChiSquareSimilarity(DescriptorMetric):
    """One minus the chi-square distance of two descriptors: 1 − ½ Σ (a − b)² / (a + b).

    Each vector is divided by its sum first, so that the distance lies in 0 to 1. A picture whose vector is all zeros
    (HOG of a picture without an edge) has distance 0 to another such picture, else 1.

    Parameters
    ----------
    features : str
        The descriptor's spec; as a metric's spec it is the same text: ``lbp:grid=4``.

    References
    ----------
    T. Ahonen, A. Hadid, M. Pietikäinen: Face description with local binary patterns. IEEE TPAMI 28(12), 2006.
    doi:10.1109/TPAMI.2006.244
    """

    features: str

    def __post_init__(self) -> None:
        self.describe_by(self.features)

    @property
    def spec(self) -> str:
        """The descriptor's canonical text."""
        return self.descriptor.spec

    @classmethod
    def from_spec(cls, spec: FeatureSpec) -> Self:
        """Return the metric of the descriptor that `spec` names."""
        return cls(str(spec))

    def prepare(self, pixels: Pixels) -> npt.NDArray[np.float64]:
        """Return the descriptor's vector divided by its sum, ``(length,) float64``."""
        vector: npt.NDArray[np.float64] = self.descriptor.describe(pixels).astype(np.float64)
        return vector / (vector.sum() or 1)

    def score(self, a: Any, b: Any) -> tuple[float, dict[str, Any]]:
        """Return one minus the distance, which is in the details."""
        zeros = int(not a.any()) + int(not b.any())
        if zeros:
            distance = float(zeros == 1)
        else:
            both = a + b
            distance = min(1.0, 0.5 * float(((a - b) ** 2 / np.where(both == 0, 1, both)).sum()))
        return 1 - distance, {"length": len(a), "zero_vectors": zeros, "chi_square": distance}

    def read(self, value: float, details: Mapping[str, Any]) -> str:
        """Return where the value lies among pairs of different faces."""
        if details["zero_vectors"]:
            return zero_reading(details["zero_vectors"])
        return rank(self.spec, value) or f"chi-square distance {details['chi_square']:.3f}; 0 is equal, 1 disjoint"


@dataclass(frozen=True)
class LBPSimilarity(ChiSquareSimilarity):
    """Chi-square likeness of local binary patterns: texture, place by place; takes the options of ``lbp``."""

    name: ClassVar[str] = "lbp"

    features: str = "lbp"


@dataclass(frozen=True)
class HOGSimilarity(ChiSquareSimilarity):
    """Chi-square likeness of oriented gradients: edges, place by place; takes the options of ``hog``."""

    name: ClassVar[str] = "hog"

    features: str = "hog"
