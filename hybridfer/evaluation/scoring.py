"""Rows of predictions with known truth become an evaluation: scores with intervals, matrices, curves, notes.

A row is a mapping as ``svm-predict`` writes it: ``status``, ``true_label``, ``label``, a probability for each class,
and the user's own columns. Where it came from, a bank or a picture, does not matter here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from hybridfer.errors import TrainingError, did_you_mean
from hybridfer.evaluation import metrics
from hybridfer.evaluation.intervals import LEVEL, OF_CONFUSION, Interval, bootstrap_intervals
from hybridfer.evaluation.metrics import Floats, Ints
from hybridfer.evaluation.result import NAMES, Evaluation
from hybridfer.labels import class_order, probability_columns

PER_CLASS = {"precision": metrics.precision, "recall": metrics.recall, "f1": metrics.f1}

OUTCOMES = {"no_face": "no face", "error": "error"}
"""Statuses of rows without a prediction, and their columns of the confusion matrix."""

NONE = "(none)"
"""How ``by`` calls the rows that have no value in a column."""

MOST_VALUES = 20
"""A column of numbers with more different values is cut into quarters by ``by``."""


@dataclass(frozen=True)
class _Coded:
    """Rows as numbers: ``truth`` and ``predicted`` into labels, ``scored`` the rows that have probabilities."""

    labels: list[str]
    columns: list[str]
    classes: int
    truth: Ints
    predicted: Ints
    scored: Ints
    probabilities: Floats
    subjects: list[Any]

    def part(self, kept: Ints) -> _Coded:
        """Return some of the rows."""
        place = np.full(len(self.truth), -1)
        place[kept] = np.arange(len(kept))
        inside = place[self.scored] >= 0
        return _Coded(
            self.labels,
            self.columns,
            self.classes,
            self.truth[kept],
            self.predicted[kept],
            place[self.scored[inside]],
            self.probabilities[inside],
            [self.subjects[i] for i in kept],
        )

    @property
    def right(self) -> Any:
        return self.truth[self.scored] == self.predicted[self.scored]

    @property
    def confidence(self) -> Floats:
        # Of the predicted class: a model's label need not be its most probable class.
        confidence: Floats = self.probabilities[np.arange(len(self.scored)), self.predicted[self.scored]]
        return confidence

    def statistics(self, weights: Floats) -> dict[str, Floats]:
        confusion = metrics.confusion_matrix(self.truth, self.predicted, len(self.labels), len(self.columns), weights)
        drawn = weights[:, self.scored]
        areas = metrics.auc_one_vs_rest(self.truth[self.scored], self.probabilities, drawn)
        return {
            **{name: score(confusion) for name, score in OF_CONFUSION.items()},
            "macro_auc": metrics.macro_auc(areas),
            "ece": metrics.expected_calibration_error(metrics.calibration_bins(self.right, self.confidence, drawn)),
            "auc": areas,
            **{name: score(confusion) for name, score in PER_CLASS.items()},
        }

    def score(self, resamples: int, seed: int) -> tuple[dict[str, Interval], str]:
        """Return every score with its interval, and what was drawn for it."""
        known = {subject for subject in self.subjects if subject is not None}
        clustered = len(known) > 1
        scores = bootstrap_intervals(
            self.statistics,
            len(self.truth),
            groups=self.subjects if clustered else None,
            seed=seed,
            resamples=resamples,
            centred=("ece",),
        )
        return scores, "subjects" if clustered else "rows"


def score_rows(
    rows: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
    *,
    by: str | Sequence[str] = (),
    missing: str = "error",
    resamples: int = 2000,
    seed: int = 0,
    protocol: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> Evaluation:
    """Return what rows of predictions are worth.

    Rows without a prediction (no face, or a picture that cannot be read) are wrong answers: they count in accuracy,
    recall and F1 and have columns of their own in the confusion matrix. AUC and calibration need probabilities and are
    of the other rows.

    Parameters
    ----------
    rows : sequence of mappings
        With ``status, true_label, label`` and a column for each class (:func:`hybridfer.labels.probability_columns`);
        ``subject`` where it is known. Rows without ``true_label`` are left out.
    classes : sequence of str
        The model's, in its order.
    by : str or sequence of str
        Columns to score each value of on its own; numbers of more than 20 different values are cut into quarters.
    missing : {"error", "skip"}
        Whether rows without a prediction are wrong answers or left out.
    resamples : int
        At least 100.
    seed : int
    protocol, notes
        Of the caller, put before those made here.

    Raises
    ------
    TrainingError
        If no row has a known label, none of the labels is the model's, or a column of `by` does not exist.
    """
    if missing not in ("error", "skip"):
        raise TrainingError(f"No rule {missing!r} for pictures without a face; expected error or skip.")
    told = list(notes)
    known = [row for row in rows if row.get("true_label") is not None]
    if not known:
        raise TrainingError(
            f"None of the {len(rows)} rows has a true label, so nothing can be scored; give labels with --labels, or a "
            "manifest with a column 'label'."
        )
    absent = Counter(row["status"] for row in known if row["status"] != "ok")
    kept = known if missing == "error" else [row for row in known if row["status"] == "ok"]
    told += _count_notes(len(rows) - len(known), absent, missing)
    if not kept:
        raise TrainingError(f"None of the {len(known)} labelled pictures has a face, and missing ones are skipped.")
    coded = _code(kept, list(classes))
    told += _label_notes(kept, classes)
    scores, resampled = coded.score(resamples, seed)
    independent = len(kept)
    if resampled == "subjects":
        independent = len({subject for subject in coded.subjects if subject is not None})
        told.append(f"intervals draw the {independent} subjects, each with all its rows")
    if scores["accuracy"].value in (0, 1):
        told.append(
            f"all {len(kept)} rows are {'right' if scores['accuracy'].value else 'wrong'}, so resampling shows no "
            f"spread; the true rate may be up to {min(1.0, 3 / independent):.3g} away (rule of three)"
        )
    parts = {}
    for column in [by] if isinstance(by, str) else by:
        values, note = _split_by(kept, column, [*probability_columns(classes).values(), "confidence"])
        told += note
        parts[column] = {value: _score_part(coded.part(places), resamples, seed) for value, places in values.items()}
    return Evaluation(
        n=len(kept),
        classes=list(classes),
        metrics={name: _score(scores[name]) for name in NAMES},
        per_class=_per_class(coded, scores),
        confusion=_confusion(coded),
        roc=_roc(coded, scores["auc"].value),
        calibration=_calibration(coded),
        by=parts,
        protocol={
            **(protocol or {}),
            "missing": missing,
            "rows": len(kept),
            "no_face": absent["no_face"],
            "error": absent["error"],
            "unlabelled": len(rows) - len(known),
            "resamples": resamples,
            "resampled": resampled,
            "interval": LEVEL,
            "seed": seed,
            "calibration_bins": metrics.CALIBRATION_BINS,
        },
        notes=told,
    )


def _code(rows: Sequence[Mapping[str, Any]], classes: list[str]) -> _Coded:
    labels = [*classes, *class_order({str(row["true_label"]) for row in rows} - set(classes))]
    absent = [status for status in OUTCOMES if any(row["status"] == status for row in rows)]
    answered = [row for row in rows if row["status"] == "ok"]
    scored = np.flatnonzero([row["status"] == "ok" for row in rows])
    predicted = np.zeros(len(rows), dtype=np.intp)
    for i, row in enumerate(rows):
        if row["status"] != "ok":
            predicted[i] = len(labels) + absent.index(row["status"])
    predicted[scored] = metrics.label_codes([row["label"] for row in answered], classes)
    chances = list(probability_columns(classes).values())
    probabilities = np.array([[row[column] for column in chances] for row in answered], dtype=np.float64)
    return _Coded(
        labels,
        [*labels, *(OUTCOMES[status] for status in absent)],
        len(classes),
        metrics.label_codes([row["true_label"] for row in rows], labels),
        predicted,
        scored,
        probabilities.reshape(len(scored), len(classes)),
        [row.get("subject") for row in rows],
    )


def _count_notes(unlabelled: int, absent: Counter[str], missing: str) -> list[str]:
    notes = [f"{unlabelled} rows without a true label are left out"] if unlabelled else []
    if absent:
        words = {"no_face": "without a face", "error": "that could not be read"}
        counts = ", ".join(f"{absent[status]} {word}" for status, word in words.items() if absent[status])
        rule = "count as wrong answers; AUC and calibration are of the others" if missing == "error" else "are left out"
        notes.append(f"pictures without a prediction ({counts}) {rule}")
    return notes


def _label_notes(rows: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> list[str]:
    counts = Counter(str(row["true_label"]) for row in rows)
    unknown = class_order(set(counts) - set(classes))
    if len(unknown) == len(counts):
        raise TrainingError(
            f"None of the true labels ({', '.join(unknown)}) is a class of the model ({', '.join(classes)}); score it "
            "on data of the same classes."
        )
    notes = [
        f"the model does not know the label {label!r}; its {counts[label]} rows count as wrong" for label in unknown
    ]
    unseen = [label for label in classes if label not in counts]
    if unseen:
        notes.append(f"no row is truly {', '.join(unseen)}, so balanced accuracy and AUC are of the other classes")
    return notes


def _split_by(
    rows: Sequence[Mapping[str, Any]], column: str, hidden: Sequence[str]
) -> tuple[dict[str, Ints], list[str]]:
    """Return the places of the rows with each value of a column, in the values' order, and a note if it was cut."""
    columns = [name for name in dict.fromkeys(key for row in rows for key in row) if name not in hidden]
    if column not in columns:
        raise TrainingError(f"No column {column!r}.{did_you_mean(column, columns)} Known: {', '.join(columns)}.")
    # NaN is the one value that is not itself.
    values = [value if value == value else None for value in (row.get(column) for row in rows)]
    seen = {value for value in values if value is not None}
    notes = []
    numbers = all(isinstance(value, (int, float)) for value in seen)
    if numbers and len(seen) > MOST_VALUES:
        held = [value for value in values if value is not None]
        edges = np.unique(np.quantile(held, [0, 0.25, 0.5, 0.75, 1], method="inverted_cdf"))
        names = [
            f"{edges[0]:g} to {edges[1]:g}",
            *(f"over {a:g} to {b:g}" for a, b in pairwise(edges[1:])),
        ]
        order: list[Any] = names
        values = [None if v is None else names[max(0, int(np.searchsorted(edges, v)) - 1)] for v in values]
        notes.append(f"{column} has {len(seen)} different numbers; they are cut at its quartiles")
    else:
        order = sorted(seen) if numbers else class_order(str(value) for value in seen)
        values = [None if v is None else v if numbers else str(v) for v in values]
    places = {_name(v): np.flatnonzero([value == v for value in values]) for v in order}
    without = np.flatnonzero([value is None for value in values])
    return places | ({NONE: without} if len(without) else {}), notes


def _score_part(coded: _Coded, resamples: int, seed: int) -> dict[str, Any]:
    scores, resampled = coded.score(resamples, seed)
    return {"n": len(coded.truth), "resampled": resampled, "metrics": {name: _score(scores[name]) for name in NAMES}}


def _per_class(coded: _Coded, scores: Mapping[str, Interval]) -> dict[str, dict[str, Any]]:
    counts = np.bincount(coded.truth, minlength=len(coded.labels))
    table: dict[str, dict[str, Any]] = {}
    for i, label in enumerate(coded.labels):
        table[label] = {"rows": int(counts[i]), **{name: _score(scores[name], i) for name in PER_CLASS}}
        known = i < coded.classes
        table[label]["auc"] = _score(scores["auc"], i) if known else dict.fromkeys(("value", "low", "high"), np.nan)
    return table


def _confusion(coded: _Coded) -> dict[str, Any]:
    counts = metrics.confusion_matrix(coded.truth, coded.predicted, len(coded.labels), len(coded.columns))
    return {"rows": coded.labels, "columns": coded.columns, "counts": counts.astype(int).tolist()}


def _roc(coded: _Coded, areas: Floats) -> dict[str, dict[str, Any]]:
    curves = {}
    for i, label in enumerate(coded.labels[: coded.classes]):
        false, true = metrics.roc_curve(coded.truth[coded.scored] == i, coded.probabilities[:, i])
        curves[label] = {"auc": float(areas[i]), "fpr": false.tolist(), "tpr": true.tolist()}
    return curves


def _calibration(coded: _Coded) -> list[dict[str, float]]:
    bins = metrics.calibration_bins(coded.right, coded.confidence)
    return [
        {
            "lower": i / len(bins),
            "upper": (i + 1) / len(bins),
            "n": int(n),
            "confidence": float(confidence / n) if n else np.nan,
            "accuracy": float(right / n) if n else np.nan,
        }
        for i, (n, right, confidence) in enumerate(bins)
    ]


def _score(interval: Interval, place: int | None = None) -> dict[str, float]:
    ends = interval if place is None else (part[place] for part in interval)
    return dict(zip(("value", "low", "high"), map(float, ends), strict=True))


def _name(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
