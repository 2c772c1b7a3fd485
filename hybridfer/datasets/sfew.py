"""SFEW 2.0, stills from films: ``Train/Angry/Airheads_000519240_00000005.png``, or the aligned faces.

958 pictures to train, 436 to validate, 372 to test without labels; seven folders with a capital (FER2013's have none).
The stills need a detector; ``Train_Aligned_Faces`` and ``Val_Aligned_Faces_new`` are crops. The archives leave folders
in folders where they are unpacked, so ``Train/Train_Aligned_Faces/Angry`` and
``Val/Val_Aligned_Faces_new/Val_Aligned_Faces/Angry`` are found too. For research only.

Who is seen is not told. The film is the name before the time (``Airheads``) and is the group: people stay in their
film, and ``--cv group`` keeps films whole.

References: Dhall et al. 2011, doi 10.1109/ICCVW.2011.6130508; SFEW 2.0: Dhall et al. 2015, doi 10.1145/2818346.2829994.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hybridfer.datasets.layout import few_folders, few_pictures, find_root, named_like, takes_labels, unlike
from hybridfer.errors import SpecError
from hybridfer.labels import canonical_label, canonical_split
from hybridfer.media.images import FileSource
from hybridfer.types import Item, Manifest

CLASSES = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
PARTS = ("Train", "Val", "Test")
NAME = re.compile(r"(?P<film>.+)_\d{9}_\d{8}")


@dataclass(frozen=True)
class Sfew:
    """Class folders; `images` is ``original`` (stills), ``aligned`` (crops) or ``auto``: the stills where they are."""

    images: str = "auto"

    def __post_init__(self) -> None:
        if self.images not in ("auto", "original", "aligned"):
            raise SpecError(f"sfew:images={self.images} is unknown; expected auto, original or aligned.")

    def recognise(self, path: Path) -> str | None:
        """Return how `path` shows that it is SFEW."""
        found = find_root(path, _shows)
        return None if found is None else found[1]

    def read(self, path: Path, labels: str) -> Manifest:
        """Return the items of SFEW; those of the test part have no label."""
        wanted = takes_labels(labels, "SFEW")
        found = find_root(path, _shows)
        root = path if found is None else found[0]
        aligned = self.images == "aligned" or (self.images == "auto" and not _labelled(root, aligned=False))
        parts = {part: _place(root, part, aligned) for part in PARTS}
        if not any(parts.values()):
            kind = "Train_Aligned_Faces/Angry" if aligned else "Train/Angry"
            raise unlike(path, "SFEW", f"folders such as {kind}")
        items = [item for part, place in parts.items() if place for item in _items(part, place, wanted)]
        notes = [f"images: {'aligned' if aligned else 'original'}"]
        if unlabelled := sum(item.split == "test" for item in items):
            notes.append(f"{unlabelled} pictures of the test part have no label")
        return Manifest(items, "sfew", cropped=aligned, notes=tuple(notes))


def _items(part: str, place: Path, wanted: bool) -> Iterator[Item]:
    from hybridfer.datasets.folders import picture_files

    # Beside the test part's stills lie its aligned faces, in a folder of their own.
    folders = [place] if part == "Test" else [place / name for name in CLASSES if (place / name).is_dir()]
    for folder in folders:
        label = canonical_label(folder.name) if wanted and part != "Test" else None
        for file in (Path(file) for file in picture_files(folder)[0]):
            if part != "Test" or file.parent == folder:
                film = NAME.fullmatch(file.stem)
                yield Item(
                    str(file),
                    FileSource(str(file)),
                    label=label,
                    split=canonical_split(part),
                    group=None if film is None else film["film"],
                )


def _place(root: Path, part: str, aligned: bool) -> Path | None:
    """Return the folder with the pictures or class folders of a part."""
    places = [root / part]
    if aligned:
        start = f"{part}_Aligned_Faces"
        outer = [folder for above in (root, root / part) for folder in few_folders(above)]
        places = [folder for folder in outer if folder.name.startswith(start)]
        places += [inner for folder in places for inner in few_folders(folder) if inner.name.startswith(start)]
    return next((place for place in places if _holds(place, part)), None)


def _holds(place: Path, part: str) -> bool:
    if part == "Test":
        return bool(few_pictures(place))
    # Names as they are listed: where case does not count, FER2013's train/angry would be Train/Angry.
    return any(folder.name in CLASSES for folder in few_folders(place))


def _labelled(root: Path, aligned: bool) -> list[Path]:
    return [place for part in ("Train", "Val") if (place := _place(root, part, aligned)) is not None]


def _shows(root: Path) -> str | None:
    for place in (*_labelled(root, aligned=False), *_labelled(root, aligned=True)):
        if how := named_like(place, NAME):
            return f"it holds {place.relative_to(root)}/ with class folders and {how}"
    return None
