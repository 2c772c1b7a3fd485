"""A network as an ONNX file: what it takes and gives, what it says of itself, and when there is none."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from deep.corner import TABLE, corner_model
from safetensors.torch import load_file

from hybridfer.deep import NETWORKS, export
from hybridfer.deep.checkpoints import build_network
from hybridfer.deep.export import export_model
from hybridfer.deep.weights import read_record, write_weights
from hybridfer.errors import OutputError, WeightsError

LABELS = ("anger", "happiness", "Überraschung")


@pytest.fixture(autouse=True)
def corner(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network ``corner``."""
    monkeypatch.setitem(NETWORKS.table, "corner", TABLE["corner"])


def slim_model(folder: Path, network: str, **options: Any) -> Path:
    """Write the folder of a slim network with random weights."""
    options = {"input_size": 48, "width": 0.125, **options}
    channels = options.get("channels", 3)
    torch.manual_seed(0)
    state = build_network(network, 3, **options).state_dict()
    record = {"name": "slim", "network": network, "classes": 3, "labels": LABELS, "size": 48, "options": options}
    record |= {"mean": (0.5, 0.4, 0.3)[:channels], "std": (0.25, 0.2, 0.3)[:channels], "origin": "a test"}
    write_weights(folder, state, {**record, "licence": "MIT"}, lambda card: "slim\n")
    return folder


def evaluated(file: Path, pictures: np.ndarray) -> list[np.ndarray]:
    """What onnx's own evaluator, which is plain and slow, makes of pictures."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    onnx.checker.check_model(str(file), full_check=True)
    return ReferenceEvaluator(str(file)).run(None, {"pictures": pictures})


@pytest.mark.slow
def test_the_graph_takes_pictures_of_0_to_1_and_gives_scores_and_probabilities(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    file = tmp_path / "corner.onnx"
    made = export_model(str(corner_model(tmp_path / "m", mean=(0.5,) * 3, std=(0.25,) * 3)), file)
    assert made["opset"] == 18 and made["compared_with"].startswith("onnx") and 0 <= made["max_difference"] < 1e-4
    for count in (1, 5):
        pictures = np.full((count, 3, 16, 16), 0.75, np.float32)
        logits, probabilities = evaluated(file, pictures)
        # (0.75 - 0.5) / 0.25 is 1 everywhere, 1/4 over all four quarters: scores of -8/4 + 1 and 8/4 - 1.
        np.testing.assert_allclose(logits, [[-1, 1]] * count, atol=1e-5)
        np.testing.assert_allclose(probabilities, [[1 / (1 + np.e**2), 1 / (1 + np.e**-2)]] * count, atol=1e-5)


@pytest.mark.slow
def test_it_says_of_itself_what_it_is(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    folder = slim_model(tmp_path / "m", "resnet18")
    export_model(str(folder), tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    said = {prop.key: prop.value for prop in model.metadata_props}
    assert json.loads(said["labels"]) == list(LABELS)
    assert (json.loads(said["mean"]), json.loads(said["std"])) == ([0.5, 0.4, 0.3], [0.25, 0.2, 0.3])
    assert (said["size"], said["channels"], said["grey"]) == ("48", "3", "false")
    assert said["fingerprint"] == read_record(str(folder))["fingerprint"]
    assert (said["licence"], said["network"]) == ("MIT", "resnet18")
    assert [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")] == [18]
    assert [value.name for value in model.graph.input] == ["pictures"]
    assert [value.name for value in model.graph.output] == ["logits", "probabilities"]
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}


GREY = ("arm", "rmrn18", "alexnet-emotion")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "channels"), [*((n, 3) for n in NETWORKS.names()), *((n, 1) for n in GREY)])
def test_every_network_can_be_exported(name: str, channels: int, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    slim = {"auxiliary": False} if name.startswith("rmrn") else {}
    folder = slim_model(tmp_path / "m", name, channels=channels, **slim)
    export_model(str(folder), tmp_path / "m.onnx")
    net = build_network(name, 3, input_size=48, width=0.125, channels=channels, **slim)
    net.load_state_dict(load_file(folder / "model.safetensors"))
    pictures = np.random.default_rng(3).random((2, channels, 48, 48), np.float32)
    mean, std = (np.float32(v[:channels]).reshape(-1, 1, 1) for v in ((0.5, 0.4, 0.3), (0.25, 0.2, 0.3)))
    with torch.inference_mode():
        expected = net.eval()(torch.from_numpy((pictures - mean) / std)).numpy()
    logits = evaluated(tmp_path / "m.onnx", pictures)[0]
    np.testing.assert_allclose(logits, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_without_the_libraries_it_says_what_to_install(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, None if name == missing else sys)
    folder = corner_model(tmp_path / "m")
    with pytest.raises(WeightsError, match=rf"^{missing} is not installed.*pip install 'hybridfer\[onnx\]'"):
        export_model(str(folder), tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries are there, and nobody may use them."""
    for name in ("onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, sys)


def test_a_file_that_is_there_stays_unless_told_otherwise(tmp_path: Path, no_work: None) -> None:
    (tmp_path / "m.onnx").write_text("mine")
    with pytest.raises(OutputError, match="add --overwrite"):
        export_model(str(corner_model(tmp_path / "m")), tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_text() == "mine"


def test_what_is_no_network_is_refused(tmp_path: Path, no_work: None) -> None:
    with pytest.raises(WeightsError, match="mtcnn-improved, which is no network"):
        export_model("mtcnn-improved", tmp_path / "m.onnx")
    with pytest.raises(WeightsError, match="No weights named 'arn'"):
        export_model("arn", tmp_path / "m.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [1.0, np.nan])
def test_a_file_that_answers_otherwise_is_not_written(
    wrong: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx")
    folder, run = corner_model(tmp_path / "m"), export._run
    monkeypatch.setattr(export, "_run", lambda *given: ("another", run(*given)[1] + np.float32(wrong)))
    with pytest.raises(WeightsError, match="away from torch's, by another; it is not written"):
        export_model(str(folder), tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.slow
def test_without_onnx_runtime_the_evaluator_of_onnx_compares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    made = export_model(str(corner_model(tmp_path / "m")), tmp_path / "m.onnx")
    assert made["compared_with"].startswith("onnx 1.")
