"""What layouts share: the labels they take, a look at a folder that costs little, pictures known by their names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from itertools import islice
from pathlib import Path

from hybridfer.errors import DatasetError
from hybridfer.media.images import SUFFIXES

HANDFUL = 50
"""Entries of a folder that are looked at to know a data set; some have 300,000."""

Named = tuple[str, "re.Match[str]"]
"""A picture's path, and what its name says."""


def takes_labels(labels: str, name: str) -> bool:
    """Return whether labels are wanted of a data set that declares its own.

    Raises
    ------
    DatasetError
        If `labels` is neither ``auto`` nor ``none``.
    """
    if labels not in ("auto", "none"):
        raise DatasetError(f"--labels {labels} does not go with {name}, which has labels of its own; use auto or none.")
    return labels == "auto"


def read_list(path: Path) -> str:
    """Return the text of a small file of a data set.

    Raises
    ------
    DatasetError
        If it cannot be opened.
    """
    try:
        return path.read_text("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise DatasetError(f"{path} cannot be opened: {error.strerror}; check its permissions.") from None


def unlike(path: Path, name: str, expected: str) -> DatasetError:
    """Return the error for a `path` that does not have the layout it is read as."""
    return DatasetError(f"{path} is not laid out as {name}; expected {expected}. Name another folder or --dataset.")


def few(folder: Path) -> list[Path]:
    """Return a handful of the folder's entries by name, hidden ones not among them; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in islice(entries, HANDFUL) if not entry.name.startswith("."))
    except OSError:
        return []


def few_folders(folder: Path) -> list[Path]:
    """Return the folders among a handful of the folder's entries."""
    return [entry for entry in few(folder) if entry.is_dir()]


def few_pictures(folder: Path) -> list[Path]:
    """Return the pictures among a handful of the folder's entries."""
    return [entry for entry in few(folder) if entry.suffix.lower() in SUFFIXES]


def find_root(path: Path, shows: Callable[[Path], str | None], beside: Collection[str] = ()) -> tuple[Path, str] | None:
    """Return the folder in which a data set begins, and how it shows.

    It is `path`, or the only folder in it: unpacking an archive often leaves one folder more than there need be.

    Parameters
    ----------
    path : Path
    shows : callable
        Says of a folder how it shows the layout, or None.
    beside : collection of str
        Names of folders that may lie beside the one.
    """
    how = shows(path) if path.is_dir() else None
    if how is not None:
        return path, how
    inner = [folder for folder in few_folders(path) if folder.name not in beside]
    how = shows(inner[0]) if len(inner) == 1 else None
    return None if how is None else (inner[0], how)


def named_like(folder: Path, pattern: re.Pattern[str]) -> str | None:
    """Return how most of a handful of pictures in `folder`, or in most folders in it, show `pattern` in their names."""
    name = _fitting(folder, pattern)
    if name is None:
        found = [_fitting(inner, pattern) for inner in few_folders(folder)]
        fit = [each for each in found if each is not None]
        name = fit[0] if len(fit) * 2 > len(found) else None
    return None if name is None else f"its pictures are named like {name}"


def named_pictures(root: Path, pattern: re.Pattern[str], example: str, name: str) -> tuple[list[Named], list[str]]:
    """Return the pictures below `root` whose names, without the ending, fit `pattern`, and notes on the others.

    Raises
    ------
    DatasetError
        If there are none.
    """
    from hybridfer.datasets.folders import picture_files

    files = picture_files(root)[0] if root.is_dir() else []
    found, others = [], []
    for file in files:
        match = pattern.fullmatch(Path(file).stem)
        if match is None:
            others.append(os.path.basename(file))
        else:
            found.append((file, match))
    if not found:
        raise unlike(root, name, f"pictures named like {example}")
    return found, [f"{counted(others)} not named like {example} left out"] if others else []


def counted(names: Collection[str], thing: str = "pictures") -> str:
    """Return how many things there are and the names of the first.

    Examples
    --------
    >>> counted(["a.jpg", "b.jpg"])
    '2 pictures (a.jpg, b.jpg)'
    """
    shown = [*islice(names, 10), *(["…"] if len(names) > 10 else [])]
    return f"{len(names)} {thing} ({', '.join(shown)})"


def _fitting(folder: Path, pattern: re.Pattern[str]) -> str | None:
    pictures = few_pictures(folder)
    fit = [picture.name for picture in pictures if pattern.fullmatch(picture.stem)]
    return fit[0] if len(fit) * 2 > len(pictures) else None
