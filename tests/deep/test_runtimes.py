"""What a network runs on: other programs give its scores too, and those that cannot are refused by name."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from deep.corner import TABLE, corner_model, picture
from deep.toy_networks import Toy

from hybridfer.deep import NETWORKS, RUNTIMES, runtimes
from hybridfer.deep.activations import NetworkLayer
from hybridfer.deep.runtimes import NetworkScores, create_runtime
from hybridfer.errors import DeviceError, SpecError, WeightsError

OTHERS = [name for name in RUNTIMES.names() if name != "torch"]
ALL = ["torch", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]


@pytest.fixture(autouse=True)
def corner(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network ``corner``; nothing is remembered of other tests."""
    monkeypatch.setitem(NETWORKS.table, "corner", TABLE["corner"])
    runtimes._created.cache_clear()


def scores(folder: Path, runtime: str = "torch", network: str = "corner", size: int = 16) -> NetworkScores:
    if runtime != "torch":
        for library in (runtime, "onnx", "onnxscript"):
            pytest.importorskip(library)
    return NetworkScores(network=network, layer="fc", weights=str(folder), size=size, runtime=runtime)


@pytest.mark.parametrize("runtime", ALL)
def test_scores_are_those_worked_out_by_hand(runtime: str, tmp_path: Path) -> None:
    found = scores(corner_model(tmp_path / "m"), runtime).describe_batch([picture(255), picture(51, 255)])
    # A quarter q of the mean: scores 1 - 8 q / 4 and 8 q / 4 - 1, for a corner of 1 and one of 0.2.
    np.testing.assert_allclose(found, [[-1, 1], [0.6, -0.6]], atol=1e-5)
    assert found.dtype == np.float32


@pytest.mark.parametrize("runtime", ALL)
def test_a_face_alone_and_among_others_gets_the_same_bits(runtime: str, tmp_path: Path) -> None:
    torch.manual_seed(4)
    layer = scores(corner_model(tmp_path / "m", Toy(2), network="toy", size=48), runtime, "toy", 48)
    crops = list(np.random.default_rng(0).integers(0, 256, (11, 50, 44, 3), np.uint8))
    together = layer.describe_batch(crops)
    for number, crop in enumerate(crops):
        np.testing.assert_array_equal(layer.describe(crop), together[number])
    plain = NetworkLayer(network="toy", layer="fc", weights=layer.weights, size=48)
    np.testing.assert_allclose(together, plain.describe_batch(crops), atol=1e-5)
    assert (layer.spec, layer.version, layer.length) == (plain.spec, plain.version, plain.length)
    assert layer.describe_batch([]).shape == (0, 2)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", OTHERS)
def test_the_graph_is_made_once(runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = scores(corner_model(tmp_path / "m"), runtime)
    first = layer.describe(picture(255))
    runtimes._created.cache_clear()
    monkeypatch.setattr(runtimes, "export_model", None)
    np.testing.assert_array_equal(layer.describe(picture(255)), first)


def test_other_weights_in_the_same_folder_are_seen(tmp_path: Path) -> None:
    layer = scores(corner_model(tmp_path / "m"))
    before = layer.describe(picture(255))
    net = NETWORKS.load("corner")()
    with torch.no_grad():
        net.fc.bias += 1
    (tmp_path / "m").rename(tmp_path / "old")
    corner_model(tmp_path / "m", net)
    np.testing.assert_allclose(layer.describe(picture(255)), before + 1, atol=1e-5)


def test_only_what_torch_gives_is_cached(tmp_path: Path) -> None:
    folder = str(corner_model(tmp_path / "m"))
    for name in RUNTIMES.names():
        layer = NetworkScores(network="corner", layer="fc", weights=folder, size=16, runtime=name)
        assert layer.cacheable == (name == "torch")


@pytest.mark.parametrize("runtime", OTHERS)
def test_a_runtime_that_is_missing_or_on_a_gpu_is_refused(
    runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(corner_model(tmp_path / "m"))
    with pytest.raises(DeviceError, match=f"^{runtime} works on the processor only, not on 'cuda:1'"):
        create_runtime(runtime, folder, "cuda:1")
    monkeypatch.setitem(sys.modules, runtime, None)
    with pytest.raises(WeightsError, match=rf"^{runtime} is not installed.*pip install 'hybridfer\["):
        create_runtime(runtime, folder)


def test_unknown_runtimes_and_weights_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"No runtime named 'onnx'\. Did you mean 'onnxruntime'\?"):
        create_runtime("onnx", str(corner_model(tmp_path / "m")))
    with pytest.raises(WeightsError, match="No weights named 'arn'"):
        create_runtime("torch", "arn")


def test_weights_that_give_no_numbers_are_damaged(tmp_path: Path) -> None:
    net = NETWORKS.load("corner")()
    with torch.no_grad():
        net.fc.weight.fill_(3e38)
    with pytest.raises(WeightsError, match="not finite"):
        scores(corner_model(tmp_path / "m", net, std=(0.01,) * 3)).describe(picture(255))
