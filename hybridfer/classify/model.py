"""A model folder: ``model.skops``, ``card.json``, ``README.md``; everything prediction needs, and no pickle.

``model.skops`` is loaded with a trust list that is a constant of this module, never with what the file itself asks
for. The card says what the blocks were made with, so that other features are refused, and how to find the face.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from hybridfer import __version__
from hybridfer.classify.base import Predictor
from hybridfer.classify.card import SCHEMA, readme
from hybridfer.errors import ModelError, WeightsError, did_you_mean
from hybridfer.tables import check_output, replacing

if TYPE_CHECKING:
    from hybridfer.bank.bank import FeatureBank

FILES = ("model.skops", "card.json", "README.md")

TRUSTED = (
    "hybridfer.classify.encoders.blocks.BlockEncoding",
    "hybridfer.classify.encoders.bovw.BagOfWords",
    "hybridfer.classify.encoders.fisher.FisherVector",
    "hybridfer.classify.encoders.vlad.VLAD",
    "hybridfer.classify.estimators.BlockProjection",
    "hybridfer.classify.estimators.KernelMap",
    "hybridfer.classify.local_svm.LeastSquaresSVM",
    "hybridfer.classify.local_svm.LocalSVM",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
)
"""Types a model file may hold beside those of scikit-learn and NumPy that skops itself knows to be harmless."""

_CARD_KEYS = ("schema", "classes", "blocks", "detector", "settings", "training", "cv", "notes", "sha256", "fingerprint")


@dataclass(frozen=True)
class Model(Predictor):
    """A trained SVM with its card.

    Attributes
    ----------
    card : dict
        What it is and was made of, as ``card.json`` holds it.
    pipeline : sklearn.pipeline.Pipeline
        Blocks side by side in, calibrated probabilities out.
    """

    card: dict[str, Any]
    pipeline: Any

    @classmethod
    def of(cls, card: Mapping[str, Any], pipeline: Any) -> Self:
        """Return a model whose card has the fingerprint of both: equal for equal models, whatever file they lie in."""
        import joblib

        learnt = joblib.hash(pipeline, hash_name="sha1")
        text = json.dumps([card, learnt], sort_keys=True)
        return cls({**card, "fingerprint": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"}, pipeline)

    @property
    def classes(self) -> list[str]:
        return list(self.card["classes"])

    @property
    def blocks(self) -> dict[str, dict[str, Any]]:
        return dict(self.card["blocks"])

    def save(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write the model's folder; it takes its place when all is written.

        Raises
        ------
        OutputError
            If `path` exists and `overwrite` is False, holds other things than a model, or cannot be written.
        """
        import skops.io

        check_output(path, overwrite, FILES)
        data = skops.io.dumps(self.pipeline)
        self.card["sha256"] = {"model.skops": hashlib.sha256(data).hexdigest()}
        with replacing(path, overwrite, FILES) as beside:
            beside.mkdir()
            (beside / "model.skops").write_bytes(data)
            (beside / "card.json").write_text(json.dumps(self.card, indent=2, ensure_ascii=False) + "\n", "utf-8")
            (beside / "README.md").write_text(readme(self.card), "utf-8")

    def descriptors(self, runtime: str = "torch") -> list[str]:
        if runtime != "torch":
            raise ModelError(f"{runtime} runs networks, and this model is an SVM; leave the runtime out.")
        for name, block in self.blocks.items():
            if "made_by" in block:
                raise ModelError(
                    f"The model was trained on {name}, which {block['made_by']} makes and hybridfer does not; run "
                    f"{block['made_by']} on the pictures, then hybridfer bank import TABLE -o BANK, and give BANK."
                )
        return list(self.blocks)

    def probabilities(self, X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        order = [list(self.pipeline.classes_).index(label) for label in self.classes]
        return np.asarray(self.pipeline.predict_proba(X), np.float64)[:, order]

    def bank_notes(self, bank: FeatureBank) -> list[str]:
        notes = []
        for name, block in self.blocks.items():
            for library, number in bank.blocks.get(name, block)["libraries"].items():
                trained = block["libraries"].get(library)
                if trained != number:
                    notes.append(f"{name} was trained on with {library} {trained} and is here made with {number}")
        return [*notes, *super().bank_notes(bank)]


def load_model(path: str | os.PathLike[str]) -> Predictor:
    """Return a trained model: an SVM in a folder, or a network in a folder or by its name.

    Nothing but types of a fixed list is ever built from a file, and its hash must be the card's.

    Parameters
    ----------
    path : path or str
        A folder that ``svm-train`` or ``train`` wrote, or a name of ``hybridfer models list``. A name goes before a
        path; write ``./arm`` for a folder that is called as weights are.

    Raises
    ------
    ModelError
        If it is no model, a file is missing, cut or changed, it was written by a newer hybridfer, or holds types that
        are not trusted; or if a name is that of a model folder here as well.
    WeightsError
        If it is a network whose file is not what its card says.

    Examples
    --------
    >>> rows = load_model("fer.model").predict(["a.jpg", "b.jpg"])      # doctest: +SKIP
    >>> rows[0]["label"], rows[0]["confidence"]                         # doctest: +SKIP
    ('happiness', 0.83)
    """
    from hybridfer.deep.weights import CARD, is_network, read_card, weights_names
    from hybridfer.faces import DETECTORS

    text, names = os.fspath(path), weights_names()
    if text in names and (Path(text) / CARD).is_file():
        raise ModelError(
            f"{text!r} is the name of weights and a model folder here; write ./{text} for the folder, or rename it."
        )
    networks = [name for name in names if is_network(name)]
    known = "a model's folder" + (f", or a name: {', '.join(networks)}" if networks else "")
    try:
        network = read_card(text).network
    except WeightsError:
        if text in names or is_network(text):
            raise
        if not os.path.lexists(text):
            raise ModelError(f"There is no model {text}.{did_you_mean(text, networks)} Expected {known}.") from None
        return _load_svm(Path(text))
    if network in DETECTORS.names():
        raise ModelError(
            f"{text} holds {network}, which finds faces and tells no expressions: it goes with --detector. "
            f"Expected {known}."
        )
    from hybridfer.deep.classifier import NetworkModel

    return NetworkModel.load(text)


def _load_svm(folder: Path) -> Model:
    if not folder.is_dir():
        raise ModelError(f"{folder} is a file; expected a model folder, as hybridfer svm-train and train write it.")
    card = _read_card(folder)
    data = _read_file(folder, "model.skops")
    found = hashlib.sha256(data).hexdigest()
    if found != card["sha256"].get("model.skops"):
        raise ModelError(
            f"{folder / 'model.skops'} is cut or was changed: its SHA-256 is {found[:12]}…, the card's "
            f"{str(card['sha256'].get('model.skops'))[:12]}…. Copy the folder again, or train anew."
        )
    return Model(card, _read_pipeline(folder, data, card))


def _read_file(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        raise ModelError(
            f"{folder} has no {name}, so it is no model folder; make one with hybridfer svm-train or train."
        ) from None
    except OSError as error:
        raise ModelError(f"{folder / name} cannot be read: {error.strerror}; check its permissions.") from None


def _read_card(folder: Path) -> dict[str, Any]:
    try:
        card = json.loads(_read_file(folder, "card.json"))
        schema = int(card["schema"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder / 'card.json'} is cut or damaged ({error}); train the model anew.") from None
    if schema > SCHEMA:
        raise ModelError(
            f"{folder} has model schema {schema}; this hybridfer {__version__} reads up to {SCHEMA}. Upgrade hybridfer."
        )
    lost = [key for key in _CARD_KEYS if key not in card]
    if lost or not isinstance(card["sha256"], dict) or not isinstance(card["blocks"], dict):
        raise ModelError(f"{folder / 'card.json'} is damaged: it lacks {', '.join(lost) or 'its parts'}; train anew.")
    return dict(card)


def _read_pipeline(folder: Path, data: bytes, card: Mapping[str, Any]) -> Any:
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        pipeline = skops.io.loads(data, trusted=list(TRUSTED))
    except UntrustedTypesFoundException as error:
        raise ModelError(
            f"{folder / 'model.skops'} holds types that are not trusted ({' '.join(str(error).split())}); "
            "do not use this file."
        ) from None
    except Exception as error:  # noqa: BLE001 - what a damaged or other version's file does to the reader is open
        said = " ".join(str(error).split()) or type(error).__name__
        wrote = card.get("libraries", {}).get("scikit-learn", "another version")
        raise ModelError(
            f"{folder / 'model.skops'} cannot be read ({said}). It was written with scikit-learn {wrote}; "
            "install that, or train anew."
        ) from None
    if sorted(getattr(pipeline, "classes_", ())) != sorted(card["classes"]):
        raise ModelError(
            f"{folder}: the card's classes are not those of model.skops; the folder is damaged. Train anew."
        )
    return pipeline
