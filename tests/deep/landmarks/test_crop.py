"""A window of a picture: where points lie in it, what it shows, and the published code's way of cutting it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from hybridfer.deep.landmarks.crop import (
    BoxFit,
    Window,
    cut,
    cut_as_hr18,
    transform,
    window_of_box,
    window_of_points,
)
from hybridfer.errors import DatasetError, SpecError

NUMBERS = st.floats(-500, 500)
WINDOWS = st.builds(Window, NUMBERS, NUMBERS, st.floats(1, 900), st.floats(-180, 180))


def ramps(height: int, width: int) -> np.ndarray:
    """A picture whose red is the column, whose green is the row and whose blue is 7."""
    rows, columns = np.indices((height, width))
    return np.stack([columns, rows, np.full_like(rows, 7)], axis=-1).astype(np.uint8)


def test_places_of_a_window_are_the_published_ones() -> None:
    """SPEC 2.3 and 2.4: round (300, 200), scale 1.25, 64 cells."""
    window = Window(300, 200, 250)
    assert_allclose(window.out_of([10.75, 20.25], 64), [216.992, 154.102], atol=5e-4)
    back = np.linalg.inv(transform(300, 200, 250, 64)) @ [32, 32, 1]
    assert_array_equal(back[:2] + 1, [301, 201])


@given(WINDOWS, NUMBERS, NUMBERS, st.sampled_from([1, 64, 256]))
def test_out_of_a_window_undoes_into_it(window: Window, x: float, y: float, cells: int) -> None:
    assert_allclose(window.out_of(window.into([x, y], cells), cells), [x, y], atol=1e-6)


@given(st.builds(Window, NUMBERS, NUMBERS, st.floats(1, 900)), NUMBERS, NUMBERS)
def test_the_published_matrix_says_the_same(window: Window, x: float, y: float) -> None:
    matrix = transform(window.x, window.y, window.side, 64)
    assert_allclose((matrix @ [x, y, 1])[:2], window.into([x, y], 64), atol=1e-6)


def test_a_turned_window_turns_the_picture_clockwise() -> None:
    # What lies right of the middle comes to lie below it.
    assert_allclose(Window(50, 60, 40, turn=90).into([60, 60], 8), [4, 6], atol=1e-12)


@pytest.mark.parametrize("turn", [0, 20, -90])
def test_a_cut_shows_at_each_place_what_the_picture_has_there(turn: float) -> None:
    window = Window(130.3, 90.6, 60, turn)
    shown = cut(ramps(200, 250), window, 60)
    middles = np.stack(np.meshgrid(np.arange(60), np.arange(60)), axis=-1) + 0.5
    assert_allclose(shown[..., :2], window.out_of(middles, 60), atol=0.6)
    assert (shown[..., 2] == 7).all()


def test_a_cut_is_brought_to_its_size_large_ones_by_area() -> None:
    board = np.indices((128, 128)).sum(0) % 2 * 255
    picture = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
    assert np.ptp(cut(picture, Window(63.5, 63.5, 128), 32)) <= 1
    assert cut(picture, Window(63.5, 63.5, 20), 32).shape == (32, 32, 3)


def test_beyond_the_picture_its_border_is_repeated() -> None:
    shown = cut(ramps(100, 100), Window(0, 50, 40), 40)
    assert_array_equal(shown[:, :18, 0], 0)
    assert shown[0, -1, 0] > 15


@pytest.mark.parametrize(
    "window",
    [
        Window(50, 50, 0),
        Window(50, 50, 1.9),
        Window(50, 50, -3),
        Window(50, 50, 900),
        Window(200, 50, 100),
        Window(50, -60, 100),
        Window(float("nan"), 50, 10),
        Window(50, 50, float("nan")),
    ],
)
@pytest.mark.parametrize("cutting", [cut, cut_as_hr18])
def test_windows_that_cannot_be_of_the_picture_are_refused(cutting, window: Window) -> None:
    with pytest.raises(DatasetError, match="does not fit a picture of 100x80; expected points, or a box, of this"):
        cutting(ramps(80, 100), window, 64)


@given(st.floats(-3, 103), st.floats(-3, 83), st.floats(2, 500))
@settings(max_examples=50)
def test_every_window_that_touches_the_picture_can_be_cut(x: float, y: float, side: float) -> None:
    window = Window(x, y, max(side, 7))
    for cutting in (cut, cut_as_hr18):
        assert cutting(ramps(80, 100), window, 16).shape == (16, 16, 3)
    assert cut_as_hr18(ramps(80, 100), Window(min(max(x, 0), 99), min(max(y, 0), 79), 2), 16).shape == (16, 16, 3)


def test_points_outside_the_picture_have_a_window_as_long_as_it_touches_the_picture() -> None:
    points = np.array([[-40.0, 20], [60, 90], [30, -10]])
    window = window_of_points(points, margin=1.5)
    assert (window.x, window.y, window.side) == (10, 40, 150)
    assert cut(ramps(80, 100), window, 32).shape == (32, 32, 3)
    with pytest.raises(DatasetError, match="Check that they belong to it"):
        cut(ramps(80, 100), window_of_points(points + 1000), 32)


def test_a_box_s_window_is_its_square_moved_and_enlarged_as_the_detector_s_fit_says() -> None:
    box = (10.0, 20, 50, 100)
    assert window_of_box(box, margin=1) == Window(29.5, 59.5, 80)
    assert window_of_box(box, BoxFit(0.1, -0.05, 0.5), 2) == Window(37.5, 55.5, 80)
    assert window_of_box(box).side == 100


def test_unknown_points_are_left_out_and_one_place_is_no_box() -> None:
    assert window_of_points([[1, 2], [np.nan, 9], [5, 3]], 1) == Window(3, 2.5, 4)
    for points in ([[1, 2], [1, 2]], [[np.nan, 1]], np.empty((0, 2))):
        with pytest.raises(DatasetError, match="in one place have no box"):
            window_of_points(points)


def test_whole_boxes_are_those_of_the_lists_hrnet_s_authors_made(data_folder: Path) -> None:
    """mmpose's WFLW has their ``center`` and ``scale`` beside the points."""
    marks = json.loads((data_folder / "wflw_sample" / "test_wflw.json").read_text())["annotations"]
    assert len(marks) == 4
    for mark in marks:
        points = np.reshape(mark["keypoints"], (-1, 3))[:, :2]
        window = window_of_points(points, margin=1, whole=True)
        assert_allclose([window.x, window.y, window.side], [*mark["center"], mark["scale"] * 200])


def plain_crop(picture: np.ndarray, centre: tuple[float, float], scale: float, size: int = 256) -> np.ndarray:
    """What the published code does, as SPEC 2.3 tells it: points count from 1 and whole numbers are cut off."""

    def imresize(values: np.ndarray, height: int, width: int) -> np.ndarray:
        low, high = float(values.min()), float(values.max())
        # SciPy's arrays stayed in single precision.
        stretched = (values.astype(np.float32) - low) * np.float32(255 / ((high - low) or 1)) + np.float32(0.5)
        stretched = np.floor(stretched).astype(np.uint8)
        return np.array(Image.fromarray(stretched).resize((width, height), Image.Resampling.BILINEAR))

    def pixel(place: tuple[float, float]) -> list[int]:
        h = 200 * scale
        matrix = [[size / h, 0, size * (0.5 - centre[0] / h)], [0, size / h, size * (0.5 - centre[1] / h)], [0, 0, 1]]
        x, y, _ = np.linalg.inv(np.array(matrix)).dot([place[0] - 1, place[1] - 1, 1])
        return [int(x) + 1, int(y) + 1]

    shrink = scale * 200 / size
    values = picture.astype(float)
    if shrink >= 2:
        values = imresize(values, int(picture.shape[0] / shrink), int(picture.shape[1] / shrink)).astype(float)
        centre, scale = (centre[0] / shrink, centre[1] / shrink), scale / shrink
    (left, top), (right, bottom) = pixel((0, 0)), pixel((size, size))
    seen = np.zeros((bottom - top, right - left, 3))
    for row in range(bottom - top):
        for column in range(right - left):
            y, x = top + row, left + column
            if 0 <= y < len(values) and 0 <= x < len(values[0]):
                seen[row, column] = values[y, x]
    return imresize(seen, size, size)


@pytest.mark.parametrize(
    ("centre", "side"),
    [((60.0, 50.0), 64.0), ((61.5, 47.5), 53.75), ((5.0, 90.0), 80.0), ((110.0, 3.5), 100.0), ((55.5, 47.5), 170.0)],
)
def test_the_published_code_cuts_so(centre: tuple[float, float], side: float) -> None:
    noise = np.random.default_rng(0).integers(20, 200, (100, 120, 3)).astype(np.uint8)
    expected = plain_crop(noise, centre, side / 200, 64)
    assert_array_equal(cut_as_hr18(noise, Window(*centre, side), 64), expected)


def test_a_square_already_cut_stays_as_it_is_if_its_greys_are_stretched() -> None:
    """SPEC 2.3: a square of 256 is round (128, 128) at scale 1.28."""
    noise = np.random.default_rng(1).integers(0, 256, (256, 256, 3)).astype(np.uint8)
    assert_array_equal(cut_as_hr18(noise, Window(128, 128, 256)), noise)
    assert_array_equal(cut_as_hr18(noise // 2 + 10, Window(128, 128, 256))[noise == 255], 255)
    assert_array_equal(cut_as_hr18(np.full((256, 256, 3), 9, np.uint8), Window(128, 128, 256)), 0)


def test_the_published_code_s_cut_is_not_turned() -> None:
    with pytest.raises(SpecError, match="turned by 5 degrees"):
        cut_as_hr18(ramps(80, 100), Window(50, 40, 30, turn=5))
