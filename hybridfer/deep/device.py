"""Where networks work: the processor, or a GPU that was asked for and is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch

from hybridfer.errors import DeviceError, did_you_mean

_DEVICE = re.compile(r"cpu|cuda(?::(\d+))?")


def choose_device(asked: str) -> str:
    """Return the device that `asked` means: only ``auto`` chooses, by taking a GPU where there is one.

    Parameters
    ----------
    asked : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, the N-th GPU counted from 0.

    Raises
    ------
    DeviceError
        If it is none of these, or a GPU that is not there.

    Examples
    --------
    >>> choose_device("cpu")
    'cpu'
    """
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    form = _DEVICE.fullmatch(asked)
    if form is None:
        hint = did_you_mean(asked, ("auto", "cpu", "cuda"))
        raise DeviceError(f"No device named {asked!r}.{hint} Expected auto, cpu, cuda or cuda:0.")
    if asked == "cpu":
        return asked
    if not torch.cuda.is_available():
        raise DeviceError(f"Device {asked!r} is asked for, but torch finds no CUDA GPU here; use cpu or auto.")
    count = torch.cuda.device_count()
    if form[1] is not None and int(form[1]) >= count:
        raise DeviceError(f"Device {asked!r} is asked for, but there are {count} GPUs; the last is cuda:{count - 1}.")
    return asked


@contextmanager
def one_thread() -> Iterator[None]:
    """Have torch work in the calling thread alone: callers share faces out to threads, as ``--jobs`` says."""
    torch.get_num_threads()  # torch sets a thread's number of helpers when it first asks; then it can be lowered
    with _openmp().limit(limits=1):
        yield


@contextmanager
def some_threads(jobs: int) -> Iterator[None]:
    """Have torch work with so many threads, or with one a core where it is -1."""
    from joblib import effective_n_jobs

    torch.get_num_threads()  # as above
    with _openmp().limit(limits=effective_n_jobs(jobs)):
        yield


@lru_cache(maxsize=1)
def _openmp() -> Any:
    """Return what sets the number of OpenMP's helpers, of the calling thread and no other."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="openmp")
