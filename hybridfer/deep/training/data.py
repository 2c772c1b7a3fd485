"""From a data set to the tensors that a network learns from: every picture read once, its face found and cut out."""

from __future__ import annotations

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hybridfer.bank.describe import show_face
from hybridfer.datasets.fer2013 import read_votes
from hybridfer.datasets.inputs import read_inputs
from hybridfer.datasets.split import shares_of, split
from hybridfer.deep.targets import class_shares, vote_targets
from hybridfer.descriptors.base import grey_stack, rgb_stack
from hybridfer.errors import DatasetError, TrainingError
from hybridfer.faces.align import Alignment
from hybridfer.faces.find import Search, choose_detector, looking, no_face_hint
from hybridfer.labels import class_order
from hybridfer.media.video import with_frames
from hybridfer.threads import in_order
from hybridfer.types import Item, Manifest, Pixels

HELD_BACK = 0.1
"""Share of the training pictures that is held back as ``val`` where a data set has none."""

EVERY = 1000
"""Pictures after which it is told how many are read."""

VALUES = 256
"""Of a pixel."""


@dataclass(frozen=True)
class Pictures:
    """Faces in memory.

    Attributes
    ----------
    pixels : (n, c, s, s) uint8
    labels : (n,) int64
        Each one's class, as the data set says it.
    targets : (n,) int64 or (n, K) float32
        What is to be answered: the labels, or the shares that FER+'s voters gave each class.
    """

    pixels: Tensor
    labels: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class TrainingData:
    """What is learnt from, what is measured on, and where both come from.

    Attributes
    ----------
    train : Pictures
    val : Pictures or None
    classes : tuple of str
        In the order of the scores.
    grey : bool
        Whether no picture has a colour.
    mean, std : tuple of float
        Of the training pixels, 0 to 1, a number a channel.
    about : dict
        What a card says of it: ``dataset, split, rows, classes, subjects, labels, votes, left_out``.
    trained_with : dict
        How faces were found and cut out.
    notes : tuple of str
        What a reader should be told.
    """

    train: Pictures
    val: Pictures | None
    classes: tuple[str, ...]
    grey: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    about: dict[str, Any]
    trained_with: dict[str, Any]
    notes: tuple[str, ...]

    def digest(self) -> str:
        """Return the SHA-256 of all that is learnt from and measured on."""
        found = hashlib.sha256(repr(self.classes).encode())
        for part in filter(None, (self.train, self.val)):
            for tensor in (part.pixels, part.labels, part.targets):
                found.update(repr(tuple(tensor.shape)).encode())
                found.update(tensor.numpy().data)
        return found.hexdigest()


def read_training_data(
    data: str | os.PathLike[str] | Manifest,
    *,
    size: int,
    channels: int | None = None,
    labels: str = "auto",
    dataset: str | None = None,
    label_set: str | None = None,
    detector: str | None = None,
    votes: str | None = None,
    val: float | None = None,
    strict: bool = False,
    seed: int = 0,
    jobs: int = -1,
    device: str = "cpu",
    watch: Callable[[str], None] | None = None,
) -> TrainingData:
    """Return a data set's faces of ``train`` and ``val`` in memory; ``test`` is never opened.

    Pictures that cannot be read or have no face are left out and counted.

    Parameters
    ----------
    data : path or Manifest
        Where it has no splits, all is ``train``.
    size : int
        Side of the pictures that the network sees.
    channels : int, optional
        1 for grey, 3 for colour; where not given, 1 if every picture is grey.
    labels, dataset, label_set, detector
        As the options of ``hybridfer extract``.
    votes : str, optional
        By which of :data:`~hybridfer.deep.targets.VOTE_RULES` FER+'s votes are what is learnt. What is measured on
        keeps its labels.
    val : float, optional
        Share of the training pictures that is held back to be measured on: a tenth where the data set has no ``val``.
        No subject and no copy of a picture stands on both sides. 0: nothing is measured.
    strict : bool
        Whether the first picture that cannot be read raises.
    seed, jobs, device
        Of what is held back; threads that read; where faces are looked for.
    watch : callable, optional
        Told now and then, in words, how many pictures are read.

    Raises
    ------
    DatasetError
        If there is no such data set, or it is damaged.
    TrainingError
        If nothing has a label, there is one class alone, or ``val`` has a class that ``train`` lacks.
    PictureError
        If a picture cannot be read and `strict` is True.
    """
    if isinstance(data, Manifest):
        manifest = data
    elif os.path.exists(data) or glob.has_magic(os.fspath(data)):
        manifest = read_inputs([data], labels=labels, dataset=dataset, label_set=label_set)
    else:
        raise DatasetError(f"{os.fspath(data)} does not exist; expected a data set, a folder or a table of pictures.")
    items, notes = _sides(with_frames(manifest), val, seed, jobs)
    classes = class_order(str(item.label) for item in items if item.split == "train")
    _check_classes(items, classes)
    targets: dict[str, npt.NDArray[np.float32]] = {}
    if votes is not None:
        items, targets = _voted(items, votes, classes)
        notes.append(f"learns FER+'s votes ({votes}): {len(targets)} training pictures have any")
    search = Search(choose_detector(manifest, detector), faces="largest", device=device)
    read = _read(items, search, size, channels, strict, jobs, watch)
    notes += _lost(read, search.detector)
    there = [known for known in read if known.crop is not None]
    train, held = ([known for known in there if known.item.split == side] for side in ("train", "val"))
    notes += _shared(train, held)
    grey = all(crop.shape[2] == 1 for crop in _crops(there))
    channels = channels or (1 if grey else 3)
    learning = _stack(train, classes, size, channels, targets)
    _check_learnt(learning, classes)
    mean, std = _moments(learning.pixels)
    counts = Counter(known.item.label for known in train)
    return TrainingData(
        learning,
        _stack(held, classes, size, channels, {}) if held else None,
        tuple(classes),
        grey,
        mean,
        std,
        about={
            "dataset": manifest.dataset,
            "split": "train",
            "rows": len(train),
            "classes": {label: counts[label] for label in classes},
            "subjects": len({known.item.subject for known in train} - {None}),
            "labels": [_without_folder(note, data) for note in manifest.notes],
            "votes": votes,
            "left_out": dict(Counter(known.status for known in read if known.crop is None)),
        },
        trained_with={
            "detector": search.detector,
            "detector_weights": search.finder().weights,
            "cropped": manifest.cropped,
            "crop": None if search.detector == "none" else Alignment().record(),
        },
        notes=tuple(notes),
    )


def _without_folder(note: str, data: str | os.PathLike[str] | Manifest) -> str:
    """Return a note without the folder that the data lie in: a card travels."""
    if isinstance(data, Manifest) or not note.startswith(f"{os.fspath(data)} "):
        return note
    return Path(data).resolve().name + note.removeprefix(os.fspath(data))


def _sides(manifest: Manifest, val: float | None, seed: int, jobs: int) -> tuple[list[Item], list[str]]:
    """Return the labelled items of ``train`` and ``val``, made of the former where there are none of the latter."""
    if val is not None and not 0 <= val < 1:
        raise TrainingError(f"The share of val is {val:g}; expected 0 to less than 1, such as 0.1.")
    every = list(manifest.items)
    items = [item for item in every if item.label is not None]
    if not items:
        raise TrainingError("No picture has a label to learn; use --labels folder, or a manifest with a column label.")
    notes = []
    if len(items) < len(every):
        notes.append(f"{len(every) - len(items)} pictures without a label are left out")
    splits = Counter(item.split for item in items)
    if set(splits) != {None} and splits[None]:
        notes.append(f"{splits[None]} pictures without a split are left out")
    if set(splits) == {None}:
        train = [replace(item, split="train") for item in items]
    else:
        train = [item for item in items if item.split == "train"]
    if not train:
        there = ", ".join(f"{name} ({n} pictures)" for name, n in splits.items())
        raise TrainingError(f"No labelled picture is of the split 'train'; there are {there}.")
    if splits["val"]:
        if val:
            raise TrainingError(
                f"The data set has {splits['val']} pictures of val, so that no share is to be held back; leave --val "
                "out, or say --val 0 to measure nothing."
            )
        return train + [item for item in items if item.split == "val" and val is None], notes
    if val == 0:
        return train, notes
    share = HELD_BACK if val is None else val
    made = split(replace(manifest, items=train), shares_of(share, None), seed=seed, jobs=jobs)
    notes += [f"{share:.0%} of the pictures held back as val, every {made.by} on one side", *made.notes]
    return list(made.manifest.items), notes


def _check_classes(items: Sequence[Item], classes: Sequence[str]) -> None:
    """Raise TrainingError unless there are several classes, and no other in ``val``."""
    if len(classes) < 2:
        raise TrainingError(
            f"All {sum(item.split == 'train' for item in items)} training pictures are of one class, {classes[0]!r}; a "
            "network needs 2 or more to tell apart."
        )
    for label, number in Counter(item.label for item in items if item.split == "val").items():
        if label not in classes:
            raise TrainingError(
                f"{number} pictures of val are of the class {label!r}, which no training picture is of, so that they "
                "can never be right; add such pictures, correct the label, or leave it out with --label-set."
            )


def _check_learnt(pictures: Pictures, classes: Sequence[str]) -> None:
    """Raise TrainingError where nothing is left of a class."""
    for label, share in zip(classes, class_shares(pictures.targets, len(classes)).sum(0), strict=True):
        if not share:
            raise TrainingError(
                f"No training picture of the class {label!r} can be read; see to them, or leave the class out."
            )


def _voted(
    items: Sequence[Item], rule: str, classes: Sequence[str]
) -> tuple[list[Item], dict[str, npt.NDArray[np.float32]]]:
    """Return the items without the training pictures that FER+ tells nothing of, and the shares of the others."""
    train = [item for item in items if item.split == "train"]
    named = [item.input.rpartition("#") for item in train]
    files = {file for file, _, _ in named}
    if len(files) != 1 or "" in files:
        raise TrainingError("FER+'s votes are of the rows of fer2013.csv; train on that file, or leave --votes out.")
    rows = [int(number) for _, _, number in named]
    shares, kept = vote_targets(read_votes(Path(files.pop()))[rows], rule, classes)
    targets = {item.input: share for item, share, keep in zip(train, shares, kept, strict=True) if keep}
    return [item for item in items if item.split == "val" or item.input in targets], targets


@dataclass(frozen=True)
class _Known:
    """What became of an item: its face ``(s, s, 1 or 3)``, or why there is none."""

    item: Item
    crop: Pixels | None
    sha256: str | None
    error: str | None

    @property
    def status(self) -> str:
        """As in every command's rows."""
        return "error" if self.error is not None else "no_face" if self.crop is None else "ok"


def _read(
    items: Sequence[Item],
    search: Search,
    size: int,
    channels: int | None,
    strict: bool,
    jobs: int,
    watch: Callable[[str], None] | None,
) -> list[_Known]:
    """Return what becomes of every item."""
    look, eyes = looking(search, strict), search.finder().eyes

    def work(item: Item) -> _Known:
        found = look(item)
        if found.picture is None or not found.faces:
            return _Known(item, None, None if found.picture is None else found.picture.sha256, found.error)
        crop = show_face(found.picture.pixels, found.faces[0], eyes, "face")
        plain = channels == 1 or bool((crop == crop[..., :1]).all())
        small = grey_stack([crop], size)[0, ..., None] if plain else rgb_stack([crop], size)[0]
        return _Known(item, small.copy(), found.picture.sha256, None)

    read = []
    for known in in_order(work, items, jobs):
        read.append(known)
        if watch is not None and len(read) % EVERY == 0:
            watch(f"{len(read):,} of {len(items):,} pictures read")
    return read


def _lost(read: Sequence[_Known], detector: str) -> Iterator[str]:
    counts = Counter(known.status for known in read)
    broken = next((known for known in read if known.status == "error"), None)
    if broken is not None:
        yield (
            f"{counts['error']} pictures cannot be read and are left out, the first of them {broken.item.input}: "
            f"{broken.error}"
        )
    if counts["no_face"]:
        yield f"{counts['no_face']} pictures without a face are left out"
        hint = no_face_hint(counts, detector)
        if hint is not None:
            yield hint


def _shared(train: Sequence[_Known], held: Sequence[_Known]) -> Iterator[str]:
    """Yield what is to be said of people and pictures that are learnt and measured on at once."""
    people = {known.item.subject for known in train} & {known.item.subject for known in held} - {None}
    if people:
        yield (
            f"{len(people)} subjects, such as {min(map(str, people))!r}, stand in train and in val: the scores say "
            "little of new people"
        )
    learnt = {known.sha256 for known in train}
    copies = sum(known.sha256 in learnt for known in held)
    if copies:
        yield f"{copies} of the {len(held)} pictures of val are, byte for byte, among those that are learnt from"


def _crops(known: Sequence[_Known]) -> list[Pixels]:
    return [each.crop for each in known if each.crop is not None]


def _stack(
    side: Sequence[_Known],
    classes: Sequence[str],
    size: int,
    channels: int,
    targets: dict[str, npt.NDArray[np.float32]],
) -> Pictures:
    pixels = torch.empty(len(side), channels, size, size, dtype=torch.uint8)
    for row, crop in zip(pixels, _crops(side), strict=True):
        row[...] = torch.from_numpy(crop).permute(2, 0, 1)
    labels = torch.tensor([classes.index(str(known.item.label)) for known in side])
    shares = torch.from_numpy(np.stack([targets[known.item.input] for known in side])) if targets else labels
    return Pictures(pixels, labels, shares)


def _moments(pixels: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of each channel, from exact counts of its values."""
    values = torch.arange(VALUES, dtype=torch.float64) / (VALUES - 1)
    moments = []
    for channel in pixels.unbind(1):
        counts = torch.zeros(VALUES, dtype=torch.float64)
        for part in torch.split(channel, EVERY):
            counts += torch.bincount(part.flatten(), minlength=VALUES)
        shares = counts / counts.sum()
        mean = float(shares @ values)
        deviation = float(shares @ (values - mean) ** 2) ** 0.5
        # Pictures of one colour have no deviation, and are not to be divided by it.
        moments.append((round(mean, 6), round(deviation, 6) or 1.0))
    means, deviations = zip(*moments, strict=True)
    return means, deviations
