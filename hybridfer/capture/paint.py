"""The head's texture: skin, brows, lips, eyes, teeth and hair of a drawn person in one picture of 512 × 512.

Everything on the skin is painted in the sheet's flat coordinates, where eyes and mouth are closed: the lash line is
the cut between the lids, the lips' colour ends at their outline, the brows' hair at their landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hybridfer.capture import sheet
from hybridfer.capture.muscles import MUSCLES, folds
from hybridfer.capture.sheet import CHIN, LIP_LINE, MOUTH, SIDES, TOP, bump, fade

if TYPE_CHECKING:
    from hybridfer.capture.head import Head, Identity

SIZE = 512
_ROWS, _COLUMNS = 432, 448
"""The skin's part of the texture, in the upper left corner."""
_FOLDS = 2
"""Texels along a side that one value of the folds stands for."""

Layer = npt.NDArray[np.float32]

_SKINS = np.array(
    [(238, 203, 182), (228, 184, 156), (208, 160, 126), (172, 122, 88), (128, 84, 58), (88, 58, 42)], np.float32
)
_LIPS = np.array(
    [(205, 128, 122), (196, 116, 108), (178, 98, 88), (144, 84, 74), (112, 64, 58), (82, 48, 46)], np.float32
)


@dataclass(frozen=True, eq=False)
class _Layers:
    """What is the same for everybody: each ``(432, 448) float32``, 0 to 1."""

    x: Layer
    y: Layer
    angle: Layer
    brow: Layer
    lips: Layer
    lip_line: Layer
    lash: Layer
    lower_lash: Layer
    crease: Layer
    nostrils: Layer
    blush: Layer
    beard: Layer
    shade: Layer
    lines: Layer
    scalp: Layer


def _places(step: int = 1) -> tuple[npt.NDArray[np.float64], ...]:
    """Return flat x, y and angle of the skin's texels, or of the middles of squares of `step`."""
    u = (np.arange(0, _COLUMNS, step) + step / 2 - 0.75) / (_COLUMNS - 1.5)
    v = (np.arange(0, _ROWS, step) + step / 2 - 0.75) / (_ROWS - 1.5)
    off = u - 0.5
    angle = np.where(
        np.abs(off) <= 0.44, off / 0.44 * SIDES, np.sign(off) * (SIDES + (np.abs(off) - 0.44) / 0.06 * (np.pi - SIDES))
    )
    angle, y = np.meshgrid(angle, TOP + v * (CHIN - TOP))
    # Behind the ears nothing of the face is painted: x goes on outwards instead of coming back.
    x = sheet.half_width(y) * np.where(np.abs(angle) > np.pi / 2, np.sign(angle) * np.abs(angle) * 2, np.sin(angle))
    return x, y, angle


def wrinkles() -> npt.NDArray[np.float16]:
    """Return the folds of every muscle's left and right half at half of the skin's resolution."""
    x, y, _ = _places(_FOLDS)
    right = fade(x, -0.14, 0.14)
    made = np.zeros((len(MUSCLES), 2, *x.shape), np.float16)
    for k, unit in enumerate(MUSCLES):
        whole = folds(unit, x, y)
        made[k, 0], made[k, 1] = whole * (1 - right), whole * right
    return made


@lru_cache(maxsize=1)
def _layers() -> _Layers:
    """Return the layers that every person is painted with."""
    x, y, angle = _places()
    side = np.abs(x)
    above, below = sheet.brow_heights(np.clip(side, sheet.BROW_INNER, sheet.BROW_OUTER))
    soft = 0.016
    brow = fade(y, above - soft, above + soft) * fade(y, below + soft, below - soft)
    brow *= fade(side, sheet.BROW_INNER - 0.03, sheet.BROW_INNER + 0.05)
    brow *= fade(side, sheet.BROW_OUTER + 0.02, sheet.BROW_OUTER - 0.03)
    # Hairs: strokes that lean outwards, upright near the nose.
    lean = np.clip((side - 0.15) / 0.4, 0, 1)
    stroke = np.sin(170 * (side * (1.1 - 0.75 * lean) + (y + 0.4) * (0.35 + 1.1 * lean)))
    brow *= 0.86 + 0.14 * stroke

    top, bottom = sheet.lip_heights(x)
    lips = fade(y, top - 0.007, top + 0.012) * fade(y, bottom + 0.009, bottom - 0.012) * (side < MOUTH)
    ends = fade(side, MOUTH + 0.02, MOUTH - 0.05)
    lip_line = np.exp(-(((y - LIP_LINE) / 0.013) ** 2)) * ends
    eye = fade(side, sheet.INNER - 0.03, sheet.INNER + 0.06) * fade(side, sheet.OUTER + 0.05, sheet.OUTER - 0.02)
    lash = np.where(y <= 0.004, np.exp(-((y / 0.026) ** 2)), np.exp(-(((y - 0.004) / 0.006) ** 2))) * eye
    lower_lash = np.where(y > 0.004, np.exp(-(((y - 0.004) / 0.016) ** 2)), 0) * eye
    s = np.clip((side - sheet.INNER) / (sheet.OUTER - sheet.INNER), 0, 1)
    crease = np.exp(-(((y + 0.105 + 0.035 * np.sin(np.pi * s)) / 0.016) ** 2)) * eye
    hole = ((side - 0.095) / 0.062) ** 2 + ((y - 0.842 - 0.10 * (side - 0.1)) / 0.024) ** 2
    nostrils = np.exp(-(hole**1.5))
    blush = 0.75 * bump(side, y, 0.62, 0.58, 0.55, 0.45) + 0.4 * bump(side, y, 0, 0.68, 0.26, 0.26)
    beard = fade(y, 0.9, 1.3) * fade(side, 1.2, 0.5) + bump(side, y, 0.12, 1.0, 0.42, 0.2)
    beard = np.clip(beard + fade(y, 0.2, 0.9) * fade(side, 0.74, 0.95), 0, 1) * (1 - lips)
    beard *= fade(np.abs(angle), 1.7, 1.5)
    shade = (
        0.10 * bump(side, y, 0.24, -0.06, 0.17, 0.2)  # between eye and nose
        + 0.10 * bump(side, y, 0.50, 0.15, 0.3, 0.14)  # below the eye
        + 0.09 * bump(side, y, 0.52, -0.22, 0.36, 0.16)  # below the brow
        + 0.10 * bump(side, y, 0.0, 0.91, 0.27, 0.10)  # below the nose
        + 0.14 * bump(side, y, 0.29, 0.76, 0.08, 0.15)  # beside the wings
        + 0.16 * bump(side, y, 0.0, 1.385, 0.3, 0.09)  # below the lower lip
        + 0.10 * bump(side, y, 0.45, LIP_LINE + 0.01, 0.09, 0.09)  # corners
        + 0.16 * fade(y, 1.74, 1.87)  # below the chin
        + 0.08 * fade(np.abs(angle), 1.0, 1.55) * fade(y, 0.6, 1.3)
    )
    x_, y_ = np.abs(x), y
    lines = -(folds(12, x_, y_) * 0.55 + folds(6, x_, y_) * 0.6 + folds(1, x_, y_) * 0.55 + folds(15, x_, y_) * 0.6)
    lines = np.clip(lines + 0.25 * crease, 0, 1)
    scalp = y - sheet.hairline(angle)
    return _Layers(
        *(
            np.ascontiguousarray(layer, np.float32)
            for layer in (
                x, y, angle, brow, lips, lip_line, lash, lower_lash, crease, nostrils, blush, beard, shade, lines, scalp
            )
        )
    )  # fmt: skip


def _noise(random: np.random.Generator, shape: tuple[int, int], cells: int) -> Layer:
    """Return smooth noise of mean 0 and spread 1 with about `cells` hills along the longer side."""
    import cv2

    rough = random.standard_normal((max(cells * shape[0] // max(shape), 2), max(cells * shape[1] // max(shape), 2)))
    return np.asarray(cv2.resize(rough.astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _mix(base: Layer, colour: npt.ArrayLike, how_much: Layer) -> Layer:
    """Return `base` with `colour` laid over it."""
    return base + (np.asarray(colour, np.float32) - base) * how_much[..., None]


def _along(table: Layer, at: float) -> Layer:
    """Return the colour at 0..1 of a table that goes from light to dark."""
    place = np.clip(at, 0, 1) * (len(table) - 1)
    return np.array([np.interp(place, np.arange(len(table)), channel) for channel in table.T], np.float32)


def _skin(identity: Identity, random: np.random.Generator) -> Layer:
    """Return a person's skin, without folds."""
    layer = _layers()
    shape = (_ROWS, _COLUMNS)
    tone, light = _along(_SKINS, identity.skin), 1.0 - 0.6 * identity.skin
    blotches, grain = _noise(random, shape, 26), random.standard_normal(shape).astype(np.float32)
    value = 1.0 + 0.016 * blotches + 0.010 * _noise(random, shape, 110) + 0.012 * grain - layer.shade
    skin = tone * value[..., None]
    red = layer.blush * (0.11 + 0.10 * identity.lip_tint) * light + 0.02 * np.abs(blotches)
    skin *= 1 - red[..., None] * np.array([0.1, 0.85, 0.75], np.float32)
    if identity.freckles > 0.05:
        spots = np.clip(_noise(random, shape, 200) - 1.25, 0, 1) * layer.blush * identity.freckles
        skin = _mix(skin, tone * (0.62, 0.5, 0.42), np.clip(spots, 0, 0.7))
    if identity.stubble > 0:
        speckle = np.clip(0.75 + 0.35 * grain, 0, 1.3)
        skin = _mix(skin, np.array(identity.hair) * 0.9 + 14, layer.beard * speckle * 0.42 * identity.stubble)
    skin *= (1 - layer.lines * (0.75 * max(identity.age - 0.15, 0.0)))[..., None]
    skin *= (1 - 0.28 * layer.crease)[..., None]
    colour = _along(_LIPS, identity.skin) * (1 - 0.3 * identity.lip_tint * np.array([0.25, 1.0, 0.8]))
    skin = _mix(skin, colour, layer.lips * (0.55 + 0.4 * identity.lip_tint))
    skin = _mix(skin, np.array(colour) * 0.40, layer.lip_line * 0.75)
    skin = _mix(skin, tone * (0.30, 0.22, 0.20), layer.nostrils * 0.9)
    skin = _mix(skin, identity.brow, np.clip(layer.brow * identity.brow_density, 0, 1))
    skin = _mix(skin, np.array((26, 19, 17)) + 0.12 * tone, layer.lash * (0.88 - 0.15 * identity.stubble))
    skin = _mix(skin, tone * (0.66, 0.48, 0.44), layer.lower_lash * 0.7)
    # The hair begins in single strands; of a shaven head its shadow stays.
    scalp = fade(layer.scalp + 0.02 * _noise(random, shape, 130) + 0.02 * blotches, 0.06, -0.05).astype(np.float32)
    bald = identity.hair_style == "bald"
    return _mix(skin, np.array(identity.hair) * 0.9, scalp * (0.16 if bald else 1.0))


def _eye(identity: Identity, random: np.random.Generator, side: int) -> Layer:
    """Return an eyeball's front: white, iris with its dark rim and rays, pupil, a highlight and the lid's shadow."""
    at = (np.arange(side) + 0.5) / side * 2 - 1
    x, y = np.meshgrid(at, at)
    r, turn = np.hypot(x, y), np.arctan2(y, x)
    # The texture is even in angle from the pupil; the rim of the iris is 0.104 from it on a ball of BALL.
    iris = np.arcsin(0.104 / sheet.BALL) / np.deg2rad(88)
    white = np.array((240, 235, 230), np.float32) * np.ones((side, side, 1), np.float32)
    white = _mix(white, (214, 150, 142), 0.55 * fade(r, 1.6 * iris, 3.4 * iris).astype(np.float32))
    rays = sum(np.cos(n * turn + p) for n, p in zip((9, 17, 26), random.uniform(0, 6.3, 3), strict=True)) / 3
    colour = np.array(identity.iris, np.float32) * (1.0 + 0.22 * rays * fade(r, 0.2 * iris, 0.7 * iris))[..., None]
    colour = colour * (1.18 - 0.62 * fade(r, 0.68 * iris, iris))[..., None]
    eye = _mix(white, colour, fade(r, 1.07 * iris, 0.93 * iris).astype(np.float32))
    eye = _mix(eye, (10, 8, 8), fade(r, 0.47 * iris, 0.37 * iris).astype(np.float32))
    gleam = np.hypot(x + 0.36 * iris, y + 0.40 * iris)
    eye = _mix(eye, (255, 255, 255), 0.9 * fade(gleam, 0.26 * iris, 0.12 * iris).astype(np.float32))
    shadow = 1 - 0.28 * fade(y, -0.05, -0.34)
    return np.asarray(eye * shadow[..., None], np.float32)


def _teeth(rows: int, columns: int) -> Layer:
    """Return a row of upper teeth over a row of lower ones, with their gums."""
    u, v = np.meshgrid((np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows)
    half = np.abs(u - 0.5) * 0.72
    gaps = np.array([0.0, 0.085, 0.15, 0.215, 0.275, 0.335])
    gap = np.min(np.abs(half[..., None] - gaps), axis=-1)
    value = 1 - 0.32 * np.exp(-((gap / 0.006) ** 2)) - 0.55 * fade(half, 0.12, 0.36)
    teeth = np.array((236, 230, 214), np.float32) * value[..., None].astype(np.float32)
    gum = np.where(v < 0.5, fade(v, 0.22, 0.12), fade(v, 0.84, 0.93)).astype(np.float32)
    return _mix(teeth, (150, 78, 74), gum)


@lru_cache(maxsize=8)
def _bare(identity: Identity) -> Layer:
    """Return a person's whole texture with a face at rest; read-only, because it is kept."""
    random = np.random.default_rng([identity.seed, 512])
    made = np.zeros((SIZE, SIZE, 3), np.float32)
    tone = _along(_SKINS, identity.skin)
    made[:] = tone * 0.9
    made[:_ROWS, :_COLUMNS] = _skin(identity, random)
    made[_box(sheet.NECK_BOX)] = tone * (0.84 + 0.015 * _noise(random, _shape(sheet.NECK_BOX), 30))[..., None]

    rows, columns = _shape(sheet.EYE_BOX)
    made[_box(sheet.EYE_BOX)] = _eye(identity, random, rows)
    made[_box(sheet.TEETH_BOX)] = _teeth(*_shape(sheet.TEETH_BOX))
    rows, columns = _shape(sheet.MOUTH_BOX)
    v, u = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
    tongue = bump(u, v, 0.5, 0.78, 0.42, 0.5).astype(np.float32)
    made[_box(sheet.MOUTH_BOX)] = _mix(
        np.full((rows, columns, 3), (44, 14, 14), np.float32), (138, 62, 60), tongue * 0.8
    )
    rows, columns = _shape(sheet.EAR_BOX)
    v, u = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    bowl = 1 - 0.34 * bump(u, v, 0.05, 0.05, 0.75, 0.8) - 0.12 * np.exp(-(((np.hypot(u, v) - 0.72) / 0.07) ** 2))
    made[_box(sheet.EAR_BOX)] = tone * (1.0, 0.92, 0.90) * (0.93 * bowl)[..., None]
    rows, columns = _shape(sheet.HAIR_BOX)
    strands = _strands(random, rows, columns)
    made[_box(sheet.HAIR_BOX)] = np.array(identity.hair, np.float32) * strands[..., None]
    np.clip(made, 0, 255, out=made)
    made.setflags(write=False)
    return made


def _strands(random: np.random.Generator, rows: int, columns: int) -> Layer:
    """Return hair's brightness: strands from the crown (above) to the hairline, a gleam on the way."""
    fine, broad = random.standard_normal((2, columns)).astype(np.float32)
    v = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    waves = 0.12 * fine + 0.10 * np.convolve(broad, np.ones(7) / 7, "same") * 2
    value = 1.0 + waves * (0.5 + 0.5 * v) + 0.20 * np.exp(-(((v - 0.45) / 0.16) ** 2)) - 0.12 * (v > 0.97)
    return np.asarray(value + 0.05 * _noise(random, (rows, columns), 60), np.float32)


def _shape(box: tuple[float, float, float, float]) -> tuple[int, int]:
    """Return a box's rows and columns in texels."""
    rows, columns = _box(box)
    return rows.stop - rows.start, columns.stop - columns.start


def _box(box: tuple[float, float, float, float]) -> tuple[slice, slice]:
    """Return a box of the texture as slices of rows and columns."""
    u0, v0, u1, v1 = (round(c * SIZE) for c in box)
    return slice(v0, v1), slice(u0, u1)


def paint(
    head: Head, identity: Identity | None = None, action_units: npt.ArrayLike | None = None
) -> npt.NDArray[np.uint8]:
    """Return the texture of a person making a face.

    Parameters
    ----------
    head : Head
        Whose folds are drawn.
    identity : Identity, optional
        The mean one where left out.
    action_units : (18,) or (18, 2) float, optional
        As for :meth:`~hybridfer.capture.head.Head.deform`; at rest where left out.

    Returns
    -------
    (512, 512, 3) uint8
        RGB.

    Raises
    ------
    DatasetError
        If the action units have another shape or range.
    """
    import cv2

    from hybridfer.capture.head import Identity, intensities

    person = identity or Identity()
    made = _bare(person)
    if action_units is not None:
        strength = intensities(action_units).reshape(-1).astype(np.float32) / 5
        on = np.flatnonzero(strength)
        if len(on):
            small = np.tensordot(strength[on], head.wrinkles.reshape(-1, *head.wrinkles.shape[2:])[on], 1)
            # Old skin folds deeper than young skin.
            small = np.clip(1 + small.astype(np.float32) * (0.75 + 0.6 * person.age), 0.35, 1.2)
            large = cv2.resize(small, (_COLUMNS, _ROWS), interpolation=cv2.INTER_LINEAR)
            made = made.copy()
            made[:_ROWS, :_COLUMNS] *= large[..., None]
    return np.asarray(np.clip(np.rint(made), 0, 255), np.uint8)
