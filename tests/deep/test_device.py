"""A device is used when it is there, refused when it is not, and chosen only when asked to choose."""

from __future__ import annotations

import pytest
import torch

from hybridfer.deep.device import choose_device
from hybridfer.errors import DeviceError


def gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


@pytest.mark.parametrize(("count", "chosen"), [(0, "cpu"), (1, "cuda")])
def test_only_auto_chooses(monkeypatch: pytest.MonkeyPatch, count: int, chosen: str) -> None:
    gpus(monkeypatch, count)
    assert choose_device("auto") == chosen
    assert choose_device("cpu") == "cpu"


@pytest.mark.parametrize("asked", ["cuda", "cuda:0"])
def test_a_gpu_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    gpus(monkeypatch, 0)
    with pytest.raises(DeviceError, match=f"'{asked}' is asked for, but torch finds no CUDA GPU here; use cpu or auto"):
        choose_device(asked)


def test_gpus_are_counted_from_0(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 2)
    assert [choose_device(d) for d in ("cuda", "cuda:0", "cuda:1")] == ["cuda", "cuda:0", "cuda:1"]
    with pytest.raises(DeviceError, match=r"'cuda:2' is asked for, but there are 2 GPUs; the last is cuda:1"):
        choose_device("cuda:2")


@pytest.mark.parametrize("asked", ["gpu", "CPU", "cuda:", "cuda:-1", "cuda:x", "cpu:0", ""])
def test_anything_else_is_an_error_that_says_what_there_is(asked: str) -> None:
    with pytest.raises(DeviceError, match="Expected auto, cpu, cuda or cuda:0"):
        choose_device(asked)
