"""Every check of ``hybridfer doctor`` passes here, and says what is off when one thing is broken."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import cv2
import joblib
import matplotlib.figure
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from hybridfer import health
from hybridfer.deep import NETWORKS, activations
from hybridfer.deep.weights import find_weights, import_weights
from hybridfer.descriptors import DESCRIPTORS, base, create_descriptor
from hybridfer.errors import PictureError
from hybridfer.faces.detectors.haar import Haar
from hybridfer.faces.detectors.mtcnn import Mtcnn
from hybridfer.health import installation
from hybridfer.health.base import Note
from hybridfer.health.numbers import TOLERANCES
from hybridfer.media import images
from hybridfer.types import Face

Patch = pytest.MonkeyPatch


def found(name: str, device: str = "cpu") -> health.Finding:
    """What the check `name` finds, alone."""
    with pytest.MonkeyPatch.context() as patch:
        check = health.checks(device)[name]
        patch.setattr(health, "checks", lambda _: {name: check})
        (finding,) = health.examine(device)
    return finding


def off(name: str, device: str = "cpu") -> str:
    """What the check `name` says is off."""
    finding = found(name, device)
    assert finding.status == "off", finding
    assert "\n" not in finding.found
    return finding.found


def fails(error: Exception) -> Callable[..., Any]:
    def function(*args: object, **options: object) -> None:
        raise error

    return function


def versions(monkeypatch: Patch, installed: dict[str, str]) -> None:
    """Let these distributions, and no others, be installed."""

    def version(name: str) -> str:
        if name not in installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(importlib.metadata, "version", version)


@pytest.mark.parametrize("name", health.checks())
def test_nothing_is_off_here(name: str) -> None:
    assert found(name).status in ("ok", "note"), found(name)


def test_another_hybridfer_than_the_installed(monkeypatch: Patch) -> None:
    versions(monkeypatch, {"hybridfer": "0.0.9"})
    assert "0.0.9 is installed; pip install it again" in off("hybridfer")
    versions(monkeypatch, {})
    assert "is not installed; pip install it" in off("hybridfer")


def test_packages_that_are_old_missing_or_cannot_be_imported_are_named_together(monkeypatch: Patch) -> None:
    wanted = ["click>=8.1", "numpy<1,>=0.9", "nosuchthing>=2", "pyarrow>=17", 'pandas>=999; extra == "pandas"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: wanted)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    said = off("packages")
    assert f"numpy is {np.__version__}, expected <1,>=0.9, nosuchthing is missing, pyarrow " in said
    assert "cannot be imported" in said and "pandas" not in said and "click" not in said
    assert said.endswith("; pip install --force-reinstall 'numpy<1,>=0.9' 'nosuchthing>=2' 'pyarrow>=17'")


def test_opencv_5_is_too_new(monkeypatch: Patch) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: ["opencv-contrib-python<5,>=4.10"])
    versions(monkeypatch, {"opencv-contrib-python": "5.0.0.90"})
    assert "opencv-contrib-python is 5.0.0.90, expected <5,>=4.10" in off("packages")


def test_a_headless_opencv_is_as_good(monkeypatch: Patch) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: ["opencv-contrib-python<5,>=4.10"])
    versions(monkeypatch, {"opencv-contrib-python-headless": f"{cv2.__version__}.1"})
    assert found("packages").status == found("opencv").status == "ok"


def test_two_opencvs_at_once(monkeypatch: Patch) -> None:
    versions(monkeypatch, {"opencv-contrib-python": "4.14.0.94", "opencv-python-headless": "4.10.0.84"})
    said = off("opencv")
    assert "opencv-contrib-python 4.14.0.94 and opencv-python-headless 4.10.0.84 are installed in one place" in said
    assert "pip uninstall opencv-contrib-python opencv-python-headless, then" in said


def test_another_cv2_than_the_installed(monkeypatch: Patch) -> None:
    monkeypatch.setattr(cv2, "__version__", "4.5.0")
    assert "is 4.5.0; remove that" in off("opencv")


def test_a_missing_system_library(monkeypatch: Patch) -> None:
    class Loader:
        def find_spec(self, name: str, *rest: object) -> ModuleSpec | None:
            if name == "cv2":
                raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")
            return None

    monkeypatch.delitem(sys.modules, "cv2")
    monkeypatch.setattr(sys, "meta_path", [Loader(), *sys.meta_path])
    assert "libGL.so.1" in off("opencv") and "libgl1" in off("opencv")
    assert "ImportError: libGL.so.1" in off("descriptor lbp")


def test_an_opencv_that_is_not_there_at_all(monkeypatch: Patch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert off("opencv").startswith("cv2 cannot be imported (")


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
def test_an_opencv_without_a_codec(monkeypatch: Patch, ending: str) -> None:
    encode = cv2.imencode
    monkeypatch.setattr(cv2, "imencode", lambda e, p: fails(cv2.error())() if e == ending else encode(e, p))
    assert f"does not read back a {ending} " in off("opencv")


def test_no_font_and_no_ink(monkeypatch: Patch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.font_manager.findfont", fails(ValueError("Failed to find font sans")))
        assert "cannot draw text (Failed to find font sans); pip install" in off("charts")
    monkeypatch.setattr(matplotlib.figure.Figure, "text", lambda *_: None)
    assert "leaves no ink" in off("charts")


def test_more_threads_than_cores_are_a_note(monkeypatch: Patch) -> None:
    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)
    monkeypatch.setattr(cv2, "getNumThreads", lambda: 64)
    assert found("processor").status == "note"
    assert found("processor").found.startswith("1 cores; threads: OpenCV 64")
    assert "OMP_NUM_THREADS=1" in found("processor").found


def test_a_processor_that_cannot_be_asked(monkeypatch: Patch) -> None:
    monkeypatch.setattr(joblib, "cpu_count", fails(OSError("no /proc")))
    assert off("processor").startswith("OSError: no /proc; the check broke off.")


def test_a_gpu_is_a_note_when_absent_and_off_when_asked_for_or_out_of_order(monkeypatch: Patch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert found("gpu").status == "note"
    assert "torch finds no CUDA GPU here" in off("gpu", "cuda")
    assert "torch finds no CUDA GPU here" in off("network layers", "cuda")
    assert "Did you mean 'cuda'?" in off("gpu", "cudda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Toy GPU")
    arange = torch.arange
    monkeypatch.setattr(torch, "arange", lambda end, device: arange(end))
    assert found("gpu").found.endswith(": cuda:0 Toy GPU")
    monkeypatch.setattr(torch, "arange", lambda end, device: arange(end) + 1)
    assert "adds the squares of 0 to 7 up to 204.0, expected 140" in off("gpu")
    monkeypatch.setattr(torch, "arange", fails(RuntimeError("no kernel image is available")))
    assert off("gpu").startswith("RuntimeError: no kernel image is available")


def test_a_pillow_without_a_codec(monkeypatch: Patch) -> None:
    Image.init()
    monkeypatch.delitem(Image.SAVE, "WEBP")
    monkeypatch.delitem(Image.OPEN, "GIF")
    assert "does not read back WEBP, GIF; pip install" in off("picture files")


def test_channels_that_are_swapped(monkeypatch: Patch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        to_rgb = images._to_rgb
        patch.setattr(images, "_to_rgb", lambda image: to_rgb(image)[..., ::-1])
        assert "A JPEG that is red on the left and blue on the right is read as [0, 0, 254]" in off("colour order")
        assert found("depth and alpha").status == "off"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cv2, "COLOR_RGB2LAB", cv2.COLOR_BGR2LAB)
        assert "in CIELAB, expected" in off("colour order")
        assert found("descriptor colour").status == "off"
    monkeypatch.setattr(cv2, "COLOR_RGB2GRAY", cv2.COLOR_BGR2GRAY)
    assert "are the greys [29, 76], expected [76, 29]" in off("colour order")
    assert {found(f"descriptor {name}").status for name in ("gabor", "hog", "lbp", "sift")} == {"off"}


def test_pictures_that_are_not_turned(monkeypatch: Patch) -> None:
    monkeypatch.setattr(ImageOps, "exif_transpose", lambda *_, **__: None)
    assert "EXIF orientation 3 is not turned" in off("orientation")


def test_low_bytes_and_black_glass(monkeypatch: Patch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "_grey_to_rgb", lambda grey: np.repeat(grey[:, :, None] & 15, 3, axis=2))
        assert "does not keep the high byte" in off("depth and alpha")
    monkeypatch.setattr(Image, "alpha_composite", lambda below, above: above)
    assert "glass is [0, 0, 255] and red [255, 0, 0], expected [255, 255, 255]" in off("depth and alpha")


@pytest.mark.parametrize("how", ["INTER_NEAREST", "INTER_LINEAR", "INTER_CUBIC"])
def test_shrinking_otherwise_than_by_area(monkeypatch: Patch, how: str) -> None:
    monkeypatch.setattr(cv2, "INTER_AREA", getattr(cv2, how))
    assert "shrunk to a third" in off("resizing")


@pytest.mark.parametrize("how", ["INTER_NEAREST", "INTER_AREA", "INTER_CUBIC"])
def test_growing_otherwise_than_bilinearly(monkeypatch: Patch, how: str) -> None:
    monkeypatch.setattr(cv2, "INTER_LINEAR", getattr(cv2, how))
    assert "grown twofold" in off("resizing")


@pytest.mark.parametrize("name", sorted(set(TOLERANCES) - {"phash"}))
def test_a_descriptor_that_resizes_by_itself(monkeypatch: Patch, name: str) -> None:
    module = sys.modules[type(create_descriptor(name)).__module__]
    stack = "rgb_stack" if name == "colour" else "grey_stack"
    whole = getattr(base, stack)
    monkeypatch.setattr(
        module, stack, lambda crops, size: whole([c[1::3, 1::3] if len(c) > 48 else c for c in crops], size)
    )
    said = off("resizing")
    assert said.startswith(f"{name}:") and "three times as large" in said


@pytest.mark.parametrize(("name", "kind", "library"), [("haar", Haar, "OpenCV"), ("mtcnn", Mtcnn, "torch")])
def test_no_face_or_one_elsewhere(monkeypatch: Patch, name: str, kind: type, library: str) -> None:
    monkeypatch.setattr(kind, "detect", lambda *_: [])
    said = off(f"detector {name}")
    assert f"The detector {name} finds [] in scikit-image's astronaut" in said and f"another {library}." in said
    for box in ((300, 66, 395, 161), (0, 0, 512, 512)):
        monkeypatch.setattr(kind, "detect", lambda *_, box=box: [Face(box, 1.0)])
        assert str(box) in off(f"detector {name}")


def test_no_cascade(monkeypatch: Patch) -> None:
    monkeypatch.setattr("cv2.data.haarcascades", "/nowhere/")
    assert "carries no Haar cascades; install opencv-contrib-python below 5" in off("detector haar")


@pytest.mark.parametrize("name", TOLERANCES)
def test_a_number_that_is_off_by_more_than_is_allowed(monkeypatch: Patch, name: str) -> None:
    kind = DESCRIPTORS.load(name)
    describe = kind.describe_batch

    def wrong(self: Any, crops: Any) -> Any:
        rows = describe(self, crops)
        rows[:, 37] += 1 if name == "phash" else rows.dtype.type(2 * TOLERANCES[name])
        return rows

    monkeypatch.setattr(kind, "describe_batch", wrong)
    assert f"expected at most {TOLERANCES[name]:g}; it rests on " in off(f"descriptor {name}")


def test_a_number_that_is_none_and_one_that_is_other_in_a_batch(monkeypatch: Patch) -> None:
    kind = DESCRIPTORS.load("hog")
    describe = kind.describe_batch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "describe_batch", lambda self, crops: describe(self, crops) * np.float32(np.nan))
        assert "is nan away from what scikit-image" in off("descriptor hog")
    monkeypatch.setattr(kind, "describe_batch", lambda self, crops: describe(self, crops) + (len(crops) > 4))
    assert "gives other numbers in a batch" in off("descriptor hog")


def test_a_descriptor_of_another_package_must_keep_the_contract(monkeypatch: Patch) -> None:
    monkeypatch.setitem(DESCRIPTORS.table, "means", "bank.toys:Means")
    assert found("descriptor means") == health.Finding(
        "ok", "descriptor means", "4 values; no golden numbers, but it keeps the contract of descriptors"
    )
    monkeypatch.setattr("bank.toys.Means.length", 3)
    assert "breaks the contract of descriptors" in off("descriptor means")


def test_a_network_that_is_off_or_not_repeatable(monkeypatch: Patch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activations, "IMAGENET_MEAN", (0.5, 0.5, 0.5))
        assert "away from its layers one by one, expected at most 0.001" in off("network layers")
    monkeypatch.setattr(activations.NetworkLayer, "describe", lambda *_: np.random.default_rng().random(512))
    assert "gives other bits the second time" in off("network layers")


def test_a_torch_that_cannot_be_imported(monkeypatch: Patch) -> None:
    monkeypatch.delitem(sys.modules, "hybridfer.deep.health", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert off("gpu").startswith("ModuleNotFoundError: ") and found("network layers").status == "off"
    assert found("descriptor lbp").status == "ok"


@pytest.mark.parametrize(("name", "variable"), [("cache", "HYBRIDFER_CACHE"), ("weights", "HYBRIDFER_HOME")])
def test_a_folder_that_cannot_be_written_or_is_full(
    monkeypatch: Patch, tmp_path: Path, name: str, variable: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 34_000_000}))
        assert f"has 34 MB of free space, expected 100; make room, or set {variable}" in off(name)
    (tmp_path / "file").touch()
    monkeypatch.setenv(variable, str(tmp_path / "file" / "deeper"))
    assert f"cannot be written: Not a directory; set {variable} to a folder that can" in off(name)


@pytest.mark.usefixtures("none_shipped")
def test_looking_leaves_nothing_behind(monkeypatch: Patch, tmp_path: Path) -> None:
    for variable in ("HYBRIDFER_CACHE", "HYBRIDFER_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable / "deeper"))
    assert found("cache").status == "ok" and found("weights").status == "note"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("none_shipped")
def test_weights_that_are_damaged(monkeypatch: Patch, tmp_path: Path) -> None:
    from deep.toy_networks import Toy

    monkeypatch.setitem(NETWORKS.table, "toy", "deep.toy_networks:Toy")
    assert found("weights").status == "note"
    torch.save(Toy().state_dict(), tmp_path / "toy.pth")
    import_weights(tmp_path / "toy.pth", "toy")
    assert "toy as their cards say" in found("weights").found
    path, _ = find_weights("toy")
    path.write_bytes(path.read_bytes()[:-1] + b"\x55")
    assert "changed or damaged. Import the weights 'toy' again" in off("weights")


def test_names_beyond_ascii_where_the_system_speaks_ascii() -> None:
    code = "from hybridfer.health.machine import file_names; file_names()"
    ascii_only = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, env={**os.environ, **ascii_only})
    assert run.returncode == 1 and b"HealthError: A file whose name has letters beyond ASCII" in run.stderr
    assert b"the encoding of names is ascii, expected utf-8: set LANG=C.UTF-8 or PYTHONUTF8=1." in run.stderr


def test_names_beyond_ascii_that_do_not_come_back(monkeypatch: Patch) -> None:
    monkeypatch.setattr(images, "_read_bytes", fails(PictureError("There is no such file; check the path.")))
    assert "no such file" in off("file names")


def test_a_terminal_that_is_not_in_utf_8_is_a_note(monkeypatch: Patch) -> None:
    monkeypatch.setattr(sys, "stdout", type("Terminal", (), {"encoding": "latin-1"}))
    assert found("file names").status == "note"


def test_what_a_check_returns_or_raises_is_its_status() -> None:
    assert health._outcome(lambda: "fine") == ("ok", "fine")
    assert health._outcome(lambda: Note("none")) == ("note", "none")
    assert health._outcome(fails(PictureError("Bad; mend it."))) == ("off", "Bad; mend it.")
    assert health._outcome(fails(KeyError("x")))[1].startswith("KeyError: 'x'; the check broke off.")
    with pytest.raises(KeyboardInterrupt):
        health._outcome(fails(KeyboardInterrupt()))  # type: ignore[arg-type]


def test_every_package_of_another_name_is_one_hybridfer_wants() -> None:
    wanted = " ".join(importlib.metadata.requires("hybridfer") or ())
    assert all(name in wanted for name in installation._MODULES)
