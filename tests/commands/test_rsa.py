"""What ``hybridfer rsa`` promises."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result
from compare.rsa.toys import make_bank

Run = Callable[..., Result]
QUICK = ("--permutations", 99, "--resamples", 100)
RANDOM = np.random.default_rng(0)


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    """Twelve rows of three labels and two subjects."""
    blocks = {"lbp": RANDOM.normal(size=(12, 5)), "hog": RANDOM.normal(size=(12, 4))}
    subjects = ["anna"] * 6 + ["ben"] * 6
    return make_bank(tmp_path / "toy.parquet", blocks, label=["a", "b", "c"] * 4, subject=subjects).path


def test_text_is_a_table_under_what_was_done(run: Run, bank: Path) -> None:
    result = run("rsa", bank, "-f", "lbp", "-m", "hog", "-m", "category", *QUICK, "--seed", 3)
    assert (result.exit_code, result.stderr) == (0, "")
    head, table = result.stdout.split("\n\n")
    assert head == (
        "12 items (rows), correlation distance; tau-a (category:label has equal dissimilarities); p from 99 "
        "permutations, 95 % intervals from 100 resamples of items, seed 3"
    )
    lines = table.splitlines()
    assert lines[0].split() == ["data", "model", "tau-a", "p", "q"]
    assert [line.split()[:2] for line in lines[1:]] == [["lbp", "hog"], ["lbp", "category:label"]]


def test_subjects_add_a_ceiling(run: Run, bank: Path) -> None:
    result = run("rsa", bank, "--by", "label", "--subjects", "subject", "-m", "hog", *QUICK)
    head, row = result.stdout.split("\n\n")[1].splitlines()
    assert head.split()[2:] == ["spearman", "p", "q", "ceiling", "subjects", "their", "p", "their", "q"]
    assert " to " in row and row.split()[-3] == "2"
    assert "note: 3 items have 6 orders" in result.stdout


def test_csv_and_json_hold_the_same_numbers(run: Run, bank: Path) -> None:
    asked = ("rsa", bank, "-f", "lbp", "-m", "hog", *QUICK)
    (row,) = csv.DictReader(io.StringIO(run(*asked, "--format", "csv").stdout))
    found = json.loads(run(*asked, "--format", "json").stdout)
    assert float(row["similarity"]) == found["comparisons"][0]["similarity"] and row["ceiling_low"] == ""
    assert list(found) == ["items", "matrices", "comparisons", "layers", "protocol", "notes"]
    assert len(found["matrices"]["hog"]) == 66


@pytest.mark.slow
def test_a_folder_takes_everything_and_is_not_replaced_unasked(run: Run, bank: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("rsa", bank, "-f", "lbp", "-m", "hog", "-o", out, *QUICK)
    assert result.exit_code == 0 and result.stderr.startswith(f"→ {out / 'rsa.json'}, ")
    assert sorted(path.name for path in out.iterdir()) == ["comparisons.png", "matrices.npz", "matrices.png", "rsa.csv", "rsa.json"]  # fmt: skip
    again = run("rsa", bank, "-f", "lbp", "-m", out / "matrices.npz", "-o", out, *QUICK)
    assert (again.exit_code, again.stdout) == (1, "") and "--overwrite" in again.stderr
    quiet = run("rsa", bank, "-f", "lbp", "-m", out / "matrices.npz", "-o", out, "--overwrite", "--quiet", *QUICK)
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert {row["model"] for row in json.loads((out / "rsa.json").read_text("utf-8"))["comparisons"]} == {
        "lbp (2)",
        "hog",
    }


@pytest.mark.slow
def test_the_curve_of_a_networks_layers_is_one_command(run: Run, face_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ("--layers", "vgg13:size=32", "--untrained", "-m", "category", "--labels", "folder", "--detector", "none")
    for i in range(4, 20):
        (face_folder / "face" / f"{i}.png").unlink()
        (face_folder / "other" / f"{100 + i}.png").unlink()
    result = run("rsa", face_folder, *asked, "-o", out, *QUICK)
    assert result.exit_code == 0 and (out / "layers.png").stat().st_size > 10_000
    found = json.loads((out / "rsa.json").read_text("utf-8"))
    assert found["layers"] == ["vgg13@features", "vgg13@avgpool", "vgg13@classifier"]
    # By hand: four faces and four others make sixteen pairs of two kinds.
    assert sum(found["matrices"]["category:label"]) == 16


def test_a_picture_that_cannot_be_read_leaves_the_exit_code_3(run: Run, tmp_path: Path) -> None:
    for i in range(4):
        cv2.imwrite(str(tmp_path / f"{i}.png"), RANDOM.integers(0, 256, (20, 20), np.uint8))
    (tmp_path / "4.png").write_bytes(b"")
    asked = ("rsa", tmp_path, "-f", "lbp", "-f", "hog", "--detector", "none", "--no-cache", *QUICK)
    result = run(*asked)
    assert result.exit_code == 3 and result.stdout.startswith("4 items (rows)")
    assert run(*asked, "--strict").exit_code == 1


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        (("-f", "lpb"), 1, "has no block 'lpb'. Did you mean 'lbp'?"),
        (("--by", "label", "--windows"), 1, "not both"),
        (("-m", "symmetric"), 1, "add --windows"),
        (("--subjects", "group"), 1, "No row of "),
        (("--distance", "crossnobis"), 1, "add --folds COLUMN"),
        (("-o", "out.txt"), 1, "An analysis is written as FILE.json or FILE.csv or into a folder"),
        (("--distance", "manhattan"), 2, "manhattan"),
        (("--permutations", "10"), 2, "10 is not in the range"),
    ],
)
def test_what_cannot_be_done_is_one_line(run: Run, bank: Path, asked: tuple[str, ...], code: int, said: str) -> None:
    result = run("rsa", bank, *asked)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr and (code == 2 or result.stderr.count("\n") == 1)


def test_a_missing_bank_and_a_single_picture_are_named(run: Run, tmp_path: Path) -> None:
    assert "none.parquet" in run("rsa", tmp_path / "none.parquet", "-f", "lbp").stderr
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 20), np.uint8))
    result = run("rsa", tmp_path, "-f", "lbp", "--detector", "none", "--no-cache")
    assert result.exit_code == 1 and f"lbp has 1 items: {tmp_path / 'a.png'}" in result.stderr
