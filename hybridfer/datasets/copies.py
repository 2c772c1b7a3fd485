"""What ``datasets check`` found, as training and scoring use it: which pictures are copies of which."""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybridfer.errors import DatasetError


@dataclass(frozen=True)
class CopyTable:
    """Pictures by content hash, and their copies.

    Without a report only pictures of equal hashes are copies.

    Attributes
    ----------
    of : mapping of str to set of str
        Hash to the hashes of other pictures that are identical or near copies.
    constant : collection of str
        Hashes of pictures of one colour.
    report : str or None
        SHA-256 of the report it was read from.
    """

    of: Mapping[str, Collection[str]]
    constant: Collection[str] = ()
    report: str | None = None

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> CopyTable:
        """Return the copies of a report that ``hybridfer datasets check -o REPORT.json`` wrote.

        Raises
        ------
        DatasetError
            If there is no such file or it is no such report.
        """
        file = Path(path)
        if file.is_dir():
            file = file / "check.json"
        try:
            content = file.read_bytes()
            report = json.loads(content)
            version = report["check"]
            of: dict[str, set[str]] = defaultdict(set)
            for group in report["duplicates"]:
                _link(of, [[row] for row in group["pictures"]])
            for pair in report["near_duplicates"]:
                _link(of, [pair["first"], pair["second"]])
            constant = frozenset(row["sha256"] for row in report["constant"])
        except OSError as error:
            raise DatasetError(
                f"{file} cannot be read: {error.strerror}; write it with hybridfer datasets check … -o {file}."
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{file} is no report of a check, or damaged ({error!r}); write it with hybridfer datasets check."
            ) from None
        if version != 1:
            raise DatasetError(f"{file} is a check of format {version}; this hybridfer reads 1. Check the data again.")
        return cls(dict(of), constant, hashlib.sha256(content).hexdigest())

    def among(self, pictures: Sequence[str | None], others: Collection[str]) -> tuple[list[bool], list[bool]]:
        """Return for each picture whether it is among `others` itself, and whether a copy of it is."""
        # Rows of other tools' tables have no hash, which makes no two of them copies.
        known = set(others) - {None}
        same = [picture in known for picture in pictures]
        near = [not known.isdisjoint(self.of.get(str(picture), ())) for picture in pictures]
        return same, near

    def tied(self, pictures: Sequence[str | None]) -> list[str | None]:
        """Return for each picture the first hash of all it is tied to by copies, and copies of those."""
        names: dict[str, str] = {}
        for picture in pictures:
            if picture is None or picture in names:
                continue
            waiting = [picture]
            while waiting:
                one = waiting.pop()
                if one not in names:
                    names[one] = picture
                    waiting += self.of.get(one, ())
        return [None if picture is None else names[picture] for picture in pictures]


def contradictions(pictures: Sequence[str | None], labels: Sequence[Any]) -> tuple[int, int]:
    """Return how many groups of equal pictures have several labels, and how many rows they are."""
    held: dict[str, list[Any]] = defaultdict(list)
    for picture, label in zip(pictures, labels, strict=True):
        if picture is not None and label is not None:
            held[picture].append(label)
    groups = [found for found in held.values() if len(set(found)) > 1]
    return len(groups), sum(map(len, groups))


def _link(of: dict[str, set[str]], sides: Sequence[Sequence[Mapping[str, Any]]]) -> None:
    for i, side in enumerate(sides):
        others = {row["sha256"] for j, other in enumerate(sides) if j != i for row in other}
        for row in side:
            of[row["sha256"]] |= others - {row["sha256"]}
