"""``evaluate`` for detectors: how many of the faces that people marked are found, and how much else.

Faces found are taken in the order of their scores, the surest first. Each is matched to the marked face that it
overlaps most among those still free, if that is enough; what overlaps an ignored face counts neither way. Average
precision is the area under precision over recall, where precision is the best at that recall or above [1]_; faces of
one score come together.

.. [1] Everingham, M. et al. The PASCAL visual object classes challenge: a retrospective. IJCV 111, 98-136 (2015),
   the rule of 2010 and later. https://doi.org/10.1007/s11263-014-0733-5
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer import __version__
from hybridfer.datasets.boxes import Annotated, read_annotated
from hybridfer.errors import TrainingError
from hybridfer.evaluation.evaluate import check_split
from hybridfer.evaluation.intervals import LEVEL, bootstrap_intervals
from hybridfer.evaluation.metrics import Floats, Ints
from hybridfer.evaluation.result import json_text, shown_score, text_table
from hybridfer.faces.find import Found, Search, find_faces
from hybridfer.faces.overlap import overlaps
from hybridfer.labels import canonical_split
from hybridfer.tables import json_line, replacing, report_target
from hybridfer.threads import in_order
from hybridfer.types import Face, Item

FILES = ("evaluation.json", "detection.png")
"""What the folder of a detector's evaluation holds."""

LOWEST = 0.0
"""Threshold of the faces that the curve is drawn of."""

RATES = (0.1, 1)
"""False faces a picture at which recall is told."""

NAMES = {
    "average_precision": "average precision",
    "recall": "recall",
    "precision": "precision",
    "false_faces": "false faces a picture",
    **{f"recall_at_{rate:g}": f"recall at {rate:g} false faces a picture" for rate in RATES},
    "landmark_error": "landmark error, in distances of the eyes",
}
"""The scores of a detector, in order, and how a table calls them."""

CURVE_POINTS = 200

FALSE, IGNORED = -1, -2
"""What a found face is that is no marked one."""

STEPS = 2000
"""Of a longer curve, resamples go by so many steps; the scores themselves by every one."""

_CHUNK = 1 << 20
"""Steps of resamples held at a time."""


@dataclass(frozen=True)
class DetectorEvaluation:
    """What a detector is worth.

    Every score is ``{"value", "low", "high"}``: the score and its 95 % bootstrap interval, NaN where it does not exist.

    Attributes
    ----------
    pictures, faces : int
        Pictures looked at, and faces marked in them that are not to be ignored.
    metrics : dict
        To a score: ``average_precision``, ``recall_at_0.1`` and ``recall_at_1`` (false faces a picture), of all faces
        the detector finds however unsure; ``recall``, ``precision``, ``false_faces`` (a picture) and
        ``landmark_error`` (mean distance of known points from their place, in distances between the eyes, over the
        faces matched) at its threshold.
    counts : dict
        ``matched``, ``false`` and ``missed`` faces at the threshold; ``landmarks``, the matched faces whose points are
        known.
    curve : list of dict
        From the surest face down, at most 200 points: ``score``, ``false_faces`` (in all pictures), ``recall``,
        ``precision``.
    missed : list of dict
        The marked faces that are not found at the threshold: ``input``, ``x0``, ``y0``, ``x1``, ``y1``.
    protocol : dict
        How it was measured.
    notes : list of str
        What a reader should be told.
    """

    pictures: int
    faces: int
    metrics: dict[str, dict[str, float]]
    counts: dict[str, int]
    curve: list[dict[str, float]]
    missed: list[dict[str, Any]]
    protocol: dict[str, Any]
    notes: list[str]

    def to_json(self) -> str:
        """Return everything as a JSON object, one line for each attribute; NaN is null."""
        return json_text(vars(self))

    def summary(self) -> str:
        """Return the scores, the counts and the notes as text."""
        protocol, counts = self.protocol, self.counts
        where = f" of {protocol['split']}" if protocol["split"] else ""
        threshold = "its own threshold" if protocol["threshold"] is None else f"threshold {protocol['threshold']:g}"
        head = (
            f"{protocol['detector']}: {self.pictures} pictures{where}, {self.faces} faces; smallest face "
            f"{protocol['min_face']}, {threshold}, overlap {protocol['iou']:g}; {LEVEL:.0%} intervals from "
            f"{protocol['resamples']} resamples of {protocol['resampled']}, seed {protocol['seed']}"
        )
        width = max(len(text) for text in NAMES.values())
        scores = [f"{text:<{width}}  {shown_score(self.metrics[name])}" for name, text in NAMES.items()]
        rows = [["faces", *counts], ["", *map(str, counts.values())]]
        parts = [head, "\n".join(scores), text_table(rows)]
        if self.notes:
            parts.append("\n".join(f"note: {note}" for note in self.notes))
        return "\n\n".join(parts) + "\n"


@dataclass(frozen=True)
class _Looked:
    """What was found in one picture, against what is marked in it.

    ``hits`` are the faces found at the detector's threshold by the marked face that each is; ``scores`` and ``real``
    say of every face found at all, but those to be ignored, how sure it is and whether it is a marked one.
    """

    marked: Annotated
    sha256: str | None
    error: str | None
    hits: dict[int, Face]
    false: int
    scores: Floats
    real: npt.NDArray[np.bool_]


def evaluate_detector(
    detector: str,
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    split: str | None = None,
    min_face: int = 30,
    threshold: float | None = None,
    iou: float = 0.5,
    missing: str = "error",
    resamples: int = 2000,
    seed: int = 0,
    strict: bool = False,
    jobs: int = -1,
    device: str = "cpu",
) -> DetectorEvaluation:
    """Return what a detector is worth on pictures whose faces are marked.

    Parameters
    ----------
    detector : str
        A name of ``hybridfer list detectors``, with its options if any: ``mtcnn:factor=0.8``.
    data : path or sequence of paths
        Lists, XML files or manifests, see :func:`hybridfer.datasets.boxes.read_annotated`.
    split : str, optional
        Look only at the pictures of this split.
    min_face : int
        Side of the smallest face looked for, in pixels. Smaller marked ones count all the same.
    threshold : float, optional
        The least score of a face, in the detector's own unit; its own choice by default. The curve, and what comes from
        it, is of threshold 0.
    iou : float
        Intersection over union from which a found face is a marked one.
    missing : {"error", "skip"}
        Whether pictures that cannot be read count, with all their faces missed, or are left out.
    resamples : int
        At least 100. Subjects are drawn where they are known, else pictures.
    seed : int
    strict : bool
        Whether the first picture that cannot be read raises.
    jobs : int
        Threads; -1 for one a core.
    device : str
        Where the detector's network works.

    Raises
    ------
    HybridferError
        If there is no such detector or split, the data cannot be read, or no face is marked in them.

    Examples
    --------
    >>> found = evaluate_detector("mtcnn", "wider_face_val_bbx_gt.txt")     # doctest: +SKIP
    >>> found.metrics["average_precision"]                                 # doctest: +SKIP
    {'value': 0.6, 'low': 0.59, 'high': 0.61}
    """
    if not 0 < iou <= 1:
        raise TrainingError(f"The overlap of two boxes is asked to be {iou:g}; expected above 0 and up to 1.")
    if missing not in ("error", "skip"):
        raise TrainingError(f"No rule {missing!r} for pictures that cannot be read; expected error or skip.")
    paths = [data] if isinstance(data, (str, os.PathLike)) else list(data)
    every = list(chain.from_iterable(map(read_annotated, paths)))
    wanted = None if split is None else canonical_split(split)
    check_split(Counter(each.split for each in every), wanted, "the input")
    marked = [each for each in every if wanted in (None, each.split)]
    search = Search(detector, "all", min_face, threshold, device=device)
    weights = search.finder().weights
    looked = list(in_order(_looking(search, iou, strict), marked, jobs))
    failed = sum(each.error is not None for each in looked)
    kept = [each for each in looked if missing == "error" or each.error is None]
    faces = sum(int((~each.marked.ignored).sum()) for each in kept)
    if not faces:
        raise TrainingError(
            f"No face is marked in {len(kept)} pictures that could be read, so there is nothing to find; give others."
        )
    subjects = [each.marked.subject for each in kept]
    clustered = len(set(subjects) - {None}) > 1
    curve, score = _curve(kept)
    intervals = bootstrap_intervals(
        score, len(kept), groups=subjects if clustered else None, seed=seed, resamples=resamples
    )
    notes = _notes(kept, failed, missing, min_face)
    if intervals["recall"].value in (0, 1):
        drawn = len(set(subjects) - {None}) if clustered else len(kept)
        notes.append(
            f"{'all' if intervals['recall'].value else 'none'} of the {faces} faces are found, so resampling shows no "
            f"spread; the true recall may be up to {min(1.0, 3 / drawn):.3g} away (rule of three)"
        )
    missed = [
        {"input": each.marked.input, **dict(zip(("x0", "y0", "x1", "y1"), box.tolist(), strict=True))}
        for each in kept
        for number, box in enumerate(each.marked.boxes)
        if number not in each.hits and not each.marked.ignored[number]
    ]
    return DetectorEvaluation(
        pictures=len(kept),
        faces=faces,
        metrics={name: dict(zip(("value", "low", "high"), map(float, intervals[name]), strict=True)) for name in NAMES},
        counts={
            "matched": faces - len(missed),
            "missed": len(missed),
            "false": sum(each.false for each in kept),
            "landmarks": sum(len(_landmark_errors(each)) for each in kept),
        },
        curve=curve,
        missed=missed,
        protocol={
            "detector": detector,
            "weights": weights,
            "min_face": min_face,
            "threshold": threshold,
            "curve_threshold": LOWEST,
            "iou": iou,
            "data": {
                "pictures": len(kept),
                "faces": faces,
                "ignored": sum(int(each.marked.ignored.sum()) for each in kept),
                "fingerprint": _fingerprint(kept),
            },
            "split": wanted,
            "missing": missing,
            "error": failed,
            "resamples": resamples,
            "resampled": "subjects" if clustered else "pictures",
            "interval": LEVEL,
            "seed": seed,
            "versions": {"hybridfer": __version__, **_versions()},
        },
        notes=notes,
    )


def write_evaluation(
    evaluation: DetectorEvaluation, output: str | os.PathLike[str], overwrite: bool = False
) -> list[Path]:
    """Write a detector's numbers to ``….json``, or with their curves into a folder, and return the files' paths.

    Raises
    ------
    OutputError
        If the output exists and `overwrite` is False, or it cannot be written.
    """
    from hybridfer.report.plots import detection_png

    path, folder = check_target(output, overwrite)
    with replacing(path, overwrite, folder) as beside:
        if not folder:
            beside.write_text(evaluation.to_json(), "utf-8")
            return [path]
        beside.mkdir()
        numbers, curves = (beside / name for name in FILES)
        numbers.write_text(evaluation.to_json(), "utf-8")
        found = {evaluation.protocol["detector"]: evaluation.curve}
        detection_png(curves, found, evaluation.pictures)
    return [path / name for name in folder]


def check_target(output: str | os.PathLike[str], overwrite: bool) -> tuple[Path, tuple[str, ...]]:
    """Return where a detector's evaluation may be written to, ``….json`` or a folder; see :func:`report_target`."""
    return report_target(output, overwrite, "An evaluation", FILES, (".json",))


def match_faces(boxes: Floats, truth: Floats, ignored: npt.NDArray[np.bool_], iou: float) -> Ints:
    """Return which marked face each found one is.

    Parameters
    ----------
    boxes : (n, 4) float array
        Found, the surest first.
    truth : (m, 4) float array
        Marked.
    ignored : (m,) bool array
        Which of them count neither way, found or not.
    iou : float
        The least intersection over union.

    Returns
    -------
    (n,) int array
        A place in `truth`; :data:`FALSE` or :data:`IGNORED`.
    """
    shared = overlaps(boxes, truth)
    spared = (shared[:, ignored] >= iou).any(1)
    shared[:, ignored] = 0
    matched = np.where(spared, IGNORED, FALSE)
    for i in np.flatnonzero(shared.max(1, initial=0) >= iou):
        nearest = int(shared[i].argmax())
        if shared[i, nearest] >= iou:
            matched[i] = nearest
            shared[:, nearest] = 0
    return matched


def _looking(search: Search, iou: float, strict: bool) -> Callable[[Annotated], _Looked]:
    """Return what looks at a picture; every thread that calls it has detectors of its own."""
    own = threading.local()
    unsure = Search(search.detector, "all", search.min_face, LOWEST, device=search.device)

    def look(marked: Annotated) -> _Looked:
        if not hasattr(own, "finders"):
            own.finders = search.finder(), unsure.finder()
        usual, lowest = own.finders
        (found,) = find_faces([Item(marked.input, marked.source)], search, strict, usual)
        every = [] if found.picture is None else lowest.detect(found.picture.pixels)
        # Without a threshold a detector may know no bound at all, not even 0.
        return _compare(marked, found, max(every, found.faces, key=len), iou)

    return look


def _compare(marked: Annotated, found: Found, every: Sequence[Face], iou: float) -> _Looked:
    faces, matched = _matched(found.faces, marked, iou)
    surest, of_all = _matched(every, marked, iou)
    counted = of_all != IGNORED
    return _Looked(
        marked,
        None if found.picture is None else found.picture.sha256,
        found.error,
        {int(number): face for number, face in zip(matched, faces, strict=True) if number >= 0},
        int((matched == FALSE).sum()),
        np.array([face.score for face in surest], dtype=np.float64)[counted],
        (of_all >= 0)[counted],
    )


def _matched(faces: Sequence[Face], marked: Annotated, iou: float) -> tuple[list[Face], Ints]:
    ordered = sorted(faces, key=lambda face: -face.score)
    boxes = np.array([face.box for face in ordered], dtype=np.float64).reshape(-1, 4)
    return ordered, match_faces(boxes, marked.boxes, marked.ignored, iou)


def _landmark_errors(looked: _Looked) -> list[float]:
    """Return how far off the points of each matched face are, where both eyes and the detector's points are known."""
    errors = []
    for number, face in looked.hits.items():
        truth = looked.marked.points[number]
        apart = np.linalg.norm(truth[1] - truth[0])
        if face.landmarks is not None and apart > 0:
            away = np.linalg.norm(face.landmarks - truth, axis=1)
            errors.append(float(np.nanmean(away) / apart))
    return errors


def _curve(looked: Sequence[_Looked]) -> tuple[list[dict[str, float]], Callable[[Floats], Mapping[str, Floats]]]:
    """Return the curve of all faces found, and what scores resamples of the pictures."""
    marked = np.array([(~each.marked.ignored).sum() for each in looked], dtype=np.float64)
    hits = np.array([len(each.hits) for each in looked], dtype=np.float64)
    false = np.array([each.false for each in looked], dtype=np.float64)
    errors = [_landmark_errors(each) for each in looked]
    error, measured = (np.array([f(each) for each in errors], dtype=np.float64) for f in (sum, len))
    picture = np.repeat(np.arange(len(looked)), [len(each.scores) for each in looked])
    scores = np.concatenate([each.scores for each in looked])
    real = np.concatenate([each.real for each in looked])
    order = np.argsort(-scores, kind="stable")
    picture, scores, real = picture[order], scores[order], real[order]
    # Faces of one score come together, and what comes after the last marked face changes nothing.
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: len(scores)])
    last = np.flatnonzero(real)[-1] if real.any() else -1
    ends = ends[: np.searchsorted(ends, last) + 1]
    exact = _steps(picture, real, ends, len(looked))
    coarse = _steps(picture, real, _some(ends, STEPS), len(looked))

    def statistics(weights: Floats) -> dict[str, Floats]:
        total, pictures = weights @ marked, weights.sum(1)
        found, wrong = weights @ hits, weights @ false
        steps = exact if len(weights) == 1 else coarse
        rows = max(1, _CHUNK // max(1, steps[0].shape[0]))
        parts = []
        for start in range(0, len(weights), rows):
            some = slice(start, start + rows)
            right, other = (np.cumsum(step @ weights[some].T, 0).T for step in steps)
            parts.append(_of_curve(right, other, pictures[some]))
        return {
            **{name: _share(np.concatenate([part[name] for part in parts]), total) for name in parts[0]},
            "recall": _share(found, total),
            "precision": _share(found, found + wrong),
            "false_faces": wrong / pictures,
            "landmark_error": _share(weights @ error, weights @ measured),
        }

    found, wrong = (np.cumsum(np.asarray(step.sum(1)).ravel()) for step in exact)
    curve = [
        {
            "score": float(scores[ends[i]]),
            "false_faces": float(wrong[i]),
            "recall": float(found[i] / marked.sum()),
            "precision": float(found[i] / (found[i] + wrong[i])),
        }
        for i in _some(np.arange(len(ends)), CURVE_POINTS)
    ]
    return curve, statistics


def _some(values: Ints, most: int) -> Ints:
    """Return at most so many of the values, the first and the last among them."""
    return values[np.unique(np.linspace(0, len(values) - 1, most).round().astype(int))] if len(values) else values


def _steps(picture: Ints, real: npt.NDArray[np.bool_], ends: Ints, pictures: int) -> tuple[Any, Any]:
    """Return how many marked faces, and how many false ones, each step to one of the ends has of each picture.

    Both are sparse matrices ``(steps, pictures)``.
    """
    from scipy.sparse import coo_array

    kept = ends[-1] + 1 if len(ends) else 0
    step = np.searchsorted(ends, np.arange(kept))
    shape = (len(ends), pictures)
    hits, false = (
        coo_array((kind.astype(np.float64), (step, picture[:kept])), shape).tocsr()
        for kind in (real[:kept], ~real[:kept])
    )
    return hits, false


def _of_curve(found: Floats, wrong: Floats, pictures: Floats) -> dict[str, Floats]:
    """Return what comes of cumulated counts ``(m, n)``, in faces: the area under their curve, and recall at rates."""
    m, n = found.shape
    precision = _share(found, found + wrong, 0.0)
    best = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    gained = np.diff(found, axis=1, prepend=0)
    recalls = {}
    for rate in RATES:
        place = (wrong <= rate * pictures[:, None]).sum(1)
        recalls[f"recall_at_{rate:g}"] = np.where(place > 0, found[np.arange(m), place - 1], 0) if n else np.zeros(m)
    return {"average_precision": (gained * best).sum(1), **recalls}


def _share(part: Floats, whole: Floats, without: float = np.nan) -> Floats:
    share: Floats = np.divide(part, whole, out=np.full(part.shape, without), where=whole > 0)
    return share


def _fingerprint(looked: Sequence[_Looked]) -> str:
    """Return a SHA-256 of the pictures and of what is marked in them, wherever they lie."""
    digest = hashlib.sha256()
    for each in looked:
        marks = [each.marked.boxes, each.marked.ignored, each.marked.points]
        digest.update(json_line([each.sha256, *(part.tolist() for part in marks)]).encode())
    return digest.hexdigest()


def _notes(looked: Sequence[_Looked], failed: int, missing: str, min_face: int) -> list[str]:
    notes = []
    if failed:
        rule = "count, with all their faces missed" if missing == "error" else "are left out"
        notes.append(f"{failed} pictures that could not be read {rule}")
    boxes = np.concatenate([each.marked.boxes[~each.marked.ignored] for each in looked])
    small = int(((boxes[:, 2:] - boxes[:, :2]).max(1) < min_face).sum())
    if small:
        notes.append(f"{small} marked faces are smaller than {min_face} pixels, the smallest looked for")
    return notes


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    import cv2

    return {"numpy": np.__version__, "opencv": cv2.__version__, "torch": version("torch")}
