"""Pictures are changed by as much as was asked, each in its own way, and by nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hybridfer.deep.training.augment import CUT, augmented, mixed
from hybridfer.deep.training.recipe import Recipe

NOTHING = dict.fromkeys(("flip", "rotate", "shift", "scale", "brightness", "contrast", "noise", "cutout", "mixup"), 0.0)


def change(pictures: torch.Tensor, seed: int = 0, **options: float) -> torch.Tensor:
    """Pictures changed by these alone."""
    return augmented(pictures, Recipe(**{**NOTHING, **options}), torch.Generator().manual_seed(seed))  # type: ignore[arg-type]


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.rand(64, 2, 24, 24, generator=torch.Generator().manual_seed(5))


def blobs(n: int, x: float, y: float, size: int = 48) -> torch.Tensor:
    """n equal pictures of a soft spot at (x, y)."""
    at = torch.arange(size) + 0.5
    spot = torch.exp(-((at[:, None] - y) ** 2 + (at - x) ** 2) / 8)
    return spot.expand(n, 1, size, size).clone()


def places(pictures: torch.Tensor) -> np.ndarray:
    """Where the spots lie, ``(n, 2)``: the centre of brightness."""
    mass = pictures[:, 0]
    at = torch.arange(pictures.shape[-1]) + 0.5
    total = mass.sum((1, 2))
    return torch.stack([(mass * at).sum((1, 2)) / total, (mass * at[:, None]).sum((1, 2)) / total], 1).numpy()


def test_nothing_asked_nothing_changed(pictures: torch.Tensor) -> None:
    assert torch.equal(change(pictures), pictures)


def test_the_seed_decides_and_what_is_given_stays(pictures: torch.Tensor) -> None:
    before = pictures.clone()
    every = {
        "flip": 0.5,
        "rotate": 20,
        "shift": 0.1,
        "scale": 0.1,
        "brightness": 0.1,
        "contrast": 0.2,
        "noise": 0.1,
        "cutout": 0.5,
    }
    assert torch.equal(change(pictures, **every), change(pictures, **every))
    assert not torch.equal(change(pictures, **every), change(pictures, seed=1, **every))
    assert torch.equal(pictures, before)
    assert float(change(pictures, **every).min()) >= 0 and float(change(pictures, **every).max()) <= 1


def test_pictures_are_mirrored(pictures: torch.Tensor) -> None:
    torch.testing.assert_close(change(pictures, flip=1), pictures.flip(3), rtol=1e-4, atol=1e-5)
    half = change(pictures, flip=0.5)
    turned = [not torch.allclose(a, b, atol=1e-4) for a, b in zip(half, pictures, strict=True)]
    assert 16 < sum(turned) < 48
    for picture, origin, was in zip(half, pictures, turned, strict=True):
        torch.testing.assert_close(picture, origin.flip(2) if was else origin, rtol=1e-4, atol=1e-5)


def test_they_are_turned_about_the_middle_by_less_than_was_said() -> None:
    middle, start = 24.0, np.array([36.0, 24.0])
    moved = places(change(blobs(200, *start), rotate=30)) - middle
    angles = np.degrees(np.arctan2(moved[:, 1], moved[:, 0]))
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 12, atol=0.2)
    assert np.abs(angles).max() < 30.5 and angles.min() < -20 and angles.max() > 20


def test_they_are_moved_by_a_share_of_the_side() -> None:
    moved = places(change(blobs(200, 24, 24), shift=0.125)) - 24  # an eighth of 48 pixels is 6
    assert 5 < np.abs(moved[:, 0]).max() < 6.1 and 5 < np.abs(moved[:, 1]).max() < 6.1
    assert abs(np.corrcoef(moved.T)[0, 1]) < 0.25  # across and down have nothing to do with each other


def test_they_become_larger_and_smaller() -> None:
    away = np.linalg.norm(places(change(blobs(200, 34, 24), scale=math.log(1.25))) - 24, axis=1) / 10
    assert 0.79 < away.min() < 0.83 and 1.2 < away.max() < 1.26


def test_light_changes_as_said() -> None:
    two = torch.tensor([0.4, 0.6]).expand(300, 1, 2, 2).clone()
    brighter = change(two, brightness=0.2)
    added = (brighter - two)[:, 0, 0]
    torch.testing.assert_close(added[:, 0], added[:, 1])
    assert 0.18 < float(added.max()) <= 0.2 and -0.2 <= float(added.min()) < -0.18
    apart = (change(two, contrast=math.log(2))[:, 0, 0] @ torch.tensor([-1.0, 1.0])) / 0.2
    assert 0.5 <= float(apart.min()) < 0.55 and 1.85 < float(apart.max()) <= 2
    torch.testing.assert_close(change(two, contrast=1)[:, 0, 0].mean(1), torch.full((300,), 0.5))


def test_noise_has_the_deviation_that_was_said() -> None:
    grey = torch.full((8, 1, 64, 64), 0.5)
    added = change(grey, noise=0.05) - grey
    assert abs(float(added.mean())) < 2e-3 and float(added.std()) == pytest.approx(0.05, rel=0.02)


def test_a_square_of_one_grey_is_painted_over_a_share_of_them(pictures: torch.Tensor) -> None:
    many = torch.cat([pictures] * 4)
    painted = change(many, cutout=0.5)
    sides = []
    for picture, origin in zip(painted, many, strict=True):
        where = (picture != origin).all(0)
        if not where.any():
            continue
        rows, columns = (torch.nonzero(where.any(axis)).flatten() for axis in (1, 0))
        assert bool(where[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all())
        assert len(picture[:, where].unique()) == 1
        sides.append(max(len(rows), len(columns)) / 24)
    assert 96 < len(sides) < 160
    assert min(sides) >= CUT[0] / 2 - 1 / 24 and CUT[1] - 0.1 < max(sides) <= CUT[1] + 1 / 24


def test_mixup_mixes_pictures_and_answers_alike() -> None:
    pictures = torch.stack([torch.full((1, 2, 2), value) for value in (0.0, 0.25, 1.0)])

    class Three:
        def beta(self, a: float, b: float) -> float:
            assert a == b == 0.4
            return 0.25

    mix, shares = mixed(pictures, torch.tensor([0, 1, 2]), 3, 0.4, Three())
    # A quarter is taken for three: the first is 3/4 of 0 and 1/4 of the last, 1; the one in the middle is itself.
    assert mix[:, 0, 0, 0].tolist() == [0.25, 0.25, 0.75]
    assert shares.tolist() == [[0.75, 0, 0.25], [0, 1, 0], [0.25, 0, 0.75]]
    votes = torch.tensor([[0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]])
    assert mixed(pictures, votes, 3, 0.4, Three())[1][0].tolist() == [0.375, 0.375, 0.25]
