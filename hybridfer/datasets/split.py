"""Splits that part no subject and no copy of a picture, with near-equal shares of every label in each."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.datasets.check import NONE, Seen, look, near_copies
from hybridfer.datasets.copies import CopyTable
from hybridfer.errors import DatasetError
from hybridfer.labels import SPLITS, canonical_split, class_order
from hybridfer.tables import open_output, write_parquet, write_rows
from hybridfer.types import Manifest

BY = ("auto", "subject", "group", "picture")

UNITS = {"subject": "subjects", "group": "groups", "picture": "pictures, copies counted once"}
"""How a text calls what was kept whole."""

COLUMNS = ("path", "frame", "label", "split", "subject", "group", "cropped")
"""The columns of the manifest that is written; those the data do not have are left out, the user's own follow."""


@dataclass(frozen=True)
class Splits:
    """A manifest's items, each with the split it was given.

    Attributes
    ----------
    manifest : Manifest
        With the new splits.
    by : str
        What was kept whole: ``subject``, ``group`` or ``picture``.
    units : dict of str to int
        Subjects, groups or pictures with their copies, by split: what may be counted as independent.
    notes : tuple of str
        What a reader should be told.
    """

    manifest: Manifest
    by: str
    units: Mapping[str, int]
    notes: tuple[str, ...]

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Rows of each label in each split; ``(none)`` where a row has none."""
        counts = {split: Counter[str]() for split in self.units}
        for item in self.manifest.items:
            counts[str(item.split)][item.label or NONE] += 1
        return {split: dict(found) for split, found in counts.items()}


def split(
    manifest: Manifest,
    shares: Mapping[str, float],
    *,
    by: str = "auto",
    keep: Sequence[str] = (),
    near: bool = True,
    seed: int = 0,
    jobs: int = -1,
    progress: Callable[[int], None] | None = None,
) -> Splits:
    """Return a manifest cut into splits.

    Identical pictures, and near copies if `near`, stay together in any case, and so does everything they tie together.
    Units are dealt out from the largest to the smallest, each to the split that lacks its labels most.

    Parameters
    ----------
    manifest : Manifest
    shares : mapping of str to float
        Split to its share of the rows, such as ``{"train": 0.7, "val": 0.1, "test": 0.2}``.
    by : {"auto", "subject", "group", "picture"}
        What stays whole; ``auto``: subjects where any is known, else pictures. Of ``subject`` and ``group``, the other
        is not kept whole unless it is nested.
    keep : sequence of str
        Splits the manifest has that stay as they are; the shares are of the other rows. Rows tied to one of them are
        left out, so that nothing leaks into it.
    near : bool
        Whether near copies are looked for.
    seed : int
        Of the order among units alike.
    jobs, progress
        As :func:`hybridfer.datasets.check.check`.

    Raises
    ------
    DatasetError
        If the shares are no shares, nothing is known of what is to stay whole, or there are fewer units than splits.
    """
    _check_shares(shares)
    items = list(manifest.items)
    kept = {canonical_split(name) for name in keep}
    if absent := kept - {item.split for item in items}:
        raise DatasetError(f"No row is of the split {min(absent)!r}, so it cannot be kept; leave --keep out.")
    if both := kept & shares.keys():
        raise DatasetError(f"The split {min(both)!r} is to be kept and to be made; leave one out.")
    known = {word: any(getattr(item, word) is not None for item in items) for word in ("subject", "group")}
    if by == "auto":
        by = "subject" if known["subject"] else "picture"
    if by in known and not known[by]:
        raise DatasetError(
            f"No row has a {by}, so none can be kept whole; use --by picture, or name one in a manifest."
        )
    if by not in BY:
        raise DatasetError(f"Nothing can be kept whole by {by!r}; expected {', '.join(BY)}.")
    seen = look(items, near=near, jobs=jobs, progress=progress)
    units = _units(seen, by, near, jobs)
    places = _deal(seen, units, shares, kept, seed)
    notes = list(_notes(seen, units, places, by, kept))
    rows = [replace(item, split=place) for item, place in zip(items, places, strict=True) if place is not None]
    counted = {
        name: len({int(unit) for unit, place in zip(units, places, strict=True) if place == name})
        for name in (*kept, *shares)
    }
    made = Manifest(rows, manifest.dataset, manifest.cropped, manifest.columns, (*manifest.notes, *notes))
    return Splits(made, by, counted, tuple(notes))


def shares_of(val: float | None, test: float | None) -> dict[str, float]:
    """Return the share of every split that is to be made; ``train`` is what the others leave.

    Raises
    ------
    DatasetError
        If neither is given, or they leave nothing.

    Examples
    --------
    >>> shares_of(0.25, 0.25)
    {'train': 0.5, 'val': 0.25, 'test': 0.25}
    """
    made = {name: share for name, share in (("val", val), ("test", test)) if share is not None}
    if not made:
        raise DatasetError("A split wants a share for val, for test, or for both, such as --test 0.2.")
    rest = 1 - sum(made.values())
    if rest <= 0:
        raise DatasetError(
            f"Shares of {sum(made.values()):g} for val and test leave nothing to train on; make them less."
        )
    return {"train": rest, **made}


def split_text(made: Splits) -> str:
    """Return as text how many rows and units of each label each split has."""
    lines = [f"note: {note}" for note in made.notes]
    for name, counts in made.counts.items():
        labels = ", ".join(
            f"{label} {counts[label]}" for label in (*class_order(counts.keys() - {NONE}), NONE) if label in counts
        )
        lines.append(f"{name}: {sum(counts.values())} rows of {made.units[name]} {UNITS[made.by]} ({labels})")
    return "\n".join(lines)


def write_manifest(manifest: Manifest, output: str | None, form: str, overwrite: bool = False) -> None:
    """Write a manifest as a table, ``csv``, ``jsonl`` or ``parquet``, that is read back as it is.

    Raises
    ------
    OutputError
        If `output` exists and `overwrite` is False, or it cannot be written.
    """
    columns, rows = manifest_rows(manifest, output)
    if form == "parquet":
        write_parquet(output, columns, [rows], overwrite=overwrite)
    else:
        with open_output(output, overwrite) as stream:
            write_rows(stream, form, columns, [rows])


def manifest_rows(
    manifest: Manifest, output: str | os.PathLike[str] | None
) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """Return the columns and rows of a manifest as a table that :mod:`hybridfer.datasets.manifest` reads back.

    Relative paths become relative to where the table is written, as manifests have them.
    """
    folder = Path(os.path.realpath(output)).parent if output not in (None, "-") else Path.cwd()
    items = list(manifest.items)
    used = {
        "frame": any(item.frame for item in items),
        **{
            name: any(getattr(item, name) is not None for item in items)
            for name in ("label", "split", "subject", "group")
        },
        "cropped": manifest.cropped,
    }
    columns = [name for name in COLUMNS if used.get(name, True)]

    def rows() -> Iterator[dict[str, Any]]:
        for item in items:
            path = item.input if os.path.isabs(item.input) else os.path.relpath(item.input, folder)
            values = {"path": path, "cropped": "true", **{name: getattr(item, name) for name in COLUMNS[1:-1]}}
            yield {**item.extra, **{name: values[name] for name in columns}}

    return [*columns, *manifest.columns], rows()


def _check_shares(shares: Mapping[str, float]) -> None:
    for name, share in shares.items():
        if name not in SPLITS:
            raise DatasetError(f"{name!r} is no split; expected {', '.join(SPLITS)}.")
        if not 0 < share < 1:
            raise DatasetError(f"The share of {name} is {share:g}; expected more than 0 and less than 1, such as 0.2.")
    if len(shares) < 2:
        raise DatasetError("A split wants two parts or more; give a share for val, for test, or for both.")
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise DatasetError(f"The shares add up to {sum(shares.values()):g}; expected 1.")


def _units(seen: Sequence[Seen], by: str, near: bool, jobs: int) -> npt.NDArray[np.intp]:
    """Return which unit each picture belongs to, as numbers from 0."""
    from hybridfer.classify.splits import tie

    copies: dict[str, set[str]] = defaultdict(set)
    # Each of identical pictures is fitted for itself: what one misses by a hair, another may find.
    alone = [[s] for s in seen if s.sketch is not None]
    for pair in near_copies(alone, jobs=jobs) if near else ():
        one, other = (str(side[0].pixels) for side in pair.sides)
        copies[one].add(other)
        copies[other].add(one)
    tied = CopyTable(copies).tied([s.pixels for s in seen])
    return tie(len(seen), tied, *([] if by == "picture" else [[getattr(s.item, by) for s in seen]]))


def _deal(
    seen: Sequence[Seen],
    units: npt.NDArray[np.intp],
    shares: Mapping[str, float],
    kept: Collection[str],
    seed: int,
) -> list[str | None]:
    """Return the split of each picture; None where it is tied to a split that is kept, and left out."""
    places: list[str | None] = [s.item.split if s.item.split in kept else None for s in seen]
    closed = {int(units[i]) for i, place in enumerate(places) if place is not None}
    free = [i for i in range(len(seen)) if places[i] is None and int(units[i]) not in closed]
    numbers, inverse = np.unique(units[free], return_inverse=True)
    if len(numbers) < len(shares):
        raise DatasetError(
            f"Only {len(numbers)} groups of rows are free of each other, too few for {len(shares)} splits; keep less "
            "whole (--by picture, --no-near), or bring more data."
        )
    labels = [s.item.label for s in seen]
    classes = class_order({label for label in labels if label is not None})
    codes = np.array([len(classes) if labels[i] is None else classes.index(str(labels[i])) for i in free])
    held = np.zeros((len(numbers), len(classes) + 2))
    np.add.at(held, (inverse, codes), 1)
    # All rows count as a label too, so that splits do not all fall short, or all go over, together.
    held[:, -1] = held.sum(1)
    total = np.maximum(held.sum(0), 1)
    wanted = np.array(list(shares.values()))[:, None] * held.sum(0)
    given = np.zeros_like(wanted)
    # Large units first, while there is room for them everywhere; chance decides among equals.
    order = np.lexsort((np.random.default_rng(seed).permutation(len(numbers)), -held[:, -1]))
    names = list(shares)
    chosen = np.empty(len(numbers), int)
    for unit in order:
        # What each split lacks of the unit's labels, as a share of what it is to have.
        lack = ((wanted - given) / wanted.clip(1e-9) * (held[unit] / total)).sum(1)
        chosen[unit] = lack.argmax()
        given[chosen[unit]] += held[unit]
    for i, unit in zip(free, inverse, strict=True):
        places[i] = names[chosen[unit]]
    return places


def _notes(
    seen: Sequence[Seen], units: npt.NDArray[np.intp], places: Sequence[str | None], by: str, kept: Collection[str]
) -> Iterator[str]:
    unread = sum(s.error is not None for s in seen)
    if unread:
        yield f"{unread} pictures cannot be read; nothing is known of their copies"
    if by != "picture":
        unknown = sum(getattr(s.item, by) is None for s in seen)
        if unknown:
            yield f"{unknown} rows have no {by}; each counts as one of its own"
        named: dict[int, set[str]] = defaultdict(set)
        for unit, s in zip(units, seen, strict=True):
            named[int(unit)] |= {getattr(s.item, by)} - {None}
        merged = sum(len(names) for names in named.values() if len(names) > 1)
        if merged:
            yield f"{merged} {by}s share a picture or a near copy with another and stay with it"
    left_out = sum(place is None for place in places)
    if left_out:
        yield (
            f"{left_out} rows are tied to rows of {', '.join(sorted(kept))} (the same {by}, or a copy) and are left out"
        )
