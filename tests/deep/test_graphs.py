"""ONNX files are looked at before they are kept: what they are of, how new, whether whole, whether all in one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from hybridfer.deep import GRAPHS
from hybridfer.deep.graphs import Graph, check_graph
from hybridfer.deep.weights import find_weights, import_weights, weights_names
from hybridfer.errors import WeightsError

pytestmark = pytest.mark.usefixtures("none_shipped")

TOY = Graph(("picture",), ("scores", "boxes"), 32, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network ``toy-graph``, for the length of a test."""
    monkeypatch.setitem(GRAPHS.table, "toy-graph", f"{__name__}:TOY")


def _field(number: int, value: bytes | int) -> bytes:
    """One field of a protocol buffer: https://protobuf.dev/programming-guides/encoding/."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, 0x80 | len(value) & 0x7F, len(value) >> 7]) + value


def _onnx(
    inputs: tuple[str, ...] = ("picture",),
    outputs: tuple[str, ...] = ("scores", "boxes"),
    opset: int = 11,
    tensor: bytes = b"",
    constant: bytes = b"",
) -> bytes:
    """A model as onnx.proto3 numbers its fields: one node, one weight named ``w``, inputs and outputs by name."""
    attribute = _field(1, b"value") + _field(5, constant)
    body = _field(1, _field(4, b"Constant") + _field(5, attribute)) + _field(5, _field(8, b"w") + tensor)
    for number, names in ((11, inputs), (12, outputs)):
        body += b"".join(_field(number, _field(1, name.encode())) for name in names)
    return _field(1, 6) + _field(7, body) + _field(8, _field(1, b"") + _field(2, opset))


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_file_of_the_network_is_kept_as_it_came_with_a_card(tmp_path: Path) -> None:
    content = _onnx()
    card = import_weights(_written(tmp_path / "a.onnx", content), "toy-graph", licence="MIT")
    assert (card.name, card.network, card.tensors, card.classes, card.size) == ("toy-graph", "toy-graph", 1, None, 32)
    path, again = find_weights("toy-graph")
    assert (path.name, path.read_bytes(), again) == ("model.onnx", content, card)
    assert card.sha256 == hashlib.sha256(content).hexdigest()


def test_weights_among_the_inputs_are_none(tmp_path: Path) -> None:
    assert check_graph(_onnx(inputs=("w", "picture")), TOY, "a") == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_onnx(inputs=("sound",)), "has the inputs sound; expected picture"),
        (_onnx(outputs=("scores",)), "has the outputs scores; expected boxes, scores"),
        (_onnx(outputs=()), "has the outputs none"),
        (_onnx(opset=99), "has opset 99; at most 21 is read"),
        (_onnx(tensor=_field(14, 1)), "keeps numbers in other files"),
        (_onnx(tensor=_field(13, b"k")), "keeps numbers in other files"),
        (_onnx(constant=_field(14, 1)), "keeps numbers in other files"),
        (_field(7, b"") + _field(7, b"") + _field(8, _field(2, 9)), "is no ONNX"),
        (_field(7, 1) + _field(8, _field(2, 9)), "is no ONNX"),
        (b"", "is no ONNX"),
        (b"hello, this is text", "is no ONNX"),
        (b"\xff" * 40, "is no ONNX"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(WeightsError, match=rf"a\.onnx does not fit toy-graph: the file {message}"):
        import_weights(_written(tmp_path / "a.onnx", content), "toy-graph")
    assert weights_names() == []


def test_a_cut_file_is_an_error_wherever_it_is_cut() -> None:
    whole = _onnx()
    for size in range(len(whole)):
        with pytest.raises(WeightsError, match="is no ONNX, or is cut"):
            check_graph(whole[:size], TOY, "a")


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match="is a folder"):
        import_weights(tmp_path, "toy-graph")
    with pytest.raises(WeightsError, match=r"gone\.onnx cannot be read: No such file"):
        import_weights(tmp_path / "gone.onnx", "toy-graph")
    monkeypatch.setattr("hybridfer.deep.graphs.MOST_BYTES", 10)
    with pytest.raises(WeightsError, match="bytes; at most 10 are read"):
        import_weights(_written(tmp_path / "a.onnx", _onnx()), "toy-graph")


def test_the_published_yunet_is_taken_and_other_networks_are_not(data_folder: Path) -> None:
    card = import_weights(data_folder / "teachers" / "yunet_n.onnx", "yunet")
    assert (card.tensors, card.size) == (124, 640)
    with pytest.raises(WeightsError, match=r"has the outputs .*; expected bbox_16"):
        import_weights(data_folder / "teachers" / "pfld98_ghostone.onnx", "yunet", name="other")
