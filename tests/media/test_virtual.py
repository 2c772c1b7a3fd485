"""The camera: angles, light, gaze, what stands before the face, and where its points are said to lie."""

from __future__ import annotations

import hashlib
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from media.toys import ball, face
from PIL import Image
from scipy.spatial.transform import Rotation
from threadpoolctl import threadpool_limits

from hybridfer.bank.extract import extract
from hybridfer.errors import SpecError
from hybridfer.media.images import read_image
from hybridfer.media.props import BACKGROUNDS, OCCLUDERS
from hybridfer.media.scene import Scene
from hybridfer.media.virtual import GLOSS, PIVOT, Drawing, DrawnSource, render
from hybridfer.types import Item, Manifest

HEAD = face()
BROWS, NOSE, TIP, MOUTH = np.arange(33, 51), np.arange(55, 60), 54, np.arange(76, 96)
PUPILS = np.array([96, 97])


def draw(**scene: Any) -> Drawing:
    return render(**HEAD, scene=Scene(**scene))


def white_ball(part: int, **scene: Any) -> np.ndarray:
    """Return the picture of a ball in the middle, of one colour (200), as far as the camera is concerned."""
    vertices, triangles, uv = ball(60, 120)
    texture = np.full((8, 8, 3), 200, np.uint8)
    parts = np.full(len(triangles), part)
    return render(vertices - (0, -0.2, 0), triangles, uv, texture, parts, Scene(**scene)).pixels


@pytest.fixture(scope="module")
def plain() -> Drawing:
    return draw()


@pytest.mark.parametrize(
    ("turn", "right", "down"),
    [({"yaw": 20}, 1, 0), ({"yaw": -20}, -1, 0), ({"pitch": 20}, 0, 1), ({"pitch": -20}, 0, -1)],
)
def test_the_nose_turns_where_the_angle_says(plain: Drawing, turn: dict[str, float], right: int, down: int) -> None:
    moved = draw(**turn).points[TIP] - plain.points[TIP]
    np.testing.assert_array_equal(np.sign(np.round(moved, 0)), (right, down))


def test_roll_is_clockwise(plain: Drawing) -> None:
    left, right = draw(roll=20).points[PUPILS]
    slope = np.degrees(np.arctan2(*(right - left)[::-1]))
    assert slope == pytest.approx(20, abs=0.5)
    assert plain.points[96, 0] < plain.points[97, 0]


def test_points_lie_where_a_pinhole_camera_puts_them() -> None:
    scene = Scene(yaw=25, pitch=-15, roll=10, zoom=1.1, shift=(0.05, -0.02), distance=12)
    # Intrinsic in the order yaw, pitch, roll of the head is extrinsic in the order in which they are applied.
    turned = Rotation.from_euler("yxz", (25, 15, 10), degrees=True).apply(HEAD["vertices"] - PIVOT) + PIVOT
    x, y, z = turned[HEAD["points"]].T
    scale = 0.27 * 128 * 1.1 * 12 / (12 - z)
    expected = np.column_stack([63.5 + 0.05 * 128 + x * scale, 63.5 - 0.02 * 128 + (y - 0.2) * scale])
    drawing = render(**HEAD, scene=scene)
    np.testing.assert_allclose(drawing.points, expected, atol=1e-9)
    assert drawing.pose == (25, -15, 10)


def test_pupils_are_as_far_apart_as_the_zoom_says(plain: Drawing) -> None:
    eyes = HEAD["vertices"][HEAD["points"][PUPILS]]
    assert eyes[1, 0] - eyes[0, 0] == pytest.approx(1)
    apart = 0.27 * 128 * 14 / (14 - eyes[0, 2])
    assert plain.points[97, 0] - plain.points[96, 0] == pytest.approx(apart)
    wide = draw(zoom=1.5).points
    assert wide[97, 0] - wide[96, 0] == pytest.approx(1.5 * apart)


def test_the_upper_left_pixels_centre_is_0_0() -> None:
    """A dot painted on a vertex is seen at that vertex's point."""
    vertices, triangles, uv = ball(41, 80)
    dark = np.zeros((400, 400, 3), np.uint8)
    light = Scene(size=200, strength=0, fill=0, ambient=1)
    parts = np.full(len(triangles), 3)
    for vertex in (20 * 81 + 40, 13 * 81 + 33, 25 * 81 + 50):
        x, y = uv[vertex] * 400 - 0.5
        rows, columns = np.mgrid[:400, :400]
        texture = np.where(np.hypot(columns - x, rows - y)[..., None] < 3, np.uint8(255), dark)
        drawing = render(vertices, triangles, uv, texture, parts, light, points=[vertex])
        blank = render(vertices, triangles, uv, dark, parts, light).pixels
        weight = (drawing.pixels.astype(float) - blank).sum(axis=2)
        rows, columns = np.mgrid[:200, :200]
        seen = (columns * weight).sum() / weight.sum(), (rows * weight).sum() / weight.sum()
        np.testing.assert_allclose(drawing.points[0], seen, atol=0.15)
        assert drawing.visible[0]


@pytest.mark.parametrize("yaw", [0, 30, 60])
def test_light_falls_off_with_the_angle(yaw: float) -> None:
    """The middle of a ball faces the camera: cosine, softened by 0.25, and the highlight's half-way angle."""
    pixels = white_ball(3, size=65, light=(yaw, 0), strength=0.5, fill=0, ambient=0.2)
    cosine, gloss, sharpness = np.cos(np.radians(yaw)), *GLOSS[3]
    surface = (200 / 255) ** 2.2 * (0.2 + 0.5 * (cosine + 0.25) / 1.25)
    shine = 0.5 * gloss * np.cos(np.radians(yaw / 2)) ** sharpness
    np.testing.assert_allclose(pixels[32, 32], 255 * (surface + shine) ** (1 / 2.2), atol=1.5)


def test_the_side_that_light_comes_from_is_brighter() -> None:
    for light, bright in (((-60, 0), "left"), ((60, 0), "right"), ((0, -60), "top"), ((0, 60), "bottom")):
        pixels = white_ball(0, size=64, light=light, fill=0).astype(int)[20:44, 20:44].mean(axis=2)
        sides = {"left": pixels[:, :8], "right": pixels[:, -8:], "top": pixels[:8], "bottom": pixels[-8:]}
        assert max(sides, key=lambda side: sides[side].mean()) == bright


def test_hollows_are_darker_than_what_is_about_them() -> None:
    """A wall with a pit, lit from everywhere alike."""
    grid = np.dstack([*np.meshgrid(np.linspace(-2, 2, 41), np.linspace(-2, 2, 41)), np.zeros((41, 41))])
    grid[20, 20, 2] = -0.3
    number = np.arange(41 * 41).reshape(41, 41)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]
    triangles = np.concatenate([np.dstack([a, b, c]).reshape(-1, 3), np.dstack([a, c, d]).reshape(-1, 3)])
    texture, parts = np.full((4, 4, 3), 200, np.uint8), np.zeros(len(triangles), int)
    scene = Scene(strength=0, fill=0, ambient=0.8)
    pixels = render(grid.reshape(-1, 3) - (0, -0.2, 0), triangles, np.zeros((41 * 41, 2)), texture, parts, scene).pixels
    assert pixels[64, 64, 0] < pixels[64, 20, 0] - 20
    assert pixels[64, 20, 0] == round(255 * ((200 / 255) ** 2.2 * 0.8) ** (1 / 2.2))


def test_eyes_shine_and_the_inside_of_a_mouth_does_not() -> None:
    assert white_ball(1, ambient=0.1).max() > white_ball(3, ambient=0.1).max() + 40


def test_a_mirrored_scene_gives_the_mirrored_picture() -> None:
    scene = Scene(
        yaw=20, pitch=10, roll=15, gaze=(10, 5), light=(40, -20), shift=(0.1, 0.05), blur=0.7, motion=(2, 1), seed=4
    )
    other = replace(scene, yaw=-20, roll=-15, gaze=(-10, 5), light=(-40, -20), shift=(-0.1, 0.05), motion=(-2, 1))
    seen, mirrored = render(**HEAD, scene=scene), render(**HEAD, scene=other)
    difference = np.abs(seen.pixels.astype(int) - mirrored.pixels[:, ::-1])
    assert (
        difference.mean() < 0.1 and (difference.max(axis=2) > 8).mean() < 0.002
    )  # the triangles' diagonals do not mirror
    np.testing.assert_allclose(127 - mirrored.points[[97, 96], 0], seen.points[[96, 97], 0], atol=1e-6)


def test_gaze_turns_the_pupils_about_the_eyeballs_middles(plain: Drawing) -> None:
    looking = draw(gaze=(25, -10))
    centre = HEAD["eyes"][0][1]
    x, y, z = centre + Rotation.from_euler("yx", (25, 10), degrees=True).apply((0, 0, 0.25))
    scale = 0.27 * 128 * 14 / (14 - z)
    np.testing.assert_allclose(looking.points[96], (63.5 + x * scale, 63.5 + (y - 0.2) * scale), atol=0.05)
    others = np.setdiff1d(np.arange(98), PUPILS)
    np.testing.assert_array_equal(looking.points[others], plain.points[others])

    def dark(drawing: Drawing) -> float:
        """Return the column about which the left eye is darkest."""
        x, y = plain.points[96].round().astype(int)
        window = 255.0 - drawing.pixels[y - 3 : y + 4, x - 8 : x + 9].mean(axis=2)
        weight = np.clip(window - 150, 0, None)
        return float((weight * np.arange(x - 8, x + 9)).sum() / weight.sum())

    assert dark(looking) - dark(plain) == pytest.approx(looking.points[96, 0] - plain.points[96, 0], abs=1)


def test_what_the_face_shows_is_visible_and_what_it_hides_is_not(plain: Drawing) -> None:
    assert plain.visible[[*range(33, 60), *range(76, 98)]].all()  # the lids' points lie under the toy's eyeballs
    aside = draw(yaw=75)
    assert aside.visible[[4, 8, 34, 60, 76]].all()  # the picture's left half has turned to the camera
    assert not aside.visible[[28, 24, 46, 72]].any()
    assert not draw(yaw=180).visible[np.setdiff1d(np.arange(98), [0, 1, 31, 32])].any()
    assert not draw(shift=(0.9, 0)).visible.any()
    np.testing.assert_array_equal(draw(shift=(0.9, 0)).points[:, 1], plain.points[:, 1])


@pytest.mark.parametrize(
    ("occluder", "hidden", "shown"),
    [
        ("glasses", [], [*PUPILS, *NOSE, *MOUTH]),
        ("sunglasses", [*PUPILS, 60, 64, 68, 72], [*NOSE, *MOUTH, 16]),
        ("mask", [*MOUTH, TIP, *NOSE, 7, 10, 13, 19, 22, 25], [*PUPILS, *BROWS]),
        ("hand", [], [51]),
        ("hair", [], [*MOUTH, 16]),
    ],
)
def test_what_stands_before_the_face_hides_what_lies_behind_it(
    plain: Drawing, occluder: str, hidden: list[int], shown: list[int]
) -> None:
    hides = 0
    for seed in range(5):
        bare, covered = draw(seed=seed), draw(seed=seed, occluder=occluder)
        assert not covered.visible[hidden].any()
        assert covered.visible[shown].all()
        np.testing.assert_array_equal(covered.points, plain.points)
        newly = bare.visible & ~covered.visible
        hides += newly.sum()
        assert not (covered.visible & ~bare.visible).any()
        changed = (covered.pixels != bare.pixels).any(axis=2)
        changed = cv2.dilate(changed.astype(np.uint8), np.ones((3, 3)))
        columns, rows = covered.points[newly].round().astype(int).T
        assert changed[rows, columns].all()
    assert hides


@pytest.mark.parametrize("occluder", OCCLUDERS)
def test_what_stands_before_the_face_turns_with_it(occluder: str) -> None:
    for yaw in (-40, 40):
        bare, covered = draw(yaw=yaw), draw(yaw=yaw, occluder=occluder)
        changed = np.abs(covered.pixels.astype(int) - bare.pixels).max(axis=2) > 3
        assert 0.005 < changed.mean() < 0.4


def test_an_occluder_wants_the_98_points() -> None:
    head = {**HEAD, "points": HEAD["points"][:68]}
    with pytest.raises(SpecError, match="A mask is fitted to the 98 points, and 68 are given"):
        render(**head, scene=Scene(occluder="mask"))


OTHERS: dict[str, Any] = {
    "size": 96,
    "yaw": 10,
    "pitch": 10,
    "roll": 10,
    "gaze": (10, 0),
    "zoom": 1.1,
    "shift": (0.05, 0),
    "distance": 9,
    "light": (30, 0),
    "strength": 0.9,
    "fill": 0.5,
    "ambient": 0.6,
    "tint": (1, 0.9, 0.8),
    "background": "stripes",
    "occluder": "glasses",
    "blur": 1.0,
    "motion": (3, 0),
    "brightness": 10,
    "contrast": 1.2,
    "grey": True,
    "noise": 4,
    "jpeg": 50,
    "seed": 1,
}


@pytest.mark.parametrize("name", [field.name for field in fields(Scene)])
def test_every_field_of_a_scene_changes_the_picture(plain: Drawing, name: str) -> None:
    pixels = draw(**{name: OTHERS[name]}).pixels
    assert pixels.shape != plain.pixels.shape or (pixels != plain.pixels).mean() > 0.001


def test_the_same_scene_gives_the_same_bytes_in_threads_and_alone() -> None:
    random = np.random.default_rng(3)
    scenes = [Scene.draw(random, difficulty=1) for _ in range(10)]
    scenes += [Scene(occluder=occluder, background="bokeh", noise=3, jpeg=70, blur=0.5) for occluder in OCCLUDERS]
    alone = [render(**HEAD, scene=scene) for scene in scenes]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda scene: render(**HEAD, scene=scene), scenes))
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        single = [render(**HEAD, scene=scene) for scene in scenes]
    finally:
        cv2.setNumThreads(threads)
    for one, two, three in zip(alone, together, single, strict=True):
        assert one.pixels.tobytes() == two.pixels.tobytes() == three.pixels.tobytes()
        assert one.points.tobytes() == two.points.tobytes() == three.points.tobytes()
        np.testing.assert_array_equal(one.visible, two.visible)


def test_drawing_leaves_the_mesh_as_it_was() -> None:
    before = pickle.dumps(HEAD)
    draw(gaze=(10, 10), occluder="hand", yaw=20)
    assert pickle.dumps(HEAD) == before


def test_grey_has_three_equal_channels() -> None:
    pixels = draw(grey=True, noise=5, jpeg=60, tint=(1, 0.8, 0.6)).pixels
    assert (pixels == pixels[..., :1]).all()


def test_brightness_and_contrast_are_in_grey_levels(plain: Drawing) -> None:
    levels = plain.pixels.astype(int)
    middle = (levels > 40) & (levels < 215)
    np.testing.assert_allclose(draw(brightness=20).pixels[middle], levels[middle] + 20, atol=1)
    np.testing.assert_allclose(draw(contrast=0.5).pixels[middle], (levels[middle] - 127.5) / 2 + 127.5, atol=1.1)


def test_noise_has_the_spread_it_says(plain: Drawing) -> None:
    difference = draw(noise=5).pixels.astype(float) - plain.pixels
    assert difference[:10].std() == pytest.approx(5, rel=0.05)  # the background above the head: no value is cut off


def test_motion_blurs_along_its_way_only() -> None:
    def edges(pixels: np.ndarray) -> tuple[float, float]:
        values = pixels.astype(float)
        return float(np.abs(np.diff(values, axis=1)).max()), float(np.abs(np.diff(values, axis=0)).max())

    across, down = edges(white_ball(0)), edges(white_ball(0, motion=(8, 0)))
    assert down[0] < across[0] / 2 and down[1] > across[1] / 2


def test_a_small_picture_is_the_large_one_made_small() -> None:
    small, large = draw(size=64), draw(size=256)
    shrunk = cv2.resize(large.pixels, (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(int) - small.pixels).mean() < 1.5
    np.testing.assert_allclose((large.points + 0.5) / 4 - 0.5, small.points, atol=1e-9)


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_a_background_fills_the_picture_and_varies_with_the_seed(name: str) -> None:
    first, again, other = (BACKGROUNDS[name](64, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.shape == (64, 64, 3) and np.isfinite(first).all()
    assert np.clip(first, 0, 1).std() > 0.02 or name == "plain"
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.02


def test_a_background_is_seen_where_the_head_is_not() -> None:
    pixels = draw(background="plain", seed=9).pixels
    expected = BACKGROUNDS["plain"](128, np.random.default_rng([9, 0]))[0, 0] * 255
    np.testing.assert_allclose(pixels[:5].reshape(-1, 3), np.tile(expected, (640, 1)), atol=1)


SOURCES = [DrawnSource(seed, (0.0,) * 8 + (4.0,) + (0.0,) * 9, Scene(size=64, yaw=5.0 * seed)) for seed in range(3)]


def test_a_drawn_source_is_a_picture_with_a_hash_of_its_pixels() -> None:
    pictures = [source.read() for source in SOURCES]
    for source, picture in zip(SOURCES, pictures, strict=True):
        assert picture.pixels.shape == (64, 64, 3) and picture.pixels.dtype == np.uint8
        assert picture.sha256 == hashlib.sha256(picture.pixels.tobytes()).hexdigest()
        again = pickle.loads(pickle.dumps(source))  # noqa: S301 - as joblib sends it to a process
        assert again == source and again.read().sha256 == picture.sha256
    assert len({picture.sha256 for picture in pictures}) == 3


def test_a_drawn_source_is_the_same_on_any_number_of_threads() -> None:
    with threadpool_limits(1):
        alone = [source.read().sha256 for source in SOURCES]
    with ThreadPoolExecutor(3) as pool:
        assert [picture.sha256 for picture in pool.map(DrawnSource.read, SOURCES)] == alone


def test_identity_muscles_and_scene_each_change_a_drawn_source() -> None:
    source = SOURCES[0]
    others = [replace(source, identity=9), replace(source, action_units=(0.0,) * 18), replace(source, scene=Scene())]
    assert len({repr(other.stamp()) for other in (source, *others)}) == 4
    assert len({other.read().sha256 for other in (source, *others)}) == 4
    assert json.loads(json.dumps(source.stamp()))


def test_a_drawn_head_has_98_points_and_turns_its_eyes() -> None:
    ahead = DrawnSource(1, (0.0,) * 18).draw()
    aside = DrawnSource(1, (0.0,) * 18, Scene(gaze=(20, 0))).draw()
    assert ahead.points.shape == (98, 2) and ahead.visible[PUPILS].all()
    moved = aside.points - ahead.points
    assert (moved[PUPILS, 0] > 1).all()
    assert not np.delete(moved, PUPILS, axis=0).any()


def test_drawn_items_run_through_extract_without_files(tmp_path: Path) -> None:
    items = [Item(f"drawn-{i}", source, subject=str(i)) for i, source in enumerate(SOURCES)]
    bank = extract(
        Manifest(items, "virtual", cropped=True), ["lbp"], tmp_path / "bank.parquet", jobs=2, detector="none"
    )
    assert len(bank) == 3
    assert [row["sha256"] for row in bank.rows()] == [source.read().sha256 for source in SOURCES]


def test_pictures_written_to_a_file_come_back_through_the_door(tmp_path: Path, plain: Drawing) -> None:
    Image.fromarray(plain.pixels).save(tmp_path / "face.png")
    np.testing.assert_array_equal(read_image(tmp_path / "face.png").pixels, plain.pixels)
    assert plain.pixels.dtype == np.uint8 and plain.pixels.flags.c_contiguous
