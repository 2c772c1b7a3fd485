"""Small tables of the shape OpenFace and Py-Feat write, their columns spelt from those tools' documentation."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

UNITS = ["01", "02", "04", "05", "06", "07", "09", "10", "12", "14", "15", "17", "20", "23", "25", "26", "45"]


def numbered(*names: str, count: int) -> list[str]:
    return [f"{name}{i}" for name in names for i in range(count)]


MEASURED = [
    *["pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz"],
    *numbered("x_", "y_", "X_", "Y_", "Z_", count=68),
    *["p_scale", "p_rx", "p_ry", "p_rz", "p_tx", "p_ty"],
    *numbered("p_", count=34),
    *(f"AU{unit}_r" for unit in UNITS),
    *(f"AU{unit}_c" for unit in sorted([*UNITS, "28"])),
]
GAZE = ["gaze_0_x", "gaze_0_y", "gaze_0_z", "gaze_1_x", "gaze_1_y", "gaze_1_z"]
EYES = numbered("eye_lmk_x_", "eye_lmk_y_", "eye_lmk_X_", "eye_lmk_Y_", "eye_lmk_Z_", count=56)

OPENFACE_1 = ["frame", "timestamp", "confidence", "success", *GAZE, *MEASURED]
"""The 431 columns of OpenFace 0.2 and 1; its wiki lists them in this order."""

OPENFACE_2 = [
    *["frame", "face_id", "timestamp", "confidence", "success"],
    *(*GAZE, "gaze_angle_x", "gaze_angle_y", *EYES),
    *MEASURED,
]
"""The 714 columns of OpenFace 2."""

RECTANGLE = ["FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"]
PYFEAT_UNITS = [f"AU{i:02}" for i in (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)]
EMOTIONS = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]

PYFEAT_1 = [
    *("frame", *RECTANGLE, *numbered("x_", "y_", count=68), *PYFEAT_UNITS),
    *("Pitch", "Roll", "Yaw", *EMOTIONS, "input"),
]
"""The 173 columns of Py-Feat 0.3 to 0.6."""

PYFEAT_2 = [
    *(*RECTANGLE, *numbered("x_", "y_", count=68), *["Pitch", "Roll", "Yaw", "X", "Y", "Z"], *PYFEAT_UNITS),
    *[
        "Neutral",
        "Happy",
        "Sad",
        "Surprise",
        "Fear",
        "Disgust",
        "Anger",
        "valence",
        "arousal",
        "gaze_pitch",
        "gaze_yaw",
        "gaze_angle",
    ],
    *(f"Identity_{i}" for i in range(1, 513)),
    *numbered("mesh_x_", "mesh_y_", "mesh_z_", count=478),
    *["FrameHeight", "FrameWidth", "input", "frame", "Identity"],
]
"""The 2,130 columns of Py-Feat 2."""


def table(path: Path | str) -> pd.DataFrame:
    """A table as pandas reads it."""
    return pd.read_csv(path, skipinitialspace=True)


def rows(text: str) -> list[dict[str, str]]:
    """The rows of CSV text."""
    return list(csv.DictReader(text.splitlines()))
