"""Bag of visual words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.classify.encoders.base import Floats, LocalEncoder
from hybridfer.classify.encoders.words import learn_words, nearest


@dataclass(eq=False, repr=False)
class BagOfWords(LocalEncoder):
    """How often each of some visual words is seen in a face, in all of it and in parts of it.

    Words are the middles of clusters of descriptors [1]_. A level of the pyramid cuts the face into 1, 2x2, 4x4 … parts
    with a histogram each [2]_; histograms stand level by level, parts row by row. All together sum to one before
    `power`; its default, the root, makes products of vectors a comparison of histograms (Hellinger). With `soft` words
    a descriptor counts for its nearest few, by ``exp(-d² / s)`` with ``s`` the mean of ``d²`` to the nearest word among
    training descriptors, which sum to one [3]_.

    Parameters
    ----------
    words : int
    pyramid : int
        Levels, 1 to 4.
    soft : int
        Words that a descriptor counts for.
    presence : bool
        Whether only counts that a word is there, not how often [4]_.
    components : int
    **others
        As :class:`~hybridfer.classify.encoders.base.LocalEncoder`.

    Attributes
    ----------
    words_ : (words, kept) array
    spread_ : float
        ``s``.

    References
    ----------
    .. [1] Csurka, G. et al. Visual categorization with bags of keypoints. ECCV workshop (2004).
    .. [2] Lazebnik, S., Schmid, C. & Ponce, J. Beyond bags of features. CVPR (2006).
       https://doi.org/10.1109/CVPR.2006.68
    .. [3] van Gemert, J. et al. Visual word ambiguity. PAMI 32 (2010). https://doi.org/10.1109/TPAMI.2009.132
    .. [4] Ionescu, R. T., Popescu, M. & Grozea, C. Local learning to improve bag of visual words model for facial
       expression recognition. ICML workshop (2013).

    Examples
    --------
    >>> X = np.array([[1, 1, 9], [1, 9, 9]], np.float32)
    >>> bag = BagOfWords(words=2, components=0, power=1, l2=False).fit(X)
    >>> sorted(bag.transform(X)[0].round(2).tolist())
    [0.33, 0.67]
    """

    counts = True

    words: int = 2048
    pyramid: int = 1
    soft: int = 1
    presence: bool = False

    def check(self) -> None:
        super().check()
        self.require(1 <= self.words <= 100_000, "words", "1 to 100000")
        self.require(1 <= self.pyramid <= 4, "pyramid", "1 to 4 levels")
        self.require(1 <= self.soft <= self.words, "soft", "1 to words")

    @property
    def columns(self) -> int:
        return self.words * sum(int(4**level) for level in range(self.pyramid))

    def learn_words(self, values: Floats, places: Floats) -> None:
        self.words_ = learn_words(values, self.words, self.seed)
        self.spread_ = max(float(nearest(values, self.words_)[1].mean(dtype=np.float64)), 1e-12)

    def pool(self, values: Floats, places: Floats) -> npt.NDArray[Any]:
        word, distance = nearest(values, self.words_, self.soft)
        weights = np.exp((distance.min(1, keepdims=True) - distance) / np.float32(self.spread_))
        weights /= weights.sum(1, keepdims=True)
        counts = np.zeros(self.columns)
        start = 0
        for level in range(self.pyramid):
            parts = 2**level
            column, row = np.clip(((places + 0.5) * parts).astype(np.intp), 0, parts - 1).T
            bins = (row * parts + column)[:, None] * self.words + word
            length = parts**2 * self.words
            counts[start : start + length] = np.bincount(bins.ravel(), weights.ravel(), length)
            start += length
        if self.presence:
            counts = (counts > 0).astype(np.float64)
        shares: npt.NDArray[Any] = counts / counts.sum()
        return shares
