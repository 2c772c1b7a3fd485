"""Files of every kind, made small and quickly, so that the page of formats can be held against them."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from schemas.toys import GAZE

from hybridfer import FeatureBank, evaluate, extract, train_svm
from hybridfer.bank.imports import import_tables
from hybridfer.datasets.check import check
from hybridfer.datasets.inputs import read_inputs
from hybridfer.evaluation.detection import evaluate_detector
from hybridfer.faces.align import Alignment
from hybridfer.faces.crops import Cutting, write_crops
from hybridfer.faces.find import Search

LABELS = ("happiness", "sadness")


@dataclass(frozen=True)
class Made:
    """A folder with the files that the page's examples read, and banks of other kinds."""

    folder: Path
    bank: FeatureBank
    found: FeatureBank
    imported: FeatureBank
    report: dict[str, Any]
    cards: tuple[dict[str, Any], ...]
    evaluations: tuple[dict[str, Any], ...]
    aligned: dict[str, Any]
    detection: dict[str, Any]


def make(folder: Path, astronaut: np.ndarray) -> Made:
    """Write ``faces.csv``, ``faces.parquet``, ``faces.model``, ``check.json`` and ``scores.json`` into a folder."""
    noise = np.random.default_rng(5)
    rows: list[dict[str, Any]] = []
    for i in range(24):
        scene = cv2.GaussianBlur(noise.integers(0, 256, (48, 48), np.uint8), (0, 0), 2 + i % 2)
        name = f"{LABELS[i % 2]}é_{i}.png"
        cv2.imwrite(str(folder / name), cv2.normalize(scene, None, 40, 200, cv2.NORM_MINMAX))
        split = "train" if i < 16 else "test"
        rows.append({"path": name, "label": LABELS[i % 2], "split": split, "subject": f"p{i // 4}", "age": 20.5 + i})
    original = cv2.imread(str(folder / rows[0]["path"]), cv2.IMREAD_GRAYSCALE)
    for name, picture in (
        ("same.png", original),
        ("near.png", cv2.convertScaleAbs(original, alpha=0.9, beta=8)),
        ("flat.png", np.full((48, 48), 9, np.uint8)),
    ):
        cv2.imwrite(str(folder / name), picture)
        rows.append({"path": name, "label": "sadness", "split": "test", "subject": "p0", "age": ""})
    (folder / "cut.png").write_bytes((folder / "same.png").read_bytes()[:60])
    rows.append({"path": "cut.png", "label": "sadness", "split": "test", "subject": "p9", "age": 3})
    columns = ["path", "frame", "label", "split", "subject", "age", "cropped"]
    with (folder / "faces.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({**row, "frame": number, "cropped": "true"} for number, row in enumerate(rows))

    report = check(read_inputs([str(folder / "faces.csv")]), "faces.csv")
    (folder / "check.json").write_text(report.to_json(), "utf-8")
    bank = extract(folder / "faces.csv", ["phash", "colour:grid=2"], folder / "faces.parquet", cache=False)
    model = train_svm(bank, features=["colour"], cv=2, search=True, output=folder / "faces.model")
    plain = train_svm(bank, features=["colour"], split="train")
    scores = evaluate(model, bank, split="test", by="age", check=folder / "check.json", resamples=100)
    (folder / "scores.json").write_text(scores.to_json(), "utf-8")

    photographs = folder / "photographs"
    photographs.mkdir()
    cv2.imwrite(str(photographs / "astronaut.png"), astronaut[:256, 96:352, ::-1])
    cv2.imwrite(str(photographs / "noise.png"), noise.integers(0, 256, (60, 60), np.uint8))
    found = extract(photographs, ["phash", "windows(colour:grid=1)"], folder / "photographs.parquet", cache=False)
    faces = write_crops(read_inputs([photographs]), Search("haar"), folder / "aligned", Cutting(Alignment()))
    assert faces == {"ok": 1, "no_face": 1}
    marked = folder / "marked.csv"
    marked.write_text(f"path,x0,y0,x1,y1\n{photographs}/astronaut.png,80,60,200,200\n{photographs}/noise.png,1,1,9,9\n")
    detection = evaluate_detector("haar", marked, resamples=100)
    columns = ["frame", "timestamp", "confidence", "success", *GAZE]
    (folder / "openface.csv").write_text(f"{','.join(columns)}\n1,0,0.98,1,{','.join(['0.5'] * len(GAZE))}\n")
    imported = import_tables([folder / "openface.csv"], folder / "imported.parquet")
    whole = evaluate(plain, folder / "faces.csv", cache=False, resamples=100)
    return Made(
        folder,
        bank,
        found,
        imported,
        json.loads((folder / "check.json").read_text("utf-8")),
        (json.loads((folder / "faces.model" / "card.json").read_text("utf-8")), plain.card),
        (json.loads(scores.to_json()), json.loads(whole.to_json())),
        json.loads((folder / "aligned" / "card.json").read_text("utf-8")),
        json.loads(detection.to_json()),
    )
