"""The cumulative distribution of landmark errors as a PNG file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from hybridfer.report.plots import COLOURS, DASHES, new_figure, plain, save_png


def ced_png(
    path: str | os.PathLike[str],
    curves: Mapping[str, Sequence[Mapping[str, float]]],
    title: str = "Faces by their error",
) -> None:
    """Draw which share of faces has an error no greater than any up to a limit.

    Parameters
    ----------
    path : path
        A PNG file, replaced if it exists.
    curves : mapping
        Method, or subset, to points with ``error`` and ``share``, as in
        :attr:`hybridfer.evaluation.landmarks.LandmarkEvaluation.curve`.
    title : str
    """
    figure, axes = new_figure(6.4, 4.6)
    for i, (name, points) in enumerate(curves.items()):
        axes.plot(
            [point["error"] for point in points],
            [point["share"] for point in points],
            color=COLOURS[i % len(COLOURS)],
            linestyle=DASHES[i // len(COLOURS) % len(DASHES)],
            linewidth=1.6,
            # A name that began with an underscore would be left out.
            label=f" {plain(name)}",
            clip_on=False,
        )
    axes.set_xlim(0, max((point["error"] for points in curves.values() for point in points), default=1))
    axes.set_ylim(0, 1)
    axes.set_xlabel("error, in lengths of the face")
    axes.set_ylabel("share of faces up to it")
    axes.set_title(plain(title))
    axes.grid(color="#e5e5e5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if curves:
        axes.legend(frameon=False, loc="upper left", fontsize=9)
    save_png(figure, path)
