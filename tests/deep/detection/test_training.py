"""A detector is trained, killed, continued and saved; what it learns is what the pictures show."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hybridfer.deep.detection import sampling, training
from hybridfer.deep.detection.sampling import NEGATIVE, PART, POSITIVE
from hybridfer.deep.detection.training import Recipe, box_targets, draw_batch, train_detector
from hybridfer.deep.weights import card_in
from hybridfer.errors import DatasetError, OutputError, PictureError, TrainingError
from hybridfer.faces.overlap import overlaps

FILES = {"model.safetensors", "card.json", "README.md"}


def draw(path: Path, seed: int) -> list[float]:
    """A face of an oval, two eyes, a nose and a mouth on noise; returns its box and points."""
    random = np.random.default_rng(seed)
    pixels = cv2.GaussianBlur(random.integers(0, 256, (96, 96, 3), dtype=np.uint8), (0, 0), 3)
    x, y, s = random.uniform(38, 58), random.uniform(38, 58), random.uniform(18, 28)
    skin = tuple(int(v) for v in random.integers(150, 230, 3))
    cv2.ellipse(pixels, (int(x), int(y)), (int(s * 0.78), int(s)), 0, 0, 360, skin, -1)
    points = [(x - 0.35 * s, y - 0.25 * s), (x + 0.35 * s, y - 0.25 * s), (x, y + 0.1 * s)]
    points += [(x - 0.3 * s, y + 0.5 * s), (x + 0.3 * s, y + 0.5 * s)]
    for place in points[:3]:
        cv2.circle(pixels, (int(place[0]), int(place[1])), max(2, int(s / 8)), (20, 20, 30), -1)
    cv2.line(pixels, *(tuple(map(int, place)) for place in points[3:]), (120, 20, 40), 3)
    cv2.imwrite(str(path), pixels)
    return [x - 0.78 * s, y - s, 1.56 * s, 2 * s, *(v for place in points for v in place)]


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of thirty drawn faces, of which ten are not to be trained on."""
    folder = tmp_path_factory.mktemp("drawn")
    columns = [
        "FaceRectX",
        "FaceRectY",
        "FaceRectWidth",
        "FaceRectHeight",
        *(f"{a}_{k}" for k in range(5) for a in "xy"),
    ]
    with open(folder / "faces.csv", "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "split", *columns])
        for number in range(30):
            path = folder / f"{number}.png"
            writer.writerow([path.name, "train" if number < 20 else "test", *draw(path, number)])
    return folder / "faces.csv"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenes of one or four pictures, half as large, so that a training takes seconds."""
    monkeypatch.setattr(sampling, "SIDE", 192)
    monkeypatch.setattr(sampling, "TILE_SHARES", (0.5, 0.5, 0, 0, 0, 0, 0))
    monkeypatch.setattr(sampling, "NEGATIVES", 20)
    monkeypatch.setattr(sampling, "CANDIDATES", 6)
    monkeypatch.setattr(training, "SCENES", {"pnet": 3, "rnet": 2, "onet": 2})
    monkeypatch.setattr(training, "EPOCHS", {"pnet": 2, "rnet": 1, "onet": 1})


TINY = {"epochs": 2, "scenes": 2, "batch": 32, "min_face": 40, "jobs": 1}


def test_a_model_folder_says_what_it_is(faces: Path, small: None, tmp_path: Path) -> None:
    lines: list[str] = []
    out = tmp_path / "finder.model"
    card = train_detector(faces, out, tell=lines.append, alpha=0.5, **TINY)
    assert {file.name for file in out.iterdir()} == FILES
    assert [file.name for file in tmp_path.iterdir()] == ["finder.model"]  # nothing of the work is left
    assert json.loads((out / "card.json").read_text("utf-8")) == card
    assert card["data"] == {"name": "faces.csv", "pictures": 20, "without_face": 0, "faces": 20, "with_points": 20}
    assert card["alpha"] == 0.5 and card["recipe"]["batch"] == 32
    assert [(entry["network"], entry["epoch"]) for entry in card["log"]] == [
        ("pnet", 1), ("pnet", 2), ("pnet", 3), ("pnet", 4), ("rnet", 1), ("rnet", 2), ("onet", 1), ("onet", 2),
    ]  # fmt: skip
    assert card_in(out).sha256 == card["sha256"]
    tensors = load_file(out / "model.safetensors")
    assert {name.partition(".")[0] for name in tensors} == {"pnet", "rnet", "onet"}
    assert sum(t.numel() for t in tensors.values()) == 4_222 + 115_538 + 389_040
    assert all(tensor.dtype == torch.float16 for tensor in tensors.values())
    assert "20 faces" in (out / "README.md").read_text("utf-8")
    assert any("epoch 2 of 2" in line for line in lines)


class Killed(Exception):
    """What a killed run is here."""


def test_a_killed_run_goes_on_to_the_same_weights(
    faces: Path, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_detector(faces, tmp_path / "whole", **TINY)
    cut = tmp_path / "cut"
    real, calls = training._losses, 0

    def killed(*args: object) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls % 17 == 0:
            raise Killed
        return real(*args)

    monkeypatch.setattr(training, "_losses", killed)
    kills = 0
    for attempt in range(30):
        try:
            card = train_detector(faces, cut, resume=attempt > 0, **TINY)
            break
        except Killed:
            kills += 1
            assert not cut.exists()
    assert kills > 1
    assert card["sha256"] == whole["sha256"]
    strip = [{k: v for k, v in entry.items() if k != "seconds"} for entry in card["log"]]
    assert strip == [{k: v for k, v in entry.items() if k != "seconds"} for entry in whole["log"]]


def test_what_a_dead_run_left_is_not_used_unasked(
    faces: Path, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*args: object) -> torch.Tensor:
        raise Killed

    monkeypatch.setattr(training, "_losses", killed)
    with pytest.raises(Killed):
        train_detector(faces, tmp_path / "a", **TINY)
    with pytest.raises(OutputError, match="--resume to continue it"):
        train_detector(faces, tmp_path / "a", **TINY)
    with pytest.raises(OutputError, match="other data, options"):
        train_detector(faces, tmp_path / "a", resume=True, alpha=0.5, **TINY)
    with pytest.raises(Killed):
        train_detector(faces, tmp_path / "a", overwrite=True, alpha=0.5, **TINY)


def test_the_seed_decides(small: None) -> None:
    def first(seed: int) -> torch.Tensor:
        return next(training.create_networks(Recipe(seed=seed))["pnet"].parameters())

    before = torch.get_rng_state()
    assert torch.equal(first(1), first(1)) and not torch.equal(first(1), first(2))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
def test_drawn_faces_are_found(faces: Path, small: None, tmp_path: Path) -> None:
    """After half a minute's training the detector finds most of ten drawn faces that it was not trained on."""
    from hybridfer.datasets.boxes import read_annotated
    from hybridfer.faces import create_detector

    out = tmp_path / "finder"
    train_detector(faces, out, epochs=8, scenes=30, batch=64, min_face=24, lr=3e-3, jobs=1)
    finder = create_detector(f"mtcnn-improved:weights={out}", min_face=24)
    found, off = 0, []
    for picture in read_annotated(faces):
        if picture.split != "test":
            continue
        for face in finder.detect(picture.source.read().pixels)[:1]:
            if overlaps(np.array([face.box]), picture.boxes).max() > 0.5:
                found += 1
                assert face.landmarks is not None
                off.append(np.linalg.norm(face.landmarks - picture.points[0], axis=1).mean())
    assert found >= 7
    assert np.mean(off) < 5  # eyes are 13 to 20 pixels apart


def test_a_batch_is_mixed_as_said() -> None:
    kinds = np.repeat(np.array([NEGATIVE, POSITIVE, PART], np.uint8), [500, 20, 7])
    rows = draw_batch(kinds, (3, 1, 1), 100, np.random.default_rng(0))
    assert np.bincount(kinds[rows]).tolist() == [60, 20, 20]
    assert set(kinds[draw_batch(kinds[:520], (3, 1, 1), 10, np.random.default_rng(0))]) == {NEGATIVE, POSITIVE}


def test_box_targets_are_undone_by_the_cascade() -> None:
    """A window's offsets, applied as the cascade applies them, give back the box they were made for."""
    box = torch.tensor([[0.1, -0.2, 0.8, 1.1]])
    x0, y0, side = 40.0, 60.0, 24
    offsets = box_targets(box, "rnet")[0].numpy()
    square = np.array([[x0 + 1, y0 + 1, x0 + side, y0 + side]])  # counted from 1
    from hybridfer.deep.cascade import moved

    got = moved(square, offsets[None], extra=1)[0] - [1, 1, 0, 0]
    np.testing.assert_allclose(got, np.array([x0, y0, x0, y0]) + box[0].numpy() * side, rtol=1e-6)


def test_pnets_box_targets_know_how_cells_are_rounded() -> None:
    """A level of scale s has the cell at (0, 0); the cascade takes it for the square from 1/s to 12/s."""
    from hybridfer.deep.cascade import moved

    scale = training.SCALE
    box = torch.tensor([[0.1, -0.2, 0.8, 1.1]])
    offsets = box_targets(box, "pnet")[0].numpy()
    square = np.array([[1 / scale, 1 / scale, 12 / scale, 12 / scale]])
    got = moved(square, offsets[None], extra=0)[0] - [1, 1, 0, 0]
    np.testing.assert_allclose(got, box[0].numpy() * 12 / scale, rtol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"epochs": 0}, "epochs is 0"), ({"alpha": 1}, "alpha is 1"), ({"lr": -1}, "learning rate is -1")],
)
def test_impossible_recipes_are_refused(wrong: dict[str, float], said: str, faces: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=said):
        train_detector(faces, tmp_path / "a", **wrong)
    assert not list(tmp_path.iterdir())


def test_data_without_faces_are_refused(faces: Path, tmp_path: Path) -> None:
    text = faces.read_text("utf-8").splitlines()
    (tmp_path / "tested.csv").write_text("\n".join([text[0], *text[-3:]]), "utf-8")
    with pytest.raises(TrainingError, match="no picture of the split train"):
        train_detector(tmp_path / "tested.csv", tmp_path / "a")
    bare = faces.parent / "bare.csv"
    bare.write_text("path,FaceRectX,FaceRectY,FaceRectWidth,FaceRectHeight\n0.png,,,,\n", "utf-8")
    with pytest.raises(TrainingError, match="no face to learn from"):
        train_detector(bare, tmp_path / "a")
    with pytest.raises(DatasetError):
        train_detector(tmp_path / "missing.csv", tmp_path / "a")


def test_a_picture_that_is_not_there_is_named(faces: Path, small: None, tmp_path: Path) -> None:
    text = faces.read_text("utf-8").splitlines()
    lost = faces.parent / "lost.csv"
    lost.write_text("\n".join([*text, text[1].replace("0.png", "gone.png")]), "utf-8")
    with pytest.raises(PictureError, match=r"gone\.png cannot be learnt from"):
        train_detector(lost, tmp_path / "a", **{**TINY, "scenes": 20})


def test_pictures_without_faces_join(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    cv2.imwrite(str(tmp_path / "empty" / "wall.png"), np.full((50, 50, 3), 120, np.uint8))
    pictures = training._pictures(faces, tmp_path / "empty")
    assert len(pictures) == 21 and len(pictures[-1].boxes) == 0
