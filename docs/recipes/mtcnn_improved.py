"""A manifest of marked faces out of the development data: what the shipped mtcnn-improved was trained and measured on.

    HYBRIDFER_DATA=… python docs/recipes/mtcnn_improved.py runs/faces.csv
    hybridfer train mtcnn-improved runs/faces.csv -o runs/mtcnn-improved

Points are people's where there are any: ``faces68`` and, of the London portraits, the neutral ones. All other boxes and
points are the published MTCNN's, the teacher; a picture in which it is unsure of a face is left out. Pictures that come
with scikit-image and scikit-learn and show nobody are there for what is no face. A person has one split by name, so
that who is in two of the folders is not trained on in one and measured in the other.
"""

from __future__ import annotations

import csv
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hybridfer.datasets.boxes import RECTANGLE
from hybridfer.faces import Detector, create_detector
from hybridfer.faces.points import five_points
from hybridfer.media.images import read_image
from hybridfer.types import Face

Points = npt.NDArray[np.float64]

SURE, DOUBTFUL = 0.95, 0.3
"""From which score on the teacher is believed, and from which on what it sees may be a face."""

LONDON = ((0,), (1,), (54, 60), (87,), (93,))
"""Of the 189 points those whose mean is image-left pupil, image-right pupil, nose tip and the corners of the mouth."""

NOBODY = {
    "skimage": "data/{brick,chelsea,clock_motion,coffee,coins,grass,gravel,horse,ihc,logo,moon,motorcycle_left,"
    "motorcycle_right,page,retina,rocket,text,hubble_deep_field}",
    "sklearn": "datasets/images/{china,flower}",
}

COLUMNS = ("path", "subject", "split", *RECTANGLE, *(f"{axis}_{k}" for k in range(5) for axis in "xy"))


def main(output: str) -> None:
    """Write the manifest."""
    rows = list(_rows(Path(os.environ["HYBRIDFER_DATA"]).resolve()))
    with open(output, "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for split in ("train", "val", "test"):
        mine = [row for row in rows if row["split"] == split]
        people = {row["subject"] for row in mine}
        sys.stderr.write(f"{split}: {len({row['path'] for row in mine})} pictures, {len(people)} people\n")


def split_of(person: str, test: int, val: int) -> str:
    """Return the split of a person: by a hash of the name, `test` and then `val` of a hundred are held back."""
    place = int(hashlib.sha256(person.casefold().encode()).hexdigest(), 16) % 100
    return "test" if place < test else "val" if place < test + val else "train"


def _rows(data: Path) -> Iterator[dict[str, object]]:
    teacher = create_detector("mtcnn", min_face=20, threshold=DOUBTFUL)
    shares: dict[str, tuple[int, int]] = {}
    with open(data / "faces68" / "points.csv", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            points = five_points([[float(row[f"x_{k}"]), float(row[f"y_{k}"])] for k in range(68)])
            shares[row["subject"]] = (36, 8)
            yield from _faces(teacher, data / "faces68" / row["path"], row["subject"], (36, 8), points)
    for path in sorted((data / "london" / "images").iterdir()):
        template = data / "london" / "landmarks189" / f"{path.stem}.pts.csv"
        points = None
        if template.exists():
            given = np.loadtxt(template, delimiter=",", skiprows=1)
            points = np.stack([given[list(group)].mean(axis=0) for group in LONDON])
        yield from _faces(teacher, path, path.stem.split("_")[0], (36, 8), points)
    for path in sorted((data / "photos_grey").glob("*.jpg")):
        person = path.stem.rsplit("_", 1)[0]
        yield from _faces(teacher, path, person, shares.get(person, (10, 3)), None)
    for package, pattern in NOBODY.items():
        yield from _without(package, pattern)


def _faces(
    teacher: Detector, path: Path, person: str, shares: tuple[int, int], points: Points | None
) -> Iterator[dict[str, object]]:
    """Yield the rows of a picture's faces, first the one whose points are known; none where the teacher is unsure."""
    found = teacher.detect(read_image(path).pixels)
    row: dict[str, object] = {"path": path, "subject": person, "split": split_of(person, *shares)}
    others = found if points is None else [face for face in found if not _inside(points[2], face)]
    if row["split"] != "test" and any(face.score < SURE for face in others):
        return
    if points is None and not others:
        return
    if points is not None:
        yield row | _places(points)
    for face in others:
        if face.score >= SURE and face.landmarks is not None:
            x0, y0, x1, y1 = face.box
            box = dict(zip(RECTANGLE, (f"{v:.2f}" for v in (x0, y0, x1 - x0, y1 - y0)), strict=True))
            yield row | box | _places(face.landmarks)


def _inside(point: Points, face: Face) -> bool:
    x0, y0, x1, y1 = face.box
    return bool(x0 <= point[0] < x1 and y0 <= point[1] < y1)


def _places(points: Points) -> dict[str, object]:
    return {f"{axis}_{k}": f"{point[i]:.2f}" for k, point in enumerate(points) for i, axis in enumerate("xy")}


def _without(package: str, pattern: str) -> Iterator[dict[str, object]]:
    """Yield a row, with no face in it, for each of a package's pictures."""
    from importlib.util import find_spec

    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed.")
    folder, names = pattern.split("{")
    for name in names.rstrip("}").split(","):
        (path,) = (Path(spec.origin).parent / folder).glob(f"{name}.*")
        yield {"path": path, "subject": None, "split": "train"}


if __name__ == "__main__":
    if len(sys.argv) != 2 or "HYBRIDFER_DATA" not in os.environ:
        raise SystemExit("usage: HYBRIDFER_DATA=FOLDER python docs/recipes/mtcnn_improved.py OUT.csv")
    main(sys.argv[1])
