"""Cutting a face out, always in one geometry.

The crop is a square in which the eye centres lie at :data:`EYES`, the median of FER2013's own crops, so that what was
trained on FER2013 sees a photograph's face the way it saw its training faces.
"""

from __future__ import annotations

from hybridfer.types import Face, Pixels

EYES = ((0.31, 0.39), (0.69, 0.39))
"""Eye centres ``(x, y)`` in the crop, image-left then image-right, as shares of its side (FER2013's median)."""


def crop_face(pixels: Pixels, face: Face, eyes: tuple[tuple[float, float], tuple[float, float]] | None) -> Pixels:
    """Return the square round a face in which its eyes lie at :data:`EYES`.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        The picture.
    face : Face
        Its box is what is cut from.
    eyes : ((x, y), (x, y)) or None
        Where the eyes lie in the detector's boxes, as shares of width and height; None cuts the box itself.

    Returns
    -------
    (S, S, 3) uint8
        In source resolution; beyond the picture's edge its border pixels are repeated.
    """
    x0, y0, x1, y1 = face.box
    if eyes is None:
        return _window(pixels, round(x0), round(y0), round(x1 - x0), round(y1 - y0))
    (left_x, left_y), (right_x, right_y) = eyes
    width, height = x1 - x0, y1 - y0
    side = (right_x - left_x) * width / (EYES[1][0] - EYES[0][0])
    middle_x = x0 + (left_x + right_x) / 2 * width
    middle_y = y0 + (left_y + right_y) / 2 * height
    corner_x = middle_x - side * (EYES[0][0] + EYES[1][0]) / 2
    corner_y = middle_y - side * (EYES[0][1] + EYES[1][1]) / 2
    whole = max(1, round(side))
    return _window(pixels, round(corner_x), round(corner_y), whole, whole)


def _window(pixels: Pixels, x: int, y: int, width: int, height: int) -> Pixels:
    import cv2

    rows, columns = pixels.shape[:2]
    inside = pixels[max(0, y) : max(0, min(rows, y + height)), max(0, x) : max(0, min(columns, x + width))]
    top, left = max(0, -y), max(0, -x)
    bottom, right = max(0, y + height - rows), max(0, x + width - columns)
    if not (top or left or bottom or right):
        return inside
    padded: Pixels = cv2.copyMakeBorder(inside, top, bottom, left, right, cv2.BORDER_REPLICATE)
    return padded
