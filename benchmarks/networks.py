"""Networks on this machine's cores: ours as prepared against ONNX Runtime and OpenVINO on the same graph, in one run.

The networks that hybridfer ships, and slim untrained ones. ``inside``: a program's own threads share a picture out;
``outside``: each thread takes a part of the pictures for itself, as the commands do. The last column is the better of
ours over the better of theirs.

python -m benchmarks.networks [--rounds N] [--slim] (wants pip install 'hybridfer[onnx,openvino]')
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openvino
import torch

from benchmarks.common import in_turn, save
from hybridfer.deep.checkpoints import build_network, load_network
from hybridfer.deep.device import one_thread
from hybridfer.deep.export import INPUT, OUTPUTS, export_model
from hybridfer.deep.inference import prepare
from hybridfer.deep.runtimes import AT_ONCE
from hybridfer.deep.weights import is_network, is_shipped, weights_names, write_weights

SLIM: dict[str, dict[str, Any]] = {
    "arm": {"width": 0.5},
    "rmrn18": {"width": 0.25, "auxiliary": False},
    "alexnet-emotion": {"width": 0.5},
    "resnet18": {"width": 0.5},
}
BATCHES = (1, 8, 32)


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--slim", action="store_true", help="the slim ones alone")
    asked = parser.parse_args()
    shipped = [] if asked.slim else [n for n in weights_names() if is_shipped(n) and is_network(n)]
    rows = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(cores()) as pool:
        for text in [*shipped, *slim_models(Path(folder))]:
            for row in _measured(text, Path(folder), pool, asked.rounds):
                rows.append(row)
                print(
                    f"{row['network']:28} {row['batch']:3} {row['times_of_the_faster']:.2f}  {row['ms']}",
                    file=sys.stderr,
                )
    peers = {name: version(name) for name in ("onnxruntime", "openvino", "onnx", "onnxscript")}
    save("networks", {"threads": cores(), "at_once": AT_ONCE, "rows": rows, "peers": peers})


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def slim_models(folder: Path) -> Iterator[str]:
    """Write the slim networks, untrained, for grey pictures of 48 pixels, and yield their folders."""
    for network, width in SLIM.items():
        options = {"channels": 1, "input_size": 48, **width}
        torch.manual_seed(0)
        state = build_network(network, 7, **options).state_dict()
        record = {"name": network, "network": network, "classes": 7, "labels": list("abcdefg"), "size": 48}
        record |= {"mean": [0.5], "std": [0.25], "licence": "none", "origin": "untrained", "options": options}
        write_weights(folder / network, state, record, lambda card: "untrained\n")
        yield str(folder / network)


def _measured(text: str, folder: Path, pool: ThreadPoolExecutor, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield milliseconds of one network for each number of pictures."""
    plain, card = load_network(text)
    net = prepare(plain)
    file = str(folder / "graph.onnx")
    exported = export_model(text, file, overwrite=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": cores(), "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(file, "CPU", hints)

    def inside(net: torch.nn.Module, pictures: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            return net(pictures).numpy()

    def part(pictures: torch.Tensor) -> np.ndarray:
        with one_thread():
            return inside(net, pictures)

    for batch in BATCHES:
        unit = np.random.default_rng(0).random((batch, card.channels, card.size, card.size), np.float32)
        pictures = torch.from_numpy((unit - np.float32(card.mean[0])) / np.float32(card.std[0]))
        size = min(AT_ONCE, -(-batch // cores()))
        tasks: dict[str, Callable[[], np.ndarray]] = {
            "ours, inside": lambda p=pictures: inside(net, p),
            "ours, outside": lambda p=pictures, s=size: np.concatenate(list(pool.map(part, p.split(s)))),
            "torch as it comes": lambda p=pictures: inside(plain, p),
            "onnxruntime": lambda u=unit: session.run([OUTPUTS[0]], {INPUT: u})[0],
            "openvino": lambda u=unit: compiled({INPUT: u})[OUTPUTS[0]],
        }
        if len(set(card.mean)) == len(set(card.std)) == 1:
            for name, task in tasks.items():
                np.testing.assert_allclose(task(), tasks["torch as it comes"](), rtol=1e-3, atol=1e-3, err_msg=name)
        times = in_turn(tasks, rounds)
        ours = min(times["ours, inside"], times["ours, outside"])
        yield {
            "network": f"{card.network} {dict(card.options)}" if Path(text).is_dir() else text,
            "parameters": sum(p.numel() for p in plain.parameters()),
            "batch": batch,
            "ms": {name: round(seconds * 1e3, 2) for name, seconds in times.items()},
            "times_of_the_faster": round(ours / min(times["onnxruntime"], times["openvino"]), 2),
            "export": exported,
        }


if __name__ == "__main__":
    main()
