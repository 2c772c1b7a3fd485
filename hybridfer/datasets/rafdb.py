"""RAF-DB, its basic part: ``EmoLabel/list_patition_label.txt`` (sic) with ``Image/``, or Kaggle's ``DATASET/train/1``.

15,339 faces from the web, 12,271 to train and 3,068 to test, labelled by about 40 people each, numbered from 1 in the
order of :data:`~hybridfer.labels.LABEL_SETS`. A line of the list is ``train_00001.jpg 5``; the picture is
``Image/aligned/train_00001_aligned.jpg``, a crop of 100x100, or ``Image/original/train_00001.jpg``, a photograph that
needs a detector. Kaggle's copy has the crops in a folder a number. Who is seen is not told. Non-commercial research
only.

Traps: there is no validation split; the compound part has a list of the same name with eleven labels, which is refused.
A picture that is listed and not there is a row that fails when it is read.

Reference: Li, Deng & Du 2017, doi 10.1109/CVPR.2017.277.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hybridfer.datasets.layout import few_folders, find_root, named_like, read_list, takes_labels, unlike
from hybridfer.errors import DatasetError, SpecError
from hybridfer.labels import canonical_split, label_in_set, label_numbers
from hybridfer.media.images import FileSource
from hybridfer.types import Item, Manifest

LIST = "EmoLabel/list_patition_label.txt"
NAME = re.compile(r"(train|test)_\d+(_aligned)?")
NUMBERS = {str(number) for number in label_numbers("rafdb").values()}


@dataclass(frozen=True)
class RafDb:
    """The list with its pictures, or the folders; `images` is ``aligned`` (crops) or ``original`` (photographs)."""

    images: str = "aligned"

    def __post_init__(self) -> None:
        if self.images not in ("aligned", "original"):
            raise SpecError(f"rafdb:images={self.images} is unknown; expected aligned or original.")

    def recognise(self, path: Path) -> str | None:
        """Return how `path` shows that it is RAF-DB."""
        found = _find(path)
        return None if found is None else found[1]

    def read(self, path: Path, labels: str) -> Manifest:
        """Return the items of RAF-DB."""
        wanted = takes_labels(labels, "RAF-DB")
        found = _find(path)
        root = path if found is None else found[0]
        if (root / LIST).is_file():
            items = self._listed(root, wanted)
        elif self.images == "original":
            raise DatasetError(f"{path} has no {LIST}, only Kaggle's crops; use rafdb:images=aligned.")
        else:
            items = _foldered(root, wanted)
        if not items:
            raise unlike(path, "RAF-DB", f"lines in {LIST}, or pictures in train/1 to train/7")
        return Manifest(items, "rafdb", cropped=self.images == "aligned")

    def _listed(self, root: Path, wanted: bool) -> list[Item]:
        items = []
        for number, line in enumerate(read_list(root / LIST).splitlines(), start=1):
            fields = line.split()
            if not fields:
                continue
            name = NAME.match(fields[0])
            label = label_in_set(fields[1], "rafdb") if len(fields) == 2 and fields[1] in NUMBERS else None
            if name is None or label is None:
                raise DatasetError(
                    f"Line {number} of {root / LIST} is {line!r}; expected a name and a number from 1 to 7, as in "
                    "'train_00001.jpg 5'. Is it the compound part, or damaged?"
                )
            file = Path(fields[0])
            picture = f"{file.stem}_aligned{file.suffix}" if self.images == "aligned" else file.name
            place = str(root / "Image" / self.images / picture)
            items.append(
                Item(place, FileSource(place), label=label if wanted else None, split=canonical_split(name[1]))
            )
        return items


def _foldered(root: Path, wanted: bool) -> list[Item]:
    from hybridfer.datasets.folders import picture_files

    items = []
    for part in (root / "train", root / "test"):
        for number, folder in ((number, part / number) for number in sorted(NUMBERS)):
            label = label_in_set(number, "rafdb") if wanted else None
            files = picture_files(folder)[0] if folder.is_dir() else []
            items += [Item(file, FileSource(file), label=label, split=part.name) for file in files]
    return items


def _find(path: Path) -> tuple[Path, str] | None:
    # The whole of RAF-DB is basic/ and compound/.
    return find_root(path, _shows, beside=("compound",))


def _shows(folder: Path) -> str | None:
    if (folder / LIST).is_file():
        return f"it holds {LIST}"
    for part in (folder / "train", folder / "test"):
        # Folders 1 to 7 are in many a data set; the names of the pictures tell.
        if {inner.name for inner in few_folders(part)} == NUMBERS and (how := named_like(part, NAME)):
            return f"it holds {part.name}/1 to {part.name}/7 and {how}"
    return None
