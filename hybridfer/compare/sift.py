"""SIFT matches: how many keypoints of two pictures find each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hybridfer.compare.metric import Metric, grey
from hybridfer.types import Pixels

FEW_KEYPOINTS = 20
"""Below so many keypoints in one picture, ``sift`` gives no verdict: of pairs of different 25x25-pixel faces,
which have some ten keypoints each, 1 % share a third of them by chance."""

ENOUGH_MATCHES = 10
"""Matches from which ``sift`` speaks of common parts; OpenCV's tutorials ask for as many before they locate an object.
The 4,950 pairs of different faces have 5 at most."""


@dataclass(frozen=True)
class SIFTSimilarity(Metric):
    """Share of keypoints that find each other: SIFT, Lowe's ratio test in both directions, mutual nearest neighbours.

    Keypoint *i* of one picture and *j* of the other match when each is the other's nearest, and nearer than `ratio`
    times the second nearest, from either side. Keypoints with the very same descriptor (repeated texture) count once;
    they could never pass the test. Unlike the common snippet, which looks from the first picture only, the value does
    not depend on the order of the pictures.

    The value is 0 where a picture has fewer than two keypoints, and the reading says so. Drawings and small crops have
    few keypoints; the counts stand beside the value.

    Parameters
    ----------
    ratio : float
        Lowe's ratio, above 0 and at most 1; 0.7 to 0.8 are usual.
    over : {"min", "max", "matches"}
        What the matches are divided by: the smaller or the larger number of keypoints, or the mutual nearest pairs
        before the ratio test.
    side : int
        Pictures whose longer side has more pixels are reduced to it, which bounds time and memory.

    References
    ----------
    D. G. Lowe: Distinctive image features from scale-invariant keypoints. IJCV 60, 2004.
    doi:10.1023/B:VISI.0000029664.99615.94
    """

    name: ClassVar[str] = "sift"

    ratio: float = 0.75
    over: str = "min"
    side: int = 512

    def __post_init__(self) -> None:
        self.require(0 < self.ratio <= 1, "ratio", "a number above 0 and at most 1")
        self.require(self.over in ("min", "max", "matches"), "over", "min, max or matches")
        self.require(16 <= self.side <= 4096, "side", "a whole number from 16 to 4096")

    def prepare(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Return the distinct SIFT descriptors of a picture, ``(n, 128) float32`` of whole numbers."""
        import cv2

        picture = grey(pixels)
        longer = max(picture.shape)
        if longer > self.side:
            height, width = (max(1, round(n * self.side / longer)) for n in picture.shape)
            picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        _, found = cv2.SIFT.create().detectAndCompute(picture, None)
        if found is None:
            return np.empty((0, 128), np.float32)
        distinct: npt.NDArray[np.float32] = np.unique(found.astype(np.uint8), axis=0).astype(np.float32)
        return distinct

    def score(self, a: Any, b: Any) -> tuple[float, dict[str, Any]]:
        """Return the share of keypoints that match; details count keypoints, mutual pairs and matches."""
        mutual, good = self._match(a, b) if min(len(a), len(b)) >= 2 else (0, 0)
        per = {"min": min(len(a), len(b)), "max": max(len(a), len(b)), "matches": mutual}
        forms = {over: good / n if n else 0.0 for over, n in per.items()}
        details = {
            "keypoints_a": len(a),
            "keypoints_b": len(b),
            "mutual": mutual,
            "matches": good,
            **{f"matches_over_{over}": value for over, value in forms.items()},
        }
        return forms[self.over], details

    def _match(self, a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> tuple[int, int]:
        """Return how many pairs are each other's nearest, and how many of them pass the ratio test both ways."""
        # Squared lengths stay below 2**24, so whole numbers in float32 are exact and ties are real ties.
        distances = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * (a @ b.T)
        transposed = np.ascontiguousarray(distances.T)
        nearest_b, passes_a = self._nearest(distances)
        nearest_a, passes_b = self._nearest(transposed)
        mutual = nearest_a[nearest_b] == np.arange(len(a))
        return int(mutual.sum()), int((mutual & passes_a & passes_b[nearest_b]).sum())

    def _nearest(self, distances: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Return each row's nearest column and whether it passes the ratio test; overwrites the nearest distances."""
        rows = np.arange(len(distances))
        nearest = distances.argmin(1)
        first = distances[rows, nearest]
        distances[rows, nearest] = np.inf
        return nearest, first < self.ratio**2 * distances.min(1).astype(np.float64)

    def read(self, value: float, details: Mapping[str, Any]) -> str:
        """Return whether the pictures have parts in common, unless the keypoints are too few to tell."""
        n, m = details["keypoints_a"], details["keypoints_b"]
        counts = f"{details['matches']} matches between {n} and {m} keypoints"
        if min(n, m) < 2:
            return f"nothing to compare: {n} and {m} keypoints, and each picture needs 2; 0 by definition"
        if min(n, m) < FEW_KEYPOINTS:
            return f"{counts}; with fewer than {FEW_KEYPOINTS} in a picture the share says little"
        verdict = "parts in common" if details["matches"] >= ENOUGH_MATCHES else "no part in common to speak of"
        return f"{verdict}: {counts}, and {ENOUGH_MATCHES} matches are usually asked for to recognise an object"
