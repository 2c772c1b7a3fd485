"""Each item is read once and becomes its rows; a face keeps its own score and points whatever is kept of a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from media.films import install, points_in, squares

from hybridfer.errors import PictureError, SpecError
from hybridfer.faces.find import Found, Search, find_faces, found_rows
from hybridfer.faces.table import POINT_COLUMNS, face_rows
from hybridfer.faces.tracks import Tracker
from hybridfer.types import BANK_COLUMNS, Face, Item, Picture

THREE = squares((10, 10, 20, 200), (40, 40, 60, 100), (110, 10, 40, 250))


@dataclass(frozen=True)
class Drawn:
    """A source of pixels that are there, or of an error."""

    pixels: np.ndarray | None

    def read(self) -> Picture:
        if self.pixels is None:
            raise PictureError("cut")
        return Picture(self.pixels, "hash")


@pytest.fixture(autouse=True)
def squares_are_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)


def sides(search: Search, label: str | None = None) -> list[float]:
    (found,) = find_faces([Item("a", Drawn(THREE), label=label)], search)
    return [face.box[2] - face.box[0] for face in found.faces]


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, [60, 40]),
        ({"min_face": 10}, [60, 40, 20]),
        ({"min_face": 10, "threshold": 0.5}, [40, 20]),
        ({"faces": "largest"}, [60]),
        ({"faces": "largest", "threshold": 0.5}, [40]),
        ({"min_face": 10, "max_faces": 2}, [60, 40]),
        ({"min_face": 10, "max_faces": 9}, [60, 40, 20]),
        ({"faces": "largest", "max_faces": 2}, [60]),
    ],
)
def test_what_is_kept_of_a_picture(options: dict[str, object], kept: list[float]) -> None:
    assert sides(Search("squares", **options)) == kept  # type: ignore[arg-type]


def test_auto_keeps_one_face_where_there_is_a_label() -> None:
    assert sides(Search("squares"), label="anger") == [60]
    assert sides(Search("squares", faces="all"), label="anger") == [60, 40]


def test_a_detector_that_is_not_there_is_said_before_anything_is_read() -> None:
    with pytest.raises(SpecError, match="Did you mean 'squares'"):
        Search("squars").finder()


def test_an_item_is_a_row_for_each_face_or_one_that_says_why_not() -> None:
    known = {"label": "fear", "split": "val", "subject": "7", "group": "g", "extra": {"age": 3}}
    items = [
        Item("three", Drawn(THREE), frame=4, timestamp=0.5, **known),  # type: ignore[arg-type]
        Item("none", Drawn(squares())),
        Item("cut", Drawn(None)),
    ]
    three, none, cut = map(found_rows, find_faces(items, Search("squares", faces="all")))
    assert [list(row)[: len(BANK_COLUMNS)] for row in (*three, *none, *cut)] == [list(BANK_COLUMNS)] * 4
    assert [(row["face_id"], row["FaceRectX"], row["FaceRectWidth"], row["status"]) for row in three] == [
        (0, 40, 60, "ok"),
        (1, 110, 40, "ok"),
    ]
    assert [row["FaceScore"] for row in three] == [100 / 255, 250 / 255]
    for row in three:
        assert (row["input"], row["frame"], row["timestamp"], row["sha256"]) == ("three", 4, 0.5, "hash")
        assert (row["label"], row["split"], row["subject"], row["group"], row["age"]) == ("fear", "val", "7", "g", 3)
    assert (none[0]["status"], none[0]["face_id"], none[0]["FaceRectX"], none[0]["error"]) == (
        "no_face", None, None, None,
    )  # fmt: skip
    assert (cut[0]["status"], cut[0]["error"], cut[0]["sha256"]) == ("error", "cut", None)


def test_strict_stops_at_the_first_that_cannot_be_read() -> None:
    found = find_faces([Item("a", Drawn(THREE)), Item("b", Drawn(None))], Search("squares"), strict=True)
    assert next(found).faces
    with pytest.raises(PictureError, match="b: cut"):
        next(found)


BOXES = some.tuples(*[some.floats(-50, 500)] * 2, *[some.floats(1, 300)] * 2)


@given(
    frames=some.lists(some.lists(some.tuples(BOXES, some.booleans()), max_size=6), min_size=1, max_size=5),
    largest=some.booleans(),
    most=some.none() | some.integers(1, 4),
)
def test_a_row_never_carries_anothers_score_or_points(
    frames: list[list[tuple[tuple[float, float, float, float], bool]]], largest: bool, most: int | None
) -> None:
    # A face's score and points are told by its box here, so that a row shows whether they are its own.
    score: Callable[..., float] = lambda x, y, width, height: x + 2 * y + 3 * width + 4 * height  # noqa: E731
    tracker = Tracker()
    search = Search("squares", "largest" if largest else "all", max_faces=most)
    for number, boxes in enumerate(frames):
        item = Item("clip", Drawn(None), frame=number, timestamp=number / 25)
        faces = [
            Face((x, y, x + w, y + h), score(x, y, w, h), points_in(x, y, w, h) if has_points else None)
            for (x, y, w, h), has_points in boxes
        ]
        rows = face_rows(Found(item, Picture(THREE, "hash"), search.kept(faces, item)))
        tracker.follow(rows)
        kept = faces[: 1 if largest else most]
        assert len(rows) == max(1, len(kept))
        for row, face in zip(rows, kept, strict=False):
            box = [row[f"FaceRect{name}"] for name in ("X", "Y", "Width", "Height")]
            np.testing.assert_allclose(box, [*face.box[:2], face.box[2] - face.box[0], face.box[3] - face.box[1]])
            np.testing.assert_allclose(row["FaceScore"], score(*box), rtol=1e-9, atol=1e-9)
            points = [row[name] for name in POINT_COLUMNS]
            if face.landmarks is None:
                assert points == [None] * 10
            else:
                np.testing.assert_allclose(np.reshape(points, (5, 2)), points_in(*box), atol=1e-9)
        if not kept:
            assert rows[0]["status"] == "no_face" and {rows[0][name] for name in POINT_COLUMNS} == {None}
