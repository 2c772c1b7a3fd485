"""Data-set files whose pictures stand as numbers in a column ``pixels``, a row each: FER2013's csv and its kin.

``pixels`` is 2,304 numbers, row by row of a 48x48 grey picture; ``emotion`` a number of the data set's own order;
``Usage`` its name of the split.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from hybridfer.errors import DatasetError, PictureError
from hybridfer.labels import canonical_split
from hybridfer.media.images import file_stamp
from hybridfer.types import Item, Picture

SIDE = 48


@dataclass(frozen=True, slots=True)
class PixelRow:
    """A picture that stands as numbers in one line of a csv file."""

    path: str
    offset: int
    column: int
    counted: tuple[int, ...] | None = None
    """The file's stamp when its rows were counted; a row is not read from one that has changed since."""

    def read(self) -> Picture:
        """Return the 48x48 picture with three equal channels; its hash is over the 2,304 grey bytes."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                line = file.readline()
        except OSError as error:
            raise PictureError(f"{self.path} cannot be opened: {error.strerror}; check the path.") from None
        if self.counted not in (None, file_stamp(self.path)):
            raise PictureError(f"{self.path} has changed since its rows were counted; run again.")
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

    def stamp(self) -> tuple[int, ...] | None:
        """Return the csv file's :func:`~hybridfer.media.images.file_stamp`, when its rows were counted if known."""
        return self.counted or file_stamp(self.path)


@dataclass(frozen=True, slots=True)
class NamedRow:
    """A picture of a csv file by the name that a bank or manifest has for it: ``fer2013.csv#12``."""

    path: str
    index: int

    def read(self) -> Picture:
        """Return the 48x48 picture; see :meth:`PixelRow.read`."""
        try:
            rows, column = _places(self.path, os.stat(self.path).st_mtime_ns)
        except OSError as error:
            raise PictureError(f"{self.path} cannot be opened: {error.strerror}; check the path.") from None
        except DatasetError as error:
            raise PictureError(str(error)) from None
        if self.index >= len(rows):
            raise PictureError(f"{self.path} has {len(rows)} rows, so none of number {self.index} (they count from 0).")
        return PixelRow(self.path, rows[self.index], column).read()

    def stamp(self) -> tuple[int, ...] | None:
        """Return the csv file's :func:`~hybridfer.media.images.file_stamp`."""
        return file_stamp(self.path)


def named_row(text: str) -> NamedRow | None:
    """Return the row that ``FILE.csv#NUMBER`` names, or None where the text is the name of a file."""
    path, _, number = text.rpartition("#")
    if not path.lower().endswith(".csv") or not number.isdecimal() or os.path.lexists(text):
        return None
    return NamedRow(path, int(number))


def header(path: Path) -> list[str]:
    """Return the names of a csv file's columns, without the spaces round them.

    Raises
    ------
    DatasetError
        If the file cannot be opened.
    """
    try:
        with path.open("rb") as file:
            first = file.readline(100_000).decode("utf-8-sig", "replace")
    except OSError as error:
        raise DatasetError(f"{path} cannot be opened: {error.strerror}; check its permissions.") from None
    return [name.strip() for name in next(csv.reader([first]), [])]


def pixel_columns(path: Path) -> list[str]:
    """Return the columns of a csv file that has ``pixels``.

    Raises
    ------
    DatasetError
        If it has no such column.
    """
    names = header(path)
    if "pixels" not in names:
        raise DatasetError(f"{path} has no column 'pixels'; found: {', '.join(names)}. Is it fer2013.csv?")
    return names


@dataclass(frozen=True, slots=True)
class PixelRecord:
    """What a row says of its picture, and where in the file it begins."""

    index: int
    offset: int
    label: str | None
    split: str | None


def scan(path: Path, names: Sequence[str], order: Sequence[str]) -> Iterator[PixelRecord]:
    """Yield the rows of a csv file.

    Parameters
    ----------
    path : Path
    names : sequence of str
        Its columns (:func:`header`).
    order : sequence of str
        Its labels: what 0, 1, … in ``emotion`` mean.

    Raises
    ------
    DatasetError
        If an emotion or a split is unknown.
    """
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
                    label = _emotion(path, index, fields[emotion], order)
                if usage is not None and usage < len(fields):
                    word = fields[usage]
                    if word not in splits:
                        splits[word] = canonical_split(word.decode("utf-8", "replace").strip(' "'))
                    split = splits[word]
                yield PixelRecord(index, offset, label, split)
                index += 1
            offset += len(line)


def pixel_items(path: Path, order: Sequence[str]) -> list[Item]:
    """Return an item for every row of a csv file; `order` says what its numbers mean, see :func:`scan`.

    Raises
    ------
    DatasetError
        If there is no column ``pixels``, no row, or an emotion or a split is unknown.
    """
    names = pixel_columns(path)
    column = names.index("pixels")
    counted = file_stamp(path)
    items = [
        Item(f"{path}#{row.index}", PixelRow(str(path), row.offset, column, counted), label=row.label, split=row.split)
        for row in scan(path, names, order)
    ]
    if not items:
        raise DatasetError(f"{path} has a header and no rows; fetch it again.")
    return items


@lru_cache(maxsize=4)
def _places(path: str, changed: int) -> tuple[list[int], int]:
    """Return where each row of a csv file begins and in which column its pixels are; anew when the file `changed`."""
    names = pixel_columns(Path(path))
    bare = [name if name == "pixels" else "" for name in names]
    return [row.offset for row in scan(Path(path), bare, ())], names.index("pixels")


def _emotion(path: Path, index: int, field: bytes, order: Sequence[str]) -> str | None:
    text = field.strip(b' "')
    if text in (b"", b"-1"):
        return None
    if text.isdigit() and int(text) < len(order):
        return order[int(text)]
    raise DatasetError(
        f"{path}#{index} has emotion {text.decode('utf-8', 'replace')!r}; expected 0 to {len(order) - 1}. Mend the row."
    )
