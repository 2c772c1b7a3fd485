"""Pictures of a batch made different every time, all at once and where they lie."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from hybridfer.deep.targets import class_shares
from hybridfer.deep.training.recipe import Recipe

CUT = (1 / 6, 5 / 12)
"""Sides of the square that cutout paints over, from and to, as shares of the picture's."""


def augmented(pictures: Tensor, recipe: Recipe, dice: torch.Generator) -> Tensor:
    """Return pictures mirrored, turned, moved, enlarged, relit, made noisy and painted over, each in its own way.

    What a picture does not show is filled up with its border. All that moves it is one transformation, so that pixels
    are interpolated once.

    Parameters
    ----------
    pictures : (n, c, s, s) float
        From 0 to 1, as is what is returned; left untouched.
    recipe : Recipe
        How much of each: ``flip, rotate, shift, scale, brightness, contrast, noise, cutout``; 0 is none.
    dice : Generator
        Of the pictures' device.

    References
    ----------
    T. DeVries, G. W. Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017,
    doi 10.48550/arXiv.1708.04552.
    """
    pictures = _moved(pictures, recipe, dice)
    if recipe.contrast or recipe.brightness:
        factor = torch.exp(_draw(pictures, dice) * recipe.contrast)
        pictures = (pictures - 0.5) * factor + 0.5 + _draw(pictures, dice) * recipe.brightness
    if recipe.noise:
        drawn = torch.randn(pictures.shape, generator=dice, device=pictures.device)
        pictures = pictures + drawn * recipe.noise
    if recipe.contrast or recipe.brightness or recipe.noise:
        pictures = pictures.clamp(0, 1)
    return _painted(pictures, recipe.cutout, dice) if recipe.cutout else pictures


def mixed(pictures: Tensor, targets: Tensor, classes: int, alpha: float, random: Any) -> tuple[Tensor, Tensor]:
    """Return each picture mixed with another, and the shares ``(n, K)`` of classes likewise.

    Parameters
    ----------
    pictures : (n, c, s, s) float
    targets : (n,) int or (n, K) float
    classes : int
        K.
    alpha : float
        Of the beta distribution that the batch's one share is drawn from.
    random : numpy Generator

    References
    ----------
    H. Zhang, M. Cisse, Y. N. Dauphin, D. Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018,
    doi 10.48550/arXiv.1710.09412.
    """
    share = float(random.beta(alpha, alpha))
    share = max(share, 1 - share)  # so that a picture is more itself than the other
    shares = class_shares(targets, classes)
    return torch.lerp(pictures.flip(0), pictures, share), torch.lerp(shares.flip(0), shares, share)


def _moved(pictures: Tensor, recipe: Recipe, dice: torch.Generator) -> Tensor:
    if not (recipe.flip or recipe.rotate or recipe.shift or recipe.scale):
        return pictures
    angle, zoom, right, down = (_draw(pictures, dice).flatten() for _ in range(4))
    chance = torch.rand(len(pictures), generator=dice, device=pictures.device)
    mirror = torch.where(chance < recipe.flip, -1.0, 1.0)
    zoom = torch.exp(zoom * recipe.scale)
    angle = angle * math.radians(recipe.rotate)
    cos, sin = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    # A grid runs from -1 to 1, so that a share of the side is twice as much.
    across = torch.stack([cos * mirror, -sin, right * 2 * recipe.shift], 1)
    along = torch.stack([sin * mirror, cos, down * 2 * recipe.shift], 1)
    grid = F.affine_grid(torch.stack([across, along], 1), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def _painted(pictures: Tensor, share: float, dice: torch.Generator) -> Tensor:
    size = pictures.shape[-1]
    draw = torch.rand(5, len(pictures), 1, 1, 1, generator=dice, device=pictures.device)
    half = (CUT[0] + draw[0] * (CUT[1] - CUT[0])) * size / 2
    places = torch.arange(size, device=pictures.device) + 0.5
    inside = ((places[:, None] - draw[1] * size).abs() < half) & ((places - draw[2] * size).abs() < half)
    return torch.where(inside & (draw[3] < share), draw[4], pictures)


def _draw(pictures: Tensor, dice: torch.Generator) -> Tensor:
    """Return a number from -1 to 1 for each picture, ``(n, 1, 1, 1)``."""
    return torch.rand(len(pictures), 1, 1, 1, generator=dice, device=pictures.device) * 2 - 1
