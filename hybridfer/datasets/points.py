"""Faces whose points are marked: WFLW's lists, 300-W's ``.pts``, tables with ``x_0, y_0 …`` and JSON in COCO's form.

A list of WFLW [1]_ (``list_98pt_rect_attr_train.txt``) has a line a face: 98 times ``x y``, a box by two corners, six
marks that are 0 or 1, and the picture's name; shorter lists leave out the box and the marks. 300-W [2]_ has a file of
68 points beside each picture, counted from 1 as Matlab does. In COCO's form [3]_, as mmpose has WFLW, an annotation has
``keypoints``, ``x y`` and whether they are visible one after the other, and a ``bbox``.

.. [1] Wu, W. et al. Look at boundary: a boundary-aware face alignment algorithm. CVPR (2018).
   https://doi.org/10.1109/CVPR.2018.00227
.. [2] Sagonas, C. et al. 300 faces in-the-wild challenge: the first facial landmark localization challenge. ICCVW
   (2013). https://doi.org/10.1109/ICCVW.2013.59
.. [3] Lin, T.-Y. et al. Microsoft COCO: common objects in context. ECCV (2014).
   https://doi.org/10.1007/978-3-319-10602-1_48
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.datasets.boxes import CORNERS, RECTANGLE, box_at, count_points, pictures_folder, row_box, row_points
from hybridfer.datasets.layout import read_list
from hybridfer.datasets.manifest import row_items, table_rows
from hybridfer.errors import DatasetError
from hybridfer.faces.schemes import SCHEMES, WFLW98
from hybridfer.media.images import SUFFIXES, FileSource
from hybridfer.types import Source

Floats = npt.NDArray[np.float64]
Box = tuple[float, float, float, float]

ATTRIBUTES = ("pose", "expression", "illumination", "makeup", "occlusion", "blur")
"""The marks of WFLW's lists, in their order; each says that a face is hard in this way."""

SPLITS = {"afw": "train", "trainset": "train", "testset": "test", "ibug": "test"}
"""What 300-W's folders are for, as papers have it; the innermost counts."""

_PICTURES = ("", "images", "WFLW_images", "../WFLW_images", "../../WFLW_images")
"""Where the pictures of a list are looked for, from its own folder on."""


@dataclass(frozen=True, slots=True)
class MarkedFace:
    """A face and where its points are.

    Attributes
    ----------
    input : str
        The picture's path.
    source : Source
        What reads it.
    points : (k, 2) float64
        ``x, y`` in its pixels; NaN where unknown. They may lie outside the picture, where a face does.
    box : (x0, y0, x1, y1) or None
        As the file has it, end-exclusive.
    attributes : Mapping[str, bool]
        WFLW's marks, where the file has them.
    subject, split : str or None
        Who it is, and what it is for, where the file says so.
    """

    input: str
    source: Source
    points: Floats
    box: Box | None = None
    attributes: Mapping[str, bool] = field(default_factory=dict)
    subject: str | None = None
    split: str | None = None


def read_points(path: str | os.PathLike[str]) -> list[MarkedFace]:
    """Return the faces of a list, folder, table or JSON file with the points marked in them, in its order.

    Parameters
    ----------
    path : path
        ``.txt``: a list of WFLW, whose pictures lie in ``WFLW_images`` near it; its name may end in ``_train`` or
        ``_test``. ``.pts``, or a folder with such files at any depth: 300-W, each picture beside its file. ``.csv``,
        ``.jsonl``, ``.parquet``: a manifest with points, a row a face. ``.json``: COCO's form.

    Returns
    -------
    list of MarkedFace
        All of 98 or all of 68 points. A picture that does not exist is among them; reading it is what fails.

    Raises
    ------
    DatasetError
        If the file cannot be read or does not have that form; the message names the line, row or annotation.
    """
    path = Path(path)
    reader = _read_folder if path.is_dir() else _READERS.get(path.suffix.lower())
    if reader is None:
        raise DatasetError(
            f"{path} is not known as a file of marked points; expected a list of WFLW (.txt), .pts or a folder of "
            "them, a manifest with points (.csv, .jsonl, .parquet), or COCO's .json."
        )
    found = reader(path)
    if not found:
        raise DatasetError(f"{path} has no face with points; expected at least one.")
    counts = sorted({len(face.points) for face in found})
    known = [scheme.count for scheme in SCHEMES.values()]
    if len(counts) > 1 or counts[0] not in known:
        raise DatasetError(
            f"{path} has faces of {' and '.join(map(str, counts))} points; expected all of "
            f"{' or all of '.join(map(str, known))}."
        )
    return found


def _read_wflw(path: Path) -> list[MarkedFace]:
    faces = []
    lines = read_list(path).splitlines()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            faces.append(_wflw_face(line, f"Line {number} of {path}"))
    folder = pictures_folder(path.parent, [name for name, *_ in faces], _PICTURES)
    split = next((split for split in ("train", "test") if path.stem.endswith(f"_{split}")), None)
    return [
        MarkedFace(str(folder / name), FileSource(str(folder / name)), points, box, attributes, split=split)
        for name, points, box, attributes in faces
    ]


def _wflw_face(line: str, where: str) -> tuple[str, Floats, Box | None, Mapping[str, bool]]:
    short, long = 2 * WFLW98.count, 2 * WFLW98.count + 4 + len(ATTRIBUTES)
    words = line.split()
    count = next((k for k, word in enumerate(words) if not _is_number(word)), len(words))
    if count not in (short, long) or count == len(words):
        raise DatasetError(
            f"{where} has {count} numbers before the picture's name; expected {long} (98 points, a box, "
            f"six marks) or {short}. Is the line whole?"
        )
    # The name of a picture may have blanks in it.
    name = line.split(maxsplit=count)[-1].strip()
    numbers = np.array(words[:count], np.float64)
    points = _finite(numbers[:short].reshape(-1, 2), where)
    if count == short:
        return name, points, None, {}
    x0, y0, x1, y1 = map(float, numbers[short : short + 4])
    marks = numbers[short + 4 :]
    if not np.isin(marks, (0, 1)).all():
        raise DatasetError(f"{where} has marks {' '.join(f'{mark:g}' for mark in marks)}; expected six of 0 or 1.")
    attributes = dict(zip(ATTRIBUTES, (marks == 1).tolist(), strict=True))
    return name, points, box_at(x0, y0, x1 - x0, y1 - y0, where), attributes


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _read_folder(folder: Path) -> list[MarkedFace]:
    from hybridfer.datasets.folders import natural

    faces = []
    for path in sorted(folder.rglob("*.pts"), key=lambda path: natural(str(path))):
        within = (folder.resolve().name, *path.relative_to(folder).parent.parts)
        split = next((SPLITS[part] for part in reversed(within) if part in SPLITS), None)
        faces += [replace(face, split=split) for face in _read_pts(path)]
    return faces


def _read_pts(path: Path) -> list[MarkedFace]:
    text = read_list(path)
    head, opened, rest = text.partition("{")
    body, closed, _ = rest.partition("}")
    said = dict(line.split(":", 1) for line in head.splitlines() if ":" in line).get("n_points", "").strip()
    lines = [line.split() for line in body.splitlines() if line.strip()]
    if not (opened and closed and said.isdecimal() and len(lines) == int(said)):
        raise DatasetError(
            f"{path} has {len(lines)} lines of points and says n_points {said or 'nowhere'}; expected as many as it "
            "says, between { and }. Is the file whole?"
        )
    for number, words in enumerate(lines, start=1):
        if len(words) != 2 or not all(map(_is_number, words)):
            raise DatasetError(f"Point {number} of {path} is {' '.join(words)[:60]!r}; expected x and y.")
    points = _finite(np.array(lines, np.float64), str(path)) - 1
    likely = [path.with_suffix(suffix) for suffix in sorted(SUFFIXES)]
    picture = str(next((place for place in likely if place.is_file()), path.with_suffix(".jpg")))
    return [MarkedFace(picture, FileSource(picture), points)]


def _read_table(path: Path) -> list[MarkedFace]:
    rows = table_rows(path)
    items, _, _ = row_items(rows, str(path), path.parent, labels=False)
    columns = {name for row in rows for name in row}
    count = count_points(columns)
    if not count:
        raise DatasetError(f"{path} has no points; expected columns x_0, y_0, x_1 …")
    places = [names for names in (RECTANGLE, CORNERS) if columns.intersection(names)]
    faces = []
    for number, (row, item) in enumerate(zip(rows, items, strict=True), start=1):
        points = row_points(row, count, path, number)
        if points is None:
            raise DatasetError(f"Row {number} of {path} has no points; expected those of a face, or no such row.")
        box = row_box(row, places, path, number)
        faces.append(MarkedFace(item.input, item.source, points, box, subject=item.subject, split=item.split))
    return faces


def _read_coco(path: Path) -> list[MarkedFace]:
    try:
        record = json.loads(read_list(path))
        names = {each["id"]: str(each["file_name"]) for each in record["images"]}
        marks: Sequence[Mapping[str, Any]] = list(record["annotations"])
    except (ValueError, LookupError, TypeError) as error:
        raise DatasetError(
            f"{path} is not in COCO's form ({error}); expected an object with images (id, file_name) and annotations."
        ) from None
    folder = pictures_folder(path.parent, list(names.values()), _PICTURES)
    faces = []
    for number, mark in enumerate(marks, start=1):
        where = f"Annotation {number} of {path}"
        try:
            picture = str(folder / names[mark["image_id"]])
            points = np.array(mark["keypoints"], np.float64).reshape(-1, 3)
            corner = [float(value) for value in mark.get("bbox") or ()]
        except (ValueError, LookupError, TypeError) as error:
            raise DatasetError(
                f"{where} cannot be read ({error}); expected image_id, one of the images, and keypoints, three "
                "numbers for each point."
            ) from None
        if len(corner) not in (0, 4):
            raise DatasetError(f"{where} has a bbox of {len(corner)} numbers; expected x, y, width and height.")
        seen = _finite(np.where(points[:, 2:] > 0, points[:, :2], 0), where)
        seen[points[:, 2] <= 0] = np.nan
        box = box_at(corner[0], corner[1], corner[2], corner[3], where) if corner else None
        faces.append(MarkedFace(picture, FileSource(picture), seen, box))
    return faces


def _finite(points: Floats, where: str) -> Floats:
    if not np.isfinite(points).all():
        raise DatasetError(f"{where} has a point that is no number; expected pixels.")
    return points


_READERS: Mapping[str, Callable[[Path], list[MarkedFace]]] = {
    ".txt": _read_wflw,
    ".pts": _read_pts,
    ".csv": _read_table,
    ".jsonl": _read_table,
    ".ndjson": _read_table,
    ".parquet": _read_table,
    ".json": _read_coco,
}
