"""Marked faces: what WIDER's lists, RetinaFace's labels, dlib's XML and manifests say, and what is no such file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hybridfer.datasets.boxes import Annotated, read_annotated
from hybridfer.errors import DatasetError, PictureError

WIDER = """0--Parade/a.jpg
2
10 20 30 40 0 0 0 0 0 0
5 6 7 8 2 0 0 1 2 0
0--Parade/none.jpg
0
0 0 0 0 0 0 0 0 0 0
1--Handshaking/b.jpg
1
1 2 3 0 0 0 0 0 0 0
"""
"""The form of wider_face_train_bbx_gt.txt: x y w h blur expression illumination invalid occlusion pose."""

DLIB = """<?xml version='1.0' encoding='ISO-8859-1'?>
<?xml-stylesheet type='text/xsl' href='image_metadata_stylesheet.xsl'?>
<dataset>
<name>faces</name>
<images>
  <image file='sub/a.jpg' width='500' height='332'>
    <box top='181' left='274' width='52' height='53'/>
    <box top='-3' left='5' width='10' height='20' ignore='1'><label>small</label></box>
  </image>
  <image file='none.jpg'/>
</images>
</dataset>
"""


def _read(folder: Path, name: str, text: str) -> list[Annotated]:
    (folder / name).write_text(text, "utf-8")
    return read_annotated(folder / name)


def _picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))


def _part(name: object, x: float, y: float) -> str:
    return f"<part name='{name}' x='{x}' y='{y}'/>"


def _one_face(parts: list[str]) -> str:
    box = f"<box top='0' left='0' width='100' height='100'>{''.join(parts)}</box>"
    return f"<dataset><images><image file='a.jpg'>{box}</image></images></dataset>"


def test_a_wider_list_gives_boxes_and_marks_the_invalid_and_the_empty_ones_as_ignored(tmp_path: Path) -> None:
    first, none, last = _read(tmp_path, "wider_face_train_bbx_gt.txt", WIDER)
    assert first.input == str(tmp_path / "0--Parade" / "a.jpg")
    assert_array_equal(first.boxes, [[10, 20, 40, 60], [5, 6, 12, 14]])
    assert first.ignored.tolist() == [False, True]
    assert first.points.shape == (2, 5, 2)
    assert np.isnan(first.points).all()
    assert none.boxes.shape == (0, 4)
    assert none.points.shape == (0, 5, 2)
    assert last.ignored.tolist() == [True]


@pytest.mark.parametrize("place", ["", "images", "WIDER_train/images", "../WIDER_train/images", "../WIDER_val/images"])
def test_a_list_finds_its_pictures_where_wider_is_unpacked(tmp_path: Path, place: str) -> None:
    split = tmp_path / "wider_face_split"
    split.mkdir()
    where = (split / place).resolve()
    _picture(where / "1--Handshaking" / "b.jpg")
    *_, last = _read(split, "wider_face_train_bbx_gt.txt", WIDER)
    assert last.input == str(where / "1--Handshaking" / "b.jpg")
    assert last.source.read().pixels.shape == (8, 8, 3)


def test_a_missing_picture_fails_when_it_is_read(tmp_path: Path) -> None:
    first, *_ = _read(tmp_path, "list.txt", WIDER)
    with pytest.raises(PictureError, match="no such file"):
        first.source.read()


def test_labels_of_retinaface_carry_five_points(tmp_path: Path) -> None:
    text = (
        "# 0--Parade/a.jpg\n"
        "449 330 122 149 488.9 373.6 0.0 542.0 376.4 0.0 515.0 412.8 0.0 485.1 425.8 0.0 538.3 431.4 0.0 0.82\n"
        "10 20 30 40 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 0.1\n"
        "# 0--Parade/none.jpg\n"
    )
    first, none = _read(tmp_path, "label.txt", text)
    assert_array_equal(first.boxes, [[449, 330, 571, 479], [10, 20, 40, 60]])
    assert_array_equal(
        first.points[0], [[488.9, 373.6], [542.0, 376.4], [515.0, 412.8], [485.1, 425.8], [538.3, 431.4]]
    )
    assert np.isnan(first.points[1]).all()
    assert len(none.boxes) == 0


def test_dlib_xml_gives_end_exclusive_boxes_and_says_which_to_ignore(tmp_path: Path) -> None:
    first, none = _read(tmp_path, "faces.xml", DLIB)
    assert first.input == str(tmp_path / "sub" / "a.jpg")
    assert_array_equal(first.boxes, [[274, 181, 326, 234], [5, -3, 15, 17]])
    assert first.ignored.tolist() == [False, True]
    assert np.isnan(first.points).all()
    assert none.boxes.shape == (0, 4)


def test_dlib_parts_are_read_by_number_and_reduced_to_five(tmp_path: Path) -> None:
    points = np.random.default_rng(0).integers(0, 99, (68, 2))
    parts = [_part(f"{k:02}", *points[k]) for k in reversed(range(68))]
    (found,) = _read(tmp_path, "faces.xml", _one_face(parts))
    expected = [points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]]
    assert_allclose(found.points[0], expected)


def test_five_parts_are_ours_unless_they_are_the_eye_corners_of_dlibs_own_five(tmp_path: Path) -> None:
    ours = [(30, 40), (70, 41), (50, 60), (35, 80), (65, 81)]
    (found,) = _read(tmp_path, "ours.xml", _one_face([_part(k, x, y) for k, (x, y) in enumerate(ours)]))
    assert_array_equal(found.points[0], ours)
    # The corners of the image-right eye from outside in, those of the image-left eye, the base of the nose.
    dlib = [(80, 42), (60, 40), (20, 40), (40, 42), (50, 62)]
    (found,) = _read(tmp_path, "dlib.xml", _one_face([_part(f"{k}", x, y) for k, (x, y) in enumerate(dlib)]))
    assert_array_equal(found.points[0, :2], [[30, 41], [70, 41]])
    assert np.isnan(found.points[0, 2:]).all()


def test_a_manifest_groups_the_rows_of_a_picture(tmp_path: Path) -> None:
    text = (
        "path,FaceRectX,FaceRectY,FaceRectWidth,FaceRectHeight,subject,split\n"
        "a.jpg,10,20,30,40,ann,Training\n"
        "b.jpg,,,,,,\n"
        "a.jpg,1.5,2.5,3,4,ann,Training\n"
    )
    first, none = _read(tmp_path, "faces.csv", text)
    assert_array_equal(first.boxes, [[10, 20, 40, 60], [1.5, 2.5, 4.5, 6.5]])
    assert first.input == str(tmp_path / "a.jpg")
    assert (first.subject, first.split) == ("ann", "train")
    assert len(none.boxes) == 0


def test_a_manifest_may_give_corners_and_points_or_points_alone(tmp_path: Path) -> None:
    five = [30, 40, 70, 40, 50, 60, 35, 80, 65, 80]
    head = "path,x0,y0,x1,y1," + ",".join(f"{axis}_{k}" for k in range(5) for axis in "xy")
    lines = [
        "a.jpg,1,2,11,22" + ",".join(["", *map(str, five)]),
        "a.jpg,,,," + ",".join(["", *map(str, five)]),
        "a.jpg,1,2,11,22,30,40,,,,,,,,",
    ]
    (found,) = _read(tmp_path, "faces.csv", "\n".join([head, *lines]))
    assert_array_equal(found.boxes[0], [1, 2, 11, 22])
    points = np.array(five, dtype=float).reshape(5, 2)
    assert_array_equal(found.points[0], points)
    x0, y0, x1, y1 = found.boxes[1]
    assert x0 < points[:, 0].min() < points[:, 0].max() < x1
    assert y0 < points[:, 1].min() < points[:, 1].max() < y1
    assert_array_equal(found.points[2, 0], [30, 40])
    assert np.isnan(found.points[2, 1:]).all()


def test_our_own_tables_of_faces_are_read_in_every_format(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = {"input": "a.jpg", "FaceRectX": 1.0, "FaceRectY": 2.0, "FaceRectWidth": 3.0, "FaceRectHeight": 4.0}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "faces.parquet")
    line = '{"input": "a.jpg", "FaceRectX": 1, "FaceRectY": 2, "FaceRectWidth": 3, "FaceRectHeight": 4}'
    for (found,) in (read_annotated(tmp_path / "faces.parquet"), _read(tmp_path, "faces.jsonl", line)):
        assert_array_equal(found.boxes, [[1, 2, 4, 6]])
        assert found.input == "a.jpg"


RUBBISH = {
    "empty.txt": ("", "names no picture"),
    "no-count.txt": ("a.jpg\n", "Line 2 of .* 'the end of the file'"),
    "count.txt": ("a.jpg\nmany\n", "Line 2 of .* 'many'; expected how many faces 'a.jpg' has"),
    "short.txt": ("a.jpg\n1\n1 2 3\n", "Line 3 of .* '1 2 3'; expected 4 or 10 numbers"),
    "cut.txt": ("a.jpg\n2\n1 2 3 4\n", "Line 2 of .*expected 4 or 10 numbers"),
    "negative.txt": ("a.jpg\n1\n1 2 -3 4\n", "Line 3 of .* width -3"),
    "nan.txt": ("a.jpg\n1\n1 nan 3 4\n", "Line 3 of .*expected 4 or 10 numbers"),
    "retina.txt": ("# a.jpg\n1 2 3 4 5\n", "Line 2 of .*expected 4 or 19 or 20"),
    "retina-negative.txt": ("# a.jpg\n1 2 3 -4\n", "Line 2 of .* height -4"),
    "cut.xml": (DLIB[:300], "is not whole XML"),
    "other.xml": ("<html/>", "names no picture"),
    "words.xml": ("<image file='a'><box top='x' left='1' width='1' height='1'/></image>", "Line 1 .* top 'x'"),
    "less.xml": ("<image file='a'>\n<box top='1' left='1' width='1'/></image>", "Line 2 .* without height"),
    "nan.xml": ("<image file='a'><box top='nan' left='1' width='1' height='1'/></image>", "y nan"),
    "zero.xml": ("<image file='a'><box top='1' left='1' width='0' height='1'/></image>", "width 0"),
    "nameless.xml": ("<image><box/></image>", "<image> without file"),
    "loose.xml": ("<a><box top='1' left='1' width='1' height='1'/></a>", "<box> of nothing"),
    "three.xml": (_one_face([_part(k, k, k) for k in range(3)]), "a face of a.jpg has 3 points; expected 5, 68, 98"),
    "places.csv": ("path,label\na.jpg,anger\n", "says nowhere where a face is"),
    "part.csv": ("path,x0,y0,x1,y1\na.jpg,1,2,,4\n", "Row 1 of .* has no x1"),
    "negative.csv": ("path,x0,y0,x1,y1\na.jpg,5,2,3,4\n", "Row 1 of .* width -2"),
    "nan.csv": ("path,x0,y0,x1,y1\na.jpg,1,2,inf,4\n", "Row 1 of .* width inf"),
    "word.csv": ("path,x0,y0,x1,y1\na.jpg,1,2,wide,4\n", "Row 1 of .* x1 'wide'"),
    "points.csv": ("path,x_0,y_0\na.jpg,1,2\n", "Row 1 of .* has 1 points; expected 5, 68, 98"),
    "half.csv": (
        "path," + ",".join(f"x_{k},y_{k}" for k in range(5)) + "\na.jpg,1,2,,,5,6,7,8,9,10\n",
        "Row 1 of .* has no box and not all points",
    ),
    "faces.yaml": ("a: 1", "is not known as a file of marked faces"),
}


@pytest.mark.parametrize("name", RUBBISH)
def test_what_is_no_list_of_faces_is_an_error_that_says_where(tmp_path: Path, name: str) -> None:
    text, message = RUBBISH[name]
    with pytest.raises(DatasetError, match=message):
        _read(tmp_path, name, text)


@pytest.mark.parametrize("name", ["no.txt", "no.xml", "no.csv"])
def test_a_file_that_is_not_there_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match=r"no\..* is no file|cannot be read"):
        read_annotated(tmp_path / name)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_before_they_grow(tmp_path: Path, encoding: str) -> None:
    entities = "<!ENTITY a 'aaaaaaaaaa'>" + "".join(
        f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    text = f"<?xml version='1.0' encoding='{encoding}'?><!DOCTYPE dataset [{entities}]><dataset>&i;</dataset>"
    (tmp_path / "bomb.xml").write_bytes(text.encode(encoding))
    with pytest.raises(DatasetError, match=r"Line 1 of .* has a DOCTYPE"):
        read_annotated(tmp_path / "bomb.xml")


def test_the_nine_photographs_have_43_faces_inside_their_pictures(data_folder: Path) -> None:
    found = [
        each for name in ("training", "testing") for each in read_annotated(data_folder / f"photos/boxes/{name}.xml")
    ]
    assert len(found) == 9
    assert sum(len(each.boxes) for each in found) == 43
    for each in found:
        height, width = each.source.read().pixels.shape[:2]
        assert (each.boxes >= 0).all()
        assert (each.boxes <= [width, height, width, height]).all()
