"""What the likeness of two matrices is worth: measures, permutations, intervals, the noise ceiling."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from hybridfer.compare.rsa import MEASURES, check_name
from hybridfer.compare.rsa.matrices import square
from hybridfer.evaluation.intervals import Interval, bootstrap_intervals
from hybridfer.evaluation.metrics import Floats

_SIGNED = 256
"""Up to so many pairs the signs of all differences are quicker than Scipy's sorting."""

_SIGNED_MANY = 1024
"""The same where one triangle is compared with thousands."""

_AT_ONCE = 1 << 18
"""Values of permuted matrices held at a time, so that they stay in the processor's cache."""

_ROUNDING = 1e-12


def similarities(x: Floats, y: Floats, measure: str) -> Floats:
    """Return how alike every triangle of the one and every triangle of the other are.

    Parameters
    ----------
    x, y : (a, pairs) and (b, pairs) float64
    measure : {"spearman", "tau-a", "cosine", "pearson"}
        Spearman's rank correlation; Kendall's tau-a, concordant less discordant pairs over all pairs, which prefers a
        model that says nothing of an order over one that guesses it; the cosine; Pearson's correlation.

    Returns
    -------
    (a, b) float64
        From -1 to 1; NaN where a triangle is constant (for the cosine: 0) and the measure does not exist. Tau-a is 0
        there.

    Raises
    ------
    SpecError
        If the measure is unknown.

    References
    ----------
    H. Nili et al., "A toolbox for representational similarity analysis", PLoS Computational Biology 10, 2014, doi
    10.1371/journal.pcbi.1003553.

    Examples
    --------
    >>> similarities(np.array([[1.0, 2, 3, 4]]), np.array([[1.0, 1, 2, 3]]), "tau-a").round(4).tolist()
    [[0.8333]]
    """
    check_name("measure", measure, MEASURES)
    if measure == "tau-a" and x.shape[1] > _SIGNED:
        return _tau_a(x, y)
    found: Floats = np.clip(_ready(x, measure) @ _ready(y, measure).T, -1, 1)
    return found


def ranks(vectors: Floats) -> Floats:
    """Return the ranks of the values in each of ``(a, pairs)`` triangles, from 1; equal ones share their mean."""
    from scipy.stats import rankdata

    found: Floats = rankdata(vectors, axis=1)
    return found


def permutation_p(
    data: Floats, model: Floats, items: int, measure: str, permutations: int = 10_000, seed: int = 0
) -> float:
    """Return how often the data, with their items' names shuffled, are as like the model as they are.

    The likeness is the mean over subjects. The names are shuffled in the model, the same way for all subjects.

    Parameters
    ----------
    data : (subjects, pairs) float64
    model : (pairs,) float64
    items : int
        Of which these are the pairs.
    measure : str
    permutations, seed : int

    Returns
    -------
    float
        ``(b + 1) / (permutations + 1)``, where `b` of the permutations are as alike or more; one-sided, never 0.
    """
    if measure in ("spearman", "tau-a"):
        # What is shuffled keeps its ranks, so they are taken once.
        data, model = ranks(data), ranks(model[None])[0]
    alike = _mean_tau_a(data, model) if measure == "tau-a" else _mean_correlation(data, measure != "cosine")
    least = alike(model[None])[0] - _ROUNDING
    as_alike = sum(int((alike(part) >= least).sum()) for part in _permuted(square(model, items), permutations, seed))
    return (as_alike + 1) / (permutations + 1)


def item_interval(
    data: Floats, model: Floats, items: int, measure: str, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Return the likeness of two triangles and its 95 % interval had other items been chosen.

    Items are drawn with replacement; pairs of an item with itself are left out.

    Parameters
    ----------
    data, model : (pairs,) float64
    items : int
    measure : str
    resamples, seed : int
    """
    both = np.stack([square(data, items), square(model, items)])
    rows, columns = np.triu_indices(items, 1)

    def statistics(weights: Floats) -> dict[str, Floats]:
        values = np.full(len(weights), np.nan)
        for i, counts in enumerate(weights.astype(int)):
            drawn = np.repeat(np.arange(items), counts)
            first, second = drawn[rows], drawn[columns]
            kept = first != second
            copies = counts[rows] * counts[columns]
            if (copies > 0).sum() > 1:
                x, y = both[:, first[kept], second[kept]]
                values[i] = similarities(x[None], y[None], measure)[0, 0]
            if measure == "tau-a":
                # A pair that was drawn twice is tied with itself, which says nothing of the matrices.
                n = copies.sum()
                values[i] *= n * (n - 1) / max(n**2 - (copies**2).sum(), 1)
        return {"similarity": values}

    return bootstrap_intervals(statistics, items, seed=seed, resamples=resamples)["similarity"]


def subject_interval(alike: Floats, resamples: int = 2000, seed: int = 0) -> Interval:
    """Return the mean of the subjects' likenesses ``(subjects,)`` and its 95 % interval had others been asked."""

    def statistics(weights: Floats) -> dict[str, Floats]:
        return {"similarity": weights @ alike / weights.sum(axis=1)}

    return bootstrap_intervals(statistics, len(alike), seed=seed, resamples=resamples)["similarity"]


def signed_rank_p(alike: Floats) -> float:
    """Return Wilcoxon's one-sided p that the subjects' likenesses ``(subjects,)`` lie above 0."""
    from scipy.stats import wilcoxon

    return float(wilcoxon(alike, alternative="greater").pvalue) if alike.any() else 1.0


def noise_ceiling(data: Floats, measure: str) -> tuple[float, float]:
    """Return the least and the most that the best of models could be alike to subjects who differ.

    The most is the mean likeness of each subject with the mean of all, the least that with the mean of the others.
    Before they are averaged, matrices are brought to what the measure looks at: ranks, mean and deviation, or length.

    Parameters
    ----------
    data : (subjects, pairs) float64
    measure : str
    """
    if measure in ("spearman", "tau-a"):
        ready = ranks(data)
    else:
        ready = _unit(data, measure == "pearson")
    whole = ready.sum(axis=0)
    upper = similarities(data, whole[None], measure).mean()
    lower = np.mean([similarities(x[None], (whole - own)[None], measure) for x, own in zip(data, ready, strict=True)])
    return float(lower), float(upper)


def false_discovery(p: Floats) -> Floats:
    """Return, for each of several p, the least rate of false discoveries at which it counts (Benjamini, Hochberg)."""
    from scipy.stats import false_discovery_control

    found: Floats = false_discovery_control(p)
    return found


def _mean_correlation(data: Floats, centre: bool) -> Callable[[Floats], Floats]:
    """Return what takes triangles ``(b, pairs)`` to their mean correlation, or cosine, with those of `data`."""
    mean: Floats = _unit(data, centre).mean(axis=0)

    def alike(models: Floats) -> Floats:
        found: Floats = _unit(models, centre) @ mean
        return found

    return alike


def _mean_tau_a(data: Floats, model: Floats) -> Callable[[Floats], Floats]:
    """Return what takes triangles ``(b, pairs)`` with the values of `model` to their mean tau-a with those of `data`.

    Parameters
    ----------
    data, model : (subjects, pairs) and (pairs,) float64
        Ranks.
    """
    subjects, pairs = data.shape
    most = subjects * pairs * (pairs - 1) / 2
    if len(np.unique(model)) == 2:
        # Pairs of one value cancel out: what is left is by how many a pair of the greater one outranks the others.
        lead = (2 * data - pairs - 1).sum(axis=0)
        return lambda models: (models == model.max()) @ lead / most
    if pairs > _SIGNED_MANY:
        return lambda models: _tau_a(data, models).mean(axis=0)
    signs = sum(np.sign(ranked[:, None] - ranked) for ranked in data).astype(np.float32)

    def alike(models: Floats) -> Floats:
        # Twice a rank is a whole number, and so are all sums.
        codes = (2 * models).astype(np.int16)
        total = np.zeros(len(codes))
        for i in range(pairs - 1):
            total += np.sign(codes[:, i, None] - codes[:, i + 1 :]).astype(np.float32) @ signs[i, i + 1 :]
        total /= most
        return total

    return alike


def _ready(vectors: Floats, measure: str) -> Floats:
    """Return vectors whose products are the likeness by a measure."""
    if measure == "tau-a":
        first, second = np.triu_indices(vectors.shape[1], 1)
        signs: Floats = np.sign(vectors[:, first] - vectors[:, second]) / np.sqrt(len(first))
        return signs
    return _unit(ranks(vectors) if measure == "spearman" else vectors, measure != "cosine")


def _unit(vectors: Floats, centre: bool) -> Floats:
    """Return vectors of length 1, NaN where there is no direction; first less their mean if `centre`."""
    moved = vectors - vectors.mean(axis=1, keepdims=True) if centre else vectors
    norms = np.linalg.norm(moved, axis=1, keepdims=True)
    none = norms <= _ROUNDING * np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Floats = moved / np.where(none, np.nan, norms)
    return found


def _tau_a(x: Floats, y: Floats) -> Floats:
    """Return tau-a of long triangles by Scipy's tau-b, which divides by the counts of untied pairs instead."""
    from scipy.stats import kendalltau

    pairs = x.shape[1]
    taus = np.zeros((len(x), len(y)))
    loose = [[_untied(vector) for vector in part] for part in (x, y)]
    for i, j in np.ndindex(taus.shape):
        if loose[0][i] and loose[1][j]:
            tau_b = float(kendalltau(x[i], y[j], method="asymptotic").statistic)
            taus[i, j] = tau_b * np.sqrt(loose[0][i] * loose[1][j])
    taus /= pairs * (pairs - 1) / 2
    return taus


def _untied(vector: Floats) -> float:
    """Return how many pairs of values differ."""
    counts = np.unique(vector, return_counts=True)[1].astype(float)
    return float((len(vector) * (len(vector) - 1) - (counts * (counts - 1)).sum()) / 2)


def _permuted(matrix: Floats, permutations: int, seed: int) -> Iterator[Floats]:
    """Yield the triangles of a matrix whose items are shuffled, some at a time."""
    random = np.random.default_rng(seed)
    n = len(matrix)
    rows, columns = np.triu_indices(n, 1)
    step = max(1, _AT_ONCE // len(rows))
    for start in range(0, permutations, step):
        orders = random.permuted(np.tile(np.arange(n), (min(step, permutations - start), 1)), axis=1)
        yield matrix[orders[:, rows], orders[:, columns]]
