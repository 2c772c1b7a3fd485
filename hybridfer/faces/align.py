"""Cutting a face out, always in one geometry.

The crop is an upright square in which the eye centres lie where FER2013's own crops have them (:data:`EYES`), so that
what was trained on FER2013 sees a photograph's face the way it saw its training faces. A face with landmarks is turned
upright by the similarity transform that brings its eyes and the middle of its mouth nearest to the template; one
without is cut from its box as it stands.

Places in a face are told in *face units*: the origin lies between the template's eyes, the unit is their distance, x
runs to the right of the picture and y down. The crop and the windows (:mod:`hybridfer.faces.windows`) are both told so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hybridfer.errors import SpecError
from hybridfer.types import Face, Pixels

EYES = ((0.31, 0.39), (0.69, 0.39))
"""Eye centres ``(x, y)`` in the crop, image-left then image-right, as shares of its side (FER2013's median)."""

MOUTH = 0.78
"""Where down the crop the middle between the mouth's corners lies, half-way between the eyes.

Measured on training pictures of FER2013: by the points of MTCNN, the usual detector, on 633 enlarged fourfold, the
median is 0.784, sd 0.069; by a 98-point model (PFLD) on 1,499, it is 0.764, sd 0.061, and 0.772, sd 0.057, on the 1,127
of them that look ahead (eyes a quarter of the side apart or more and within 11 degrees of level).
"""

Eyes = tuple[tuple[float, float], tuple[float, float]]
Affine = npt.NDArray[np.float64]
"""``(2, 3)``: a point ``p`` goes to ``affine[:, :2] @ p + affine[:, 2]``."""

_TOO_FAR = 4.0
"""Landmarks by which the crop would be so many times larger or smaller than the detector's box are not believed."""


@dataclass(frozen=True)
class Alignment:
    """How a face is cut: where its eyes and mouth come to lie, and how much is seen round them.

    Parameters
    ----------
    eyes : ((x, y), (x, y))
        Eye centres in a crop without margin, image-left then image-right, as shares of its side.
    mouth : float
        Where down that crop the middle of the mouth lies.
    margin : float
        How much more is seen on every side, as a share of the side.
    size : int, optional
        Side of the crop in pixels; as large as the face in its picture when not given.

    Raises
    ------
    SpecError
        If a value is out of range.
    """

    eyes: Eyes = EYES
    mouth: float = MOUTH
    margin: float = 0.0
    size: int | None = None

    def __post_init__(self) -> None:
        (left, height), (right, other) = self.eyes
        if not (0 <= left < right <= 1 and height == other and 0 <= height < self.mouth <= 1):
            raise SpecError(
                f"Eyes at {self.eyes} and a mouth at {self.mouth} are no upright face; expected shares of the crop's "
                f"side from 0 to 1, the eyes level and above the mouth, such as {EYES} and {MOUTH}."
            )
        if not 0 <= self.margin <= 4:
            raise SpecError(f"A margin of {self.margin:g} is out of range; expected 0 to 4 times the crop's side.")
        if self.size is not None and not 1 <= self.size <= 4096:
            raise SpecError(f"A crop of {self.size} pixels is out of range; expected 1 to 4096.")

    @property
    def unit(self) -> float:
        """The distance between the eyes, as a share of a crop's side without margin."""
        return self.eyes[1][0] - self.eyes[0][0]

    @property
    def middle(self) -> tuple[float, float]:
        """The place between the eyes, in shares of a crop without margin."""
        return (self.eyes[0][0] + self.eyes[1][0]) / 2, self.eyes[0][1]

    @property
    def template(self) -> npt.NDArray[np.float64]:
        """Eyes and mouth in face units, (3, 2)."""
        return np.array([[-0.5, 0], [0.5, 0], [0, (self.mouth - self.middle[1]) / self.unit]])

    @property
    def square(self) -> tuple[float, float, float]:
        """The crop's left, its top and its side, in face units."""
        x, y = self.middle
        return (-self.margin - x) / self.unit, (-self.margin - y) / self.unit, (1 + 2 * self.margin) / self.unit

    def record(self) -> dict[str, Any]:
        """Return what a bank or a card keeps of it; the size is none of it, for descriptors have their own."""
        return {"eyes": [list(eye) for eye in self.eyes], "mouth": self.mouth, "margin": self.margin}

    @classmethod
    def of(cls, record: Mapping[str, Any] | None) -> Self:
        """Return what a :meth:`record` says; what an older one leaves out, and None, mean the usual."""
        known = dict(record or {})
        if "eyes" in known:
            left, right = known["eyes"]
            known["eyes"] = (tuple(left), tuple(right))
        return cls(**{name: known[name] for name in ("eyes", "mouth", "margin") if name in known})


def face_transform(face: Face, eyes: Eyes | None, alignment: Alignment | None = None) -> Affine:
    """Return the transform from a picture's pixels to face units, ``(2, 3)``.

    Of a face with landmarks, it is the similarity that brings its eyes and the middle of its mouth nearest to the
    template (least squares, without reflection). Without them, or where they cannot be right, the eyes are taken where
    the detector's boxes have them, and nothing is turned; where that is unknown too, the box is the crop.

    Parameters
    ----------
    face : Face
    eyes : ((x, y), (x, y)) or None
        Where the eyes lie in the detector's boxes, as shares of width and height.
    alignment : Alignment, optional

    References
    ----------
    S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns", IEEE TPAMI 13(4),
    1991, doi 10.1109/34.88573.

    Examples
    --------
    >>> points = np.array([[31.0, 39.0], [69.0, 39.0], [50.0, 60.0], [38.0, 78.0], [62.0, 78.0]])
    >>> (face_transform(Face((25, 10, 75, 95), 1.0, points), None) @ [69, 39, 1]).round(3).tolist()
    [0.5, 0.0]
    """
    alignment = alignment or Alignment()
    turned = _turned(face, alignment)
    if turned is not None:
        return turned
    x0, y0, x1, y1 = face.box
    width, height = max(1.0, x1 - x0), max(1.0, y1 - y0)
    if eyes is None:
        across, down = alignment.unit * width, alignment.unit * height
        x, y = x0 + alignment.middle[0] * width, y0 + alignment.middle[1] * height
    else:
        (left_x, left_y), (right_x, right_y) = eyes
        across = down = (right_x - left_x) * width
        x, y = x0 + (left_x + right_x) / 2 * width, y0 + (left_y + right_y) / 2 * height
    # A box's edges lie between pixels, a point on the middle of one.
    return np.array([[1 / across, 0, (0.5 - x) / across], [0, 1 / down, (0.5 - y) / down]])


def align_face(pixels: Pixels, face: Face, eyes: Eyes | None, alignment: Alignment | None = None) -> Pixels:
    """Return the square round a face in which its eyes and mouth lie where the template has them.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        The picture.
    face : Face
        Its landmarks are what is cut by; its box where it has none.
    eyes : ((x, y), (x, y)) or None
        Where the eyes lie in the detector's boxes, as shares of width and height; None cuts the box itself.
    alignment : Alignment, optional
        The usual when not given.

    Returns
    -------
    (S, S, 3) uint8
        Beyond the picture's edge its border pixels are repeated. Without a size, `S` is what the square measures in the
        picture. A crop with a size is that, shrunk by area or enlarged bilinearly. The box itself, where it is what is
        cut, keeps its shape and gets no margin.
    """
    from hybridfer.descriptors.base import resize

    alignment = alignment or Alignment()
    matrix, width, height = crop_transform(face, eyes, alignment)
    if np.array_equal(matrix, _moved(-matrix[0, 2], -matrix[1, 2])):
        crop = _window(pixels, -int(matrix[0, 2]), -int(matrix[1, 2]), width, height)
    else:
        crop = _warped(pixels, matrix, width)
    return crop if alignment.size is None else resize(crop, alignment.size)


def points_in_crop(
    points: npt.NDArray[np.float64], face: Face, eyes: Eyes | None, alignment: Alignment | None = None
) -> npt.NDArray[np.float64]:
    """Return points of the picture, ``(n, 2)``, where they lie in the crop that :func:`align_face` cuts."""
    alignment = alignment or Alignment()
    matrix, width, height = crop_transform(face, eyes, alignment)
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    if alignment.size is None:
        return moved
    return np.asarray((moved + 0.5) * alignment.size / [width, height] - 0.5)


def crop_transform(face: Face, eyes: Eyes | None, alignment: Alignment | None = None) -> tuple[Affine, int, int]:
    """Return the transform from a picture's pixels to those of a face's crop, as large as it lies there, and its size.

    Returns
    -------
    (2, 3) float64, int, int
        The transform, and the crop's width and height before it is brought to another size.
    """
    alignment = alignment or Alignment()
    left, top, side = alignment.square
    to_units = _turned(face, alignment)
    if to_units is not None:
        whole = max(1, round(side / np.sqrt(abs(np.linalg.det(to_units[:, :2])))))
        return _into_square(to_units, left, top, side, whole), whole, whole
    x0, y0, x1, y1 = face.box
    if eyes is None:
        return _moved(x0, y0), max(1, round(x1 - x0)), max(1, round(y1 - y0))
    (left_x, left_y), (right_x, right_y) = eyes
    width, height = x1 - x0, y1 - y0
    whole_side = (right_x - left_x) * width / alignment.unit
    x, y = alignment.middle
    corner_x = x0 + (left_x + right_x) / 2 * width - whole_side * (x + alignment.margin)
    corner_y = y0 + (left_y + right_y) / 2 * height - whole_side * (y + alignment.margin)
    whole = max(1, round(whole_side * (1 + 2 * alignment.margin)))
    return _moved(corner_x, corner_y), whole, whole


def cut_square(pixels: Pixels, to_units: Affine, left: float, top: float, side: float) -> Pixels:
    """Return an upright square of a face, ``(S, S, 3)``, its left, top and side told in face units.

    `S` is what the square measures in the picture, at least 1.
    """
    whole = max(1, round(side / np.sqrt(abs(np.linalg.det(to_units[:, :2])))))
    return _warped(pixels, _into_square(to_units, left, top, side, whole), whole)


def _turned(face: Face, alignment: Alignment) -> Affine | None:
    """Return the similarity by a face's landmarks; None where it has none or they cannot be right."""
    if face.landmarks is None or face.landmarks.shape != (5, 2) or not np.isfinite(face.landmarks).all():
        return None
    left, right, _, *mouth = np.asarray(face.landmarks, np.float64) @ [1, 1j]
    points = np.array([left, right, np.mean(mouth)])
    centre = points.mean()
    spread = np.sum(np.abs(points - centre) ** 2)
    if not spread > 0:
        return None
    # Turning and scaling a plane is multiplying by a complex number, so the best one is a quotient of two sums.
    goal = alignment.template @ [1, 1j]
    turn = np.sum(np.conj(points - centre) * (goal - goal.mean())) / spread
    move = goal.mean() - turn * centre
    x0, y0, x1, y1 = face.box
    in_box = abs(turn) * max(x1 - x0, y1 - y0) * alignment.unit
    if not 1 / _TOO_FAR < in_box < _TOO_FAR:
        return None
    return np.array([[turn.real, -turn.imag, move.real], [turn.imag, turn.real, move.imag]])


def _moved(x: float, y: float) -> Affine:
    return np.array([[1, 0, -round(x)], [0, 1, -round(y)]], np.float64)


def _into_square(to_units: Affine, left: float, top: float, side: float, whole: int) -> Affine:
    """Return the transform from a picture's pixels to those of a square of `whole` pixels."""
    matrix = to_units - [[0, 0, left], [0, 0, top]]
    # The square's edges lie half a pixel outside the middles of its outermost pixels.
    return matrix * (whole / side) - [[0, 0, 0.5], [0, 0, 0.5]]


def _warped(pixels: Pixels, matrix: Affine, side: int) -> Pixels:
    """Return the ``(side, side, 3)`` square that `matrix` takes a picture's pixels to."""
    import cv2

    # Only the part that is looked at goes through the warp, which takes no picture of 32,767 pixels or more.
    back = np.linalg.inv(matrix[:, :2])
    corners = (np.array([[x, y] for x in (0, side) for y in (0, side)]) - 0.5 - matrix[:, 2]) @ back.T
    height, width = pixels.shape[:2]
    x0, y0 = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, [width - 1, height - 1])
    x1, y1 = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 3, [x0 + 1, y0 + 1], [width, height])
    part = np.ascontiguousarray(pixels[y0:y1, x0:x1])
    moved = np.column_stack([matrix[:, :2], matrix[:, :2] @ [x0, y0] + matrix[:, 2]])
    warped: Pixels = cv2.warpAffine(part, moved, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return warped


def _window(pixels: Pixels, x: int, y: int, width: int, height: int) -> Pixels:
    import cv2

    rows, columns = pixels.shape[:2]
    # A window that lies wholly outside still has a nearest pixel to repeat.
    top_row, left_column = min(max(0, y), rows - 1), min(max(0, x), columns - 1)
    end_row, end_column = max(top_row + 1, min(rows, y + height)), max(left_column + 1, min(columns, x + width))
    inside = pixels[top_row:end_row, left_column:end_column]
    if inside.shape[:2] == (height, width):
        return inside
    top, left = min(max(0, -y), height - 1), min(max(0, -x), width - 1)
    bottom, right = height - top - len(inside), width - left - inside.shape[1]
    padded: Pixels = cv2.copyMakeBorder(inside, top, bottom, left, right, cv2.BORDER_REPLICATE)
    return padded
