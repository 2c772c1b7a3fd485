"""Matrix products whose bits depend neither on the batch nor on the number of threads."""

from __future__ import annotations

from itertools import pairwise, product
from math import isqrt

import numpy as np
import numpy.typing as npt

_MULTIPLICATIONS = 262_144
"""Up to so many in a product, OpenBLAS (numpy's library) keeps to one thread; beyond, its split changes last bits."""


def multiply(
    left: npt.NDArray[np.float32], right: npt.NDArray[np.float32], out: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return `out`, filled with ``left @ right``, multiplied matrix by matrix in tiles that one thread works on.

    A matrix gives the same bits alone and in any stack, whatever the number of threads.

    Parameters
    ----------
    left, right : (…, rows, inner) and (…, inner, columns) float32
        Stacks of matrices, broadcast as :func:`numpy.matmul` does.
    out : (…, rows, columns) float32
        Where the products go.

    Examples
    --------
    >>> multiply(np.eye(2, dtype=np.float32), np.ones((2, 2), np.float32), np.empty((2, 2), np.float32))
    array([[1., 1.],
           [1., 1.]], dtype=float32)
    """
    rows, inner = left.shape[-2:]
    columns = right.shape[-1]
    side = max(rows, columns)
    if rows * inner * columns > _MULTIPLICATIONS:
        side = max(1, isqrt(_MULTIPLICATIONS // inner))
    for (top, bottom), (start, end) in product(_parts(rows, side), _parts(columns, side)):
        np.matmul(left[..., top:bottom, :], right[..., start:end], out=out[..., top:bottom, start:end])
    return out


def _parts(whole: int, side: int) -> list[tuple[int, int]]:
    """Return begin and end of equal parts no longer than `side`."""
    count = -(-whole // side)
    return list(pairwise(i * whole // count for i in range(count + 1)))
