"""A data set's check on its way out: as JSON, and as a page with the offending pictures side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hybridfer.compare.near import reduced
from hybridfer.datasets.check import Check, Copies, Seen
from hybridfer.errors import PictureError
from hybridfer.report import html
from hybridfer.tables import replacing, report_target
from hybridfer.types import Pixels

SHOWN = 60
"""Pairs or pictures of one kind on the page."""

ROWS = 200
"""Rows of a table on the page."""

_SIDE = 160

_WORDS = {
    "pictures": "pictures",
    "undecodable": "that cannot be read",
    "constant": "of one colour",
    "duplicate_groups": "groups of identical pictures",
    "duplicate_pictures": "pictures in them",
    "duplicate_leaks": "groups across splits",
    "duplicate_conflicts": "groups with different labels",
    "near_pairs": "pairs of near copies",
    "near_pictures": "pictures in them",
    "near_leaks": "pairs across splits",
    "near_conflicts": "pairs with different labels",
    "near_mirrored": "pairs that are mirrored",
    "subjects": "subjects",
    "subjects_in_two_splits": "subjects in two splits",
}


FILES = ("check.json", "index.html")
"""What a check's folder holds."""


def check_target(output: str | os.PathLike[str], overwrite: bool) -> tuple[Path, tuple[str, ...]]:
    """Return where a check may be written to, ``….json``, ``….html`` or a folder; see :func:`report_target`."""
    return report_target(output, overwrite, "A check", FILES, (".json", ".html"))


def write_check(check: Check, output: str | os.PathLike[str], overwrite: bool = False) -> list[Path]:
    """Write a check as JSON, as an HTML page, or into a folder as both, and return the files' paths.

    Raises
    ------
    OutputError
        As :func:`check_target`, or if it cannot be written.
    """
    path, folder = check_target(output, overwrite)
    with replacing(path, overwrite, folder) as beside:
        if folder:
            beside.mkdir()
            (beside / FILES[0]).write_text(check.to_json(), "utf-8")
            (beside / FILES[1]).write_text(check_page(check), "utf-8")
        else:
            made = check.to_json() if path.suffix.lower() == ".json" else check_page(check)
            beside.write_text(made, "utf-8")
    return [path / name for name in folder] or [path]


def check_page(check: Check) -> str:
    """Return the HTML page of a check; its first pictures of each kind are read again."""
    near, same = check.near, check.duplicates
    folder = _folder(check)
    sections = [
        ("What was found", _numbers(check)),
        _copies("Identical, in two splits", folder, [c for c in same if c.leak]),
        _copies("Nearly identical, in two splits", folder, [c for c in near if c.leak]),
        _copies("Identical, with different labels", folder, [c for c in same if c.conflict and not c.leak]),
        _copies("Nearly identical, with different labels", folder, [c for c in near if c.conflict and not c.leak]),
        _copies("Identical otherwise", folder, [c for c in same if not c.leak and not c.conflict]),
        _copies("Nearly identical otherwise", folder, [c for c in near if not c.leak and not c.conflict]),
        ("Pictures of one colour", _grid(folder, check.constant)),
        ("Pictures that cannot be read", _table(["input", "what is wrong"], check.undecodable, _error)),
        ("Subjects in two splits", _table(["subject", "splits"], list(check.subjects.items()), _subject)),
        ("Balance", _balance(check)),
    ]
    return html.page(f"Check of {check.name}", [(heading, parts) for heading, parts in sections if parts])


def _folder(check: Check) -> str:
    """Return the folder that all pictures lie in, which need not stand under each of them."""
    folders = {os.path.dirname(seen.item.input) for seen in check.seen}
    try:
        return os.path.commonpath(folders) if folders else ""
    except ValueError:
        return ""  # some are absolute and some are not


def _numbers(check: Check) -> list[str]:
    settings = check.settings
    how = (
        f"Near copies are pairs whose 64-bit perceptual hashes differ in at most {settings['distance']} bits and whose "
        f"fine detail, when one is fitted onto the other, correlates with {settings['correlation']} or more; mirror "
        "images count. Pictures are taken whole. Near copies of one known subject with different labels are no "
        "contradiction."
        if settings
        else "Near copies were not looked for."
    )
    rows = [(_WORDS[name], count) for name, count in check.counts.items()]
    leaks = [
        html.paragraph(
            f"{found['identical']} pictures of {split} stand identically in another split, "
            f"{found['identical_or_near']} identically or nearly so."
        )
        for split, found in check.leaks.items()
    ]
    notes = [html.paragraph(note) for note in check.manifest.notes]
    return [*leaks, html.table(["", "count"], rows), html.paragraph(how), *notes]


def _copies(heading: str, folder: str, found: Sequence[Copies]) -> tuple[str, list[str]]:
    if not found:
        return heading, []
    word = "pair" if found[0].pair is not None else "group"
    shown = [pair for copies in found[:SHOWN] if (pair := _pair(folder, copies)) is not None]
    return heading, [html.paragraph(_how_many(len(found), len(shown), word)), html.pairs(shown)]


def _pair(folder: str, copies: Copies) -> tuple[list[tuple[Pixels, str]], str] | None:
    pictures = []
    for seen in copies.shown:
        pixels = _read(seen)
        if pixels is None:
            return None
        pictures.append((pixels, _caption(folder, seen)))
    if copies.pair is None:
        return pictures, f"{len(copies.pictures)} identical pictures"
    near = copies.pair
    return pictures, f"{near.bits} bits apart, correlation {near.correlation:.3f}" + (
        ", mirrored" if near.mirrored else ""
    )


def _grid(folder: str, found: Sequence[Seen]) -> list[str]:
    if not found:
        return []
    shown = [(pixels, _caption(folder, seen)) for seen in found[:SHOWN] if (pixels := _read(seen)) is not None]
    return [html.paragraph(_how_many(len(found), len(shown), "picture")), html.pictures(shown)]


def _table(header: Sequence[str], found: Sequence[Any], row: Callable[[Any], tuple[str, str]]) -> list[str]:
    if not found:
        return []
    return [
        html.paragraph(_how_many(len(found), min(len(found), ROWS), "row")),
        html.table(header, map(row, found[:ROWS])),
    ]


def _error(seen: Seen) -> tuple[str, str]:
    return seen.item.input, str(seen.error)


def _subject(found: tuple[str, list[str]]) -> tuple[str, str]:
    return found[0], ", ".join(found[1])


def _balance(check: Check) -> list[str]:
    labels = list(dict.fromkeys(label for counts in check.balance.values() for label in counts))
    rows = [[split, *(counts.get(label, 0) for label in labels)] for split, counts in check.balance.items()]
    return [html.table(["split", *labels], rows)]


def _read(seen: Seen) -> Pixels | None:
    """Return the picture, small; None where it is no longer what was checked."""
    try:
        picture = seen.item.source.read()
    except PictureError:
        return None
    if picture.sha256 != seen.sha256:
        return None
    return reduced(picture.pixels, _SIDE)


def _caption(folder: str, seen: Seen) -> str:
    item = seen.item
    known = ", ".join(text for text in (item.split, item.label, item.subject) if text)
    name = item.input.removeprefix(folder).lstrip("/\\")
    return f"{name}{f' ({known})' if known else ''}"


def _how_many(there: int, shown: int, word: str) -> str:
    return f"{there} {word}{'s' if there > 1 else ''}" + (f"; {shown} shown." if shown < there else ".")
