"""Checks of the machine: cores, folders, weights, names of files."""

from __future__ import annotations

import codecs
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from hybridfer.health.base import HealthError, Note, expect

_LEAST_FREE = 100_000_000
"""Bytes without which a folder counts as full."""


def processor() -> str:
    """Say how many cores may be used, and by how many threads the libraries think they are."""
    import cv2
    import joblib
    from threadpoolctl import threadpool_info

    cores = joblib.cpu_count()
    threads = {"OpenCV": cv2.getNumThreads()}
    for pool in threadpool_info():
        threads[pool["internal_api"]] = max(pool["num_threads"], threads.get(pool["internal_api"], 0))
    found = f"{cores} cores; threads: {', '.join(f'{name} {count}' for name, count in threads.items())}"
    if max(threads.values()) <= cores:
        return found
    return Note(
        f"{found}; more threads than cores wait for each other, so set OMP_NUM_THREADS={cores} and "
        f"OPENCV_FOR_THREADS_NUM={cores}"
    )


def cache() -> str:
    """Check that features can be kept, and say how much is."""
    from hybridfer.bank.cache import FeatureCache

    kept = FeatureCache()
    free = _free_in(kept.folder, "HYBRIDFER_CACHE")
    return f"{kept.folder}: {kept.size() / 1e6:.1f} MB kept, {free / 1e9:.1f} GB free"


def weights() -> str:
    """Check that weights can be installed, and that those that are have the SHA-256 of their cards."""
    from hybridfer.deep.weights import verify_weights, weights_folder

    folder = weights_folder()
    free = _free_in(folder, "HYBRIDFER_HOME")
    found = verify_weights()
    wrong = [message for message in found.values() if message is not None]
    expect(not wrong, " ".join(wrong))
    if not found:
        return Note(f"{folder}: none are installed; hybridfer models import FILE --network NETWORK installs some")
    return f"{folder}: {', '.join(found)} as their cards say, {free / 1e9:.1f} GB free"


def _free_in(folder: Path, variable: str) -> int:
    """Return the bytes that can be written to a folder that may not exist yet; nothing is left there."""
    try:
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
        with tempfile.TemporaryFile(dir=nearest):
            free = shutil.disk_usage(nearest).free
    except OSError as error:
        raise HealthError(
            f"{folder} cannot be written: {error.strerror}; set {variable} to a folder that can."
        ) from None
    expect(
        free >= _LEAST_FREE,
        f"{folder} has {free / 1e6:.0f} MB of free space, expected {_LEAST_FREE / 1e6:.0f}; make room, or set "
        f"{variable} to another folder.",
    )
    return free


def file_names() -> str:
    """Check that a picture is found under a name beyond ASCII."""
    from PIL import Image

    from hybridfer.media.images import read_image

    encoding = sys.getfilesystemencoding()
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "Gefühl 表情 😀.png")
            Image.fromarray(np.zeros((2, 2), np.uint8)).save(path)
            read_image(path)
    except (OSError, UnicodeError) as error:
        raise HealthError(
            f"A file whose name has letters beyond ASCII cannot be written here ({error}); the encoding of names is "
            f"{encoding}, expected utf-8: set LANG=C.UTF-8 or PYTHONUTF8=1."
        ) from None
    if codecs.lookup(sys.stdout.encoding).name != "utf-8":
        return Note(f"{encoding}; standard output is {sys.stdout.encoding}, but data are written in UTF-8 all the same")
    return f"{encoding}, letters beyond ASCII included"
