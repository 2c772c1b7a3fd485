"""Least-squares SVMs on the matrix of products of rows: one for all, or one for each face on its nearest neighbours.

Rows are compared by their products, as by a linear kernel; encoded faces are long, and fewer than their values.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from itertools import product
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin  # noqa: TID253
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data  # noqa: TID253

from hybridfer.classify.specs import Spelt

Floats = npt.NDArray[np.floating[Any]]
Rows = npt.NDArray[np.intp]

_TILE = 1024
"""Rows whose products with others are taken together."""

_SHARE_HELD = 10
"""One of so many training rows is held back for the probabilities, where none are named."""

_LEAST_WEIGHT = 1e-9
"""Of a row, so that one of no weight leaves what is solved solvable."""

_ROUNDS = 20
"""Newton's steps for the squared hinge, at most; three to six are usual."""

_SLOPES = (1e-3, 1e3)
"""Between which the slope of the probabilities lies."""

LOSSES = ("squared", "squared_hinge")


@dataclass(eq=False, repr=False)
class _ProductSVM(Spelt, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """What both machines share: one against the rest, and probabilities from rows held back.

    Parameters
    ----------
    C : float
        Weight of errors against the margin.
    loss : {"squared", "squared_hinge"}
        ``squared`` wants every row at its side's mark (least-squares SVM [1]_, or ridge regression on -1 and 1), which
        is one linear system; ``squared_hinge`` lets rows lie beyond it, as a linear SVM does, by Newton's steps [2]_.
    held : sequence of int, optional
        Training rows that are held back while the probabilities are fitted; one in ten, drawn by `seed`, when not
        given. With none (``[]``), probabilities are the softmax of the scores as they are. The classifier itself
        learns from all rows.
    seed : int

    Attributes
    ----------
    classes_ : (classes,) array
    slope_ : float
        Probabilities are the softmax of the scores times this, which rows held back find likeliest.
    learnt_ : bool
        Whether the scores of rows held back say anything: the slope is not at its least.
    n_features_in_ : int

    References
    ----------
    .. [1] Suykens, J. & Vandewalle, J. Least squares support vector machine classifiers. Neural Processing Letters 9
       (1999). https://doi.org/10.1023/A:1018628609742
    .. [2] Chapelle, O. Training a support vector machine in the primal. Neural Computation 19 (2007).
       https://doi.org/10.1162/neco.2007.19.5.1155
    """

    given = ("C", "held", "seed")

    C: float = 1.0
    loss: str = "squared"
    held: Any = None
    seed: int = 0

    def check(self) -> None:
        self.require(self.loss in LOSSES, "loss", " or ".join(LOSSES))
        self.require(self.C > 0, "C", "more than 0")

    @abstractmethod
    def _learn(self, X: Floats, gram: Floats, signs: Floats, ridge: Floats) -> None:
        """Learn from rows ``(n, columns)``, their products, and their sides ``(n, classes)``, -1 or 1."""

    @abstractmethod
    def _held_scores(self, gram: Floats, signs: Floats, ridge: Floats, rest: Rows, held: Rows) -> Floats:
        """Return the scores ``(held, classes)`` of rows held back by a machine that learns from the rest."""

    @abstractmethod
    def _scores(self, X: Floats) -> Floats:
        """Return the scores ``(n, classes)`` of rows."""

    def fit(self, X: Floats, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Learn from rows ``(n, columns)`` and their labels; a row of twice the weight counts as two."""
        from sklearn.utils.multiclass import check_classification_targets
        from threadpoolctl import threadpool_limits

        self.check()
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        weights = _check_sample_weight(sample_weight, X, dtype=X.dtype)
        if len(np.unique(codes[weights > 0])) < 2:
            one = self.classes_[codes[weights.argmax()]]
            raise ValueError(f"All rows are of one class, {one!r}; a classifier needs 2 or more.")
        X = self._stored(X)
        signs = np.where(codes[:, None] == np.arange(len(self.classes_)), 1, -1).astype(_type_of(X))
        ridge = (1 / (self.C * np.maximum(weights, _LEAST_WEIGHT))).astype(_type_of(X))
        held = self._drawn(len(X)) if self.held is None else np.asarray(self.held, dtype=np.intp)
        rest = np.setdiff1d(np.arange(len(X)), held)
        with threadpool_limits(1, "blas"):
            gram = products(X, X)
            self.slope_, self.learnt_ = 1.0, True
            if weights[held].any() and len(rest):
                scores = self._held_scores(gram, signs, ridge, rest, held)
                self.slope_ = _likeliest_slope(scores, codes[held], weights[held])
                self.learnt_ = self.slope_ > 2 * _SLOPES[0]
            self._learn(X, gram, signs, ridge)
        return self

    def decision_function(self, X: Floats) -> Floats:
        """Return the score of every class ``(n, classes)``; of two classes, the second's ``(n,)``."""
        from threadpoolctl import threadpool_limits

        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        with threadpool_limits(1, "blas"):
            scores = self._scores(X)
        return scores[:, 1] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Floats) -> npt.NDArray[np.float64]:
        """Return the probabilities ``(n, classes)``."""
        scores = self.decision_function(X)
        scores = np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores
        return _softmax(scores.astype(np.float64) * self.slope_)

    def predict(self, X: Floats) -> npt.NDArray[Any]:
        """Return the labels ``(n,)``: the class of the highest score."""
        scores = self.decision_function(X)
        best = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(1)
        labels: npt.NDArray[Any] = self.classes_[best]
        return labels

    def _stored(self, X: Floats) -> Floats:
        return X

    def _drawn(self, rows: int) -> Rows:
        random = np.random.default_rng(self.seed)
        return np.sort(random.permutation(rows)[: max(1, rows // _SHARE_HELD)])


@dataclass(eq=False, repr=False)
class LeastSquaresSVM(_ProductSVM):
    """One machine for all: a linear SVM with the loss squared, found from the products of rows.

    Time grows with the cube of the rows and memory with their square, whatever the columns; what is kept is a weight
    for each column and class.

    Parameters
    ----------
    C, loss, held, seed
        As :class:`LocalSVM`.

    Attributes
    ----------
    coef_, intercept_ : (classes, columns) and (classes,) arrays
    classes_, slope_
        As :class:`LocalSVM`.

    Examples
    --------
    >>> X, y = np.array([[0.0], [1.0], [4.0], [5.0]]), ["a", "a", "b", "b"]
    >>> LeastSquaresSVM(C=10).fit(X, y).predict([[0.5], [9.0]]).tolist()
    ['a', 'b']
    """

    def _learn(self, X: Floats, gram: Floats, signs: Floats, ridge: Floats) -> None:
        alphas, self.intercept_ = _machine(gram, signs, ridge, self.loss)
        self.coef_ = alphas.T @ X

    def _held_scores(self, gram: Floats, signs: Floats, ridge: Floats, rest: Rows, held: Rows) -> Floats:
        alphas, intercepts = _machine(gram[np.ix_(rest, rest)], signs[rest], ridge[rest], self.loss)
        scores: Floats = gram[np.ix_(held, rest)] @ alphas + intercepts
        return scores

    def _scores(self, X: Floats) -> Floats:
        scores: Floats = X @ self.coef_.T + self.intercept_
        return scores


@dataclass(eq=False, repr=False)
class LocalSVM(_ProductSVM):
    """A machine of its own for every face, fitted on the training faces nearest to it when it is asked for.

    What is hard to tell apart by one plane is often easy near by [1]_, [2]_: neighbours are of the same pose, light and
    size. The nearest are those of the least Euclidean distance; of unit rows, as encoders give them, those of the
    greatest product.

    What is kept is all training rows, as float16 where `half` says so (unit rows lose nothing that matters): rows times
    columns times two bytes. The products of training rows with each other are kept in memory after fitting, and not
    in a file; a machine read from a file takes those it wants, until that has come to as much work as all of them.

    Parameters
    ----------
    C : float
    loss : {"squared", "squared_hinge"}
    held : sequence of int, optional
    seed : int
        As those of :class:`LeastSquaresSVM`: the weight of errors, what counts as one, the rows held back for the
        probabilities, and what draws them.
    k : int
        Neighbours; all rows where there are fewer.
    half : bool
        Whether training rows are kept as float16.

    Attributes
    ----------
    rows_ : (n, columns) array
        The training rows.
    signs_ : (n, classes) array
        1 for a row's class, -1 for the others.
    squares_ : (n,) array
        Each row's product with itself.
    ridge_ : (n,) array
        What is added to each row's product with itself: one by `C` and its weight.
    classes_, slope_
        The labels, and the slope of the probabilities: the softmax of the scores times this.

    References
    ----------
    .. [1] Ionescu, R. T., Popescu, M. & Grozea, C. Local learning to improve bag of visual words model for facial
       expression recognition. ICML workshop (2013).
    .. [2] Georgescu, M.-I., Ionescu, R. T. & Popescu, M. Local learning with deep and handcrafted features for facial
       expression recognition. IEEE Access 7 (2019). https://doi.org/10.1109/ACCESS.2019.2917266

    Examples
    --------
    >>> X, y = np.array([[0.0], [1.0], [4.0], [5.0], [8.0], [9.0]]), ["a", "a", "b", "b", "a", "a"]
    >>> LocalSVM(C=10, k=4, held=[]).fit(X, y).predict([[0.5], [8.5]]).tolist()
    ['a', 'a']
    """

    k: int = 500
    half: bool = True

    def check(self) -> None:
        super().check()
        self.require(self.k >= 2, "k", "2 neighbours or more")

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name not in ("_gram", "_asked")}

    def _stored(self, X: Floats) -> Floats:
        if not self.half:
            return X
        greatest = max(X.max(), -X.min())
        if greatest > np.finfo(np.float16).max:
            raise ValueError(f"Rows have values up to {greatest:g}, too large for float16; use half=False.")
        return X.astype(np.float16)

    def _learn(self, X: Floats, gram: Floats, signs: Floats, ridge: Floats) -> None:
        self.rows_, self.signs_, self.ridge_, self._gram = X, signs, ridge, gram
        self.squares_ = gram.diagonal().copy()

    def _held_scores(self, gram: Floats, signs: Floats, ridge: Floats, rest: Rows, held: Rows) -> Floats:
        return self._near(gram[np.ix_(held, rest)], gram, gram.diagonal()[rest], signs, ridge, rest)

    def _scores(self, X: Floats) -> Floats:
        n = len(self.rows_)
        gram = getattr(self, "_gram", None)
        if gram is None:
            self._asked = getattr(self, "_asked", 0) + len(X)
            if self._asked * min(self.k, n) ** 2 > n**2 / 2:
                gram = self._gram = products(self.rows_, self.rows_)
        return self._near(products(X, self.rows_), gram, self.squares_, self.signs_, self.ridge_, np.arange(n))

    def _near(
        self, to: Floats, gram: Floats | None, squares: Floats, signs: Floats, ridge: Floats, rows: Rows
    ) -> Floats:
        """Return the scores ``(n, classes)`` of faces by their products with training rows ``(n, rows)``."""
        from joblib import Parallel, delayed

        k = min(self.k, len(rows))
        scores = np.empty((len(to), signs.shape[1]), to.dtype)

        def score(i: int) -> None:
            near = np.sort(np.argpartition(squares - 2 * to[i], k - 1)[:k])
            chosen = rows[near]
            if gram is None:
                some = self.rows_[chosen].astype(to.dtype)
                own: Floats = some @ some.T
            else:
                own = gram[chosen[:, None], chosen]
            alphas, intercepts = _machine(own, signs[chosen], ridge[chosen], self.loss)
            scores[i] = to[i, near] @ alphas + intercepts

        Parallel(prefer="threads")(delayed(score)(i) for i in range(len(to)))
        return scores


def products(X: Floats, Y: Floats) -> Floats:
    """Return the products ``(n, m)`` of rows with rows; float16 is multiplied as float32.

    Tiles are shared between threads, each with one thread of BLAS, so that the numbers do not depend on how many there
    are; of rows with themselves, only one half is computed.
    """
    from joblib import Parallel, delayed

    kind = np.result_type(_type_of(X), _type_of(Y))
    result: Floats = np.empty((len(X), len(Y)), kind)
    same = X is Y

    def multiply(top: int, left: int) -> None:
        rows, columns = slice(top, top + _TILE), slice(left, left + _TILE)
        result[rows, columns] = X[rows].astype(kind, copy=False) @ Y[columns].astype(kind, copy=False).T
        if same and top != left:
            result[columns, rows] = result[rows, columns].T

    tiles = product(range(0, len(X), _TILE), range(0, len(Y), _TILE))
    Parallel(prefer="threads")(delayed(multiply)(top, left) for top, left in tiles if left >= top or not same)
    return result


def _machine(gram: Floats, signs: Floats, ridge: Floats, loss: str) -> tuple[Floats, Floats]:
    """Return the weights ``(n, classes)`` of rows, and the intercepts, one class against the rest; `gram` is lost."""
    if loss == "squared":
        return _least_squares(gram, signs, ridge)
    alphas = np.zeros_like(signs)
    intercepts = np.zeros(signs.shape[1], signs.dtype)
    for column, sides in enumerate(signs.T):
        inside = np.ones(len(sides), bool)
        for _ in range(_ROUNDS):
            alpha, intercept = _least_squares(gram[np.ix_(inside, inside)], sides[inside, None], ridge[inside])
            scores = gram[:, inside] @ alpha[:, 0] + intercept[0]
            before, inside = inside, sides * scores < 1
            if (before == inside).all() or not inside.any():
                break
        alphas[before, column], intercepts[column] = alpha[:, 0], intercept[0]
    return alphas, intercepts


def _least_squares(gram: Floats, signs: Floats, ridge: Floats) -> tuple[Floats, Floats]:
    """Return weights and intercepts that solve ``(gram + ridge) alpha + b = signs``, where each alpha sums to zero.

    What is in `gram` is lost: it is factorised where it lies.
    """
    from scipy.linalg import cho_factor, cho_solve

    gram[np.diag_indices_from(gram)] += ridge
    both = np.hstack([signs, np.ones((len(signs), 1), signs.dtype)])
    # A symmetric matrix is its transpose, which lies as LAPACK wants it.
    factor = cho_factor(gram.T, lower=True, overwrite_a=True, check_finite=False)
    solved = cho_solve(factor, both, check_finite=False)
    ones = solved[:, -1:]
    intercepts = solved[:, :-1].sum(0) / ones.sum()
    return solved[:, :-1] - ones * intercepts, intercepts


def _likeliest_slope(scores: Floats, codes: Rows, weights: Floats) -> float:
    """Return the factor whose softmax of the scores gives the rows' classes the greatest likelihood."""
    from scipy.optimize import minimize_scalar

    scores = np.asarray(scores, np.float64)
    rows = np.arange(len(codes))

    def surprise(log_slope: float) -> float:
        chances = _softmax(scores * np.exp(log_slope))[rows, codes]
        return -float(np.average(np.log(np.maximum(chances, 1e-300)), weights=weights))

    bounds = tuple(np.log(_SLOPES))
    return float(np.exp(minimize_scalar(surprise, bounds=bounds, method="bounded").x))


def _softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    raised = np.exp(scores - scores.max(1, keepdims=True))
    chances: npt.NDArray[np.float64] = raised / raised.sum(1, keepdims=True)
    return chances


def _type_of(X: Floats) -> np.dtype[Any]:
    """Return the type that rows are computed in."""
    return np.dtype(np.float32) if X.dtype == np.float16 else X.dtype
