"""Drawn clips: an expression comes, stays and goes, and the manifest says when."""

from __future__ import annotations

import csv
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import pytest

from hybridfer.capture.clips import FEWEST, blinks, draw_clips, envelopes, least_jerk, phases
from hybridfer.capture.expressions import draw_expression
from hybridfer.capture.faces import chance, style_of
from hybridfer.capture.muscles import MUSCLES
from hybridfer.datasets.inputs import read_inputs
from hybridfer.errors import DatasetError

FRAMES = 12
BLINK = MUSCLES.index(45)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people, who smile, and do nothing."""
    out = tmp_path_factory.mktemp("drawn") / "set"
    draw_clips(out, identities=2, expressions="happy,neutral", frames=FRAMES, fps=8, size=32, jobs=1)
    return out


@pytest.fixture(scope="module")
def clips(drawn: Path) -> dict[str, list[dict[str, str]]]:
    with (drawn / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: list(each) for name, each in groupby(rows, lambda row: row["group"])}


def units(rows: list[dict[str, str]]) -> np.ndarray:
    return np.array(
        [[[float(row[f"AU{m:02d}_{side}"]) for side in ("left", "right")] for m in MUSCLES] for row in rows]
    )


def test_a_clip_is_a_folder_of_frames_and_a_group(drawn: Path, clips: dict[str, list[dict[str, str]]]) -> None:
    assert list(clips) == ["s0000_happiness", "s0000_neutral", "s0001_happiness", "s0001_neutral"]
    for name, rows in clips.items():
        assert [row["path"] for row in rows] == [f"clips/{name}/{frame:02d}.png" for frame in range(FRAMES)]
        assert [int(row["frame"]) for row in rows] == list(range(FRAMES))
        np.testing.assert_allclose([float(row["timestamp"]) for row in rows], np.arange(FRAMES) / 8, atol=1e-6)
        assert {(row["subject"], row["label"]) for row in rows} == {tuple(name.split("_"))}
        assert cv2.imread(str(drawn / rows[0]["path"])).shape == (32, 32, 3)
    assert {rows[0]["split"] for name, rows in clips.items() if name.startswith("s0000")} == {"train"}


def test_muscles_are_at_rest_at_both_ends_and_peak_at_the_apex(clips: dict[str, list[dict[str, str]]]) -> None:
    for person in (0, 1):
        rows = clips[f"s{person:04d}_happiness"]
        moved, asked = units(rows), draw_expression("happiness", chance(0, person, "happiness", 0), style_of(0, person))
        assert not moved[[0, -1]].any()
        phase = np.array([row["phase"] for row in rows])
        assert [name for name, _ in groupby(phase)] == ["neutral", "onset", "apex", "offset", "neutral"]
        others = [row for row in range(18) if row != BLINK]
        for frame in np.flatnonzero(phase == "apex"):
            np.testing.assert_array_equal(moved[frame][others], asked[others])
        top = int(np.flatnonzero(phase == "apex")[0])
        steps = np.diff(moved[:, others].max(axis=2), axis=0)
        assert (steps[:top] >= 0).all() and (steps[top:] <= 0).all()


def test_a_neutral_clip_has_no_apex(clips: dict[str, list[dict[str, str]]]) -> None:
    assert {row["phase"] for row in clips["s0001_neutral"]} == {"neutral"}


def test_the_head_sways_and_frames_differ(drawn: Path, clips: dict[str, list[dict[str, str]]]) -> None:
    for rows in clips.values():
        yaw = np.array([float(row["yaw"]) for row in rows])
        assert 0 < np.ptp(yaw) < 15
        assert len({(drawn / row["path"]).read_bytes() for row in rows}) == FRAMES


def test_the_manifest_is_read_back(drawn: Path) -> None:
    items = list(read_inputs([drawn / "manifest.csv"]).items)
    assert [item.frame for item in items[:3]] == [0, 1, 2] and items[1].timestamp == 0.125
    assert items[0].group == "s0000_happiness" and items[5].extra["phase"] == "apex"


def test_the_same_seed_gives_the_same_bytes_and_more_people_keep_the_first(drawn: Path, tmp_path: Path) -> None:
    draw_clips(tmp_path / "set", identities=3, expressions="neutral", frames=FRAMES, fps=8, size=32, jobs=2)
    files = sorted(file.relative_to(drawn) for file in drawn.glob("clips/*_neutral/*.png"))
    assert len(files) == 2 * FRAMES
    assert all((drawn / file).read_bytes() == (tmp_path / "set" / file).read_bytes() for file in files)


def test_a_movement_of_least_jerk_is_flash_and_hogans() -> None:
    """10 t³ - 15 t⁴ + 6 t⁵, by hand at a quarter: 10/64 - 15/256 + 6/1024 = 106/1024."""
    np.testing.assert_allclose(
        least_jerk(np.array([-1, 0, 0.25, 0.5, 0.75, 1, 3])), [0, 0, 53 / 512, 0.5, 459 / 512, 1, 1]
    )


@pytest.mark.parametrize("frames", [FEWEST, 24, 50])
def test_whatever_the_chance_every_clip_has_rest_and_apex_and_muscles_lag(frames: int) -> None:
    lags = []
    for seed in range(200):
        course = envelopes(np.arange(frames) / (frames - 1), np.random.default_rng(seed))
        assert course.shape == (frames, 18) and course.min() >= 0 and course.max() <= 1
        assert not course[[0, -1]].any() and "apex" in phases(course, "fear")
        lags.append(np.ptp(course, axis=1).max())
    assert np.median(lags) > 0.05


def test_lids_close_for_a_moment_and_open_again() -> None:
    seconds = np.arange(240) / 24
    closed = [blinks(seconds, np.random.default_rng(seed)) for seed in range(40)]
    counts = [int((np.diff((lids > 0.5).astype(int)) == 1).sum()) for lids in closed]
    # Ten seconds at 15 a minute: 2.5 on average, and the odd two that fall together.
    assert 1.8 < np.mean(counts) < 2.7
    assert max(lids.max() for lids in closed) > 0.9 and all(lids[0] == lids[-1] == 0 for lids in closed)
    assert all(np.mean(lids > 0.5) < 0.15 for lids in closed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": FEWEST - 1}, "A clip of 8 frames has no apex; expected 9 or more"),
        ({"fps": 0}, "0 frames a second"),
        ({"fps": float("nan")}, "nan frames a second"),
        ({"identities": 0}, "identities is 0"),
    ],
)
def test_what_is_no_clip_is_said(tmp_path: Path, options: dict[str, float], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        draw_clips(tmp_path / "set", **options)  # type: ignore[arg-type]
    assert not any(tmp_path.iterdir())
