"""Scenes: what they refuse, and what photographs would make of them."""

from __future__ import annotations

import re
from dataclasses import fields

import numpy as np
import pytest

from hybridfer.errors import SpecError
from hybridfer.media.props import BACKGROUNDS, OCCLUDERS
from hybridfer.media.scene import Scene


def drawn(difficulty: float, count: int = 300) -> list[Scene]:
    random = np.random.default_rng(7)
    return [Scene.draw(random, difficulty=difficulty) for _ in range(count)]


def test_the_plain_scene_is_seen_from_the_front_with_nothing_before_it() -> None:
    scene = Scene()
    assert (scene.yaw, scene.pitch, scene.roll, scene.gaze) == (0, 0, 0, (0, 0))
    assert (scene.background, scene.occluder, scene.blur, scene.noise, scene.jpeg) == ("plain", None, 0, 0, None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"background": "bokhe"}, "No background named 'bokhe'. Did you mean 'bokeh'? Known: plain, gradient"),
        ({"occluder": "glases"}, "No occluder named 'glases'. Did you mean 'glasses'? Known: glasses, sunglasses"),
        ({"size": 0}, "A scene's size is 0; expected 16 to 4096."),
        ({"yaw": float("nan")}, "A scene's yaw is nan; expected -180 to 180."),
        ({"gaze": (0, 99)}, "A scene's gaze is (0, 99); expected -60 to 60."),
        ({"jpeg": 0}, "A scene's jpeg is 0; expected 1 to 100."),
        ({"distance": 0.5}, "A scene's distance is 0.5; expected 5 to 1000."),
        ({"seed": -1}, "A scene's seed is -1; expected 0 to"),
    ],
)
def test_a_scene_says_what_is_wrong_with_it(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        Scene(**wrong)


@pytest.mark.parametrize("difficulty", [-0.1, 1.1, float("nan")])
def test_a_difficulty_is_a_share(difficulty: float) -> None:
    with pytest.raises(SpecError, match="expected 0"):
        Scene.draw(np.random.default_rng(0), difficulty=difficulty)


def test_the_same_state_draws_the_same_scene() -> None:
    assert drawn(0.5, 5) == drawn(0.5, 5)
    assert len(set(drawn(0.5))) == 300


def test_without_difficulty_only_the_background_varies() -> None:
    for scene in drawn(0, 50):
        assert scene == Scene(background=scene.background, seed=scene.seed)


def test_with_difficulty_everything_varies() -> None:
    scenes = drawn(1)
    for field in fields(Scene):
        assert field.name == "size" or len({getattr(scene, field.name) for scene in scenes}) > 1, field.name
    assert {scene.background for scene in scenes} == set(BACKGROUNDS)
    assert {scene.occluder for scene in scenes} == {None, *OCCLUDERS}


def test_more_difficulty_turns_heads_further() -> None:
    spread = [np.std([scene.yaw for scene in drawn(difficulty)]) for difficulty in (0.2, 0.5, 1.0)]
    assert spread[0] < spread[1] < spread[2]


def test_blur_grows_with_the_picture() -> None:
    small, large = (Scene.draw(np.random.default_rng(1), size=size, difficulty=1) for size in (64, 256))
    assert large.blur == pytest.approx(4 * small.blur) and small.blur > 0
