"""Meshes to draw: a ball, and a ball with a nose, two eyeballs and 98 points that stands in for a head."""

from __future__ import annotations

from typing import Any

import numpy as np


def ball(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vertices, triangles and uv of a ball of radius 1; its seam is at the back, its front at uv (0.5, 0.5)."""
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns + 1), indexing="ij")
    down, turn = v * np.pi, u * 2 * np.pi
    vertices = np.dstack([-np.sin(down) * np.sin(turn), -np.cos(down), -np.sin(down) * np.cos(turn)])
    number = np.arange(v.size).reshape(v.shape)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]
    triangles = np.concatenate([np.dstack([a, b, c]).reshape(-1, 3), np.dstack([a, c, d]).reshape(-1, 3)])
    return vertices.reshape(-1, 3), triangles, np.dstack([u, v]).reshape(-1, 2)


def _outline(x: float, y: float, width: float, height: float, count: int) -> np.ndarray:
    """Return points of an ellipse, clockwise in the picture from its left end."""
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.column_stack([x - width * np.cos(turn), y - height * np.sin(turn)])


def places() -> np.ndarray:
    """Return where the 98 points of a plain face lie, ``(x, y)`` in distances between the pupils."""
    jaw = np.linspace(0, np.pi, 33)
    brow = np.column_stack([np.linspace(-0.8, -0.2, 5), [-0.35, -0.42, -0.44, -0.42, -0.36]])
    under = np.column_stack([np.linspace(-0.2, -0.65, 4), [-0.3, -0.34, -0.35, -0.32]])
    other = np.concatenate([brow[::-1], under[[3, 2, 1, 0]]]) * (-1, 1)
    right = np.concatenate([other[:5], other[[8, 7, 6, 5]][::-1]])
    eyes = [_outline(x, 0, 0.24, 0.1, 8) for x in (-0.5, 0.5)]
    nose = np.column_stack([np.linspace(-0.2, 0.2, 5), [0.66, 0.7, 0.72, 0.7, 0.66]])
    return np.concatenate(
        [
            np.column_stack([-1.05 * np.cos(jaw), 0.1 + 1.5 * np.sin(jaw)]),
            np.concatenate([brow, under]),
            right,
            np.column_stack([np.zeros(4), [0, 0.2, 0.38, 0.55]]),
            nose,
            *eyes,
            _outline(0, 1.05, 0.42, 0.18, 12),
            _outline(0, 1.05, 0.36, 0.07, 8),
            [(-0.5, 0), (0.5, 0)],
        ]
    )


def face() -> dict[str, Any]:
    """Return what ``render`` wants of a head: the same on both sides, skin above and pupils in the eyes' middles."""
    vertices, triangles, uv = ball(61, 100)
    vertices = vertices * (1.15, 1.6, 1.2) + (0, 0.3, -1.2)
    x, y, z = vertices.T
    front = z > -0.9
    vertices[:, 2] += front * 0.4 * np.exp(-((x / 0.15) ** 2) - ((y - 0.55) / 0.25) ** 2)
    centres = np.array([(-0.5, 0.0, -0.3), (0.5, 0.0, -0.3)])
    eye, eye_triangles, eye_uv = ball(21, 40)
    first = len(vertices)
    points = np.array([np.hypot(*(vertices[:first, :2] - p).T + ~front * 9.0).argmin() for p in places()])
    texture = np.full((256, 256, 3), (200, 150, 130), np.uint8)
    texture[-64:, :] = 235  # the eyeballs' share
    texture[-37:-27, 118:138] = 30
    uv = uv * (1, 0.74)
    eyes = []
    for side, centre in enumerate(centres):
        before = len(vertices)
        eyes.append((np.arange(before, before + len(eye)), centre))
        vertices = np.concatenate([vertices, eye * 0.25 + centre])
        triangles = np.concatenate([triangles, eye_triangles + before])
        uv = np.concatenate([uv, eye_uv * (1, 0.24) + (0, 0.755)])
        points[96 + side] = before + eye[:, 2].argmax()
    parts = np.zeros(len(triangles), np.uint8)
    parts[-2 * len(eye_triangles) :] = 1
    return {
        "vertices": vertices,
        "triangles": triangles,
        "uv": uv,
        "texture": texture,
        "parts": parts,
        "points": points,
        "eyes": eyes,
    }
