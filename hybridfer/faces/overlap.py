"""How much boxes have in common."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def overlaps(a: Floats, b: Floats) -> Floats:
    """Return the intersection over union of every two boxes: ``(n, 4)`` and ``(m, 4)`` to ``(n, m)``.

    Boxes are ``x0, y0, x1, y1``, end-exclusive. One without any area shares nothing.

    Examples
    --------
    >>> overlaps(np.array([[0.0, 0, 2, 2]]), np.array([[0.0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 9, 9]])).round(3)
    array([[1.   , 0.333, 0.   ]])
    """
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    both = (a[:, 2:] - a[:, :2]).prod(axis=1)[:, None] + (b[:, 2:] - b[:, :2]).prod(axis=1)[None] - shared
    found: Floats = np.divide(shared, both, out=np.zeros_like(shared), where=both > 0)
    return found
