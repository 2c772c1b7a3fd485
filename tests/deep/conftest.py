"""Toy networks in the table, and checkpoints of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from deep.toy_networks import ODD_TABLE, Toy

from hybridfer.deep import NETWORKS


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks ``toy`` and ``odd``, for the length of a test."""
    for name, target in ODD_TABLE.items():
        monkeypatch.setitem(NETWORKS.table, name, target)


@pytest.fixture
def toy_state() -> dict[str, torch.Tensor]:
    """Random tensors of a toy with 4 classes."""
    torch.manual_seed(3)
    state = Toy(classes=4).state_dict()
    state["norm.running_mean"] += 0.5
    return state


@pytest.fixture
def toy_file(tmp_path: Path, toy_state: dict[str, torch.Tensor]) -> Path:
    """The same as a checkpoint."""
    torch.save(toy_state, tmp_path / "toy.pt")
    return tmp_path / "toy.pt"
