"""The Amend Representation Module is the published one, but that a picture's scores are its own."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import Tensor

from hybridfer.deep import NETWORKS
from hybridfer.deep.checkpoints import fit_tensors
from hybridfer.deep.nets.arm import ARM, Amend, arm
from hybridfer.errors import SpecError, WeightsError

SLIM = {"input_size": 48, "width": 0.125}
"""Of which the last stage keeps 256 maps, which become one."""


def slow_amend(state: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """The module in evaluation, one pixel and one window at a time."""
    count, inputs, size, _ = x.shape
    outputs = inputs // 256
    laid = np.zeros((count, outputs, 16 * size, 16 * size))
    for o in range(outputs):
        for h in range(size):
            for w in range(size):
                for r in range(16):
                    for s in range(16):
                        laid[:, o, 16 * h + r, 16 * w + s] = x[:, o * 256 + r * 16 + s, h, w]
    side = (16 * size - 32) // 8 + 1
    kernel = state["de_albino.weight"][0, 0]
    read = np.zeros((count, outputs, side, side))
    for i in range(side):
        for j in range(side):
            read[:, :, i, j] = (laid[:, :, 8 * i : 8 * i + 32, 8 * j : 8 * j + 32] * kernel).sum((2, 3))
    mean, var, scale, shift = (
        state[f"bn.{n}"][:, None, None] for n in ("running_mean", "running_var", "weight", "bias")
    )
    read = (read - mean) / np.sqrt(var + 1e-5) * scale + shift
    return (read.mean(1) + state["alpha"][0] * state["affinity"]).reshape(count, -1)


def published(state: dict[str, Tensor], old: bool = False) -> dict[str, Tensor]:
    """A network's tensors as the published code saves them, or as it did before May 2021."""
    places = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}
    saved = {}
    for name, tensor in state.items():
        head, rest = name.split(".", 1)
        if head in places:
            name = f"features.{places[head]}.{rest}"
        elif old:
            name = name.replace("arm.de_albino", "element_attention_x.elm").replace("arm.bn", "element_attention_x.bn")
        if name != "arm.affinity":
            saved[name] = tensor
    return saved


def test_it_has_the_published_tensors() -> None:
    with torch.device("meta"):
        net = arm()
        assert sum(p.numel() for p in net.parameters()) == 11_178_395
        shapes = {name: tuple(t.shape) for name, t in net.state_dict().items() if name.startswith(("arm", "fc"))}
    assert shapes == {
        "arm.alpha": (1,),
        "arm.affinity": (1, 11, 11),
        "arm.de_albino.weight": (1, 1, 32, 32),
        "arm.bn.weight": (2,),
        "arm.bn.bias": (2,),
        "arm.bn.running_mean": (2,),
        "arm.bn.running_var": (2,),
        "arm.bn.num_batches_tracked": (),
        "fc.weight": (7, 121),
        "fc.bias": (7,),
    }


@pytest.mark.parametrize(
    ("size", "width", "channels", "read"),
    # ((16 H / 32 - 32) / 8 + 1) squared; at 48 pixels the last map has 6, which become 96, of which 9 by 9 are read.
    [(224, 1, 2, 121), (160, 1, 2, 49), (48, 1, 2, 81), (48, 0.5, 1, 81), (48, 0.25, 1, 81), (64, 1, 2, 169)],
)
def test_sizes_and_widths(size: int, width: float, channels: int, read: int) -> None:
    with torch.device("meta"):
        net = arm(input_size=size, width=width)
        assert net(torch.empty(2, 3, size, size)).shape == (2, 7)
    assert (net.arm.bn.num_features, net.fc.in_features) == (channels, read)


def test_it_gives_what_plain_loops_give() -> None:
    dice = torch.Generator().manual_seed(1)
    amend = Amend(512, 3, affinity="ema", arrangement=True, de_albino=True).eval()
    for tensor in amend.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=dice) + 0.1)
    x = torch.randn(3, 512, 3, 3, generator=dice)
    expected = slow_amend({n: t.double().numpy() for n, t in amend.state_dict().items()}, x.double().numpy())
    with torch.inference_mode():
        np.testing.assert_allclose(amend(x).numpy(), expected, rtol=1e-4, atol=1e-4)
        last = x.contiguous(memory_format=torch.channels_last)
        np.testing.assert_allclose(amend(last).numpy(), expected, rtol=1e-4, atol=1e-4)


def test_evaluation_uses_the_running_mean_of_what_batches_had_in_common() -> None:
    torch.manual_seed(0)
    amend = Amend(256, 4, affinity="ema", arrangement=True, de_albino=True).train()
    batches = [torch.randn(6, 256, 4, 4) for _ in range(2)]
    expected = torch.zeros(1, 5, 5)
    for batch in batches:
        with torch.no_grad():
            out = amend(batch)  # x + alpha times the mean of x, with alpha 1: its mean is twice that of x
        expected = 0.9 * expected + 0.1 * out.mean(0).reshape(1, 5, 5) / 2
    torch.testing.assert_close(amend.affinity, expected)
    amend.eval()
    with torch.no_grad():
        before = amend(batches[0])
        amend.affinity += 1
        torch.testing.assert_close(amend(batches[0]), before + amend.alpha)


def test_scores_depend_on_company_only_where_asked_to() -> None:
    pictures = torch.rand(4, 3, 48, 48)
    for affinity, alike in (("ema", True), ("none", True), ("batch", False)):
        torch.manual_seed(0)
        if affinity == "batch":
            with pytest.warns(UserWarning, match="With affinity=batch a picture's scores depend on which others"):
                net = arm(**SLIM, affinity=affinity)
        else:
            net = arm(**SLIM, affinity=affinity)
        with torch.no_grad():
            net.train()(pictures)
            net.eval()
            close = torch.allclose(net(pictures)[:1], net(pictures[:1]), rtol=1e-3, atol=1e-4)
        assert close == alike


def test_in_training_batch_and_running_mean_do_the_same() -> None:
    maps = torch.randn(4, 256, 3, 3)
    found = []
    with pytest.warns(UserWarning, match="affinity=batch"):
        for affinity in ("ema", "batch"):
            torch.manual_seed(0)
            found.append(Amend(256, 3, affinity=affinity, arrangement=True, de_albino=True).train()(maps))
    torch.testing.assert_close(*found)


def test_without_affinity_nothing_of_others_is_added() -> None:
    amend = Amend(256, 3, affinity="none", arrangement=True, de_albino=True).train()
    maps = torch.randn(4, 256, 3, 3)
    with torch.no_grad():
        torch.testing.assert_close(amend(maps), amend.bn(amend.de_albino(amend.arrangement(maps))).mean(1).flatten(1))
    assert {name.split(".")[0] for name in amend.state_dict()} == {"de_albino", "bn"}


def test_without_de_albino_windows_are_averaged() -> None:
    torch.manual_seed(0)
    plain = Amend(256, 3, affinity="none", arrangement=True, de_albino=False).eval()
    amend = Amend(256, 3, affinity="none", arrangement=True, de_albino=True).eval()
    torch.nn.init.constant_(amend.de_albino.weight, 1 / 32**2)
    maps = torch.randn(2, 256, 3, 3)
    with torch.no_grad():
        torch.testing.assert_close(plain(maps), amend(maps))
    assert [name for name, _ in plain.named_parameters()] == ["bn.weight", "bn.bias"]


def test_without_arrangement_each_map_s_mean_goes_on_as_in_a_residual_network() -> None:
    torch.manual_seed(0)
    amend = Amend(16, 4, affinity="none", arrangement=False, de_albino=True).eval()
    maps = torch.randn(2, 16, 4, 4)
    kernel = amend.de_albino.weight.detach()
    assert kernel.shape == (1, 1, 2, 2)
    read = sum(kernel[0, 0, i, j] * maps[:, :, i : i + 3, j : j + 3] for i in (0, 1) for j in (0, 1))
    with torch.no_grad():
        torch.testing.assert_close(amend(maps), read.mean((2, 3)) / (1 + 1e-5) ** 0.5)
    with torch.device("meta"):
        net = arm(arrangement=False, de_albino=False, affinity="none")
        # ResNet-18 and one batch norm of 512 maps.
        assert sum(p.numel() for p in net.parameters()) == 11_180_103 + 2 * 512
        assert arm(arrangement=False, width=0.125).fc.weight.shape == (7, 64)


def test_both_published_forms_fit_and_the_affinity_is_what_batch_norm_says_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(NETWORKS.table, "slim-arm", "deep.test_arm:slim_arm")
    torch.manual_seed(3)
    state = slim_arm(classes=4).state_dict()
    state["arm.bn.bias"][:] = torch.tensor([0.5, 1.5])
    for saved in (published(state), published(state, old=True)):
        fitted, classes = fit_tensors(saved, "slim-arm", "epoch59.pth")
        assert classes == 4
        assert set(fitted) == set(state)
        assert all(torch.equal(tensor, state[n]) for n, tensor in fitted.items() if n != "arm.affinity")
        assert torch.equal(fitted["arm.affinity"], torch.ones(1, 9, 9))
    own, _ = fit_tensors({**state, "arm.affinity": torch.full((1, 9, 9), 7.0)}, "slim-arm", "own.pth")
    assert torch.equal(own["arm.affinity"], torch.full((1, 9, 9), 7.0))
    with pytest.raises(WeightsError, match=r"1 missing: arm\.alpha\."):
        fit_tensors({n: t for n, t in published(state).items() if n != "arm.alpha"}, "slim-arm", "epoch59.pth")


def test_a_batch_norm_s_shift_is_what_its_batch_has_in_common_on_average() -> None:
    torch.manual_seed(0)
    amend = Amend(512, 4, affinity="ema", arrangement=True, de_albino=True).train()
    with torch.no_grad():
        amend.bn.bias[:] = torch.tensor([0.25, -1.0])
        amend(torch.randn(8, 512, 4, 4))
    assert float(amend.affinity.mean()) / 0.1 == pytest.approx((0.25 - 1.0) / 2, abs=1e-5)


def slim_arm(classes: int = 7) -> ARM:
    """The module on a slim backbone, with both its maps."""
    return arm(classes=classes, input_size=48, width=0.75)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_size": 60}, "input_size=60 is out of range; expected 16 or more, a multiple of 8"),
        ({"input_size": 200}, "input_size=200 is out of range; expected 16 or more, a multiple of 32"),
        ({"affinity": "mean"}, "affinity=mean is unknown. Did you mean 'ema'? Known: ema, batch, none."),
    ],
)
def test_what_it_cannot_be_made_of_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        arm(**options)


@pytest.mark.parametrize("size", [32, 64])
def test_pictures_of_another_size_are_refused(size: int) -> None:
    net = arm(**SLIM)
    side = {32: 5, 64: 13}[size]  # of maps of 64 and of 128
    for mode in (True, False):
        with pytest.raises(SpecError, match=rf"leave ARM a map of \({side}, {side}\), where it was made for \(9, 9\)"):
            net.train(mode)(torch.rand(2, 3, size, size))
