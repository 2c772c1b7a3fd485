"""What is wrong with a data set before anything is learnt from it: copies, leaks, contradictions, damage, balance.

Every picture is read once, as a whole; no face is looked for. Identical pictures have equal pixels, whatever files they
lie in. Near copies are found by :mod:`hybridfer.compare.near`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from hybridfer import __version__
from hybridfer.compare import CORRELATION, DISTANCE
from hybridfer.compare.near import NearPair, Sketch
from hybridfer.labels import SPLITS, class_order
from hybridfer.media.video import stills
from hybridfer.types import Item, Manifest

NONE = "(none)"
"""What stands for the split or label of rows without one."""

_AT_ONCE = 128
"""Pictures that one thread reads together."""


@dataclass(frozen=True)
class Seen:
    """What was seen of one picture.

    Attributes
    ----------
    item : Item
    error : str or None
        Why it cannot be read; the others are then None.
    sha256 : str or None
        Content hash of the file, as banks have it.
    pixels : str or None
        Hash of the decoded pixels.
    value : tuple of int or None
        The one colour of a constant picture.
    sketch : Sketch or None
        What near copies are found by; None for a constant picture.
    """

    item: Item
    error: str | None = None
    sha256: str | None = None
    pixels: str | None = None
    value: tuple[int, ...] | None = None
    sketch: Sketch | None = None

    def row(self) -> dict[str, Any]:
        """Return what a report says of the picture."""
        item = self.item
        known = {"split": item.split, "label": item.label, "subject": item.subject, "sha256": self.sha256}
        return {
            "input": item.input,
            **({"frame": item.frame} if item.frame else {}),
            **{name: value for name, value in known.items() if value is not None},
        }


@dataclass(frozen=True)
class Copies:
    """Pictures that are copies of each other.

    Attributes
    ----------
    sides : list of list of Seen
        Identical pictures: a side each. A near pair: two sides, each of all the pictures that are identical there.
    pair : NearPair or None
        How near two sides are; None for identical pictures.
    """

    sides: list[list[Seen]]
    pair: NearPair | None = None

    @property
    def pictures(self) -> list[Seen]:
        """All of them."""
        return [s for side in self.sides for s in side]

    @cached_property
    def leaking(self) -> list[Seen]:
        """Those that have a copy on another side in another split."""
        return self._apart([[s.item.split for s in side] for side in self.sides])

    @property
    def leak(self) -> bool:
        """Whether a picture and a copy of it stand in different splits."""
        return bool(self.leaking)

    @cached_property
    def conflict(self) -> bool:
        """Whether a picture and a copy of it have different labels.

        Near copies of one known subject are no contradiction: frames of a person who begins to smile.
        """
        subjects = {s.item.subject for s in self.pictures}
        if self.pair is not None and len(subjects) == 1 and None not in subjects:
            return False
        return bool(self._apart([[s.item.label for s in side] for side in self.sides]))

    def _apart(self, values: list[list[str | None]]) -> list[Seen]:
        """Return the pictures for which another side holds another value than theirs; None is no value."""
        held = Counter(value for side in values for value in set(side) - {None})
        found = []
        for side, own in zip(self.sides, values, strict=True):
            others = held - Counter(set(own) - {None})
            found += [s for s, v in zip(side, own, strict=True) if v is not None and others.keys() - {v}]
        return found

    @cached_property
    def shown(self) -> tuple[Seen, Seen]:
        """Two of different sides: of different splits if there are such, else of different labels if there are."""
        first = self.sides[0][0]
        one = next(iter(self.leaking), None) or next(
            (s for s in self.pictures if self.conflict and s.item.label != first.item.label), first
        )
        others = [s for side in self.sides if one not in side for s in side]
        return one, max(others, key=lambda s: (s.item.split != one.item.split, s.item.label != one.item.label))

    def row(self) -> dict[str, Any]:
        """Return what a report says of them."""
        found: dict[str, Any] = {"leak": self.leak, "conflict": self.conflict}
        if self.pair is None:
            return {**found, "pictures": [s.row() for s in self.pictures]}
        first, second = ([s.row() for s in side] for side in self.sides)
        near = {"bits": self.pair.bits, "correlation": round(self.pair.correlation, 4), "mirrored": self.pair.mirrored}
        return {**found, **near, "first": first, "second": second}


@dataclass(frozen=True)
class Check:
    """What was found in a data set.

    Attributes
    ----------
    name : str
        What was checked.
    manifest : Manifest
    seen : list of Seen
        A picture each, in order.
    duplicates : list of Copies
        Groups of identical pictures; constant ones are left out.
    near : list of Copies
        Pairs of near copies that are not identical.
    settings : dict
        The limits near copies were found with.
    """

    name: str
    manifest: Manifest
    seen: list[Seen]
    duplicates: list[Copies]
    near: list[Copies]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def undecodable(self) -> list[Seen]:
        """Pictures that cannot be read."""
        return [s for s in self.seen if s.error is not None]

    @property
    def constant(self) -> list[Seen]:
        """Pictures of one colour."""
        return [s for s in self.seen if s.value is not None]

    @cached_property
    def balance(self) -> dict[str, dict[str, int]]:
        """Rows of each label in each split; ``(none)`` where a row has none."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for s in self.seen:
            counts[s.item.split or NONE][s.item.label or NONE] += 1
        labels = class_order({label for split in counts.values() for label in split} - {NONE})
        return {
            split: {label: counts[split][label] for label in (*labels, NONE) if counts[split][label]}
            for split in _in_order(counts, (*SPLITS, NONE))
        }

    @cached_property
    def subjects(self) -> dict[str, list[str]]:
        """Subjects that stand in more than one split, and the splits."""
        splits: dict[str, set[str]] = defaultdict(set)
        for s in self.seen:
            if s.item.subject is not None and s.item.split is not None:
                splits[s.item.subject].add(s.item.split)
        return {who: _in_order(where, SPLITS) for who, where in splits.items() if len(where) > 1}

    @cached_property
    def counts(self) -> dict[str, int]:
        """How much of everything was found."""
        known = {s.item.subject for s in self.seen} - {None}
        return {
            "pictures": len(self.seen),
            "undecodable": len(self.undecodable),
            "constant": len(self.constant),
            "duplicate_groups": len(self.duplicates),
            "duplicate_pictures": sum(len(c.pictures) for c in self.duplicates),
            "duplicate_leaks": sum(c.leak for c in self.duplicates),
            "duplicate_conflicts": sum(c.conflict for c in self.duplicates),
            "near_pairs": len(self.near),
            "near_pictures": len({id(s) for c in self.near for s in c.pictures}),
            "near_leaks": sum(c.leak for c in self.near),
            "near_conflicts": sum(c.conflict for c in self.near),
            "near_mirrored": sum(c.pair is not None and c.pair.mirrored for c in self.near),
            "subjects": len(known),
            "subjects_in_two_splits": len(self.subjects),
        }

    @cached_property
    def leaks(self) -> dict[str, dict[str, int]]:
        """For each split, how many of its pictures have an identical or a near copy in another one."""
        found: dict[str, dict[str, set[int]]] = defaultdict(lambda: {"identical": set(), "near": set()})
        for kind, groups in (("identical", self.duplicates), ("near", self.near)):
            for copies in groups:
                for s in copies.leaking:
                    found[str(s.item.split)][kind].add(id(s))
        return {
            split: {"identical": len(kinds["identical"]), "identical_or_near": len(kinds["identical"] | kinds["near"])}
            for split, kinds in ((split, found[split]) for split in _in_order(found, SPLITS))
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything as a report that a program reads."""
        return {
            "check": 1,
            "hybridfer": __version__,
            "input": self.name,
            "dataset": self.manifest.dataset,
            "cropped": self.manifest.cropped,
            "notes": list(self.manifest.notes),
            "settings": dict(self.settings),
            "counts": self.counts,
            "leaks": self.leaks,
            "balance": self.balance,
            "subjects_in_two_splits": self.subjects,
            "undecodable": [{**s.row(), "error": s.error} for s in self.undecodable],
            "constant": [{**s.row(), "value": s.value} for s in self.constant],
            "duplicates": [c.row() for c in self.duplicates],
            "near_duplicates": [c.row() for c in self.near],
        }

    def to_json(self) -> str:
        """Return :meth:`to_dict` as JSON, a finding a line."""
        from hybridfer.tables import escape_surrogates, json_line

        parts = []
        for name, value in self.to_dict().items():
            if isinstance(value, list) and value:
                lines = ",\n    ".join(json_line(entry) for entry in value)
                parts.append(f"  {json_line(name)}: [\n    {lines}\n  ]")
            else:
                parts.append(f"  {json_line(name)}: {json_line(value)}")
        return escape_surrogates("{\n" + ",\n".join(parts) + "\n}\n")

    def summary(self) -> str:
        """Return the findings as text, a line a kind."""
        n = self.counts
        splits = ", ".join(f"{split} {sum(labels.values())}" for split, labels in self.balance.items())
        lines = [
            f"{self.name}: {n['pictures']} pictures, read as {self.manifest.dataset}",
            f"  splits           {splits}",
            f"  cannot be read   {_some(self.undecodable, lambda s: f'{s.item.input} ({s.error})')}",
            f"  of one colour    {_some(self.constant, lambda s: s.item.input)}",
            f"  identical        {self._copies(self.duplicates, 'groups', n['duplicate_pictures'])}",
            f"  nearly identical {self._copies(self.near, 'pairs', n['near_pictures'])}"
            + (f"; {n['near_mirrored']} mirrored" if n["near_mirrored"] else ""),
        ]
        lines += [
            f"  leak             {split}: {found['identical']} pictures stand identically in another split, "
            f"{found['identical_or_near']} identically or nearly so"
            for split, found in self.leaks.items()
        ]
        lines.append(f"  subjects         {self._people()}")
        lines += [f"  balance          {split}: {_balance(labels)}" for split, labels in self.balance.items()]
        return "\n".join(lines) + "\n"

    def _people(self) -> str:
        if not self.counts["subjects"]:
            return "unknown, so nothing can be said of people in two splits"
        some = _some(list(self.subjects.items()), lambda pair: f"{pair[0]} ({' and '.join(pair[1])})")
        return f"{self.counts['subjects']}; in two splits: {some}"

    @staticmethod
    def _copies(groups: Sequence[Copies], word: str, pictures: int) -> str:
        if not groups:
            return "none"
        leaks, conflicts = sum(c.leak for c in groups), sum(c.conflict for c in groups)
        return f"{len(groups)} {word} of {pictures} pictures: {leaks} across splits, {conflicts} with different labels"


def check(
    manifest: Manifest,
    name: str = "data",
    *,
    near: bool = True,
    distance: int = DISTANCE,
    correlation: float = CORRELATION,
    jobs: int = -1,
    progress: Callable[[int], None] | None = None,
) -> Check:
    """Return what is wrong with a data set.

    Parameters
    ----------
    manifest : Manifest
    name : str
        What the report calls it.
    near : bool
        Whether near copies are looked for.
    distance : int
        Bits of 64 in which the perceptual hashes of near copies may differ.
    correlation : float
        Least correlation of the fine detail of near copies.
    jobs : int
        Threads; -1 for one a core.
    progress : callable, optional
        Told how many pictures more are read.

    Examples
    --------
    >>> found = check(read_inputs(["fer2013.csv"]))         # doctest: +SKIP
    >>> found.counts["duplicate_leaks"]                     # doctest: +SKIP
    269
    """
    manifest = stills(manifest)
    seen = look(manifest.items, near=near, jobs=jobs, progress=progress)
    groups = identical(seen)
    duplicates = [Copies([[s] for s in group]) for group in groups if len(group) > 1]
    pairs = near_copies(groups, distance, correlation, jobs) if near else []
    pairs.sort(key=lambda copies: not copies.leak)
    settings = {"bits": 64, "distance": distance, "correlation": correlation} if near else {}
    return Check(name, manifest, seen, sorted(duplicates, key=lambda c: not c.leak), pairs, settings)


def identical(seen: Iterable[Seen]) -> list[list[Seen]]:
    """Return the pictures that were read and are not of one colour, identical ones together in a group."""
    groups: dict[str, list[Seen]] = defaultdict(list)
    for s in seen:
        if s.pixels is not None and s.value is None:
            groups[s.pixels].append(s)
    return list(groups.values())


def near_copies(
    groups: Sequence[list[Seen]], distance: int = DISTANCE, correlation: float = CORRELATION, jobs: int = -1
) -> list[Copies]:
    """Return the pairs of groups whose pictures are near copies; one of identical pictures is searched for all."""
    from hybridfer.compare.near import find_near

    sketches = [group[0].sketch for group in groups if group[0].sketch is not None]
    found = find_near(sketches, distance=distance, correlation=correlation, jobs=jobs)
    return [Copies([groups[pair.first], groups[pair.second]], pair) for pair in found]


def look(
    items: Iterable[Item], *, near: bool = True, jobs: int = -1, progress: Callable[[int], None] | None = None
) -> list[Seen]:
    """Return what is seen of every picture, in order; `near`: whether what near copies are found by is kept."""
    from joblib import Parallel, delayed
    from threadpoolctl import threadpool_limits

    from hybridfer.bank.describe import cut

    seen: list[Seen] = []
    # Threads that each call a threaded BLAS stand in each other's way.
    with threadpool_limits(1):
        work = Parallel(jobs, prefer="threads", return_as="generator")
        for part in work(delayed(_look)(stretch, near) for stretch in cut(items, _AT_ONCE)):
            seen += part
            if progress is not None:
                progress(len(part))
    return seen


def _look(items: Sequence[Item], near: bool) -> list[Seen]:
    from hybridfer.bank.cache import content_key
    from hybridfer.compare.near import reduced, sketch_batch
    from hybridfer.errors import PictureError

    seen = []
    small = {}
    for item in items:
        try:
            picture = item.source.read()
        except PictureError as error:
            seen.append(Seen(item, error=str(error)))
            continue
        first = picture.pixels[0, 0]
        constant = bool((picture.pixels == first).all())
        if near and not constant:
            small[len(seen)] = reduced(picture.pixels)
        value = tuple(first.tolist()) if constant else None
        seen.append(Seen(item, None, picture.sha256, content_key(picture.pixels), value))
    for place, sketch in zip(small, sketch_batch(list(small.values())), strict=True):
        seen[place] = replace(seen[place], sketch=sketch)
    return seen


def _in_order(names: Iterable[Any], first: Sequence[str]) -> list[Any]:
    return sorted(names, key=lambda name: (first.index(name) if name in first else len(first), name))


def _some(found: Sequence[Any], text: Callable[[Any], str], shown: int = 3) -> str:
    if not found:
        return "none"
    more = f", … {len(found) - shown} more" if len(found) > shown else ""
    return f"{len(found)}: " + ", ".join(text(one) for one in found[:shown]) + more


def _balance(labels: Mapping[str, int]) -> str:
    text = ", ".join(f"{label} {n}" for label, n in labels.items())
    known = [n for label, n in labels.items() if label != NONE]
    return text + (f"; the commonest is {max(known) / min(known):.1f} times the rarest" if len(known) > 1 else "")
