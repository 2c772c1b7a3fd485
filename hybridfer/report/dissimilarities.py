"""Charts of an analysis of representations as PNG files: matrices, how alike they are, a network's layers in order."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from math import isqrt
from typing import Any

import numpy as np

from hybridfer.evaluation.metrics import Floats
from hybridfer.report.plots import COLOURS, DASHES, new_figure, plain, save_png

SIGNIFICANT = 0.05
"""False discovery rate up to which a bar is filled."""

_NAMED = 30
"""Items that still have room for their names."""

_ACROSS = 4
"""Matrices beside each other."""

_LONGEST = 24
"""Letters of an item's name that are drawn, the last ones."""

_CEILING = "#d9d9d9"


def matrices_png(
    path: str | os.PathLike[str], items: Sequence[str], matrices: Mapping[str, Floats], title: str = "Dissimilarity"
) -> None:
    """Draw dissimilarity matrices side by side, as ranks, so that matrices of any unit can be compared by eye.

    Parameters
    ----------
    path : path
        A PNG file, replaced if it exists.
    items : sequence of str
        Of the rows and columns.
    matrices : mapping of str to (n, n) float64
        By name.
    title : str
    """
    n = len(items)
    names = [_short(item) for item in items] if n <= _NAMED else []
    across = min(_ACROSS, isqrt(len(matrices) - 1) + 1)
    down = -(-len(matrices) // across)
    side = 2.6 + 0.1 * min(n, _NAMED)
    figure, axes = new_figure(side * across + 0.8, side * down + 0.6, (1,) * down, across)
    places = np.atleast_1d(axes).ravel()
    for i, (axis, (name, matrix)) in enumerate(zip(places, matrices.items(), strict=False)):
        shown = axis.imshow(_as_ranks(matrix), cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
        axis.set_title(plain(name), fontsize=8, wrap=True)
        axis.tick_params(length=0, labelsize=6)
        axis.spines[:].set_visible(False)
        # Every matrix has the same items: names stand to the left of a row and below a column.
        below = names if i + across >= len(matrices) else []
        left = names if i % across == 0 else []
        axis.set_xticks(range(len(below)), below, rotation=90)
        axis.set_yticks(range(len(left)), left)
    for axis in places[len(matrices) :]:
        axis.set_visible(False)
    figure.suptitle(plain(title), fontsize=10)
    bar = figure.colorbar(shown, ax=list(places), fraction=0.03, pad=0.02, label="share of pairs that are less unlike")
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    bar.outline.set_visible(False)
    save_png(figure, path)


def comparisons_png(
    path: str | os.PathLike[str], comparisons: Sequence[Mapping[str, Any]], measure: str = "similarity"
) -> None:
    """Draw how alike each of the data is to each model: a bar with its interval, before the noise ceiling.

    Parameters
    ----------
    path : path
        A PNG file, replaced if it exists.
    comparisons : sequence of mappings
        As in :attr:`hybridfer.compare.rsa.result.Analysis.comparisons`. Bars whose `q` is above 0.05 are empty.
    measure : str
        Names the axis.
    """
    groups = _by(comparisons, "data")
    heights = [0.5 + len(rows) for rows in groups.values()] or [1]
    figure, axes = new_figure(7.5, 1.1 + 0.32 * sum(heights) + 0.45 * len(heights), heights)
    places = np.atleast_1d(axes)
    for axis, (name, rows) in zip(places, groups.items(), strict=False):
        for i, row in enumerate(rows):
            colour = COLOURS[i % len(COLOURS)]
            filled = row["q"] is not None and row["q"] <= SIGNIFICANT
            axis.barh(i, row["similarity"], 0.7, color=colour if filled else "none", edgecolor=colour, zorder=2)
            axis.plot([row["low"], row["high"]], [i, i], color="#222222", linewidth=1.2, zorder=3)
        if rows[0]["ceiling_low"] is not None:
            axis.axvspan(rows[0]["ceiling_low"], rows[0]["ceiling_high"], color=_CEILING, zorder=0)
        axis.axvline(0, color="#666666", linewidth=0.8)
        axis.set_yticks(range(len(rows)), [plain(row["model"]) for row in rows], fontsize=8)
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.set_title(plain(name), fontsize=9, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="x", color="#e5e5e5", linewidth=0.8)
        axis.set_axisbelow(True)
    limits = [axis.get_xlim() for axis in places]
    for axis in places:
        axis.set_xlim(min(low for low, _ in limits), max(high for _, high in limits))
    places[-1].set_xlabel(f"{measure}; filled: false discovery rate at most {SIGNIFICANT:g}; grey: noise ceiling")
    save_png(figure, path)


def layers_png(
    path: str | os.PathLike[str],
    layers: Sequence[str],
    comparisons: Sequence[Mapping[str, Any]],
    measure: str = "similarity",
) -> None:
    """Draw how alike each layer of a network is to each model, from the first layer to the last.

    Parameters
    ----------
    path : path
        A PNG file, replaced if it exists.
    layers : sequence of str
        Names of data, in order.
    comparisons : sequence of mappings
        As :func:`comparisons_png` takes them; those of other data are left out.
    measure : str
        Names the axis.
    """
    figure, axes = new_figure(max(6.0, 1.8 + 0.55 * len(layers)), 4.8)
    of_layers = [row for row in comparisons if row["data"] in layers]
    for i, (model, rows) in enumerate(_by(of_layers, "model").items()):
        at = [layers.index(row["data"]) for row in rows]
        colour, dash = COLOURS[i % len(COLOURS)], DASHES[i // len(COLOURS) % len(DASHES)]
        axes.plot(
            at, [row["similarity"] for row in rows], dash, color=colour, marker="o", markersize=4, label=plain(model)
        )
        axes.fill_between(at, [row["low"] for row in rows], [row["high"] for row in rows], color=colour, alpha=0.15)
    first = [next((row for row in of_layers if row["data"] == layer), None) for layer in layers]
    ends = [
        [np.nan if row is None or row[key] is None else row[key] for row in first]
        for key in ("ceiling_low", "ceiling_high")
    ]
    if np.isfinite(ends).any():
        axes.fill_between(range(len(layers)), *ends, color=_CEILING, zorder=0, label="noise ceiling")
    axes.axhline(0, color="#666666", linewidth=0.8)
    axes.set_xticks(range(len(layers)), [plain(layer) for layer in layers], rotation=40, ha="right", fontsize=8)
    axes.set_ylabel(measure)
    axes.set_title("Layers, from the first to the last")
    axes.grid(axis="y", color="#e5e5e5", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    if of_layers:
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0, fontsize=9)
    save_png(figure, path)


def _short(item: str) -> str:
    """Return an item's name without the folders before it, and no more of it than its end."""
    name = os.path.basename(item) or item
    return plain(name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}")


def _as_ranks(matrix: Floats) -> Floats:
    """Return, for each pair of items, the share of pairs that are less unlike, 0 to 1; NaN for an item and itself."""
    from scipy.stats import rankdata

    first, second = np.triu_indices(len(matrix), 1)
    ranks = np.full(matrix.shape, np.nan)
    values = (rankdata(matrix[first, second]) - 1) / max(len(first) - 1, 1)
    ranks[first, second] = ranks[second, first] = values
    return ranks


def _by(rows: Sequence[Mapping[str, Any]], key: str) -> dict[str, list[Mapping[str, Any]]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups
