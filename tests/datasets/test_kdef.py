"""KDEF: people, sessions, angles; the files it is known to have wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets.trees import kdef, picture

from hybridfer.datasets import read_dataset
from hybridfer.datasets.inputs import read_inputs
from hybridfer.errors import PictureError, SpecError


def test_straight_pictures_are_taken_and_a_person_is_one_in_both_sessions(tmp_path: Path) -> None:
    manifest = read_inputs([kdef(tmp_path)])
    items = {Path(item.input).name: item for item in manifest.items}
    assert {name: (item.subject, item.label) for name, item in items.items()} == {
        "AF01AFS.JPG": ("F01", "fear"),
        "AM07HAS.JPG": ("M07", "happiness"),
        "AM07NES.JPG": ("M07", "neutral"),
        "BF01SUS.JPG": ("F01", "surprise"),
    }
    assert dict(items["BF01SUS.JPG"].extra) == {"session": "B", "sex": "F", "angle": "S"}
    assert manifest.columns == {"session": str, "sex": str, "angle": str} and not manifest.cropped
    assert "2 pictures (AF31V.JPG, AM31H.JPG) not named like AF01ANFL.JPG left out" in manifest.notes
    assert any("5 pictures of other angles than S left out" in note for note in manifest.notes)


def test_angles_are_an_option(tmp_path: Path) -> None:
    def angles(option: str) -> list[str]:
        return [item.extra["angle"] for item in read_dataset(f"kdef:angle={option}", kdef(tmp_path)).items]

    assert angles("HL+S+HR") == ["HL", "HR", "S", "S", "S", "S"]
    assert angles("fl") == ["FL"] and len(angles("all")) == 9
    assert "FR" in angles("all")  # AM05ANFR is 970x633, and read like any
    with pytest.raises(SpecError, match="angle=HL\\+X names 'X'; expected all, or some of FL\\+HL\\+S\\+HR\\+FR"):
        read_dataset("kdef:angle=HL+X", tmp_path)


def test_pictures_in_one_folder_and_the_averaged_faces_beside(tmp_path: Path) -> None:
    for name in ("AF01ANS", "AM02SAS"):
        picture(tmp_path / "flat" / f"{name}.JPG")
    assert [item.label for item in read_inputs([tmp_path / "flat"]).items] == ["anger", "sadness"]
    kdef(tmp_path / "KDEF_and_AKDEF/KDEF")
    picture(tmp_path / "KDEF_and_AKDEF/AKDEF/AFAFS.JPG")
    assert len(list(read_inputs([tmp_path / "KDEF_and_AKDEF"]).items)) == 4


@pytest.mark.parametrize(("grey", "black"), [(0, True), (7, True), (8, False), (9, False)])
def test_a_nearly_black_picture_fails_when_it_is_read(tmp_path: Path, grey: int, black: bool) -> None:
    picture(tmp_path / "AF01ANS.png", grey)
    (item,) = read_dataset("kdef", tmp_path).items
    if black:
        with pytest.raises(
            PictureError, match=rf"nearly black \(mean intensity {grey}\.0 of 255, expected 8 or more\)"
        ):
            item.source.read()
    else:
        assert item.source.read().pixels.max() == grey
