"""Rows a second from a feature bank: ``FeatureBank`` against pandas and pyarrow reading the same file in one run.

A warm file is read (the operating system holds it); each reader ends with labels and a matrix that an SVM could take.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from benchmarks.common import fer_csv, in_turn, save
from hybridfer import FeatureBank, extract

SPECS = ("lbp", "hog", "sift", "gabor", "phash")


def main() -> None:
    """Measure and save."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "fer.parquet"
        extract(fer_csv(Path(name)), SPECS, path, cache=False)
        bank = FeatureBank.open(path)
        results = {}
        for spec in ("lbp", "gabor"):
            block = bank.block(spec)

            def ours(block: str = block) -> np.ndarray:
                opened = FeatureBank.open(path)
                return opened.X(block) if opened.y is not None else np.empty(0)

            def pandas(block: str = block) -> np.ndarray:
                frame = pd.read_parquet(path, columns=["label", block])
                return np.stack(frame[block].to_numpy())

            def pyarrow(block: str = block) -> np.ndarray:
                table = pq.read_table(path, columns=["label", block])
                flat = table.column(block).combine_chunks().flatten().to_numpy()
                return flat.reshape(len(table), -1)

            assert np.array_equal(ours(), pandas()) and np.array_equal(ours(), pyarrow())
            seconds = in_turn({"hybridfer": ours, "pandas": pandas, "pyarrow": pyarrow}, rounds=5)
            results[spec] = {reader: round(len(bank) / taken) for reader, taken in seconds.items()}
        save(
            "bank_reading",
            {
                "rows": len(bank),
                "bank_mb": round(path.stat().st_size / 1e6),
                "blocks_in_the_bank": len(SPECS),
                "rows_a_second": results,
                "checksums": "hybridfer verifies the check sum of every column it reads; pandas and pyarrow do not",
            },
        )


if __name__ == "__main__":
    main()
