"""PFLD, the teacher: 98 points of real faces, and files that are not it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hybridfer.datasets.points import read_points
from hybridfer.deep.landmarks.crop import Window, window_of_points
from hybridfer.deep.landmarks.teacher import MARGIN, Pfld
from hybridfer.errors import WeightsError
from hybridfer.evaluation.landmarks import face_errors


def field(number: int, value: bytes | int) -> bytes:
    """One field of a protocol buffer: https://protobuf.dev/programming-guides/encoding/."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, 0x80 | len(value) & 0x7F, len(value) >> 7]) + value


def onnx(operation: bytes, output: bytes = b"output") -> bytes:
    """A model of one operation without attributes on ``input`` (1, 3, 112, 112), as onnx.proto3 numbers its fields."""
    node = field(1, b"input") + field(2, output) + field(4, operation)
    dims = b"".join(field(1, field(1, size)) for size in (1, 3, 112, 112))
    kind = field(2, field(1, field(1, 1) + field(2, dims)))
    body = field(1, node) + field(2, b"graph") + field(11, field(1, b"input") + kind)
    body += field(12, field(1, output) + kind)
    return field(1, 6) + field(7, body) + field(8, field(1, b"") + field(2, 11))


def test_its_points_of_four_real_faces_are_near_those_that_people_marked(data_folder: Path) -> None:
    teacher = Pfld(data_folder / "teachers" / "pfld98_ghostone.onnx")
    for face in read_points(data_folder / "wflw_sample" / "test_wflw.json"):
        window = window_of_points(face.points, MARGIN)
        pixels = face.source.read().pixels
        points = teacher.points(pixels, [window, Window(window.x + 4, window.y, window.side)])
        assert points.shape == (2, 98, 2)
        # Its author tells 5.2 % in the mean over WFLW's test faces.
        assert face_errors(points, np.stack([face.points] * 2)).max() < 0.06
        assert np.abs(points[0] - points[1]).mean() < 2


def test_it_is_shown_rgb_from_minus_1_to_1_and_answers_in_shares_of_the_window(tmp_path: Path) -> None:
    class Recorder:
        def setInput(self, seen: np.ndarray) -> None:
            self.seen = seen

        def forward(self) -> np.ndarray:
            return np.tile([0.25, 1], (1, 98))

    (tmp_path / "a.onnx").write_bytes(onnx(b"Relu"))
    teacher = Pfld(tmp_path / "a.onnx")
    teacher.network = recorder = Recorder()
    (points,) = teacher.points(np.full((90, 90, 3), (255, 0, 51), np.uint8), [Window(40, 50, 60)])
    assert recorder.seen.shape == (1, 3, 112, 112)
    assert recorder.seen.dtype == np.float32
    np.testing.assert_allclose(recorder.seen[0, :, 5, 7], [1, -1, -0.6], rtol=1e-6)
    np.testing.assert_allclose(points, np.tile([40 - 60 / 4, 50 + 60 / 2], (98, 1)))


def test_no_faces_have_no_points(data_folder: Path) -> None:
    teacher = Pfld(data_folder / "teachers" / "pfld98_ghostone.onnx")
    assert teacher.points(np.zeros((9, 9, 3), np.uint8), []).shape == (0, 98, 2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no ONNX, or is cut"),
        (onnx(b"Relu")[:-40], "is no ONNX, or is cut"),
        (onnx(b"Relu", b"scores"), "has the outputs scores; expected output"),
        (onnx(b"NoSuchThing"), "OpenCV cannot run .*fetch it again"),
    ],
)
def test_files_that_are_not_it_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(WeightsError, match=said):
        Pfld(tmp_path / "a.onnx")
    with pytest.raises(WeightsError, match=r"none\.onnx cannot be read"):
        Pfld(tmp_path / "none.onnx")


def test_a_network_of_other_points_is_refused_when_it_gives_them(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(onnx(b"Relu"))
    with pytest.raises(WeightsError, match=r"a\.onnx gives 37632 numbers for a face; expected 196"):
        Pfld(tmp_path / "a.onnx").points(np.zeros((50, 50, 3), np.uint8), [Window(20, 20, 30)])
