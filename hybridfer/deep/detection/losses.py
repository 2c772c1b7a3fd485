"""The three losses of MTCNN: face or not, where its box is, where its points are.

Wang et al. (2022, see ``nets/mtcnn_improved.py``) print the second half of their equation 1 as ``(1 - y)(1 - log p)``;
the cross-entropy that is meant, and here, is ``-(y log p + (1 - y) log(1 - p))``.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

KEPT = 0.7
"""Share of a batch's detection losses, the largest ones, that networks learn from: online hard example mining."""


def detection_loss(logits: Tensor, faces: Tensor, kept: float = KEPT) -> Tensor:
    """Return the mean cross-entropy of the hardest samples of a batch.

    Parameters
    ----------
    logits : (n, 2) float32
        No face, face.
    faces : (n,) int64
        1 for a face and 0 for none; what is neither is not among them.
    kept : float
        Share of the samples, the worst, that count; at least one does.

    Returns
    -------
    () float32
        0 where there are no samples.
    """
    if len(faces) == 0:
        return logits.sum() * 0
    losses = F.cross_entropy(logits, faces, reduction="none")
    return losses.topk(max(1, int(kept * len(losses)))).values.mean()


def place_loss(places: Tensor, targets: Tensor) -> Tensor:
    """Return the mean squared distance of a batch's boxes, or points, from where they should be.

    Parameters
    ----------
    places, targets : (n, k) float32
        Four offsets of corners, or ten coordinates of points. A row of targets that has a NaN counts for nothing.

    Returns
    -------
    () float32
        The sum of a row's squares, in the mean over the rows; 0 where there is none.
    """
    known = targets.isfinite().all(1)
    if not known.any():
        return places.sum() * 0
    return (places[known] - targets[known]).square().sum(1).mean()
