"""MTCNN's first two networks, improved: fused scales, factorised kernels, Octave Convolution."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ImprovedPNet(nn.Module):
    """Looks for faces of 12 pixels at every second pixel, as :class:`~hybridfer.deep.nets.mtcnn.PNet`, on fused scales.

    Kernels of one, three and five pixels read the picture side by side, what they found joins the second layer's map,
    and a 3×3 kernel is a row of three and then a column of three, with nothing between. The paper's figure gives no
    sizes; with these there are 4,222 parameters, where the original has 6,632. A 5×5 kernel sees one pixel beyond the
    12×12 cell, so that samples to train on are 14×14: inside a picture, cell and sample then agree.

    Parameters
    ----------
    fuse : {"concat", "add"}
        Whether the first layer's map is laid beside the second's, or brought to its width and added.

    References
    ----------
    Z. Wang, S. Cui, X. Wang, J. Tian, "Research on Facial Expression Capture Based on Two-Stage Neural Network" (the
    model is called MTHR-Face), 2022, section 4.1.
    """

    def __init__(self, fuse: Literal["concat", "add"] = "concat") -> None:
        super().__init__()
        self.branch1 = nn.Conv2d(3, 2, 1)
        self.branch3 = nn.Conv2d(3, 6, 3)
        self.branch5 = nn.Conv2d(3, 2, 5)
        self.prelu1 = nn.PReLU(10)
        self.pool1 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2_row = nn.Conv2d(10, 10, (1, 3))
        self.conv2_column = nn.Conv2d(10, 16, (3, 1))
        self.prelu2 = nn.PReLU(16)
        self.project = nn.Conv2d(10, 16, 1) if fuse == "add" else None
        fused = 16 if fuse == "add" else 26
        self.conv3_row = nn.Conv2d(fused, 16, (1, 3))
        self.conv3_column = nn.Conv2d(16, 32, (3, 1))
        self.prelu3 = nn.PReLU(32)
        self.conv4_1 = nn.Conv2d(32, 2, 1)
        self.conv4_2 = nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return maps of logits ``(n, 2, h, w)``, no face and face, and of corner offsets ``(n, 4, h, w)``.

        Parameters
        ----------
        x : (n, 3, H, W) float32
            RGB in -1 to 1. ``h`` is ``ceil((H - 2) / 2) - 4``, and ``w`` likewise, as the original's.
        """
        return self.cells(F.pad(x, (1, 1, 1, 1)))

    def cells(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what :meth:`forward` returns, of a picture with one pixel more on every side, such as a sample's."""
        first = torch.cat([self.branch1(_inner(x, 2)), self.branch3(_inner(x, 1)), self.branch5(x)], 1)
        first = self.pool1(self.prelu1(first))
        second = self.prelu2(self.conv2_column(self.conv2_row(first)))
        first = _inner(first, 1)
        fused = torch.cat([second, first], 1) if self.project is None else second + self.project(first)
        third = self.prelu3(self.conv3_column(self.conv3_row(fused)))
        return self.conv4_1(third), self.conv4_2(third)


def _inner(x: Tensor, edge: int) -> Tensor:
    """Return maps without `edge` pixels on each side."""
    return x[..., edge:-edge, edge:-edge]


class OctaveConv(nn.Module):
    """A 3×3 convolution, same size out as in, of which some channels live at half the resolution.

    Each half hears of the other: high to low through a mean of 2×2 pixels, low to high by repeating pixels. It has
    the parameters of a plain convolution. One bias is added for each output.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    alpha_in, alpha_out : float
        Share of them at half the resolution; with 0 and 0 this is a plain convolution.

    References
    ----------
    Y. Chen et al., "Drop an Octave: Reducing Spatial Redundancy in Convolutional Neural Networks with Octave
    Convolution", ICCV 2019, doi 10.1109/ICCV.2019.00353.
    """

    def __init__(self, inputs: int, outputs: int, alpha_in: float, alpha_out: float) -> None:
        super().__init__()
        low_in, low_out = round(alpha_in * inputs), round(alpha_out * outputs)
        self.high_high = nn.Conv2d(inputs - low_in, outputs - low_out, 3, padding=1)
        self.high_low = nn.Conv2d(inputs - low_in, low_out, 3, padding=1) if low_out else None
        self.low_high = nn.Conv2d(low_in, outputs - low_out, 3, padding=1, bias=False) if low_in else None
        self.low_low = nn.Conv2d(low_in, low_out, 3, padding=1, bias=False) if low_in and low_out else None

    def forward(self, high: Tensor, low: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return the maps at full and at half resolution; None for the latter where it has no channels.

        Parameters
        ----------
        high : (n, C_high, H, W) float32
            H and W even.
        low : (n, C_low, H / 2, W / 2) float32 or None
            None where `alpha_in` is 0.
        """
        out = self.high_high(high)
        if self.low_high is not None and low is not None:
            out = out + F.interpolate(self.low_high(low), scale_factor=2, mode="nearest")
        if self.high_low is None:
            return out, None
        half = self.high_low(F.avg_pool2d(high, 2))
        if self.low_low is not None and low is not None:
            half = half + self.low_low(low)
        return out, half


class OctaveRNet(nn.Module):
    """Tells faces among windows of 24×24 pixels and moves their corners, with Octave Convolutions.

    They want even sizes and padding, which the original's layers lack, so that this costs more than
    :class:`~hybridfer.deep.nets.mtcnn.RNet` (1.53 M multiplications a window) and less than the same network without
    octaves (3.25 M): 2.41 M at an alpha of 0.25, 1.73 M at 0.5. 115,538 parameters at any alpha.

    Parameters
    ----------
    alpha : float
        Share of the channels at half the resolution, 0 to less than 1.
    """

    def __init__(self, alpha: float = 0.25) -> None:
        super().__init__()
        low1, low2 = round(alpha * 28), round(alpha * 48)
        self.conv1 = OctaveConv(3, 28, 0, alpha)
        self.prelu1 = nn.PReLU(28 - low1)
        self.prelu1_low = nn.PReLU(low1) if low1 else None
        self.conv2 = OctaveConv(28, 48, alpha, alpha)
        self.prelu2 = nn.PReLU(48 - low2)
        self.prelu2_low = nn.PReLU(low2) if low2 else None
        self.conv3 = OctaveConv(48, 64, alpha, 0)
        self.prelu3 = nn.PReLU(64)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.pool3 = nn.MaxPool2d(2, 2)
        self.dense4 = nn.Linear(576, 128)
        self.prelu4 = nn.PReLU(128)
        self.dense5_1 = nn.Linear(128, 2)
        self.dense5_2 = nn.Linear(128, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits ``(n, 2)`` and corner offsets ``(n, 4)`` of windows ``(n, 3, 24, 24) float32`` in -1 to 1."""
        high, low = self.conv1(x)
        high, low = self.pool(self.prelu1(high)), self._lower(low, self.prelu1_low)
        high, low = self.conv2(high, low)
        high, low = self.pool(self.prelu2(high)), self._lower(low, self.prelu2_low)
        high, _ = self.conv3(high, low)
        x = self.prelu4(self.dense4(self.pool3(self.prelu3(high)).flatten(1)))
        return self.dense5_1(x), self.dense5_2(x)

    def _lower(self, low: Tensor | None, prelu: nn.PReLU | None) -> Tensor | None:
        """Return what a layer's maps at half resolution become before the next; None where there are none."""
        if low is None or prelu is None:
            return None
        pooled: Tensor = self.pool(prelu(low))
        return pooled
