"""JAFFE: the names say all."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets.trees import jaffe, picture

from hybridfer.datasets.inputs import read_inputs


def test_names_tell_subject_and_expression(tmp_path: Path) -> None:
    manifest = read_inputs([jaffe(tmp_path)])
    assert [(item.subject, item.label) for item in manifest.items] == [
        ("KA", "anger"), ("KA", "happiness"), ("NM", "fear"), ("YM", "neutral"),
    ]  # fmt: skip
    assert not manifest.cropped and {(item.split, item.group) for item in manifest.items} == {(None, None)}
    assert next(Path(item.input).name for item in manifest.items) == "KA.AN1.39.tiff"


@pytest.mark.parametrize(
    "name", ["KA.DI2.43.tif", "KA.DI2.43.png", "KA.DI2.43.jpg", "KA.DI2.43.tiff.png", "ka.di2.43.bmp"]
)
def test_exports_and_one_folder_level(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "KA" / name)
    picture(tmp_path / "YM" / name.replace("KA", "YM").replace("ka", "ym"))
    manifest = read_inputs([tmp_path])
    assert manifest.dataset == "jaffe"
    assert [(item.subject, item.label) for item in manifest.items] == [("KA", "disgust"), ("YM", "disgust")]


def test_any_number_of_pictures_will_do_and_others_are_named(tmp_path: Path) -> None:
    picture(jaffe(tmp_path) / "KA.XX1.1.png")
    manifest = read_inputs([tmp_path])
    assert len(list(manifest.items)) == 4
    assert "1 pictures (KA.XX1.1.png) not named like KA.AN1.39.tiff left out" in manifest.notes
