"""Checks of torch: its GPUs, and whether a network gives the numbers that its layers one by one give."""

from __future__ import annotations

import numpy as np
import torch

from hybridfer.deep.activations import NetworkLayer
from hybridfer.deep.device import choose_device
from hybridfer.deep.nets.resnet import resnet18
from hybridfer.deep.weights import IMAGENET_MEAN, IMAGENET_STD
from hybridfer.health.base import Note, expect
from hybridfer.health.numbers import golden

_TOLERANCE = 1e-3
"""Largest difference between two orders of the same sums, as a share of the largest value."""


def gpus(device: str) -> str:
    """Check that `device` is there, and that torch can work on every GPU it finds."""
    choose_device(device)
    if not torch.cuda.is_available():
        return Note(f"torch {torch.__version__} finds no CUDA GPU; networks work on the processor")
    names = []
    for index in range(torch.cuda.device_count()):
        # A GPU that this torch has no kernels for is listed like any other.
        total = torch.arange(8.0, device=f"cuda:{index}").square().sum().item()
        expect(total == 140, f"cuda:{index} adds the squares of 0 to 7 up to {total}, expected 140; use another GPU.")
        names.append(f"cuda:{index} {torch.cuda.get_device_name(index)}")
    return f"torch {torch.__version__}: {', '.join(names)}"


def network(device: str) -> str:
    """Check a layer of an untrained network on `device`: repeatable, and as its layers one by one on the processor.

    The layer works on tensors with channels last; the one by one have each channel's values together, so that other
    kernels of torch do the same sums.
    """
    layer = NetworkLayer(network="resnet18", layer="layer4", untrained=True).on(device)
    picture = golden()["picture"]
    vector, again = layer.describe(picture), layer.describe(picture)
    where = f"torch {torch.__version__} on {layer.device}"
    expect(np.array_equal(vector, again), f"{layer.spec} gives other bits the second time; install another {where}.")
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.default_generator.manual_seed(0)
        net = resnet18().eval()
        colours = (picture / 255 - IMAGENET_MEAN) / IMAGENET_STD
        maps = torch.from_numpy(colours.astype(np.float32).transpose(2, 0, 1)[None].copy())
        for part in (net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3, net.layer4):
            maps = part(maps)
        expected = maps.mean((2, 3))[0].numpy()
    away = np.abs(vector - expected).max() / np.abs(expected).max()
    expect(
        away <= _TOLERANCE,
        f"{layer.spec} is {away:.2g} of its largest value away from its layers one by one, expected at most "
        f"{_TOLERANCE:g}; install another {where}.",
    )
    return f"{where}: {layer.name} is finite, repeatable and {away:.1g} away from its layers one by one"
