"""Dense SIFT: OpenCV's SIFT on the same keypoints is the judge."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from hybridfer.descriptors import create_descriptor
from hybridfer.descriptors.sift import SIFT
from hybridfer.errors import SpecError


@pytest.fixture(scope="module")
def faces(lfw: tuple[np.ndarray, list[str]]) -> list[np.ndarray]:
    """Seventy real pictures of 48x48 pixels."""
    return [cv2.resize(face, (48, 48), interpolation=cv2.INTER_CUBIC) for face in lfw[0][65:135]]


def opencv(face: np.ndarray, grid: int = 4, patch: int = 12, angle: float = 0) -> np.ndarray:
    """OpenCV's descriptors on the grid, ``(grid * grid, 128)``; a fresh object for every picture."""
    along = [len(face) * (i + 0.5) / grid for i in range(grid)]
    keypoints = [cv2.KeyPoint(x, y, patch / 6, angle) for y in along for x in along]
    return cv2.SIFT_create().compute(face, keypoints)[1]


def assert_as_opencv(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Equal but for one value in 10,000, which rounds to the whole number beside."""
    difference = np.abs(ours.astype(float) - theirs)
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 1e-4


@pytest.mark.parametrize(
    ("size", "grid", "patch"),
    [(48, 4, 12), (48, 4, 16), (48, 6, 20), (48, 5, 9), (48, 1, 48), (96, 12, 24), (33, 7, 12), (25, 3, 6), (8, 2, 4)],
)
def test_the_numbers_are_opencv_s(faces: list[np.ndarray], size: int, grid: int, patch: int) -> None:
    crops = [cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA) for face in faces[:20]]
    expected = np.stack([opencv(crop, grid, patch).ravel() for crop in crops])
    assert_as_opencv(SIFT(size, grid, patch).describe_batch(crops), expected)


def test_so_they_are_on_fer2013(fer_faces: np.ndarray) -> None:
    expected = np.stack([opencv(face).ravel() for face in fer_faces])
    assert_as_opencv(SIFT().describe_batch(list(fer_faces)), expected)


def test_opencv_s_are_whole_numbers_that_fit_8_bits(faces: list[np.ndarray]) -> None:
    found = np.stack([opencv(face) for face in faces])
    assert np.array_equal(found, found.astype(np.uint8))
    assert SIFT().dtype == np.uint8


@pytest.mark.parametrize(
    ("brighter", "direction"),
    [((0, 1), 0), ((-1, 1), 1), ((-1, 0), 2), ((-1, -1), 3), ((0, -1), 4), ((1, -1), 5), ((1, 0), 6), ((1, 1), 7)],
)
def test_directions_count_from_right_towards_up(brighter: tuple[int, int], direction: int) -> None:
    rows, columns = np.mgrid[:48, :48]
    ramp = (124 + 2 * (brighter[0] * (rows - 24) + brighter[1] * (columns - 24))).astype(np.uint8)
    # The four points in the middle, which neither the blur's mirrored pixels nor the border touch.
    cells = SIFT().describe(ramp).reshape(4, 4, 16, 8)[1:3, 1:3].astype(int)
    assert (cells.argmax(axis=-1) == direction).all()
    # Nothing in the others but for OpenCV's arc tangent, good to 0.3 of 45 degrees.
    assert np.delete(cells, direction, axis=-1).max() <= 1


def test_a_patch_is_as_wide_as_it_says(faces: list[np.ndarray]) -> None:
    # Cells interpolate patch/8 beyond the patch, a gradient reaches 1 pixel, the blur 6: 6 + 1.5 + 7 = 14.5.
    sift = SIFT()
    before = sift.describe(faces[0]).reshape(4, 4, 128)
    for distance, same in ((0, False), (8, False), (15, True), (30, True)):
        changed = faces[0].copy()
        changed[6, 6 + distance] ^= 128
        after = sift.describe(changed).reshape(4, 4, 128)
        assert np.array_equal(after[0, 0], before[0, 0]) == same


def test_a_keypoint_s_size_is_a_sixth_of_its_patch(faces: list[np.ndarray]) -> None:
    six_times_too_wide = opencv(faces[0], patch=72)
    assert (np.abs(SIFT().describe(faces[0]) - six_times_too_wide.ravel()) > 1).mean() > 0.5


def test_root_is_the_square_root_of_the_shares(faces: list[np.ndarray]) -> None:
    whole = SIFT().describe(faces[0]).reshape(16, 128).astype(np.float64)
    expected = np.sqrt(whole / whole.sum(axis=1, keepdims=True))
    rooted = SIFT(root=True).describe(faces[0])
    assert rooted.dtype == np.float32
    np.testing.assert_allclose(rooted, expected.ravel(), rtol=1e-6)
    np.testing.assert_allclose(np.square(rooted).reshape(16, 128).sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("root", [False, True])
def test_without_a_gradient_there_are_zeros(faces: list[np.ndarray], root: bool) -> None:
    sift = SIFT(root=root)
    for value in (0, 77, 255):
        assert not sift.describe(np.full((48, 48), value, np.uint8)).any()
    half = faces[0].copy()
    half[:, :24] = 200
    points = sift.describe(half).reshape(4, 4, 128)
    assert not points[:, 0].any()
    assert points[:, 3].any(axis=-1).all()


def test_brightness_does_not_matter_and_contrast_hardly(faces: list[np.ndarray]) -> None:
    dark = faces[1] // 4
    sift = SIFT()
    np.testing.assert_allclose(sift.describe(dark + 100), sift.describe(dark), atol=1)
    np.testing.assert_allclose(sift.describe(dark * 4), sift.describe(dark), atol=1)


def test_the_bits_depend_neither_on_the_batch_nor_on_the_threads(faces: list[np.ndarray]) -> None:
    for spec in ("sift", "sift:root=true", "sift:grid=24,size=96"):
        sift = create_descriptor(spec)
        with threadpool_limits(1):
            alone = np.stack([sift.describe(face) for face in faces])
        for threads in (1, 2):
            with threadpool_limits(threads):
                for n in (2, 3, 12, 13, 64, 70):
                    np.testing.assert_array_equal(sift.describe_batch(faces[-n:]), alone[-n:])


@pytest.mark.parametrize("option", ["size=64", "grid=5", "patch=16", "root=true"])
def test_every_option_changes_the_vector(faces: list[np.ndarray], option: str) -> None:
    changed = create_descriptor(f"sift:{option}")
    assert not np.array_equal(changed.describe(faces[0]), SIFT().describe(faces[0]))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sift:size=7", "sift:size=7 is out of range; expected 8 to 1024 pixels"),
        ("sift:grid=0", "expected 1 to size points along a side"),
        ("sift:grid=49", "expected 1 to size points along a side"),
        ("sift:patch=3", "expected 4 pixels to size"),
        ("sift:patch=49", "expected 4 pixels to size"),
    ],
)
def test_what_is_out_of_range_is_refused(spec: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        create_descriptor(spec)
