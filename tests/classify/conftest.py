"""A bank made by the real writer, of numbers made here: classes that can be told apart, with subjects and splits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridfer import FeatureBank
from hybridfer.bank.bank import FeatureChunk, Fingerprint, bank_schema, row_digests, to_batch, write_bank
from hybridfer.types import BANK_COLUMNS

LBP = "lbp:grid=7,points=8,radius=1,size=48"
HOG = "hog:block=2,cell=8,orientations=9,size=48"

MakeBank = Callable[..., FeatureBank]


def card(name: str, length: int, **changed: Any) -> dict[str, Any]:
    """What a bank records of a block."""
    libraries = {"opencv-contrib-python": "4.14.0"}
    return {
        "name": name,
        "version": 1,
        "length": length,
        "dtype": "float32",
        "libraries": libraries,
        "weights": None,
        **changed,
    }


def features(labels: Sequence[str | None], length: int, seed: int, apart: float = 1.5) -> np.ndarray:
    """Positive numbers about a centre for each label."""
    random = np.random.default_rng(seed)
    centres = {label: random.uniform(0, apart, length) for label in sorted({str(label) for label in labels})}
    return np.stack([centres[str(label)] + random.uniform(0, 1, length) for label in labels]).astype(np.float32)


@pytest.fixture
def make_bank(tmp_path: Path) -> MakeBank:
    """Write a bank of rows with these labels and open it."""

    def make(
        labels: Sequence[str | None],
        *,
        blocks: Mapping[str, np.ndarray] | None = None,
        cards: Mapping[str, Mapping[str, Any]] | None = None,
        faceless: int = 0,
        name: str = "bank.parquet",
        head: Mapping[str, Any] | None = None,
        own: Mapping[str, Sequence[Any]] | None = None,
        **columns: Sequence[Any],
    ) -> FeatureBank:
        n = len(labels)
        if blocks is None:
            blocks = {LBP: features(labels, 12, 1), HOG: features(labels, 20, 2)}
        made = {spec: card(spec.split(":")[0], X.shape[1], **(cards or {}).get(spec, {})) for spec, X in blocks.items()}
        own = own or {}
        rows = []
        for i in range(n + faceless):
            row: dict[str, Any] = dict.fromkeys(BANK_COLUMNS)
            row |= {"input": f"{i}.png", "frame": 0, "status": "ok" if i < n else "no_face", "sha256": f"sha{i}"}
            row["label"] = labels[i] if i < n else None
            row |= {key: values[i] for key, values in {**columns, **own}.items() if i < n}
            rows.append(row)
        schema = bank_schema(made, {key: type(values[0]) for key, values in own.items()})
        batch = to_batch(FeatureChunk(rows, dict(blocks)), schema)
        fingerprint = Fingerprint(made)
        fingerprint.add(*row_digests(batch, made))
        provenance = {"dataset": "toy", "cropped": False, "detector": "none", "crop": None, "notes": [], "blocks": made}
        path = tmp_path / name
        write_bank(path, schema, {**provenance, **(head or {})}, fingerprint, [batch])
        return FeatureBank.open(path)

    return make


@pytest.fixture
def bank(make_bank: MakeBank) -> FeatureBank:
    """90 faces of 15 subjects and three classes."""
    return make_bank(["anger", "fear", "neutral"] * 30, subject=[f"s{i // 6}" for i in range(90)])
