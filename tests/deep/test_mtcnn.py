"""MTCNN's networks and published weights: the counts and outputs that are known of them, and a cache that may break."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from hybridfer.bank.cache import cache_folder
from hybridfer.deep import mtcnn_weights
from hybridfer.deep.mtcnn_weights import FILES, SHA256, load_mtcnn, read_weights, tensors_sha256
from hybridfer.deep.nets.mtcnn import ONet, PNet, RNet, flatten_columns
from hybridfer.errors import WeightsError


def kept_file() -> Path:
    return cache_folder() / "weights" / "mtcnn.safetensors"


# Counted by hand from det1-3.prototxt.
@pytest.mark.parametrize(("kind", "count"), [(PNet, 6632), (RNet, 100178), (ONet, 389040)])
def test_every_network_has_the_published_number_of_parameters(kind: type[nn.Module], count: int) -> None:
    assert sum(p.numel() for p in kind().parameters()) == count


@pytest.mark.parametrize(("height", "width"), [(12, 12), (13, 12), (100, 100), (101, 57)])
def test_the_map_of_pnet_is_as_large_as_caffes(height: int, width: int) -> None:
    logits, offsets = PNet()(torch.zeros(1, 3, height, width))
    # Of ceil((H - 2) / 2) - 4; 100 x 100 gives 45 x 45.
    shape = tuple(-(-(side - 2) // 2) - 4 for side in (height, width))
    assert tuple(logits.shape) == (1, 2, *shape) and tuple(offsets.shape) == (1, 4, *shape)
    assert shape == (45, 45) or height != 100


def test_maps_are_laid_out_column_by_column() -> None:
    maps = torch.arange(2 * 3 * 4).reshape(1, 2, 3, 4)
    flat = flatten_columns(maps)[0]
    for channel, row, column in np.ndindex(2, 3, 4):
        assert flat[(column * 3 + row) * 2 + channel] == maps[0, channel, row, column]


def ramp(side: int) -> torch.Tensor:
    return torch.linspace(-1, 1, 3 * side * side).reshape(1, 3, side, side)


# What facenet-pytorch's networks give with its own files (pnet.pt, rnet.pt, onet.pt): probability of a face, box, points.
GOLDEN = {
    "pnet": (12, [1.54833e-3], [0.036074, -0.036159, 0.025501, 0.120772]),
    "rnet": (24, [6.80677e-4], [-0.146350, -0.227258, 0.152062, 0.387384]),
    "onet": (
        48,
        [1.41527e-4],
        [-0.039364, -0.074977, -0.014943, 0.116689],
        [0.363021, 0.692610, 0.516559, 0.346405, 0.585243, 0.260758, 0.293516, 0.504563, 0.735794, 0.770250],
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_published_weights_give_what_facenet_pytorch_gives(name: str) -> None:
    side, *expected = GOLDEN[name]
    net = dict(zip(FILES, load_mtcnn(), strict=True))[name]
    with torch.inference_mode():
        logits, *others = net(ramp(side))
    found = [logits.flatten(1).softmax(1)[:, 1], *(other.flatten() for other in others)]
    for value, golden in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, golden, atol=1e-5)


def test_the_published_pnet_gives_what_facenet_pytorch_gives_for_black() -> None:
    with torch.inference_mode():
        logits, offsets = load_mtcnn()[0](torch.zeros(1, 3, 12, 12))
    np.testing.assert_allclose(logits.flatten().softmax(0)[1], 1.26589e-4, atol=1e-8)
    np.testing.assert_allclose(offsets.flatten(), [-0.021401, -0.153777, 0.039427, 0.143962], atol=1e-5)


def test_the_weights_are_read_from_the_package_once_and_then_from_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    first = read_weights()
    monkeypatch.setattr(mtcnn_weights, "_package_file", lambda name: pytest.fail("read again"))
    again = read_weights()
    assert first.keys() == again.keys() and all(torch.equal(first[name], again[name]) for name in first)
    assert list(kept_file().parent.iterdir()) == [kept_file()]


def test_importing_the_package_is_not_needed() -> None:
    code = (
        "import sys; from hybridfer.deep.mtcnn_weights import load_mtcnn; load_mtcnn(); print('mtcnn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize("damage", ["cut", "empty", "foreign", "changed"])
def test_a_damaged_file_in_the_cache_is_made_again(damage: str) -> None:
    read_weights()
    file = kept_file()
    if damage == "changed":
        state = load_file(file)
        state["onet.dense5.weight"][0, 0] += 1e-3
        save_file(state, file)
    else:
        file.write_bytes({"cut": file.read_bytes()[:-9], "empty": b"", "foreign": b"no weights"}[damage])
    assert tensors_sha256(read_weights()) == SHA256
    assert tensors_sha256(load_file(file)) == SHA256


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HYBRIDFER_CACHE", str(tmp_path / "file"))
    assert tensors_sha256(read_weights()) == SHA256


def test_two_processes_may_fill_the_cache_at_once() -> None:
    code = "from hybridfer.deep.mtcnn_weights import *; assert tensors_sha256(read_weights()) == SHA256"
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert list(kept_file().parent.iterdir()) == [kept_file()]


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(WeightsError, match=r"mtcnn, .* is not installed. Run pip install .*mtcnn==1.0.0"):
        read_weights()


class Elsewhere:
    """A distribution whose files lie in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def locate_file(self, name: str) -> Path:
        return self.folder / name


def test_a_file_that_is_not_the_known_one_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mtcnn" / "assets" / "weights"
    folder.mkdir(parents=True)
    monkeypatch.setattr(metadata, "distribution", lambda name: Elsewhere(tmp_path))
    with pytest.raises(WeightsError, match=r"pnet.lz4 cannot be read: No such file"):
        read_weights()
    for name in FILES:
        (folder / f"{name}.lz4").write_bytes(b"cposix\nsystem\n(S'exit 1'\ntR.")
    digest = hashlib.sha256((folder / "pnet.lz4").read_bytes()).hexdigest()[:12]
    with pytest.raises(WeightsError, match=f"has SHA-256 {digest}…, expected {FILES['pnet'][:12]}…"):
        read_weights()
    assert not kept_file().exists()
