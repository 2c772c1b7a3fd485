"""A trained network as an ONNX file: for programs that know nothing of hybridfer or torch."""

from __future__ import annotations

import importlib
import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hybridfer import __version__
from hybridfer.deep.checkpoints import load_network
from hybridfer.deep.inference import fold
from hybridfer.deep.weights import WeightsCard, read_record
from hybridfer.errors import WeightsError
from hybridfer.tables import check_output, replacing

OPSET = 18
"""Version of ONNX's operations."""

INPUT, OUTPUTS = "pictures", ("logits", "probabilities")
"""Names of what the graph takes and gives."""

TOLERANCE = 1e-4
"""Largest difference of scores between the file and torch, as a share of the largest score."""

TRIED = 3
"""Pictures on which they are compared; the graph was made from another number of them."""


class Exported(nn.Module):
    """A network with what is done before and after it: pictures of 0 to 1 in, scores and probabilities out.

    Parameters
    ----------
    net : nn.Module
    card : WeightsCard
        Says the mean and the deviation.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, card: WeightsCard) -> None:
        super().__init__()
        self.net = net
        for name, values in (("mean", card.mean), ("std", card.std)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).view(-1, 1, 1))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores and probabilities, each ``(n, classes)``, of pictures ``(n, channels, size, size)``."""
        logits = self.net((pictures - self.mean) / self.std)
        return logits, torch.softmax(logits, 1)


def export_model(text: str, output: str | os.PathLike[str], overwrite: bool = False) -> dict[str, Any]:
    """Write a trained network as one ONNX file, when that answers as the network does.

    The graph takes ``pictures``, ``(n, channels, size, size) float32`` of 0 to 1 and any n: red, green and blue, or
    grey where there is one channel. Mean and deviation are in it. It gives ``logits`` and ``probabilities``, both ``(n,
    classes) float32``. Batch norms are folded into the layers before them. Its metadata are texts: ``labels``, the
    classes in order, ``mean``, ``std`` and ``grey`` as JSON, and ``size``, ``channels``, ``network``, ``fingerprint``,
    ``sha256``, ``licence``, ``origin`` and ``hybridfer``. With ``grey``, all three channels are to be equal.

    Parameters
    ----------
    text : str
        A name of ``hybridfer models list``, or the path of a folder that ``hybridfer train`` wrote.
    output : path
        The file, ``.onnx`` by custom.
    overwrite : bool
        Whether it may be replaced.

    Returns
    -------
    dict
        ``opset``; ``compared_with``, what ran the file: ONNX Runtime where it is installed, else the slow evaluator of
        onnx; and ``max_difference`` of the logits between it and torch, on random pictures.

    Raises
    ------
    WeightsError
        If there is no such network, the libraries for it are missing, or the file answers otherwise than the network.
    OutputError
        If the file exists and `overwrite` is False, or it cannot be written.
    """
    onnx = optional("onnx")
    optional("onnxscript")  # torch wants it
    check_output(output, overwrite)  # before the work, not after it
    net, card = load_network(text)
    # What torch remembers of a number of 1 is that it is 1.
    example = torch.zeros(2, card.channels, card.size, card.size)
    with _quietly(), torch.inference_mode(False), torch.no_grad():
        program = torch.onnx.export(
            Exported(fold(net), card).eval(),
            (example,),
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: torch.export.Dim("n")},),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise WeightsError(f"torch {torch.__version__} makes no ONNX program of {text}; install another torch.")
    model = program.model_proto
    onnx.helper.set_model_props(model, _metadata(card, read_record(text)))
    content = model.SerializeToString()
    pictures = np.random.default_rng(0).random((TRIED, *example.shape[1:]), np.float32)
    runner, found = _run(content, pictures)
    with torch.inference_mode():
        expected = Exported(net, card)(torch.from_numpy(pictures))[0].numpy()
    apart = float(np.abs(found - expected).max())
    if not apart <= TOLERANCE * float(np.abs(expected).max()):
        raise WeightsError(
            f"{text} as ONNX gives scores that are up to {apart:.2g} away from torch's, by {runner}; it is not "
            f"written. Install another torch (here {torch.__version__}) or onnxscript."
        )
    with replacing(output, overwrite) as beside:
        beside.write_bytes(content)
    return {"opset": OPSET, "compared_with": runner, "max_difference": apart}


def optional(name: str) -> Any:
    """Return a module that is not always installed.

    Raises
    ------
    WeightsError
        If it is not.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        extra = "openvino" if name == "openvino" else "onnx"
        raise WeightsError(f"{name} is not installed, and this wants it: pip install 'hybridfer[{extra}]'.") from None


def _run(content: bytes, pictures: npt.NDArray[np.float32]) -> tuple[str, npt.NDArray[np.float32]]:
    """Return what ran an exported file, with its version, and the logits it gives of pictures."""
    try:
        runtime = optional("onnxruntime")
        run = runtime.InferenceSession(content).run
    except WeightsError:
        runtime = optional("onnx")
        run = importlib.import_module("onnx.reference").ReferenceEvaluator(runtime.load_from_string(content)).run
    logits: npt.NDArray[np.float32] = run([OUTPUTS[0]], {INPUT: pictures})[0]
    return f"{runtime.__name__} {runtime.__version__}", logits


def _metadata(card: WeightsCard, record: dict[str, Any]) -> dict[str, str]:
    return {
        "labels": json.dumps(card.labels, ensure_ascii=False),
        "mean": json.dumps(card.mean),
        "std": json.dumps(card.std),
        "grey": json.dumps(card.grey or card.channels == 1),
        "size": str(card.size),
        "channels": str(card.channels),
        "network": card.network,
        "fingerprint": str(record.get("fingerprint", "")),
        "sha256": card.sha256,
        "licence": card.licence,
        "origin": card.origin,
        "hybridfer": __version__,
    }


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep torch from telling of torchvision, which nothing here is of, and of its own older names."""
    loud = logging.getLogger("torch.onnx")
    level = loud.level
    loud.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        loud.setLevel(level)
