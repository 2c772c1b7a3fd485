"""What several rooms' tests share: an own cache and home for every test, real faces, real data where there is any."""

from __future__ import annotations

import os

# Tests run in several processes; threads of theirs would wait for each other. Before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from skimage import data as pictures


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees, fills or empties the user's cache and weights."""
    folder = tmp_path_factory.mktemp("own")
    monkeypatch.setenv("HYBRIDFER_CACHE", str(folder / "cache"))
    monkeypatch.setenv("HYBRIDFER_HOME", str(folder / "home"))


@pytest.fixture
def none_shipped(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """hybridfer brings no weights of its own; the empty folder where they would lie."""
    folder = tmp_path_factory.mktemp("shipped")
    monkeypatch.setattr("hybridfer.deep.weights.SHIPPED", folder)
    return folder


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The development data; tests that want it skip where it is not."""
    folder = os.environ.get("HYBRIDFER_DATA")
    if not folder:
        pytest.skip("wants the development data: set HYBRIDFER_DATA to its folder")
    return Path(folder)


@pytest.fixture(scope="session")
def fer_faces(data_folder: Path) -> np.ndarray:
    """The first 1,000 pictures of FER2013 as (1000, 48, 48) uint8."""
    data = np.load(data_folder / "fer2013" / "fer2013_dev.npz")
    blob, offsets = data["blob"], data["offsets"]
    return np.stack([cv2.imdecode(blob[offsets[i] : offsets[i + 1]], cv2.IMREAD_GRAYSCALE) for i in range(1000)])


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """A photograph with one face: (512, 512, 3) uint8 RGB, public domain (NASA), ships with scikit-image."""
    return pictures.astronaut()


@pytest.fixture(scope="session")
def lfw() -> tuple[np.ndarray, list[str]]:
    """(200, 25, 25) uint8 pictures and their labels, face or other; ships with scikit-image."""
    return (pictures.lfw_subset() * 255).round().astype(np.uint8), ["face"] * 100 + ["other"] * 100


@pytest.fixture
def face_folder(tmp_path: Path, lfw: tuple[np.ndarray, list[str]]) -> Path:
    """A folder with a folder of 20 faces and one of 20 other pictures."""
    root = tmp_path / "faces"
    for i in (*range(20), *range(100, 120)):
        folder = root / lfw[1][i]
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{i}.png"), lfw[0][i])
    return root


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run the program in this process: exit code, stdout, stderr as a shell sees them."""
    from hybridfer.cli import main

    def call(*args: object, stdin: bytes | str | None = None) -> Result:
        import click

        @click.command(
            context_settings={"ignore_unknown_options": True, "allow_extra_args": True}, add_help_option=False
        )
        @click.pass_context
        def program(ctx: click.Context) -> None:
            main([str(a) for a in args])

        return CliRunner().invoke(program, [], input=stdin)

    return call
