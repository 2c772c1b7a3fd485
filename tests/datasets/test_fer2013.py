"""FER2013 as its users have it, with FER+ votes beside it."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from hybridfer.datasets import recognise
from hybridfer.datasets.fer2013 import argmax_label, majority_label, read_votes
from hybridfer.datasets.inputs import read_inputs
from hybridfer.errors import DatasetError, PictureError

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 48, 48)).astype(np.uint8)
LABELS = (0, 3, 6, 1)
USAGES = ("Training", "Training", "PublicTest", "PrivateTest")
VOTES = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"


def text(i: int) -> str:
    return " ".join(map(str, PIXELS[i].ravel()))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = "".join(f"{LABELS[i]},{text(i)},{USAGES[i]}\n" for i in range(4))
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + rows)
    return tmp_path / "fer2013.csv"


def check(path: Path) -> None:
    manifest = read_inputs([path])
    items = list(manifest.items)
    assert manifest.dataset == "fer2013" and manifest.cropped
    assert [i.label for i in items] == ["anger", "happiness", "neutral", "disgust"]
    assert [i.split for i in items] == ["train", "train", "val", "test"]
    for i, item in enumerate(items):
        picture = item.source.read()
        np.testing.assert_array_equal(picture.pixels, np.stack([PIXELS[i]] * 3, axis=2))
        assert picture.sha256 == hashlib.sha256(PIXELS[i].tobytes()).hexdigest()
        assert item.input.endswith(f".csv#{i}")


def test_the_csv_and_the_folder_that_holds_it(table: Path) -> None:
    check(table)
    check(table.parent)


def test_the_other_spelling_with_spaces_before_the_names(tmp_path: Path) -> None:
    rows = "".join(f"{LABELS[i]},{USAGES[i]},{text(i)}\r\n" for i in range(4))
    (tmp_path / "icml_face_data.csv").write_text("emotion, Usage, pixels\r\n" + rows)
    check(tmp_path / "icml_face_data.csv")


def test_quotes_round_the_pixels_do_no_harm(tmp_path: Path) -> None:
    rows = "".join(f'"{LABELS[i]}","{text(i)}","{USAGES[i]}"\n' for i in range(4))
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + rows)
    check(tmp_path / "fer2013.csv")


def test_the_labels_can_be_left_out(table: Path) -> None:
    assert {i.label for i in read_inputs([table], labels="none").items} == {None}


def test_a_row_with_a_damaged_picture_is_found_when_it_is_read(table: Path) -> None:
    lines = table.read_text().splitlines()
    lines[1] = "0,1 2 3,Training"
    lines[2] = f"3,{text(1).rsplit(' ', 1)[0]} 256,Training"
    lines[3] = f"6,{text(2).rsplit(' ', 1)[0]} x,PublicTest"
    table.write_text("\n".join(lines))
    items = list(read_inputs([table]).items)
    for item, message in zip(items, ("3 pixels; expected 2304", "expected 0 to 255", "whole numbers"), strict=False):
        with pytest.raises(PictureError, match=message):
            item.source.read()
    assert items[3].source.read().pixels.shape == (48, 48, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("3,", "9,"), "has emotion '9'; expected 0 to 6"),
        (("PublicTest", "Pubic"), "No split named 'Pubic'"),
    ],
)
def test_a_row_that_is_wrong_says_what_was_expected(table: Path, change: tuple[str, str], message: str) -> None:
    table.write_text(table.read_text().replace(f"\n{change[0]}", f"\n{change[1]}").replace(*change, 1))
    with pytest.raises(DatasetError, match=message):
        read_inputs([table])


def test_a_csv_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n")
    with pytest.raises(DatasetError, match="no rows"):
        read_inputs([tmp_path])


# By hand, from FER+'s rule: strike single votes, then more than half of what is left; order of the columns as in the file.
@pytest.mark.parametrize(
    ("votes", "majority", "argmax"),
    [
        ((10, 0, 0, 0, 0, 0, 0, 0, 0, 0), "neutral", "neutral"),
        ((4, 0, 0, 1, 3, 2, 0, 0, 0, 0), None, "neutral"),
        ((6, 0, 1, 1, 0, 0, 0, 0, 2, 0), "neutral", "neutral"),
        ((5, 5, 0, 0, 0, 0, 0, 0, 0, 0), None, "neutral"),
        ((0, 0, 0, 0, 0, 0, 0, 8, 1, 1), "contempt", "contempt"),
        ((1, 1, 1, 1, 1, 1, 1, 1, 2, 0), None, None),
        ((0, 0, 0, 0, 0, 0, 0, 0, 0, 10), None, None),
        ((2, 0, 0, 0, 0, 0, 0, 0, 8, 0), None, None),
    ],
)
def test_votes_become_labels(votes: tuple[int, ...], majority: str | None, argmax: str | None) -> None:
    assert majority_label(np.array(votes)) == majority
    assert argmax_label(np.array(votes)) == argmax


def test_votes_beside_the_csv_are_used_when_asked_and_the_rule_is_said(table: Path) -> None:
    rows = ["4,0,0,1,3,2,0,0,0,0", "0,9,1,0,0,0,0,0,0,0", "0,0,0,0,0,0,0,0,0,10", "0,0,0,0,6,4,0,0,0,0"]
    lines = "".join(f"{u},fer{i}.png,{r}\n" for i, (u, r) in enumerate(zip(USAGES, rows, strict=True)))
    (table.parent / "fer2013new.csv").write_text(VOTES + lines)
    majority = read_inputs([table], labels="ferplus-majority")
    assert [(i.input[-1], i.label) for i in majority.items] == [("1", "happiness"), ("3", "anger")]
    assert "rule majority: 2 rows kept, 2 without a label left out" in majority.notes[-1]
    argmax = read_inputs([table], labels="ferplus-argmax")
    assert [i.label for i in argmax.items] == ["neutral", "happiness", "anger"]
    assert [i.label for i in read_inputs([table]).items] == ["anger", "happiness", "neutral", "disgust"]


def test_votes_that_do_not_belong_are_refused(table: Path) -> None:
    with pytest.raises(DatasetError, match=r"put fer2013new.csv beside fer2013.csv into"):
        read_inputs([table], labels="ferplus-majority")
    (table.parent / "fer2013new.csv").write_text(VOTES + "Training,a,1,1,1,1,1,1,1,1,1,1\n")
    with pytest.raises(DatasetError, match="has 1 rows, not 4"):
        read_inputs([table], labels="ferplus-majority")
    row = "1,1,1,1,1,1,1,1,1,1\n"
    (table.parent / "fer2013new.csv").write_text(VOTES + "".join(f"{u},a,{row}" for u in reversed(USAGES)))
    with pytest.raises(DatasetError, match="another split"):
        read_inputs([table], labels="ferplus-argmax")
    lines = "".join(f"{u},a,{row}" for u in USAGES)
    (table.parent / "fer2013new.csv").write_text(VOTES + lines.replace("1,1\n", "1,x\n", 1))
    with pytest.raises(
        DatasetError, match=r"Row 0 of .* has the votes 1, 1, 1, 1, 1, 1, 1, 1, 1, x; expected whole numbers"
    ):
        read_votes(table)


def test_votes_are_read_row_by_row_in_ferplus_order(table: Path) -> None:
    rows = ["4,0,0,1,3,2,0,0,0,0", "0,9,1,0,0,0,0,0,0,", "0,0,0,0,0,0,0,0,0,10", "0,0,0,0,6,4,0,0,0,0"]
    lines = "".join(f"{u},,{r}\n" for u, r in zip(USAGES, rows, strict=True))
    (table.parent / "fer2013new.csv").write_text(VOTES + lines)
    votes = read_votes(table)
    assert votes.shape == (4, 10) and votes[0].tolist() == [4, 0, 0, 1, 3, 2, 0, 0, 0, 0]
    assert votes[1].tolist() == [0, 9, 1, 0, 0, 0, 0, 0, 0, 0]  # an empty field is no vote


def test_kaggles_folders(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for i, name in enumerate(("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")):
            (tmp_path / split / name).mkdir(parents=True)
            cv2.imwrite(str(tmp_path / split / name / "a.png"), PIXELS[i % 4])
    manifest = read_inputs([tmp_path])
    assert recognise(tmp_path) is not None and manifest.dataset == "fer2013" and manifest.cropped
    assert Counter((i.split, i.label) for i in manifest.items)["test", "happiness"] == 1
    assert len(list(manifest.items)) == 14


@pytest.mark.slow
def test_the_counts_of_the_real_thing_are_the_published_ones(data_folder: Path, tmp_path: Path) -> None:
    import runpy
    import sys

    sys.argv, before = ["unpack", str(tmp_path)], sys.argv
    try:
        runpy.run_path(str(data_folder / "unpack_fer2013.py"), run_name="__main__")
    finally:
        sys.argv = before
    items = list(read_inputs([tmp_path]).items)
    order = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    counts = Counter((i.split, i.label) for i in items)
    # Goodfellow et al. 2013 by class; FER+'s kept rows by both rules, train and val.
    assert [counts["train", e] for e in order] == [3995, 436, 4097, 7215, 4830, 3171, 4965]
    assert [counts["val", e] for e in order] == [467, 56, 496, 895, 653, 415, 607]
    # Of the 28,561 training rows with votes, the development archive lacks three (151 empty rows where 148 are).
    for rule, kept in {"ferplus-majority": (25060 - 3, 3199), "ferplus-argmax": (28389 - 3, 3553)}.items():
        splits = Counter(i.split for i in read_inputs([tmp_path], labels=rule).items)
        assert (splits["train"], splits["val"]) == kept
