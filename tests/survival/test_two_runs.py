"""Two runs at once: one output is one run's, a cache is everybody's."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from bank.toys import Means
from click.testing import Result

from hybridfer import FeatureBank, extract
from hybridfer.bank.cache import FeatureCache, content_key
from hybridfer.bank.extract import PART_ROWS
from hybridfer.tables import replacing

Run = Callable[..., Result]
PROGRAM = [sys.executable, "-m", "hybridfer"]


@pytest.fixture
def first(face_folder: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that has one part of a.parquet done and waits for more paths."""
    words = [
        "extract",
        "-",
        "-f",
        "phash",
        "--detector",
        "none",
        "--jobs",
        "1",
        "--quiet",
        "-o",
        str(tmp_path / "a.parquet"),
    ]
    running = subprocess.Popen([*PROGRAM, *words], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdin is not None
    running.stdin.write(f"{face_folder / 'face' / '0.png'}\n" * PART_ROWS)
    running.stdin.flush()
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("a.parquet.parts/*.arrow")):
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    yield running
    running.kill()
    running.wait()


@pytest.mark.parametrize("option", ["--quiet", "--resume", "--overwrite"])
def test_the_second_is_told_and_the_first_not_disturbed(
    run: Run, first: subprocess.Popen[str], face_folder: Path, tmp_path: Path, option: str
) -> None:
    words = ("extract", face_folder, "-f", "phash", "--detector", "none", "-o", tmp_path / "a.parquet", option)
    second = run(*words)
    assert second.exit_code == 1 and second.stderr.count("\n") == 1
    assert f"Another run is writing {tmp_path / 'a.parquet'}; wait for it to end" in second.stderr
    assert first.communicate(f"{face_folder / 'face' / '1.png'}\n")[1] == "" and first.returncode == 0
    assert [Path(i).name for i in FeatureBank.open(tmp_path / "a.parquet").column("input")] == [
        *["0.png"] * PART_ROWS,
        "1.png",
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.parquet", "faces"]


def test_a_dead_run_holds_nothing_up(run: Run, first: subprocess.Popen[str], face_folder: Path, tmp_path: Path) -> None:
    first.kill()
    first.wait()
    words = ("extract", face_folder, "-f", "phash", "--detector", "none", "-o", tmp_path / "a.parquet")
    assert "--resume" in run(*words).stderr
    assert run(*words, "--resume").exit_code == 0
    assert len(FeatureBank.open(tmp_path / "a.parquet")) == 40


@pytest.mark.parametrize("folder", [(), ("card.json",)])
def test_of_two_that_write_a_small_output_the_last_wins(tmp_path: Path, folder: tuple[str, ...]) -> None:
    def write(beside: Path, text: str) -> None:
        if folder:
            beside.mkdir()
        (beside / "card.json" if folder else beside).write_text(text)

    out = tmp_path / "a"
    with replacing(out, True, folder) as one:
        write(one, "one")
        with replacing(out, True, folder) as two:
            write(two, "two")
        assert (out / "card.json" if folder else out).read_text() == "two"
    assert (out / "card.json" if folder else out).read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_two_runs_share_a_cache(face_folder: Path, tmp_path: Path) -> None:
    words = ["-f", "gabor:size=128", "--detector", "none", "--quiet"]
    paths = sorted(map(str, face_folder.rglob("*.png")))
    orders = {"a.parquet": paths, "b.parquet": paths[::-1], "c.parquet": paths[10:] + paths[:10]}
    runs = {
        name: subprocess.Popen(
            [*PROGRAM, "extract", "-", *words, "-o", str(tmp_path / name)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for name in orders
    }
    for name, running in runs.items():
        _, said = running.communicate("\n".join(orders[name]).encode())
        assert running.returncode == 0 and said == b""
    true = extract(paths, ["gabor:size=128"], tmp_path / "true.parquet", detector="none", cache=False)
    vectors = dict(zip(true.column("input"), true.X("gabor"), strict=True))
    for name in orders:
        bank = FeatureBank.open(tmp_path / name)
        assert list(bank.column("input")) == orders[name]
        np.testing.assert_array_equal(bank.X("gabor"), [vectors[path] for path in orders[name]])


def test_a_cache_that_others_fill_and_empty_is_never_wrong(
    tmp_path: Path, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    crops = [np.random.default_rng(i).integers(0, 256, (8, 8, 3)).astype(np.uint8) for i in range(30)]
    keys = [content_key(crop) for crop in crops]
    true = Means().describe_batch(crops)
    failed: list[object] = []

    def work(seed: int) -> None:
        random = np.random.default_rng(seed)
        try:
            for _ in range(25):
                cache = FeatureCache(tmp_path)
                some = random.permutation(30)[: random.integers(1, 8)]
                for position, vector in cache.get(Means(), [keys[i] for i in some]).items():
                    np.testing.assert_array_equal(vector, true[some[position]])
                cache.put(Means(), [keys[i] for i in some], true[some])
                cache.info(), cache.size()
                if seed == 0 and random.random() < 0.3:
                    cache.clear()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    # A file that joblib leaves to the garbage collector, when another thread removed it, is said to pytest alone.
    said = [str(w.message) for w in recwarn if not issubclass(w.category, ResourceWarning)]
    assert said == [] and capfd.readouterr() == ("", "")
    entries: list[Path] = []
    while entries != (entries := sorted(tmp_path.rglob("*.json"))):
        FeatureCache(tmp_path).get(Means(), keys)  # forgets what was emptied while it was filled
    cache = FeatureCache(tmp_path)
    cache.put(Means(), keys, true)
    assert sorted(FeatureCache(tmp_path).get(Means(), keys)) == list(range(30))
    assert json.dumps(cache.info())
