"""Faces cut out into a folder: a PNG for each crop or window, and a manifest by which other commands read them back."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer import __version__
from hybridfer.faces.align import Alignment, Eyes, align_face, points_in_crop
from hybridfer.faces.find import Search, found_rows, looking
from hybridfer.faces.names import Names
from hybridfer.faces.table import POINT_COLUMNS
from hybridfer.faces.tracks import Tracker
from hybridfer.faces.windows import EARS, WINDOWS, cut_windows
from hybridfer.media.images import encode_png
from hybridfer.tables import check_card, replacing, write_rows
from hybridfer.threads import in_order
from hybridfer.types import BANK_COLUMNS, Face, Item, Manifest, Pixels

FILES = ("crops", "manifest.csv", "card.json")
"""What a folder of crops holds."""


@dataclass(frozen=True)
class Cutting:
    """What is cut out of a face.

    Parameters
    ----------
    alignment : Alignment
        How it lies; its size is the crop's or a window's.
    windows : bool
        Whether the twelve windows are cut instead of the crop.
    ears : float
        How far below the eyes the ears' windows lie, in distances between the eyes.
    """

    alignment: Alignment
    windows: bool = False
    ears: float = EARS

    @property
    def places(self) -> dict[str, list[float]]:
        """The windows' middles by name, in face units."""
        return {name: [x, self.ears if name.endswith("_ear") else y] for name, (x, y) in WINDOWS.items()}


def write_crops(
    manifest: Manifest,
    search: Search,
    output: str | os.PathLike[str],
    cutting: Cutting,
    *,
    jobs: int = -1,
    strict: bool = False,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Write the faces of a manifest's items into a folder, and return how many rows have each status.

    A crop is called after its input, frame and face (``crops/portrait_000000_0.png``), a window after itself too. The
    manifest has a row for every crop, and one for every input without a face, which has no ``path``. It says that the
    pictures are ``cropped`` and where a face's five points lie in the crop. What is described of the folder equals what
    is described of the pictures, unless a margin or a size was asked for.

    Parameters
    ----------
    manifest : Manifest
        Videos in it are frames already (:func:`hybridfer.media.video.unrolled`).
    search : Search
    output : path
        The folder; it takes its place when all is written.
    cutting : Cutting
    jobs, strict
        As the options of ``hybridfer align``.
    overwrite : bool
        Replace the folder if it exists, and is one of crops.
    progress : callable, optional
        Told how many more pictures and frames are done.

    Raises
    ------
    HybridferError
        If the folder cannot be written or holds other things, or a picture cannot be read and `strict` is True.
    """
    look, finder = looking(search, strict), search.finder()

    def work(item: Item) -> tuple[Item, list[dict[str, Any]], list[list[_Picture]]]:
        found = look(item)
        cut = (
            [] if found.picture is None else [_cut(found.picture.pixels, f, finder.eyes, cutting) for f in found.faces]
        )
        return item, found_rows(found), cut

    counts: Counter[str] = Counter()
    columns = (
        "path",
        *BANK_COLUMNS,
        "cropped",
        *(("window",) if cutting.windows else POINT_COLUMNS),
        *manifest.columns,
    )
    with replacing(output, overwrite, FILES) as beside:
        check_card(output, "aligned", "faces", "aligned faces")
        (beside / "crops").mkdir(parents=True)
        names, tracker = Names(), Tracker()

        def batches() -> Iterator[list[dict[str, Any]]]:
            for item, rows, cut in in_order(work, manifest.items, jobs):
                tracker.follow(rows)
                counts.update(row["status"] for row in rows)
                name = names.of(item)
                yield [each for row, pictures in zip_longest(rows, cut) for each in _save(beside, name, row, pictures)]
                if progress is not None:
                    progress(1)

        with (beside / "manifest.csv").open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            write_rows(stream, "csv", list(dict.fromkeys(columns)), batches())
        card = {
            "aligned": "faces",
            "hybridfer": __version__,
            "detector": search.detector,
            "detector_weights": finder.weights,
            "min_face": search.min_face,
            "threshold": search.threshold,
            "crop": cutting.alignment.record() if search.detector != "none" else None,
            "size": cutting.alignment.size,
            "windows": cutting.places if cutting.windows else None,
            "rows": dict(counts),
        }
        (beside / "card.json").write_text(json.dumps(card, indent=2) + "\n", "utf-8")
    return dict(counts)


@dataclass(frozen=True)
class _Picture:
    """A PNG that is cut out of a face, the window it shows if it is one, and where the face's points lie in it."""

    png: bytes
    window: str | None = None
    points: npt.NDArray[np.float64] | None = None


def _cut(pixels: Pixels, face: Face, eyes: Eyes | None, cutting: Cutting) -> list[_Picture]:
    alignment = cutting.alignment
    if cutting.windows:
        windows = cut_windows(pixels, face, eyes, alignment.size, ears=cutting.ears, alignment=alignment)
        return [_Picture(encode_png(window), name) for name, window in zip(WINDOWS, windows, strict=True)]
    points = None if face.landmarks is None else points_in_crop(face.landmarks, face, eyes, alignment)
    return [_Picture(encode_png(align_face(pixels, face, eyes, alignment)), points=points)]


def _save(folder: Path, name: str, row: dict[str, Any], pictures: list[_Picture] | None) -> Iterator[dict[str, Any]]:
    """Write the pictures of a face, and yield the row of each; a row without a face is its own."""
    row |= {"cropped": "true", **dict.fromkeys(POINT_COLUMNS)}
    if pictures is None:
        yield row
        return
    for picture in pictures:
        ending = "" if picture.window is None else f"_{picture.window}"
        path = f"crops/{name}_{row['frame']:06d}_{row['face_id']}{ending}.png"
        (folder / path).write_bytes(picture.png)
        points = () if picture.points is None else picture.points.round(3).ravel().tolist()
        yield {**row, "path": path, "window": picture.window, **dict(zip(POINT_COLUMNS, points, strict=False))}
