"""Only kernels shrink, the mean follows the weights, and precision is what the device reckons in."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hybridfer.deep.training.optimiser import averaged, choose_precision, create_optimiser, reckoning
from hybridfer.deep.training.recipe import OPTIMISERS, Recipe
from hybridfer.errors import TrainingError


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3))


@pytest.mark.parametrize("name", OPTIMISERS)
def test_without_gradients_kernels_shrink_and_vectors_stay(name: str) -> None:
    """Decoupled or not, a weight w with no gradient moves by -lr * decay * w at the first step; SGD with Nesterov's
    momentum by 1.9 times that."""
    made = net()
    recipe = Recipe(optimiser=name, lr=0.1, weight_decay=0.2, warmup=0).settled(
        "kl", normalised=True, precision="float32"
    )
    before = {key: p.detach().clone() for key, p in made.named_parameters()}
    for p in made.parameters():
        p.grad = torch.zeros_like(p)
    create_optimiser(made, recipe).step()
    kept = 1 - 0.1 * 0.2 * (1.9 if name == "sgd" else 1)
    for key, p in made.named_parameters():
        torch.testing.assert_close(p.detach(), before[key] * (kept if p.ndim > 1 else 1), rtol=1e-5, atol=1e-7)


def test_the_mean_follows_fast_at_first_and_slowly_later() -> None:
    """By hand: after k steps it keeps min(keep, (1 + k) / (10 + k)); the first step is taken as it is."""
    made = net()
    mean = averaged(made, 0.25)
    weight, running = made[0].weight, made[1].running_mean
    assert isinstance(running, torch.Tensor)
    values = [1.0, 5.0, 9.0, -3.0, 2.0]
    expected = values[0]
    for step, value in enumerate(values):
        with torch.no_grad():
            weight.fill_(value)
            running.fill_(value)
            made[1].num_batches_tracked.fill_(step)  # type: ignore[operator]
        mean.update_parameters(made)
        if step:
            keep = min(0.25, (1 + step) / (10 + step))
            expected = keep * expected + (1 - keep) * value
        torch.testing.assert_close(mean.module[0].weight, torch.full_like(weight, expected))
        torch.testing.assert_close(mean.module[1].running_mean, torch.full_like(running, expected))
        assert int(mean.module[1].num_batches_tracked) == step
    assert float(weight.detach().flatten()[0]) == 2  # the network itself goes its own way


def test_precision_is_chosen_by_the_device_and_never_by_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for fast, chosen in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda fast=fast: fast, raising=False)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
        assert choose_precision("auto", "cpu") == chosen
    for capability, chosen in (((7, 5), "float16"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, has=capability: has)
        assert choose_precision("auto", "cuda:0") == chosen
    assert choose_precision("float32", "cuda") == "float32" and choose_precision("float16", "cuda") == "float16"
    with pytest.raises(TrainingError, match="float16 is for GPUs"):
        choose_precision("float16", "cpu")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_networks_reckon_in_it(precision: str) -> None:
    with reckoning("cpu", precision):
        assert net()[3](torch.ones(1, 2)).dtype == getattr(torch, precision)
