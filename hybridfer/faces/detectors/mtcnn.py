"""MTCNN as published: three small networks that find faces of any size and five points in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hybridfer.errors import SpecError
from hybridfer.types import Face, Pixels

if TYPE_CHECKING:
    from hybridfer.deep.cascade import Cascade


@dataclass
class Mtcnn:
    """The cascade of Zhang et al. (2016, doi 10.1109/LSP.2016.2603342) with the weights of the package ``mtcnn``.

    Its score is O-Net's probability of a face. ``eyes`` is where the eyes lie in its boxes: the median over 790 faces
    of a 68-point set, made symmetric.

    Parameters
    ----------
    min_face : int
        Side of the smallest face it looks for, in pixels; some down to half of it are found on the way.
    threshold : float, optional
        The least score kept, 0 to 1; 0.7 by default.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    factor : float
        By which each level of its pyramid is smaller than the one before: at 0.709 it halves the area. Nearer to 1 it
        finds a little more and takes longer.

    Raises
    ------
    SpecError
        If a parameter is out of range.
    WeightsError
        If the weights are missing or not the known ones.
    DeviceError
        If the device is not there.
    """

    eyes: ClassVar = ((0.27, 0.40), (0.73, 0.40))

    min_face: int = 30
    threshold: float | None = None
    device: str = "cpu"
    factor: float = 0.709

    def __post_init__(self) -> None:
        from hybridfer.deep.cascade import Cascade
        from hybridfer.deep.device import choose_device
        from hybridfer.deep.mtcnn_weights import SHA256, load_mtcnn

        least = 0.7 if self.threshold is None else self.threshold
        check_range("mtcnn", self.min_face, least, self.factor)
        self.device = choose_device(self.device)
        self.weights = SHA256
        self.cascade = Cascade(*load_mtcnn(self.device), self.device, (0.6, 0.7, least), self.factor)

    def detect(self, pixels: Pixels) -> list[Face]:
        """Return the faces of a picture, the largest first."""
        return faces_of(self.cascade, pixels, self.min_face)


def check_range(name: str, min_face: int, threshold: float, factor: float = 0.709) -> None:
    """Raise SpecError that names the first parameter out of range."""
    if min_face < 1:
        raise SpecError(f"{name} has min_face {min_face}; expected 1 pixel or more.")
    if not 0 <= threshold <= 1:
        raise SpecError(f"{name} has threshold {threshold:g}; expected 0 to 1.")
    if not 0.1 <= factor <= 0.95:
        raise SpecError(f"{name} has factor {factor:g}; expected 0.1 to 0.95.")


def faces_of(cascade: Cascade, pixels: Pixels, min_face: int) -> list[Face]:
    """Return the faces that a cascade finds, the largest first."""
    faces = []
    for box, score, points in zip(*cascade.detect(pixels, min_face), strict=True):
        # The corners are pixel centres, the first of which, 1, lies half a pixel from the picture's edge.
        x0, y0, x1, y1 = (box - 0.5).tolist()
        faces.append(Face((x0, y0, x1, y1), float(score), points))
    return sorted(faces, key=lambda face: (face.box[0] - face.box[2]) * (face.box[3] - face.box[1]))
