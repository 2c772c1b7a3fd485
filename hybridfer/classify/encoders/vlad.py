"""Vectors of locally aggregated descriptors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hybridfer.classify.encoders.base import Floats, LocalEncoder
from hybridfer.classify.encoders.words import learn_words, nearest


@dataclass(eq=False, repr=False)
class VLAD(LocalEncoder):
    """How a face's descriptors lie about each visual word: the sum of what leads from the word to them.

    A shorter relative of the Fisher vector [1]_.

    Parameters
    ----------
    words : int
    intra : bool
        Whether each word's sum is brought to unit length, so that what comes often does not outweigh the rest [2]_;
        before `power`.
    **others
        As :class:`~hybridfer.classify.encoders.base.LocalEncoder`.

    Attributes
    ----------
    words_ : (words, kept) array

    References
    ----------
    .. [1] Jégou, H. et al. Aggregating local descriptors into a compact image representation. CVPR (2010).
       https://doi.org/10.1109/CVPR.2010.5540039
    .. [2] Arandjelović, R. & Zisserman, A. All about VLAD. CVPR (2013). https://doi.org/10.1109/CVPR.2013.207

    Examples
    --------
    >>> X = np.array([[1, 2, 7], [2, 6, 8]], np.float32)
    >>> VLAD(words=2).fit_transform(X).shape
    (2, 2)
    """

    words: int = 256
    intra: bool = False

    def check(self) -> None:
        super().check()
        self.require(1 <= self.words <= 100_000, "words", "1 to 100000")

    @property
    def columns(self) -> int:
        return self.words * self.kept

    def learn_words(self, values: Floats, places: Floats) -> None:
        self.words_ = learn_words(values, self.words, self.seed)

    def pool(self, values: Floats, places: Floats) -> Floats:
        word = nearest(values, self.words_)[0][:, 0]
        order = np.argsort(word, kind="stable")
        seen, begun = np.unique(word[order], return_index=True)
        sums = np.add.reduceat((values - self.words_[word])[order], begun, axis=0)
        if self.intra:
            sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
        vector = np.zeros((self.words, self.kept), np.float32)
        vector[seen] = sums
        return vector.ravel()
