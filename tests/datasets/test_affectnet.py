"""AffectNet: tables with pictures, folders of arrays; what is malformed or damaged is said and harms nothing else."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from datasets.trees import AFFECTNET_HEADER, affectnet, affectnet_arrays

from hybridfer.datasets import read_dataset, recognise
from hybridfer.datasets.inputs import read_inputs
from hybridfer.errors import DatasetError


def names(manifest: object) -> list[str]:
    return [Path(item.input).stem for item in manifest.items]  # type: ignore[attr-defined]


def test_the_tables_give_labels_splits_boxes_and_ratings(tmp_path: Path) -> None:
    manifest = read_inputs([affectnet(tmp_path)])
    items = list(manifest.items)
    assert [(item.label, item.split) for item in items] == [
        ("happiness", "train"), ("contempt", "train"), ("neutral", "train"), ("anger", "val"),
    ]  # fmt: skip
    assert items[0].input == str(tmp_path / "Manually_Annotated_Images/689/a.jpg")
    box = {"face_x": 14, "face_y": 15, "face_width": 20, "face_height": 21}
    assert dict(items[0].extra) == {"valence": 0.785714, "arousal": -0.055556, **box}
    assert [item.extra["valence"] for item in items][2:] == [None, -0.5] and items[2].extra["arousal"] == 0.5
    assert manifest.columns == {"valence": float, "arousal": float, **dict.fromkeys(box, int)}
    assert not manifest.cropped and {item.subject for item in items} == {None}


def test_what_is_left_out_is_counted_and_the_malformed_row_named(tmp_path: Path) -> None:
    notes = read_inputs([affectnet(tmp_path)]).notes
    assert "2 pictures without an expression that is asked for left out: 1 of none, 1 of no face" in notes
    assert "1 malformed rows (line 6 of training.csv) left out" in notes


def test_contempt_is_an_option(tmp_path: Path) -> None:
    manifest = read_inputs([affectnet(tmp_path)], dataset="affectnet:contempt=false")
    assert names(manifest) == ["a", "f", "g"] and any("1 of contempt" in note for note in manifest.notes)


def test_without_labels_every_picture_is_taken(tmp_path: Path) -> None:
    assert names(read_inputs([affectnet(tmp_path)], labels="none")) == ["a", "b", "c", "d", "f", "g"]


def test_a_table_may_be_named_itself_or_lie_beside_the_pictures(tmp_path: Path) -> None:
    file = affectnet(tmp_path) / "Manually_Annotated_file_lists/training.csv"
    assert recognise(file) == ("affectnet", "it has a column 'subDirectory_filePath'")
    manifest = read_inputs([file])
    assert names(manifest) == ["a", "b", "f"]
    assert all(Path(item.input).is_file() for item in manifest.items)
    file.rename(tmp_path / "training.csv")
    (tmp_path / "Manually_Annotated").mkdir()
    (tmp_path / "Manually_Annotated_Images").rename(tmp_path / "Manually_Annotated/Manually_Annotated_Images")
    both = read_inputs([tmp_path])
    assert names(both) == ["a", "b", "f", "g"] and all(Path(item.input).is_file() for item in both.items)


@pytest.mark.parametrize(
    "row",
    [
        "x.jpg,1,2,30,30,3;4,eleven,0,0",
        "x.jpg,1,2,30,30,3;4,11,0,0",
        "x.jpg,1,2,30,30,3;4,-1,0,0",
        "x.jpg,1,2,30,NULL,3;4,1,0,0",
        "x.jpg,1,2,30,30,3;4,1,high,0",
        ",1,2,30,30,3;4,1,0,0",
        "x.jpg,1,2,30,30,3,4,1,0,0",
    ],
)
def test_a_malformed_row_is_left_out_and_named(tmp_path: Path, row: str) -> None:
    file = tmp_path / "training.csv"
    file.write_text(f"{AFFECTNET_HEADER}{row}\ny.jpg,1,2,30,30,3;4,1,0,0\n")
    manifest = read_inputs([tmp_path])
    assert names(manifest) == ["y"] and manifest.notes[-1] == "1 malformed rows (line 2 of training.csv) left out"


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "training.csv").write_text(AFFECTNET_HEADER)
    with pytest.raises(DatasetError, match=r"expected training\.csv with rows"):
        read_inputs([tmp_path])


def test_arrays_of_text_and_of_numbers_are_read(tmp_path: Path) -> None:
    manifest = read_inputs([affectnet_arrays(tmp_path)])
    found = {Path(item.input).stem: item for item in manifest.items}
    # By AffectNet's order: 1 happiness, 4 fear, 7 contempt, 6 anger; the arrays of 2 and 3 are cut and missing.
    assert {name: item.label for name, item in found.items()} == {
        "0": "happiness", "1": "fear", "2": None, "3": None, "4": "contempt", "9": "anger",
    }  # fmt: skip
    assert {name: item.split for name, item in found.items()}["9"] == "val" and found["0"].split == "train"
    assert dict(found["0"].extra) == {"valence": 0.25, "arousal": -0.5} and found["1"].extra["valence"] is None
    assert manifest.cropped and manifest.columns == {"valence": float, "arousal": float}
    assert "2 arrays (2_exp.npy, 3_exp.npy) missing or damaged, so their pictures have no such value" in manifest.notes
    seven = read_dataset("affectnet:contempt=false", tmp_path)
    assert "4" not in names(seven) and any("1 of contempt" in note for note in seven.notes)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("the array was unpickled",)


def pickled() -> bytes:
    return pickle.dumps(Bomb())


def as_array(value: object) -> bytes:
    import io

    file = io.BytesIO()
    np.save(file, np.array(value))
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [b"", b"rubbish", pickled(), as_array("high"), as_array([1, 2]), as_array(np.nan), as_array("1")[:70],
     as_array("1").replace(b"'<U1'", b"'<U9'"), as_array(Bomb())],
)  # fmt: skip
def test_a_damaged_array_costs_a_label_and_no_more(tmp_path: Path, data: bytes) -> None:
    (affectnet_arrays(tmp_path) / "train_set/annotations/0_exp.npy").write_bytes(data)
    manifest = read_inputs([tmp_path])
    assert len(list(manifest.items)) == 6 and next(iter(manifest.items)).label is None
    assert any("0_exp.npy, 2_exp.npy, 3_exp.npy" in note for note in manifest.notes)
