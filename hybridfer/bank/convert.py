"""A bank in other forms, and several banks as one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from hybridfer.bank.bank import FeatureBank, FeatureChunk, block_columns, first_word, flat_rows, matrix, save_bank
from hybridfer.errors import BankError, OutputError
from hybridfer.tables import open_output, replacing, write_rows

if TYPE_CHECKING:
    import pyarrow as pa

    from hybridfer.schemas import Schema

FORMATS = ("csv", "jsonl", "npz", "mat")


def write_npz(bank: FeatureBank, path: str | os.PathLike[str]) -> None:
    """Write the faces of a bank as a NumPy archive that opens without pickle.

    Arrays: every block under its canonical spec, every row column under its name (text as fixed-width unicode, an
    unknown value as an empty text or NaN), and ``provenance`` as JSON text.
    """
    with Path(path).open("wb") as file:
        np.savez_compressed(file, **_arrays(bank, list(bank.blocks)))  # type: ignore[arg-type]


def write_mat(bank: FeatureBank, path: str | os.PathLike[str]) -> None:
    """Write the faces of a bank as a MATLAB file; a block is named by its first word, a second one of it ``lbp_2``."""
    from scipy.io import savemat

    names: list[str] = []
    for block in bank.blocks:
        word = re.sub(r"\W", "_", first_word(block).rstrip(")"))
        same = sum(re.fullmatch(rf"{word}(_\d+)?", name) is not None for name in names)
        names.append(f"{word}_{same + 1}" if same else word)
    with Path(path).open("wb") as file:
        savemat(file, _arrays(bank, names), long_field_names=True, do_compression=True)


def write_table(
    bank: FeatureBank, stream: TextIO, form: str, features: bool = True, schema: Schema | None = None
) -> None:
    """Write every row of a bank as ``csv`` or ``jsonl``, with or without its features, in the columns of a schema.

    What another tool measured is part of its table, and is written with the tool's names whenever a schema is asked
    for.
    """
    if schema is not None:
        write_rows(stream, form, *_peer_table(bank, features, schema))
        return
    names = list(bank.column_names)
    lengths = {name: card["length"] for name, card in bank.blocks.items()} if features else {}
    batches = (flat_rows(chunk, form == "csv") for chunk in chunks(bank, list(lengths)))
    write_rows(stream, form, [*names, *block_columns(lengths, form == "csv")], batches)


def _peer_table(
    bank: FeatureBank, features: bool, schema: Schema
) -> tuple[list[str], Iterator[Iterator[dict[str, Any]]]]:
    """Return the columns and the rows of a bank as a table of another tool."""
    from hybridfer.schemas.table import peer_rows

    cards = {name: card for name, card in bank.blocks.items() if features or "columns" in card}
    names = {name: card.get("columns") or block_columns({name: card["length"]}, True) for name, card in cards.items()}
    columns, rows = peer_rows(
        schema,
        bank.rows(),
        table=bank.provenance.get("table"),
        blocks=list(chain.from_iterable(names.values())),
    )

    def filled(chunk: FeatureChunk) -> Iterator[dict[str, Any]]:
        values: dict[int, dict[str, Any]] = {i: {} for i in chunk.ok}
        for name, block in chunk.blocks.items():
            for i, vector in zip(chunk.ok, block.tolist(), strict=True):
                values[i].update(zip(names[name], vector, strict=True))
        return ({**row, **values.get(i, {})} for i, row in enumerate(islice(rows, len(chunk.rows))))

    return columns, (filled(chunk) for chunk in chunks(bank, list(cards)))


def convert_bank(
    bank: FeatureBank, output: str | None, form: str, overwrite: bool = False, schema: Schema | None = None
) -> None:
    """Write a bank in another form; rows may go to stdout, archives need a file.

    Raises
    ------
    OutputError
        If an archive is to go to stdout or to have the columns of a schema, or the output exists and `overwrite` is
        False.
    """
    if form in ("csv", "jsonl"):
        with open_output(output, overwrite) as stream:
            write_table(bank, stream, form, schema=schema)
        return
    if schema is not None:
        raise OutputError(f"Columns of {schema.tool} are those of a table; a {form} file has none. Use csv or jsonl.")
    if output is None or output == "-":
        raise OutputError(f"A {form} file cannot go to standard output; name it with -o.")
    with replacing(output, overwrite) as beside:
        (write_npz if form == "npz" else write_mat)(bank, beside)


def chunks(bank: FeatureBank, blocks: Sequence[str] | None = None) -> Iterator[FeatureChunk]:
    """Yield a bank's rows a batch at a time, with the features of some blocks; of all when not given."""
    blocks = list(bank.blocks) if blocks is None else blocks
    for batch in bank.batches([*bank.column_names, *blocks]):
        rows = batch.select(list(bank.column_names)).to_pylist()
        yield FeatureChunk(rows, {name: matrix(batch.column(name)) for name in blocks})


def merge(banks: Sequence[FeatureBank], output: str | os.PathLike[str], overwrite: bool = False) -> FeatureBank:
    """Join banks: rows under each other when their blocks are the same, blocks side by side when their rows are.

    Parameters
    ----------
    banks : sequence of FeatureBank
        At least two.
    output : path
        The Parquet file to write.
    overwrite : bool
        Replace it if it exists.

    Raises
    ------
    BankError
        If the banks share neither their blocks nor their rows, or were cropped in different ways.
    """
    if len(banks) < 2:
        raise BankError("A merge wants two banks or more; name another.")
    first = banks[0]
    for other in banks[1:]:
        for key in ("detector", "detector_weights", "cropped", "crop"):
            mine, theirs = ((bank.crop if key == "crop" else bank.provenance.get(key)) for bank in (first, other))
            if theirs != mine:
                raise BankError(
                    f"{first.path} has {key} {mine} and {other.path} {theirs}; their faces were not cut alike. Extract "
                    "one of them again."
                )
    stacked = all(bank.blocks == first.blocks for bank in banks)
    cards = first.blocks if stacked else _all_blocks(banks)
    columns = {name: kind for bank in banks for name, kind in _user_columns(bank).items()}
    notes = [note for bank in banks for note in bank.provenance["notes"]]
    dataset = "+".join(dict.fromkeys(bank.provenance["dataset"] for bank in banks))
    provenance = {**first.provenance, "dataset": dataset, "notes": list(dict.fromkeys(notes)), "blocks": cards}

    def parts() -> Iterator[FeatureChunk]:
        return chain.from_iterable(chunks(bank) for bank in banks) if stacked else _side_by_side(banks)

    return save_bank(output, provenance, columns, parts, overwrite)


def _all_blocks(banks: Sequence[FeatureBank]) -> dict[str, Any]:
    """Return the blocks of banks with equal rows; BankError where a block stands in two or the rows differ."""
    cards: dict[str, Any] = {}
    for bank in banks:
        twice = [name for name in bank.blocks if name in cards]
        if twice:
            raise BankError(
                f"{bank.path} shares the block {twice[0]} with another bank but not all blocks; "
                "merge banks whose blocks are all the same, or all different."
            )
        cards |= bank.blocks
    keys = [[(r["input"], r["frame"], r["face_id"], r["sha256"]) for r in bank.rows()] for bank in banks]
    for bank, key in zip(banks, keys, strict=True):
        if key != keys[0]:
            raise BankError(
                f"{banks[0].path} and {bank.path} have neither the same blocks nor the same rows, so they cannot be "
                "joined; extract both from the same inputs, or with the same features."
            )
    return cards


def _side_by_side(banks: Sequence[FeatureBank]) -> Iterator[FeatureChunk]:
    for together in zip(*(chunks(bank) for bank in banks), strict=True):
        same = zip(*(chunk.rows for chunk in together), strict=True)
        rows = [{k: v for row in alike for k, v in row.items()} for alike in same]
        yield FeatureChunk(rows, {name: f for chunk in together for name, f in chunk.blocks.items()})


def _user_columns(bank: FeatureBank) -> dict[str, type]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from hybridfer.types import BANK_COLUMNS

    kinds: dict[pa.DataType, type] = {pa.int64(): int, pa.float64(): float, pa.string(): str}
    schema = pq.read_schema(bank.path)
    return {n: kinds.get(schema.field(n).type, str) for n in bank.column_names if n not in BANK_COLUMNS}


def _arrays(bank: FeatureBank, names: Sequence[str]) -> dict[str, np.ndarray]:
    arrays = {name: bank.X(block) for name, block in zip(names, bank.blocks, strict=True)}
    for name in bank.column_names:
        values = bank.column(name)
        numbers = all(v is None or isinstance(v, (int, float)) for v in values)
        unknown: Any = np.nan if numbers and any(v is not None for v in values) else ""
        arrays[name] = np.array([unknown if v is None else v for v in values])
    arrays["provenance"] = np.array(json.dumps(dict(bank.provenance), ensure_ascii=False))
    return arrays
