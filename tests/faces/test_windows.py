"""The twelve windows lie where the parts of a face lie, whatever the face's size and turn, and none covers another."""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np
import pytest

from hybridfer.faces.windows import SIDE, WINDOWS, cut_windows
from hybridfer.types import Face

PLACES = {
    # SPEC 9.6, from the middle between the eyes, in distances between them.
    "left_eye": (-0.5, 0),
    "right_eye": (0.5, 0),
    "between_eyes": (0, 0),
    "nose": (0, 0.55),
    "mouth": (0, 1.1),
    "chin": (0, 1.65),
    "left_jawline": (-0.75, 1.35),
    "right_jawline": (0.75, 1.35),
    "left_hairline": (-0.5, -0.85),
    "right_hairline": (0.5, -0.85),
    "left_ear": (-1.15, 0.25),
    "right_ear": (1.15, 0.25),
}


def face_at(middle: tuple[float, float], apart: float, degrees: float) -> tuple[Face, dict[str, np.ndarray]]:
    """A face of that distance between the eyes whose five points are the template's, and where its parts lie."""
    turn = np.deg2rad(degrees)
    matrix = apart * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = np.array([[-0.5, 0], [0.5, 0], [0, 0.5], [-0.3, 39 / 38], [0.3, 39 / 38]]) @ matrix.T + middle
    x, y = middle
    box = (x - 1.3 * apart, y - apart, x + 1.3 * apart, y + 1.6 * apart)
    return Face(box, 1.0, points), {name: matrix @ place + middle for name, place in PLACES.items()}


def test_no_window_covers_another() -> None:
    for (x, y), (other_x, other_y) in combinations(WINDOWS.values(), 2):
        assert max(abs(x - other_x), abs(y - other_y)) >= SIDE
    assert len(WINDOWS) == 12


@pytest.mark.parametrize("degrees", [0, 17, -120])
@pytest.mark.parametrize("apart", [40.0, 90.0])
def test_each_shows_its_part_of_the_face_in_its_middle(degrees: float, apart: float) -> None:
    face, places = face_at((250.0, 230.0), apart, degrees)
    picture = np.zeros((500, 500, 3), np.uint8)
    for number, place in enumerate(places.values(), start=1):
        cv2.circle(picture, tuple(place.round().astype(int).tolist()), round(apart / 12), (20 * number,) * 3, -1)
    windows = cut_windows(picture, face, None)
    side = round(apart / 2)
    assert windows.shape == (12, side, side, 3) and list(WINDOWS) == list(places)
    for number, window in enumerate(windows, start=1):
        middle = window[side // 2 - 1 : side // 2 + 1, side // 2 - 1 : side // 2 + 1]
        assert (middle == 20 * number).all()
        # Nothing of another part is seen.
        assert window.max() == 20 * number


def test_in_a_ready_crop_the_eyes_lie_where_fer2013_has_them() -> None:
    crop = np.zeros((200, 200, 3), np.uint8)
    crop[78, 62], crop[78, 138] = (255, 0, 0), (0, 255, 0)  # 0.31, 0.69 and 0.39 of 200
    left, right, *_, chin = cut_windows(crop, Face((0, 0, 200, 200), 1.0), None)[:6]
    assert left.shape == (38, 38, 3)
    for window, channel in ((left, 0), (right, 1)):
        row, column = np.unravel_index(window[..., channel].argmax(), window.shape[:2])
        assert abs(row - 18.5) <= 1 and abs(column - 18.5) <= 1
    assert chin.shape == (38, 38, 3)  # below the crop's edge, its border again and again


def test_a_crop_that_is_not_square_is_seen_as_descriptors_see_it() -> None:
    square = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (120, 120, 3), np.uint8), (0, 0), 4)
    wide = cv2.resize(square, (240, 120))
    expected = cut_windows(square, Face((0, 0, 120, 120), 1.0), None, 24).astype(int)
    found = cut_windows(wide, Face((0, 0, 240, 120), 1.0), None, 24)
    assert np.abs(found - expected).mean() < 3


def test_without_landmarks_the_detectors_boxes_say_where_the_eyes_are() -> None:
    picture = np.zeros((300, 300, 3), np.uint8)
    eyes = ((0.3, 0.4), (0.7, 0.4))
    picture[140, 130], picture[140, 170] = 255, 255  # of a box of 100 pixels at (100, 100)
    windows = cut_windows(picture, Face((100, 100, 200, 200), 1.0), eyes)
    assert windows.shape[1] == 20
    for window in windows[:2]:
        row, column = np.unravel_index(window[..., 0].argmax(), (20, 20))
        assert abs(row - 9.5) <= 1 and abs(column - 9.5) <= 1


def test_ears_can_be_moved_and_a_size_asked_for() -> None:
    face, _ = face_at((250.0, 230.0), 60, 0)
    picture = np.zeros((500, 500, 3), np.uint8)
    for x in (250 - 69, 250 + 69):
        cv2.circle(picture, (x, 230 + 30), 3, (255, 255, 255), -1)  # half a distance below the eyes
    usual = cut_windows(picture, face, None, 32)
    moved = cut_windows(picture, face, None, 32, ears=0.5)
    assert usual.shape == moved.shape == (12, 32, 32, 3)
    assert (moved[10:, 14:18, 14:18] > 200).all() and not (usual[10:, 14:18, 14:18] > 200).any()
    np.testing.assert_array_equal(usual[:10], moved[:10])


def test_a_face_at_the_pictures_edge_has_twelve_windows_too() -> None:
    face, _ = face_at((3.0, 2.0), 30, 40)
    assert cut_windows(np.full((40, 40, 3), 7, np.uint8), face, None).tolist() == np.full((12, 15, 15, 3), 7).tolist()
