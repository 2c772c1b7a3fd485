"""CK+48: Kaggle's face crops of CK+, ``anger/S010_004_00000017.png``, a folder a class.

981 grey crops of 48x48, the last three frames of each of CK+'s 327 labelled sequences: anger 135, contempt 54, disgust
177, fear 75, happy 207, sadness 84, surprise 249; no neutral. A name is the subject, the sequence and the frame. Some
copies put the class before the name or the ending twice (``happy_S010_004_00000017.png.png``). For research only, as
CK+ itself.

Trap: the three frames of a sequence are nearly equal, so a random split leaks, and scores near 1.0 on this set mostly
come from that. Subjects are known here, so folds are of whole subjects; there is no split of its own.

Reference: Lucey et al. 2010, doi 10.1109/CVPRW.2010.5543262.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hybridfer.datasets.ckplus import COLUMNS
from hybridfer.datasets.layout import few_folders, find_root, named_like, named_pictures, takes_labels, unlike
from hybridfer.labels import LABEL_SETS, canonical_label
from hybridfer.media.images import FileSource
from hybridfer.types import Item, Manifest

NAME = re.compile(r"([A-Za-z]+_)?(?P<subject>S\d{3})_(?P<sequence>\d{3})_(?P<frame>\d{8})(\.\w+)?")


@dataclass(frozen=True)
class CK48:
    """Class folders with pictures that are named like CK+'s frames."""

    def recognise(self, path: Path) -> str | None:
        """Return how `path` shows that it is CK+48."""
        found = find_root(path, _shows)
        return None if found is None else found[1]

    def read(self, path: Path, labels: str) -> Manifest:
        """Return the items of CK+48."""
        wanted = takes_labels(labels, "CK+48")
        found, notes = named_pictures(path, NAME, "S010_004_00000017.png", "CK+48")
        items = []
        for file, name in found:
            label = canonical_label(Path(file).parent.name)
            if wanted and label not in LABEL_SETS["ckplus"]:
                raise unlike(path, "CK+48", f"{Path(file).name} in a folder named like an expression")
            items.append(
                Item(
                    file,
                    FileSource(file),
                    label=label if wanted else None,
                    subject=name["subject"],
                    group=f"{name['subject']}_{name['sequence']}",
                    extra={"sequence": name["sequence"], "frame_number": int(name["frame"])},
                )
            )
        return Manifest(items, "ck48", cropped=True, columns=COLUMNS, notes=tuple(notes))


def _shows(folder: Path) -> str | None:
    classes = [inner for inner in few_folders(folder) if canonical_label(inner.name) in LABEL_SETS["ckplus"]]
    how = named_like(folder, NAME) if classes else None
    return None if how is None else f"it holds {classes[0].name}/ and {how}"
