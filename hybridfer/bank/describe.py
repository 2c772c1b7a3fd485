"""From items to rows and features: decode once, find the face, crop, describe.

The work is cut into stretches of items, each described by one thread. Pixels never outlive the few crops that are
described together.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from hybridfer.bank.bank import FeatureChunk
from hybridfer.bank.cache import FeatureCache, content_key
from hybridfer.datasets.inputs import read_inputs
from hybridfer.descriptors import create_descriptor
from hybridfer.descriptors.base import Descriptor
from hybridfer.errors import PictureError, SpecError
from hybridfer.faces import DEFAULT_DETECTOR, Detector, create_detector
from hybridfer.faces.align import crop_face
from hybridfer.types import Face, Item, Manifest, Pixels

STREAM_ROWS = 64
"""Items whose rows leave together when they are printed as they come."""

CROP_BUDGET = 1 << 24
"""Pixels of crops that are held before they are described."""

CROP_COUNT = 256
"""Crops that are described together at most."""


@dataclass(frozen=True)
class Plan:
    """How items are described.

    Attributes
    ----------
    descriptors : tuple of Descriptor
    detector : str
        ``none`` takes the whole picture.
    faces : {"auto", "all", "largest"}
        Faces kept of a picture; ``auto``: the largest where the item has a label, else all.
    min_face : int
        Side of the smallest face looked for, in pixels.
    cache : FeatureCache or None
    strict : bool
        Whether the first picture that cannot be read raises.
    """

    descriptors: tuple[Descriptor, ...]
    detector: str
    faces: str = "auto"
    min_face: int = 30
    cache: FeatureCache | None = None
    strict: bool = False

    def device_notes(self, asked: str) -> list[str]:
        """Return on which device each network works, where ``auto`` was asked to choose."""
        chosen = {d.spec: getattr(d, "device", None) for d in self.descriptors}
        return [f"{spec} works on {device}" for spec, device in chosen.items() if device and asked == "auto"]


def make_descriptors(
    specs: Sequence[str | Descriptor], *, device: str = "cpu", untrained: bool = False, seed: int = 0
) -> tuple[Descriptor, ...]:
    """Return the descriptors of several specs; `untrained` gives networks random weights from `seed`.

    Raises
    ------
    SpecError
        If a spec is unknown, or two mean the same block.
    """
    made = []
    for spec in specs:
        if isinstance(spec, str) and "@" in spec and untrained:
            from hybridfer.deep.activations import with_untrained

            spec = with_untrained(spec, seed)
        made.append(create_descriptor(spec) if isinstance(spec, str) else spec)
    twice = [spec for spec, n in Counter(d.spec for d in made).items() if n > 1]
    if twice:
        raise SpecError(f"The feature {twice[0]} is asked for twice; keep one.")
    if not made:
        raise SpecError("No feature is asked for; add one, such as -f lbp.")
    return tuple(d.on(device) for d in made)


def choose_detector(manifest: Manifest, asked: str | None) -> str:
    """Return the detector for a manifest: none for declared crops, else the one asked for or the default."""
    if manifest.cropped:
        return "none"
    return asked or DEFAULT_DETECTOR


def plan_extraction(
    inputs: Sequence[str | os.PathLike[str]] | Manifest,
    features: Sequence[str | Descriptor],
    *,
    labels: str = "auto",
    dataset: str | None = None,
    label_set: str | None = None,
    nul: bool = False,
    stdin: BinaryIO | None = None,
    detector: str | None = None,
    faces: str = "auto",
    min_face: int = 30,
    untrained: bool = False,
    seed: int = 0,
    device: str = "cpu",
    cache: bool = True,
    strict: bool = False,
) -> tuple[Manifest, Plan]:
    """Return what is to be described and how; parameters as the options of ``hybridfer extract``.

    Raises
    ------
    HybridferError
        If a spec, data set or detector is unknown, or a network has no weights and `untrained` is False.
    """
    made = make_descriptors(features, device=device, untrained=untrained, seed=seed)
    manifest = (
        inputs
        if isinstance(inputs, Manifest)
        else read_inputs(inputs, labels=labels, dataset=dataset, label_set=label_set, nul=nul, stdin=stdin)
    )
    chosen = choose_detector(manifest, detector)
    create_detector(chosen, min_face)
    return manifest, Plan(made, chosen, faces, min_face, FeatureCache() if cache else None, strict)


def describe_inputs(
    manifest: Manifest,
    specs: Sequence[str | Descriptor],
    *,
    detector: str,
    faces: str = "all",
    min_face: int = 30,
    jobs: int = -1,
    cache: bool = True,
    device: str = "cpu",
    strict: bool = False,
    chunk_rows: int = STREAM_ROWS,
) -> Iterator[FeatureChunk]:
    """Yield the rows and features of a manifest's items in order, a stretch at a time.

    Parameters
    ----------
    manifest : Manifest
    specs : sequence of str or Descriptor
    detector : str
        ``none`` for the whole picture.
    faces, min_face, jobs, cache, device, strict
        As the options of ``hybridfer extract``.
    chunk_rows : int
        Items of a stretch.
    """
    kept = FeatureCache() if cache else None
    plan = Plan(make_descriptors(specs, device=device), detector, faces, min_face, kept, strict)
    return (chunk for chunk, _ in describe_stretches(manifest, plan, jobs, chunk_rows))


def describe_items(items: Sequence[Item], plan: Plan) -> FeatureChunk:
    """Return the rows and features of some items: a row for each face and for each picture without one."""
    finder = create_detector(plan.detector, plan.min_face)
    rows: list[dict[str, Any]] = []
    described: dict[str, list[npt.NDArray[Any]]] = {
        d.spec: [np.empty((0, d.length), d.dtype)] for d in plan.descriptors
    }
    crops: list[Pixels] = []
    held = 0

    def describe() -> None:
        nonlocal held
        keys: list[str] | None = None
        for descriptor in plan.descriptors:
            if plan.cache is not None and descriptor.cacheable:
                keys = keys or [content_key(crop) for crop in crops]
                vectors = _through_cache(plan.cache, descriptor, crops, keys)
            else:
                vectors = descriptor.describe_batch(crops)
            described[descriptor.spec].append(vectors)
        crops.clear()
        held = 0

    for item in items:
        try:
            picture = item.source.read()
        except PictureError as error:
            if plan.strict:
                raise PictureError(f"{item.input}: {error}") from None
            rows.append(_row(item, "error", error=str(error)))
            continue
        found = _kept(finder.detect(picture.pixels), item, plan.faces)
        if not found:
            rows.append(_row(item, "no_face", sha256=picture.sha256))
        for number, face in enumerate(found):
            rows.append(_row(item, "ok", sha256=picture.sha256, face=face, face_id=number))
            crop = _crop(picture.pixels, face, finder)
            crops.append(crop)
            held += crop.size // 3
        if held > CROP_BUDGET or len(crops) >= CROP_COUNT:
            describe()
    if crops:
        describe()
    return FeatureChunk(rows, {spec: np.concatenate(parts) for spec, parts in described.items()})


def cut(items: Iterable[Item], rows: int) -> Iterator[list[Item]]:
    """Yield the items in stretches of `rows`, the last one shorter."""
    stream = iter(items)
    while stretch := list(islice(stream, rows)):
        yield stretch


def describe_stretches(
    manifest: Manifest, plan: Plan, jobs: int, rows: int = STREAM_ROWS
) -> Iterator[tuple[FeatureChunk, int]]:
    """Yield, in order, the chunk of each stretch of a manifest, and how many items it had."""
    return run_stretches(enumerate(cut(manifest.items, rows)), plan, jobs, lambda chunk, _: chunk)


def no_face_hint(counts: Mapping[str, int], detector: str) -> str | None:
    """Return what to try where a detector ran and found no face in most pictures; None where it did well."""
    lost, rows = counts.get("no_face", 0), sum(counts.values())
    if detector == "none" or lost * 2 <= rows:
        return None
    return f"{lost} of {rows} pictures have no face to find; if they are face crops already, use --detector none"


def run_stretches(
    stretches: Iterator[tuple[Any, list[Item]]], plan: Plan, jobs: int, use: Callable[[FeatureChunk, Any], Any]
) -> Iterator[tuple[Any, int]]:
    """Yield, in order, what `use` makes of each stretch's chunk, and how many items it had."""
    from joblib import Parallel, delayed, effective_n_jobs
    from threadpoolctl import threadpool_limits

    def work(key: Any, items: list[Item]) -> tuple[Any, int]:
        return use(describe_items(items, plan), key), len(items)

    workers = effective_n_jobs(jobs)
    if workers == 1:
        yield from (work(key, items) for key, items in stretches)
        return
    # Threads that each call a threaded BLAS stand in each other's way.
    with threadpool_limits(1):
        results = Parallel(workers, prefer="threads", return_as="generator")(delayed(work)(*s) for s in stretches)
        try:
            for result in results:  # noqa: UP028 - closed below, not by the caller's close
                yield result
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # joblib warns of work that nobody wants any more; we know
                results.close()


def explain_cache(file: str, features: Sequence[str], detector: str | None = None) -> list[str]:
    """Return a line for every face of a picture and every spec: whether the cache has it, and why not.

    Raises
    ------
    PictureError
        If the picture cannot be read or has no face.
    """
    cache = FeatureCache()
    manifest, plan = plan_extraction([file], features, detector=detector)
    finder = create_detector(plan.detector, plan.min_face)
    lines = []
    for item in manifest.items:
        picture = item.source.read()
        faces = _kept(finder.detect(picture.pixels), item, plan.faces)
        if not faces:
            raise PictureError(f"{item.input} has no face for the detector {plan.detector}; try --detector none.")
        for number, face in enumerate(faces):
            crop = _crop(picture.pixels, face, finder)
            lines += [f"{item.input} face {number}  {d.spec}  {cache.why(d, crop)}" for d in plan.descriptors]
    return lines


def _through_cache(
    cache: FeatureCache, descriptor: Descriptor, crops: Sequence[Pixels], keys: Sequence[str]
) -> npt.NDArray[Any]:
    found = cache.get(descriptor, keys)
    vectors = np.empty((len(crops), descriptor.length), descriptor.dtype)
    for position, vector in found.items():
        vectors[position] = vector
    # A face that stands twice among the crops is described once.
    first = {key: position for position, key in reversed(list(enumerate(keys)))}
    new = [position for key, position in first.items() if position not in found]
    if new:
        new.sort()
        computed = descriptor.describe_batch([crops[position] for position in new])
        cache.put(descriptor, [keys[position] for position in new], computed)
        vectors[new] = computed
        for position, key in enumerate(keys):
            if position not in found:
                vectors[position] = vectors[first[key]]
    return vectors


def _crop(pixels: Pixels, face: Face, finder: Detector) -> Pixels:
    crop = crop_face(pixels, face, finder.eyes)
    # A view would keep the whole photograph alive until the crop is described.
    return crop if crop.base is None or crop.size * 2 > pixels.size else crop.copy()


def _kept(found: list[Face], item: Item, faces: str) -> list[Face]:
    largest = faces == "largest" or (faces == "auto" and item.label is not None)
    return found[:1] if largest else found


def _row(
    item: Item,
    status: str,
    *,
    error: str | None = None,
    sha256: str | None = None,
    face: Face | None = None,
    face_id: int | None = None,
) -> dict[str, Any]:
    x0, y0, x1, y1 = face.box if face is not None else (None,) * 4
    return {
        "input": item.input,
        "frame": item.frame,
        "face_id": face_id,
        "timestamp": item.timestamp,
        "status": status,
        "error": error,
        "FaceRectX": x0,
        "FaceRectY": y0,
        "FaceRectWidth": None if x0 is None or x1 is None else x1 - x0,
        "FaceRectHeight": None if y0 is None or y1 is None else y1 - y0,
        "FaceScore": None if face is None else face.score,
        "sha256": sha256,
        "label": item.label,
        "split": item.split,
        "subject": item.subject,
        "group": item.group,
        **item.extra,
    }
