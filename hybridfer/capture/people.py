"""What makes one drawn person differ from another: the directions of shape, and chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hybridfer.capture import sheet
from hybridfer.capture.sheet import LIP_LINE, MOUTH, TOP, Array, Rest, bump, fade

SHAPES = (
    "face_width",
    "face_length",
    "forehead",
    "jaw_width",
    "chin_length",
    "chin_forward",
    "cheekbones",
    "cheeks_full",
    "brow_ridge",
    "brow_height",
    "brow_thick",
    "brow_slant",
    "eye_size",
    "eye_spacing",
    "eye_slant",
    "eye_depth",
    "nose_length",
    "nose_width",
    "nose_forward",
    "nose_bridge",
    "mouth_width",
    "mouth_height",
    "upper_lip",
    "lower_lip",
    "age",
    "neck_width",
    "ears",
    "hair_volume",
    "hair_long",
    "hair_fringe",
    "hair_gone",
)
"""The directions of shape, in the order of ``Head.shapes``; +1 is a strong but human deviation."""

HAIR_STYLES = ("short", "long", "fringe", "bald")

_HAIR_COLOURS = (
    (28, 22, 20),
    (52, 36, 27),
    (88, 60, 40),
    (128, 90, 55),
    (178, 140, 88),
    (112, 54, 30),
    (150, 148, 145),
)
_IRISES = ((62, 40, 24), (82, 54, 30), (96, 84, 48), (84, 104, 88), (88, 118, 142), (106, 124, 134))


@dataclass(frozen=True)
class Identity:
    """One drawn person: a shape, and looks.

    Attributes
    ----------
    shape : tuple of float
        Weight of every direction of :data:`SHAPES`; empty is the mean.
    skin : float
        Tone from 0, light, to 1, dark.
    hair, brow, iris : (3,) int
        Colours, RGB.
    brow_density, lip_tint, stubble, freckles, age : float
        0 to 1.
    hair_style : str
        One of :data:`HAIR_STYLES`: what of the scalp is painted as hair.
    seed : int
        Of the skin's noise.
    """

    shape: tuple[float, ...] = ()
    skin: float = 0.25
    hair: tuple[int, int, int] = (62, 44, 33)
    brow: tuple[int, int, int] = (58, 42, 32)
    iris: tuple[int, int, int] = (84, 104, 88)
    brow_density: float = 0.75
    lip_tint: float = 0.35
    stubble: float = 0.0
    freckles: float = 0.0
    age: float = 0.2
    hair_style: str = "short"
    seed: int = 0

    @classmethod
    def draw(cls, seed: int) -> Identity:
        """Return the person of this seed; the same seed is always the same person.

        A hidden axis from feminine to masculine, and the age, move several directions together, as they do in people.

        Examples
        --------
        >>> Identity.draw(3) == Identity.draw(3), Identity.draw(3) == Identity.draw(4)
        (True, False)
        """
        random = np.random.default_rng([seed, 98])
        sex = float(np.clip(random.choice([-1.0, 1.0]) * random.normal(0.75, 0.35), -1.4, 1.4))
        age = float(random.beta(1.3, 2.2))
        spread = dict.fromkeys(SHAPES, 0.45)
        spread |= {"eye_size": 0.35, "brow_height": 0.35, "mouth_height": 0.4, "age": 0.0}
        shift = {
            "jaw_width": 0.40 * sex, "chin_length": 0.25 * sex, "brow_ridge": 0.5 * sex, "brow_height": -0.35 * sex,
            "brow_thick": 0.45 * sex, "eye_size": -0.25 * sex, "nose_width": 0.25 * sex, "nose_length": 0.2 * sex,
            "upper_lip": -0.35 * sex - 0.5 * age, "lower_lip": -0.25 * sex - 0.3 * age, "mouth_width": 0.15 * sex,
            "face_length": 0.15 * sex, "neck_width": 0.5 * sex, "cheekbones": -0.15 * sex, "age": 1.5 * age - 0.3,
            "cheeks_full": -0.3 * age,
        }  # fmt: skip
        shape = {name: float(np.clip(random.normal(shift.get(name, 0.0), spread[name]), -1.3, 1.3)) for name in SHAPES}
        chances = [0.15, 0.60, 0.25, 0.0] if sex < 0 else [0.60, 0.05, 0.2, 0.05 + 0.1 * (age > 0.4)]
        style = str(random.choice(HAIR_STYLES, p=np.array(chances) / sum(chances)))
        shape["hair_long"] = float(random.uniform(0.5, 1.0)) if style == "long" else 0.0
        shape["hair_fringe"] = float(random.uniform(0.6, 1.0)) if style == "fringe" else 0.0
        shape["hair_gone"] = 1.0 if style == "bald" else 0.0
        shape["hair_volume"] = 0.0 if style == "bald" else float(random.uniform(-0.4, 0.9))

        skin = float(random.uniform(0.0, 1.0) ** 1.15)
        grey = age > 0.6 and random.uniform() < 0.7
        # Dark skin goes with dark hair and eyes far more often than not.
        fair = len(_HAIR_COLOURS) - 1 if skin < 0.4 else 2
        tone = np.array(_HAIR_COLOURS[-1 if grey else int(random.integers(fair))], float) * random.uniform(0.85, 1.15)
        brow = tone * (0.72 if not grey else 0.6)
        iris = np.array(_IRISES[int(random.integers(len(_IRISES) if skin < 0.45 else 2))]) * random.uniform(0.85, 1.15)
        return cls(
            shape=tuple(round(shape[name], 4) for name in SHAPES),
            skin=skin,
            hair=_rgb(tone),
            brow=_rgb(brow),
            iris=_rgb(iris),
            brow_density=float(np.clip(random.normal(0.72 + 0.12 * sex, 0.12), 0.4, 1.0)),
            lip_tint=float(np.clip(random.normal(0.35 - 0.25 * sex, 0.2), 0.0, 1.0)),
            stubble=float(np.clip(random.normal(0.35, 0.35), 0, 1)) if sex > 0 else 0.0,
            freckles=float(random.uniform(0, 1) ** 3) if skin < 0.35 else 0.0,
            age=age,
            hair_style=style,
            seed=int(random.integers(2**31)),
        )


def _rgb(colour: Array) -> tuple[int, int, int]:
    red, green, blue = (int(c) for c in np.clip(np.rint(colour), 0, 255))
    return red, green, blue


_PIECES = {"neck_width": sheet.NECK, "ears": sheet.EAR}
"""Directions that move one piece only."""


def directions(rest: Rest) -> npt.NDArray[np.float32]:
    """Return where each direction of :data:`SHAPES` moves every vertex at +1, as (k, n, 3).

    Eyeballs move as a whole with the middle of their eye, teeth with the mouth, hair with the skull.
    """
    made = np.zeros((len(SHAPES), len(rest.flat), 3), np.float32)
    x, y, z = rest.vertices.T
    hair = rest.piece == sheet.HAIR
    flat_y = np.where(np.isin(rest.piece, (sheet.SHEET, sheet.LID_RIM, sheet.LIP_RIM)), rest.flat[:, 1], y)
    upper, under = sheet.lids(rest.flat[:, 0], rest.flat[:, 1], rest.lower)
    on_lids = np.isin(rest.piece, (sheet.SHEET, sheet.LID_RIM))
    lying = np.where(on_lids, sheet.on_ball(x, y), 0.0) * (np.cos(rest.angle) > 0)
    front = fade(z, -1.2, -0.5)
    for k, name in enumerate(SHAPES):
        if name.startswith("hair"):
            made[k] = np.where(hair[:, None], _hair(name, rest), 0.0)
            if name == "hair_long":  # lies over the ears
                made[k, rest.piece == sheet.EAR, 0] = -0.30 * np.sign(x[rest.piece == sheet.EAR])
            continue
        face = np.isin(rest.piece, (sheet.EAR, sheet.NECK, sheet.HAIR), invert=True)
        moved = _direction(name, x, np.where(face, flat_y, y), z, front * face)
        if name == "eye_size":
            moved[:, 1] += np.where(on_lids, 0.022 * under - 0.024 * upper, 0.0)
        moved[:, 0] *= np.sign(x)
        if name in _PIECES:
            made[k] = np.where((rest.piece == _PIECES[name])[:, None], moved, 0.0)
            continue
        # The ball goes with the middle of its eye, and the skin on it with the ball.
        eye = _direction(name, *(np.array([c]) for c in (sheet.EYES[1][0], 0.0, 0.0, 1.0)))[0]
        new = x + moved[:, 0] - np.sign(x) * eye[0], y + moved[:, 1] - eye[1]
        follow = eye[2] + sheet.ball_height(*new) - sheet.ball_height(x, y)
        moved[:, 2] += lying * (follow - moved[:, 2])
        for piece, sign in ((sheet.LEFT_BALL, -1), (sheet.RIGHT_BALL, 1)):
            moved[rest.piece == piece] = eye * (sign, 1, 1)
        made[k] = moved
    return made


def _direction(name: str, x: Array, y: Array, z: Array, front: Array) -> Array:
    """Return one direction of shape for the right half: x away from the middle, y down, z out."""
    side = np.abs(x)
    right, down, out = np.zeros_like(side), np.zeros_like(side), np.zeros_like(side)
    eye_region = bump(side, y, 0.5, 0.0, 0.60, 0.52) * front
    middle = side / np.sqrt(side**2 + 0.12**2)
    nose = bump(side, y, 0.0, 0.55, 0.5, 0.75) * front
    if name == "face_width":
        right = 0.075 * side * fade(np.abs(side), 0.2, 0.9)
    elif name == "face_length":
        down = 0.085 * np.clip(y - 0.15, 0, None) - 0.02 * np.clip(-0.4 - y, 0, None)
    elif name == "forehead":
        down = -0.10 * fade(y, -0.55, -1.3)
        out = 0.05 * fade(y, -0.5, -0.9) * front
    elif name == "jaw_width":
        right = 0.09 * side * fade(y, 0.5, 1.3) * fade(side, 0.1, 0.6)
    elif name == "chin_length":
        down = 0.09 * fade(y, 1.3, 1.75) * front
    elif name == "chin_forward":
        out = 0.08 * bump(side, y, 0, 1.7, 0.7, 0.42) * front
    elif name == "cheekbones":
        right = 0.05 * bump(side, y, 1.0, 0.35, 0.7, 0.55)
        out = 0.05 * bump(side, y, 0.65, 0.35, 0.5, 0.4) * front
    elif name == "cheeks_full":
        right = 0.05 * bump(side, y, 0.85, 1.0, 0.6, 0.65)
        out = 0.10 * bump(side, y, 0.62, 0.95, 0.5, 0.6) * front
    elif name == "brow_ridge":
        out = 0.06 * bump(side, y, 0.35, -0.36, 0.75, 0.3) * front
    elif name == "brow_height":
        down = -0.07 * bump(side, y, 0.45, -0.42, 0.8, 0.38) * front
    elif name == "brow_thick":
        above, below = sheet.brow_heights(np.clip(side, sheet.BROW_INNER, sheet.BROW_OUTER))
        band = bump(side, y, 0.5, -0.4, 0.55, 0.25)
        down = 0.45 * (y - (above + below) / 2) * band * front
    elif name == "brow_slant":
        down = -0.13 * (side - 0.5) * bump(side, y, 0.5, -0.42, 0.75, 0.36) * front
    elif name == "eye_size":
        right = 0.09 * (side - 0.5) * eye_region
    elif name == "eye_spacing":
        right = 0.035 * bump(side, y, 0.5, -0.1, 0.75, 0.9) * front * middle
    elif name == "eye_slant":
        down = -0.21 * (side - 0.5) * bump(side, y, 0.5, 0.0, 0.45, 0.4) * front
    elif name == "eye_depth":
        out = -0.05 * bump(side, y, 0.5, 0.0, 0.75, 0.65) * front
    elif name == "nose_length":
        down = 0.08 * bump(side, y, 0, 0.78, 0.6, 0.62) * front
    elif name == "nose_width":
        right = 0.055 * bump(side, y, 0.2, 0.7, 0.36, 0.4) * front * middle
    elif name == "nose_forward":
        out = 0.09 * bump(side, y, 0, 0.68, 0.34, 0.5) * front
    elif name == "nose_bridge":
        out = 0.06 * bump(side, y, 0, 0.2, 0.26, 0.5) * front
        right = -0.015 * nose * middle * bump(side, y, 0, 0.2, 0.4, 0.5)
    elif name == "mouth_width":
        right = 0.14 * side * bump(side, y, 0.3, LIP_LINE, 0.7, 0.5) * front
    elif name == "mouth_height":
        down = 0.05 * bump(side, y, 0, LIP_LINE, 0.8, 0.42) * front
    elif name == "upper_lip":
        lip = bump(side, y, 0, LIP_LINE - 0.12, MOUTH, 0.2) * (y < LIP_LINE) * fade(y, LIP_LINE, LIP_LINE - 0.16)
        down, out = -0.05 * lip * front, 0.045 * bump(side, y, 0, LIP_LINE - 0.05, MOUTH, 0.2) * front
    elif name == "lower_lip":
        lip = bump(side, y, 0, LIP_LINE + 0.14, MOUTH, 0.24) * (y > LIP_LINE) * fade(y, LIP_LINE, LIP_LINE + 0.16)
        down, out = 0.05 * lip * front, 0.045 * bump(side, y, 0, LIP_LINE + 0.06, MOUTH, 0.24) * front
    elif name == "age":
        down = 0.05 * bump(side, y, 0.62, 1.2, 0.5, 0.6) * front + 0.02 * bump(side, y, 0.7, -0.3, 0.4, 0.3) * front
        right = 0.05 * bump(side, y, 0.6, 1.5, 0.4, 0.4)
        out = -0.04 * bump(side, y, 0.6, 0.8, 0.4, 0.4) * front - 0.02 * bump(side, y, 0.9, -0.3, 0.3, 0.4)
    elif name == "neck_width":
        right = 0.12 * side * fade(y, 2.9, 2.4)
    elif name == "ears":
        right = 0.05 * np.clip(side - 1.05, 0, None) / 0.2
        down = 0.10 * (y - 0.27)
    return np.stack([right, down, out], axis=-1)


def _hair(name: str, rest: Rest) -> Array:
    """Return how the hair's shell changes; its flat second coordinate runs from 0 at the crown to 1 at the hairline."""
    t, angle = rest.flat[:, 1], np.abs(rest.angle)
    ray = rest.vertices - sheet.SKULL
    ray = ray / np.linalg.norm(ray, axis=1, keepdims=True)
    if name == "hair_volume":
        return np.asarray(ray * (0.13 * fade(t, 1.0, 0.5))[:, None])
    if name == "hair_gone":
        return np.asarray(-0.3 * ray)
    if name == "hair_long":
        # Sides and back hang down like a curtain round the neck, drawn out of the shell's lower rows.
        s = np.clip((t - 0.42) / 0.58, 0, 1)
        start = TOP + 0.42 * (sheet.hairline(rest.angle) - TOP)
        narrower = 1 - 0.10 * s**2
        curtain = np.stack(
            [
                1.31 * np.sin(rest.angle) * narrower,
                start + s * (2.0 - start),
                sheet.SKULL[2] + (1.55 * np.cos(rest.angle) - 0.1 * s) * narrower,
            ],
            axis=1,
        )
        hang = fade(angle, 0.86, 1.2) * fade(s, 0.0, 0.45)
        return np.asarray(hang[:, None] * (curtain - rest.vertices))
    # A fringe falls over the forehead.
    fall = fade(angle, 1.1, 0.75) * np.clip((t - 0.45) / 0.55, 0, 1)
    return np.asarray(fall[:, None] * (0.05 * ray + (0.0, 0.40, 0.12)))
