"""Tables of other tools become a feature bank: what they measured are its blocks, in full precision."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hybridfer.bank.bank import FeatureBank, FeatureChunk, save_bank
from hybridfer.datasets.inputs import read_inputs
from hybridfer.datasets.manifest import row_items
from hybridfer.errors import DatasetError
from hybridfer.schemas import Schema
from hybridfer.schemas.table import PeerTable, read_table
from hybridfer.tables import check_output
from hybridfer.types import BANK_COLUMNS, Item

_ROWS_AT_ONCE = 1024


def import_tables(
    tables: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    schema: Schema | None = None,
    labels: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> FeatureBank:
    """Return the feature bank made of tables that other tools wrote.

    Every row becomes one of the bank; those without a face, by the tool's own word, have the status ``no_face`` and no
    features. A block of which no row has a value is left out. The columns ``label, split, subject, group`` of a table
    are taken, and those that the tool does not know are the user's own.

    Parameters
    ----------
    tables : sequence of path
        CSV files of one tool with the same blocks.
    output : path
        The Parquet file to write.
    schema : Schema, optional
        Which tool wrote them; recognised by their columns when not given.
    labels : path, optional
        A manifest, or whatever else ``extract`` reads, that says ``label, split, subject, group`` of the inputs. They
        are found by their paths, else by their names, else by their names without the ending, where only one has it.
        Where it has several frames of an input, by the frame, which counts from 0.
    overwrite : bool
        Replace `output` if it exists.

    Raises
    ------
    DatasetError
        If a table is damaged, of no known tool, or has other blocks than the first, or `labels` knows none of the rows.
    OutputError
        If `output` exists and `overwrite` is False.

    Examples
    --------
    >>> bank = import_tables(["clip.csv"], "clip.parquet")      # doctest: +SKIP
    >>> bank.X("openface_au").shape                             # doctest: +SKIP
    (100, 17)
    """
    path = check_output(output, overwrite)
    read = [read_table(Path(table), schema) for table in tables]
    first = read[0]
    for name, table in zip(tables, read, strict=True):
        if table.blocks != first.blocks or table.schema.name != first.schema.name:
            raise DatasetError(
                f"{name} and {tables[0]} have not the same blocks ({_names(table)}; {_names(first)}); "
                "import them apart."
            )
    X = {b.name: np.concatenate([table.features[b.name] for table in read]) for b in first.blocks}
    blocks = [b for b in first.blocks if not len(X[b.name]) or not np.isnan(X[b.name]).all()]
    if not blocks:
        raise DatasetError(
            f"{tables[0]} has no measurements of {first.schema.tool}, such as action units; let it write them."
        )
    rows = [row for table in read for row in table.rows]
    where = str(tables[0]) if len(tables) == 1 else f"the {len(tables)} tables"
    items, columns, notes = row_items(rows, where, Path(tables[0]).parent)
    notes += [table.note for table in read if table.note]
    if labels is not None:
        items, told = _labelled(items, labels)
        notes += told
    frames = Counter(item.input for item in items if item.label is not None and item.subject is None)
    if any(n > 1 for n in frames.values()):
        notes.append(
            "several rows of one input and no subject: name subjects, so that no one is on both sides of a fold"
        )
    full = [
        {
            **{name: row.get(name) for name in BANK_COLUMNS},
            **{n: getattr(item, n) for n in ("input", "frame", "timestamp", "label", "split", "subject", "group")},
            **item.extra,
        }
        for row, item in zip(rows, items, strict=True)
    ]
    cards = {block.name: block.card(first.schema.tool) for block in blocks}
    inputs = {item.input for item in items}
    provenance = {
        "dataset": first.schema.name,
        "cropped": False,
        "detector": first.schema.name,
        "min_face": None,
        "crop": None,
        "notes": list(dict.fromkeys(notes)),
        "blocks": cards,
        # To write the same table again: its columns, and what need not be said in it.
        "table": {
            "schema": first.schema.name,
            "columns": list(dict.fromkeys(name for table in read for name in table.columns)),
            "input": inputs.pop() if len(inputs) == 1 else None,
        },
    }

    def chunks() -> Iterator[FeatureChunk]:
        begun = 0
        for start in range(0, len(full), _ROWS_AT_ONCE):
            part = full[start : start + _ROWS_AT_ONCE]
            ended = begun + sum(row["status"] == "ok" for row in part)
            yield FeatureChunk(part, {name: X[name][begun:ended] for name in cards})
            begun = ended

    return save_bank(path, provenance, columns, chunks, overwrite)


def _names(table: PeerTable) -> str:
    return ", ".join(f"{block.name} of version {block.version}" for block in table.blocks) or "none"


_KEYS: tuple[Callable[[str], str], ...] = (os.path.abspath, os.path.basename, lambda name: Path(name).stem)
"""By what an input is looked up in a manifest of labels, the surest first."""


def _labelled(items: Sequence[Item], labels: str | os.PathLike[str]) -> tuple[list[Item], list[str]]:
    """Return the items with what a manifest says of them, and how many it does not know."""
    known = list(read_inputs([labels]).items)
    tables: list[dict[str, list[Item]]] = []
    for key in _KEYS:
        same: dict[str, list[Item]] = defaultdict(list)
        for item in known:
            same[key(item.input)].append(item)
        tables.append({k: v for k, v in same.items() if len({item.input for item in v}) == 1})
    found = []
    lost = 0
    for item in items:
        named = next((t[k(item.input)] for t, k in zip(tables, _KEYS, strict=True) if k(item.input) in t), [])
        said = named[0] if len(named) == 1 else next((other for other in named if other.frame == item.frame), None)
        lost += said is None
        new = {} if said is None else {n: getattr(said, n) for n in ("label", "split", "subject", "group")}
        found.append(replace(item, **{n: value for n, value in new.items() if value is not None}))
    if lost == len(items):
        raise DatasetError(
            f"{labels} knows none of the inputs, such as {items[0].input}; its paths must be those of the table, "
            "or end in the same names."
        )
    return found, [f"{labels} says nothing of {lost} of {len(items)} rows"] if lost else []
