"""Descriptors: one crop in, one vector of fixed length out. A new one is a file here and a line in the table."""

from __future__ import annotations

from hybridfer.descriptors.base import Descriptor
from hybridfer.errors import SpecError
from hybridfer.registry import Registry
from hybridfer.spec import parse_spec

TABLE = {
    "colour": "hybridfer.descriptors.colour:Colour",
    "gabor": "hybridfer.descriptors.gabor:Gabor",
    "gwp": "hybridfer.descriptors.gwp:GWP",
    "hog": "hybridfer.descriptors.hog:HOG",
    "lbp": "hybridfer.descriptors.lbp:LBP",
    "phash": "hybridfer.descriptors.phash:PHash",
    "sift": "hybridfer.descriptors.sift:SIFT",
    "siftlocal": "hybridfer.descriptors.siftlocal:SIFTLocal",
}

DESCRIPTORS = Registry("descriptors", TABLE)


def create_descriptor(text: str) -> Descriptor:
    """Return the descriptor that a feature spec names.

    Parameters
    ----------
    text : str
        A descriptor (``lbp:grid=7``), a layer of a network (``resnet18@layer3:pool=gap``), or one of them on the
        twelve windows of a face (``windows(lbp:grid=4)``).

    Raises
    ------
    SpecError
        If the name, a parameter or its value is unknown.
    WeightsError
        If a network has no weights and the spec does not say ``untrained``.
    """
    spec = parse_spec(text)
    if spec.inner is not None:
        from hybridfer.descriptors.windows import Windows

        return Windows.from_spec(spec)
    if spec.layer is not None:
        from hybridfer.deep.activations import NetworkLayer

        return NetworkLayer.from_spec(spec)
    if spec.name not in DESCRIPTORS.table:
        from hybridfer.deep import NETWORKS

        if spec.name in NETWORKS.table:
            raise SpecError(f"{spec.name} is a network; name a layer of it, as in {spec.name}@layer3.")
    descriptor: Descriptor = DESCRIPTORS.load(spec.name).from_spec(spec)
    return descriptor
