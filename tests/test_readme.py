"""What the README shows works as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import cv2
import numpy as np
import pytest

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
COMMANDS = [line.strip() for line in README.splitlines() if re.match(r"\s*(\$ )?hybridfer [a-z]", line)]


def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lfw: tuple[np.ndarray, list[str]]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    for i in (*range(30), *range(100, 130)):
        split, name = ("train", "test")[i % 3 == 0], ("happy", "sad")[i < 100]
        (tmp_path / "faces" / split / name).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "faces" / split / name / f"{i}.png"), lfw[0][i])
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), space)
    assert (tmp_path / "faces.model" / "card.json").is_file() and space["rows"]


def unknown_options(line: str) -> set[str]:
    """Return the options of a shown command that the program does not have."""
    from hybridfer.cli import COMMANDS as known

    words = shlex.split(line.removeprefix("$ ").split(" | ")[0].split("  #")[0])[1:]
    command: click.Command = known.load(words[0])
    rest = words[1:]
    if isinstance(command, click.Group) and not rest[0].startswith("-"):
        command, rest = command.commands[rest[0]], rest[1:]
    options = {name for p in command.params for name in (*p.opts, *p.secondary_opts)} | {"--help"}
    return {w.split("=")[0] for w in rest if w.startswith("-") and w != "-"} - options


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_it_shows_is_one(line: str) -> None:
    assert unknown_options(line) == set()
