"""Windows from end to end: their blocks' names, which have brackets and commas, hold in every file and command."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from scipy.io import loadmat

from hybridfer import FeatureBank, load_model

Run = Callable[..., Result]
NAMES = (
    "windows(lbp:grid=1,points=8,radius=1,size=48)",
    "windows(phash:bits=64,exclude_dc=false,size=32,threshold=median)",
)


@pytest.fixture
def bank(run: Run, face_folder: Path, tmp_path: Path) -> FeatureBank:
    result = run(
        *("extract", face_folder, "--labels", "folder", "--detector", "none", "--windows"),
        *("-f", "lbp:grid=1", "-f", "windows(phash)", "-o", tmp_path / "bank.parquet"),
    )
    assert result.exit_code == 0, result.stderr
    return FeatureBank.open(tmp_path / "bank.parquet")


def test_a_bank_of_windows_is_read_in_every_form(run: Run, bank: FeatureBank, tmp_path: Path) -> None:
    lbp, phash = (bank.X(f"windows({name})") for name in ("lbp", "phash"))
    assert tuple(bank.blocks) == NAMES and lbp.shape == (40, 12 * 59) and phash.shape == (40, 12 * 64)
    np.testing.assert_array_equal(bank.X("windows(lbp:grid=1)"), lbp)
    frame = pd.read_parquet(bank.path)
    np.testing.assert_array_equal(np.stack(frame[NAMES[0]]), lbp)
    for form in ("npz", "mat", "csv", "jsonl"):
        assert run("bank", "convert", bank.path, "-o", tmp_path / f"a.{form}").exit_code == 0
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays[NAMES[1]], phash)
    matlab = loadmat(tmp_path / "a.mat")
    np.testing.assert_array_equal(matlab["windows_lbp"], lbp)
    np.testing.assert_array_equal(matlab["windows_phash"], phash)
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    np.testing.assert_allclose([float(row[f"{NAMES[0]}[107]"]) for row in rows], lbp[:, 107], rtol=1e-6)
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    np.testing.assert_array_equal([json.loads(line)[NAMES[1]] for line in lines], phash)
    assert "windows(lbp:grid=1,points=8,radius=1,size=48)  (708 float32" in run("bank", "info", bank.path).stdout
    assert "windows(lbp)" in run("svm-train", bank.path, "-f", "windows(lpb)", "-o", tmp_path / "m").stderr


@pytest.mark.parametrize("kernel", ["linear", "chi2"])
def test_a_model_of_windows_cuts_them_out_of_pictures(
    run: Run, bank: FeatureBank, face_folder: Path, tmp_path: Path, kernel: str
) -> None:
    blocks = ("-f", "windows(phash)") if kernel == "linear" else ()
    trained = run(
        *("svm-train", bank.path, "-f", "windows(lbp)", *blocks, "--kernel", kernel, "-o", tmp_path / "m"),
    )
    assert trained.exit_code == 0, trained.stderr
    of_bank = run("svm-predict", tmp_path / "m", bank.path, "--format", "jsonl").stdout.splitlines()
    of_pictures = run("svm-predict", tmp_path / "m", face_folder, "--labels", "folder", "--format", "jsonl")
    assert of_pictures.exit_code == 0 and len(of_bank) == 40
    for one, two in zip(of_bank, of_pictures.stdout.splitlines(), strict=True):
        assert json.loads(one)["label"] == json.loads(two)["label"]
        assert json.loads(one)["confidence"] == pytest.approx(json.loads(two)["confidence"])
    assert next(iter(load_model(tmp_path / "m").blocks)) == NAMES[0]


def test_the_cache_tells_of_windows_too(run: Run, face_folder: Path) -> None:
    picture = sorted((face_folder / "face").iterdir())[0]
    spec = "windows(resnet18@layer1:size=32,untrained=true)"
    asked = ("cache", "why", picture, "-f", spec, "--detector", "none")
    assert "miss: this face was never described" in run(*asked).stdout
    assert run("extract", picture, "-f", spec, "--detector", "none", "--format", "jsonl").exit_code == 0
    assert "hit" in run(*asked).stdout
