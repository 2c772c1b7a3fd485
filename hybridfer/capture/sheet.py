"""The drawn head at rest, out of formulas: one grid of skin over a skull, cut between lids and lips, and what it hides.

Every vertex of the skin has *flat* coordinates: where it lies, seen from the front, with eyes and mouth closed. What
is bent (features, muscles, shapes) and what is painted are functions of them, so a brow's hair, its vertex and its
landmark cannot part. Unit, origin and axes are those of :mod:`hybridfer.capture.head`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

INNER, OUTER = 0.265, 0.725
"""Where the eyes' corners lie, from the middle."""
LIP_LINE, MOUTH, SLIT = 1.18, 0.415, 0.385
"""Height of the closed lips, half the width of the mouth, and of the cut in it."""
BALL = 0.285
"""Radius of an eyeball; larger than life, so that the white reaches the corners."""
SKULL = (0.0, -0.4, -1.25)
"""The middle of the skull, from where the hair grows."""
LID = 0.034
"""How far the lids lie above the ball: a lid that closes on a straight line must not dip into it."""
EYES = ((-0.5, 0.0, -BALL), (0.5, 0.0, -BALL))
"""Centres of the eyeballs."""
HALF_WAY = LIP_LINE / 2
"""Above it, what is lower belongs to a lid; below it, to the lip."""
TOP, CHIN = -1.75, 1.88
"""Flat heights of the crown and of the chin."""
SHORTER = 0.06
"""By how much everything below the eyes is shorter than its flat height."""
SIDES = 1.75
"""Angle from the middle up to which the texture is dense."""
SKIN_BOX = (0.0, 0.0, 448 / 512, 432 / 512)
EYE_BOX = (0.0, 433 / 512, 78 / 512, 511 / 512)
TEETH_BOX = (80 / 512, 433 / 512, 240 / 512, 471 / 512)
MOUTH_BOX = (80 / 512, 473 / 512, 240 / 512, 511 / 512)
EAR_BOX = (242 / 512, 433 / 512, 320 / 512, 511 / 512)
HAIR_BOX = (322 / 512, 433 / 512, 511 / 512, 511 / 512)
NECK_BOX = (449 / 512, 0.0, 511 / 512, 431 / 512)
"""Where each piece lies in the texture: u0, v0, u1, v1."""

SHEET, LID_RIM, LIP_RIM, LEFT_BALL, RIGHT_BALL, UPPER_TEETH, LOWER_TEETH, CAVITY, EAR, NECK, HAIR = range(11)


def fade(x: npt.ArrayLike, start: float | Array, end: float | Array) -> Array:
    """Return 0 up to `start`, 1 from `end` on, and a smooth way between; `start` may be the larger."""
    t = np.clip((np.asarray(x, float) - start) / (end - start), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def bump(x: Array, y: Array, cx: float, cy: float, rx: float, ry: float) -> Array:
    """Return a smooth hill of height 1 about ``(cx, cy)`` that is exactly 0 beyond the ellipse of radii ``rx, ry``."""
    r = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2
    return np.asarray(np.clip(1.0 - r, 0.0, None) ** 3)


def _curve(*points: tuple[float, float]) -> Callable[[npt.ArrayLike], Array]:
    """Return the monotone cubic through the points, constant beyond them."""
    from scipy.interpolate import PchipInterpolator

    xs, ys = np.array(points).T
    spline = PchipInterpolator(xs, ys)
    return lambda x: np.asarray(spline(np.clip(x, xs[0], xs[-1])))


def half_width(y: npt.ArrayLike) -> Array:
    """Return half the head's width at each height."""
    return _curve(
        (TOP, 0.004), (-1.735, 0.22), (-1.69, 0.45), (-1.6, 0.68), (-1.4, 0.93), (-1.1, 1.08), (-0.7, 1.13),
        (-0.3, 1.11), (0.0, 1.08), (0.4, 1.06), (0.8, 1.01), (1.1, 0.945), (1.3, 0.87), (1.5, 0.74), (1.65, 0.59),
        (1.76, 0.435), (1.83, 0.285), (1.865, 0.145), (CHIN, 0.004),
    )(y)  # fmt: skip


def _front(y: npt.ArrayLike) -> Array:
    """Return the profile in the middle, nose and lips left out."""
    return _curve(
        (TOP, -1.2), (-1.72, -0.75), (-1.65, -0.5), (-1.4, -0.12), (-1.1, 0.07), (-0.8, 0.16), (-0.4, 0.19),
        (-0.05, 0.11), (0.4, 0.15), (0.85, 0.20), (1.18, 0.19), (1.45, 0.13), (1.7, 0.17), (1.79, 0.13), (1.85, 0.03),
        (CHIN, -0.12),
    )(y)  # fmt: skip


def _back(y: npt.ArrayLike) -> Array:
    """Return how far the back of the head, and below it the underside of the jaw, lies behind."""
    return _curve(
        (TOP, -1.2), (-1.72, -1.7), (-1.65, -2.0), (-1.3, -2.5), (-0.8, -2.75), (-0.2, -2.75), (0.4, -2.45),
        (0.8, -2.0), (1.2, -1.4), (1.5, -0.85), (1.7, -0.5), (1.8, -0.33), (1.85, -0.24), (CHIN, -0.14),
    )(y)  # fmt: skip


def ball_height(x: Array, y: Array) -> Array:
    """Return z of the nearer eyeball's front at each place, going on level where it would get steep."""
    r = np.minimum((np.abs(x) - EYES[1][0]) ** 2 + (y - EYES[1][1]) ** 2, 0.205**2)
    return np.asarray(EYES[1][2] + np.sqrt(BALL**2 - r))


def on_ball(x: Array, y: Array) -> Array:
    """Return 1 where the skin lies on an eyeball, 0 where on the skull alone, by its place on the mean head."""
    return fade(np.hypot((np.abs(x) - 0.495) / 0.27, y / np.where(y < 0, 0.20, 0.19)), 1.45, 0.95)


def lids(x: Array, y: Array, lower: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return how much each place goes with the upper and with the lower lid: 1 on the margin's middle, 0 at corners."""
    s = np.clip((np.abs(x) - INNER) / (OUTER - INNER), 0.0, 1.0)
    upper = np.sin(np.pi * s**0.93) ** 0.72 * fade(-y, 0.36, 0.0) * (~lower & (y < 1e-9))
    under = np.sin(np.pi * s**1.12) ** 0.8 * fade(y, 0.32, 0.0) * lower
    return np.asarray(upper), np.asarray(under)


OPEN_UPPER, OPEN_LOWER = 0.092, 0.088
"""How far each lid stands from the line between the corners."""


def lip_heights(x: Array) -> tuple[Array, Array]:
    """Return the flat height of the lips' outline above and below: a bow with two peaks, and an arc."""
    s = np.clip(np.abs(x) / MOUTH, 0.0, 1.0)
    upper = _curve((0, 0.094), (0.2, 0.112), (0.5, 0.078), (0.8, 0.032), (1, 0))(s)
    lower = _curve((0, 0.148), (0.25, 0.141), (0.55, 0.104), (0.85, 0.042), (1, 0))(s)
    return LIP_LINE - upper, LIP_LINE + lower


def brow_heights(x: Array) -> tuple[Array, Array]:
    """Return the flat height of the brows' upper and lower edge; they begin at 0.19 and end at 0.82."""
    x = np.abs(x)
    upper = _curve((0.19, -0.405), (0.35, -0.445), (0.58, -0.475), (0.72, -0.435), (0.82, -0.365))(x)
    lower = _curve((0.19, -0.315), (0.35, -0.35), (0.58, -0.395), (0.72, -0.385), (0.82, -0.355))(x)
    return upper, lower


BROW_INNER, BROW_OUTER = 0.19, 0.82


def landmarks() -> Array:
    """Return the flat place of each of WFLW's 98 points, on the mean head, as (98, 2); pupils at the eyes."""
    points = np.zeros((98, 2))
    y = np.linspace(-0.02, CHIN, 4000)
    x = half_width(y)
    x[-1] = 0.0
    way = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    for i in range(17):
        at = way[-1] * i / 16
        points[i] = -np.interp(at, way, x), np.interp(at, way, y)
    xs = np.array([BROW_OUTER, 0.68, 0.52, 0.35, BROW_INNER])
    points[33:38] = np.c_[-xs, brow_heights(xs)[0]]
    xs = np.array([BROW_INNER + 0.005, 0.35, 0.52, 0.68])
    points[38:42] = np.c_[-xs, brow_heights(xs)[1]]
    points[51:55, 1] = -0.03, 0.21, 0.45, 0.69
    points[55:58] = (-0.215, 0.79), (-0.11, 0.85), (0.0, 0.875)
    quarter = np.linspace(INNER, OUTER, 5)
    points[60:65, 0] = -quarter[::-1]
    points[65:68, 0] = -quarter[1:4]
    xs = MOUTH * np.array([1.0, 0.6, 0.2, 0.0])
    points[76:80] = np.c_[-xs, lip_heights(xs)[0]]
    xs = MOUTH * np.array([0.0, 0.35, 0.7])
    points[85:88] = np.c_[-xs, lip_heights(xs)[1]]
    points[88:91] = (-SLIT, LIP_LINE), (-SLIT / 2, LIP_LINE), (0.0, LIP_LINE)
    points[94:96] = (0.0, LIP_LINE), (-SLIT / 2, LIP_LINE)
    points[96] = EYES[0][:2]
    for left, right in PAIRS:
        points[right] = points[left] * (-1, 1)
    return points


PAIRS = (
    *((i, 32 - i) for i in range(16)),
    *((33, 46), (34, 45), (35, 44), (36, 43), (37, 42), (38, 50), (39, 49), (40, 48), (41, 47), (55, 59), (56, 58)),
    *((60, 72), (61, 71), (62, 70), (63, 69), (64, 68), (65, 75), (66, 74), (67, 73)),
    *((76, 82), (77, 81), (78, 80), (87, 83), (86, 84), (88, 92), (89, 91), (95, 93), (96, 97)),
)
"""The 98 points' pairs, the picture's left first; all others lie in the middle."""


@dataclass(frozen=True, eq=False)
class Rest:
    """The head at rest, vertex by vertex, with what bending and painting want to know of each.

    Attributes
    ----------
    flat : (n, 2) float64
        Place from the front with eyes and mouth closed.
    angle : (n,) float64
        About the vertical, 0 in front.
    lower : (n,) bool
        Whether it belongs to the lower lid or lip, or to what lies below.
    piece : (n,) uint8
        :data:`SHEET` and the others.
    vertices, triangles, uv
        As in :class:`hybridfer.capture.head.Head`.
    """

    flat: Array
    angle: Array
    lower: npt.NDArray[np.bool_]
    piece: npt.NDArray[np.uint8]
    vertices: Array
    triangles: npt.NDArray[np.int32]
    uv: Array
    points98: npt.NDArray[np.int32]


def skin_uv(angle: Array, y: Array) -> Array:
    """Return texture coordinates of the skin: even in angle over the face, squeezed at the back."""
    beyond = np.sign(angle) * np.clip((np.abs(angle) - SIDES) / (np.pi - SIDES), 0, 1)
    u = 0.5 + 0.44 * np.clip(angle / SIDES, -1, 1) + 0.06 * beyond
    return _into(SKIN_BOX, u, (y - TOP) / (CHIN - TOP))


def _into(box: tuple[float, float, float, float], u: Array, v: Array) -> Array:
    """Return 0..1 coordinates as texture coordinates within a box, half a texel away from its edge."""
    pad = 0.75 / 512
    return np.stack(
        [box[0] + pad + u * (box[2] - box[0] - 2 * pad), box[1] + pad + v * (box[3] - box[1] - 2 * pad)], axis=-1
    )


def skin_surface(x: Array, y: Array, angle: Array, lower: npt.NDArray[np.bool_]) -> Array:
    """Return where each flat place of the skin lies on the mean head at rest, as (n, 3)."""
    front, back, cos = _front(y), _back(y), np.cos(angle)
    z = (front + back) / 2 + (front - back) / 2 * np.sign(cos) * np.abs(cos) ** 0.72
    face = fade(cos, -0.1, 0.25)
    side = np.abs(x)
    out = fade(side, 0.0, 0.05)

    z = z + face * _relief(x, y)
    upper, under = lids(x, y, lower)
    cant = -0.045 * (side - 0.42) * bump(side, y, 0.5, 0.0, 0.42, 0.36)
    opened = y - OPEN_UPPER * upper * face + OPEN_LOWER * under * face + cant * out
    # The lids lie on the ball; around them the skin comes up to it.
    on = on_ball(x, opened) * face
    z = z * (1 - on) + (ball_height(x, opened) + LID) * on
    # The line between the lips dips towards the corners' inner third and rises at the middle.
    line = bump(side, y, 0.0, LIP_LINE, MOUTH, 0.22)
    opened = opened + 0.012 * np.cos(side / MOUTH * 2 * np.pi) * line
    return np.stack([x, opened, z], axis=-1)


def _relief(x: Array, y: Array) -> Array:
    """Return how far nose, lips, chin, cheeks and brow ridge stand out of the plain skull."""
    side = np.abs(x)
    ridge = _curve(
        (-0.3, 0), (-0.1, 0.03), (0.1, 0.085), (0.35, 0.19), (0.55, 0.28), (0.68, 0.325), (0.76, 0.29),
        (0.82, 0.16), (0.87, 0.03), (0.93, 0.0),
    )(y)  # fmt: skip
    width = _curve((-0.3, 0.13), (0.0, 0.115), (0.3, 0.125), (0.6, 0.15), (0.7, 0.165), (0.9, 0.15))(y)
    z = ridge * np.exp(-((side / width) ** 2) * 1.1)
    z += 0.16 * bump(side, y, 0.20, 0.725, 0.17, 0.17)  # wings
    z -= 0.025 * bump(side, y, 0.30, 0.72, 0.12, 0.22)  # the furrow beside them
    z += 0.075 * bump(side, y, 0.0, 1.12, 0.52, 0.42)  # the teeth's arch
    z -= 0.022 * bump(side, y, 0.0, 0.98, 0.06, 0.13)  # philtrum
    above, below = lip_heights(x)
    z += 0.05 * bump(side, (y - above) / (LIP_LINE - above + 0.03), 0.0, 0.62, MOUTH, 0.9)
    z += 0.055 * bump(side, (y - LIP_LINE) / (below - LIP_LINE + 0.03), 0.0, 0.42, MOUTH, 0.95)
    z -= 0.03 * bump(side, y, 0.0, LIP_LINE, 0.5, 0.05)  # between the lips
    z -= 0.035 * bump(side, y, 0.44, LIP_LINE, 0.13, 0.13)  # corners
    z -= 0.025 * bump(side, y, 0.0, 1.43, 0.42, 0.17)  # below the lower lip
    z += 0.05 * bump(side, y, 0.0, 1.68, 0.4, 0.26)  # chin
    z += 0.075 * bump(side, y, 0.62, 0.42, 0.5, 0.46)  # cheekbones
    z += 0.05 * bump(side, y, 0.34, -0.36, 0.42, 0.26)  # brow ridge
    z += 0.035 * bump(side, y, 0.75, -0.33, 0.35, 0.25)
    z -= 0.035 * bump(side, y, 0.24, 0.0, 0.2, 0.25)  # beside the nose's root
    z -= 0.03 * bump(side, y, 0.52, 0.19, 0.4, 0.18)  # below the lower lid
    z -= 0.03 * bump(side, y, 0.98, -0.35, 0.3, 0.5)  # temples
    return np.asarray(z)


def _grid(rows: int, columns: int, first: int, middle: int | None = None) -> list[tuple[int, int, int]]:
    """Return a grid's triangles, counter-clockwise on the screen; left of `middle` the diagonal is mirrored."""
    made = []
    for i in range(rows - 1):
        for j in range(columns - 1):
            a = first + i * columns + j
            b, c, d = a + 1, a + columns, a + columns + 1
            if middle is not None and j < middle:
                made += [(a, c, d), (a, d, b)]
            else:
                made += [(a, c, b), (b, c, d)]
    return made


class _Clay:
    """What has been put together so far."""

    def __init__(self) -> None:
        self.flat: list[Array] = []
        self.angle: list[Array] = []
        self.lower: list[npt.NDArray[np.bool_]] = []
        self.piece: list[npt.NDArray[np.uint8]] = []
        self.vertices: list[Array] = []
        self.uv: list[Array] = []
        self.triangles: list[tuple[int, int, int]] = []
        self.count = 0

    def add(self, piece: int, vertices: Array, uv: Array, flat: Array | None = None,
            angle: Array | None = None, lower: npt.NDArray[np.bool_] | None = None) -> int:  # fmt: skip
        """Put vertices in; return the first one's number."""
        n, first = len(vertices), self.count
        self.vertices.append(vertices)
        self.uv.append(uv)
        self.flat.append(vertices[:, :2] if flat is None else flat)
        self.angle.append(np.zeros(n) if angle is None else angle)
        self.lower.append(np.full(n, piece == LOWER_TEETH) if lower is None else lower)
        self.piece.append(np.full(n, piece, np.uint8))
        self.count += n
        return first


def build() -> Rest:
    """Return the mean head at rest."""
    clay = _Clay()
    points = _skin(clay)
    _eyes(clay, points)
    _inner_mouth(clay)
    _ears(clay)
    _neck(clay)
    _hair(clay)
    vertices, piece = np.concatenate(clay.vertices), np.concatenate(clay.piece)
    rigid = np.isin(piece, (LEFT_BALL, RIGHT_BALL))
    vertices[:, 1] -= np.where(rigid, 0.0, SHORTER * np.clip(vertices[:, 1] - 0.25, 0.0, None))
    return Rest(
        np.concatenate(clay.flat),
        np.concatenate(clay.angle),
        np.concatenate(clay.lower),
        piece,
        vertices,
        np.array(clay.triangles, np.int32),
        np.concatenate(clay.uv),
        points,
    )


def _columns() -> Array:
    """Return the sheet's columns as angles: dense over the face, wide at the back, both ends on the seam."""
    right = [np.linspace(0, 0.82, 24), np.linspace(0.82, np.pi / 2, 11)[1:], np.linspace(np.pi / 2, np.pi, 7)[1:]]
    half = np.concatenate(right)
    return np.concatenate([-half[:0:-1], half])


def _rows() -> Array:
    """Return the sheet's rows as flat heights; one runs between the lids, one between the lips."""
    t = np.linspace(0, 1, 16)
    return np.concatenate([
        TOP + (-0.56 - TOP) * t**1.35,
        np.linspace(-0.56, 0.0, 16)[1:],
        np.linspace(0.0, LIP_LINE, 33)[1:],
        np.linspace(LIP_LINE, 1.6, 12)[1:],
        CHIN - (CHIN - 1.6) * np.linspace(1, 0, 11)[1:] ** 1.6,
    ])  # fmt: skip


def _pin(x: Array, y: Array, angle: Array, eye_row: int, mouth_row: int) -> npt.NDArray[np.int32]:
    """Move the vertex nearest to each point onto it, in the flat; return which vertices those are (not the pupils)."""
    rows, columns = x.shape
    middle, row_of, column_of = columns // 2, np.arange(rows)[:, None], np.arange(columns)[None]
    edge = int(np.argmin(np.abs(angle[0] + np.pi / 2)))  # the silhouette's column, on the left
    wanted, points, taken = landmarks(), np.full(98, -1, np.int32), np.zeros(x.shape, bool)
    # The lower lids' and the lower lip's inner points lie on the cut; so do the upper ones, at the same places.
    same = {65: 63, 66: 62, 67: 61, 94: 90, 95: 89}
    for k in range(96):
        if any(k == right for _, right in PAIRS):
            continue
        if k in same:
            points[k] = points[same[k]]
            continue
        px, py = wanted[k]
        allowed = ~taken & (np.cos(angle) > -1e-9)
        if px == 0:
            allowed = allowed & (column_of == middle)
        if k < 16:
            allowed = allowed & (column_of == edge)
        elif k == 16:
            allowed = allowed & (row_of == rows - 1)
        elif 60 <= k < 76 or k >= 88:
            allowed = allowed & (row_of == (eye_row if k < 76 else mouth_row))
        i, j = divmod(int(np.argmin(np.where(allowed, np.hypot(x - px, y - py), np.inf))), columns)
        taken[i, j] = True
        points[k] = i * columns + j
        for column, sign in ((j, 1), (2 * middle - j, -1)):
            y[i, column] = py
            if k > 16:
                angle[i, column] = sign * np.arcsin(px / half_width(py))
            x[i, column] = half_width(py) * np.sin(angle[i, column])
    for left, right in PAIRS[:-1]:
        i, j = divmod(int(points[left]), columns)
        points[right] = i * columns + 2 * middle - j
    return points


def _skin(clay: _Clay) -> npt.NDArray[np.int32]:
    """Lay the sheet and the rims of lids and lips; return the vertices of the points (pupils still missing)."""
    angles, rows = _columns(), _rows()
    columns = len(angles)
    angle, y = np.meshgrid(angles, rows)
    x = half_width(y) * np.sin(angle)
    eye_row, mouth_row = int(np.argmin(np.abs(rows))), int(np.argmin(np.abs(rows - LIP_LINE)))
    points = _pin(x, y, angle, eye_row, mouth_row)

    # The rows of the three cuts are doubled between the corners: the copies belong to what lies below.
    cuts = [np.arange(points[a], points[b] + 1) for a, b in ((60, 64), (68, 72), (88, 92))]
    doubled = np.concatenate([cut[1:-1] for cut in cuts])
    flat, around = np.stack([x, y], -1).reshape(-1, 2), angle.reshape(-1)
    height = flat[:, 1]
    under = np.where(height < HALF_WAY, height > 1e-9, height > LIP_LINE + 1e-9)
    lower = np.concatenate([under, np.ones(len(doubled), bool)])
    flat, around = np.concatenate([flat, flat[doubled]]), np.concatenate([around, around[doubled]])
    surface, uv = skin_surface(flat[:, 0], flat[:, 1], around, lower), skin_uv(around, flat[:, 1])
    clay.add(SHEET, surface, uv, flat, around, lower)
    copy = np.arange(len(flat))
    copy[doubled] = len(height) + np.arange(len(doubled))
    triangles = np.array(_grid(len(rows), columns, 0, len(angles) // 2))
    for row in (eye_row, mouth_row):
        below = triangles.min(axis=1) // columns == row
        triangles[below] = copy[triangles[below]]
    clay.triangles += [(int(a), int(b), int(c)) for a, b, c in triangles]
    for k in (65, 66, 67, 73, 74, 75, 93, 94, 95):
        points[k] = copy[points[k]]

    # Rims: each edge of a cut turns inwards, so that nobody looks past it into the head.
    for piece, cut in zip((LID_RIM, LID_RIM, LIP_RIM), cuts, strict=True):
        inwards, apart = (0.13, 0.02) if piece == LIP_RIM else (0.09, -0.006)
        for line, down in ((cut, -apart), (copy[cut], apart)):
            deep = surface[line] + (0.0, down, -inwards)
            side = np.full(len(line), line is not cut)
            first = clay.add(piece, deep, uv[line], flat[line], around[line], side)
            for i in range(len(line) - 1):
                p, q, r, s = int(line[i]), int(line[i + 1]), first + i, first + i + 1
                clay.triangles += [(p, r, q), (q, r, s)] if line is cut else [(r, p, s), (s, p, q)]
    return points


def _eyes(clay: _Clay, points: npt.NDArray[np.int32]) -> None:
    """Put the front of both eyeballs in, rings about the pupil, and note the pupils' vertices."""
    rings, spokes = np.linspace(0, np.deg2rad(88), 10), 24
    turn = 2 * np.pi * np.arange(spokes) / spokes
    for k, (centre, piece) in enumerate(zip(EYES, (LEFT_BALL, RIGHT_BALL), strict=True)):
        r, t = np.meshgrid(rings[1:], turn, indexing="ij")
        unit = np.stack([np.sin(r) * np.cos(t), np.sin(r) * np.sin(t), np.cos(r)], -1).reshape(-1, 3)
        unit = np.concatenate([[(0.0, 0.0, 1.0)], unit])
        place = np.concatenate([[(0.0, 0.0)], np.stack([r * np.cos(t), r * np.sin(t)], -1).reshape(-1, 2)])
        place = 0.5 + 0.5 * place / rings[-1]
        first = clay.add(piece, np.array(centre) + BALL * unit, _into(EYE_BOX, place[:, 0], place[:, 1]))
        points[96 + k] = first
        for j in range(spokes):
            n = (j + 1) % spokes
            clay.triangles.append((first, first + 1 + n, first + 1 + j))
            for i in range(len(rings) - 2):
                a, b = first + 1 + i * spokes + j, first + 1 + i * spokes + n
                clay.triangles += [(a, b, a + spokes), (b, b + spokes, a + spokes)]


def _inner_mouth(clay: _Clay) -> None:
    """Put two rows of teeth and the dark behind them in."""
    for piece, top, bottom, v in ((UPPER_TEETH, 1.03, 1.225, 0.0), (LOWER_TEETH, 1.215, 1.34, 0.5)):
        x, t = np.meshgrid(np.linspace(-0.36, 0.36, 19), np.linspace(0, 1, 4))
        z = 0.175 - 1.3 * x**2 - (0.0 if piece == UPPER_TEETH else 0.08)
        y = top + t * (bottom - top) - 0.25 * x**2
        place = _into(TEETH_BOX, ((x + 0.36) / 0.72).ravel(), (v + 0.02 + 0.46 * t).ravel())
        first = clay.add(piece, np.stack([x, y, z], -1).reshape(-1, 3), place)
        clay.triangles += _grid(4, 19, first, 9)
    # A bowl, whose walls come forward inside the cheeks: nobody looks past it.
    x, t = np.meshgrid(np.linspace(-0.5, 0.5, 15), np.linspace(0, 1, 11))
    y = 0.93 + t * (0.74 - 0.9 * x**2)
    z = -0.54 + 0.40 * (2 * np.abs(x)) ** 3 + 0.36 * np.abs(2 * t - 1) ** 3 * (1 - x**2)
    z = np.minimum(z, -0.14)
    place = _into(MOUTH_BOX, (x + 0.5).ravel(), t.ravel())
    first = clay.add(CAVITY, np.stack([x, y, z], -1).reshape(-1, 3), place)
    clay.triangles += _grid(11, 15, first, 7)


def _ears(clay: _Clay) -> None:
    """Put two ears on: bowls that stand off the head."""
    for sign in (-1, 1):
        r, t = np.meshgrid(np.linspace(0, 1, 6), np.linspace(0, 2 * np.pi, 21), indexing="ij")
        # From the side: back is u, down is v; wider above than below.
        back = 0.21 * r * np.cos(t) * (1 - 0.3 * np.sin(t))
        down = 0.37 * r * np.sin(t)
        off = 0.10 + 0.42 * back + 0.08 * (fade(r, 0.35, 0.75) - fade(r, 0.8, 1.1)) - 0.02 * r
        off = np.where(r > 0.99, off - 0.05, off)
        x = sign * (1.0 + off + 0.03)
        points = np.stack([x, 0.27 + down + 0.15 * back, -1.22 - back], -1).reshape(-1, 3)
        place = _into(EAR_BOX, (0.5 + 0.49 * r * np.cos(t)).ravel(), (0.5 + 0.49 * r * np.sin(t)).ravel())
        first = clay.add(EAR, points, place)
        made = _grid(6, 21, first)
        clay.triangles += made if sign < 0 else [(a, c, b) for a, b, c in made]


def _neck(clay: _Clay) -> None:
    """Put the neck and the beginning of the shoulders in."""
    y, t = np.meshgrid(np.array([0.9, 1.3, 1.7, 2.1, 2.5, 2.75, 2.95, 3.1, 3.3]), np.linspace(-np.pi, np.pi, 41))
    y, t = y.T, t.T
    wide = _curve((0.9, 0.72), (1.6, 0.74), (2.1, 0.78), (2.5, 0.95), (2.8, 1.6), (3.3, 2.6))(y)
    deep = _curve((0.9, 0.58), (1.3, 0.63), (2.1, 0.68), (2.6, 0.72), (3.3, 0.9))(y)
    z = _curve((0.9, -1.25), (2.1, -1.28), (3.3, -1.34))(y) + deep * np.cos(t)
    points = np.stack([wide * np.sin(t), y, z], -1).reshape(-1, 3)
    place = _into(NECK_BOX, (0.5 + t / (2 * np.pi)).ravel(), ((y - 0.9) / 2.4).ravel())
    first = clay.add(NECK, points, place)
    clay.triangles += _grid(9, 41, first, 20)


def hairline(angle: Array) -> Array:
    """Return the height where the hair begins, by the angle about the head."""
    return _curve((0, -1.02), (0.45, -1.0), (0.8, -0.82), (1.05, -0.55), (1.25, -0.3), (1.42, 0.12), (1.6, -0.1),
                  (1.8, 0.3), (2.1, 0.75), (np.pi, 0.9))(np.abs(angle))  # fmt: skip


def _hair(clay: _Clay) -> None:
    """Put the hair on: a shell over the skull that begins in the skin at the hairline."""
    t, angle = np.meshgrid(np.linspace(0, 1, 13), np.linspace(-np.pi, np.pi, 57), indexing="ij")
    y = hairline(angle) * t + (TOP + 0.002) * (1 - t) - 0.06 * t * (1 - t)
    front, back, cos = _front(y), _back(y), np.cos(angle)
    z = (front + back) / 2 + (front - back) / 2 * np.sign(cos) * np.abs(cos) ** 0.72
    points = np.stack([half_width(y) * np.sin(angle), y, z], -1)
    ray = points - SKULL
    thick = 0.10 * fade(t, 1.0, 0.55) + 0.012
    points = (points + ray / np.linalg.norm(ray, axis=-1, keepdims=True) * thick[..., None]).reshape(-1, 3)
    place = _into(HAIR_BOX, ((angle + np.pi) / (2 * np.pi)).ravel(), t.ravel())
    flat = np.stack([angle, t], -1).reshape(-1, 2)
    # Twice, because hair that hangs down is seen from within too.
    for inside in (False, True):
        first = clay.add(HAIR, points, place, flat, angle.ravel())
        made = _grid(13, 57, first, 28)
        clay.triangles += [(a, c, b) for a, b, c in made[5 * 112 :]] if inside else made
