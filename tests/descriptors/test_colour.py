"""Colour moments: against scipy's moments of OpenCV's colours, and scikit-image's colours."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.stats import moment
from skimage.color import rgb2lab

from hybridfer.descriptors.colour import Colour
from hybridfer.errors import SpecError


@pytest.fixture(scope="module")
def crops(astronaut: np.ndarray) -> list[np.ndarray]:
    return [astronaut[i * 30 : i * 30 + 48, 180:228].copy() for i in range(12)]


@pytest.mark.parametrize("grid", [1, 3, 4])
def test_moments_are_scipys_of_every_cell(crops: list[np.ndarray], grid: int) -> None:
    expected = []
    for crop in crops:
        lab = cv2.cvtColor(crop, cv2.COLOR_RGB2LAB).astype(float) * (100 / 255, 1, 1) - (0, 128, 128)
        for band in np.split(lab, grid):
            for cell in np.split(band, grid, axis=1):
                values = cell.reshape(-1, 3)
                spread, skew = np.sqrt(moment(values, 2)), np.cbrt(moment(values, 3))
                expected.append(np.stack([values.mean(axis=0), spread, skew], axis=1))
    vectors = Colour(grid=grid).describe_batch(crops)
    np.testing.assert_allclose(vectors.ravel(), np.ravel(expected), rtol=0, atol=2e-5)


def test_means_are_in_the_units_of_cielab(crops: list[np.ndarray]) -> None:
    means = Colour(grid=1).describe_batch(crops).reshape(-1, 3, 3)[..., 0]
    expected = [rgb2lab(crop).mean(axis=(0, 1)) for crop in crops]
    np.testing.assert_allclose(means, expected, rtol=0, atol=0.7)  # OpenCV's 8-bit steps


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((119, 119, 119), (50.03, 0, 0)),
    ],
)
def test_one_colour_is_itself_without_spread(rgb: tuple[int, ...], lab: tuple[float, ...]) -> None:
    """The CIELAB values of the sRGB primaries (D65), as any colour table has them."""
    cells = Colour().describe(np.full((48, 48, 3), rgb, np.uint8)).reshape(16, 3, 3)
    np.testing.assert_allclose(cells[..., 0], np.broadcast_to(lab, (16, 3)), rtol=0, atol=0.6)
    assert not cells[..., 1:].any()


def test_the_skew_points_to_the_longer_tail() -> None:
    dark, bright = np.zeros((48, 48), np.uint8), np.full((48, 48), 255, np.uint8)
    dark[:4], bright[:4] = 255, 0
    assert Colour(grid=1).describe(dark)[2] > 10
    assert Colour(grid=1).describe(bright)[2] < -10


def test_cells_run_row_by_row() -> None:
    picture = np.zeros((48, 48), np.uint8)
    picture[12:24, 36:] = 255
    lightness = Colour().describe(picture).reshape(16, 3, 3)[:, 0, 0]
    assert lightness.tolist() == [0] * 7 + [100] + [0] * 8


def test_greys_have_no_colour_at_all() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert not Colour(size=16).describe(ramp).reshape(16, 3, 3)[:, 1:].any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"size": 0}, "colour:size=0 is out of range; expected 1 to 1024 pixels"),
        ({"grid": 5}, "colour:grid=5 is out of range; expected a divisor of size, 48"),
        ({"grid": 0}, "colour:grid=0 is out of range"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict[str, int], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Colour(**parameters)
