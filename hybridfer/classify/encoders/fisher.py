"""Fisher vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hybridfer.classify.encoders.base import Floats, LocalEncoder
from hybridfer.classify.encoders.words import learn_words, nearest

Sums = npt.NDArray[np.float64]

_ROWS_AT_ONCE = 2048

_ROUNDS = 25
"""Rounds of expectation and maximisation."""

_LEAST_VARIANCE = 1e-3
"""Of a Gaussian, as a share of all descriptors' variance."""


@dataclass(eq=False, repr=False)
class FisherVector(LocalEncoder):
    """How a mixture of Gaussians would have to change to fit a face's descriptors better.

    The mixture [1]_, of diagonal Gaussians, is fitted to the training rows' descriptors by expectation and maximisation
    from k-means, in stretches: no more than 2,048 descriptors times the Gaussians are held at once. The vector is the
    gradient by means, then by deviations, Gaussian by Gaussian, as in [2]_; with the signed root (`power`) and unit
    length it is the improved Fisher vector. With `position`, x and y are two more values of every descriptor, so that
    Gaussians know their place in the face [3]_.

    Parameters
    ----------
    gaussians : int
    position : bool
    **others
        As :class:`~hybridfer.classify.encoders.base.LocalEncoder`.

    Attributes
    ----------
    weights_ : (gaussians,) array
    means_, variances_ : (gaussians, kept [+ 2]) arrays

    References
    ----------
    .. [1] Perronnin, F., Sánchez, J. & Mensink, T. Improving the Fisher kernel for large-scale image classification.
       ECCV (2010). https://doi.org/10.1007/978-3-642-15561-1_11
    .. [2] Sánchez, J. et al. Image classification with the Fisher vector: theory and practice. IJCV 105 (2013).
       https://doi.org/10.1007/s11263-013-0636-x
    .. [3] Simonyan, K. et al. Fisher vector faces in the wild. BMVC (2013). https://doi.org/10.5244/C.27.8

    Examples
    --------
    >>> X = np.array([[1, 2, 7], [2, 6, 8]], np.float32)
    >>> FisherVector(gaussians=2, position=False).fit_transform(X).shape
    (2, 4)
    """

    gaussians: int = 256
    position: bool = True

    def check(self) -> None:
        super().check()
        self.require(1 <= self.gaussians <= 10_000, "gaussians", "1 to 10000")

    @property
    def columns(self) -> int:
        return 2 * self.gaussians * (self.kept + 2 * self.position)

    def learn_words(self, values: Floats, places: Floats) -> None:
        z = self._with_places(values, places)
        least = np.maximum(_LEAST_VARIANCE * z.var(0, dtype=np.float64), 1e-10)
        self.means_ = np.zeros((self.gaussians, z.shape[1]), np.float32)
        words = learn_words(z, self.gaussians, self.seed)
        # Fewer descriptors than Gaussians leave some without weight.
        self.means_[: len(words)] = words
        owner = nearest(z, words)[0][:, 0]
        sums: list[Sums] = [np.zeros(self.gaussians), np.zeros(self.means_.shape), np.zeros(self.means_.shape)]
        for start in range(0, len(z), _ROWS_AT_ONCE):
            some = z[start : start + _ROWS_AT_ONCE]
            _add(sums, np.eye(self.gaussians, dtype=np.float32)[owner[start : start + _ROWS_AT_ONCE]], some)
        self._maximise(sums, least)
        for _ in range(_ROUNDS):
            sums = [np.zeros_like(total) for total in sums]
            for start in range(0, len(z), _ROWS_AT_ONCE):
                some = z[start : start + _ROWS_AT_ONCE]
                _add(sums, self._shares(some), some)
            self._maximise(sums, least)

    def pool(self, values: Floats, places: Floats) -> Floats:
        z = self._with_places(values, places)
        shares = self._shares(z)
        zeroth, first, second = shares.sum(0)[:, None], shares.T @ z, shares.T @ (z * z)
        deviations = np.sqrt(self.variances_)
        weights = np.sqrt(np.maximum(self.weights_, np.float32(1e-9)))[:, None] * len(z)
        means = (first - self.means_ * zeroth) / (deviations * weights)
        spreads = second - 2 * self.means_ * first + (self.means_**2 - self.variances_) * zeroth
        spreads /= self.variances_ * weights * np.float32(np.sqrt(2))
        vector: Floats = np.concatenate([means.ravel(), spreads.ravel()])
        return vector

    def _with_places(self, values: Floats, places: Floats) -> Floats:
        return np.hstack([values, places]) if self.position else values

    def _shares(self, z: Floats) -> Floats:
        """Return the share ``(n, gaussians)`` of each Gaussian in each descriptor; the shares sum to one."""
        precisions = 1 / self.variances_
        with np.errstate(divide="ignore"):
            constant = np.log(self.weights_) + 0.5 * (np.log(precisions) - self.means_**2 * precisions).sum(1)
        shares: Floats = np.asarray(z @ (self.means_ * precisions).T, np.float32)
        shares -= (z * z) @ (precisions / 2).T
        shares += constant
        shares -= shares.max(1, keepdims=True)
        np.exp(shares, out=shares)
        shares /= shares.sum(1, keepdims=True)
        return shares

    def _maximise(self, sums: list[Sums], least: Sums) -> None:
        """Set the Gaussians to what descriptors, by their shares, come to; one without any stays where it is."""
        zeroth, first, second = sums
        held = np.maximum(zeroth, 1e-9)[:, None]
        there = zeroth[:, None] > 1e-6
        means = np.where(there, first / held, self.means_)
        variances = np.where(there, second / held - means**2, 0)
        self.means_ = means.astype(np.float32)
        self.variances_ = np.maximum(variances, least).astype(np.float32)
        self.weights_ = (zeroth / zeroth.sum()).astype(np.float32)


def _add(sums: list[Sums], shares: Floats, z: Floats) -> None:
    """Add what descriptors are, by their shares: their number, their sum and their squares' sum for each Gaussian."""
    sums[0] += shares.sum(0)
    sums[1] += shares.T @ z
    sums[2] += shares.T @ (z * z)
