"""What a trained network runs on: torch, or another program that is given it as an ONNX file."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from hybridfer import __version__
from hybridfer.deep import RUNTIMES
from hybridfer.deep.activations import NetworkLayer, as_pictures, crop_stack
from hybridfer.deep.checkpoints import load_network
from hybridfer.deep.device import one_thread
from hybridfer.deep.export import INPUT, OUTPUTS, export_model, optional
from hybridfer.deep.inference import prepare
from hybridfer.deep.weights import WeightsCard, find_weights
from hybridfer.errors import DeviceError, WeightsError
from hybridfer.types import Pixels

Scores = npt.NDArray[np.float32]
Runtime = Callable[[Pixels], Scores]
"""Makes scores ``(n, classes)`` of a stack ``(n, size, size, channels) uint8``; called by several threads at once."""

AT_ONCE = 8
"""Pictures that go through together at most; the maps of more leave the processor's cache and are no faster."""

_LOADING = threading.Lock()


def create_runtime(name: str, weights: str, device: str = "cpu") -> Runtime:
    """Return what runs a trained network; the same one when asked again.

    It works in the thread that calls it and starts no others: callers share pictures out to threads.

    Parameters
    ----------
    name : str
        A name of :data:`~hybridfer.deep.RUNTIMES`; all but ``torch`` work on the processor only.
    weights : str
        A name of ``hybridfer models list``, or the path of a folder that ``hybridfer train`` wrote.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    SpecError
        If there is no such runtime.
    WeightsError
        If there is no such network, or the runtime is not installed.
    DeviceError
        If it does not work on `device`.
    """
    make = RUNTIMES.load(name)
    if name != "torch" and device != "cpu":
        raise DeviceError(
            f"{name} works on the processor only, not on {device!r}; use --device cpu or --runtime torch."
        )
    file, card = find_weights(weights)
    with _LOADING:
        return _created(make, str(file.parent.resolve()), card.sha256, device)


@lru_cache(maxsize=4)
def _created(make: Callable[[str, WeightsCard, str], Runtime], folder: str, sha256: str, device: str) -> Runtime:
    return make(folder, find_weights(folder)[1], device)


def on_torch(folder: str, card: WeightsCard, device: str) -> Runtime:
    """Return torch, with the network in a folder made ready; see :func:`~hybridfer.deep.inference.prepare`."""
    net = prepare(load_network(folder, device)[0])

    def run(stack: Pixels) -> Scores:
        with torch.inference_mode(), one_thread():
            scores: Scores = net(as_pictures(stack, card.mean, card.std, device)).cpu().numpy()
        return scores

    return run


def on_onnxruntime(folder: str, card: WeightsCard, device: str) -> Runtime:
    """Return what asks a folder's network through Microsoft's ONNX Runtime."""
    onnxruntime = optional("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(_graph(folder, card), options, providers=["CPUExecutionProvider"])

    def run(stack: Pixels) -> Scores:
        scores: Scores = session.run([OUTPUTS[0]], {INPUT: _unit(stack)})[0]
        return scores

    return run


def on_openvino(folder: str, card: WeightsCard, device: str) -> Runtime:
    """Return what asks a folder's network through Intel's OpenVINO."""
    openvino = optional("openvino")
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(_graph(folder, card), "CPU", options)
    own = threading.local()

    def run(stack: Pixels) -> Scores:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        scores: Scores = own.request.infer({INPUT: _unit(stack)})[OUTPUTS[0]].copy()
        return scores

    return run


def _unit(stack: Pixels) -> npt.NDArray[np.float32]:
    """Return a stack as the exported graph wants it: ``(n, channels, size, size)`` of 0 to 1."""
    return np.ascontiguousarray(stack.transpose(0, 3, 1, 2), np.float32) / np.float32(255)


def _graph(folder: str, card: WeightsCard) -> str:
    """Return the path of a network's ONNX file, which is made once and kept in the cache."""
    from hybridfer.bank.cache import cache_folder

    kept = cache_folder() / "weights" / f"{card.sha256}-{__version__}.onnx"
    if not kept.is_file():
        os.makedirs(kept.parent, exist_ok=True)
        export_model(folder, kept, overwrite=True)
    return str(kept)


@dataclass(frozen=True, kw_only=True)
class NetworkScores(NetworkLayer):
    """The layer whose output is a trained network's answer, by a runtime that knows no other layer.

    A face's scores have the same bits alone and in company, as far as the runtime keeps that
    (:func:`~hybridfer.deep.inference.prepare`).

    Parameters
    ----------
    runtime : str
        A name of :data:`~hybridfer.deep.RUNTIMES`. Not part of the spec: runtimes differ in rounding.
    network, layer, weights, size, device
        See :class:`~hybridfer.deep.activations.NetworkLayer`.
    """

    runtime: str = field(default="torch", compare=False, repr=False)

    @property
    def cacheable(self) -> bool:  # type: ignore[override]  # a class attribute of others
        """Whether it is torch that answers: what others make of the same spec is not kept among torch's."""
        return self.runtime == "torch"

    def describe_batch(self, crops: Sequence[Pixels]) -> Scores:
        """Return ``(n, classes) float32`` for `n` crops.

        Raises
        ------
        WeightsError
            If the weights are not what their card says or give a value that is not finite, or the runtime is missing.
        """
        scores = np.empty((len(crops), self.length), np.float32)
        if not len(crops):
            return scores
        card = find_weights(self.weights)[1]
        run = create_runtime(self.runtime, self.weights, self.device)
        for start in range(0, len(crops), AT_ONCE):
            stack = crop_stack(crops[start : start + AT_ONCE], self.size, card.channels, card.grey)
            scores[start : start + len(stack)] = run(stack)
        if not np.isfinite(scores).all():
            raise WeightsError(f"{self.spec} gives values that are not finite; its weights are damaged or not for it.")
        return scores
