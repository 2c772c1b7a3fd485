"""The texture: in its range, each piece in its box, and painted where the points lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hybridfer.capture.head import MUSCLES, PARTS, Identity, head
from hybridfer.capture.paint import paint
from hybridfer.errors import DatasetError

MEAN = Identity()


def colour_at(texture: np.ndarray, *points: int) -> np.ndarray:
    """The texture's colour at the vertices of WFLW points."""
    uv = head().uv[head().points98[list(points)]]
    column, row = np.floor(uv.T * 512).astype(int)
    return texture[row, column].astype(float).mean(axis=0)


def test_every_vertex_lies_in_the_texture_and_parts_do_not_overlap() -> None:
    model = head()
    assert model.uv.min() >= 0 and model.uv.max() <= 1
    boxes = {}
    for part, name in enumerate(PARTS):
        uv = model.uv[np.unique(model.triangles[model.parts == part])]
        boxes[name] = (*uv.min(axis=0), *uv.max(axis=0))
    for name in ("eye", "teeth", "mouth", "hair"):
        for other in ("eye", "teeth", "mouth", "hair"):
            a, b = boxes[name], boxes[other]
            assert name == other or a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]


def test_a_picture_that_is_the_same_every_time() -> None:
    texture = paint(head(), Identity.draw(5))
    assert texture.shape == (512, 512, 3) and texture.dtype == np.uint8
    np.testing.assert_array_equal(texture, paint(head(), Identity.draw(5)))
    assert (texture != paint(head(), Identity.draw(6))).mean() > 0.5


def test_painted_where_the_points_lie() -> None:
    texture = paint(head(), MEAN)
    skin, lips = colour_at(texture, 53), colour_at(texture, 84, 86)
    lash, pupil = colour_at(texture, 62, 70), colour_at(texture, 96, 97)
    assert lash.mean() < 0.5 * skin.mean()
    assert pupil.mean() < 30
    assert (lips[0] - lips[1]) / lips.sum() > (skin[0] - skin[1]) / skin.sum()
    uv = head().uv[head().points98]
    brow, above = uv[[35, 40]].mean(axis=0), uv[35] - (0, 0.02)
    between = [texture[int(v * 512), int(u * 512)].astype(float).mean() for u, v in (brow, above)]
    assert between[0] < 0.75 * between[1]


@pytest.mark.parametrize(
    "change",
    [
        {"skin": 0.9}, {"hair": (200, 160, 90)}, {"brow": (200, 160, 90)}, {"iris": (60, 90, 180)},
        {"brow_density": 0.3}, {"lip_tint": 1.0}, {"stubble": 1.0}, {"freckles": 1.0}, {"age": 1.0},
        {"hair_style": "bald"}, {"seed": 1},
    ],
    ids=str,
)  # fmt: skip
def test_every_look_changes_something(change: dict[str, object]) -> None:
    assert (paint(head(), replace(MEAN, **change)) != paint(head(), MEAN)).any()


def test_dark_skin_is_darker() -> None:
    light, dark = (colour_at(paint(head(), replace(MEAN, skin=tone)), 53, 57, 16) for tone in (0.0, 1.0))
    assert dark.mean() < 0.5 * light.mean()


def test_folds_follow_the_muscle_and_its_side() -> None:
    units = np.zeros((18, 2))
    units[MUSCLES.index(12), 0] = 5
    rest, left = paint(head(), MEAN), paint(head(), MEAN, units)
    changed = (rest != left).any(axis=2)
    assert changed[:, :190].any() and not changed[:, 260:].any()
    assert left[changed].mean() < rest[changed].mean() + 5
    np.testing.assert_array_equal(paint(head(), MEAN, np.zeros(18)), rest)


def test_wrong_action_units_are_named() -> None:
    with pytest.raises(DatasetError, match="AU1 is 9"):
        paint(head(), MEAN, np.full(18, 9.0))
