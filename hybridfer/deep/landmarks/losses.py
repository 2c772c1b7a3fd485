"""How far the maps of a landmark network are from those it should draw."""

from __future__ import annotations

from torch import Tensor


def map_loss(maps: Tensor, targets: Tensor, known: Tensor | None = None) -> Tensor:
    """Return the mean squared difference of maps.

    Parameters
    ----------
    maps, targets : (n, k, S, S) float32
    known : (n, k) bool, optional
        Points that something is known of; the others' maps count for nothing. So a network of WFLW's 98 points learns
        from faces with iBUG's 68. All by default.

    Returns
    -------
    () float32
        In the mean over the cells of the known points' maps; 0 where nothing is known.
    """
    squares = (maps - targets).square()
    if known is None:
        return squares.mean()
    return squares[known].mean() if known.any() else maps.sum() * 0
