"""What a network is to answer: each class's share of a picture, how much classes count, how often they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from hybridfer.datasets.fer2013 import RULES, VOTES
from hybridfer.errors import TrainingError, did_you_mean

VOTE_RULES = ("majority", "argmax", "soft")
"""How FER+ votes become targets: one class, as ``--labels ferplus-majority`` and ``ferplus-argmax`` do, or shares."""

SUM_TOLERANCE = 1e-3
"""How far the shares of a picture may add to something else than 1; half precision rounds them."""


def class_shares(targets: Tensor, classes: int) -> Tensor:
    """Return the share that each class has of each picture, checked.

    Parameters
    ----------
    targets : (n,) integer or (n, K) float
        A class of each picture, counted from 0, or shares already: votes, or classes mixed by mixup.
    classes : int
        K.

    Returns
    -------
    (n, K) float

    Raises
    ------
    TrainingError
        If targets have another shape or type, name a class that is not there, or hold NaN, a negative share or shares
        that do not add to 1.

    Examples
    --------
    >>> class_shares(torch.tensor([1, 0]), 3)
    tensor([[0., 1., 0.],
            [1., 0., 0.]])
    """
    if targets.ndim == 1 and targets.dtype in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64):
        _refuse((targets < 0) | (targets >= classes), targets, f"a class from 0 to {classes - 1}")
        return F.one_hot(targets.long(), classes).float()
    if targets.ndim != 2 or targets.shape[1] != classes or not targets.is_floating_point():
        kind = str(targets.dtype).removeprefix("torch.")
        raise TrainingError(
            f"Targets are {kind} of shape {tuple(targets.shape)}; expected whole numbers (n,), or each class's share, "
            f"floats (n, {classes})."
        )
    # NaN is neither 0 or more nor near 1, so that these two find it.
    good = (targets >= 0).all(1) & ((targets.sum(1) - 1).abs() <= SUM_TOLERANCE)
    _refuse(~good, targets, "shares of 0 or more that add to 1")
    return targets


def _refuse(bad: Tensor, targets: Tensor, expected: str) -> None:
    if bad.any():
        row = int(bad.nonzero()[0])
        raise TrainingError(
            f"{int(bad.sum())} of {len(targets)} targets cannot be learnt, the first of them row {row}, "
            f"{targets[row].tolist()}; expected {expected}. Correct the labels, or leave such pictures out."
        )


def balanced_weights(counts: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return how much each class counts so that all count alike: the mean number of pictures over the class's own.

    Parameters
    ----------
    counts : (K,) array_like
        Pictures of each class, or the sums of its shares. A class without any has the weight 0, and the mean is that of
        the others.

    Returns
    -------
    (K,) float64
        Weighted by these, the mean picture counts 1.

    Raises
    ------
    TrainingError
        If there are no pictures, or a count is no number.

    Examples
    --------
    >>> balanced_weights([30, 10, 0])
    array([0.66666667, 2.        , 0.        ])
    """
    numbers = np.asarray(counts, np.float64)
    if not (numbers >= 0).all() or not 0 < numbers.sum() < np.inf:
        raise TrainingError(f"Classes have {numbers.tolist()} pictures; expected numbers of 0 or more, not all 0.")
    weights = np.zeros_like(numbers)
    there = numbers > 0
    weights[there] = numbers[there].mean() / numbers[there]
    return weights


def resampled_rows(labels: npt.NDArray[Any], random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return the rows of an epoch by minimal random resampling: of every class as many as the rarest has, shuffled.

    No row comes twice in an epoch; the next one, drawn from the same generator, has other rows of the larger classes.

    Parameters
    ----------
    labels : (n,) array
        Class of each row; only classes that occur count.
    random : Generator

    References
    ----------
    J. Shi, S. Zhu, Z. Liang, "Learning to Amend Facial Expression Representation via De-albino and Affinity", 2021,
    doi 10.48550/arXiv.2103.10189.

    Examples
    --------
    >>> rows = resampled_rows(np.array([0, 0, 0, 1, 1]), np.random.default_rng(0))
    >>> len(rows), np.sort(rows)[2:]
    (4, array([3, 4]))
    """
    kinds, counts = np.unique(labels, return_counts=True)
    if len(kinds) == 0:
        raise TrainingError("There are no labels to draw an epoch from; expected one of each picture.")
    drawn = [random.choice(np.flatnonzero(labels == kind), counts.min(), replace=False) for kind in kinds]
    return random.permutation(np.concatenate(drawn))


def vote_targets(
    votes: npt.NDArray[np.integer[Any]], rule: str, classes: Sequence[str]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return the share that FER+'s voters gave each class, and which pictures have any.

    ``majority`` and ``argmax`` name one class, as the data set's labels do. ``soft`` takes the most frequent answers
    until they make up three quarters of the votes and keeps at most three, as the authors train on: single votes are
    struck out, and a picture without more than half of what is left, or most often called unknown or no face, is
    left out. Where `classes` lacks an expression (FER2013 has no contempt), its votes are dropped from soft shares.

    Parameters
    ----------
    votes : (n, 10) int
        In the order of FER+: the eight expressions, unknown, no face.
    rule : {"majority", "argmax", "soft"}
    classes : sequence of str
        The network's classes in order.

    Returns
    -------
    shares : (n, K) float32
        Rows add to 1; 0 in those that are left out.
    kept : (n,) bool

    Raises
    ------
    TrainingError
        If there is no such rule, or votes are not ten of each picture, or negative.

    References
    ----------
    E. Barsoum, C. Zhang, C. Canton Ferrer, Z. Zhang, "Training Deep Networks for Facial Expression Recognition with
    Crowd-Sourced Label Distribution", ICMI 2016, doi 10.1145/2993148.2993165.

    Examples
    --------
    >>> votes = np.array([[5, 0, 0, 3, 1, 0, 0, 0, 1, 0]])
    >>> shares, kept = vote_targets(votes, "soft", ("anger", "sadness", "neutral"))
    >>> shares, kept
    (array([[0.   , 0.375, 0.625]], dtype=float32), array([ True]))
    """
    if rule not in VOTE_RULES:
        hint = did_you_mean(rule, VOTE_RULES)
        raise TrainingError(f"No rule of votes named {rule!r}.{hint} Known: {', '.join(VOTE_RULES)}.")
    if votes.ndim != 2 or votes.shape[1] != len(VOTES):
        raise TrainingError(f"Votes have the shape {votes.shape}; expected (n, {len(VOTES)}): {', '.join(VOTES)}.")
    if (votes < 0).any():
        row, place = np.argwhere(votes < 0)[0]
        raise TrainingError(f"Row {row} of the votes has {votes[row, place]}; expected 0 or more of each answer.")
    counted = np.array([_soft_votes(row) if rule == "soft" else _one_vote(row, rule) for row in votes])
    counted = counted.reshape(-1, len(VOTES))
    shares = np.zeros((len(votes), len(classes)), np.float32)
    for place, name in enumerate(classes):
        if name in VOTES:
            shares[:, place] = counted[:, VOTES.index(name)]
    total = shares.sum(1, keepdims=True)
    return np.divide(shares, total, out=shares, where=total > 0), total[:, 0] > 0


def _one_vote(votes: npt.NDArray[Any], rule: str) -> npt.NDArray[np.float64]:
    label = RULES[f"ferplus-{rule}"](votes) if votes.any() else None
    return np.array([name == label for name in VOTES], np.float64)


def _soft_votes(votes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the votes that count, of ten; none where the picture is to be left out."""
    left = np.where(votes > 1, votes, 0)
    expressions = np.arange(len(VOTES)) < VOTES.index("unknown")
    taken = np.zeros(len(VOTES))
    for most in sorted(set(left[left > 0].tolist()), reverse=True):
        if 4 * taken.sum() >= 3 * left.sum() or np.count_nonzero(taken) >= 3:
            break
        equal = left == most
        taken[equal & expressions] = most
        if (equal & ~expressions).any():
            break
    clear = 2 * taken.sum() > left.sum() and np.count_nonzero(taken) <= 3
    return taken if clear else np.zeros(len(VOTES))
