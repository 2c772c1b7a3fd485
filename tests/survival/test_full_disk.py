"""A full disk: one line that names it, exit 1, the old output as it was and nothing beside it; the cache does without.

``RLIMIT_FSIZE`` plays the disk: files grow to so many bytes and no further. ``/dev/full`` is standard output's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hybridfer import FeatureBank, extract, train_svm

FULL = """
import resource, signal, sys
from hybridfer.bank import extract
extract.PART_ROWS = 10
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.argv = ["hybridfer", *sys.argv[2:]]
from hybridfer.__main__ import main
main()
"""


def full(limit: int, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the program where no file grows beyond `limit` bytes."""
    command = [sys.executable, "-B", "-c", FULL, str(limit), *map(str, arguments)]
    return subprocess.run(command, **{"capture_output": True, "text": True, **options})  # type: ignore[call-overload, no-any-return]


def refused(result: subprocess.CompletedProcess[str]) -> None:
    assert result.returncode == 1, result.stderr
    assert result.stderr.count("\n") == 1 and "is the disk full?" in result.stderr, result.stderr


@pytest.fixture
def bank(face_folder: Path, tmp_path: Path) -> FeatureBank:
    return extract(face_folder, ["phash", "hog"], tmp_path / "a.parquet", labels="folder", detector="none")


@pytest.mark.parametrize("limit", [3_000, 80_000])
def test_an_extraction_goes_on_when_there_is_room(face_folder: Path, tmp_path: Path, limit: int) -> None:
    """The first limit is hit by a part, the second only by the bank that the parts are joined to."""
    out = tmp_path / "a.parquet"
    out.write_text("old")
    words = ("extract", face_folder, "-f", "hog", "--labels", "folder", "--detector", "none", "--quiet", "-o", out)
    refused(full(limit, *words, "--overwrite"))
    assert out.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.parquet", "a.parquet.parts", "faces"]
    assert len(list((tmp_path / "a.parquet.parts").glob("*.arrow"))) == (0 if limit == 3_000 else 4)
    assert full(10**9, *words, "--resume", "--overwrite").returncode == 0
    whole = extract(face_folder, ["hog"], tmp_path / "whole.parquet", labels="folder", detector="none")
    assert FeatureBank.open(out).fingerprint == whole.fingerprint
    assert not (tmp_path / "a.parquet.parts").exists()


@pytest.mark.slow
def test_other_outputs_stay_as_they_were(bank: FeatureBank, tmp_path: Path) -> None:
    model = tmp_path / "a.model"
    train_svm(bank, output=model)
    card = (model / "card.json").read_text()
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "evaluation.json").write_text("old")
    outputs = {name: tmp_path / name for name in ("a.csv", "b.parquet", "a.npz", "a.mat", "e.json", "merged.parquet")}
    for path in outputs.values():
        path.write_text("old")
    before = sorted(p.name for p in tmp_path.iterdir())
    refused(full(500, "svm-train", bank.path, "--quiet", "-o", model, "--overwrite"))
    refused(full(500, "evaluate", model, bank.path, "--quiet", "-o", tmp_path / "eval", "--overwrite"))
    refused(full(500, "evaluate", model, bank.path, "--quiet", "-o", outputs["e.json"], "--overwrite"))
    for name in ("a.csv", "b.parquet"):
        refused(full(500, "svm-predict", model, bank.path, "--quiet", "-o", outputs[name], "--overwrite"))
    for name in ("a.npz", "a.mat"):
        refused(full(500, "bank", "convert", bank.path, "--quiet", "-o", outputs[name], "--overwrite"))
    refused(full(500, "extract", tmp_path / "faces", "-f", "phash", "--quiet", "-o", outputs["a.npz"], "--overwrite"))
    assert (model / "card.json").read_text() == card and (tmp_path / "eval" / "evaluation.json").read_text() == "old"
    assert all(path.read_text() == "old" for path in outputs.values())
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*before, "a.npz.parts"])


@pytest.mark.parametrize(
    "words",
    [
        ["extract", "{bank}/../faces", "-f", "phash", "--detector", "none", "--quiet"],
        [
            "extract",
            "{bank}/../faces",
            "-f",
            "phash",
            "--detector",
            "none",
            "--quiet",
            "--format",
            "csv",
            "-o",
            "/dev/full",
        ],
        ["bank", "cat", "{bank}"],
        ["bank", "info", "{bank}"],
        ["list", "descriptors"],
        ["--help"],
    ],
)
def test_standard_output_that_takes_nothing(bank: FeatureBank, words: list[str]) -> None:
    with open("/dev/full", "w") as nowhere:
        result = full(
            10**9,
            *[w.format(bank=bank.path) for w in words],
            capture_output=False,
            stdout=nowhere,
            stderr=subprocess.PIPE,
        )
    assert result.returncode == 1 and result.stderr.count("\n") == 1 and "No space left on device" in result.stderr


def test_a_cache_that_cannot_grow_is_done_without(face_folder: Path) -> None:
    words = ("extract", face_folder, "-f", "gabor:size=128", "--detector", "none", "--quiet", "--format", "jsonl")
    result = full(2_000, *words)
    assert result.returncode == 0 and result.stderr == ""
    files = [p for p in Path(os.environ["HYBRIDFER_CACHE"]).rglob("*") if p.is_file()]
    assert not [p for p in files if ".pkl" in p.name or ".tmp" in p.name], files
    again = full(10**9, *words)
    assert again.stdout == result.stdout and len(again.stdout.splitlines()) == 40
    assert full(10**9, *words).stdout == result.stdout
    assert json.loads(result.stdout.splitlines()[0])["status"] == "ok"
