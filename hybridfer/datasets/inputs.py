"""What the user names on the command line becomes one manifest."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from hybridfer.datasets import PLAIN, read_dataset, recognise
from hybridfer.datasets.manifest import json_rows, manifest_of
from hybridfer.errors import DatasetError
from hybridfer.labels import label_in_set, label_numbers
from hybridfer.media.video import file_source
from hybridfer.types import Item, Manifest


def read_inputs(
    inputs: Sequence[str | os.PathLike[str]],
    *,
    labels: str = "auto",
    dataset: str | None = None,
    label_set: str | None = None,
    nul: bool = False,
    stdin: BinaryIO | None = None,
) -> Manifest:
    """Return one manifest of everything in `inputs`, in the order given.

    Parameters
    ----------
    inputs : sequence of str or path
        Files (pictures and videos), folders, globs, manifests, data sets, or ``-``: one path a line, or JSON lines,
        from `stdin`.
    labels : str
        The ``--labels`` option.
    dataset : str, optional
        Name of a layout, with its options if need be; recognised when not given.
    label_set : str, optional
        A name of :data:`hybridfer.labels.LABEL_SETS`: labels that are numbers are read as that set's, and labels it
        does not have are left out.
    nul : bool
        Whether paths on stdin end with NUL.
    stdin : binary stream, optional
        Where ``-`` reads.

    Returns
    -------
    Manifest
        A path that does not exist is an item too; reading it is what fails.

    Raises
    ------
    DatasetError
        If a data set is damaged, a glob matches nothing, or declared crops are mixed with other pictures.
    """
    parts = [_one(os.fspath(name), labels, dataset, nul, stdin) for name in inputs]
    joined = parts[0] if len(parts) == 1 else _joined(parts)
    return joined if label_set is None else _in_label_set(joined, label_set)


def _joined(parts: Sequence[Manifest]) -> Manifest:
    if len({part.cropped for part in parts}) > 1:
        raise DatasetError(
            "Some inputs are data sets of face crops and some are not, so no one detector fits all; "
            "extract them apart and join them with hybridfer bank merge."
        )
    names = list(dict.fromkeys(part.dataset for part in parts))
    columns = {column: kind for part in parts for column, kind in part.columns.items()}
    notes = tuple(chain.from_iterable(part.notes for part in parts))
    lists = [part.items for part in parts if isinstance(part.items, Sequence)]
    items: Iterable[Item] = chain.from_iterable(part.items for part in parts)
    if len(lists) == len(parts):
        items = list(items)
    return Manifest(items, "+".join(names), parts[0].cropped, columns, notes)


def _in_label_set(manifest: Manifest, name: str) -> Manifest:
    """Return the manifest with its labels as the label set `name` has them."""
    label_numbers(name)
    if not isinstance(manifest.items, Sequence):
        return replace(manifest, items=(_relabelled(item, name) for item in manifest.items))
    items = [_relabelled(item, name) for item in manifest.items]
    lost = Counter(
        str(old.label) for old, new in zip(manifest.items, items, strict=True) if old.label and not new.label
    )
    notes = [f"labels as {name} has them" + "".join(f"; {n} rows of {label!r} have none" for label, n in lost.items())]
    return replace(manifest, items=items, notes=(*manifest.notes, *notes))


def _relabelled(item: Item, name: str) -> Item:
    return item if item.label is None else replace(item, label=label_in_set(item.label, name))


def _one(name: str, labels: str, dataset: str | None, nul: bool, stdin: BinaryIO | None) -> Manifest:
    if name == "-":
        if stdin is None:
            raise DatasetError(
                "The input - reads paths from standard input, and there is none here; name files instead."
            )
        return _from_stdin(stdin, nul, labels)
    path = Path(name)
    if dataset is not None:
        return read_dataset(dataset, path, labels)
    if not os.path.lexists(path) and glob.has_magic(name):
        found = sorted(glob.glob(name, recursive=True))
        if not found:
            raise DatasetError(f"Nothing matches {name}; check the pattern, and quote it so that the shell leaves it.")
        return read_inputs(found, labels=labels)
    known = recognise(path)
    if known is None:
        return Manifest([_file(name)])
    layout, how = known
    manifest = read_dataset(layout, path, labels)
    note = (f"{name} read as {layout}: {how}",) if layout not in PLAIN else ()
    return Manifest(manifest.items, manifest.dataset, manifest.cropped, manifest.columns, (*note, *manifest.notes))


def _file(name: str) -> Item:
    return Item(name, file_source(name))


def _from_stdin(stdin: BinaryIO, nul: bool, labels: str) -> Manifest:
    names = _split_lines(stdin, b"\0" if nul else b"\n")
    first = next(names, None)
    if first is None:
        raise DatasetError(
            "Standard input is empty; expected one path a line (or ended by NUL with -0), or JSON lines."
        )
    if not nul and first.lstrip().startswith(b"{"):
        lines = [line.decode("utf-8", "surrogateescape") for line in chain([first], names)]
        return manifest_of(json_rows(lines, "standard input"), "standard input", Path(), labels != "none")
    return Manifest(_file(os.fsdecode(name)) for name in chain([first], names))


def _split_lines(stream: BinaryIO, end: bytes) -> Iterator[bytes]:
    rest = b""
    for block in _blocks(stream):
        *whole, rest = (rest + block).split(end)
        yield from (line.rstrip(b"\r") if end == b"\n" else line for line in whole if line.strip())
    if rest.strip():
        yield rest


def _blocks(stream: BinaryIO) -> Iterable[bytes]:
    read = getattr(stream, "read1", stream.read)
    while block := read(1 << 16):
        yield block
