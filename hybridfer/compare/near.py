"""Near copies among many pictures: close perceptual hashes, confirmed by fitting one picture onto the other.

A hash alone is not enough for faces: cut out alike they are all somewhat alike. Of FER2013's pairs whose 64-bit hashes
differ in 8 bits one in three shows the same photograph, and portraits of one studio look alike even where different
people sit for them. So close hashes are only candidates. A pair is a near copy when, after the best shift, scale, turn
and shear of one onto the other, their fine detail agrees: copies correlate at 0.95 and more, people of one studio at
0.91 at most (London set). Other crops, sizes, brightness, watermarks and mirror images are seen through.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hybridfer.compare import CORRELATION, DISTANCE
from hybridfer.types import Pixels

THUMBNAIL = 48
"""Side in pixels of the grey pictures that are compared."""

_ALIKE = 0.8
"""Least correlation at some shift of candidates that are worth fitting."""

_DETAIL = 2.5
"""Standard deviation, in pixels of the thumbnail, of the blur that is taken off to leave the detail."""

_PAIRS_AT_ONCE = 1 << 24
"""Pairs whose distance is taken together."""


@dataclass(frozen=True)
class NearPair:
    """Two pictures that show nearly the same: their positions, differing bits and correlation, and if mirrored."""

    first: int
    second: int
    bits: int
    correlation: float
    mirrored: bool = False


@dataclass(frozen=True)
class Sketch:
    """What is kept of a picture to find its near copies.

    Attributes
    ----------
    hashes : (2,) uint64
        The 64 bits of its perceptual hash, and of its mirror image's.
    thumbnail : (48, 48) uint8
        The picture, small and grey.
    """

    hashes: npt.NDArray[np.uint64]
    thumbnail: Pixels


def sketch_batch(pictures: Sequence[Pixels]) -> list[Sketch]:
    """Return the sketch of every picture, ``(H, W, 3)`` or ``(H, W) uint8``."""
    from hybridfer.descriptors.base import grey_stack
    from hybridfer.descriptors.phash import PHash

    # What is larger than the hash looks at is made small once, not three times.
    small = [reduced(pixels) for pixels in pictures]
    mirrored = [np.ascontiguousarray(pixels[:, ::-1]) for pixels in small]
    hashed = PHash().describe_batch([*small, *mirrored])
    packed = np.packbits(hashed, axis=1).view(np.uint64).reshape(2, -1)
    return [
        Sketch(hashes, thumbnail)
        for hashes, thumbnail in zip(packed.T.copy(), grey_stack(small, THUMBNAIL), strict=True)
    ]


def find_near(
    sketches: Sequence[Sketch], *, distance: int = DISTANCE, correlation: float = CORRELATION, jobs: int = -1
) -> list[NearPair]:
    """Return the pairs of pictures that show nearly the same, by position; identical ones are among them.

    All pairs of hashes are compared: 32,298 pictures make 520 million pairs, which take about a second and a half.

    Parameters
    ----------
    sketches : sequence of Sketch
    distance : int
        Bits of 64 in which hashes may differ.
    correlation : float
        Least correlation of the fine detail, from -1 to 1.
    jobs : int
        Threads; -1 for one a core.

    Returns
    -------
    list of NearPair
        In order of position; a pair that is alike both ways stands as not mirrored.
    """
    if not sketches:
        return []
    from joblib import Parallel, delayed

    hashes = np.stack([sketch.hashes for sketch in sketches])
    thumbnails = [sketch.thumbnail for sketch in sketches]
    found: dict[tuple[int, int], NearPair] = {}
    for mirrored in (False, True):
        own = [np.ascontiguousarray(t[:, ::-1]) for t in thumbnails] if mirrored else thumbnails

        def compare(pairs: Sequence[tuple[int, int, int]], own: Sequence[Pixels] = own) -> list[float]:
            return [fitted_correlation(own[i], thumbnails[j]) for i, j, _ in pairs]

        candidates = [c for c in close_pairs(hashes[:, int(mirrored)], hashes[:, 0], distance) if c[:2] not in found]
        parts = [candidates[start : start + 1000] for start in range(0, len(candidates), 1000)]
        alike = [value for part in Parallel(jobs, prefer="threads")(map(delayed(compare), parts)) for value in part]
        for (i, j, bits), value in zip(candidates, alike, strict=True):
            if value >= correlation:
                found[i, j] = NearPair(i, j, bits, value, mirrored)
    return [found[key] for key in sorted(found)]


def close_pairs(
    one: npt.NDArray[np.uint64], other: npt.NDArray[np.uint64], distance: int
) -> Iterator[tuple[int, int, int]]:
    """Yield ``(i, j, bits)`` for every ``i < j`` where ``one[i]`` and ``other[j]`` differ in at most `distance` bits.

    Parameters
    ----------
    one, other : (n,) uint64
        Hashes, 64 bits each.
    distance : int

    Examples
    --------
    >>> hashes = np.array([0b0000, 0b0001, 0b1111], np.uint64)
    >>> list(close_pairs(hashes, hashes, 1))
    [(0, 1, 1)]
    """
    n = len(one)
    rows = max(1, _PAIRS_AT_ONCE // max(n, 1))
    for start in range(0, n, rows):
        bits = np.bitwise_count(one[start : start + rows, None] ^ other[None, start:])
        i, j = np.nonzero(bits <= distance)
        after = j > i
        for a, b in zip(i[after].tolist(), j[after].tolist(), strict=True):
            yield a + start, b + start, int(bits[a, b])


def fitted_correlation(one: Pixels, other: Pixels) -> float:
    """Return how the fine detail of two pictures correlates when one is fitted onto the other.

    Parameters
    ----------
    one, other : (48, 48) uint8
        Grey thumbnails.

    Returns
    -------
    float
        From -1 to 1; 0 where they are not alike even when blurred, or cannot be fitted.

    References
    ----------
    The fit is OpenCV's enhanced correlation coefficient: G. D. Evangelidis, E. Z. Psarakis, "Parametric Image Alignment
    Using Enhanced Correlation Coefficient Maximization", PAMI 30, 2008, doi 10.1109/TPAMI.2008.113.
    """
    import cv2

    if _shifted_correlation(one, other) < _ALIKE:
        return 0.0
    fixed, moving = one.astype(np.float32), other.astype(np.float32)
    ends = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-3)
    try:
        _, warp = cv2.findTransformECC(fixed, moving, np.eye(2, 3, dtype=np.float32), cv2.MOTION_AFFINE, ends, None, 3)
    except cv2.error:
        return 0.0  # no fit is found where there is none
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    fitted = cv2.warpAffine(moving, warp, one.shape[::-1], flags=how, borderMode=cv2.BORDER_REFLECT)
    both = cv2.warpAffine(np.ones_like(moving), warp, one.shape[::-1], flags=how) > 0.99
    if both.sum() * 2 < both.size:
        return 0.0
    details = []
    for picture in (fixed, fitted):
        # The fit has blurred one of them a little; so both are.
        smooth = cv2.GaussianBlur(picture, (0, 0), 0.7)
        detail = (smooth - cv2.GaussianBlur(smooth, (0, 0), _DETAIL))[both]
        details.append(detail - detail.mean())
    scale = float(np.linalg.norm(details[0]) * np.linalg.norm(details[1]))
    return float(details[0] @ details[1]) / scale if scale > 0 else 0.0


def _shifted_correlation(one: Pixels, other: Pixels) -> float:
    """Return the best correlation of the middle of one picture with the other, at any shift of up to an eighth."""
    import cv2

    small = [cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA) for picture in (one, other)]
    best = -1.0
    for picture, whole in (small, small[::-1]):
        part = np.ascontiguousarray(whole[4:-4, 4:-4])
        # To OpenCV a template of one value is like everything.
        if part.min() == part.max():
            return 0.0
        best = max(best, float(cv2.matchTemplate(picture, part, cv2.TM_CCOEFF_NORMED).max()))
    return best


def reduced(pixels: Pixels, side: int = 256) -> Pixels:
    """Return a picture whose longer side has at most `side` pixels, by default all that a sketch needs of it."""
    import cv2

    scale = side / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    smaller: Pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return smaller
