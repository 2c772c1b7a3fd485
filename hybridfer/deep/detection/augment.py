"""A batch of windows made a little different each time it is seen: mirrored, in other light, in other or no colours."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

GREY, SOFT, NOISY = 0.25, 0.25, 0.25
"""Share of the windows that lose their colours, their sharpness, and that get noise."""

MIRRORED_POINTS = (1, 0, 2, 4, 3, 6, 5, 7, 9, 8)
"""Five x and five y of a mirrored face in order: its image-left eye was image-right."""

_LUMA = (0.299, 0.587, 0.114)


def mirrored(pixels: Tensor, boxes: Tensor, points: Tensor, which: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return a batch of which some windows, with their boxes and points, are turned left to right.

    Parameters
    ----------
    pixels : (n, 3, side, side)
    boxes, points : (n, 4), (n, 10)
        In shares of the side, as in :class:`~hybridfer.deep.detection.sampling.Samples`.
    which : (n,) bool
    """
    turned_boxes = torch.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], 1)
    turned_points = points[:, list(MIRRORED_POINTS)]
    turned_points = torch.cat([1 - turned_points[:, :5], turned_points[:, 5:]], 1)
    return (
        torch.where(which[:, None, None, None], pixels.flip(3), pixels),
        torch.where(which[:, None], turned_boxes, boxes),
        torch.where(which[:, None], turned_points, points),
    )


def relit(pixels: Tensor, random: torch.Generator) -> Tensor:
    """Return windows ``(n, 3, side, side)`` of 0 to 255 with other brightness, contrast, colours, blur and noise."""
    n, device = len(pixels), pixels.device

    def uniform(low: float, high: float, channels: int = 1) -> Tensor:
        return (torch.rand(n, channels, 1, 1, generator=random) * (high - low) + low).to(device)

    luma = torch.tensor(_LUMA, device=device).view(1, 3, 1, 1)
    grey = (pixels * luma).sum(1, keepdim=True)
    colour = torch.where(uniform(0, 1) < GREY, 0, uniform(0.5, 1.5))
    pixels = grey + (pixels - grey) * colour
    pixels = pixels * torch.where(colour > 0, uniform(0.85, 1.15, 3), 1)
    mean = pixels.mean((1, 2, 3), keepdim=True)
    pixels = (pixels - mean) * uniform(0.6, 1.4) + mean + uniform(-35, 35)
    soft = F.avg_pool2d(F.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, 1)
    pixels = torch.where(uniform(0, 1) < SOFT, soft, pixels)
    noise = torch.randn(pixels.shape, generator=random).to(device) * uniform(0, 10)
    pixels = torch.where(uniform(0, 1) < NOISY, pixels + noise, pixels)
    return pixels.clamp(0, 255)
