"""Which point is which: the 98 of WFLW, the 68 of iBUG (300-W), and what is one in the other.

Points are counted from 0. *Left* is the left of the picture, which of a face that looks ahead is the person's right.

References
----------
WFLW: W. Wu et al., "Look at Boundary: A Boundary-Aware Face Alignment Algorithm", CVPR 2018,
doi 10.1109/CVPR.2018.00227. 300-W: C. Sagonas et al., "300 Faces in-the-Wild Challenge: The First Facial Landmark
Localization Challenge", ICCVW 2013, doi 10.1109/ICCVW.2013.59.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hybridfer.errors import SpecError, did_you_mean

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

Group = tuple[int, ...]


@dataclass(frozen=True)
class Scheme:
    """A way to mark a face.

    Attributes
    ----------
    name : str
    count : int
        How many points it has.
    pairs : tuple of (int, int)
        Points that change places in a mirror; the others stay.
    corners : (int, int)
        The outer corners of the left and of the right eye.
    pupils : (tuple of int, tuple of int)
        Those whose mean is the left and the right pupil.
    """

    name: str
    count: int
    pairs: tuple[tuple[int, int], ...]
    corners: tuple[int, int]
    pupils: tuple[Group, Group]

    @property
    def mirrored(self) -> Ints:
        """Which point of a picture each point of its mirror image is, ``(count,)``."""
        order = np.arange(self.count)
        for one, other in self.pairs:
            order[[one, other]] = other, one
        return order


def _pairs(*groups: tuple[Sequence[int], Sequence[int]]) -> tuple[tuple[int, int], ...]:
    return tuple(pair for ours, theirs in groups for pair in zip(ours, theirs, strict=True))


WFLW98 = Scheme(
    "wflw98",
    98,
    _pairs(
        (range(16), range(32, 16, -1)),  # the jaw
        (range(33, 38), range(46, 41, -1)),  # the upper edges of the brows
        (range(38, 42), range(50, 46, -1)),  # the lower ones
        ((55, 56), (59, 58)),  # under the nose
        (range(60, 65), range(72, 67, -1)),  # the eyes from corner to corner, over the upper lid
        (range(65, 68), range(75, 72, -1)),  # the lower lid
        ((76, 77, 78, 87, 86), (82, 81, 80, 83, 84)),  # the lips outside
        ((88, 89, 95), (92, 91, 93)),  # and inside
        ((96,), (97,)),
    ),
    (60, 72),
    ((96,), (97,)),
)

IBUG68 = Scheme(
    "ibug68",
    68,
    _pairs(
        (range(8), range(16, 8, -1)),
        (range(17, 22), range(26, 21, -1)),
        ((31, 32), (35, 34)),
        (range(36, 40), range(45, 41, -1)),
        ((40, 41), (47, 46)),
        ((48, 49, 50, 59, 58), (54, 53, 52, 55, 56)),
        ((60, 61, 67), (64, 63, 65)),
    ),
    (36, 45),
    (tuple(range(36, 42)), tuple(range(42, 48))),
)

SCHEMES = {scheme.name: scheme for scheme in (WFLW98, IBUG68)}

IBUG68_IN_WFLW98 = np.array(
    [
        *range(0, 33, 2),
        *range(33, 38),
        *range(42, 47),
        *range(51, 60),
        *(60, 61, 63, 64, 65, 67),
        *(68, 69, 71, 72, 73, 75),
        *range(76, 96),
    ]
)
"""Which of WFLW's points each of iBUG's is. Their jaws are drawn alike and cut differently, so that those of a large
turn of the head differ."""


def scheme_named(name: str) -> Scheme:
    """Return the scheme of a name.

    Raises
    ------
    SpecError
        If there is none.
    """
    if name not in SCHEMES:
        raise SpecError(f"No scheme of points {name!r}.{did_you_mean(name, SCHEMES)} Known: {', '.join(SCHEMES)}.")
    return SCHEMES[name]


def scheme_of(points: npt.NDArray[np.floating]) -> Scheme:
    """Return the scheme that points ``(..., 98, 2)`` or ``(..., 68, 2)`` are of, by how many there are.

    Raises
    ------
    SpecError
        If they have any other shape.
    """
    for scheme in SCHEMES.values():
        if points.ndim >= 2 and points.shape[-2:] == (scheme.count, 2):
            return scheme
    counts = " or ".join(str(scheme.count) for scheme in SCHEMES.values())
    raise SpecError(f"Points of a face have shape {points.shape}; expected x and y of {counts} points.")


def to_ibug68(points: npt.ArrayLike) -> Floats:
    """Return the 68 points of iBUG among 98 of WFLW, ``(..., 68, 2)``; 68 stay as they are.

    Examples
    --------
    >>> to_ibug68(np.stack([np.arange(98), np.zeros(98)], axis=1))[[0, 1, 36, 67], 0].tolist()
    [0.0, 2.0, 60.0, 95.0]
    """
    given = np.asarray(points, np.float64)
    return given[..., IBUG68_IN_WFLW98, :] if scheme_of(given) is WFLW98 else given


def to_wflw98(points: npt.ArrayLike) -> Floats:
    """Return 68 points of iBUG among 98 of WFLW, ``(..., 98, 2)``, NaN where nothing is known; 98 stay as they are."""
    given = np.asarray(points, np.float64)
    if scheme_of(given) is WFLW98:
        return given
    known = np.full((*given.shape[:-2], 98, 2), np.nan)
    known[..., IBUG68_IN_WFLW98, :] = given
    return known


def mirror(points: npt.ArrayLike, width: float) -> Floats:
    """Return the points ``(..., 98, 2)`` or ``(..., 68, 2)`` of a picture in its mirror image.

    Parameters
    ----------
    points : (..., k, 2) array
    width : float
        Of the picture. Its last pixel, ``width - 1``, becomes its first; HRNet's published training takes
        ``width - x``, which is one pixel beside it.
    """
    given = np.asarray(points, np.float64)
    return (given * [-1, 1] + [width - 1, 0])[..., scheme_of(given).mirrored, :]
