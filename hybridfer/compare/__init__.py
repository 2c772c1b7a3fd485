"""Comparing pictures: many metrics, each with a reading in words. A new one is a file here and a line in the table."""

from __future__ import annotations

from hybridfer.registry import Registry

METRICS = Registry(
    "metrics",
    {
        "cosine": "hybridfer.compare.cosine:CosineSimilarity",
        "hog": "hybridfer.compare.chi_square:HOGSimilarity",
        "lbp": "hybridfer.compare.chi_square:LBPSimilarity",
        "phash": "hybridfer.compare.phash:PHashSimilarity",
        "sift": "hybridfer.compare.sift:SIFTSimilarity",
    },
)

DISTANCE = 12
"""Bits of 64 in which the perceptual hashes of near copies may differ."""

CORRELATION = 0.93
"""Least correlation of the fine detail of near copies."""
