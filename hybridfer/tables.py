"""Rows out: one table in CSV, JSON lines or Parquet, to stdout or to a file that is never half written."""

from __future__ import annotations

import csv
import glob
import io
import json
import math
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from hybridfer.errors import OutputError, did_you_mean

if TYPE_CHECKING:
    from filelock import BaseFileLock

ENDINGS = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".npz": "npz",
    ".mat": "mat",
    ".txt": "text",
    ".html": "html",
}


def guess_format(output: str | None, fmt: str | None, allowed: Sequence[str], default: str) -> str:
    """Return the format to write: `fmt` if given, else by `output`'s ending, else `default` for stdout.

    Raises
    ------
    OutputError
        If the format is not among `allowed`, or a file's ending names none of them.
    """
    if fmt is None:
        if output is None or output == "-":
            return default
        fmt = ENDINGS.get(Path(output).suffix.lower(), "")
        if fmt not in allowed:
            endings = ", ".join(sorted(e for e, f in ENDINGS.items() if f in allowed))
            raise OutputError(f"{output} has no known ending; expected one of {endings}, or say --format.")
    if fmt not in allowed:
        raise OutputError(f"No format {fmt!r} here.{did_you_mean(fmt, allowed)} Known: {', '.join(allowed)}.")
    return fmt


def check_output(output: str | os.PathLike[str], overwrite: bool, folder: Collection[str] = ()) -> Path:
    """Return `output` as a path that may be written.

    Parameters
    ----------
    output : str or path
    overwrite : bool
        Whether it may be replaced if it exists.
    folder : collection of str
        What a folder is written with; none for a file. Replacing a folder deletes it, and ``-o .`` is easily typed, so
        one that holds anything else is never replaced.

    Raises
    ------
    OutputError
        If it exists and `overwrite` is False, is something that must not be replaced, or its own folder does not exist.
    """
    # A link stays a link: what it points to is replaced.
    path = Path(os.path.realpath(output))
    if path.is_dir():
        if not folder:
            raise OutputError(f"{output} is a folder; expected the name of a file.")
        others = sorted(set(os.listdir(path)) - set(folder))
        if others:
            raise OutputError(
                f"{output} holds other things than {', '.join(folder)} ({others[0]}), so it is not replaced; "
                "name a new folder."
            )
    elif path.exists() and not path.is_file():
        raise OutputError(f"{output} is no regular file, so nothing can take its place; choose another name.")
    elif path.exists() and folder:
        raise OutputError(f"{output} is a file, and this is written as a folder; choose another name.")
    if path.exists() and not overwrite:
        raise OutputError(f"{output} exists; add --overwrite to replace it, or choose another name.")
    if not path.parent.is_dir():
        raise OutputError(f"{path.parent} is not a folder, so {path.name} cannot be written there; make it first.")
    return path


def check_card(output: str | os.PathLike[str], key: str, kind: str, what: str) -> None:
    """Raise OutputError if a folder is not ours to replace, whatever its files are called: its card must say `kind`.

    One that is not there, or is empty, is no matter. `what` names in the error what was looked for.
    """
    if not os.path.isdir(output) or not os.listdir(output):
        return
    try:
        card = json.loads((Path(output) / "card.json").read_bytes())
    except (OSError, ValueError):
        card = None
    if not isinstance(card, dict) or card.get(key) != kind:
        raise OutputError(f"{output} has no card of {what}, so it is not replaced; name a new folder.")


def report_target(
    output: str | os.PathLike[str], overwrite: bool, what: str, files: tuple[str, ...], endings: tuple[str, ...]
) -> tuple[Path, tuple[str, ...]]:
    """Return where a report may be written to, and the files of its folder; none where it is one file by its ending.

    Parameters
    ----------
    output : str or path
    overwrite : bool
        Whether it may be replaced if it exists.
    what : str
        What is written, as an error begins with it: ``An evaluation``.
    files : tuple of str
        What its folder holds.
    endings : tuple of str
        Of the forms that are one file.

    Raises
    ------
    OutputError
        If it exists and `overwrite` is False, is a folder that holds other things, or has the ending of another form.
    """
    path = Path(output)
    ending = path.suffix.lower()
    if ending in ENDINGS.keys() - set(endings):
        forms = " or ".join(f"FILE{each}" for each in endings)
        raise OutputError(f"{what} is written as {forms} or into a folder; {path} is neither.")
    folder = () if ending in endings else files
    return check_output(path, overwrite, folder), folder


@contextmanager
def replacing(output: str | os.PathLike[str], overwrite: bool, folder: Collection[str] = ()) -> Iterator[Path]:
    """Yield a name beside `output` to write a file or folder to; it takes `output`'s place when all went well.

    A run that is killed leaves the old file or none, never half of one; what it left beside is thrown away by the next
    that writes `output`. Of two runs at once the last one wins.

    Raises
    ------
    OutputError
        If `output` cannot be written, see :func:`check_output`.
    """
    path = check_output(output, overwrite, folder)
    try:
        place, lock = _workplace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}; check the folder's permissions.") from None
    beside, old = place / "new", place / "old"
    try:
        yield beside
        if path.is_dir():
            path.rename(old)
        beside.replace(path)
    except OSError as error:
        if error.errno is None:
            raise
        raise unwritable(str(path), error) from error
    finally:
        if old.is_dir() and not path.exists():
            old.rename(path)
        shutil.rmtree(place, ignore_errors=True)
        lock.release()


def _workplace(path: Path) -> tuple[Path, BaseFileLock]:
    """Return a new hidden folder beside `path` and the lock that shows it is in use; those of dead runs are removed."""
    from filelock import Timeout

    for left in path.parent.glob(f".{glob.escape(path.name)}.????????.tmp"):
        lock = run_lock(left)
        with suppress(OSError):
            lock.acquire(timeout=0)
            shutil.rmtree(left)
        lock.release()
    while True:
        place = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
        lock = run_lock(place)
        try:
            lock.acquire(timeout=0)
        except (Timeout, FileNotFoundError):
            continue  # another run took it for a dead one's, a moment before it had its lock
        except OSError:
            pass  # a file system without locks, where nobody removes it either
        return place, lock


def run_lock(folder: Path) -> BaseFileLock:
    """Return the lock, not yet acquired, of a folder that one run works in; the system frees it when the run dies."""
    from filelock import FileLock

    return FileLock(folder / "lock", thread_local=False)


def discard(folder: Path, output: Path) -> None:
    """Remove a folder that a run worked in for `output`; if the run dies meanwhile, the next removes what is left."""
    hidden = output.with_name(f".{output.name}.{secrets.token_hex(4)}.tmp")
    folder.rename(hidden)
    shutil.rmtree(hidden)


def unwritable(name: str, error: OSError) -> OutputError:
    """Return the error of an output that the system would not take."""
    return OutputError(f"{name} cannot be written: {os.strerror(error.errno or 0)}; is the disk full?")


@contextmanager
def open_output(output: str | None, overwrite: bool = False) -> Iterator[TextIO]:
    """Yield a text stream: stdout for None or ``-``, else a file that takes its place when all was written.

    A device or pipe, such as ``/dev/stdout``, is written to as it is.

    Names of files that are not valid UTF-8 leave as the bytes they came as.
    """
    if output is None or output == "-":
        stream = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", errors="surrogateescape", newline="")
        try:
            yield stream
            stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise unwritable("Standard output", error) from error
        finally:
            # The reader may have gone, or the disk be full; what is still in the buffer can then go nowhere.
            with suppress(OSError):
                stream.detach()
    elif os.path.exists(output) and not os.path.isfile(output) and not os.path.isdir(output):
        try:
            with open(output, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
                yield stream
        except BrokenPipeError:
            raise
        except OSError as error:
            raise unwritable(output, error) from error
    else:
        with (
            replacing(output, overwrite) as beside,
            open(beside, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream,
        ):
            yield stream


def json_line(value: Any) -> str:
    """Return `value` as one line of JSON; NaN and infinities become null, arrays lists."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)


def escape_surrogates(line: str) -> str:
    """Return JSON text whose undecodable bytes stand as ``\\udcxx``, which JSON readers accept."""
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        return "".join(f"\\u{ord(c):04x}" if 0xD800 <= ord(c) <= 0xDFFF else c for c in line)
    return line


def write_rows(
    stream: TextIO, fmt: str, columns: Sequence[str], batches: Iterable[Iterable[Mapping[str, Any]]]
) -> None:
    """Write rows as ``csv`` or ``jsonl`` to a stream, flushing after every batch.

    Parameters
    ----------
    stream : TextIO
        As :func:`open_output` yields it.
    fmt : {"csv", "jsonl"}
    columns : sequence of str
        In order; a value a row lacks is empty in CSV and null in JSON.
    batches : iterable of iterables of mappings
        Rows, in groups that are written together.
    """
    if fmt == "csv":
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
    for batch in batches:
        for row in batch:
            if fmt == "csv":
                writer.writerow([_cell(row.get(name)) for name in columns])
            else:
                stream.write(escape_surrogates(json_line({name: row.get(name) for name in columns})) + "\n")
        stream.flush()


def write_parquet(
    output: str | None,
    columns: Sequence[str],
    batches: Iterable[Iterable[Mapping[str, Any]]],
    *,
    overwrite: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write rows as a Parquet file; they are held in memory until the last is there.

    Parameters
    ----------
    output : str
        A file's name.
    columns, batches
        As :func:`write_rows`.
    overwrite : bool
        Replace the file if it exists.
    metadata : mapping of str to str, optional
        Put into the schema.

    Raises
    ------
    OutputError
        If the output is stdout, exists, or cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if output is None or output == "-":
        raise OutputError("A parquet file cannot go to standard output; name it with -o.")
    with replacing(output, overwrite) as beside:
        rows = [row for batch in batches for row in batch]
        table = pa.table({name: [_parquet_cell(row.get(name)) for row in rows] for name in columns})
        pq.write_table(table.replace_schema_metadata(metadata), beside)


def _parquet_cell(value: Any) -> Any:
    return readable(value) if isinstance(value, str) else value


def readable(text: str) -> str:
    """Return text that is valid UTF-8: bytes of a file's name that are not stand as ``\\xff``."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return value


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _finite(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
