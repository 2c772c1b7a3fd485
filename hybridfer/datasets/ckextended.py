"""Kaggle's ``ckextended.csv``: one frame of CK+'s sequences as numbers, with the columns ``emotion, pixels, Usage``.

920 grey crops of 48x48: the 327 labelled peaks and 593 neutral faces. The numbers are FER2013's, and 7 is contempt.
``Usage`` parts the rows at random, 80, 10 and 10 %, and nothing says who is seen: the same people, neutral and
expressive, stand in all three, so scores by this split are too good. CK+48 (``ck48``) and CK+ (``ckplus``) know who is
seen. For research only, as CK+ itself.

It is known by its name, ``ckextended….csv``, and is tried before FER2013, which takes every csv with pixels. It is not
known by a 7 among its numbers: FER+ counts to 7 as well, in another order, and would be read wrong without a word.
Under another name it is read with ``--dataset ckextended``; FER2013 refuses the 7.

Reference: Lucey et al. 2010, doi 10.1109/CVPRW.2010.5543262.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from hybridfer.datasets.layout import takes_labels, unlike
from hybridfer.datasets.pixels import header, pixel_items
from hybridfer.labels import LABEL_SETS
from hybridfer.types import Manifest


@dataclass(frozen=True)
class CKExtended:
    """The csv, or a folder that holds it."""

    def recognise(self, path: Path) -> str | None:
        """Return how `path` shows that it is Kaggle's csv of CK+."""
        file = _find(path)
        if file is None:
            return None
        return f"it holds {file.name}" if file != path else f"it is named {file.name} and has a column 'pixels'"

    def read(self, path: Path, labels: str) -> Manifest:
        """Return the items of the csv."""
        wanted = takes_labels(labels, "ckextended")
        file = path if path.is_file() else _find(path)
        if file is None:
            raise unlike(path, "ckextended", "ckextended.csv with a column 'pixels', or a folder that holds it")
        items = pixel_items(file, LABEL_SETS["ckextended"])
        if not wanted:
            items = [replace(item, label=None) for item in items]
        return Manifest(items, "ckextended", cropped=True)


def _find(path: Path) -> Path | None:
    file = path / "ckextended.csv" if path.is_dir() else path
    named = file.name.lower().startswith("ckextended") and file.suffix.lower() == ".csv"
    return file if named and file.is_file() and "pixels" in header(file) else None
