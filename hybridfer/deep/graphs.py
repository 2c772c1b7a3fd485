"""Networks that run as the ONNX file they came in: what a file must say of itself to be one of them.

A file is a protocol buffer [1]_; the little that is asked of it is read here field by field. Nothing in it is run, and
a file that points to others is refused.

.. [1] ONNX, onnx.proto3. https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hybridfer.errors import WeightsError

MOST_BYTES = 1 << 28
"""Larger files are not read; the networks here have a few megabytes."""

NEWEST_OPSET = 21
"""The newest version of ONNX's operations that OpenCV is known to read."""

Value = int | bytes

_VARINT, _LONG, _BYTES, _INT = 0, 1, 2, 5
"""Kinds of fields."""


@dataclass(frozen=True)
class Graph:
    """What an ONNX file must have to be taken for a network, and what is known about the network.

    Attributes
    ----------
    inputs, outputs : tuple of str
        The names of all, in any order.
    size : int
        Side in pixels of the pictures it was trained on.
    mean, std : tuple of 3 float
        As on a card of weights.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def read_graph(file: str | os.PathLike[str]) -> bytes:
    """Return the bytes of an ONNX file.

    Raises
    ------
    WeightsError
        If it cannot be read, or is larger than :data:`MOST_BYTES`.
    """
    path = Path(file)
    if path.is_dir():
        raise WeightsError(f"{path} is a folder; name the ONNX file in it.")
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise WeightsError(f"{path} has {size} bytes; at most {MOST_BYTES} are read. Is it the right file?")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}; give the network's ONNX file.") from None


def check_graph(content: bytes, graph: Graph, where: str) -> int:
    """Return how many tensors an ONNX file holds, after a look whether it is the graph it is said to be.

    Parameters
    ----------
    content : bytes
        Of the file.
    graph : Graph
    where : str
        The file's name and network; opens the error's message.

    Raises
    ------
    WeightsError
        If it is not an ONNX file, cut or too new, has other inputs or outputs, or keeps numbers in other
        files.
    """
    try:
        model = _fields(content)
        opsets = [_fields(each).get(2, [1])[0] for each in model.get(8, [])]
        (graph_bytes,) = model[7]
        body = _fields(graph_bytes)
        inputs, outputs = ({_name(each, 1) for each in body.get(field, [])} for field in (11, 12))
        tensors = body.get(5, [])
        stored = {_name(each, 8) for each in tensors}
        attributes = [a for node in body.get(1, []) for a in _fields(node).get(5, [])]
        constants = [tensor for attribute in attributes for tensor in _fields(attribute).get(5, [])]
        elsewhere = any(13 in each or each.get(14) == [1] for each in map(_fields, (*tensors, *constants)))
        newest = max(map(int, opsets))
    except (LookupError, ValueError, TypeError):
        raise WeightsError(f"{where}: the file is no ONNX, or is cut; fetch it again.") from None
    if newest > NEWEST_OPSET:
        raise WeightsError(
            f"{where}: the file has opset {newest}; at most {NEWEST_OPSET} is read. Export it with an older one."
        )
    # Old files have their weights among the inputs.
    for what, has, wanted in (("inputs", inputs - stored, graph.inputs), ("outputs", outputs, graph.outputs)):
        if has != set(wanted):
            raise WeightsError(
                f"{where}: the file has the {what} {', '.join(sorted(has)) or 'none'}; expected "
                f"{', '.join(sorted(wanted))}. Give the network's own file, or another --network."
            )
    if elsewhere:
        raise WeightsError(f"{where}: the file keeps numbers in other files; export it with all of them in one.")
    return len(tensors)


def _fields(message: Value) -> dict[int, list[Value]]:
    """Return the fields of a message by number (onnx.proto3 has the numbers); those of one number in order."""
    if isinstance(message, int):
        raise TypeError(message)
    found: dict[int, list[Value]] = {}
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        value: Value
        if kind == _VARINT:
            value, place = _varint(message, place)
        else:
            if kind == _BYTES:
                size, place = _varint(message, place)
            else:
                size = {_LONG: 8, _INT: 4}[kind]
            value = message[place : place + size]
            if len(value) < size:
                raise ValueError(size)
            place += size
        found.setdefault(key >> 3, []).append(value)
    return found


def _name(message: Value, field: int) -> str:
    (name,) = _fields(message)[field]
    return bytes.decode(name, "utf-8")  # type: ignore[arg-type]


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError(value)
