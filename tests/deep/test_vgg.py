"""VGG-19 is torchvision's, VGG-13 is that of FER+."""

from __future__ import annotations

import pytest
import torch

from hybridfer.deep.nets.vgg import vgg13, vgg19


def parameters(layers: list[tuple[int, int, int]]) -> int:
    """Parameters of layers of so many inputs, outputs and places of their kernel, with biases."""
    return sum(outputs * (inputs * places + 1) for inputs, outputs, places in layers)


def test_vgg19_has_as_many_parameters_as_the_published_one() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in vgg19().parameters()) == 139_598_919
        assert sum(p.numel() for p in vgg19(classes=1000).parameters()) == 143_667_240  # as torchvision documents


def test_vgg19_has_torchvision_s_names() -> None:
    convolutions = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
    names = [f"features.{i}" for i in convolutions] + [f"classifier.{i}" for i in (0, 3, 6)]
    with torch.device("meta"):
        assert list(vgg19().state_dict()) == [f"{at}.{part}" for at in names for part in ("weight", "bias")]


def test_vgg13_has_the_layers_of_fer_plus() -> None:
    convolutions = [(1, 64), (64, 64), (64, 128), (128, 128), (128, 256), *[(256, 256)] * 5]
    linear = [(256 * 4 * 4, 1024, 1), (1024, 1024, 1), (1024, 8, 1)]
    with torch.device("meta"):
        net = vgg13(channels=1)
        expected = parameters([(i, o, 9) for i, o in convolutions] + linear)
        assert sum(p.numel() for p in net.parameters()) == expected
        assert net(torch.empty(2, 1, 64, 64)).shape == (2, 8)
    assert 34 < 4 * expected / 1e6 < 36  # the authors' network is a file of "34 MB" in single precision
    dropouts = [m.p for m in net.modules() if isinstance(m, torch.nn.Dropout)]
    assert dropouts == [0.25, 0.25, 0.25, 0.25, 0.5, 0.5]


@pytest.mark.parametrize(("factory", "size", "read"), [(vgg19, 48, 512), (vgg19, 64, 2048), (vgg13, 48, 2304)])
def test_its_first_linear_layer_reads_the_maps_that_pictures_of_its_size_leave(factory, size: int, read: int) -> None:
    with torch.device("meta"):
        net = factory(input_size=size)
        assert net.features(torch.empty(1, 3, size, size)).flatten(1).shape[1] == read
        assert net.classifier[0].in_features == read


def test_width_multiplies_every_number_of_channels() -> None:
    with torch.device("meta"):
        net = vgg13(width=0.5)
    assert [m.out_channels for m in net.features if isinstance(m, torch.nn.Conv2d)] == [32, 32, 64, 64, *[128] * 6]
    assert [net.classifier[i].out_features for i in (0, 3, 6)] == [512, 512, 8]
