"""Five points of a face's many, and the box that a detector would draw."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from hybridfer.errors import DatasetError
from hybridfer.faces.points import box_from_points, five_points

UPRIGHT = np.array([[30.0, 40], [70, 40], [50, 60], [35, 80], [65, 80]])
"""Eyes 40 apart, mouth 40 below them, nose in the line between."""


def test_five_stay_five() -> None:
    assert five_points(UPRIGHT).tolist() == UPRIGHT.tolist()


def test_68_are_ibugs() -> None:
    """iBUG's markup, counted from 1: eyes 37-42 and 43-48, nose tip 31, corners of the mouth 49 and 55."""
    points = np.zeros((68, 2))
    points[36:42] = [[10, 20], [12, 18], [14, 18], [16, 20], [14, 22], [12, 22]]
    points[42:48] = points[36:42] + np.array([30, 1])
    points[30], points[48], points[54] = (28, 35), (18, 50), (38, 51)
    assert five_points(points).tolist() == [[13, 20], [43, 21], [28, 35], [18, 50], [38, 51]]


def test_98_are_wflws() -> None:
    """WFLW's markup: eyes 60-67 and 68-75, nose tip 54, corners of the mouth 76 and 82; 96 and 97 are pupils."""
    points = np.full((98, 2), 1000.0)
    corners = np.array([[0, 0], [1, -1], [2, -1], [3, -1], [4, 0], [3, 1], [2, 1], [1, 1]])
    points[60:68], points[68:76] = corners + np.array([10, 20]), corners + np.array([40, 20])
    points[54], points[76], points[82] = (27, 35), (18, 50), (38, 51)
    assert five_points(points).tolist() == [[12, 20], [42, 20], [27, 35], [18, 50], [38, 51]]


@pytest.mark.parametrize("shape", [(4, 2), (5, 3), (136,), (0, 2)])
def test_other_counts_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DatasetError, match="expected x and y of 5, 68, 98 points"):
        five_points(np.zeros(shape))


def test_the_box_holds_the_face() -> None:
    x0, y0, x1, y1 = box_from_points(UPRIGHT)
    assert (x0 + x1) / 2 == 50
    assert x0 < 30 and x1 > 70 and y0 < 30 and y1 > 90
    assert 1.2 < (y1 - y0) / (x1 - x0) < 1.4  # taller than wide, as MTCNN's


def test_the_box_moves_grows_and_mirrors_with_the_face() -> None:
    turned = UPRIGHT + np.array([[0, 0], [0, 3], [8, 1], [2, 0], [0, 0]])
    box = np.array(box_from_points(turned))
    np.testing.assert_allclose(box_from_points(turned * 3 + [7, -5]), box * 3 + [7, -5, 7, -5])
    mirrored = (turned * [-1, 1])[[1, 0, 2, 4, 3]]
    np.testing.assert_allclose(box_from_points(mirrored), box[[2, 1, 0, 3]] * [-1, 1, -1, 1])


def test_unknown_points_give_no_box() -> None:
    points = UPRIGHT.copy()
    points[2] = np.nan
    with pytest.raises(DatasetError, match="lacks some of its points"):
        box_from_points(points)


def test_points_in_one_place_give_finite_boxes() -> None:
    assert np.isfinite(box_from_points(np.full((5, 2), 3.0))).all()


@pytest.mark.slow
def test_boxes_are_those_of_the_published_mtcnn(data_folder: Path) -> None:
    """Of every fiftieth marked face: the box from its points shares most of its area with the one MTCNN draws."""
    from hybridfer.faces import detect
    from hybridfer.faces.overlap import overlaps

    with open(data_folder / "faces68" / "points.csv", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))[::50]
    shared = []
    for row in rows:
        points = [[float(row[f"x_{k}"]), float(row[f"y_{k}"])] for k in range(68)]
        drawn = [face.box for face in detect(data_folder / "faces68" / row["path"], "mtcnn", min_face=20)]
        shared.append(overlaps(np.array([box_from_points(points)]), np.array(drawn)).max())
    assert np.mean(shared) > 0.8
    assert np.mean(np.array(shared) > 0.5) > 0.95
