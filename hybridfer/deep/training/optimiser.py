"""What moves a network's weights, the mean of where they were, and the precision that is reckoned in."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer, RAdam
from torch.optim.swa_utils import AveragedModel

from hybridfer.deep.training.recipe import Recipe
from hybridfer.errors import TrainingError

MOMENTUM = 0.9


def create_optimiser(net: nn.Module, recipe: Recipe) -> Optimizer:
    """Return what a settled recipe moves a network's weights by; only kernels and matrices shrink."""
    wide = [p for p in net.parameters() if p.ndim > 1]
    thin = [p for p in net.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": wide, "weight_decay": recipe.weight_decay},
        {"params": thin, "weight_decay": 0.0},
    ]
    rate = recipe.rate(0)
    if recipe.optimiser == "sgd":
        return SGD(groups, lr=rate, momentum=MOMENTUM, nesterov=True)
    if recipe.optimiser == "radam":
        return RAdam(groups, lr=rate, decoupled_weight_decay=True)
    return AdamW(groups, lr=rate)


def averaged(net: nn.Module, keep: float) -> AveragedModel:
    """Return what keeps the running mean of a network's weights, and of all it remembers of pictures.

    Of the first steps it keeps less than `keep`: after k of them at most (1 + k) / (10 + k).
    """

    @torch.no_grad()
    def average(mean: Sequence[Tensor], now: Sequence[Tensor], steps: Tensor | int) -> None:
        count = int(steps)
        share = 1 - min(keep, (1 + count) / (10 + count))
        for kept, new in zip(mean, now, strict=True):
            if kept.is_floating_point():
                kept.lerp_(new, share)
            else:
                kept.copy_(new)

    return AveragedModel(net, multi_avg_fn=average, use_buffers=True)


def choose_precision(asked: str, device: str) -> str:
    """Return the precision that `asked`, one of :data:`~hybridfer.deep.training.recipe.PRECISIONS`, means on a device.

    ``auto`` is bfloat16 where the device reckons in it, float16 on other GPUs, else float32.

    Raises
    ------
    TrainingError
        If float16 is asked of a processor.
    """
    on_gpu = device != "cpu"
    if asked == "float16" and not on_gpu:
        raise TrainingError("Precision float16 is for GPUs; on the processor use bfloat16, float32 or auto.")
    if asked != "auto":
        return asked
    if on_gpu:
        return "bfloat16" if torch.cuda.get_device_capability(device) >= (8, 0) else "float16"
    fast = any(getattr(torch.cpu, name, bool)() for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return "bfloat16" if fast else "float32"


def reckoning(device: str, precision: str) -> AbstractContextManager[object]:
    """Return the context in which a network reckons in a precision."""
    kind = torch.device(device).type
    return torch.autocast(kind, getattr(torch, precision), enabled=precision != "float32")
