"""MMI: a table of the user's, stricter than a manifest."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridfer.datasets import recognise
from hybridfer.datasets.inputs import read_inputs
from hybridfer.errors import DatasetError


def table(folder: Path, text: str) -> Path:
    (folder / "mmi.csv").write_text(text)
    return folder / "mmi.csv"


def test_rows_have_subjects_labels_and_the_users_own_columns(tmp_path: Path) -> None:
    file = table(tmp_path, "path,label,subject,group,session\na.png,Happy,S001,v1,12\nb.png,Sadness,S002,v2,13\n")
    manifest = read_inputs([file], dataset="mmi")
    assert [(i.label, i.subject, i.group, dict(i.extra)) for i in manifest.items] == [
        ("happiness", "S001", "v1", {"session": 12}), ("sadness", "S002", "v2", {"session": 13}),
    ]  # fmt: skip
    assert manifest.dataset == "mmi" and not manifest.cropped
    assert [i.input for i in manifest.items] == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    assert {i.label for i in read_inputs([file], dataset="mmi", labels="none").items} == {None}


def test_a_plain_table_is_never_taken_for_it(tmp_path: Path) -> None:
    known = recognise(table(tmp_path, "path,label,subject\na.png,happy,1\n"))
    assert known is not None and known[0] == "manifest"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.png,happy\n", r"has no subject for .*a\.png"),
        ("path,label,subject\na.png,happy,1\nb.png,sad,\n", r"has no subject for .*b\.png"),
        ("path,label,subject\na.png,5,1\n", r"the label '5'; expected a word for one of anger.*--label-set NAME"),
        ("path,label,subject\na.png,,1\n", r"the label ''; expected a word"),
        ("path,label,subject\na.png,bored,1\n", r"the label 'bored'; expected a word"),
        ("file,label,subject\na.png,happy,1\n", "no column 'path'"),
    ],
)
def test_a_table_that_is_wrong_says_how(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_inputs([table(tmp_path, text)], dataset="mmi")


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is no file; expected a table"):
        read_inputs([tmp_path], dataset="mmi")
