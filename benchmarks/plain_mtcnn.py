"""MTCNN's cascade as it is usually written, to be compared with: a run a level, a crop and a resizing a window.

The rules are facenet-pytorch's, which cannot be installed beside this torch; only windows beyond the picture's edge are
filled with black, as the method's authors do it. Nothing is shared with :mod:`hybridfer.deep.cascade` but the weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F


def detect(
    pixels: np.ndarray, pnet: Any, rnet: Any, onet: Any, min_face: int, thresholds: Any = (0.6, 0.7, 0.7)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return boxes ``(n, 4)``, scores ``(n,)`` and points ``(n, 5, 2)``, the best first; pixels count from 1."""
    height, width = pixels.shape[:2]
    picture = torch.from_numpy(pixels).permute(2, 0, 1).float().contiguous()[None]
    rows = [np.empty((0, 9))]
    scale = 12 / min_face
    while min(height, width) * scale >= 12:
        level = F.interpolate(picture, (int(height * scale + 1), int(width * scale + 1)), mode="area")
        scores, offsets = look(pnet, (level - 127.5) * 0.0078125)
        y, x = np.nonzero(scores[0] >= thresholds[0])
        first = [np.floor((2 * v + 1).astype(np.float32) / np.float32(scale)) for v in (x, y)]
        last = [np.floor((2 * v + 12).astype(np.float32) / np.float32(scale)) for v in (x, y)]
        level_rows = np.stack([*first, *last, scores[0, y, x], *offsets[0, :, y, x].T], 1)
        rows.append(level_rows[nms(level_rows[:, :4], level_rows[:, 4], 0.5)])
        scale *= 0.709
    found = np.concatenate(rows)
    found = found[nms(found[:, :4], found[:, 4], 0.7)]
    boxes = rerec(found[:, :4] + found[:, 5:] * np.tile(found[:, 2:4] - found[:, :2], 2))

    boxes, windows = cut(picture, boxes, 24)
    if not len(boxes):
        return np.empty((0, 4)), np.empty(0), np.empty((0, 5, 2))
    scores, offsets = look(rnet, windows)
    passed = scores > thresholds[1]
    boxes, scores, offsets = boxes[passed], scores[passed], offsets[passed]
    pick = nms(boxes, scores, 0.7)
    boxes = rerec(boxes[pick] + offsets[pick] * np.tile(boxes[pick, 2:] - boxes[pick, :2] + 1, 2))

    boxes, windows = cut(picture, boxes, 48)
    if not len(boxes):
        return np.empty((0, 4)), np.empty(0), np.empty((0, 5, 2))
    scores, offsets, places = look(onet, windows)
    passed = scores > thresholds[2]
    boxes, scores, offsets, places = boxes[passed], scores[passed], offsets[passed], places[passed]
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    points = (
        np.stack([places[:, :5] * sides[:, :1] + boxes[:, :1], places[:, 5:] * sides[:, 1:] + boxes[:, 1:2]], 2) - 1
    )
    boxes = boxes + offsets * np.tile(sides, 2)
    pick = nms(boxes, scores, 0.7, of_smaller=True)
    return boxes[pick], scores[pick], points[pick]


def look(net: Any, windows: torch.Tensor) -> list[np.ndarray]:
    """Return the probabilities of a face and whatever else a network gives."""
    with torch.no_grad():
        logits, *others = net(windows)
    return [torch.softmax(logits, 1)[:, 1].numpy(), *(other.numpy() for other in others)]


def nms(boxes: np.ndarray, scores: np.ndarray, threshold: float, of_smaller: bool = False) -> list[int]:
    """Return which boxes stay: the best, and all that overlap no better one by more than `threshold`."""
    areas = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    order = np.argsort(-scores, kind="stable")
    pick = []
    while order.size:
        best, rest = order[0], order[1:]
        pick.append(int(best))
        left, top = (np.maximum(boxes[best, i], boxes[rest, i]) for i in (0, 1))
        right, bottom = (np.minimum(boxes[best, i], boxes[rest, i]) for i in (2, 3))
        shared = np.maximum(0, right - left + 1) * np.maximum(0, bottom - top + 1)
        whole = np.minimum(areas[best], areas[rest]) if of_smaller else areas[best] + areas[rest] - shared
        order = rest[shared / whole <= threshold]
    return pick


def rerec(boxes: np.ndarray) -> np.ndarray:
    """Return the squares round the boxes' middles."""
    middles, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True)
    return np.concatenate([middles - sides / 2, middles + sides / 2], 1)


def cut(picture: torch.Tensor, boxes: np.ndarray, side: int) -> tuple[np.ndarray, torch.Tensor]:
    """Return the boxes that touch the picture and their windows ``(n, 3, side, side)``, black beyond its edge."""
    height, width = picture.shape[2:]
    kept, windows = [], []
    for box in boxes:
        x1, y1, x2, y2 = (int(v) for v in box)
        left, top, right, bottom = max(1, x1), max(1, y1), min(width, x2), min(height, y2)
        if right < left or bottom < top:
            continue
        canvas = torch.zeros(1, 3, y2 - y1 + 1, x2 - x1 + 1)
        inside = picture[:, :, top - 1 : bottom, left - 1 : right]
        canvas[:, :, top - y1 : bottom - y1 + 1, left - x1 : right - x1 + 1] = inside
        windows.append((F.interpolate(canvas, (side, side), mode="area") - 127.5) * 0.0078125)
        kept.append(box)
    return np.array(kept), torch.cat(windows) if windows else torch.empty(0)
