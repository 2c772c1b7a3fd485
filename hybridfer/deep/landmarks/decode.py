"""What the maps of a landmark network say: where each point of the face is, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor

from hybridfer.deep.landmarks.crop import Floats, Window, transform
from hybridfer.errors import SpecError

Singles = npt.NDArray[np.float32]

REFINEMENTS = ("quarter", "parabola", "none")

_LEAST = 1e-6
"""Values below are taken for this one before a logarithm."""


def decode(maps: Tensor, windows: Sequence[Window], refine: str = "quarter", at: float = 0.5) -> tuple[Floats, Singles]:
    """Return the points that maps show, and their height in them.

    Parameters
    ----------
    maps : (n, k, S, S) float tensor
        One map a point, high where it is.
    windows : sequence of n Window
        Where in its picture each was cut.
    refine : {"quarter", "parabola", "none"}
        How a place between cells is found from the highest and its neighbours: a quarter of a cell towards the higher
        of two, as HRNet's published code has it; the top of the parabola through their logarithms, which finds the
        middle of a Gaussian whatever its width; or not at all.
    at : float
        Where in a cell its value stands, 0 to 1. In the middle by default. For networks of mmpose it is 1/8, because
        there the first value is that of the picture's first pixel.

    Returns
    -------
    (n, k, 2) float64
        ``x, y`` in the pixels of the picture that the window was cut from.
    (n, k) float32
        How high the map is there; about 1 where the network is sure, and no less than 0.

    Raises
    ------
    SpecError
        If no refinement has this name.
    """
    if refine not in REFINEMENTS:
        raise SpecError(f"refine={refine} is unknown; expected {', '.join(REFINEMENTS)}.")
    places, values, before, after = _highest(maps)
    if refine == "quarter":
        places = places + 0.25 * np.sign(after - before)
    elif refine == "parabola":
        low, middle, high = (
            np.log(np.maximum(each, _LEAST, dtype=np.float64)) for each in (before, values[..., None], after)
        )
        bend = 2 * middle - low - high
        places = places + np.divide(high - low, 2 * bend, out=np.zeros_like(bend), where=bend > 0)
    size = maps.shape[-1]
    points = [window.out_of(each + at, size) for each, window in zip(places, windows, strict=True)]
    return np.array(points).reshape(places.shape), np.maximum(values, 0)


def decode_as_hr18(maps: Tensor, windows: Sequence[Window]) -> Floats:
    """Return the points ``(n, k, 2)`` that maps show, exactly as HRNet's published code has them: in whole pixels.

    They are those of :func:`decode` cut to whole numbers, and 1 is added; where a map is nowhere above 0, the cell
    beyond its first corner is taken. The published error of 4.60 on WFLW was measured so.

    Raises
    ------
    SpecError
        If a window is turned.
    """
    places, values, before, after = _highest(maps)
    places = places + 0.25 * np.sign(after - before)
    places[values <= 0] = -1
    found = []
    for each, window in zip(places, windows, strict=True):
        if window.turn:
            raise SpecError(f"A window turned by {window.turn:g} degrees is not read as HRNet's code does; expected 0.")
        back = np.linalg.inv(transform(window.x, window.y, window.side, maps.shape[-1]))
        homogeneous = np.column_stack([each + 0.5, np.ones(len(each))])
        found.append((homogeneous @ back.T)[:, :2].astype(int) + 1)
    return np.array(found, np.float64).reshape(places.shape)


def _highest(maps: Tensor) -> tuple[Floats, Singles, Singles, Singles]:
    """Return the cells ``x, y`` where maps are highest, their values there, and those one before and one after each.

    In a cell at the border both neighbours, one of which is not there, are said to be as high as it.
    """
    values = maps.detach().float().cpu().numpy()
    *many, height, width = values.shape
    flat = values.reshape(-1, height * width)
    rows, best = np.arange(len(flat)), flat.argmax(1)
    top = flat[rows, best]
    x, y = best % width, best // width
    inside = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    before, after = (
        np.stack([np.where(inside, flat[rows, np.where(inside, best + step, 0)], top) for step in steps], axis=-1)
        for steps in ((-1, -width), (1, width))
    )
    places = np.stack([x, y], axis=-1).astype(np.float64)
    return places.reshape(*many, 2), top.reshape(many), before.reshape(*many, 2), after.reshape(*many, 2)
