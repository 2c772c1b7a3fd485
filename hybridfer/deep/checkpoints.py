"""Tensors out of a checkpoint, and whether they are a network's: every name and every shape, or an error."""

from __future__ import annotations

import inspect
import os
import pickle
import re
import struct
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from hybridfer.deep import NETWORKS
from hybridfer.deep.weights import IMAGENET_MEAN, IMAGENET_STD, WeightsCard, find_weights
from hybridfer.errors import SpecError, WeightsError, did_you_mean
from hybridfer.spec import parse_value

WRAPPERS = ("state_dict", "model_state_dict", "net")
"""Names under which training scripts keep the state dict among other things."""

_DAMAGED = (
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
    OverflowError,
    MemoryError,
    struct.error,
    pickle.UnpicklingError,
)
"""What torch's readers raise on bytes that are no checkpoint, a cut or an altered one."""

_CODE = re.compile(r"Unsupported (?:global: GLOBAL|class) (\S+)|unrecognized (?:function|class) (\S+)|TorchScript")


_SHAPE = "of another shape"


def read_tensors(file: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by name, without ever running what a file says.

    A ``.safetensors`` file is read as such, any other with ``torch.load(weights_only=True)``. There the state dict may
    lie under ``state_dict``, ``model_state_dict`` or ``net``. The ``module.`` that ``DataParallel`` puts before every
    name is taken off.

    Raises
    ------
    WeightsError
        If the file is missing, empty, cut, not a checkpoint, or holds pickled code.
    """
    path = Path(file)
    if path.is_dir():
        raise WeightsError(f"{path} is a folder; name the checkpoint file in it.")
    try:
        if path.stat().st_size == 0:
            raise WeightsError(f"{path} is empty; fetch the checkpoint again.")
        state = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}; give a checkpoint file.") from None
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return state


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a .safetensors file, or is cut ({error}); fetch it again.") from None
    if not state:
        raise WeightsError(f"{path} holds no tensors; expected the parameters of a network.")
    return state


def _read_torch(path: Path) -> dict[str, Tensor]:
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch muses about files that we refuse below
            found = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGED as error:
        code = _CODE.search(str(error))
        if code is None:
            raise WeightsError(f"{path} is not a checkpoint of torch, or is cut or damaged; fetch it again.") from None
        what = f"{code[1] or code[2]}".rstrip(".") if code[1] or code[2] else "TorchScript"
        raise WeightsError(
            f"{path} holds pickled code ({what}), which hybridfer never runs; "
            "expected tensors alone. Save them with torch.save(model.state_dict(), FILE)."
        ) from None
    inside = (found, *(found.get(name) for name in WRAPPERS)) if isinstance(found, dict) else ()
    for state in inside:
        if _is_state(state):
            return state
    holds = ", ".join(map(str, found)) or "nothing" if isinstance(found, dict) else f"a {type(found).__name__}"
    raise WeightsError(
        f"{path} holds {holds}; expected a state dict of tensors by name, alone or under {', '.join(WRAPPERS)}."
    )


def _is_state(found: Any) -> TypeGuard[dict[str, Tensor]]:
    return (
        isinstance(found, dict)
        and len(found) > 0
        and all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in found.items())
    )


def build_network(network: str, classes: int | None = None, **options: Any) -> nn.Module:
    """Return a new network in evaluation mode.

    Parameters
    ----------
    network : str
        A name of :data:`~hybridfer.deep.NETWORKS`.
    classes : int, optional
        How many it tells apart; as its factory has it by default.
    **options
        More keywords of its factory, such as ``width``.

    Raises
    ------
    SpecError
        If there is no network of this name, or it cannot be made with `options`.
    """
    factory = NETWORKS.load(network)
    kinds = _options(network)
    for key, value in options.items():
        kind = _kind(network, kinds, key)
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise SpecError(f"{network}:{key}={value!r} is of the wrong kind; expected {kind.__name__}.")
    net: nn.Module = factory(**options) if classes is None else factory(classes=classes, **options)
    return net.eval()


@lru_cache(maxsize=32)
def plan_network(network: str, classes: int | None = None, **options: Any) -> nn.Module:
    """Return a network whose tensors have shapes and no values: what can be asked of it without its weights."""
    with torch.device("meta"):
        return build_network(network, classes, **options)


def read_options(network: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return options of a network, given as text, as the keywords of its factory.

    Raises
    ------
    SpecError
        If there is no such network, it has no such option, or the text is no value of it.

    Examples
    --------
    >>> read_options("arm", {"width": "0.5", "input_size": "48", "affinity": "none"})
    {'width': 0.5, 'input_size': 48, 'affinity': 'none'}
    """
    kinds = _options(network)
    return {key: parse_value(text, _kind(network, kinds, key), f"{network}:{key}") for key, text in texts.items()}


def _options(network: str) -> dict[str, type[Any]]:
    """Return the keywords that make a network, but for `classes`, and the type of each: bool, int, float or str."""
    kinds: dict[str, type[Any]] = {kind.__name__: kind for kind in (bool, int, float)}
    return {
        name: kinds.get(getattr(parameter.annotation, "__name__", parameter.annotation), str)
        for name, parameter in inspect.signature(NETWORKS.load(network)).parameters.items()
        if name != "classes"
    }


def _kind(network: str, kinds: Mapping[str, type[Any]], key: str) -> type[Any]:
    if key not in kinds:
        known = f"Known: {', '.join(sorted(kinds))}." if kinds else "It has none."
        raise SpecError(f"{network} has no option {key!r}.{did_you_mean(key, kinds)} {known}")
    return kinds[key]


def fixed_size(network: str) -> bool:
    """Return whether a network takes pictures of one size alone, as its class says by an attribute of that name."""
    return bool(getattr(plan_network(network), "fixed_size", False))


def made_for(network: str, options: Mapping[str, Any]) -> int:
    """Return the side of the pictures that a network with these options is made for."""
    if "input_size" in options:
        return int(options["input_size"])
    parameter = inspect.signature(NETWORKS.load(network)).parameters.get("input_size")
    return 224 if parameter is None else int(parameter.default)


def usual_pictures(network: str) -> dict[str, Any]:
    """Return the ``mean``, ``std`` and ``grey`` of a network's weights of three channels, where nobody says them.

    They are those of torchvision's networks, or what a class says by an attribute ``published`` of its authors'.
    """
    published = getattr(plan_network(network), "published", {})
    return {"mean": IMAGENET_MEAN, "std": IMAGENET_STD, "grey": False, **published}


def check_size(network: str, options: Mapping[str, Any], size: int, where: str) -> None:
    """Raise WeightsError if weights are said to be for pictures of a size that their network does not take."""
    only = made_for(network, options)
    if fixed_size(network) and size != only:
        raise WeightsError(
            f"{where} is said to be for pictures of {size} pixels, but {network} made for {only} takes no others; "
            "leave size out, or say the input_size it was made with."
        )


def fit_card(file: Path, card: WeightsCard) -> dict[str, Tensor]:
    """Return the tensors in the file of a card's weights, as the network wants them.

    Raises
    ------
    WeightsError
        If they are not those of the network that the card names, with its options and classes.
    SpecError
        If there is no such network.
    """
    check_size(card.network, card.options, card.size, str(file))
    state, classes = fit_tensors(read_tensors(file), card.network, str(file), card.options)
    if classes != card.classes:
        raise WeightsError(
            f"{file} tells {classes} classes apart, and its card says {card.classes}; one of them is of other weights."
        )
    return state


def score_layer(net: nn.Module) -> str | None:
    """Return the path of the layer that tells the classes apart, a network's last linear one; None without any."""
    linear = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)]
    return linear[-1] if linear else None


def load_network(text: str, device: str = "cpu") -> tuple[nn.Module, WeightsCard]:
    """Return a trained network in evaluation mode, in float32, and its card.

    Parameters
    ----------
    text : str
        A name of ``hybridfer models list``, or the path of a folder that ``hybridfer train`` wrote.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    WeightsError
        If there are no such weights, or the file is not what the card says, or is of another network.
    """
    file, card = find_weights(text)
    if card.network not in NETWORKS.names():
        raise WeightsError(
            f"{text} is of {card.network}, which is no network of faces; known: {', '.join(NETWORKS.names())}."
        )
    return fill_network(file, card).to(device, memory_format=torch.channels_last), card  # type: ignore[call-overload]


def fill_network(file: Path, card: WeightsCard) -> nn.Module:
    """Return the network of a card with the tensors of its file; see :func:`fit_card`."""
    state = fit_card(file, card)
    # Networks draw their first values from torch's own dice, which are the user's: they are put back.
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        net = build_network(card.network, card.classes, **card.options)
    net.load_state_dict(state, strict=True, assign=True)
    return net.requires_grad_(False)


def fit_tensors(
    state: Mapping[str, Tensor], network: str, where: str, options: Mapping[str, Any] | None = None
) -> tuple[dict[str, Tensor], int | None]:
    """Return the tensors as the network wants them, and how many classes its last layer tells apart.

    A network's ``from_published``, where it has one, turns the names of others' checkpoints into its own. Numbers are
    converted to the network's own types. ``num_batches_tracked``, which no result depends on and old checkpoints lack,
    becomes 0 where it is missing.

    Parameters
    ----------
    state : Mapping[str, Tensor]
    network : str
        A name of :data:`~hybridfer.deep.NETWORKS`.
    where : str
        The file they come from; opens the error's message.
    options : Mapping, optional
        The keywords, besides `classes`, that make the network, such as ``width``.

    Raises
    ------
    SpecError
        If the network cannot be made with `options`.
    WeightsError
        If a tensor is missing, unexpected, of another shape or kind, or holds NaN or infinity; every one is named.
    """
    options = options or {}
    plan = plan_network(network, None, **options)
    by_own_names = getattr(plan, "from_published", None)
    if by_own_names is not None:
        state = by_own_names(state)
    last = state.get(f"{score_layer(plan)}.weight")
    classes = len(last) if last is not None and last.ndim == 2 else None
    wanted = plan_network(network, classes, **options).state_dict()
    spare = {name for name in wanted if name.endswith("num_batches_tracked")}
    faults = {
        "missing": [name for name in wanted if name not in state and name not in spare],
        "unexpected": [name for name in state if name not in wanted],
        _SHAPE: [
            f"{name} {tuple(state[name].shape)}, expected {tuple(like.shape)}"
            for name, like in wanted.items()
            if name in state and state[name].shape != like.shape
        ],
        "not plain numbers": [
            f"{name} ({state[name].dtype})"
            for name, like in wanted.items()
            if name in state and not _converts(state[name], like)
        ],
    }
    _refuse(faults, where, network)
    fitted = {
        name: state[name].detach().to(like.dtype).clone(memory_format=torch.contiguous_format)
        if name in state
        else torch.zeros(like.shape, dtype=like.dtype)
        for name, like in wanted.items()
    }
    _refuse({"with NaN or infinity": [n for n, t in fitted.items() if not torch.isfinite(t).all()]}, where, network)
    return fitted, classes


def _converts(tensor: Tensor, like: Tensor) -> bool:
    plain = tensor.layout == torch.strided and not tensor.is_quantized
    return plain and tensor.is_floating_point() == like.is_floating_point() and not tensor.is_complex()


def _refuse(faults: Mapping[str, list[str]], where: str, network: str) -> None:
    """Raise WeightsError that names every tensor of every fault, if there is one."""
    found = "; ".join(f"{len(names)} {fault}: {', '.join(names)}" for fault, names in faults.items() if names)
    if found:
        slim = ", the options it was made with (--set width=0.5)" if [*filter(faults.get, faults)] == [_SHAPE] else ""
        raise WeightsError(
            f"{where} does not fit {network}. {found}. Expected every tensor of the network and no other; "
            f"give its own checkpoint{slim}, or another --network (known: {', '.join(NETWORKS.names())})."
        )
