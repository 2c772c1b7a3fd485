"""Triangles become pixels: which triangle each pixel sees, where in it, and how near.

Small on purpose: numpy, one picture at a time, on the CPU. Corners are snapped to 1/256 of a pixel and edges tested in
whole numbers, so that triangles that share an edge leave no hole and the same mesh gives the same pixels everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Indices = npt.NDArray[np.integer]

STEPS = 256
"""Parts of a pixel that corners are snapped to."""

FARTHEST = 1 << 20
"""Triangles that reach further than this many pixels from the picture's corner are left out."""


@dataclass(frozen=True, eq=False)
class Raster:
    """What each pixel sees.

    Attributes
    ----------
    pixel : (k,) int64
        The pixels that see a triangle, ``row * width + column``.
    triangle : (k,) int64
        The triangle each of them sees.
    weights : (k, 3) float64
        How much of each of its corners is seen there, in perspective; they sum to 1.
    near : (height, width) float32
        One over the distance of what each pixel sees; 0 where it sees nothing.
    """

    pixel: Indices
    triangle: Indices
    weights: Floats
    near: npt.NDArray[np.float32]


def rasterise(corners: Floats, triangles: Indices, width: int, height: int) -> Raster:
    """Return what each pixel of a picture sees of a mesh.

    A row of pixels meets a triangle in one span, found exactly from its three edges; only pixels inside are ever looked
    at, however large or thin the triangle. The nearest is kept, of equally near ones the first.

    Parameters
    ----------
    corners : (n, 3) float
        x and y in pixels, the upper left pixel's centre being (0, 0), and one over the distance from the camera. A
        corner behind the camera, or not finite, takes its triangles with it.
    triangles : (m, 3) int
        Their corners, counter-clockwise as the camera sees them; others are seen from behind and left out.

    Returns
    -------
    Raster
    """
    near = corners[:, 2]
    known = np.isfinite(corners).all(axis=1) & (near > 0) & (np.abs(corners[:, :2]) < FARTHEST).all(axis=1)
    x, y = np.rint(np.where(known[:, None], corners[:, :2], 0) * STEPS).astype(np.int64).T
    i, j, k = triangles.T
    # Twice the area, positive for counter-clockwise corners where y points down.
    area = (y[j] - y[i]) * (x[k] - x[i]) - (x[j] - x[i]) * (y[k] - y[i])
    top = np.maximum(-(-np.minimum(np.minimum(y[i], y[j]), y[k]) // STEPS), 0)
    bottom = np.minimum(np.maximum(np.maximum(y[i], y[j]), y[k]) // STEPS, height - 1)
    seen = np.flatnonzero((area > 0) & known[i] & known[j] & known[k] & (top <= bottom))

    row, span = _counted(top[seen], (bottom - top)[seen] + 1)
    of = seen[span]
    first, last = np.zeros_like(row), np.full_like(row, width - 1)
    edges = []
    for p, q in ((j, k), (k, i), (i, j)):
        px, py = x[p[of]], y[p[of]]
        dx, dy = x[q[of]] - px, y[q[of]] - py
        # The edge's value at column c is rest + slope * c: the corner's weight across from it, never negative inside.
        rest, slope = -dx * (row * STEPS - py) - dy * px, dy * STEPS
        bound = rest // np.where(slope == 0, 1, -slope)
        last = np.where(slope < 0, np.minimum(last, bound), last)
        first = np.where(slope > 0, np.maximum(first, -(rest // np.where(slope == 0, 1, slope))), first)
        last = np.where((slope == 0) & (rest < 0), -1, last)
        edges.append((rest, slope))
    held = np.flatnonzero(first <= last)
    row, of, first, last = row[held], of[held], first[held], last[held]
    edges = [(rest[held], slope[held]) for rest, slope in edges]

    whole = area[of].astype(np.float64)
    start = sum((e[0] + e[1] * first) * near[p[of]] for e, p in zip(edges, (i, j, k), strict=True)) / whole
    step = sum(e[1] * near[p[of]] for e, p in zip(edges, (i, j, k), strict=True)) / whole
    column, span = _counted(first, last - first + 1)
    depth = (start[span] + step[span] * (column - first[span])).astype(np.float32)
    pixel = row[span] * width + column
    # Positive floats order as their bits do: one number says how near, and which triangle where two are as near.
    rank = (depth.view(np.int32).astype(np.int64) << 32) | (0x7FFFFFFF - of[span])
    best = np.zeros(width * height, np.int64)
    np.maximum.at(best, pixel, rank)
    won = np.flatnonzero(best[pixel] == rank)

    pixel, column, span = pixel[won], column[won], span[won]
    triangle = of[span]
    shares = np.stack([e[0][span] + e[1][span] * column for e in edges], axis=1) * near[triangles[triangle]]
    weights = shares / shares.sum(axis=1, keepdims=True)
    nearest = (best >> 32).astype(np.int32).view(np.float32).reshape(height, width)
    return Raster(pixel, triangle, weights, nearest)


def vertex_normals(vertices: Floats, triangles: Indices) -> npt.NDArray[np.float32]:
    """Return the unit normals ``(n, 3)`` of a mesh's vertices, each its triangles' mean by area.

    They point to where the triangles are counter-clockwise from, in axes x right, y down, z towards the viewer; a
    vertex of no triangle, or of empty ones only, has (0, 0, 0).
    """
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    faces = np.cross(c - a, b - a)
    ends, count = triangles.T.ravel(), len(vertices)
    sums = np.stack([np.bincount(ends, np.tile(faces[:, axis], 3), count) for axis in range(3)], axis=1)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return (sums / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _counted(first: Indices, counts: Indices) -> tuple[Indices, Indices]:
    """Return first, first + 1 … for each of `counts`, and which each belongs to."""
    span = np.repeat(np.arange(len(counts)), counts)
    before = np.cumsum(counts) - counts
    return np.arange(len(span)) - before[span] + first[span], span
