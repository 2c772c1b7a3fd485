"""Charts: PNG files of a readable size, the same bytes twice, no screen and no global state of matplotlib."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from hybridfer.report.plots import confusion_png, curves_png, detection_png, reliability_png, roc_png

COUNTS = [[8, 2, 0], [1, 7, 2], [0, 0, 0]]
LABELS = ["anger", "fear", "neutral"]
CURVES = {
    "anger": {"auc": 0.9, "fpr": [0, 0.2, 1], "tpr": [0, 0.8, 1]},
    "fear": {"auc": float("nan"), "fpr": [], "tpr": []},
}
BINS = [
    {"lower": 0.0, "upper": 0.5, "n": 0, "confidence": float("nan"), "accuracy": float("nan")},
    {"lower": 0.5, "upper": 1.0, "n": 20, "confidence": 0.8, "accuracy": 0.7},
]
FOUND = {
    "haar": [
        {"score": 9.0, "false_faces": 0.0, "recall": 0.4, "precision": 1.0},
        {"score": 2.0, "false_faces": 3.0, "recall": 0.8, "precision": 0.7},
    ],
    "none": [],
}
LOG = [
    {"epoch": 1, "loss": 1.9, "accuracy": 0.2, "val_loss": 1.8, "val_accuracy": 0.3},
    {"epoch": 2, "loss": 1.5, "accuracy": 0.4, "val_loss": 1.6, "val_accuracy": 0.35},
]
CHARTS = {
    "curves": lambda path: curves_png(path, LOG),
    "confusion": lambda path: confusion_png(path, COUNTS, LABELS),
    "roc": lambda path: roc_png(path, CURVES),
    "reliability": lambda path: reliability_png(path, BINS),
    "detection": lambda path: detection_png(path, FOUND, 20),
}


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_is_a_png_on_white_with_something_on_it(tmp_path, chart):
    CHARTS[chart](tmp_path / "chart.png")
    with Image.open(tmp_path / "chart.png") as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB"))
    assert min(pixels.shape[:2]) > 300
    assert (pixels[0, 0] == 255).all()
    assert 0.02 < (pixels != 255).any(2).mean() < 0.9


@pytest.mark.parametrize("chart", CHARTS)
def test_the_same_numbers_give_the_same_bytes(tmp_path, chart):
    for name in ("a.png", "b.png"):
        CHARTS[chart](tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_other_numbers_titles_and_columns_give_another_chart(tmp_path):
    confusion_png(tmp_path / "a.png", COUNTS, LABELS)
    confusion_png(tmp_path / "b.png", np.transpose(COUNTS), LABELS)
    confusion_png(tmp_path / "c.png", COUNTS, LABELS, title="Split val")
    confusion_png(tmp_path / "d.png", np.pad(COUNTS, ((0, 0), (0, 1))), LABELS, [*LABELS, "no face"])
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 4


def test_rows_are_the_truth_and_colour_is_the_share_of_the_row(tmp_path):
    confusion_png(tmp_path / "a.png", [[100, 0], [50, 50]], ["a", "b"])
    with Image.open(tmp_path / "a.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    # The darkest of the blues: the one cell that holds its whole row, in the first row and column.
    rows, columns = np.nonzero((pixels == [8, 48, 107]).all(2))
    assert len(rows) > 5000
    assert (rows < pixels.shape[0] * 0.55).mean() > 0.95
    assert (columns < pixels.shape[1] * 0.6).mean() > 0.95


@pytest.mark.parametrize("label", ["_hidden", "price $x_$ and $y$", "naïve\udcff", "two\nlines"])
def test_any_label_can_be_drawn(tmp_path, label):
    confusion_png(tmp_path / "a.png", [[1, 0], [0, 1]], [label, "b"])
    roc_png(tmp_path / "b.png", {label: CURVES["anger"]})


def test_curves_are_drawn_of_what_was_measured(tmp_path):
    curves_png(tmp_path / "a.png", LOG)
    curves_png(tmp_path / "b.png", [{k: v for k, v in entry.items() if "val" not in k} for entry in LOG])
    curves_png(tmp_path / "c.png", LOG[:1])
    shares = []
    for name in "abc":
        with Image.open(tmp_path / f"{name}.png") as image:
            pixels = np.asarray(image.convert("RGB"))
        shares.append([int((pixels == colour).all(2).sum()) for colour in ([0, 114, 178], [213, 94, 0])])
    both, alone, point = shares
    assert min(both) > 500 and alone[0] > 500 and alone[1] == 0  # train blue, val red
    assert min(point) > 50  # a single epoch is seen too


def test_many_classes_stay_within_a_screenful(tmp_path):
    confusion_png(tmp_path / "a.png", np.eye(40, dtype=int), [f"person {i}" for i in range(40)])
    with Image.open(tmp_path / "a.png") as image:
        assert max(image.size) < 3600


def test_drawing_leaves_pyplot_alone(tmp_path):
    script = (
        "import sys\n"
        "from hybridfer.report.plots import roc_png\n"
        f"roc_png({str(tmp_path / 'a.png')!r}, {{'a': {{'auc': 1.0, 'fpr': [0, 1], 'tpr': [0, 1]}}}})\n"
        "print('matplotlib.pyplot' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
