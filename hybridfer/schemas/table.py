"""Another tool's table read into our rows and blocks, and our rows written as that tool would.

Nothing is known here of any one tool: what its columns mean stands in its schema.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.datasets.manifest import manifest_of
from hybridfer.datasets.pixels import header
from hybridfer.errors import DatasetError, PictureError
from hybridfer.media.images import SUFFIXES
from hybridfer.media.video import VideoFrame
from hybridfer.schemas import Block, Schema, schema_of
from hybridfer.types import Manifest, Picture, Source

_WHOLE = ("frame", "face_id")

_OURS = {
    name: (name, 0)
    for name in ("face_id", "timestamp", "FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore")
}
"""Numbers of ours that stand behind a tool's own columns where it has no counterpart."""


@dataclass(frozen=True)
class PeerTable:
    """A table of another tool in our terms.

    Attributes
    ----------
    schema : Schema
    columns : list of str
        As the tool named them; a column without a name, such as pandas writes, is left out.
    blocks : tuple of Block
    rows : list of dict
        Our columns of every row, and the user's own as text.
    features : dict of str to (n_ok, length) float64
        Block to the values of the rows whose status is ``ok``, in order.
    note : str
        What is to be said of where the pictures were found.
    """

    schema: Schema
    columns: list[str]
    blocks: tuple[Block, ...]
    rows: list[dict[str, Any]]
    features: dict[str, npt.NDArray[np.float64]]
    note: str


def recognise_table(path: Path, schema: Schema) -> str | None:
    """Return how a file shows that it is a table of the schema's tool, or None when it does not."""
    return schema.recognise(header(path)) if path.suffix.lower() == ".csv" and path.is_file() else None


def read_table(path: Path, schema: Schema | None = None) -> PeerTable:
    """Return another tool's table; the schema is recognised by the columns when not given.

    Raises
    ------
    DatasetError
        If there is no such file, no known tool or another one wrote it, it is cut, some columns of a block are missing,
        or a number is no number; the message names the line and the column.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file)
            named = [name.strip() for name in next(reader, [])]
            twice = [name for name, n in Counter(named).items() if n > 1 and name]
            if twice:
                raise DatasetError(f"{path} has the column {twice[0]!r} twice; keep one.")
            schema = schema or schema_of(path, named)
            if schema.recognise(named) is None:
                raise DatasetError(
                    f"{path} is no table of {schema.tool}: it lacks its columns; name another --dataset or --schema."
                )
            blocks = _blocks(path, schema, named)
            taken = {*_OURS, *schema.rows, *schema.order, *(name for block in blocks for name in block.columns)} - {
                "input"
            }
            numbers = [(i, name) for i, name in enumerate(named) if name in taken]
            texts = [(i, name) for i, name in enumerate(named) if name and name not in taken]
            ours = {theirs: name for name, theirs in schema.renamed.items()}
            rows, found = [], []
            for cells in reader:
                where = f"Line {reader.line_num} of {path}"
                if not cells:
                    continue
                if len(cells) != len(named):
                    raise DatasetError(
                        f"{where} has {len(cells)} columns and the header {len(named)}; it is cut or damaged. "
                        "Write the table again."
                    )
                values = _numbers(cells, numbers, where)
                row: dict[str, Any] = {ours.get(name, name): cells[i].strip() or None for i, name in texts}
                row |= _row(schema, values, where)
                row["status"] = "ok" if schema.found(values) else "no_face"
                if row.get("error"):
                    row["status"] = "error"
                if row["status"] == "ok":
                    found.append(np.array(list(values.values())))
                rows.append(row)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}; check the path.") from None
    except csv.Error as error:
        raise DatasetError(f"{path} is not a CSV table ({error}); write it again.") from None
    if not rows:
        raise DatasetError(f"{path} has a header and no rows; expected one for every face.")
    place = {name: i for i, (_, name) in enumerate(numbers)}
    matrix = np.stack(found) if found else np.empty((0, len(numbers)))
    features = {block.name: matrix[:, [place[name] for name in block.columns]] for block in blocks}
    inputs, note = schema.inputs(path, rows, named)
    faces: Counter[tuple[str, Any]] = Counter()
    for row, name in zip(rows, inputs, strict=True):
        row["input"] = name
        if row["status"] == "ok" and row.get("face_id") is None:
            row["face_id"] = faces[name, row.get("frame")]
            faces[name, row.get("frame")] += 1
    return PeerTable(schema, [name for name in named if name], blocks, rows, features, note)


def table_manifest(path: Path, schema: Schema, labels: str) -> Manifest:
    """Return the pictures that another tool's table was made of, with what its columns say of each.

    What the tool measured stays in the table (``bank import`` is for that); ``label, split, subject, group`` and the
    user's own columns come along. A video's frames keep their numbers.

    Raises
    ------
    DatasetError
        As :func:`read_table`, or if `labels` asks for what a table does not have.
    """
    if labels not in ("auto", "manifest", "none"):
        raise DatasetError(f"--labels {labels} does not go with the table {path}; use auto, manifest or none.")
    table = read_table(path, schema)
    for row in table.rows:
        if Path(row.get("path") or row["input"]).suffix.lower() in SUFFIXES:
            row["frame"] = 0  # a still, whichever of the tool's list it was
    made = manifest_of(table.rows, str(path), path.parent, labels != "none")
    items = [replace(item, source=_named(item.source, schema.hint)) for item in made.items]
    notes = [note for note in (table.note, *made.notes) if note]
    return replace(made, items=items, dataset=schema.name, notes=tuple(notes))


def _named(source: Source, hint: str) -> Source:
    # A frame keeps its kind, so that a video's frames are decoded in one go.
    return replace(source, hint=hint) if isinstance(source, VideoFrame) else _Named(source, hint)


@dataclass(frozen=True, slots=True)
class _Named:
    """A picture that a table names; where it cannot be read, the error says what the user can do."""

    source: Source
    hint: str

    def read(self) -> Picture:
        try:
            return self.source.read()
        except PictureError as error:
            raise PictureError(f"{error} {self.hint}") from None


def _blocks(path: Path, schema: Schema, columns: Sequence[str]) -> tuple[Block, ...]:
    """Return the blocks of which all columns are there."""
    left = set(columns)
    whole = []
    rest = []
    for block in schema.blocks(columns):
        if left.issuperset(block.columns):
            whole.append(block)
            left.difference_update(block.columns)
        else:
            rest.append(block)
    for block in rest:
        some = [name for name in block.columns if name in left]
        if some:
            lost = next(name for name in block.columns if name not in left)
            raise DatasetError(
                f"{path} has {len(some)} of the {len(block.columns)} columns that {schema.tool} writes for "
                f"{block.name} ({some[0]} …) and lacks {lost}; write the table with all of them, or with none."
            )
    return tuple(whole)


def _numbers(cells: Sequence[str], columns: Sequence[tuple[int, str]], where: str) -> dict[str, float]:
    values = {}
    for i, name in columns:
        try:
            values[name] = float(cells[i] or "nan")
        except ValueError:
            raise DatasetError(f"{where} has {cells[i]!r} in the column {name}; expected a number.") from None
    return values


def _row(schema: Schema, values: Mapping[str, float], where: str) -> dict[str, Any]:
    """Return our columns that are numbers."""
    row: dict[str, Any] = {}
    for theirs, (ours, start) in {**_OURS, **schema.rows}.items():
        value = values.get(theirs, math.nan)
        if theirs not in values or math.isnan(value):
            row.setdefault(ours, None)
        elif ours in _WHOLE:
            if not value.is_integer() or value < start:
                raise DatasetError(f"{where} has {value:g} in the column {theirs}; expected a number from {start}.")
            row[ours] = int(value) - start
        else:
            row[ours] = value
    return row


def peer_rows(
    schema: Schema,
    rows: Sequence[Mapping[str, Any]],
    *,
    table: Mapping[str, Any] | None = None,
    blocks: Sequence[str] = (),
    always: Collection[str] = (),
) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """Return the columns of a table as the schema's tool writes it, and its rows.

    Our columns that the tool has no counterpart of stand behind its own, where a row has anything in them.

    Parameters
    ----------
    schema : Schema
    rows : sequence of mapping
        Our columns.
    table : mapping, optional
        What a bank records of the tables it was imported from, ``schema, columns, input``: a table of the same tool
        gets its own columns back.
    blocks : sequence of str
        The columns of blocks; the caller puts their values in.
    always : collection of str
        Our columns that are written even if no row has anything in them.
    """
    written = [_cells(schema, row) for row in rows]
    names = list(dict.fromkeys(name for cells in written for name in cells))
    carried = {name for cells in written for name, value in cells.items() if value not in (None, "")}
    carried |= {schema.renamed.get(name, name) for name in always}
    own = {*schema.rows, *schema.status({"status": "ok"})}
    if table is not None and table["schema"] == schema.name:
        first = list(table["columns"])
        if {row["input"] for row in rows} <= {table["input"]}:
            carried.discard("input")
    else:
        first = [name for name in schema.order if name in own or name in blocks or name in carried]
    rest = [name for name in names if name in carried and name not in own]
    return list(dict.fromkeys([*first, *rest, *blocks])), iter(written)


def _cells(schema: Schema, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of ours under the tool's names and in its units."""
    spoken = {ours for ours, _ in schema.rows.values()} | schema.unsaid
    rest = {schema.renamed.get(name, name): value for name, value in row.items() if name not in spoken}
    said = {theirs: row[ours] + start for theirs, (ours, start) in schema.rows.items() if row.get(ours) is not None}
    return {**rest, **said, **schema.status(row)}
