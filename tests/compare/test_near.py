"""Near copies: other crops, sizes, brightness and mirror images of one photograph are found, other faces are not."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import data as samples

from hybridfer.compare.near import close_pairs, find_near, fitted_correlation, reduced, sketch_batch

PHOTO = samples.astronaut()[0:280, 80:360]


def changed() -> dict[str, np.ndarray]:
    """Copies of one photograph as data sets hold them."""
    stamped = cv2.putText(PHOTO.copy(), "sample", (60, 200), cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 255, 255), 2)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", PHOTO, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)
    return {
        "itself": PHOTO.copy(),
        "half the size": cv2.resize(PHOTO, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        "another crop": PHOTO[8:270, 10:275],
        "darker": (PHOTO * 0.7).astype(np.uint8),
        "JPEG of poor quality": jpeg,
        "watermark": stamped,
        "grey": cv2.cvtColor(PHOTO, cv2.COLOR_RGB2GRAY),
    }


@pytest.mark.parametrize("how", changed())
def test_a_changed_copy_is_found(how: str) -> None:
    (pair,) = find_near(sketch_batch([PHOTO, changed()[how]]))
    assert (pair.first, pair.second, pair.mirrored) == (0, 1, False) and pair.correlation > 0.93


def test_a_mirror_image_is_found_and_said_to_be_one() -> None:
    (pair,) = find_near(sketch_batch([PHOTO, np.ascontiguousarray(PHOTO[:, ::-1])]))
    assert pair.mirrored and pair.bits <= 2


def test_other_pictures_are_not_copies() -> None:
    others = [samples.camera(), samples.coffee(), samples.chelsea(), samples.rocket(), PHOTO]
    assert find_near(sketch_batch(others)) == []


def test_faces_of_different_people_are_not_copies(lfw: tuple[np.ndarray, list[str]]) -> None:
    # 100 faces of LFW, as scikit-image has them; its own documentation promises no duplicates.
    faces = [np.repeat(face[:, :, None], 3, 2) for face in lfw[0][:100]]
    assert find_near(sketch_batch(faces)) == []


def test_people_of_one_studio_are_told_apart(data_folder: Path) -> None:
    # London set: 51 people before one wall, each neutral and smiling.
    files = sorted((data_folder / "london" / "images").glob("*.jpg"))
    sketches = sketch_batch([cv2.imread(str(f))[:, :, ::-1] for f in files])
    pairs = find_near(sketches)
    assert pairs and all(files[p.first].name[:3] == files[p.second].name[:3] for p in pairs)


def test_pictures_of_one_colour_are_no_ones_copy() -> None:
    flat = [np.full((48, 48), value, np.uint8) for value in (0, 0, 128)]
    assert find_near(sketch_batch([*flat, PHOTO])) == []
    assert find_near([]) == []


def test_a_corner_of_light_is_like_nothing_else() -> None:
    corner = np.zeros((48, 48), np.uint8)
    corner[0, 0] = 255
    noise = np.random.default_rng(0).integers(0, 256, (48, 48)).astype(np.uint8)
    assert fitted_correlation(corner, noise) == fitted_correlation(noise, corner) == 0.0


@given(st.lists(st.integers(0, 2**64 - 1), max_size=30), st.integers(0, 40))
def test_close_pairs_are_those_of_a_plain_count(numbers: list[int], distance: int) -> None:
    hashes = np.array(numbers, np.uint64)
    plain = [
        (i, j, bits)
        for i, j in combinations(range(len(numbers)), 2)
        if (bits := (numbers[i] ^ numbers[j]).bit_count()) <= distance
    ]
    assert list(close_pairs(hashes, hashes, distance)) == plain


def test_close_pairs_are_the_same_in_small_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    from hybridfer.compare import near

    hashes = np.random.default_rng(1).integers(0, 2**12, 60).astype(np.uint64)
    whole = list(close_pairs(hashes, hashes, 3))
    monkeypatch.setattr(near, "_PAIRS_AT_ONCE", 130)
    assert whole and list(close_pairs(hashes, hashes, 3)) == whole


def test_the_threads_do_not_change_what_is_found() -> None:
    sketches = sketch_batch(list(changed().values()))
    assert find_near(sketches, jobs=1) == find_near(sketches, jobs=2) and len(find_near(sketches)) == 21


def test_large_pictures_are_made_small_and_small_ones_left_alone() -> None:
    assert reduced(np.zeros((1024, 512, 3), np.uint8)).shape == (256, 128, 3)
    assert reduced(np.zeros((3000, 1, 3), np.uint8)).shape == (256, 1, 3)
    small = np.zeros((256, 30), np.uint8)
    assert reduced(small) is small
