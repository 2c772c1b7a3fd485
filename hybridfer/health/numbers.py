"""Checks of numbers: every descriptor against what other libraries said of one face."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.bank.bank import block_card
from hybridfer.descriptors import create_descriptor
from hybridfer.descriptors.check import check_descriptor
from hybridfer.health.base import expect

GOLDEN = Path(__file__).with_name("golden.npz")
"""A picture, every descriptor's vector of it and who computed that; written by ``fixtures/make.py``."""

TOLERANCES = {"colour": 2e-5, "gabor": 1e-5, "hog": 1e-5, "lbp": 1e-6, "phash": 0.0, "sift": 1.0}
"""Every descriptor with golden numbers, and how far from them it promises to stay: a hash, not by a bit."""

_BATCH = 9
"""Faces described together: enough for every descriptor to take its way for many."""


@lru_cache(maxsize=1)
def golden() -> dict[str, npt.NDArray[Any]]:
    """Return the golden numbers: ``picture``, and for every descriptor ``NAME`` and ``NAME_by``."""
    with np.load(GOLDEN, allow_pickle=False) as file:
        return dict(file)


def descriptor(name: str) -> str:
    """Check that a descriptor gives its golden numbers, alone and in a batch; without any, that it keeps its contract.

    Raises
    ------
    HealthError
        If a value is further off than :data:`TOLERANCES` allows.
    ContractError
        If a descriptor without golden numbers breaks a promise.
    """
    made = create_descriptor(name)
    if name not in TOLERANCES:
        check_descriptor(made)
        return f"{made.length} values; no golden numbers, but it keeps the contract of descriptors"
    picture, expected = golden()["picture"], golden()[name].astype(float)
    rows = np.stack([made.describe(picture), *made.describe_batch([picture] * _BATCH)])
    by, libraries = golden()[f"{name}_by"], block_card(made)["libraries"]
    rests = f"it rests on {', '.join(f'{n} {v}' for n, v in libraries.items())}; install another version, or report it"
    away = np.abs(rows[0] - expected).max()
    expect(
        away <= TOLERANCES[name],
        f"{made.spec} is {away:.2g} away from what {by} says, expected at most {TOLERANCES[name]:g}; {rests}.",
    )
    expect(bool((rows == rows[0]).all()), f"{made.spec} gives other numbers in a batch; {rests}.")
    return f"{made.length} values, {away:.1g} away from {by}, at most {TOLERANCES[name]:g} allowed"
