"""Tables of OpenFace as a data set: the pictures they were made of, see :mod:`hybridfer.schemas.openface`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hybridfer.schemas.openface import OpenFace
from hybridfer.schemas.table import recognise_table, table_manifest
from hybridfer.types import Manifest


@dataclass(frozen=True)
class OpenFaceTable:
    """A table of OpenFace; ``pictures`` is the folder it was run on, since the table does not name its pictures."""

    pictures: str = ""

    def recognise(self, path: Path) -> str | None:
        """Return how `path` shows that OpenFace wrote it."""
        return recognise_table(path, OpenFace())

    def read(self, path: Path, labels: str) -> Manifest:
        """Return an item for every frame."""
        return table_manifest(path, OpenFace(self.pictures), labels)
