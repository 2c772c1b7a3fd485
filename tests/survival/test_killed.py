"""``kill -9`` at any moment: the old bank or none, never half of one; ``--resume`` ends with an unbroken run's bank."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hybridfer import FeatureBank
from hybridfer.tables import replacing

TESTS = Path(__file__).parents[1]


def killed(folder: Path, moments: str) -> list[dict[str, Any]]:
    command = [sys.executable, str(TESTS / "survival" / "killer.py"), str(folder), moments]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout)  # type: ignore[no-any-return]


@pytest.fixture
def pictures(face_folder: Path, tmp_path: Path) -> Path:
    (face_folder / "face" / "cut.png").write_bytes((face_folder / "face" / "0.png").read_bytes()[:100])
    face_folder.rename(tmp_path / "in")
    return tmp_path


@pytest.mark.slow
def test_a_run_killed_at_any_step_is_continued_to_the_same_bank(pictures: Path) -> None:
    found = killed(pictures, "every")
    died = [f["died"] for f in found]
    # The start, the parts, the write of the bank, the rename to its name, and the clearing up after it.
    for phase in (
        "os.mkdir a.parquet.parts",
        "write a part",
        "read a part",
        "os.rename new",
        "os.rename a.parquet.parts",
    ):
        assert phase in died
    assert died.count("os.rename new") == 1 and died.count("write a part") == 6 and died.count("read a part") == 18
    for f in found:
        assert f["whole"] and f["same"] and f["after"] == ["a.parquet", "in"], f


@pytest.mark.parametrize("seed", ["1", "2"])
def test_a_run_killed_twenty_times_is_continued_to_the_same_bank(pictures: Path, seed: str) -> None:
    *kills, last = killed(pictures, seed)
    in_the_last_write = [any(name.endswith(".tmp") for name in k["left"]) for k in kills]
    assert len(kills) == 20 and 0 < sum(in_the_last_write) < 20
    assert last == {"same": True, "after": ["a.parquet", "in"]}


@pytest.mark.slow
def test_the_program_killed_at_random_moments(pictures: Path, tmp_path: Path) -> None:
    def command(name: str) -> list[str]:
        words = ["extract", "in", "-f", "gabor:size=128", "-f", "hog", "--detector", "none", "--no-cache", "-o", name]
        return [sys.executable, "-m", "hybridfer", *words, "--resume"]

    for i in range(20):  # more than one part
        (pictures / "in" / f"more{i}").symlink_to(pictures / "in" / "face")
        (pictures / "in" / f"copy{i}").mkdir()
        for file in (pictures / "in" / "other").iterdir():
            (pictures / "in" / f"copy{i}" / file.name).write_bytes(file.read_bytes() + bytes([i]))
    start = time.monotonic()
    assert subprocess.run(command("whole.parquet"), cwd=pictures).returncode == 3
    seconds = time.monotonic() - start
    moments = random.Random(0)
    for _ in range(5):
        running = subprocess.Popen(command("a.parquet"), cwd=pictures)
        time.sleep(moments.uniform(0.1, 1.1) * seconds)
        running.send_signal(signal.SIGKILL)
        running.wait()
        if (pictures / "a.parquet").exists():
            break
    else:
        assert subprocess.run(command("a.parquet"), cwd=pictures).returncode == 3
    assert (
        FeatureBank.open(pictures / "a.parquet").fingerprint == FeatureBank.open(pictures / "whole.parquet").fingerprint
    )


def test_what_a_killed_run_left_is_thrown_away_by_the_next_and_a_living_ones_is_not(tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    code = (
        "import os, sys; from hybridfer.tables import replacing\n"
        "with replacing(sys.argv[1], True) as beside:\n"
        "    beside.write_text('half'); print('ready', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(out)]
    dead, living = (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    )
    for process in (dead, living):
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    assert len(list(tmp_path.iterdir())) == 2
    dead.kill()
    dead.wait()
    with replacing(out, overwrite=True) as beside:
        beside.write_text("mine")
    assert len(list(tmp_path.iterdir())) == 2 and out.read_text() == "mine"
    living.communicate("")
    assert living.returncode == 0 and [p.name for p in tmp_path.iterdir()] == ["a.csv"] and out.read_text() == "half"


def test_somebody_elses_hidden_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / ".a.csv.backup.tmp").mkdir()
    with replacing(tmp_path / "a.csv", False) as beside:
        beside.write_text("mine")
    assert (tmp_path / ".a.csv.backup.tmp").is_dir()
