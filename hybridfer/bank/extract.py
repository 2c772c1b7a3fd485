"""Manifest times specs becomes a feature bank, written in a stream: parts first, joined when all are there."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from hybridfer.bank.describe import Plan, cut, describe_stretches, follow_faces, plan_extraction, run_stretches
from hybridfer.bank.parts import Parts
from hybridfer.errors import OutputError
from hybridfer.faces.tracks import Tracker
from hybridfer.media.video import is_video
from hybridfer.tables import check_output, open_output, replacing, write_rows
from hybridfer.types import BANK_COLUMNS, ROW_COLUMNS, Item, Manifest

if TYPE_CHECKING:
    import pyarrow as pa

PART_ROWS = 512
"""Items of one part of a bank."""


def count_text(counts: dict[str, int]) -> str:
    """Return the rows of each status in words."""
    words = {"ok": "faces", "no_face": "pictures without a face", "error": "pictures that cannot be read"}
    return ", ".join(f"{counts[status]} {word}" for status, word in words.items() if counts.get(status)) or "nothing"


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
        ``labels``, ``dataset``, ``label_set``, ``every``, ``detector``, ``faces``, ``min_face``, ``threshold``,
        ``max_faces``, ``alignment``, ``windows``, ``untrained``, ``seed``, ``device``, ``cache``, ``strict``: see
        :func:`~hybridfer.bank.describe.plan_extraction`.

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
    turn = _into_npz if form == "npz" else None
    return build_bank(manifest, plan, path, jobs=jobs, resume=resume, overwrite=overwrite, progress=progress, turn=turn)


def build_bank(
    manifest: Manifest,
    plan: Plan,
    output: str | os.PathLike[str],
    *,
    jobs: int = -1,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
    turn: Callable[[Path], None] | None = None,
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
    turn : callable, optional
        Told where the bank was written, before that takes `output`'s place; puts it into another form.

    Raises
    ------
    OutputError
        If `output` exists, another run is writing it, or parts of a killed run are there and neither `resume` nor
        `overwrite` is given.
    """
    path = check_output(output, overwrite or resume)
    blocks = {d.spec: block_card(d) for d in plan.descriptors}
    schema = bank_schema(blocks, manifest.columns)
    search = plan.search
    provenance = {
        "dataset": manifest.dataset,
        "cropped": manifest.cropped,
        "detector": search.detector,
        "detector_weights": search.finder().weights,
        "min_face": search.min_face,
        "threshold": search.threshold,
        "crop": plan.alignment.record() if search.detector != "none" else None,
        "notes": list(manifest.notes),
        "blocks": blocks,
    }
    columns = {name: kind.__name__ for name, kind in manifest.columns.items()}
    parts = Parts(path, json.dumps([provenance, search.faces, search.max_faces, columns], sort_keys=True))
    overwrite = overwrite or (resume and parts.joined())
    check_output(output, overwrite)

    def keep(chunk: FeatureChunk, key: tuple[int, str]) -> int:
        batch = to_batch(chunk, schema)
        digests, faces = row_digests(batch, blocks)
        parts.write(key, batch.replace_schema_metadata({"digests": digests, "faces": str(faces)}))
        return len(chunk.rows)

    todo = []
    known = 0

    def stretches() -> Iterator[tuple[tuple[int, str], list[Item]]]:
        nonlocal known
        for number, items in enumerate(cut(manifest.items, PART_ROWS)):
            key = (number, parts.digest(items))
            todo.append(key)
            if parts.done(key):
                known += len(items)
            else:
                yield key, items

    with parts.prepared(resume, overwrite):
        for _, n in run_stretches(stretches(), plan, jobs, keep):
            if progress is not None:
                progress(n + known)
                known = 0
        counts: Counter[str] = Counter()
        fingerprint = Fingerprint(blocks)
        for part in _followed(parts, todo):
            known_of = part.schema.metadata or {}
            digests, faces = row_digests(part, blocks) if not known_of else (known_of[b"digests"], known_of[b"faces"])
            fingerprint.add(digests, int(faces))
            counts.update(part.column("status").to_pylist())
        with replacing(path, overwrite) as beside:
            write_bank(beside, schema, provenance, fingerprint, _followed(parts, todo))
            if turn is not None:
                turn(beside)
            parts.join(beside)
        parts.remove()
    return dict(counts)


def _followed(parts: Parts, keys: Sequence[tuple[int, str]]) -> Iterator[pa.RecordBatch]:
    """Yield the parts in order, each face of a video numbered through all of them; such a part lacks its digests."""
    import pyarrow as pa

    tracker = Tracker()
    for key in keys:
        part = parts.read(key)
        if not any(map(is_video, part.column("input").unique().to_pylist())):
            yield part
            continue
        rows = part.select(list(ROW_COLUMNS)).to_pylist()
        follow_faces(rows, tracker)
        place = part.schema.get_field_index("face_id")
        numbers = pa.array([row["face_id"] for row in rows], part.schema.field(place).type)
        plain = part.replace_schema_metadata(None)
        yield plain.set_column(place, plain.schema.field(place), numbers)


def _into_npz(bank: Path) -> None:
    from hybridfer.bank.convert import write_npz

    with replacing(bank, overwrite=True) as archive:
        write_npz(FeatureBank.open(bank), archive)


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
        for chunk, items in describe_stretches(manifest, plan, jobs):
            counts.update(row["status"] for row in chunk.rows)
            if progress is not None:
                progress(items)
            yield flat_rows(chunk, form == "csv")

    blocks = {d.spec: d.length for d in plan.descriptors}
    with open_output(output, overwrite) as stream:
        write_rows(stream, form, [*names, *block_columns(blocks, form == "csv")], batches())
    return dict(counts)


def _listed(inputs: Any) -> list[str]:
    return [os.fspath(inputs)] if isinstance(inputs, (str, os.PathLike)) else [os.fspath(i) for i in inputs]
