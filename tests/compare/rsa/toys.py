"""Banks with patterns of our own choosing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hybridfer.bank.bank import FeatureBank, FeatureChunk, save_bank
from hybridfer.faces.windows import WINDOWS


def make_bank(path: Path, blocks: Mapping[str, Any], **columns: Sequence[Any]) -> FeatureBank:
    """Write a bank with these blocks ``(rows, length)``; inputs are ``0.png, 1.png …`` unless given."""
    arrays = {name: np.asarray(block, np.float64) for name, block in blocks.items()}
    count = len(next(iter(arrays.values())))
    made = {"input": [f"{i}.png" for i in range(count)], "frame": [0] * count, "face_id": [0] * count, **columns}
    rows = [{"status": "ok", **{name: values[i] for name, values in made.items()}} for i in range(count)]
    cards = {}
    for name, block in arrays.items():
        cards[name] = {"name": name, "version": 1, "length": block.shape[1], "dtype": "float64", "weights": None}
        if name.startswith("windows("):
            cards[name]["windows"] = {window: list(middle) for window, middle in WINDOWS.items()}
    own = {name: str for name in columns if name not in ("input", "label", "subject", "group", "frame", "face_id")}
    head = {"dataset": "manifest", "notes": [], "blocks": cards}
    return save_bank(path, head, own, lambda: [FeatureChunk(rows, arrays)], overwrite=True)
