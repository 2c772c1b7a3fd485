"""``hybridfer virtual``: data sets from the shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from hybridfer.datasets.inputs import read_inputs

Run = Callable[..., Result]


def test_faces_are_drawn_and_said(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "drawn"
    options = ("--identities", 2, "--expressions", "happy,contempt", "--size", 32, "--per-expression", 2, "--seed", 5)
    result = run("virtual", "faces", out, *options, "--difficulty", "natural", "--jobs", 1)
    assert result.exit_code == 0 and result.stdout == ""
    assert result.stderr == f"8 pictures of 2 people → {out}/manifest.csv\n"
    card = json.loads((out / "card.json").read_text("utf-8"))
    asked = ("identities", "expressions", "size", "per_expression", "difficulty", "seed")
    assert [card[name] for name in asked] == [2, ["happiness", "contempt"], 32, 2, "natural", 5]
    assert len(list(read_inputs([out / "manifest.csv"]).items)) == 8
    quiet = run("virtual", "faces", out, *options, "--overwrite", "--quiet")
    assert quiet.exit_code == 0 and quiet.stderr == ""


def test_clips_are_drawn(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "moving"
    options = ("--identities", 1, "--expressions", "fear", "--size", 32, "--frames", 9, "--fps", 4.5)
    result = run("virtual", "clips", out, *options)
    assert result.exit_code == 0, result.stderr
    items = list(read_inputs([out / "manifest.csv"]).items)
    assert len(items) == 9 and items[-1].timestamp == pytest.approx(8 / 4.5, abs=1e-6)


@pytest.mark.parametrize("kind", ["faces", "clips"])
def test_what_exists_is_not_replaced_unasked(run: Run, tmp_path: Path, kind: str) -> None:
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "me.jpg").touch()
    result = run("virtual", kind, tmp_path, "--identities", 1, "--expressions", "neutral", "--size", 16)
    assert result.exit_code == 1 and len(result.stderr.splitlines()) == 1
    result = run("virtual", kind, tmp_path, "--identities", 1, "--expressions", "neutral", "--size", 16, "--overwrite")
    assert result.exit_code == 1 and "so it is not replaced" in result.stderr
    assert (tmp_path / "faces" / "me.jpg").exists()


def test_an_unknown_expression_is_one_line_with_the_nearest(run: Run, tmp_path: Path) -> None:
    result = run("virtual", "faces", tmp_path / "drawn", "--expressions", "hapiness")
    assert result.exit_code == 1 and not (tmp_path / "drawn").exists()
    assert result.stderr == (
        "hybridfer: No expression named 'hapiness'. Did you mean 'happiness'? "
        "Known: all, anger, disgust, fear, happiness, sadness, surprise, neutral, contempt.\n"
    )


def test_misuse_is_usage(run: Run, tmp_path: Path) -> None:
    for wrong in (("--identities", 0), ("--difficulty", "easy"), ("--size", "big"), ("--jobs", 0)):
        assert run("virtual", "faces", tmp_path / "drawn", *wrong).exit_code == 2
