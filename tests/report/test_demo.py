"""The demo does the whole main job on pictures that ship with scikit-image."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from hybridfer import FeatureBank


@pytest.mark.slow
def test_the_demo_leaves_a_page_a_bank_a_model_and_an_evaluation(run: Callable[..., Result], tmp_path: Path) -> None:
    out = tmp_path / "demo"
    result = run("demo", "-o", out)
    assert result.exit_code == 0, result.stderr
    page = (out / "index.html").read_text("utf-8")
    assert "95 % interval" in page and "The mirrored copy." in page
    assert page.count("data:image/png;base64,") > 20 and not re.search(r'(src|href)="(?!data:)', page)
    assert len(FeatureBank.open(out / "lfw.parquet")) == 200
    found = json.loads((out / "evaluation" / "evaluation.json").read_text("utf-8"))
    assert found["n"] == 60 and found["metrics"]["accuracy"]["value"] > 0.9
    assert (out / "lfw.model" / "card.json").is_file()
    assert result.stderr.count("$ hybridfer ") == 6


def test_the_demo_replaces_only_a_demo(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    result = run("demo", "-o", tmp_path, "--overwrite")
    assert result.exit_code == 1 and "holds other things" in result.stderr and (tmp_path / "photo.jpg").exists()
