"""From items to rows and features: decode once, find the face, cut it out, describe.

The work is cut into stretches of items, each described by one thread. Pixels never outlive the few crops that are
described together, nor, where they are frames of a video, the stretch.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, product
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from hybridfer.bank.bank import FeatureChunk
from hybridfer.bank.cache import FeatureCache, content_key
from hybridfer.datasets.inputs import read_inputs
from hybridfer.descriptors import create_descriptor
from hybridfer.descriptors.base import Descriptor
from hybridfer.descriptors.windows import Windows
from hybridfer.errors import PictureError, SpecError
from hybridfer.faces.align import Alignment, Eyes, align_face
from hybridfer.faces.find import Search, choose_detector, find_faces, found_rows
from hybridfer.faces.tracks import Tracker
from hybridfer.faces.windows import cut_windows
from hybridfer.media.video import is_video, with_frames
from hybridfer.threads import in_order
from hybridfer.types import Face, Item, Manifest, Pixels

STREAM_ROWS = 64
"""Items whose rows leave together when they are printed as they come."""

HELD_BYTES = 1 << 25
"""Bytes of decoded frames of a stretch; a thread works on one stretch, and another waits for it."""

CROP_BUDGET = 1 << 24
"""Pixels of crops that are held before they are described."""

CROP_COUNT = 256
"""Faces that are described together at most."""


@dataclass(frozen=True)
class Plan:
    """How items are described.

    Attributes
    ----------
    descriptors : tuple of Descriptor
    search : Search
        How faces are looked for; ``none`` takes the whole picture.
    alignment : Alignment
        How they are cut out.
    cache : FeatureCache or None
    strict : bool
        Whether the first picture that cannot be read raises.
    """

    descriptors: tuple[Descriptor, ...]
    search: Search
    alignment: Alignment = field(default_factory=Alignment)
    cache: FeatureCache | None = None
    strict: bool = False

    def device_notes(self, asked: str) -> list[str]:
        """Return on which device each network works, where ``auto`` was asked to choose."""
        chosen = {d.spec: getattr(d, "device", None) for d in self.descriptors}
        return [f"{spec} works on {device}" for spec, device in chosen.items() if device and asked == "auto"]


def make_descriptors(
    specs: Sequence[str | Descriptor],
    *,
    device: str = "cpu",
    untrained: bool = False,
    seed: int = 0,
    windows: bool = False,
) -> tuple[Descriptor, ...]:
    """Return the descriptors of several specs.

    Parameters
    ----------
    specs : sequence of str or Descriptor
    device : str
        Where networks work.
    untrained : bool
        Whether networks without weights get random ones, from `seed`.
    windows : bool
        Whether each describes the twelve windows of a face instead of its crop.

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
        descriptor = create_descriptor(spec) if isinstance(spec, str) else spec
        made.append(Windows(descriptor) if windows and descriptor.view != "windows" else descriptor)
    twice = [spec for spec, n in Counter(d.spec for d in made).items() if n > 1]
    if twice:
        raise SpecError(f"The feature {twice[0]} is asked for twice; keep one.")
    if not made:
        raise SpecError("No feature is asked for; add one, such as -f lbp.")
    return tuple(d.on(device) for d in made)


def plan_extraction(
    inputs: Sequence[str | os.PathLike[str]] | Manifest,
    features: Sequence[str | Descriptor],
    *,
    labels: str = "auto",
    dataset: str | None = None,
    label_set: str | None = None,
    nul: bool = False,
    stdin: BinaryIO | None = None,
    every: int = 1,
    detector: str | None = None,
    faces: str = "auto",
    min_face: int = 30,
    threshold: float | None = None,
    max_faces: int | None = None,
    alignment: Alignment | None = None,
    windows: bool = False,
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
    made = make_descriptors(features, device=device, untrained=untrained, seed=seed, windows=windows)
    manifest = (
        inputs
        if isinstance(inputs, Manifest)
        else read_inputs(inputs, labels=labels, dataset=dataset, label_set=label_set, nul=nul, stdin=stdin)
    )
    search = Search(choose_detector(manifest, detector), faces, min_face, threshold, max_faces, device)
    search.finder()
    kept = FeatureCache() if cache else None
    return with_frames(manifest, every), Plan(made, search, alignment or Alignment(), kept, strict)


def describe_inputs(
    manifest: Manifest,
    specs: Sequence[str | Descriptor],
    search: Search,
    *,
    alignment: Alignment | None = None,
    every: int = 1,
    jobs: int = -1,
    cache: bool = True,
    strict: bool = False,
    chunk_rows: int = STREAM_ROWS,
) -> Iterator[FeatureChunk]:
    """Yield the rows and features of a manifest's items in order, a stretch at a time.

    Parameters
    ----------
    manifest : Manifest
    specs : sequence of str or Descriptor
    search : Search
        How faces are looked for, and where networks work; ``none`` for the whole picture.
    alignment : Alignment, optional
        How they are cut out.
    every, jobs, cache, strict
        As the options of ``hybridfer extract``.
    chunk_rows : int
        Items of a stretch.
    """
    kept = FeatureCache() if cache else None
    plan = Plan(make_descriptors(specs, device=search.device), search, alignment or Alignment(), kept, strict)
    return (chunk for chunk, _ in describe_stretches(with_frames(manifest, every), plan, jobs, chunk_rows))


def describe_items(items: Iterable[Item], plan: Plan) -> FeatureChunk:
    """Return the rows and features of some items: a row for each face and for each picture without one."""
    finder = plan.search.finder()
    rows: list[dict[str, Any]] = []
    seen: list[tuple[Item, tuple[Face, ...]]] = []
    described: dict[str, list[npt.NDArray[Any]]] = {
        d.spec: [np.empty((0, d.length), d.dtype)] for d in plan.descriptors
    }
    shown: dict[str, list[Pixels]] = {d.view: [] for d in plan.descriptors}
    faces = held = 0

    def describe() -> None:
        nonlocal faces, held
        keys: dict[str, list[str]] = {}
        for descriptor in plan.descriptors:
            crops = shown[descriptor.view]
            if plan.cache is not None and descriptor.cacheable:
                if descriptor.view not in keys:
                    keys[descriptor.view] = [content_key(crop) for crop in crops]
                vectors = _through_cache(plan.cache, descriptor, crops, keys[descriptor.view])
            else:
                vectors = descriptor.describe_batch(crops)
            described[descriptor.spec].append(vectors)
        for crops in shown.values():
            crops.clear()
        faces = held = 0

    for found in find_faces(items, plan.search, plan.strict, finder):
        rows += found_rows(found)
        seen.append((found.item, found.faces))
        if found.picture is not None:
            for face, (view, crops) in product(found.faces, shown.items()):
                crops.append(show_face(found.picture.pixels, face, finder.eyes, view, plan.alignment))
                held += crops[-1].size // 3
        faces += len(found.faces)
        if held > CROP_BUDGET or faces >= CROP_COUNT:
            describe()
    if faces:
        describe()
    return FeatureChunk(rows, {spec: np.concatenate(parts) for spec, parts in described.items()}, seen)


def show_face(pixels: Pixels, face: Face, eyes: Eyes | None, view: str, alignment: Alignment | None = None) -> Pixels:
    """Return what a descriptor is shown of a face, by its ``view``: the crop, or the windows one below the other."""
    if view == "windows":
        windows = cut_windows(pixels, face, eyes, alignment=alignment)
        return windows.reshape(-1, *windows.shape[2:])
    crop = align_face(pixels, face, eyes, alignment)
    # A view would keep the whole photograph alive until the crop is described.
    return crop if crop.base is None or crop.size * 2 > pixels.size else crop.copy()


def cut(items: Iterable[Item], rows: int) -> Iterator[list[Item]]:
    """Yield the items in stretches of `rows`, the last one shorter, and those that hold many pixels too."""
    stretch: list[Item] = []
    held = 0
    for item in items:
        stretch.append(item)
        held += getattr(item.source, "nbytes", 0)
        if len(stretch) >= rows or held >= HELD_BYTES:
            yield stretch
            stretch, held = [], 0
    if stretch:
        yield stretch


def describe_stretches(
    manifest: Manifest, plan: Plan, jobs: int, rows: int = STREAM_ROWS
) -> Iterator[tuple[FeatureChunk, int]]:
    """Yield, in order, the chunk of each stretch of a manifest, and how many items it had."""
    tracker = Tracker()
    for chunk, items in run_stretches(enumerate(cut(manifest.items, rows)), plan, jobs, lambda chunk, _: chunk):
        follow_faces(chunk.rows, tracker)
        yield chunk, items


def follow_faces(rows: Iterable[dict[str, Any]], tracker: Tracker) -> None:
    """Set ``face_id`` in the rows of frames, so that a face keeps it from one to the next; rows come in order."""
    for (name, _), frame in groupby(rows, key=lambda row: (row["input"], row["frame"])):
        if is_video(name):
            tracker.follow(list(frame))


def run_stretches(
    stretches: Iterator[tuple[Any, list[Item]]], plan: Plan, jobs: int, use: Callable[[FeatureChunk, Any], Any]
) -> Iterator[tuple[Any, int]]:
    """Yield, in order, what `use` makes of each stretch's chunk, and how many items it had."""

    def work(stretch: tuple[Any, list[Item]]) -> tuple[Any, int]:
        key, items = stretch
        return use(describe_items(items, plan), key), len(items)

    return in_order(work, stretches, jobs)


def explain_cache(file: str, features: Sequence[str], detector: str | None = None) -> list[str]:
    """Return a line for every face of a picture and every spec: whether the cache has it, and why not.

    Raises
    ------
    PictureError
        If the picture cannot be read or has no face.
    """
    cache = FeatureCache()
    manifest, plan = plan_extraction([file], features, detector=detector)
    finder = plan.search.finder()
    lines = []
    for found in find_faces(manifest.items, plan.search, strict=True, finder=finder):
        name = found.item.input
        if found.picture is None or not found.faces:
            raise PictureError(f"{name} has no face for the detector {plan.search.detector}; try --detector none.")
        for (number, face), d in product(enumerate(found.faces), plan.descriptors):
            crop = show_face(found.picture.pixels, face, finder.eyes, d.view, plan.alignment)
            lines.append(f"{name} face {number}  {d.spec}  {cache.why(d, crop)}")
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
