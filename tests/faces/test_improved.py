"""MTCNN with networks of our own: a model folder becomes a detector, whatever the folder is worth."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from hybridfer.deep.nets.mtcnn import ONet
from hybridfer.deep.nets.mtcnn_improved import ImprovedPNet, OctaveRNet
from hybridfer.errors import SpecError, WeightsError
from hybridfer.faces import create_detector


def model_folder(folder: Path, of_alpha: float = 0.5, **changes: Any) -> Path:
    """A model folder as ``hybridfer train`` writes it, of random weights."""
    torch.manual_seed(0)
    nets = {"pnet": ImprovedPNet(), "rnet": OctaveRNet(of_alpha), "onet": ONet()}
    state = {f"{name}.{key}": value.half() for name, net in nets.items() for key, value in net.state_dict().items()}
    content = save(state)
    card = {
        "schema": 1,
        "name": "mtcnn-improved",
        "network": "mtcnn-improved",
        "alpha": of_alpha,
        "tensors": len(state),
    }
    card |= {"thresholds": [0.4, 0.4, 0.5], "classes": None, "labels": None, "size": 48, "mean": [0.5] * 3}
    card |= {"std": [0.5] * 3, "licence": "none", "origin": "a test", "sha256": hashlib.sha256(content).hexdigest()}
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(content)
    (folder / "card.json").write_text(json.dumps(card | changes))
    return folder


def test_a_model_folder_becomes_a_detector(tmp_path: Path, astronaut: np.ndarray) -> None:
    folder = model_folder(tmp_path / "model")
    finder = create_detector(f"mtcnn-improved:weights={folder}", min_face=100)
    assert finder.weights == json.loads((folder / "card.json").read_text())["sha256"]
    assert finder.cascade.thresholds == (0.4, 0.4, 0.5)  # type: ignore[attr-defined]
    # Random weights are about as sure of everything; what matters is that they run.
    surer = create_detector(f"mtcnn-improved:weights={folder}", min_face=100, threshold=0)
    found = surer.detect(astronaut)
    assert found and all(face.landmarks is not None and np.isfinite(face.landmarks).all() for face in found)


def test_options_reach_the_cascade(tmp_path: Path) -> None:
    finder = create_detector(f"mtcnn-improved:weights={model_folder(tmp_path / 'model')},factor=0.5", threshold=0.9)
    assert finder.cascade.factor == 0.5 and finder.cascade.thresholds[2] == 0.9  # type: ignore[attr-defined]
    with pytest.raises(SpecError, match="mtcnn-improved has threshold 2; expected 0 to 1"):
        create_detector(f"mtcnn-improved:weights={tmp_path / 'model'}", threshold=2)


def test_weights_replaced_meanwhile_are_read_again(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", of_alpha=0.5)
    first = create_detector(f"mtcnn-improved:weights={folder}")
    folder.rename(tmp_path / "old")
    second = create_detector(f"mtcnn-improved:weights={model_folder(tmp_path / 'model', of_alpha=0.25)}")
    assert first.weights != second.weights


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "resnet18"}, "holds no weights of mtcnn-improved"),
        ({"thresholds": [0.6, 0.7]}, "holds no weights of mtcnn-improved"),
        ({"alpha": None}, "holds no weights of mtcnn-improved"),
        ({"alpha": 0.25}, "holds no weights of mtcnn-improved"),
        ({"sha256": "0" * 64}, "was changed or damaged"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    folder = model_folder(tmp_path / "model", **changes)
    with pytest.raises(WeightsError, match=message):
        create_detector(f"mtcnn-improved:weights={folder}")


def test_weights_that_are_not_there_are_said() -> None:
    with pytest.raises(WeightsError, match="No weights named 'elsewhere' are installed"):
        create_detector("mtcnn-improved:weights=elsewhere")
    with pytest.raises(WeightsError, match="There is no folder runs/elsewhere of weights"):
        create_detector("mtcnn-improved:weights=runs/elsewhere")
