"""Encoders: a face's local descriptors in, one vector out, fitted on training rows. A new one is a file and a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridfer.errors import SpecError
from hybridfer.registry import Registry
from hybridfer.spec import parse_spec

if TYPE_CHECKING:
    from hybridfer.descriptors.siftlocal import SIFTLocal

TABLE = {
    "bovw": "hybridfer.classify.encoders.bovw:BagOfWords",
    "fisher": "hybridfer.classify.encoders.fisher:FisherVector",
    "vlad": "hybridfer.classify.encoders.vlad:VLAD",
}

ENCODERS = Registry("encoders", TABLE)


def local_descriptor(block: str) -> SIFTLocal | None:
    """Return the descriptor of a block of local descriptors, which encoders are for; None for other blocks."""
    from hybridfer.descriptors import DESCRIPTORS, create_descriptor

    try:
        spec = parse_spec(block)
    except SpecError:
        return None  # a block of an imported table
    if spec.layer is not None or spec.inner is not None or spec.name not in DESCRIPTORS.names():
        return None
    descriptor = create_descriptor(block) if hasattr(DESCRIPTORS.load(spec.name), "places") else None
    return descriptor  # type: ignore[return-value]  # all with places are like it
