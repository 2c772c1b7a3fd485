"""Matrices that say what a theory expects: distances in the face, categories, and those of a file."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hybridfer.compare.rsa.matrices import Dissimilarities, triangle
from hybridfer.errors import DatasetError
from hybridfer.evaluation.metrics import Floats

WINDOW_MODELS = ("physical", "symmetric")
"""Models of the twelve windows of a face."""

ENDINGS = (".csv", ".npz")
"""Of files with matrices."""

_DIGITS = 12
"""Distances that differ only by rounding are equal."""


def window_model(name: str, middles: Mapping[str, Sequence[float]]) -> Dissimilarities:
    """Return how far apart the windows of a face are (Henriksson et al. 2015).

    Parameters
    ----------
    name : {"physical", "symmetric"}
        Euclidean distance of the middles; the same once the left half of the face is folded onto the right, so that
        the two eyes are the same and equally far from all else.
    middles : mapping of str to (x, y)
        Window to its middle, in distances between the eyes, from between the eyes.

    Examples
    --------
    >>> middles = {"left_eye": (-0.5, 0.0), "right_eye": (0.5, 0.0), "nose": (0.0, 0.5)}
    >>> window_model("physical", middles).mean.round(3).tolist()
    [1.0, 0.707, 0.707]
    >>> window_model("symmetric", middles).mean.round(3).tolist()
    [0.0, 0.707, 0.707]
    """
    places = np.array(list(middles.values()), np.float64)
    if name == "symmetric":
        places[:, 0] = np.abs(places[:, 0])
    apart = np.linalg.norm(places[:, None] - places, axis=2).round(_DIGITS)
    return Dissimilarities(name, tuple(middles), triangle(apart)[None])


def read_matrices(path: str) -> list[Dissimilarities]:
    """Return the dissimilarity matrices of a file.

    Parameters
    ----------
    path : str
        A CSV file whose first row and first column name the items; or an NPZ file with ``items`` ``(n,)``,
        ``matrices`` ``(n, n)`` or ``(k, n, n)`` and, if there are several, ``names`` ``(k,)``: as ``hybridfer rsa``
        writes it.

    Raises
    ------
    DatasetError
        If the file cannot be read, its items repeat, or a matrix is not square and symmetric, has no zeros on the
        diagonal, or holds NaN.
    """
    if path.lower().endswith(".npz"):
        items, names, matrices = _read_npz(path)
    else:
        items, matrices = _read_csv(path)
        names = [Path(path).stem]
    if len(set(items)) < len(items):
        raise DatasetError(
            f"{path} names {next(i for i in items if items.count(i) > 1)!r} twice; expected every item once."
        )
    for name, matrix in zip(names, matrices, strict=True):
        _check_matrix(f"{path} ({name})" if len(names) > 1 else path, items, matrix)
    return [
        Dissimilarities(name, tuple(items), triangle(matrix)[None])
        for name, matrix in zip(names, matrices, strict=True)
    ]


def _read_npz(path: str) -> tuple[list[str], list[str], list[Floats]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} cannot be read as NPZ ({error}); expected arrays items and matrices.") from None
    if not {"items", "matrices"} <= held.keys():
        raise DatasetError(f"{path} holds {', '.join(held) or 'nothing'}; expected arrays items and matrices.")
    items = [str(item) for item in held["items"].ravel()]
    stack = held["matrices"]
    stack = stack[None] if stack.ndim == 2 else stack
    names = [str(name) for name in held["names"].ravel()] if "names" in held else [Path(path).stem]
    if stack.dtype.kind not in "fiub" or stack.shape != (len(names), len(items), len(items)):
        raise DatasetError(
            f"{path} has {len(items)} items, {len(names)} names and matrices {held['matrices'].shape} "
            f"{stack.dtype}; expected numbers ({len(names)}, {len(items)}, {len(items)})."
        )
    return items, names, list(stack.astype(np.float64))


def _read_csv(path: str) -> tuple[list[str], list[Floats]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            head, *rows = [row for row in csv.reader(file) if row] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            f"{path} cannot be read as CSV ({error}); expected a matrix with its items' names."
        ) from None
    items = head[1:]
    if not items or [row[0] for row in rows] != items or any(len(row) != len(head) for row in rows):
        raise DatasetError(
            f"{path} has {len(items)} names in its first row and {len(rows)} rows after it; expected a square with the "
            "same names in the first row and the first column."
        )
    try:
        # An empty cell is how unknown numbers are written.
        matrix = np.array([[float(cell or "nan") for cell in row[1:]] for row in rows])
    except ValueError as error:
        raise DatasetError(f"{path} holds something else than numbers ({error}); mend that cell.") from None
    return items, [matrix.reshape(len(items), len(items))]


def _check_matrix(name: str, items: Sequence[str], matrix: Floats) -> None:
    off = ~np.eye(len(items), dtype=bool)
    for wrong, what in (
        (~np.isfinite(matrix), "is not a finite number"),
        (~np.isclose(matrix, matrix.T, rtol=1e-6, atol=0), "differs from its mirror image"),
    ):
        if (wrong & off).any():
            i, j = np.argwhere(wrong & off)[0]
            raise DatasetError(f"{name}: the value of {items[i]!r} and {items[j]!r} {what}; mend the file.")
    own = np.nan_to_num(np.diagonal(matrix))
    if own.any():
        raise DatasetError(
            f"{name} has {own[own != 0][0]:g} on its diagonal, where an item meets itself; expected dissimilarities, "
            "which are 0 there. Likenesses become dissimilarities by 1 - x."
        )
