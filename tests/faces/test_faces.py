"""Faces are found where they are and cut out so that the eyes lie where FER2013 has them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from hybridfer import detect
from hybridfer.errors import PictureError, SpecError
from hybridfer.faces import crop_largest
from hybridfer.faces.align import EYES, crop_face
from hybridfer.types import Face


def test_the_astronauts_face_is_found(astronaut: np.ndarray) -> None:
    face = detect(astronaut)[0]
    x0, y0, x1, y1 = face.box
    # Between the eyes, read off the picture: (224, 112).
    assert x0 < 224 < x1 and y0 < 112 < y1 and 80 < x1 - x0 < 140


def test_faces_come_largest_first(astronaut: np.ndarray) -> None:
    both = np.zeros((512, 800, 3), np.uint8)
    both[:, :512], both[:256, 520:776] = astronaut, cv2.resize(astronaut, (256, 256))
    widths = [face.box[2] - face.box[0] for face in detect(both)]
    assert len(widths) >= 2 and widths == sorted(widths, reverse=True)


def test_a_face_smaller_than_asked_for_is_not_found(astronaut: np.ndarray) -> None:
    assert detect(astronaut, min_face=200) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (20, 500, 3), (300, 300, 3)])
def test_where_there_is_no_face_none_is_found(shape: tuple[int, int, int]) -> None:
    assert detect(np.zeros(shape, np.uint8)) == []


def test_a_large_picture_is_searched_in_its_own_pixels(astronaut: np.ndarray) -> None:
    box = np.array(detect(cv2.resize(astronaut, (4096, 4096)), min_face=300)[0].box) / 8
    np.testing.assert_allclose(box, detect(astronaut)[0].box, atol=12)


def test_none_takes_the_whole_picture(astronaut: np.ndarray) -> None:
    assert detect(astronaut[:300], "none")[0].box == (0, 0, 512, 300)
    np.testing.assert_array_equal(crop_largest(astronaut[:300], "none"), astronaut[:300])


def test_an_unknown_detector_names_the_known() -> None:
    with pytest.raises(SpecError, match="Did you mean 'haar'"):
        detect(np.zeros((9, 9, 3), np.uint8), "harr")


def test_no_face_to_crop_is_said() -> None:
    with pytest.raises(PictureError, match="--detector none"):
        crop_largest(np.zeros((99, 99, 3), np.uint8))


def test_the_crop_puts_the_eyes_where_fer2013_has_them() -> None:
    picture = np.zeros((200, 200, 3), np.uint8)
    face = Face((50, 40, 150, 140), 1.0)
    eyes = ((0.3, 0.4), (0.7, 0.4))
    for x, y in eyes:
        picture[round(40 + 100 * y), round(50 + 100 * x)] = 255
    crop = crop_face(picture, face, eyes)
    rows, columns = np.nonzero(crop[..., 0])
    side = crop.shape[0]
    assert crop.shape[0] == crop.shape[1]
    np.testing.assert_allclose(columns / side, [EYES[0][0], EYES[1][0]], atol=1 / side)
    np.testing.assert_allclose(rows / side, EYES[0][1], atol=1 / side)


def test_beyond_the_edge_the_border_is_repeated() -> None:
    picture = np.arange(100, dtype=np.uint8).reshape(10, 10)[..., None].repeat(3, axis=2)
    crop = crop_face(picture, Face((-3, -2, 7, 8), 1.0), None)
    assert crop.shape == (10, 10, 3)
    np.testing.assert_array_equal(crop[2:, 3:], picture[:8, :7])
    np.testing.assert_array_equal(crop[:3, :4], np.zeros((3, 4, 3)))


def test_the_cascades_boxes_hold_the_eyes_where_it_says(data_folder: Path) -> None:
    import csv

    from hybridfer.faces.detectors.haar import Haar
    from hybridfer.media.images import read_image

    with (data_folder / "faces68" / "points.csv").open() as file:
        rows = list(csv.DictReader(file))[::40]
    found = []
    for row in rows:
        faces = Haar().detect(read_image(data_folder / "faces68" / row["path"]).pixels)
        points = np.array([[float(row[f"x_{i}"]), float(row[f"y_{i}"])] for i in range(68)])
        if faces:
            x0, y0, x1, y1 = faces[0].box
            eyes = np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0)])
            found.append((eyes - [x0, y0]) / [x1 - x0, y1 - y0])
    assert len(found) > 0.9 * len(rows)
    np.testing.assert_allclose(np.median(found, axis=0), Haar.eyes, atol=0.02)
