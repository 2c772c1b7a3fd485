"""Manifest times specs becomes a feature bank: decode once, find the face, crop, describe, write in a stream.

The work is cut into stretches of items. Each is described by one thread and, on its way into a bank, kept in
``OUT.parts/`` until all are there and can be joined, so that a killed run is continued where it was. Pixels never
outlive the few crops that are described together.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from hybridfer.bank.bank import (
    FeatureBank,
    FeatureChunk,
    Fingerprint,
    bank_schema,
    block_card,
    block_columns,
    flat_rows,
    row_digests,
    to_batch,
    write_bank,
)
from hybridfer.bank.cache import FeatureCache, content_key
from hybridfer.datasets.inputs import read_inputs
from hybridfer.descriptors import create_descriptor
from hybridfer.descriptors.base import Descriptor
from hybridfer.errors import OutputError, PictureError, SpecError
from hybridfer.faces import DEFAULT_DETECTOR, Detector, create_detector
from hybridfer.faces.align import EYES, crop_face
from hybridfer.tables import check_output, open_output, replacing, write_rows
from hybridfer.types import BANK_COLUMNS, Face, Item, Manifest, Pixels

if TYPE_CHECKING:
    import pyarrow as pa

PART_ROWS = 512
"""Items of one part of a bank."""

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


def count_text(counts: dict[str, int]) -> str:
    """Return the rows of each status in words."""
    words = {"ok": "faces", "no_face": "pictures without a face", "error": "pictures that cannot be read"}
    return ", ".join(f"{counts[status]} {word}" for status, word in words.items() if counts.get(status)) or "nothing"


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
        else read_inputs(inputs, labels=labels, dataset=dataset, nul=nul, stdin=stdin)
    )
    chosen = choose_detector(manifest, detector)
    create_detector(chosen, min_face)
    return manifest, Plan(made, chosen, faces, min_face, FeatureCache() if cache else None, strict)


def extract(
    inputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Manifest,
    features: Sequence[str],
    output: str | os.PathLike[str],
    *,
    jobs: int = -1,
    resume: bool = False,
    overwrite: bool = False,
    **options: Any,
) -> FeatureBank:
    """Describe every face of the inputs and return the feature bank that was written.

    Parameters
    ----------
    inputs : path, sequence of paths, or Manifest
        Files, folders, globs, manifests or data sets.
    features : sequence of str
        Feature specs, such as ``["lbp", "hog:cell=8"]``.
    output : path
        The Parquet file to write.
    jobs, resume, overwrite
        As the options of ``hybridfer extract``.
    **options
        ``labels``, ``dataset``, ``detector``, ``faces``, ``min_face``, ``untrained``, ``seed``, ``device``, ``cache``,
        ``strict``: as the options of the same names, see :func:`plan_extraction`.

    Raises
    ------
    HybridferError
        If a spec, data set or detector is unknown, or the output cannot be written. A picture that cannot be read is
        a row with ``status`` ``error``, not an exception, unless ``strict``.

    Examples
    --------
    >>> bank = extract("photos/", ["lbp", "hog"], "faces.parquet")      # doctest: +SKIP
    """
    named = inputs if isinstance(inputs, Manifest) else _listed(inputs)
    manifest, plan = plan_extraction(named, features, **options)
    build_bank(manifest, plan, output, jobs=jobs, resume=resume, overwrite=overwrite)
    return FeatureBank.open(output)


def extract_to(
    manifest: Manifest,
    plan: Plan,
    output: str | None,
    form: str,
    *,
    jobs: int = -1,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Describe a manifest's items into a file or stdout, and return how many rows have each status.

    Parameters
    ----------
    form : {"parquet", "npz", "csv", "jsonl"}
        A bank, its arrays, or rows as they come, with each block as a list (JSON) or a column a value (CSV).

    Raises
    ------
    OutputError
        If a bank is to go to stdout, or `resume` is asked of rows as they come.
    """
    if form in ("csv", "jsonl"):
        if resume:
            raise OutputError(f"--resume continues a bank, not {form} rows; use -o OUT.parquet.")
        return _stream_rows(manifest, plan, output, form, jobs, overwrite, progress)
    if output in (None, "-"):
        raise OutputError(f"A {form} file cannot go to standard output; name it with -o.")
    path = Path(str(output))
    if form == "parquet":
        return build_bank(manifest, plan, path, jobs=jobs, resume=resume, overwrite=overwrite, progress=progress)
    from hybridfer.bank.convert import write_npz

    check_output(path, overwrite)
    beside = path.with_name(path.name + ".parquet")
    counts = build_bank(manifest, plan, beside, jobs=jobs, resume=resume, overwrite=True, progress=progress)
    with replacing(path, overwrite) as target:
        write_npz(FeatureBank.open(beside), target)
    beside.unlink()
    return counts


def _stream_rows(
    manifest: Manifest,
    plan: Plan,
    output: str | None,
    form: str,
    jobs: int,
    overwrite: bool,
    progress: Callable[[int], None] | None,
) -> dict[str, int]:
    counts: Counter[str] = Counter()
    names = [*BANK_COLUMNS, *manifest.columns]

    def batches() -> Iterator[list[dict[str, Any]]]:
        for chunk, items in _run(_stretches(manifest.items, STREAM_ROWS), plan, jobs, lambda chunk, _: chunk):
            counts.update(row["status"] for row in chunk.rows)
            if progress is not None:
                progress(items)
            yield flat_rows(chunk, form == "csv")

    blocks = {d.spec: d.length for d in plan.descriptors}
    with open_output(output, overwrite) as stream:
        write_rows(stream, form, [*names, *block_columns(blocks, form == "csv")], batches())
    return dict(counts)


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
    return (chunk for chunk, _ in _run(_stretches(manifest.items, chunk_rows), plan, jobs, lambda chunk, _: chunk))


def build_bank(
    manifest: Manifest,
    plan: Plan,
    output: str | os.PathLike[str],
    *,
    jobs: int = -1,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Describe a manifest's items, write the bank, and return how many rows have each status.

    Parameters
    ----------
    manifest : Manifest
    plan : Plan
    output : path
        A Parquet file; ``OUT.parts/`` beside it holds what is done until all is.
    jobs : int
        Threads; -1 for one a core.
    resume : bool
        Continue from ``OUT.parts/``.
    overwrite : bool
        Replace `output`, and throw parts of a killed run away.
    progress : callable, optional
        Told how many items are done, a stretch at a time.

    Raises
    ------
    OutputError
        If `output` exists, or parts of a killed run do and neither `resume` nor `overwrite` is given.
    """
    path = check_output(output, overwrite)
    blocks = {d.spec: block_card(d) for d in plan.descriptors}
    schema = bank_schema(blocks, manifest.columns)
    provenance = {
        "dataset": manifest.dataset,
        "cropped": manifest.cropped,
        "detector": plan.detector,
        "min_face": plan.min_face,
        "crop": {"eyes": EYES} if plan.detector != "none" else None,
        "notes": list(manifest.notes),
        "blocks": blocks,
    }
    parts = _Parts(path.with_name(path.name + ".parts"), json.dumps(provenance, sort_keys=True))
    parts.prepare(resume, overwrite)

    def keep(chunk: FeatureChunk, key: tuple[int, str]) -> int:
        batch = to_batch(chunk, schema)
        digests, faces = row_digests(batch, blocks)
        parts.write(key, batch.replace_schema_metadata({"digests": digests, "faces": str(faces)}))
        return len(chunk.rows)

    todo = []
    known = 0

    def stretches() -> Iterator[tuple[tuple[int, str], list[Item]]]:
        nonlocal known
        for number, (_, items) in enumerate(_stretches(manifest.items, PART_ROWS)):
            key = (number, parts.digest(items))
            todo.append(key)
            if parts.done(key):
                known += len(items)
            else:
                yield key, items

    for _, n in _run(stretches(), plan, jobs, keep):
        if progress is not None:
            progress(n + known)
            known = 0
    counts: Counter[str] = Counter()
    fingerprint = Fingerprint(blocks)
    for key in todo:
        part = parts.read(key)
        fingerprint.add(part.schema.metadata[b"digests"], int(part.schema.metadata[b"faces"]))
        counts.update(part.column("status").to_pylist())
    with replacing(path, overwrite) as beside:
        write_bank(beside, schema, provenance, fingerprint, (parts.read(key) for key in todo))
    parts.remove()
    return dict(counts)


class _Parts:
    """The folder ``OUT.parts``: finished stretches of a bank, each an Arrow file written beside and renamed."""

    def __init__(self, folder: Path, plan: str) -> None:
        self.folder = folder
        self.plan = plan

    def prepare(self, resume: bool, overwrite: bool) -> None:
        if self.folder.exists() and not resume:
            if not overwrite:
                raise OutputError(
                    f"{self.folder} holds the parts of an extraction that did not end; add --resume to continue it "
                    "or --overwrite to start afresh."
                )
            shutil.rmtree(self.folder)
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.folder} cannot be made: {error.strerror}; check its parent.") from None

    def digest(self, items: Sequence[Item]) -> str:
        """Return a hash of the items and the plan: a part is reused only for the same of both."""
        known = [[i.input, i.frame, i.timestamp, i.label, i.split, i.subject, i.group, dict(i.extra)] for i in items]
        return hashlib.sha256((self.plan + json.dumps(known)).encode()).hexdigest()

    def file(self, key: tuple[int, str]) -> Path:
        return self.folder / f"{key[0]:08d}-{key[1][:32]}.arrow"

    def done(self, key: tuple[int, str]) -> bool:
        return self.file(key).is_file()

    def write(self, key: tuple[int, str], batch: pa.RecordBatch) -> None:
        import pyarrow as pa

        file = self.file(key)
        beside = file.with_suffix(".tmp")
        try:
            with pa.OSFile(str(beside), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
                writer.write_batch(batch)
            beside.replace(file)
        except OSError as error:
            raise OutputError(f"{file} cannot be written: {error}; is the disk full? --resume continues.") from None

    def read(self, key: tuple[int, str]) -> pa.RecordBatch:
        import pyarrow as pa

        with pa.memory_map(str(self.file(key))) as source:
            return pa.ipc.open_file(source).get_batch(0)

    def remove(self) -> None:
        shutil.rmtree(self.folder)


def _listed(inputs: Any) -> list[str]:
    return [os.fspath(inputs)] if isinstance(inputs, (str, os.PathLike)) else [os.fspath(i) for i in inputs]


def _stretches(items: Iterable[Item], rows: int) -> Iterator[tuple[int, list[Item]]]:
    stream = iter(items)
    number = 0
    while stretch := list(islice(stream, rows)):
        yield number, stretch
        number += 1


def _run(
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
