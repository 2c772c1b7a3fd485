"""Folders of pictures and videos, with or without a class in the folder's name and a split above it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from hybridfer.errors import DatasetError
from hybridfer.labels import SPLIT_ALIASES, WORDS, canonical_labels, canonical_split
from hybridfer.media import video
from hybridfer.media.images import SUFFIXES
from hybridfer.types import Item, Manifest


@dataclass(frozen=True)
class Folders:
    """Any folder: pictures and videos at every depth, in natural order.

    With ``labels="folder"`` the folder a picture lies in is its class, and a folder above it that is named like a split
    (``train``, ``val``, ``Training`` …) is its split. ``auto`` does so when every class folder is named like an
    expression.
    """

    def recognise(self, path: Path) -> str | None:
        """Return how `path` shows that it is a folder."""
        return "it is a folder" if path.is_dir() else None

    def read(self, path: Path, labels: str) -> Manifest:
        """Return an item for every picture and video below `path`."""
        if labels not in ("auto", "folder", "none"):
            raise DatasetError(f"--labels {labels} does not go with the folder {path}; use auto, folder or none.")
        files, others = picture_files(path, SUFFIXES | video.SUFFIXES)
        if not files:
            raise DatasetError(
                f"{path} holds no pictures; expected files ending in {', '.join(sorted(SUFFIXES))} (or videos: "
                f"{', '.join(sorted(video.SUFFIXES))}) at any depth."
            )
        notes = [f"{path}: {others} files without a picture's or a video's ending left out"] if others else []
        if videos := sum(map(video.is_video, files)):
            notes.append(f"{path}: {len(files) - videos} pictures and {videos} videos")
        parents = {os.path.dirname(file) for file in files}
        folders = {p: os.path.relpath(p, path).split(os.sep) for p in parents}
        classes = {p: parts[-1] for p, parts in folders.items()}
        named = labels == "folder" or (labels == "auto" and _named_like_expressions(classes.values()))
        words = canonical_labels(sorted(set(classes.values()))) if named else {}
        splits = {p: _split(parts[:-1] if named else parts) for p, parts in folders.items()}
        if named:
            notes.append(f"labels: names of folders ({', '.join(sorted(set(words.values())))})")
        items = []
        for file in files:
            parent = os.path.dirname(file)
            label = words[classes[parent]] if named else None
            items.append(Item(file, video.file_source(file), label=label, split=splits[parent]))
        if named and "." in words:
            raise DatasetError(f"{path} has pictures outside any class folder; move them or use --labels none.")
        return Manifest(items, "folders" if named else "files", notes=tuple(notes))


def picture_files(root: Path, endings: Collection[str] = SUFFIXES) -> tuple[list[str], int]:
    """Return the files below a folder that have one of the endings in natural order, and how many have another.

    Links are followed; a folder that is reached twice is walked once. Hidden files and folders are passed over.
    """
    found: list[str] = []
    others = 0
    seen: set[str] = set()
    stack = [str(root)]
    while stack:
        folder = stack.pop()
        real = os.path.realpath(folder)
        if real in seen:
            continue
        seen.add(real)
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            raise DatasetError(f"{folder} cannot be read: {error.strerror}; check its permissions.") from None
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                stack.append(entry.path)
            elif os.path.splitext(entry.name)[1].lower() in endings:
                found.append(entry.path)
            else:
                others += 1
    return sorted(found, key=natural), others


def natural(text: str) -> list[tuple[int, int, str]]:
    """Return a sort key by which ``face2`` comes before ``face10``.

    Examples
    --------
    >>> sorted(["face10", "face2"], key=natural)
    ['face2', 'face10']
    """
    parts = re.split(r"(\d+)", text)
    return [(1, int(part), "") if part.isascii() and part.isdigit() else (0, 0, part) for part in parts if part]


def _named_like_expressions(names: object) -> bool:
    counts = Counter(str(name).lower() for name in names)  # type: ignore[attr-defined]
    return len(counts) > 1 and all(name in WORDS for name in counts)


def _split(parts: list[str]) -> str | None:
    for part in parts:
        if part.lower() in SPLIT_ALIASES:
            return canonical_split(part)
    return None
