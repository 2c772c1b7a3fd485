"""A model folder: ``model.skops``, ``card.json``, ``README.md``; everything prediction needs, and no pickle.

``model.skops`` is loaded with a trust list that is a constant of this module, never with what the file itself asks
for. The card says what the blocks were made with, so that other features are refused, and how to find the face.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from hybridfer import __version__
from hybridfer.classify.card import SCHEMA, readme
from hybridfer.errors import ModelError
from hybridfer.faces.align import Alignment
from hybridfer.labels import probability_columns
from hybridfer.media.images import FileSource
from hybridfer.tables import check_output, replacing
from hybridfer.types import Item, Manifest, Picture, Pixels

if TYPE_CHECKING:
    from hybridfer.bank.bank import FeatureBank, FeatureChunk

FILES = ("model.skops", "card.json", "README.md")

TRUSTED = (
    "hybridfer.classify.estimators.BlockProjection",
    "hybridfer.classify.estimators.KernelMap",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
)
"""Types a model file may hold beside those of scikit-learn and NumPy that skops itself knows to be harmless."""

_CARD_KEYS = ("schema", "classes", "blocks", "detector", "settings", "training", "cv", "notes", "sha256", "fingerprint")


@dataclass(frozen=True)
class Model:
    """A trained classifier with its card.

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
        """The labels, in the order of the probabilities."""
        return list(self.card["classes"])

    @property
    def fingerprint(self) -> str:
        """``sha256:…`` over the card and what was learnt."""
        return str(self.card["fingerprint"])

    @property
    def detector(self) -> str:
        """The detector for pictures that do not declare themselves face crops."""
        return str(self.card["detector"])

    @property
    def alignment(self) -> Alignment:
        """How a face is cut out of a picture: as the training faces were; the usual way if those came as crops."""
        return Alignment.of(self.card["trained_with"].get("crop"))

    @property
    def blocks(self) -> dict[str, dict[str, Any]]:
        """Canonical spec to what the block was made with, in the order of the pipeline's columns."""
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

    def predict(self, images: Iterable[str | os.PathLike[str] | Pixels], **options: Any) -> list[dict[str, Any]]:
        """Return a row for every face, and one for every picture without.

        Parameters
        ----------
        images : iterable of path or (H, W, 3) uint8
            Picture files, or RGB pixels, upright.
        **options
            As :meth:`predict_inputs`.

        Returns
        -------
        list of dict
            The columns of every command (``input, …, status, error, FaceRectX …``), a probability for each class,
            ``label`` and ``confidence``; None where there is no face.

        Raises
        ------
        ModelError
            If an array is not a picture, or the model's features cannot be made by this hybridfer.
        """
        items = [_item(image, number) for number, image in enumerate(images)]
        return list(self.predict_inputs(Manifest(items), **options))

    def predict_inputs(
        self,
        manifest: Manifest,
        *,
        detector: str | None = None,
        faces: str = "auto",
        min_face: int = 30,
        threshold: float | None = None,
        max_faces: int | None = None,
        every: int = 1,
        jobs: int = -1,
        cache: bool = True,
        device: str = "cpu",
        strict: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of a manifest's pictures, in order, as they are described.

        Parameters
        ----------
        manifest : Manifest
        detector : str, optional
            The model's own when not given; none on declared crops.
        faces, min_face, threshold, max_faces, every, jobs, cache, device, strict
            As the options of ``hybridfer extract``.

        Raises
        ------
        ModelError
            If the model's features cannot be made by this hybridfer.
        """
        from hybridfer.bank.bank import block_card
        from hybridfer.bank.describe import describe_inputs, make_descriptors
        from hybridfer.faces.find import Search, choose_detector

        for name, block in self.blocks.items():
            if "made_by" in block:
                raise ModelError(
                    f"The model was trained on {name}, which {block['made_by']} makes and hybridfer does not; run "
                    f"{block['made_by']} on the pictures, then hybridfer bank import TABLE -o BANK, and give BANK."
                )
        descriptors = make_descriptors(list(self.blocks), device=device)
        self._check_blocks({d.spec: block_card(d) for d in descriptors}, f"this hybridfer {__version__}")
        chunks = describe_inputs(
            manifest,
            descriptors,
            Search(choose_detector(manifest, detector or self.detector), faces, min_face, threshold, max_faces, device),
            alignment=self.alignment,
            every=every,
            jobs=jobs,
            cache=cache,
            strict=strict,
        )
        return (row for chunk in chunks for row in self.predict_chunk(chunk))

    def predict_bank(self, bank: FeatureBank, split: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the rows of a feature bank, in order; ``true_label`` is the bank's label.

        Parameters
        ----------
        bank : FeatureBank
        split : str, optional
            Only the rows of this split; all when not given.

        Raises
        ------
        ModelError
            If the bank's specs, versions or weights differ from those the model was trained on, or its faces were cut
            otherwise than the model cuts them.
        """
        import pyarrow.compute as pc

        from hybridfer.bank.bank import FeatureChunk, matrix

        self._check_blocks(bank.blocks, str(bank.path))
        self._check_crop(bank)

        def rows() -> Iterator[dict[str, Any]]:
            for batch in bank.batches([*bank.column_names, *self.blocks]):
                if split is not None:
                    batch = batch.filter(pc.equal(batch.column("split"), split))
                plain = batch.select(list(bank.column_names)).to_pylist()
                yield from self.predict_chunk(
                    FeatureChunk(plain, {name: matrix(batch.column(name)) for name in self.blocks})
                )

        return rows()

    def bank_notes(self, bank: FeatureBank) -> list[str]:
        """Return what differs between the bank and the model's own, short of what is refused."""
        notes = []
        for name, block in self.blocks.items():
            for library, number in bank.blocks.get(name, block)["libraries"].items():
                trained = block["libraries"].get(library)
                if trained != number:
                    notes.append(f"{name} was trained on with {library} {trained} and is here made with {number}")
        mine = self.card["trained_with"]
        theirs = {"detector": bank.provenance.get("detector"), "cropped": bool(bank.provenance.get("cropped"))}
        if (mine["detector"], mine["cropped"]) != (theirs["detector"], theirs["cropped"]):
            notes.append(f"the model was trained on {_crops(mine)}, and {bank.path} holds {_crops(theirs)}")
        weights = mine.get("detector_weights"), bank.provenance.get("detector_weights")
        if None not in weights and weights[0] != weights[1] and mine["detector"] == theirs["detector"]:
            notes.append(f"the faces of {bank.path} were found with other weights of {theirs['detector']}")
        return notes

    def predict_features(
        self, blocks: Mapping[str, npt.NDArray[Any]]
    ) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.float64]]:
        """Return labels ``(n,)`` and probabilities ``(n, classes)`` of features.

        Parameters
        ----------
        blocks : mapping of str to (n, length) array
            Every block of the model, by canonical spec.

        Raises
        ------
        ModelError
            If a block is missing, of another length, or holds values that are not finite.
        """
        X = self._beside(blocks)
        if not len(X):
            return np.empty(0, object), np.empty((0, len(self.classes)))
        order = [list(self.pipeline.classes_).index(label) for label in self.classes]
        probabilities = np.asarray(self.pipeline.predict_proba(X), np.float64)[:, order]
        return np.array(self.classes, dtype=object)[probabilities.argmax(1)], probabilities

    def predict_chunk(self, chunk: FeatureChunk) -> list[dict[str, Any]]:
        """Return the rows of a chunk with the predictions of those that have features."""
        labels, probabilities = self.predict_features(chunk.blocks)
        columns = list(probability_columns(self.classes).values())
        rows = [{**row, "true_label": row.get("label"), "label": None} for row in chunk.rows]
        for i, label, values in zip(chunk.ok, labels, probabilities.tolist(), strict=True):
            rows[i].update(zip(columns, values, strict=True))
            rows[i].update(label=label, confidence=max(values))
        return rows

    def _beside(self, blocks: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        lengths = {name: int(block["length"]) for name, block in self.blocks.items()}
        lost = [name for name in lengths if name not in blocks]
        if lost:
            raise ModelError(f"The model wants the block {lost[0]}, which is missing; there are {', '.join(blocks)}.")
        n = len(blocks[next(iter(lengths))])
        X = np.empty((n, sum(lengths.values())), np.float32)
        start = 0
        for name, length in lengths.items():
            values = np.asarray(blocks[name])
            if values.shape != (n, length):
                raise ModelError(f"Block {name} has the shape {values.shape}; the model wants ({n}, {length}).")
            X[:, start : start + length] = values
            bad = np.flatnonzero(~np.isfinite(X[:, start : start + length]).all(1))
            if len(bad):
                raise ModelError(
                    f"Block {name} has values that are not finite (NaN or infinite) in {len(bad)} rows; "
                    "extract it again."
                )
            start += length
        return X

    def _check_crop(self, bank: FeatureBank) -> None:
        """Raise :class:`ModelError` where a bank's faces were cut otherwise; whole pictures are only worth a note."""
        mine = self.alignment.record()
        for key, theirs in (bank.crop or {}).items():
            if theirs != mine[key]:
                raise ModelError(
                    f"The model cuts faces with {key} {mine[key]}, and {bank.path} has faces cut with {key} {theirs}. "
                    "Extract them again as the model's card says, or train anew."
                )

    def _check_blocks(self, found: Mapping[str, Mapping[str, Any]], where: str) -> None:
        """Raise :class:`ModelError` where the blocks that `where` makes or holds are not those the model learnt."""
        for name, wanted in self.blocks.items():
            if name not in found:
                near = [other for other in found if found[other]["name"] == wanted["name"]]
                other = f" It has {', '.join(near)}." if near else ""
                how = "Import a table that has it" if "made_by" in wanted else f"Extract with -f {name}"
                raise ModelError(f"The model was trained on {name}, which {where} lacks.{other} {how}, or train anew.")
            for key, word in (("version", "version"), ("length", "length"), ("weights", "weights")):
                if found[name][key] != wanted[key]:
                    how = f"Extract again with the model's hybridfer ({self.card['hybridfer']})"
                    if "made_by" in wanted:
                        how = f"Import a table of the {wanted['made_by']} it learnt from"
                    raise ModelError(
                        f"The model was trained on {name} of {word} {wanted[key]}, and {where} has {word} "
                        f"{found[name][key]}: other numbers. {how}, or train anew."
                    )


def load_model(path: str | os.PathLike[str]) -> Model:
    """Return the model in a folder.

    Nothing but types of a fixed list is ever built from the file, and its hash must be the card's.

    Parameters
    ----------
    path : path
        A folder that ``svm-train`` wrote.

    Raises
    ------
    ModelError
        If it is no model folder, a file is missing, cut or changed, it was written by a newer hybridfer, or holds types
        that are not trusted.

    Examples
    --------
    >>> rows = load_model("fer.model").predict(["a.jpg", "b.jpg"])      # doctest: +SKIP
    >>> rows[0]["label"], rows[0]["confidence"]                         # doctest: +SKIP
    ('happiness', 0.83)
    """
    folder = Path(path)
    if not folder.is_dir():
        what = "a file; expected a model folder" if folder.exists() else "not there"
        raise ModelError(f"{folder} is {what}. Make one with hybridfer svm-train BANK -o {folder}.")
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
            f"{folder} has no {name}, so it is no model folder; make one with hybridfer svm-train."
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


@dataclass(frozen=True, slots=True)
class _ArraySource:
    """Pixels that are in memory already."""

    pixels: Pixels

    def read(self) -> Picture:
        return Picture(
            self.pixels, hashlib.sha256(repr(self.pixels.shape).encode() + self.pixels.tobytes()).hexdigest()
        )


def _item(image: str | os.PathLike[str] | Pixels, number: int) -> Item:
    if isinstance(image, (str, os.PathLike)):
        return Item(os.fspath(image), FileSource(os.fspath(image)))
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ModelError(f"Image {number} is {what}; expected a path or (H, W, 3) uint8 pixels, RGB.")
    return Item(f"image {number}", _ArraySource(np.ascontiguousarray(image)))


def _crops(made: Mapping[str, Any]) -> str:
    if made["cropped"]:
        return "ready face crops"
    return "whole pictures" if made["detector"] in (None, "none") else f"faces found with {made['detector']}"
