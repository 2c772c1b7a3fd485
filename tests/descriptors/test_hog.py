"""HOG: scikit-image's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.feature import hog as reference

from hybridfer.descriptors.hog import HOG
from hybridfer.errors import SpecError


def reference_vectors(pictures: np.ndarray, hog: HOG) -> np.ndarray:
    cell, block = (hog.cell, hog.cell), (hog.block, hog.block)
    return np.array([reference(p, hog.orientations, cell, block, block_norm="L2-Hys") for p in pictures])


@pytest.mark.parametrize(
    "hog",
    [
        HOG(),
        HOG(orientations=8),
        HOG(orientations=7),
        HOG(orientations=1),
        HOG(cell=6, block=3),
        HOG(cell=10),
        HOG(cell=46, block=1),
        HOG(cell=4, block=1),
        HOG(size=50),
    ],
    ids=lambda hog: hog.spec,
)
def test_vectors_are_scikit_images(astronaut: np.ndarray, hog: HOG) -> None:
    size = hog.size
    crops = np.array([astronaut[i * 30 : i * 30 + size, 180 : 180 + size, 1] for i in range(14)])
    expected = reference_vectors(crops, hog)
    assert hog.length == expected.shape[1]
    np.testing.assert_allclose(hog.describe_batch(list(crops)), expected, rtol=0, atol=1e-6)


def test_vectors_are_scikit_images_on_fer2013(fer_faces: np.ndarray) -> None:
    np.testing.assert_allclose(
        HOG().describe_batch(list(fer_faces)), reference_vectors(fer_faces, HOG()), rtol=0, atol=1e-6
    )


def test_vectors_are_scikit_images_where_gradients_are_faint() -> None:
    faint = np.full((1, 48, 48), 100, np.uint8)
    faint[0, 20, 20] = 101
    np.testing.assert_allclose(HOG().describe(faint[0]), reference_vectors(faint, HOG())[0], rtol=0, atol=1e-6)


def test_a_step_from_left_to_right_votes_for_the_first_orientation_only() -> None:
    step = np.zeros((48, 48), np.uint8)
    step[:, 24:] = 200
    by_orientation = HOG().describe(step).reshape(25, 4, 9).sum(axis=(0, 1))
    assert by_orientation[0] > 0
    assert not by_orientation[1:].any()


def test_a_step_from_top_to_bottom_votes_for_the_middle_orientation_only() -> None:
    step = np.zeros((48, 48), np.uint8)
    step[24:] = 200
    by_orientation = HOG().describe(step).reshape(25, 4, 9).sum(axis=(0, 1))
    assert by_orientation[4] > 0
    assert not np.delete(by_orientation, 4).any()


def test_the_default_has_900_values_and_blocks_of_unit_length(astronaut: np.ndarray) -> None:
    hog = HOG()
    assert (hog.length, hog.dtype) == (900, np.float32)
    blocks = hog.describe(astronaut).reshape(25, 36)
    np.testing.assert_allclose(np.linalg.norm(blocks, axis=1), 1, rtol=1e-5)


def test_one_colour_has_no_gradient_and_gives_zeros() -> None:
    assert not HOG().describe(np.full((48, 48), 200, np.uint8)).any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"size": 1}, "hog:size=1 is out of range; expected 2 to 1024 pixels"),
        ({"orientations": 0}, "hog:orientations=0 is out of range; expected 1 to 180"),
        ({"orientations": 181}, "hog:orientations=181 is out of range"),
        ({"cell": 7}, "hog:cell=7 is out of range; expected an even number of pixels"),
        ({"cell": 50}, "hog:cell=50 is out of range"),
        ({"cell": 0}, "hog:cell=0 is out of range"),
        ({"block": 0}, "hog:block=0 is out of range; expected 1 to 6 cells"),
        ({"block": 7}, "hog:block=7 is out of range"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict[str, int], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        HOG(**parameters)
