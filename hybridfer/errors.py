"""Errors a user can act on.

Every one says what is wrong with the value, what was expected and what to do next. ``cli.py`` prints the message on
one line of stderr and exits 1; anything that is not a :class:`HybridferError` is our bug and shows its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable


class HybridferError(Exception):
    """Base of every error that is the input's fault, not the program's."""


class PictureError(HybridferError):
    """A picture that cannot be read: cut, empty, not a picture, too large."""


class DatasetError(HybridferError):
    """A manifest or data set that does not have the shape it should."""


class SpecError(HybridferError):
    """A feature spec, or another name, that nothing answers to."""


class BankError(HybridferError):
    """A feature bank that is cut, newer, foreign or lacks what was asked for."""


class ModelError(HybridferError):
    """A model folder that is cut, newer, untrusted or does not fit the data."""


class TrainingError(HybridferError):
    """Data that a classifier cannot be trained or scored on."""


class WeightsError(HybridferError):
    """Network weights that are missing, of another network or not trusted."""


class OutputError(HybridferError):
    """An output that exists, cannot be written or has no known format."""


class DeviceError(HybridferError):
    """A device that was asked for and is not there."""


def missing_library(error: ImportError) -> str | None:
    """Return what to do when an import failed for want of a system library; None when it failed for something else."""
    if ".so" not in str(error):
        return None
    return (
        f"a system library is missing ({error}). OpenCV wants libGL and GLib (on Debian: libgl1, libglib2.0-0); or "
        "replace it: pip uninstall opencv-contrib-python, then pip install 'opencv-contrib-python-headless<5'."
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'lbp'?"`` for the nearest of `known`, or nothing when none is near."""
    import difflib

    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""
