"""YuNet: what OpenCV finds, in our order and pixels; and what is said where its file is not installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hybridfer.datasets.boxes import read_annotated
from hybridfer.deep.weights import find_weights, import_weights, weights_folder
from hybridfer.errors import SpecError, WeightsError
from hybridfer.faces import create_detector
from hybridfer.media.images import read_image


@pytest.fixture
def yunet(data_folder: Path) -> Path:
    """The published file, imported; its path."""
    file = data_folder / "teachers" / "yunet_n.onnx"
    import_weights(file, "yunet", licence="MIT")
    return file


def test_without_its_file_it_says_what_to_run() -> None:
    with pytest.raises(WeightsError, match=r"`hybridfer models import FILE --network yunet`, or choose another"):
        create_detector("yunet")
    with pytest.raises(WeightsError, match="--network yunet --name other`"):
        create_detector("yunet:weights=other")


def test_the_astronaut_is_found_where_opencv_finds_her(yunet: Path, astronaut: np.ndarray) -> None:
    detector = create_detector("yunet", min_face=18)
    (face,) = detector.detect(astronaut)
    own = cv2.FaceDetectorYN.create(str(yunet), "", (512, 512), 0.8)
    (row,) = own.detect(np.ascontiguousarray(astronaut[:, :, ::-1]))[1]
    x, y, width, height = row[:4]
    assert_allclose(face.box, (x, y, x + width, y + height), atol=1e-3)
    assert face.score == pytest.approx(row[14], abs=1e-5)
    assert face.landmarks is not None
    assert_allclose(face.landmarks, row[4:14].reshape(5, 2), atol=1e-3)
    # Image-left eye, image-right eye, nose, image-left and image-right corner of the mouth; seen by eye.
    assert_allclose(face.landmarks, [[208, 108], [248, 112], [231, 133], [207, 145], [241, 149]], atol=8)
    assert detector.weights == find_weights("yunet")[1].sha256


def test_pictures_are_made_smaller_and_faces_come_back_in_their_own_pixels(yunet: Path, astronaut: np.ndarray) -> None:
    large = cv2.resize(astronaut, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC)
    (small,) = create_detector("yunet").detect(astronaut)
    (face,) = create_detector("yunet", min_face=180).detect(large)
    assert_allclose(np.array(face.box) / 6, small.box, atol=6)
    assert small.landmarks is not None
    assert face.landmarks is not None
    assert_allclose(face.landmarks / 6, small.landmarks, atol=4)


def test_faces_below_the_smallest_or_the_threshold_are_left_out(yunet: Path, astronaut: np.ndarray) -> None:
    (face,) = create_detector("yunet").detect(astronaut)
    tall = face.box[3] - face.box[1]
    assert create_detector("yunet", min_face=int(tall * 1.5)).detect(astronaut) == []
    assert len(create_detector("yunet", threshold=0.0).detect(astronaut)) > 1
    assert create_detector("yunet", threshold=1.0).detect(astronaut) == []
    with pytest.raises(SpecError, match=r"yunet has threshold 1\.5; expected 0 to 1"):
        create_detector("yunet", threshold=1.5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 11), (11, 1), (33, 47), (2000, 3), (480, 640), (1, 9000)])
def test_pictures_of_any_size_and_black_ones_are_searched(yunet: Path, shape: tuple[int, int]) -> None:
    assert create_detector("yunet").detect(np.zeros((*shape, 3), np.uint8)) == []


def test_the_picture_is_left_as_it_was_and_the_answer_is_the_same_again(yunet: Path, astronaut: np.ndarray) -> None:
    detector, before = create_detector("yunet"), astronaut.copy()
    first = detector.detect(astronaut)
    detector.detect(np.zeros((99, 50, 3), np.uint8))
    again = detector.detect(astronaut)
    assert_array_equal(astronaut, before)
    assert [(face.box, face.score) for face in again] == [(face.box, face.score) for face in first]


def test_weights_of_another_network_or_that_opencv_cannot_run_are_refused(yunet: Path) -> None:
    shutil.copytree(weights_folder() / "yunet", weights_folder() / "other")
    card = weights_folder() / "other" / "card.json"
    card.write_text(card.read_text().replace('"name": "yunet"', '"name": "other"'))
    assert create_detector("yunet:weights=other").weights == find_weights("yunet")[1].sha256
    card.write_text(card.read_text().replace('"network": "yunet"', '"network": "pfld"'))
    with pytest.raises(WeightsError, match="weights 'other' are of pfld, not of yunet"):
        create_detector("yunet:weights=other")


def test_all_43_faces_of_the_nine_photographs_are_found_and_nothing_else(yunet: Path, data_folder: Path) -> None:
    detector = create_detector("yunet")
    for name in ("training", "testing"):
        for marked in read_annotated(data_folder / f"photos/boxes/{name}.xml"):
            faces = detector.detect(marked.source.read().pixels)
            assert len(faces) == len(marked.boxes)
            for x0, y0, x1, y1 in marked.boxes:
                middles = [((f.box[0] + f.box[2]) / 2, (f.box[1] + f.box[3]) / 2) for f in faces]
                assert sum(x0 < x < x1 and y0 < y < y1 for x, y in middles) == 1


def test_a_drawing_without_faces_has_none(yunet: Path, data_folder: Path) -> None:
    # In no_face_dogs.jpg it takes a dog for a person, surer of it than of some people.
    assert create_detector("yunet").detect(read_image(data_folder / "photos" / "no_face_vector.jpg").pixels) == []
