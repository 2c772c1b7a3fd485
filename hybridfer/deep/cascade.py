"""The cascade of MTCNN: a coarse look at every place and size, then two closer looks at what is left.

Boxes are ``(x1, y1, x2, y2)`` as the method's authors count: pixels from 1, the last one included. A row of boxes has
its score, offsets and points in the same row of the other arrays, and all are picked by one index.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hybridfer.deep.device import one_thread
from hybridfer.types import Pixels

T = TypeVar("T")
U = TypeVar("U")

Floats = npt.NDArray[np.float64]
Sums = npt.NDArray[np.int32]

CELL, STRIDE = 12, 2
"""A cell of P-Net's map sees 12×12 pixels; the next one begins 2 pixels further."""

AT_ONCE = {24: 32, 48: 8}
"""Windows that go through a network together, by their side: few enough for what lies between to stay in the cache."""

BAND = 128
"""Rows of a pyramid level whose cells are looked at together, so that a large picture's levels never lie in memory."""


@dataclass(frozen=True)
class Cascade:
    """Proposal, refinement and output network one after the other (Zhang et al. 2016, see :class:`PNet`).

    The rules are those of facenet-pytorch, which follow the authors' code, but for one: windows that reach beyond the
    picture's edge are filled up with black, as the authors do, where facenet-pytorch squeezes what is left of them.
    Pictures are made smaller by the mean over the pixels that each pixel covers ("area").

    Parameters
    ----------
    pnet, rnet, onet : nn.Module
        As :mod:`hybridfer.deep.nets.mtcnn` has them, in evaluation mode on `device`.
    device : str
    thresholds : tuple of 3 float
        The least scores that pass P-Net, R-Net and O-Net.
    factor : float
        By which each level of the pyramid is smaller than the one before.
    """

    pnet: nn.Module
    rnet: nn.Module
    onet: nn.Module
    device: str = "cpu"
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
    factor: float = 0.709

    def propose(self, pixels: Pixels, min_face: int) -> tuple[Floats, Floats]:
        """Return squares ``(n, 4)`` that may hold a face of `min_face` pixels or more, and P-Net's scores ``(n,)``."""
        return self._propose(_sums(pixels), min_face)

    def refine(self, pixels: Pixels, squares: Floats) -> tuple[Floats, Floats]:
        """Return what is left of squares ``(n, 4)`` after R-Net, moved to where it sees faces, and its scores."""
        return self._refine(_sums(pixels), squares)

    def output(self, pixels: Pixels, squares: Floats) -> tuple[Floats, Floats, Floats]:
        """Return boxes ``(n, 4)``, scores ``(n,)`` and points ``(n, 5, 2)`` of the faces that O-Net sees in squares.

        Points are counted from 0.
        """
        return self._output(_sums(pixels), squares)

    def detect(self, pixels: Pixels, min_face: int) -> tuple[Floats, Floats, Floats]:
        """Return boxes, scores and points of a picture's faces, as :meth:`output` does."""
        sums = _sums(pixels)
        squares, _ = self._propose(sums, min_face)
        squares, _ = self._refine(sums, squares)
        return self._output(sums, squares)

    def _propose(self, sums: Sums, min_face: int) -> tuple[Floats, Floats]:
        scales = list(pyramid(sums.shape[0] - 1, sums.shape[1] - 1, min_face, self.factor))
        bands = [(scale, first) for scale in scales for first in _bands(sums, scale)]
        seen = side_by_side(lambda band: self._look(sums, *band), bands)
        found = [np.empty((0, 9))]
        for scale in scales:
            cells = np.concatenate([part for part, band in zip(seen, bands, strict=True) if band[0] == scale])
            found.append(cells[suppress(cells[:, :4], cells[:, 4], 0.5)])
        cells = np.concatenate(found)
        cells = cells[suppress(cells[:, :4], cells[:, 4], 0.7)]
        squares = square(moved(cells[:, :4], cells[:, 5:], extra=0))
        inside = _touching(squares, sums)
        return squares[inside], cells[inside, 4]

    def _look(self, sums: Sums, scale: float, first: int) -> Floats:
        """Return a row of box, score and offsets for each cell of a level's band in which P-Net sees a face."""
        begin = max(0, first - STRIDE)
        with torch.inference_mode():
            logits, offsets = self.pnet(_band(sums, scale, begin, first + BAND + CELL).to(self.device))
            scores = logits.softmax(1)[0, 1]
            seen = scores >= self.thresholds[0]
            # A cell at the edge of a band that is not the level's may lack what lies beyond: the next band has it.
            seen[: (first - begin) // STRIDE] = False
            seen[(first - begin + BAND) // STRIDE :] = False
            rows, columns = torch.nonzero(seen, as_tuple=True)
            cells = torch.stack([columns, rows + begin // STRIDE], 1).cpu().numpy()
            values = torch.cat([scores[rows, columns, None], offsets[0, :, rows, columns].T], 1).cpu().numpy()
        # In single precision, as the reference rounds.
        corners = [np.floor((STRIDE * cells + edge).astype(np.float32) / np.float32(scale)) for edge in (1, CELL)]
        return np.concatenate([*corners, values], 1).astype(np.float64)

    def _refine(self, sums: Sums, squares: Floats) -> tuple[Floats, Floats]:
        scores, offsets = self._run(self.rnet, sums, squares, 24)
        passed = np.flatnonzero(scores > self.thresholds[1])
        passed = passed[suppress(squares[passed], scores[passed], 0.7)]
        squares = square(moved(squares[passed], offsets[passed], extra=1))
        inside = _touching(squares, sums)
        return squares[inside], scores[passed][inside]

    def _output(self, sums: Sums, squares: Floats) -> tuple[Floats, Floats, Floats]:
        scores, offsets, places = self._run(self.onet, sums, squares, 48)
        passed = np.flatnonzero(scores > self.thresholds[2])
        sides = squares[passed, 2:] - squares[passed, :2] + 1
        points = places[passed].reshape(-1, 2, 5).transpose(0, 2, 1) * sides[:, None] + squares[passed, None, :2] - 1
        boxes = moved(squares[passed], offsets[passed], extra=1)
        kept = suppress_inside(boxes, scores[passed], 0.7)
        return boxes[kept], scores[passed][kept], points[kept]

    def _run(self, net: nn.Module, sums: Sums, squares: Floats, side: int) -> list[Floats]:
        """Return a network's scores and whatever else it gives for windows, a row each."""

        def look(start: int) -> list[npt.NDArray[np.float32]]:
            windows = _crops(sums, squares[start : start + AT_ONCE[side]], side)
            with torch.inference_mode():
                logits, *others = net(windows.to(self.device))
                return [t.cpu().numpy() for t in (logits.softmax(1)[:, 1], *others)]

        # Once at least, so that no windows give arrays of no rows.
        parts = side_by_side(look, range(0, max(1, len(squares)), AT_ONCE[side]))
        return [np.concatenate(part).astype(np.float64) for part in zip(*parts, strict=True)]


def pyramid(height: int, width: int, min_face: int, factor: float) -> Iterator[float]:
    """Yield the scales at which P-Net looks at a picture: first that which makes `min_face` a cell.

    Examples
    --------
    >>> [round(scale, 4) for scale in pyramid(480, 640, 160, 0.709)]
    [0.075, 0.0532, 0.0377, 0.0267]
    """
    scale = CELL / min_face
    while min(height, width) * scale >= CELL:
        yield scale
        scale *= factor


def crops(pixels: Pixels, squares: Floats, side: int) -> Tensor:
    """Return windows of a picture ``(n, 3, side, side) float32`` in -1 to 1, black beyond its edge.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
    squares : (n, 4) array
        Cut at whole pixels, towards 0.
    side : int
    """
    return _crops(_sums(pixels), squares, side)


def moved(boxes: Floats, offsets: Floats, extra: int) -> Floats:
    """Return boxes whose corners are moved by shares of their sides, which count `extra` pixels more."""
    sides = boxes[:, 2:] - boxes[:, :2] + extra
    corners: Floats = boxes + offsets * np.concatenate([sides, sides], 1)
    return corners


def square(boxes: Floats) -> Floats:
    """Return squares round the boxes' middles, as wide as the longer side."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longer = sides.max(1, keepdims=True)
    corners = boxes[:, :2] + sides * 0.5 - longer * 0.5
    return np.concatenate([corners, corners + longer], 1)


def suppress(boxes: Floats, scores: Floats, threshold: float) -> npt.NDArray[np.intp]:
    """Return which boxes stay, best score first: those that overlap no better one by more of their union.

    Parameters
    ----------
    boxes : (n, 4) array
    scores : (n,) array
    threshold : float
        The share of the union that is too much.
    """
    import cv2

    rectangles = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2] + 1], 1)
    kept = cv2.dnn.NMSBoxes(rectangles, scores, 0.0, threshold)  # type: ignore[arg-type]  # it takes arrays, too
    return np.array(kept, np.intp)


def suppress_inside(boxes: Floats, scores: Floats, threshold: float) -> npt.NDArray[np.intp]:
    """Return which boxes stay as :func:`suppress` does, where overlap is told as a share of the smaller box."""
    areas = np.prod(boxes[:, 2:] - boxes[:, :2] + 1, 1)
    left = np.argsort(-scores, kind="stable")
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        shared = np.minimum(boxes[best, 2:], boxes[left, 2:]) - np.maximum(boxes[best, :2], boxes[left, :2]) + 1
        both = np.prod(np.maximum(0, shared), 1)
        # Divided, as the reference does: a product rounds otherwise where the share is just the threshold.
        left = left[both / np.maximum(np.minimum(areas[best], areas[left]), 1e-9) <= threshold]
    return np.array(kept, np.intp)


def side_by_side(work: Callable[[T], U], pieces: Sequence[T]) -> list[U]:
    """Return what `work` makes of each piece, on all cores if the program's main thread asks.

    Every piece is worked on in one thread, so that its last bits depend neither on the cores nor on ``--jobs``. Other
    threads than the main one were given a share of the cores already and work alone.
    """

    def alone(piece: T) -> U:
        with one_thread():
            return work(piece)

    if len(pieces) == 1 or threading.current_thread() is not threading.main_thread():
        return list(map(alone, pieces))
    return list(_helpers(os.getpid()).map(alone, pieces))


@lru_cache(maxsize=1)
def _helpers(process: int) -> ThreadPoolExecutor:
    """Return a process's own helpers: a fork has none of its parent's threads."""
    return ThreadPoolExecutor(os.cpu_count(), "cascade")


def _sums(pixels: Pixels) -> Sums:
    """Return, for every pixel, the sum over all above and left of it: ``(H + 1, W + 1, 3)``.

    The sum over any rectangle is made of four of them. In a large picture they run over; their differences do not.
    """
    import cv2

    sums: Sums = cv2.integral(pixels, sdepth=cv2.CV_32S)
    return sums


def _bins(lengths: npt.NDArray[np.int64], count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return where the pixels begin and end that each of `count` pixels covers, for several lengths: ``(n, count)``."""
    steps = np.arange(count + 1) * lengths[:, None]
    return steps[:, :-1] // count, -(-steps[:, 1:] // count)


def _bands(sums: Sums, scale: float) -> range:
    """Return the first rows of the bands that a level of the pyramid is cut into."""
    cells = (int((sums.shape[0] - 1) * scale + 1) - 1) // STRIDE - 4
    return range(0, STRIDE * cells, BAND)


def _band(sums: Sums, scale: float, begin: int, end: int) -> Tensor:
    """Return some rows of a level of the pyramid ``(1, 3, h, w) float32``, as many of them as there are."""
    lengths = np.array([sums.shape[0] - 1, sums.shape[1] - 1])
    rows, columns = (lengths * scale + 1).astype(int)
    top, bottom = (bins[:, begin:end] for bins in _bins(lengths[:1], rows))
    left, right = _bins(lengths[1:], columns)
    strips = sums[bottom[0]] - sums[top[0]]
    total = np.take(strips, right[0], 1) - np.take(strips, left[0], 1)
    return _normal(torch.from_numpy(total[None]), bottom - top, right - left)


def _crops(sums: Sums, squares: Floats, side: int) -> Tensor:
    corners = np.trunc(squares).astype(np.int64)
    lengths = corners[:, 2:] - corners[:, :2] + 1
    height, width = sums.shape[0] - 1, sums.shape[1] - 1
    left, right = (bins + corners[:, :1] - 1 for bins in _bins(lengths[:, 0], side))
    top, bottom = (bins + corners[:, 1:2] - 1 for bins in _bins(lengths[:, 1], side))
    rows = np.concatenate([top, bottom], 1).clip(0, height)
    columns = np.concatenate([left, right], 1).clip(0, width)
    at = torch.from_numpy(np.take(sums.reshape(-1, 3), rows[:, :, None] * (width + 1) + columns[:, None, :], 0))
    strips = at[:, side:] - at[:, :side]
    return _normal(strips[:, :, side:] - strips[:, :, :side], bottom - top, right - left)


def _normal(total: Tensor, heights: npt.NDArray[np.int64], widths: npt.NDArray[np.int64]) -> Tensor:
    """Return sums ``(n, h, w, 3)`` over pixels as means from -1 to 1, ``(n, 3, h, w) float32``, channels last."""
    shares = torch.from_numpy((1 / 128) / (heights[:, :, None, None] * widths[:, None, :, None])).float()
    return total.float().mul_(shares).sub_(127.5 / 128).permute(0, 3, 1, 2)


def _touching(squares: Floats, sums: Sums) -> npt.NDArray[np.bool_]:
    """Return which squares have a pixel of the picture in them."""
    corners = np.trunc(squares)
    overlap = np.minimum(corners[:, 2:], [sums.shape[1] - 1, sums.shape[0] - 1]) - np.maximum(corners[:, :2], 1)
    touching: npt.NDArray[np.bool_] = overlap.min(1) >= 0
    return touching
