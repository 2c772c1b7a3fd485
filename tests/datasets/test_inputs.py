"""Whatever the user names becomes items, in order, with what is known about each; what is wrong is said."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from media.films import film, number_of

from hybridfer.datasets.folders import natural
from hybridfer.datasets.inputs import read_inputs
from hybridfer.errors import DatasetError, PictureError
from hybridfer.media.video import VideoFrame, VideoSource, unrolled


def picture(path: Path, value: int = 0) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((5, 5), value, np.uint8))
    return str(path)


def names(manifest: object) -> list[str]:
    return [Path(item.input).name for item in manifest.items]  # type: ignore[attr-defined]


def test_a_folder_is_walked_in_natural_order(tmp_path: Path) -> None:
    for name in ("b10.png", "b9.png", "sub/a.JPG", "a.tiff", ".hidden.png", ".git/x.png"):
        picture(tmp_path / name.replace("JPG", "png")).removesuffix("x")
        if name.endswith("JPG"):
            (tmp_path / "sub/a.png").rename(tmp_path / "sub/a.JPG")
    (tmp_path / "notes.txt").touch()
    manifest = read_inputs([tmp_path])
    assert names(manifest) == ["a.tiff", "b9.png", "b10.png", "a.JPG"]
    assert any("1 files without a picture's or a video's ending" in note for note in manifest.notes)


def test_natural_order_does_not_compare_numbers_with_words() -> None:
    assert sorted(["a1b", "1a", "a", "a10", "a2", "²", "10"], key=natural) == sorted(
        ["a", "a10", "10", "²", "1a", "a2", "a1b"], key=natural
    )


def test_folders_that_link_in_a_circle_end(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "x.png")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert len(names(read_inputs([tmp_path]))) == 1


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no pictures"):
        read_inputs([tmp_path])


def test_folders_named_like_expressions_are_labels_by_themselves(tmp_path: Path) -> None:
    for name in ("Happy", "sad"):
        picture(tmp_path / name / "a.png")
    assert [i.label for i in read_inputs([tmp_path]).items] == ["happiness", "sadness"]
    assert {i.label for i in read_inputs([tmp_path], labels="none").items} == {None}


def test_other_folders_are_labels_only_when_told(tmp_path: Path) -> None:
    for name in ("sad", "lucky"):
        picture(tmp_path / name / "a.png")
    assert {i.label for i in read_inputs([tmp_path]).items} == {None}
    assert [i.label for i in read_inputs([tmp_path], labels="folder").items] == ["lucky", "sad"]


def test_a_folder_named_like_a_split_above_the_classes_is_the_split(tmp_path: Path) -> None:
    for split in ("train", "Validation"):
        for name in ("happy", "sad"):
            picture(tmp_path / split / name / "a.png")
    manifest = read_inputs([tmp_path])
    assert sorted((i.split, i.label) for i in manifest.items) == [
        ("train", "happiness"), ("train", "sadness"), ("val", "happiness"), ("val", "sadness"),
    ]  # fmt: skip


def test_pictures_beside_class_folders_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "happy" / "a.png")
    picture(tmp_path / "b.png")
    with pytest.raises(DatasetError, match="outside any class folder"):
        read_inputs([tmp_path], labels="folder")


def test_a_missing_file_is_an_item_that_fails_when_it_is_read(tmp_path: Path) -> None:
    (item,) = read_inputs([tmp_path / "none.png"]).items
    with pytest.raises(PictureError, match="no such file"):
        item.source.read()


def test_globs_are_resolved_and_must_match(tmp_path: Path) -> None:
    for name in ("a1.png", "a2.png", "b.png", "odd[1].png"):
        picture(tmp_path / name)
    assert names(read_inputs([str(tmp_path / "a*.png")])) == ["a1.png", "a2.png"]
    assert names(read_inputs([str(tmp_path / "odd[1].png")])) == ["odd[1].png"]
    with pytest.raises(DatasetError, match="Nothing matches"):
        read_inputs([str(tmp_path / "c*.png")])


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_manifest_in_any_form_says_the_same(tmp_path: Path, form: str) -> None:
    rows = [
        {"path": "a.png", "label": "happy", "split": "PublicTest", "subject": "7", "age": 31, "who": "x"},
        {"path": "sub/b.png", "label": "sad", "split": "train", "subject": None, "age": None, "who": "y"},
    ]
    file = tmp_path / f"m.{form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    elif form == "jsonl":
        file.write_text("\n".join(map(json.dumps, rows)))
    else:
        lines = [",".join("" if v is None else str(v) for v in row.values()) for row in rows]
        file.write_text("\n".join([",".join(rows[0]), *lines]))
    manifest = read_inputs([file])
    first, second = manifest.items
    assert first.input == str(tmp_path / "a.png") and second.input == str(tmp_path / "sub/b.png")
    assert (first.label, first.split, first.subject) == ("happiness", "val", "7")
    assert (second.label, second.split, second.subject) == ("sadness", "train", None)
    assert manifest.columns == {"age": int, "who": str}
    assert dict(first.extra) == {"age": 31, "who": "x"} and dict(second.extra) == {"age": None, "who": "y"}
    assert [i.label for i in read_inputs([file], labels="none").items] == [None, None]


def test_nan_and_empty_cells_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,label,age\na.png,,NaN\nb.png,sad,2.5\n")
    manifest = read_inputs([tmp_path / "m.csv"])
    assert [(i.label, i.extra["age"]) for i in manifest.items] == [(None, None), ("sadness", 2.5)]
    assert manifest.columns == {"age": float}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na.png,happy\n", r"no column 'path'; found: file, label\..*Rename"),
        ("path,label\n", "has no rows"),
        ("", "is empty"),
        ("path,label\n,happy\n", "Row 1 .* has no 'path'"),
        ("path,label\na.png,happy\na.png,sad\n", "the label 'happiness' and, in row 2, 'sadness'"),
        ("path,label\na.png,happy,7\n", "more or fewer columns"),
        ("path,split\na.png,trian\n", "No split named 'trian'.*Did you mean 'train'"),
        ("path,frame\na.png,x\n", "frame 'x'; expected a number"),
    ],
)
def test_a_manifest_that_is_wrong_says_how(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_inputs([tmp_path / "m.csv"])


def test_rows_that_stand_twice_are_taken_once_and_counted(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,label\na.png,happy\na.png,happy\nb.png,sad\n")
    manifest = read_inputs([tmp_path / "m.csv"])
    assert len(list(manifest.items)) == 2 and "1 rows repeat" in manifest.notes[0]


def test_of_predictions_only_the_true_label_is_truth(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("input,status,happiness,label,confidence\na.png,ok,0.9,happiness,0.9\n")
    assert [i.label for i in read_inputs([tmp_path / "p.csv"]).items] == [None]
    (tmp_path / "q.csv").write_text("input,status,label,confidence,true_label\na.png,ok,happiness,0.9,sadness\n")
    assert [i.label for i in read_inputs([tmp_path / "q.csv"]).items] == ["sadness"]


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_bytes(b"PAR1rubbish")
    (tmp_path / "m.jsonl").write_text('{"path": "a.png"}\n{"path"\n')
    (tmp_path / "n.jsonl").write_text("[1]\n")
    for name, message in {
        "m.parquet": "not a whole Parquet",
        "m.jsonl": "Line 2",
        "n.jsonl": "not a JSON object",
    }.items():
        with pytest.raises(DatasetError, match=message):
            read_inputs([tmp_path / name])


def test_standard_input_gives_paths_by_line_by_nul_or_as_json() -> None:
    assert names(read_inputs(["-"], stdin=io.BytesIO(b"a.png\nb c.png\r\n\n"))) == ["a.png", "b c.png"]
    assert names(read_inputs(["-"], nul=True, stdin=io.BytesIO(b"new\nline.png\0b.png"))) == ["new\nline.png", "b.png"]
    lines = b'{"input": "a.png", "label": "happy", "lbp": [1, 2]}\n{"input": "b.png"}\n'
    manifest = read_inputs(["-"], stdin=io.BytesIO(lines))
    assert [(i.input, i.label) for i in manifest.items] == [("a.png", "happiness"), ("b.png", None)]
    with pytest.raises(DatasetError, match="empty"):
        read_inputs(["-"], stdin=io.BytesIO(b""))


def test_odd_bytes_in_names_survive() -> None:
    (item,) = read_inputs(["-"], stdin=io.BytesIO(b"caf\xe9.png\n")).items
    assert os.fsencode(item.input) == b"caf\xe9.png"


def test_crops_and_photographs_are_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n0,1 2,Training\n")
    with pytest.raises(DatasetError, match="bank merge"):
        read_inputs([tmp_path / "fer2013.csv", picture(tmp_path / "a.png")])


def test_several_inputs_are_joined_in_order(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,age\nz.png,3\n")
    manifest = read_inputs([picture(tmp_path / "b.png"), tmp_path / "m.csv", picture(tmp_path / "a.png")])
    assert names(manifest) == ["b.png", "z.png", "a.png"] and manifest.columns == {"age": int}


def test_a_layout_that_is_named_is_taken(tmp_path: Path) -> None:
    picture(tmp_path / "happy" / "a.png")
    assert read_inputs([tmp_path], dataset="folders", labels="folder").dataset == "folders"
    with pytest.raises(DatasetError, match="no column 'pixels'"):
        (tmp_path / "m.csv").write_text("path\na.png\n")
        read_inputs([tmp_path / "m.csv"], dataset="fer2013")


def test_a_label_set_reads_numbers_and_leaves_out_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,label\na.png,1\nb.png,7\nc.png,9\nd.png,\n")
    manifest = read_inputs([tmp_path / "m.csv"], label_set="rafdb")
    assert [i.label for i in manifest.items] == ["surprise", "neutral", None, None]
    assert any("rafdb" in note and "1 rows of '9' have none" in note for note in manifest.notes)
    (tmp_path / "words.csv").write_text("path,label\na.png,contempt\nb.png,happy\n")
    assert [i.label for i in read_inputs([tmp_path / "words.csv"], label_set="fer2013").items] == [None, "happiness"]
    both = read_inputs([tmp_path / "m.csv", tmp_path / "words.csv"], label_set="affectnet")
    assert [i.label for i in both.items] == ["happiness", "contempt", None, None, "contempt", "happiness"]


def test_a_manifest_may_declare_its_pictures_crops(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,cropped\na.png,true\nb.png,1\n")
    manifest = read_inputs([tmp_path / "m.csv"])
    assert manifest.cropped and not manifest.columns
    (tmp_path / "m.csv").write_text("path,cropped\na.png,true\nb.png,\n")
    with pytest.raises(DatasetError, match="of some pictures that they are cropped"):
        read_inputs([tmp_path / "m.csv"])
    (tmp_path / "m.csv").write_text("path,cropped\na.png,perhaps\n")
    with pytest.raises(DatasetError, match="expected true or false"):
        read_inputs([tmp_path / "m.csv"])


def test_a_row_of_a_data_set_file_has_a_name_that_can_be_read_back(tmp_path: Path) -> None:
    rows = [" ".join([str(value)] * 2304) for value in (3, 4, 5)]
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "".join(f"0,{r},Training\n" for r in rows))
    (tmp_path / "m.csv").write_text("path\nfer2013.csv#2\nfer2013.csv#0\nfer2013.csv#3\nnone.csv#1\n")
    items = list(read_inputs([tmp_path / "m.csv"]).items)
    assert [item.source.read().pixels[0, 0, 0] for item in items[:2]] == [5, 3]
    whole = read_inputs([tmp_path / "fer2013.csv"]).items
    assert items[1].source.read().sha256 == next(iter(whole)).source.read().sha256
    for item, said in ((items[2], "none of number 3"), (items[3], "cannot be opened")):
        with pytest.raises(PictureError, match=said):
            item.source.read()


def test_a_data_set_takes_options_as_a_spec(tmp_path: Path) -> None:
    from hybridfer.errors import SpecError

    picture(tmp_path / "a.png")
    with pytest.raises(SpecError, match="folders has no parameter 'depth'"):
        read_inputs([tmp_path], dataset="folders:depth=2")
    with pytest.raises(SpecError, match="Did you mean 'folders'"):
        read_inputs([tmp_path], dataset="folder")


def test_videos_stand_among_pictures_however_they_are_named(tmp_path: Path) -> None:
    for name in ("a10.MP4", "a9.png", "sub/b.webm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    manifest = read_inputs([tmp_path])
    assert names(manifest) == ["a9.png", "a10.MP4", "b.webm"]
    assert any("1 pictures and 2 videos" in note for note in manifest.notes)
    video = VideoSource(str(tmp_path / "a10.MP4"))
    assert list(manifest.items)[1].source == video
    for given in ([tmp_path / "a10.MP4"], [str(tmp_path / "*.MP4")]):
        assert [item.source for item in read_inputs(given).items] == [video]
    assert [i.source for i in read_inputs(["-"], stdin=io.BytesIO(os.fsencode(video.path))).items] == [video]


def test_videos_in_class_folders_have_their_labels(tmp_path: Path) -> None:
    for name in ("happy", "sad"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.avi").touch()
    assert [item.label for item in read_inputs([tmp_path]).items] == ["happiness", "sadness"]


def test_a_manifest_names_whole_videos_and_single_frames(tmp_path: Path) -> None:
    film(tmp_path / "a.avi", 6)
    (tmp_path / "m.csv").write_text("path,frame,label\na.avi,,happy\na.avi,4,sad\na.avi,2,\n")
    items = list(read_inputs([tmp_path / "m.csv"]).items)
    name = str(tmp_path / "a.avi")
    assert [item.source for item in items] == [VideoSource(name), VideoFrame(name, 4), VideoFrame(name, 2)]
    frames = list(unrolled(items))
    assert [number_of(item.source.read().pixels) for item in frames] == [0, 1, 2, 3, 4, 5, 4, 2]
    assert [item.label for item in frames] == [*["happiness"] * 6, "sadness", None]


@pytest.mark.parametrize("frame", ["-1", "2.5"])
def test_a_frame_that_has_no_whole_number_is_refused(tmp_path: Path, frame: str) -> None:
    (tmp_path / "m.csv").write_text(f"path,frame\na.avi,{frame}\n")
    with pytest.raises(DatasetError, match=rf"Row 1 .* has frame {frame}; expected a whole number from 0"):
        read_inputs([tmp_path / "m.csv"])


def test_points_of_faces_are_no_columns_of_their_picture() -> None:
    lines = [{"input": "a.png", "frame": 0, "face_id": n, "x_0": 5 * n, "y_0": n, "age": 3} for n in range(2)]
    manifest = read_inputs(["-"], stdin=io.BytesIO("\n".join(map(json.dumps, lines)).encode()))
    assert [dict(item.extra) for item in manifest.items] == [{"age": 3}]
    plain = [{"path": "a.png", "x_0": 5}]
    manifest = read_inputs(["-"], stdin=io.BytesIO(json.dumps(plain[0]).encode()))
    assert [dict(item.extra) for item in manifest.items] == [{"x_0": 5}]
