"""Folds in which no subject, and no picture, stands on both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hybridfer.errors import TrainingError, did_you_mean

Indices = npt.NDArray[np.intp]
Split = tuple[Indices, Indices]
Column = Sequence[str | None] | npt.NDArray[np.object_]

DEFAULT_FOLDS = 5
CALIBRATION_FOLDS = 3
DEALT_FOLDS = 10
SCHEMES = ("kfold", "group", "loso", "ckplus")


@dataclass(frozen=True)
class Folds:
    """A way of cutting rows into training and test rows, several times.

    Attributes
    ----------
    scheme : str
        In words: what is kept together.
    splits : list of (training indices, test indices)
        Each row stands in one fold's test rows.
    leaky : bool
        Whether a subject may stand on both sides, as the user allowed.
    notes : tuple of str
        What a reader should be told.
    """

    scheme: str
    splits: list[Split]
    leaky: bool
    notes: tuple[str, ...]


def tie(n: int, *columns: Column) -> Indices:
    """Return which of the rows belong together ``(n,)``, as group numbers from 0.

    Two rows are tied when any of the columns gives both the same value; None ties nothing.

    Examples
    --------
    >>> tie(4, ["a", "a", None, None], [None, "x", "x", "y"]).tolist()
    [0, 0, 0, 1]
    """
    parent = list(range(n))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for column in columns:
        first: dict[Hashable, int] = {}
        for i, value in enumerate(column):
            if value is not None:
                parent[root(i)] = root(first.setdefault(value, i))
    numbers: dict[int, int] = {}
    return np.array([numbers.setdefault(root(i), len(numbers)) for i in range(n)], dtype=np.intp)


def make_folds(
    cv: str,
    y: Column,
    *,
    subjects: Column,
    groups: Column,
    pictures: Column,
    seed: int = 0,
    allow_leak: bool = False,
) -> Folds:
    """Return the folds that ``--cv`` asks for.

    Rows of one picture (equal content hashes) always stay together. Wherever subjects are known, so do a subject's.

    Parameters
    ----------
    cv : str
        A number of folds, stratified by label; ``kfold``: five stratified folds that know nothing of subjects;
        ``group``: at most five folds of whole values of `groups` (of `subjects` where there are none); ``loso``: one
        subject, or row without one, left out at a time; ``ckplus``: the ten folds usual for CK+ (and MMI), its subjects
        sorted by name and dealt out in steps of ten.
    y : (n,) of str
        Labels.
    subjects, groups, pictures : (n,) of str or None
        Who is seen, what the user's column ``group`` says, and the content hash.
    seed : int
    allow_leak : bool
        Let ``kfold`` part a subject's rows, and ``group`` a subject whose rows are of several groups.

    Raises
    ------
    TrainingError
        If `cv` is none of these, subjects would leak, or a class is too small for the folds.
    """
    n = len(y)
    known = sum(s is not None for s in subjects)
    notes = []
    if 0 < known < n:
        notes.append(f"{n - known} of {n} rows have no subject; each counts as a subject of its own")
    if cv == "loso":
        folds = _leave_one_out(y, subjects, pictures, known)
    elif cv == "group":
        folds = _by_group(y, subjects, groups, pictures, allow_leak)
    elif cv == "ckplus":
        folds = _dealt(subjects, pictures)
    elif cv == "kfold" or cv.isdecimal():
        count = DEFAULT_FOLDS if cv == "kfold" else int(cv)
        if count < 2:
            raise TrainingError(
                f"--cv {cv} leaves nothing to test on; expected 2 folds or more, or kfold, group, loso."
            )
        by_subject = known > 0 and cv != "kfold"
        units = tie(n, pictures, subjects) if by_subject else tie(n, pictures)
        _check_classes(y, units, count, "subjects" if by_subject else "pictures")
        splits = _stratified(np.asarray(y, dtype=object), units, count, seed, by_subject)
        shared = None if by_subject else _in_both(subjects, splits)
        if shared is not None and not allow_leak:
            raise TrainingError(
                f"--cv kfold would put subject {shared!r} into training and test rows at once, so the score would say "
                f"little of new people; use --cv {count}, group or loso, or add --allow-leak."
            )
        of = "of whole subjects" if by_subject else "of pictures"
        folds = Folds(f"{count} folds {of}, stratified by label", splits, shared is not None, ())
    else:
        hint = did_you_mean(cv, SCHEMES)
        raise TrainingError(f"No folds named {cv!r}.{hint} Known: a number such as 5, {', '.join(SCHEMES)}.")
    _check_training(y, folds)
    repeated = n - len({p for p in pictures if p is not None}) - sum(p is None for p in pictures)
    if repeated:
        notes.append(f"{repeated} rows repeat another row's picture, or nearly; they stay in its fold")
    if folds.leaky:
        notes.append(
            "subjects stand in training and test rows at once, as --allow-leak allows: no figure for new people"
        )
    return Folds(folds.scheme, folds.splits, folds.leaky, (*folds.notes, *notes))


def calibration_folds(
    y: Column, *, subjects: Column, pictures: Column, seed: int = 0, count: int = CALIBRATION_FOLDS
) -> tuple[list[Split], str | None]:
    """Return the folds inside the training rows, and what is to be said of them.

    They keep subjects and pictures together; where a class is of one subject only that cannot be, and they keep
    pictures together, or nothing. Fewer than `count` where a class is smaller.

    Raises
    ------
    TrainingError
        If a class has a single row.
    """
    n = len(y)
    labels = np.asarray(y, dtype=object)
    ways = [(tie(n, pictures), "picture", False), (np.arange(n), "row", False)]
    if any(s is not None for s in subjects):
        ways.insert(0, (tie(n, pictures, subjects), "subject", True))
    for units, word, grouped in ways:
        size = min(_class_sizes(y, units).values())
        if size < 2:
            continue
        for attempt in range(10):
            splits = _stratified(labels, units, min(count, size), seed + attempt, grouped)
            if all(set(labels[train]) == set(y) for train, _ in splits):
                if word == ways[0][1]:
                    return splits, None
                return splits, f"a class has too few {ways[0][1]}s, so probabilities are calibrated on folds by {word}"
    few = next(label for label, count_ in Counter(y).items() if count_ < 2)
    raise TrainingError(
        f"Class {few!r} has 1 row to learn from; calibrated probabilities need 2 or more. Add pictures of it, or leave "
        "the class out."
    )


def _leave_one_out(y: Column, subjects: Column, pictures: Column, known: int) -> Folds:
    if not known:
        raise TrainingError("--cv loso leaves one subject out at a time, and no row has a subject; use --cv 5.")
    units = tie(len(y), pictures, subjects)
    if units.max() == 0:
        raise TrainingError(
            "--cv loso leaves one subject out at a time, and there is only one; use --cv kfold --allow-leak."
        )
    merged = len({s for s in subjects if s is not None}) + sum(s is None for s in subjects) - (units.max() + 1)
    notes = (f"{merged} subjects share a picture with another and are left out with it",) if merged > 0 else ()
    return Folds(f"leave one subject out, {units.max() + 1} folds", _hold_out(units), False, notes)


def _dealt(subjects: Column, pictures: Column) -> Folds:
    n = len(subjects)
    if any(s is None for s in subjects):
        raise TrainingError(
            f"--cv ckplus deals subjects out, and {sum(s is None for s in subjects)} of {n} rows have none; name them "
            "in a manifest, or use --cv 5."
        )
    names = sorted(set(map(str, subjects)))
    if len(names) < DEALT_FOLDS:
        raise TrainingError(
            f"--cv ckplus deals subjects out to {DEALT_FOLDS} folds, and there are {len(names)}; use --cv loso."
        )
    place = {name: i for i, name in enumerate(names)}
    units = tie(n, pictures, subjects)
    # Subjects that share a picture go with the first of them.
    first = np.full(int(units.max()) + 1, len(names))
    np.minimum.at(first, units, [place[str(s)] for s in subjects])
    folds = first[units] % DEALT_FOLDS
    rows = np.arange(n)
    splits = [(rows[folds != k], rows[folds == k]) for k in range(DEALT_FOLDS) if (folds == k).any()]
    return Folds(
        f"{len(splits)} folds of subjects sorted by name and dealt in steps of {DEALT_FOLDS}", splits, False, ()
    )


def _by_group(y: Column, subjects: Column, groups: Column, pictures: Column, allow_leak: bool) -> Folds:
    from sklearn.model_selection import GroupKFold

    n = len(y)
    grouped = any(g is not None for g in groups)
    named = groups if grouped else subjects
    if not any(v is not None for v in named):
        raise TrainingError("--cv group keeps groups together, and no row has a group or a subject; use --cv 5.")
    units = tie(n, pictures, named)
    leaky = False
    if grouped:
        strict = tie(n, pictures, named, subjects)
        if not allow_leak and strict.max() == 0 < units.max():
            raise TrainingError(
                "--cv group cannot keep both groups and subjects together: through subjects of several groups every "
                "row is tied to every other. Use --cv loso or a number, or add --allow-leak."
            )
        if not allow_leak:
            units = strict
    count = min(DEFAULT_FOLDS, int(units.max()) + 1)
    if count < 2:
        raise TrainingError("--cv group needs 2 groups or more, and all rows are of one; use --cv 5.")
    splits = list(GroupKFold(count).split(np.zeros(n), groups=units))
    leaky = _in_both(subjects, splits) is not None
    return Folds(f"{count} folds of whole {'groups' if grouped else 'subjects'}", splits, leaky, ())


def _stratified(y: npt.NDArray[np.object_], units: Indices, count: int, seed: int, grouped: bool) -> list[Split]:
    """Return folds of whole units with near-equal shares of every class; `grouped` units may hold many classes."""
    import warnings

    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    codes = np.unique(y.astype(str), return_inverse=True)[1]
    with warnings.catch_warnings():
        # A class smaller than the folds is our callers' to judge.
        warnings.filterwarnings("ignore", message="The least populated class")
        first = np.unique(units, return_index=True)[1]
        # Pictures are many and the search for the best fold of each is slow; their labels will do.
        if grouped or np.bincount(codes[first]).max() < count:
            folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
            return list(folds.split(np.zeros(len(y)), codes, units))
        of_unit = StratifiedKFold(count, shuffle=True, random_state=seed).split(np.zeros(len(first)), codes[first])
        tests = [np.flatnonzero(np.isin(units, test)) for _, test in of_unit]
    return [(np.setdiff1d(np.arange(len(y)), test), test) for test in tests]


def _hold_out(units: Indices) -> list[Split]:
    rows = np.arange(len(units))
    return [(rows[units != unit], rows[units == unit]) for unit in range(int(units.max()) + 1)]


def _class_sizes(y: Column, units: Indices) -> dict[str, int]:
    """Return in how many units each class is found."""
    pairs = {(str(label), int(unit)) for label, unit in zip(y, units, strict=True)}
    return dict(Counter(label for label, _ in pairs))


def _check_classes(y: Column, units: Indices, count: int, word: str) -> None:
    for label, size in sorted(_class_sizes(y, units).items()):
        if size < count:
            rows = sum(str(value) == label for value in y)
            instead = "leave the class out" if size < 2 else f"use --cv {size}, or leave the class out"
            raise TrainingError(
                f"Class {label!r} has {rows} rows, of {size} {word}; {count} folds need {count} or more. "
                f"Add pictures of it, {instead}."
            )


def _check_training(y: Column, folds: Folds) -> None:
    labels = np.asarray(y, dtype=object)
    wanted = set(labels)
    for train, _ in folds.splits:
        lost = wanted - set(labels[train])
        if lost:
            label = min(lost)
            raise TrainingError(
                f"Class {label!r} ({(labels == label).sum()} rows) is in one of {len(folds.splits)} folds only: when "
                "it is tested, none is left to learn from. Use fewer folds, add pictures of it, or leave the class out."
            )


def _in_both(subjects: Column, splits: Iterable[Split]) -> str | None:
    """Return a subject that stands in a fold's training and test rows, or None."""
    named = np.asarray(subjects, dtype=object)
    for train, test in splits:
        both = (set(named[train]) & set(named[test])) - {None}
        if both:
            return str(min(both, key=str))
    return None
