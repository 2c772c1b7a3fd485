"""Representational similarity analysis: which things a description keeps apart, and which model says so too.

A description of `n` things is summed up by how unlike every two of them are to it, a dissimilarity matrix. Two
descriptions that have nothing else in common, a network's layer and a map of distances say, are then compared by their
matrices.
"""

from __future__ import annotations

from collections.abc import Sequence

from hybridfer.errors import SpecError, did_you_mean

DISTANCES = ("correlation", "euclidean", "mahalanobis", "crossnobis")
"""What makes two patterns unlike, see :func:`hybridfer.compare.rsa.matrices.dissimilarities`."""

MEASURES = ("spearman", "tau-a", "cosine", "pearson")
"""What makes two matrices alike, see :func:`hybridfer.compare.rsa.inference.similarities`."""

MOST_ITEMS = 2000
"""Items that have a matrix of their own; more make over two million pairs, and are better averaged."""


def check_name(kind: str, name: str, known: Sequence[str]) -> None:
    """Raise SpecError unless a name is among the known ones of its kind."""
    if name not in known:
        raise SpecError(f"No {kind} {name!r}.{did_you_mean(name, known)} Known: {', '.join(known)}.")
