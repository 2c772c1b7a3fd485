"""SFEW: stills or aligned faces, films as groups, a test part without labels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from datasets.trees import CLASSES, picture, sfew, sfew_aligned

from hybridfer.datasets import read_dataset, recognise
from hybridfer.datasets.inputs import read_inputs
from hybridfer.errors import DatasetError, SpecError


def test_stills_have_splits_labels_and_films(tmp_path: Path) -> None:
    manifest = read_inputs([sfew(tmp_path)])
    items = list(manifest.items)
    assert Counter(item.split for item in items) == {"train": 10, "val": 10, "test": 3} and not manifest.cropped
    assert {item.label for item in items if item.split == "test"} == {None}
    train = [(item.label, item.group) for item in items if item.split == "train"]
    assert train[:4] == [
        ("anger", "Airheads"),
        ("anger", "Bad_Santa"),
        ("disgust", "Airheads"),
        ("disgust", "Bad_Santa"),
    ]
    assert {item.subject for item in items} == {None} and items[-1].group is None
    assert "3 pictures of the test part have no label" in manifest.notes


def test_aligned_faces_are_crops(tmp_path: Path) -> None:
    manifest = read_inputs([sfew_aligned(tmp_path)])
    assert manifest.cropped and "images: aligned" in manifest.notes
    assert Counter(item.split for item in manifest.items) == {"train": 7, "val": 7, "test": 1}
    order = ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
    assert [item.label for item in manifest.items if item.split == "val"] == order


def test_archives_unpacked_side_by_side(tmp_path: Path) -> None:
    for folder in ("Train_Aligned_Faces", "Val_Aligned_Faces_new"):
        picture(tmp_path / folder / "Happy" / "Juno_000519240_00000005.png")
    manifest = read_inputs([tmp_path])
    assert manifest.cropped and [(i.split, i.group) for i in manifest.items] == [("train", "Juno"), ("val", "Juno")]


def test_where_both_are_there_the_stills_are_taken_unless_told(tmp_path: Path) -> None:
    sfew_aligned(sfew(tmp_path))
    stills = read_inputs([tmp_path])
    assert not stills.cropped and len(list(stills.items)) == 23
    faces = read_inputs([tmp_path], dataset="sfew:images=aligned")
    assert faces.cropped and len(list(faces.items)) == 15
    assert not {item.input for item in stills.items} & {item.input for item in faces.items}
    with pytest.raises(SpecError, match="images=faces is unknown; expected auto, original or aligned"):
        read_dataset("sfew:images=faces", tmp_path)


def test_what_is_asked_for_and_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="expected folders such as Train_Aligned_Faces/Angry"):
        read_dataset("sfew:images=aligned", sfew(tmp_path))


def test_class_folders_with_other_names_in_them_are_not_taken_for_it(tmp_path: Path) -> None:
    for part in ("Train", "Val"):
        for name in CLASSES:
            picture(tmp_path / part / name / "1.png")
    assert recognise(tmp_path) == ("folders", "it is a folder")
    assert {item.group for item in read_dataset("sfew", tmp_path).items} == {None}
