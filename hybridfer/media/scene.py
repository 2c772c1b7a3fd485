"""A scene: from where, in what light and through what lens a drawn face is seen.

``yaw > 0`` is to the picture's right, ``pitch > 0`` down, ``roll > 0`` clockwise in the picture, of the head as of gaze
and light.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hybridfer.errors import SpecError, did_you_mean
from hybridfer.media.props import BACKGROUNDS, OCCLUDERS

_RANGES = (
    ("size", 16, 4096),
    ("yaw", -180, 180),
    ("pitch", -180, 180),
    ("roll", -180, 180),
    ("gaze", -60, 60),
    ("zoom", 0.1, 10),
    ("shift", -1, 1),
    ("distance", 5, 1000),
    ("light", -180, 180),
    ("strength", 0, 10),
    ("fill", 0, 10),
    ("ambient", 0, 10),
    ("tint", 0, 4),
    ("blur", 0, 100),
    ("motion", -100, 100),
    ("brightness", -255, 255),
    ("contrast", 0, 10),
    ("noise", 0, 255),
    ("jpeg", 1, 100),
    ("seed", 0, 2**63 - 1),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """How a face is seen; as it stands, from the front, in the light of a studio.

    Attributes
    ----------
    size : int
        The picture's side in pixels.
    yaw, pitch, roll : float
        Degrees, to the right, down and clockwise.
    gaze : (yaw, pitch)
        How far the eyeballs turn in the head, in degrees.
    zoom : float
        At 1 the pupils of a face seen from the front are 0.27 of the side apart, and the head fills the picture.
    shift : (x, y)
        Where the head is moved to, as shares of the side.
    distance : float
        From the camera to the eyes, in distances between the pupils.
    light : (yaw, pitch)
        Where the light comes from, in degrees; (0, 0) is the camera, (-30, -30) its upper left.
    strength, fill, ambient : float
        Of that light, of a second from the other side, and of the light from everywhere.
    tint : (red, green, blue)
        The light's colour.
    background : str
        A name of :data:`~hybridfer.media.props.BACKGROUNDS`.
    occluder : str, optional
        A name of :data:`~hybridfer.media.props.OCCLUDERS`.
    blur : float
        Standard deviation in pixels.
    motion : (x, y)
        How far the picture moves while the shutter is open, in pixels.
    brightness, contrast : float
        What is added to the 0 to 255 of a pixel, after its distance from the middle is multiplied.
    grey : bool
        Whether the three channels are one.
    noise : float
        Standard deviation in the same unit.
    jpeg : int, optional
        The quality, 1 to 100, of a JPEG that the picture has once been.
    seed : int
        Of everything above that is random: what the background and the occluder look like, the noise.

    Raises
    ------
    SpecError
        If a name is unknown, or a number out of its range.
    """

    size: int = 128
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    distance: float = 14.0
    light: tuple[float, float] = (-25.0, -30.0)
    strength: float = 0.65
    fill: float = 0.2
    ambient: float = 0.35
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    background: str = "plain"
    occluder: str | None = None
    blur: float = 0.0
    motion: tuple[float, float] = (0.0, 0.0)
    brightness: float = 0.0
    contrast: float = 1.0
    grey: bool = False
    noise: float = 0.0
    jpeg: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for kind, name, known in (
            ("background", self.background, BACKGROUNDS),
            ("occluder", self.occluder, OCCLUDERS),
        ):
            if name not in known and (kind, name) != ("occluder", None):
                raise SpecError(f"No {kind} named {name!r}.{did_you_mean(str(name), known)} Known: {', '.join(known)}.")
        for name, low, high in _RANGES:
            value = getattr(self, name)
            for number in value if isinstance(value, tuple) else (value,):
                if number is not None and not low <= number <= high:
                    raise SpecError(f"A scene's {name} is {value}; expected {low:g} to {high:g}.")

    @classmethod
    def draw(cls, random: np.random.Generator, *, size: int = 128, difficulty: float = 0.5) -> Scene:
        """Return a scene as photographs have them: some turned, some dark, one in five or so with something before it.

        Parameters
        ----------
        random : numpy.random.Generator
            Where the scene comes from; the same state gives the same scene.
        size : int
            The picture's side in pixels.
        difficulty : float
            0 is nearly a studio, 1 a hard day: everything's spread and likelihood grow with it.

        Raises
        ------
        SpecError
            If the difficulty is not from 0 to 1.
        """
        if not 0 <= difficulty <= 1:
            raise SpecError(f"The difficulty is {difficulty}; expected 0 (a studio) to 1 (a hard day).")

        def about(spread: float) -> float:
            return float(np.clip(random.normal(), -2, 2) * spread * difficulty)

        def perhaps(share: float) -> bool:
            return bool(random.random() < share * difficulty)

        backgrounds, occluders = tuple(BACKGROUNDS), tuple(OCCLUDERS)
        scene = {
            "yaw": about(25),
            "pitch": about(12),
            "roll": about(10),
            "gaze": (about(12), about(6)),
            "zoom": 1 + about(0.08),
            "shift": (about(0.03), about(0.03)),
            "distance": 14 + about(3),
            "light": (-25 + about(45), -30 + about(20)),
            "strength": 0.65 + about(0.12),
            "fill": 0.2 + about(0.08),
            "ambient": 0.35 + about(0.08),
            "tint": tuple(1 + about(0.06) for _ in range(3)),
            "background": backgrounds[int(random.integers(len(backgrounds)))],
            "occluder": occluders[int(random.integers(len(occluders)))] if perhaps(0.4) else None,
            "blur": abs(about(0.6)) * size / 128,
            "motion": (about(1.5) * size / 128, about(1) * size / 128) if perhaps(0.3) else (0.0, 0.0),
            "brightness": about(14),
            "contrast": 1 + about(0.12),
            "grey": perhaps(0.3),
            "noise": abs(about(5)),
            "jpeg": int(random.integers(50, 96)) if perhaps(0.8) else None,
            "seed": int(random.integers(1 << 31)),
        }
        return cls(size=size, **scene)  # type: ignore[arg-type]
