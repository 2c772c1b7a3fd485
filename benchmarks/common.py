"""What the benchmarks share: real faces, timing in turn, one JSON file a benchmark."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"
LIBRARIES = (
    "numpy",
    "opencv-contrib-python",
    "scikit-image",
    "scikit-learn",
    "torch",
    "imagehash",
    "joblib",
    "pyarrow",
)


def fer_faces(n: int | None = None) -> tuple[np.ndarray, str]:
    """Return `n` pictures of FER2013 ``(n, 48, 48) uint8`` and a word on them; without the data, LFW's."""
    import cv2

    folder = os.environ.get("HYBRIDFER_DATA")
    if folder:
        data = np.load(Path(folder) / "fer2013" / "fer2013_dev.npz")
        blob, offsets = data["blob"], data["offsets"]
        count = len(offsets) - 1 if n is None else n
        return np.stack([cv2.imdecode(blob[offsets[i] : offsets[i + 1]], 0) for i in range(count)]), "FER2013"
    from skimage.data import lfw_subset

    faces = [cv2.resize((f * 255).astype(np.uint8), (48, 48), interpolation=cv2.INTER_CUBIC) for f in lfw_subset()]
    return np.stack([faces[i % 200] for i in range(n or 2000)]), "scikit-image's lfw_subset, enlarged and repeated"


def fer_csv(folder: Path) -> Path:
    """Write FER2013's training and public test rows as fer2013.csv into `folder`; exits where the data is not set."""
    import runpy

    data = os.environ.get("HYBRIDFER_DATA")
    if not data:
        sys.exit("this benchmark wants FER2013: set HYBRIDFER_DATA to the folder of the development data")
    before, sys.argv = sys.argv, ["unpack", str(folder)]
    try:
        runpy.run_path(str(Path(data) / "unpack_fer2013.py"), run_name="__main__")
    finally:
        sys.argv = before
    return folder / "fer2013.csv"


def in_turn(tasks: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each task; they run in turn, so that a slow spell of the machine meets all."""
    for task in tasks.values():
        task()
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(t) for name, t in times.items()}


def save(name: str, result: dict[str, Any]) -> None:
    """Write a result with what it was measured on, and print it."""
    machine = {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()}
    known = {library: version(library) for library in LIBRARIES}
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"benchmark": name, **result, "machine": machine, "libraries": known}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    print(text)
