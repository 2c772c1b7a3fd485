"""From items to the faces in them: read once, search, keep what was asked for, and say it as rows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hybridfer.errors import PictureError
from hybridfer.faces import DEFAULT_DETECTOR, Detector, create_detector
from hybridfer.types import Face, Item, Manifest, Picture


@dataclass(frozen=True)
class Search:
    """How faces are looked for, and which are kept.

    Attributes
    ----------
    detector : str
        A detector with its options, such as ``mtcnn:factor=0.8``; ``none`` takes the whole picture.
    faces : {"auto", "all", "largest"}
        Faces kept of a picture; ``auto``: the largest where the item has a label, else all.
    min_face : int
        Side of the smallest face looked for, in pixels.
    threshold : float or None
        The least score of a face, in the detector's own unit; None for the detector's own.
    max_faces : int or None
        Only so many faces of a picture are kept, the largest.
    device : str
        Where the detector's network works.
    """

    detector: str
    faces: str = "auto"
    min_face: int = 30
    threshold: float | None = None
    max_faces: int | None = None
    device: str = "cpu"

    def finder(self) -> Detector:
        """Return the detector; it is to be used by the thread that asked for it.

        Raises
        ------
        HybridferError
            If there is no such detector, or its weights or device are not there.
        """
        return create_detector(self.detector, self.min_face, self.threshold, self.device)

    def kept(self, faces: Iterable[Face], item: Item) -> tuple[Face, ...]:
        """Return which of an item's faces, the largest first, are kept."""
        largest = self.faces == "largest" or (self.faces == "auto" and item.label is not None)
        return tuple(faces)[: 1 if largest else self.max_faces]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in an item: its faces, the largest first; or, where there is no picture, why it cannot be read."""

    item: Item
    picture: Picture | None
    faces: tuple[Face, ...] = ()
    error: str | None = None


def find_faces(
    items: Iterable[Item], search: Search, strict: bool = False, finder: Detector | None = None
) -> Iterator[Found]:
    """Yield the faces of every item, in order; a picture is read when it is asked for, and not kept.

    Parameters
    ----------
    items : iterable of Item
    search : Search
    strict : bool
        Whether the first picture that cannot be read raises.
    finder : Detector, optional
        The search's own detector, where the caller's thread has one already.

    Raises
    ------
    PictureError
        If a picture cannot be read and `strict` is True.
    """
    finder = finder or search.finder()
    for item in items:
        try:
            picture = item.source.read()
        except PictureError as error:
            if strict:
                raise PictureError(f"{item.input}: {error}") from None
            yield Found(item, None, error=str(error))
        else:
            yield Found(item, picture, search.kept(finder.detect(picture.pixels), item))


def looking(search: Search, strict: bool = False) -> Callable[[Item], Found]:
    """Return what finds the faces of one item, for several threads: each that calls it gets a detector of its own."""
    own = threading.local()

    def look(item: Item) -> Found:
        if not hasattr(own, "finder"):
            own.finder = search.finder()
        (found,) = find_faces([item], search, strict, own.finder)
        return found

    return look


def found_rows(found: Found) -> list[dict[str, Any]]:
    """Return the rows of an item: one for each face, or one that says that there is none or what is wrong.

    Returns
    -------
    list of dict
        The values of :data:`~hybridfer.types.BANK_COLUMNS` and the user's own columns.
    """
    item = found.item
    status = "error" if found.picture is None else "ok" if found.faces else "no_face"
    known = {
        "sha256": None if found.picture is None else found.picture.sha256,
        **{name: getattr(item, name) for name in ("label", "split", "subject", "group")},
        **item.extra,
    }
    rows = []
    for number, face in enumerate(found.faces or (None,)):
        x0, y0, x1, y1 = (None,) * 4 if face is None else face.box
        rows.append(
            {
                "input": item.input,
                "frame": item.frame,
                "face_id": None if face is None else number,
                "timestamp": item.timestamp,
                "status": status,
                "error": found.error,
                "FaceRectX": x0,
                "FaceRectY": y0,
                "FaceRectWidth": None if x0 is None or x1 is None else x1 - x0,
                "FaceRectHeight": None if y0 is None or y1 is None else y1 - y0,
                "FaceScore": None if face is None else face.score,
                **known,
            }
        )
    return rows


def choose_detector(manifest: Manifest, asked: str | None) -> str:
    """Return the detector for a manifest: none for declared crops, else the one asked for or the default."""
    if manifest.cropped:
        return "none"
    return asked or DEFAULT_DETECTOR


def no_face_hint(counts: Mapping[str, int], detector: str) -> str | None:
    """Return what to try where a detector ran and found no face in most pictures; None where it did well."""
    lost, rows = counts.get("no_face", 0), sum(counts.values())
    if detector == "none" or lost * 2 <= rows:
        return None
    return f"{lost} of {rows} pictures have no face to find; if they are face crops already, use --detector none"
