"""A face keeps its number from frame to frame while its boxes overlap; no two of a frame have the same."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from hybridfer.faces.tracks import LEAST_OVERLAP, Tracker, _matched

Box = tuple[float, float, float, float]


def rows(frame: int, *boxes: Box, time: float | None = None, name: str = "clip") -> list[dict[str, Any]]:
    known = {"input": name, "frame": frame, "timestamp": time}
    if not boxes:
        return [{**known, "status": "no_face", "face_id": None}]
    names = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight")
    return [
        {**known, "status": "ok", "face_id": n, **dict(zip(names, box, strict=True))} for n, box in enumerate(boxes)
    ]


def numbers(tracker: Tracker, frame: list[dict[str, Any]]) -> list[int | None]:
    tracker.follow(frame)
    return [row["face_id"] for row in frame]


def square(x: float, y: float = 0, side: float = 100) -> Box:
    return x, y, side, side


def test_two_faces_that_move_keep_their_numbers_in_any_order_of_rows() -> None:
    tracker = Tracker()
    assert numbers(tracker, rows(0, square(0), square(200))) == [0, 1]
    assert numbers(tracker, rows(1, square(190), square(20))) == [1, 0]
    assert numbers(tracker, rows(2, square(40), square(180), square(500))) == [0, 1, 2]


def test_the_overlap_that_is_largest_in_sum_decides_not_the_first_that_comes() -> None:
    tracker = Tracker()
    numbers(tracker, rows(0, square(0), square(60)))
    # The face at 30 lies as near to both; that the other one has to go somewhere settles it.
    assert numbers(tracker, rows(1, square(30), square(-40))) == [1, 0]


def test_a_face_that_moves_by_its_own_size_is_another() -> None:
    tracker = Tracker()
    assert numbers(tracker, rows(0, square(0))) == [0]
    assert numbers(tracker, rows(1, square(100))) == [1]


@pytest.mark.parametrize(("step", "number"), [(53.0, 0), (55.0, 1)])
def test_a_face_must_overlap_by_three_tenths(step: float, number: int) -> None:
    # Squares of 100 moved by s share (100 - s) / (100 + s): 0.307 and 0.290.
    tracker = Tracker()
    numbers(tracker, rows(0, square(0)))
    assert numbers(tracker, rows(1, square(step))) == [number]


@pytest.mark.parametrize(("away", "number"), [(24, 0), (27, 1)])
def test_a_face_may_be_away_for_a_second(away: int, number: int) -> None:
    tracker = Tracker()
    assert numbers(tracker, rows(0, square(0), time=0.0)) == [0]
    for frame in range(1, away):
        assert numbers(tracker, rows(frame, time=frame / 25)) == [None]
    assert numbers(tracker, rows(away, square(0), time=away / 25)) == [number]


@pytest.mark.parametrize("time", [None, 10.0])
def test_a_face_may_be_away_for_two_frames_however_long_they_take(time: float | None) -> None:
    tracker = Tracker()
    for frame, seen in enumerate([True, False, False, True, False, False, False, True]):
        boxes = [square(0)] if seen else []
        found = numbers(tracker, rows(frame, *boxes, time=None if time is None else frame * time))
        assert found == [None if not seen else 0 if frame < 7 else 1]


def test_a_number_is_not_given_twice_in_a_video_and_each_input_begins_anew() -> None:
    tracker = Tracker()
    for frame in range(5):
        assert numbers(tracker, rows(frame, square(1000 * frame))) == [frame]
    assert numbers(tracker, rows(5, square(4000), name="other")) == [0]
    assert numbers(tracker, rows(0, square(4000), square(0), name="clip")) == [0, 1]
    assert numbers(tracker, rows(0, square(0), square(4000), name="clip")) == [0, 1]  # the same still once more


def test_errors_and_empty_frames_are_left_as_they_are() -> None:
    tracker = Tracker()
    error = [{"input": "clip", "frame": 0, "timestamp": None, "status": "error", "face_id": None}]
    assert numbers(tracker, error) == [None]
    tracker.follow([])
    assert numbers(tracker, rows(1, square(0))) == [0]


BOX = some.tuples(some.integers(0, 30), some.integers(0, 30), some.integers(0, 20), some.integers(0, 20))


@given(some.lists(some.lists(BOX, max_size=6), max_size=8))
def test_no_two_faces_of_a_frame_have_one_number(frames: list[list[Box]]) -> None:
    tracker = Tracker()
    given_ = set()
    for frame, boxes in enumerate(frames):
        found = numbers(tracker, rows(frame, *boxes, time=frame / 25))
        assert len(set(found)) == len(found)
        given_ |= set(found) - {None}
    assert given_ == set(range(len(given_)))


@given(some.lists(BOX, max_size=4), some.lists(BOX, max_size=4))
def test_no_other_matching_overlaps_more_in_sum(old: list[Box], new: list[Box]) -> None:
    def share(a: Box, b: Box) -> float:
        covered = [
            {(i, j) for i in range(int(x), int(x + w)) for j in range(int(y), int(y + h))} for x, y, w, h in (a, b)
        ]
        both = len(covered[0] | covered[1])
        ratio = len(covered[0] & covered[1]) / both if both else 0
        return ratio if ratio >= LEAST_OVERLAP else 0

    few, many = sorted([old, new], key=len)
    best = max(sum(map(share, few, chosen)) for chosen in permutations(many, len(few)))
    corners = [np.array([(x, y, x + w, y + h) for x, y, w, h in b], float).reshape(-1, 4) for b in (old, new)]
    matched = _matched(*corners)
    assert sum(share(old[i], new[j]) for i, j in matched) == pytest.approx(best)
    assert all(share(old[i], new[j]) for i, j in matched)
