"""WFLW's 98 points and iBUG's 68: mirrors, corners, and what is one in the other."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hybridfer.errors import SpecError
from hybridfer.faces.points import SCHEMES as FIVE
from hybridfer.faces.schemes import (
    IBUG68,
    IBUG68_IN_WFLW98,
    SCHEMES,
    WFLW98,
    mirror,
    scheme_named,
    scheme_of,
    to_ibug68,
    to_wflw98,
)


def drawn_face() -> np.ndarray:
    """98 points of a face that looks ahead, its middle at x = 50, by hand and by what WFLW's numbers mean."""
    points = np.zeros((98, 2))
    bow = np.radians(np.linspace(180, 0, 33))
    points[:33] = np.column_stack([50 + 40 * np.cos(bow), 40 + 55 * np.sin(bow)])
    points[33:38] = [[15, 30], [22, 25], [29, 24], [36, 25], [43, 28]]
    points[38:42] = [[43, 31], [36, 28], [29, 27], [22, 28]]
    points[42:47] = [[57, 28], [64, 25], [71, 24], [78, 25], [85, 30]]
    points[47:51] = [[78, 28], [71, 27], [64, 28], [57, 31]]
    points[51:55] = [[50, 38], [50, 45], [50, 52], [50, 58]]
    points[55:60] = [[42, 62], [46, 64], [50, 65], [54, 64], [58, 62]]
    points[60:68] = [[20, 40], [24, 37], [29, 36], [34, 37], [38, 40], [34, 42], [29, 43], [24, 42]]
    points[68:76] = [[62, 40], [66, 37], [71, 36], [76, 37], [80, 40], [76, 42], [71, 43], [66, 42]]
    points[76:83] = [[35, 76], [40, 73], [46, 71], [50, 72], [54, 71], [60, 73], [65, 76]]
    points[83:88] = [[60, 81], [55, 83], [50, 84], [45, 83], [40, 81]]
    points[88:93] = [[37, 76], [45, 75], [50, 75], [55, 75], [63, 76]]
    points[93:96] = [[55, 78], [50, 79], [45, 78]]
    points[96:] = [[29, 39], [71, 39]]
    return points


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda scheme: scheme.name)
def test_a_mirror_s_mirror_is_the_face_and_each_pair_is_told_once(scheme) -> None:
    assert_array_equal(scheme.mirrored[scheme.mirrored], np.arange(scheme.count))
    told = [point for pair in scheme.pairs for point in pair]
    assert len(told) == len(set(told))
    assert scheme.mirrored[scheme.corners[0]] == scheme.corners[1]
    assert sorted(scheme.mirrored[list(scheme.pupils[0])]) == list(scheme.pupils[1])


def test_the_pairs_of_98_are_the_published_ones() -> None:
    """SPEC 2.6, as HRNet-Facial-Landmark-Detection has them."""
    alone = {16, 51, 52, 53, 54, 57, 79, 85, 90, 94}
    assert {int(k) for k in np.flatnonzero(WFLW98.mirrored == np.arange(98))} == alone
    published = {0: 32, 15: 17, 33: 46, 37: 42, 38: 50, 41: 47, 55: 59, 60: 72, 61: 71, 62: 70, 63: 69, 64: 68}
    published |= {65: 75, 66: 74, 67: 73, 76: 82, 77: 81, 78: 80, 87: 83, 86: 84, 88: 92, 89: 91, 95: 93, 96: 97}
    assert {one: int(WFLW98.mirrored[one]) for one in published} == published


def test_the_pairs_of_68_are_the_published_ones() -> None:
    """MATCHED_PARTS of the same repository, which counts from 1; a row lacks 9, 28 to 31, 34, 52, 58, 63 and 67."""
    rows = "1-17 2-16 3-15 4-14 5-13 6-12 7-11 8-10 18-27 19-26 20-25 21-24 22-23 32-36 33-35 37-46 38-45 39-44 40-43"
    rows += " 41-48 42-47 49-55 50-54 51-53 62-64 61-65 68-66 59-57 60-56"
    published = {tuple(sorted(int(k) - 1 for k in row.split("-"))) for row in rows.split()}
    assert {tuple(sorted(pair)) for pair in IBUG68.pairs} == published


def test_a_face_that_looks_ahead_is_its_own_mirror_image() -> None:
    assert_allclose(mirror(drawn_face(), 101), drawn_face(), atol=1e-12)
    assert_allclose(mirror(to_ibug68(drawn_face()), 101), to_ibug68(drawn_face()), atol=1e-12)


def test_the_first_pixel_of_a_mirror_is_the_last_of_the_picture() -> None:
    points = np.zeros((98, 2))
    points[0] = 3, 7
    assert mirror(points, 10)[32].tolist() == [6, 7]


def test_mirrors_and_the_68_among_the_98_go_together() -> None:
    points = np.random.default_rng(0).uniform(0, 100, (5, 98, 2))
    assert_array_equal(to_ibug68(mirror(points, 64)), mirror(to_ibug68(points), 64))


def test_the_68_are_17_of_the_jaw_and_so_on() -> None:
    """SPEC 2.6: 17 + 5 + 5 + 4 + 5 + 6 + 6 + 12 + 8; nose tip and corners of the mouth as for five points."""
    groups = [range(33), range(33, 38), range(42, 47), range(51, 55), range(55, 60)]
    groups += [range(60, 68), range(68, 76), range(76, 88), range(88, 96)]
    assert [int(np.isin(IBUG68_IN_WFLW98, list(group)).sum()) for group in groups] == [17, 5, 5, 4, 5, 6, 6, 12, 8]
    assert len(set(IBUG68_IN_WFLW98)) == 68
    assert [IBUG68_IN_WFLW98[group[0]] for group in FIVE[68][2:]] == [group[0] for group in FIVE[98][2:]]
    assert [IBUG68_IN_WFLW98[corner] for corner in IBUG68.corners] == list(WFLW98.corners)


def test_68_among_98_leave_the_rest_unknown() -> None:
    points = np.random.default_rng(1).uniform(0, 100, (2, 68, 2))
    wide = to_wflw98(points)
    assert wide.shape == (2, 98, 2)
    assert np.isnan(wide).any(-1).sum() == 2 * 30
    assert_array_equal(to_ibug68(wide), points)
    assert_array_equal(to_wflw98(wide), wide)
    assert_array_equal(to_ibug68(points), points)


@pytest.mark.parametrize("shape", [(67, 2), (98, 3), (196,), (0, 2)])
def test_other_numbers_of_points_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match="expected x and y of 98 or 68 points"):
        scheme_of(np.zeros(shape))


def test_schemes_are_known_by_name() -> None:
    assert scheme_named("ibug68") is IBUG68
    with pytest.raises(SpecError, match=r"No scheme of points 'wflw68'\. Did you mean 'wflw98'"):
        scheme_named("wflw68")
