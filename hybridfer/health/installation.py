"""Checks of what is installed: hybridfer, the packages it asks for, OpenCV's system libraries, fonts."""

from __future__ import annotations

import importlib
import platform
import warnings
from contextlib import suppress
from importlib import metadata

import numpy as np

from hybridfer import __version__
from hybridfer.bank.bank import OPENCV, library_version
from hybridfer.errors import missing_library
from hybridfer.health.base import HealthError, expect

_MODULES = {"pillow": "PIL", "scikit-image": "skimage", "scikit-learn": "sklearn"}
"""What is imported of a package whose module has another name."""

_FILES_ALONE = ("mtcnn",)
"""Packages of which we read files and import nothing: this one's import wants TensorFlow."""


def program() -> str:
    """Check that hybridfer is installed as it runs, and say under what."""
    try:
        installed = metadata.version("hybridfer")
    except metadata.PackageNotFoundError:
        raise HealthError(f"hybridfer {__version__} runs, but is not installed; pip install it.") from None
    expect(
        installed == __version__,
        f"hybridfer {__version__} runs, but {installed} is installed; pip install it again from where it lies.",
    )
    return f"{__version__}, Python {platform.python_version()}, {platform.platform()}"


def packages() -> str:
    """Check that every package hybridfer asks for is there, in a version that it asks for, and can be imported."""
    from packaging.requirements import Requirement

    found, faults, wanted = [], [], []
    for requirement in map(Requirement, metadata.requires("hybridfer") or ()):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        fault = _fault_of(requirement.name, str(requirement.specifier))
        if fault is None:
            found.append(f"{requirement.name} {library_version(requirement.name)}")
        else:
            faults.append(fault)
            wanted.append(f"'{requirement}'")
    expect(not faults, f"{', '.join(faults)}; pip install --force-reinstall {' '.join(wanted)}")
    return ", ".join(found)


def _fault_of(name: str, wanted: str) -> str | None:
    """Return in words what is wrong with a package, or None."""
    from packaging.specifiers import SpecifierSet

    try:
        version = library_version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is missing"
    if not SpecifierSet(wanted).contains(version, prereleases=True):
        return f"{name} is {version}, expected {wanted}"
    if name not in (*OPENCV, *_FILES_ALONE):  # OpenCV has a check of its own, with another way out
        try:
            importlib.import_module(_MODULES.get(name, name))
        except Exception as error:  # noqa: BLE001 - a package built against another numpy may raise anything at all
            return f"{name} {version} cannot be imported ({error})"
    return None


def opencv() -> str:
    """Check that one OpenCV is there, finds its system libraries, and writes and reads pictures."""
    installed = {}
    for name in OPENCV:
        with suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    said = " and ".join(f"{name} {version}" for name, version in installed.items())
    expect(
        len(installed) < 2,
        f"{said} are installed in one place, each over the other's files; pip uninstall {' '.join(installed)}, then "
        f"pip install '{OPENCV[0]}<5'.",
    )
    try:
        import cv2
    except ImportError as error:
        again = f"cv2 cannot be imported ({error}); pip install '{OPENCV[0]}<5' again."
        raise HealthError(missing_library(error) or again) from None
    expect(
        all(version.startswith(cv2.__version__) for version in installed.values()),
        f"{said} is installed, but {cv2.__file__} is {cv2.__version__}; remove that, or pip install it again.",
    )
    picture = np.full((8, 8, 3), 90, np.uint8)
    for ending in (".jpg", ".png", ".webp"):
        back = None
        with suppress(cv2.error):
            back = cv2.imdecode(cv2.imencode(ending, picture)[1], cv2.IMREAD_COLOR)
        expect(
            back is not None and bool(np.abs(back.astype(int) - picture).max() <= 4),
            f"cv2 {cv2.__version__} does not read back a {ending} that it wrote; install OpenCV's wheel from PyPI.",
        )
    return f"cv2 {cv2.__version__} with its system libraries; JPEG, PNG and WebP; {cv2.getNumThreads()} threads"


def charts() -> str:
    """Check that matplotlib has its font and draws without a screen."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties, findfont

    again = "pip install --force-reinstall matplotlib."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            font = FontProperties(fname=findfont(FontProperties(), fallback_to_default=False)).get_name()
            figure = Figure(figsize=(2, 1))
            canvas = FigureCanvasAgg(figure)
            figure.text(0.1, 0.5, "happiness 0.93")
            canvas.draw()
    except (ValueError, OSError, RuntimeError, UserWarning) as error:
        raise HealthError(f"matplotlib {matplotlib.__version__} cannot draw text ({error}); {again}") from None
    ink = (np.asarray(canvas.buffer_rgba())[..., :3] < 128).any()
    expect(bool(ink), f"matplotlib {matplotlib.__version__} draws text that leaves no ink, in {font}; {again}")
    return f"matplotlib {matplotlib.__version__} draws without a screen, in {font}"
