"""AffectNet: ``training.csv`` and ``validation.csv`` with the pictures, or ``train_set/`` and ``val_set/`` with arrays.

The tables (in ``Manually_Annotated_file_lists/`` or beside the pictures) have the columns :data:`COLUMNS`; copies of
``validation.csv`` without a header are read in that order. Paths are relative to ``Manually_Annotated_Images/``. The
pictures are as they came from the web, of all sizes, round the face with a margin that differs; so they count as
photographs, and a detector runs. The annotators' boxes travel along as ``face_x, face_y, face_width, face_height``. The
folders of arrays are ``train_set/images/0.jpg`` with ``train_set/annotations/0_exp.npy`` (``_val``, ``_aro``): crops of
224x224, on which none runs.

414,799 rows to train and 5,500 to validate (500 of each number); with an expression 287,651 and 3,999, without contempt
283,901 and 3,500. 0 to 7 are in the order of :data:`~hybridfer.labels.LABEL_SETS`; 8 (none), 9 (uncertain) and 10 (no
face) are no expressions and are left out, unless no labels are asked for. Valence and arousal are columns; -2 means
that there is none. There is no test split, and who is seen is not told. For research only, after an agreement.

Traps: one row of the original training.csv is malformed; such rows are left out and named. The arrays are 0-d and often
text (``'1'``); one that is damaged leaves its picture without a label.

Reference: Mollahosseini, Hasani & Mahoor 2019, doi 10.1109/TAFFC.2017.2740923.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hybridfer.datasets.layout import counted, find_root, takes_labels, unlike
from hybridfer.datasets.pixels import header
from hybridfer.errors import DatasetError
from hybridfer.labels import CONTEMPT, SPLIT_ALIASES, label_in_set
from hybridfer.media.images import FileSource
from hybridfer.types import Item, Manifest

COLUMNS = (
    "subDirectory_filePath",
    "face_x",
    "face_y",
    "face_width",
    "face_height",
    "facial_landmarks",
    "expression",
    "valence",
    "arousal",
)
BOX = COLUMNS[1:5]
LISTS = ("training.csv", "validation.csv")
LIST_PLACES = ("", "Manually_Annotated_file_lists")
PICTURE_PLACES = ("Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images")
SETS = {"train_set": "train", "val_set": "val"}
NO_EXPRESSION = {8: "none", 9: "uncertain", 10: "no face"}
NO_VALUE = -2.0


@dataclass
class _Found:
    """What is read, and what is left out and why."""

    items: list[Item] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    malformed: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    def notes(self) -> Iterator[str]:
        if self.left_out:
            counts = ", ".join(f"{n} of {name}" for name, n in self.left_out.items())
            yield f"{self.left_out.total()} pictures without an expression that is asked for left out: {counts}"
        if self.malformed:
            yield f"{counted(self.malformed, 'malformed rows')} left out"
        if self.damaged:
            yield f"{counted(self.damaged, 'arrays')} missing or damaged, so their pictures have no such value"


@dataclass(frozen=True)
class AffectNet:
    """The tables or the folders of arrays; without `contempt` there are seven classes."""

    contempt: bool = True

    def recognise(self, path: Path) -> str | None:
        """Return how `path` shows that it is AffectNet."""
        if path.is_file():
            return f"it has a column {COLUMNS[0]!r}" if _is_list(path) else None
        found = find_root(path, _shows)
        return None if found is None else found[1]

    def read(self, path: Path, labels: str) -> Manifest:
        """Return the items of AffectNet."""
        wanted = takes_labels(labels, "AffectNet")
        found = _Found()
        root = find_root(path, _shows)
        folder = path.parent if path.is_file() else path if root is None else root[0]
        lists = [path] if path.is_file() else _lists(folder)
        columns: dict[str, type] = {"valence": float, "arousal": float}
        for file in lists:
            self._read_list(file, wanted, found)
        if lists:
            columns |= dict.fromkeys(BOX, int)
        else:
            for part, split in SETS.items():
                if (folder / part / "images").is_dir():
                    self._read_set(folder / part, split, wanted, found)
        if not found.items:
            raise unlike(path, "AffectNet", "training.csv with rows, or train_set/images with pictures")
        return Manifest(found.items, "affectnet", not lists, columns, tuple(found.notes()))

    def _read_list(self, path: Path, wanted: bool, found: _Found) -> None:
        split = SPLIT_ALIASES.get(path.stem.lower())
        pictures = _pictures(path.parent)
        for number, row in _rows(path):
            values = _values(row)
            if values is None:
                found.malformed.append(f"line {number} of {path.name}")
                continue
            expression = values.pop("expression")
            label = self._label(expression, found) if wanted else None
            if label is not None or not wanted:
                name = str(pictures / values.pop(COLUMNS[0]))
                found.items.append(Item(name, FileSource(name), label=label, split=split, extra=values))

    def _read_set(self, folder: Path, split: str, wanted: bool, found: _Found) -> None:
        from hybridfer.datasets.folders import picture_files

        for file in picture_files(folder / "images")[0]:
            stem = os.path.join(folder, "annotations", Path(file).stem)
            number = _array(f"{stem}_exp.npy", found) if wanted else None
            label = None if number is None else self._label(number, found)
            if number is not None and label is None:
                continue
            extra = {name: _rating(_array(f"{stem}_{name[:3]}.npy", found)) for name in ("valence", "arousal")}
            found.items.append(Item(file, FileSource(file), label=label, split=split, extra=extra))

    def _label(self, number: float, found: _Found) -> str | None:
        """Return the label that a number of AffectNet's means, or None, counted, where it means none that is taken."""
        label = label_in_set(str(number), "affectnet")
        if label is None or (label == CONTEMPT and not self.contempt):
            found.left_out[label or NO_EXPRESSION.get(int(number), f"number {number:g}")] += 1
            return None
        return label


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a table, each with the number of its line; one of another length than the header is empty."""
    names = list(COLUMNS)
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file)
            for row in reader:
                if reader.line_num == 1 and COLUMNS[0] in map(str.strip, row):
                    names = list(map(str.strip, row))
                elif row:
                    yield reader.line_num, dict(zip(names, row, strict=True)) if len(row) == len(names) else {}
    except (OSError, csv.Error) as error:
        raise DatasetError(f"{path} is no CSV table that can be read ({error}); fetch it again.") from None


def _values(row: dict[str, str]) -> dict[str, Any] | None:
    """Return what a row says, without the landmarks; None for a malformed row."""
    try:
        values: dict[str, Any] = {COLUMNS[0]: row[COLUMNS[0]], "expression": int(row["expression"])}
        values |= {name: _rating(float(row[name])) for name in ("valence", "arousal")}
        values |= {name: int(row[name]) for name in BOX}
    except (KeyError, ValueError):
        return None
    return values if values[COLUMNS[0]] and 0 <= values["expression"] <= max(NO_EXPRESSION) else None


def _rating(value: float | None) -> float | None:
    return None if value is None or value == NO_VALUE or not np.isfinite(value) else value


def _array(path: str, found: _Found) -> float | None:
    """Return the one number of an array file, whether it stands as number or text; None, noted, for a damaged one."""
    try:
        with open(path, "rb") as file:
            value = float(np.lib.format.read_array(file, allow_pickle=False).item())
    except Exception:  # noqa: BLE001 - a damaged header may make numpy raise anything at all
        value = np.nan
    if np.isfinite(value):
        return value
    found.damaged.append(os.path.basename(path))
    return None


def _lists(folder: Path) -> list[Path]:
    files = [folder / place / name for name in LISTS for place in LIST_PLACES]
    return [file for file in files if file.is_file()]


def _is_list(path: Path) -> bool:
    return path.suffix.lower() == ".csv" and COLUMNS[0] in header(path)


def _pictures(folder: Path) -> Path:
    """Return the folder that the paths of a table in `folder` begin at."""
    root = folder.parent if folder.name == LIST_PLACES[1] else folder
    places = [root / place for place in PICTURE_PLACES]
    return next((place for place in places if place.is_dir()), places[0])


def _shows(folder: Path) -> str | None:
    for file in _lists(folder):
        if _is_list(file):
            return f"it holds {file.relative_to(folder)} with a column {COLUMNS[0]!r}"
    for part in SETS:
        if (folder / part / "images").is_dir() and (folder / part / "annotations").is_dir():
            return f"it holds {part}/images and {part}/annotations"
    return None
