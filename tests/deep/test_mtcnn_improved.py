"""The improved P-Net and the R-Net of octaves have the published sizes and compute what their tables say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from hybridfer.deep.nets.mtcnn import PNet
from hybridfer.deep.nets.mtcnn_improved import ImprovedPNet, OctaveConv, OctaveRNet


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def macs(net: nn.Module, *shape: int) -> int:
    """Multiplications of convolutions and linear layers, as torch counts them."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.zeros(shape))
    return counter.get_total_flops() // 2


def test_pnet_has_the_tables_parameters() -> None:
    assert parameters(ImprovedPNet()) == 4222


def test_adding_needs_a_projection_and_narrower_kernels() -> None:
    """Instead of 26 channels, 16 go into the third layer; bringing 10 to 16 costs 176."""
    assert parameters(ImprovedPNet("add")) == 4222 - 10 * 3 * 16 + (10 * 16 + 16)


@pytest.mark.parametrize("fuse", ["concat", "add"])
@pytest.mark.parametrize(("height", "width"), [(12, 12), (13, 12), (100, 100), (101, 57), (33, 64)])
def test_maps_are_as_large_as_the_originals(fuse: str, height: int, width: int) -> None:
    picture = torch.zeros(1, 3, height, width)
    for mine, published in zip(ImprovedPNet(fuse)(picture), PNet()(picture), strict=True):
        assert mine.shape == published.shape


def test_a_sample_and_its_place_in_a_picture_agree() -> None:
    torch.manual_seed(0)
    net = ImprovedPNet().eval()
    picture = torch.randn(1, 3, 40, 40)
    with torch.no_grad():
        whole = net(picture)
        for row, column in ((1, 1), (5, 3), (8, 12)):
            sample = picture[:, :, 2 * row - 1 : 2 * row + 13, 2 * column - 1 : 2 * column + 13]
            for part, full in zip(net.cells(sample), whole, strict=True):
                torch.testing.assert_close(part[0, :, 0, 0], full[0, :, row, column], rtol=0, atol=1e-6)


def slow_pnet(state: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """The table of SPEC 1.5 row by row, every layer on its own padding, with one kernel place at a time."""

    def conv(x: Tensor, name: str, pad: int = 0) -> Tensor:
        kernel = state[f"{name}.weight"].double()
        x = F.pad(x, (pad,) * 4)
        high, wide = kernel.shape[2:]
        rows, columns = x.shape[2] - high + 1, x.shape[3] - wide + 1
        total = state[f"{name}.bias"].double().view(1, -1, 1, 1).expand(1, -1, rows, columns).clone()
        for i in range(high):
            for j in range(wide):
                total += torch.einsum("nchw,oc->nohw", x[:, :, i : i + rows, j : j + columns], kernel[:, :, i, j])
        return total

    def prelu(x: Tensor, name: str) -> Tensor:
        return torch.where(x > 0, x, x * state[f"{name}.weight"].double().view(1, -1, 1, 1))

    branches = [conv(x, "branch1")[:, :, 1:-1, 1:-1], conv(x, "branch3"), conv(x, "branch5", pad=1)]
    first = F.max_pool2d(prelu(torch.cat(branches, 1), "prelu1"), 2, 2, ceil_mode=True)
    second = prelu(conv(conv(first, "conv2_row"), "conv2_column"), "prelu2")
    fused = torch.cat([second, first[:, :, 1:-1, 1:-1]], 1)
    third = prelu(conv(conv(fused, "conv3_row"), "conv3_column"), "prelu3")
    return conv(third, "conv4_1"), conv(third, "conv4_2")


def test_pnet_computes_its_table() -> None:
    torch.manual_seed(1)
    net = ImprovedPNet().eval()
    picture = torch.randn(1, 3, 23, 31)
    with torch.no_grad():
        for mine, slow in zip(net(picture), slow_pnet(net.state_dict(), picture.double()), strict=True):
            torch.testing.assert_close(mine.double(), slow, rtol=0, atol=1e-5)


@pytest.mark.parametrize("alpha", [0, 0.125, 0.25, 0.5, 0.75])
def test_rnet_has_as_many_parameters_at_any_alpha(alpha: float) -> None:
    assert parameters(OctaveRNet(alpha)) == 115_538


@pytest.mark.parametrize(("alpha", "millions"), [(0, 3.247), (0.25, 2.407), (0.5, 1.731)])
def test_rnet_costs_what_spec_counts(alpha: float, millions: float) -> None:
    assert round(macs(OctaveRNet(alpha), 1, 3, 24, 24) / 1e6, 3) == millions


def test_without_low_channels_an_octave_is_a_plain_convolution() -> None:
    torch.manual_seed(2)
    octave = OctaveConv(5, 7, 0, 0)
    x = torch.randn(2, 5, 8, 6)
    plain = F.conv2d(x, octave.high_high.weight, octave.high_high.bias, padding=1)
    high, low = octave(x)
    assert low is None
    torch.testing.assert_close(high, plain)


def test_an_octave_is_its_two_equations() -> None:
    """Y_H = conv(X_H; HH) + up(conv(X_L; LH)), Y_L = conv(X_L; LL) + conv(mean(X_H); HL), written with loops."""
    torch.manual_seed(3)
    octave = OctaveConv(8, 12, 0.25, 0.5)
    high, low = torch.randn(1, 6, 4, 6), torch.randn(1, 2, 2, 3)
    mean = torch.stack(
        [
            torch.stack([high[..., 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean((2, 3)) for j in range(3)], -1)
            for i in range(2)
        ],
        -2,
    )
    up = F.conv2d(low, octave.low_high.weight, padding=1)
    wanted = F.conv2d(high, octave.high_high.weight, octave.high_high.bias, padding=1)
    for i in range(4):
        for j in range(6):
            wanted[..., i, j] += up[..., i // 2, j // 2]
    below = F.conv2d(low, octave.low_low.weight, padding=1)
    below = below + F.conv2d(mean, octave.high_low.weight, octave.high_low.bias, padding=1)
    got_high, got_low = octave(high, low)
    torch.testing.assert_close(got_high, wanted)
    torch.testing.assert_close(got_low, below)


@pytest.mark.parametrize("alpha", [0, 0.25, 0.5])
def test_every_parameter_of_rnet_matters(alpha: float) -> None:
    torch.manual_seed(4)
    net = OctaveRNet(alpha)
    logits, offsets = net(torch.randn(3, 3, 24, 24))
    assert logits.shape == (3, 2) and offsets.shape == (3, 4)
    (logits.square().sum() + offsets.square().sum()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
