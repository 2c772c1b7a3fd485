"""``hybridfer predict`` as a shell sees it: any model, pictures and videos, the rows, the drawings, the refusals."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result
from deep.corner import TABLE, corner_model, picture, save
from media.films import film

from hybridfer.deep import NETWORKS
from hybridfer.faces.draw import PALETTE
from hybridfer.labels import EXPRESSIONS
from hybridfer.media.images import read_image
from hybridfer.types import ROW_COLUMNS

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch, none_shipped: Path) -> Path:
    """The network ``corner``, whose weights hybridfer brings; it says happiness of bright corners, anger of others."""
    monkeypatch.setitem(NETWORKS.table, "corner", TABLE["corner"])
    return corner_model(none_shipped / "corner", labels=("anger", "happiness"))


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_shipped_network_needs_its_name_and_a_picture(run: Run, tmp_path: Path) -> None:
    done = run("predict", "corner", save(tmp_path / "a.png", picture(255)), "--jobs", 1)
    assert (done.exit_code, done.stderr) == (0, "1 faces\n")
    (row,) = rows(done.stdout)
    assert list(row) == [*ROW_COLUMNS, *EXPRESSIONS, "label", "confidence", "true_label"]
    assert row["label"] == "happiness" and float(row["confidence"]) == pytest.approx(0.8807970779778823, abs=1e-6)
    assert float(row["anger"]) == pytest.approx(0.11920292202211755, abs=1e-6) and row["fear"] == ""


def test_what_is_read_and_how_it_is_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in" / "happy").mkdir(parents=True)
    names = [save(tmp_path / "in" / "happy" / f"{i}.png", picture(100 * i)) for i in range(3)]
    done = run("predict", "corner", tmp_path / "in", "--labels", "folder", "--format", "jsonl", "--provenance")
    head, *lines = map(json.loads, done.stdout.splitlines())
    assert [line["true_label"] for line in lines] == ["happiness"] * 3 and head["model"].startswith("sha256:")
    assert [line["label"] for line in lines] == ["anger", "anger", "happiness"]
    piped = rows(run("predict", "corner", "-", "-0", "--label-set", "fer2013", stdin="\0".join(names)).stdout)
    assert [row["input"] for row in piped] == names and [row["label_number"] for row in piped] == ["0", "0", "3"]
    assert run("predict", "corner", tmp_path / "in", "-o", tmp_path / "p.parquet", "--quiet").output == ""
    done = run("predict", "corner", tmp_path / "in", "-o", tmp_path / "p.parquet")
    assert done.exit_code == 1 and "--overwrite" in done.stderr
    peer = rows(run("predict", "corner", tmp_path / "in", "--schema", "pyfeat").stdout)
    assert float(peer[2]["happiness"]) > 0.5 and "FaceRectX" in peer[0]


def test_rubbish_is_a_row_and_never_an_end(run: Run, tmp_path: Path, astronaut: np.ndarray) -> None:
    _, data = cv2.imencode(".jpg", astronaut)
    (tmp_path / "cut.jpg").write_bytes(data.tobytes()[:5000])
    save(tmp_path / "one.png", picture(9, side=1))
    cv2.imwrite(str(tmp_path / "alpha.png"), np.dstack([picture(255), np.full((16, 16), 255, np.uint8)]))
    cv2.imwrite(str(tmp_path / "deep.png"), picture(255).astype(np.uint16) * 257)
    names = [tmp_path / name for name in ("cut.jpg", "one.png", "alpha.png", "deep.png")]
    done = run("predict", "corner", *names)
    cut, one, *whole = rows(done.stdout)
    assert done.exit_code == 3 and "1 pictures that cannot be read" in done.stderr
    assert cut["status"] == "error" and "cut or damaged" in cut["error"] and cut["label"] == ""
    assert one["label"] == "anger" and [row["label"] for row in whole] == ["happiness"] * 2
    done = run("predict", "corner", *names, "--strict")
    assert done.exit_code == 1 and "cut.jpg" in done.stderr
    (row,) = rows(run("predict", "corner", tmp_path / "one.png", "--detector", "haar").stdout)
    assert (row["status"], row["label"]) == ("no_face", "")
    done = run("predict", "corner", "-", stdin="")
    assert done.exit_code == 1 and "Standard input is empty" in done.stderr


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("corned", "There is no model corned. Did you mean 'corner'? Expected a model's folder, or a name: corner."),
        ("empty", "empty has no card.json, so it is no model folder"),
        ("a.png", "a.png is a file; expected a model folder"),
    ],
)
def test_what_is_no_model_is_said(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "a.png", picture(0))
    (tmp_path / "empty").mkdir()
    done = run("predict", model, "a.png")
    assert done.exit_code == 1 and said in done.stderr and done.stdout == ""


def test_drawings_show_box_label_and_confidence(run: Run, tmp_path: Path) -> None:
    names = [save(tmp_path / f"{side}.png", picture(255, 128, side)) for side in (400, 300)]
    (tmp_path / "no.png").write_bytes(b"no picture")
    done = run("predict", "corner", *names, tmp_path / "no.png", "--draw", tmp_path / "seen")
    assert done.exit_code == 3 and sorted(os.listdir(tmp_path / "seen")) == ["300.png", "400.png"]
    drawn = read_image(tmp_path / "seen" / "400.png").pixels
    changed = np.argwhere((drawn != picture(255, 128, 400)).any(axis=2))
    box_and_words = changed[(changed[:, 0] > 30) & (changed[:, 0] < 390)]
    assert set(box_and_words[:, 1]) <= {*range(5), *range(395, 400)}  # between the words and the box's floor, its sides
    assert 60 < (drawn[2] == PALETTE[0]).all(axis=1).sum() < 200  # the ground of the words
    done = run("predict", "corner", names[0], "--draw", tmp_path / "seen")
    assert done.exit_code == 1 and "exists; add --overwrite" in done.stderr


def test_explanations_glow_where_the_network_looked(run: Run, tmp_path: Path) -> None:
    name = save(tmp_path / "a.png", picture(255, 128, 200))
    done = run("predict", "corner", name, "--explain", tmp_path / "why")
    assert done.exit_code == 0
    files = sorted(str(path.relative_to(tmp_path / "why")) for path in (tmp_path / "why").rglob("*.png"))
    assert files == ["a.png", "crops/a_0.png"]
    lit = np.abs(read_image(tmp_path / "why" / "a.png").pixels - picture(255, 128, 200).astype(int)).sum(2)
    assert lit[40:80, 10:80].min() > 100 and lit[150:190, 150:190].max() == 0
    pair = read_image(tmp_path / "why" / "crops" / "a_0.png").pixels
    np.testing.assert_array_equal(pair[:, :200], picture(255, 128, 200))
    lit = np.abs(pair[:, 200:] - pair[:, :200].astype(int)).sum(2)
    assert lit[20:80, 20:80].min() > 100 and lit[150:, 150:].max() == 0


def test_of_a_video_drawings_are_a_video_and_explanations_pictures(run: Run, tmp_path: Path) -> None:
    clip = film(tmp_path / "clip.mp4", 5)
    done = run(
        *("predict", "corner", clip, "--every", 2, "--detector", "none"),
        *("--draw", tmp_path / "seen", "--explain", tmp_path / "why"),
    )
    assert done.exit_code == 0 and [row["frame"] for row in rows(done.stdout)] == ["0", "2", "4"]
    assert os.listdir(tmp_path / "seen") == ["clip.mp4"]
    frames = ["clip_000000.png", "clip_000002.png", "clip_000004.png"]
    assert sorted(os.listdir(tmp_path / "why")) == [*frames, "crops"]
    assert len(os.listdir(tmp_path / "why" / "crops")) == 3


@pytest.mark.slow
def test_an_svm_is_predicted_with_too_and_has_nothing_to_explain(run: Run, face_folder: Path, tmp_path: Path) -> None:
    bank, svm = tmp_path / "b.parquet", tmp_path / "svm.model"
    run("extract", face_folder, "-f", "phash", "--labels", "folder", "--detector", "none", "-o", bank)
    run("svm-train", bank, "-o", svm)
    done = run("predict", svm, bank)
    assert done.exit_code == 0 and done.stdout == run("svm-predict", svm, bank).stdout
    assert {row["label"] for row in rows(done.stdout)} == {"face", "other"}
    name = save(tmp_path / "a.png", picture(0))
    done = run("predict", svm, name, "--explain", tmp_path / "why")
    assert done.exit_code == 1 and "no maps to look into" in done.stderr and not (tmp_path / "why").exists()
    for option in ("--draw", "--explain"):
        done = run("predict", svm, bank, option, tmp_path / "why")
        assert done.exit_code == 1 and "is a feature bank, which has no pictures to draw on" in done.stderr


def test_a_network_is_evaluated_by_its_name(run: Run, tmp_path: Path) -> None:
    for label, corner in (("happy", 255), ("angry", 0)):
        (tmp_path / "in" / label).mkdir(parents=True)
        for number in range(3):
            save(tmp_path / "in" / label / f"{number}.png", picture(corner - corner // 9 * number, number))
    report = tmp_path / "check.json"
    assert run("datasets", "check", tmp_path / "in", "--labels", "folder", "-o", report).exit_code == 0
    done = run(
        *("evaluate", "corner", tmp_path / "in", "--labels", "folder", "--resamples", 100, "--format", "json"),
        *("--check", report, "--by", "true_label"),
    )
    found = json.loads(done.stdout)
    assert done.exit_code == 0 and found["metrics"]["accuracy"]["value"] == 1
    assert any("check says nothing" in note for note in found["notes"])
