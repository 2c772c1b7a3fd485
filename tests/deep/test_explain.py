"""Grad-CAM: where a network looks is known of one made for it; elsewhere it is what a slow reading of the paper gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from deep.corner import Corner, picture
from deep.toy_networks import Toy
from torch import nn

from hybridfer.deep.checkpoints import build_network
from hybridfer.deep.device import one_thread
from hybridfer.deep.explain import _watched, grad_cam
from hybridfer.errors import SpecError


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Small networks gain nothing by more threads, and lose much where others work beside them."""
    with one_thread():
        yield


def shown(*pictures: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2) / 255


def test_a_network_that_looks_at_one_corner_lights_there() -> None:
    heat = grad_cam(Corner().eval(), shown(picture(200, 200), picture(255, 90)))
    expected = np.zeros((8, 8))
    expected[:4, :4] = 1
    np.testing.assert_allclose(heat, [expected, expected], atol=1e-6)
    assert heat.dtype == np.float32


def test_what_speaks_against_a_class_is_not_shown() -> None:
    """Light in the corner lowers the score of ``dark``, which nothing speaks for."""
    bright = shown(picture(255))
    assert grad_cam(Corner().eval(), bright, torch.tensor([1])).max() == 1
    assert not grad_cam(Corner().eval(), bright, torch.tensor([0])).any()


def test_a_map_that_is_the_same_everywhere_is_zero_and_no_nan() -> None:
    torch.manual_seed(1)
    heat = grad_cam(Toy().eval(), torch.stack([torch.full((3, 12, 12), v) for v in (0.0, 0.3, 1.0)]))
    assert heat.shape == (3, 10, 10) and not heat.any()


class Small(nn.Module):
    """Maps, a head that mixes their places, and no other part."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 2)
        self.fc = nn.Linear(27, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.tanh(self.conv(x)).flatten(1))


@pytest.mark.parametrize("asked", [None, [2, 0, 3, 1]])
def test_it_is_what_the_paper_says_with_slopes_from_differences(asked: list[int] | None) -> None:
    torch.manual_seed(0)
    net, pictures = Small().double().eval(), torch.rand(4, 1, 4, 4).double()
    classes = net(pictures).argmax(1).tolist() if asked is None else asked
    found = grad_cam(net, pictures, None if asked is None else torch.tensor(asked), layer="conv")
    with torch.no_grad():
        maps = net.conv(pictures).numpy()
    for i, each in enumerate(classes):

        def score(A: np.ndarray, each: int = each) -> float:
            weights = net.fc.weight.detach().numpy()[each]
            return float(np.tanh(A).ravel() @ weights)

        slopes = np.empty_like(maps[i])
        for place in np.ndindex(slopes.shape):
            step = np.zeros_like(slopes)
            step[place] = 1e-5
            slopes[place] = (score(maps[i] + step) - score(maps[i] - step)) / 2e-5
        expected = np.zeros(maps[i].shape[1:])
        for k in range(len(slopes)):
            expected += slopes[k].mean() * maps[i][k]
        expected = np.maximum(expected, 0)
        spread = expected.max() - expected.min()
        np.testing.assert_allclose(found[i], (expected - expected.min()) / (spread or 1), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "maps"),
    [
        ("arm", lambda net, x: net.maps(x)),
        ("rmn18", lambda net, x: net.refined(x)[0][-1]),
        ("vgg13", lambda net, x: net.features[:-2](x)),  # without the last pooling and its dropout
    ],
)
def test_the_maps_of_a_network_are_its_last_refined_ones_included(name: str, maps: object) -> None:
    torch.manual_seed(2)
    net, pictures = build_network(name, 7, width=0.125, input_size=32), torch.rand(2, 3, 32, 32)
    _, seen = _watched(net, pictures, getattr(net, "looks_at", None))
    torch.testing.assert_close(seen, maps(net, pictures))
    assert grad_cam(net, pictures).shape == (2, *seen.shape[2:])


def test_alexnet_is_looked_into_before_its_last_pooling() -> None:
    net = build_network("alexnet-emotion", 7, width=0.125, input_size=48)
    assert grad_cam(net, torch.rand(1, 3, 48, 48)).shape == (1, 5, 5)


def test_the_network_stays_as_it_was_and_needs_no_slopes_of_its_own() -> None:
    net = Corner().eval().requires_grad_(False)
    pictures = shown(picture(255))
    grad_cam(net, pictures)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert not any(p.requires_grad for p in net.parameters()) and not pictures.requires_grad
    with torch.no_grad():
        assert grad_cam(net, pictures).max() == 1


@pytest.mark.parametrize(
    ("net", "layer", "said"),
    [
        (Corner().eval(), "lock", "has no layer 'lock'. Did you mean 'look'"),
        (Corner().eval(), "fc", "Its layer 'fc' has no maps"),
        (nn.Sequential(nn.Flatten(), nn.Linear(768, 2)).eval(), None, "The network has no maps"),
        (Corner(), None, "is in training"),
    ],
)
def test_what_cannot_be_explained_is_said(net: nn.Module, layer: str | None, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        grad_cam(net, shown(picture(255)), layer=layer)


def test_parts_within_parts_are_found_where_the_network_has_but_one() -> None:
    net = nn.Sequential(nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 7)))
    assert grad_cam(net.eval(), torch.rand(1, 3, 9, 9)).shape == (1, 7, 7)
