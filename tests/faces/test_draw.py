"""What is drawn lies where the rows say, can be seen at every size, and lands under a name of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from media.films import film

from hybridfer.errors import OutputError
from hybridfer.faces.align import Alignment, align_face, points_in_crop
from hybridfer.faces.draw import PALETTE, Album, Heat, draw_crop, draw_faces, draw_heat, label_and_confidence
from hybridfer.media.images import read_image
from hybridfer.media.video import HeldFrame, VideoSource, unrolled
from hybridfer.types import Face, Item, Picture

NO_FACE = {"status": "no_face"}


def row(x: float, y: float, side: float, face_id: int = 0, points: np.ndarray | None = None) -> dict[str, Any]:
    made = {"status": "ok", "face_id": face_id, "FaceScore": 0.987}
    made |= {"FaceRectX": x, "FaceRectY": y, "FaceRectWidth": side, "FaceRectHeight": side}
    for i, (px, py) in enumerate([] if points is None else points):
        made |= {f"x_{i}": px, f"y_{i}": py}
    return made


def grey(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def places(drawn: np.ndarray, colour: tuple[int, ...]) -> np.ndarray:
    """Return the (x, y) of the pixels of a colour."""
    return np.argwhere((drawn == colour).all(axis=2))[:, ::-1]


def test_the_box_encloses_the_face_and_the_picture_is_left_as_it_was() -> None:
    picture = grey(400, 300)
    drawn = draw_faces(picture, [row(100, 120, 80, face_id=1)])
    assert (picture == 128).all()
    line = places(drawn, PALETTE[1])
    below = line[line[:, 1] > 130]  # the name stands above
    assert below[:, 0].min() == pytest.approx(100, abs=1) and below[:, 0].max() == pytest.approx(179, abs=1)
    assert below[:, 1].max() == pytest.approx(199, abs=1)
    assert (drawn[130:190, 110:170] == 128).all() and (drawn[220:] == 128).all()


def test_each_face_has_a_colour_by_its_number() -> None:
    drawn = draw_faces(grey(900, 200), [row(100 * i, 90, 60, face_id=i) for i in range(8)])
    for number in range(8):
        assert len(places(drawn[:, 100 * number : 100 * number + 60], PALETTE[number % 7])), number


def test_points_are_dots_where_they_are() -> None:
    points = np.array([(140, 150), (180, 150), (160, 170), (145, 190), (175, 190)], float)
    drawn = draw_faces(grey(400, 300), [row(120, 120, 80, points=points)])
    for x, y in points.astype(int):
        assert tuple(drawn[y, x]) == PALETTE[0]
    without = draw_faces(grey(400, 300), [{**row(120, 120, 80), "x_0": None, "y_0": None}])
    assert (without[150, 140] == 128).all()


@pytest.mark.parametrize("side", [100, 1000, 8000])
def test_lines_and_letters_are_as_wide_as_the_picture_asks_for(side: int) -> None:
    drawn = draw_faces(grey(side, side), [row(side * 0.3, side * 0.5, side * 0.2)])
    wide = (drawn[round(side * 0.6), : side * 4 // 10] == PALETTE[0]).all(axis=1).sum()
    assert max(1, side / 400) <= wide <= max(1, side / 200)
    name = places(drawn[: round(side * 0.49)], PALETTE[0])
    assert max(8, side / 80) <= np.ptp(name[:, 1]) <= max(20, side / 20)


def test_a_small_face_is_not_covered_by_its_own_box() -> None:
    drawn = draw_faces(grey(200, 200), [row(100, 100, 12)])
    assert (drawn[103:109, 103:109] == 128).all() and len(places(drawn, PALETTE[0]))


@pytest.mark.parametrize(
    "face", [row(-30, -30, 60), row(90, 90, 60), row(-1e9, -1e9, 2e9), row(0, 0, 100), row(50, 50, 0), row(500, 0, 9)]
)
def test_a_face_at_or_beyond_the_edge_is_drawn_with_its_name_in_the_picture(face: dict[str, Any]) -> None:
    drawn = draw_faces(grey(100, 100), [face])
    assert drawn.shape == (100, 100, 3)
    assert len(places(drawn, PALETTE[0])) > 50  # the ground of the name


def test_rows_without_a_face_draw_nothing() -> None:
    np.testing.assert_array_equal(draw_faces(grey(50, 40), [NO_FACE]), grey(50, 40))


def test_a_face_has_the_words_it_is_given() -> None:
    face = {**row(50, 60, 80), "label": "happiness", "confidence": 0.876}
    assert label_and_confidence(face) == "happiness  0.88"
    long, short = (
        np.ptp(places(draw_faces(grey(300, 200), [face], lambda _, t=t: t)[:50], PALETTE[0])[:, 0])
        for t in ("a" * 9, "a")
    )
    assert long > 4 * short


def one_hot(face: Face, eyes: Any = None, at: tuple[int, int] = (1, 2)) -> Heat:
    """Return heat in one of 5 by 5 cells of a face, told as row and column."""
    values = np.zeros((5, 5), np.float32)
    values[at] = 1
    return Heat(values, face, eyes, Alignment())


TURNED = np.array([(100, 60), (130, 90), (100, 90), (70, 95), (95, 120)], float)  # to the right, by 45 degrees


@pytest.mark.parametrize(
    ("face", "eyes"),
    [
        (Face((60, 40, 150, 140), 1.0, TURNED), None),
        (Face((60, 40, 140, 140), 1.0), ((0.3, 0.4), (0.7, 0.4))),
        (Face((0, 0, 200, 180), 1.0), None),
    ],
)
def test_a_face_glows_where_its_crop_was_hot(face: Face, eyes: Any) -> None:
    picture = grey(200, 180)
    lit = np.abs(draw_heat(picture, [one_hot(face, eyes)]).astype(int) - 128).sum(axis=2)
    assert (picture == 128).all()
    spots = np.argwhere(lit > 0.9 * lit.max())[:, ::-1].astype(float)
    size = np.array(align_face(picture, face, eyes).shape[1::-1])
    middle = points_in_crop(spots, face, eyes).mean(axis=0)
    np.testing.assert_allclose(middle, np.array([2.5 / 5, 1.5 / 5]) * size - 0.5, atol=0.03 * size.max())


@pytest.mark.parametrize("box", [(-60, -60, 40, 40), (170, 150, 260, 240), (300, 300, 400, 400), (5, 5, 6, 6)])
def test_a_glow_at_or_beyond_the_edge_is_cut(box: tuple[float, ...]) -> None:
    heat = one_hot(Face(box, 1.0))
    assert draw_heat(grey(200, 180), [heat, heat]).shape == (180, 200, 3)
    assert draw_crop(grey(200, 180), heat).shape == (192, 384, 3)


def test_nothing_hot_changes_nothing() -> None:
    heat = Heat(np.zeros((3, 3), np.float32), Face((0, 0, 50, 40), 1.0), None, Alignment())
    np.testing.assert_array_equal(draw_heat(grey(50, 40), [heat]), grey(50, 40))


def test_a_picture_of_which_a_side_is_too_long_for_opencv_glows() -> None:
    wide = np.full((8, 40_000, 3), 128, np.uint8)
    lit = draw_heat(wide, [one_hot(Face((39_000, 0, 39_008, 8), 1.0))]) != wide
    assert lit[:, 39_000:39_008].any() and not lit[:, :38_990].any()


def add(album: Album, *names: str) -> None:
    for number, name in enumerate(names):
        album.add(Item(name, VideoSource(name)), Picture(grey(40 + number, 40), ""), [NO_FACE])


def test_names_never_collide_and_forms_are_kept(tmp_path: Path) -> None:
    with Album(tmp_path / "out") as album:
        add(
            album,
            *("a/x.jpg", "b/x.jpg", "x-2.jpg", "x.png", "X.JPG", "x.webp", "f.csv#1", "f.csv#2"),
            *("no ending", os.fsdecode(b"caf\xe9.png")),
        )
        album.add(Item("broken.jpg", VideoSource("")), None, [{"status": "error"}])
    names = ["x.jpg", "x-2.jpg", "x-2-2.jpg", "x-3.png", "X-4.jpg", "x-5.png", "f.csv_1.png", "f.csv_2.png"]
    names += ["no_ending.png", "caf_.png"]
    assert sorted(os.listdir(tmp_path / "out")) == sorted(names)
    for number, name in enumerate(names):
        assert read_image(tmp_path / "out" / name).pixels.shape == (40, 40 + number, 3), name
        magic = b"\xff\xd8" if name.lower().endswith("jpg") else b"\x89P"
        assert (tmp_path / "out" / name).read_bytes()[:2] == magic


def test_a_folder_that_exists_is_drawn_into_only_when_told(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    (tmp_path / "out" / "x.png").write_text("old")
    with pytest.raises(OutputError, match="exists; add --overwrite"):
        Album(tmp_path / "out")
    with Album(tmp_path / "out", overwrite=True) as album:
        add(album, "x.png")
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"
    assert read_image(tmp_path / "out" / "x.png").pixels.shape == (40, 40, 3)
    with pytest.raises(OutputError, match="is a file"):
        Album(tmp_path / "out" / "mine.txt", overwrite=True)
    with pytest.raises(OutputError, match="cannot be made"):
        Album(tmp_path / "out" / "mine.txt" / "deep")


def play(path: Path) -> tuple[int, float, tuple[int, int]]:
    """Return how many frames a video has, how many a second, and its size."""
    capture = cv2.VideoCapture(str(path))
    frames = 0
    while capture.grab():
        frames += 1
    size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    return frames, capture.get(cv2.CAP_PROP_FPS), size


def test_a_video_becomes_a_video_that_is_as_fast(tmp_path: Path) -> None:
    names = [film(tmp_path / f"{folder}.mov", 12, rate=10) for folder in "ab"]
    items = [Item("x/clip.mov", VideoSource(names[0])), Item("y/clip.mov", VideoSource(names[1]))]
    with Album(tmp_path / "out", every=3) as album:
        for item in unrolled(items, every=3):
            album.add(item, item.source.read(), [row(10, 10, 40, face_id=2)])
    assert sorted(os.listdir(tmp_path / "out")) == ["clip-2.mp4", "clip.mp4"]
    for name in os.listdir(tmp_path / "out"):
        frames, rate, size = play(tmp_path / "out" / name)
        assert (frames, size) == (4, (128, 96)) and rate == pytest.approx(10 / 3, abs=0.01)


def test_frames_may_become_pictures_with_their_numbers(tmp_path: Path) -> None:
    clip = film(tmp_path / "clip.mov", 5)
    with Album(tmp_path / "out", films=False) as album:
        for item in unrolled([Item("x/clip.mov", VideoSource(clip)), Item("y/clip.mov", VideoSource(clip))], every=3):
            album.add(item, item.source.read(), [NO_FACE])
        add(album, "clip_000003.jpg")
        album.keep_picture("crops/a.png", grey(7, 7))
    names = ["clip_000000-2.png", "clip_000000.png", "clip_000003-2.png", "clip_000003-3.jpg", "clip_000003.png"]
    assert sorted(os.listdir(tmp_path / "out")) == [*names, "crops"]


@pytest.mark.parametrize(("rate", "written"), [(30.0, 30), (0.0, 25), (90000.0, 25), (0.01, 0.1)])
def test_frames_of_odd_and_changing_size_at_any_rate_are_written(tmp_path: Path, rate: float, written: float) -> None:
    with Album(tmp_path / "out") as album:
        for number, (width, height) in enumerate([(101, 77), (101, 77), (90, 120)]):
            source = HeldFrame("clip.mp4", number, number / 30, rate, grey(width, height))
            album.add(Item("clip.mp4", source, frame=number), source.read(), [NO_FACE])
    assert play(tmp_path / "out" / "clip.mp4") == (3, pytest.approx(written, rel=1e-3), (102, 78))


def test_a_video_that_is_not_finished_is_not_there(tmp_path: Path) -> None:
    (item, *_) = unrolled([Item("clip.avi", VideoSource(film(tmp_path / "clip.avi", 2)))])
    with pytest.raises(KeyboardInterrupt), Album(tmp_path / "out") as album:
        album.add(item, item.source.read(), [NO_FACE])
        raise KeyboardInterrupt
    assert os.listdir(tmp_path / "out") == []


def test_a_video_that_the_form_cannot_hold_is_said(tmp_path: Path) -> None:
    source = HeldFrame("wide.mp4", 0, 0, 25, grey(8200, 10))
    odd = HeldFrame("clip.mp4", 0, 0, 25, grey(10, 10))
    with pytest.raises(OutputError, match="8200x10 pixels; expected 8191x8191"), Album(tmp_path / "out") as album:
        album.add(Item("wide.mp4", source), source.read(), [NO_FACE])
    with (
        pytest.raises(OutputError, match="not valid UTF-8"),
        Album(tmp_path / os.fsdecode(b"caf\xe9")) as album,
    ):
        album.add(Item("clip.mp4", odd), odd.read(), [NO_FACE])
