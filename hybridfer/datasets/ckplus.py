"""CK+, the sequences: ``cohn-kanade-images/S005/001/S005_001_00000011.png`` and ``Emotion/S005/001/…_emotion.txt``.

593 sequences of 123 subjects, each from neutral (first frame) to the peak (last frame), 640x490 or 640x480, mostly
grey: no crops. 327 have a label, one number in a file, in the order of :data:`~hybridfer.labels.LABEL_SETS`: anger 45,
contempt 18, disgust 59, fear 25, happiness 69, sadness 28, surprise 83. No file means no label. The custom is the last
three frames: 981 pictures in seven classes, or 927 in six without contempt, sometimes with the first frame as neutral,
and ten folds of whole subjects. For research only, after an agreement with the owners.

The subject is ``S005``, the group the sequence ``S005_001``; ``sequence`` and ``frame_number`` are columns of their
own, because a still's ``frame`` is 0. Action units (``FACS/``) and landmarks are left alone.

Reference: Lucey et al. 2010, doi 10.1109/CVPRW.2010.5543262.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hybridfer.datasets.layout import find_root, named_pictures, read_list, takes_labels, unlike
from hybridfer.errors import DatasetError, SpecError
from hybridfer.labels import CONTEMPT, label_in_set
from hybridfer.media.images import FileSource
from hybridfer.types import Item, Manifest

IMAGES = "cohn-kanade-images"
IMAGES_PLACES = (IMAGES, f"extended-{IMAGES}/{IMAGES}")
EMOTION_PLACES = ("Emotion", "Emotion_labels/Emotion", "Emotion_labels")
NAME = re.compile(r"(?P<subject>S\d{3})_(?P<sequence>\d{3})_(?P<frame>\d{8})")
COLUMNS = {"sequence": str, "frame_number": int}


@dataclass(frozen=True)
class CKPlus:
    """The last `frames` frames of every labelled sequence (1: the peak alone).

    With `neutral` the first frame of each comes too, as neutral; without `contempt` its sequences are left out.
    """

    frames: int = 3
    neutral: bool = False
    contempt: bool = True

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise SpecError(f"ckplus:frames={self.frames} takes no picture; expected 1 (the peak alone) or more.")

    def recognise(self, path: Path) -> str | None:
        """Return how `path` shows that it is CK+."""
        if _is_images(path):
            return f"it is named {IMAGES}"
        found = find_root(path, _shows)
        return None if found is None else found[1]

    def read(self, path: Path, labels: str) -> Manifest:
        """Return the items of CK+."""
        wanted = takes_labels(labels, "CK+")
        images = _find_images(path)
        emotions = _find_emotions(images)
        if wanted and emotions is None:
            raise DatasetError(
                f"{images} has no folder Emotion beside it, where CK+'s labels are; unpack Emotion_labels.zip there, "
                "or use --labels none."
            )
        found, notes = named_pictures(images, NAME, "S005_001_00000011.png", "CK+")
        sequences = defaultdict(list)
        for file, name in found:
            sequences[name["subject"], name["sequence"]].append((file, int(name["frame"])))
        items: list[Item] = []
        unlabelled = contempt = 0
        for (subject, sequence), frames in sequences.items():
            label = _label(emotions / subject / sequence) if wanted and emotions is not None else None
            if wanted and label is None:
                unlabelled += 1
            elif label == CONTEMPT and not self.contempt:
                contempt += 1
            else:
                items += self._items(subject, sequence, frames, label)
        if unlabelled:
            notes.append(f"{unlabelled} of {len(sequences)} sequences without a label left out")
        if contempt:
            notes.append(f"{contempt} sequences of contempt left out")
        return Manifest(items, "ckplus", columns=COLUMNS, notes=tuple(notes))

    def _items(self, subject: str, sequence: str, frames: list[tuple[str, int]], label: str | None) -> Iterator[Item]:
        first = frames[:1] if self.neutral else []
        # A frame has one label: the first is not taken twice where a sequence is short.
        last = frames[len(first) :][-self.frames :]
        for file, number in (*first, *last):
            neutral = label is not None and (file, number) in first
            yield Item(
                file,
                FileSource(file),
                label="neutral" if neutral else label,
                subject=subject,
                group=f"{subject}_{sequence}",
                extra={"sequence": sequence, "frame_number": number},
            )


def _is_images(path: Path) -> bool:
    return path.name == IMAGES and path.is_dir()


def _shows(folder: Path) -> str | None:
    place = next((place for place in IMAGES_PLACES if (folder / place).is_dir()), None)
    return None if place is None else f"it holds {place}/"


def _find_images(path: Path) -> Path:
    if _is_images(path):
        return path
    root = find_root(path, _shows)
    if root is None:
        raise unlike(path, "CK+", f"a folder {IMAGES}")
    return next(root[0] / place for place in IMAGES_PLACES if (root[0] / place).is_dir())


def _find_emotions(images: Path) -> Path | None:
    folder = images.resolve().parent
    root = folder.parent if folder.name == f"extended-{IMAGES}" else folder
    return next((root / place for place in EMOTION_PLACES if (root / place).is_dir()), None)


def _label(folder: Path) -> str | None:
    """Return the label that a sequence's folder of ``Emotion`` holds, or None for none."""
    files = sorted(folder.glob("[!.]*_emotion.txt"))
    if not files:
        return None
    text = read_list(files[0]).strip()
    label = label_in_set(text, "ckplus")
    if label is None or len(files) > 1:
        problem = f"{len(files)} files" if len(files) > 1 else f"{text!r} in {files[0].name}"
        raise DatasetError(f"{folder} has {problem}; expected one file with a number from 0 to 7. Unpack it again.")
    return label
