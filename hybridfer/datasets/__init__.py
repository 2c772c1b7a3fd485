"""Data sets: what lies on disk becomes a manifest. A new layout is a file here and a line in the table."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from hybridfer.registry import Registry
from hybridfer.types import Manifest

DATASETS = Registry(
    "datasets",
    {
        "fer2013": "hybridfer.datasets.fer2013:Fer2013",
        "folders": "hybridfer.datasets.folders:Folders",
        "manifest": "hybridfer.datasets.manifest:Table",
    },
)

PLAIN = ("manifest", "folders")
"""Layouts of no data set in particular; they are tried last, the one that takes any folder at the very end."""


class Layout(Protocol):
    """How one data set lies on disk."""

    def recognise(self, path: Path) -> str | None:
        """Return how `path` shows that it has this layout, or None when it does not."""
        ...

    def read(self, path: Path, labels: str) -> Manifest:
        """Return the data set's items; `labels` is the ``--labels`` option.

        Raises
        ------
        DatasetError
            If a file of the data set is damaged or `labels` asks for what it does not have.
        """
        ...


def recognise(path: Path) -> tuple[str, str] | None:
    """Return the name of the layout that `path` has and how it shows, or None for no known data set."""
    for name in (*(name for name in DATASETS.names() if name not in PLAIN), *PLAIN):
        layout: Layout = DATASETS.load(name)()
        how = layout.recognise(path)
        if how is not None:
            return name, how
    return None


def read_dataset(name: str, path: Path, labels: str = "auto") -> Manifest:
    """Return the items of the data set at `path`, read as the layout `name`.

    Raises
    ------
    SpecError
        If there is no such layout.
    DatasetError
        If what lies at `path` does not have it.
    """
    layout: Layout = DATASETS.load(name)()
    return layout.read(path, labels)
