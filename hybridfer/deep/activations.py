"""A layer of a network as a descriptor: what the network makes of a face on its way to an answer."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.func import functional_call

from hybridfer.deep import NETWORKS
from hybridfer.deep.checkpoints import build_network, fill_network, fixed_size, plan_network
from hybridfer.deep.device import choose_device, one_thread
from hybridfer.deep.weights import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    WeightsCard,
    find_weights,
    read_card,
    weights_names,
)
from hybridfer.descriptors.base import Descriptor, grey_stack, rgb_stack
from hybridfer.errors import SpecError, WeightsError, did_you_mean
from hybridfer.spec import FeatureSpec, format_value, parse_options, parse_spec
from hybridfer.types import Pixels

AT_ONCE = 8
"""Pictures that go through a network together, the last few made up with black ones.

Libraries of convolutions choose their algorithm by the batch's size and the number of threads, and with another
algorithm the last bits differ. With both fixed a picture's numbers do not depend on its mates or on the machine's load.
"""

POOLS = ("gap", "max", "flat")

_LOADING = threading.Lock()
_ON_GPU = threading.Lock()


@dataclass(frozen=True)
class _Options:
    """What may follow the colon of a layer's spec."""

    pool: str
    size: int
    weights: str
    untrained: bool
    seed: int


@dataclass(frozen=True, kw_only=True)
class NetworkLayer(Descriptor):
    """The output of one layer of a network, for any ``nn.Module`` in the table of networks.

    A crop is resized, made grey for a network that was trained on grey pictures, brought to 0 to 1, freed of the
    weights' mean and divided by their deviation, and sent through the network up to the layer; what lies deeper is not
    computed. A layer is any submodule by its path
    (``layer3``, ``layer3.1.conv2``, ``avgpool``, ``fc``); where the network runs one several times, the first counts.

    From a spec (:func:`~hybridfer.descriptors.create_descriptor`), ``weights`` are by default those with the network's
    name and ``size`` is what their card says. An untrained network has 7 classes, three channels and, by default,
    `size` 48; its numbers are ImageNet's mean and deviation away from the picture's. A network that takes pictures of
    one size alone, such as ARM, is made for `size` where it is untrained, and takes no other where it is not.

    Parameters
    ----------
    network : str
        A name of :data:`~hybridfer.deep.NETWORKS`.
    layer : str
        Path of a submodule that returns maps ``(n, C, H, W)`` or vectors ``(n, C)``.
    pool : {"gap", "max", "flat"}
        What becomes of maps: each one's mean or maximum, or all values, map by map; vectors stay as they are.
    size : int
        Side of the square that the crop is resized to.
    weights : str
        Name of weights, or a folder that ``hybridfer train`` wrote; empty for an untrained network.
    untrained : bool
        Whether the weights are random.
    seed : int
        Of random weights.
    device : str
        Where it works: ``cpu``, ``cuda`` or ``cuda:N``. Not part of the spec.

    Raises
    ------
    SpecError
        If the network or layer is unknown, or a parameter is out of range or contradicts another.

    Examples
    --------
    >>> layer = NetworkLayer(network="resnet18", layer="layer3", untrained=True)
    >>> layer.spec, layer.length
    ('resnet18@layer3:pool=gap,seed=0,size=48,untrained=true', 256)
    """

    libraries = ("opencv-contrib-python", "torch")

    network: str
    layer: str
    pool: str = "gap"
    weights: str = ""
    untrained: bool = False
    seed: int = 0
    device: str = field(default="cpu", compare=False, repr=False)

    def __post_init__(self) -> None:
        _check_layer(plan_network(self.network), self.network, self.layer)
        self.require(self.pool in POOLS, "pool", "gap, max or flat")
        self.require(8 <= self.size <= 1024, "size", "8 to 1024 pixels")
        self.require(0 <= self.seed < 2**63, "seed", "a whole number from 0")
        if self.untrained and self.weights:
            raise SpecError(f"{self.name} is given weights={self.weights} and untrained=true; keep one.")
        if not self.untrained and not self.weights:
            raise SpecError(f"{self.name} has no weights; name installed ones, or say untrained=true.")
        if self.seed and not self.untrained:
            raise SpecError(f"{self.name}:seed={self.seed} is for random weights; add untrained=true or leave it out.")

    @property
    def name(self) -> str:  # type: ignore[override]  # a class attribute of others; every layer has its own
        """The network and the layer, as in a spec."""
        return f"{self.network}@{self.layer}"

    @property
    def length(self) -> int:
        classes, options = self._made()
        shape = _shape(self.network, classes, tuple(sorted(options.items())), self.layer, self.size)
        return int(np.prod(shape)) if self.pool == "flat" else shape[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    @property
    def spec(self) -> str:
        options: dict[str, object] = {"pool": self.pool, "size": self.size}
        options |= {"seed": self.seed, "untrained": True} if self.untrained else {"weights": self.weights}
        return str(FeatureSpec(self.network, self.layer, {key: format_value(v) for key, v in options.items()}))

    @property
    def weights_sha256(self) -> str | None:
        """SHA-256 of the weights' file, which is looked at; None for random weights.

        Raises
        ------
        WeightsError
            If the weights are not installed, or are not what their card says.
        """
        return None if self.untrained else find_weights(self.weights)[1].sha256

    def on(self, device: str) -> Self:
        """Return the same layer at work on `device` (``auto``, ``cpu``, ``cuda``, ``cuda:N``).

        Raises
        ------
        DeviceError
            If the device is not there.
        """
        return replace(self, device=choose_device(device))

    @classmethod
    def from_spec(cls, spec: FeatureSpec) -> Self:
        """Return the layer that `spec` names.

        Raises
        ------
        SpecError
            If the network, the layer or a parameter is unknown or out of range.
        WeightsError
            If its weights are not installed or of another network, and `spec` does not say ``untrained=true``.
        """
        NETWORKS.load(spec.name)
        if spec.layer is None:
            raise SpecError(f"{spec.name} is a network; name a layer of it, as in {spec.name}@LAYER.")
        options = parse_options(_Options, spec)
        if options.get("untrained", False):
            return cls(network=spec.name, layer=spec.layer, **options)
        name = options.setdefault("weights", spec.name)
        # Made before the weights are looked for: a misspelt layer is the nearer fault.
        layer = cls(network=spec.name, layer=spec.layer, **options)
        if name not in weights_names() and Path(name).name == name and not Path(name).is_dir():
            as_name = "" if name == spec.name else f" --name {name}"
            raise WeightsError(
                f"No weights named {name!r} are installed; {layer.name} needs them. "
                f"Run `hybridfer models import FILE --network {spec.name}{as_name}`, "
                "or add --untrained to use random weights (seed 0)."
            )
        card = read_card(name)
        if card.network != spec.name:
            raise WeightsError(
                f"The weights {name!r} are of {card.network}, not of {spec.name}; "
                f"write {card.network}@LAYER:weights={name}, or name others."
            )
        if "size" not in options:
            layer = replace(layer, size=card.size)
        layer._made()
        return layer

    def describe_batch(self, crops: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        """Return ``(n, length) float32`` for `n` crops; see :class:`~hybridfer.descriptors.base.Descriptor`.

        Raises
        ------
        WeightsError
            If the weights are not what their card says, or give a value that is not finite.
        """
        vectors = np.empty((len(crops), self.length), np.float32)
        if not len(crops):
            return vectors
        recipe = self._recipe()
        with _LOADING:
            net = _load_stopping(recipe, self.layer)
        card = recipe.card
        mean, std = (IMAGENET_MEAN, IMAGENET_STD) if card is None else (card.mean, card.std)
        batch = np.zeros((AT_ONCE, self.size, self.size, len(mean)), np.uint8)
        for start in range(0, len(crops), AT_ONCE):
            part = crops[start : start + AT_ONCE]
            batch[: len(part)] = crop_stack(part, self.size, len(mean), card is not None and card.grey)
            batch[len(part) :] = 0
            with torch.inference_mode(), one_thread(), _repeatable(self.device):
                output = _pool(_reach(net, as_pictures(batch, mean, std, self.device)), self.pool)
                vectors[start : start + len(part)] = output[: len(part)].cpu().numpy()
        if not np.isfinite(vectors).all():
            raise WeightsError(f"{self.spec} gives values that are not finite; its weights are damaged or not for it.")
        return vectors

    def _made(self) -> tuple[int | None, Mapping[str, Any]]:
        """Return what the network is made with: its classes and other keywords; SpecError if `size` is not for it."""
        fixed = fixed_size(self.network)
        if self.untrained:
            return None, {"input_size": self.size} if fixed else {}
        card = read_card(self.weights)
        if fixed and self.size != card.size:
            raise SpecError(
                f"{self.spec}: these weights take pictures of {card.size} pixels and no others; leave size out."
            )
        return card.classes, card.options

    def _recipe(self) -> _Recipe:
        """Return what the network in memory is made of."""
        if self.untrained:
            return _Recipe(self.network, self._made()[1].get("input_size"), self.seed, None, None, self.device)
        file, card = find_weights(self.weights)
        return _Recipe(self.network, None, 0, file, card, self.device)


def crop_stack(crops: Sequence[Pixels], size: int, channels: int = 3, grey: bool = False) -> Pixels:
    """Return ``(n, size, size, channels) uint8`` of crops, as a network of 3 channels or of 1 sees them.

    Parameters
    ----------
    crops : sequence of (H, W, 3) or (H, W) uint8
    size, channels : int
    grey : bool
        Whether all of three channels are equal.
    """
    if channels == 3 and not grey:
        return rgb_stack(crops, size)
    one = grey_stack(crops, size)[..., None]
    return one if channels == 1 else np.repeat(one, channels, axis=3)


def as_pictures(stack: Pixels, mean: Sequence[float], std: Sequence[float], device: str) -> Tensor:
    """Return ``(n, channels, size, size) float32`` of a stack ``(n, size, size, channels) uint8``, as on a card."""
    shift, scale = (torch.tensor(v, dtype=torch.float32, device=device).view(-1, 1, 1) for v in (mean, std))
    return (torch.from_numpy(stack).to(device).permute(0, 3, 1, 2) / 255 - shift) / scale


def with_untrained(text: str, seed: int = 0) -> str:
    """Return a spec as ``--untrained`` means it: a layer of a network gets random weights from `seed`.

    What is no layer, names its weights or already has random ones stays as it is.

    Examples
    --------
    >>> with_untrained("resnet18@layer3")
    'resnet18@layer3:seed=0,untrained=true'
    >>> with_untrained("lbp:grid=7")
    'lbp:grid=7'
    """
    spec = parse_spec(text)
    if spec.inner is not None:
        return str(replace(spec, inner=parse_spec(with_untrained(str(spec.inner), seed))))
    if spec.layer is None or {"weights", "untrained"} & set(spec.options):
        return text
    options = {"seed": str(seed), **spec.options, "untrained": "true"}
    return str(FeatureSpec(spec.name, spec.layer, options))


class _Reached(Exception):
    """No error: it carries a layer's output past the deeper layers."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output


def _stop(module: nn.Module, inputs: Any, output: Any) -> None:
    raise _Reached(output)


def _reach(net: Callable[[Tensor], Any], pictures: Tensor) -> Any:
    """Return what the layer gives at which `net` stops; None where the network never runs it."""
    try:
        net(pictures)
    except _Reached as reached:
        return reached.output
    return None


def _pool(output: Tensor, pool: str) -> Tensor:
    """Return maps ``(n, C, H, W)`` or vectors ``(n, C)`` as vectors."""
    if output.ndim == 2 or pool == "flat":
        return output.flatten(1)
    return output.mean((2, 3)) if pool == "gap" else output.amax((2, 3))


def _stopping(net: nn.Module, layer: str) -> nn.Module:
    """Return a network that shares `net`'s tensors and stops at a layer; threads may use both at once."""
    own = copy.deepcopy(net, {id(tensor): tensor for tensor in (*net.parameters(), *net.buffers())})
    own.get_submodule(layer).register_forward_hook(_stop)
    return own


_SOME = 2
"""Pictures that a layer is tried on: more than one, to see that it keeps them apart."""


def _check_layer(net: nn.Module, network: str, layer: str) -> None:
    """Raise SpecError if a network has no such layer."""
    layers = [name for name, _ in net.named_modules() if name]
    if layer not in layers:
        top = ", ".join(name for name, _ in net.named_children())
        raise SpecError(
            f"{network} has no layer {layer!r}.{did_you_mean(layer, layers)} Known: {top}, and what lies inside them."
        )


@lru_cache(maxsize=256)
def _shape(
    network: str, classes: int | None, options: tuple[tuple[str, Any], ...], layer: str, size: int
) -> tuple[int, ...]:
    """Return the shape of a layer's output for one picture."""
    plan = plan_network(network, classes, **dict(options))
    _check_layer(plan, network, layer)
    net = _stopping(plan, layer)
    # Zeros through zeros, each tensor one number: this takes the room of the largest layer, not that of the network.
    # Asked on the meta device, torch would import its compiler first, for over half a second.
    tensors = (*net.named_parameters(), *net.named_buffers())
    zeros = {name: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape) for name, tensor in tensors}
    pictures = torch.zeros(_SOME, dict(options).get("channels", 3), size, size)
    try:
        with torch.inference_mode(), one_thread():
            output = _reach(partial(functional_call, net, zeros), pictures)
    except RuntimeError as error:
        raise SpecError(f"{network} does not take pictures of size {size}: {error}; try a larger size.") from None
    if not isinstance(output, Tensor) or output.ndim not in (2, 4) or len(output) != _SOME:
        gives = "nothing" if output is None else f"{tuple(getattr(output, 'shape', [type(output).__name__]))}"
        raise SpecError(
            f"{network}@{layer} gives {gives} for {_SOME} pictures; "
            "expected a layer of maps (n, C, H, W) or vectors (n, C)."
        )
    return tuple(output.shape[1:])


@dataclass(frozen=True)
class _Recipe:
    """What a network in memory is made of: random tensors, or those of a file with this card."""

    network: str
    input_size: int | None
    seed: int
    file: Path | None
    card: WeightsCard | None = field(hash=False)
    device: str


@lru_cache(maxsize=4)
def _load(recipe: _Recipe) -> nn.Module:
    if recipe.file is not None and recipe.card is not None:
        net = fill_network(recipe.file, recipe.card)
    else:
        made_for = {} if recipe.input_size is None else {"input_size": recipe.input_size}
        # Networks draw their first values from torch's own dice, which are the user's: they are put back.
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            torch.default_generator.manual_seed(recipe.seed)
            net = build_network(recipe.network, **made_for)
    return net.to(recipe.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


@lru_cache(maxsize=16)
def _load_stopping(recipe: _Recipe, layer: str) -> nn.Module:
    return _stopping(_load(recipe), layer)


@contextmanager
def _repeatable(device: str) -> Iterator[None]:
    """Have a GPU give the same bits every time, in full precision."""
    if device == "cpu":
        yield
        return
    # cuDNN's flags are the process's: one thread at a time may set and restore them.
    with (
        _ON_GPU,
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
    ):
        yield
