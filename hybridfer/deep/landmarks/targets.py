"""What a landmark network is trained to draw: for each point a map that is 1 where it is and falls off round it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

SIGMA = 1.5
"""Deviation of the Gaussian, in cells."""


def heat_maps(places: npt.ArrayLike, size: int, sigma: float = SIGMA, at: float = 0.5) -> Tensor:
    """Return the maps of points ``(..., k, size, size) float32``.

    Parameters
    ----------
    places : (..., k, 2) array
        In cells, as :meth:`~hybridfer.deep.landmarks.crop.Window.into` gives them. The map of one that is unknown (NaN)
        or outside is 0 everywhere; a network is not to learn of the unknown, see
        :func:`~hybridfer.deep.landmarks.losses.map_loss`.
    size : int
        Cells a side.
    sigma : float
        Deviation of the Gaussian, in cells.
    at : float
        Where in a cell its value stands, as in :func:`~hybridfer.deep.landmarks.decode.decode`.
    """
    middles = np.asarray(places, np.float64)
    inside = np.all((middles >= 0) & (middles < size), axis=-1, keepdims=True)
    return torch.from_numpy(_product(_gaussian(np.where(inside, middles - at, np.nan), size, sigma)))


def heat_maps_as_hr18(places: npt.ArrayLike, size: int, sigma: float = SIGMA) -> Tensor:
    """Return the maps of points ``(..., k, size, size) float32`` as HRNet's published code draws them.

    The middle is a whole cell, and nothing is drawn farther from it than three deviations: of ten by ten cells five lie
    before the middle and four after. Whole numbers are cut off towards 0, which puts the middle of a point in the first
    cells one further. A point outside is drawn as far as it reaches into the map.
    """
    cells = np.trunc(np.asarray(places, np.float64))
    first, end = np.trunc(cells - 3 * sigma), np.trunc(cells + 3 * sigma + 1)
    rows = _gaussian(first + (6 * sigma + 1) // 2, size, sigma)
    drawn = (np.arange(size) >= first[..., None]) & (np.arange(size) < end[..., None])
    return torch.from_numpy(_product(rows * drawn))


def _gaussian(middles: npt.NDArray[np.float64], size: int, sigma: float) -> npt.NDArray[np.float64]:
    """Return ``(..., size)``, 1 at the middles and falling off; 0 everywhere for NaN."""
    away = np.arange(size) - middles[..., None]
    return np.nan_to_num(np.exp(-(away**2) / (2 * sigma**2)))


def _product(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return maps ``(..., size, size)`` of what they are in x and in y, ``(..., 2, size)``."""
    maps: npt.NDArray[np.float32] = (rows[..., 1, :, None] * rows[..., 0, None, :]).astype(np.float32)
    return maps
