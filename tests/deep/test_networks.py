"""What every network in the table promises, whoever adds it."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import Tensor, nn

from hybridfer.deep import NETWORKS
from hybridfer.errors import SpecError

NAMES = NETWORKS.names()

SLIM = {"classes": 5, "channels": 1, "input_size": 48, "width": 0.125}
"""A network that a test can afford."""


def slim(name: str, seed: int = 0) -> nn.Module:
    """The network of that name, slim, with first values from `seed`."""
    torch.manual_seed(seed)
    net: nn.Module = NETWORKS.load(name)(**SLIM)
    return net


def pictures(count: int, seed: int = 1) -> Tensor:
    """Random grey pictures for a slim network."""
    return torch.rand(count, 1, 48, 48, generator=torch.Generator().manual_seed(seed))


def everything(given: object) -> list[Tensor]:
    """All tensors that a network gives in training."""
    if isinstance(given, Tensor):
        return [given]
    return [tensor for part in given for tensor in everything(part)] if isinstance(given, tuple) else []


@pytest.mark.parametrize("name", NAMES)
def test_it_takes_classes_channels_size_and_width_and_needs_none_of_them(name: str) -> None:
    options = inspect.signature(NETWORKS.load(name)).parameters
    assert {"classes", "channels", "input_size", "width"} <= set(options)
    assert all(option.kind is option.KEYWORD_ONLY for option in options.values())
    assert (options["channels"].default, options["width"].default) == (3, 1)


@pytest.mark.parametrize("name", NAMES)
def test_at_its_published_size_pictures_become_scores(name: str) -> None:
    factory = NETWORKS.load(name)
    size = inspect.signature(factory).parameters["input_size"].default
    with torch.device("meta"), torch.inference_mode():
        assert factory(classes=6).eval()(torch.empty(2, 3, size, size)).shape == (2, 6)


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_of_a_slim_one_learns(name: str) -> None:
    net = slim(name).train().to(memory_format=torch.channels_last)
    given = everything(net(pictures(4).contiguous(memory_format=torch.channels_last)))
    assert given[0].shape == (4, 5)
    torch.stack([(part * torch.linspace(-1, 1, part.numel()).view_as(part)).sum() for part in given]).sum().backward()
    without = [at for at, p in net.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert without == []


@pytest.mark.parametrize("name", NAMES)
def test_in_evaluation_a_picture_has_the_same_scores_alone_and_in_company(name: str) -> None:
    net = slim(name).train()
    with torch.no_grad():
        net(pictures(6, seed=2))  # what is remembered of training must not be what it was at first
        net.eval()
        alone = torch.cat([net(picture[None]) for picture in pictures(4)])
        torch.testing.assert_close(net(pictures(4)), alone, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(net(pictures(4).flip(0)).flip(0), alone, rtol=1e-4, atol=1e-5)
    assert alone.std(0).min() > 0


@pytest.mark.parametrize("name", NAMES)
def test_channels_last_changes_no_score(name: str) -> None:
    net = slim(name).eval()
    with torch.inference_mode():
        expected = net(pictures(2))
        found = net.to(memory_format=torch.channels_last)(pictures(2).contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_torch_s_seed_decides_its_first_values_and_its_state_makes_another_the_same(name: str) -> None:
    first, again, other = slim(name).state_dict(), slim(name).state_dict(), slim(name, seed=1)
    assert all(torch.equal(tensor, again[at]) for at, tensor in first.items())
    differ = [at for at, tensor in other.state_dict().items() if not torch.equal(tensor, first[at])]
    assert {at for at, _ in other.named_parameters() if "bn" not in at and at.endswith("weight")} & set(differ)
    other.load_state_dict(first, strict=True)
    with torch.inference_mode():
        torch.testing.assert_close(other.eval()(pictures(2)), slim(name).eval()(pictures(2)))


@pytest.mark.parametrize("name", NAMES)
def test_its_last_linear_layer_tells_the_classes_apart(name: str) -> None:
    with torch.device("meta"):
        net = NETWORKS.load(name)(**SLIM)
    at, last = [(at, module) for at, module in net.named_modules() if isinstance(module, nn.Linear)][-1]
    assert (last.out_features, last.weight.shape[0]) == (5, 5)
    seen: list[str] = []
    real = slim(name).eval()
    for path, module in real.named_modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(lambda m, i, o, path=path: seen.append(path))
    with torch.inference_mode():
        real(pictures(1))
    assert seen[-1] == at


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("classes", 0),
        ("channels", 0),
        ("input_size", 0),
        ("input_size", -48),
        ("width", 0),
        ("width", -1.5),
        ("width", float("nan")),
        ("width", float("inf")),
    ],
)
def test_options_that_make_no_network_are_refused_by_name(name: str, option: str, value: float) -> None:
    with pytest.raises(SpecError, match=f"^{option}={value} is out of range; expected"):
        NETWORKS.load(name)(**{option: value})
