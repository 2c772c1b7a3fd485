"""CBAM and BAM weigh maps as their papers say, on a ResNet-50."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from hybridfer.deep.nets.attention import BAM, ChannelGate, SpatialGate, bam_resnet50, cbam_resnet50
from hybridfer.deep.nets.resnet import resnet50


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def randomised(module: nn.Module, seed: int = 1) -> tuple[nn.Module, dict[str, np.ndarray]]:
    """A module in evaluation whose tensors are all random, and those in double precision."""
    dice = torch.Generator().manual_seed(seed)
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=dice) + (0.2 if tensor.ndim == 1 else -0.5))
    return module.eval(), {name: tensor.double().numpy() for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize(
    ("factory", "classes", "parameters"),
    # The counts of pytorchcv's networks.
    [
        (cbam_resnet50, 7, 26_054_967),
        (cbam_resnet50, 1000, 28_089_624),
        (bam_resnet50, 7, 23_880_442),
        (bam_resnet50, 1000, 25_915_099),
    ],
)
def test_it_has_as_many_parameters_as_the_published_one(factory, classes: int, parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in factory(classes=classes).parameters()) == parameters


@pytest.mark.parametrize("factory", [cbam_resnet50, bam_resnet50])
def test_a_resnet50_s_tensors_fit_all_but_its_gates(factory) -> None:
    with torch.device("meta"):
        own, plain = factory().state_dict(), resnet50().state_dict()
    assert all(own[name].shape == tensor.shape for name, tensor in plain.items())
    assert {name.split(".")[0 if name.startswith("bam") else 2] for name in set(own) - set(plain)} <= {
        "bam1",
        "bam2",
        "bam3",
        "channel_gate",
        "spatial_gate",
    }


def test_a_channel_gate_weighs_channels_by_their_mean_and_maximum() -> None:
    gate, state = randomised(ChannelGate(32))
    x = torch.randn(2, 32, 4, 5, generator=torch.Generator().manual_seed(2))
    maps = x.double().numpy()

    def mlp(v: np.ndarray) -> np.ndarray:
        hidden = np.maximum(v @ state["mlp.0.weight"].T + state["mlp.0.bias"], 0)
        return hidden @ state["mlp.2.weight"].T + state["mlp.2.bias"]

    weights = sigmoid(mlp(maps.mean((2, 3))) + mlp(maps.max((2, 3))))
    with torch.inference_mode():
        np.testing.assert_allclose(gate(x).numpy(), maps * weights[:, :, None, None], rtol=1e-5, atol=1e-6)


def test_a_spatial_gate_weighs_places_by_maximum_and_mean_over_channels() -> None:
    gate, state = randomised(SpatialGate())
    x = torch.randn(2, 5, 9, 8, generator=torch.Generator().manual_seed(3))
    maps = x.double().numpy()
    seen = np.pad(np.stack([maps.max(1), maps.mean(1)], 1), ((0, 0), (0, 0), (3, 3), (3, 3)))
    logits = np.empty((2, 9, 8))
    for i in range(9):
        for j in range(8):
            logits[:, i, j] = (seen[:, :, i : i + 7, j : j + 7] * state["conv.weight"][0]).sum((1, 2, 3))
    scale = state["bn.weight"] / np.sqrt(state["bn.running_var"] + 1e-5)
    logits = (logits - state["bn.running_mean"]) * scale + state["bn.bias"]
    with torch.inference_mode():
        np.testing.assert_allclose(gate(x).numpy(), maps * sigmoid(logits)[:, None], rtol=1e-4, atol=1e-5)


def test_a_bam_multiplies_what_it_makes_of_channels_and_of_places() -> None:
    gate, _ = randomised(BAM(32))
    x = torch.randn(2, 32, 12, 12, generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        channels, places, found = gate.channel(x.mean((2, 3))), gate.space(x), gate(x)
    assert (channels.shape, places.shape) == ((2, 32), (2, 1, 12, 12))
    for n, c, i, j in ((0, 0, 0, 0), (1, 31, 11, 3), (0, 7, 5, 6)):
        weight = 1 + sigmoid(float(channels[n, c]) * float(places[n, 0, i, j]))
        assert float(found[n, c, i, j]) == pytest.approx(float(x[n, c, i, j]) * weight, rel=1e-5)


def test_a_bam_sees_places_nine_pixels_away_and_no_further() -> None:
    gate, _ = randomised(BAM(16))
    x = torch.zeros(1, 16, 40, 40)
    touched = x.clone()
    touched[..., 20, 20] = 1
    with torch.inference_mode():
        rows = (gate.space(x) != gate.space(touched))[0, 0].any(1).nonzero()
    assert (int(rows.min()), int(rows.max())) == (20 - 8, 20 + 8)  # two 3×3 kernels whose places lie four apart


def test_gates_stand_where_the_papers_put_them() -> None:
    with torch.device("meta"):
        cbam, bam = cbam_resnet50(), bam_resnet50()
    assert sum(isinstance(m, SpatialGate) for m in cbam.modules()) == 3 + 4 + 6 + 3
    assert [bam.get_submodule(f"bam{i}").channel[0].in_features for i in (1, 2, 3)] == [256, 512, 1024]
