"""The seal of a bank: check sums of every column of every row group, and of the footer, before Parquet's footer."""

from __future__ import annotations

import os
import zlib
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

SEAL = b"HyFR"
"""Stands right before the footer where check sums lie before it; what other programs write has none."""


def seal(path: str | os.PathLike[str]) -> None:
    """Put check sums of every column of every row group, and of the footer, before a Parquet file's footer.

    Parquet's own cover what is in a page, not what is said of it: flip a bit there, and other numbers come out. Readers
    find pages by the places that the footer names, so that nobody else sees these bytes.
    """
    import pyarrow.parquet as pq

    layout = pq.read_metadata(path)
    with open(path, "r+b") as file:
        columns = range(layout.num_columns)
        sums = [[chunk_sum(file, layout, g, c) for c in columns] for g in range(layout.num_row_groups)]
        footer = _footer(file)
        tail = np.array(sums, "<u4").tobytes() + footer
        file.seek(-len(footer), os.SEEK_END)
        file.write(tail[: -len(footer)] + zlib.crc32(tail).to_bytes(4, "little") + SEAL + footer)


def read_seal(path: str | os.PathLike[str]) -> npt.NDArray[np.uint32] | None:
    """Return the check sums of a file's columns, one row group after the other, or None where it is not sealed.

    Raises
    ------
    OSError
        If it is no Parquet file.
    ValueError
        If the footer, or what is said of the columns, is damaged.
    """
    import pyarrow.parquet as pq

    with open(path, "rb") as file:
        footer = _footer(file)
        file.seek(-len(footer) - 8, os.SEEK_END)
        expected, mark = file.read(4), file.read(4)
        if mark != SEAL:
            return None
        layout = pq.read_metadata(path)
        size = 4 * layout.num_row_groups * layout.num_columns
        file.seek(-len(footer) - 8 - size, os.SEEK_END)
        sums = file.read(size)
    if zlib.crc32(sums + footer).to_bytes(4, "little") != expected:
        raise ValueError("the check sum of its footer does not fit")
    return np.frombuffer(sums, "<u4").reshape(layout.num_row_groups, layout.num_columns)


def _footer(file: BinaryIO) -> bytes:
    """Return the end of a Parquet file from the first byte of its footer; OSError where that lies before the file."""
    file.seek(-8, os.SEEK_END)
    file.seek(-8 - int.from_bytes(file.read(4), "little"), os.SEEK_END)
    return file.read()


def chunk_sum(file: BinaryIO, layout: Any, group: int, column: int) -> int:
    """Return the check sum of one column of one row group as it lies in the file."""
    chunk = layout.row_group(group).column(column)
    file.seek(chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset)
    return zlib.crc32(file.read(chunk.total_compressed_size))
