"""Where a network looked: Grad-CAM, a map of what spoke for a class, laid over the picture it was shown."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hybridfer.deep.activations import AT_ONCE, as_pictures, crop_stack
from hybridfer.deep.checkpoints import load_network
from hybridfer.deep.device import choose_device, one_thread
from hybridfer.deep.weights import WeightsCard
from hybridfer.descriptors.base import Descriptor
from hybridfer.errors import SpecError, did_you_mean
from hybridfer.types import Pixels

LEAST = 1e-4
"""How much of its greatest value a map must vary by to be more than the same everywhere."""


def grad_cam(
    net: nn.Module, pictures: Tensor, classes: Tensor | None = None, layer: str | None = None
) -> npt.NDArray[np.float32]:
    """Return a map ``(n, s, s)`` of each picture: 1 where most speaks for the class, 0 where least does.

    The network's last maps are added up, each times the mean of the score's gradient over its places, and what speaks
    against the class counts as nothing. What is left is stretched to 0 to 1, picture by picture; a map that is the same
    everywhere, which singles no place out, becomes 0.

    Parameters
    ----------
    net : nn.Module
        In evaluation, so that the pictures do not depend on each other.
    pictures : (n, channels, H, W) float32
        As the network is shown them.
    classes : (n,) int64, optional
        The class asked about, for each picture; the one with the highest score when not given.
    layer : str, optional
        Path of the submodule whose output are the maps. When not given, the network's own ``looks_at`` if it has one;
        else the maps are the last that pass between the network's parts: those of ``layer4`` in a residual network,
        refined by the last mask in a Residual Masking Network.

    Returns
    -------
    (n, h, w) float32
        As large as the maps are.

    Raises
    ------
    SpecError
        If the network has no such layer, no maps, or is in training.

    References
    ----------
    R. R. Selvaraju, M. Cogswell, A. Das, R. Vedantam, D. Parikh, D. Batra, "Grad-CAM: Visual Explanations from Deep
    Networks via Gradient-Based Localization", ICCV 2017, doi 10.1109/ICCV.2017.74.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 7)).eval()
    >>> grad_cam(net, torch.rand(5, 1, 12, 12)).shape
    (5, 10, 10)
    """
    if net.training:
        raise SpecError("The network is in training, where pictures depend on each other; call its eval() first.")
    with torch.enable_grad():
        scores, maps = _watched(net, pictures.detach().requires_grad_(), layer or getattr(net, "looks_at", None))
        if classes is None:
            classes = scores.argmax(1)
        asked = scores.gather(1, classes[:, None]).sum()
        (slopes,) = torch.autograd.grad(asked, maps, materialize_grads=True)
    heat = (slopes.mean((2, 3), keepdim=True) * maps.detach()).sum(1).relu().flatten(1)
    low, high = heat.min(1, keepdim=True).values, heat.max(1, keepdim=True).values
    varies = high - low > LEAST * high
    stretched = torch.where(varies, (heat - low) / torch.where(varies, high - low, 1), 0)
    found: npt.NDArray[np.float32] = stretched.reshape(-1, *maps.shape[2:]).cpu().numpy()
    return found


def _watched(net: nn.Module, pictures: Tensor, layer: str | None) -> tuple[Tensor, Tensor]:
    """Return a network's scores, and the maps they are made of; see :func:`grad_cam`."""
    # It shares its tensors, and what is hung onto it disturbs no other thread.
    own = copy.deepcopy(net, {id(tensor): tensor for tensor in (*net.parameters(), *net.buffers())})
    parts = {name: part for name, part in own.named_modules() if name}
    if layer is not None and layer not in parts:
        raise SpecError(f"The network has no layer {layer!r}.{did_you_mean(layer, parts)}")
    outer: list[Tensor] = []
    inner: list[Tensor] = []

    def keep(values: Any, kept: list[Tensor]) -> None:
        for value in values:
            if isinstance(value, Tensor) and value.ndim == 4 and value.shape[2:].numel() > 1 and value is not pictures:
                kept.append(value)

    for name, part in parts.items() if layer is None else [(layer, parts[layer])]:
        kept = inner if "." in name else outer
        part.register_forward_hook(lambda _, __, output, kept=kept: keep([output], kept))
        if layer is None:
            part.register_forward_pre_hook(lambda _, given, kept=kept: keep(given, kept))
    scores: Tensor = own(pictures)
    maps = outer or inner
    if not maps:
        raise SpecError(
            f"{'The network' if layer is None else f'Its layer {layer!r}'} has no maps (n, C, H, W) of more than one "
            "place to look into; name a layer that has."
        )
    return scores, maps[-1] if layer is None else maps[0]


@dataclass(frozen=True, kw_only=True)
class Explainer(Descriptor):
    """Where a network looks in a crop to see what it takes it for: its :func:`grad_cam`, row by row.

    Parameters
    ----------
    size : int
        Side of the square that the crop is resized to.
    net : nn.Module
    card : WeightsCard
        Of the network.
    device : str
        Where the network is.
    side : int
        Of a map.
    """

    name: ClassVar[str] = "grad-cam"
    cacheable: ClassVar[bool] = False

    net: nn.Module = field(compare=False, repr=False)
    card: WeightsCard
    device: str
    side: int

    @classmethod
    def of(cls, weights: str, device: str) -> Self:
        """Return what explains the network of a name, or in a folder; see :func:`load_network`.

        Raises
        ------
        WeightsError
            If there are no such weights, or they are not what their card says.
        SpecError
            If the network has no maps.
        DeviceError
            If the device is not there.
        """
        device = choose_device(device)
        net, card = load_network(weights, device)
        with one_thread():
            tried = grad_cam(net, torch.zeros(1, len(card.mean), card.size, card.size, device=device))
        return cls(size=card.size, net=net, card=card, device=device, side=tried.shape[1])

    @property
    def length(self) -> int:
        return self.side**2

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    @property
    def spec(self) -> str:
        return self.name

    def describe_batch(self, crops: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        maps = np.empty((len(crops), self.length), np.float32)
        batch = np.zeros((AT_ONCE, self.size, self.size, len(self.card.mean)), np.uint8)
        for start in range(0, len(crops), AT_ONCE):
            part = crops[start : start + AT_ONCE]
            batch[: len(part)] = crop_stack(part, self.size, len(self.card.mean), self.card.grey)
            batch[len(part) :] = 0
            with one_thread():
                found = grad_cam(self.net, as_pictures(batch, self.card.mean, self.card.std, self.device))
            maps[start : start + len(part)] = found[: len(part)].reshape(len(part), -1)
        return maps
