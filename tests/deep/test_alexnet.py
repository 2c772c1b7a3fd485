"""AlexNet-Emotion has the sizes that were computed for it, and gives its vectors away in training."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from hybridfer.deep.losses import create_loss
from hybridfer.deep.nets.alexnet import alexnet_emotion
from hybridfer.deep.nets.base import Answer


@pytest.mark.parametrize(
    ("options", "parameters"),
    [({}, 13_317_511), ({"fc6": 4096}, 42_025_351), ({"channels": 4}, 13_329_127)],
)
def test_it_has_as_many_parameters_as_computed(options: dict[str, int], parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in alexnet_emotion(**options).parameters()) == parameters


def test_its_maps_have_alexnet_s_sizes() -> None:
    sides: dict[str, tuple[int, ...]] = {}
    with torch.device("meta"):
        net = alexnet_emotion()
        for at in ("conv1", "pool1", "conv2", "pool2", "conv5", "pool5", "fc6", "fc7", "fc8"):
            net.get_submodule(at).register_forward_hook(lambda m, i, o, at=at: sides.update({at: tuple(o.shape[1:])}))
        net(torch.empty(1, 3, 227, 227))
    assert sides == {
        "conv1": (96, 55, 55),
        "pool1": (96, 27, 27),
        "conv2": (256, 27, 27),
        "pool2": (256, 13, 13),
        "conv5": (256, 13, 13),
        "pool5": (256, 6, 6),
        "fc6": (1024,),
        "fc7": (128,),
        "fc8": (7,),
    }


def test_in_training_it_gives_the_vectors_before_the_rectifier() -> None:
    torch.manual_seed(0)
    net = alexnet_emotion(input_size=48, width=0.25).train()
    net.drop6.p = 0.0
    pictures = torch.rand(4, 3, 48, 48)
    answer = net(pictures)
    assert isinstance(answer, Answer)
    assert answer.features.shape == (4, 128)
    assert float(answer.features.detach().min()) < 0
    torch.testing.assert_close(answer.logits, answer.features.clamp(min=0) @ net.fc8.weight.T + net.fc8.bias)
    net.eval()
    torch.testing.assert_close(net(pictures), answer.logits)
    torch.testing.assert_close(net.features(pictures), answer.features)


def test_small_pictures_are_enlarged_to_99_pixels() -> None:
    torch.manual_seed(0)
    net = alexnet_emotion(input_size=48, width=0.25).eval()
    assert net.fc6.in_features == 64 * 2 * 2
    pictures = torch.rand(2, 3, 48, 48)
    large = F.interpolate(pictures, size=(99, 99), mode="bilinear", align_corners=False)
    with torch.inference_mode():
        assert torch.equal(net(pictures), net(large))


def test_width_leaves_the_vector_its_length() -> None:
    with torch.device("meta"):
        net = alexnet_emotion(width=0.5)
    assert (net.conv1.out_channels, net.conv5.out_channels, net.fc6.out_features) == (48, 128, 512)
    assert (net.fc7.out_features, net.fc8.in_features) == (128, 128)


@pytest.mark.parametrize("name", ["cross-entropy", "island", "improved-island"])
def test_losses_take_what_it_gives(name: str) -> None:
    torch.manual_seed(0)
    net, loss = alexnet_emotion(input_size=48, width=0.125).train(), create_loss(name)
    loss(net(torch.rand(6, 3, 48, 48)), torch.tensor([0, 1, 2, 0, 1, 2])).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())
