"""Comparing pictures: many metrics, each with a reading in words. A new one is a class and a line in the table."""

from __future__ import annotations

from hybridfer.registry import Registry

METRICS = Registry(
    "metrics",
    {
        "cosine": "hybridfer.compare.similarity:CosineSimilarity",
        "hog": "hybridfer.compare.similarity:HOGSimilarity",
        "lbp": "hybridfer.compare.similarity:LBPSimilarity",
        "phash": "hybridfer.compare.similarity:PHashSimilarity",
        "sift": "hybridfer.compare.similarity:SIFTSimilarity",
    },
)
