"""Faces are found where they are."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from hybridfer import detect
from hybridfer.deep.mtcnn_weights import SHA256
from hybridfer.errors import DeviceError, PictureError, SpecError
from hybridfer.faces import create_detector, crop_largest
from hybridfer.media.images import read_image

FINDERS = ("haar", "mtcnn")
"""Detectors that need nothing but what is installed with hybridfer."""


@pytest.mark.parametrize("detector", FINDERS)
def test_the_astronauts_face_is_found(detector: str, astronaut: np.ndarray) -> None:
    face = detect(astronaut, detector)[0]
    x0, y0, x1, y1 = face.box
    # Between the eyes, read off the picture: (224, 112).
    assert x0 < 224 < x1 and y0 < 112 < y1 and 80 < x1 - x0 < 140


def test_mtcnn_places_five_points(astronaut: np.ndarray) -> None:
    (face,) = detect(astronaut)
    assert face.landmarks is not None
    # Image-left eye, image-right eye, nose, image-left and image-right corner of the mouth; read off the picture.
    np.testing.assert_allclose(face.landmarks, [[208, 108], [248, 112], [231, 133], [207, 145], [241, 149]], atol=9)
    assert 0.99 < face.score <= 1


@pytest.mark.parametrize("detector", FINDERS)
def test_faces_come_largest_first(detector: str, astronaut: np.ndarray) -> None:
    both = np.zeros((512, 800, 3), np.uint8)
    both[:, :512], both[:256, 520:776] = astronaut, cv2.resize(astronaut, (256, 256))
    found = detect(both, detector)
    widths = [face.box[2] - face.box[0] for face in found]
    assert len(widths) >= 2 and widths == sorted(widths, reverse=True)
    # Each with its own points.
    for face in found[: 2 if detector == "mtcnn" else 0]:
        x0, y0, x1, y1 = face.box
        assert face.landmarks is not None
        assert ((face.landmarks > [x0, y0]) & (face.landmarks < [x1, y1])).all()


@pytest.mark.parametrize("detector", FINDERS)
def test_a_face_much_smaller_than_asked_for_is_not_found(detector: str, astronaut: np.ndarray) -> None:
    assert detect(astronaut, detector, min_face=300) == []


@pytest.mark.parametrize("detector", FINDERS)
@pytest.mark.parametrize("shape", [(1, 1, 3), (11, 11, 3), (20, 500, 3), (300, 300, 3)])
def test_where_there_is_no_face_none_is_found(detector: str, shape: tuple[int, int, int]) -> None:
    assert detect(np.zeros(shape, np.uint8), detector) == []


@pytest.mark.parametrize("detector", FINDERS)
def test_a_large_picture_is_searched_in_its_own_pixels(detector: str, astronaut: np.ndarray) -> None:
    box = np.array(detect(cv2.resize(astronaut, (4096, 4096)), detector, min_face=300)[0].box) / 8
    np.testing.assert_allclose(box, detect(astronaut, detector)[0].box, atol=12)


@pytest.mark.parametrize("detector", FINDERS)
def test_a_threshold_leaves_out_what_scores_less(detector: str, astronaut: np.ndarray) -> None:
    score = detect(astronaut, detector)[0].score
    assert detect(astronaut, detector, threshold=score - 1e-6)[0].score == pytest.approx(score)
    assert all(face.score > score for face in detect(astronaut, detector, threshold=score + 1e-6))


def test_mtcnn_finds_less_sure_faces_when_asked(astronaut: np.ndarray) -> None:
    usual, every = detect(astronaut), detect(astronaut, threshold=0)
    assert len(every) > len(usual) and next(face for face in every if face.score > 0.7).box == usual[0].box


def test_a_picture_may_be_a_file(tmp_path: Path, astronaut: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "astronaut.png"), astronaut[..., ::-1])
    for path in (tmp_path / "astronaut.png", str(tmp_path / "astronaut.png")):
        assert [face.box for face in detect(path)] == [face.box for face in detect(astronaut)]


def test_options_follow_the_name(astronaut: np.ndarray) -> None:
    finder = create_detector("mtcnn:factor=0.5", min_face=40)
    assert [face.box for face in finder.detect(astronaut)] != [face.box for face in detect(astronaut, min_face=40)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mtcnn:facter=0.8", r"mtcnn has no parameter 'facter'. Did you mean 'factor'\? Known: factor."),
        ("mtcnn:min_face=40", r"mtcnn has no parameter 'min_face'. Known: factor."),
        ("haar:scale=2", r"haar has no parameter 'scale'. It has none."),
        ("mtcnn:factor=big", r"mtcnn:factor='big' is not a number."),
        ("mtcnn:factor=1", r"mtcnn has factor 1; expected 0.1 to 0.95."),
        ("mtcnn@layer1", r"'mtcnn@layer1' is no detector; expected a name with its options"),
    ],
)
def test_an_option_that_does_not_fit_is_named(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        create_detector(text)


@pytest.mark.parametrize(
    ("given", "message"),
    [({"min_face": 0}, "min_face 0; expected 1 pixel or more"), ({"threshold": 1.5}, "threshold 1.5; expected 0 to 1")],
)
def test_a_parameter_out_of_range_is_named(given: dict[str, float], message: str) -> None:
    with pytest.raises(SpecError, match=f"mtcnn has {message}"):
        create_detector("mtcnn", **given)  # type: ignore[arg-type]


def test_a_device_that_is_not_there_is_an_error() -> None:
    with pytest.raises(DeviceError, match="Did you mean 'cuda'"):
        create_detector("mtcnn", device="cudda")


def test_a_detector_names_its_weights() -> None:
    assert create_detector("mtcnn").weights == SHA256
    assert create_detector("haar").weights is create_detector("none").weights is None


def test_detectors_in_threads_find_the_same(astronaut: np.ndarray) -> None:
    def look(size: int) -> list[tuple[float, ...]]:
        return [face.box for face in detect(cv2.resize(astronaut, (size, size)))]

    sizes = range(200, 500, 60)
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(look, sizes)) == list(map(look, sizes))


def test_none_takes_the_whole_picture(astronaut: np.ndarray) -> None:
    assert detect(astronaut[:300], "none")[0].box == (0, 0, 512, 300)
    np.testing.assert_array_equal(crop_largest(astronaut[:300], "none"), astronaut[:300])


def test_an_unknown_detector_names_the_known() -> None:
    with pytest.raises(SpecError, match="Did you mean 'haar'"):
        detect(np.zeros((9, 9, 3), np.uint8), "harr")


def test_no_face_to_crop_is_said() -> None:
    with pytest.raises(PictureError, match="--detector none"):
        crop_largest(np.zeros((99, 99, 3), np.uint8))


@pytest.mark.parametrize("detector", FINDERS)
def test_boxes_hold_the_eyes_where_the_detector_says(detector: str, data_folder: Path) -> None:
    finder = create_detector(detector)
    with (data_folder / "faces68" / "points.csv").open() as file:
        rows = list(csv.DictReader(file))[::80]
    found = []
    for row in rows:
        faces = finder.detect(read_image(data_folder / "faces68" / row["path"]).pixels)
        points = np.array([[float(row[f"x_{i}"]), float(row[f"y_{i}"])] for i in range(68)])
        if faces:
            x0, y0, x1, y1 = faces[0].box
            eyes = np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0)])
            found.append((eyes - [x0, y0]) / [x1 - x0, y1 - y0])
    assert len(found) > 0.9 * len(rows)
    # Made symmetric: as many faces look to the left as to the right.
    (left_x, left_y), (right_x, right_y) = np.median(found, axis=0)
    both = ((left_x + 1 - right_x) / 2, (left_y + right_y) / 2)
    assert finder.eyes is not None
    np.testing.assert_allclose(both, finder.eyes[0], atol=0.02)


def test_every_london_portrait_has_one_face(data_folder: Path) -> None:
    files = sorted((data_folder / "london" / "images").glob("*.jpg"))[::6]
    finder = create_detector("mtcnn")
    assert [len(finder.detect(read_image(file).pixels)) for file in files] == [1] * 17


@pytest.mark.parametrize(
    ("name", "faces"), [("group5.jpg", 5), ("multiface.jpg", 6), ("single.jpg", 1), ("alpha.png", 1)]
)
def test_the_people_in_photographs_are_counted(data_folder: Path, name: str, faces: int) -> None:
    assert len(detect(data_folder / "photos" / name)) == faces
