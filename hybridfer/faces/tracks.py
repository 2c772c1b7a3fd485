"""Who is who in a video: a face keeps its number from frame to frame while its boxes overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.faces.overlap import overlaps

LEAST_OVERLAP = 0.3
"""Intersection over union of two boxes that may be one face."""

MISSED_SECONDS = 1.0
"""How long a face may be away and come back as itself."""

MISSED_FRAMES = 2
"""How many frames it may be away in any case: with one frame in many, or without times, a second says little."""


@dataclass(slots=True)
class _Track:
    box: npt.NDArray[np.float64]
    frame: int
    time: float


class Tracker:
    """Numbers faces through videos, and through what lies between them: each still begins anew.

    Two faces of a frame never have one number, and a number is not given twice in a video. The boxes of a frame are
    matched to where each face was seen last, so that their overlaps are the largest in sum. Nothing is known of what a
    face looks like: one that is away for longer, or moves by more than its own size between two frames, comes back
    with another number.
    """

    def __init__(self) -> None:
        self._input: str | None = None
        self._begin()

    def _begin(self) -> None:
        self._tracks: dict[int, _Track] = {}
        self._given = 0
        self._seen = 0
        self._frame = -1

    def follow(self, rows: Sequence[dict[str, Any]]) -> None:
        """Set ``face_id`` in the rows of one frame; frames of a video come in their order.

        Parameters
        ----------
        rows : sequence of dict
            All rows of one frame, or of one still, as :func:`hybridfer.faces.find.found_rows` returns them.
        """
        if not rows:
            return
        first = rows[0]
        if first["input"] != self._input or first["frame"] <= self._frame:
            self._input = first["input"]
            self._begin()
        self._frame = first["frame"]
        self._seen += 1
        time = -np.inf if first["timestamp"] is None else first["timestamp"]
        faces = [row for row in rows if row["status"] == "ok"]
        known = self._within_reach(time)
        boxes = np.array([_box(row) for row in faces], np.float64).reshape(-1, 4)
        matched = _matched(np.array([t.box for t in known.values()], np.float64).reshape(-1, 4), boxes)
        numbers = {new: list(known)[old] for old, new in matched}
        for position, row in enumerate(faces):
            if position not in numbers:
                numbers[position] = self._given
                self._given += 1
            row["face_id"] = numbers[position]
            self._tracks[numbers[position]] = _Track(boxes[position], self._seen, time)

    def _within_reach(self, time: float) -> dict[int, _Track]:
        """Return the faces seen lately; the others are forgotten."""
        self._tracks = {
            number: track
            for number, track in self._tracks.items()
            if time - track.time <= MISSED_SECONDS or self._seen - track.frame <= MISSED_FRAMES + 1
        }
        return self._tracks


def _box(row: dict[str, Any]) -> tuple[float, float, float, float]:
    x, y = row["FaceRectX"], row["FaceRectY"]
    return x, y, x + row["FaceRectWidth"], y + row["FaceRectHeight"]


def _matched(old: npt.NDArray[np.float64], new: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return which old box, and which new one, are one face."""
    from scipy.optimize import linear_sum_assignment

    shared = overlaps(old, new)
    shared[shared < LEAST_OVERLAP] = 0
    return [(i, j) for i, j in zip(*linear_sum_assignment(shared, maximize=True), strict=True) if shared[i, j]]
