"""LBP: scikit-image's codes pixel for pixel, then one histogram per cell."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.feature import local_binary_pattern

from hybridfer.descriptors.lbp import LBP
from hybridfer.errors import SpecError

CIRCLES = [(8, 1.0), (8, 2.0), (16, 2.0), (4, 1.0), (6, 1.7), (12, 1.3), (2, 0.5), (9, 3.0)]


def reference_codes(pictures: np.ndarray, points: int, radius: float) -> np.ndarray:
    return np.array([local_binary_pattern(picture, points, radius, "nri_uniform") for picture in pictures])


def slow_histograms(grey: np.ndarray, points: int, radius: float, grid: int) -> np.ndarray:
    """The plain loop: scikit-image's codes, then np.histogram of every cell."""
    codes = local_binary_pattern(grey, points, radius, "nri_uniform")
    bins, size = points * (points - 1) + 3, len(grey)
    borders = [i * size // grid for i in range(grid + 1)]
    cells = []
    for top, bottom in pairwise(borders):
        for left, right in pairwise(borders):
            cell = codes[top:bottom, left:right]
            cells.append(np.histogram(cell, bins=bins, range=(0, bins))[0] / cell.size)
    return np.concatenate(cells)


@pytest.mark.parametrize(("points", "radius"), CIRCLES)
def test_codes_are_scikit_images_on_faces(lfw: tuple[np.ndarray, list[str]], points: int, radius: float) -> None:
    faces = lfw[0][:60]
    np.testing.assert_array_equal(
        LBP(points=points, radius=radius).codes(faces), reference_codes(faces, points, radius)
    )


def test_codes_are_scikit_images_on_fer2013(fer_faces: np.ndarray) -> None:
    np.testing.assert_array_equal(LBP().codes(fer_faces), reference_codes(fer_faces, 8, 1))


@pytest.mark.parametrize(("points", "radius"), [(5, 8.05), (5, 23.8), (6, 11.6), (7, 19.55), (8, 21.4)])
def test_the_circle_is_not_rounded_to_single_precision(points: int, radius: float) -> None:
    # In each of these one pixel would change its code.
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 60), np.uint8)[:10]
    codes = LBP(size=60, points=points, radius=radius).codes(noise)
    np.testing.assert_array_equal(codes, reference_codes(noise, points, radius))


def test_codes_are_scikit_images_where_everything_ties() -> None:
    flat = np.repeat(np.arange(256, dtype=np.uint8), 48 * 48).reshape(256, 48, 48)
    np.testing.assert_array_equal(LBP().codes(flat), reference_codes(flat, 8, 1))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.integers(2, 10),
    st.floats(0.5, 6).map(lambda radius: round(radius, 2)),
    st.sampled_from([2, 4, 256]),
)
def test_codes_are_scikit_images_whatever_the_picture(
    seed: int, shape: tuple[int, int], points: int, radius: float, greys: int
) -> None:
    pictures = np.random.default_rng(seed).integers(0, greys, (3, *shape), np.uint8)
    lbp = LBP(points=points, radius=radius)
    np.testing.assert_array_equal(lbp.codes(pictures), reference_codes(pictures, points, radius))


def test_codes_by_hand() -> None:
    # 4 points, in the order right, up, left, down; outside the picture is 0. The middle: right 9 and up 7 are not
    # darker than 5, left 2 and down 1 are. Two ones, the first at 0 and the first zero at 2: code 1 + 1 * 4 + 0.
    picture = np.array([[3, 7, 3], [2, 5, 9], [8, 1, 8]], np.uint8)
    assert LBP(points=4).codes(picture[None])[0, 1, 1] == 5
    # The corner above left: right 7 is not darker than 3, down 2 is, above and left of it is nothing.
    assert LBP(points=4).codes(picture[None])[0, 0, 0] == 1


@pytest.mark.parametrize(
    ("size", "points", "radius", "grid"), [(48, 8, 1.0, 7), (48, 8, 1.0, 6), (50, 16, 2.0, 3), (25, 8, 1.0, 4)]
)
def test_vectors_are_the_plain_loops(astronaut: np.ndarray, size: int, points: int, radius: float, grid: int) -> None:
    crops = [np.ascontiguousarray(astronaut[i * 40 : i * 40 + size, 200 : 200 + size, 0]) for i in range(9)]
    lbp = LBP(size=size, points=points, radius=radius, grid=grid)
    expected = [slow_histograms(crop, points, radius, grid) for crop in crops]
    np.testing.assert_allclose(lbp.describe_batch(crops), expected, rtol=0, atol=1e-7)


def test_the_default_has_59_bins_in_49_cells_that_each_sum_to_one(astronaut: np.ndarray) -> None:
    lbp = LBP()
    assert (lbp.bins, lbp.length, lbp.dtype) == (59, 2891, np.float32)
    np.testing.assert_allclose(lbp.describe(astronaut).reshape(49, 59).sum(axis=1), 1, rtol=1e-6)


def test_the_inside_does_not_see_brightness_but_the_border_ring_does() -> None:
    picture = np.random.default_rng(1).integers(20, 120, (1, 30, 30), np.uint8)
    lbp = LBP()
    np.testing.assert_array_equal(lbp.codes(picture)[:, 1:-1, 1:-1], lbp.codes(picture + np.uint8(100))[:, 1:-1, 1:-1])
    assert (lbp.codes(picture - np.uint8(20)) != lbp.codes(picture)).any()


def test_the_codes_of_a_picture_do_not_depend_on_its_neighbours() -> None:
    bright, dark = np.full((40, 48, 48), 255, np.uint8), np.zeros((40, 48, 48), np.uint8)
    mixed = np.stack([bright, dark], axis=1).reshape(80, 48, 48)
    np.testing.assert_array_equal(LBP().codes(mixed)[::2], LBP().codes(bright))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"size": 0}, "lbp:size=0 is out of range; expected 1 to 1024 pixels"),
        ({"points": 1}, "lbp:points=1 is out of range; expected 2 to 16"),
        ({"points": 17}, "lbp:points=17 is out of range"),
        ({"radius": 0.25}, "lbp:radius=0.25 is out of range; expected half a pixel to half of size"),
        ({"radius": 25.0}, "lbp:radius=25 is out of range"),
        ({"radius": float("nan")}, "lbp:radius=nan is out of range"),
        ({"grid": 0}, "lbp:grid=0 is out of range"),
        ({"grid": 49}, "lbp:grid=49 is out of range; expected 1 to size"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict[str, float], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        LBP(**parameters)
