"""OpenFace's tables: ``FeatureExtraction``, ``FaceLandmarkVidMulti`` and ``FaceLandmarkImg`` of versions 0 to 2.

As its documentation has them: ``frame`` counts from 1, ``timestamp`` is in seconds, ``confidence`` 0 to 1 of the
landmarks, ``success`` 1 where there is a face. ``x_0 … y_67`` and ``eye_lmk_x_…`` are pixels, ``X_0 … Z_67``,
``eye_lmk_X_…`` and ``pose_T…`` millimetres from the camera, ``pose_R…`` and ``gaze_angle_…`` radians, ``gaze_0_…`` and
``gaze_1_…`` unit vectors of the eye on the left and on the right of the picture, ``p_…`` the parameters of the face's
shape, ``AUxx_r`` intensities 0 to 5, ``AUxx_c`` 0 or 1. No number is converted but ``frame``, which counts from 0 here.

Older versions write ``, `` between the names of columns and have no ``face_id``; a table of a single picture has
``face, confidence`` and no frames. None names its pictures. The order of a folder's pictures (``-fdir``) is that of
their bytes, ``face10`` before ``face2``.

References: Baltrušaitis et al. 2018, doi 10.1109/FG.2018.00019; the wiki page "Output Format" of
TadasBaltrusaitis/OpenFace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from hybridfer.errors import DatasetError
from hybridfer.media.video import is_video
from hybridfer.schemas import Block

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp")
"""Endings, as they are spelt, by which OpenFace knows a folder's pictures."""

INTENSITIES = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
PRESENCES = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 28, 45)


def _points(axes: str, count: int, prefix: str = "") -> tuple[str, ...]:
    return tuple(f"{prefix}{axis}_{i}" for axis in axes for i in range(count))


BLOCKS = (
    Block("openface_gaze", tuple(f"gaze_{eye}_{axis}" for eye in (0, 1) for axis in "xyz")),
    Block("openface_gaze_angle", ("gaze_angle_x", "gaze_angle_y")),
    Block("openface_eye_landmarks", _points("xy", 56, "eye_lmk_")),
    Block("openface_eye_landmarks3d", _points("XYZ", 56, "eye_lmk_")),
    Block("openface_pose", ("pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz")),
    Block("openface_landmarks", _points("xy", 68)),
    Block("openface_landmarks3d", _points("XYZ", 68)),
    Block(
        "openface_shape",
        ("p_scale", "p_rx", "p_ry", "p_rz", "p_tx", "p_ty", *(f"p_{i}" for i in range(34))),
    ),
    Block("openface_au", tuple(f"AU{i:02}_r" for i in INTENSITIES)),
    Block("openface_presence", tuple(f"AU{i:02}_c" for i in PRESENCES)),
)
"""In the order OpenFace writes them."""


@dataclass(frozen=True)
class OpenFace:
    """Tables of OpenFace.

    Parameters
    ----------
    pictures : str
        The folder it was run on (``-fdir``), or where the picture of a table of one picture lies: its n-th frame is the
        n-th picture. Or the video. When not given, what ``NAME_of_details.txt`` beside the table says.
    """

    name: ClassVar[str] = "openface"
    tool: ClassVar[str] = "OpenFace"
    rows: ClassVar[Mapping[str, tuple[str, int]]] = {
        "frame": ("frame", 1),
        "face_id": ("face_id", 0),
        "face": ("face_id", 0),
        "timestamp": ("timestamp", 0),
        "confidence": ("FaceScore", 0),
    }
    renamed: ClassVar[Mapping[str, str]] = {"confidence": "label_confidence"}
    unsaid: ClassVar[frozenset[str]] = frozenset({"status"})
    order: ClassVar[tuple[str, ...]] = (
        *("frame", "face_id", "timestamp", "confidence", "success"),
        *(column for block in BLOCKS for column in block.columns),
    )
    hint: ClassVar[str] = (
        "OpenFace does not name its pictures; say which folder or video it was run on: "
        "--dataset openface:pictures=FOLDER."
    )

    pictures: str = ""

    def recognise(self, columns: Sequence[str]) -> str | None:
        """Return how a table's columns show that it is OpenFace's."""
        for marks in (("frame", "timestamp", "confidence", "success"), ("face", "confidence")):
            if set(marks) <= set(columns):
                return f"it has the columns {', '.join(marks)}"
        return None

    def blocks(self, columns: Sequence[str]) -> tuple[Block, ...]:
        """Return the blocks that a table may have."""
        return BLOCKS

    def found(self, cells: Mapping[str, float]) -> bool:
        """Return whether a row has a face; a table of one picture has rows of faces only."""
        return cells.get("success", 1) == 1

    def status(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``success``."""
        return {"success": int(row["status"] == "ok")}

    def inputs(self, path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> tuple[list[str], str]:
        """Return each row's picture, or what the table as a whole was made of: a video, or else the table itself."""
        if "input" in columns and not self.pictures:
            # OpenFace has no such column; hybridfer puts one behind its own.
            return [str(row.get("input") or path) for row in rows], ""
        source = Path(self.pictures) if self.pictures else _details(path)
        if source is None:
            return [str(path)] * len(rows), ""
        if not source.is_dir():
            if self.pictures and not (is_video(source) and source.is_file()):
                raise DatasetError(
                    f"pictures={self.pictures} is no folder and no video; expected what OpenFace was run on."
                )
            return [str(source)] * len(rows), ""
        files = sorted(file for file in source.iterdir() if file.suffix in ENDINGS)
        if "frame" not in columns:
            named = [file for file in files if file.stem == path.stem]
            if len(named) != 1:
                raise DatasetError(
                    f"{source} has {len(named)} pictures named {path.stem}, as the table is; expected one."
                )
            return [str(named[0])] * len(rows), ""
        frames = [int(row["frame"]) for row in rows]
        if frames and max(frames) >= len(files):
            raise DatasetError(
                f"{path} has {max(frames) + 1} frames and {source} {len(files)} pictures ending in "
                f"{', '.join(ENDINGS)}; expected the folder that OpenFace was run on."
            )
        more = len(files) - len(set(frames))
        return [str(files[i]) for i in frames], f"{path}: {more} pictures of {source} have no row" if more else ""


def _details(path: Path) -> Path | None:
    """Return what the details that OpenFace writes beside a table say it was made of: as typed, or the full path."""
    try:
        lines = path.with_name(f"{path.stem}_of_details.txt").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    said = [Path(line.partition(":")[2].strip()) for line in lines if line.startswith(("Input:", "Input full path:"))]
    return next((name for name in said if name.exists()), said[0] if said else None)
