"""The program as a whole: it starts light, ends with the right code, and works in a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from hybridfer.cli import COMMANDS

HEAVY = ("numpy", "torch", "sklearn", "cv2", "skimage", "scipy", "pyarrow", "pandas", "matplotlib", "joblib", "PIL")


def program(*args: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "hybridfer", *map(str, args)]
    return subprocess.run(command, capture_output=True, **options)  # type: ignore[call-overload, no-any-return]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from hybridfer.cli import COMMANDS, main_group; import click; "
        "[COMMANDS.load(n).get_help(click.Context(COMMANDS.load(n))) for n in COMMANDS.names()]; "
        f"print(*[m for m in {HEAVY!r} if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_importing_the_package_imports_nothing_heavy_and_sets_nothing() -> None:
    code = (
        "import os, sys, warnings; e, w = dict(os.environ), list(warnings.filters); import hybridfer; "
        f"assert not [m for m in {HEAVY!r} if m in sys.modules]; assert dict(os.environ) == e and warnings.filters == w"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", COMMANDS.names())
def test_every_command_explains_itself_with_an_example(name: str) -> None:
    shown = program(name, "--help").stdout.decode()
    assert "Example" in shown and f"hybridfer {name} " in shown, shown


def test_every_verb_is_a_function() -> None:
    import hybridfer

    for name in ("extract", "detect", "rsa", "similarity", "train_svm", "evaluate", "load_model", "FeatureBank"):
        assert callable(getattr(hybridfer, name)) and name in dir(hybridfer)
    with pytest.raises(AttributeError):
        _ = hybridfer.nothing  # type: ignore[attr-defined]


def test_usage_errors_end_with_2_and_name_the_nearest() -> None:
    found = program("extrakt")
    assert found.returncode == 2 and b"Did you mean 'extract'" in found.stderr
    assert program("extract", "--nonsense").returncode == 2


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    for i in range(300):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((4, 4), i % 256, np.uint8))
    code = f"{sys.executable} -m hybridfer extract {tmp_path} -f gabor --detector none --format jsonl | head -c 100 | wc -c"
    found = subprocess.run(["bash", "-o", "pipefail", "-c", code], capture_output=True)
    assert found.returncode == 0 and found.stdout.strip() == b"100" and found.stderr.count(b"Traceback") == 0


def test_list_names_what_there_is() -> None:
    assert program("list", "descriptors").stdout.split() == [
        b"colour",
        b"gabor",
        b"gwp",
        b"hog",
        b"lbp",
        b"phash",
        b"sift",
        b"siftlocal",
    ]
    assert program("list", "detectors").stdout.split() == [b"haar", b"mtcnn", b"mtcnn-improved", b"none", b"yunet"]
    for kind in ("networks", "datasets", "metrics"):
        assert program("list", kind).stdout


def test_an_entry_point_of_another_package_is_found(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\nimport numpy as np\nfrom hybridfer.descriptors.base import Descriptor\n"
        "@dataclass(frozen=True)\nclass Mean(Descriptor):\n    name = 'mean'\n    length = property(lambda self: 1)\n"
        "    dtype = property(lambda self: np.dtype(np.float32))\n"
        "    def describe_batch(self, crops):\n        return np.array([[c.mean()] for c in crops], np.float32).reshape(-1, 1)\n"
    )
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hybridfer.descriptors]\nmean = mine:Mean\n")
    cv2.imwrite(str(tmp_path / "a.png"), np.full((8, 8), 7, np.uint8))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    assert b"mean" in program("list", "descriptors", env=environment).stdout.split()
    found = program("extract", tmp_path / "a.png", "-f", "mean", "--detector", "none", env=environment)
    assert found.returncode == 0 and b'"mean:size=48": [7.0]' in found.stdout


def test_a_missing_system_library_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hybridfer import cli

    def fail(**_: object) -> None:
        raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(cli.main_group, "main", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main(["list", "descriptors"])
    said = capsys.readouterr().err
    assert ended.value.code == 1 and "libgl1" in said and "opencv-contrib-python-headless<5" in said


def test_a_headless_opencv_is_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    from hybridfer.bank.bank import block_card
    from hybridfer.descriptors import create_descriptor

    def version(name: str) -> str:
        if name == "opencv-contrib-python-headless":
            return "4.14.0.94"
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert block_card(create_descriptor("lbp"))["libraries"] == {"opencv-contrib-python": "4.14.0.94"}
