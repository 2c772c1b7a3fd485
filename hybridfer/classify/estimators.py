"""The fitted steps between a bank's blocks and the SVM: projection of every block, and kernels between rows.

They are scikit-learn transformers. scikit-learn is imported at the top, for a class needs its base; nothing imports
this module before a model is trained or loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin  # noqa: TID253
from sklearn.utils.validation import check_is_fitted, validate_data  # noqa: TID253

Floats = npt.NDArray[np.floating[Any]]

_ROWS_AT_ONCE = 4096

_EXACT_LENGTH = 2048
"""Blocks up to this length are decomposed exactly; longer ones by subspace iteration."""

_TILE = 256
"""Landmarks whose chi-square distances are computed together, so that they stay in the processor's cache."""


def projected_width(components: int, length: int, rows: int) -> int:
    """Return how many components are kept of a block: no more than its columns, or the rows less one, allow."""
    return max(1, min(components, length, rows - 1))


class BlockProjection(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Each block's first principal components, of standardised values, in a fixed width.

    A block's columns are standardised, rotated on their principal axes and each component is divided by
    ``sqrt(v + m)``, where ``v`` is its variance and ``m`` the mean variance of the components kept. That is whitening
    [1]_ with a ridge: strong components come out alike, so that the SVM converges fast and no block outweighs the
    others by its length, and weak ones, which in a small sample are noise, stay small. Means, scales and axes are one
    matrix, so the values are never copied as a whole. A column that never varies counts nothing.

    Parameters
    ----------
    lengths : sequence of int, optional
        Columns of each block, side by side; one block of all columns when not given.
    components : int
        Components kept of a block, at most; no more than its columns or the rows less one.
    whole : sequence of bool, optional
        Blocks that pass as they are (histograms that are compared by chi-square, encoded blocks).
    seed : int
        Of the subspace iteration, which finds the axes of blocks longer than 2048.
    unit : bool
        Whether each row of what is projected is brought to unit length, so that its products say how alike rows are.

    Attributes
    ----------
    means_, axes_ : list of (length,) and (length, width) arrays
        A block's rows become ``(X - means_[i]) @ axes_[i]``; None for a whole block.
    lengths_out_ : list of int
        Columns of each block in the result.
    n_features_in_ : int

    References
    ----------
    .. [1] Kessy, A., Lewin, A. & Strimmer, K. Optimal whitening and decorrelation. The American Statistician 72,
       309-314 (2018). https://doi.org/10.1080/00031305.2016.1277159

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(50, 8))
    >>> BlockProjection([5, 3], components=2).fit_transform(X).shape
    (50, 4)
    """

    def __init__(
        self,
        lengths: Sequence[int] | None = None,
        components: int = 256,
        whole: Sequence[bool] | None = None,
        seed: int = 0,
        unit: bool = False,
    ) -> None:
        self.lengths = lengths
        self.components = components
        self.whole = whole
        self.seed = seed
        self.unit = unit

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A model of an earlier hybridfer knows nothing of unit length.
        super().__setstate__({"unit": False, **state})

    def fit(self, X: Floats, y: object = None) -> Self:
        """Learn every block's axes from the rows ``(n, columns)``; :class:`ValueError` if one is not finite."""
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        lengths = [X.shape[1]] if self.lengths is None else list(self.lengths)
        if sum(lengths) != X.shape[1]:
            raise ValueError(f"The blocks have {sum(lengths)} columns in all and X has {X.shape[1]}; expected as many.")
        whole = [False] * len(lengths) if self.whole is None else list(self.whole)
        self.means_: list[Floats | None] = []
        self.axes_: list[Floats | None] = []
        self.lengths_out_: list[int] = []
        start = 0
        for length, as_is in zip(lengths, whole, strict=True):
            mean, axes = (None, None) if as_is else self._axes(X[:, start : start + length])
            self.means_.append(mean)
            self.axes_.append(axes)
            self.lengths_out_.append(length if axes is None else axes.shape[1])
            start += length
        return self

    def transform(self, X: Floats) -> Floats:
        """Return the rows ``(n, columns)`` as ``(n, sum(lengths_out_))``."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        result: Floats = np.empty((len(X), sum(self.lengths_out_)), X.dtype)
        start = out = 0
        for mean, axes, width in zip(self.means_, self.axes_, self.lengths_out_, strict=True):
            length = width if axes is None else len(axes)
            for top in range(0, len(X), _ROWS_AT_ONCE):
                rows = X[top : top + _ROWS_AT_ONCE, start : start + length]
                if mean is not None and axes is not None:
                    rows = (rows - mean.astype(X.dtype)) @ axes.astype(X.dtype)
                    if self.unit:
                        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(X.dtype).tiny)
                result[top : top + _ROWS_AT_ONCE, out : out + width] = rows
            start += length
            out += width
        return result

    def _axes(self, X: Floats) -> tuple[Floats, Floats]:
        n, length = X.shape
        stretches = [slice(top, top + _ROWS_AT_ONCE) for top in range(0, n, _ROWS_AT_ONCE)]
        mean = sum(X[rows].sum(0, dtype=np.float64) for rows in stretches) / n
        spread = np.sqrt(sum(np.square(X[rows] - mean).sum(0) for rows in stretches) / n)
        # What rounding leaves of a constant column is no variance.
        varies = spread > 1e-7 * np.maximum(1, np.abs(mean))
        scale = np.where(varies, 1 / np.where(varies, spread, 1), 0).astype(X.dtype)
        mean = mean.astype(X.dtype)
        width = projected_width(self.components, length, n)
        if n <= length:
            scaled = (X - mean) * scale
            variances, vectors = _top(scaled @ scaled.T / n, width, self.seed)
            axes = scaled.T @ (vectors / np.sqrt(np.maximum(variances, 1e-12) * n))
        else:
            moments = np.zeros((length, length), X.dtype)
            for rows in stretches:
                scaled = (X[rows] - mean) * scale
                moments += scaled.T @ scaled
            variances, axes = _top(moments / n, width, self.seed)
        variances = np.maximum(variances, 0)
        total = variances + variances.mean()
        axes = axes * np.where(total > 0, 1 / np.sqrt(np.where(total > 0, total, 1)), 0)
        return mean, (axes * scale[:, None]).astype(X.dtype)


class KernelMap(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Each row's kernel with some training rows, over several blocks at once.

    The distance of two rows is the mean of their blocks' distances, each divided by its own mean over training rows,
    so that no block outweighs another; the kernel is ``exp(-gamma * distance)`` [1]_. Blocks that are histograms are
    compared by chi-square, ``sum((x - y)^2 / (x + y))``, others by the squared Euclidean distance.

    With all training rows as landmarks the result is the kernel matrix for an SVM with a precomputed kernel. With
    fewer, it is Nyström's explicit map [2]_: products of two mapped rows are near their kernel.

    Parameters
    ----------
    lengths : sequence of int, optional
        Columns of each block; one block of all columns when not given.
    histograms : sequence of bool, optional
        Blocks that are compared by chi-square; their values must not be negative.
    gamma : float
    landmarks : int, optional
        How many training rows, drawn at random; all when not given.
    seed : int

    Attributes
    ----------
    landmarks_ : (m, columns) array
    means_ : (blocks,) array
        Mean distance of each block.
    normalisation_ : (m, m) array or None
        Inverse root of the landmarks' own kernel; None for the kernel matrix itself.

    References
    ----------
    .. [1] Zhang, J. et al. Local features and kernels for classification of texture and object categories. IJCV 73,
       213-238 (2007). https://doi.org/10.1007/s11263-006-9794-4
    .. [2] Williams, C. & Seeger, M. Using the Nyström method to speed up kernel machines. NIPS 13 (2001).
    """

    def __init__(
        self,
        lengths: Sequence[int] | None = None,
        histograms: Sequence[bool] | None = None,
        gamma: float = 1.0,
        landmarks: int | None = None,
        seed: int = 0,
    ) -> None:
        self.lengths = lengths
        self.histograms = histograms
        self.gamma = gamma
        self.landmarks = landmarks
        self.seed = seed

    def fit(self, X: Floats, y: object = None) -> Self:
        """Choose the landmarks among the rows ``(n, columns)`` and measure the mean distances."""
        X = validate_data(self, X, dtype=[np.float64, np.float32])
        if any(self._histograms()):
            self._check_histograms(X)
        random = np.random.default_rng(self.seed)
        order = random.permutation(len(X))
        fewer = self.landmarks is not None and self.landmarks < len(X)
        self.landmarks_ = X[np.sort(order[: self.landmarks])] if fewer else X
        sample = X[order[:500]]
        pairs = ~np.eye(len(sample), dtype=bool)
        means = [d[pairs].mean(dtype=np.float64) if pairs.any() else 0.0 for d in self._distances(sample, sample)]
        self.means_ = np.array([mean if mean > 0 else 1.0 for mean in means])
        self.normalisation_: Floats | None = None
        if self.landmarks is not None:
            values, vectors = np.linalg.eigh(self._kernel(self.landmarks_).astype(np.float64))
            roots = np.where(values > 1e-6 * values[-1], 1 / np.sqrt(np.maximum(values, 1e-300)), 0)
            self.normalisation_ = (vectors * roots @ vectors.T).astype(X.dtype)
        return self

    def transform(self, X: Floats) -> Floats:
        """Return ``(n, landmarks)``: the kernel matrix, or Nyström's map."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        if any(self._histograms()):
            self._check_histograms(X)
        kernel = self._kernel(X)
        return kernel if self.normalisation_ is None else kernel @ self.normalisation_

    def _kernel(self, X: Floats) -> Floats:
        result: Floats = np.empty((len(X), len(self.landmarks_)), X.dtype)
        for top in range(0, len(X), _ROWS_AT_ONCE):
            rows = X[top : top + _ROWS_AT_ONCE]
            total = np.zeros((len(rows), len(self.landmarks_)), X.dtype)
            for distances, mean in zip(self._distances(rows, self.landmarks_), self.means_, strict=True):
                distances /= mean * len(self.means_)
                total += distances
            total *= -self.gamma
            np.exp(total, out=result[top : top + _ROWS_AT_ONCE])
        return result

    def _distances(self, X: Floats, Y: Floats) -> list[Floats]:
        start = 0
        found = []
        for length, histogram in zip(self._lengths(X), self._histograms(), strict=True):
            x, y = X[:, start : start + length], Y[:, start : start + length]
            found.append(chi_square(x, y) if histogram else _squared(x, y))
            start += length
        return found

    def _lengths(self, X: Floats) -> list[int]:
        return [X.shape[1]] if self.lengths is None else list(self.lengths)

    def _histograms(self) -> list[bool]:
        if self.histograms is not None:
            return list(self.histograms)
        return [False] * (1 if self.lengths is None else len(self.lengths))

    def _check_histograms(self, X: Floats) -> None:
        start = 0
        for length, histogram in zip(self._lengths(X), self._histograms(), strict=True):
            if histogram and X[:, start : start + length].min() < 0:
                raise ValueError("Chi-square compares histograms, whose values are not negative; these are.")
            start += length


def chi_square(X: Floats, Y: Floats) -> Floats:
    """Return the chi-square distances ``(n, m)``, ``sum((x - y)^2 / (x + y))``, of rows that are not negative.

    As ``(x - y)^2 / (x + y) = x + y - 4 x y / (x + y)``, only the bins that a row of `X` fills are looked at.

    Examples
    --------
    >>> chi_square(np.array([[1.0, 0.0, 2.0]]), np.array([[1.0, 3.0, 0.0]]))
    array([[5.]])
    """
    from joblib import Parallel, delayed

    result: Floats = X.sum(1)[:, None] + Y.sum(1)[None, :]

    def subtract(rows: slice) -> None:
        for start in range(0, len(Y), _TILE):
            tile = np.ascontiguousarray(Y[start : start + _TILE].T)
            for x, out in zip(X[rows], result[rows], strict=True):
                filled = np.flatnonzero(x)
                y = tile[filled]
                shared = x[filled] @ (y / (y + x[filled, None]))
                out[start : start + _TILE] -= 4 * shared

    stretches = [slice(i, i + 256) for i in range(0, len(X), 256)]
    Parallel(prefer="threads")(delayed(subtract)(rows) for rows in stretches)
    return np.maximum(result, 0, out=result)


def _squared(X: Floats, Y: Floats) -> Floats:
    result: Floats = -2 * (X @ Y.T)
    result += (X * X).sum(1)[:, None]
    result += (Y * Y).sum(1)[None, :]
    return np.maximum(result, 0, out=result)


def _top(moments: Floats, count: int, seed: int) -> tuple[Floats, Floats]:
    """Return the `count` greatest eigenvalues ``(count,)`` of a symmetric matrix, descending, and their vectors."""
    from scipy.linalg import eigh

    values, vectors = np.zeros(count, moments.dtype), np.zeros((len(moments), count), moments.dtype)
    # Rows of zeros, from columns that never vary, would fill the iteration with denormal numbers, which are very slow.
    filled = np.flatnonzero(moments.diagonal() > 0)
    part = moments[np.ix_(filled, filled)]
    n, found = len(filled), min(count, len(filled))
    if found == 0:
        return values, vectors
    if n <= max(_EXACT_LENGTH, 2 * count):
        roots, axes = eigh(part, subset_by_index=(n - found, n - 1))
    else:
        basis = np.random.default_rng(seed).standard_normal((n, count + 32)).astype(moments.dtype)
        for _ in range(10):
            basis = np.linalg.qr(part @ basis)[0]
        roots, axes = eigh(basis.T @ (part @ basis))
        axes = basis @ axes
    values[:found] = roots[::-1][:found]
    vectors[filled, :found] = axes[:, ::-1][:, :found]
    return values, vectors
