"""Faces are cut out so that eyes and mouth lie where FER2013 has them, however they are turned and wherever they lie."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import SimilarityTransform

from hybridfer.errors import SpecError
from hybridfer.faces.align import EYES, MOUTH, Alignment, align_face, cut_square, face_transform, points_in_crop
from hybridfer.types import Face

HAAR = ((0.3, 0.4), (0.7, 0.4))
UPRIGHT = np.array([[130.0, 120], [170, 120], [150, 140], [138, 120 + 40 * 39 / 38], [162, 120 + 40 * 39 / 38]])
"""Five points as the template has them (0.38 between the eyes, 0.39 from there to the mouth), 40 pixels between the eyes."""


def turned(points: np.ndarray, degrees: float, about: tuple[float, float] = (150, 140)) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D(about, degrees, 1)
    return points @ matrix[:, :2].T + matrix[:, 2]


def dotted(points: np.ndarray, shape: tuple[int, int] = (300, 300)) -> np.ndarray:
    """A black picture with a soft white dot on the eyes and on the mouth's corners, at these places to a fraction."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    light = sum(255 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 4.5) for px, py in points[[0, 1, 3, 4]])
    return np.clip(light, 0, 255).round().astype(np.uint8)[..., None].repeat(3, axis=2)


def dots(crop: np.ndarray) -> np.ndarray:
    """Where the four dots lie, top ones first, from left to right."""
    grey = crop[..., 0].astype(float) * (crop[..., 0] > 25)
    _, labels = cv2.connectedComponents((grey > 0).astype(np.uint8))
    y, x = np.mgrid[: grey.shape[0], : grey.shape[1]]
    found = [
        [np.average(v[labels == i], weights=grey[labels == i]) for v in (x, y)] for i in range(1, labels.max() + 1)
    ]
    found = sorted(found, key=lambda place: place[1])
    return np.array([*sorted(found[:2]), *sorted(found[2:])])


@pytest.mark.parametrize("degrees", [0, 12, -35, 180])
@pytest.mark.parametrize("scale", [1.0, 0.63])
def test_eyes_and_mouth_come_to_lie_at_the_template_however_the_head_is_turned(degrees: float, scale: float) -> None:
    points = turned(UPRIGHT, degrees) * scale
    crop = align_face(dotted(points), Face((90 * scale, 80 * scale, 210 * scale, 200 * scale), 1.0, points), None)
    side = len(crop)
    assert crop.shape == (side, side, 3) and side == round(40 * scale / 0.38)
    found = (dots(crop) + 0.5) / side
    np.testing.assert_allclose(found[:2], EYES, atol=0.4 / side)
    np.testing.assert_allclose(found[2:].mean(axis=0), [0.5, MOUTH], atol=0.4 / side)


def test_the_transform_is_umeyamas() -> None:
    random = np.random.default_rng(4)
    for _ in range(50):
        points = turned(UPRIGHT, random.uniform(-90, 90)) + random.normal(0, 4, (5, 2))
        measured = np.stack([points[0], points[1], points[3:].mean(axis=0)])
        template = np.array([[-0.5, 0], [0.5, 0], [0, (MOUTH - 0.39) / 0.38]])
        wanted = SimilarityTransform.from_estimate(measured, template).params[:2]
        np.testing.assert_allclose(face_transform(Face((90, 80, 210, 200), 1.0, points), None), wanted, atol=1e-9)


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    found = face_transform(
        Face((90, 80, 210, 200), 1.0, UPRIGHT[[1, 0, 2, 4, 3]] + [[0, 0.5], [0, 0], [0, 0], [0, 0], [0, 0]]), None
    )
    assert np.linalg.det(found[:, :2]) > 0


def test_without_landmarks_the_box_says_where_the_eyes_are() -> None:
    picture = np.zeros((200, 200, 3), np.uint8)
    face = Face((50, 40, 150, 140), 1.0)
    for x, y in HAAR:
        picture[round(40 + 100 * y), round(50 + 100 * x)] = 255
    crop = align_face(picture, face, HAAR)
    rows, columns = np.nonzero(crop[..., 0])
    side = crop.shape[0]
    assert crop.shape[0] == crop.shape[1]
    np.testing.assert_allclose(columns / side, [EYES[0][0], EYES[1][0]], atol=1 / side)
    np.testing.assert_allclose(rows / side, EYES[0][1], atol=1 / side)


def test_without_landmarks_pixels_are_the_pictures_own() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    crop = align_face(picture, Face((50.2, 40, 145.2, 135), 1.0), HAAR)
    # By hand: the eyes are 0.4 * 95 = 38 pixels apart, so the side is 100, and their middle is (97.7, 78).
    np.testing.assert_array_equal(crop, picture[39:139, 48:148])


def test_beyond_the_edge_the_border_is_repeated() -> None:
    picture = np.arange(100, dtype=np.uint8).reshape(10, 10)[..., None].repeat(3, axis=2)
    crop = align_face(picture, Face((-3, -2, 7, 8), 1.0), None)
    assert crop.shape == (10, 10, 3)
    np.testing.assert_array_equal(crop[2:, 3:], picture[:8, :7])
    np.testing.assert_array_equal(crop[:3, :4], np.zeros((3, 4, 3)))


@pytest.mark.parametrize("degrees", [0, 20])
def test_a_face_that_is_partly_outside_shows_the_border_there(degrees: float) -> None:
    points = turned(UPRIGHT - [120, 110], degrees, (30, 30))
    picture = np.full((300, 300, 3), 80, np.uint8)
    picture[:, 100:] = 200
    crop = align_face(picture, Face((-30, -30, 90, 90), 1.0, points), None)
    # The crop reaches some 30 pixels beyond the left and upper edges, and not as far as column 100.
    assert len(crop) == 105 and (crop == 80).all()


@pytest.mark.parametrize(
    "points",
    [
        np.full((5, 2), 100.0),
        np.full((5, 2), np.nan),
        np.where(np.arange(10).reshape(5, 2) == 3, np.inf, UPRIGHT),
        UPRIGHT * 0.001 + 100,
        UPRIGHT * 1000,
    ],
    ids=["one point", "NaN", "infinite", "a hundred times too near", "far too wide"],
)
def test_landmarks_that_cannot_be_right_leave_the_box(points: np.ndarray) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    with_points, without = (Face((90, 80, 210, 200), 1.0, p) for p in (points, None))
    for eyes in (HAAR, None):
        np.testing.assert_array_equal(align_face(picture, with_points, eyes), align_face(picture, without, eyes))


@settings(max_examples=200, deadline=None)
@given(
    st.tuples(*[st.floats(-200, 200)] * 2, *[st.floats(0, 200)] * 2),
    st.none() | st.lists(st.floats(-100, 200), min_size=10, max_size=10),
    st.sampled_from([None, HAAR]),
    st.sampled_from([None, 8, 48]),
    st.sampled_from([0.0, 0.3, 4.0]),
    st.sampled_from([(1, 1), (3, 200), (90, 70)]),
)
def test_a_crop_is_never_empty(box, points, eyes, size, margin, shape) -> None:
    x, y, width, height = box
    landmarks = None if points is None else np.reshape(points, (5, 2))
    face = Face((x, y, x + width, y + height), 1.0, landmarks)
    picture = np.full((*shape, 3), 123, np.uint8)
    crop = align_face(picture, face, eyes, Alignment(size=size, margin=margin))
    assert crop.size and (crop == 123).all() and crop.shape[2] == 3
    assert size is None or crop.shape == (size, size, 3)


def test_a_margin_shows_more_on_every_side() -> None:
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8), (0, 0), 3)
    for face, eyes in ((Face((90, 80, 210, 200), 1.0, UPRIGHT), None), (Face((100, 90, 195, 185), 1.0), HAAR)):
        plain, wide = (align_face(picture, face, eyes, Alignment(margin=m)) for m in (0, 0.25))
        more = (len(wide) - len(plain)) // 2
        assert abs(more - 0.25 * len(plain)) <= 1
        middle = wide[more : more + len(plain), more : more + len(plain)]
        # The two may lie half a pixel apart, because each has a whole number of pixels.
        assert np.abs(middle.astype(int) - plain).mean() < 6


def test_a_size_shrinks_by_area_and_keeps_what_is_seen() -> None:
    picture = np.zeros((300, 300, 3), np.uint8)
    picture[::2] = 255
    crop = align_face(picture, Face((90, 80, 210, 200), 1.0, UPRIGHT), None, Alignment(size=21))
    # A fifth of the face's 105 pixels: five rows of black and white in turn become one grey.
    assert crop.shape == (21, 21, 3) and crop.min() > 90 and crop.max() < 165


@pytest.mark.parametrize("alignment", [Alignment(), Alignment(size=48), Alignment(size=200, margin=0.2)])
@pytest.mark.parametrize("degrees", [0, 25])
def test_points_go_where_their_pixels_go(alignment: Alignment, degrees: float) -> None:
    points = turned(UPRIGHT, degrees)
    for face, eyes in ((Face((90, 80, 210, 200), 1.0, points), None), (Face((95, 70, 205, 180), 1.0), HAAR)):
        crop = align_face(dotted(points), face, eyes, alignment)
        expected = points_in_crop(points, face, eyes, alignment)[[0, 1, 3, 4]]
        found = dots(crop)
        # `dots` tells them in the crop's order, the points stand in the face's.
        nearest = np.linalg.norm(found[:, None] - expected, axis=2).min(axis=1)
        assert nearest.max() < 0.4


def test_a_square_told_in_face_units_is_cut_where_it_lies() -> None:
    picture = dotted(UPRIGHT)
    to_units = face_transform(Face((90, 80, 210, 200), 1.0, UPRIGHT), None)
    eye = cut_square(picture, to_units, -0.75, -0.25, 0.5)
    # The left eye's square is 20 pixels wide, with the eye in its middle.
    assert eye.shape == (20, 20, 3)
    np.testing.assert_allclose(np.array(np.unravel_index(eye[..., 0].argmax(), (20, 20))), 9.5, atol=0.5)


def test_what_a_bank_keeps_of_it_comes_back() -> None:
    made = Alignment(((0.2, 0.3), (0.8, 0.3)), 0.9, 0.1, 64)
    assert Alignment.of(made.record()) == replace(made, size=None)
    assert Alignment.of({"eyes": [[0.31, 0.39], [0.69, 0.39]]}) == Alignment.of(None) == Alignment()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"margin": -0.1}, "margin of -0.1"),
        ({"margin": 5}, "0 to 4"),
        ({"size": 0}, "0 pixels"),
        ({"eyes": ((0.6, 0.4), (0.3, 0.4))}, "no upright face"),
        ({"eyes": ((0.3, 0.4), (0.3, 0.4))}, "no upright face"),
        ({"mouth": 0.2}, "above the mouth"),
    ],
)
def test_what_is_no_alignment_is_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        Alignment(**values)  # type: ignore[arg-type]
