"""Py-Feat's tables: ``Fex.to_csv`` of its detectors, versions 1 and 2.

``frame`` counts from 0, of a list of pictures as of a video; ``input`` names the picture or video. ``FaceRect…`` and
``x_0 … y_67`` are pixels, ``AUxx`` probabilities, as are the seven emotions, which version 2 spells ``Happy, Sad …``.
``valence`` and ``arousal`` (−1 to 1) are written by version 2 only, which is how it is known; ``gaze_…`` is in radians.
``Pitch, Roll, Yaw`` are degrees in the tables of older versions and radians since 0.7 (issue 248 of cosanlab/py-feat);
nothing in a table says which, so they are carried as they are. A picture or frame without a face is a row of NaN.
Numbers of version 2 come from other networks, so its blocks have the version 2.

Reference: Cheong et al. 2023, doi 10.1007/s42761-023-00191-4.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from hybridfer.labels import EXPRESSIONS
from hybridfer.schemas import Block

RECTANGLE = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore")

UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)

EMOTIONS_2 = ("Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger")

BLENDSHAPES = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip
"""MediaPipe's 52, in its order."""

FIRST = (
    Block("pyfeat_landmarks", tuple(f"{axis}_{i}" for axis in "xy" for i in range(68))),
    Block("pyfeat_au", tuple(f"AU{i:02}" for i in UNITS)),
    Block("pyfeat_pose", ("Pitch", "Roll", "Yaw")),
    Block("pyfeat_emotions", EXPRESSIONS),
)
"""What every table of version 1 has, in its order."""

MORE = (
    Block("pyfeat_position", ("X", "Y", "Z")),
    Block("pyfeat_emotions", EMOTIONS_2),
    Block("pyfeat_valence_arousal", ("valence", "arousal")),
    Block("pyfeat_gaze", ("gaze_pitch", "gaze_yaw", "gaze_angle")),
    Block("pyfeat_identity", tuple(f"Identity_{i}" for i in range(1, 513))),
    Block("pyfeat_mesh", tuple(f"mesh_{axis}_{i}" for axis in "xyz" for i in range(478))),
    Block("pyfeat_blendshapes", BLENDSHAPES),
)
"""What later tables may have."""

LANDMARKS_478 = Block("pyfeat_landmarks478", tuple(f"{axis}_{i}" for i in range(478) for axis in "xyz"))
"""MediaPipe's points, which stand under the names of the 68."""


@dataclass(frozen=True)
class PyFeat:
    """Tables of Py-Feat.

    Parameters
    ----------
    pictures : str
        Where the pictures lie now, if the paths in the column ``input`` are those of another machine: they are looked
        for there by their names.
    """

    name: ClassVar[str] = "pyfeat"
    tool: ClassVar[str] = "Py-Feat"
    rows: ClassVar[Mapping[str, tuple[str, int]]] = {name: (name, 0) for name in ("frame", *RECTANGLE)}
    renamed: ClassVar[Mapping[str, str]] = {}
    # Faces of one frame stand under each other in the order of their numbers.
    unsaid: ClassVar[frozenset[str]] = frozenset({"status", "face_id"})
    order: ClassVar[tuple[str, ...]] = (
        *("frame", *RECTANGLE),
        *(column for block in FIRST for column in block.columns),
        "input",
    )
    hint: ClassVar[str] = (
        "If the pictures lie elsewhere than when Py-Feat read them, say where: --dataset pyfeat:pictures=FOLDER."
    )

    pictures: str = ""

    def recognise(self, columns: Sequence[str]) -> str | None:
        """Return how a table's columns show that it is Py-Feat's; tables of ours have ``status`` too."""
        marks = ("frame", "FaceRectX", "FaceScore")
        known = set(columns)
        if set(marks) <= known and "status" not in known and any(b.columns[0] in known for b in (*FIRST, *MORE)):
            return f"it has the columns {', '.join(marks)}"
        return None

    def blocks(self, columns: Sequence[str]) -> tuple[Block, ...]:
        """Return the blocks that a table may have, of the version that its columns show."""
        version = 2 if "valence" in columns else 1
        return tuple(Block(b.name, b.columns, version) for b in (LANDMARKS_478, *FIRST, *MORE))

    def found(self, cells: Mapping[str, float]) -> bool:
        """Return whether a row has a face."""
        return not math.isnan(cells["FaceRectX"])

    def status(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return nothing: empty cells say that there is no face."""
        return {}

    def inputs(self, path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> tuple[list[str], str]:
        """Return each row's picture or video; the table itself where it has no column ``input``."""
        named = [str(row.get("input") or path) for row in rows]
        if self.pictures:
            # Tables come from Windows too.
            named = [os.path.join(self.pictures, re.split(r"[\\/]", name)[-1]) for name in named]
        return named, ""
