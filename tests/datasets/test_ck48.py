"""CK+48: class folders, subjects and sequences in the names."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets.trees import ck48, picture

from hybridfer.datasets import read_dataset, recognise
from hybridfer.datasets.inputs import read_inputs
from hybridfer.errors import DatasetError


def test_names_tell_who_and_which_sequence(tmp_path: Path) -> None:
    manifest = read_inputs([ck48(tmp_path)])
    items = list(manifest.items)
    assert manifest.cropped and manifest.columns == {"sequence": str, "frame_number": int}
    assert [(item.label, item.extra["frame_number"]) for item in items] == [
        (label, frame) for label in ("anger", "contempt", "surprise") for frame in (17, 18, 19)
    ]
    assert [item.subject for item in items] == ["S010"] * 3 + ["S138"] * 3 + ["S010"] * 3
    assert items[0].group == "S010_001" and items[8].group == "S010_000" and items[0].split is None
    assert items[0].source.read().pixels.shape == (48, 48, 3)


@pytest.mark.parametrize("name", ["S010_004_00000017.png.png", "happy_S010_004_00000017.png"])
def test_the_odd_spellings_of_copies(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "happy" / name)
    (item,) = read_inputs([tmp_path]).items
    assert (item.subject, item.group, item.extra["frame_number"], item.label) == ("S010", "S010_004", 17, "happiness")


def test_folders_of_other_names_are_not_taken_for_it(tmp_path: Path) -> None:
    picture(tmp_path / "crops" / "S010_004_00000017.png")
    assert recognise(tmp_path) == ("folders", "it is a folder")
    with pytest.raises(DatasetError, match=r"S010_004_00000017\.png in a folder named like an expression"):
        read_dataset("ck48", tmp_path)
    assert len(list(read_dataset("ck48", tmp_path, "none").items)) == 1
