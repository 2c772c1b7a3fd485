"""Where maps say that points are, in both forms, against the published constants and a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from hybridfer.deep.landmarks.crop import Window
from hybridfer.deep.landmarks.decode import REFINEMENTS, decode, decode_as_hr18
from hybridfer.deep.landmarks.targets import heat_maps
from hybridfer.errors import SpecError

WINDOW = Window(300, 200, 250)


def one_peak(x: int, y: int, size: int = 64, right: float = 0.0, below: float = 0.0) -> torch.Tensor:
    """A map that is 1 in one cell, and as high as said right of it and below it."""
    maps = torch.zeros(1, 1, size, size)
    maps[0, 0, y, x] = 1
    for row, column, value in ((y, x + 1, right), (y + 1, x, below)):
        if row < size and column < size:
            maps[0, 0, row, column] = value
    return maps


def test_both_forms_are_the_published_constants() -> None:
    """SPEC 2.4: argmax in column 10 and row 20, right higher than left, up higher than down."""
    maps = one_peak(10, 20, right=0.5)
    maps[0, 0, 19, 10] = 0.5
    points, heights = decode(maps, [WINDOW])
    assert_allclose(points[0, 0], [216.992, 154.102], atol=5e-4)
    assert heights.tolist() == [[1.0]]
    assert_array_equal(decode_as_hr18(maps, [WINDOW])[0, 0], [217, 155])


def plain_published(maps: np.ndarray, centre: tuple[float, float], scale: float) -> list[tuple[int, int]]:
    """``decode_preds`` of the published code, one point at a time: everything counts from 1."""
    size, h = maps.shape[-1], 200 * scale
    matrix = np.array(
        [[size / h, 0, size * (0.5 - centre[0] / h)], [0, size / h, size * (0.5 - centre[1] / h)], [0, 0, 1]]
    )
    found = []
    for each in maps:
        place = int(each.argmax())
        x, y = place % size + 1.0, place // size + 1.0
        if each.max() <= 0:
            x = y = 0.0
        px, py = math.floor(x), math.floor(y)
        if 1 < px < size and 1 < py < size:
            x += 0.25 * np.sign(each[py - 1][px] - each[py - 1][px - 2])
            y += 0.25 * np.sign(each[py][px - 1] - each[py - 2][px - 1])
        back = np.linalg.inv(matrix).dot([x + 0.5 - 1, y + 0.5 - 1, 1])
        found.append((int(back[0]) + 1, int(back[1]) + 1))
    return found


def test_whole_points_are_those_of_the_published_code_at_every_place() -> None:
    random = np.random.default_rng(0)
    maps = random.random((3, 60, 16, 16)).astype(np.float32)
    maps[0, :4] = -maps[0, :4]
    for number, (x, y) in enumerate([(0, 0), (15, 15), (0, 7), (7, 15), (1, 14)]):
        maps[1, number, y, x] = 2
    windows = [Window(40.5, 30, 77.5), Window(3, 99, 100), Window(128, 128, 256)]
    found = decode_as_hr18(torch.from_numpy(maps), windows)
    for each, window, points in zip(maps, windows, found, strict=True):
        assert_array_equal(points, plain_published(each, (window.x, window.y), window.side / 200))


@pytest.mark.parametrize(("refine", "cells"), [("none", 0.51), ("quarter", 0.26), ("parabola", 1e-3)])
@pytest.mark.parametrize("sigma", [1, 2.5])
def test_a_refinement_finds_the_middle_of_a_gaussian_as_near_as_it_says(
    refine: str, cells: float, sigma: float
) -> None:
    places = np.random.default_rng(1).uniform(3, 29, (2, 40, 2))
    windows = [Window(20, 30, 32), Window(-5, 12, 32, turn=33)]
    points, heights = decode(heat_maps(places, 32, sigma), windows, refine)
    away = [window.into(found, 32) - place for window, found, place in zip(windows, points, places, strict=True)]
    assert np.abs(away).max() < cells
    assert np.abs(away).max() > cells / 100 or refine == "parabola"
    assert (heights > np.exp(-0.5 / sigma**2)).all()


@pytest.mark.parametrize("refine", REFINEMENTS)
@pytest.mark.parametrize(("x", "y"), [(0, 5), (15, 5), (5, 0), (5, 15), (0, 0)])
def test_at_the_border_nothing_is_refined(refine: str, x: int, y: int) -> None:
    points, _ = decode(one_peak(x, y, 16, 0.5, 0.5), [Window(8, 8, 16)], refine)
    assert_allclose(points[0, 0], [x + 0.5, y + 0.5])


@pytest.mark.parametrize("refine", REFINEMENTS)
def test_flat_and_negative_maps_have_points_all_the_same_and_no_height(refine: str) -> None:
    maps = torch.full((1, 2, 8, 8), -1.0)
    maps[0, 1, 3, 4] = -0.5
    points, heights = decode(maps, [Window(4, 4, 8)], refine)
    assert_allclose(points[0, 1], [4.5, 3.5])
    assert np.isfinite(points).all()
    assert heights.tolist() == [[0, 0]]


def test_values_may_stand_elsewhere_in_a_cell() -> None:
    """The first value of mmpose's maps is that of the first pixel: an eighth into a cell of four."""
    points, _ = decode(one_peak(0, 0, 16), [Window(32, 32, 64)], at=1 / 8)
    assert_allclose(points[0, 0], [0.5, 0.5])


def test_what_is_drawn_elsewhere_in_a_cell_is_found_there() -> None:
    places = np.array([[[5.3, 8.8]]])
    points, _ = decode(heat_maps(places, 16, at=1 / 8), [Window(8, 8, 16)], "parabola", at=1 / 8)
    assert_allclose(points, places, atol=1e-3)


def test_no_faces_are_no_points() -> None:
    points, heights = decode(torch.empty(0, 98, 16, 16), [])
    assert (points.shape, heights.shape) == ((0, 98, 2), (0, 98))
    assert decode_as_hr18(torch.empty(0, 98, 16, 16), []).shape == (0, 98, 2)


def test_unknown_refinements_and_turned_windows_are_refused() -> None:
    with pytest.raises(SpecError, match="refine=dark is unknown; expected quarter, parabola, none"):
        decode(one_peak(3, 3), [WINDOW], "dark")
    with pytest.raises(SpecError, match="turned by 9 degrees"):
        decode_as_hr18(one_peak(3, 3), [Window(1, 2, 3, turn=9)])
