"""The shape of a face in numbers: distances between its points, and how the directions between them have turned.

Both begin with the same normal pose: the face is moved, turned and scaled so that the outer corners of its eyes lie
level and one apart, the middle between them at 0. What a picture's place, size and tilt of the head would change stays
the same; a turned or nodding head still changes it. A face whose outer corners are unknown or in one place has no such
pose, and all its numbers are NaN.

``left`` and ``right`` are those of the picture. Points are WFLW's 98 or iBUG's 68; places are told in WFLW's numbers,
and what is the mean of several points is, of iBUG's, the mean of those it has.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from hybridfer.errors import SpecError
from hybridfer.faces.schemes import IBUG68, IBUG68_IN_WFLW98, WFLW98, scheme_of

Floats = npt.NDArray[np.float64]
Place = Callable[..., Floats]
"""Returns the mean of some of a face's points, ``(n, 2)``, by WFLW's numbers."""

Side = dict[str, tuple[int, ...]]

LEFT: Side = {
    "brow inside": (37,),
    "brow middle": (35,),
    "brow outside": (33,),
    "eye inside": (64,),
    "eye outside": (60,),
    "upper lid": (61, 62, 63),
    "lower lid": (65, 66, 67),
    "corner": (76,),
}
"""Places of the left half."""

RIGHT: Side = {
    "brow inside": (42,),
    "brow middle": (44,),
    "brow outside": (46,),
    "eye inside": (68,),
    "eye outside": (72,),
    "upper lid": (69, 70, 71),
    "lower lid": (73, 74, 75),
    "corner": (82,),
}
"""Their mirror images."""

OUTER_LIP = tuple(range(76, 88))

PAIRED = (
    "inner_brow_height",
    "middle_brow_height",
    "outer_brow_height",
    "eye_opening",
    "upper_lid_height",
    "lower_lid_height",
    "lid_to_brow",
    "lip_corner_height",
    "lip_corner_to_eye",
    "cheek_height",
)
"""Measures of each half; of both are told the mean and the left less the right."""

SINGLE = (
    "inner_brow_gap",
    "nose_width",
    "nose_length",
    "nose_to_lip",
    "mouth_width",
    "mouth_opening_outside",
    "mouth_opening_inside",
    "upper_lip_height",
    "lower_lip_height",
    "lip_area",
    "chin_height",
    "jaw_drop",
)

GEOMETRY_NAMES = (*(f"{name}_{how}" for name in PAIRED for how in ("mean", "difference")), *SINGLE)
"""What each value of :func:`geometry` is."""


def geometry(points: npt.ArrayLike, neutral: npt.ArrayLike | None = None) -> npt.NDArray[np.float32]:
    """Return 32 measures of each face, ``(n, 32) float32``, in distances between the outer corners of the eyes.

    Heights are positive above what they are measured from: brows over the eyes' corners, lids over the line from corner
    to corner, lip corners over the middle of the lips. The opening of an eye is in its own width, the area of the lips
    in squares.

    Parameters
    ----------
    points : (n, 98, 2) or (n, 68, 2) array
    neutral : (k, 2) or (n, k, 2) array, optional
        The same person's face at rest, of as many points: its measures are taken off. Where no such picture is known,
        the median of a film does (:func:`median_shape`).

    Returns
    -------
    (n, 32) float32
        In the order of :data:`GEOMETRY_NAMES`.

    Raises
    ------
    SpecError
        If the points are not of one of these shapes, or `neutral` is not of the same.

    Examples
    --------
    >>> face = np.random.default_rng(0).uniform(0, 100, (1, 98, 2))
    >>> geometry(face).shape, float(abs(geometry(face, face)).max())
    ((1, 32), 0.0)
    """
    faces, rest = _both(points, neutral)
    found = _measures(faces)
    return (found if rest is None else found - _measures(rest)).astype(np.float32)


def angle_map(points: npt.ArrayLike, neutral: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return how far the direction from each point to each other has turned since rest, ``(n, k, k) float32``.

    Parameters
    ----------
    points : (n, 98, 2) or (n, 68, 2) array
    neutral : (k, 2) or (n, k, 2) array
        The same person's face at rest: the first frame of a film, or a mean of faces at rest.

    Returns
    -------
    (n, k, k) float32
        0 to 1, where 1 is half a turn; symmetric, 0 on the diagonal and where two points lie in one place.

    Raises
    ------
    SpecError
        As :func:`geometry`.

    References
    ----------
    H. Ge, Z. Zhu, Y. Dai, B. Wang, X. Wu, "Facial expression recognition based on deep learning", Computer Methods and
    Programs in Biomedicine 215, 2022, doi 10.1016/j.cmpb.2022.106621: a fourth channel of AlexNet-Emotion.
    """
    faces, rest = _both(points, neutral)
    if rest is None:
        raise SpecError("A map of angles is of a change since rest; expected the points of the same face at rest.")
    turned = _directions(faces) * np.conj(_directions(rest))
    # The angle of a nothing is half a turn where it has a minus.
    return np.where(turned == 0, 0, np.abs(np.angle(turned)) / np.pi).astype(np.float32)


def angles(points: npt.ArrayLike, neutral: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return :func:`angle_map` as a vector of each face, ``(n, k (k - 1) / 2) float32``: each pair of points once.

    Of 98 points there are 4,753 pairs, of 68 there are 2,278, row by row over the diagonal.
    """
    maps = angle_map(points, neutral)
    return np.ascontiguousarray(maps[:, *np.triu_indices(maps.shape[1], 1)])


def median_shape(points: npt.ArrayLike) -> Floats:
    """Return the median of faces in their normal pose, ``(k, 2)``: what a person's face at rest is taken for in a film.

    Faces that have no pose are left out; all NaN where none has one.
    """
    shapes = normal_pose(points)
    known = shapes[np.isfinite(shapes).all((1, 2))]
    return np.asarray(np.median(known, axis=0)) if len(known) else np.full(shapes.shape[1:], np.nan)


def normal_pose(points: npt.ArrayLike) -> Floats:
    """Return faces ``(n, k, 2)`` with the outer corners of their eyes at (-0.5, 0) and (0.5, 0); see the module."""
    faces = np.asarray(points, np.float64)
    left, right = (faces[..., corner, None, :] @ [1, 1j] for corner in scheme_of(faces).corners)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Turning and scaling a plane is multiplying by a complex number.
        posed = np.where(
            left == right, complex(np.nan, np.nan), (faces @ [1, 1j] - (left + right) / 2) / (right - left)
        )
    return np.stack([posed.real, posed.imag], axis=-1)


def _both(points: npt.ArrayLike, neutral: npt.ArrayLike | None) -> tuple[Floats, Floats | None]:
    """Return faces, and faces at rest where they are given, in their normal pose."""
    faces = np.asarray(points, np.float64)
    if faces.ndim != 3:
        raise SpecError(f"Points have shape {faces.shape}; expected those of n faces, (n, 98, 2) or (n, 68, 2).")
    posed = normal_pose(faces)
    if neutral is None:
        return posed, None
    rest = np.asarray(neutral, np.float64)
    if rest.shape not in (faces.shape, faces.shape[1:]):
        raise SpecError(
            f"Faces at rest have shape {rest.shape}; expected {faces.shape[1:]}, one for all, or {faces.shape}, one "
            "for each."
        )
    return posed, normal_pose(rest.reshape(-1, *faces.shape[1:]))


def _measures(faces: Floats) -> Floats:
    """Return the measures of faces in their normal pose, ``(n, 32)``."""
    numbers = IBUG68_IN_WFLW98 if scheme_of(faces) is IBUG68 else np.arange(WFLW98.count)

    def at(*wanted: int) -> Floats:
        return np.asarray(faces[:, np.isin(numbers, wanted)].mean(1))

    halves = np.stack([_half(at, LEFT), _half(at, RIGHT)])
    paired = np.stack([halves.mean(0), halves[0] - halves[1]], axis=-1).reshape(len(faces), 2 * len(PAIRED))
    lip = faces[:, np.isin(numbers, OUTER_LIP)]
    after = np.roll(lip, -1, axis=1)
    area = np.abs((lip[..., 0] * after[..., 1] - lip[..., 1] * after[..., 0]).sum(1)) / 2
    single = [
        at(42)[:, 0] - at(37)[:, 0],
        _apart(at(55), at(59)),
        _apart(at(51), at(57)),
        _apart(at(57), at(79)),
        _apart(at(76), at(82)),
        _apart(at(79), at(85)),
        _apart(at(90), at(94)),
        _apart(at(79), at(90)),
        _apart(at(94), at(85)),
        area,
        _apart(at(85), at(16)),
        _apart(at(57), at(16)),
    ]
    return np.column_stack([paired, *single])


def _half(at: Place, side: Side) -> Floats:
    """Return what is measured of one half of each face, ``(n, 10)``."""
    place = {name: at(*numbers) for name, numbers in side.items()}
    inside, outside = place["eye inside"], place["eye outside"]
    line = (inside + outside) / 2
    upper, lower, corner = place["upper lid"], place["lower lid"], place["corner"]
    width = _apart(inside, outside)
    return np.column_stack(
        [
            (inside - place["brow inside"])[:, 1],
            (line - place["brow middle"])[:, 1],
            (outside - place["brow outside"])[:, 1],
            (lower - upper)[:, 1] / np.where(width == 0, np.inf, width),
            (line - upper)[:, 1],
            (line - lower)[:, 1],
            (upper - place["brow middle"])[:, 1],
            (at(79, 85) - corner)[:, 1],
            _apart(corner, outside),
            _apart(corner, lower),
        ]
    )


def _apart(one: Floats, other: Floats) -> Floats:
    return np.asarray(np.linalg.norm(one - other, axis=-1))


def _directions(faces: Floats) -> npt.NDArray[np.complexfloating]:
    """Return the direction from each point to each other as a complex number, ``(n, k, k)``; 0 where there is none."""
    places = faces @ np.array([1, 1j])
    return np.asarray(places[:, None, :] - places[:, :, None])
