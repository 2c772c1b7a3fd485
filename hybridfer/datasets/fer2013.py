"""FER2013 as its users have it: ``fer2013.csv``, ``icml_face_data.csv``, or Kaggle's folders; FER+ votes beside it.

The csv has the columns ``emotion, pixels, Usage``, in the other spelling ``emotion, Usage, pixels`` with spaces before
the names; ``pixels`` is 2,304 numbers, row by row. The folders are ``train/`` and ``test/`` (public and private test
together) with one folder a class. Pictures are face crops of 48x48, so no detector runs on them.

References: Goodfellow et al. 2013, doi 10.1007/978-3-642-42051-1_16; FER+: Barsoum et al. 2016,
doi 10.1145/2993148.2993165.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hybridfer.datasets.layout import few_folders, find_root, unlike
from hybridfer.datasets.pixels import header, pixel_columns, pixel_items, scan
from hybridfer.errors import DatasetError
from hybridfer.labels import LABEL_SETS, canonical_label, canonical_split
from hybridfer.types import Item, Manifest

EMOTIONS = LABEL_SETS["fer2013"]
FOLDERS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
VOTES = (*LABEL_SETS["ferplus"], "unknown", "NF")
VOTES_FILE = "fer2013new.csv"
CSV_FILES = ("fer2013.csv", "icml_face_data.csv")


@dataclass(frozen=True)
class Fer2013:
    """The csv in either spelling, a folder that holds it, or the class folders."""

    def recognise(self, path: Path) -> str | None:
        """Return how `path` shows that it is FER2013."""
        if path.is_dir():
            found = find_root(path, _shows)
            return None if found is None else found[1]
        if path.suffix.lower() == ".csv" and path.is_file() and "pixels" in header(path):
            return "it has a column 'pixels'"
        return None

    def read(self, path: Path, labels: str) -> Manifest:
        """Return the items of FER2013; `labels` may be ``ferplus-majority`` or ``ferplus-argmax``."""
        if not path.is_dir():
            return _read_csv(path, labels)
        found = find_root(path, _shows)
        root = path if found is None else found[0]
        file = _csv_in(root)
        return _read_folders(root, labels) if file is None else _read_csv(file, labels)


def majority_label(votes: np.ndarray) -> str | None:
    """Return the label that more than half of FER+'s votes name, by the official rule, or None where there is none.

    Single votes are struck out first; ``unknown``, ``NF`` (not a face) and ties have no label.

    Parameters
    ----------
    votes : (10,) int
        In the order of FER+: the eight expressions, unknown, NF.

    Examples
    --------
    >>> majority_label(np.array([6, 1, 0, 1, 0, 0, 0, 0, 2, 0]))
    'neutral'
    """
    kept = np.where(votes > 1, votes, 0)
    best = int(kept.argmax())
    return VOTES[best] if kept[best] * 2 > kept.sum() and best < len(LABEL_SETS["ferplus"]) else None


def argmax_label(votes: np.ndarray) -> str | None:
    """Return the label with most of FER+'s votes, the first of equals; None for ``unknown`` and ``NF``."""
    best = int(votes.argmax())
    return VOTES[best] if best < len(LABEL_SETS["ferplus"]) else None


RULES = {"ferplus-majority": majority_label, "ferplus-argmax": argmax_label}


def _read_csv(path: Path, labels: str) -> Manifest:
    items = pixel_items(path, EMOTIONS)
    if labels in RULES:
        voted = zip(items, map(RULES[labels], read_votes(path)), strict=True)
        kept = [replace(item, label=label) for item, label in voted if label is not None]
        note = (
            f"labels by FER+ votes, rule {labels.removeprefix('ferplus-')}: "
            f"{len(kept)} rows kept, {len(items) - len(kept)} without a label left out"
        )
        return Manifest(kept, "fer2013", cropped=True, notes=(note,))
    if labels == "none":
        return Manifest([replace(item, label=None) for item in items], "fer2013", cropped=True)
    if labels not in ("auto", "manifest"):
        raise DatasetError(f"--labels {labels} does not go with {path.name}; use auto, none or {', '.join(RULES)}.")
    labelled = "emotion" in header(path)
    note = "labels: FER2013's own column emotion" if labelled else "no column emotion: no labels"
    return Manifest(items, "fer2013", cropped=True, notes=(note,))


def read_votes(path: Path) -> npt.NDArray[np.int64]:
    """Return FER+'s votes on every row of FER2013's csv, from the file beside it.

    Parameters
    ----------
    path : Path
        ``fer2013.csv`` in either spelling; ``fer2013new.csv`` lies beside it.

    Returns
    -------
    (n, 10) int
        In the order of :data:`VOTES`.

    Raises
    ------
    DatasetError
        If there are no votes, or they are not of these rows.
    """
    splits = [row.split for row in scan(path, pixel_columns(path), EMOTIONS)]
    beside = path.parent / VOTES_FILE
    if not beside.is_file():
        raise DatasetError(f"FER+'s votes are wanted: put {VOTES_FILE} beside {path.name} into {path.parent}.")
    with beside.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    missing = [name for name in VOTES if rows and name not in rows[0]]
    if missing or len(rows) != len(splits):
        problem = f"lacks the columns {', '.join(missing)}" if missing else f"has {len(rows)} rows, not {len(splits)}"
        raise DatasetError(f"{beside} {problem}; it must have FER+'s columns and {path.name}'s rows in order.")
    votes = np.zeros((len(rows), len(VOTES)), np.int64)
    for index, (row, split) in enumerate(zip(rows, splits, strict=True)):
        if split is not None and canonical_split(row.get("Usage") or split) != split:
            raise DatasetError(
                f"Row {index} of {beside} is of another split than in {path.name}; the rows do not match."
            )
        try:
            votes[index] = [int(row[name] or 0) for name in VOTES]
        except ValueError:
            found = ", ".join(str(row[name]) for name in VOTES)
            raise DatasetError(f"Row {index} of {beside} has the votes {found}; expected whole numbers.") from None
    return votes


def _csv_in(root: Path) -> Path | None:
    return next((root / name for name in CSV_FILES if (root / name).is_file()), None)


def _shows(root: Path) -> str | None:
    file = _csv_in(root)
    if file is not None:
        return f"it holds {file.name}"
    parts = [root / name for name in ("train", "test") if (root / name).is_dir()]
    if not parts or any({folder.name for folder in few_folders(part)} != set(FOLDERS) for part in parts):
        return None
    return f"it holds {' and '.join(p.name + '/' for p in parts)} with FER2013's seven class folders"


def _read_folders(root: Path, labels: str) -> Manifest:
    from hybridfer.datasets.folders import natural, picture_files
    from hybridfer.media.images import FileSource

    if labels not in ("auto", "folder", "none"):
        raise DatasetError(f"--labels {labels} does not go with FER2013's folders; use auto, folder or none.")
    items = []
    for part in sorted(p for p in root.iterdir() if p.is_dir()):
        for folder in sorted((p for p in part.iterdir() if p.is_dir()), key=lambda p: natural(p.name)):
            label = canonical_label(folder.name) if labels != "none" else None
            found, _ = picture_files(folder)
            items += [Item(f, FileSource(f), label=label, split=canonical_split(part.name)) for f in found]
    if not items:
        raise unlike(root, "FER2013", f"{CSV_FILES[0]}, or pictures in folders such as train/angry")
    counts = Counter(item.split for item in items)
    note = ", ".join(f"{n} {split}" for split, n in counts.items())
    return Manifest(items, "fer2013", cropped=True, notes=(f"FER2013 folders: {note}",))
