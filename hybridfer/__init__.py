"""hybridfer reads facial expression: with networks, and with SVMs on classical descriptors and network layers.

The verbs of the shell are functions here; each is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_VERBS = {
    "FeatureBank": "hybridfer.bank.bank",
    "detect": "hybridfer.faces",
    "evaluate": "hybridfer.evaluation.evaluate",
    "extract": "hybridfer.bank.extract",
    "load_model": "hybridfer.classify.model",
    "rsa": "hybridfer.compare.rsa.analysis",
    "similarity": "hybridfer.compare.similarity",
    "train_svm": "hybridfer.classify.train",
}

__all__ = [
    "FeatureBank",
    "__version__",
    "detect",
    "evaluate",
    "extract",
    "load_model",
    "rsa",
    "similarity",
    "train_svm",
]

if TYPE_CHECKING:
    from hybridfer.bank.bank import FeatureBank
    from hybridfer.bank.extract import extract
    from hybridfer.classify.model import load_model
    from hybridfer.classify.train import train_svm
    from hybridfer.compare.rsa.analysis import rsa
    from hybridfer.compare.similarity import similarity
    from hybridfer.evaluation.evaluate import evaluate
    from hybridfer.faces import detect


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        return getattr(import_module(_VERBS[name]), name)
    raise AttributeError(f"module 'hybridfer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
