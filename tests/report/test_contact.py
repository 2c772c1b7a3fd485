"""A contact sheet has a row a person and a column an expression."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from hybridfer.datasets.inputs import read_inputs
from hybridfer.errors import DatasetError
from hybridfer.report.contact import GAP, HEAD, contact_sheet


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Three people: anna is happy (twice) and angry, ben angry, carl nothing that is known."""
    rows = [
        ("anna", "happiness", 10),
        ("anna", "happiness", 20),
        ("anna", "anger", 30),
        ("ben", "anger", 40),
        ("carl", "", 50),
    ]
    lines = ["path,subject,label"]
    for subject, label, grey in rows:
        assert cv2.imwrite(str(tmp_path / f"{grey}.png"), np.full((7, 5, 3), grey, np.uint8))
        lines.append(f"{grey}.png,{subject},{label}")
    table = tmp_path / "people.csv"
    table.write_text("\n".join(lines) + "\n", "utf-8")
    return table


def test_each_first_picture_stands_in_its_place_and_the_rest_is_white(manifest: Path) -> None:
    sheet = contact_sheet(read_inputs([manifest]).items, size=30)
    step = 30 + GAP
    assert sheet.shape == (HEAD + 2 * step, GAP + 2 * step, 3)
    # Anger comes before happiness, as in FER2013.
    assert [[int(sheet[HEAD + i * step + 15, GAP + j * step + 15, 0]) for j in (0, 1)] for i in (0, 1)] == [
        [30, 10],
        [40, 255],
    ]
    assert (sheet[:HEAD] < 128).any() and (sheet[HEAD:, :GAP] == 255).all()


def test_no_more_people_are_shown_than_asked_for(manifest: Path) -> None:
    assert len(contact_sheet(read_inputs([manifest]).items, people=1, size=30)) == HEAD + 30 + GAP


def test_pictures_of_nobody_have_no_place(manifest: Path) -> None:
    with pytest.raises(DatasetError, match="both a subject and a label"):
        contact_sheet(read_inputs([manifest.parent / "10.png"]).items)
