"""The Gabor wavelet pyramid: wavelets written out, one by one, are the judges."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from hybridfer.descriptors import create_descriptor
from hybridfer.descriptors.gwp import GWP
from hybridfer.errors import SpecError


def wavelet(size: int, cells: int, row: int, column: int, phi: float, phase: float) -> np.ndarray:
    """The definition: a wave about the middle of a cell under a Gaussian; sum 0, squares sum to 1."""
    y, x = np.mgrid[:size, :size]
    down, across = y - ((row + 0.5) * size / cells - 0.5), x - ((column + 0.5) * size / cells - 0.5)
    gauss = np.exp(-(down**2 + across**2) / 2 / (0.4 * size / cells) ** 2)
    wave = gauss * np.cos(2 * np.pi * cells / size * (np.cos(phi) * across + np.sin(phi) * down) - phase)
    wave -= wave.sum() / gauss.sum() * gauss
    return wave / np.sqrt((wave**2).sum())


def energies(picture: np.ndarray, scales: int, orientations: int) -> np.ndarray:
    """The slow way: every wavelet laid over the picture."""
    found = []
    for cells in 2 ** np.arange(scales):
        for u in range(orientations):
            for row, column in np.ndindex(cells, cells):
                place = len(picture), cells, row, column, u * np.pi / orientations
                found.append(np.hypot(*((wavelet(*place, phase) * picture / 255).sum() for phase in (0, np.pi / 2))))
    return np.array(found)


def test_there_are_as_many_values_as_published() -> None:
    # SPEC: 1,365 places times 8 directions; with five wave lengths 2,728.
    assert GWP().length == 1365 * 8 == 10_920
    assert GWP(scales=5).length == 2728


@pytest.mark.parametrize(("size", "scales", "orientations"), [(32, 4, 3), (37, 3, 8), (16, 3, 2), (4, 1, 1)])
def test_the_values_are_those_of_wavelets_laid_over_the_picture(size: int, scales: int, orientations: int) -> None:
    picture = np.random.default_rng(size).integers(0, 256, (size, size), np.uint8)
    found = GWP(size, scales, orientations).describe(picture)
    np.testing.assert_allclose(found, energies(picture, scales, orientations), atol=1e-6)


def test_one_value_of_the_usual_pyramid_is_the_sum_over_the_picture() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (128, 128), np.uint8)
    found = GWP().describe(picture)
    scale, u, row, column = 4, 3, 5, 12
    before = 8 * sum(4**s for s in range(scale))
    answers = [(wavelet(128, 16, row, column, u * np.pi / 8, p) * picture / 255).sum() for p in (0, np.pi / 2)]
    assert found[before:].reshape(-1)[(u * 16 + row) * 16 + column] == pytest.approx(np.hypot(*answers), abs=1e-6)


@pytest.mark.parametrize(("scale", "u"), [(2, 0), (3, 3), (4, 4), (5, 7)])
def test_a_grating_is_answered_most_by_its_own_waves(scale: int, u: int) -> None:
    rows, columns = np.mgrid[:128, :128]
    phase = 2 * np.pi * 2**scale / 128 * (np.cos(u * np.pi / 8) * columns + np.sin(u * np.pi / 8) * rows)
    vector = GWP().describe(np.round(127 + 120 * np.cos(phase)).astype(np.uint8))
    starts = [8 * sum(4**s for s in range(n)) for n in range(7)]
    means = [vector[a:b].reshape(8, -1).mean(axis=1) / 2.0**-s for s, (a, b) in enumerate(pairwise(starts))]
    assert np.unravel_index(np.argmax(means), (6, 8)) == (scale, u)


def test_mirroring_the_picture_mirrors_places_and_directions() -> None:
    face = np.random.default_rng(1).integers(0, 256, (64, 64), np.uint8)
    bank = GWP(size=64, scales=4)
    upright, mirrored = (bank.describe(f)[-512:].reshape(8, 8, 8) for f in (face, face[:, ::-1]))
    np.testing.assert_allclose(mirrored[[0, 7, 6, 5, 4, 3, 2, 1], :, ::-1], upright, atol=1e-6)


def test_brightness_changes_nothing_and_contrast_all_values_alike() -> None:
    face = np.random.default_rng(2).integers(0, 100, (128, 128), np.uint8)
    vector = GWP().describe(face)
    np.testing.assert_allclose(GWP().describe(face + 50), vector, atol=1e-6)
    np.testing.assert_allclose(GWP().describe(2 * face), 2 * vector, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [0, 77, 255])
def test_a_plain_picture_has_no_energy_at_all(value: int) -> None:
    assert not GWP().describe(np.full((50, 40, 3), value, np.uint8)).any()


def test_the_bits_do_not_depend_on_the_threads() -> None:
    face = np.random.default_rng(3).integers(0, 256, (128, 128), np.uint8)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(GWP().describe(face))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gwp:scales=0", "gwp:scales=0 is out of range; expected 1 to 8 wave lengths"),
        ("gwp:scales=9,size=1024", "expected 1 to 8 wave lengths"),
        ("gwp:orientations=0", "expected 1 to 16 directions"),
        ("gwp:orientations=17", "expected 1 to 16 directions"),
        ("gwp:size=64", "gwp:size=64 is out of range; expected 128 to 1024 pixels for so many scales"),
        ("gwp:size=1025", "expected 128 to 1024 pixels"),
    ],
)
def test_what_is_out_of_range_is_refused(spec: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        create_descriptor(spec)
