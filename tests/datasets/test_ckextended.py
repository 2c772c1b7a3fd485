"""Kaggle's csv of CK+: eight numbers, and not FER2013."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets.trees import ckextended

from hybridfer.datasets import recognise
from hybridfer.datasets.inputs import read_inputs
from hybridfer.errors import DatasetError


def test_seven_is_contempt(tmp_path: Path) -> None:
    file = ckextended(tmp_path) / "ckextended.csv"
    for path in (tmp_path, file):
        manifest = read_inputs([path])
        items = list(manifest.items)
        # 6 neutral, 0 anger, 3 happiness, 7 contempt: the order on the data set's page.
        assert [item.label for item in items] == ["neutral", "anger", "happiness", "contempt"]
        assert [item.split for item in items] == ["train", "train", "val", "test"]
        assert manifest.cropped and manifest.dataset == "ckextended"
        assert [item.source.read().pixels[47, 47, 2] for item in items] == [20, 21, 22, 23]
        assert items[2].input == f"{file}#2"


def test_it_is_known_by_its_name_and_under_another_only_when_told(tmp_path: Path) -> None:
    file = (ckextended(tmp_path) / "ckextended.csv").rename(tmp_path / "CKextended (1).csv")
    assert recognise(file) == ("ckextended", "it is named CKextended (1).csv and has a column 'pixels'")
    other = file.rename(tmp_path / "faces.csv")
    with pytest.raises(DatasetError, match="has emotion '7'; expected 0 to 6"):
        read_inputs([other])
    assert [item.label for item in read_inputs([other], dataset="ckextended").items][3] == "contempt"


def test_a_damaged_csv_says_how(tmp_path: Path) -> None:
    file = ckextended(tmp_path) / "ckextended.csv"
    file.write_text(file.read_text().replace("\n7,", "\n8,"))
    with pytest.raises(DatasetError, match="has emotion '8'; expected 0 to 7"):
        read_inputs([file])
    file.write_text("emotion,Usage\n0,Training\n")
    with pytest.raises(DatasetError, match="no column 'pixels'"):
        read_inputs([file], dataset="ckextended")
