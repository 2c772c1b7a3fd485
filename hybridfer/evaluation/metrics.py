"""Scores of predictions, from arrays: confusion matrix, recall, precision, F1, AUC, calibration.

Everything takes rows with weights, so that a bootstrap resample is one row of weights (how often each row was drawn)
and thousands of resamples are one matrix. A confusion matrix may therefore have leading axes, ``(..., r, c)``; its
columns begin with the labels of its rows and may go on with columns for rows that got no prediction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hybridfer.errors import TrainingError, did_you_mean

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

CALIBRATION_BINS = 15
"""Equal-width bins of the confidence, as Guo et al. (2017) use."""


def label_codes(values: npt.ArrayLike, labels: Sequence[str]) -> Ints:
    """Return each value's place in `labels`.

    Parameters
    ----------
    values : (n,) of str
    labels : sequence of str
        In order, without repeats.

    Returns
    -------
    (n,) int array

    Raises
    ------
    TrainingError
        If a value is not among `labels`.
    """
    place = {label: i for i, label in enumerate(labels)}
    words = [str(value) for value in np.asarray(values, dtype=object)]
    unknown = next((word for word in words if word not in place), None)
    if unknown is not None:
        raise TrainingError(f"No class {unknown!r}.{did_you_mean(unknown, labels)} Known: {', '.join(labels)}.")
    return np.array([place[word] for word in words], dtype=np.intp)


def confusion_matrix(
    truth: Ints, predicted: Ints, rows: int, columns: int | None = None, weights: Floats | None = None
) -> Floats:
    """Return how often each class was taken for each.

    Parameters
    ----------
    truth : (n,) int array
        Codes of the true labels, below `rows`.
    predicted : (n,) int array
        Codes of the predictions, below `columns`.
    rows : int
        How many true labels there are.
    columns : int, optional
        How many outcomes there are: the labels, then kinds of "no prediction"; as many as rows when not given.
    weights : (..., n) float array, optional
        What each row counts; 1 when not given.

    Returns
    -------
    (..., rows, columns) float64 array
        Rows are the truth.

    Examples
    --------
    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    array([[1., 1.],
           [0., 1.]])
    """
    columns = rows if columns is None else columns
    weights = np.ones(len(truth)) if weights is None else weights
    cells = _one_hot(truth * columns + predicted, rows * columns)
    return (weights @ cells).reshape(*weights.shape[:-1], rows, columns)


def accuracy(confusion: Floats) -> Floats:
    """Return the share of rows on the diagonal of a ``(..., r, c)`` confusion matrix; NaN where it is empty."""
    return _share(_hits(confusion).sum(-1), confusion.sum((-2, -1)))


def recall(confusion: Floats) -> Floats:
    """Return each class's ``(..., r)`` share of its rows that were found; NaN for a class without rows."""
    return _share(_hits(confusion), confusion.sum(-1))


def precision(confusion: Floats) -> Floats:
    """Return each class's ``(..., r)`` share of its predictions that were right; NaN where it was never predicted."""
    return _share(_hits(confusion), _predictions(confusion))


def f1(confusion: Floats) -> Floats:
    """Return each class's ``(..., r)`` harmonic mean of precision and recall; NaN where it neither is nor was said.

    A class that has rows or predictions and no hit has 0.
    """
    return _share(2 * _hits(confusion), confusion.sum(-1) + _predictions(confusion))


def balanced_accuracy(confusion: Floats) -> Floats:
    """Return the mean recall of the classes that the truth has."""
    return _mean(recall(confusion))


def macro_f1(confusion: Floats) -> Floats:
    """Return the mean F1 of the classes that have rows or predictions."""
    return _mean(f1(confusion))


def auc_one_vs_rest(truth: Ints, probabilities: Floats, weights: Floats | None = None) -> Floats:
    """Return, for each class, the chance that one of its rows outranks a row of another class; ties count half.

    It is the Mann-Whitney statistic of ranks [1]_, which equals the area under the ROC curve.

    Parameters
    ----------
    truth : (n,) int array
        Codes of the true labels; one beyond the last class belongs to the rest of every class.
    probabilities : (n, k) float array
        A column for each class.
    weights : (..., n) float array, optional
        What each row counts; 1 when not given.

    Returns
    -------
    (..., k) float64 array
        NaN for a class without rows, or without a rest.

    References
    ----------
    .. [1] Hanley, J. A., McNeil, B. J. The meaning and use of the area under a receiver operating characteristic
       (ROC) curve. Radiology 143, 29-36 (1982). https://doi.org/10.1148/radiology.143.1.7063747

    Examples
    --------
    >>> auc_one_vs_rest(np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5]]))
    array([0.5, 0.5])
    """
    weights = np.ones(len(truth)) if weights is None else weights
    # One column a resample: sorting rows then moves whole lines of memory.
    drawn = np.ascontiguousarray(weights.reshape(math.prod(weights.shape[:-1]), len(truth)).T)
    total = drawn.sum(0)
    below = np.zeros((len(truth) + 1, drawn.shape[1]))
    areas = []
    for code, scores in enumerate(probabilities.T):
        order = np.argsort(scores, kind="stable")
        np.cumsum(drawn[order], axis=0, out=below[1:])
        own = np.flatnonzero(truth == code)
        first = np.searchsorted(scores[order], scores[own], side="left")
        last = np.searchsorted(scores[order], scores[own], side="right")
        mine = drawn[own]
        size = mine.sum(0)
        ranks = (mine * (below[first] + below[last])).sum(0) / 2
        areas.append(_share(ranks - size * size / 2, size * (total - size)))
    return np.stack(areas, axis=-1).reshape(*weights.shape[:-1], probabilities.shape[1])


def macro_auc(areas: Floats) -> Floats:
    """Return the mean of ``(..., k)`` areas over the classes that have one."""
    return _mean(areas)


def roc_curve(positive: npt.NDArray[np.bool_], scores: Floats, points: int = 200) -> tuple[Floats, Floats]:
    """Return the ROC curve: for falling thresholds, the share of the rest and of the class at or above it.

    Parameters
    ----------
    positive : (n,) bool array
        Which rows are of the class.
    scores : (n,) float array
        Its probability.
    points : int
        At most so many points are kept, evenly along the curve's thresholds; the ends always are.

    Returns
    -------
    (p,) float64 array, (p,) float64 array
        False and true positive rates, from 0 to 1. Empty where there is no class or no rest.
    """
    if positive.all() or not positive.any():
        return np.empty(0), np.empty(0)
    order = np.argsort(-scores, kind="stable")
    hits = positive[order]
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true = np.append(0.0, np.cumsum(hits)[ends] / hits.sum())
    false = np.append(0.0, np.cumsum(~hits)[ends] / (~hits).sum())
    if len(true) > points:
        kept = np.linspace(0, len(true) - 1, points).round().astype(np.intp)
        true, false = true[kept], false[kept]
    return false, true


def calibration_bins(
    correct: npt.NDArray[np.bool_], confidence: Floats, weights: Floats | None = None, bins: int = CALIBRATION_BINS
) -> Floats:
    """Return, for each bin of the confidence, how many rows it has, how many are right, and their confidences' sum.

    Parameters
    ----------
    correct : (n,) bool array
    confidence : (n,) float array
        The probability given to the predicted class, 0 to 1.
    weights : (..., n) float array, optional
        What each row counts; 1 when not given.
    bins : int
        Of equal width; bin ``m`` of ``M`` holds confidences above ``m / M`` up to ``(m + 1) / M``.

    Returns
    -------
    (..., bins, 3) float64 array
    """
    weights = np.ones(len(correct)) if weights is None else weights
    place = np.clip(np.ceil(confidence * bins).astype(np.intp) - 1, 0, bins - 1)
    hot = _one_hot(place, bins)
    table = np.stack([hot, hot * correct[:, None], hot * confidence[:, None]], axis=-1).reshape(len(correct), 3 * bins)
    return (weights @ table).reshape(*weights.shape[:-1], bins, 3)


def expected_calibration_error(bins: Floats) -> Floats:
    """Return the mean distance of confidence and accuracy over the rows of ``(..., bins, 3)`` calibration bins [1]_.

    References
    ----------
    .. [1] Guo, C., Pleiss, G., Sun, Y., Weinberger, K. Q. On calibration of modern neural networks. ICML 2017.
       https://doi.org/10.48550/arXiv.1706.04599

    Examples
    --------
    >>> bins = calibration_bins(np.array([True, True, False, False]), np.array([0.8, 0.8, 0.8, 0.8]))
    >>> round(float(expected_calibration_error(bins)), 6)
    0.3
    """
    return _share(np.abs(bins[..., 1] - bins[..., 2]).sum(-1), bins[..., 0].sum(-1))


def _one_hot(codes: Ints, length: int) -> Floats:
    table = np.zeros((len(codes), length))
    table[np.arange(len(codes)), codes] = 1
    return table


def _hits(confusion: Floats) -> Floats:
    hits: Floats = np.diagonal(confusion, axis1=-2, axis2=-1)
    return hits


def _predictions(confusion: Floats) -> Floats:
    said: Floats = confusion.sum(-2)[..., : confusion.shape[-2]]
    return said


def _share(part: Floats, whole: Floats) -> Floats:
    share: Floats = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) != 0)
    return share


def _mean(values: Floats) -> Floats:
    known = ~np.isnan(values)
    return _share(np.where(known, values, 0).sum(-1), known.sum(-1))
