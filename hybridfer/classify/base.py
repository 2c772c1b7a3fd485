"""What every model does, whatever it rests on: pictures or a feature bank in, rows with an answer for each face out."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from hybridfer import __version__
from hybridfer.errors import ModelError
from hybridfer.faces.align import Alignment, Eyes
from hybridfer.faces.draw import Heat
from hybridfer.labels import probability_columns
from hybridfer.media.images import FileSource
from hybridfer.types import Item, Manifest, Picture, Pixels

if TYPE_CHECKING:
    from hybridfer.bank.bank import FeatureBank, FeatureChunk
    from hybridfer.descriptors.base import Descriptor


@dataclass(frozen=True)
class Predicted:
    """A picture or a frame, and what a model says of it.

    Attributes
    ----------
    item : Item
    rows : list of dict
        One for each face; where there is none, one that says so, or what is wrong.
    heats : list of Heat
        Where the model looked in each face, if that was asked.
    """

    item: Item
    rows: list[dict[str, Any]]
    heats: list[Heat]


class Predictor(ABC):
    """A trained classifier with its card, resting on blocks of features that it names.

    Attributes
    ----------
    card : dict
        What it is and was made of, as ``card.json`` holds it.
    """

    card: dict[str, Any]

    rests: ClassVar[str] = "was trained on"
    """What it does with its blocks, in words."""

    @property
    @abstractmethod
    def classes(self) -> list[str]:
        """The labels, in the order of the probabilities."""

    @property
    @abstractmethod
    def blocks(self) -> dict[str, dict[str, Any]]:
        """Canonical spec of each block to what it was made with, in the order in which they are read."""

    @abstractmethod
    def descriptors(self, runtime: str = "torch") -> Sequence[str | Descriptor]:
        """Return what makes the blocks of a picture.

        Parameters
        ----------
        runtime : str
            What a network's answers are computed by, a name of :data:`~hybridfer.deep.RUNTIMES`.

        Raises
        ------
        ModelError
            If hybridfer cannot make one of them, or the model is no network and `runtime` is not the default.
        """

    @abstractmethod
    def probabilities(self, X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the probabilities ``(n, classes)`` of blocks side by side, ``(n, length)``, n being 1 or more."""

    def explainer(self, device: str = "cpu") -> Descriptor:
        """Return what makes of a crop a map, ``s * s`` values of 0 to 1, of where the model looked.

        Raises
        ------
        ModelError
            If it does not look at places.
        """
        raise ModelError(
            f"A model of {', '.join(block['name'] for block in self.blocks.values())} has no maps to look into; "
            "only where a network looked can be explained."
        )

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

    def predict_inputs(self, manifest: Manifest, **options: Any) -> Iterator[dict[str, Any]]:
        """Yield the rows of a manifest's pictures, in order, as they are described; see :meth:`predict_items`."""
        return (row for each in self.predict_items(manifest, **options) for row in each.rows)

    def predict_items(
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
        explain: bool = False,
        runtime: str = "torch",
    ) -> Iterator[Predicted]:
        """Yield the rows of a manifest's pictures and frames, picture by picture, in order, as they are described.

        Parameters
        ----------
        manifest : Manifest
        detector : str, optional
            The model's own when not given; none on declared crops.
        faces, min_face, threshold, max_faces, every, jobs, cache, device, strict
            As the options of ``hybridfer extract``.
        explain : bool
            Whether to say where the model looked, too.
        runtime : str
            See :meth:`descriptors`.

        Raises
        ------
        ModelError
            If the model's features cannot be made by this hybridfer, or it is to explain itself and cannot.
        """
        from hybridfer.bank.bank import block_card
        from hybridfer.bank.describe import describe_inputs, make_descriptors
        from hybridfer.faces.find import Search, choose_detector

        descriptors = make_descriptors(self.descriptors(runtime), device=device)
        self._check_blocks({d.spec: block_card(d) for d in descriptors}, f"this hybridfer {__version__}")
        explainer = self.explainer(device) if explain else None
        search = Search(
            choose_detector(manifest, detector or self.detector), faces, min_face, threshold, max_faces, device
        )
        chunks = describe_inputs(
            manifest,
            [*descriptors, *([] if explainer is None else [explainer])],
            search,
            alignment=self.alignment,
            every=every,
            jobs=jobs,
            cache=cache,
            strict=strict,
        )
        eyes = search.finder().eyes
        return (each for chunk in chunks for each in self._by_item(chunk, explainer, eyes))

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
        notes: list[str] = []
        mine = self.card["trained_with"]
        if not mine:
            return notes
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
        probabilities = self.probabilities(X)
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

    def _by_item(self, chunk: FeatureChunk, explainer: Descriptor | None, eyes: Eyes | None) -> Iterator[Predicted]:
        rows = iter(self.predict_chunk(chunk))
        maps: Iterator[npt.NDArray[np.float32]] = iter(())
        if explainer is not None:
            side = isqrt(explainer.length)
            maps = iter(chunk.blocks[explainer.spec].reshape(-1, side, side))
        for item, faces in chunk.faces:
            heats = [Heat(v, face, eyes, self.alignment) for face, v in zip(faces, maps, strict=False)]
            yield Predicted(item, list(islice(rows, max(1, len(faces)))), heats)

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
                how = "Import a table that has it" if "made_by" in wanted else f"Extract with -f {name}, give pictures"
                raise ModelError(f"The model {self.rests} {name}, which {where} lacks.{other} {how}, or train anew.")
            for key, word in (("version", "version"), ("length", "length"), ("weights", "weights")):
                if found[name][key] != wanted[key]:
                    how = f"Extract again with the model's hybridfer ({self.card['hybridfer']})"
                    if "made_by" in wanted:
                        how = f"Import a table of the {wanted['made_by']} it learnt from"
                    raise ModelError(
                        f"The model {self.rests} {name} of {word} {wanted[key]}, and {where} has {word} "
                        f"{found[name][key]}: other numbers. {how}, or train anew."
                    )


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
