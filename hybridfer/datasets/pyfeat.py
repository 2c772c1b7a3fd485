"""Tables of Py-Feat as a data set: the pictures they were made of, see :mod:`hybridfer.schemas.pyfeat`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hybridfer.schemas.pyfeat import PyFeat
from hybridfer.schemas.table import recognise_table, table_manifest
from hybridfer.types import Manifest


@dataclass(frozen=True)
class PyFeatTable:
    """A table of Py-Feat; ``pictures`` is where they lie, if they lie elsewhere than the column ``input`` says."""

    pictures: str = ""

    def recognise(self, path: Path) -> str | None:
        """Return how `path` shows that Py-Feat wrote it."""
        return recognise_table(path, PyFeat())

    def read(self, path: Path, labels: str) -> Manifest:
        """Return an item for every picture, or frame of a video."""
        return table_manifest(path, PyFeat(self.pictures), labels)
