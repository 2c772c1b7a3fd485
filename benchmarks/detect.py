"""Detectors beside each other: milliseconds and faces at 640x480, and what they find in pictures whose faces are known.

The times are of one picture after the other, min_face 40, in turn with the cascade as it is usually written
(:mod:`benchmarks.plain_mtcnn`), once with torch's own threads and once with one: on a busy machine they stand in each
other's way, and the faster of the two counts. What is found is told at min_face 30.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from skimage.data import astronaut

from benchmarks import plain_mtcnn
from benchmarks.common import in_turn, save
from hybridfer.deep.device import one_thread
from hybridfer.deep.mtcnn_weights import read_weights
from hybridfer.deep.nets.mtcnn import ONet, PNet, RNet
from hybridfer.deep.weights import import_weights
from hybridfer.errors import WeightsError
from hybridfer.evaluation.detection import evaluate_detector
from hybridfer.faces import DETECTORS, create_detector
from hybridfer.media.images import read_image

ROUNDS = 9


def main() -> None:
    """Measure and save."""
    folder = os.environ.get("HYBRIDFER_DATA")
    data = Path(folder) if folder else None
    with tempfile.TemporaryDirectory() as home:
        os.environ["HYBRIDFER_HOME"] = home
        if data:
            import_weights(data / "teachers" / "yunet_n.onnx", "yunet")
        names, without = [], {}
        for name in DETECTORS.names():
            try:
                create_detector(name)
                names.append(name)
            except WeightsError as error:
                without[name] = str(error)
        names.remove("none")
        result: dict[str, Any] = {"without": without, "at_640x480": _times(names, data)}
        if data:
            result["found"] = {name: _found(name, data) for name in names}
    save("detect", result)


def _times(names: list[str], data: Path | None) -> dict[str, Any]:
    """Return milliseconds a picture, and faces found, of every detector and of the plain cascade."""
    pictures = vga_pictures(data)
    nets = [PNet().eval(), RNet().eval(), ONet().eval()]
    for name, net in zip(("pnet", "rnet", "onet"), nets, strict=True):
        net.load_state_dict({key[5:]: value for key, value in read_weights().items() if key.startswith(name)})
    finders = {name: create_detector(name, min_face=40) for name in names}
    tasks = {name: lambda f=finder: [f.detect(picture) for picture in pictures] for name, finder in finders.items()}

    def plainly() -> list[np.ndarray]:
        return [plain_mtcnn.detect(picture, *nets, 40)[0] for picture in pictures]

    def in_one_thread() -> list[np.ndarray]:
        with one_thread():
            return plainly()

    tasks |= {"plain cascade": plainly, "plain cascade, one thread": in_one_thread}
    faces = {name: sum(map(len, task())) for name, task in tasks.items()}
    times = in_turn(tasks, ROUNDS)
    rows = {
        name: {"ms_a_picture": round(seconds / len(pictures) * 1e3, 1), "faces": faces[name]}
        for name, seconds in times.items()
    }
    apart = [
        np.abs(np.array(sorted(map(tuple, boxes))) - sorted(f.box for f in finders["mtcnn"].detect(picture))).max()
        for picture, boxes in zip(pictures, in_one_thread(), strict=True)
        if len(boxes)
    ]
    return {
        "pictures": len(pictures),
        "min_face": 40,
        "torch_threads": torch.get_num_threads(),
        "detectors": rows,
        "mtcnn_times_faster_than_plain": round(
            min(seconds for name, seconds in times.items() if name.startswith("plain")) / times["mtcnn"], 2
        ),
        # Half a pixel of it is that ours count from the picture's edge.
        "mtcnn_boxes_from_plain_ones_pixels": round(float(max(apart)), 3),
    }


def vga_pictures(data: Path | None) -> list[np.ndarray]:
    """Return the photographs of the development data at 640x480; without it, scikit-image's astronaut."""
    files = [*(data / "photos").glob("*.jpg"), *(data / "photos" / "boxes").glob("*.jpg")] if data else []
    return [_to_vga(read_image(file).pixels) for file in sorted(files)] or [_to_vga(astronaut())]


def _to_vga(pixels: np.ndarray) -> np.ndarray:
    """Return the middle of a picture, scaled to cover 640x480."""
    scale = max(640 / pixels.shape[1], 480 / pixels.shape[0])
    large = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top, left = (large.shape[0] - 480) // 2, (large.shape[1] - 640) // 2
    return np.ascontiguousarray(large[max(0, top) :, max(0, left) :][:480, :640])


def _found(name: str, data: Path) -> dict[str, Any]:
    """Return what a detector finds in photographs, portraits and sculptures."""
    photos = data / "photos"
    boxes = evaluate_detector(
        name, [photos / "boxes" / "testing.xml", photos / "boxes" / "training.xml"], resamples=100
    )
    portraits = _counts(name, sorted((data / "london" / "images").glob("*.jpg")))
    sculptures = _counts(name, sorted((data / "sculptures").rglob("*.jpg")))
    return {
        "boxes": {
            "faces": boxes.faces,
            **boxes.counts,
            "average_precision": boxes.metrics["average_precision"]["value"],
        },
        "boxes_missed": [f"{Path(one['input']).name} at {one['x0']:g}, {one['y0']:g}" for one in boxes.missed],
        "london_pictures_by_faces": dict(sorted(Counter(portraits.values()).items())),
        "london_not_one": {file: n for file, n in portraits.items() if n != 1},
        "photos": _counts(name, sorted(photos.glob("*.*g"))),
        "sculptures_found": sum(n > 0 for n in sculptures.values()),
        "sculptures": len(sculptures),
    }


def _counts(name: str, files: list[Path]) -> dict[str, int]:
    finder = create_detector(name)
    return {file.name: len(finder.detect(read_image(file).pixels)) for file in files}


if __name__ == "__main__":
    main()
