"""Where the faces of pictures are, as people marked them: WIDER FACE's lists, dlib's XML, or a manifest with boxes.

A list of WIDER FACE [1]_ names a picture, how many faces it has, and then ``x y w h`` and six marks a line for each,
the fourth of them *invalid*. RetinaFace's labels for the same pictures [2]_ begin a picture with ``#`` and go on with
five points a face. The XML is what dlib's imglab writes [3]_. In a manifest a row is a face: ``FaceRectX, FaceRectY,
FaceRectWidth, FaceRectHeight``, as our own tables have them, or ``x0, y0, x1, y1``; and points ``x_0, y_0 …``.

.. [1] Yang, S. et al. WIDER FACE: a face detection benchmark. CVPR (2016). https://doi.org/10.1109/CVPR.2016.596
.. [2] Deng, J. et al. RetinaFace: single-shot multi-level face localisation in the wild. CVPR (2020).
   https://doi.org/10.1109/CVPR42600.2020.00525
.. [3] King, D. E. Dlib-ml: a machine learning toolkit. JMLR 10, 1755-1758 (2009).
   https://www.jmlr.org/papers/v10/king09a.html
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np
import numpy.typing as npt

from hybridfer.datasets.manifest import number_in, row_items, table_rows
from hybridfer.errors import DatasetError
from hybridfer.faces.points import SCHEMES, box_from_points, five_points
from hybridfer.media.images import FileSource
from hybridfer.types import Item, Source

Floats = npt.NDArray[np.float64]

RECTANGLE = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight")
CORNERS = ("x0", "y0", "x1", "y1")

_PICTURES = ("", "images", "WIDER_train/images", "WIDER_val/images", "../WIDER_train/images", "../WIDER_val/images")
"""Where a list's pictures are looked for, from its own folder on."""


@dataclass(frozen=True, slots=True)
class Annotated:
    """A picture and the faces that are known to be in it.

    Attributes
    ----------
    input : str
        The picture's path.
    source : Source
        What reads it.
    boxes : (n, 4) float64
        ``x0, y0, x1, y1`` in its pixels, end-exclusive.
    ignored : (n,) bool
        Faces that may be found or not: dlib's *ignore*, WIDER's *invalid*.
    points : (n, 5, 2) float64
        Image-left eye, image-right eye, nose, image-left and image-right corner of the mouth; NaN where unknown.
    subject, split : str or None
        Who is in it, and what it is for, where a manifest says so.
    """

    input: str
    source: Source
    boxes: Floats
    ignored: npt.NDArray[np.bool_]
    points: Floats
    subject: str | None = None
    split: str | None = None


@dataclass
class _Marked:
    """A picture's faces while they are read; ``points`` holds those of a face as the file has them, or none."""

    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    ignored: list[bool] = field(default_factory=list)
    points: list[Floats | None] = field(default_factory=list)

    def add(self, box: tuple[float, float, float, float], ignored: bool, points: Floats | None) -> None:
        self.boxes.append(box)
        self.ignored.append(ignored)
        self.points.append(points)

    def annotated(self, path: str, source: Source | None = None, **known: str | None) -> Annotated:
        points = [np.full((5, 2), np.nan) if each is None else each for each in self.points]
        return Annotated(
            path,
            source or FileSource(path),
            np.array(self.boxes, dtype=np.float64).reshape(-1, 4),
            np.array(self.ignored, dtype=np.bool_),
            np.array(points, dtype=np.float64).reshape(-1, 5, 2),
            **known,
        )


def read_annotated(path: str | os.PathLike[str]) -> list[Annotated]:
    """Return the pictures of a list, XML or manifest with the faces marked in them, in its order.

    Parameters
    ----------
    path : path
        ``.txt``: a list of WIDER FACE (``wider_face_train_bbx_gt.txt``) or labels of RetinaFace, whose pictures lie
        beside it, in ``images`` or in ``WIDER_train/images``. ``.xml``: dlib's. ``.csv``, ``.jsonl``, ``.parquet``: a
        manifest; rows of one path belong together, a row with points alone gets the box that a detector would draw,
        and one with neither is a picture without faces.

    Returns
    -------
    list of Annotated
        A picture that does not exist is among them; reading it is what fails.

    Raises
    ------
    DatasetError
        If the file cannot be read or does not have that form; the message names the line or row.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DatasetError(
            f"{path} is not known as a file of marked faces; expected a list of WIDER FACE (.txt), dlib's .xml, or a "
            "manifest with boxes (.csv, .jsonl, .parquet)."
        )
    try:
        found = reader(path)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}; check the path.") from None
    if not found:
        raise DatasetError(f"{path} names no picture; expected at least one.")
    return found


def box_at(x: float, y: float, width: float, height: float, where: str) -> tuple[float, float, float, float]:
    """Return a box's corners; DatasetError, which `where` opens, where its place or size is no number above 0."""
    if not (all(map(math.isfinite, (x, y, width, height))) and width > 0 and height > 0):
        raise DatasetError(
            f"{where} has a face at x {x:g}, y {y:g} of width {width:g} and height {height:g}; expected numbers, and "
            "sizes above 0."
        )
    return x, y, x + width, y + height


def _read_list(path: Path) -> list[Annotated]:
    lines = path.read_text("utf-8-sig", "surrogateescape").splitlines()
    numbered = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    retina = bool(numbered) and numbered[0][1].startswith("#")
    marked = list((_retina_pictures if retina else _wider_pictures)(numbered, path))
    folder = pictures_folder(path.parent, [name for name, _ in marked], _PICTURES)
    return [faces.annotated(str(folder / name)) for name, faces in marked]


def pictures_folder(folder: Path, names: Sequence[str], places: Sequence[str]) -> Path:
    """Return where a list's pictures are: the first of the likely places that has any, else the list's own folder."""
    likely = [Path(os.path.normpath(folder / place)) for place in places]
    return next((place for place in likely if any((place / name).is_file() for name in names)), folder)


def _wider_pictures(lines: Sequence[tuple[int, str]], path: Path) -> Iterator[tuple[str, _Marked]]:
    rest = iter(lines)
    for number, name in rest:
        counted, text = next(rest, (number + 1, "the end of the file"))
        if not text.isdecimal():
            raise DatasetError(
                f"Line {counted} of {path} is {text[:60]!r}; expected how many faces {name[:60]!r} has, a whole number."
            )
        faces = _Marked()
        # A picture without faces has one line of zeros all the same.
        for _ in range(max(1, int(text))):
            place, line = next(rest, (counted, ""))
            where = f"Line {place} of {path}"
            x, y, width, height, *marks = _numbers(line, (4, 10), where)
            if int(text) == 0 and (width, height) == (0, 0):
                continue
            # WIDER's lists have faces of no size, which no detector can find.
            empty = width == 0 or height == 0
            box = (x, y, x + width, y + height) if empty else box_at(x, y, width, height, where)
            faces.add(box, empty or bool(marks and marks[3]), None)
        yield name, faces


def _retina_pictures(lines: Sequence[tuple[int, str]], path: Path) -> Iterator[tuple[str, _Marked]]:
    name, faces = "", _Marked()
    for number, line in lines:
        if line.startswith("#"):
            if name:
                yield name, faces
            name, faces = line.removeprefix("#").strip(), _Marked()
            continue
        where = f"Line {number} of {path}"
        x, y, width, height, *rest = _numbers(line, (4, 19, 20), where)
        points = np.array(rest[:15]).reshape(-1, 3)[:, :2] if rest else None
        if points is not None:
            # A face whose points nobody could see has -1 for each.
            points = np.where(points < 0, np.nan, points)
        faces.add(box_at(x, y, width, height, where), False, points)
    yield name, faces


def _numbers(line: str, counts: Sequence[int], where: str) -> list[float]:
    try:
        numbers = [float(text) for text in line.split()]
    except ValueError:
        numbers = []
    if len(numbers) not in counts or not all(map(math.isfinite, numbers)):
        expected = " or ".join(map(str, counts))
        raise DatasetError(
            f"{where} is {line[:60]!r}; expected {expected} numbers, beginning with x, y, width and height."
        )
    return numbers


@dataclass
class _Box:
    box: tuple[float, float, float, float]
    ignored: bool
    parts: dict[str, tuple[float, float]] = field(default_factory=dict)


class _ImageList:
    """What expat tells of dlib's XML: pictures and their faces. Nothing else of XML is let in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pictures: list[tuple[str, list[_Box]]] = []
        self.within: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self.refuse
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end

    def read(self) -> list[tuple[str, list[_Box]]]:
        try:
            with self.path.open("rb") as file:
                self.parser.ParseFile(file)
        except (expat.ExpatError, ValueError, LookupError) as error:
            raise DatasetError(
                f"{self.path} is not whole XML ({error}); expected what dlib's imglab writes. Fetch it again."
            ) from None
        return self.pictures

    @property
    def where(self) -> str:
        return f"Line {self.parser.CurrentLineNumber} of {self.path}"

    def refuse(self, *declared: object) -> None:
        # Entities are declared in there, and what ten of them stand for can fill the memory.
        raise DatasetError(f"{self.where} has a DOCTYPE, which no list of dlib's has; take the declaration out.")

    def start(self, tag: str, values: Mapping[str, str]) -> None:
        if tag == "image":
            self.pictures.append((self.value("image", values, "file"), []))
        elif tag == "box" and "image" in self.within:
            left, top, width, height = (self.number("box", values, key) for key in ("left", "top", "width", "height"))
            ignored = values.get("ignore", "0") not in ("0", "false")
            self.pictures[-1][1].append(_Box(box_at(left, top, width, height, self.where), ignored))
        elif tag == "part" and "box" in self.within:
            x, y = (self.number("part", values, key) for key in ("x", "y"))
            self.pictures[-1][1][-1].parts[self.value("part", values, "name")] = (x, y)
        elif tag in ("box", "part"):
            raise DatasetError(
                f"{self.where} has a <{tag}> of nothing; expected it inside "
                f"{'an <image>' if tag == 'box' else 'a <box>'}."
            )
        self.within.append(tag)

    def end(self, tag: str) -> None:
        self.within.pop()

    def value(self, tag: str, values: Mapping[str, str], key: str) -> str:
        if not values.get(key):
            raise DatasetError(f"{self.where} has a <{tag}> without {key}; expected {key}='…'.")
        return values[key]

    def number(self, tag: str, values: Mapping[str, str], key: str) -> float:
        text = self.value(tag, values, key)
        try:
            return float(text)
        except ValueError:
            raise DatasetError(f"{self.where} has a <{tag}> with {key} {text!r}; expected a number.") from None


def _read_dlib(path: Path) -> list[Annotated]:
    pictures = _ImageList(path).read()
    parts = [_in_order(box.parts) for _, boxes in pictures for box in boxes]
    corners = _eye_corners([each for each in parts if len(each) == 5])
    found, left = [], iter(parts)
    for name, boxes in pictures:
        faces = _Marked()
        for box in boxes:
            marked = next(left)
            points = _five(marked, f"{path}: a face of {name}") if len(marked) else None
            if points is not None and len(marked) == 5 and corners:
                points = np.full((5, 2), np.nan)
                points[:2] = marked[[2, 0]] / 2 + marked[[3, 1]] / 2
            faces.add(box.box, box.ignored, points)
        found.append(faces.annotated(str(path.parent / name)))
    return found


def _in_order(parts: Mapping[str, tuple[float, float]]) -> Floats:
    """Return the parts as points: by number where their names are numbers, else by name, as dlib has them."""
    names = sorted(parts, key=int if all(name.isdecimal() for name in parts) else str)
    return np.array([parts[name] for name in names], dtype=np.float64).reshape(-1, 2)


def _eye_corners(faces: Sequence[Floats]) -> bool:
    """Return whether five points are dlib's own (the corners of the image-right eye, of the other, under the nose).

    The first is then right of the third, which in our five is the nose.
    """
    return bool(faces) and bool(np.median([points[0, 0] - points[2, 0] for points in faces]) > 0)


def _five(points: Floats, where: str) -> Floats:
    if len(points) not in SCHEMES:
        raise DatasetError(f"{where} has {len(points)} points; expected {', '.join(map(str, SCHEMES))} or none.")
    return five_points(points)


def _read_manifest(path: Path) -> list[Annotated]:
    rows = table_rows(path)
    items, _, _ = row_items(rows, str(path), path.parent, labels=False)
    columns = {name for row in rows for name in row}
    places = [names for names in (RECTANGLE, CORNERS) if columns.intersection(names)]
    count = count_points(columns)
    if not places and not count:
        raise DatasetError(
            f"{path} says nowhere where a face is; expected columns {', '.join(RECTANGLE)}, or {', '.join(CORNERS)}, "
            "or points x_0, y_0 …"
        )
    pictures: dict[tuple[str, int], tuple[Item, _Marked]] = {}
    for number, (row, item) in enumerate(zip(rows, items, strict=True), start=1):
        _, faces = pictures.setdefault((item.input, item.frame), (item, _Marked()))
        where = f"Row {number} of {path}"
        box = row_box(row, places, path, number)
        given = row_points(row, count, path, number)
        points = None if given is None else _five(given, where)
        if box is None and points is not None:
            if not np.isfinite(points).all():
                raise DatasetError(f"{where} has no box and not all points of its face; expected one or the other.")
            box = box_from_points(points)
        if box is not None:
            faces.add(box, False, points)
    return [
        faces.annotated(item.input, item.source, subject=item.subject, split=item.split)
        for item, faces in pictures.values()
    ]


def row_box(
    row: Mapping[str, Any], places: Sequence[tuple[str, ...]], path: Path, number: int
) -> tuple[float, float, float, float] | None:
    """Return the box of a row whose columns are those of a place, RECTANGLE or CORNERS; None where it has none."""
    for columns in places:
        values = [number_in(row, column, str(path), number) for column in columns]
        known = [value for value in values if value is not None]
        if not known:
            continue
        where = f"Row {number} of {path}"
        if len(known) < len(values):
            missing = columns[values.index(None)]
            raise DatasetError(f"{where} has no {missing}; expected {', '.join(columns)} together, or none of them.")
        x, y, right, below = known
        return box_at(x, y, right - x, below - y, where) if columns == CORNERS else box_at(x, y, right, below, where)
    return None


def count_points(columns: Collection[str]) -> int:
    """Return how many points a table has columns for: ``x_0, x_1 …``."""
    return next(k for k in range(len(columns) + 1) if f"x_{k}" not in columns)


def row_points(row: Mapping[str, Any], count: int, path: Path, number: int) -> Floats | None:
    """Return the points of a row ``(count, 2)``, NaN where unknown; None where it has none at all."""
    values = [number_in(row, f"{axis}_{k}", str(path), number) for k in range(count) for axis in "xy"]
    points = np.array(values, dtype=np.float64).reshape(-1, 2)
    if np.isinf(points).any():
        raise DatasetError(
            f"Row {number} of {path} has a point at infinity; expected pixels, or nothing where it is unknown."
        )
    return None if np.isnan(points).all() else points


_READERS: Mapping[str, Callable[[Path], list[Annotated]]] = {
    ".txt": _read_list,
    ".xml": _read_dlib,
    ".csv": _read_manifest,
    ".jsonl": _read_manifest,
    ".ndjson": _read_manifest,
    ".parquet": _read_manifest,
}
