"""MTCNN's published weights, out of the package ``mtcnn`` without importing it: that would import TensorFlow.

The package keeps each network's arrays as a pickle. It is never unpickled: once its SHA-256 shows that it is the known
file, its opcodes are walked past, and the arrays' bytes between them are read. What was read is kept as safetensors in
the user's cache, and trusted from there only if every number is the known one.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickletools
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hybridfer.deep.nets.mtcnn import ONet, PNet, RNet
from hybridfer.errors import OutputError, WeightsError

FILES = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}
"""The networks, and the SHA-256 of ``mtcnn/assets/weights/NAME.lz4`` in the package's release 1.0.0."""

SHA256 = "edc61820b266bbe2031adef19cc9ef6de8e15fd8137721b1e41104521fd6477f"
"""Of all their tensors, see :func:`tensors_sha256`."""

_LOADING = threading.Lock()


Nets = tuple[nn.Module, nn.Module, nn.Module]
"""P-Net, R-Net and O-Net."""


def load_mtcnn(device: str = "cpu") -> Nets:
    """Return P-Net, R-Net and O-Net with the published weights, for use alone; one set a process and device.

    Raises
    ------
    WeightsError
        If the package ``mtcnn`` is not installed, or its files are not those of release 1.0.0.
    """
    with _LOADING:
        return _load(device)


def read_weights() -> dict[str, Tensor]:
    """Return the published weights by name: ``pnet.conv1.weight`` …; from the cache, or from the package.

    Raises
    ------
    WeightsError
        As :func:`load_mtcnn`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save

    from hybridfer.bank.cache import cache_folder
    from hybridfer.tables import replacing

    kept = cache_folder() / "weights" / "mtcnn.safetensors"
    with suppress(OSError, SafetensorError):
        state: dict[str, Tensor] = load_file(kept)
        if tensors_sha256(state) == SHA256:
            return state
    state = {
        f"{name}.{key}": tensor
        for name, net in zip(FILES, (PNet(), RNet(), ONet()), strict=True)
        for key, tensor in _convert(_package_file(name), net).items()
    }
    # A cache that cannot be written makes the next start slower, no more.
    with suppress(OSError, OutputError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replacing(kept, overwrite=True) as beside:
            beside.write_bytes(save(state))
    return state


def tensors_sha256(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 over names, shapes and bytes of tensors, which no file's layout has a part in."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(f"{name} {tuple(state[name].shape)} {state[name].dtype}".encode())
        digest.update(state[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def nets_of(state: Mapping[str, Tensor], pnet: nn.Module, rnet: nn.Module, onet: nn.Module, device: str) -> Nets:
    """Return the networks on `device`, filled with ``pnet.…``, ``rnet.…`` and ``onet.…`` of `state`."""
    for name, net in zip(FILES, (pnet, rnet, onet), strict=True):
        mine = {key.removeprefix(f"{name}."): tensor for key, tensor in state.items() if key.startswith(f"{name}.")}
        net.load_state_dict(mine, strict=True)
        net.eval().requires_grad_(False)
        net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return pnet, rnet, onet


@lru_cache(maxsize=2)
def _load(device: str) -> Nets:
    return nets_of(read_weights(), PNet(), RNet(), ONet(), device)


def _package_file(name: str) -> bytes:
    """Return the bytes of a network's file in the installed package, which are the known ones."""
    from importlib.metadata import PackageNotFoundError, distribution

    fix = "Run pip install --force-reinstall mtcnn==1.0.0, or choose another --detector."
    try:
        path = Path(str(distribution("mtcnn").locate_file(f"mtcnn/assets/weights/{name}.lz4")))
        content = path.read_bytes()
    except PackageNotFoundError:
        raise WeightsError(
            f"The package mtcnn, which carries the detector's weights, is not installed. {fix}"
        ) from None
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}. {fix}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != FILES[name]:
        raise WeightsError(f"{path} has SHA-256 {found[:12]}…, expected {FILES[name][:12]}…. {fix}")
    return content


def _convert(content: bytes, net: nn.Module) -> dict[str, Tensor]:
    """Return a package file's arrays as tensors that fit `net`.

    Keras keeps kernels as (height, width, in, out) and matrices as (in, out); of the heads the box comes first, then
    the points, face or not comes last.
    """
    wanted = net.state_dict()
    in_order = sorted(wanted, key=lambda name: "?231".index(name.partition("_")[2][:1] or "?"))
    state = {}
    for name, flat in zip(in_order, _arrays(content, [wanted[name].numel() for name in in_order]), strict=True):
        shape = wanted[name].shape
        if len(shape) == 4:
            flat = flat.reshape(*shape[2:], shape[1], shape[0]).transpose(3, 2, 0, 1)
        elif len(shape) == 2:
            flat = flat.reshape(shape[1], shape[0]).T
        state[name] = torch.tensor(np.ascontiguousarray(flat))
    return state


def _arrays(content: bytes, sizes: Sequence[int]) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the numbers of each array of a package file, which has as many as `sizes` says.

    joblib writes them into its pickle behind the opcode that completes an array's description: a byte that says how
    many bytes to pass over, those bytes, the numbers.
    """
    import lz4.frame

    file = io.BytesIO(lz4.frame.decompress(content))
    sizes_left = iter(sizes)
    before = ""
    for opcode, _, _ in pickletools.genops(file):
        if (before, opcode.name) == ("SETITEMS", "BUILD"):
            file.seek(file.read(1)[0], os.SEEK_CUR)
            yield np.frombuffer(file.read(4 * next(sizes_left)), "<f4")
        before = opcode.name
