"""The table of faces: where each one is in pictures and videos, and who is who from frame to frame."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, BinaryIO

from hybridfer.faces.draw import POINTS, Album
from hybridfer.faces.find import Found, Search, choose_detector, found_rows, looking
from hybridfer.faces.tracks import Tracker
from hybridfer.media.video import with_frames
from hybridfer.tables import open_output, write_parquet, write_rows
from hybridfer.threads import in_order
from hybridfer.types import BANK_COLUMNS, Item, Manifest

POINT_COLUMNS = tuple(f"{axis}_{i}" for i in range(POINTS) for axis in "xy")
"""``x_0, y_0 …`` in source pixels: image-left eye, image-right eye, nose, the corners of the mouth."""


def plan_detection(
    inputs: Sequence[str | os.PathLike[str]],
    *,
    labels: str = "auto",
    dataset: str | None = None,
    label_set: str | None = None,
    nul: bool = False,
    stdin: BinaryIO | None = None,
    every: int = 1,
    detector: str | None = None,
    faces: str = "all",
    min_face: int = 30,
    threshold: float | None = None,
    max_faces: int | None = None,
    device: str = "cpu",
) -> tuple[Manifest, Search]:
    """Return what is to be searched and how; parameters as the options of ``hybridfer detect``.

    Raises
    ------
    HybridferError
        If a data set or detector is unknown, or the detector's weights or device are not there.
    """
    from hybridfer.datasets.inputs import read_inputs

    manifest = read_inputs(inputs, labels=labels, dataset=dataset, label_set=label_set, nul=nul, stdin=stdin)
    search = Search(choose_detector(manifest, detector), faces, min_face, threshold, max_faces, device)
    search.finder()  # what it lacks is said before any picture is read
    return with_frames(manifest, every), search


def face_columns(manifest: Manifest) -> list[str]:
    """Return the columns of a table of faces; the user's own stand last."""
    return list(dict.fromkeys([*BANK_COLUMNS, *POINT_COLUMNS, *manifest.columns]))


def face_rows(found: Found) -> list[dict[str, Any]]:
    """Return the rows of an item (:func:`~hybridfer.faces.find.found_rows`) with each face's points, if it has any."""
    rows = [{**row, **dict.fromkeys(POINT_COLUMNS)} for row in found_rows(found)]
    for row, face in zip(rows, found.faces, strict=False):
        if face.landmarks is not None:
            row.update(zip(POINT_COLUMNS, face.landmarks.ravel().tolist(), strict=False))
    return rows


def detect_rows(
    manifest: Manifest, search: Search, *, jobs: int = -1, strict: bool = False, album: Album | None = None
) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of each item of a manifest, in order.

    Parameters
    ----------
    manifest : Manifest
        Videos in it are frames already (:func:`hybridfer.media.video.unrolled`); a face's ``face_id`` stays with it
        from frame to frame.
    search : Search
    jobs : int
        Threads; -1 for one a core.
    strict : bool
        Whether the first picture that cannot be read raises.
    album : Album, optional
        What they are drawn into.
    """
    look = looking(search, strict)

    def work(item: Item) -> tuple[Found | None, Item, list[dict[str, Any]]]:
        found = look(item)
        # Pixels that nobody draws on are let go.
        return (None, item, face_rows(found)) if album is None else (found, item, face_rows(found))

    tracker = Tracker()
    for found, item, rows in in_order(work, manifest.items, jobs):
        tracker.follow(rows)
        if album is not None and found is not None:
            album.add(item, found.picture, rows)
        yield rows


def detect_to(
    manifest: Manifest,
    search: Search,
    output: str | None,
    form: str,
    *,
    every: int = 1,
    draw: str | os.PathLike[str] | None = None,
    jobs: int = -1,
    strict: bool = False,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Write a manifest's faces into a file or to stdout as they are found, and return how many rows have each status.

    Parameters
    ----------
    manifest : Manifest
        Videos in it are frames already.
    search : Search
    output : str or None
        A file; None or ``-`` is stdout.
    form : {"csv", "jsonl", "parquet"}
    every : int
        One frame in so many was taken of videos, so that drawn ones are as fast as they were.
    draw : path, optional
        A folder for pictures and videos with the faces drawn on them, see :class:`~hybridfer.faces.draw.Album`.
    jobs, strict
        As in :func:`detect_rows`.
    overwrite : bool
        Whether `output` is replaced, and `draw` drawn into, where they exist.
    progress : callable, optional
        Told how many more pictures and frames are done.

    Raises
    ------
    HybridferError
        If an output cannot be written, or a picture cannot be read and `strict` is True.
    """
    counts: Counter[str] = Counter()

    def batches() -> Iterator[list[dict[str, Any]]]:
        with nullcontext() if draw is None else Album(draw, every, overwrite) as album:
            for rows in detect_rows(manifest, search, jobs=jobs, strict=strict, album=album):
                counts.update(row["status"] for row in rows)
                if progress is not None:
                    progress(1)
                yield rows

    columns = face_columns(manifest)
    if form == "parquet":
        write_parquet(output, columns, batches(), overwrite=overwrite)
    else:
        with open_output(output, overwrite) as stream:
            write_rows(stream, form, columns, batches())
    return dict(counts)
