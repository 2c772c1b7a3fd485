"""Ctrl-C: 130 and one line at any moment, no traceback; what was done is kept, and ``--resume`` goes on from there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hybridfer import FeatureBank, extract
from hybridfer.bank.extract import PART_ROWS


def ended(running: subprocess.Popen[bytes]) -> str:
    """Return what a program said that was interrupted."""
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said.decode()
    return said.decode()


def test_an_interrupted_extraction_keeps_its_parts_and_is_continued(face_folder: Path, tmp_path: Path) -> None:
    paths = [str(p) for p in sorted(face_folder.rglob("*.png"))] * (PART_ROWS // 40 + 1)
    command = [sys.executable, "-m", "hybridfer", "extract", "-", "-f", "phash", "--detector", "none", "--jobs", "1"]
    out = tmp_path / "a.parquet"
    running = subprocess.Popen([*command, "-o", str(out)], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdin is not None
    # Standard input is held open, so the run has one part done and waits for more when the interrupt comes.
    running.stdin.write("".join(f"{p}\n" for p in paths).encode())
    running.stdin.flush()
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("a.parquet.parts/*.arrow")):
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    said = ended(running)
    assert said.split("\n") == ["", "hybridfer: interrupted.", ""]
    assert not out.exists() and len(list(tmp_path.glob("a.parquet.parts/*.arrow"))) == 1
    listed = "".join(f"{p}\n" for p in paths).encode()
    again = subprocess.run([*command, "-o", str(out), "--resume"], input=listed, stderr=subprocess.PIPE)
    assert again.returncode == 0, again.stderr
    whole = extract(paths, ["phash"], tmp_path / "whole.parquet", detector="none")
    assert FeatureBank.open(out).fingerprint == whole.fingerprint and len(whole) > PART_ROWS


AT_AN_IMPORT = """
import os, runpy, signal, sys
class Finder:
    def find_spec(name, path, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder)
sys.argv = ["hybridfer", *{arguments!r}]
runpy.run_module("hybridfer", run_name="__main__")
"""


@pytest.mark.parametrize(
    "name", ["click", "hybridfer.commands.extract", "cv2", "numpy.linalg", "pyarrow", "joblib", "filelock"]
)
def test_an_interrupt_while_a_module_is_imported(face_folder: Path, tmp_path: Path, name: str) -> None:
    words = [
        "extract",
        str(face_folder),
        "-f",
        "hog",
        "--detector",
        "none",
        "--quiet",
        "-o",
        str(tmp_path / "a.parquet"),
    ]
    code = AT_AN_IMPORT.format(name=name, arguments=words)
    said = ended(subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE))
    assert said.strip() == "hybridfer: interrupted."
    assert subprocess.run([sys.executable, "-m", "hybridfer", *words, "--resume"]).returncode == 0


IN_TRAINING = """
import sys
from hybridfer.classify import train
def fit(*_):
    print("ready", flush=True)
    while True:
        sum(range(1000))
train._fit = fit
from hybridfer.cli import main
main(sys.argv[1:])
"""


def test_an_interrupted_training_leaves_no_model(face_folder: Path, tmp_path: Path) -> None:
    bank = extract(face_folder, ["phash"], tmp_path / "a.parquet", labels="folder", detector="none")
    words = ["svm-train", str(bank.path), "-o", str(tmp_path / "a.model")]
    running = subprocess.Popen(
        [sys.executable, "-c", IN_TRAINING, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stdout is not None and running.stdout.readline() == b"ready\n"
    os.kill(running.pid, signal.SIGINT)
    assert ended(running).strip() == "hybridfer: interrupted."
    assert not list(tmp_path.glob("*a.model*"))
