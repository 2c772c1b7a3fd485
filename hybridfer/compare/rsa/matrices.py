"""Dissimilarity matrices from patterns: by correlation, Euclidean, Mahalanobis and crossnobis distance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hybridfer.compare.rsa import DISTANCES, MOST_ITEMS, check_name
from hybridfer.errors import DatasetError
from hybridfer.evaluation.metrics import Floats

FEWEST_ITEMS = 3
"""Two items are one pair, and one number is like every other."""

_FLAT = 1e-12
"""A pattern that varies less than this share of its size is constant but for rounding."""


@dataclass(frozen=True)
class Dissimilarities:
    """How unlike every two of several items are, once for all or by every subject.

    Attributes
    ----------
    name : str
    items : tuple of str
    vectors : (subjects, n (n - 1) / 2) float64
        The upper triangles of the matrices, row by row.
    subjects : tuple of str
        Whose each is; none where there is one matrix for all.
    notes : tuple of str
        What a reader should be told of its making.
    """

    name: str
    items: tuple[str, ...]
    vectors: Floats
    subjects: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def mean(self) -> Floats:
        """The triangle of the mean over subjects."""
        found: Floats = self.vectors.mean(axis=0)
        return found

    @property
    def matrix(self) -> Floats:
        """The mean over subjects as a square, ``(n, n)``."""
        return square(self.mean, len(self.items))

    def take(self, items: Sequence[str]) -> Dissimilarities:
        """Return the same of some of the items, in the order given."""
        if tuple(items) == self.items:
            return self
        places = [self.items.index(item) for item in items]
        part = [triangle(square(vector, len(self.items))[np.ix_(places, places)]) for vector in self.vectors]
        return replace(self, items=tuple(items), vectors=np.stack(part))


@dataclass(frozen=True)
class Rows:
    """Patterns, and what each is of.

    Attributes
    ----------
    name : str
        What described them.
    patterns : (rows, length) array
    items : list of str
        The item of every row.
    order : list of str
        The items, in order.
    subjects, folds : list of str or None
        Whose each row is, and the part of the data it belongs to.
    """

    name: str
    patterns: npt.NDArray[np.generic]
    items: Sequence[str]
    order: Sequence[str]
    subjects: Sequence[str] | None = None
    folds: Sequence[str] | None = None


def triangle(matrix: Floats) -> Floats:
    """Return the upper triangle ``(n (n - 1) / 2,)`` of a matrix ``(n, n)``, row by row, without the diagonal."""
    return matrix[np.triu_indices(len(matrix), 1)]


def square(vector: Floats, n: int) -> Floats:
    """Return the symmetric matrix ``(n, n)`` that has this upper triangle; its diagonal is 0.

    Examples
    --------
    >>> square(np.array([1.0, 2.0, 3.0]), 3).tolist()
    [[0.0, 1.0, 2.0], [1.0, 0.0, 3.0], [2.0, 3.0, 0.0]]
    """
    matrix = np.zeros((n, n))
    matrix[np.triu_indices(n, 1)] = vector
    return matrix + matrix.T


def correlation_distances(patterns: Floats) -> Floats:
    """Return one minus Pearson's correlation of every two of ``(n, length)`` patterns, 0 to 2, as a triangle.

    Raises
    ------
    ConstantPattern
        If a pattern has no variance.
    """
    centred = patterns - patterns.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1)
    flat = np.flatnonzero(norms <= _FLAT * np.linalg.norm(patterns, axis=1))
    if len(flat):
        raise ConstantPattern(int(flat[0]))
    unit = centred / norms[:, None]
    return triangle(1 - np.clip(unit @ unit.T, -1, 1))


def squared_distances(patterns: Floats) -> Floats:
    """Return the squared Euclidean distance of every two of ``(n, length)`` patterns over the length, as a triangle."""
    # Differences do not change, and fewer digits are lost to what all have in common.
    centred = patterns - patterns.mean(axis=0)
    return _from_products(centred @ centred.T / patterns.shape[1], clip=True)


def crossnobis_distances(folds: Floats) -> Floats:
    """Return the cross-validated squared distances of ``(folds, n, length)`` patterns, as a triangle.

    For every two different folds the difference of two items in the one is multiplied with that in the other; the
    distance is the mean of these products over the length. Independent noise cancels, so that items which do not
    differ have a distance of 0 on average, and single distances may be negative [1]_.

    .. [1] A. Walther et al., "Reliability of dissimilarity measures for multi-voxel pattern analysis", NeuroImage 137,
       2016, doi 10.1016/j.neuroimage.2015.12.012.
    """
    count, _, length = folds.shape
    centred = folds - folds.mean(axis=1, keepdims=True)
    whole = centred.sum(axis=0)
    products = whole @ whole.T - sum(fold @ fold.T for fold in centred)
    return _from_products(products / (count * (count - 1) * length))


def noise_whitening(residuals: Floats, freedom: int) -> Callable[[Floats], Floats]:
    """Return what takes patterns ``(n, length)`` to where the noise has variance 1 and no correlation.

    The noise's covariance is that of the residuals, shrunk towards a multiple of the identity by as much as Ledoit and
    Wolf find best [1]_; squared distances of what comes out are Mahalanobis distances. No matrix of length by length is
    ever made: beyond the residuals' own directions the shrunk covariance is the same in all.

    Parameters
    ----------
    residuals : (rows, length) float64
        Patterns less the mean of their kind.
    freedom : int
        Rows less kinds: what the sum of squares is divided by.

    Raises
    ------
    DatasetError
        If the residuals do not vary, or do not in some direction and are not shrunk either.

    .. [1] O. Ledoit, M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
       Multivariate Analysis 88, 2004, doi 10.1016/S0047-259X(03)00096-4.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    share = float(ledoit_wolf_shrinkage(residuals, assume_centered=True))
    _, values, axes = np.linalg.svd(residuals / np.sqrt(freedom), full_matrices=False)
    floor = share * float((values**2).sum()) / residuals.shape[1]
    roots = np.sqrt((1 - share) * values**2 + floor)
    if not roots.min() > 0 or (floor == 0 and len(axes) < residuals.shape[1]):
        raise DatasetError(
            "The rows of an item do not differ in every direction, so their noise cannot be divided by; "
            "use --distance correlation or euclidean."
        )

    def whiten(patterns: Floats) -> Floats:
        along = patterns @ axes.T
        whitened: Floats = (along / roots) @ axes
        return whitened if floor == 0 else whitened + (patterns - along @ axes) / np.sqrt(floor)

    return whiten


def dissimilarities(rows: Rows, distance: str = "correlation") -> Dissimilarities:
    """Return how unlike every two items are to what described the rows.

    An item's pattern is the mean of its rows. Where rows have subjects every subject gets a matrix; one that lacks an
    item, or for whom an item's pattern is constant, is left out and told in the notes.

    Parameters
    ----------
    rows : Rows
    distance : {"correlation", "euclidean", "mahalanobis", "crossnobis"}
        One minus Pearson's correlation; the squared Euclidean distance over the length; the same once the noise within
        items is whitened; this over pairs of different folds, each with its own means. A fold that lacks an item is
        left out.

    Raises
    ------
    SpecError
        If the distance is unknown.
    DatasetError
        If there are fewer than 3 items or more than 2,000, a value is not finite, a pattern is constant, or there are
        too few rows, folds or subjects.
    """
    check_name("distance", distance, DISTANCES)
    check_items(rows.name, rows.order)
    patterns = np.asarray(rows.patterns, np.float64)
    bad = np.flatnonzero(~np.isfinite(patterns).all(axis=1))
    if len(bad):
        raise DatasetError(
            f"{rows.name} of {rows.items[bad[0]]!r} is not all finite (NaN), so it is like nothing and unlike nothing; "
            "leave the row out or mend it."
        )
    if distance == "crossnobis" and rows.folds is None:
        raise DatasetError("The crossnobis distance multiplies differences of one fold with those of another; add "
                           "--folds COLUMN.")  # fmt: skip
    places = {item: i for i, item in enumerate(rows.order)}
    codes = np.array([places[item] for item in rows.items])
    whose = np.array(rows.subjects if rows.subjects is not None else [""] * len(codes), object)
    parts = np.array(rows.folds if distance == "crossnobis" else [""] * len(codes), object)

    means: dict[str, list[Floats]] = {}
    residuals, cells, lacking = np.empty_like(patterns), 0, 0
    left_out: dict[str, str] = {}
    for subject in dict.fromkeys(whose):
        means[subject] = []
        for fold in dict.fromkeys(parts[whose == subject]):
            own = np.flatnonzero((whose == subject) & (parts == fold))
            counts = np.bincount(codes[own], minlength=len(places))
            sums = np.zeros((len(places), patterns.shape[1]))
            np.add.at(sums, codes[own], patterns[own])
            mean = sums / np.maximum(counts, 1)[:, None]
            residuals[own] = patterns[own] - mean[codes[own]]
            cells += int((counts > 0).sum())
            if counts.all():
                means[subject].append(mean)
            else:
                lacking += 1
                left_out[subject] = f"no row of {rows.order[int(counts.argmin())]!r}"

    notes = []
    if lacking and distance == "crossnobis":
        notes.append(f"{rows.name}: {lacking} folds lack an item and are left out")
    whiten: Callable[[Floats], Floats] | None = None
    if distance in ("mahalanobis", "crossnobis"):
        if len(codes) > cells:
            whiten = noise_whitening(residuals, len(codes) - cells)
        elif distance == "mahalanobis":
            raise DatasetError(
                f"{rows.name} has one row an item and subject, and the Mahalanobis distance learns the noise from "
                "several; say --by COLUMN, or --subjects who have several each, or use --distance euclidean."
            )
        else:
            notes.append(f"{rows.name}: one row an item and fold, so the noise is taken to be the same everywhere")

    vectors = []
    kept = []
    for subject, of_folds in means.items():
        if len(of_folds) < (2 if distance == "crossnobis" else 1):
            left_out.setdefault(subject, "a single fold")
            continue
        ready = [mean if whiten is None else whiten(mean) for mean in of_folds]
        try:
            vectors.append(
                crossnobis_distances(np.stack(ready))
                if distance == "crossnobis"
                else correlation_distances(ready[0])
                if distance == "correlation"
                else squared_distances(ready[0])
            )
        except ConstantPattern as error:
            left_out[subject] = f"the pattern of {rows.order[error.place]!r} is constant and correlates with nothing"
            continue
        kept.append(subject)
    lost = {subject: why for subject, why in left_out.items() if subject not in kept}
    if len(vectors) < (1 if rows.subjects is None else 2):
        raise _too_few(rows, lost, distance)
    if lost:
        some = "; ".join(f"{subject}: {why}" for subject, why in list(lost.items())[:3])
        notes.append(f"{rows.name}: {len(lost)} of {len(means)} subjects are left out ({some})")
    return Dissimilarities(
        rows.name,
        tuple(rows.order),
        np.stack(vectors),
        () if rows.subjects is None else tuple(kept),
        tuple(notes),
    )


def check_items(name: str, items: Sequence[str]) -> None:
    """Raise DatasetError unless there are as many items as a matrix may have."""
    if len(items) < FEWEST_ITEMS:
        known = f": {', '.join(items)}" if items else ""
        raise DatasetError(
            f"{name} has {len(items)} items{known}; matrices are compared from {FEWEST_ITEMS} on. Add rows, or choose "
            "another --by."
        )
    if len(items) > MOST_ITEMS:
        raise DatasetError(
            f"{name} has {len(items)} items, expected at most {MOST_ITEMS}; average them with --by COLUMN."
        )


class ConstantPattern(Exception):
    """The pattern at a place is constant; whoever knows the items' names says so."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


def _too_few(rows: Rows, lost: dict[str, str], distance: str) -> DatasetError:
    """Return the error of rows that leave no matrix, or a single subject."""
    if rows.subjects is None:
        (why,) = lost.values()
        hint = {
            "correlation": "leave the item out, or use --distance euclidean",
            "crossnobis": "the crossnobis distance needs two folds that have every item",
        }.get(distance, "add rows")
        return DatasetError(f"{rows.name} gives no matrix: {why}; {hint}.")
    some = "; ".join(f"{subject}: {why}" for subject, why in list(lost.items())[:3]) or "there is one subject"
    return DatasetError(
        f"{rows.name} has fewer than 2 subjects with every item ({some}); leave --subjects out, or add rows."
    )


def _from_products(products: Floats, clip: bool = False) -> Floats:
    """Return ``p_ii + p_jj - 2 p_ij`` as a triangle; squares are not left below 0 by rounding."""
    own = np.diagonal(products)
    found = triangle(own[:, None] + own - 2 * products)
    return np.maximum(found, 0) if clip else found
