"""What an analysis holds, as text, CSV and JSON, and as a folder with its matrices and charts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from hybridfer.compare.rsa.matrices import Dissimilarities
from hybridfer.evaluation.result import json_text, shown_score, text_table
from hybridfer.tables import replacing, report_target, write_rows

COLUMNS = (
    *("data", "model", "similarity", "low", "high", "p", "q"),
    *("ceiling_low", "ceiling_high", "subjects", "subjects_p", "subjects_q"),
)
"""Of a comparison, in order."""

FILES = ("rsa.json", "rsa.csv", "matrices.npz", "matrices.png", "comparisons.png", "layers.png")
"""What an analysis's folder holds; the last only where a network's layers were asked for."""


@dataclass(frozen=True)
class Analysis:
    """Dissimilarity matrices and how alike they are.

    Attributes
    ----------
    items : tuple of str
        Of which every matrix is, in order.
    data, models : list of Dissimilarities
        What is to be explained, and by what. Without models every two of the data are compared.
    comparisons : list of dict
        :data:`COLUMNS` to values. ``similarity`` is the mean over subjects where there are any, and ``low`` and
        ``high`` the ends of its 95 % interval; `p` is of the permutation of items, ``subjects_p`` of the signed ranks
        of the subjects' similarities; `q` and ``subjects_q`` are the false discovery rates among the comparisons of
        the same data. None where there is no such thing.
    layers : list of str
        Names of the data that are layers of one network, in order.
    protocol : dict
        How it was made.
    notes : list of str
        What a reader should be told.
    """

    items: tuple[str, ...]
    data: list[Dissimilarities]
    models: list[Dissimilarities]
    comparisons: list[dict[str, Any]]
    layers: list[str]
    protocol: dict[str, Any]
    notes: list[str]

    @property
    def matrices(self) -> dict[str, Dissimilarities]:
        """Every matrix by name; a block that is data and model stands once."""
        return {made.name: made for made in (*self.data, *self.models)}

    def to_json(self) -> str:
        """Return everything as a JSON object, one line for each attribute; a matrix is its upper triangle by rows."""
        return json_text(
            {
                "items": self.items,
                "matrices": {name: made.mean for name, made in self.matrices.items()},
                **{key: getattr(self, key) for key in ("comparisons", "layers", "protocol", "notes")},
            }
        )

    def to_csv(self) -> str:
        """Return the comparisons as CSV."""
        stream = StringIO()
        write_rows(stream, "csv", COLUMNS, [self.comparisons])
        return stream.getvalue()

    def summary(self) -> str:
        """Return the comparisons and the notes as text."""
        protocol = self.protocol
        head = (
            f"{len(self.items)} items ({protocol['items']}), {protocol['distance']} distance; {protocol['measure']} "
            f"({protocol['why']}); p from {protocol['permutations']} permutations, 95 % intervals from "
            f"{protocol['resamples']} resamples of {protocol['resampled']}, seed {protocol['seed']}"
        )
        of_subjects = any(row["subjects"] for row in self.comparisons)
        rows = [["data", "model", protocol["measure"], "p", "q"]]
        rows[0] += ["ceiling", "subjects", "their p", "their q"] if of_subjects else []
        for row in self.comparisons:
            value = {"value": row["similarity"], "low": row["low"], "high": row["high"]}
            rows.append([row["data"], row["model"], shown_score(value), _shown(row["p"]), _shown(row["q"])])
            if of_subjects:
                ceiling = [row["ceiling_low"], row["ceiling_high"]]
                rows[-1] += [
                    "-" if None in ceiling else "{:.3f} to {:.3f}".format(*ceiling),
                    str(row["subjects"] or "-"),
                    _shown(row["subjects_p"]),
                    _shown(row["subjects_q"]),
                ]
        parts = [head, text_table(rows) if self.comparisons else "nothing to compare: there is one matrix"]
        if self.notes:
            parts.append("\n".join(f"note: {note}" for note in self.notes))
        return "\n\n".join(parts) + "\n"


def check_target(output: str | os.PathLike[str], overwrite: bool) -> tuple[Path, tuple[str, ...]]:
    """Return where an analysis may be written to, ``….json``, ``….csv`` or a folder; see :func:`report_target`."""
    return report_target(output, overwrite, "An analysis", FILES, (".json", ".csv"))


def write_analysis(analysis: Analysis, output: str | os.PathLike[str], overwrite: bool = False) -> list[Path]:
    """Write an analysis to ``….json`` or ``….csv``, or all of it into a folder, and return the files' paths.

    A folder holds :data:`FILES`. It takes its place when all is written.

    Raises
    ------
    OutputError
        As :func:`check_target`, or if it cannot be written.
    """
    from hybridfer.report.dissimilarities import comparisons_png, layers_png, matrices_png

    path, folder = check_target(output, overwrite)
    with replacing(path, overwrite, folder) as beside:
        if not folder:
            beside.write_text(analysis.to_csv() if path.suffix.lower() == ".csv" else analysis.to_json(), "utf-8")
            return [path]
        beside.mkdir()
        numbers, table, arrays, pictures, bars, curve = (beside / name for name in FILES)
        matrices = {name: made.matrix for name, made in analysis.matrices.items()}
        numbers.write_text(analysis.to_json(), "utf-8")
        table.write_text(analysis.to_csv(), "utf-8")
        _save_arrays(arrays, analysis.items, matrices)
        title = str(analysis.protocol["distance"])
        matrices_png(pictures, analysis.items, matrices, f"Dissimilarity ({title}), as ranks")
        measure = str(analysis.protocol["measure"])
        comparisons_png(bars, analysis.comparisons, measure)
        if analysis.layers:
            layers_png(curve, analysis.layers, analysis.comparisons, measure)
        return [path / name for name in FILES if (beside / name).exists()]


def _save_arrays(path: Path, items: Sequence[str], matrices: dict[str, Any]) -> None:
    with path.open("wb") as file:
        np.savez_compressed(
            file, items=np.array(items), names=np.array(list(matrices)), matrices=np.stack(list(matrices.values()))
        )


def _shown(p: float | None) -> str:
    return "-" if p is None else f"{p:.3g}"
