"""The Residual Masking Network is the published one, with its names, and masks do what they say."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hybridfer.deep import NETWORKS
from hybridfer.deep.checkpoints import fit_tensors
from hybridfer.deep.nets.rmn import RMN, Mask, rmn18, rmn34
from hybridfer.errors import SpecError, WeightsError

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def slim(classes: int = 7) -> RMN:
    """A Residual Masking Network that a test can afford."""
    return rmn18(classes=classes, input_size=48, width=0.125)


@pytest.fixture(autouse=True)
def in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network ``slim-rmn``, for the length of a test."""
    monkeypatch.setitem(NETWORKS.table, "slim-rmn", "deep.test_rmn:slim")


def published_names() -> list[str]:
    """The names in the published checkpoint, as its code makes them: each mask's shortcuts are registered twice."""
    names = ["conv1.weight", *(f"bn1.{n}" for n in NORM)]
    for stage, depth in enumerate((3, 4, 6, 3), start=1):
        for block in range(depth):
            at = f"layer{stage}.{block}"
            names += [f"{at}.{part}" for c in (1, 2) for part in (f"conv{c}.weight", *(f"bn{c}.{n}" for n in NORM))]
            if stage > 1 and block == 0:
                names += [f"{at}.downsample.0.weight", *(f"{at}.downsample.1.{n}" for n in NORM)]
    names += ["fc.1.weight", "fc.1.bias"]
    blocks_and_ups = {1: (8, (5, 6, 7)), 2: (6, (4, 5)), 3: (4, (3,)), 4: (2, ())}
    for mask, (blocks, ups) in blocks_and_ups.items():
        for number in range(1, blocks + 1):
            at = f"mask{mask}.conv{number}"
            names += [f"{at}.{part}" for c in (1, 2) for part in (f"conv{c}.weight", *(f"bn{c}.{n}" for n in NORM))]
            for twin in (f"mask{mask}.downsample{number}", f"{at}.downsample"):
                names += [f"{twin}.0.weight", *(f"{twin}.1.{n}" for n in NORM)]
        for number in ups:
            at = f"mask{mask}.up_pool{number}"
            names += [f"{at}.0.weight", f"{at}.0.bias", *(f"{at}.1.{n}" for n in NORM)]
    return names


def twice_named(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A network's tensors as its published code would save them."""
    doubled = dict(state)
    for name, tensor in state.items():
        if name.startswith("mask") and ".downsample." in name:
            mask, conv, rest = name.split(".", 2)
            doubled[f"{mask}.{conv.replace('conv', 'downsample')}.{rest.removeprefix('downsample.')}"] = tensor
    return doubled


def test_it_has_as_many_parameters_as_the_published_one() -> None:
    with torch.device("meta"):
        net = rmn34()
        assert sum(p.numel() for p in net.parameters()) == 137_796_423
        masks = [sum(p.numel() for p in net.get_submodule(f"mask{i}").parameters()) for i in (1, 2, 3, 4)]
        assert masks == [32_366_080, 31_885_312, 29_965_312, 22_291_456]
        # ResNet-18 with 7 classes, and the masks.
        assert sum(p.numel() for p in rmn18().parameters()) == 11_180_103 + 116_508_160


def test_the_740_published_names_are_its_own_and_second_ones_of_the_masks_shortcuts() -> None:
    with torch.device("meta"):
        own = rmn34().state_dict()
    published = published_names()
    assert len(set(published)) == len(published) == 740
    renamed = RMN.from_published({name: torch.zeros(0) for name in published})
    assert set(renamed) == set(own)
    # The sum over the published state that the paper's table rests on: 142.9 million, shortcuts counted twice.
    counted = [RMN.from_published({n: torch.zeros(0)}) for n in published if n.endswith(("weight", "bias"))]
    assert sum(own[name].numel() for names in counted for name in names) == 142_943_431


def test_at_224_pixels_the_stages_have_the_published_shapes() -> None:
    with torch.device("meta"):
        maps, masks = rmn34().refined(torch.empty(1, 3, 224, 224))
    shapes = [(1, 64, 56, 56), (1, 128, 28, 28), (1, 256, 14, 14), (1, 512, 7, 7)]
    assert [tuple(m.shape) for m in maps] == [tuple(m.shape) for m in masks] == shapes


@pytest.mark.parametrize(
    ("size", "levels"),
    [(224, [4, 3, 2, 1]), (96, [3, 2, 1, 1]), (64, [4, 3, 2, 1]), (48, [4, 3, 2, 1]), (24, [3, 2, 1, 1])],
)
def test_masks_have_the_levels_that_their_maps_allow(size: int, levels: list[int]) -> None:
    with torch.device("meta"):
        net = rmn18(input_size=size)
        assert [net.get_submodule(f"mask{i}").levels for i in (1, 2, 3, 4)] == levels
        assert net(torch.empty(2, 3, size, size)).shape == (2, 7)


def test_a_mask_of_three_levels_is_the_published_graph() -> None:
    dice = torch.Generator().manual_seed(1)
    mask = Mask(8, 3, "softmax").eval()
    for tensor in mask.state_dict().values():
        if tensor.ndim > 1:
            tensor.copy_(torch.randn(tensor.shape, generator=dice) / tensor[0].numel() ** 0.5)
        elif tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=dice) + 0.5)
    state = mask.state_dict()

    def norm(x: Tensor, at: str) -> Tensor:
        return F.batch_norm(x, *(state[f"{at}.{n}"] for n in ("running_mean", "running_var", "weight", "bias")))

    def block(x: Tensor, at: str) -> Tensor:
        y = F.relu(norm(F.conv2d(x, state[f"{at}.conv1.weight"], padding=1), f"{at}.bn1"))
        y = norm(F.conv2d(y, state[f"{at}.conv2.weight"], padding=1), f"{at}.bn2")
        return F.relu(y + norm(F.conv2d(x, state[f"{at}.downsample.0.weight"]), f"{at}.downsample.1"))

    def up(x: Tensor, at: str) -> Tensor:
        return F.relu(norm(F.conv_transpose2d(x, state[f"{at}.0.weight"], state[f"{at}.0.bias"], stride=2), f"{at}.1"))

    x = torch.rand(2, 8, 12, 12, generator=dice)
    e1 = block(x, "conv1")
    e2 = block(F.max_pool2d(e1, 2), "conv2")
    e3 = block(F.max_pool2d(e2, 2), "conv3")
    d4 = block(torch.cat([up(e3, "up_pool4"), e2], 1), "conv4")
    d5 = block(torch.cat([up(d4, "up_pool5"), e1], 1), "conv5")
    expected = block(d5, "conv6").softmax(1)
    with torch.inference_mode():
        torch.testing.assert_close(mask(x), expected)
    assert expected.std() > 0.01
    assert expected.amax(1).median() < 0.9  # a mask that chose one channel everywhere would hide what made it


def test_maps_go_on_as_themselves_and_once_more_through_their_mask() -> None:
    net = slim().eval()
    seen: dict[str, Tensor] = {}
    for at in ("layer2", "mask2", "layer3"):
        net.get_submodule(at).register_forward_hook(lambda m, i, o, at=at: seen.update({at: o, f"into {at}": i[0]}))
    with torch.inference_mode():
        net(torch.rand(2, 3, 48, 48))
    assert torch.equal(seen["into mask2"], seen["layer2"])
    torch.testing.assert_close(seen["into layer3"], seen["layer2"] + seen["layer2"] * seen["mask2"])


def test_softmax_masks_add_to_one_over_channels_and_sigmoid_ones_need_not() -> None:
    x = torch.rand(2, 3, 48, 48)
    with torch.inference_mode():
        softmax = rmn18(input_size=48, width=0.125).eval().refined(x)[1]
        sigmoid = rmn18(input_size=48, width=0.125, mask_act="sigmoid").eval().refined(x)[1]
    for mask in softmax:
        torch.testing.assert_close(mask.sum(1), torch.ones_like(mask[:, 0]))
    for mask in sigmoid:
        assert 0.5 <= float(mask.min()) <= float(mask.max()) <= 1  # a sigmoid of what a rectifier gives
        assert float(mask.sum(1).min()) > 1


def test_without_masks_a_residual_network_remains() -> None:
    with torch.device("meta"):
        net = rmn34(mask_act="none")
        assert sum(p.numel() for p in net.parameters()) == 21_288_263
        assert net.refined(torch.empty(1, 3, 224, 224))[1] == []


def test_a_published_checkpoint_fits() -> None:
    torch.manual_seed(2)
    state = slim(classes=4).state_dict()
    for name in ("fc.1", "fc"):
        published = {at.replace("fc.1", name): tensor for at, tensor in twice_named(state).items()}
        assert len(published) == len(state) + 6 * 20
        fitted, classes = fit_tensors(published, "slim-rmn", "Z_resmasking.pt")
        assert classes == 4
        assert set(fitted) == set(state)
        assert all(torch.equal(tensor, state[at]) for at, tensor in fitted.items())


def test_two_names_of_one_tensor_that_differ_are_refused() -> None:
    published = twice_named(slim().state_dict())
    published["mask1.downsample2.0.weight"] = published["mask1.downsample2.0.weight"] + 1
    with pytest.raises(WeightsError, match=r"1 unexpected: mask1\.downsample2\.0\.weight"):
        fit_tensors(published, "slim-rmn", "Z_resmasking.pt")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_size": 50}, "input_size=50 is out of range; expected 16 or more, a multiple of 8"),
        ({"input_size": 100}, "input_size=100 is out of range; expected 16 or more, a multiple of 32"),
        ({"mask_act": "sigmod"}, "mask_act=sigmod is unknown. Did you mean 'sigmoid'? Known: softmax, sigmoid, none."),
    ],
)
def test_what_masks_cannot_be_made_of_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        rmn18(**options)
