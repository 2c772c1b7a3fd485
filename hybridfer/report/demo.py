"""The main job on real pictures that scikit-image carries, and a page that shows what came of it.

``lfw_subset`` holds 100 faces and 100 other pictures of 25x25 pixels: features, an SVM, an evaluation on rows that
were held back, predictions. ``astronaut`` is a photograph: its face is found, described, and compared with copies.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hybridfer.report import html
from hybridfer.tables import check_output, open_output
from hybridfer.types import Pixels

FEATURES = ("lbp", "hog", "sift", "gabor", "phash")
HELD_BACK = 30
"""Pictures of each class that training does not see."""

FILES = (
    *("lfw", "lfw.parquet", "lfw.model", "evaluation", "index.html", "astronaut.png", "astronaut.parquet"),
    *("face.png", "mirrored.png", "brightened.png", "blurred.png", "lfw.parquet.parts", "astronaut.parquet.parts"),
)
"""What the demo leaves, whole or broken off."""

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
        The folder to write: pictures, bank, model, evaluation and ``index.html``.
    overwrite : bool
        Replace the folder if it exists.
    seed : int
        Chooses the pictures that are held back.
    say : callable
        Told each step, as the command that would do it.

    Raises
    ------
    OutputError
        If the folder exists and `overwrite` is False.
    """
    import shutil

    from hybridfer import evaluate, extract, load_model, train_svm
    from hybridfer.evaluation.evaluate import write_evaluation

    check_output(output, overwrite, FILES)
    work = Path(output)
    if work.is_dir():
        shutil.rmtree(work)
    work.mkdir()
    _write_pictures(work, seed)
    specs = " ".join(f"-f {name}" for name in FEATURES)
    say(f"hybridfer extract {work}/lfw --labels folder --detector none {specs} -o {work}/lfw.parquet")
    bank = extract(work / "lfw", FEATURES, work / "lfw.parquet", labels="folder", detector="none")
    say(f"hybridfer svm-train {work}/lfw.parquet -o {work}/lfw.model --cv 5")
    train_svm(bank, output=work / "lfw.model", cv="5", seed=seed)
    say(f"hybridfer evaluate {work}/lfw.model {work}/lfw.parquet --split test -o {work}/evaluation")
    model = load_model(work / "lfw.model")
    evaluation = evaluate(model, bank, split="test", seed=seed)
    write_evaluation(evaluation, work / "evaluation")
    say(f"hybridfer svm-predict {work}/lfw.model {work}/lfw/test --detector none")
    held = sorted((work / "lfw" / "test").rglob("*.png"))
    sections = [
        ("Faces and other pictures", _numbers(work, evaluation, model.card)),
        ("What it said of pictures it had not seen", _answers(held, model.predict(held))),
        ("One photograph", _photograph(work, say)),
    ]
    with open_output(str(work / "index.html")) as stream:
        stream.write(html.page("hybridfer: the main job on real pictures", sections))
    return work / "index.html"


def _write_pictures(work: Path, seed: int) -> None:
    import cv2
    from skimage.data import lfw_subset

    pictures = (lfw_subset() * 255).round().astype(np.uint8)
    random = np.random.default_rng(seed)
    for label, first in (("face", 0), ("other", 100)):
        held = set(random.permutation(100)[:HELD_BACK].tolist())
        for i in range(100):
            folder = work / "lfw" / ("test" if i in held else "train") / label
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f"{i:03d}.png"), pictures[first + i])


def _numbers(work: Path, evaluation: Any, card: dict[str, Any]) -> list[str]:
    def score(s: dict[str, float]) -> list[str]:
        return [f"{s['value']:.3f}", f"{s['low']:.3f} to {s['high']:.3f}"]

    table = html.table(
        ["score", "value", "95 % interval"], [[k.replace("_", " "), *score(v)] for k, v in evaluation.metrics.items()]
    )
    figure = html.figure(work / "evaluation" / "confusion.png", "Rows are the truth, columns what the SVM said.")
    lead = (
        f"A linear SVM on {', '.join(FEATURES)}, fitted on {card['training']['rows']} pictures of LFW's subset in "
        f"scikit-image and scored on {evaluation.n} that were held back. Faces against other things is easy; "
        "expressions are not."
    )
    return [html.paragraph(lead), table, *map(html.paragraph, evaluation.notes), figure]


def _answers(files: list[Path], rows: list[dict[str, Any]]) -> list[str]:
    from hybridfer.media.images import read_image

    shown = []
    for file, row in zip(files, rows, strict=True):
        right = row["label"] == file.parent.name
        said = f"{row['label']} {row['confidence']:.2f}" + ("" if right else f", in truth {file.parent.name}")
        shown.append((right, file, said))
    wrong = [s for s in shown if not s[0]]
    some = [*wrong, *[s for s in shown if s[0]][:: max(1, len(shown) // SHOWN)]][:SHOWN]
    lead = f"{len(wrong)} of {len(shown)} are wrong" + ("; these come first." if wrong else ".")
    return [html.paragraph(lead), html.pictures([(read_image(file).pixels, said) for _, file, said in some])]


def _photograph(work: Path, say: Callable[[str], None]) -> list[str]:
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
        f"OpenCV's cascade finds the face in a box of {x1 - x0} pixels; its crop is described by "
        f"{bank.X('lbp').shape[1]} values of LBP and {bank.X('hog').shape[1]} of HOG. Photograph: NASA, public domain."
    )
    return [
        html.paragraph(lead),
        html.figure(framed, "The face as found."),
        html.pictures([(pixels, what) for what, pixels in {"crop": crop, **copies}.items()]),
        table,
        *(html.paragraph(reading) for reading in readings),
    ]
