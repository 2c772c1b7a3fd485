"""A manifest: a table with one row a picture, in CSV, JSON lines or Parquet, whose column ``path`` says where it is.

A video is taken whole; where the column ``frame`` has a number, that frame of it, counted from 0.

``label, split, subject, group, frame, timestamp`` are read where they are there; other columns are the user's own and
travel into the bank. Where the column ``cropped`` says true, the pictures are face crops and no detector runs. A row of
a data-set file has a path such as ``fer2013.csv#12``. A ``path`` is relative to the manifest; tables that hybridfer
wrote itself name their rows by ``input``, which is relative to where the command ran. When predictions are read back,
only ``true_label`` is truth.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybridfer.datasets.pixels import named_row
from hybridfer.errors import DatasetError, did_you_mean
from hybridfer.labels import canonical_labels, canonical_split
from hybridfer.media.video import file_source
from hybridfer.types import BANK_COLUMNS, Item, Manifest

OWN_COLUMNS = frozenset(
    {"path", "true_label", "confidence", "label_number", "true_label_number", "cropped", *BANK_COLUMNS}
)
"""Columns with a meaning of their own; all others are the user's."""

OWN_TABLE = "manifest.csv"
"""The table in a folder that hybridfer wrote, of drawn faces or of crops; ``card.json`` beside it tells it apart."""

_POINT = re.compile(r"[xy]_\d+")
"""A column of a face's points: where rows are faces, it says nothing of the picture."""


@dataclass(frozen=True)
class Table:
    """A CSV, JSON-lines or Parquet file with a column ``path`` (or ``input``), or a folder hybridfer put one in."""

    def recognise(self, path: Path) -> str | None:
        """Return how `path` shows that it is a manifest."""
        if path.is_dir():
            own = all((path / name).is_file() for name in (OWN_TABLE, "card.json"))
            return f"it holds {OWN_TABLE} and a card" if own else None
        suffix = path.suffix.lower()
        return (
            f"it ends in {suffix}" if suffix in (".csv", ".jsonl", ".ndjson", ".parquet") and path.is_file() else None
        )

    def read(self, path: Path, labels: str) -> Manifest:
        """Return an item for every row."""
        if path.is_dir():
            path /= OWN_TABLE
        rows = table_rows(path)
        if labels not in ("auto", "manifest", "none"):
            raise DatasetError(f"--labels {labels} does not go with the manifest {path}; use auto, manifest or none.")
        return manifest_of(rows, str(path), path.parent, labels != "none")


def table_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a CSV, JSON-lines or Parquet file; lists (feature vectors) are left out.

    Raises
    ------
    DatasetError
        If it is no file, or not a whole table.
    """
    if not path.is_file():
        raise DatasetError(f"{path} is no file; expected a table in CSV, JSON lines or Parquet. Check the path.")
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _csv_rows(path)
    if suffix == ".parquet":
        return _parquet_rows(path)
    return json_rows(path.read_text("utf-8", "surrogateescape").splitlines(), str(path))


def manifest_of(rows: Sequence[Mapping[str, Any]], name: str, folder: Path, labels: bool = True) -> Manifest:
    """Return the manifest of a table's rows.

    Parameters
    ----------
    rows : sequence of mappings
        Column to value; a value may be missing, empty or NaN.
    name : str
        What the errors call the table.
    folder : Path
        What a relative ``path`` is relative to.
    labels : bool
        Whether the table's labels are taken.

    Raises
    ------
    DatasetError
        If there is no column ``path`` or ``input``, a row lacks it, or one picture has two labels.
    """
    every, extra, notes = row_items(rows, name, folder, labels)
    items: dict[tuple[str, int], Item] = {}
    for number, item in enumerate(every, start=1):
        first = items.setdefault((item.input, item.frame), item)
        if first.label != item.label:
            raise DatasetError(
                f"{name} gives {item.input} the label {first.label!r} and, in row {number}, {item.label!r}; "
                "keep one of them."
            )
    repeated = len(every) - len(items)
    if repeated:
        notes = [f"{name}: {repeated} rows repeat a picture; taken once", *notes]
    return Manifest(list(items.values()), "manifest", _cropped(rows, name), extra, tuple(notes))


def row_items(
    rows: Sequence[Mapping[str, Any]], name: str, folder: Path, labels: bool = True
) -> tuple[list[Item], dict[str, type], list[str]]:
    """Return an item for every row of a table, the user's own columns, and what is to be said; see :func:`manifest_of`.

    Raises
    ------
    DatasetError
        If there is no column ``path`` or ``input``, or a row lacks it.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if not rows:
        raise DatasetError(f"{name} has no rows; expected one for every picture.")
    key = next((k for k in ("path", "input") if k in columns), None)
    if key is None:
        raise DatasetError(
            f"{name} has no column 'path'; found: {', '.join(columns)}.{did_you_mean('path', columns)} "
            "Rename the column that holds the pictures' paths."
        )
    truth = "true_label" if "true_label" in columns else "label"
    predicted = "confidence" in columns and truth == "label"
    words = {str(row[truth]) for row in rows if not _empty(row.get(truth))} if labels and not predicted else set()
    canonical = canonical_labels(sorted(words))
    measured = [c for c in columns if c.startswith("p_") or ("face_id" in columns and _POINT.fullmatch(c))]
    extra = {c: _kind(rows, c) for c in columns if c not in OWN_COLUMNS and c not in measured}
    items = []
    lost = 0
    for number, row in enumerate(rows, start=1):
        if _empty(row.get(key)) and row.get("status") in ("no_face", "error"):
            lost += 1  # of a table of crops: there was nothing to cut out
            continue
        if _empty(row.get(key)):
            raise DatasetError(f"Row {number} of {name} has no {key!r}; expected a picture's path.")
        text = str(row[key])
        path = str(folder / text) if key == "path" else text
        label = None if _empty(row.get(truth)) or not words else canonical[str(row[truth])]
        frame = number_in(row, "frame", name, number)
        if frame is not None and (frame < 0 or not frame.is_integer()):
            raise DatasetError(f"Row {number} of {name} has frame {frame:g}; expected a whole number from 0.")
        item = Item(
            input=path,
            source=named_row(path) or file_source(path, None if frame is None else int(frame)),
            frame=int(frame or 0),
            timestamp=number_in(row, "timestamp", name, number),
            label=label,
            split=None if _empty(row.get("split")) else canonical_split(str(row["split"])),
            subject=_text(row.get("subject")),
            group=_text(row.get("group")),
            extra={c: None if _empty(row.get(c)) else kind(row[c]) for c, kind in extra.items()},
        )
        items.append(item)
    if not items:
        raise DatasetError(f"{name} has no picture: in none of its {lost} rows was there a face to cut out.")
    notes = [f"{name} holds predictions without true_label, so its label is not taken as truth"] if predicted else []
    if lost:
        notes.append(f"{name}: {lost} rows of inputs that had no face to cut out are left out")
    return items, extra, notes


def json_rows(lines: Sequence[str], name: str) -> list[dict[str, Any]]:
    """Return JSON lines as rows; lists (feature vectors) are left out.

    Raises
    ------
    DatasetError
        If a line is not a JSON object.
    """
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DatasetError(f"Line {number} of {name} is not JSON ({error}); expected one object a line.") from None
        if not isinstance(row, dict):
            raise DatasetError(f'Line {number} of {name} is not a JSON object, such as {{"path": "a.jpg"}}.')
        if number == 1 and "hybridfer" in row and not {"path", "input"} & set(row):
            continue  # predictions may begin with a line on the model that made them
        rows.append({k: v for k, v in row.items() if not isinstance(v, (list, dict))})
    return rows


def _csv_rows(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            # A table of predictions may begin with a line on the model that made them.
            reader = csv.DictReader(line for number, line in enumerate(file) if number or not line.startswith("#"))
            rows = []
            for row in reader:
                if None in row or None in row.values():
                    raise DatasetError(
                        f"Line {reader.line_num} of {path} has more or fewer columns than its header; mend the line."
                    )
                rows.append(row)
            if not rows and reader.fieldnames is None:
                raise DatasetError(f"{path} is empty; expected a header with a column 'path'.")
            return rows
    except csv.Error as error:
        raise DatasetError(f"{path} is not a CSV table ({error}); expected a header with a column 'path'.") from None


def _parquet_rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        plain = [f.name for f in file.schema_arrow if not pa.types.is_nested(f.type)]
        rows: list[dict[str, Any]] = file.read(columns=plain).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{path} is not a whole Parquet file ({error}); write it again.") from None
    return rows


def _cropped(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    said = {str(row.get("cropped")).lower() for row in rows if not _empty(row.get("cropped"))}
    if unknown := said - {"true", "false", "1", "0"}:
        raise DatasetError(f"{name} has {min(unknown)!r} in its column cropped; expected true or false.")
    crops = said & {"true", "1"}
    if crops and (said - crops or any(_empty(row.get("cropped")) for row in rows)):
        raise DatasetError(
            f"{name} says of some pictures that they are cropped and not of others, so no one detector fits all; make "
            "two manifests and join their banks with hybridfer bank merge."
        )
    return bool(crops)


def _empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value)) or value == "NaN"


def _text(value: Any) -> str | None:
    if _empty(value):
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def number_in(row: Mapping[str, Any], column: str, name: str, number: int) -> float | None:
    """Return a cell as a number, None where it is empty; `name` and `number` say in the error where it stands."""
    value = row.get(column)
    if _empty(value):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise DatasetError(f"Row {number} of {name} has {column} {value!r}; expected a number.") from None


def _kind(rows: Sequence[Mapping[str, Any]], column: str) -> type:
    values: list[Any] = [row.get(column) for row in rows if not _empty(row.get(column))]
    for kind in (int, float):
        try:
            if all(str(kind(value)) == str(value) or kind is float for value in values):
                for value in values:
                    kind(value)
                return kind
        except (TypeError, ValueError):
            continue
    return str
