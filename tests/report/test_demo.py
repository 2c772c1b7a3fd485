"""The demo does the whole main job on people it draws, and looks at a photograph."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from deep.corner import TABLE, corner_model
from test_readme import unknown_options

from hybridfer import FeatureBank
from hybridfer.deep import NETWORKS
from hybridfer.labels import EXPRESSIONS


@pytest.fixture
def network(none_shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small network in the place of the one that hybridfer brings."""
    monkeypatch.setitem(NETWORKS.table, "corner", TABLE["corner"])
    corner_model(none_shipped / "arm", name="arm", labels=("sadness", "happiness"), detector="mtcnn")


@pytest.mark.slow
@pytest.mark.usefixtures("network")
def test_the_demo_leaves_a_page_a_bank_a_model_and_an_evaluation(run: Callable[..., Result], tmp_path: Path) -> None:
    out = tmp_path / "demo"
    result = run("demo", "-o", out)
    assert result.exit_code == 0, result.stderr
    page = (out / "index.html").read_text("utf-8")
    assert "95 % interval" in page and "The mirrored copy." in page
    assert "say little about photographs of people" in page and "It has never seen a photograph" in page
    assert re.search(r"The network arm, .* calls it (happiness|sadness), with a probability of 0\.\d\d", page)
    assert page.count("data:image/png;base64,") > 20 and not re.search(r'(src|href)="(?!data:)', page)
    rows = FeatureBank.open(out / "drawn.parquet").to_pandas()
    assert len(rows) == 280 and set(rows["label"]) == set(EXPRESSIONS)
    subjects = {split: set(each["subject"]) for split, each in rows.groupby("split")}
    assert {split: len(each) for split, each in subjects.items()} == {"train": 24, "val": 8, "test": 8}
    assert not subjects["train"] & subjects["test"]
    found = json.loads((out / "evaluation" / "evaluation.json").read_text("utf-8"))
    accuracy = found["metrics"]["balanced_accuracy"]
    assert found["n"] == 56 and accuracy["value"] >= 0.8 and accuracy["low"] < accuracy["value"] < accuracy["high"]
    assert json.loads((out / "drawn.model" / "card.json").read_text("utf-8"))["training"]["rows"] == 168
    steps = [line for line in result.stderr.splitlines() if line.startswith("$ hybridfer ")]
    assert len(steps) == 9 and all(unknown_options(step) == set() for step in steps)


def test_the_demo_replaces_only_a_demo(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    result = run("demo", "-o", tmp_path, "--overwrite")
    assert result.exit_code == 1 and "holds other things" in result.stderr and (tmp_path / "photo.jpg").exists()
