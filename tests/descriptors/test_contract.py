"""What every descriptor promises, ours and those of other packages; and that the check would notice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest

from hybridfer.descriptors import DESCRIPTORS, create_descriptor
from hybridfer.descriptors.base import Descriptor
from hybridfer.descriptors.check import ContractError, check_descriptor, example_crops, variants_of

WORDS = {"phash": ("threshold=mean",), "siftlocal": ("cells=3+6",)}
"""Other values of the parameters that are words, which :func:`variants_of` cannot guess."""


@pytest.mark.parametrize("name", DESCRIPTORS.names())
def test_every_descriptor_keeps_the_contract(name: str) -> None:
    descriptor = create_descriptor(name)
    words = [create_descriptor(f"{name}:{option}") for option in WORDS.get(name, ())]
    check_descriptor(descriptor, [*variants_of(descriptor), *words])


@pytest.mark.parametrize("name", DESCRIPTORS.table)
def test_every_word_is_shown_to_change_something(name: str) -> None:
    descriptor = create_descriptor(name)
    words = {field.name for field in fields(descriptor) if isinstance(getattr(descriptor, field.name), str)}
    assert {option.partition("=")[0] for option in WORDS.get(name, ())} == words


@pytest.mark.parametrize("name", DESCRIPTORS.names())
def test_the_spec_names_an_equal_descriptor(name: str) -> None:
    descriptor = create_descriptor(name)
    assert create_descriptor(descriptor.spec) == descriptor


@dataclass(frozen=True)
class Mean(Descriptor):
    """Keeps every promise: the mean of each channel of the picture as it is."""

    name = "mean"

    @property
    def length(self) -> int:
        return 3

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    def describe_batch(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        rows = [np.broadcast_to(crop.reshape(*crop.shape[:2], -1).mean((0, 1)), 3) for crop in crops]
        return np.array(rows, np.float32).reshape(-1, 3)


@dataclass(frozen=True)
class Short(Mean):
    length = 2


@dataclass(frozen=True)
class Double(Mean):
    dtype = np.dtype(np.float64)


@dataclass(frozen=True)
class Ratio(Mean):
    def describe_batch(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        rows = super().describe_batch(crops)
        with np.errstate(all="ignore"):
            return rows / rows.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Painter(Mean):
    def describe_batch(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        rows = super().describe_batch(crops)
        for crop in crops:
            crop[:1, :1] = 0
        return rows


@dataclass(frozen=True)
class Centred(Mean):
    def describe_batch(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        rows = super().describe_batch(crops)
        return rows - rows.mean(axis=0) if len(rows) else rows


@dataclass(frozen=True)
class Remembers(Mean):
    def describe_batch(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        SEEN.extend(crops)
        return super().describe_batch(crops) + np.float32(len(SEEN))


@dataclass(frozen=True)
class ThreeChannels(Mean):
    def describe_batch(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        return super().describe_batch([crop if crop.ndim == 3 else 255 - crop for crop in crops])


@dataclass(frozen=True)
class NoEmptyBatch(Mean):
    def describe_batch(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        return super().describe_batch(crops) if crops else np.zeros(0, np.float32)


@dataclass(frozen=True)
class Buffer(Mean):
    def describe_batch(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        if any(not crop.flags.c_contiguous for crop in crops):
            return super().describe_batch([255 - crop for crop in crops])
        return super().describe_batch(crops)


@dataclass(frozen=True)
class Lazy(Mean):
    unused: int = 1


@dataclass(frozen=True)
class Stuck(Lazy):
    def __post_init__(self) -> None:
        self.require(self.unused == 1, "unused", "1")


SEEN: list[np.ndarray] = []


def test_the_check_passes_what_is_sound() -> None:
    check_descriptor(Mean())


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Short(), r"shape is \(3,\), declared \(2,\)"),
        (Double(), "float64 is not kept in banks"),
        (Ratio(), "black: the vector is not finite"),
        (Painter(), "the crop was changed"),
        (Centred(), "differs from the crops one by one"),
        (Remembers(), "after other crops, it has other bits"),
        (ThreeChannels(), "grey differs from three equal channels"),
        (NoEmptyBatch(), r"empty batch has the shape \(0,\)"),
        (Buffer(), "window of a picture differs"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Descriptor) else "",
)
def test_the_check_names_the_broken_promise(broken: Descriptor, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        check_descriptor(broken)


def test_the_check_notices_a_parameter_that_does_nothing() -> None:
    with pytest.raises(ContractError, match="its parameter does nothing"):
        check_descriptor(Lazy(), [Lazy(unused=2)])


def test_variants_change_every_number_and_flag_once() -> None:
    phash = create_descriptor("phash")
    changed = [{f.name for f in fields(v) if getattr(v, f.name) != getattr(phash, f.name)} for v in variants_of(phash)]
    assert changed == [{"size"}, {"bits"}, {"exclude_dc"}]


def test_a_number_without_another_value_is_no_parameter() -> None:
    with pytest.raises(ContractError, match="accepts no other unused near 1"):
        variants_of(Stuck())


def test_the_check_notices_a_variant_that_is_none() -> None:
    with pytest.raises(ContractError, match="no variant"):
        check_descriptor(Mean(), [Mean()])


def test_the_check_notices_a_descriptor_that_is_not_frozen() -> None:
    class Loose(Mean):
        __setattr__ = object.__setattr__

    with pytest.raises(ContractError, match="frozen=True"):
        check_descriptor(Loose())


def test_the_examples_hold_every_shape_that_is_promised() -> None:
    shapes = {crop.shape[:2] for crop in example_crops().values()}
    assert {(1, 1), (40, 1), (1, 40), (3, 700), (700, 3)} <= shapes
    assert {crop.ndim for crop in example_crops().values()} == {2, 3}
