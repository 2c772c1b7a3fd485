"""Whether this installation works: its libraries, its machine, and the numbers they give, a line a check.

A check is a function without arguments that returns what it found, a :class:`~hybridfer.health.base.Note` of what is
merely absent, or raises. A new one is a function in a file here and a line in :func:`checks`; a new descriptor is
checked by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module

from hybridfer.descriptors import DESCRIPTORS
from hybridfer.errors import HybridferError
from hybridfer.health import installation, machine, numbers, pictures
from hybridfer.health.base import Note

Check = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    status : {"ok", "note", "off"}
        All is well; something is absent that may be; something must be mended.
    name : str
        Of the check.
    found : str
        One line; of what is off, what was expected and what to do too.
    """

    status: str
    name: str
    found: str


def checks(device: str = "cpu") -> dict[str, Check]:
    """Return the checks by name, in the order in which they are made; networks are checked on `device`."""

    def deep(name: str) -> str:
        # torch stays in its home; where it cannot be imported, that is a line like any other.
        found: str = getattr(import_module("hybridfer.deep.health"), name)(device)
        return found

    return {
        "hybridfer": installation.program,
        "packages": installation.packages,
        "opencv": installation.opencv,
        "charts": installation.charts,
        "processor": machine.processor,
        "gpu": partial(deep, "gpus"),
        "picture files": pictures.formats,
        "colour order": pictures.colour_order,
        "orientation": pictures.orientation,
        "depth and alpha": pictures.depth_and_alpha,
        "resizing": pictures.resizing,
        **{f"detector {name}": partial(pictures.face_detector, name) for name in pictures.DETECTED_BY},
        **{f"descriptor {name}": partial(numbers.descriptor, name) for name in DESCRIPTORS.names()},
        "network layers": partial(deep, "network"),
        "cache": machine.cache,
        "weights": machine.weights,
        "file names": machine.file_names,
    }


def examine(device: str = "cpu") -> Iterator[Finding]:
    """Make every check and yield what it found.

    Parameters
    ----------
    device : str
        Where networks are checked: ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.

    Yields
    ------
    Finding
        In the order of :func:`checks`. A check that breaks off, for whatever reason, has found something off.

    Examples
    --------
    >>> next(examine()).name
    'hybridfer'
    """
    for name, check in checks(device).items():
        status, found = _outcome(check)
        yield Finding(status, name, " ".join(found.split()))


def _outcome(check: Check) -> tuple[str, str]:
    """Return status and text of one check."""
    try:
        found = check()
    except HybridferError as error:
        return "off", str(error)
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything at all
        said = f"{type(error).__name__}: {error}".rstrip(".")
        return "off", f"{said}; the check broke off. Install again what this names, or report this line."
    return ("note" if isinstance(found, Note) else "ok"), found
