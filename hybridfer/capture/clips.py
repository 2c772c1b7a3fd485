"""Data sets of drawn clips: an expression comes, stays and goes, and every frame knows how far it is.

Muscles move along curves of least jerk [1]_, each a little ahead of or behind the others, while the head sways and the
eyes blink.

References
----------
.. [1] T. Flash, N. Hogan, "The coordination of arm movements", J. Neurosci. 5 (1985),
   doi 10.1523/JNEUROSCI.05-07-01688.1985; of faces: K. L. Schmidt, J. F. Cohn, Y. Tian, "Signal characteristics of
   spontaneous facial expressions", Biol. Psychol. 65 (2003), doi 10.1016/S0301-0511(03)00098-X
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hybridfer.capture.expressions import draw_expression, expression_names
from hybridfer.capture.faces import (
    Shot,
    chance,
    check_counts,
    identity_of,
    pairs,
    scene_of,
    split_of,
    style_of,
    subject,
    write_shots,
)
from hybridfer.capture.muscles import MUSCLES
from hybridfer.errors import DatasetError

FEWEST = 9
"""Frames a clip must have for one of them to be at the apex."""

LAG = 0.04
"""How far, as a share of a clip, a muscle moves before or after the expression as a whole at most."""

BLINKS = 15
"""Blinks a minute."""

BLINK = 0.3
"""How long a blink lasts, in seconds."""

BLINKING = MUSCLES.index(45)

Array = npt.NDArray[np.float64]


def draw_clips(
    out: str | os.PathLike[str],
    *,
    identities: int = 6,
    expressions: str | Sequence[str] = "all",
    frames: int = 24,
    fps: float = 12,
    size: int = 128,
    difficulty: str = "plain",
    seed: int = 0,
    jobs: int = -1,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Draw clips into a folder, a folder of pictures each, and return the manifest in it.

    Parameters
    ----------
    out : path
        The folder to write: ``clips``, ``manifest.csv`` and ``card.json``. A clip is a ``group`` of the manifest; its
        label stands in every row, and ``phase`` says of each frame whether it is ``neutral``, ``onset``, ``apex`` or
        ``offset``.
    identities : int
        People, who make one clip of each expression.
    frames : int
        Of a clip; the expression comes, stays and goes within them, however many they are.
    fps : float
        Frames a second.
    expressions, size, difficulty, seed, jobs, overwrite, progress
        As :func:`hybridfer.capture.faces.draw_faces`.

    Raises
    ------
    DatasetError, SpecError, OutputError
        As :func:`hybridfer.capture.faces.draw_faces`; and if there are too few frames, or `fps` is not above 0.
    """
    labels = expression_names(expressions)
    check_counts(identities=identities)
    if frames < FEWEST:
        raise DatasetError(f"A clip of {frames} frames has no apex; expected {FEWEST} or more.")
    if not 0 < fps < math.inf:
        raise DatasetError(f"{fps} frames a second are no rate; expected more than 0, such as 12.")
    shots = [
        shot
        for person, label in product(range(identities), labels)
        for shot in _clip(seed, person, label, frames, fps, size, difficulty)
    ]
    card = {"identities": identities, "expressions": labels, "frames": frames, "fps": fps, "size": size}
    return write_shots(out, "clips", shots, {**card, "difficulty": difficulty, "seed": seed}, jobs, overwrite, progress)


def _clip(seed: int, person: int, label: str, frames: int, fps: float, size: int, difficulty: str) -> list[Shot]:
    from hybridfer.media.virtual import DrawnSource

    random = chance(seed, person, label, 0)
    units = draw_expression(label, random, style_of(seed, person))
    scene = scene_of(seed, person, random, size, difficulty)
    share = np.arange(frames) / (frames - 1)
    seconds = np.arange(frames) / fps
    course = envelopes(share, random)
    turns = sway(seconds, random)
    moved = course[..., None] * units
    moved[:, BLINKING] = np.maximum(moved[:, BLINKING], 5 * blinks(seconds, random)[:, None])
    name = f"{subject(person)}_{label}"
    known = {"label": label, "subject": subject(person), "split": split_of(person), "group": name}
    return [
        Shot(
            f"clips/{name}/{frame:0{len(str(frames - 1))}d}.png",
            DrawnSource(
                identity_of(seed, person),
                pairs(moved[frame].round(2)),
                replace(scene, yaw=scene.yaw + yaw, pitch=scene.pitch + pitch, roll=scene.roll + roll),
            ),
            {**known, "frame": frame, "timestamp": round(float(seconds[frame]), 6), "phase": phase},
        )
        for frame, ((yaw, pitch, roll), phase) in enumerate(zip(turns.tolist(), phases(course, label), strict=True))
    ]


def least_jerk(share: Array) -> Array:
    """Return how far a movement of least jerk has come: 0 until its time begins at 0, 1 after it ends at 1.

    Examples
    --------
    >>> least_jerk(np.array([-1, 0, 0.5, 1, 2])).tolist()
    [0.0, 0.0, 0.5, 1.0, 1.0]
    """
    t = np.clip(share, 0.0, 1.0)
    return np.asarray(t**3 * (10 - 15 * t + 6 * t**2))


def envelopes(share: Array, random: np.random.Generator) -> Array:
    """Return how far each muscle has gone at each moment of a clip.

    Parameters
    ----------
    share : (n,) float64
        The moments, from 0, the clip's begin, to 1, its end.
    random : numpy.random.Generator

    Returns
    -------
    (n, 18) float64
        0 at rest, before and after the expression, to 1 at its apex.
    """
    begin, leave = random.uniform(LAG + 0.01, 0.12), random.uniform(0.62, 0.66)
    rise, fall = random.uniform(0.2, 0.28, 2)
    onset, offset = random.uniform(-LAG, LAG, (2, len(MUSCLES)))
    up = least_jerk((share[:, None] - begin - onset) / rise)
    return np.asarray(up - least_jerk((share[:, None] - leave - offset) / fall))


def phases(course: Array, label: str) -> list[str]:
    """Return the phase of each frame from what :func:`envelopes` says of the muscles; a neutral clip has but one."""
    least, most = course.min(axis=1).tolist(), course.max(axis=1).tolist()
    top = least.index(max(least))

    def phase(frame: int) -> str:
        if label == "neutral" or most[frame] <= 0:
            return "neutral"
        if least[frame] >= 1:
            return "apex"
        return "onset" if frame < top else "offset"

    return [phase(frame) for frame in range(len(course))]


def blinks(seconds: Array, random: np.random.Generator) -> Array:
    """Return how far the lids are closed, 0 to 1, at each moment; they are open in the first and in the last."""
    length = float(seconds[-1])
    closed = np.zeros(len(seconds))
    for _ in range(int(random.poisson(BLINKS / 60 * length))):
        middle = random.uniform(BLINK / 2, max(length - BLINK / 2, BLINK / 2))
        away = np.abs(seconds - middle) / (BLINK / 2)
        closed = np.maximum(closed, least_jerk(1 - away))
    closed[[0, -1]] = 0
    return closed


def sway(seconds: Array, random: np.random.Generator) -> Array:
    """Return how far the head turns meanwhile, as ``(n, 3)`` degrees of yaw, pitch and roll."""
    reach = random.normal(0, (2.0, 1.2, 1.0))
    rate, start = random.uniform(0.15, 0.4, 3), random.uniform(0, 2 * np.pi, 3)
    return np.asarray(reach * np.sin(2 * np.pi * rate * seconds[:, None] + start))
