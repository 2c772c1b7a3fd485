"""What the networks of a detector are shown: windows of scenes, and how much of a face each of them holds.

A scene is a square made of pictures, one or many side by side, so that faces of every size occur beside clutter. P-Net
is shown windows by chance; R-Net and O-Net those that the networks before them let through, so that each one learns
what is left for it to do. A window holds a face (*positive*) if they share more than 0.65 of their union, a part of one
from 0.4 on, and none (*negative*) below 0.3; what lies between teaches nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hybridfer.datasets.boxes import Annotated
from hybridfer.deep.cascade import CELL, crops
from hybridfer.errors import PictureError, TrainingError
from hybridfer.faces.overlap import overlaps
from hybridfer.types import Pixels

Floats = npt.NDArray[np.float64]

NEGATIVE, POSITIVE, PART = 0, 1, 2

NEGATIVE_BELOW, PART_FROM, POSITIVE_ABOVE = 0.3, 0.4, 0.65

IGNORED_FROM = 0.1
"""A window that shares this much with a face that is to be ignored teaches nothing, whatever else is in it."""

FROM_ONE = np.array([1.0, 1, 0, 0])
"""From boxes counted from 0, end-exclusive, to the cascade's, counted from 1 with the last pixel."""

SIDE = 480
"""Side of a scene in pixels."""

TILES, TILE_SHARES = (1, 2, 3, 4, 6, 8, 12), (0.4, 0.25, 0.14, 0.1, 0.06, 0.03, 0.02)
"""How many pictures a scene has beside one another, and how often."""

SMALLEST = 10.0
"""Faces smaller than this many pixels are neither faces nor none."""

NEGATIVES, NEAR, CANDIDATES = 60, 5, 16
"""Windows by chance of a scene, and of a face: near it, and round it."""

LEFTOVERS = 60
"""The windows without a face that are kept of a scene of those that a network let through."""


@dataclass(frozen=True)
class Scene:
    """A picture and what is known of its faces, as in :class:`~hybridfer.datasets.boxes.Annotated`."""

    pixels: Pixels
    boxes: Floats
    ignored: npt.NDArray[np.bool_]
    points: Floats


@dataclass(frozen=True)
class Samples:
    """Windows of one size and what is in them.

    Attributes
    ----------
    pixels : (n, side, side, 3) uint8
    kinds : (n,) uint8
        NEGATIVE, POSITIVE or PART.
    boxes : (n, 4) float32
        Corners of the face, as shares of the window's side; NaN for negatives.
    points : (n, 10) float32
        Five x and then five y, likewise; NaN where they are unknown.
    """

    pixels: npt.NDArray[np.uint8]
    kinds: npt.NDArray[np.uint8]
    boxes: npt.NDArray[np.float32]
    points: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.kinds)


Look = Callable[[Pixels], Floats]
"""What of a picture a network is shown: from pixels to squares ``(n, 4)``, as the cascade counts."""


def scenes(pictures: Sequence[Annotated], count: int, random: np.random.Generator) -> Iterator[Scene]:
    """Yield `count` scenes; every picture has been in one before any is in a second."""
    order: list[int] = []

    def drawn() -> Annotated:
        if not order:
            order.extend(random.permutation(len(pictures)).tolist())
        return pictures[order.pop()]

    for _ in range(count):
        tiles = int(random.choice(TILES, p=TILE_SHARES))
        side = SIDE // tiles
        parts = []
        for place in range(tiles * tiles):
            row, column = divmod(place, tiles)
            parts.append(_tile(drawn(), side, random, np.array([column, row]) * side))
        rows = [np.hstack([part.pixels for part in parts[k : k + tiles]]) for k in range(0, len(parts), tiles)]
        yield Scene(
            np.vstack(rows),
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.ignored for part in parts]),
            np.concatenate([part.points for part in parts]),
        )


def _tile(picture: Annotated, side: int, random: np.random.Generator, corner: npt.NDArray[np.int64]) -> Scene:
    """Return a square of a picture, its faces where they come to lie in the scene whose `corner` it has."""
    import cv2

    try:
        pixels = picture.source.read().pixels
    except PictureError as error:
        raise PictureError(f"{picture.input} cannot be learnt from: {error}") from None
    height, width = pixels.shape[:2]
    scale = side / min(height, width) * random.uniform(1, 1.3)
    columns, rows = max(side, round(width * scale)), max(side, round(height * scale))
    shift = np.array([random.integers(0, columns - side + 1), random.integers(0, rows - side + 1)])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(pixels, (columns, rows), interpolation=how)
    grow = np.array([columns / width, rows / height])
    boxes = picture.boxes * np.tile(grow, 2) - np.tile(shift, 2)
    points = picture.points * grow - shift
    inside = np.minimum(boxes[:, 2:], side) - np.maximum(boxes[:, :2], 0)
    seen = (inside > 0).all(1)
    whole = np.prod(np.maximum(inside, 0), 1) > 0.7 * np.prod(boxes[:, 2:] - boxes[:, :2], 1)
    small = (boxes[:, 2:] - boxes[:, :2]).min(1) < SMALLEST
    return Scene(
        resized[shift[1] : shift[1] + side, shift[0] : shift[0] + side],
        (boxes + np.tile(corner, 2))[seen],
        (picture.ignored | small | ~whole)[seen],
        (points + corner)[seen],
    )


def sort_windows(windows: Floats, scene: Scene) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the kind of each window, -1 where it teaches nothing, and the face it belongs to."""
    kinds = np.full(len(windows), -1)
    nearest = np.zeros(len(windows), np.int64)
    if len(scene.boxes) == 0:
        return np.full(len(windows), NEGATIVE), nearest
    shared = overlaps(windows, scene.boxes)
    nearest = shared.argmax(1)
    most = shared.max(1)
    kinds[most < NEGATIVE_BELOW] = NEGATIVE
    kinds[(most >= PART_FROM) & (most <= POSITIVE_ABOVE)] = PART
    kinds[most > POSITIVE_ABOVE] = POSITIVE
    if scene.ignored.any():
        kinds[shared[:, scene.ignored].max(1) >= IGNORED_FROM] = -1
    return kinds, nearest


def chance_windows(scene: Scene, random: np.random.Generator) -> Floats:
    """Return squares ``(n, 4)``, end-exclusive: some anywhere in the scene, and near and round each of its faces."""
    side = len(scene.pixels)
    sides = CELL * (side / 2 / CELL) ** random.random(NEGATIVES)
    corners = random.random((NEGATIVES, 2)) * (side - sides)[:, None]
    found = [np.hstack([corners, corners + sides[:, None]])]
    for box in scene.boxes[~scene.ignored]:
        size = box[2:] - box[:2]
        sides = random.uniform(0.8 * size.min(), 1.25 * size.max(), CANDIDATES)
        middles = (box[:2] + box[2:]) / 2 + random.uniform(-0.2, 0.2, (CANDIDATES, 2)) * size
        near = random.uniform(0.4 * size.min(), 1.6 * size.max(), NEAR)
        beside = (box[:2] + box[2:]) / 2 + random.uniform(-1, 1, (NEAR, 2)) * size
        for middle, length in ((middles, sides), (beside, near)):
            found.append(np.hstack([middle - length[:, None] / 2, middle + length[:, None] / 2]))
    return np.concatenate(found)


def collect(
    pictures: Sequence[Annotated],
    side: int,
    count: int,
    random: np.random.Generator,
    look: Look | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> Samples:
    """Return the samples of a network out of `count` scenes.

    Parameters
    ----------
    pictures : sequence of Annotated
    side : int
        Of a sample: 12 is P-Net's and has a pixel more on every side, which its 5×5 kernels see: 14.
    count : int
        Scenes.
    random : Generator
    look : callable, optional
        The networks before this one; without, windows are chosen by chance alone.
    tell : callable, optional
        Told how many scenes are done, and how many there will be.

    Raises
    ------
    PictureError
        If a picture cannot be read.
    TrainingError
        If no window holds a face.
    """
    parts: list[Samples] = []
    for number, scene in enumerate(scenes(pictures, count, random), start=1):
        parts.append(_samples(scene, side, random, look))
        if tell is not None:
            tell(number, count)
    found = Samples(
        np.concatenate([part.pixels for part in parts]),
        np.concatenate([part.kinds for part in parts]),
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.points for part in parts]),
    )
    for kind, name in ((POSITIVE, "with a face"), (NEGATIVE, "without one")):
        if not (found.kinds == kind).any():
            raise TrainingError(f"Of {len(found)} windows none is {name}; are the boxes those of the pictures?")
    return found


def _samples(scene: Scene, side: int, random: np.random.Generator, look: Look | None) -> Samples:
    # Cut at whole pixels, as the cascade cuts: what the target is measured from must be what is seen.
    windows = chance_windows(scene, random)
    if look is not None:
        # Without a face only what the networks before let through is hard enough to be worth the time.
        windows = np.concatenate([windows[NEGATIVES:], np.trunc(look(scene.pixels)) - FROM_ONE])
    windows = np.round(windows)
    windows = windows[(windows[:, 2:] - windows[:, :2] >= SMALLEST).all(1)]
    kinds, nearest = sort_windows(windows, scene)
    kept = np.flatnonzero(kinds > NEGATIVE)
    rest = np.flatnonzero(kinds == NEGATIVE)
    if look is not None and len(rest) > LEFTOVERS:
        rest = random.choice(rest, LEFTOVERS, replace=False)
    kept = np.sort(np.concatenate([kept, rest]))
    windows, kinds, nearest = windows[kept], kinds[kept], nearest[kept]
    boxes = np.full((len(kept), 4), np.nan)
    points = np.full((len(kept), 10), np.nan)
    faces = kinds != NEGATIVE
    if faces.any():
        corner, length = windows[faces, :2], (windows[faces, 2:] - windows[faces, :2])[:, :1]
        boxes[faces] = (scene.boxes[nearest[faces]] - np.hstack([corner, corner])) / length
        points[faces] = (
            ((scene.points[nearest[faces]] - corner[:, None]) / length[:, None]).transpose(0, 2, 1).reshape(-1, 10)
        )
    return Samples(
        cut(scene.pixels, windows, side), kinds.astype(np.uint8), boxes.astype(np.float32), points.astype(np.float32)
    )


def cut(pixels: Pixels, windows: Floats, side: int) -> npt.NDArray[np.uint8]:
    """Return windows of a picture ``(n, side, side, 3) uint8``, black beyond its edge; P-Net's with a pixel around."""
    if side == CELL:
        side += 2
        around = np.round((windows[:, 2:] - windows[:, :2]) / CELL)
        windows = np.hstack([windows[:, :2] - around, windows[:, 2:] + around])
    if len(windows) == 0:
        return np.empty((0, side, side, 3), np.uint8)
    found = crops(pixels, windows + FROM_ONE, side)
    whole = (found.permute(0, 2, 3, 1).numpy() * 128 + 127.5).round().clip(0, 255)
    return np.ascontiguousarray(whole.astype(np.uint8))
