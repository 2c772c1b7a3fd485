"""``docs/recipe.md``, command by command, on drawn faces of people who do not exist."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import Result

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "recipe.md").read_text("utf-8")
PEOPLE = 7


def draw_people(folder: Path) -> None:
    """Draw people who smile and frown, four times each: everyone before a wall of their own, in another light."""
    face: Callable[[int, float], np.ndarray] = runpy.run_path(str(ROOT / "fixtures" / "make.py"))["face"]
    random = np.random.default_rng(11)
    for person in range(PEOPLE):
        wall = cv2.GaussianBlur(random.integers(0, 256, (200, 200, 3), np.uint8), (0, 0), 3)
        wall, light = cv2.normalize(wall, None, 0, 255, cv2.NORM_MINMAX), random.uniform(0.7, 1, 3)
        for label, smile in (("happy", 1), ("sad", -1)):
            place = folder / f"p{person}" / label
            place.mkdir(parents=True)
            for number in range(4):
                turn = cv2.getRotationMatrix2D((64, 64), random.uniform(-6, 6), random.uniform(0.9, 1))
                turn[:, 2] += 36 + random.uniform(-6, 6, 2)
                drawn = face(128, smile * random.uniform(0.7, 1))
                seen = cv2.warpAffine(drawn, turn, (200, 200), dst=wall.copy(), borderMode=cv2.BORDER_TRANSPARENT)
                grainy = np.clip(seen * light + random.normal(0, 6, seen.shape), 0, 255)
                cv2.imwrite(str(place / f"{number}.png"), grainy.astype(np.uint8)[..., ::-1])


@pytest.mark.slow
def test_the_page_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Result], capsys: pytest.CaptureFixture[str]
) -> None:
    draw_people(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    steps = re.findall(r"^    hybridfer ([^\n]+)$|```python\n(.*?)```", PAGE, re.M | re.S)
    assert len(steps) == 8
    space: dict[str, Any] = {}
    for line, code in steps:
        if code:
            exec(compile(code, "recipe.md", "exec"), space)
        else:
            done = run(*shlex.split(line))
            assert done.exit_code == 0, (line, done.output)
            assert os.path.exists(shlex.split(line)[-1]), line

    for name in set(re.findall(r"`((?:check|scores|faces\.model)/[\w.]+)`|`(split\.csv)`", PAGE)):
        assert Path("".join(name)).is_file(), name
    figure = cv2.imread("scores/confusion.png")
    assert figure is not None and min(figure.shape[:2]) > 200 and figure.std() > 10
    found = json.loads(Path("scores/evaluation.json").read_text("utf-8"))
    # By hand: three tenths of seven people are two, each drawn eight times.
    assert (found["n"], len(found["by"]["subject"]), found["protocol"]["resampled"]) == (16, 2, "subjects")
    assert not [note for note in found["notes"] if "training" in note or "train" in note.split()]
    assert "(95 % interval " in space["sentence"] and "of 2 people whom the model never saw, 0 of" in space["sentence"]
    assert "fitted on 40 faces of 5 other people" in space["sentence"]
    assert space["sentence"] in capsys.readouterr().out
