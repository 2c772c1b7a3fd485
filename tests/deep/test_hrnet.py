"""HRNetV2 is the published one, with its names, and gives what plain numpy gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from deep.test_resnet import NORM, conv
from torch import nn

from hybridfer.deep import NETWORKS
from hybridfer.deep.checkpoints import fit_tensors
from hybridfer.deep.nets.hrnet import SMALL_W18, W18, HRNet, Plan, hrnet, hrnet_light
from hybridfer.errors import SpecError, WeightsError


def slim(points: int = 3) -> HRNet:
    """A network that a test can afford: widths of 2, 4, 8 and 16."""
    return hrnet_light(points=points, input_size=64, width=0.125)


@pytest.fixture(autouse=True)
def in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network ``slim-hrnet``, for the length of a test."""
    monkeypatch.setitem(NETWORKS.table, "slim-hrnet", "deep.test_hrnet:slim")


def published_names(depth: int = 4, modules: tuple[int, ...] = (1, 4, 3), blocks: int = 4) -> list[str]:
    """The names in ``HR18-WFLW.pth``, by the grammar of its code (HRNet-Facial-Landmark-Detection, f776dbe)."""

    def norm(at: str) -> list[str]:
        return [f"{at}.{name}" for name in NORM]

    def pair(at: str) -> list[str]:
        return [f"{at}.0.weight", *norm(f"{at}.1")]

    names = ["conv1.weight", *norm("bn1"), "conv2.weight", *norm("bn2")]
    for block in range(depth):
        at = f"layer1.{block}"
        for number in (1, 2, 3):
            names += [f"{at}.conv{number}.weight", *norm(f"{at}.bn{number}")]
        names += pair(f"{at}.downsample") if block == 0 else []
    names += [*pair("transition1.0"), *pair("transition1.1.0"), *pair("transition2.2.0"), *pair("transition3.3.0")]
    for stage, count in enumerate(modules, start=2):
        for module in range(count):
            at = f"stage{stage}.{module}"
            for branch in range(stage):
                for block in range(blocks):
                    for number in (1, 2):
                        where = f"{at}.branches.{branch}.{block}"
                        names += [f"{where}.conv{number}.weight", *norm(f"{where}.bn{number}")]
            for i in range(stage):
                for j in range(stage):
                    if j > i:
                        names += pair(f"{at}.fuse_layers.{i}.{j}")
                    for step in range(i - j):
                        names += pair(f"{at}.fuse_layers.{i}.{j}.{step}")
    return [*names, "head.0.weight", "head.0.bias", *norm("head.1"), "head.3.weight", "head.3.bias"]


def test_the_published_one_has_its_parameters_and_entries_and_names() -> None:
    with torch.device("meta"):
        net = hrnet()
    state = net.state_dict()
    assert sum(p.numel() for p in net.parameters()) == 9_662_528
    assert sum(b.numel() for b in net.buffers()) == 34_782
    assert len(state) == 1839
    assert sorted(state) == sorted(published_names())


@pytest.mark.parametrize(
    ("part", "parameters"),
    # Counted with the published code.
    [
        ("layer1", 286_208),
        ("transition1", 124_524),
        ("stage2", 124_092),
        ("transition2", 23_472),
        ("stage3", 2_162_880),
        ("transition3", 93_600),
        ("stage4", 6_708_636),
        ("head", 100_268),
    ],
)
def test_every_part_of_it_has_the_published_ones_parameters(part: str, parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in hrnet().get_submodule(part).parameters()) == parameters


def test_the_light_one_is_less_deep_and_has_fewer_than_two_million_parameters() -> None:
    with torch.device("meta"):
        net = hrnet_light()
        assert sorted(net.state_dict()) == sorted(published_names(1, (1, 1, 1), 2))
        assert sum(p.numel() for p in net.parameters()) < 2_000_000
        assert [len(net.stage4[0].branches[k][0].conv1.weight) for k in range(4)] == [16, 32, 64, 128]


def test_pictures_become_maps_of_a_quarter_of_their_side() -> None:
    with torch.inference_mode():
        assert hrnet_light().eval()(torch.rand(1, 3, 128, 128)).shape == (1, 98, 32, 32)
        assert slim(points=68).eval()(torch.rand(2, 3, 64, 64)).shape == (2, 68, 16, 16)


@pytest.mark.slow
def test_so_they_do_in_the_published_one() -> None:
    with torch.inference_mode():
        assert hrnet().eval()(torch.rand(1, 3, 256, 256)).shape == (1, 98, 64, 64)


def test_width_multiplies_every_number_of_channels() -> None:
    with torch.device("meta"):
        net = hrnet(width=0.5)
    assert net.conv1.weight.shape == (32, 3, 3, 3)
    assert net.layer1[0].conv2.weight.shape == (32, 32, 3, 3)
    assert [len(net.stage4[2].branches[k][3].conv2.weight) for k in range(4)] == [8, 16, 32, 64]
    assert net.head[0].weight.shape == (120, 120, 1, 1)


def enlarged(x: np.ndarray, size: int) -> np.ndarray:
    """Bilinear, corners not aligned, one axis after the other."""
    for axis in (2, 3):
        places = np.clip((np.arange(size) + 0.5) * x.shape[axis] / size - 0.5, 0, x.shape[axis] - 1)
        low = places.astype(int)
        high = np.minimum(low + 1, x.shape[axis] - 1)
        share = (places - low).reshape([-1 if k == axis else 1 for k in range(4)])
        x = np.take(x, low, axis) * (1 - share) + np.take(x, high, axis) * share
    return x


def slow_hrnet(state: dict[str, np.ndarray], plan: Plan, x: np.ndarray) -> np.ndarray:
    """The network in plain float64 numpy, from the text of SPEC 2.1: its fuse rule, its transitions, its head."""

    def relu(x: np.ndarray) -> np.ndarray:
        return np.maximum(x, 0)

    def norm(x: np.ndarray, at: str) -> np.ndarray:
        mean, var, scale, shift = (
            state[f"{at}.{n}"].reshape(-1, 1, 1) for n in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / np.sqrt(var + 1e-5) * scale + shift

    def pair(x: np.ndarray, at: str, stride: int) -> np.ndarray:
        kernel = state[f"{at}.0.weight"]
        return norm(conv(x, kernel, stride, kernel.shape[2] // 2), f"{at}.1")

    def basic(x: np.ndarray, at: str) -> np.ndarray:
        y = relu(norm(conv(x, state[f"{at}.conv1.weight"], 1, 1), f"{at}.bn1"))
        return relu(x + norm(conv(y, state[f"{at}.conv2.weight"], 1, 1), f"{at}.bn2"))

    for number in (1, 2):
        x = relu(norm(conv(x, state[f"conv{number}.weight"], 2, 1), f"bn{number}"))
    for block in range(plan.first[0]):
        at = f"layer1.{block}"
        y = x
        for number, border in ((1, 0), (2, 1), (3, 0)):
            y = norm(conv(y, state[f"{at}.conv{number}.weight"], 1, border), f"{at}.bn{number}")
            y = relu(y) if number < 3 else y
        x = relu(y + (pair(x, f"{at}.downsample", 1) if f"{at}.downsample.0.weight" in state else x))
    maps = [x]
    for stage, modules in enumerate(plan.modules, start=2):
        began = relu(pair(maps[-1], f"transition{stage - 1}.{stage - 1}.0", 2))
        if stage == 2:
            maps = [relu(pair(maps[0], "transition1.0", 1))]
        maps.append(began)
        for module in range(modules):
            for branch in range(stage):
                for block in range(plan.blocks):
                    maps[branch] = basic(maps[branch], f"stage{stage}.{module}.branches.{branch}.{block}")
            fused = []
            for i in range(stage):
                total = maps[i]
                for j in range(stage):
                    at = f"stage{stage}.{module}.fuse_layers.{i}.{j}"
                    if j > i:
                        total = total + enlarged(pair(maps[j], at, 1), maps[i].shape[2])
                    elif j < i:
                        y = maps[j]
                        for step in range(i - j):
                            y = pair(y, f"{at}.{step}", 2)
                            y = relu(y) if step < i - j - 1 else y
                        total = total + y
                fused.append(relu(total))
            maps = fused
    x = np.concatenate([enlarged(each, maps[0].shape[2]) for each in maps], axis=1)
    x = conv(x, state["head.0.weight"], 1, 0) + state["head.0.bias"].reshape(-1, 1, 1)
    return conv(relu(norm(x, "head.1")), state["head.3.weight"], 1, 0) + state["head.3.bias"].reshape(-1, 1, 1)


@pytest.mark.parametrize("plan", [SMALL_W18, Plan((2, 16), 16, (1, 2, 1), 1)])
def test_it_gives_what_plain_numpy_gives(plan: Plan) -> None:
    dice = torch.Generator().manual_seed(1)
    net = HRNet(plan, points=3, channels=3, input_size=64, width=0.125).eval()
    for tensor in net.state_dict().values():
        if tensor.ndim == 1:  # fresh norms do nothing; these do
            tensor.copy_(torch.rand(tensor.shape, generator=dice) + 0.5)
    pictures = torch.randn(2, 3, 64, 64, generator=dice)
    expected = slow_hrnet(
        {name: tensor.double().numpy() for name, tensor in net.state_dict().items()}, plan, pictures.double().numpy()
    )
    with torch.inference_mode():
        found = net(pictures).numpy()
    assert expected.std() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_every_tensor_learns_and_every_norm_remembers_a_hundredth() -> None:
    net = slim().train()
    maps = net(torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    (maps * torch.linspace(-1, 1, maps.numel()).view_as(maps)).sum().backward()
    assert [at for at, p in net.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()] == []
    assert {module.momentum for module in net.modules() if isinstance(module, nn.BatchNorm2d)} == {0.01}


def of_mmpose(state: dict[str, torch.Tensor], version: int) -> dict[str, torch.Tensor]:
    """The tensors by the names of mmpose: 0 as its checkpoint of WFLW has them, 1 as it names them since."""
    heads = {
        0: {f"head.{k}.": f"keypoint_head.final_layer.{k}." for k in (0, 1, 3)},
        1: {"head.0.": "head.conv_layers.0.", "head.1.": "head.conv_layers.1.", "head.3.": "head.final_layer."},
    }[version]
    named = {}
    for name, tensor in state.items():
        for ours, theirs in heads.items():
            if name.startswith(ours):
                named[theirs + name.removeprefix(ours)] = tensor
                break
        else:
            named[f"backbone.{name}"] = tensor
    return named


@pytest.mark.parametrize("version", [0, 1])
def test_checkpoints_of_mmpose_fit_under_its_names(version: int) -> None:
    state = slim().state_dict()
    theirs = of_mmpose(state, version)
    assert not set(theirs) & set(state)
    fitted, _ = fit_tensors(theirs, "slim-hrnet", "a.pth")
    assert sorted(fitted) == sorted(state)
    assert all(torch.equal(tensor, state[name]) for name, tensor in fitted.items())


def test_the_authors_own_names_are_left_as_they_are() -> None:
    state = slim().state_dict()
    assert list(HRNet.from_published(state)) == list(state)


def test_a_checkpoint_of_other_points_is_refused_by_the_layer_that_differs() -> None:
    state = slim(points=5).state_dict()
    with pytest.raises(WeightsError, match=r"head\.3\.weight \(5, 30, 1, 1\), expected \(3, 30, 1, 1\)"):
        fit_tensors(state, "slim-hrnet", "a.pth")


@pytest.mark.parametrize(
    ("option", "value"),
    [("points", 0), ("channels", 0), ("input_size", 100), ("input_size", 0), ("width", 0), ("width", float("nan"))],
)
@pytest.mark.parametrize("factory", [hrnet, hrnet_light])
def test_options_that_make_no_network_are_refused_by_name(factory, option: str, value: float) -> None:
    with pytest.raises(SpecError, match=f"^{option}={value} is out of range; expected"):
        factory(**{option: value})


def test_its_plans_are_the_authors() -> None:
    """HRNet-Facial-Landmark-Detection's face_alignment_wflw_hrnet_w18 and HRNet-Image-Classification's small v1."""
    assert W18 == ((4, 64), 18, (1, 4, 3), 4)
    assert SMALL_W18 == ((1, 32), 16, (1, 1, 1), 2)
