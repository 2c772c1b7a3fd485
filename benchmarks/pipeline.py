"""Frames of 640x480 with faces found, cut out and read: frames a second, and each stage's share of the time.

One frame after the other in one thread, stage by stage, min_face 40; and all frames through a model's own way with
a thread a core. Nothing is cached. Pictures are those of :mod:`benchmarks.detect`.

python -m benchmarks.pipeline [MODEL]   (arm, where it is shipped; else a slim untrained one)
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import in_turn, save
from benchmarks.detect import vga_pictures
from benchmarks.networks import cores, slim_models
from hybridfer import load_model
from hybridfer.deep.device import one_thread
from hybridfer.deep.weights import import_weights, weights_names
from hybridfer.errors import WeightsError
from hybridfer.faces import DETECTORS, create_detector
from hybridfer.faces.align import align_face

ROUNDS = 5
STAGES = ("detect", "cut out", "read")


def main() -> None:
    """Measure and save."""
    data = Path(os.environ["HYBRIDFER_DATA"]) if "HYBRIDFER_DATA" in os.environ else None
    pictures = vga_pictures(data)
    rows, without = {}, {}
    with tempfile.TemporaryDirectory() as name:
        os.environ["HYBRIDFER_HOME"] = name
        if data:
            import_weights(data / "teachers" / "yunet_n.onnx", "yunet")
        text = sys.argv[1] if sys.argv[1:] else "arm" if "arm" in weights_names() else next(slim_models(Path(name)))
        for detector in DETECTORS.names():
            if detector == "none":
                continue
            try:
                rows[detector] = _measured(text, detector, pictures)
            except WeightsError as error:
                without[detector] = str(error)
    model = text if not Path(text).is_dir() else f"slim untrained {Path(text).name}"
    save("pipeline", {"frames": len(pictures), "model": model, "threads": cores(), "rows": rows, "without": without})


def _measured(text: str, detector: str, pictures: list[np.ndarray]) -> dict[str, Any]:
    """Return what a detector and a model make of the pictures in a second."""
    model, finder = load_model(text), create_detector(detector, min_face=40)
    (reader,) = model.descriptors()
    spent = dict.fromkeys(STAGES, 0.0)

    def staged() -> int:
        found = 0
        for pixels in pictures:
            marks = [time.perf_counter()]
            faces = finder.detect(pixels)
            marks.append(time.perf_counter())
            crops = [align_face(pixels, face, finder.eyes, model.alignment) for face in faces]
            marks.append(time.perf_counter())
            if crops:
                model.probabilities(reader.describe_batch(crops))
            marks.append(time.perf_counter())
            for stage, start, end in zip(STAGES, marks, marks[1:], strict=False):
                spent[stage] += end - start
            found += len(faces)
        return found

    def in_one_thread() -> int:
        with one_thread():
            return staged()

    def as_users_do() -> list[dict[str, Any]]:
        return model.predict(pictures, detector=detector, min_face=40, cache=False)

    faces = in_one_thread()
    spent.update(dict.fromkeys(STAGES, 0.0))
    times = in_turn({"one after the other": in_one_thread, "predict": as_users_do}, ROUNDS)
    whole = sum(spent.values())
    return {
        "faces": faces,
        "frames_a_second": {name: round(len(pictures) / seconds, 1) for name, seconds in times.items()},
        "shares": {stage: round(seconds / whole, 3) for stage, seconds in spent.items()},
        "ms_a_face_to_read": round(spent["read"] / (ROUNDS + 1) / max(1, faces) * 1e3, 2),
    }


if __name__ == "__main__":
    main()
