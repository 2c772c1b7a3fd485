"""What points of faces are worth: how far they are from where people marked them, in sizes of the face.

The error of a face is the mean distance of its points from their places, divided by a length of the marked face. Of
many faces are told its mean (NME), the share of faces above a limit (failure rate, FR) and the area under the
cumulative distribution of errors (CED) up to the limit (AUC), over the limit: all as WFLW's authors [1]_ have it. A
face that was not found has no error: it is a failure and adds nothing to the area, and how many there are is told with
the mean of the others.

Paper 001 [2]_ defines the distribution by errors *not less than* the limit; what its figures show, and what is here,
are those not greater. What it gains over HRNetV2-W18 alone (4.39 against 4.60) is less than other training of the same
network does: mmpose's has 4.06.

.. [1] Wu, W. et al. Look at boundary: a boundary-aware face alignment algorithm. CVPR (2018).
   https://doi.org/10.1109/CVPR.2018.00227
.. [2] Wang, Z. et al. Research on facial expression capture based on two-stage neural network (the method MTHR-Face,
   2022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.datasets.points import ATTRIBUTES
from hybridfer.errors import TrainingError, did_you_mean
from hybridfer.evaluation.intervals import LEVEL, bootstrap_intervals
from hybridfer.evaluation.metrics import Floats
from hybridfer.evaluation.result import json_text, shown_score, text_table
from hybridfer.faces.schemes import scheme_of, to_ibug68

LIMIT = 0.1
"""Error above which a face is a failure, and up to which the area is taken."""

LENGTHS = {
    "ocular": "distance of the eyes' outer corners",
    "pupil": "distance of the pupils",
    "box": "root of the area of the points' box",
}
"""What errors may be divided by, and how a text calls it."""

NAMES = {"nme": "NME", "failure_rate": "FR", "auc": "AUC"}
"""The scores, in order, and how a table calls them."""

WHOLE = "fullset"

CURVE_POINTS = 201

PUBLISHED: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "LAB": {
        "nme": (5.27, 10.24, 5.51, 5.23, 5.15, 6.79, 6.32),
        "failure_rate": (7.56, 28.83, 6.37, 6.73, 7.77, 13.72, 10.74),
        "auc": (0.5323, 0.2345, 0.4951, 0.5433, 0.5394, 0.4490, 0.4630),
    },
    "HRNetV2-W18": {
        "nme": (4.60, 7.86, 4.79, 4.57, 4.26, 5.42, 5.36),
        "failure_rate": (3.24, 16.8, 2.23, 3.01, 1.94, 5.98, 4.53),
        "auc": (0.5528, 0.2860, 0.5360, 0.5616, 0.5763, 0.4862, 0.4886),
    },
    "MTHR-Face": {
        "nme": (4.39, 7.38, 4.61, 4.32, 3.76, 5.11, 4.90),
        "failure_rate": (3.02, 14.8, 2.19, 2.83, 1.86, 5.64, 4.12),
        "auc": (0.5871, 0.3242, 0.5579, 0.5692, 0.5957, 0.5388, 0.5536),
    },
}
"""Table 1 of paper 001: WFLW's 2,500 test faces, then its six subsets in the order of ATTRIBUTES; NME and FR in %."""


@dataclass(frozen=True)
class LandmarkEvaluation:
    """What points are worth.

    Every score is ``{"value", "low", "high"}``: the score and its 95 % bootstrap interval, NaN where it does not exist.

    Attributes
    ----------
    faces, missed : int
        Marked faces, and those of them that were not found.
    metrics : dict
        ``nme``, ``failure_rate`` and ``auc`` to a score; all are shares, where papers tell the first two in %.
    subsets : dict
        Of WFLW's marks, those that any face has, to ``faces``, ``missed`` and ``metrics``.
    curve : list of dict
        From 0 to the limit: ``error``, and the ``share`` of faces whose error is no greater.
    protocol : dict
        How it was measured.
    """

    faces: int
    missed: int
    metrics: dict[str, dict[str, float]]
    subsets: dict[str, dict[str, Any]]
    curve: list[dict[str, float]]
    protocol: dict[str, Any]

    def to_json(self) -> str:
        """Return everything as a JSON object, one line for each attribute; NaN is null."""
        return json_text(vars(self))

    def summary(self) -> str:
        """Return the scores of the whole and of the subsets as text."""
        protocol = self.protocol
        head = (
            f"{self.faces} faces of {protocol['points']} points; errors in {LENGTHS[protocol['length']]}, limit "
            f"{protocol['limit']:g}; {LEVEL:.0%} intervals from {protocol['resamples']} resamples of "
            f"{protocol['resampled']}, seed {protocol['seed']}"
        )
        whole = {"faces": self.faces, "missed": self.missed, "metrics": self.metrics}
        rows = [["", "faces", "not found", *NAMES.values()]]
        for name, part in {WHOLE: whole, **self.subsets}.items():
            scores = [shown_score(part["metrics"][metric]) for metric in NAMES]
            rows.append([name, str(part["faces"]), str(part["missed"]), *scores])
        return f"{head}\n\n{text_table(rows)}\n"


def evaluate_landmarks(
    found: npt.ArrayLike,
    truth: npt.ArrayLike,
    *,
    length: str = "ocular",
    limit: float = LIMIT,
    attributes: Sequence[Mapping[str, bool]] | None = None,
    subjects: Sequence[str | None] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> LandmarkEvaluation:
    """Return what points are worth, on all faces and on WFLW's six subsets.

    Parameters
    ----------
    found, truth, length
        As in :func:`face_errors`.
    limit : float
        Error above which a face is a failure.
    attributes : sequence of n mappings, optional
        Of each face, WFLW's marks; see :data:`~hybridfer.datasets.points.ATTRIBUTES`.
    subjects : sequence of n str, optional
        Of each face, who it is: whole subjects are drawn for the intervals.
    resamples : int
        At least 100.
    seed : int

    Raises
    ------
    TrainingError
        As :func:`face_errors`, or if there are no faces, too few resamples or no such limit.
    SpecError
        If the points are not WFLW's 98 or iBUG's 68.

    Examples
    --------
    >>> truth = np.random.default_rng(0).uniform(0, 100, (10, 98, 2))
    >>> away = truth + [0.05, 0] * np.linalg.norm(truth[:, 60] - truth[:, 72], axis=1)[:, None, None]
    >>> round(evaluate_landmarks(away, truth).metrics["auc"]["value"], 6)
    0.5
    """
    if not limit > 0:
        raise TrainingError(f"A limit of {limit:g} is out of range; expected more than 0, such as {LIMIT:g}.")
    errors = face_errors(found, truth, length)
    given = attributes or [{}] * len(errors)
    if len(given) != len(errors):
        raise TrainingError(f"There are {len(errors)} faces and marks of {len(given)}; expected as many.")
    marked = {name: np.array([bool(each.get(name)) for each in given], dtype=np.float64) for name in ATTRIBUTES}
    parts = {WHOLE: np.ones(len(errors)), **{name: some for name, some in marked.items() if some.any()}}
    seen = np.isfinite(errors)
    near = np.where(seen, errors, 0)
    failed = (errors > limit).astype(np.float64)
    inside = np.maximum(0, limit - np.where(seen, errors, limit)) / limit

    def statistics(weights: Floats) -> dict[str, Floats]:
        scores = {}
        for name, some in parts.items():
            total = weights @ some
            scores[f"nme {name}"] = _share(weights @ (some * near), weights @ (some * seen))
            scores[f"failure_rate {name}"] = _share(weights @ (some * failed), total)
            scores[f"auc {name}"] = _share(weights @ (some * inside), total)
        return scores

    clustered = len(set(subjects or ()) - {None}) > 1
    intervals = bootstrap_intervals(
        statistics, len(errors), groups=subjects if clustered else None, seed=seed, resamples=resamples
    )

    def told(name: str) -> dict[str, Any]:
        some = parts[name] > 0
        scores = {metric: intervals[f"{metric} {name}"] for metric in NAMES}
        return {
            "faces": int(some.sum()),
            "missed": int((some & ~seen).sum()),
            "metrics": {
                metric: dict(zip(("value", "low", "high"), map(float, score), strict=True))
                for metric, score in scores.items()
            },
        }

    steps = np.linspace(0, limit, CURVE_POINTS)
    return LandmarkEvaluation(
        **told(WHOLE),
        subsets={name: told(name) for name in parts if name != WHOLE},
        curve=[
            {"error": float(step), "share": float(share)}
            for step, share in zip(steps, error_distribution(errors, steps), strict=True)
        ],
        protocol={
            "points": min(np.shape(found)[1], np.shape(truth)[1]),
            "length": length,
            "limit": limit,
            "resamples": resamples,
            "resampled": "subjects" if clustered else "faces",
            "interval": LEVEL,
            "seed": seed,
        },
    )


def face_errors(found: npt.ArrayLike, truth: npt.ArrayLike, length: str = "ocular") -> Floats:
    """Return the error of each face ``(n,)``: the mean distance of its points, in a length of the marked face.

    Parameters
    ----------
    found : (n, k, 2) array
        NaN where a face was not found: its error is infinite.
    truth : (n, k, 2) array
        As people marked it; points that are NaN count for nothing. Where one of both has WFLW's 98 points and the
        other iBUG's 68, the 68 are compared.
    length : {"ocular", "pupil", "box"}
        What distances are divided by: the distance of the outer corners of the eyes, as for WFLW and 300-W; that of
        the pupils, which of iBUG's points are the middles of the eyes' outlines; or the root of the area of the box of
        the points, which a turned head shortens less.

    Raises
    ------
    TrainingError
        If there is no such length, numbers of faces differ, or a marked face does not have the length.
    SpecError
        If the points are not WFLW's 98 or iBUG's 68.

    Examples
    --------
    >>> truth = np.zeros((1, 68, 2))
    >>> truth[0, 45] = 40, 30
    >>> face_errors(truth + [3, 4], truth).round(6).tolist()
    [0.1]
    """
    if length not in LENGTHS:
        raise TrainingError(f"No length {length!r}.{did_you_mean(length, LENGTHS)} Known: {', '.join(LENGTHS)}.")
    said, marked = np.asarray(found, np.float64), np.asarray(truth, np.float64)
    if scheme_of(said) is not scheme_of(marked):
        said, marked = to_ibug68(said), to_ibug68(marked)
    if said.shape != marked.shape or said.ndim != 3:
        raise TrainingError(f"There are points of {len(said)} faces and marks of {len(marked)}; expected as many.")
    lengths = _lengths(marked, length)
    without = np.flatnonzero(~(lengths > 0))
    if len(without):
        raise TrainingError(
            f"Marked face {without[0]}, counted from 0, has no {LENGTHS[length]}: a point it takes is unknown, or both "
            "are in one place. Leave the face out, or divide by another length."
        )
    known = np.isfinite(marked).all(-1)
    away = np.linalg.norm(said - marked, axis=-1)
    away = np.where(np.isnan(away), np.inf, away)
    return np.asarray(np.where(known, away, 0).sum(1) / known.sum(1) / lengths)


def _lengths(marked: Floats, length: str) -> Floats:
    scheme = scheme_of(marked)
    if length == "box":
        known = np.isfinite(marked)
        low = np.where(known, marked, np.inf).min(1)
        high = np.where(known, marked, -np.inf).max(1)
        return np.asarray(np.sqrt(np.maximum(high - low, 0).prod(1)))
    groups = scheme.pupils if length == "pupil" else [(corner,) for corner in scheme.corners]
    left, right = (marked[:, list(group)].mean(1) for group in groups)
    return np.asarray(np.linalg.norm(right - left, axis=1))


def error_distribution(errors: Floats, at: npt.ArrayLike) -> Floats:
    """Return for each value of `at` the share of errors that are no greater (CED)."""
    return np.asarray(np.searchsorted(np.sort(errors), np.asarray(at, np.float64), side="right") / len(errors))


def published_area(errors: Floats, limit: float = LIMIT, samples: int = 1001) -> float:
    """Return the area under the distribution of errors up to a limit, over the limit, as code in common use has it.

    That is Simpson's rule over an odd number of samples, which with these lies up to 0.0003 above the area itself, the
    ``auc`` of :func:`evaluate_landmarks`.

    Examples
    --------
    >>> round(published_area(np.full(3, 0.05)), 4)
    0.5003
    """
    shares = error_distribution(errors, np.arange(samples) * (limit / (samples - 1)))
    weights = np.where(np.arange(samples) % 2 == 1, 4, 2)
    weights[[0, -1]] = 1
    return float(weights @ shares / (3 * (samples - 1)))


def comparison_table(evaluations: Mapping[str, LandmarkEvaluation], published: bool = True) -> str:
    """Return evaluations side by side in the form of paper 001's Table 1, for WFLW's test faces.

    Parameters
    ----------
    evaluations : mapping
        Method to its evaluation, by the outer corners of the eyes and with the usual limit.
    published : bool
        Whether the paper's own rows come first.
    """
    columns = [WHOLE, *ATTRIBUTES]
    rows = [["metric", "method", *columns]]
    for metric, factor, digits in (("nme", 100, 2), ("failure_rate", 100, 2), ("auc", 1, 4)):
        title = NAMES[metric] + (" (%)" if factor == 100 else f"@{LIMIT:g}")
        values = {name: list(scores[metric]) for name, scores in PUBLISHED.items()} if published else {}
        for name, each in evaluations.items():
            parts = {WHOLE: {"metrics": each.metrics}, **each.subsets}
            values[name] = [
                factor * parts[column]["metrics"][metric]["value"] if column in parts else np.nan for column in columns
            ]
        for name, scores in values.items():
            rows.append([title, name, *("-" if np.isnan(score) else f"{score:.{digits}f}" for score in scores)])
            title = ""
    return text_table(rows) + "\n"


def _share(part: Floats, whole: Floats) -> Floats:
    share: Floats = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)
    return share
