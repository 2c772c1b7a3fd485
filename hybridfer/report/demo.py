"""The main job on faces we draw ourselves, and one photograph, and a page that shows what came of it.

People making seven faces are drawn; features, an SVM fitted on some of them, an evaluation on others, predictions.
``astronaut``, which scikit-image carries, is a photograph: its face is found, described, read by the network that
hybridfer brings, and compared with copies.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hybridfer.datasets.inputs import read_inputs
from hybridfer.report import html
from hybridfer.report.contact import contact_sheet
from hybridfer.tables import check_output, open_output
from hybridfer.types import Pixels

FEATURES = ("lbp", "hog", "sift", "gabor", "phash")

PEOPLE = 40
"""People that are drawn; 24 of them are trained on, 8 are scored."""

NETWORK = "arm"
"""Which of hybridfer's networks reads the photograph."""

FILES = (
    *("drawn", "drawn.parquet", "drawn.model", "evaluation", "index.html", "astronaut.png", "astronaut.parquet"),
    *("face.png", "mirrored.png", "brightened.png", "blurred.png", "drawn.parquet.parts", "astronaut.parquet.parts"),
    *("astronaut.csv", "explained"),
    *("lfw", "lfw.parquet", "lfw.model", "lfw.parquet.parts"),
)
"""What the demo leaves, whole or broken off; in the last line, what it left up to 0.1."""

SHOWN = 24
"""Predictions on the page."""


def run_demo(
    output: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Run the main job into a folder and return the page in it.

    Parameters
    ----------
    output : path
        The folder to write: drawn faces, bank, model, evaluation and ``index.html``.
    overwrite : bool
        Replace the folder if it exists.
    seed : int
        Of the people that are drawn, of training and of the intervals.
    say : callable
        Told each step, as the command that would do it.

    Raises
    ------
    OutputError
        If the folder exists and `overwrite` is False.
    """
    import shutil

    from hybridfer import evaluate, extract, load_model, train_svm
    from hybridfer.capture.faces import draw_faces
    from hybridfer.evaluation.evaluate import write_evaluation

    check_output(output, overwrite, FILES)
    work = Path(output)
    if work.is_dir():
        shutil.rmtree(work)
    work.mkdir()
    say(f"hybridfer virtual faces {work}/drawn --identities {PEOPLE} --seed {seed}")
    manifest = draw_faces(work / "drawn", identities=PEOPLE, seed=seed)
    specs = " ".join(f"-f {name}" for name in FEATURES)
    say(f"hybridfer extract {manifest} {specs} -o {work}/drawn.parquet")
    bank = extract(manifest, FEATURES, work / "drawn.parquet")
    say(f"hybridfer svm-train {work}/drawn.parquet -o {work}/drawn.model --cv 5")
    train_svm(bank, output=work / "drawn.model", cv="5", seed=seed)
    say(f"hybridfer evaluate {work}/drawn.model {work}/drawn.parquet --split test -o {work}/evaluation")
    model = load_model(work / "drawn.model")
    evaluation = evaluate(model, bank, split="test", seed=seed)
    write_evaluation(evaluation, work / "evaluation")
    say(f"hybridfer svm-predict {work}/drawn.model {work}/drawn.parquet")
    sections = [
        ("Seven expressions of people we drew", _people(manifest)),
        ("People it had not seen", _numbers(work, evaluation, model.card)),
        ("What it said of them", _answers(list(model.predict_bank(bank, "test")))),
        ("One photograph", _photograph(work, model, say)),
    ]
    with open_output(str(work / "index.html")) as stream:
        stream.write(html.page("hybridfer: the main job on drawn faces", sections))
    return work / "index.html"


def _people(manifest: Path) -> list[str]:
    from hybridfer.capture.faces import NOTE

    items = read_inputs([manifest]).items
    return [html.paragraph(NOTE), html.figure(contact_sheet(items), "The first six people, a row each.")]


def _numbers(work: Path, evaluation: Any, card: dict[str, Any]) -> list[str]:
    def score(s: dict[str, float]) -> list[str]:
        return [f"{s['value']:.3f}", f"{s['low']:.3f} to {s['high']:.3f}"]

    table = html.table(
        ["score", "value", "95 % interval"], [[k.replace("_", " "), *score(v)] for k, v in evaluation.metrics.items()]
    )
    figure = html.figure(work / "evaluation" / "confusion.png", "Rows are the truth, columns what the SVM said.")
    lead = (
        f"A linear SVM on {', '.join(FEATURES)}, fitted on {card['training']['rows']} pictures and scored on "
        f"{evaluation.n} of other people."
    )
    return [html.paragraph(lead), table, *map(html.paragraph, evaluation.notes), figure]


def _answers(rows: list[dict[str, Any]]) -> list[str]:
    shown = []
    for row in rows:
        right = row["label"] == row["true_label"]
        said = f"{row['label']} {row['confidence']:.2f}" + ("" if right else f", in truth {row['true_label']}")
        shown.append((right, row["input"], said))
    wrong = [s for s in shown if not s[0]]
    some = [*wrong, *[s for s in shown if s[0]][:: max(1, len(shown) // SHOWN)]][:SHOWN]
    lead = f"{len(wrong)} of {len(shown)} are wrong" + ("; these come first." if wrong else ".")
    return [html.paragraph(lead), html.pictures([(file, said) for _, file, said in some])]


def _photograph(work: Path, model: Any, say: Callable[[str], None]) -> list[str]:
    import cv2
    from skimage.data import astronaut

    from hybridfer import detect, extract, similarity
    from hybridfer.faces import crop_largest

    photo: Pixels = astronaut()
    path = work / "astronaut.png"
    cv2.imwrite(str(path), cv2.cvtColor(photo, cv2.COLOR_RGB2BGR))
    say(f"hybridfer extract {work}/astronaut.png -f lbp -f hog -o {work}/astronaut.parquet")
    bank = extract(path, ["lbp", "hog"], work / "astronaut.parquet")
    face = detect(photo)[0]
    crop = np.ascontiguousarray(crop_largest(photo))
    copies = {
        "mirrored": np.ascontiguousarray(crop[:, ::-1]),
        "brightened": cv2.convertScaleAbs(crop, alpha=1.0, beta=40),
        "blurred": cv2.GaussianBlur(crop, (0, 0), 2.5),
    }
    say(f"hybridfer similarity {work}/face.png {work}/mirrored.png")
    results = {what: similarity(crop, copy) for what, copy in copies.items()}
    for what, pixels in {"face": crop, **copies}.items():
        cv2.imwrite(str(work / f"{what}.png"), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    x0, y0, x1, y1 = (round(v) for v in face.box)
    framed = cv2.rectangle(photo.copy(), (x0, y0), (x1, y1), (255, 210, 0), 3)
    metrics = [found.metric for found in next(iter(results.values()))]
    table = html.table(
        ["similarity to its copy", *metrics],
        [[what, *(f"{s.value:.3f}" for s in found)] for what, found in results.items()],
    )
    readings = [f"The {what} copy. " + "; ".join(f"{s.metric}: {s.reading}" for s in f) for what, f in results.items()]
    lead = (
        f"MTCNN finds the face in a box of {x1 - x0} by {y1 - y0} pixels; its crop, turned upright, is described by "
        f"{bank.X('lbp').shape[1]} values of LBP and {bank.X('hog').shape[1]} of HOG. Photograph: NASA, public domain."
    )
    say(f"hybridfer svm-predict {work}/drawn.model {work}/astronaut.png")
    (said,) = model.predict([path])
    caution = (
        f"The SVM that was fitted on drawn heads calls this face {said['label']}, with a probability of "
        f"{said['confidence']:.2f}. It has never seen a photograph: such an answer says little, however sure it is."
    )
    return [
        html.paragraph(lead),
        html.figure(framed, "The face as found."),
        html.paragraph(caution),
        *_network(work, path, say),
        html.pictures([(pixels, what) for what, pixels in {"crop": crop, **copies}.items()]),
        table,
        *(html.paragraph(reading) for reading in readings),
    ]


def _network(work: Path, photo: Path, say: Callable[[str], None]) -> list[str]:
    """Return what a network that hybridfer brings says of the photograph; nothing where it brings none."""
    from hybridfer import load_model
    from hybridfer.classify.predict import write_predictions
    from hybridfer.deep.weights import SHIPPED

    weights = SHIPPED / NETWORK
    if not weights.is_dir():
        return []
    table, explained = work / "astronaut.csv", work / "explained"
    say(f"hybridfer predict {NETWORK} {photo} --explain {explained} -o {table}")
    write_predictions(load_model(weights), [photo], str(table), explain=explained)
    with table.open(encoding="utf-8", newline="") as lines:
        (said,) = csv.DictReader(lines)
    lead = (
        f"The network {NETWORK}, which comes with hybridfer and was trained on photographs, calls it {said['label']}, "
        f"with a probability of {float(said['confidence']):.2f}. It glows where the network looked (Grad-CAM)."
    )
    return [
        html.paragraph(lead),
        html.figure(explained / "astronaut.png", "The face with what the network says of it."),
        html.figure(
            explained / "crops" / "astronaut_0.png", "What the network is shown, and what of it spoke for that."
        ),
    ]
