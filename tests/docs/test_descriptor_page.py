"""``docs/add-a-descriptor.md`` does what it says, from an empty folder to a column in a bank."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from hybridfer import FeatureBank
from hybridfer.registry import Registry

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "add-a-descriptor.md").read_text("utf-8")
FILES = ("pyproject.toml", "localphase.py", "test_localphase.py")


@pytest.mark.slow
def test_the_page_is_followed(tmp_path: Path) -> None:
    package, site = tmp_path / "package", tmp_path / "site"
    (package / "photos").mkdir(parents=True)
    texts = re.findall(r"```(?:toml|python)\n(.*?)```", PAGE, re.S)
    assert [name for name in re.findall(r"^.*?`([\w.]+)` (?:says|is the)", PAGE, re.M) if name in FILES] == list(FILES)
    for name, text in zip(FILES, texts, strict=True):
        (package / name).write_text(text, "utf-8")
    face = runpy.run_path(str(ROOT / "fixtures" / "make.py"))["face"](128, 1.0)
    cv2.imwrite(str(package / "photos" / "a.png"), face[..., ::-1])

    # What the page installs goes beside the test, without a network, and python and hybridfer are those that run it.
    install = [
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(site),
        ".",
    ]
    programs = {"pip": ["-m", *install], "python": [], "hybridfer": ["-m", "hybridfer"]}
    environment = {**os.environ, "PYTHONPATH": str(site)}
    said = {}
    lines = re.findall(r"^    ((?:pip|python|hybridfer) .+)$", PAGE.partition("## Use it")[2], re.M)
    assert lines[0] == "pip install -e ." and len(lines) == 5
    for line in lines:
        program, *arguments = shlex.split(line)
        command = [sys.executable, *programs[program], *(arguments if program != "pip" else ())]
        done = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        said[line] = done.stdout
    assert "7 passed" in said["python -m pytest -q"]
    assert "lpq" in said["hybridfer list descriptors"].split()
    bank = FeatureBank.open(package / "photos.parquet")
    assert list(bank.blocks) == ["lpq:grid=4,size=48,window=7", "lpq:grid=4,size=48,window=5"]
    assert len(bank) == 1 and bank.X("lpq:grid=4,size=48,window=7").sum() == 16
    assert all(spec in said["hybridfer bank info photos.parquet"] for spec in bank.blocks)
    wrong = [sys.executable, "-m", "hybridfer", "extract", "photos", "-f", "lpq:window=4"]
    refused = subprocess.run(wrong, cwd=package, env=environment, capture_output=True, text=True)
    assert refused.returncode == 1 and "lpq:window=4 is out of range; expected an odd number" in refused.stderr


def test_the_places_it_names_in_the_tree_are_there() -> None:
    from hybridfer.descriptors import DESCRIPTORS

    for place in re.findall(r"`((?:hybridfer|tests)/[\w/.]+)`", PAGE):
        assert (ROOT / place.replace("lpq", "lbp")).exists(), place
    name, target = re.findall(r'^"(\w+)": "([\w.:]+)",$', PAGE, re.M)[0]
    assert Registry("descriptors", {"lbp": target.replace("lpq", "lbp").replace("LPQ", "LBP")}).load("lbp")
    assert name not in DESCRIPTORS.table, "hybridfer has this descriptor now; let the page show another"
