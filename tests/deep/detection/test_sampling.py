"""Windows are sorted by the paper's shares, boxes and points follow their pictures, and scenes hold every picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hybridfer.datasets.boxes import Annotated
from hybridfer.deep.cascade import crops
from hybridfer.deep.detection import sampling
from hybridfer.deep.detection.sampling import (
    NEGATIVE,
    PART,
    POSITIVE,
    Scene,
    collect,
    cut,
    scenes,
    sort_windows,
)
from hybridfer.errors import TrainingError
from hybridfer.types import Picture, Pixels

BOX = np.array([30.0, 20, 70, 80])
"""Of the marked picture's face; its five points are pixels of five values."""

PLACES = np.array([[40.0, 40], [60, 40], [50, 52], [42, 66], [58, 66]])


class Drawn:
    """A picture that is already decoded."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels

    def read(self) -> Picture:
        return Picture(self.pixels, "")


def marked(shade: int = 0, faces: bool = True) -> Annotated:
    """100x100 pixels with one face: its box is white, each of its points a dark square of 5 pixels."""
    pixels = np.full((100, 100, 3), shade, np.uint8)
    if faces:
        pixels[20:80, 30:70] = 250
        for x, y in PLACES.astype(int):
            pixels[y - 2 : y + 3, x - 2 : x + 3] = 60
    count = int(faces)
    return Annotated(
        f"drawn-{shade}",
        Drawn(pixels),
        np.tile(BOX, (count, 1)),
        np.zeros(count, np.bool_),
        np.tile(PLACES, (count, 1, 1)),
    )


def test_kinds_by_the_papers_shares() -> None:
    """A window 100 high over w of a face's 100: they share w / 100."""
    widths = np.array([29, 31, 39, 41, 64, 66, 100])
    windows = np.stack([widths * 0, widths * 0, widths, widths * 0 + 100], 1).astype(float)
    scene = Scene(
        np.zeros((200, 200, 3), np.uint8), np.array([[0.0, 0, 100, 100]]), np.zeros(1, bool), np.empty((1, 5, 2))
    )
    kinds, _ = sort_windows(windows, scene)
    assert kinds.tolist() == [NEGATIVE, -1, -1, PART, PART, POSITIVE, POSITIVE]


def test_a_window_belongs_to_the_face_it_shares_most_with() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [4, 0, 14, 10]])
    scene = Scene(np.zeros((20, 20, 3), np.uint8), boxes, np.zeros(2, bool), np.empty((2, 5, 2)))
    kinds, nearest = sort_windows(np.array([[0.0, 0, 10, 10], [5, 0, 15, 10]]), scene)
    assert kinds.tolist() == [POSITIVE, POSITIVE] and nearest.tolist() == [0, 1]


def test_ignored_faces_teach_nothing() -> None:
    scene = Scene(np.zeros((99, 99, 3), np.uint8), np.array([[0.0, 0, 30, 30]]), np.ones(1, bool), np.empty((1, 5, 2)))
    kinds, _ = sort_windows(np.array([[0.0, 0, 30, 30], [15, 0, 45, 30], [60, 60, 90, 90]]), scene)
    assert kinds.tolist() == [-1, -1, NEGATIVE]


def test_scenes_hold_every_picture_before_any_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "TILE_SHARES", (0, 0, 1, 0, 0, 0, 0))  # nine pictures
    pictures = [marked(shade, faces=False) for shade in range(0, 180, 20)]
    (scene,) = scenes(pictures, 1, np.random.default_rng(0))
    assert scene.pixels.shape == (480, 480, 3)
    tiles = [scene.pixels[r : r + 160, c : c + 160] for r in range(0, 480, 160) for c in range(0, 480, 160)]
    assert sorted(int(tile[80, 80, 0]) for tile in tiles) == list(range(0, 180, 20))


@pytest.mark.parametrize("tiles", range(7))
def test_boxes_and_points_follow_their_pictures(tiles: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "TILE_SHARES", np.eye(7)[tiles])
    for scene in scenes([marked()], 2, np.random.default_rng(tiles)):
        grey = scene.pixels[..., 0].astype(float)
        assert len(scene.boxes)
        for (x0, y0, x1, y1), points, ignored in zip(scene.boxes, scene.points, scene.ignored, strict=True):
            if ignored or x1 - x0 < 20:
                continue
            inside = points[((points > 1) & (points < 479)).all(1)].astype(int)
            assert (grey[inside[:, 1], inside[:, 0]] < 200).all()
            column, row = int((x0 + x1) / 2), int(y0 + 0.12 * (y1 - y0))
            if 1 < row < 478 and 1 < column < 478 and grey[row - 1 : row + 2, column - 1 : column + 2].min() > 0:
                assert grey[row, column] > 200


def test_small_faces_are_neither_faces_nor_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "TILE_SHARES", (0, 0, 0, 0, 0, 0, 1))  # pictures of 40 pixels, a face of 16
    (scene,) = scenes([marked()], 1, np.random.default_rng(0))
    assert not scene.ignored.all()
    monkeypatch.setattr(sampling, "SMALLEST", 30.0)
    (scene,) = scenes([marked()], 1, np.random.default_rng(0))
    assert scene.ignored.all()


def test_windows_are_cut_as_the_cascade_cuts() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    windows = np.array([[5.0, 6, 29, 30], [-10, -10, 38, 38]])
    seen = (torch.from_numpy(cut(pixels, windows, 24)).permute(0, 3, 1, 2).float() - 127.5) / 128
    torch.testing.assert_close(seen, crops(pixels, windows + np.array([1, 1, 0, 0]), 24), rtol=0, atol=0.5 / 128 + 1e-6)
    np.testing.assert_array_equal(cut(pixels, windows[:1], 24)[0], pixels[6:30, 5:29])  # nothing to resize
    assert not cut(pixels, windows[1:], 24)[0, :4].any()  # black beyond the edge


def test_pnets_windows_have_a_pixel_around() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    assert cut(pixels, np.array([[10.0, 12, 22, 24]]), 12)[0].tolist() == pixels[11:25, 9:23].tolist()
    double = cut(pixels, np.array([[10.0, 10, 34, 34]]), 12)[0]
    mean = pixels[8:36, 8:36].reshape(14, 2, 14, 2, 3).mean((1, 3))
    np.testing.assert_allclose(double, mean, atol=0.51)


@pytest.mark.parametrize("side", [12, 24])
def test_targets_lie_on_what_they_name(side: int) -> None:
    """The points of a positive window, in shares of its side, lie on the dark squares that the picture has there."""
    found = collect([marked()], side, 4, np.random.default_rng(0))
    assert found.pixels.shape[1:] == ((14, 14, 3) if side == 12 else (24, 24, 3))
    assert np.isnan(found.boxes[found.kinds == NEGATIVE]).all()
    assert np.isfinite(found.boxes[found.kinds != NEGATIVE]).all()
    if side == 12:
        return
    lit = []
    for pixels, points in zip(
        found.pixels[found.kinds == POSITIVE], found.points[found.kinds == POSITIVE], strict=True
    ):
        xs, ys = (points.reshape(2, 5) * side).astype(int)
        inside = (xs >= 0) & (xs < side) & (ys >= 0) & (ys < side)
        lit.extend(pixels[ys[inside], xs[inside], 0].tolist())
    assert np.median(lit) < 120  # a face's white is 250


def test_later_networks_see_what_the_earlier_let_through() -> None:
    """Squares counted from 1, as the cascade gives them: the face's own, and one far from it."""
    asked: list[tuple[int, ...]] = []

    def look(pixels: Pixels) -> np.ndarray:
        asked.append(pixels.shape)
        return np.array([[1.0, 1, 40, 40]])

    found = collect([marked(100, faces=False), marked()], 24, 3, np.random.default_rng(0), look)
    assert asked == [(480, 480, 3)] * 3
    assert (found.kinds == NEGATIVE).any()


def test_pictures_without_any_face_are_refused() -> None:
    with pytest.raises(TrainingError, match="none is with a face"):
        collect([marked(faces=False)], 12, 1, np.random.default_rng(0))


def test_the_same_seed_gives_the_same_samples(tmp_path: Path) -> None:
    first, again, other = (collect([marked(), marked(50)], 12, 2, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.pixels, again.pixels)
    np.testing.assert_array_equal(first.points, again.points)
    assert len(other) != len(first) or not np.array_equal(other.pixels, first.pixels)
