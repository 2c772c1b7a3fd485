"""``hybridfer bank`` and ``hybridfer cache``: look, convert, join, ask why."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from scipy.io import loadmat

from hybridfer import FeatureBank, extract

Run = Callable[..., Result]


@pytest.fixture
def bank(face_folder: Path, tmp_path: Path) -> FeatureBank:
    (face_folder / "face" / "bad.png").write_bytes(b"")
    return extract(face_folder, ["phash", "lbp"], tmp_path / "a.parquet", labels="folder", detector="none")


def test_info_says_what_is_in_it(run: Run, bank: FeatureBank) -> None:
    text = run("bank", "info", bank.path).stdout
    assert "40 faces in 41 rows" in text and "face 21, other 20" in text and "error 1, ok 40" in text
    assert bank.fingerprint in text
    found = json.loads(run("bank", "info", bank.path, "--format", "json").stdout)
    assert found["labels"] == {"face": 21, "other": 20} and list(found["blocks"]) == list(bank.blocks)


def test_cat_prints_the_rows(run: Run, bank: FeatureBank) -> None:
    rows = list(csv.DictReader(io.StringIO(run("bank", "cat", bank.path).stdout)))
    assert len(rows) == 41 and not any(name.startswith("lbp") for name in rows[0])
    lines = run("bank", "cat", bank.path, "--format", "jsonl", "--features").stdout.splitlines()
    phash = np.array([json.loads(line)[bank.block("phash")] for line in lines if json.loads(line)["status"] == "ok"])
    np.testing.assert_array_equal(phash, bank.X("phash"))


def test_numpy_and_matlab_read_what_convert_writes(run: Run, bank: FeatureBank, tmp_path: Path) -> None:
    assert run("bank", "convert", bank.path, "-o", tmp_path / "a.npz").exit_code == 0
    assert run("bank", "convert", bank.path, "-o", tmp_path / "a.mat").exit_code == 0
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays[bank.block("lbp")], bank.X("lbp"))
        assert arrays["label"].tolist() == bank.y.tolist() and json.loads(str(arrays["provenance"]))["schema"] == 1
    matlab = loadmat(tmp_path / "a.mat")
    np.testing.assert_array_equal(matlab["lbp"], bank.X("lbp"))
    assert [str(label).strip() for label in matlab["label"]] == bank.y.tolist()


def test_an_archive_needs_a_file(run: Run, bank: FeatureBank) -> None:
    result = run("bank", "convert", bank.path, "--format", "npz")
    assert result.exit_code == 1 and "-o" in result.stderr


def test_rows_are_joined_under_each_other(run: Run, face_folder: Path, tmp_path: Path, bank: FeatureBank) -> None:
    for name in ("face", "other"):
        extract(face_folder / name, ["phash"], tmp_path / f"{name}.parquet", detector="none")
    result = run("bank", "merge", tmp_path / "face.parquet", tmp_path / "other.parquet", "-o", tmp_path / "all.parquet")
    assert result.exit_code == 0, result.stderr
    np.testing.assert_array_equal(FeatureBank.open(tmp_path / "all.parquet").X("phash"), bank.X("phash"))


def test_blocks_are_joined_side_by_side(run: Run, face_folder: Path, tmp_path: Path, bank: FeatureBank) -> None:
    for name in ("phash", "lbp"):
        extract(face_folder, [name], tmp_path / f"{name}.parquet", labels="folder", detector="none")
    result = run("bank", "merge", tmp_path / "phash.parquet", tmp_path / "lbp.parquet", "-o", tmp_path / "both.parquet")
    assert result.exit_code == 0, result.stderr
    assert FeatureBank.open(tmp_path / "both.parquet").fingerprint == bank.fingerprint


def test_banks_that_do_not_fit_are_refused(run: Run, face_folder: Path, tmp_path: Path, bank: FeatureBank) -> None:
    other = extract(face_folder / "face", ["hog"], tmp_path / "hog.parquet", detector="none")
    refused = run("bank", "merge", bank.path, other.path, "-o", tmp_path / "x.parquet")
    assert refused.exit_code == 1 and "neither the same blocks nor the same rows" in refused.stderr
    found = extract(face_folder / "face", ["hog"], tmp_path / "haar.parquet", detector="haar")
    refused = run("bank", "merge", other.path, found.path, "-o", tmp_path / "x.parquet")
    assert refused.exit_code == 1 and "not cut alike" in refused.stderr
    assert "two banks or more" in run("bank", "merge", bank.path, "-o", tmp_path / "x.parquet").stderr
    assert run("bank", "merge", bank.path, bank.path).exit_code == 2


def test_a_cut_bank_is_refused(run: Run, bank: FeatureBank) -> None:
    bank.path.write_bytes(bank.path.read_bytes()[: bank.path.stat().st_size // 2])
    result = run("bank", "info", bank.path)
    assert result.exit_code == 1 and "not a whole Parquet file" in result.stderr and result.stderr.count("\n") == 1


def test_the_cache_says_what_it_holds_and_why(run: Run, face_folder: Path, tmp_path: Path) -> None:
    picture = face_folder / "face" / "0.png"
    spec = "gabor:size=128"
    why = ("cache", "why", picture, "-f", spec, "-f", "phash", "--detector", "none")
    assert "never described" in run(*why).stdout and "cheaper than reading" in run(*why).stdout
    extract(picture, [spec], tmp_path / "a.parquet", detector="none")
    assert "hit" in run(*why).stdout
    (kept,) = json.loads(run("cache", "info", "--format", "json").stdout)["kept"]
    assert kept["faces"] == 1 and kept["spec"].startswith("gabor:")
    assert "1 faces" in run("cache", "info").stdout
    assert run("cache", "clear").exit_code == 0
    assert "never described" in run(*why).stdout
