"""Bootstrap intervals: how far a score may move had other rows, or other subjects, been drawn.

Rows are drawn with replacement [1]_. Pictures of one person are no independent draws, so where subjects are known the
subjects are drawn, each with all its rows.

.. [1] Efron, B. Bootstrap methods: another look at the jackknife. Annals of Statistics 7, 1-26 (1979).
   https://doi.org/10.1214/aos/1176344552
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hybridfer.errors import TrainingError, did_you_mean
from hybridfer.evaluation import metrics
from hybridfer.evaluation.metrics import Floats
from hybridfer.labels import class_order

LEVEL = 0.95
FEWEST_RESAMPLES = 100

_CHUNK = 1 << 21
"""Weights held at a time, so that memory does not grow with the number of resamples."""

OF_CONFUSION: dict[str, Callable[[Floats], Floats]] = {
    "accuracy": metrics.accuracy,
    "balanced_accuracy": metrics.balanced_accuracy,
    "macro_f1": metrics.macro_f1,
}
"""Scores that a confusion matrix is enough for."""

Statistics = Callable[[Floats], Mapping[str, Floats]]
"""Takes weights ``(m, n)``, how often each of n rows was drawn in each of m resamples; returns ``(m, ...)`` by name."""


class Interval(NamedTuple):
    """Values ``(...)`` and the ends of their 95 % intervals; NaN where a score does not exist."""

    value: Floats
    low: Floats
    high: Floats


def bootstrap_interval(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    metric: str = "accuracy",
    groups: Sequence[object] | npt.NDArray[np.object_] | None = None,
    seed: int = 0,
    resamples: int = 2000,
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of one score of predicted labels.

    Parameters
    ----------
    y_true, y_pred : (n,) of str
    metric : {"accuracy", "balanced_accuracy", "macro_f1"}
    groups : (n,) of str or None, optional
        Whose each row is. Whole groups are drawn; a row whose group is None is a group of its own.
    seed : int
    resamples : int
        At least 100.

    Returns
    -------
    tuple[float, float]
        The 2.5th and 97.5th percentile.

    Raises
    ------
    TrainingError
        If there are no rows, lengths differ, the metric is not known or there are too few resamples.

    Examples
    --------
    >>> low, high = bootstrap_interval(["a"] * 50 + ["b"] * 50, ["a"] * 90 + ["b"] * 10)
    >>> 0.4 < low < 0.6 < high < 0.8
    True
    """
    if metric not in OF_CONFUSION:
        raise TrainingError(
            f"No metric {metric!r} here.{did_you_mean(metric, OF_CONFUSION)} Known: {', '.join(OF_CONFUSION)}."
        )
    true = [str(label) for label in np.asarray(y_true, dtype=object)]
    said = [str(label) for label in np.asarray(y_pred, dtype=object)]
    if len(true) != len(said):
        raise TrainingError(f"There are {len(true)} true labels and {len(said)} predicted ones; expected as many.")
    labels = class_order([*true, *said])
    truth, predicted = metrics.label_codes(true, labels), metrics.label_codes(said, labels)

    def statistics(weights: Floats) -> dict[str, Floats]:
        return {metric: OF_CONFUSION[metric](metrics.confusion_matrix(truth, predicted, len(labels), weights=weights))}

    scores = bootstrap_intervals(statistics, len(true), groups=groups, seed=seed, resamples=resamples)
    return float(scores[metric].low), float(scores[metric].high)


def bootstrap_intervals(
    statistics: Statistics,
    n: int,
    *,
    groups: Sequence[object] | npt.NDArray[np.object_] | None = None,
    seed: int = 0,
    resamples: int = 2000,
    centred: Collection[str] = (),
) -> dict[str, Interval]:
    """Return many scores and their 95 % percentile intervals, all from the same resamples.

    Parameters
    ----------
    statistics : callable
        See :data:`Statistics`.
    n : int
        How many rows there are.
    groups : (n,) of str or None, optional
        As for :func:`bootstrap_interval`.
    seed : int
    resamples : int
        At least 100.
    centred : collection of str
        Scores (one number each) that resampling itself raises, such as the calibration error, which grows with every
        doubled row: their resampled values are moved so that their mean is the value, and cut at 0.

    Returns
    -------
    dict[str, Interval]
        By name. Resamples in which a score does not exist (a class was not drawn) are left out of its percentiles.

    Raises
    ------
    TrainingError
        If there are no rows, too few resamples, or not a group for every row.
    """
    if n == 0:
        raise TrainingError("There are no rows to score; expected at least one with a known label.")
    if resamples < FEWEST_RESAMPLES:
        raise TrainingError(
            f"{resamples} resamples are too few for a 95 % interval; expected {FEWEST_RESAMPLES} or more, such as 2000."
        )
    values = {name: value[0] for name, value in statistics(np.ones((1, n))).items()}
    parts = [statistics(weights) for weights in _weights(n, groups, seed, resamples)]
    scores = {}
    for name, value in values.items():
        drawn = np.concatenate([part[name] for part in parts])
        if name in centred:
            known = drawn[~np.isnan(drawn)]
            drawn = np.maximum(known - known.mean() + value, 0) if len(known) else drawn
        scores[name] = Interval(value, *_percentiles(drawn))
    return scores


def _percentiles(drawn: Floats) -> tuple[Floats, Floats]:
    columns = drawn.reshape(len(drawn), -1)
    ends = np.full((2, columns.shape[1]), np.nan)
    for i, column in enumerate(columns.T):
        known = column[~np.isnan(column)]
        if len(known):
            ends[:, i] = np.percentile(known, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    low, high = ends.reshape(2, *drawn.shape[1:])
    return low, high


def _weights(
    n: int, groups: Sequence[object] | npt.NDArray[np.object_] | None, seed: int, resamples: int
) -> Iterator[Floats]:
    """Yield weights ``(m, n)`` of some resamples at a time."""
    codes, count = _group_codes(groups, n)
    random = np.random.default_rng(seed)
    step = max(1, _CHUNK // n)
    for start in range(0, resamples, step):
        m = min(step, resamples - start)
        chosen = random.integers(count, size=(m, count)) + count * np.arange(m)[:, None]
        drawn = np.bincount(chosen.ravel(), minlength=m * count).reshape(m, count)
        yield drawn[:, codes].astype(np.float64)


def _group_codes(groups: Sequence[object] | npt.NDArray[np.object_] | None, n: int) -> tuple[npt.NDArray[np.intp], int]:
    """Return which group each row belongs to, and how many there are."""
    if groups is None:
        return np.arange(n), n
    if len(groups) != n:
        raise TrainingError(f"There are {n} rows and {len(groups)} groups; expected one group a row.")
    places: dict[tuple[str, object], int] = {}
    codes = [
        places.setdefault(("row", i) if group is None else ("group", group), len(places))
        for i, group in enumerate(groups)
    ]
    return np.array(codes, dtype=np.intp), len(places)
