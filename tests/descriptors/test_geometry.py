"""The shape of a face in numbers: what they are by hand, and what must not change them."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from faces.test_schemes import drawn_face
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from hybridfer.descriptors.geometry import (
    GEOMETRY_NAMES,
    PAIRED,
    angle_map,
    angles,
    geometry,
    median_shape,
    normal_pose,
)
from hybridfer.errors import SpecError
from hybridfer.faces.schemes import mirror, to_ibug68


def some_faces(count: int = 3, seed: int = 0, points: int = 98) -> np.ndarray:
    """Faces drawn by hand, each point then moved by chance."""
    moved = drawn_face() + np.random.default_rng(seed).normal(0, 2, (count, 98, 2))
    return moved if points == 98 else to_ibug68(moved)


def moved(points: np.ndarray, turn: float, scale: float, x: float, y: float) -> np.ndarray:
    cosine, sine = math.cos(turn), math.sin(turn)
    return points @ np.array([[cosine, sine], [-sine, cosine]]) * scale + [x, y]


def measures(points: np.ndarray) -> dict[str, float]:
    (values,) = geometry(points[None])
    return dict(zip(GEOMETRY_NAMES, values.tolist(), strict=True))


@pytest.mark.parametrize("points", [98, 68])
def test_measures_of_the_drawn_face_are_those_taken_by_hand(points: int) -> None:
    """Its outer corners are 60 apart; every number below is read off its coordinates."""
    face = drawn_face() if points == 98 else to_ibug68(drawn_face())
    found = measures(face)
    mean = {
        "inner_brow_height": (40 - 28) / 60,
        "middle_brow_height": (40 - 24) / 60,
        "outer_brow_height": (40 - 30) / 60,
        "eye_opening": (42 + 1 / 3 - (36 + 2 / 3)) / 18 if points == 98 else (42 - 37) / 18,
        "upper_lid_height": (40 - 36 - 2 / 3) / 60 if points == 98 else (40 - 37) / 60,
        "lower_lid_height": (40 - 42 - 1 / 3) / 60 if points == 98 else (40 - 42) / 60,
        "lid_to_brow": (36 + 2 / 3 - 24) / 60 if points == 98 else (37 - 24) / 60,
        "lip_corner_height": (78 - 76) / 60,
        "lip_corner_to_eye": math.hypot(15, 36) / 60,
        "cheek_height": math.hypot(6, 76 - 42 - 1 / 3) / 60 if points == 98 else math.hypot(6, 34) / 60,
    }
    single = {
        "inner_brow_gap": 14 / 60,
        "nose_width": 16 / 60,
        "nose_length": 27 / 60,
        "nose_to_lip": 7 / 60,
        "mouth_width": 30 / 60,
        "mouth_opening_outside": 12 / 60,
        "mouth_opening_inside": 4 / 60,
        "upper_lip_height": 3 / 60,
        "lower_lip_height": 5 / 60,
        "lip_area": polygon(drawn_face()[76:88]) / 3600,
        "chin_height": 11 / 60,
        "jaw_drop": 30 / 60,
    }
    expected = single | {f"{name}_mean": value for name, value in mean.items()}
    expected |= {f"{name}_difference": 0 for name in mean}
    assert set(expected) == set(GEOMETRY_NAMES)
    for name, value in expected.items():
        # The lids' numbers are single precision.
        assert found[name] == pytest.approx(value, abs=1e-6), name


def polygon(corners: np.ndarray) -> float:
    """The area of a polygon by triangles from its first corner."""
    total = 0.0
    for one, other in pairwise(corners[1:]):
        a, b = one - corners[0], other - corners[0]
        total += (a[0] * b[1] - a[1] * b[0]) / 2
    return abs(total)


def test_each_measure_has_a_name_and_none_is_another() -> None:
    values = geometry(some_faces(40))
    assert values.shape == (40, 32) and values.dtype == np.float32
    assert len(set(GEOMETRY_NAMES)) == len(GEOMETRY_NAMES) == 32
    assert (values.std(0) > 0).all()
    assert len(np.unique(values[0])) == 32


@settings(max_examples=30)
@given(
    st.floats(-math.pi, math.pi),
    st.floats(0.2, 20),
    st.floats(-500, 500),
    st.floats(-500, 500),
    st.sampled_from([68, 98]),
)
def test_place_size_and_tilt_change_nothing(turn: float, scale: float, x: float, y: float, points: int) -> None:
    faces, rest = some_faces(points=points), some_faces(1, seed=9, points=points)[0]
    other = moved(faces, turn, scale, x, y)
    assert_allclose(geometry(other), geometry(faces), atol=1e-5)
    assert_allclose(angle_map(other, rest), angle_map(faces, rest), atol=1e-5)
    assert_allclose(angle_map(faces, moved(rest, turn, scale, x, y)), angle_map(faces, rest), atol=1e-5)


@pytest.mark.parametrize("points", [98, 68])
def test_a_mirror_turns_the_differences_round_and_nothing_else(points: int) -> None:
    faces = some_faces(points=points)
    sign = np.array([-1 if name.endswith("difference") else 1 for name in GEOMETRY_NAMES])
    assert (sign == -1).sum() == len(PAIRED)
    assert_allclose(geometry(mirror(faces, 100)), geometry(faces) * sign, atol=1e-6)


def test_what_an_expression_moves_moves_its_measure() -> None:
    smiling, surprised, frowning = (drawn_face() for _ in range(3))
    smiling[[76, 82]] += [[-4, -3], [4, -3]]
    surprised[33:51] -= [0, 5]
    surprised[83:88] += [0, 9]
    frowning[[37, 42]] += [[2, 4], [-2, 4]]
    rest = measures(drawn_face())
    assert measures(smiling)["mouth_width"] > rest["mouth_width"]
    assert measures(smiling)["lip_corner_height_mean"] > rest["lip_corner_height_mean"]
    for name in ("inner_brow_height_mean", "outer_brow_height_mean", "lid_to_brow_mean", "mouth_opening_outside"):
        assert measures(surprised)[name] > rest[name]
    assert measures(frowning)["inner_brow_gap"] < rest["inner_brow_gap"]


@pytest.mark.parametrize("points", [98, 68])
def test_the_neutral_face_is_taken_off(points: int) -> None:
    faces, rest = some_faces(points=points), some_faces(3, seed=5, points=points)
    assert_allclose(geometry(faces, rest), geometry(faces) - geometry(rest), atol=1e-6)
    assert_allclose(geometry(faces, rest[0]), geometry(faces) - geometry(rest[:1]), atol=1e-6)
    assert_array_equal(geometry(rest, rest), 0)


def test_the_median_of_a_film_is_its_face_at_rest() -> None:
    rest = drawn_face()
    film = np.stack([moved(rest, 0.02 * k, 1 + 0.1 * k, 3 * k, k) for k in range(7)])
    film[2, 76:] += 4
    film[5] = np.nan
    assert_allclose(median_shape(film), normal_pose(rest), atol=1e-9)
    assert np.isnan(median_shape(np.full((2, 98, 2), np.nan))).all()


def plain_angles(face: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """SPEC 5.3, pair by pair: both aligned to the eye line, the angle between them wrapped and told in half turns."""

    def aligned(points: np.ndarray) -> np.ndarray:
        left, right = (points[60], points[72]) if len(points) == 98 else (points[36], points[45])
        tilt = math.atan2(right[1] - left[1], right[0] - left[0])
        return moved(points, -tilt, 1, 0, 0)

    face, rest = aligned(face), aligned(rest)
    found = np.zeros((len(face), len(face)))
    for i in range(len(face)):
        for j in range(len(face)):
            if i != j:
                one = math.atan2(face[j, 1] - face[i, 1], face[j, 0] - face[i, 0])
                other = math.atan2(rest[j, 1] - rest[i, 1], rest[j, 0] - rest[i, 0])
                wrapped = (one - other + math.pi) % (2 * math.pi) - math.pi
                found[i, j] = abs(wrapped) / math.pi
    return found


@pytest.mark.parametrize("points", [98, 68])
def test_the_map_is_a_plain_loop_s_and_symmetric(points: int) -> None:
    faces, rest = some_faces(2, points=points), some_faces(2, seed=3, points=points)
    found = angle_map(faces, rest)
    assert found.shape == (2, points, points) and found.dtype == np.float32
    for each, face, still in zip(found, faces, rest, strict=True):
        assert_allclose(each, plain_angles(face, still), atol=1e-6)
    assert_array_equal(found, found.transpose(0, 2, 1))
    assert_array_equal(np.diagonal(found, axis1=1, axis2=2), 0)
    assert_allclose(angle_map(faces, faces), 0, atol=1e-12)


def test_half_a_turn_is_1_and_points_in_one_place_have_no_direction() -> None:
    rest, face = drawn_face(), drawn_face()
    face[85], face[79] = rest[79], rest[85]
    face[95] = face[76]
    found, back = angle_map(face[None], rest)[0], angle_map(rest[None], face)[0]
    assert found[79, 85] == pytest.approx(1)
    for each in (found, back):
        assert each[76, 95] == each[95, 76] == 0


@pytest.mark.parametrize(("points", "length"), [(98, 4753), (68, 2278)])
def test_the_vector_is_each_pair_of_the_map_once(points: int, length: int) -> None:
    faces, rest = some_faces(2, points=points), some_faces(1, seed=3, points=points)[0]
    vectors, maps = angles(faces, rest), angle_map(faces, rest)
    assert vectors.shape == (2, length) and vectors.flags.c_contiguous
    assert_array_equal(vectors[1], [maps[1, i, j] for i in range(points) for j in range(i + 1, points)])


def test_a_face_without_a_pose_is_nan_and_spoils_no_other() -> None:
    faces = some_faces(3)
    expected = geometry(faces)
    faces[0, 60] = np.nan
    faces[2, 60] = faces[2, 72]
    found = geometry(faces)
    assert np.isnan(found[[0, 2]]).all()
    assert np.isnan(angles(faces, drawn_face())[[0, 2]]).all()
    assert_array_equal(found[1], expected[1])


def test_an_eye_without_width_is_no_opening_and_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    face = drawn_face()
    face[64] = face[60]
    assert np.isfinite(geometry(face[None])).all()
    assert geometry(np.empty((0, 98, 2))).shape == (0, 32)
    assert not recwarn.list


def test_other_shapes_are_refused() -> None:
    with pytest.raises(SpecError, match=r"shape \(98, 2\); expected those of n faces"):
        geometry(drawn_face())
    with pytest.raises(SpecError, match="98 or 68 points"):
        geometry(np.zeros((1, 5, 2)))
    with pytest.raises(SpecError, match=r"Faces at rest have shape \(68, 2\)"):
        geometry(some_faces(), to_ibug68(drawn_face()))
    with pytest.raises(SpecError, match=r"Faces at rest have shape \(2, 98, 2\)"):
        angle_map(some_faces(3), some_faces(2))
