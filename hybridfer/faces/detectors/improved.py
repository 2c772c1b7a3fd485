"""MTCNN with its first two networks improved as Wang et al. (2022) do, trained by hybridfer."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from hybridfer.errors import WeightsError
from hybridfer.faces.detectors.mtcnn import check_range, faces_of
from hybridfer.types import Face, Pixels

if TYPE_CHECKING:
    from hybridfer.deep.cascade import Cascade

NAME = "mtcnn-improved"

_LOADING = threading.Lock()


@dataclass
class ImprovedMtcnn:
    """The cascade of :class:`~hybridfer.faces.detectors.mtcnn.Mtcnn` with other networks, see ``deep/nets``.

    P-Net sees several scales at once in fewer parameters, R-Net has Octave Convolutions. They are trained by
    ``hybridfer train mtcnn-improved``; what comes with hybridfer is described by ``hybridfer models show
    mtcnn-improved``.

    Parameters
    ----------
    min_face : int
        Side of the smallest face it looks for, in pixels.
    threshold : float, optional
        The least score kept, 0 to 1; by default what the weights' card says.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    factor : float
        By which each level of its pyramid is smaller than the one before.
    weights : str
        A name of ``hybridfer models list``, or a folder that ``hybridfer train`` wrote; once it is built, the SHA-256
        of the weights' file.

    Raises
    ------
    SpecError
        If a parameter is out of range.
    WeightsError
        If there are no such weights, or they are damaged or of another network.
    DeviceError
        If the device is not there.
    """

    eyes: ClassVar = ((0.27, 0.40), (0.73, 0.40))

    min_face: int = 30
    threshold: float | None = None
    device: str = "cpu"
    factor: float = 0.709
    weights: str = NAME

    def __post_init__(self) -> None:
        from dataclasses import replace

        from hybridfer.deep.device import choose_device
        from hybridfer.deep.weights import card_in, weights_path

        self.device = choose_device(self.device)
        folder = weights_path(self.weights)
        self.weights = card_in(folder).sha256
        with _LOADING:
            cascade = _load(str(folder), self.weights, self.device)
        first, second, usual = cascade.thresholds
        least = usual if self.threshold is None else self.threshold
        check_range(NAME, self.min_face, least, self.factor)
        self.cascade = replace(cascade, thresholds=(first, second, least), factor=self.factor)

    def detect(self, pixels: Pixels) -> list[Face]:
        """Return the faces of a picture, the largest first."""
        return faces_of(self.cascade, pixels, self.min_face)


@lru_cache(maxsize=2)
def _load(folder: str, sha256: str, device: str) -> Cascade:
    """Return the cascade of a model folder; weights changed meanwhile have another `sha256`."""
    import json
    from pathlib import Path

    from hybridfer.deep.cascade import Cascade
    from hybridfer.deep.checkpoints import read_tensors
    from hybridfer.deep.mtcnn_weights import nets_of
    from hybridfer.deep.nets.mtcnn import ONet
    from hybridfer.deep.nets.mtcnn_improved import ImprovedPNet, OctaveRNet

    try:
        card = json.loads((Path(folder) / "card.json").read_text("utf-8"))
        first, second, third = map(float, card["thresholds"])
        alpha = float(card["alpha"])
        if card["network"] != NAME or not all(0 <= value <= 1 for value in (first, second, third, alpha)):
            raise ValueError(card["network"])
        state = read_tensors(Path(folder) / "model.safetensors")
        nets = nets_of(state, ImprovedPNet(), OctaveRNet(alpha), ONet(), device)
    except (ValueError, LookupError, TypeError, RuntimeError) as error:
        raise WeightsError(
            f"{folder} holds no weights of {NAME} ({error}); train some with `hybridfer train {NAME}`, "
            "or leave weights= out."
        ) from None
    return Cascade(*nets, device, (first, second, third))
