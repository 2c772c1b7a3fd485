"""The camera that draws faces: a mesh, a texture and a scene become a picture, with where its points lie.

Pictures that are drawn come through the same door as photographs: RGB uint8, upright, with a hash. The same scene of
the same mesh gives the same bytes, whatever runs beside it.

Units and signs: the head's unit is the distance between its pupils, its origin lies between them, x points to the
picture's right, y down, z towards the camera. ``yaw > 0`` turns the face to the picture's right, ``pitch > 0`` down,
``roll > 0`` clockwise in the picture, in this order, about the middle of the skull; gaze and light have the same yaw
and pitch. Points are x, y in pixels, the upper left pixel's centre being (0, 0), so that a mirrored picture has
``width - 1 - x``.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.errors import SpecError
from hybridfer.media.props import BACKGROUNDS, OCCLUDERS, Sitter, Thing
from hybridfer.media.raster import Floats, Indices, Raster, rasterise, vertex_normals
from hybridfer.media.scene import Scene
from hybridfer.types import Picture, Pixels

PIVOT = (0.0, 0.4, -0.9)
"""What the head turns about: the middle of the skull."""

MIDDLE = 0.2
"""The height of the head that lies in the middle of the picture."""

PUPILS = 0.27
"""The distance between the pupils as a share of the picture's side, at zoom 1."""

SAMPLES = 2
"""Samples along each side of a pixel."""

GAMMA = 2.2

WRAP = 0.25
"""How far light reaches round the edge of its side, as skin lets it."""

GLOSS = np.array([(0.10, 14), (0.75, 90), (0.30, 30), (0.05, 10), (0.12, 10), (0.15, 25)], np.float32)
"""Strength and sharpness of the highlights of skin, eye, teeth, mouth and hair, and of what stands before the face."""

HAIR = 4
"""The part that is hair."""

THICKNESS = 0.02
"""A point this far behind what its sample sees is still seen."""

GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, eq=False)
class Drawing:
    """A drawn picture, and what is known of it.

    Attributes
    ----------
    pixels : (S, S, 3) uint8
        RGB, upright.
    points : (n, 2) float64
        The points asked for, ``(x, y)`` in pixels, seen or not.
    visible : (n,) bool
        Whether each lies inside the picture with nothing before it, give or take a pixel.
    pose : (yaw, pitch, roll)
        Degrees.
    """

    pixels: Pixels
    points: npt.NDArray[np.float64]
    visible: npt.NDArray[np.bool_]
    pose: tuple[float, float, float]


def render(
    vertices: Floats,
    triangles: Indices,
    uv: Floats,
    texture: Pixels,
    parts: Indices,
    scene: Scene,
    *,
    points: Indices | Sequence[int] = (),
    eyes: Sequence[tuple[Indices, Floats]] = (),
) -> Drawing:
    """Return the picture of a mesh in a scene, and where its points lie in it.

    Each pixel is the mean of 2x2 samples, taken of linear light. Normals are interpolated over the triangles; light
    has a soft edge, hollows are darker by how far they lie behind what is about them in the picture [1]_.

    Parameters
    ----------
    vertices : (n, 3) float
        In the head's coordinates; see the top of this module.
    triangles : (m, 3) int
        Counter-clockwise as seen from outside.
    uv : (n, 2) float
        Where in the texture each vertex lies: 0 to 1, v down.
    texture : (H, W, 3) uint8
        RGB.
    parts : (m,) int
        What each triangle is of: an index into :data:`GLOSS`.
    scene : Scene
    points : sequence of int
        The vertices whose places are wanted; with an occluder, the 98 of WFLW, in their order.
    eyes : sequence of ((k,) int, (3,) float)
        The vertices of each eyeball and its centre, for the gaze.

    Returns
    -------
    Drawing

    Raises
    ------
    SpecError
        If something is to stand before the face and `points` are not 98.

    References
    ----------
    .. [1] Luft, Colditz & Deussen 2006, Image enhancement by unsharp masking the depth buffer,
       doi 10.1145/1141911.1142016
    """
    places = np.asarray(points, np.intp)
    vertices = np.array(vertices, np.float64)
    for ball, centre in eyes:
        vertices[ball] = _turned(vertices[ball], *scene.gaze, 0, centre)
    texture = _shrunk(texture, scene.size)
    things = _things(vertices, triangles, uv, texture, parts, scene, places)
    before = len(vertices)
    for thing in things:
        triangles = np.concatenate([triangles, thing.triangles + len(vertices)])
        vertices = np.concatenate([vertices, thing.vertices])
    uv = np.concatenate([uv, np.zeros((len(vertices) - before, 2))])
    parts = np.concatenate([parts, np.full(len(triangles) - len(parts), len(GLOSS) - 1)])

    side = scene.size * SAMPLES
    posed = _turned(vertices, scene.yaw, scene.pitch, scene.roll, PIVOT)
    corners = _projected(posed, scene)
    normals = vertex_normals(posed, triangles)
    raster = rasterise(corners, triangles, side, side)
    material = _materials(raster, triangles, uv, texture, things, side)
    light = _lit(material, _interpolated(normals, triangles, raster), parts[raster.triangle], scene)
    light *= (1 - 0.55 * _hollows(raster.near, side)).reshape(-1, 1)[raster.pixel]

    backdrop = BACKGROUNDS[scene.background](scene.size, np.random.default_rng([scene.seed, 0]))
    backdrop = np.clip(backdrop, 0, 1).astype(np.float32) ** GAMMA
    samples = backdrop.repeat(SAMPLES, axis=0).repeat(SAMPLES, axis=1).reshape(-1, 3)
    samples[raster.pixel] = light
    pixels = _developed(samples.reshape(side, side, 3), scene)
    covered = np.zeros(side * side, bool)
    covered[raster.pixel] = parts[raster.triangle] == len(GLOSS) - 1
    visible = _visible(corners[places], raster.near, covered.reshape(side, side))
    return Drawing(
        pixels, (corners[places, :2] - (SAMPLES - 1) / 2) / SAMPLES, visible, (scene.yaw, scene.pitch, scene.roll)
    )


@dataclass(frozen=True, slots=True)
class DrawnSource:
    """A face of :mod:`hybridfer.capture.head`, drawn when it is asked for.

    Attributes
    ----------
    identity : int
        Seed of the identity.
    action_units : tuple of float, or of (left, right)
        The 18 muscles of :data:`hybridfer.capture.head.MUSCLES`, 0 to 5.
    scene : Scene
    """

    identity: int
    action_units: tuple[float, ...] | tuple[tuple[float, float], ...]
    scene: Scene = field(default_factory=Scene)

    def draw(self) -> Drawing:
        """Return the picture with its 98 points; see :func:`render`."""
        from hybridfer.capture.head import Identity, head
        from hybridfer.capture.paint import paint

        model, identity = head(), Identity.draw(self.identity)
        vertices = model.deform(identity, self.action_units)
        texture = paint(model, identity, self.action_units)
        eyes = [
            (np.arange(*ball), vertices[pupil] - np.array([0, 0, model.eye_radius]))
            for ball, pupil in zip(model.eyes, model.eye_centres, strict=True)
        ]
        return render(
            vertices, model.triangles, model.uv, texture, model.parts, self.scene, points=model.points98, eyes=eyes
        )

    def read(self) -> Picture:
        """Return the picture; its hash is over its pixels."""
        pixels = self.draw().pixels
        return Picture(pixels, hashlib.sha256(pixels.tobytes()).hexdigest())

    def stamp(self) -> tuple[Any, ...]:
        """Return what it is drawn from, so that a killed extraction is not continued with other pictures."""
        return astuple(self)


def _turned(points: Floats, yaw: float, pitch: float, roll: float, centre: Sequence[float] | Floats) -> Floats:
    """Return points turned about a centre: by yaw, then pitch, then roll, in degrees.

    Written out, because a matrix product may add in another order on another number of threads.
    """
    x, y, z = (points - np.asarray(centre)).T
    sin, cos = math.sin(math.radians(yaw)), math.cos(math.radians(yaw))
    x, z = x * cos + z * sin, z * cos - x * sin
    sin, cos = math.sin(math.radians(pitch)), math.cos(math.radians(pitch))
    y, z = y * cos + z * sin, z * cos - y * sin
    sin, cos = math.sin(math.radians(roll)), math.cos(math.radians(roll))
    x, y = x * cos - y * sin, y * cos + x * sin
    return np.column_stack([x, y, z]) + centre


def _projected(posed: Floats, scene: Scene) -> Floats:
    """Return x and y among the samples, and one over the distance from the camera."""
    side = scene.size * SAMPLES
    away = scene.distance - posed[:, 2]
    scale = PUPILS * scene.zoom * side * scene.distance / np.where(away > 0, away, np.nan)
    middle = (side - 1) / 2
    x = middle + scene.shift[0] * side + posed[:, 0] * scale
    y = middle + scene.shift[1] * side + (posed[:, 1] - MIDDLE) * scale
    return np.column_stack([x, y, 1 / np.where(away > 0, away, np.nan)])


def _shrunk(texture: Pixels, size: int) -> Pixels:
    """Return the texture without detail that a picture of this size could only show as noise."""
    import cv2

    while min(texture.shape[:2]) >= 4 * SAMPLES * size:
        texture = cv2.resize(texture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return texture


def _things(
    vertices: Floats, triangles: Indices, uv: Floats, texture: Pixels, parts: Indices, scene: Scene, points: Indices
) -> list[Thing]:
    """Return what stands before the face."""
    if scene.occluder is None:
        return []
    if len(points) != 98:
        raise SpecError(f"A {scene.occluder} is fitted to the 98 points, and {len(points)} are given; give them all.")

    def colour(of: Indices) -> Floats:
        rows, columns = texture.shape[:2]
        seen = texture[(uv[of, 1] * (rows - 1)).astype(np.intp), (uv[of, 0] * (columns - 1)).astype(np.intp)]
        return np.asarray(seen.mean(axis=0) / 255)

    strands = triangles[parts == HAIR].ravel()
    hair = colour(strands) if len(strands) else np.array([0.2, 0.13, 0.08])
    sitter = Sitter(vertices, triangles, vertices[points], colour(points[4:29]), hair)
    return OCCLUDERS[scene.occluder](sitter, np.random.default_rng([scene.seed, 1]))


def _interpolated(values: Floats, triangles: Indices, raster: Raster) -> npt.NDArray[np.float32]:
    """Return the vertices' values at each pixel that sees a triangle."""
    values, weights, corners = values.astype(np.float32), raster.weights.astype(np.float32), triangles[raster.triangle]
    mixed: npt.NDArray[np.float32] = values[corners[:, 0]] * weights[:, :1]
    for corner in (1, 2):
        mixed += values[corners[:, corner]] * weights[:, corner, None]
    return mixed


def _materials(
    raster: Raster, triangles: Indices, uv: Floats, texture: Pixels, things: Sequence[Thing], side: int
) -> npt.NDArray[np.float32]:
    """Return the linear colour of what each pixel sees, unlit."""
    import cv2

    rows, columns = texture.shape[:2]
    maps = np.zeros((2, side * side), np.float32)
    maps[:, raster.pixel] = (_interpolated(uv, triangles, raster) * (columns, rows) - 0.5).T
    u, v = maps.reshape(2, side, side)
    seen = cv2.remap(texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    colours: npt.NDArray[np.float32] = _linear()[seen.reshape(-1, 3)[raster.pixel]]
    if things:
        first = len(triangles) - sum(len(thing.triangles) for thing in things)
        own = np.concatenate([np.tile(thing.colour, (len(thing.triangles), 1)) for thing in things]) ** GAMMA
        of = raster.triangle - first
        colours[of >= 0] = own[of[of >= 0]]
    return colours


@cache
def _linear() -> npt.NDArray[np.float32]:
    return ((np.arange(256) / 255) ** GAMMA).astype(np.float32)


def _lit(
    colours: npt.NDArray[np.float32], normals: npt.NDArray[np.float32], parts: Indices, scene: Scene
) -> npt.NDArray[np.float32]:
    """Return the light that surfaces send to the camera."""
    normals /= np.maximum(np.sqrt((normals**2).sum(axis=1, keepdims=True)), 1e-6)
    yaw, pitch = (math.radians(angle) for angle in scene.light)
    key = np.array([math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)])
    half = key + np.array([0, 0, 1])
    half /= max(float(np.linalg.norm(half)), 1e-6)  # light from straight behind has no middle between it and the eye

    def facing(direction: Floats) -> npt.NDArray[np.float32]:
        x, y, z = direction.astype(np.float32)
        return np.asarray(normals[:, 0] * x + normals[:, 1] * y + normals[:, 2] * z)

    def reached(direction: Floats) -> npt.NDArray[np.float32]:
        return np.asarray(np.maximum((facing(direction) + WRAP) / (1 + WRAP), 0))

    amount = scene.ambient + scene.strength * reached(key) + scene.fill * reached(key * (-1, 1, 1))
    gloss, sharpness = GLOSS[parts].T
    shine = scene.strength * gloss * np.maximum(facing(half), 0) ** sharpness
    return np.asarray((colours * amount[:, None] + shine[:, None]) * np.array(scene.tint, np.float32))


def _hollows(near: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    """Return 0 to 1: how far each pixel lies behind what is about it."""
    import cv2

    seen = (near > 0).astype(np.float32)
    away = np.divide(1, near, out=np.zeros_like(near), where=near > 0)
    about = cv2.blur(np.dstack([away, seen]), (side // 10 | 1,) * 2)
    behind = away - about[..., 0] / np.maximum(about[..., 1], 1e-6)
    hollows: npt.NDArray[np.float32] = np.clip(behind * seen / 0.25, 0, 1)
    return hollows


def _developed(samples: npt.NDArray[np.float32], scene: Scene) -> Pixels:
    """Return pixels from light: what lens, film and file do to it."""
    import cv2

    linear = cv2.resize(samples, (scene.size, scene.size), interpolation=cv2.INTER_AREA)
    values = np.clip(linear, 0, 1) ** (1 / GAMMA) * 255
    if scene.blur:
        values = cv2.GaussianBlur(values, (0, 0), scene.blur)
    if any(scene.motion):
        values = cv2.filter2D(values, -1, _path(*scene.motion), borderType=cv2.BORDER_REPLICATE)
    values = (values - 127.5) * scene.contrast + 127.5 + scene.brightness
    if scene.grey:
        values = np.sum(values * GREY, axis=2, keepdims=True)
    if scene.noise:
        values = values + np.random.default_rng([scene.seed, 2]).normal(0, scene.noise, values.shape)
    pixels = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    if scene.jpeg is not None:
        coded = cv2.imencode(".jpg", np.flip(pixels, axis=2), [cv2.IMWRITE_JPEG_QUALITY, scene.jpeg])[1]
        pixels = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
    return np.ascontiguousarray(np.broadcast_to(pixels, (scene.size, scene.size, 3)))


def _path(x: float, y: float) -> npt.NDArray[np.float32]:
    """Return the kernel of a straight movement by x, y pixels."""
    reach = math.ceil(max(abs(x), abs(y)) / 2)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for share in np.linspace(-0.5, 0.5, 16 * reach + 1):
        kernel[round(reach + share * y), round(reach + share * x)] += 1
    return np.asarray(kernel / kernel.sum())


def _visible(corners: Floats, near: npt.NDArray[np.float32], covered: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return whether points lie in the picture with nothing before them, or no further than a hair from where so.

    The hair is a pixel of 128, what a person who clicks would not miss by: points of the jaw lie on the face's very
    outline. It is not given where the sample is covered by what stands before the face.
    """
    import cv2

    places, side = corners[:, :2], len(near)
    inside = np.asarray(((places > -0.5) & (places < side - 0.5)).all(axis=1))
    column, row = np.rint(np.where(inside[:, None], places, 0)).astype(np.intp).T
    hair = max(SAMPLES, round(side / 128))
    farthest = cv2.erode(near, np.ones((2 * hair + 1, 2 * hair + 1), np.uint8))
    before = np.where(covered, near, farthest)[row, column]
    return np.asarray(inside & (before * (1 / corners[:, 2] - THICKNESS) <= 1))
