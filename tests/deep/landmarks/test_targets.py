"""What a landmark network is to draw, by hand and against the published code's loop; and how far off it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from hybridfer.deep.landmarks.losses import map_loss
from hybridfer.deep.landmarks.targets import heat_maps, heat_maps_as_hr18


def test_a_map_is_1_at_its_point_and_falls_off_as_a_gaussian() -> None:
    (drawn,) = heat_maps([[4.5, 6.5]], 16, sigma=2).numpy()
    assert drawn[6, 4] == 1
    assert_allclose(drawn[6, 6], np.exp(-0.5), rtol=1e-6)
    assert_allclose(drawn[9, 0], np.exp(-(9 + 16) / 8), rtol=1e-6)
    assert drawn.dtype == np.float32


def test_between_cells_the_nearest_share_it() -> None:
    (drawn,) = heat_maps([[5, 5]], 16).numpy()
    assert_allclose(drawn[4:6, 4:6], np.exp(-0.5 / 4.5), rtol=1e-6)


@pytest.mark.parametrize("place", [(np.nan, 3), (3, np.nan), (-0.1, 3), (3, 16), (200, 3)])
def test_of_the_unknown_and_of_what_lies_outside_nothing_is_drawn(place: tuple[float, float]) -> None:
    assert heat_maps([[3, 3], place], 16).sum((1, 2)).tolist()[1] == 0
    assert heat_maps([[[3, 3], place]], 16).shape == (1, 2, 16, 16)


def plain_published(place: tuple[int, int], size: int, sigma: float) -> np.ndarray:
    """``generate_target`` of the published code, one cell at a time, for a point that is already whole."""
    drawn = np.zeros((size, size))
    reach = sigma * 3
    left, top = int(place[0] - reach), int(place[1] - reach)
    right, bottom = int(place[0] + reach + 1), int(place[1] + reach + 1)
    if left >= size or top >= size or right < 0 or bottom < 0:
        return drawn
    middle = (2 * reach + 1) // 2
    for y in range(max(0, top), min(bottom, size)):
        for x in range(max(0, left), min(right, size)):
            away = (x - left - middle) ** 2 + (y - top - middle) ** 2
            drawn[y, x] = np.exp(-away / (2 * sigma**2))
    return drawn


@pytest.mark.parametrize("sigma", [1.5, 2])
def test_the_published_maps_are_those_of_its_code_at_every_place(sigma: float) -> None:
    places = [(x, y) for x in range(-8, 28, 2) for y in range(-8, 28, 3)]
    expected = np.stack([plain_published(place, 20, sigma) for place in places])
    assert_allclose(heat_maps_as_hr18(places, 20, sigma).numpy(), expected, rtol=1e-6)


def test_the_published_maps_have_whole_middles_of_ten_by_ten_cells() -> None:
    """SPEC 2.4: peak 1, from five before the point to four after it."""
    (drawn,) = heat_maps_as_hr18([[20.9, 30.2]], 64).numpy()
    assert drawn[30, 20] == 1
    assert np.argwhere(drawn).min(0).tolist() == [25, 15]
    assert np.argwhere(drawn).max(0).tolist() == [34, 24]
    assert_array_equal(heat_maps_as_hr18([[np.nan, 3]], 64), 0)


def test_the_loss_is_the_mean_square_over_the_maps_of_known_points() -> None:
    targets = torch.zeros(1, 3, 2, 2)
    maps = torch.stack([torch.full((2, 2), value) for value in (1.0, 2.0, 30.0)])[None]
    assert map_loss(maps, targets).item() == pytest.approx((1 + 4 + 900) / 3)
    assert map_loss(maps, targets, torch.tensor([[True, True, False]])).item() == pytest.approx(2.5)


def test_points_that_nothing_is_known_of_teach_nothing() -> None:
    maps = torch.ones(1, 2, 3, 3, requires_grad=True)
    map_loss(maps, torch.zeros(1, 2, 3, 3), torch.tensor([[False, True]])).backward()
    assert maps.grad is not None
    assert maps.grad[0, 0].abs().sum() == 0
    assert maps.grad[0, 1].abs().sum() > 0
    nothing = map_loss(maps, torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, dtype=torch.bool))
    nothing.backward()
    assert nothing.item() == 0
