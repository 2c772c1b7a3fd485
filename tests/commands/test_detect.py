"""``detect`` on pictures and videos: a row a face, in order, that reads back; what goes wrong is a row and an exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from media.films import film, install, points_in, squares

from hybridfer.faces.find import Search
from hybridfer.faces.table import POINT_COLUMNS, detect_rows
from hybridfer.media.video import HeldFrame, VideoSource, unrolled
from hybridfer.types import BANK_COLUMNS, Item, Manifest

Run = Callable[..., Result]

COLUMNS = [*BANK_COLUMNS, *POINT_COLUMNS]
RUNS = [sys.executable, "-m", "hybridfer", "detect"]


@pytest.fixture(autouse=True)
def squares_are_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)


def clip(number: int) -> np.ndarray:
    """Return a frame in which two squares cross over, and of which every seventh is empty."""
    if number % 7 == 6:
        return squares()
    return squares((2 * number, 5, 40, 200), (110 - 2 * number, 60, 42, 100))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "in"
    root.mkdir()
    cv2.imwrite(str(root / "p2.png"), squares((10, 10, 30, 200), (60, 20, 50, 100))[..., ::-1])
    cv2.imwrite(str(root / "p10.png"), squares()[..., ::-1])
    (root / "p3.jpg").write_text("no picture")
    film(root / "p1.avi", 20, rate=10, draw=clip)
    return root


def rows(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_pictures_and_videos_become_rows_in_natural_order(run: Run, folder: Path) -> None:
    result = run("detect", folder, "--detector", "squares")
    found = rows(result)
    assert result.exit_code == 3 and "3 pictures and 1 videos" in result.stderr
    assert all(list(row) == COLUMNS for row in found)
    assert list(dict.fromkeys(Path(row["input"]).name for row in found)) == ["p1.avi", "p2.png", "p3.jpg", "p10.png"]
    assert [row["status"] for row in found[-4:]] == ["ok", "ok", "error", "no_face"]
    assert [(r["frame"], r["timestamp"]) for r in found if r["face_id"] in (0, None)][:3] == [
        (0, 0),
        (1, 0.1),
        (2, 0.2),
    ]
    large, small = found[-4:-2]
    assert (large["face_id"], large["FaceRectX"], large["FaceRectWidth"], large["FaceScore"]) == (0, 60, 50, 100 / 255)
    assert (small["face_id"], small["FaceRectX"], small["FaceRectWidth"], small["FaceScore"]) == (1, 10, 30, 200 / 255)
    for row in found:
        if row["status"] == "ok":
            box = [row[f"FaceRect{name}"] for name in ("X", "Y", "Width", "Height")]
            np.testing.assert_allclose([row[name] for name in POINT_COLUMNS], points_in(*box).ravel())
        else:
            assert {row[name] for name in POINT_COLUMNS} == {None}
    assert "20 faces" not in result.stderr and f"{len(found) - 4} faces" in result.stderr


def test_a_face_keeps_its_number_through_a_video(run: Run, folder: Path) -> None:
    found = rows(run("detect", folder / "p1.avi", "--detector", "squares"))
    assert [row["frame"] for row in found if row["status"] == "no_face"] == [6, 13]
    for row in found:
        if row["status"] == "ok":
            # The upper one is smaller, so that by size alone it would be the second.
            assert row["face_id"] == (1 if row["FaceRectY"] < 30 else 0), row["frame"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_threads_change_nothing(run: Run, folder: Path, jobs: str) -> None:
    assert rows(run("detect", folder, "--detector", "squares", "--jobs", jobs)) == rows(
        run("detect", folder, "--detector", "squares", "--jobs", "4")
    )


def test_every_option_changes_what_is_kept(run: Run, folder: Path) -> None:
    def seen(*options: object) -> list[tuple[int, float | None]]:
        result = run("detect", folder / "p2.png", folder / "p1.avi", "--detector", "squares", *options)
        return [(row["frame"], row["FaceRectWidth"]) for row in rows(result)]

    assert seen()[:2] == [(0, 50), (0, 30)]
    assert seen("--min-face", "35")[:2] == [(0, 50), (0, 42)]
    assert seen("--threshold", "0.5")[:2] == [(0, 30), (0, 40)]
    assert seen("--largest")[:2] == seen("--max-faces", "1")[:2] == [(0, 50), (0, 42)]
    assert [frame for frame, _ in seen("--every", "9", "--largest")] == [0, 0, 9, 18]


def test_all_faces_of_a_picture_with_a_label_are_kept_and_what_is_known_travels(run: Run, folder: Path) -> None:
    (folder / "m.csv").write_text("path,label,subject,age\np2.png,happy,7,31\np1.avi,sad,8,\n")
    found = rows(run("detect", folder / "m.csv", "--detector", "squares"))
    assert list(found[0]) == [*COLUMNS, "age"]
    assert [(r["label"], r["subject"], r["age"], r["FaceRectWidth"]) for r in found[:3]] == [
        ("happiness", "7", 31, 50), ("happiness", "7", 31, 30), ("sadness", "8", None, 42),
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_every_form_says_the_same(run: Run, folder: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / f"out.{form}"
    assert run("detect", folder, "--detector", "squares", "-o", out).exit_code == 3
    read = {"csv": pd.read_csv, "jsonl": lambda f: pd.read_json(f, lines=True), "parquet": pd.read_parquet}[form]
    expected = rows(run("detect", folder, "--detector", "squares"))
    frame = read(out)
    assert list(frame.columns) == COLUMNS and len(frame) == len(expected)
    for name in ("frame", "FaceRectX", "FaceScore", "x_0", "y_4", "timestamp"):
        np.testing.assert_allclose(
            frame[name].astype(float), [np.nan if r[name] is None else r[name] for r in expected], rtol=1e-12
        )
    again = run("detect", folder, "--detector", "squares", "-o", out)
    assert again.exit_code == 1 and "add --overwrite" in again.stderr


def test_what_it_prints_reads_back_frame_by_frame(run: Run, folder: Path) -> None:
    first = run("detect", folder, "--detector", "squares", "--every", "3")
    again = run("detect", "-", "--detector", "squares", stdin=first.stdout)
    assert rows(again) == rows(first) and "rows repeat a picture" in again.stderr
    described = run("extract", "-", "-f", "phash", "--detector", "squares", stdin=first.stdout)
    found = rows(described)
    assert [(r["input"], r["frame"], r["FaceRectX"], r["sha256"]) for r in found] == [
        (r["input"], r["frame"], r["FaceRectX"], r["sha256"]) for r in rows(first)
    ]
    assert not {*POINT_COLUMNS} & set(found[0])  # one face's points are not another's


def test_paths_come_on_standard_input(run: Run, folder: Path) -> None:
    names = [str(folder / "p2.png"), str(folder / "p1.avi")]
    for options, end in ((["-0"], "\0"), ([], "\n")):
        result = run(
            "detect", "-", *options, "--detector", "squares", "--largest", "--every", "19", stdin=end.join(names)
        )
        assert [(Path(r["input"]).name, r["frame"]) for r in rows(result)] == [
            ("p2.png", 0),
            ("p1.avi", 0),
            ("p1.avi", 19),
        ]


def test_crops_are_faces_already(run: Run, tmp_path: Path) -> None:
    numbers = " ".join(["7"] * 2304)
    (tmp_path / "fer2013.csv").write_text(f"emotion,pixels,Usage\n0,{numbers},Training\n3,{numbers},PublicTest\n")
    found = rows(run("detect", tmp_path / "fer2013.csv"))
    assert [(r["FaceRectWidth"], r["label"], r["split"], r["x_0"]) for r in found] == [
        (48, "anger", "train", None), (48, "happiness", "val", None),
    ]  # fmt: skip


def test_strict_stops_at_the_first_that_cannot_be_read(run: Run, folder: Path) -> None:
    result = run("detect", folder / "p2.png", folder / "p3.jpg", "--detector", "squares", "--strict")
    assert result.exit_code == 1 and "p3.jpg: This is not a picture" in result.stderr


def test_what_is_asked_wrongly_is_said(run: Run, folder: Path) -> None:
    for options, code, said in (
        (["--detector", "squars"], 1, "Did you mean 'squares'"),
        (["--min-face", "0"], 2, "--min-face"),
        (["--every", "0"], 2, "--every"),
        (["--format", "npz"], 2, "--format"),
        (["-o", folder / "a.xyz"], 1, "no known ending"),
        (["--draw", folder], 1, "exists; add --overwrite"),
        (["--format", "parquet"], 1, "cannot go to standard output"),
    ):
        result = run("detect", folder / "p2.png", *options)
        assert result.exit_code == code and said in result.stderr, options


def test_a_detector_that_finds_no_face_in_most_pictures_is_doubted_but_not_in_videos(run: Run, folder: Path) -> None:
    assert "--detector none" in run("detect", folder / "p10.png", "--detector", "squares").stderr
    film(folder / "empty.avi", 5, draw=lambda number: squares())
    assert "--detector none" not in run("detect", folder / "empty.avi", "--detector", "squares").stderr


def test_drawn_pictures_and_videos_stand_in_a_folder(run: Run, folder: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "drawn"
    result = run("detect", folder, "--detector", "squares", "--draw", drawn, "--every", "2", "--quiet")
    assert result.exit_code == 3 and not result.stderr
    assert sorted(os.listdir(drawn)) == ["p1.mp4", "p10.png", "p2.png"]
    capture = cv2.VideoCapture(str(drawn / "p1.mp4"))
    assert capture.get(cv2.CAP_PROP_FPS) == 5 and capture.get(cv2.CAP_PROP_FRAME_COUNT) == 10
    before, after = (cv2.imread(str(place / "p2.png")) for place in (folder, drawn))
    assert before.shape == after.shape and (before != after).any()
    np.testing.assert_array_equal(cv2.imread(str(drawn / "p10.png")), cv2.imread(str(folder / "p10.png")))
    assert rows(result) == rows(run("detect", folder, "--detector", "squares", "--every", "2"))


def test_memory_does_not_grow_with_the_length_of_a_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = film(tmp_path / "a.avi", 50, draw=clip)
    alive: list[weakref.ref[np.ndarray]] = []
    read = HeldFrame.read

    def noted(held: HeldFrame) -> Any:
        alive.append(weakref.ref(held.pixels))
        return read(held)

    monkeypatch.setattr(HeldFrame, "read", noted)
    items = unrolled(Item(name, VideoSource(name)) for _ in range(6))
    most = done = 0
    for _ in detect_rows(Manifest(items), Search("squares"), jobs=2):
        done += 1
        most = max(most, sum(ref() is not None for ref in alive[-30:]))
    assert done == 300 and most <= 8


def test_one_detector_serves_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    finder = Search.finder
    monkeypatch.setattr(Search, "finder", lambda search: made.append(search) or finder(search))
    name = film(tmp_path / "a.avi", 30, draw=clip)
    assert len(list(detect_rows(Manifest(unrolled([Item(name, VideoSource(name))])), Search("squares"), jobs=2))) == 30
    assert 1 <= len(made) <= 2


@pytest.fixture
def long_video(tmp_path: Path) -> str:
    return film(tmp_path / "long.avi", 3000, draw=clip)


def test_a_reader_that_goes_is_no_error_and_nothing_else_is_said(long_video: str, tmp_path: Path) -> None:
    running = subprocess.Popen(
        [*RUNS, long_video, "--detector", "none"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stdout is not None and running.stderr is not None
    assert json.loads(running.stdout.readline())["frame"] == 0
    running.stdout.close()
    assert running.stderr.read() == b"" and running.wait(60) == 0


def test_an_interrupted_run_leaves_nothing_half(long_video: str, tmp_path: Path) -> None:
    out, drawn = tmp_path / "out.csv", tmp_path / "drawn"
    running = subprocess.Popen(
        [*RUNS, long_video, "--detector", "haar", "-o", out, "--draw", drawn], stderr=subprocess.PIPE
    )
    while not (drawn.is_dir() and os.listdir(drawn)) and running.poll() is None:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    assert running.stderr is not None
    assert running.stderr.read().strip() == b"hybridfer: interrupted." and running.wait(60) == 130
    assert not out.exists() and os.listdir(drawn) == []


def test_a_broken_video_is_its_frames_and_an_error_and_nothing_else_is_said(tmp_path: Path) -> None:
    name = film(tmp_path / "cut.avi", 30, draw=clip)
    data = Path(name).read_bytes()
    Path(name).write_bytes(data[: len(data) // 2])
    (tmp_path / "fake.mp4").write_text("hello")
    words = [*RUNS, name, tmp_path / "fake.mp4", "--detector", "none"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    *found, broken, fake = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 3 and [row["frame"] for row in found] == list(range(len(found))) and found
    assert broken["frame"] == len(found) and "breaks off before frame" in broken["error"]
    assert "not a video" in fake["error"]
    assert done.stderr == f"{len(found)} faces, 2 pictures that cannot be read\n"


def test_odd_pictures_behave(run: Run, tmp_path: Path, astronaut: np.ndarray) -> None:
    from PIL import Image

    face = Image.fromarray(astronaut)
    side = 512
    tall = {0x0112: 6}  # to be turned clockwise
    exif = Image.Exif()
    exif.update(tall)
    face.rotate(90, expand=True).save(tmp_path / "turned.png", exif=exif)
    face.save(tmp_path / "plain.png")
    face.convert("L").save(tmp_path / "grey.png")
    face.convert("RGBA").save(tmp_path / "alpha.png")
    Image.new("RGB", (300, 200)).save(tmp_path / "black.png")
    Image.new("RGB", (8000, 900)).save(tmp_path / "large.jpg")
    result = run("detect", tmp_path, "--detector", "haar", "--largest")
    found = {Path(row["input"]).stem: row for row in rows(result)}
    assert result.exit_code == 0
    assert found["black"]["status"] == found["large"]["status"] == "no_face"
    for name in ("turned", "alpha"):
        assert [found[name][k] for k in ("FaceRectX", "FaceRectWidth")] == [
            found["plain"][k] for k in ("FaceRectX", "FaceRectWidth")
        ]
    assert found["grey"]["FaceRectX"] == pytest.approx(found["plain"]["FaceRectX"], abs=side / 20)


def test_a_face_that_goes_away_leaves_frames_without_one(run: Run, data_folder: Path, tmp_path: Path) -> None:
    # Looked at: the man is there up to frame 71, at 2.37 s; then a cartoon's title follows, without a face.
    result = run("detect", data_folder / "videos" / "face_noface.mov", "--every", "4", "-o", tmp_path / "a.csv")
    assert result.exit_code == 0
    frame = pd.read_csv(tmp_path / "a.csv")
    there = frame[frame["frame"] <= 71]
    assert there["frame"].tolist() == list(range(0, 72, 4)) and there["timestamp"].max() == pytest.approx(
        68 / 30, abs=0.02
    )
    assert (there["status"] == "ok").all() and (there["face_id"] == 0).all()
    away = frame[frame["frame"] > 71]
    assert len(away) == 25 and (away["status"] == "no_face").sum() >= 24
