"""JAFFE: ``KA.AN1.39.tiff``, in one folder or in folders by person or expression.

A name is the subject (KA KL KM KR MK NA NM TM UY YM), the expression asked for (AN DI FE HA NE SA SU) with the number
of the picture, and a running number. 213 grey pictures of 256x256 of ten women, head and shoulders: no crops. Listings
differ by one in happiness and neutral, so nothing here counts on counts. Labels are what was posed, not what is seen.
For research only, and not to be passed on.

Reference: Lyons et al. 1998, doi 10.1109/AFGR.1998.670949.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hybridfer.datasets.layout import find_root, named_like, named_pictures, takes_labels
from hybridfer.labels import canonical_label
from hybridfer.media.images import FileSource
from hybridfer.types import Item, Manifest

NAME = re.compile(r"(?P<subject>[A-Z]{2})\.(?P<expression>AN|DI|FE|HA|NE|SA|SU)\d\.\d+(\.tiff?)?", re.IGNORECASE)


@dataclass(frozen=True)
class Jaffe:
    """Pictures by their names; exports to other formats (``KA.AN1.39.png``, ``KA.AN1.39.tiff.jpg``) are as good."""

    def recognise(self, path: Path) -> str | None:
        """Return how `path` shows that it is JAFFE."""
        found = find_root(path, _shows)
        return None if found is None else found[1]

    def read(self, path: Path, labels: str) -> Manifest:
        """Return the items of JAFFE."""
        wanted = takes_labels(labels, "JAFFE")
        found, notes = named_pictures(path, NAME, "KA.AN1.39.tiff", "JAFFE")
        items = [
            Item(
                file,
                FileSource(file),
                label=canonical_label(name["expression"]) if wanted else None,
                subject=name["subject"].upper(),
            )
            for file, name in found
        ]
        return Manifest(items, "jaffe", notes=tuple(notes))


def _shows(folder: Path) -> str | None:
    return named_like(folder, NAME)
