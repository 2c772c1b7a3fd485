"""YuNet, a small quick network for faces, run by OpenCV from the ONNX file that the user has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hybridfer.deep.graphs import Graph
from hybridfer.errors import WeightsError
from hybridfer.faces.detectors.mtcnn import check_range
from hybridfer.types import Face, Pixels

GRAPH = Graph(
    inputs=("input",),
    outputs=tuple(f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in (8, 16, 32)),
    size=640,
    mean=(0.0, 0.0, 0.0),
    std=(1 / 255, 1 / 255, 1 / 255),
)
"""The file's inputs and outputs; it takes blue, green and red as they are, 0 to 255."""


SMALLEST = 18
"""Side that the smallest face wanted has where it is searched for.

Larger pictures are made smaller: YuNet is quick in them and better at faces that fill the picture. Of 43 faces of 37
to 109 pixels in nine photographs, with `min_face` 30, it finds 43 at 18 (41 and one false at 12), and of 100
sculptures 83 (57 in pictures of full size).
"""

LARGEST_SIDE = 2048
"""Pictures that are still larger are searched at this side."""

LEAST_SIDE = 64
"""Smaller pictures are filled up with black on the right and below."""

THRESHOLD = 0.8
"""In those nine photographs the lowest tenth without a false face; OpenCV's own is 0.9, which misses 6 of the 43."""

_OVERLAP, _MOST = 0.3, 5000
"""OpenCV's own: overlap from which the weaker of two faces is dropped, and candidates looked at."""


@dataclass
class YuNet:
    """YuNet (Wu, Peng & Yu 2023, doi 10.1007/s11633-023-1423-y) through ``cv2.FaceDetectorYN``.

    Its score is the square root of the product of two probabilities, of a face and of a place where one is. ``eyes``
    is where the eyes lie in its boxes: the median over 782 faces of a 68-point set, made symmetric.

    Parameters
    ----------
    min_face : int
        Longer side of the smallest face it returns, in pixels.
    threshold : float, optional
        The least score kept, 0 to 1; 0.8 by default.
    device : str
        It works on the processor, whatever this says.
    weights : str
        A name of ``hybridfer models list``; once it is built, the SHA-256 of its file.

    Raises
    ------
    SpecError
        If a parameter is out of range.
    WeightsError
        If the weights are not installed, are of another network, or are not what their card says.
    """

    eyes: ClassVar = ((0.27, 0.395), (0.73, 0.395))

    min_face: int = 30
    threshold: float | None = None
    device: str = "cpu"
    weights: str = "yunet"

    def __post_init__(self) -> None:
        least = THRESHOLD if self.threshold is None else self.threshold
        check_range("yunet", self.min_face, least)
        content, self.weights = _load(self.weights)
        self.network = _network(content, least)

    def detect(self, pixels: Pixels) -> list[Face]:
        """Return the faces of a picture, the largest first."""
        import cv2

        sides = np.array(pixels.shape[1::-1])
        scale = min(1.0, SMALLEST / self.min_face, LARGEST_SIDE / sides.max())
        size = np.maximum(1, np.rint(sides * scale)).astype(int)
        picture = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        if scale < 1:
            picture = cv2.resize(picture, size.tolist(), interpolation=cv2.INTER_AREA)
        # In pictures of 32 rows or fewer OpenCV 4.14 takes what lay in its memory before for faces.
        right, below = np.maximum(0, LEAST_SIDE - size).tolist()
        if right or below:
            picture = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_CONSTANT)
        self.network.setInputSize(picture.shape[1::-1])
        rows = self.network.detect(picture)[1]
        found = []
        for row in () if rows is None else rows.astype(np.float64):
            # OpenCV's order of the points is ours: what it calls the right eye is the person's.
            (x, y), (width, height), *points = (row[:14].reshape(7, 2) * sides / size).tolist()
            if max(width, height) >= self.min_face:
                found.append(Face((x, y, x + width, y + height), float(row[14]), np.array(points)))
        return sorted(found, key=lambda face: (face.box[0] - face.box[2]) * (face.box[3] - face.box[1]))


def _load(name: str) -> tuple[bytes, str]:
    """Return the ONNX file of installed weights and its SHA-256."""
    from hybridfer.deep.weights import find_weights, weights_names

    if name not in weights_names():
        as_name = "" if name == "yunet" else f" --name {name}"
        raise WeightsError(
            f"No weights named {name!r} are installed; the detector yunet needs them. Fetch "
            "face_detection_yunet_2023mar.onnx from OpenCV's model zoo and run "
            f"`hybridfer models import FILE --network yunet{as_name}`, or choose another --detector."
        )
    path, card = find_weights(name)
    if card.network != "yunet":
        raise WeightsError(f"The weights {name!r} are of {card.network}, not of yunet; name others.")
    return path.read_bytes(), card.sha256


def _network(content: bytes, threshold: float) -> Any:
    import cv2

    model = np.frombuffer(content, np.uint8)
    try:
        return cv2.FaceDetectorYN.create("onnx", model, model[:0], (320, 320), threshold, _OVERLAP, _MOST)
    except cv2.error as error:
        raise WeightsError(
            f"OpenCV cannot run the weights of yunet ({error.err or error}); import them again with --overwrite."
        ) from None
