"""The residual networks are those of the paper, with torchvision's names and sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hybridfer.deep.nets.resnet import resnet18, resnet34, resnet50, resnet152

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


NETWORKS = [
    (resnet18, (2, 2, 2, 2), 2),
    (resnet34, (3, 4, 6, 3), 2),
    (resnet50, (3, 4, 6, 3), 3),
    (resnet152, (3, 8, 36, 3), 3),
]
"""Each with its blocks a stage and its convolutions a block."""


def keys_of_torchvision(depths: tuple[int, ...], convolutions: int) -> list[str]:
    """The keys of torchvision's resnet18, resnet34, resnet50 and resnet152, in its order."""
    keys = ["conv1.weight", *(f"bn1.{n}" for n in NORM)]
    for stage, depth in enumerate(depths, start=1):
        for block in range(depth):
            at = f"layer{stage}.{block}"
            for conv in range(1, convolutions + 1):
                keys += [f"{at}.conv{conv}.weight", *(f"{at}.bn{conv}.{n}" for n in NORM)]
            if block == 0 and (stage > 1 or convolutions == 3):
                keys += [f"{at}.downsample.0.weight", *(f"{at}.downsample.1.{n}" for n in NORM)]
    return [*keys, "fc.weight", "fc.bias"]


def conv(x: np.ndarray, kernel: np.ndarray, stride: int, border: int) -> np.ndarray:
    """Cross-correlation, one place of the kernel at a time."""
    x = np.pad(x, ((0, 0), (0, 0), (border, border), (border, border)))
    side = (x.shape[2] - kernel.shape[2]) // stride + 1
    total = np.zeros((len(x), len(kernel), side, side))
    for i in range(kernel.shape[2]):
        for j in range(kernel.shape[3]):
            seen = x[:, :, i : i + stride * side : stride, j : j + stride * side : stride]
            total += np.einsum("nchw,oc->nohw", seen, kernel[:, :, i, j])
    return total


def slow_resnet(state: dict[str, np.ndarray], depths: tuple[int, ...], x: np.ndarray) -> dict[str, np.ndarray]:
    """The network in plain float64 numpy; what each of its layers gives, by torchvision's name."""

    def norm(x: np.ndarray, at: str) -> np.ndarray:
        mean, var, scale, shift = (
            state[f"{at}.{n}"].reshape(-1, 1, 1) for n in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / np.sqrt(var + 1e-5) * scale + shift

    out = {"conv1": conv(x, state["conv1.weight"], 2, 3)}
    out["bn1"] = norm(out["conv1"], "bn1")
    x = np.pad(np.maximum(out["bn1"], 0), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    side = (x.shape[2] - 3) // 2 + 1
    shifted = [x[:, :, i : i + 2 * side : 2, j : j + 2 * side : 2] for i in range(3) for j in range(3)]
    x = out["maxpool"] = np.max(shifted, axis=0)
    for stage, depth in enumerate(depths, start=1):
        for block in range(depth):
            at = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            if f"{at}.conv3.weight" in state:
                y = np.maximum(norm(conv(x, state[f"{at}.conv1.weight"], 1, 0), f"{at}.bn1"), 0)
                y = np.maximum(norm(conv(y, state[f"{at}.conv2.weight"], stride, 1), f"{at}.bn2"), 0)
                y = norm(conv(y, state[f"{at}.conv3.weight"], 1, 0), f"{at}.bn3")
            else:
                y = np.maximum(norm(conv(x, state[f"{at}.conv1.weight"], stride, 1), f"{at}.bn1"), 0)
                y = norm(conv(y, state[f"{at}.conv2.weight"], 1, 1), f"{at}.bn2")
            if f"{at}.downsample.0.weight" in state:
                x = norm(conv(x, state[f"{at}.downsample.0.weight"], stride, 0), f"{at}.downsample.1")
            x = out[at] = np.maximum(x + y, 0)
        out[f"layer{stage}"] = x
    out["fc"] = x.mean(axis=(2, 3)) @ state["fc.weight"].T + state["fc.bias"]
    return out


@pytest.mark.parametrize(
    ("factory", "classes", "parameters"),
    # Those of 1000 classes are torchvision's documented ones; with 7, the last layer has that many rows fewer.
    [
        (resnet18, 7, 11_180_103),
        (resnet18, 1000, 11_689_512),
        (resnet34, 7, 21_288_263),
        (resnet34, 1000, 21_797_672),
        (resnet50, 7, 25_557_032 - 993 * 2049),
        (resnet50, 1000, 25_557_032),
        (resnet152, 7, 58_158_151),
        (resnet152, 1000, 60_192_808),
    ],
)
def test_it_has_as_many_parameters_as_the_published_one(factory, classes: int, parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in factory(classes=classes).parameters()) == parameters


@pytest.mark.parametrize(("factory", "depths", "convolutions"), NETWORKS)
def test_its_parameters_have_torchvision_s_names_in_torchvision_s_order(
    factory, depths: tuple[int, ...], convolutions: int
) -> None:
    with torch.device("meta"):
        assert list(factory().state_dict()) == keys_of_torchvision(depths, convolutions)


@pytest.mark.parametrize(("factory", "depths"), [(f, depths) for f, depths, _ in NETWORKS[:3]])
def test_every_layer_gives_what_plain_numpy_gives(factory, depths: tuple[int, ...]) -> None:
    dice = torch.Generator().manual_seed(1)
    net = factory(classes=5).eval()
    for name, tensor in net.state_dict().items():
        if "bn" in name or "downsample.1" in name:  # fresh norms do nothing; these do
            tensor.copy_(torch.rand(tensor.shape, generator=dice) + 0.5)
    pictures = torch.randn(2, 3, 40, 40, generator=dice)
    state = {name: tensor.double().numpy() for name, tensor in net.state_dict().items()}
    expected = slow_resnet(state, depths, pictures.double().numpy())
    seen: dict[str, np.ndarray] = {}
    for layer in expected:
        net.get_submodule(layer).register_forward_hook(lambda m, i, o, at=layer: seen.update({at: o.numpy()}))
    with torch.inference_mode():
        net(pictures)
    assert set(seen) == set(expected)
    for layer in expected:
        np.testing.assert_allclose(seen[layer], expected[layer], rtol=1e-3, atol=1e-4 * np.abs(expected[layer]).max())


def test_classes_and_channels_change_its_ends() -> None:
    with torch.device("meta"):
        net = resnet18(classes=3, channels=1)
        assert net.conv1.weight.shape == (64, 1, 7, 7)
        assert net(torch.empty(2, 1, 48, 48)).shape == (2, 3)


def test_first_weights_are_he_s() -> None:
    torch.manual_seed(0)
    kernel = resnet18().layer2[1].conv2.weight.detach()  # 128 outputs of 3 × 3: a deviation of sqrt(2 / (128 · 9))
    assert float(kernel.mean()) == pytest.approx(0, abs=1e-3)
    assert float(kernel.std()) == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)


@pytest.mark.parametrize(
    ("size", "sides"), [(224, [56, 28, 14, 7]), (65, [17, 9, 5, 3]), (64, [64, 32, 16, 8]), (48, [48, 24, 12, 6])]
)
def test_small_pictures_keep_their_size_up_to_the_first_stage(size: int, sides: list[int]) -> None:
    with torch.device("meta"):
        net = resnet18(input_size=size)
        x, found = net.stem(torch.empty(1, 3, size, size)), []
        for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
            x = stage(x)
            found.append(x.shape[-1])
    assert found == sides


def test_width_multiplies_every_number_of_channels() -> None:
    with torch.device("meta"):
        net = resnet50(width=0.5)
        assert net.conv1.weight.shape == (32, 3, 7, 7)
        assert [net.get_submodule(f"layer{i}.0.conv2").weight.shape[0] for i in (1, 2, 3, 4)] == [32, 64, 128, 256]
        assert net.fc.weight.shape == (7, 1024)
        assert resnet18(width=0.625).fc.weight.shape == (7, 320)
