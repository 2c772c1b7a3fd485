"""The cascade finds what a plain loop finds, whatever the picture, and keeps what belongs together."""

from __future__ import annotations

import runpy
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from hybridfer.deep.cascade import BAND, Cascade, crops, pyramid, suppress, suppress_inside
from hybridfer.deep.device import one_thread
from hybridfer.deep.mtcnn_weights import load_mtcnn, read_weights
from hybridfer.deep.nets.mtcnn import ONet, PNet, RNet
from hybridfer.media.images import read_image
from hybridfer.media.scene import Scene
from hybridfer.media.virtual import DrawnSource

PLAIN = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "plain_mtcnn.py"))


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    return Cascade(*load_mtcnn())


@pytest.fixture
def nets() -> list[nn.Module]:
    """P-Net, R-Net and O-Net as torch lays them out by itself."""
    state = read_weights()
    made: list[nn.Module] = [PNet(), RNet(), ONet()]
    for name, net in zip(("pnet", "rnet", "onet"), made, strict=True):
        net.load_state_dict({key[5:]: value for key, value in state.items() if key.startswith(name)})
        net.eval()
    return made


def assert_same_faces(pixels: np.ndarray, cascade: Cascade, nets: list[nn.Module], min_face: int) -> int:
    with one_thread():
        expected = PLAIN["detect"](pixels, *nets, min_face)
    found = cascade.detect(pixels, min_face)
    assert len(found[0]) == len(expected[0])
    for ours, plain in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, plain, atol=0.01)
    return len(found[0])


def two_astronauts(astronaut: np.ndarray) -> np.ndarray:
    both = np.zeros((512, 800, 3), np.uint8)
    both[:, :512], both[:256, 520:776] = astronaut, cv2.resize(astronaut, (256, 256))
    return both


@pytest.mark.parametrize("min_face", [20, 40])
def test_the_plain_loop_finds_the_same_faces(
    astronaut: np.ndarray, cascade: Cascade, nets: list[nn.Module], min_face: int
) -> None:
    assert assert_same_faces(two_astronauts(astronaut), cascade, nets, min_face) == 2
    for cut in (astronaut[85:], astronaut[:, 195:], astronaut[:, :245], astronaut[:150]):
        assert assert_same_faces(cut, cascade, nets, min_face) == 1


def test_the_plain_loop_finds_the_same_drawn_faces(cascade: Cascade, nets: list[nn.Module]) -> None:
    heads = [DrawnSource(person, (0.0,) * 18, Scene(size=192, zoom=0.8)).draw().pixels for person in range(4)]
    assert assert_same_faces(np.hstack(heads), cascade, nets, 30) >= 1


def test_the_plain_loop_finds_the_same_faces_in_photographs(
    data_folder: Path, cascade: Cascade, nets: list[nn.Module]
) -> None:
    files = sorted((data_folder / "photos").glob("*.jpg")) + sorted((data_folder / "photos" / "boxes").glob("2*.jpg"))
    found = [assert_same_faces(read_image(file).pixels, cascade, nets, 40) for file in files]
    assert len(files) >= 15 and sum(found) >= 40


# Computed from the rule m * factor^k, m = 12 / 20, as long as the shorter side is 12 pixels or more.
SCALES = [0.6, 0.4254, 0.30161, 0.21384, 0.15161, 0.10749, 0.07621, 0.05403, 0.03831, 0.02716]


def test_the_pyramid_begins_where_the_smallest_face_is_a_cell() -> None:
    np.testing.assert_allclose(list(pyramid(480, 640, 20, 0.709)), SCALES, atol=6e-6)


class Toy(nn.Module):
    """A P-Net that sees a face of score 0.9 in one cell of a level of one size, and remembers the sizes it was shown."""

    def __init__(self, height: int, row: int, column: int) -> None:
        super().__init__()
        self.height, self.row, self.column = height, row, column
        self.shown: list[tuple[int, ...]] = []

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.shown.append(tuple(x.shape[2:]))
        rows, columns = (-(-(side - 2) // 2) - 4 for side in x.shape[2:])
        logits = torch.zeros(1, 2, rows, columns)
        logits[:, 0] = 9
        if x.shape[2] == self.height:
            logits[0, :, self.row, self.column] = torch.log(torch.tensor([0.1, 0.9]))
        return logits, torch.zeros(1, 4, rows, columns)


def test_a_cell_stands_for_the_pixels_it_saw() -> None:
    toy = Toy(61, 0, 0)
    squares, scores = Cascade(toy, nn.Identity(), nn.Identity()).propose(np.zeros((100, 100, 3), np.uint8), 20)
    # int(100 * 0.6 + 1); of the first cell at 0.6: floor(1 / 0.6), floor(12 / 0.6).
    assert max(toy.shown) == (61, 61)
    np.testing.assert_array_equal(squares, [[1, 1, 20, 20]])
    np.testing.assert_allclose(scores, [0.9], rtol=1e-6)


def test_cells_of_later_bands_lie_where_they_are() -> None:
    # A level of 2 * BAND + 41 rows: its second band begins one cell early, its last one has 41 + 2 rows.
    toy = Toy(43, 1 + 3, 7)
    squares, _ = Cascade(toy, nn.Identity(), nn.Identity()).propose(np.zeros((2 * BAND + 40, 60, 3), np.uint8), 12)
    top = 2 * (BAND + 3) + 1
    np.testing.assert_array_equal(squares, [[15, top, 26, top + 11]])


def area_crop(pixels: np.ndarray, box: list[float], side: int) -> torch.Tensor:
    """As torch makes a window: black beyond the edge, then the mean over the area of each pixel."""
    x1, y1, x2, y2 = map(int, box)
    wide = np.pad(pixels, ((500, 500), (500, 500), (0, 0)))[y1 + 499 : y2 + 500, x1 + 499 : x2 + 500]
    window = torch.from_numpy(wide.copy()).permute(2, 0, 1)[None].float()
    return (F.interpolate(window, (side, side), mode="area")[0] - 127.5) / 128


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-60, 120)] * 2, *[st.floats(0, 150)] * 2), min_size=1, max_size=20))
def test_windows_are_what_torch_cuts_and_resizes(corners: list[tuple[float, ...]]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 110, 3), np.uint8)
    boxes = [[x, y, x + width, y + height] for x, y, width, height in corners]
    found = crops(pixels, np.array(boxes), 24)
    for window, box in zip(found, boxes, strict=True):
        np.testing.assert_allclose(window, area_crop(pixels, box, 24), atol=1e-5)


def test_sums_that_run_over_give_the_same_windows() -> None:
    # Its pixels sum to 3.06e9, more than 31 bits hold.
    pixels = np.full((3000, 4000, 3), 255, np.uint8)
    pixels[2900:, 3900:] = 0
    found = crops(pixels, np.array([[1, 1, 4000, 3000], [3801, 2801, 4000, 3000]]), 24)
    np.testing.assert_allclose(found[0, :, :-1, :-1], 127.5 / 128)
    np.testing.assert_allclose(found[1, :, 12:, 12:], -127.5 / 128)
    np.testing.assert_allclose(found[1, :, :12], 127.5 / 128)


boxes_and_scores = st.integers(0, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.tuples(*[st.integers(0, 60)] * 4), min_size=n, max_size=n),
        st.lists(st.floats(0.0625, 1, width=32), min_size=n, max_size=n),
    )
)


@settings(max_examples=100, deadline=None)
@given(boxes_and_scores, st.sampled_from([0.3, 0.5, 0.7]))
@example(([(0, 0, 6, 12), (0, 0, 9, 8)], [1.0, 1.0]), 0.7)  # 63 of 90 pixels are 0.7, and 0.7 of 90 are fewer than 63
def test_the_same_boxes_are_suppressed_as_in_a_plain_loop(
    drawn: tuple[list[tuple[int, ...]], list[float]], threshold: float
) -> None:
    boxes = np.array(drawn[0], float).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    scores = np.array(drawn[1])
    assert list(suppress(boxes, scores, threshold)) == PLAIN["nms"](boxes, scores, threshold)
    assert list(suppress_inside(boxes, scores, threshold)) == PLAIN["nms"](boxes, scores, threshold, of_smaller=True)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.floats(-50, 500), st.floats(-50, 500), st.floats(12, 200)), min_size=1, max_size=40))
def test_a_row_never_carries_anothers_score_or_points(cornered: list[tuple[float, ...]]) -> None:
    from skimage import data

    pixels = data.astronaut()
    cascade = Cascade(*load_mtcnn(), thresholds=(0, 0, 0))
    squares = np.array([[x, y, x + side, y + side] for x, y, side in cornered])
    for stage in (cascade.refine, cascade.output):
        alone = [stage(pixels, squares[i : i + 1]) for i in range(len(squares))]
        rows = np.array([np.concatenate([part[0].ravel() for part in one]) for one in alone if len(one[0])])
        together = stage(pixels, squares)
        assert len(together[0]) >= min(1, len(rows))
        for row in zip(*together, strict=True):
            one = np.concatenate([np.ravel(part) for part in row])
            assert np.abs(rows - one).max(1).min() < 0.01


def test_no_windows_are_no_faces(cascade: Cascade) -> None:
    pixels, none = np.zeros((50, 50, 3), np.uint8), np.empty((0, 4))
    assert [part.shape for part in cascade.refine(pixels, none)] == [(0, 4), (0,)]
    assert [part.shape for part in cascade.output(pixels, none)] == [(0, 4), (0,), (0, 5, 2)]
    # Wholly beyond the edge: nothing to see, and not counted as a window.
    squares, _ = Cascade(Beyond(), nn.Identity(), nn.Identity()).propose(pixels, 12)
    assert len(squares) == 0


class Beyond(nn.Module):
    """A P-Net that moves every cell's box far out of the picture."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows, columns = (-(-(side - 2) // 2) - 4 for side in x.shape[2:])
        return torch.tensor([-9.0, 9.0])[None, :, None, None].expand(1, 2, rows, columns), torch.full(
            (1, 4, rows, columns), -50.0
        )


def test_a_face_cut_by_the_edge_is_where_it_was(astronaut: np.ndarray, cascade: Cascade) -> None:
    whole, (cut,) = cascade.detect(astronaut, 40)[2][0], cascade.detect(astronaut[85:, 190:], 40)[2]
    np.testing.assert_allclose(cut + np.array([190, 85]), whole, atol=5)


@pytest.mark.parametrize("shape", [(1, 1), (11, 300), (12, 12), (13, 400), (200, 200)])
@pytest.mark.parametrize("fill", ["black", "white", "noise", "stripes"])
def test_pictures_without_a_face_give_none_and_no_nan(cascade: Cascade, shape: tuple[int, int], fill: str) -> None:
    pixels = {
        "black": np.zeros((*shape, 3), np.uint8),
        "white": np.full((*shape, 3), 255, np.uint8),
        "noise": np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8),
        "stripes": np.repeat(np.arange(shape[1], dtype=np.uint8)[None, :, None] * 40, shape[0], 0).repeat(3, 2),
    }[fill]
    boxes, scores, points = cascade.detect(pixels, 12)
    assert (len(boxes), len(scores), len(points)) == (0, 0, 0)


def test_a_face_of_12_pixels_is_found(astronaut: np.ndarray, cascade: Cascade) -> None:
    # The face is about 90 pixels wide; of the sizes about 12 and 14 at least one is.
    found = []
    for factor in (0.14, 0.16):
        small = cv2.resize(astronaut, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        boxes, _, _ = cascade.detect(np.pad(small, ((40, 40), (40, 40), (0, 0)), mode="edge"), 12)
        found += [(box[:2] + box[2:]) / 2 - 40 - np.array([225, 115]) * factor for box in boxes]
    assert any(np.abs(distance).max() < 3 for distance in found)


def test_the_main_threads_helpers_change_no_bit(astronaut: np.ndarray, cascade: Cascade) -> None:
    alone: list[Any] = []
    thread = threading.Thread(target=lambda: alone.append(cascade.detect(astronaut, 20)))
    thread.start()
    thread.join()
    for ours, theirs in zip(cascade.detect(astronaut, 20), alone[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="wants a GPU")
def test_a_gpu_finds_the_same_faces(astronaut: np.ndarray, cascade: Cascade) -> None:
    on_gpu = Cascade(*load_mtcnn("cuda"), device="cuda")
    for ours, theirs in zip(on_gpu.detect(astronaut, 20), cascade.detect(astronaut, 20), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.1)
