"""Tables of OpenFace and Py-Feat are read as what they are, become pictures or banks, and are written back the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from media.films import film, number_of
from schemas.toys import EMOTIONS, OPENFACE_1, OPENFACE_2, PYFEAT_1, PYFEAT_2, UNITS, table

from hybridfer import FeatureBank
from hybridfer.bank.bank import block_card
from hybridfer.bank.convert import write_table
from hybridfer.bank.imports import import_tables
from hybridfer.datasets import read_dataset, recognise
from hybridfer.datasets.inputs import read_inputs
from hybridfer.descriptors import create_descriptor
from hybridfer.errors import DatasetError, OutputError, PictureError, SpecError
from hybridfer.media.video import unrolled
from hybridfer.schemas import SCHEMAS, create_schema
from hybridfer.schemas.openface import OpenFace
from hybridfer.schemas.pyfeat import BLENDSHAPES, PyFeat
from hybridfer.schemas.table import read_table


def pictures(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for i, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((8, 8), 10 * i, np.uint8))
    return folder


def written(bank: FeatureBank, path: Path, schema: Any, features: bool = True) -> pd.DataFrame:
    with path.open("w") as stream:
        write_table(bank, stream, "csv", features, schema)
    return table(path)


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    assert list(one.columns) == list(other.columns)
    pd.testing.assert_frame_equal(one, other, check_dtype=False, rtol=0, atol=0)


def test_the_toys_have_as_many_columns_as_the_tools_write() -> None:
    # 431 and 173: the tools' own test tables; 714: OpenFace 2.2; 2130: the tutorial of Py-Feat 2.
    assert [len(c) for c in (OPENFACE_1, OPENFACE_2, PYFEAT_1, PYFEAT_2)] == [431, 714, 173, 2130]


def test_schemas_have_names_and_options() -> None:
    assert SCHEMAS.names() == ["openface", "pyfeat"]
    assert create_schema("hybridfer") is None
    assert create_schema("openface:pictures=in") == OpenFace("in")
    with pytest.raises(SpecError, match=r"No schema named 'openfce'. Did you mean 'openface'"):
        create_schema("openfce")
    with pytest.raises(SpecError, match=r"has no parameter 'picture'. Did you mean 'pictures'"):
        create_schema("pyfeat:picture=in")
    with pytest.raises(SpecError, match="is no schema"):
        create_schema("pyfeat@layer")


@pytest.mark.parametrize("columns", [OPENFACE_1, OPENFACE_2])
def test_a_table_of_openface_comes_back_as_it_was(openface, tmp_path: Path, columns: list[str]) -> None:
    path = openface(5, columns)
    bank = import_tables([path], tmp_path / "b.parquet")
    same(written(bank, tmp_path / "back.csv", OpenFace()), table(path))


@pytest.mark.parametrize("columns", [PYFEAT_1, PYFEAT_2])
def test_a_table_of_pyfeat_comes_back_as_it_was(pyfeat, tmp_path: Path, columns: list[str]) -> None:
    path = pyfeat(["a.jpg", "b.jpg", "c.jpg"], columns, lost=(1,))
    bank = import_tables([path], tmp_path / "b.parquet")
    assert [row["status"] for row in bank.rows()] == ["ok", "no_face", "ok"]
    same(written(bank, tmp_path / "back.csv", PyFeat()), table(path))


@pytest.mark.parametrize(("name", "schema"), [("OpenFace_Test.csv", OpenFace()), ("Feat_Test.csv", PyFeat())])
def test_real_tables_come_back_as_they_were(data_folder: Path, tmp_path: Path, name: str, schema: Any) -> None:
    path = data_folder / "peer_tables" / name
    bank = import_tables([path], tmp_path / "b.parquet")
    same(written(bank, tmp_path / "back.csv", schema), table(path))


def test_blocks_hold_the_columns_of_their_names(openface, pyfeat, tmp_path: Path) -> None:
    path = openface(3)
    bank = import_tables([path], tmp_path / "b.parquet")
    was = table(path)
    lengths = {name.removeprefix("openface_"): card["length"] for name, card in bank.blocks.items()}
    assert lengths == {
        "gaze": 6, "gaze_angle": 2, "eye_landmarks": 112, "eye_landmarks3d": 168, "pose": 6, "landmarks": 136,
        "landmarks3d": 204, "shape": 40, "au": 17, "presence": 18,
    }  # fmt: skip
    np.testing.assert_array_equal(bank.X("openface_au"), was[[f"AU{unit}_r" for unit in UNITS]])
    np.testing.assert_array_equal(bank.X("openface_pose"), was.loc[:, "pose_Tx":"pose_Rz"])
    np.testing.assert_array_equal(bank.X("openface_landmarks"), was.loc[:, "x_0":"y_67"])
    path = pyfeat(["a.jpg"])
    bank = import_tables([path], tmp_path / "p.parquet")
    np.testing.assert_array_equal(bank.X("pyfeat_emotions"), table(path)[EMOTIONS])
    np.testing.assert_array_equal(bank.X("pyfeat_au"), table(path).loc[:, "AU01":"AU43"])


def test_a_block_says_of_itself_all_that_a_descriptors_does(openface, tmp_path: Path) -> None:
    card = import_tables([openface()], tmp_path / "b.parquet").blocks["openface_au"]
    assert set(block_card(create_descriptor("phash"))) <= set(card)
    assert (card["dtype"], card["libraries"], card["weights"], card["made_by"]) == ("float64", {}, None, "OpenFace")


def test_rows_are_ours_and_frames_count_from_nought(openface, tmp_path: Path) -> None:
    path = openface(3, lost=(1,))
    rows = import_tables([path], tmp_path / "b.parquet").rows()
    assert [(r["frame"], r["timestamp"], r["status"], r["FaceScore"]) for r in rows] == [
        (0, 0.0, "ok", 0.98), (1, 0.04, "no_face", 0.02), (2, 0.08, "ok", 0.98),
    ]  # fmt: skip
    assert {r["input"] for r in rows} == {str(path)}
    back = written(FeatureBank.open(tmp_path / "b.parquet"), tmp_path / "back.csv", OpenFace())
    assert back["frame"].tolist() == [1, 2, 3] and back["success"].tolist() == [1, 0, 1]
    # A frame without a face has no measurements, whatever stood there.
    assert back["AU01_r"].isna().tolist() == [False, True, False]


def test_faces_of_one_picture_are_numbered(pyfeat, openface, tmp_path: Path) -> None:
    path = pyfeat(["a.jpg", "a.jpg", "b.jpg"])
    text = path.read_text().splitlines()
    path.write_text("\n".join([text[0], text[1], "0" + text[2][1:], text[3]]))
    bank = import_tables([path], tmp_path / "b.parquet")
    assert [(r["frame"], r["face_id"]) for r in bank.rows()] == [(0, 0), (0, 1), (2, 0)]
    path = openface(2)
    frame = table(path).assign(frame=[1, 1], face_id=[0, 3])
    frame.to_csv(path, index=False)
    bank = import_tables([path], tmp_path / "o.parquet")
    assert [(r["frame"], r["face_id"]) for r in bank.rows()] == [(0, 0), (0, 3)]
    same(written(bank, tmp_path / "back.csv", OpenFace()), frame)


def test_a_table_of_one_picture_has_faces_and_no_frames(openface, tmp_path: Path) -> None:
    path = openface(2, name="smile.csv")
    frame = table(path).drop(columns=["frame", "face_id", "timestamp", "success"])
    frame = pd.concat([pd.Series([0, 1], name="face"), frame], axis=1)
    frame.to_csv(path, index=False)
    bank = import_tables([path], tmp_path / "b.parquet")
    assert [(r["frame"], r["face_id"], r["status"]) for r in bank.rows()] == [(0, 0, "ok"), (0, 1, "ok")]
    same(written(bank, tmp_path / "back.csv", OpenFace()), frame)
    folder = pictures(tmp_path / "in", "frown.png", "smile.jpg")
    (item,) = read_dataset(f"openface:pictures={folder}", path).items
    assert item.input == str(folder / "smile.jpg") and item.source.read().pixels.shape == (8, 8, 3)
    with pytest.raises(DatasetError, match="0 pictures named smile"):
        read_dataset(f"openface:pictures={pictures(tmp_path / 'other', 'frown.png')}", path)


def test_what_is_known_of_a_row_and_the_users_own_columns_come_along(pyfeat, tmp_path: Path) -> None:
    known = {"label": ["Happy", "sad"], "split": ["Training", "PublicTest"], "subject": [7, 8], "age": [31, None]}
    path = pyfeat(["a.jpg", "b.jpg"], **known)
    bank = import_tables([path], tmp_path / "b.parquet")
    assert [(r["label"], r["split"], r["subject"], r["age"]) for r in bank.rows()] == [
        ("happiness", "train", "7", 31.0), ("sadness", "val", "8", None),
    ]  # fmt: skip
    assert list(written(bank, tmp_path / "back.csv", PyFeat()).columns) == list(table(path).columns)


def test_later_tables_of_pyfeat_have_blocks_of_another_version(pyfeat, tmp_path: Path) -> None:
    first = import_tables([pyfeat(["a.jpg"])], tmp_path / "1.parquet")
    second = import_tables([pyfeat(["a.jpg"], PYFEAT_2, name="2.csv")], tmp_path / "2.parquet")
    versions = [bank.blocks["pyfeat_au"]["version"] for bank in (first, second)]
    assert versions == [1, 2] and second.blocks["pyfeat_emotions"]["columns"][:2] == ["Neutral", "Happy"]
    assert second.blocks["pyfeat_mesh"]["length"] == 3 * 478 and second.blocks["pyfeat_gaze"]["length"] == 3
    assert second.rows()[0]["Identity"] == "Person_0"


def test_a_block_without_a_value_and_a_column_without_a_name_are_left_out(pyfeat, tmp_path: Path) -> None:
    path = pyfeat(["a.jpg", "b.jpg"], PYFEAT_2)
    frame = table(path)
    frame[[f"Identity_{i}" for i in range(1, 513)]] = np.nan
    frame.to_csv(path)  # pandas writes its row numbers first, without a name
    bank = import_tables([path], tmp_path / "b.parquet")
    assert "pyfeat_identity" not in bank.blocks and "" not in bank.column_names
    same(written(bank, tmp_path / "back.csv", PyFeat()), frame)


def test_mediapipes_landmarks_are_not_taken_for_the_68(pyfeat, tmp_path: Path) -> None:
    points = [f"{axis}_{i}" for i in range(478) for axis in "xyz"]
    path = pyfeat(["a.jpg"], ["frame", *PYFEAT_1[1:6], *points, "input"])
    bank = import_tables([path], tmp_path / "b.parquet")
    np.testing.assert_array_equal(bank.X("pyfeat_landmarks478"), table(path)[points])
    assert list(bank.blocks) == ["pyfeat_landmarks478"]


def test_blendshapes_are_mediapipes(pyfeat, tmp_path: Path) -> None:
    # 52 of them: the neutral one first, and no tongue.
    assert len(set(BLENDSHAPES)) == 52 and BLENDSHAPES[0] == "_neutral" and "tongueOut" not in BLENDSHAPES
    path = pyfeat(["a.jpg"], [*PYFEAT_1, *BLENDSHAPES])
    bank = import_tables([path], tmp_path / "b.parquet")
    np.testing.assert_array_equal(bank.X("pyfeat_blendshapes"), table(path).loc[:, "_neutral":"noseSneerRight"])


def test_several_tables_become_one_bank(openface, pyfeat, tmp_path: Path) -> None:
    paths = [openface(2, name="a.csv"), openface(3, name="b.csv")]
    bank = import_tables(paths, tmp_path / "b.parquet")
    assert [r["input"] for r in bank.rows()] == [str(paths[0])] * 2 + [str(paths[1])] * 3
    back = written(bank, tmp_path / "back.csv", OpenFace())
    assert list(back.columns) == [*OPENFACE_2, "input"]
    with pytest.raises(DatasetError, match="have not the same blocks"):
        import_tables([paths[0], openface(2, OPENFACE_1, name="c.csv")], tmp_path / "x.parquet")
    with pytest.raises(DatasetError, match="have not the same blocks"):
        import_tables([paths[0], pyfeat(["a.jpg"])], tmp_path / "x.parquet")


def test_more_rows_than_are_held_at_once(openface, tmp_path: Path) -> None:
    columns = [*OPENFACE_2[:5], *(f"AU{unit}_r" for unit in UNITS)]
    path = openface(2500, columns, lost=(3, 1023, 1024, 2000))
    bank = import_tables([path], tmp_path / "b.parquet")
    kept = table(path).query("success == 1")
    np.testing.assert_array_equal(bank.X("openface_au"), kept[columns[5:]])
    back = written(bank, tmp_path / "back.csv", OpenFace()).query("success == 1")
    same(back, kept)


def test_labels_are_found_by_path_by_name_and_by_stem(openface, pyfeat, tmp_path: Path) -> None:
    fex = pyfeat(["/there/b.jpg", "/there/a.jpg", "/there/c.jpg"])
    said = tmp_path / "people.csv"
    said.write_text("path,label,subject,split\nx/a.jpg,happy,1,train\nx/b.jpg,sad,2,test\ny/b.jpg,angry,3,test\n")
    bank = import_tables([fex], tmp_path / "b.parquet", labels=said)
    # There are two pictures b.jpg, and none c.jpg.
    assert [(r["label"], r["subject"], r["split"]) for r in bank.rows()] == [
        (None, None, None), ("happiness", "1", "train"), (None, None, None),
    ]  # fmt: skip
    assert f"{said} says nothing of 2 of 3 rows" in bank.provenance["notes"]
    clip = openface(2, name="clip7.csv")
    said.write_text("path,label\nvideos/clip7.mp4,fear\n")
    bank = import_tables([clip], tmp_path / "c.parquet", labels=said)
    assert [r["label"] for r in bank.rows()] == ["fear", "fear"]
    assert any("no subject" in note for note in bank.provenance["notes"])
    said.write_text(f"path,frame,label,subject\n{clip},1,fear,x\n{clip},0,anger,x\n")
    bank = import_tables([clip], tmp_path / "d.parquet", labels=said)
    assert [r["label"] for r in bank.rows()] == ["anger", "fear"] and not bank.provenance["notes"]
    said.write_text("path,label\nother.mp4,fear\n")
    with pytest.raises(DatasetError, match="knows none of the inputs"):
        import_tables([clip], tmp_path / "e.parquet", labels=said)


def test_of_another_tool_only_the_same_columns_stand_in_their_place(openface, pyfeat, tmp_path: Path) -> None:
    path = openface(2)
    bank = import_tables([path], tmp_path / "b.parquet")
    back = written(bank, tmp_path / "back.csv", PyFeat())
    points = [f"{axis}_{i}" for axis in "xy" for i in range(68)]
    assert list(back.columns[:142]) == ["frame", *PYFEAT_1[1:6], *points]
    np.testing.assert_array_equal(back[points], table(path)[points])
    # Intensities are no probabilities, so they keep their own names, behind.
    assert "AU01" not in back and back["AU01_r"].tolist() == table(path)["AU01_r"].tolist()
    assert back["frame"].tolist() == [0, 1] and set(back["input"]) == {str(path)}


def test_what_stands_behind_is_read_again(pyfeat, tmp_path: Path) -> None:
    bank = import_tables([pyfeat(["a.jpg", "b.jpg"], lost=(1,), label=["happy", "sad"])], tmp_path / "b.parquet")
    back = tmp_path / "back.csv"
    assert {"FaceRectX", "input", "label", "AU43"} <= set(written(bank, back, OpenFace()))
    again = import_tables([back], tmp_path / "again.parquet")
    np.testing.assert_array_equal(again.X("openface_landmarks"), bank.X("pyfeat_landmarks"))
    kept = ("input", "frame", "face_id", "status", "FaceRectX", "FaceRectHeight", "FaceScore", "label")
    assert [[row[name] for name in kept] for row in again.rows()] == [
        [row[name] for name in kept] for row in bank.rows()
    ]


def test_our_own_features_are_appended_where_they_are_asked_for(face_folder: Path, tmp_path: Path) -> None:
    from hybridfer import extract

    bank = extract(face_folder, ["phash"], tmp_path / "a.parquet", labels="folder", detector="none")
    back = written(bank, tmp_path / "back.csv", OpenFace(), features=False)
    rectangle = ["FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight"]
    # There is no error, and no split, subject or group is known.
    assert list(back.columns) == [
        "frame",
        "face_id",
        "timestamp",
        "confidence",
        "success",
        "input",
        *rectangle,
        "sha256",
        "label",
    ]
    assert back["success"].eq(1).all() and back["label"].tolist() == bank.y.tolist()
    back = written(bank, tmp_path / "back.csv", PyFeat())
    (name,) = bank.blocks
    np.testing.assert_array_equal(back[[f"{name}[{i}]" for i in range(bank.blocks[name]["length"])]], bank.X(name))


def test_layouts_are_recognised_by_their_columns(openface, pyfeat, tmp_path: Path) -> None:
    assert recognise(openface(2))[0] == "openface" and recognise(openface(2, OPENFACE_1))[0] == "openface"  # type: ignore[index]
    assert recognise(pyfeat(["a"]))[0] == "pyfeat" and recognise(pyfeat(["a"], PYFEAT_2))[0] == "pyfeat"  # type: ignore[index]
    ours = tmp_path / "ours.csv"
    ours.write_text("input,frame,status,FaceRectX,FaceScore,anger,label,confidence\na.png,0,ok,1,1,1,anger,1\n")
    assert recognise(ours)[0] == "manifest"  # type: ignore[index]


def test_the_nth_frame_is_the_nth_picture_in_the_order_of_openface(openface, tmp_path: Path) -> None:
    # Its folders are sorted by bytes: 10 before 2. It knows no .gif and no .PNG, and no pictures below.
    folder = pictures(tmp_path / "in", "f10.png", "f2.png", "f1.jpg", "g.bmp")
    (folder / "e.gif").touch()
    (folder / "h.PNG").touch()
    pictures(folder / "below", "a.png")
    path = openface(4, label=["happy", "sad", "sad", "happy"], person=list("abcd"))
    manifest = read_dataset(f"openface:pictures={folder}", path)
    assert [Path(i.input).name for i in manifest.items] == ["f1.jpg", "f10.png", "f2.png", "g.bmp"]
    assert [i.source.read().pixels[0, 0, 0] // 10 for i in manifest.items][1:] == [0, 1, 3]
    assert [(i.frame, i.label, i.extra["person"]) for i in manifest.items] == [
        (0, "happiness", "a"), (0, "sadness", "b"), (0, "sadness", "c"), (0, "happiness", "d"),
    ]  # fmt: skip
    assert list(manifest.columns) == ["person"] and not manifest.cropped
    assert {i.label for i in read_dataset(f"openface:pictures={folder}", path, "none").items} == {None}
    bank = import_tables([path], tmp_path / "b.parquet", schema=OpenFace(str(folder)))
    assert [Path(r["input"]).name for r in bank.rows()] == ["f1.jpg", "f10.png", "f2.png", "g.bmp"]
    assert written(bank, tmp_path / "back.csv", OpenFace())["frame"].tolist() == [1, 2, 3, 4]


def test_a_folder_of_another_number_of_pictures_is_refused_or_said(openface, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", "a.png", "b.png", "c.png")
    with pytest.raises(DatasetError, match=r"has 4 frames and .* 3 pictures"):
        read_dataset(f"openface:pictures={folder}", openface(4))
    notes = read_dataset(f"openface:pictures={folder}", openface(2)).notes
    assert any("1 pictures of" in note and "have no row" in note for note in notes)
    with pytest.raises(DatasetError, match="is no folder and no video"):
        read_dataset(f"openface:pictures={folder / 'a.png'}", openface(2))


def test_the_details_beside_a_table_say_what_it_was_made_of(openface, tmp_path: Path) -> None:
    path = openface(2)
    details = tmp_path / "clip_of_details.txt"
    details.write_text(
        "Input:videos/clip.mp4\nInput full path:/there/videos/clip.mp4\nCamera parameters:500,500,320,240\n"
    )
    rows = import_tables([path], tmp_path / "b.parquet").rows()
    assert [(r["input"], r["frame"]) for r in rows] == [("videos/clip.mp4", 0), ("videos/clip.mp4", 1)]
    same(written(FeatureBank.open(tmp_path / "b.parquet"), tmp_path / "back.csv", OpenFace()), table(path))
    folder = pictures(tmp_path / "in", "a.png", "b.png")
    details.write_text(f"Input:in\nInput full path:{folder}\n")
    assert [i.input for i in read_inputs([path]).items] == [str(folder / "a.png"), str(folder / "b.png")]


def test_pyfeat_names_its_pictures_wherever_they_lie_now(pyfeat, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", "a.png", "b.png")
    here = read_inputs([pyfeat([str(folder / "a.png"), str(folder / "b.png"), str(folder / "b.png")])])
    assert [(Path(i.input).name, i.frame) for i in here.items] == [("a.png", 0), ("b.png", 0)]
    assert here.dataset == "pyfeat" and any("repeat a picture" in note for note in here.notes)
    there = pyfeat(["/home/x/a.png", r"C:\pictures\b.png"])
    (first, second) = read_dataset(f"pyfeat:pictures={folder}", there).items
    assert second.source.read().pixels[0, 0, 0] == 10 and first.input == str(folder / "a.png")


def test_a_tables_frames_are_those_of_its_video(openface, pyfeat, tmp_path: Path) -> None:
    clip = film(tmp_path / "clip.avi", 8, rate=10)
    of, fex = openface(4), pyfeat([clip] * 4)
    (tmp_path / "clip_of_details.txt").write_text(f"Input:there/clip.avi\nInput full path:{clip}\n")
    manifests = [
        read_inputs([of]),
        read_dataset(f"openface:pictures={clip}", of),
        read_inputs([fex]),
        read_dataset(f"pyfeat:pictures={tmp_path}", pyfeat(["/home/x/clip.avi"] * 4)),
    ]
    for manifest in manifests:
        frames = list(unrolled(manifest.items))
        assert [(item.input, item.frame) for item in frames] == [(clip, number) for number in range(4)]
        assert [number_of(item.source.read().pixels) for item in frames] == list(range(4))
    # OpenFace says when a frame was; Py-Feat does not, and the video does.
    assert [item.timestamp for item in unrolled(manifests[0].items)] == [0, 0.04, 0.08, 0.12]
    np.testing.assert_allclose([item.timestamp for item in unrolled(manifests[2].items)], [0, 0.1, 0.2, 0.3], atol=1e-3)


def test_a_frame_that_cannot_be_reached_says_what_to_do(pyfeat, tmp_path: Path) -> None:
    clip = film(tmp_path / "clip.avi", 2)
    for name, said in ((clip, "has 2 frames, so none of number 2"), ("/home/x/clip.mp4", "no such file")):
        *_, item = unrolled(read_inputs([pyfeat([name] * 3)]).items)
        with pytest.raises(PictureError, match=rf"{said}.*--dataset pyfeat:pictures=FOLDER"):
            item.source.read()


def test_a_picture_that_cannot_be_reached_says_what_to_do(openface, pyfeat) -> None:
    item, *_ = read_inputs([openface(2)]).items
    with pytest.raises(PictureError, match="--dataset openface:pictures=FOLDER"):
        item.source.read()
    item, *_ = read_inputs([pyfeat(["/home/x/a.png"])]).items
    with pytest.raises(PictureError, match=r"no such file.*--dataset pyfeat:pictures=FOLDER"):
        item.source.read()


def damaged(path: Path, line: int, cut: slice | None = None, **cells: str) -> Path:
    lines = path.read_text().splitlines()
    names, values = lines[0].split(","), lines[line - 1].split(",")
    for name, text in cells.items():
        values[names.index(name)] = text
    lines[line - 1] = ",".join(values[cut] if cut else values)
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(
    ("line", "damage", "message"),
    [
        (3, {"AU12_r": "high"}, "Line 3 of .*clip.csv has 'high' in the column AU12_r; expected a number"),
        (4, {"success": "yes"}, "Line 4 of .* has 'yes' in the column success"),
        (2, {"frame": "0"}, "Line 2 of .* has 0 in the column frame; expected a number from 1"),
        (2, {"frame": "1.5"}, "Line 2 of .* has 1.5 in the column frame"),
        (5, {"cut": slice(0, 400)}, "Line 5 of .* has 400 columns and the header 714"),
        (1, {"AU12_r": "x_3"}, "has the column 'x_3' twice"),
        (1, {"AU12_r": "smile"}, "has 16 of the 17 columns that OpenFace writes for openface_au .* lacks AU12_r"),
        (
            1,
            {"confidence": "c"},
            "is no CSV table of a known tool; found the columns 'frame', 'face_id', 'timestamp', 'c'",
        ),
    ],
)
def test_what_is_wrong_with_a_table_is_said(openface, tmp_path: Path, line: int, damage: dict, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        import_tables([damaged(openface(4), line, **damage)], tmp_path / "b.parquet")
    assert not (tmp_path / "b.parquet").exists()


def test_what_is_no_table_is_refused(openface, pyfeat, tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.touch()
    bare = tmp_path / "bare.csv"
    bare.write_text(",".join(OPENFACE_2))
    plain = tmp_path / "plain.csv"
    plain.write_text("frame,timestamp,confidence,success\n1,0,1,1\n")
    for path, message in {
        empty: "no CSV table of a known tool; found the columns none",
        bare: "has a header and no rows",
        plain: "has no measurements of OpenFace",
        tmp_path / "none.csv": "cannot be read: No such file",
        tmp_path: "cannot be read: Is a directory",
    }.items():
        with pytest.raises(DatasetError, match=message):
            import_tables([path], tmp_path / "b.parquet")
    with pytest.raises(DatasetError, match="is no table of Py-Feat"):
        import_tables([openface(2)], tmp_path / "b.parquet", schema=PyFeat())
    with pytest.raises(DatasetError, match="--labels folder does not go"):
        read_dataset("pyfeat", pyfeat(["a.jpg"]), "folder")
    (tmp_path / "there.parquet").touch()
    with pytest.raises(OutputError, match="--overwrite"):
        import_tables([openface(2)], tmp_path / "there.parquet")


def test_rows_that_failed_elsewhere_stay_failed(openface) -> None:
    path = openface(2, error=["", "The file is empty"])
    assert [row["status"] for row in read_table(path).rows] == ["ok", "error"]
