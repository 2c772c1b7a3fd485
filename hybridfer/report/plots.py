"""Charts of an evaluation as PNG files: confusion matrix, ROC curves, reliability; a detector's curves.

Drawn without a screen and without matplotlib's global state, so that a server or a thread can do it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#4d4d4d",
    "#8c6bb1",
)
"""Told apart by colour-blind readers (Okabe and Ito's, with two more)."""

DASHES = ("-", "--", ":", "-.")

_DPI = 150


def confusion_png(
    path: str | os.PathLike[str],
    counts: npt.ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str] | None = None,
    title: str = "Confusion matrix",
) -> None:
    """Draw a confusion matrix: in each cell the count and its share of the row, which also gives the colour.

    Parameters
    ----------
    path : path
        A PNG file, replaced if it exists.
    counts : (r, c) int array
        Rows are the truth.
    rows, columns : sequence of str
        Names; the columns' are the rows' when not given.
    title : str
        The number of rows scored is added to it.
    """
    table = np.asarray(counts)
    names = [plain(name) for name in (rows if columns is None else columns)]
    totals = table.sum(1, keepdims=True)
    shares = table / np.maximum(totals, 1)
    # Counts stay readable up to the second size; beyond it colour has to do.
    cell, size = (0.85, 9) if len(names) <= 12 else (0.6, 6) if len(names) <= 30 else (18 / len(names), 0)
    figure, axes = new_figure(2.6 + cell * len(names), 1.9 + cell * len(rows) * 0.8)
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(
        range(len(names)), names, rotation=40 if len(names) > 3 else 0, ha="right" if len(names) > 3 else "center"
    )
    axes.set_yticks(
        range(len(rows)), [f"{plain(name)} ({total})" for name, total in zip(rows, totals[:, 0], strict=True)]
    )
    axes.set_xlabel("predicted")
    axes.set_ylabel("true (rows)")
    axes.set_title(f"{plain(title)}, n = {table.sum()}")
    axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    for (i, j), share in np.ndenumerate(shares) if size else ():
        text = f"{table[i, j]}\n{share:.0%}" if totals[i, 0] else "–"
        axes.text(j, i, text, ha="center", va="center", fontsize=size, color="white" if share > 0.6 else "#222222")
    bar = figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.03, label="share of the true class")
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    bar.outline.set_visible(False)
    save_png(figure, path)


def roc_png(
    path: str | os.PathLike[str], curves: Mapping[str, Mapping[str, Any]], title: str = "ROC, one against the rest"
) -> None:
    """Draw the ROC curve of each class.

    Parameters
    ----------
    path : path
        A PNG file, replaced if it exists.
    curves : mapping
        Class to ``fpr``, ``tpr`` and ``auc``, as in :attr:`hybridfer.evaluation.result.Evaluation.roc`; a class
        without a curve is named in the legend.
    title : str
    """
    figure, axes = new_figure(6.6, 4.9)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1)
    for i, (label, curve) in enumerate(curves.items()):
        dash = DASHES[i // len(COLOURS) % len(DASHES)]
        area = f"{curve['auc']:.3f}" if len(curve["fpr"]) else "none"
        axes.plot(
            curve["fpr"],
            curve["tpr"],
            color=COLOURS[i % len(COLOURS)],
            linestyle=dash,
            linewidth=1.6,
            label=f"{area}  {plain(label)}",
        )
    axes.set_aspect("equal")
    _unit_axes(axes, "share of the other classes taken for it", "share of the class found", title)
    axes.legend(
        title="AUC, class", frameon=False, loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0, fontsize=9
    )
    save_png(figure, path)


def reliability_png(
    path: str | os.PathLike[str], bins: Sequence[Mapping[str, float]], title: str = "Reliability"
) -> None:
    """Draw how often predictions of each confidence are right, and how many there are.

    Parameters
    ----------
    path : path
        A PNG file, replaced if it exists.
    bins : sequence of mappings
        ``lower, upper, n, confidence, accuracy``, as in
        :attr:`hybridfer.evaluation.result.Evaluation.calibration`.
    title : str
    """
    figure, (axes, below) = new_figure(5, 6, rows=(4, 1))
    filled = [part for part in bins if part["n"]]
    left = [part["lower"] for part in bins]
    widths = [part["upper"] - part["lower"] for part in bins]
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, label="as sure as right")
    axes.plot(
        [part["confidence"] for part in filled],
        [part["accuracy"] for part in filled],
        color=COLOURS[0],
        marker="o",
        markersize=5,
        linewidth=1.6,
        clip_on=False,
        label="predictions",
    )
    _unit_axes(axes, "", "share that is right", title)
    axes.legend(frameon=False, loc="upper left", fontsize=9)
    axes.tick_params(labelbottom=False)
    below.bar(left, [part["n"] for part in bins], widths, align="edge", color=COLOURS[0], edgecolor="white")
    below.set_xlim(0, 1)
    below.set_xlabel("confidence")
    below.set_ylabel("rows")
    below.spines[["top", "right"]].set_visible(False)
    save_png(figure, path)


def detection_png(
    path: str | os.PathLike[str],
    curves: Mapping[str, Sequence[Mapping[str, float]]],
    pictures: int,
    title: str = "Faces found",
) -> None:
    """Draw what detectors find: precision over recall, and recall over false faces a picture.

    Parameters
    ----------
    path : path
        A PNG file, replaced if it exists.
    curves : mapping
        Detector to points with ``recall``, ``precision`` and ``false_faces``, as in
        :attr:`hybridfer.evaluation.detection.DetectorEvaluation.curve`.
    pictures : int
        How many the curves are of.
    title : str
    """
    figure, (above, below) = new_figure(5.6, 8, rows=(1, 1))
    for i, (name, points) in enumerate(curves.items()):
        recall = [point["recall"] for point in points]
        style = {"color": COLOURS[i % len(COLOURS)], "linewidth": 1.6, "label": plain(name), "clip_on": False}
        above.plot(recall, [point["precision"] for point in points], **style)
        below.step([point["false_faces"] / pictures for point in points], recall, where="post", **style)
    _unit_axes(above, "recall", "precision", title)
    _unit_axes(below, "false faces a picture", "recall", "")
    # Without a false face at all there is still a place to the left of the first.
    below.set_xscale("symlog", linthresh=0.01)
    most = max((point["false_faces"] / pictures for points in curves.values() for point in points), default=0)
    below.set_xlim(0, max(1, most))
    above.legend(frameon=False, loc="lower left", fontsize=9)
    save_png(figure, path)


def curves_png(path: str | os.PathLike[str], log: Sequence[Mapping[str, float]], title: str = "Training") -> None:
    """Draw how a training went: the share of right answers and the loss, over epochs.

    Parameters
    ----------
    path : path
        A PNG file, replaced if it exists.
    log : sequence of mappings
        A line an epoch: ``epoch, loss, accuracy`` and, where it was measured, ``val_loss, val_accuracy``.
    title : str
    """
    figure, (above, below) = new_figure(6.4, 6.4, rows=(1, 1))
    epochs = [entry["epoch"] for entry in log]
    for axes, key in ((above, "accuracy"), (below, "loss")):
        for i, (name, label) in enumerate(((key, "train, pictures made different"), (f"val_{key}", "val"))):
            values = [entry.get(name, np.nan) for entry in log]
            if not np.isnan(values).all():
                # A single epoch is a point, of which a line would show nothing.
                axes.plot(
                    epochs, values, color=COLOURS[i], label=label, marker="o" if len(log) < 15 else "", markersize=4
                )
        axes.grid(color="#e5e5e5", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylabel({"accuracy": "share of right answers", "loss": "loss"}[key])
        axes.xaxis.get_major_locator().set_params(integer=True)
    above.set_title(plain(title))
    above.legend(frameon=False, loc="best", fontsize=9)
    below.set_xlabel("epoch")
    save_png(figure, path)


def new_figure(width: float, height: float, rows: Sequence[float] = (1,), columns: int = 1) -> tuple[Figure, Any]:
    """Return a figure of so many inches and its axes: as many rows as heights, one below the other."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), columns, height_ratios=rows, squeeze=True)
    return figure, axes


def _unit_axes(axes: Any, x: str, y: str, title: str) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(plain(title))
    axes.grid(color="#e5e5e5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def plain(name: str) -> str:
    """Return text that matplotlib draws as it stands: no formulae between dollars, no bytes that are not UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8").replace("$", r"\$")


def save_png(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as a PNG file."""
    # Without the version, the same numbers give the same bytes.
    figure.savefig(path, format="png", metadata={"Software": None})
