"""The drawn head: a mesh of our own with shapes, muscles and points, whose labels are exact because we made it.

Coordinates: the unit is the distance between the pupils of the mean head, the origin lies between them; x runs to the
picture's right, y down, z towards the camera. Left and right are the picture's.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.capture.muscles import MUSCLES
from hybridfer.capture.people import SHAPES, Identity
from hybridfer.errors import DatasetError
from hybridfer.tables import replacing

__all__ = ["MUSCLES", "PARTS", "POINTS68", "SHAPES", "Head", "Identity", "head"]

PARTS = ("skin", "eye", "teeth", "mouth", "hair")
"""What a triangle is of."""

POINTS68 = (
    *range(0, 33, 2), *range(33, 38), *range(42, 47), *range(51, 60), 60, 61, 63, 64, 65, 67, 68, 69, 71, 72, 73, 75,
    *range(76, 96),
)  # fmt: skip
"""Which of WFLW's 98 points is each of iBUG's 68."""

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Head:
    """A head as arrays: the mean, and where every shape and muscle moves it.

    ``E = E0 + Σ shape (S - E0) + Σ e (E_i - E0)`` with ``e = AU / 5``: linear, so that glTF's morph targets and any
    engine can carry it.

    Attributes
    ----------
    vertices : (n, 3) float32
        The neutral mean head.
    triangles : (m, 3) int32
        Corners, counter-clockwise on the screen when seen from outside.
    parts : (m,) uint8
        Of each triangle, an index into :data:`PARTS`.
    uv : (n, 2) float32
        Place in the texture, 0 to 1, v down.
    shapes : (k, n, 3) float32
        Displacement at +1 of every direction of :data:`SHAPES`.
    muscles : (18, 2, n, 3) float32
        Displacement at full intensity (AU = 5) of each muscle of :data:`MUSCLES`: its left half, its right half.
    wrinkles : (18, 2, h, w) float16
        What the folds of each half add, at full intensity, to the brightness of the texture's skin (1 is as it was).
    points98 : (98,) int32
        Vertex of each of WFLW's points.
    eyes : (2, 2) int32
        First vertex, and one beyond the last, of the left and the right eyeball.
    eye_centres : (2,) int32
        Vertex of each pupil: the ball's centre lies ``eye_radius`` behind it, whatever the identity.
    eye_radius : () float32
        Radius of the eyeballs.

    References
    ----------
    P. Ekman, W. V. Friesen, J. C. Hager, "Facial Action Coding System", 2002, for what each unit moves; W. Wu et al.,
    "Look at Boundary", CVPR 2018, doi 10.1109/CVPR.2018.00227, for the 98 points.
    """

    vertices: npt.NDArray[np.float32]
    triangles: npt.NDArray[np.int32]
    parts: npt.NDArray[np.uint8]
    uv: npt.NDArray[np.float32]
    shapes: npt.NDArray[np.float32]
    muscles: npt.NDArray[np.float32]
    wrinkles: npt.NDArray[np.float16]
    points98: npt.NDArray[np.int32]
    eyes: npt.NDArray[np.int32]
    eye_centres: npt.NDArray[np.int32]
    eye_radius: npt.NDArray[np.float32]

    @property
    def points68(self) -> npt.NDArray[np.int32]:
        """Vertex of each of iBUG's 68 points."""
        return self.points98[list(POINTS68)]

    def deform(
        self,
        identity: npt.ArrayLike | Identity | None = None,
        action_units: npt.ArrayLike | None = None,
    ) -> npt.NDArray[np.float32]:
        """Return the vertices of a person making a face.

        Parameters
        ----------
        identity : (k,) float or Identity, optional
            Weight of every direction of :data:`SHAPES`; the mean head where left out.
        action_units : (18,) or (18, 2) float, optional
            Intensity of every muscle, 0 to 5; two columns are the picture's left and right half.

        Returns
        -------
        (n, 3) float32

        Raises
        ------
        DatasetError
            If there are not as many values as directions or muscles, or an intensity is not within 0 to 5.
        """
        made = self.vertices.copy()
        shape = identity.shape if isinstance(identity, Identity) else identity
        if shape is not None and np.size(shape):
            weights = np.asarray(shape, np.float32)
            if weights.shape != (len(self.shapes),) or not np.isfinite(weights).all():
                raise DatasetError(
                    f"An identity of shape {weights.shape} is not {len(self.shapes)} finite numbers, one a direction: "
                    f"{', '.join(SHAPES)}."
                )
            made += np.tensordot(weights, self.shapes, 1)
        if action_units is not None:
            strength = np.asarray(intensities(action_units), np.float32).reshape(-1) / 5
            on = np.flatnonzero(strength)
            made += np.tensordot(strength[on], self.muscles.reshape(-1, *self.vertices.shape)[on], 1)
        return made

    def save(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write every array to one ``.npz`` file.

        Raises
        ------
        OutputError
            If the file exists and `overwrite` is False, or cannot be written.
        """
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        with replacing(path, overwrite) as beside, open(beside, "wb") as file:
            np.savez_compressed(file, format=np.int32(FORMAT), **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Head:
        """Return the head of a file that :meth:`save` wrote.

        Raises
        ------
        DatasetError
            If the file is none, is cut, or is of a newer hybridfer.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays: dict[str, Any] = {name: file[name] for name in file.files}
            version = int(arrays.pop("format"))
            if version > FORMAT:
                raise DatasetError(
                    f"{path} has head format {version}; this hybridfer reads up to {FORMAT}. Upgrade it."
                )
            return cls(**arrays)
        except OSError as error:
            raise DatasetError(f"{path} cannot be read ({error.strerror or error}); Head.save writes heads.") from error
        except (ValueError, KeyError, TypeError, EOFError, AttributeError, zipfile.BadZipFile) as error:
            raise DatasetError(f"{path} is not a head file, or is cut; Head.save writes them.") from error


def intensities(action_units: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return action units as (18, 2), left and right, checked to be within 0 to 5.

    Raises
    ------
    DatasetError
        If there are not 18 values, or 18 pairs, or one is out of range.
    """
    units = np.asarray(action_units, np.float64)
    if units.shape == (len(MUSCLES),):
        units = np.repeat(units[:, None], 2, axis=1)
    if units.shape != (len(MUSCLES), 2):
        raise DatasetError(
            f"Action units of shape {units.shape} are not (18,) or (18, 2): one value, or left and right, for each of "
            f"AU {', '.join(map(str, MUSCLES))}."
        )
    wrong = ~((units >= 0) & (units <= 5))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DatasetError(f"AU{MUSCLES[row]} is {units[row, column]}; intensities run from 0 to 5.")
    return units


def action_units(**strength: float | Sequence[float]) -> npt.NDArray[np.float64]:
    """Return named action units as (18, 2): ``action_units(AU6=3, AU12=(5, 1))``; a pair is left and right.

    Raises
    ------
    DatasetError
        If there is no such unit, or its intensity is not within 0 to 5.
    """
    units = np.zeros((len(MUSCLES), 2))
    known = {f"AU{unit}": row for row, unit in enumerate(MUSCLES)}
    for name, value in strength.items():
        if name not in known:
            raise DatasetError(f"No muscle named {name!r}. Known: {', '.join(known)}.")
        units[known[name]] = value
    return intensities(units)


@lru_cache(maxsize=1)
def head() -> Head:
    """Return the head, built from formulas: the same arrays every time, read-only."""
    from hybridfer.capture import muscles, paint, people, sheet

    rest = sheet.build()
    piece = rest.piece[rest.triangles].max(axis=1)
    part = np.full(len(piece), PARTS.index("skin"), np.uint8)
    part[np.isin(piece, (sheet.LEFT_BALL, sheet.RIGHT_BALL))] = PARTS.index("eye")
    part[np.isin(piece, (sheet.UPPER_TEETH, sheet.LOWER_TEETH))] = PARTS.index("teeth")
    part[piece == sheet.CAVITY] = PARTS.index("mouth")
    part[piece == sheet.HAIR] = PARTS.index("hair")
    balls = [np.flatnonzero(rest.piece == ball) for ball in (sheet.LEFT_BALL, sheet.RIGHT_BALL)]
    made = Head(
        vertices=rest.vertices.astype(np.float32),
        triangles=rest.triangles,
        parts=part,
        uv=rest.uv.astype(np.float32),
        shapes=people.directions(rest),
        muscles=muscles.displacements(rest),
        wrinkles=paint.wrinkles(),
        points98=rest.points98,
        eyes=np.array([(ball[0], ball[-1] + 1) for ball in balls], np.int32),
        eye_centres=rest.points98[96:98].copy(),
        eye_radius=np.array(sheet.BALL, np.float32),
    )
    for field in fields(made):
        getattr(made, field.name).setflags(write=False)
    return made
