"""What each muscle moves: displacement fields over the skin's flat coordinates, and the folds it draws.

Every field is a smooth hill of limited reach, written for the right half and mirrored; a weight over the middle parts
it into a left and a right half which together are the whole. Lids slide over the ball, the lower jaw turns about its
joint (both to first order, because the head is linear in its muscles).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hybridfer.capture import sheet
from hybridfer.capture.sheet import LIP_LINE, SLIT, Array, Rest, bump, fade

MUSCLES = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 28, 45)
"""The action units the head has a muscle for."""

_JOINT = (0.55, -0.95)
"""Height and depth of the joint the jaw turns about."""


def displacements(rest: Rest) -> npt.NDArray[np.float32]:
    """Return where full intensity of each muscle's left and right half moves every vertex, as (18, 2, n, 3)."""
    x, y = rest.flat.T
    skin = np.isin(rest.piece, (sheet.SHEET, sheet.LID_RIM, sheet.LIP_RIM))
    side = np.abs(x)
    # The face, from the cheeks' turn on less and less: nothing at the back of the head moves.
    face = np.where(skin, fade(np.cos(rest.angle), -0.2, 0.25), 0.0)
    moved = np.zeros((len(MUSCLES), 2, len(x), 3), np.float32)
    right = fade(x, -0.14, 0.14)
    for k, unit in enumerate(MUSCLES):
        whole = _field(unit, side, y, rest.lower) * face[:, None]
        if unit in (5, 6, 7, 45):
            whole[:, 2] += _slide(rest, whole, face)
        if unit == 26:
            whole += _jaw(side, rest, skin)
        whole[:, 0] *= np.sign(x)
        moved[k, 0], moved[k, 1] = whole * (1 - right)[:, None], whole * right[:, None]
    return moved


def _slide(rest: Rest, moved: Array, face: Array) -> Array:
    """Return how far the lids come forward or go back when they move over the ball."""
    x, y = rest.vertices[:, 0], rest.vertices[:, 1]
    new = x + np.sign(x) * moved[:, 0]
    return np.asarray(sheet.on_ball(x, y) * face * (sheet.ball_height(new, y + moved[:, 1]) - sheet.ball_height(x, y)))


def _lens(side: Array) -> Array:
    """Return 1 at the middle of the lips and 0 from the cut's ends on."""
    return np.asarray(np.clip(1 - (side / SLIT) ** 2, 0, None) ** 0.7)


def _jaw(side: Array, rest: Rest, skin: npt.NDArray[np.bool_]) -> Array:
    """Return how full intensity of AU26 turns what hangs on the lower jaw."""
    y = rest.flat[:, 1]
    # By its joint nothing moves, the chin goes all the way; the lower lip does, the upper does not.
    base = fade(y, 0.62, 1.62) * fade(rest.vertices[:, 2], -1.35, -0.45)
    lens = _lens(side)
    mouth = np.where(rest.lower, base + (1 - base) * lens * fade(y, 1.0, LIP_LINE), base * (1 - lens))
    weight = np.where(skin, mouth, 0.0)
    weight[rest.piece == sheet.LOWER_TEETH] = 1.0
    forward, down = rest.vertices[:, 2] - _JOINT[1], rest.vertices[:, 1] - _JOINT[0]
    turned = np.stack([np.zeros(len(y)), 0.30 * forward, -0.17 * down], -1) * weight[:, None]
    corner = bump(side, y, 0.42, LIP_LINE, 0.35, 0.45) * skin
    turned[:, 0] -= 0.05 * corner
    return np.asarray(turned)


def _field(unit: int, side: Array, y: Array, lower: npt.NDArray[np.bool_]) -> Array:
    """Return one muscle's displacement of the right half at full intensity: x away from the middle, y down, z out."""
    x, z = np.zeros_like(side), np.zeros_like(side)
    down = np.zeros_like(side)
    upper_lid, lower_lid = sheet.lids(side, y, lower)
    lens = _lens(side)
    on_upper = np.where(lower, 1 - lens, 1.0)
    out = side / np.sqrt(side**2 + 0.15**2)
    if unit == 1:
        pull = bump(side, y, 0.12, -0.48, 0.54, 0.47)
        down, z, x = -0.19 * pull, 0.015 * pull, -0.02 * pull * out
    elif unit == 2:
        pull = bump(side, y, 0.74, -0.46, 0.54, 0.44)
        down, z = -0.145 * pull, 0.01 * pull
    elif unit == 4:
        pull = bump(side, y, 0.34, -0.42, 0.58, 0.42)
        down, z = 0.095 * pull, 0.025 * bump(side, y, 0.12, -0.34, 0.24, 0.26)
        x = -0.07 * bump(side, y, 0.26, -0.38, 0.46, 0.32) * out
    elif unit == 5:
        down = -0.062 * upper_lid + 0.012 * lower_lid
    elif unit == 6:
        pull = bump(side, y, 0.58, 0.46, 0.55, 0.46)
        down, z = -0.095 * pull - 0.035 * lower_lid, 0.07 * pull
        down += 0.022 * upper_lid + 0.03 * bump(side, y, 0.80, -0.28, 0.3, 0.26)
        x = -0.03 * bump(side, y, 0.84, 0.05, 0.28, 0.3)
    elif unit == 7:
        down = -0.042 * lower_lid + 0.030 * upper_lid
    elif unit == 9:
        wing, lip = bump(side, y, 0.17, 0.66, 0.30, 0.36), bump(side, y, 0.18, 1.06, 0.40, 0.36) * on_upper
        down = -0.075 * wing - 0.045 * lip + 0.045 * bump(side, y, 0.14, -0.33, 0.34, 0.32)
        down -= 0.03 * bump(side, y, 0.34, 0.42, 0.3, 0.3)
        z = 0.035 * bump(side, y, 0.24, 0.48, 0.24, 0.3)
        x = 0.02 * wing * out - 0.03 * bump(side, y, 0.2, -0.34, 0.34, 0.3) * out
    elif unit == 10:
        pull = bump(side, y, 0.20, 1.10, 0.42, 0.40) * on_upper
        down = -0.115 * pull - 0.03 * bump(side, y, 0.19, 0.72, 0.24, 0.2)
        z = 0.03 * pull + 0.035 * bump(side, y, 0.42, 0.72, 0.26, 0.3)
        x = 0.02 * bump(side, y, 0.2, 0.75, 0.2, 0.2) * out
    elif unit == 12:
        pull, cheek = bump(side, y, 0.45, 1.17, 0.56, 0.54), bump(side, y, 0.60, 0.70, 0.46, 0.48)
        lips = bump(side, y, 0.0, LIP_LINE, 0.55, 0.4)
        down, x = -0.155 * pull - 0.05 * cheek - 0.035 * lips, 0.145 * pull * out
        down -= 0.12 * (y - LIP_LINE) * lips
        z = -0.10 * pull + 0.075 * cheek - 0.02 * lips
    elif unit == 14:
        pull = bump(side, y, 0.46, 1.17, 0.28, 0.26)
        x, z, down = 0.05 * bump(side, y, 0.40, 1.17, 0.3, 0.24), -0.075 * pull, -0.02 * pull
    elif unit == 15:
        pull = bump(side, y, 0.42, 1.21, 0.34, 0.36)
        down, x, z = 0.135 * pull, 0.015 * pull, -0.02 * pull
        down -= 0.018 * bump(side, y, 0, 1.18, 0.3, 0.2)
    elif unit == 17:
        chin, lip = bump(side, y, 0.0, 1.60, 0.62, 0.40), bump(side, y, 0.0, 1.22, 0.46, 0.30)
        down, z = -0.065 * chin - 0.06 * lip, 0.03 * chin + 0.045 * bump(side, y, 0, 1.3, 0.4, 0.2)
    elif unit == 20:
        pull = bump(side, y, 0.44, 1.20, 0.48, 0.40)
        x, z = 0.125 * pull * out, -0.075 * pull
        down = 0.035 * pull - 0.08 * (y - LIP_LINE) * bump(side, y, 0, LIP_LINE, 0.5, 0.4)
    elif unit == 23:
        lips = bump(side, y, 0.0, LIP_LINE, 0.56, 0.34)
        down, z, x = -0.42 * (y - LIP_LINE) * lips, 0.01 * lips, -0.04 * bump(side, y, 0.4, LIP_LINE, 0.36, 0.3) * out
    elif unit == 25:
        lip = np.where(lower & (y > sheet.HALF_WAY), 0.08 * fade(y, 1.8, LIP_LINE), -0.035 * fade(y, 0.95, LIP_LINE))
        down = lip * lens
    elif unit == 28:
        lips = bump(side, y, 0.0, LIP_LINE, 0.54, 0.36)
        down, z = -0.52 * (y - LIP_LINE) * lips, -0.005 * lips
    elif unit == 45:
        # The upper lid meets the lower a little below the line between the corners, and covers its edge.
        s = np.clip((side - sheet.INNER) / (sheet.OUTER - sheet.INNER), 0.0, 1.0)
        line = 0.05 * np.sin(np.pi * s) / np.maximum(np.sin(np.pi * s**0.93) ** 0.72, 0.05)
        under = 0.05 * np.sin(np.pi * s) / np.maximum(np.sin(np.pi * s**1.12) ** 0.8, 0.05)
        down = (sheet.OPEN_UPPER + line) * upper_lid - (sheet.OPEN_LOWER - under) * lower_lid
    return np.stack([x, down, z], axis=-1)


def folds(unit: int, x: Array, y: Array) -> Array:
    """Return the folds that one muscle's right half draws at flat places, as what the skin's brightness gains or loses.

    Parameters
    ----------
    unit : int
        One of :data:`MUSCLES`.
    x, y : (...) float64
        Flat places; `x` is taken from the middle outwards.

    Returns
    -------
    (...) float64
        0 where nothing changes, -0.3 where a deep fold darkens the skin to 70 %.
    """
    side = np.abs(x)

    def line(path: list[tuple[float, float]], width: float) -> Array:
        """A soft line along a path, running out at both ends."""
        points = np.array(path)
        best = np.zeros(np.broadcast(side, y).shape)
        for i, (a, b) in enumerate(pairwise(points)):
            way = b - a
            t = np.clip(((side - a[0]) * way[0] + (y - a[1]) * way[1]) / (way @ way), 0, 1)
            gone = np.hypot(side - a[0] - t * way[0], y - a[1] - t * way[1])
            at = (i + t) / (len(points) - 1)
            best = np.maximum(best, np.exp(-((gone / width) ** 2)) * np.sin(np.pi * (0.08 + 0.84 * at)) ** 0.6)
        return best

    nasolabial = [(0.26, 0.70), (0.36, 0.84), (0.46, 1.0), (0.52, 1.16)]
    if unit == 1:
        lines = (line([(-0.02, h + 0.03), (0.15, h), (0.42, h + 0.015)], 0.02) for h in (-0.62, -0.73, -0.84))
        return -0.30 * sum(lines, np.zeros_like(side)) + 0.06 * bump(side, y, 0.2, -0.55, 0.4, 0.2)
    if unit == 2:
        lines = (line([(0.42, h + 0.02), (0.6, h - 0.03), (0.82, h + 0.03)], 0.02) for h in (-0.63, -0.74))
        return -0.24 * sum(lines, np.zeros_like(side))
    if unit == 4:
        furrow = line([(0.085, -0.52), (0.07, -0.36), (0.085, -0.20)], 0.020)
        return -0.42 * furrow - 0.22 * bump(side, y, 0.26, -0.22, 0.34, 0.16) - 0.1 * bump(side, y, 0, -0.12, 0.2, 0.1)
    if unit == 5:
        return 0.05 * bump(side, y, 0.5, -0.15, 0.25, 0.12)
    if unit == 6:
        feet = (line([(0.80, -0.02 + 0.02 * d), (0.95, -0.08 + 0.075 * d)], 0.017) for d in (-1, 0, 1, 2))
        pouch = line([(0.30, 0.10), (0.48, 0.17), (0.70, 0.10)], 0.022)
        return -0.26 * sum(feet, np.zeros_like(side)) - 0.26 * pouch + 0.07 * bump(side, y, 0.58, 0.42, 0.34, 0.26)
    if unit == 7:
        return -0.20 * line([(0.30, 0.07), (0.48, 0.11), (0.70, 0.07)], 0.018)
    if unit == 9:
        nose = (line([(0.02, h), (0.10, h - 0.03), (0.17, h + 0.03)], 0.018) for h in (0.02, 0.11, 0.20))
        return -0.30 * sum(nose, np.zeros_like(side)) - 0.32 * line(nasolabial[:3], 0.026)
    if unit == 10:
        return -0.34 * line(nasolabial[:3], 0.028) - 0.06 * bump(side, y, 0.42, 1.0, 0.2, 0.2)
    if unit == 12:
        cheek = 0.08 * bump(side, y, 0.60, 0.66, 0.34, 0.3)
        return -0.38 * line(nasolabial, 0.028) - 0.2 * line([(0.50, 1.08), (0.53, 1.2), (0.50, 1.3)], 0.024) + cheek
    if unit == 14:
        return -0.42 * line([(0.50, 1.06), (0.54, 1.17), (0.50, 1.28)], 0.024)
    if unit == 15:
        return -0.34 * line([(0.44, 1.20), (0.50, 1.32), (0.50, 1.44)], 0.026)
    if unit == 17:
        boss = -0.30 * line([(-0.02, 1.43), (0.14, 1.44), (0.26, 1.52)], 0.024)
        dimples = 1 + 0.6 * np.sin(60 * side) * np.sin(55 * y)
        return np.asarray(boss - 0.10 * dimples * bump(side, y, 0.1, 1.66, 0.26, 0.16))
    if unit == 20:
        return -0.24 * line([(0.50, 1.04), (0.57, 1.2), (0.54, 1.38)], 0.024)
    if unit == 23:
        lips = sum((line([(d, 1.08), (d, 1.14)], 0.016) for d in (0.06, 0.16, 0.26)), np.zeros_like(side))
        return -0.22 * lips - 0.2 * line([(-0.02, 1.36), (0.2, 1.34), (0.34, 1.26)], 0.03)
    if unit == 26:
        return -0.10 * line(nasolabial[1:], 0.03)
    if unit == 28:
        return -0.22 * line([(-0.02, 1.10), (0.2, 1.11), (0.38, 1.17)], 0.024)
    return np.zeros(np.broadcast(side, y).shape)
