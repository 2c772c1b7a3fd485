"""A network made ready to be asked: the same scores, in whatever company; what must not be folded is not."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from hybridfer.deep import NETWORKS
from hybridfer.deep.inference import fold, prepare

SOME = ("alexnet-emotion", "arm", "resnet18")
NAMES = [name if name in SOME else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS.names()]

SLIM = {"classes": 5, "channels": 1, "input_size": 48, "width": 0.125}


def stirred(net: nn.Module) -> nn.Module:
    """The network as after some training: no norm has a mean of 0, a deviation of 1, or leaves values as they are."""
    random = torch.Generator().manual_seed(5)
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            for tensor, low, high in (
                (module.running_mean, -0.5, 0.5),
                (module.running_var, 0.5, 2),
                (module.weight, 0.5, 1.5),
                (module.bias, -0.5, 0.5),
            ):
                if tensor is not None:
                    tensor.data.uniform_(low, high, generator=random)
    return net.eval()


def slim(name: str) -> nn.Module:
    torch.manual_seed(0)
    return stirred(NETWORKS.load(name)(**SLIM))


def pictures(count: int, channels: int = 1, size: int = 48) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(1))


def norms(net: nn.Module) -> int:
    return sum(isinstance(module, _BatchNorm) for module in net.modules())


@pytest.mark.parametrize("make", [fold, prepare])
@pytest.mark.parametrize("name", NAMES)
def test_every_network_gives_the_same_scores_and_is_left_as_it_was(
    name: str, make: Callable[[nn.Module], nn.Module]
) -> None:
    net = slim(name).train()
    before = copy.deepcopy(net.state_dict())
    made = make(net)
    assert net.training and all(p.requires_grad for p in net.parameters())
    assert all(torch.equal(tensor, before[at]) for at, tensor in net.state_dict().items())
    # ARM's norm reads a kernel that is shared by all maps, and there each map has a norm of its own.
    assert norms(made) == (name == "arm") and norms(net) >= 20 * (not name.startswith(("alexnet", "vgg")))
    assert [at for at, _ in made.named_modules()] == [at for at, _ in net.named_modules()]
    assert not made.training and not any(p.requires_grad for p in made.parameters())
    with torch.inference_mode():
        torch.testing.assert_close(made(pictures(3)), net.eval()(pictures(3)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_has_the_same_bits_alone_and_in_company(name: str) -> None:
    net, many = prepare(slim(name)), pictures(9)
    with torch.inference_mode():
        together = net(many)
        alone = torch.cat([net(picture[None]) for picture in many])
        cut = torch.cat([net(part) for part in many.split(2)])
    if name == "cbam-resnet50":  # whose mean over channels torch adds up in another order
        torch.testing.assert_close(alone, together, rtol=0, atol=1e-6)
    else:
        assert torch.equal(alone, together) and torch.equal(cut, together)
    assert together.std(0).min() > 0


@pytest.mark.parametrize(("inputs", "outputs"), [(81, 7), (256, 7), (512, 128), (2048, 64)])
def test_a_linear_layer_gives_one_row_the_bits_that_it_gives_several(inputs: int, outputs: int) -> None:
    torch.manual_seed(0)
    net, many = prepare(nn.Sequential(nn.Flatten(), nn.Linear(inputs, outputs))), torch.rand(9, inputs, 1, 1)
    with torch.inference_mode():
        assert torch.equal(torch.cat([net(row[None]) for row in many]), net(many))


def test_it_takes_pictures_in_any_layout() -> None:
    for channels in (1, 3):
        torch.manual_seed(0)
        net = prepare(stirred(NETWORKS.load("resnet18")(**{**SLIM, "channels": channels})))
        plain = pictures(2, channels)
        rows_first = torch.empty(2, 48, 48, channels).permute(0, 3, 1, 2).copy_(plain)
        turned = plain.transpose(2, 3).contiguous().transpose(2, 3)
        with torch.inference_mode():
            assert torch.equal(net(plain), net(rows_first)) and torch.equal(net(plain), net(turned))


def test_a_norm_becomes_part_of_its_convolution_as_worked_out_by_hand() -> None:
    conv, norm = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=0)
    for tensor, value in (
        (conv.weight, 2.0),
        (conv.bias, 1.0),
        (norm.running_mean, 3.0),
        (norm.running_var, 4.0),
        (norm.weight, 5.0),
        (norm.bias, 7.0),
    ):
        assert tensor is not None
        tensor.data.fill_(value)
    folded = fold(nn.Sequential(conv, norm))
    assert folded[0].weight.item() == 5  # 2 · 5/2
    assert folded[0].bias.item() == 2  # (1 - 3) · 5/2 + 7
    assert isinstance(folded[1], nn.Identity)
    assert prepare(nn.Sequential(conv, norm))(torch.full((1, 1, 1, 1), 10.0)).item() == 52  # 10 · 5 + 2


class Twice(nn.Module):
    """A convolution that is used once with a norm and once without."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)
        self.norm = nn.BatchNorm2d(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.norm(self.conv(x)))


class ReadTwice(Twice):
    """A convolution whose own output is wanted beside that of its norm."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.norm(x) + x


class NormTwice(Twice):
    """A norm that reads two layers."""

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)) + self.norm(x)


class NormFirst(Twice):
    """A norm before the convolution; in the order of the class's lines it comes after."""

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.norm(x))


class Between(Twice):
    """A rectifier between the two."""

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(torch.relu(self.conv(x)))


class Branches(Twice):
    """Code that wants to know a value."""

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)) if x.sum() > 0 else self.conv(x)


class Shared(nn.Module):
    """One convolution in two places, each with a norm of its own."""

    def __init__(self) -> None:
        super().__init__()
        conv = nn.Conv2d(1, 1, 3, padding=1)
        self.first = nn.Sequential(conv, nn.BatchNorm2d(1))
        self.second = nn.Sequential(conv, nn.BatchNorm2d(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


class Derived(nn.Conv2d):
    """A convolution that does something else with its kernel."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) ** 2


def by_batch() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False))


def grouped() -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(1, 2, 3), nn.ConvTranspose2d(2, 4, 3, groups=2), nn.BatchNorm2d(4))


def derived() -> nn.Module:
    return nn.Sequential(Derived(1, 2, 3), nn.BatchNorm2d(2))


@pytest.mark.parametrize(
    "make", [Twice, ReadTwice, NormTwice, NormFirst, Between, Branches, Shared, derived, grouped, by_batch]
)
def test_what_cannot_be_folded_stays(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(2)
    net = stirred(make())
    made = prepare(net)
    assert norms(made) == norms(net)
    with torch.inference_mode():
        torch.testing.assert_close(made(pictures(3)), net(pictures(3)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1), nn.BatchNorm2d(6)),
        nn.Sequential(nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=4), nn.BatchNorm2d(8, affine=False)),
        nn.Sequential(nn.Conv2d(4, 2, 3, padding="same", bias=False), nn.BatchNorm2d(2)),
        nn.Sequential(nn.Conv2d(4, 2, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(2)),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3, bias=False), nn.BatchNorm1d(3)),
    ],
    ids=["transposed", "grouped", "same", "reflected", "linear"],
)
def test_layers_of_every_kind_take_up_their_norm(net: nn.Module) -> None:
    made = prepare(stirred(net))
    assert norms(made) == 0
    with torch.inference_mode():
        for count in (1, 3):
            torch.testing.assert_close(made(pictures(count, 4, 9)), net(pictures(count, 4, 9)), rtol=1e-5, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", SOME)
def test_a_gpu_gives_what_the_processor_gives(name: str) -> None:
    net = slim(name)
    with torch.inference_mode():
        found = prepare(copy.deepcopy(net).cuda())(pictures(3).cuda())
        torch.testing.assert_close(found.cpu(), prepare(net)(pictures(3)), rtol=1e-3, atol=1e-3)
