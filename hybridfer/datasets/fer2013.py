"""FER2013 as its users have it: ``fer2013.csv``, ``icml_face_data.csv``, or Kaggle's folders; FER+ votes beside it.

The csv has the columns ``emotion, pixels, Usage``, in the other spelling ``emotion, Usage, pixels`` with spaces before
the names; ``pixels`` is 2,304 numbers, row by row. The folders are ``train/`` and ``test/`` (public and private test
together) with one folder a class. Pictures are face crops of 48x48, so no detector runs on them.

References: Goodfellow et al. 2013, doi 10.1007/978-3-642-42051-1_16; FER+: Barsoum et al. 2016,
doi 10.1145/2993148.2993165.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hybridfer.errors import DatasetError, PictureError
from hybridfer.labels import LABEL_SETS, canonical_label, canonical_split
from hybridfer.types import Item, Manifest, Picture

SIDE = 48
EMOTIONS = LABEL_SETS["fer2013"]
FOLDERS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
VOTES = (*LABEL_SETS["ferplus"], "unknown", "NF")
VOTES_FILE = "fer2013new.csv"
CSV_FILES = ("fer2013.csv", "icml_face_data.csv")


class Fer2013:
    """The csv in either spelling, a folder that holds it, or the class folders."""

    def recognise(self, path: Path) -> str | None:
        """Return how `path` shows that it is FER2013."""
        if path.is_dir():
            for name in CSV_FILES:
                if (path / name).is_file():
                    return f"it holds {name}"
            return _recognise_folders(path)
        if path.suffix.lower() == ".csv" and path.is_file() and "pixels" in _header(path):
            return "it has a column 'pixels'"
        return None

    def read(self, path: Path, labels: str) -> Manifest:
        """Return the items of FER2013; `labels` may be ``ferplus-majority`` or ``ferplus-argmax``."""
        if path.is_dir():
            files = [path / name for name in CSV_FILES if (path / name).is_file()]
            if not files:
                return _read_folders(path, labels)
            path = files[0]
        return _read_csv(path, labels)


@dataclass(frozen=True, slots=True)
class PixelRow:
    """A picture that stands as numbers in one line of a csv file."""

    path: str
    offset: int
    column: int

    def read(self) -> Picture:
        """Return the 48x48 picture with three equal channels; its hash is over the 2,304 grey bytes."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                line = file.readline()
        except OSError as error:
            raise PictureError(f"{self.path} cannot be opened: {error.strerror}; check the path.") from None
        fields = line.rstrip(b"\r\n").split(b",")
        numbers = fields[self.column].strip(b'" ') if self.column < len(fields) else b""
        if numbers.translate(None, b"0123456789 "):
            raise PictureError("The row's pixels are not all whole numbers from 0; fetch the file again.")
        values = np.fromstring(numbers.decode("ascii"), np.int64, sep=" ")
        if len(values) != SIDE * SIDE:
            raise PictureError(f"The row has {len(values)} pixels; expected {SIDE * SIDE} (48x48).")
        if values.max() > 255:
            raise PictureError(f"The row has a pixel of {values.max()}; expected 0 to 255.")
        grey = values.astype(np.uint8)
        pixels = np.repeat(grey.reshape(SIDE, SIDE, 1), 3, axis=2)
        return Picture(pixels, hashlib.sha256(grey.tobytes()).hexdigest())


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


def _header(path: Path) -> list[str]:
    with path.open("rb") as file:
        first = file.readline(10_000).decode("utf-8-sig", "replace")
    return [name.strip() for name in next(csv.reader([first]), [])]


def _read_csv(path: Path, labels: str) -> Manifest:
    names = _header(path)
    if "pixels" not in names:
        raise DatasetError(f"{path} has no column 'pixels'; found: {', '.join(names)}. Is it fer2013.csv?")
    rows = list(_scan(path, names))
    if not rows:
        raise DatasetError(f"{path} has a header and no rows; fetch it again.")
    wanted: list[str | None] = [row.label for row in rows]
    notes: list[str] = []
    if labels in RULES:
        wanted = _vote(path, labels, [row.split for row in rows])
        kept = sum(label is not None for label in wanted)
        notes.append(
            f"labels by FER+ votes, rule {labels.removeprefix('ferplus-')}: "
            f"{kept} rows kept, {len(rows) - kept} without a label left out"
        )
    elif labels == "none":
        wanted = [None] * len(rows)
    elif labels in ("auto", "manifest"):
        notes.append("labels: FER2013's own column emotion" if "emotion" in names else "no column emotion: no labels")
    else:
        raise DatasetError(f"--labels {labels} does not go with {path.name}; use auto, none or {', '.join(RULES)}.")
    items = [
        Item(
            f"{path}#{row.index}", PixelRow(str(path), row.offset, names.index("pixels")), label=label, split=row.split
        )
        for row, label in zip(rows, wanted, strict=True)
        if label is not None or labels not in RULES
    ]
    return Manifest(items, "fer2013", cropped=True, notes=tuple(notes))


@dataclass(frozen=True, slots=True)
class _Row:
    index: int
    offset: int
    label: str | None
    split: str | None


def _scan(path: Path, names: list[str]) -> Iterator[_Row]:
    emotion = names.index("emotion") if "emotion" in names else None
    usage = names.index("Usage") if "Usage" in names else None
    splits: dict[bytes, str] = {}
    with path.open("rb") as file:
        offset = len(file.readline())
        index = 0
        for line in file:
            if line.strip():
                fields = line.rstrip(b"\r\n").split(b",")
                label, split = None, None
                if emotion is not None and emotion < len(fields):
                    label = _emotion(path, index, fields[emotion])
                if usage is not None and usage < len(fields):
                    word = fields[usage]
                    if word not in splits:
                        splits[word] = canonical_split(word.decode("utf-8", "replace").strip(' "'))
                    split = splits[word]
                yield _Row(index, offset, label, split)
                index += 1
            offset += len(line)


def _emotion(path: Path, index: int, field: bytes) -> str | None:
    text = field.strip(b' "')
    if text in (b"", b"-1"):
        return None
    if text.isdigit() and int(text) < len(EMOTIONS):
        return EMOTIONS[int(text)]
    raise DatasetError(
        f"{path}#{index} has emotion {text.decode('utf-8', 'replace')!r}; expected 0 to 6. Mend the row."
    )


def _vote(path: Path, labels: str, splits: list[str | None]) -> list[str | None]:
    beside = path.parent / VOTES_FILE
    if not beside.is_file():
        raise DatasetError(f"--labels {labels} wants {VOTES_FILE} beside {path.name}; put it into {path.parent}.")
    with beside.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    missing = [name for name in VOTES if rows and name not in rows[0]]
    if missing or len(rows) != len(splits):
        problem = f"lacks the columns {', '.join(missing)}" if missing else f"has {len(rows)} rows, not {len(splits)}"
        raise DatasetError(f"{beside} {problem}; it must have FER+'s columns and {path.name}'s rows in order.")
    rule = RULES[labels]
    found: list[str | None] = []
    for index, (row, split) in enumerate(zip(rows, splits, strict=True)):
        if split is not None and canonical_split(row.get("Usage") or split) != split:
            raise DatasetError(
                f"Row {index} of {beside} is of another split than in {path.name}; the rows do not match."
            )
        found.append(rule(np.array([int(row[name] or 0) for name in VOTES])))
    return found


def _recognise_folders(root: Path) -> str | None:
    parts = [root / name for name in ("train", "test") if (root / name).is_dir()]
    if not parts:
        return None
    for part in parts:
        if sorted(p.name for p in part.iterdir() if p.is_dir()) != sorted(FOLDERS):
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
    counts = Counter(item.split for item in items)
    note = ", ".join(f"{n} {split}" for split, n in counts.items())
    return Manifest(items, "fer2013", cropped=True, notes=(f"FER2013 folders: {note}",))
