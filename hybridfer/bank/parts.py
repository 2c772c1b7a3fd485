"""``OUT.parts``: the finished stretches of a bank on its way, so that a killed run is continued where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hybridfer.errors import OutputError
from hybridfer.tables import discard, run_lock, unwritable
from hybridfer.types import Item

if TYPE_CHECKING:
    import pyarrow as pa


class Parts:
    """The folder: a part is an Arrow file, written beside and renamed. It is held by a lock while a run works in it.

    Parameters
    ----------
    output : Path
        The bank on its way.
    plan : str
        All that decides, besides the items, what is in a part.
    """

    def __init__(self, output: Path, plan: str) -> None:
        self.output = output
        self.folder = output.with_name(output.name + ".parts")
        self.plan = plan
        self.lock = run_lock(self.folder)

    @contextmanager
    def prepared(self, resume: bool, overwrite: bool) -> Iterator[Self]:
        """Make the folder this run's own until the end of the block; what is done is kept for `resume`.

        Raises
        ------
        OutputError
            If another run works in it, or parts of a dead one are there and neither `resume` nor `overwrite` is given.
        """
        from filelock import Timeout

        left = self.folder.exists()
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.folder} cannot be made: {error.strerror}; check its parent.") from None
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            raise OutputError(
                f"Another run is writing {self.output}; wait for it to end, or choose another name."
            ) from None
        except OSError:
            pass  # a file system without locks: nothing can be known of other runs
        try:
            if left and not resume:
                if not overwrite:
                    raise OutputError(
                        f"{self.folder} holds the parts of an extraction that did not end; add --resume to continue it "
                        "or --overwrite to start afresh."
                    )
                for pattern in ("*.arrow", "*.tmp"):
                    for file in self.folder.glob(pattern):
                        file.unlink()
            yield self
        finally:
            self.lock.release()

    def digest(self, items: Sequence[Item]) -> str:
        """Return a hash of the items, of the files they come from and the plan: a part is reused only for the same."""
        known = [
            [i.input, i.frame, i.timestamp, i.label, i.split, i.subject, i.group, dict(i.extra), _stamp(i)]
            for i in items
        ]
        return hashlib.sha256((self.plan + json.dumps(known)).encode()).hexdigest()

    def file(self, key: tuple[int, str]) -> Path:
        return self.folder / f"{key[0]:08d}-{key[1][:32]}.arrow"

    def done(self, key: tuple[int, str]) -> bool:
        """Return whether a part is there, and whole: a machine that lost power may leave it empty."""
        import pyarrow as pa

        try:
            self.read(key)
        except (OSError, pa.ArrowException):
            return False
        return True

    def write(self, key: tuple[int, str], batch: pa.RecordBatch) -> None:
        import pyarrow as pa

        file = self.file(key)
        beside = file.with_suffix(".tmp")
        try:
            with pa.OSFile(str(beside), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
                writer.write_batch(batch)
            beside.replace(file)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise OutputError(f"{unwritable(str(file), error)} Make room; --resume then continues.") from None

    def read(self, key: tuple[int, str]) -> pa.RecordBatch:
        import pyarrow as pa

        with pa.memory_map(str(self.file(key))) as source:
            return pa.ipc.open_file(source).get_batch(0)

    def join(self, file: Path) -> None:
        """Note that `file`, which is about to become the output, holds all the parts."""
        (self.folder / "joined").write_text(_identity(file))

    def joined(self) -> bool:
        """Return whether the output is what these parts became: the run died before it removed them."""
        try:
            return (self.folder / "joined").read_text() == _identity(self.output)
        except OSError:
            return False

    def remove(self) -> None:
        discard(self.folder, self.output)


def _identity(file: Path) -> str:
    """Return what stays the same of a file when it is renamed."""
    status = file.stat()
    return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns}"


def _stamp(item: Item) -> object:
    """Return what shows whether the file behind an item has changed; None where its source cannot say."""
    stamp = getattr(item.source, "stamp", None)
    return None if stamp is None else stamp()
