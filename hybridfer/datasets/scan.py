"""What data sets lie below a folder, and what one holds: told from names and tables, no picture is opened."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from hybridfer.datasets import DATASETS, PLAIN, create_layout, read_dataset, recognise
from hybridfer.datasets.inputs import read_inputs
from hybridfer.errors import DatasetError
from hybridfer.labels import LABEL_SETS, SPLITS, class_order, label_numbers
from hybridfer.spec import format_value, parse_spec
from hybridfer.types import Manifest

DEPTH = 3
"""Folders below a root in which data sets are looked for."""

NONE = "none"
"""What stands in tables for rows without a label or a split."""


def scan(roots: Iterable[str | os.PathLike[str]]) -> Iterator[dict[str, Any]]:
    """Yield what is known of every data set at or below the roots, to a depth of :data:`DEPTH` folders.

    A data set is not searched for others within it. Plain folders and tables, of which anything can be said, are not
    reported.

    Returns
    -------
    iterator of dict
        ``path, dataset, how``, then as :func:`summary_of`; or ``error``, where one is recognised and cannot be read.

    Raises
    ------
    DatasetError
        If a root does not exist.
    """
    for root in map(Path, roots):
        if not root.exists():
            raise DatasetError(f"{root} does not exist; expected a folder in which data sets lie.")
        for path, name, how in _found(root, DEPTH):
            known = {"path": str(path), "dataset": name, "how": how}
            try:
                yield known | summary_of(read_dataset(name, path))
            except DatasetError as error:
                yield known | {"error": str(error)}


def known_layouts() -> list[str]:
    """Return the names of the data sets that can be recognised or named, plain folders and tables not among them."""
    return [name for name in DATASETS.names() if name not in PLAIN]


def info(
    path: str | os.PathLike[str], dataset: str | None = None, labels: str = "auto", label_set: str | None = None
) -> dict[str, Any]:
    """Return what the data set at `path` holds; the others are the options ``--dataset, --labels, --label-set``.

    Returns
    -------
    dict
        ``path, dataset``, as :func:`summary_of`, and ``numbers`` (what the data set's own numbers mean), ``options``
        (those of its layout, with what they are and what they are by default) and ``notes``.

    Raises
    ------
    DatasetError
        If there is nothing at `path`, or it is damaged.
    """
    if not os.path.exists(path):
        raise DatasetError(f"{path} does not exist; expected a data set, a folder, a table or a picture.")
    manifest = read_inputs([path], labels=labels, dataset=dataset, label_set=label_set)
    order = label_set or ("ferplus" if labels.startswith("ferplus-") else manifest.dataset)
    return {
        "path": str(path),
        "dataset": manifest.dataset,
        **summary_of(manifest),
        "numbers": {number: label for label, number in label_numbers(order).items()} if order in LABEL_SETS else {},
        "options": _options(dataset or manifest.dataset),
        "notes": list(manifest.notes),
    }


def summary_of(manifest: Manifest) -> dict[str, Any]:
    """Return what a manifest's items are, without reading a picture.

    Returns
    -------
    dict
        ``pictures``, ``cropped``; ``splits`` and ``labels``, each to its count, rows without one left out; ``rows``,
        the count of each split and label, which may be None; ``subjects`` and ``groups``, how many there are, and
        ``split_subjects``, how many each split has.
    """
    items = list(manifest.items)
    rows = Counter((item.split, item.label) for item in items)
    subjects = defaultdict(set)
    for item in items:
        if item.subject is not None:
            subjects[item.split].add(item.subject)
    splits = [split for split in (*SPLITS, None) if any(split == of for of, _ in rows)]
    labels = class_order(label for _, label in rows if label is not None)
    counted = [(s, label, rows[s, label]) for s in splits for label in (*labels, None) if rows[s, label]]
    return {
        "pictures": len(items),
        "cropped": manifest.cropped,
        "splits": {s: sum(n for of, _, n in counted if of == s) for s in splits if s is not None},
        "labels": {label: sum(n for _, of, n in counted if of == label) for label in labels},
        "rows": [{"split": split, "label": label, "rows": n} for split, label, n in counted],
        "subjects": len(set().union(*subjects.values())),
        "split_subjects": {split: len(subjects[split]) for split in splits if split is not None and subjects[split]},
        "groups": len({item.group for item in items} - {None}),
    }


def scan_text(found: Mapping[str, Any]) -> str:
    """Return what :func:`scan` found of one data set as lines of text."""
    lines = [found["path"], f"  data set  {found['dataset']}: {found['how']}"]
    if "error" in found:
        return "\n".join([*lines, f"  error     {found['error']}"])
    return "\n".join(
        [
            *lines,
            f"  pictures  {_pictures(found)}",
            f"  splits    {_counts(found['splits'])}",
            f"  labels    {_counts(found['labels'])}",
            f"  subjects  {_subjects(found)}",
        ]
    )


def info_text(found: Mapping[str, Any]) -> str:
    """Return :func:`info` as lines of text."""
    lines = [f"{found['path']}: {found['dataset']}, {_pictures(found)}", *_table(found["rows"])]
    lines += [f"  subjects  {_subjects(found)}", f"  groups    {found['groups'] or NONE}"]
    if found["numbers"]:
        lines.append(f"  numbers   {', '.join(f'{number} {label}' for number, label in found['numbers'].items())}")
    for name, option in found["options"].items():
        value, default = format_value(option["value"]), format_value(option["default"])
        lines.append(f"  option    {name}={value}" + (f" (default {default})" if value != default else ""))
    return "\n".join([*lines, *(f"  note      {note}" for note in found["notes"])])


def _found(path: Path, depth: int) -> Iterator[tuple[Path, str, str]]:
    known = recognise(path)
    if known is not None and known[0] not in PLAIN:
        yield path, *known
    elif path.is_dir() and depth:
        for entry in sorted(path.iterdir()) if os.access(path, os.R_OK | os.X_OK) else ():
            if not entry.name.startswith(".") and (entry.is_dir() or entry.suffix.lower() == ".csv"):
                yield from _found(entry, depth - 1)


def _options(dataset: str) -> dict[str, dict[str, Any]]:
    """Return the options of a layout, as ``name:key=value`` has them and by default."""
    name = parse_spec(dataset).name
    if name not in DATASETS.names():
        return {}
    layout: Any = create_layout(dataset)
    return {f.name: {"value": getattr(layout, f.name), "default": f.default} for f in fields(layout)}


def _pictures(found: Mapping[str, Any]) -> str:
    return f"{found['pictures']} pictures" + (", face crops (no detector runs)" if found["cropped"] else "")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.items()) or NONE


def _subjects(found: Mapping[str, Any]) -> str:
    if not found["subjects"]:
        return "unknown"
    by_split = f" ({_counts(found['split_subjects'])})" if found["split_subjects"] else ""
    return f"{found['subjects']}{by_split}"


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return lines with a row a split and a column a label, and their sums."""
    counts = {(row["split"] or NONE, row["label"] or NONE): row["rows"] for row in rows}
    splits = list(dict.fromkeys(split for split, _ in counts))
    present = {label for _, label in counts}
    labels = [*class_order(present - {NONE}), *(present & {NONE})]
    table = [["split", *labels, "all"]]
    for split in splits:
        line = [counts.get((split, label), 0) for label in labels]
        table.append([split, *map(str, line), str(sum(line))])
    if len(splits) > 1:
        sums = [sum(counts.get((split, label), 0) for split in splits) for label in labels]
        table.append(["all", *map(str, sums), str(sum(sums))])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  " + "  ".join([f"{first:{widths[0]}}", *(f"{c:>{w}}" for c, w in zip(rest, widths[1:], strict=True))])
        for first, *rest in table
    ]
