"""The feature bank: one Parquet file with a row for every face and every input without one, a column for every block.

The file needs no hybridfer to be read: blocks are fixed-size lists in the descriptor's own dtype, named by their
canonical spec; what they were made with stands as JSON in the schema's metadata under ``hybridfer``. Two banks are
equal when their fingerprints are: a SHA-256 over contents, row by row, whatever the file's layout.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hybridfer import __version__
from hybridfer.bank.seal import chunk_sum, read_seal, seal
from hybridfer.descriptors.base import Descriptor
from hybridfer.errors import BankError, did_you_mean
from hybridfer.faces.align import Alignment
from hybridfer.faces.windows import WINDOWS
from hybridfer.spec import WRAPPERS
from hybridfer.tables import readable, replacing
from hybridfer.types import BANK_COLUMNS, Face, Item

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SCHEMA = 1
"""Version of the file's schema; raised when a reader of the old one would go wrong."""

METADATA_KEY = b"hybridfer"

_BATCH = 1024

_BATCH_BYTES = 1 << 24
"""Of features in a batch that is read: long blocks come in fewer rows, for decoding takes many times their bytes."""

OPENCV = ("opencv-contrib-python", "opencv-contrib-python-headless", "opencv-python", "opencv-python-headless")
"""OpenCV's distributions, which have the same numbers; a server without a screen has a headless one."""

_NUMBERS = {"frame": "int32", "face_id": "int32"}
_TEXTS = frozenset({"input", "status", "error", "sha256", "label", "split", "subject", "group"})
_KINDS: dict[type, str] = {int: "int64", float: "float64", str: "string"}


@dataclass
class FeatureChunk:
    """Some rows of a bank on their way: every input's row, and the features of those with a face.

    Attributes
    ----------
    rows : list of dict
        Column to value, :data:`~hybridfer.types.BANK_COLUMNS` and the user's own.
    blocks : dict of str to (n_ok, length) array
        Canonical spec to the features of the rows whose status is ``ok``, in order.
    faces : sequence of (Item, tuple of Face)
        The items whose rows these are, and what was found in each; empty where the rows are read from a bank.
    """

    rows: list[dict[str, Any]]
    blocks: dict[str, npt.NDArray[Any]]
    faces: Sequence[tuple[Item, tuple[Face, ...]]] = ()

    @property
    def ok(self) -> list[int]:
        """Positions in ``rows`` of those that have features."""
        return [i for i, row in enumerate(self.rows) if row["status"] == "ok"]


def block_card(descriptor: Descriptor) -> dict[str, Any]:
    """Return what a bank records about the making of a block; one of windows says which, and their middles in order."""
    windows = {"windows": {name: list(middle) for name, middle in WINDOWS.items()}}
    return {
        "name": descriptor.name,
        "version": descriptor.version,
        "length": descriptor.length,
        "dtype": str(descriptor.dtype),
        "libraries": {name: library_version(name) for name in descriptor.libraries},
        "weights": descriptor.weights_sha256,
        **(windows if descriptor.view == "windows" else {}),
    }


def library_version(name: str) -> str:
    """Return the installed version of a distribution; of OpenCV's, whichever is there.

    Raises
    ------
    PackageNotFoundError
        If it is not installed.
    """
    from importlib.metadata import PackageNotFoundError, version

    for other in OPENCV if name in OPENCV else (name,):
        with suppress(PackageNotFoundError):
            return version(other)
    raise PackageNotFoundError(name)


def first_word(block: str) -> str:
    """Return a block's name without its options: ``lbp``, ``resnet18@layer3`` or ``windows(lbp)``.

    Examples
    --------
    >>> first_word("windows(lbp:grid=7,points=8,radius=1,size=48)")
    'windows(lbp)'
    """
    before, bracket, inner = block.partition("(")
    return f"{before}({first_word(inner)})" if bracket and before in WRAPPERS else block.split(":")[0]


def bank_schema(blocks: Mapping[str, Mapping[str, Any]], columns: Mapping[str, type]) -> pa.Schema:
    """Return the Arrow schema of a bank with these blocks and user's columns."""
    import pyarrow as pa

    fields = []
    for name in BANK_COLUMNS:
        kind = "string" if name in _TEXTS else _NUMBERS.get(name, "float64")
        fields.append(pa.field(name, pa.type_for_alias(kind)))
    fields += [pa.field(name, pa.type_for_alias(_KINDS[kind])) for name, kind in columns.items()]
    for name, card in blocks.items():
        values = pa.from_numpy_dtype(np.dtype(card["dtype"]))
        fields.append(pa.field(name, pa.list_(values, card["length"])))
    return pa.schema(fields)


def to_batch(chunk: FeatureChunk, schema: pa.Schema) -> pa.RecordBatch:
    """Return a chunk as an Arrow record batch; rows without features hold null there."""
    import pyarrow as pa

    n, ok = len(chunk.rows), chunk.ok
    missing = np.ones(n, bool)
    missing[ok] = False
    arrays = []
    for column in schema:
        if column.name in chunk.blocks:
            features = chunk.blocks[column.name]
            if len(ok) < n:
                spread = np.zeros((n, features.shape[1]), features.dtype)
                spread[ok] = features
                features = spread
            mask = pa.array(missing) if len(ok) < n else None
            flat = pa.array(np.ascontiguousarray(features).reshape(-1))
            arrays.append(pa.FixedSizeListArray.from_arrays(flat, type=column.type, mask=mask))
        else:
            values = [row.get(column.name) for row in chunk.rows]
            if pa.types.is_string(column.type):
                values = [None if v is None else readable(str(v)) for v in values]
            arrays.append(pa.array(values, column.type))
    return pa.record_batch(arrays, schema=schema)


def block_columns(lengths: Mapping[str, int], spread: bool) -> list[str]:
    """Return the columns that blocks have in a table: ``spec[i]`` for every value if `spread`, else one a block."""
    if not spread:
        return list(lengths)
    return [f"{name}[{i}]" for name, length in lengths.items() for i in range(length)]


def flat_rows(chunk: FeatureChunk, spread: bool) -> list[dict[str, Any]]:
    """Return a chunk's rows with their features as values: one a column if `spread`, else a list a block."""
    rows = [dict(row) for row in chunk.rows]
    for name, features in chunk.blocks.items():
        for i, vector in zip(chunk.ok, features.tolist(), strict=True):
            rows[i].update({f"{name}[{j}]": v for j, v in enumerate(vector)} if spread else {name: vector})
    return rows


def matrix(column: pa.FixedSizeListArray) -> npt.NDArray[Any]:
    """Return a block's column as ``(n_ok, length)``; rows without features are left out."""
    flat: npt.NDArray[Any] = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(-1, column.type.list_size)


class Fingerprint:
    """SHA-256 over the contents of a bank, row by row in order, not over the bytes of its file.

    Two banks have equal fingerprints when their blocks have equal names, versions, dtypes and weights and every row
    has equal columns and bit-equal features.
    """

    def __init__(self, blocks: Mapping[str, Mapping[str, Any]]) -> None:
        kept = {name: [blocks[name][k] for k in ("version", "length", "dtype", "weights")] for name in blocks}
        self._hash = hashlib.sha256(json.dumps(kept, sort_keys=True).encode())
        self.rows = self.faces = 0

    def add(self, digests: bytes, faces: int) -> None:
        """Add rows by their digests (:func:`row_digests`), `faces` of which have features."""
        self._hash.update(digests)
        self.rows += len(digests) // 32
        self.faces += faces

    @property
    def head(self) -> dict[str, Any]:
        """What the bank records of its contents: ``rows``, ``faces`` and ``fingerprint``."""
        return {"rows": self.rows, "faces": self.faces, "fingerprint": f"sha256:{self._hash.hexdigest()}"}


def row_digests(batch: pa.RecordBatch, blocks: Iterable[str]) -> tuple[bytes, int]:
    """Return the SHA-256 of every row, 32 bytes each, and how many of them have features."""
    names = sorted(blocks)
    rows = batch.select([name for name in batch.schema.names if name not in names]).to_pylist()
    features = [np.ascontiguousarray(matrix(batch.column(name))) for name in names]
    digests = []
    taken = 0
    for row in rows:
        digest = hashlib.sha256(json.dumps(row, sort_keys=True).encode())
        if row["status"] == "ok":
            for vectors in features:
                digest.update(vectors[taken].data)
            taken += 1
        digests.append(digest.digest())
    return b"".join(digests), taken


def write_bank(
    path: str | os.PathLike[str],
    schema: pa.Schema,
    provenance: Mapping[str, Any],
    fingerprint: Fingerprint,
    batches: Iterable[pa.RecordBatch],
) -> None:
    """Write a bank in a stream: memory holds one batch, whatever the number of rows.

    Parameters
    ----------
    path : path
        Where to; usually a name beside the final one (:func:`hybridfer.tables.replacing`).
    schema : pyarrow.Schema
        From :func:`bank_schema`.
    provenance : mapping
        What the bank records of its making, ``blocks`` among it.
    fingerprint : Fingerprint
        Of all the rows: Parquet wants the head before the first of them.
    batches : iterable of pyarrow.RecordBatch
    """
    import pyarrow.parquet as pq

    head = {"schema": SCHEMA, "hybridfer": __version__, **provenance, **fingerprint.head}
    blocks = provenance["blocks"]
    texts = [f.name for f in schema if f.name not in blocks]
    # Parquet gives a byte four, unless it looks its 256 values up.
    bytes_of = [f"{name}.list.element" for name, card in blocks.items() if card["dtype"] == "uint8"]
    with pq.ParquetWriter(
        path,
        schema.with_metadata({METADATA_KEY: json.dumps(head, ensure_ascii=False)}),
        # Features hardly shrink, and snappy writes them twice as fast as zstd.
        compression="snappy",
        use_dictionary=[*texts, *bytes_of],
        write_statistics=texts,
        write_page_checksum=True,
    ) as file:
        for batch in batches:
            file.write_batch(batch)
    seal(path)


def save_bank(
    output: str | os.PathLike[str],
    provenance: Mapping[str, Any],
    columns: Mapping[str, type],
    chunks: Callable[[], Iterable[FeatureChunk]],
    overwrite: bool = False,
) -> FeatureBank:
    """Write a bank of chunks that can be made twice, and return it: Parquet wants the fingerprint before the rows.

    Parameters
    ----------
    output : path
        The Parquet file to write.
    provenance : mapping
        What the bank records of its making, ``blocks`` among it.
    columns : mapping of str to type
        The user's own columns.
    chunks : callable
        Yields the rows from the first on, each time it is called.
    overwrite : bool
        Replace the file if it exists.

    Raises
    ------
    OutputError
        If `output` exists and `overwrite` is False, or it cannot be written.
    """
    blocks = provenance["blocks"]
    schema = bank_schema(blocks, columns)
    fingerprint = Fingerprint(blocks)
    for chunk in chunks():
        fingerprint.add(*row_digests(to_batch(chunk, schema), blocks))
    with replacing(output, overwrite) as beside:
        write_bank(beside, schema, provenance, fingerprint, (to_batch(chunk, schema) for chunk in chunks()))
    return FeatureBank.open(output)


@dataclass(frozen=True)
class FeatureBank:
    """A feature bank that has been opened; nothing is read until it is asked for.

    ``X`` and ``y`` and ``column`` hold the rows with a face, in the same order; ``rows`` holds every row.

    Examples
    --------
    >>> bank = FeatureBank.open("faces.parquet")        # doctest: +SKIP
    >>> bank.X("lbp").shape, bank.y[:2]                 # doctest: +SKIP
    ((200, 2891), array(['face', 'face'], dtype=object))
    """

    path: Path
    provenance: Mapping[str, Any] = field(repr=False)
    column_names: tuple[str, ...] = field(repr=False)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> FeatureBank:
        """Return the bank at `path`.

        Raises
        ------
        BankError
            If there is no such file, it is cut, was not written by hybridfer, or by a newer one.
        """
        provenance, names = _read_head(Path(path))
        return cls(Path(path), provenance, tuple(n for n in names if n not in provenance["blocks"]))

    @property
    def blocks(self) -> dict[str, dict[str, Any]]:
        """Canonical spec to what the block was made with: name, version, length, dtype, libraries, weights."""
        return dict(self.provenance["blocks"])

    @property
    def fingerprint(self) -> str:
        """``sha256:…`` over contents: equal for equal banks, whatever wrote them."""
        return str(self.provenance["fingerprint"])

    @property
    def crop(self) -> dict[str, Any] | None:
        """How faces were cut out (:class:`~hybridfer.faces.align.Alignment`); None where pictures were taken whole.

        What a bank of an earlier hybridfer leaves out is filled in.
        """
        recorded = self.provenance.get("crop")
        return None if recorded is None else Alignment.of(recorded).record()

    def __len__(self) -> int:
        return int(self.provenance["faces"])

    def block(self, name: str) -> str:
        """Return the canonical spec of the block that `name` (a spec, or its first word) means.

        Raises
        ------
        BankError
            If no block or more than one answers to it.
        """
        blocks = list(self.blocks)
        if name in blocks:
            return name
        found = [block for block in blocks if first_word(block) == name]
        if len(found) == 1:
            return found[0]
        if found:
            raise BankError(f"{self.path} has several blocks named {name!r}; say which: {', '.join(found)}.")
        from hybridfer.descriptors import create_descriptor
        from hybridfer.errors import HybridferError

        try:
            canonical = create_descriptor(name).spec
        except HybridferError:
            canonical = name
        if canonical in blocks:
            return canonical
        hint = did_you_mean(name, [*blocks, *map(first_word, blocks)])
        raise BankError(f"{self.path} has no block {name!r}.{hint} It has: {', '.join(blocks)}.")

    def X(self, name: str) -> npt.NDArray[Any]:
        """Return the ``(faces, length)`` features of a block in its own dtype; `name` as in :meth:`block`."""
        block = self.block(name)
        card = self.blocks[block]
        features: npt.NDArray[Any] = np.empty((len(self), card["length"]), card["dtype"])
        filled = 0
        for batch in self.batches([block]):
            part = matrix(batch.column(0))
            features[filled : filled + len(part)] = part
            filled += len(part)
        if filled != len(self):
            raise BankError(
                f"{self.path} has {filled} faces and its head says {len(self)}, so another program changed it; "
                "extract it again."
            )
        return features

    @property
    def y(self) -> npt.NDArray[np.object_]:
        """The labels ``(faces,)`` as text; None where a face has none."""
        return self.column("label")

    def column(self, name: str) -> npt.NDArray[Any]:
        """Return one column for the rows with a face ``(faces,)``, as objects; None where a value is unknown.

        Raises
        ------
        BankError
            If there is no such column.
        """
        if name not in self.column_names:
            hint = did_you_mean(name, self.column_names)
            raise BankError(f"{self.path} has no column {name!r}.{hint} It has: {', '.join(self.column_names)}.")
        status: list[str] = []
        values: list[Any] = []
        for batch in self.batches(["status", name] if name != "status" else ["status"]):
            status += batch.column(0).to_pylist()
            values += batch.column(batch.num_columns - 1).to_pylist()
        kept = [v for v, s in zip(values, status, strict=True) if s == "ok"]
        found = np.empty(len(kept), object)
        found[:] = kept
        return found

    def rows(self) -> list[dict[str, Any]]:
        """Return every row without its features, inputs without a face included."""
        return [row for batch in self.batches(self.column_names) for row in batch.to_pylist()]

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the file's record batches with the given columns, all by default, in order.

        Raises
        ------
        BankError
            If the file is damaged.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            sums = read_seal(self.path)
            file = pq.ParquetFile(self.path, page_checksum_verification=sums is None)
            with file, self.path.open("rb") as raw:
                layout = file.metadata
                names = file.schema_arrow.names if columns is None else list(columns)
                places = [file.schema_arrow.names.index(name) for name in names]
                cards = [self.blocks[name] for name in names if name in self.blocks]
                width = sum(card["length"] * np.dtype(card["dtype"]).itemsize for card in cards)
                at_once = max(1, min(_BATCH, _BATCH_BYTES // max(1, width)))
                for group in range(layout.num_row_groups):
                    # A row group is checked before its first row is decoded.
                    for place in places:
                        if sums is not None and sums[group, place] != chunk_sum(raw, layout, group, place):
                            raise ValueError(f"the check sum of {file.schema_arrow.names[place]} does not fit")
                    missing = layout.row_group(group).num_rows
                    for batch in file.iter_batches(at_once, [group], names, use_threads=False):
                        missing -= batch.num_rows
                        # Parquet gives columns in the file's order; ours is the caller's.
                        yield batch.select(names)
                    if missing:
                        raise ValueError("rows are missing")
        except (pa.ArrowException, OSError, ValueError) as error:
            raise BankError(f"{self.path} is damaged ({_first_line(error)}); extract it again.") from None

    def to_pandas(self) -> pd.DataFrame:
        """Return the whole bank as a pandas data frame; a block's cell is an array."""
        try:
            import pandas  # noqa: F401
        except ImportError:
            raise BankError("to_pandas() needs pandas; install hybridfer[pandas].") from None
        import pyarrow as pa
        import pyarrow.parquet as pq

        return pa.Table.from_batches(self.batches(), pq.read_schema(self.path)).to_pandas()


def is_bank(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is Parquet with a feature bank's head."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return read_seal(path) is not None or METADATA_KEY in (pq.read_schema(path).metadata or {})
    except (pa.ArrowException, OSError):
        return False
    except ValueError:
        return True  # damaged, as opening it will say


def _read_head(path: Path) -> tuple[dict[str, Any], list[str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        raise BankError(f"There is no feature bank {path}; make it with hybridfer extract … -o {path}.")
    try:
        read_seal(path)
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise BankError(f"{path} is not a whole Parquet file ({_first_line(error)}); extract it again.") from None
    except ValueError as error:
        raise BankError(f"{path} is damaged ({error}); extract it again.") from None
    metadata = schema.metadata or {}
    if METADATA_KEY not in metadata:
        raise BankError(f"{path} is Parquet but no feature bank: it lacks hybridfer's head. Use hybridfer extract.")
    try:
        head = json.loads(metadata[METADATA_KEY])
        version = int(head["schema"])
        if version <= SCHEMA:
            _ = head["blocks"], head["faces"], head["fingerprint"], head["rows"]
    except (ValueError, KeyError, TypeError) as error:
        raise BankError(f"{path} has a damaged head ({error!r}); extract it again.") from None
    if version > SCHEMA:
        raise BankError(
            f"{path} has bank schema {version}; this hybridfer {__version__} reads up to {SCHEMA}. Upgrade hybridfer."
        )
    lost = [name for name in (*BANK_COLUMNS, *head["blocks"]) if name not in schema.names]
    if lost:
        raise BankError(f"{path} lacks the columns {', '.join(lost)} that its head names; extract it again.")
    if rows != head["rows"]:
        raise BankError(
            f"{path} has {rows} rows and its head says {head['rows']}, so another program changed it; extract it again."
        )
    return head, list(schema.names)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
