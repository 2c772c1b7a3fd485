"""KDEF: ``AF01ANFL.JPG``, in folders by person or in one.

A name is the session (A or B), the sex (F, M), the number of the person, the expression asked for (AF afraid, AN, DI,
HA, NE, SA, SU) and the angle (FL, HL: full and half left; S: straight; HR, FR). 4,900 colour pictures of 562x762: 70
people, 7 expressions, 5 angles, 2 sessions. Head and shoulders: no crops. Non-commercial research only.

Traps: AF01 and BF01 are one person, so the subject is ``F01``. AF31V.JPG and AM31H.JPG have cut names and are left out.
AM05ANFR and BM10ANFR are 970x633, which does no harm. About ten pictures are nearly black. To know them, all pictures
would have to be decoded before the first is described; instead each is looked at when it is read, and a black one is a
row with ``status`` ``error`` that says so.

References: Lundqvist, Flykt & Öhman 1998, doi 10.1037/t27732-000; Goeleven et al. 2008, doi 10.1080/02699930701626582.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hybridfer.datasets.layout import find_root, named_like, named_pictures, takes_labels
from hybridfer.errors import PictureError, SpecError
from hybridfer.labels import canonical_label
from hybridfer.media.images import FileSource, read_image
from hybridfer.types import Item, Manifest, Picture

ANGLES = ("FL", "HL", "S", "HR", "FR")
NAME = re.compile(
    r"(?P<session>[AB])(?P<sex>[FM])(?P<number>\d{2})(?P<expression>AF|AN|DI|HA|NE|SA|SU)(?P<angle>FL|HL|S|HR|FR)",
    re.IGNORECASE,
)
BLACK = 8
"""Mean intensity, of 255, below which a picture is nearly black."""


@dataclass(frozen=True, slots=True)
class LitSource(FileSource):
    """A picture file that must not be nearly black."""

    def read(self) -> Picture:
        """Return the decoded picture, or raise PictureError where its mean intensity is below :data:`BLACK`."""
        picture = read_image(self.path)
        mean = float(picture.pixels.mean())
        if mean < BLACK:
            raise PictureError(
                f"The picture is nearly black (mean intensity {mean:.1f} of 255, expected {BLACK} or more), as a few "
                "of KDEF are; leave it out."
            )
        return picture


@dataclass(frozen=True)
class Kdef:
    """Pictures by their names; `angle` is ``S``, another, several joined by ``+`` (``HL+S+HR``), or ``all``."""

    angle: str = "S"

    def __post_init__(self) -> None:
        if unknown := self.angles - set(ANGLES):
            raise SpecError(
                f"kdef:angle={self.angle} names {min(unknown)!r}; expected all, or some of {'+'.join(ANGLES)}."
            )

    @property
    def angles(self) -> frozenset[str]:
        """The angles that are taken."""
        return frozenset(ANGLES if self.angle.lower() == "all" else self.angle.upper().split("+"))

    def recognise(self, path: Path) -> str | None:
        """Return how `path` shows that it is KDEF."""
        found = _find(path)
        return None if found is None else found[1]

    def read(self, path: Path, labels: str) -> Manifest:
        """Return the items of KDEF, of the angles that are asked for."""
        wanted = takes_labels(labels, "KDEF")
        root = _find(path)
        found, notes = named_pictures(path if root is None else root[0], NAME, "AF01ANFL.JPG", "KDEF")
        items = []
        for file, name in found:
            session, sex, number, code, angle = (part.upper() for part in name.groups())
            if angle in self.angles:
                label = "fear" if code == "AF" else canonical_label(code)
                items.append(
                    Item(
                        file,
                        LitSource(file),
                        label=label if wanted else None,
                        subject=sex + number,
                        extra={"session": session, "sex": sex, "angle": angle},
                    )
                )
        if len(items) < len(found):
            others = f"{len(found) - len(items)} pictures of other angles than {self.angle} left out"
            notes.append(f"{others}; --dataset kdef:angle=all takes all")
        return Manifest(items, "kdef", columns={"session": str, "sex": str, "angle": str}, notes=tuple(notes))


def _shows(folder: Path) -> str | None:
    return named_like(folder, NAME)


def _find(path: Path) -> tuple[Path, str] | None:
    # The archive of KDEF has the averaged faces, AKDEF, beside it.
    return find_root(path, _shows, beside=("AKDEF",))
