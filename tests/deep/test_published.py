"""Checkpoints in the layouts of those who published the networks come in, and score pictures as they did there.

The checkpoints are made here, slim: the names are those that the authors' files have, the values are random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from deep.test_arm import published as arm_published
from deep.test_resnet import keys_of_torchvision
from deep.test_rmn import published_names, twice_named
from torch import Tensor, nn

from hybridfer.deep.checkpoints import build_network
from hybridfer.deep.device import one_thread
from hybridfer.deep.weights import read_card
from hybridfer.descriptors import create_descriptor

Run = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("none_shipped")


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """The networks are too small for more threads than one."""
    with one_thread():
        yield


def learnt(network: str, classes: int = 7, **options: Any) -> nn.Module:
    """A network with values that none has at first, so that one that was not copied shows."""
    torch.manual_seed(8)
    net = build_network(network, classes, **options)
    for tensor in net.state_dict().values():
        if tensor.is_floating_point() and tensor.ndim == 1:
            tensor.uniform_(0.5, 1.5)
    return net


def crop(side: int) -> np.ndarray:
    return np.random.default_rng(9).integers(0, 256, (side, side, 3), dtype=np.uint8)


def scores(net: nn.Module, picture: np.ndarray) -> np.ndarray:
    """What a network answers to a picture ``(H, W, 3)`` of 0 to 1."""
    with torch.inference_mode():
        given: Tensor = net(torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32)))
    return given[0].numpy()


def imported(run: Run, path: Path, network: str, saved: object, *options: str) -> None:
    torch.save(saved, path)
    result = run("models", "import", path, "--network", network, *options)
    assert result.exit_code == 0, result.stderr


@pytest.mark.slow
def test_the_residual_masking_network(run: Run, tmp_path: Path) -> None:
    net = learnt("rmn", width=0.125)
    saved = twice_named(net.state_dict())
    assert set(saved) == set(published_names())
    assert len(saved) == 740
    file = tmp_path / "Z_resmasking_dropout1_rot30_2019Nov30_13.32"
    imported(run, file, "rmn", {"net": saved, "best_val_acc": 70.0}, "--labels=fer2013", "--set=width=0.125")
    card = read_card("rmn")
    assert (card.tensors, card.size, card.mean, card.std, card.grey) == (620, 224, (0, 0, 0), (1, 1, 1), True)
    assert card.labels == ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    seen = crop(224)
    # Its authors show it grey pictures as three equal channels of 0 to 1.
    grey = np.rint(seen @ [0.299, 0.587, 0.114])[..., None].repeat(3, 2) / 255
    found = create_descriptor("rmn@fc").describe(seen)
    np.testing.assert_allclose(found, scores(net, grey), rtol=1e-3, atol=0.01 * np.abs(found).max())


@pytest.mark.filterwarnings("ignore:With affinity=batch")
@pytest.mark.parametrize("old", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_amend_representation_module_in_both_forms_of_its_names(run: Run, tmp_path: Path, old: bool) -> None:
    made = {"width": 0.125, "input_size": 48}
    net = learnt("arm", **made)
    net.state_dict()["arm.affinity"][:] = net.arm.bn.bias.mean()  # what stands in for what the file lacks
    saved = {f"module.{name}": tensor for name, tensor in arm_published(net.state_dict(), old).items()}
    options = ("--set=width=0.125", "--set=input_size=48", "--labels=rafdb")
    imported(run, tmp_path / "epoch59_acc0.9205.pth", "arm", {"iter": 59, "model_state_dict": saved}, *options)
    seen = crop(48)
    found = create_descriptor("arm@fc").describe(seen)
    normal = (seen / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(found, scores(net, normal), rtol=1e-3, atol=1e-3 * np.abs(found).max())
    assert read_card("arm").labels[0] == "surprise"
    imported(run, tmp_path / "batch.pth", "arm", saved, *options, "--set=affinity=batch", "--name=as-in-the-paper")
    assert read_card("as-in-the-paper").tensors == read_card("arm").tensors - 1


@pytest.mark.parametrize(
    ("network", "depths", "convolutions"),
    [
        ("resnet18", (2, 2, 2, 2), 2),
        pytest.param("resnet34", (3, 4, 6, 3), 2, marks=pytest.mark.slow),
        pytest.param("resnet50", (3, 4, 6, 3), 3, marks=pytest.mark.slow),
        pytest.param("resnet152", (3, 8, 36, 3), 3, marks=pytest.mark.slow),
    ],
)
def test_the_residual_networks_of_torchvision(
    run: Run, tmp_path: Path, network: str, depths: tuple[int, ...], convolutions: int
) -> None:
    net = learnt(network, 1000, width=0.125)
    saved = net.state_dict()
    assert list(saved) == keys_of_torchvision(depths, convolutions)
    imported(run, tmp_path / "weights.pth", network, dict(saved), "--set=width=0.125", "--licence=BSD-3-Clause")
    seen = crop(64)
    found = create_descriptor(f"{network}@fc:size=64").describe(seen)
    normal = (seen / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(found, scores(net, normal), rtol=1e-3, atol=1e-3 * np.abs(found).max())
    assert (len(found), read_card(network).size) == (1000, 224)
