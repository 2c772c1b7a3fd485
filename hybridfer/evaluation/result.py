"""What an evaluation holds, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hybridfer.evaluation.intervals import LEVEL, OF_CONFUSION
from hybridfer.tables import escape_surrogates, json_line

NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "macro_auc": "macro AUC (one against the rest)",
    "ece": "expected calibration error",
}
"""The scores of an evaluation, in order, and how a table calls them."""


@dataclass(frozen=True)
class Evaluation:
    """What predictions are worth.

    Every score is ``{"value", "low", "high"}``: the score and its 95 % bootstrap interval, NaN where it does not exist
    (the precision of a class that was never predicted, the AUC of a class without rows).

    Attributes
    ----------
    n : int
        Rows scored.
    classes : list of str
        The model's, in its order.
    metrics : dict
        ``accuracy``, ``balanced_accuracy``, ``macro_f1``, ``macro_auc`` and ``ece`` to a score.
    per_class : dict
        True label to ``rows``, ``precision``, ``recall``, ``f1`` and ``auc``. A true label the model does not know is
        among them.
    confusion : dict
        ``rows`` (true labels), ``columns`` (the same, then ``no face`` and ``error`` where there are such rows) and
        ``counts``.
    roc : dict
        Class to ``fpr``, ``tpr`` (at most 200 points) and ``auc``.
    calibration : list of dict
        For each bin of the confidence: ``lower``, ``upper``, ``n``, mean ``confidence`` and ``accuracy``.
    by : dict
        Column to value to ``n``, ``resampled`` and ``metrics`` of the rows with that value.
    protocol : dict
        How it was measured.
    notes : list of str
        What a reader should be told.
    """

    n: int
    classes: list[str]
    metrics: dict[str, dict[str, float]]
    per_class: dict[str, dict[str, Any]]
    confusion: dict[str, Any]
    roc: dict[str, dict[str, Any]]
    calibration: list[dict[str, float]]
    by: dict[str, dict[str, dict[str, Any]]]
    protocol: dict[str, Any]
    notes: list[str]

    def to_json(self) -> str:
        """Return everything as a JSON object, one line for each attribute; NaN is null."""
        return json_text(vars(self))

    def summary(self) -> str:
        """Return the scores, the confusion matrix and the notes as text."""
        protocol = self.protocol
        where = f" of {protocol['split']}" if protocol.get("split") else ""
        head = (
            f"{self.n} rows{where}, {len(self.classes)} classes; {LEVEL:.0%} intervals from {protocol['resamples']} "
            f"resamples of {protocol['resampled']}, seed {protocol['seed']}"
        )
        width = max(len(text) for text in NAMES.values())
        scores = [f"{text:<{width}}  {shown_score(self.metrics[name])}" for name, text in NAMES.items()]
        parts = [head, "\n".join(scores), self._class_table(), self._confusion_table()]
        for column, values in self.by.items():
            rows = [["by " + column, "rows", *(NAMES[name] for name in OF_CONFUSION)]]
            rows += [
                [value, str(part["n"]), *(shown_score(part["metrics"][name]) for name in OF_CONFUSION)]
                for value, part in values.items()
            ]
            parts.append(text_table(rows))
        if self.notes:
            parts.append("\n".join(f"note: {note}" for note in self.notes))
        return "\n\n".join(parts) + "\n"

    def _class_table(self) -> str:
        rows = [["class", "rows", "precision", "recall", "F1", "AUC"]]
        for label, scores in self.per_class.items():
            rows.append(
                [label, str(scores["rows"]), *(shown_score(scores[k]) for k in ("precision", "recall", "f1", "auc"))]
            )
        return text_table(rows)

    def _confusion_table(self) -> str:
        rows = [["true \\ predicted", *self.confusion["columns"]]]
        for label, counts in zip(self.confusion["rows"], self.confusion["counts"], strict=True):
            rows.append([label, *map(str, counts)])
        return text_table(rows)


def json_text(values: Mapping[str, Any]) -> str:
    """Return values by name as a JSON object, one line for each; NaN is null."""
    lines = (f"  {json_line(name)}: {json_line(value)}" for name, value in values.items())
    return escape_surrogates("{\n" + ",\n".join(lines) + "\n}\n")


def shown_score(score: Mapping[str, float]) -> str:
    """Return a score with its interval, as in ``0.450 [0.434, 0.467]``."""
    if np.isnan(score["value"]):
        return "-"
    return f"{score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells in columns: the first to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )
