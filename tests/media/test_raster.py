"""Triangles become pixels: the same as the slow and obvious loop, and as geometry says."""

from __future__ import annotations

import numpy as np
import pytest
from media.toys import ball

from hybridfer.media.raster import rasterise, vertex_normals

ONE = np.array([[1.0, 1.0, 0.5], [1.0, 9.0, 0.5], [9.0, 9.0, 0.5]])
CORNERS = np.array([[0, 1, 2]])


def slow(
    corners: np.ndarray, triangles: np.ndarray, width: int, height: int
) -> dict[int, tuple[int, float, np.ndarray]]:
    """Return triangle, nearness and weights of each pixel that sees one: every pixel asked of every triangle."""
    grid = np.rint(corners[:, :2] * 256)
    seen: dict[int, tuple[int, float, np.ndarray]] = {}
    for number, triangle in enumerate(triangles):
        a, b, c = grid[triangle]
        whole = np.linalg.det([b - a, c - a])
        if whole >= 0:  # clockwise on a screen whose y points down, or empty
            continue
        for row in range(height):
            for column in range(width):
                p = np.array([column, row]) * 256.0
                shares = np.array([np.linalg.det([q - p, r - p]) for q, r in ((b, c), (c, a), (a, b))]) / whole
                if shares.min() < -1e-12:
                    continue
                near = float(shares @ corners[triangle, 2])
                pixel = row * width + column
                if pixel not in seen or near > seen[pixel][1]:
                    weights = shares * corners[triangle, 2]
                    seen[pixel] = number, near, weights / weights.sum()
    return seen


@pytest.mark.parametrize("seed", range(4))
def test_it_sees_what_the_plain_loop_sees(seed: int) -> None:
    random = np.random.default_rng(seed)
    corners = np.column_stack([random.uniform(-6, 26, (40, 2)), random.uniform(0.05, 0.2, 40)])
    triangles = random.integers(0, 40, (25, 3))
    raster = rasterise(corners, triangles, 21, 17)
    expected = slow(corners, triangles, 21, 17)
    assert len(expected) > 100
    assert sorted(raster.pixel) == sorted(expected)
    for pixel, triangle, weights in zip(raster.pixel, raster.triangle, raster.weights, strict=True):
        assert triangle == expected[pixel][0]
        np.testing.assert_allclose(raster.near.flat[pixel], expected[pixel][1], rtol=1e-6)
        np.testing.assert_allclose(weights, expected[pixel][2], atol=1e-9)
    assert (raster.near > 0).sum() == len(expected)


def test_triangles_that_share_edges_leave_no_hole() -> None:
    random = np.random.default_rng(0)
    places = np.dstack(np.meshgrid(np.linspace(1.5, 30.5, 25), np.linspace(2.5, 28.5, 25)))
    places[1:-1, 1:-1] += random.uniform(-0.4, 0.4, (23, 23, 2))
    number = np.arange(625).reshape(25, 25)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]
    triangles = np.concatenate([np.dstack([a, b, c]).reshape(-1, 3), np.dstack([a, c, d]).reshape(-1, 3)])
    raster = rasterise(np.column_stack([places.reshape(-1, 2), np.ones(625)]), triangles, 40, 40)
    covered = np.zeros((40, 40), bool)
    covered[3:29, 2:31] = True
    np.testing.assert_array_equal(raster.near > 0, covered)
    assert len(np.unique(raster.pixel)) == len(raster.pixel) == covered.sum()


def test_a_plane_at_45_degrees_lies_where_it_lies() -> None:
    # The plane z = x, seen from 10 away with a focal length of 80 pixels: x = d / 80 * column and d = 10 - x.
    x, y = (np.array(values) for values in ((-3.0, -3.0, 3.0, 3.0), (-3.0, 3.0, 3.0, -3.0)))
    corners = np.column_stack([32 + 80 * x / (10 - x), 32 + 80 * y / (10 - x), 1 / (10 - x)])
    raster = rasterise(corners, np.array([[0, 1, 2], [0, 2, 3]]), 65, 65)
    columns = raster.pixel % 65 - 32
    away = 10 / (1 + columns / 80)
    np.testing.assert_allclose(1 / raster.near.ravel()[raster.pixel], away, rtol=2e-4)  # corners move by 1/512 pixel
    across = (raster.weights * x[np.array([[0, 1, 2], [0, 2, 3]])[raster.triangle]]).sum(axis=1)
    np.testing.assert_allclose(across, 10 - away, atol=2e-3)


def test_a_spheres_outline_has_the_area_geometry_gives_it() -> None:
    vertices, triangles, _ = ball(60, 120)
    away = 6 - vertices[:, 2]
    corners = np.column_stack([100 + 400 * vertices[:, 0] / away, 100 + 400 * vertices[:, 1] / away, 1 / away])
    raster = rasterise(corners, triangles, 201, 201)
    radius = 400 / np.sqrt(6**2 - 1)
    assert len(raster.pixel) == pytest.approx(np.pi * radius**2, rel=0.01)
    assert 1 / raster.near.max() == pytest.approx(5, abs=1e-3)


def test_the_back_of_a_triangle_is_not_seen() -> None:
    assert len(rasterise(ONE, CORNERS, 12, 12).pixel) == 45  # rows 1 to 9 have 1 to 9 pixels
    assert len(rasterise(ONE, CORNERS[:, ::-1], 12, 12).pixel) == 0


def test_of_two_that_are_as_near_the_first_is_seen() -> None:
    assert (rasterise(ONE, np.repeat(CORNERS, 2, axis=0), 12, 12).triangle == 0).all()


def test_the_nearer_is_seen_whichever_comes_first() -> None:
    corners = np.concatenate([ONE, ONE * (1, 1, 1.01)])
    for order in (1, -1):
        raster = rasterise(corners, np.array([[0, 1, 2], [3, 4, 5]])[::order], 12, 12)
        assert (raster.triangle == (1 if order == 1 else 0)).all()


@pytest.mark.parametrize(
    "corners",
    [
        ONE * (1, 0, 1),  # a line
        ONE * (0, 0, 1),  # a point
        ONE - (-40, 0, 0),  # beside the picture
        ONE - (0, 40, 0),  # above it
        ONE * (0.05, 0.05, 1) + (5.2, 5.2, 0),  # between the pixels' centres
        ONE * (1, 1, -1),  # behind the camera
        ONE + np.array([[0, 0, 0], [0, 0, 0], [np.nan, 0, 0]]),
        ONE + np.array([[0, 0, 0], [0, 0, np.inf], [0, 0, 0]]),
        ONE * (1e9, 1e9, 1),
    ],
)
def test_triangles_that_nothing_can_be_seen_of_are_harmless(corners: np.ndarray) -> None:
    raster = rasterise(np.concatenate([ONE, corners]), np.array([[3, 4, 5], [0, 1, 2]]), 12, 12)
    assert len(raster.pixel) == 45 and (raster.triangle == 1).all()
    assert len(rasterise(corners, CORNERS, 12, 12).pixel) == 0


def test_a_mesh_of_no_triangles_is_not_seen() -> None:
    raster = rasterise(ONE, np.empty((0, 3), int), 5, 4)
    assert len(raster.pixel) == 0 and raster.near.shape == (4, 5) and not raster.near.any()


def test_a_triangle_larger_than_the_picture_fills_it() -> None:
    corners = np.array([[-500.0, -500, 1], [-500, 5000, 1], [5000, -500, 1]])
    assert (rasterise(corners, CORNERS, 9, 7).near == 1).all()


def test_the_normals_of_a_sphere_point_away_from_its_middle() -> None:
    vertices, triangles, _ = ball(40, 80)
    inner = np.abs(vertices[:, 1]) < 0.99  # at the poles and the seam a vertex has triangles on one side only
    inner &= ~np.isin(np.arange(len(vertices)) % 81, (0, 80))
    np.testing.assert_allclose(vertex_normals(vertices, triangles)[inner], vertices[inner], atol=0.01)


def test_a_vertex_of_empty_triangles_only_has_no_normal() -> None:
    normals = vertex_normals(np.zeros((4, 3)), np.array([[0, 1, 2]]))
    np.testing.assert_array_equal(normals, np.zeros((4, 3)))
