"""Dense local descriptors: a slow and obvious version is the judge, and OpenCV's SIFT a near relative."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from hybridfer.descriptors import create_descriptor
from hybridfer.descriptors.siftlocal import SIFTLocal
from hybridfer.errors import SpecError


@pytest.fixture(scope="module")
def faces(lfw: tuple[np.ndarray, list[str]]) -> list[np.ndarray]:
    """Twelve real pictures of 48x48 pixels."""
    return [cv2.resize(face, (48, 48), interpolation=cv2.INTER_CUBIC) for face in lfw[0][65:77]]


def slow(face: np.ndarray, cells: tuple[int, ...], step: int) -> np.ndarray:
    """Every descriptor by itself, pixel by pixel: ``(count, 128)``, before it is rounded."""
    size = len(face)
    grey = face.astype(float)
    found = []
    for cell in cells:
        room = size - 1 - 3 * cell
        firsts = [room % step / 2 + step * i for i in range(room // step + 1)]
        for top in firsts:
            for left in firsts:
                histogram = np.zeros((4, 4, 8))
                for y in range(1, size - 1):
                    for x in range(1, size - 1):
                        right, up = grey[y, x + 1] - grey[y, x - 1], grey[y - 1, x] - grey[y + 1, x]
                        turn = np.arctan2(up, right) / (2 * np.pi) * 8 % 8
                        for row in range(4):
                            for column in range(4):
                                away = abs(y - top - row * cell) / cell, abs(x - left - column * cell) / cell
                                if max(away) >= 1:
                                    continue
                                share = np.hypot(right, up) * (1 - away[0]) * (1 - away[1])
                                share *= np.exp(-((row - 1.5) ** 2 + (column - 1.5) ** 2) / 8)
                                low = int(turn)
                                histogram[row, column, low % 8] += share * (1 - (turn - low))
                                histogram[row, column, (low + 1) % 8] += share * (turn - low)
                found.append(np.sqrt(histogram / histogram.sum()).ravel())
    return np.array(found)


def test_there_are_as_many_as_in_the_literature() -> None:
    # SPEC 9.3: cells of 2, 3, 4, 6 px at step 2 on 48x48 give 1,390.
    assert SIFTLocal().length == 1390 * 128
    assert len(SIFTLocal().places()) == len(SIFTLocal().mirror()[0]) == 1390


@pytest.mark.parametrize(("cells", "step"), [("2+4", 5), ("3", 4)])
def test_the_numbers_are_those_of_the_slow_version(faces: list[np.ndarray], cells: str, step: int) -> None:
    face = cv2.resize(faces[0], (19, 19), interpolation=cv2.INTER_AREA)
    local = SIFTLocal(size=19, cells=cells, step=step)
    expected = slow(face, local.sides, step)
    got = local.describe(face).reshape(-1, 128)
    # OpenCV's arc tangent is good to 0.3 degrees, and roots of small shares tell.
    np.testing.assert_allclose(got, np.minimum(np.rint(512 * expected), 255), atol=6)
    assert np.abs(got - 512 * expected).mean() < 0.7


def test_they_are_near_opencv_s_at_the_same_points(faces: list[np.ndarray]) -> None:
    # At 49 pixels the points of cells of 4 and 6 are whole; OpenCV blurs first, so ours is given the blurred picture.
    local = SIFTLocal(size=49, cells="4+6", step=4)
    places = ((local.places() + 0.5) * 49 - 0.5).round(3)
    assert np.array_equal(places, places.round())
    counts = [((48 - 3 * side) // 4 + 1) ** 2 for side in (4, 6)]
    sides = np.repeat([4, 6], counts)
    keypoints = [cv2.KeyPoint(float(x), float(y), 4 * s / 6, 0) for (x, y), s in zip(places, sides, strict=True)]
    likeness = []
    for face in faces:
        grey = cv2.resize(face, (49, 49), interpolation=cv2.INTER_CUBIC)
        theirs = cv2.SIFT_create().compute(grey, keypoints)[1]
        theirs = np.sqrt(theirs / theirs.sum(1, keepdims=True))
        ours = local.describe(cv2.GaussianBlur(grey, (0, 0), np.sqrt(1.6**2 - 0.5**2))).reshape(-1, 128) / 512
        likeness.append((ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1))
    assert np.median(likeness) > 0.98
    assert np.min(likeness) > 0.9


def test_a_mirrored_face_has_the_same_descriptors_in_mirrored_order(faces: list[np.ndarray]) -> None:
    for spec in ("siftlocal", "siftlocal:step=3,cells=3+5"):
        local = create_descriptor(spec)
        descriptors, values = local.mirror()
        as_told = local.describe_batch(faces).reshape(len(faces), -1, 128)[:, descriptors][..., values]
        described = local.describe_batch([np.ascontiguousarray(face[:, ::-1]) for face in faces])
        difference = np.abs(as_told.reshape(len(faces), -1).astype(int) - described)
        # What lies in the middle of two whole numbers may be rounded to the other.
        assert difference.max() <= 1 and (difference > 0).mean() < 1e-3
        np.testing.assert_allclose(local.places()[descriptors] * [-1, 1], local.places(), atol=1e-6)


def test_a_descriptor_is_the_roots_of_shares_512_to_the_unit(faces: list[np.ndarray]) -> None:
    squares = np.square(SIFTLocal().describe_batch(faces).reshape(-1, 128) / 512).sum(1)
    np.testing.assert_allclose(squares[squares > 0], 1, atol=0.06)


def test_without_a_gradient_there_are_zeros(faces: list[np.ndarray]) -> None:
    local = SIFTLocal(cells="2", step=4)
    for value in (0, 77, 255):
        assert not local.describe(np.full((48, 48), value, np.uint8)).any()
    half = faces[0].copy()
    half[:, :24] = 200
    filled = local.describe(half).reshape(-1, 128).any(1)
    # Cells' middles lie up to 3 pixels from the point, a cell reaches 2 further, and a gradient 1.
    across = (local.places()[:, 0] + 0.5) * 48 - 0.5
    assert not filled[across <= 23 - 6].any()
    assert filled[across >= 24].all()


@pytest.mark.parametrize(
    ("brighter", "direction"),
    [((0, 1), 0), ((-1, 1), 1), ((-1, 0), 2), ((-1, -1), 3), ((0, -1), 4), ((1, -1), 5), ((1, 0), 6), ((1, 1), 7)],
)
def test_directions_count_from_right_towards_up(brighter: tuple[int, int], direction: int) -> None:
    rows, columns = np.mgrid[:48, :48]
    ramp = (124 + 2 * (brighter[0] * (rows - 24) + brighter[1] * (columns - 24))).astype(np.uint8)
    shares = np.square(SIFTLocal(step=6).describe(ramp).reshape(-1, 16, 8) / 512).sum(1)
    np.testing.assert_allclose(shares[:, direction], 1, atol=0.03)


def test_brightness_does_not_matter_and_contrast_hardly(faces: list[np.ndarray]) -> None:
    dark = faces[1] // 4
    local = SIFTLocal(step=4)
    np.testing.assert_array_equal(local.describe(dark + 100), local.describe(dark))
    np.testing.assert_allclose(local.describe(dark * 4), local.describe(dark), atol=1)


def test_the_bits_do_not_depend_on_the_threads(faces: list[np.ndarray]) -> None:
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(SIFTLocal().describe_batch(faces))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("option", ["size=64", "cells=2+3", "step=4"])
def test_every_option_changes_the_vector(faces: list[np.ndarray], option: str) -> None:
    changed = create_descriptor(f"siftlocal:{option}")
    assert not np.array_equal(changed.describe(faces[0]), SIFTLocal().describe(faces[0]))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("size=7", "expected 8 to 256 pixels"),
        ("step=0", "expected 1 pixel to size"),
        ("cells=3+2", r"cells=3\+2 is out of range; expected pixels, ascending, such as 2\+3\+4\+6"),
        ("cells=2+2", "expected pixels, ascending"),
        ("cells=two", "expected pixels, ascending"),
        ("cells=2+", "expected pixels, ascending"),
        ("cells=0+2", "expected pixels, ascending"),
        ("cells=16", "less than a third of size"),
    ],
)
def test_what_is_out_of_range_is_refused(option: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        create_descriptor(f"siftlocal:{option}")
