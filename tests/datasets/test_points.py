"""Faces with points: WFLW's lists, 300-W's files, tables and COCO's JSON, and what is no such file."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from hybridfer.datasets.points import ATTRIBUTES, MarkedFace, read_points
from hybridfer.errors import DatasetError, PictureError

POINTS = np.random.default_rng(0).integers(-50, 300, (98, 2)) + 0.25
"""Some of them outside any picture, as WFLW has some."""


def wflw_line(name: str = "0--Parade/a.jpg", tail: str = "10 20 110 220 0 1 0 0 1 0") -> str:
    return " ".join([*(str(value) for value in POINTS.ravel()), *tail.split(), name])


def pts(points: np.ndarray, count: int | None = None) -> str:
    lines = "".join(f"{x:.3f} {y:.3f}\n" for x, y in points)
    return f"version: 1\nn_points:  {len(points) if count is None else count}\n{{\n{lines}}}\n"


def coco(points: np.ndarray = POINTS, **more: object) -> str:
    marks = np.column_stack([points, np.ones(len(points))]).ravel().tolist()
    mark = {"image_id": 7, "keypoints": marks, "bbox": [1, 2, 30, 40], **more}
    return json.dumps({"images": [{"id": 7, "file_name": "a.jpg"}], "annotations": [mark]})


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))


def read(folder: Path, name: str, text: str) -> list[MarkedFace]:
    (folder / name).write_text(text, "utf-8")
    return read_points(folder / name)


def test_a_list_of_wflw_has_points_a_box_and_marks(tmp_path: Path) -> None:
    first, second = read(
        tmp_path, "list_98pt_rect_attr_test.txt", f"{wflw_line()}\n\n{wflw_line('b b.jpg', '1 2 3 4 0 0 0 0 0 0')}\n"
    )
    assert_array_equal(first.points, POINTS)
    assert first.box == (10, 20, 110, 220)
    assert first.attributes == dict(zip(ATTRIBUTES, [False, True, False, False, True, False], strict=True))
    assert (first.split, first.subject) == ("test", None)
    assert (Path(first.input).name, Path(second.input).name) == ("a.jpg", "b b.jpg")
    assert not any(second.attributes.values())


def test_a_list_may_leave_out_box_and_marks(tmp_path: Path) -> None:
    (face,) = read(tmp_path, "list_98pt_train.txt", wflw_line(tail=""))
    assert_array_equal(face.points, POINTS)
    assert (face.box, face.attributes, face.split) == (None, {}, "train")


@pytest.mark.parametrize("place", ["", "WFLW_images", "../../WFLW_images"])
def test_a_list_finds_its_pictures_where_wflw_is_unpacked(tmp_path: Path, place: str) -> None:
    lists = tmp_path / "WFLW_annotations" / "list_98pt_rect_attr_train_test"
    lists.mkdir(parents=True)
    picture((lists / place / "0--Parade" / "a.jpg").resolve())
    (face,) = read(lists, "list.txt", wflw_line())
    assert face.source.read().pixels.shape == (8, 8, 3)


def test_a_picture_that_is_missing_fails_when_it_is_read(tmp_path: Path) -> None:
    for name, text in (("a.txt", wflw_line()), ("a.pts", pts(POINTS[:68])), ("a.json", coco())):
        (face,) = read(tmp_path, name, text)
        with pytest.raises(PictureError, match="no such file"):
            face.source.read()


def test_points_of_300w_are_counted_from_1_beside_their_pictures(tmp_path: Path) -> None:
    points = POINTS[:68]
    for name in ("helen/trainset/b_10", "helen/trainset/b_9", "ibug/c", "lfpw/testset/d", "other/e", "testset/afw/f"):
        picture(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.pts").write_text(pts(points))
    faces = read_points(tmp_path)
    assert [Path(face.input).name for face in faces] == ["b_9.png", "b_10.png", "c.png", "d.png", "e.png", "f.png"]
    assert [face.split for face in faces] == ["train", "train", "test", "test", None, "train"]
    assert_array_equal(faces[0].points, points - 1)
    assert faces[0].source.read().pixels.shape == (8, 8, 3)
    assert read_points(tmp_path / "ibug")[0].split == "test"


@pytest.mark.parametrize("count", [68, 98])
def test_a_table_has_a_row_a_face(tmp_path: Path, count: int) -> None:
    head = "path,subject,split,x0,y0,x1,y1," + ",".join(f"x_{k},y_{k}" for k in range(count))
    cells = [str(value) for value in POINTS[:count].ravel()]
    lines = [",".join(["a.jpg,ann,Training,1,2,11,22", *cells]), ",".join(["a.jpg,,,,,,", "", "", *cells[2:]])]
    first, second = read(tmp_path, "faces.csv", "\n".join([head, *lines]))
    assert_array_equal(first.points, POINTS[:count])
    assert (first.input, first.box, first.subject, first.split) == (
        str(tmp_path / "a.jpg"),
        (1, 2, 11, 22),
        "ann",
        "train",
    )
    assert second.box is None
    assert np.isnan(second.points[0]).all()
    assert_array_equal(second.points[1:], POINTS[1:count])


def test_json_of_coco_s_form_has_boxes_and_leaves_unseen_points_unknown(tmp_path: Path) -> None:
    (face,) = read(tmp_path, "wflw.json", coco())
    assert_array_equal(face.points, POINTS)
    assert face.box == (1, 2, 31, 42)
    marks = np.column_stack([POINTS, np.arange(98) % 3]).ravel().tolist()
    (face,) = read(tmp_path, "wflw.json", coco(keypoints=marks, bbox=None))
    assert_array_equal(np.isnan(face.points).all(1), np.arange(98) % 3 == 0)
    assert face.box is None


RUBBISH = {
    "empty.txt": ("", "has no face with points"),
    "short.txt": (f"{wflw_line()}\n{' '.join(wflw_line().split()[2:])}\n", "Line 2 of .* has 204 numbers before"),
    "cut.txt": (wflw_line()[:600], "Line 1 of .*; expected 206"),
    "nameless.txt": (wflw_line(name=""), "Line 1 of .* has 206 numbers before"),
    "marks.txt": (wflw_line(tail="1 2 3 4 0 0 2 0 0 0"), "Line 1 of .* has marks 0 0 2 0 0 0; expected six of 0 or 1"),
    "box.txt": (wflw_line(tail="9 2 3 4 0 0 0 0 0 0"), "Line 1 of .* width -6"),
    "nan.txt": (wflw_line().replace(str(POINTS[3, 0]), "nan", 1), "Line 1 of .* no number"),
    "cut.pts": (pts(POINTS[:68])[:300], "Is the file whole"),
    "count.pts": (pts(POINTS[:68], 67), "has 68 lines of points and says n_points 67"),
    "other.pts": ("hello", "says n_points nowhere"),
    "short.pts": (pts(POINTS[:68]).replace(f"{POINTS[2, 0]:.3f} ", "", 1), "Point 3 of .*; expected x and y"),
    "few.pts": (pts(POINTS[:5]), "has faces of 5 points; expected all of 98 or all of 68"),
    "none.csv": ("path,label\na.jpg,anger\n", "has no points; expected columns x_0"),
    "inf.csv": (
        "path," + ",".join(f"x_{k},y_{k}" for k in range(68)) + "\na.jpg," + ",".join(["inf"] * 136) + "\n",
        "Row 1 of .* at infinity",
    ),
    "blank.csv": (
        "path," + ",".join(f"x_{k},y_{k}" for k in range(68)) + "\na.jpg" + "," * 136 + "\n",
        "Row 1 of .* has no points",
    ),
    "cut.json": (coco()[:100], "is not in COCO's form"),
    "list.json": ("[1, 2]", "is not in COCO's form"),
    "image.json": (coco(image_id=8), "Annotation 1 of .* cannot be read"),
    "pairs.json": (coco(keypoints=[1, 2, 3, 4]), "Annotation 1 of .* three numbers for each point"),
    "bbox.json": (coco(bbox=[1, 2]), "Annotation 1 of .* bbox of 2 numbers"),
    "nan.json": (coco().replace(str(POINTS[5, 0]), "NaN", 1), "Annotation 1 of .* no number"),
    "faces.yaml": ("a: 1", "is not known as a file of marked points"),
}


@pytest.mark.parametrize("name", RUBBISH)
def test_what_is_no_such_file_is_an_error_that_says_where(tmp_path: Path, name: str) -> None:
    text, message = RUBBISH[name]
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, name, text)


@pytest.mark.parametrize("name", ["no.txt", "no.pts", "no.csv", "no.json"])
def test_a_file_that_is_not_there_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match=r"no\..* (is no file|cannot be opened)"):
        read_points(tmp_path / name)


def test_faces_of_one_file_have_as_many_points(tmp_path: Path) -> None:
    for name, count in (("a", 68), ("b", 98)):
        (tmp_path / f"{name}.pts").write_text(pts(POINTS[:count]))
    with pytest.raises(DatasetError, match="has faces of 68 and 98 points"):
        read_points(tmp_path)


def test_the_development_data_are_read_whole(data_folder: Path) -> None:
    faces = read_points(data_folder / "faces68" / "points.csv")
    assert {len(face.points) for face in faces} == {68}
    assert len({face.subject for face in faces}) > 200
    marked = read_points(data_folder / "wflw_sample" / "test_wflw.json")
    assert [face.points.shape for face in marked] == [(98, 2)] * 4
    for face in marked:
        height, width = face.source.read().pixels.shape[:2]
        assert (face.points > 0).all()
        assert (face.points < [width, height]).all()
