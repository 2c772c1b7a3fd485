"""RAF-DB: the list with crops or photographs, and Kaggle's folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets.trees import picture, rafdb, rafdb_kaggle

from hybridfer.datasets import read_dataset, recognise
from hybridfer.datasets.inputs import read_inputs
from hybridfer.errors import DatasetError, PictureError, SpecError

# The order that RAF-DB's readme gives: 1 Surprise, 2 Fear, 3 Disgust, 4 Happiness, 5 Sadness, 6 Anger, 7 Neutral.
ORDER = ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]


def test_the_list_gives_labels_and_splits_and_the_crops_are_taken(tmp_path: Path) -> None:
    manifest = read_inputs([rafdb(tmp_path)])
    items = list(manifest.items)
    assert manifest.cropped and manifest.dataset == "rafdb"
    assert [item.label for item in items] == ["sadness", "surprise", "neutral", "happiness", "anger"]
    assert [item.split for item in items] == ["train"] * 3 + ["test"] * 2
    assert items[0].input == str(tmp_path / "Image/aligned/train_00001_aligned.jpg")
    assert items[0].source.read().pixels.shape == (20, 16, 3)
    assert {(item.subject, item.group) for item in items} == {(None, None)}


def test_a_picture_that_is_listed_and_not_there_fails_when_it_is_read(tmp_path: Path) -> None:
    *_, last = read_inputs([rafdb(tmp_path)]).items
    with pytest.raises(PictureError, match="no such file"):
        last.source.read()


def test_the_photographs_are_no_crops(tmp_path: Path) -> None:
    manifest = read_inputs([rafdb(tmp_path)], dataset="rafdb:images=original")
    first, *_ = manifest.items
    assert not manifest.cropped and first.input == str(tmp_path / "Image/original/train_00001.jpg")
    assert first.source.read().pixels.shape == (40, 30, 3)


def test_kaggles_folders_are_numbered_from_one(tmp_path: Path) -> None:
    manifest = read_inputs([rafdb_kaggle(tmp_path)])
    assert manifest.cropped
    assert [(item.split, item.label) for item in manifest.items] == [(s, e) for s in ("train", "test") for e in ORDER]
    with pytest.raises(DatasetError, match="use rafdb:images=aligned"):
        read_dataset("rafdb:images=original", tmp_path)


def test_folders_of_numbers_are_not_taken_for_it(tmp_path: Path) -> None:
    for number in range(1, 8):
        picture(tmp_path / "train" / str(number) / "a.png")
    assert recognise(tmp_path) == ("folders", "it is a folder")
    # Named, they are read.
    assert [item.label for item in read_dataset("rafdb", tmp_path).items] == ORDER


def test_the_whole_of_it_with_the_compound_part_beside(tmp_path: Path) -> None:
    rafdb(tmp_path / "basic")
    rafdb(tmp_path / "compound")
    assert len(list(read_inputs([tmp_path]).items)) == 5


@pytest.mark.parametrize(
    "line", ["train_00004.jpg 8", "train_00004.jpg 0", "train_00004.jpg", "train_00004.jpg 5 5", "5", "valid_1.jpg 5"]
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, line: str) -> None:
    path = rafdb(tmp_path) / "EmoLabel/list_patition_label.txt"
    path.write_text(f"{path.read_text()}\n{line}\n")
    with pytest.raises(DatasetError, match=rf"Line 7 of .*{line}.*expected a name and a number from 1 to 7.*compound"):
        read_inputs([tmp_path])


def test_an_empty_list_is_refused(tmp_path: Path) -> None:
    (rafdb(tmp_path) / "EmoLabel/list_patition_label.txt").write_text("\n")
    with pytest.raises(DatasetError, match="expected lines in EmoLabel"):
        read_inputs([tmp_path])


def test_an_unknown_kind_of_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="images=cropped is unknown; expected aligned or original"):
        read_dataset("rafdb:images=cropped", tmp_path)
