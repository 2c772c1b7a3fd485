"""Data sets of drawn faces: pictures, and a manifest that knows every muscle, point and angle of them.

Every picture hangs on the seed, its person, its expression and its number alone: more people, or fewer expressions,
leave the others as they were, byte for byte.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hybridfer import __version__
from hybridfer.capture.expressions import PROTOTYPES, Style, draw_expression, expression_names
from hybridfer.capture.muscles import MUSCLES
from hybridfer.errors import DatasetError, did_you_mean
from hybridfer.faces.align import EYES
from hybridfer.media.images import encode_png
from hybridfer.media.scene import Scene
from hybridfer.tables import check_card, replacing, write_rows

if TYPE_CHECKING:
    from hybridfer.media.virtual import DrawnSource
    from hybridfer.types import Pixels

DIFFICULTIES = {"plain": 0.1, "natural": 0.5, "hard": 1.0}
"""How hard a day each is, for :meth:`hybridfer.media.scene.Scene.draw`; ``plain`` has nothing before the face."""

SPLIT_OF = ("train", "test", "train", "val", "train")
"""The splits of one person after another, over and over: 60, 20 and 20 of 100."""

AGES = ((0.25, "young"), (0.6, "middle"), (1.0, "old"))

SKINS = ((0.33, "light"), (0.66, "medium"), (1.0, "dark"))

COLUMNS = (
    *(f"AU{muscle:02d}" for muscle in MUSCLES),
    *(f"AU{muscle:02d}_{side}" for muscle in MUSCLES for side in ("left", "right")),
    *(f"{axis}_{point}" for point in range(98) for axis in "xy"),
    *(f"v_{point}" for point in range(98)),
    *("yaw", "pitch", "roll", "occluder", "age", "skin", "hair"),
)
"""What the manifest knows of a drawing: both sides' mean of each muscle, 0 to 5, and each side; WFLW's points in pixels
and whether each is seen (1) or hidden (0); degrees; what stands before the face; looks in words."""

NOTE = (
    "Heads drawn by a program, labelled exactly because it drew them. They test and show how methods work; scores on "
    "them say little about photographs of people."
)


@dataclass(frozen=True)
class Shot:
    """A picture to be drawn.

    Attributes
    ----------
    path : str
        Where it goes, below the data set.
    source : DrawnSource
        What is drawn.
    known : mapping
        Its label, subject and split, and whatever else is not to be seen in the drawing.
    """

    path: str
    source: DrawnSource
    known: Mapping[str, Any]


def draw_faces(
    out: str | os.PathLike[str],
    *,
    identities: int = 60,
    expressions: str | Sequence[str] = "all",
    size: int = 128,
    per_expression: int = 1,
    difficulty: str = "plain",
    seed: int = 0,
    jobs: int = -1,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Draw people making faces into a folder and return the manifest in it.

    Faces are cut as FER2013's are: seen from the front at rest, the pupils lie at :data:`hybridfer.faces.align.EYES`.

    Parameters
    ----------
    out : path
        The folder to write: ``faces``, ``manifest.csv`` and ``card.json``.
    identities : int
        People; three of five are ``train``, one ``val``, one ``test``.
    expressions : str or sequence of str
        See :func:`~hybridfer.capture.expressions.expression_names`.
    size : int
        The side of a picture in pixels.
    per_expression : int
        Pictures of each person and expression.
    difficulty : str
        One of :data:`DIFFICULTIES`.
    seed : int
        The same seed gives the same bytes.
    jobs : int
        Threads; -1 for one a core.
    overwrite : bool
        Replace the folder if it exists and holds such a data set.
    progress : callable, optional
        Told how many more pictures are done.

    Raises
    ------
    DatasetError
        If an expression or difficulty is unknown, or a number is less than 1.
    SpecError
        If pictures cannot have that size.
    OutputError
        If the folder exists and `overwrite` is False, holds other things, or cannot be written.
    """
    labels = expression_names(expressions)
    check_counts(identities=identities, per_expression=per_expression)
    shots = [
        Shot(
            f"faces/{subject(person)}/{label}_{number}.png",
            _face(seed, person, label, number, size, difficulty),
            {"label": label, "subject": subject(person), "split": split_of(person)},
        )
        for person, label, number in product(range(identities), labels, range(per_expression))
    ]
    card = {"identities": identities, "expressions": labels, "size": size, "per_expression": per_expression}
    return write_shots(out, "faces", shots, {**card, "difficulty": difficulty, "seed": seed}, jobs, overwrite, progress)


def _face(seed: int, person: int, label: str, number: int, size: int, difficulty: str) -> DrawnSource:
    from hybridfer.media.virtual import DrawnSource

    random = chance(seed, person, label, number)
    units = draw_expression(label, random, style_of(seed, person))
    return DrawnSource(identity_of(seed, person), pairs(units), scene_of(seed, person, random, size, difficulty))


def check_counts(**counts: int) -> None:
    """Raise DatasetError if one of the counts is less than 1."""
    for name, value in counts.items():
        if value < 1:
            raise DatasetError(f"{name.replace('_', ' ')} is {value}; expected 1 or more.")


def subject(person: int) -> str:
    """Return the name of a person in manifest and folders."""
    return f"s{person:04d}"


def split_of(person: int) -> str:
    """Return the split of a person; more people leave it as it is."""
    return SPLIT_OF[person % len(SPLIT_OF)]


def chance(seed: int, person: int, label: str, number: int) -> np.random.Generator:
    """Return what is random about one picture or clip, whatever others there are."""
    return np.random.default_rng(_seeds(seed, person, list(PROTOTYPES).index(label), number))


def identity_of(seed: int, person: int) -> int:
    """Return the seed of a person's looks."""
    return int(_seeds(seed, person).generate_state(1)[0])


def style_of(seed: int, person: int) -> Style:
    """Return how a person expresses."""
    return Style.draw(np.random.default_rng(_seeds(seed, person)))


def _seeds(seed: int, *key: int) -> np.random.SeedSequence:
    if seed < 0:
        raise DatasetError(f"The seed is {seed}; expected 0 or more.")
    return np.random.SeedSequence(seed, spawn_key=key)


def pairs(units: npt.NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    """Return action units ``(18, 2)`` as what a drawing is made of."""
    return tuple((left, right) for left, right in units.tolist())


def scene_of(seed: int, person: int, random: np.random.Generator, size: int, difficulty: str) -> Scene:
    """Return a scene in which a person's face, at rest and seen from the front, is cut as FER2013 cuts.

    Raises
    ------
    DatasetError
        If there is no such difficulty.
    """
    from hybridfer.media.virtual import MIDDLE, PUPILS

    if difficulty not in DIFFICULTIES:
        hint = did_you_mean(difficulty, DIFFICULTIES)
        raise DatasetError(f"No difficulty named {difficulty!r}.{hint} Known: {', '.join(DIFFICULTIES)}.")
    scene = Scene.draw(random, size=size, difficulty=DIFFICULTIES[difficulty])
    if difficulty == "plain":
        scene = replace(scene, occluder=None)
    left, right = _pupils(identity_of(seed, person))
    (left_x, eye_y), (right_x, _) = EYES
    # What one unit is of the picture's side, at the depth of the pupils.
    unit = (right_x - left_x) / (right[0] - left[0])
    zoom = unit / PUPILS * (scene.distance - (left[2] + right[2]) / 2) / scene.distance
    shift_x = (left_x + right_x) / 2 - 0.5 - unit * (left[0] + right[0]) / 2
    shift_y = eye_y - 0.5 - unit * ((left[1] + right[1]) / 2 - MIDDLE)
    x, y = scene.shift
    return replace(scene, zoom=zoom * scene.zoom, shift=(x + shift_x, y + shift_y))


@lru_cache(maxsize=4096)
def _pupils(identity: int) -> tuple[tuple[float, ...], ...]:
    """Return where the pupils of somebody at rest lie in space, left and right."""
    from hybridfer.capture.head import Identity, head

    model = head()
    return tuple(map(tuple, model.deform(Identity.draw(identity))[model.points98[96:98]].tolist()))


def write_shots(
    out: str | os.PathLike[str],
    kind: str,
    shots: Sequence[Shot],
    card: Mapping[str, Any],
    jobs: int = -1,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Draw pictures into a folder, with a manifest and a card, and return the manifest.

    Parameters
    ----------
    out : path
        The folder to write.
    kind : str
        The one folder in it that the pictures lie in.
    shots : sequence of Shot
    card : mapping
        What the card says of how they were made.
    jobs, overwrite, progress
        As :func:`draw_faces`.

    Raises
    ------
    OutputError
        If the folder exists and `overwrite` is False, holds other things, or cannot be written.
    """
    with replacing(out, overwrite, (kind, "manifest.csv", "card.json")) as beside:
        check_card(out, "virtual", kind, f"drawn {kind}")
        for folder in {(beside / shot.path).parent for shot in shots}:
            folder.mkdir(parents=True, exist_ok=True)
        with (beside / "manifest.csv").open("w", encoding="utf-8", newline="") as stream:
            rows = _drawn(beside, shots, jobs, progress)
            write_rows(stream, "csv", ["path", *shots[0].known, "cropped", *COLUMNS], ([row] for row in rows))
        said = {"virtual": kind, "hybridfer": __version__, **card, "pictures": len(shots), "note": NOTE}
        (beside / "card.json").write_text(json.dumps(said, indent=2) + "\n", "utf-8")
    return Path(out) / "manifest.csv"


def _drawn(
    folder: Path, shots: Sequence[Shot], jobs: int, progress: Callable[[int], None] | None
) -> Iterator[dict[str, Any]]:
    from joblib import Parallel, delayed
    from threadpoolctl import threadpool_limits

    # BLAS adds in another order on another number of threads; a picture must not hang on that.
    with threadpool_limits(1):
        for row in Parallel(jobs, prefer="threads", return_as="generator")(delayed(_shoot)(folder, s) for s in shots):
            yield row
            if progress is not None:
                progress(1)


def _shoot(folder: Path, shot: Shot) -> dict[str, Any]:
    """Draw a picture to its file and return its row."""
    drawing = shot.source.draw()
    save_png(folder / shot.path, drawing.pixels)
    units = np.asarray(shot.source.action_units)
    yaw, pitch, roll = drawing.pose
    values = (
        *units.mean(axis=1).round(3).tolist(),
        *units.ravel().tolist(),
        *drawing.points.round(3).ravel().tolist(),
        *drawing.visible.astype(int).tolist(),
        *(round(yaw, 3), round(pitch, 3), round(roll, 3)),
        *(shot.source.scene.occluder, *_looks(shot.source.identity)),
    )
    return {"path": shot.path, "cropped": "true", **shot.known, **dict(zip(COLUMNS, values, strict=True))}


def _looks(identity: int) -> tuple[str, str, str]:
    """Return somebody's age, skin and hair as words."""
    from hybridfer.capture.head import Identity

    person = Identity.draw(identity)
    age = next(word for limit, word in AGES if person.age <= limit)
    return age, next(word for limit, word in SKINS if person.skin <= limit), person.hair_style


def save_png(path: Path, pixels: Pixels) -> None:
    """Write pixels, RGB, to a PNG file."""
    path.write_bytes(encode_png(pixels))
