"""The square of a picture that a landmark network is shown.

Places in it are told in cells of a grid, 256 a side for the picture, 64 for the maps that come of it: a cell's number
is its edge, so that the middle of the first cell is 0.5. Points of a picture are as everywhere: whole in the middle of
a pixel.

A detector's box is not the box of the points: where it lies against it, and how much larger it is, differs from
detector to detector. :class:`BoxFit` says so, and is fitted to training pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hybridfer.errors import DatasetError, SpecError
from hybridfer.types import Pixels

Floats = npt.NDArray[np.float64]

MARGIN = 1.25
"""Side of a window, in longer sides of the box of the points."""

SMALLEST, LARGEST = 2, 8
"""Windows of fewer pixels, and of more times the picture's longer side, are refused: no face of it has such."""


@dataclass(frozen=True)
class BoxFit:
    """Where the box of the points lies in a detector's box.

    Attributes
    ----------
    right, down : float
        How far its middle lies from the middle of the detector's, in longer sides of the detector's.
    side : float
        Its longer side, in those of the detector's.
    """

    right: float = 0.0
    down: float = 0.0
    side: float = 1.0


@dataclass(frozen=True)
class Window:
    """A square of a picture.

    Attributes
    ----------
    x, y : float
        Its middle, as a point of the picture.
    side : float
        In pixels.
    turn : float
        By how many degrees the picture is turned clockwise on its way into it.
    """

    x: float
    y: float
    side: float
    turn: float = 0.0

    def into(self, points: npt.ArrayLike, cells: float) -> Floats:
        """Return points of the picture ``(..., 2)`` in cells of the window."""
        return np.asarray((np.asarray(points, np.float64) - [self.x, self.y]) @ self._turned() * cells + cells / 2)

    def out_of(self, places: npt.ArrayLike, cells: float) -> Floats:
        """Return places in the window ``(..., 2)``, in cells, as points of the picture."""
        inverse = np.linalg.inv(self._turned())
        return np.asarray((np.asarray(places, np.float64) / cells - 0.5) @ inverse + [self.x, self.y])

    def _turned(self) -> Floats:
        """Return what turns a row ``x, y`` and measures it in sides."""
        cosine, sine = np.cos(np.radians(self.turn)), np.sin(np.radians(self.turn))
        return np.array([[cosine, sine], [-sine, cosine]]) / self.side


def window_of_box(box: tuple[float, float, float, float], fit: BoxFit | None = None, margin: float = MARGIN) -> Window:
    """Return the window for a face of which a detector's box is known.

    Parameters
    ----------
    box : (x0, y0, x1, y1)
        End-exclusive.
    fit : BoxFit, optional
        Of that detector; by default its box is taken for that of the points.
    margin : float
        Side of the window, in longer sides of the box of the points.

    Examples
    --------
    >>> window_of_box((10, 20, 50, 60), margin=1.5)
    Window(x=29.5, y=39.5, side=60.0, turn=0.0)
    """
    fit = fit or BoxFit()
    x0, y0, x1, y1 = box
    longer = max(x1 - x0, y1 - y0)
    # A box's edges lie between pixels, a point on the middle of one.
    middle = (x0 + x1) / 2 - 0.5 + fit.right * longer, (y0 + y1) / 2 - 0.5 + fit.down * longer
    return Window(*middle, longer * fit.side * margin)


def window_of_points(points: npt.ArrayLike, margin: float = MARGIN, whole: bool = False) -> Window:
    """Return the window round points, by their box.

    Parameters
    ----------
    points : (k, 2) array
        NaN where a point is unknown.
    margin : float
        See :func:`window_of_box`.
    whole : bool
        Whether the box is one of whole numbers, as in the lists that HRNet's authors made of WFLW.

    Raises
    ------
    DatasetError
        If fewer than two different points are known.
    """
    known = np.asarray(points, np.float64).reshape(-1, 2)
    known = known[np.isfinite(known).all(1)]
    if not len(known) or not np.ptp(known, axis=0).max() > 0:
        raise DatasetError(f"{len(known)} known points in one place have no box; expected a face's points.")
    low, high = known.min(0), known.max(0)
    if whole:
        low, high = np.floor(low), np.ceil(high)
    x, y = (low + high) / 2
    return Window(float(x), float(y), float((high - low).max() * margin))


def cut(pixels: Pixels, window: Window, size: int) -> Pixels:
    """Return what a window shows, ``(size, size, 3) uint8``; beyond the picture its border is repeated.

    Raises
    ------
    DatasetError
        If the window does not touch the picture, or is out of all proportion to it.
    """
    from hybridfer.descriptors.base import resize
    from hybridfer.faces.align import cut_square

    _check(pixels, window)
    x, y = window.into([[0, 0], [1, 0], [0, 1]], 1).T
    to_square = np.array([[x[1] - x[0], x[2] - x[0], x[0]], [y[1] - y[0], y[2] - y[0], y[0]]])
    return resize(cut_square(pixels, to_square, 0, 0, 1), size)


def cut_as_hr18(pixels: Pixels, window: Window, size: int = 256) -> Pixels:
    """Return what a window shows, ``(size, size, 3) uint8``, as HRNet's published code has it, pixel for pixel.

    There the window begins and ends at whole pixels and is black beyond the picture, and SciPy's ``imresize`` of old,
    given floats, stretched the grey values to 0 to 255. The published weights were trained and tested so.

    Raises
    ------
    DatasetError
        See :func:`cut`.
    SpecError
        If the window is turned.
    """
    if window.turn:
        raise SpecError(f"A window turned by {window.turn:g} degrees cannot be cut as HRNet's code does; expected 0.")
    _check(pixels, window)
    picture, x, y, side = pixels.astype(np.float32), window.x, window.y, window.side
    shrink = side / size
    if shrink >= 2:
        height, width = (int(length / shrink) for length in pixels.shape[:2])
        if max(height, width) < 2:
            return np.zeros((size, size, 3), np.uint8)
        picture = _imresize(picture, max(1, height), max(1, width)).astype(np.float32)
        x, y, side = (value / shrink for value in (x, y, side))
    back = np.linalg.inv(transform(x, y, side, size))
    # Whole pixels come of cutting off what is behind the point, left of the picture too.
    (left, right), (top, bottom) = (back @ [[-1, size - 1], [-1, size - 1], [1, 1]])[:2].astype(int) + 1
    seen = np.zeros((bottom - top, right - left, 3), np.float32)
    height, width = picture.shape[:2]
    inside = picture[max(0, top) : max(0, min(bottom, height)), max(0, left) : max(0, min(right, width))]
    down, across = max(0, -top), max(0, -left)
    seen[down : down + len(inside), across : across + inside.shape[1]] = inside
    return _imresize(seen, size, size)


def transform(x: float, y: float, side: float, cells: float) -> Floats:
    """Return the matrix ``(3, 3)`` from a picture to a window's cells, in the order of HRNet's published code.

    It says what :meth:`Window.into` says; numbers that lie on whole pixels are cut off as they are there only where
    they are rounded as they are there.
    """
    scale = cells / side
    return np.array([[scale, 0, cells * (-x / side + 0.5)], [0, scale, cells * (-y / side + 0.5)], [0, 0, 1]])


def _imresize(values: npt.NDArray[np.float32], height: int, width: int) -> Pixels:
    """Return what ``scipy.misc.imresize`` of SciPy 1.2 made of floats: stretched to 0 to 255, then resized."""
    from PIL import Image

    low, high = values.min(), values.max()
    stretched = (values - low) * np.float32(255 / (float(high - low) or 1)) + np.float32(0.5)
    picture = Image.fromarray(stretched.astype(np.uint8))
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))


def _check(pixels: Pixels, window: Window) -> None:
    height, width = pixels.shape[:2]
    fits = SMALLEST <= window.side <= LARGEST * max(height, width)
    reach = window.side / 2 * (2**0.5 if window.turn else 1)
    touches = -reach < window.x < width + reach and -reach < window.y < height + reach
    if not (fits and touches):
        raise DatasetError(
            f"A face's window of {window.side:g} pixels round ({window.x:g}, {window.y:g}) does not fit a picture of "
            f"{width}x{height}; expected points, or a box, of this picture. Check that they belong to it."
        )
