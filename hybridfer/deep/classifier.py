"""A trained network as a model: what ``predict``, ``evaluate`` and Python ask an SVM, they can ask it too."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from hybridfer.bank.bank import block_card
from hybridfer.classify.base import Predictor
from hybridfer.deep.checkpoints import plan_network, score_layer
from hybridfer.deep.explain import Explainer
from hybridfer.deep.runtimes import NetworkScores
from hybridfer.deep.weights import find_weights, read_record
from hybridfer.errors import ModelError
from hybridfer.faces import DEFAULT_DETECTOR


@dataclass(frozen=True)
class NetworkModel(Predictor):
    """A trained network with its card: scores of its last layer in, probabilities by softmax out.

    The scores are a block like any other layer's (:class:`~hybridfer.deep.runtimes.NetworkScores`): what holds for
    those holds for predictions. A face's are the same, bit for bit, alone and among others, and they are cached.

    Attributes
    ----------
    card : dict
        What it is and was made of, as ``card.json`` holds it; of weights that were imported, what one must assume.
    scores : NetworkScores
        The layer that gives a score for each class.
    """

    card: dict[str, Any]
    scores: NetworkScores

    rests: ClassVar[str] = "answers by"

    @classmethod
    def load(cls, text: str) -> Self:
        """Return the network of a name, or in a folder; see :func:`~hybridfer.deep.weights.find_weights`.

        Raises
        ------
        WeightsError
            If there are no such weights, or their file is not what their card says.
        ModelError
            If their card does not say what their classes are called.
        """
        _, card = find_weights(text)
        if card.labels is None:
            raise ModelError(
                f"The weights {text!r} do not say what their {card.classes or 'classes'} classes are called; import "
                f"them with --labels A,B,C to predict with them, or use a layer: {card.network}@LAYER:weights={text}."
            )
        last = str(score_layer(plan_network(card.network, card.classes, **card.options)))
        record = read_record(text)
        content = json.dumps(record, sort_keys=True).encode()
        unsaid = {
            "fingerprint": f"sha256:{hashlib.sha256(content).hexdigest()}",
            "hybridfer": "unknown",
            "detector": DEFAULT_DETECTOR,
            "trained_with": {},
        }
        return cls({**unsaid, **record}, NetworkScores(network=card.network, layer=last, weights=text, size=card.size))

    @property
    def classes(self) -> list[str]:
        return list(self.card["labels"])

    @cached_property
    def blocks(self) -> dict[str, dict[str, Any]]:
        return {self.scores.spec: block_card(self.scores)}

    def descriptors(self, runtime: str = "torch") -> list[NetworkScores]:
        return [replace(self.scores, runtime=runtime)]

    def probabilities(self, X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        powers = np.exp(X.astype(np.float64) - X.max(1, keepdims=True))
        return np.asarray(powers / powers.sum(1, keepdims=True), np.float64)

    def explainer(self, device: str = "cpu") -> Explainer:
        return Explainer.of(self.scores.weights, device)
