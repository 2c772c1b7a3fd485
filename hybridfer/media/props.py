"""What stands before and behind a drawn face: glasses, masks, hands, a strand of hair; walls, stripes, lights.

What stands before it is made of the same stuff as the head, triangles in the head's own coordinates, so that it turns
with the head, is lit and blurred with it, and hides what lies behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hybridfer.media.raster import Floats, Indices, rasterise

CELLS = 16
"""Cells of a relief a unit of length."""


@dataclass(frozen=True, eq=False)
class Thing:
    """A mesh of one colour: ``vertices (n, 3)``, ``triangles (m, 3)``, sRGB from 0 to 1."""

    vertices: Floats
    triangles: Indices
    colour: Sequence[float]


class Sitter:
    """What things are fitted to: the face's 98 points in space, and how far it reaches to the front."""

    def __init__(self, vertices: Floats, triangles: Indices, points: Floats, skin: Floats, hair: Floats) -> None:
        import cv2

        self.points, self.skin, self.hair = points, skin, hair
        self.back = float(vertices[:, 2].min())
        flat = np.column_stack([vertices[:, :2] * CELLS + (2 * CELLS, 3 * CELLS), vertices[:, 2] - self.back + 1])
        near = rasterise(flat, triangles, 4 * CELLS + 1, 6 * CELLS + 1).near
        self.relief = cv2.dilate(near, np.ones((3, 3), np.uint8)) + self.back - 1

    def front(self, places: Floats) -> Floats:
        """Return the greatest z of the face about each place ``(…, 2)``."""
        cell = np.rint(places * CELLS + (2 * CELLS, 3 * CELLS)).astype(np.intp)
        rows, columns = self.relief.shape
        heights: Floats = self.relief[cell[..., 1].clip(0, rows - 1), cell[..., 0].clip(0, columns - 1)]
        return heights.clip(self.points[:, 2].min() - 0.2)

    def before(self, places: Floats, gap: float) -> Floats:
        """Return points ``(…, 3)`` that stand `gap` before the face at each place."""
        return np.concatenate([places, self.front(places)[..., None] + gap], axis=-1)


def _glasses(sitter: Sitter, random: np.random.Generator) -> list[Thing]:
    colour = random.choice([(0.06, 0.06, 0.07), (0.30, 0.17, 0.09), (0.55, 0.55, 0.58), (0.42, 0.10, 0.12)])
    return _frame(sitter, random, colour, random.uniform(0.025, 0.05))[0]


def _sunglasses(sitter: Sitter, random: np.random.Generator) -> list[Thing]:
    things, rims = _frame(sitter, random, (0.05, 0.05, 0.06), 0.04)
    colour = random.choice([(0.05, 0.05, 0.07), (0.16, 0.10, 0.06), (0.07, 0.10, 0.08)])
    for rim in rims:
        middle = rim[:-1].mean(axis=0)
        rings = [middle + (rim - middle) * share for share in (1, 0.5, 0)]
        things.append(_sheet(np.stack(rings), colour))
    return things


def _frame(
    sitter: Sitter, random: np.random.Generator, colour: Sequence[float], thick: float
) -> tuple[list[Thing], list[Floats]]:
    """Return two rims, a bridge and two temples, and the rims' middle lines."""
    p = sitter.points
    width, height, square = random.uniform(0.40, 0.46), random.uniform(0.28, 0.38), random.uniform(0.6, 1.0)
    turn = np.linspace(0, 2 * np.pi, 33)
    round_ = np.column_stack([np.cos(turn), np.sin(turn)])
    shape = np.sign(round_) * np.abs(round_) ** square * (width, height)
    rims = [(p[eye, :2] + (side * 0.04, 0.06)) + shape for eye, side in ((96, -1), (97, 1))]
    plane = max(sitter.front(rim).max() for rim in rims) + 0.04
    lines = [np.column_stack([rim, np.full(len(rim), plane)]) for rim in rims]
    left, right = lines[0], lines[1]
    inner, other = left[left[:, 0].argmax()], right[right[:, 0].argmin()]
    arch = np.linspace(inner, other, 9) - np.sin(np.linspace(0, np.pi, 9))[:, None] * (0, 0.06, 0)
    things = [_tube(line, thick, colour) for line in (*lines, arch)]
    for line, ear, side in ((left, p[0], -1), (right, p[32], 1)):
        hinge = line[(line[:, 0] * side).argmax()] - (0, 0.1, 0)
        corner = np.array([max(hinge[0] * side, ear[0] * side + 0.05) * side, hinge[1], hinge[2] - 0.15])
        end = np.array([ear[0] + side * 0.05, ear[1] - 0.1, ear[2] - 0.4])
        things.append(_tube(np.stack([hinge, corner, end]), thick * 0.8, colour))
    return things, lines


def _mask(sitter: Sitter, random: np.random.Generator) -> list[Thing]:
    colour = random.choice([(0.55, 0.72, 0.82), (0.92, 0.93, 0.94), (0.10, 0.10, 0.12), (0.62, 0.78, 0.70)])
    p = sitter.points
    rows = np.linspace(0, 1, 15)
    along = 3 + rows * 12
    left, right = (_between(p, place) for place in (along, 32 - along))
    middle = p[52] + rows[:, None] * (p[16] - p[52])
    left, right = (middle + (side - middle) * 1.06 for side in (left, right))  # the jaw itself is covered too
    across = np.linspace(-1, 1, 25)
    edge = np.where(across[:, None] < 0, left[:, None], right[:, None])
    bend = np.sqrt(1 - across**2)[:, None]
    sheet = edge + (middle[:, None] - edge) * (1 - np.abs(across[:, None]))
    sheet[..., 1:2] += (middle[:, None, 1:2] - sheet[..., 1:2]) * bend * 0.5
    reach = sitter.front(sheet[..., :2]).max(axis=1) + 0.06
    round_ = edge[..., 2] + (reach[:, None] - edge[..., 2]) * bend[:, 0]
    sheet[..., 2] = np.maximum(round_, sitter.front(sheet[..., :2]) + 0.05 * bend[:, 0])
    loops = [_tube(np.stack([sheet[0, end], p[ear] - (0, 0, 0.1)]), 0.02, colour) for end, ear in ((0, 0), (-1, 32))]
    return [_sheet(sheet, colour), *loops]


def _hand(sitter: Sitter, random: np.random.Generator) -> list[Thing]:
    """Return a palm and four fingers at the chin, a cheek or an eye, in the skin's own colour."""
    p = sitter.points
    side = int(random.choice([-1, 1]))
    eye, cheek, mouth = (96, 3, 76) if side < 0 else (97, 29, 82)
    place = [p[16], (p[cheek] + p[mouth]) / 2, p[eye] + (0, 0.1, 0)][int(random.integers(3))][:2]
    lean = np.radians(random.uniform(-30, 30) - side * 15)
    up, aside = np.array([np.sin(lean), -np.cos(lean)]), np.array([np.cos(lean), np.sin(lean)])
    colour = np.clip(sitter.skin * random.uniform(0.9, 1.05), 0, 1)
    things = [_ball(sitter.before(place - up * 0.62, 0.15), (0.46, 0.50, 0.20), lean, colour)]
    for finger in range(4):
        length = (0.34, 0.42, 0.40, 0.30)[finger]
        middle = place + aside * (finger - 1.5) * 0.22 - up * (0.30 - length)
        things.append(_ball(sitter.before(middle, 0.12), (0.115, length, 0.12), lean + (finger - 1.5) * 0.06, colour))
    return things


def _hair(sitter: Sitter, random: np.random.Generator) -> list[Thing]:
    """Return a strand that falls from the hairline over an eye to the cheek."""
    p = sitter.points
    side = int(random.choice([-1, 1]))
    eye = p[96 if side < 0 else 97, :2]
    start = eye - np.array([side * random.uniform(0.3, 0.6), 1.15])
    end = eye + np.array([side * 0.25, random.uniform(0.5, 1.1)])
    fall = np.linspace(0, 1, 14)[:, None]
    things = []
    for number in range(9):
        aside = np.array([(number - 4) * 0.055, 0]) + random.uniform(-0.02, 0.02, 2)
        places = start + (end - start) * fall + (side * 0.35, 0) * np.sin(np.pi * fall) + aside * (1.2 - fall)
        things.append(_tube(sitter.before(places, 0.08), 0.05, np.clip(sitter.hair * random.uniform(0.8, 1.2), 0, 1)))
    return things


OCCLUDERS: dict[str, Callable[[Sitter, np.random.Generator], list[Thing]]] = {
    "glasses": _glasses,
    "sunglasses": _sunglasses,
    "mask": _mask,
    "hand": _hand,
    "hair": _hair,
}
"""What may stand before a face, by name."""


def _between(points: Floats, places: Floats) -> Floats:
    """Return the points at fractional places along a line of points."""
    low = np.floor(places).astype(np.intp)
    share = (places - low)[:, None]
    between: Floats = points[low] * (1 - share) + points[np.minimum(low + 1, len(points) - 1)] * share
    return between


def _sheet(grid: Floats, colour: Sequence[float] | Floats) -> Thing:
    """Return the surface over a grid of points, seen from where its rows run down and its columns to the right."""
    rows, columns = grid.shape[:2]
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]
    triangles = np.stack([np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)]).reshape(-1, 3)
    return Thing(grid.reshape(-1, 3), triangles, tuple(float(value) for value in colour))


def _tube(path: Floats, radius: float, colour: Sequence[float] | Floats) -> Thing:
    """Return a tube of six sides about a line of points."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    aside = np.cross(along, np.eye(3)[np.abs(along).max(axis=0).argmin()])
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    turn = np.linspace(0, 2 * np.pi, 7)[:, None]
    ring = np.cos(turn) * aside[:, None] + np.sin(turn) * np.cross(along, aside)[:, None]
    return _sheet(path[:, None] + radius * ring, colour)


def _ball(centre: Floats, axes: Sequence[float], lean: float, colour: Sequence[float] | Floats) -> Thing:
    """Return an ellipsoid, turned clockwise in the picture by `lean` radians."""
    down, turn = np.linspace(0, np.pi, 13)[:, None], np.linspace(0, 2 * np.pi, 19)
    x = -np.sin(down) * np.sin(turn) * axes[0]
    y = -np.cos(down) * axes[1] * np.ones_like(turn)
    z = -np.sin(down) * np.cos(turn) * axes[2]
    cos, sin = np.cos(lean), np.sin(lean)
    return _sheet(np.stack([x * cos - y * sin, x * sin + y * cos, z], axis=-1) + centre, colour)


def _plain(size: int, random: np.random.Generator) -> Floats:
    return np.broadcast_to(_muted(random), (size, size, 3))


def _gradient(size: int, random: np.random.Generator) -> Floats:
    share = _slope(size, random.uniform(0, 2 * np.pi))[..., None]
    return np.asarray(_muted(random) * (1 - share) + _muted(random) * share)


def _bokeh(size: int, random: np.random.Generator) -> Floats:
    """Return what a wide lens makes of a place far behind: soft patches, and lights as discs."""
    import cv2

    patches = (random.uniform(0.1, 0.7, (6, 6, 1)) + random.uniform(-0.1, 0.1, (6, 6, 3))).astype(np.float32)
    patches = cv2.resize(patches, (size, size), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(random.integers(4, 12))):
        x, y = (int(value) for value in random.integers(0, size, 2))
        light = random.uniform(0.5, 1.0) + random.uniform(-0.15, 0.15, 3)
        disc = patches.copy()
        cv2.circle(disc, (x, y), int(size * random.uniform(0.03, 0.1)) + 1, light.tolist(), -1)
        patches = cv2.addWeighted(patches, 0.5, disc, 0.5, 0)
    soft: Floats = cv2.GaussianBlur(patches, (0, 0), size / 64)
    return soft


def _stripes(size: int, random: np.random.Generator) -> Floats:
    wave = np.sin(_slope(size, random.uniform(0, np.pi)) * np.pi * random.uniform(6, 24) + random.uniform(0, 6))
    share = (np.clip(wave * random.uniform(1, 8), -1, 1)[..., None] + 1) / 2
    return np.asarray(_muted(random) * (1 - share) + _muted(random) * share)


def _room(size: int, random: np.random.Generator) -> Floats:
    """Return two walls, a floor, and something bright and something dark that hangs on them."""
    wall = _muted(random)
    room = np.empty((size, size, 3))
    room[:] = wall
    room[:, int(size * random.uniform(0.05, 0.95)) :] = wall * random.uniform(0.7, 0.9)
    for _ in range(int(random.integers(2, 5))):
        (x, y), (width, height) = random.uniform(-0.1, 0.9, 2) * size, random.uniform(0.1, 0.4, 2) * size
        rows, columns = slice(max(int(y), 0), int(y + height)), slice(max(int(x), 0), int(x + width))
        room[rows, columns] = _muted(random)
    room[int(size * random.uniform(0.75, 0.98)) :] = _muted(random) * 0.7
    return room


BACKGROUNDS: dict[str, Callable[[int, np.random.Generator], Floats]] = {
    "plain": _plain,
    "gradient": _gradient,
    "bokeh": _bokeh,
    "stripes": _stripes,
    "room": _room,
}
"""What may lie behind a face, by name: each fills a square with sRGB from 0 to 1."""


def _muted(random: np.random.Generator) -> npt.NDArray[np.float64]:
    return np.asarray(np.clip(random.uniform(0.15, 0.85) + random.uniform(-0.08, 0.08, 3), 0, 1))


def _slope(size: int, angle: float) -> Floats:
    """Return 0 to 1 across a square, rising along an angle."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    return np.asarray(np.clip(x * np.cos(angle) + y * np.sin(angle) + 0.5, 0, 1))
