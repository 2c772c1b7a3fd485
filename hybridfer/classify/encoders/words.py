"""Visual words: the middles of clusters of local descriptors, and which of them is nearest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_SCORES_AT_ONCE = 1 << 20
"""Scores of descriptors with words that are held at once."""


def learn_words(values: Floats, count: int, seed: int) -> Floats:
    """Return `count` words ``(count, width)`` by k-means on small batches; fewer where there are fewer descriptors."""
    from sklearn.cluster import MiniBatchKMeans

    count = min(count, len(values))
    batch = max(4096, 2 * count)
    means = MiniBatchKMeans(
        count, batch_size=batch, init_size=min(len(values), 3 * batch), n_init=1, max_iter=20, random_state=seed
    )
    words: Floats = means.fit(values).cluster_centers_.astype(np.float32)
    return words


def nearest(values: Floats, words: Floats, count: int = 1) -> tuple[npt.NDArray[np.intp], Floats]:
    """Return the `count` nearest words of every descriptor ``(n, count)``, in any order, and their squared distances.

    Examples
    --------
    >>> nearest(np.array([[0.0], [4.0]], np.float32), np.array([[1.0], [5.0]], np.float32))
    (array([[0],
           [1]]), array([[1.],
           [1.]], dtype=float32))
    """
    count = min(count, len(words))
    found = np.empty((len(values), count), np.intp)
    distances = np.empty((len(values), count), np.float32)
    lengths = (words * words).sum(1)
    rows = max(1, _SCORES_AT_ONCE // len(words))
    for start in range(0, len(values), rows):
        some = values[start : start + rows]
        scores = some @ words.T
        scores *= -2
        scores += lengths
        best = scores.argmin(1)[:, None] if count == 1 else np.argpartition(scores, count - 1, axis=1)[:, :count]
        found[start : start + rows] = best
        squared = np.take_along_axis(scores, best, 1) + (some * some).sum(1)[:, None]
        distances[start : start + rows] = np.maximum(squared, 0)
    return found, distances
