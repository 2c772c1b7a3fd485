"""Five points and a box out of the points that a face is annotated with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hybridfer.errors import DatasetError

Points = npt.NDArray[np.float64]

SCHEMES: dict[int, tuple[tuple[int, ...], ...]] = {
    5: ((0,), (1,), (2,), (3,), (4,)),
    68: (tuple(range(36, 42)), tuple(range(42, 48)), (30,), (48,), (54,)),
    98: (tuple(range(60, 68)), tuple(range(68, 76)), (54,), (76,), (82,)),
}
"""By how many points there are (68 as iBUG's, 98 as WFLW's): those whose mean is image-left eye, image-right eye, nose
tip, image-left and image-right corner of the mouth. An eye is the middle of its outline: a glance does not move it."""

CENTRE, ASIDE = 0.27, -1.2
"""Where the middle of the box lies: on the way from between the eyes to between the mouth's corners, and how far from
that line, in distances of the nose from it: to the other side, as a turned head shows more cheek there."""

WIDTH, HEIGHT = (1.18, 0.91), (0.77, 1.93)
"""Width and height of the box, in distances between the eyes and in distances from eyes to mouth."""


def five_points(points: npt.ArrayLike) -> Points:
    """Return ``(5, 2)`` points of a face's 5, 68 or 98: the eyes, the nose tip, the corners of the mouth.

    Parameters
    ----------
    points : (k, 2) array
        ``x, y``; k is 5, 68 (iBUG) or 98 (WFLW). NaN where a point is unknown.

    Raises
    ------
    DatasetError
        If there are any other number of points.

    Examples
    --------
    >>> five_points([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]])[2].tolist()
    [50.0, 60.0]
    """
    given = np.asarray(points, np.float64)
    if given.ndim != 2 or given.shape[1] != 2 or len(given) not in SCHEMES:
        raise DatasetError(
            f"Points of a face have shape {given.shape}; expected x and y of {', '.join(map(str, SCHEMES))} points."
        )
    return np.stack([given[list(group)].mean(axis=0) for group in SCHEMES[len(given)]])


def box_from_points(points: npt.ArrayLike) -> tuple[float, float, float, float]:
    """Return the box ``(x0, y0, x1, y1)`` that a detector would draw round a face of 5, 68 or 98 points.

    The constants were fitted, by least squares, to the boxes that the published MTCNN draws round 3,159 faces of video
    frames with 68 points each; its boxes and these share 87 % of their union in the mean.

    Raises
    ------
    DatasetError
        As :func:`five_points`, or if one of the five points is unknown.
    """
    five = five_points(points)
    if not np.isfinite(five).all():
        raise DatasetError("A face without a box lacks some of its points; expected both eyes, nose tip and mouth.")
    eyes, mouth = five[:2].mean(axis=0), five[3:].mean(axis=0)
    apart, down = np.linalg.norm(five[1] - five[0]), np.linalg.norm(mouth - eyes)
    line = (mouth - eyes) / max(float(down), 1e-9)
    nose = five[2] - eyes
    middle = eyes + CENTRE * (mouth - eyes) + ASIDE * (nose - np.dot(nose, line) * line)
    half = np.array([np.dot(size, (apart, down)) / 2 for size in (WIDTH, HEIGHT)])
    x0, y0 = middle - half
    x1, y1 = middle + half
    return float(x0), float(y0), float(x1), float(y1)
