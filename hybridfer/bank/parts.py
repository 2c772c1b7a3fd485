"""``OUT.parts``: the finished stretches of a bank on its way, so that a killed run is continued where it was."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hybridfer.errors import OutputError
from hybridfer.types import Item

if TYPE_CHECKING:
    import pyarrow as pa


class Parts:
    """The folder: a part is an Arrow file, written beside and renamed."""

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
