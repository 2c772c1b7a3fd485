"""A check finds what was put there: copies, leaks, contradictions, damage; and says where."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data as samples

from hybridfer.datasets.check import check
from hybridfer.datasets.copies import CopyTable, contradictions
from hybridfer.datasets.inputs import read_inputs
from hybridfer.errors import DatasetError
from hybridfer.report.check_page import check_page

FACE = samples.astronaut()[20:200, 140:320]


def noise(seed: int) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    return cv2.resize(small, (64, 64), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Nine pictures with one fault of every kind."""
    pictures = {
        "a.png": FACE,
        "a again.bmp": FACE,  # the same pixels in another file, in another split and with another label
        "a mirrored.png": FACE[:, ::-1],
        "a cropped.png": FACE[6:, 5:170],
        "b.png": noise(1),
        "b again.png": noise(1),  # the same picture in its own split, with its own label
        "c.png": noise(2),
        "black.png": np.zeros((48, 48, 3), np.uint8),
    }
    for name, pixels in pictures.items():
        cv2.imwrite(str(tmp_path / name), pixels[:, :, ::-1])
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:200])
    lines = [
        "path,label,split,subject",
        "a.png,happy,train,s1",
        "a again.bmp,sad,test,s2",
        "a mirrored.png,happy,train,s1",
        "a cropped.png,happy,val,s3",
        "b.png,sad,train,s4",
        "b again.png,sad,train,s4",
        "c.png,,test,s1",
        "black.png,sad,train,",
        "cut.png,sad,val,",
    ]
    (tmp_path / "m.csv").write_text("\n".join(lines))
    return tmp_path / "m.csv"


def names(copies: object) -> list[set[str]]:
    return [{Path(s.item.input).name for s in side} for side in copies.sides]  # type: ignore[attr-defined]


def test_everything_that_was_put_there_is_found(table: Path) -> None:
    found = check(read_inputs([table]), "m.csv")
    assert [Path(s.item.input).name for s in found.undecodable] == ["cut.png"]
    assert [(Path(s.item.input).name, s.value) for s in found.constant] == [("black.png", (0, 0, 0))]
    assert [names(c) for c in found.duplicates] == [[{"a.png"}, {"a again.bmp"}], [{"b.png"}, {"b again.png"}]]
    assert [(c.leak, c.conflict) for c in found.duplicates] == [(True, True), (False, False)]
    near = {frozenset(map(frozenset, names(c))): c for c in found.near}
    one, mirrored, cropped = (
        frozenset({"a.png", "a again.bmp"}),
        frozenset({"a mirrored.png"}),
        frozenset({"a cropped.png"}),
    )
    assert set(near) == {frozenset({one, mirrored}), frozenset({one, cropped}), frozenset({mirrored, cropped})}
    assert near[frozenset({one, mirrored})].pair.mirrored and not near[frozenset({one, cropped})].pair.mirrored
    assert found.subjects == {"s1": ["train", "test"]}
    assert found.balance == {
        "train": {"happiness": 2, "sadness": 3},
        "val": {"happiness": 1, "sadness": 1},
        "test": {"sadness": 1, "(none)": 1},
    }


def test_leaks_are_counted_by_picture_and_split(table: Path) -> None:
    # train: a.png has an identical copy in test; a mirrored.png a near one there. val: a cropped.png a near one in train.
    assert check(read_inputs([table])).leaks == {
        "train": {"identical": 1, "identical_or_near": 2},
        "val": {"identical": 0, "identical_or_near": 1},
        "test": {"identical": 1, "identical_or_near": 1},
    }


def test_the_two_that_are_shown_differ_in_what_is_wrong(table: Path) -> None:
    for copies in check(read_inputs([table])).near:
        one, other = copies.shown
        assert one.item.split != other.item.split


def test_near_copies_of_one_person_with_other_labels_are_no_contradiction(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), FACE)
    cv2.imwrite(str(tmp_path / "b.png"), FACE[4:, 4:])
    for subjects, contradictory in (("p,p", False), ("p,q", True), (",", True), ("p,", True)):
        one, other = subjects.split(",")
        (tmp_path / "m.csv").write_text(f"path,label,subject\na.png,sad,{one}\nb.png,happy,{other}\n")
        found = check(read_inputs([tmp_path / "m.csv"]))
        assert found.counts["near_conflicts"] == contradictory, subjects


def test_without_near_copies_only_identical_ones_are_found(table: Path) -> None:
    found = check(read_inputs([table]), near=False)
    assert not found.near and len(found.duplicates) == 2 and found.settings == {}
    assert "Near copies were not looked for" in check_page(found)


def test_the_limits_decide(table: Path) -> None:
    assert not check(read_inputs([table]), correlation=1.01).near
    assert len(check(read_inputs([table]), distance=2).near) < len(check(read_inputs([table])).near)


def test_the_text_says_it_in_lines(table: Path) -> None:
    said = check(read_inputs([table]), "m.csv").summary()
    assert said.startswith("m.csv: 9 pictures, read as manifest\n")
    assert "cannot be read   1:" in said and "cut.png" in said and "of one colour    1:" in said
    assert "identical        2 groups of 4 pictures: 1 across splits, 1 with different labels" in said
    assert "test: 1 pictures stand identically in another split, 1 identically or nearly so" in said
    assert "4; in two splits: 1: s1 (train and test)" in said
    assert "train: happiness 2, sadness 3; the commonest is 1.5 times the rarest" in said


def test_the_report_is_json_and_tells_training_what_are_copies(table: Path, tmp_path: Path) -> None:
    found = check(read_inputs([table]))
    (tmp_path / "check.json").write_text(found.to_json())
    report = json.loads((tmp_path / "check.json").read_text())
    assert report["counts"]["duplicate_groups"] == 2 and report["undecodable"][0]["error"]
    copies = CopyTable.read(tmp_path / "check.json")
    sha = {Path(s.item.input).name: s.sha256 for s in found.seen}
    assert set(copies.of[sha["a.png"]]) == {sha["a again.bmp"], sha["a mirrored.png"], sha["a cropped.png"]}
    assert sha["c.png"] not in copies.of and set(copies.constant) == {sha["black.png"]}
    assert CopyTable.read(tmp_path).of == copies.of


def test_copies_of_copies_are_tied_and_equal_pictures_are_by_themselves() -> None:
    copies = CopyTable({"a": {"b"}, "b": {"a", "c"}, "c": {"b"}})
    assert copies.tied(["c", "x", None, "a", "x"]) == ["c", "x", None, "c", "x"]
    assert CopyTable({}).tied(["a", "b", "a"]) == ["a", "b", "a"]
    assert copies.among(["a", "c", "x", None], {"b", "x"}) == ([False, False, True, False], [True, True, False, False])


def test_equal_pictures_with_several_labels_are_counted() -> None:
    assert contradictions(["a", "a", "b", "b", "c", None], ["x", "y", "x", "x", None, "y"]) == (1, 2)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"check": 1}', '{"check": 1, "duplicates": [1]}'])
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(DatasetError, match="no report of a check"):
        CopyTable.read(tmp_path / "r.json")
    with pytest.raises(DatasetError, match="cannot be read"):
        CopyTable.read(tmp_path / "none.json")


def test_a_newer_report_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"check": 2, "duplicates": [], "near_duplicates": [], "constant": []}')
    with pytest.raises(DatasetError, match="format 2"):
        CopyTable.read(tmp_path / "r.json")


def test_the_page_shows_the_offending_pairs_side_by_side(table: Path) -> None:
    page = check_page(check(read_inputs([table]), "m.csv"))
    assert page.count('class="pair"') == 2 + 3 and page.count("data:image/png;base64") == 2 * 5 + 1
    for heading in ("Identical, in two splits", "Nearly identical, in two splits", "Identical otherwise"):
        assert f"<h2>{heading}</h2>" in page
    assert "Nearly identical otherwise" not in page
    assert ">a again.bmp (test, sadness, s2)<" in page and "mirrored" in page and "cut.png" in page


def test_a_picture_that_changed_since_is_not_shown(table: Path) -> None:
    found = check(read_inputs([table]))
    cv2.imwrite(str(table.parent / "b again.png"), noise(5))
    assert check_page(found).count('class="pair"') == 4


def test_fer2013_has_the_copies_it_is_known_for(data_folder: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    script = data_folder / "unpack_fer2013.py"
    subprocess.run([sys.executable, str(script), str(tmp_path), "--limit", "1500"], check=True, capture_output=True)
    found = check(read_inputs([tmp_path / "fer2013.csv"]))
    # Counted by comparing the 3,000 pictures' bytes with each other.
    counts = Counter(s.item.source.read().pixels.tobytes() for s in found.seen)
    assert len(found.duplicates) == sum(n > 1 and len(set(pixels)) > 1 for pixels, n in counts.items()) > 0
    assert found.counts["near_pairs"] > 20


def test_videos_of_a_folder_are_left_out_and_counted(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), FACE)
    (tmp_path / "clip.mp4").write_bytes(b"not looked at")
    found = check(read_inputs([tmp_path]))
    assert [seen.item.input for seen in found.seen] == [str(tmp_path / "a.png")]
    assert "1 videos left out: only pictures are compared" in found.manifest.notes and not found.undecodable
