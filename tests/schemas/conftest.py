"""Small tables as OpenFace and Py-Feat write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from schemas.toys import OPENFACE_1, OPENFACE_2, PYFEAT_1

MakeTable = Callable[..., Path]


@pytest.fixture
def openface(tmp_path: Path) -> MakeTable:
    """Write a table of OpenFace with so many frames; rows numbered in `lost` have no face."""

    def make(
        n: int = 4, columns: list[str] = OPENFACE_2, lost: tuple[int, ...] = (), name: str = "clip.csv", **own: list
    ) -> Path:
        random = np.random.default_rng(n)
        frame = pd.DataFrame(random.normal(0, 100, (n, len(columns))), columns=columns).round(3)
        frame["frame"], frame["timestamp"] = np.arange(1, n + 1), np.arange(n) / 25
        frame["confidence"], frame["success"] = 0.98, 1
        if "face_id" in columns:
            frame["face_id"] = 0
        for i in lost:
            frame.loc[i, "success"] = 0
            frame.loc[i, "confidence"] = 0.02
            frame.loc[i, [c for c in columns if c not in OPENFACE_2[:5]]] = 0.0
        for key, values in own.items():
            frame[key] = values
        path = tmp_path / name
        # The first version writes a space behind the commas of its header.
        between = ", " if columns is OPENFACE_1 else ","
        lines = [",".join(map(str, row)) for row in frame.astype(object).itertuples(index=False)]
        path.write_text("\n".join([between.join(frame.columns), *lines]))
        return path

    return make


@pytest.fixture
def pyfeat(tmp_path: Path) -> MakeTable:
    """Write a table of Py-Feat for such inputs; rows numbered in `lost` have no face."""

    def make(
        inputs: list[str], columns: list[str] = PYFEAT_1, lost: tuple[int, ...] = (), name: str = "fex.csv", **own: list
    ) -> Path:
        n = len(inputs)
        random = np.random.default_rng(n)
        frame = pd.DataFrame(random.uniform(0, 1, (n, len(columns))), columns=columns)
        frame["frame"] = range(n)
        for i in lost:
            frame.loc[i, [c for c in columns if c not in ("frame", "input")]] = np.nan
        frame["input"] = inputs
        if "Identity" in columns:
            frame["Identity"] = [f"Person_{i}" for i in range(n)]
        for key, values in own.items():
            frame[key] = values
        path = tmp_path / name
        frame.to_csv(path, index=False)
        return path

    return make
