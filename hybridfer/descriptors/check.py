"""The promises of a descriptor, checked: for ours, for network layers and for those of other packages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.descriptors.base import Descriptor
from hybridfer.errors import HybridferError, SpecError
from hybridfer.spec import parse_spec
from hybridfer.types import Pixels


class ContractError(HybridferError, AssertionError):
    """A descriptor that breaks a promise every descriptor makes."""


def check_descriptor(descriptor: Descriptor, variants: Sequence[Descriptor] = ()) -> None:
    """Check that `descriptor` keeps what :class:`~hybridfer.descriptors.base.Descriptor` promises.

    Vectors have the declared length and type and are finite whatever the crop: one colour, one pixel, one pixel wide,
    very long, noise. The same crop gives the same bits alone, again, after other faces and in any batch. Grey is the
    same as three equal channels. Inputs may be read-only or views, and are left alone. An empty batch is no rows. The
    descriptor is frozen and hashable, and its spec says all of it.

    Parameters
    ----------
    descriptor : Descriptor
        What is checked.
    variants : sequence of Descriptor
        The same with another value of one parameter or more, as :func:`variants_of` finds them: each must change the
        length or the numbers.

    Raises
    ------
    ContractError
        At the first broken promise, naming it and the crop that shows it.

    Examples
    --------
    >>> from hybridfer.descriptors import create_descriptor
    >>> lbp = create_descriptor("lbp")
    >>> check_descriptor(lbp, variants_of(lbp))
    """
    _check_identity(descriptor)
    crops = example_crops()
    rows = _check_vectors(descriptor, crops)
    _check_batches(descriptor, list(crops.values()), np.stack(list(rows.values())))
    _check_inputs(descriptor)
    for variant in variants:
        _promise(variant.spec != descriptor.spec, descriptor, f"{variant.spec} is no variant: its spec is the same")
        same = variant.length == descriptor.length and all(
            _equal(variant.describe(crops[name]), rows[name]) for name in ("face", "grey face", "noise")
        )
        _promise(not same, descriptor, f"{variant.spec} gives the same numbers, so its parameter does nothing")


def variants_of(descriptor: Descriptor) -> list[Descriptor]:
    """Return `descriptor` with each number and each flag changed in turn to a value that it accepts.

    Words are left out: what else they may be is for the caller to say.

    Raises
    ------
    ContractError
        If no other value of a number near the present one is accepted.

    Examples
    --------
    >>> from hybridfer.descriptors import create_descriptor
    >>> [variant.spec for variant in variants_of(create_descriptor("colour"))]
    ['colour:grid=4,size=96', 'colour:grid=8,size=48']
    """
    variants = []
    for field in fields(descriptor):
        value = getattr(descriptor, field.name)
        if isinstance(value, bool):
            others: list[Any] = [not value]
        elif isinstance(value, int | float):
            others = [
                type(value)(other) for other in (value * 2, value * 4, value + 1, value + 2, value / 2, value - 1)
            ]
        else:
            continue
        variant = next((found for other in others if (found := _with(descriptor, field.name, other))), None)
        if variant is None:
            raise ContractError(f"{descriptor.spec} accepts no other {field.name} near {value}, so it is no parameter.")
        variants.append(variant)
    return variants


def _with(descriptor: Descriptor, parameter: str, value: Any) -> Descriptor | None:
    """Return `descriptor` with `parameter` changed to `value`; None where it does not accept that."""
    try:
        variant = replace(descriptor, **{parameter: value})
    except SpecError:
        return None
    return variant if variant.spec != descriptor.spec else None


def example_crops() -> dict[str, Pixels]:
    """Return crops that descriptors stumble over, by what they are: drawn faces, noise, one colour, odd shapes."""
    noise = np.random.default_rng(7)
    face = _drawn_face(60, 52)
    return {
        "face": face,
        "grey face": _drawn_face(48, 48)[..., 1].copy(),
        "noise": noise.integers(0, 256, (48, 48, 3), np.uint8),
        "black": np.zeros((48, 48, 3), np.uint8),
        "white": np.full((48, 48), 255, np.uint8),
        "one colour": np.full((31, 57, 3), (200, 30, 90), np.uint8),
        "mirrored face": np.ascontiguousarray(face[:, ::-1]),
        "1x1": np.full((1, 1, 3), 77, np.uint8),
        "one pixel wide": noise.integers(0, 256, (40, 1, 3), np.uint8),
        "one pixel high": noise.integers(0, 256, (1, 40), np.uint8),
        "very wide": noise.integers(0, 256, (3, 700, 3), np.uint8),
        "very tall": noise.integers(0, 256, (700, 3), np.uint8),
    }


def _drawn_face(height: int, width: int) -> Pixels:
    """Return a head with eyes and a mouth before a slope, in colour and without symmetry."""
    y, x = np.mgrid[0:height, 0:width] / (height - 1.0)
    picture = np.stack([60 + 80 * x, 70 + 60 * y, 120 - 50 * x * y], axis=-1)
    for across, down, wide, high, colour in (
        (0.45, 0.5, 0.36, 0.46, (224, 172, 140)),
        (0.31, 0.39, 0.07, 0.04, (40, 30, 60)),
        (0.62, 0.40, 0.06, 0.05, (50, 60, 30)),
        (0.47, 0.72, 0.15, 0.05, (170, 60, 70)),
    ):
        inside = ((x - across) / wide) ** 2 + ((y - down) / high) ** 2 < 1
        picture[inside] = colour
    shaded: Pixels = (picture * (0.7 + 0.3 * np.sin(5 * x + 3 * y))[..., None]).astype(np.uint8)
    return shaded


def _promise(kept: bool, descriptor: Descriptor, broken: str) -> None:
    """Raise :class:`ContractError` unless `kept`."""
    if not kept:
        raise ContractError(f"{descriptor.spec} breaks the contract of descriptors: {broken}.")


def _equal(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    """Return whether two arrays agree in shape, type and every bit."""
    return one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()


def _check_identity(descriptor: Descriptor) -> None:
    again = type(descriptor).from_spec(parse_spec(descriptor.spec))
    _promise(again == descriptor, descriptor, f"its spec parses to another descriptor, {again!r}")
    _promise(hash(again) == hash(descriptor), descriptor, "equal descriptors have different hashes")
    _promise(again.spec == descriptor.spec, descriptor, f"its spec is not canonical, it comes back as {again.spec}")
    for field in fields(descriptor):
        try:
            setattr(again, field.name, getattr(again, field.name))
        except FrozenInstanceError:
            continue
        _promise(False, descriptor, f"{field.name} can be changed; write @dataclass(frozen=True)")
    _promise(descriptor.length > 0, descriptor, f"its length is {descriptor.length}")
    _promise(
        descriptor.dtype in (np.uint8, np.float32), descriptor, f"its type {descriptor.dtype} is not kept in banks"
    )


def _check_vectors(descriptor: Descriptor, crops: dict[str, Pixels]) -> dict[str, npt.NDArray[Any]]:
    """Return the vector of every crop, each described alone, after checking it."""
    rows: dict[str, npt.NDArray[Any]] = {}
    for name, crop in crops.items():
        before = crop.copy()
        row = descriptor.describe(crop)
        shape, dtype = (descriptor.length,), descriptor.dtype
        _promise(row.shape == shape, descriptor, f"{name}: the vector's shape is {row.shape}, declared {shape}")
        _promise(row.dtype == dtype, descriptor, f"{name}: the vector's type is {row.dtype}, declared {dtype}")
        _promise(bool(np.isfinite(row).all()), descriptor, f"{name}: the vector is not finite")
        _promise(_equal(crop, before), descriptor, f"{name}: the crop was changed")
        rows[name] = row.copy()
    for name, crop in crops.items():
        same = _equal(descriptor.describe(crop), rows[name])
        _promise(same, descriptor, f"{name}: described again, after other crops, it has other bits")
    return rows


def _check_batches(descriptor: Descriptor, crops: list[Pixels], rows: npt.NDArray[Any]) -> None:
    empty = descriptor.describe_batch([])
    shape = (0, descriptor.length)
    _promise(empty.shape == shape, descriptor, f"an empty batch has the shape {empty.shape}, expected {shape}")
    _promise(empty.dtype == descriptor.dtype, descriptor, f"an empty batch has the type {empty.dtype}")
    count = len(crops)
    orders = {
        "in order": list(range(count)),
        "in reverse": list(range(count))[::-1],
        "shuffled, some twice": np.random.default_rng(3).integers(0, count, 17).tolist(),
        "with many of its size": [0, *[2, 3] * 9, 0, 4],
    }
    for how, order in orders.items():
        batch = descriptor.describe_batch([crops[index] for index in order])
        same = _equal(batch, rows[order])
        _promise(same, descriptor, f"a batch of {len(order)} crops {how} differs from the crops one by one")


def _check_inputs(descriptor: Descriptor) -> None:
    face = _drawn_face(48, 48)
    grey = face[..., 1].copy()
    in_colour = descriptor.describe(np.repeat(grey[..., None], 3, axis=2))
    _promise(_equal(descriptor.describe(grey), in_colour), descriptor, "grey differs from three equal channels")
    row = descriptor.describe(face)
    read_only = face.copy()
    read_only.flags.writeable = False
    wide = np.zeros((50, 100, 3), np.uint8)
    wide[1:-1, 2:98:2] = face
    inputs = {
        "a read-only crop": read_only,
        "a crop that is a window of a picture": wide[1:-1, 2:98:2],
        "a crop whose channels are a reversed view": face[..., ::-1].copy()[..., ::-1],
        "a crop that is a mirrored view": face[:, ::-1].copy()[:, ::-1],
        "a crop in column order": np.asfortranarray(face),
    }
    for what, crop in inputs.items():
        _promise(_equal(descriptor.describe(crop), row), descriptor, f"{what} differs from a plain copy of it")
    _promise(_equal(descriptor.describe_batch(list(inputs.values()))[-1], row), descriptor, "views differ in a batch")
