"""Tensors out of a checkpoint, and whether they are a network's: every name and every shape, or an error."""

from __future__ import annotations

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
from hybridfer.errors import WeightsError

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


def build_network(network: str, classes: int | None = None) -> nn.Module:
    """Return a new network in evaluation mode; `classes` None leaves their number to its default.

    Raises
    ------
    SpecError
        If there is no network of this name.
    """
    factory = NETWORKS.load(network)
    net: nn.Module = factory() if classes is None else factory(classes=classes)
    return net.eval()


@lru_cache(maxsize=16)
def plan_network(network: str, classes: int | None = None) -> nn.Module:
    """Return a network whose tensors have shapes and no values: what can be asked of it without its weights."""
    with torch.device("meta"):
        return build_network(network, classes)


def fit_tensors(state: Mapping[str, Tensor], network: str, where: str) -> tuple[dict[str, Tensor], int | None]:
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

    Raises
    ------
    WeightsError
        If a tensor is missing, unexpected, of another shape or kind, or holds NaN or infinity; every one is named.
    """
    by_own_names = getattr(plan_network(network), "from_published", None)
    if by_own_names is not None:
        state = by_own_names(state)
    linear = [name for name, module in plan_network(network).named_modules() if isinstance(module, nn.Linear)]
    last = state.get(f"{linear[-1]}.weight") if linear else None
    classes = len(last) if last is not None and last.ndim == 2 else None
    wanted = plan_network(network, classes).state_dict()
    spare = {name for name in wanted if name.endswith("num_batches_tracked")}
    faults = {
        "missing": [name for name in wanted if name not in state and name not in spare],
        "unexpected": [name for name in state if name not in wanted],
        "of another shape": [
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
        raise WeightsError(
            f"{where} does not fit {network}. {found}. Expected every tensor of the network and no other; "
            f"give its own checkpoint, or another --network (known: {', '.join(NETWORKS.names())})."
        )
