"""What a metric of likeness promises, and what the metrics share.

Every metric gives a number, what the number means in one sentence, and the counts behind it. All are symmetric: the
order of the two pictures never matters. All but ``sift`` give exactly 1 for a picture and itself; ``sift`` does so
wherever the picture has two keypoints.

A number alone says little: two different faces easily have a cosine of 0.9. :data:`QUANTILES` therefore holds what
pairs of *different* faces score, and the readings of ``cosine``, ``lbp`` and ``hog`` are relative to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

import numpy as np

from hybridfer.compare import METRICS
from hybridfer.descriptors import create_descriptor
from hybridfer.descriptors.base import Descriptor
from hybridfer.errors import PictureError, SpecError
from hybridfer.spec import FeatureSpec, format_value, parse_options, parse_spec
from hybridfer.types import Pixels

LEVELS = (1, 5, 25, 50, 75, 95, 99)
"""The percentages at which :data:`QUANTILES` are given."""

QUANTILES: Mapping[str, tuple[float, ...]] = {
    "cosine:of=grey": (0.7543, 0.8065, 0.8697, 0.9035, 0.9269, 0.9521, 0.9651),
    "cosine:of=histogram": (0.3154, 0.4311, 0.5975, 0.7055, 0.795, 0.8784, 0.9154),
    "hog:block=2,cell=8,orientations=9,size=48": (0.73, 0.7549, 0.786, 0.8059, 0.824, 0.8471, 0.861),
    "lbp:grid=7,points=8,radius=1,size=48": (0.3591, 0.3917, 0.4338, 0.4638, 0.4929, 0.5344, 0.5658),
}
"""What 4,950 pairs of different faces score, by canonical spec: the values below which 1, 5, … 99 % of them lie.

Measured on the 100 faces of scikit-image's ``lfw_subset`` (25x25 pixels; that all show different people is
likely, not recorded) by ``python benchmarks/similarity_quantiles.py``.
"""


@dataclass(frozen=True)
class Similarity:
    """How alike two pictures are by one metric.

    Attributes
    ----------
    metric : str
        Its name, with the options that are not the usual ones: ``phash``, ``phash:bits=1024``.
    value : float
        1 for equal pictures; the least is 0, for ``cosine`` of signed vectors −1.
    reading : str
        What the value means, in one sentence.
    details : Mapping[str, Any]
        The counts behind it, and other forms of the value.
    """

    metric: str
    value: float
    reading: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Metric(ABC):
    """A measure of likeness of two pictures. Subclasses are frozen dataclasses whose fields are the spec's options."""

    name: ClassVar[str]

    @abstractmethod
    def prepare(self, pixels: Pixels) -> Any:
        """Return what is compared of a picture, ``(H, W, 3)`` or ``(H, W) uint8``; done once a picture."""

    @abstractmethod
    def score(self, a: Any, b: Any) -> tuple[float, dict[str, Any]]:
        """Return value and details for two prepared pictures."""

    @abstractmethod
    def read(self, value: float, details: Mapping[str, Any]) -> str:
        """Return the reading of a score, one sentence."""

    @property
    def spec(self) -> str:
        """The canonical text: every option spelt out, keys sorted."""
        return str(
            FeatureSpec(self.name, None, {f.name: format_value(getattr(self, f.name)) for f in fields(self) if f.init})
        )

    @property
    def label(self) -> str:
        """The name with the options that are not the usual ones."""
        usual = parse_spec(type(self)().spec).options
        own = parse_spec(self.spec).options
        return str(FeatureSpec(self.name, None, {key: own[key] for key in own if own[key] != usual.get(key)}))

    @classmethod
    def from_spec(cls, spec: FeatureSpec) -> Self:
        """Return the metric that `spec` names; :class:`SpecError` where an option is unknown or out of range."""
        return cls(**parse_options(cls, spec))

    def on(self, device: str) -> Self:
        """Return the metric whose networks, if it has any, work on `device`."""
        return self

    def compare(self, a: Pixels, b: Pixels) -> Similarity:
        """Return how alike two pictures are, each ``(H, W, 3)`` or ``(H, W) uint8`` of any size."""
        value, details = self.score(self.prepare(a), self.prepare(b))
        return Similarity(self.label, value, self.read(value, details), details)

    def require(self, good: bool, option: str, expected: str) -> None:
        """Raise :class:`SpecError` unless `good`: the value of `option` and what was expected of it."""
        if not good:
            value = format_value(getattr(self, option))
            raise SpecError(f"{self.name}:{option}={value} is out of range; expected {expected}.")


@dataclass(frozen=True)
class DescriptorMetric(Metric):
    """A metric of what a descriptor gives; the descriptor is made once, since loading a network takes seconds."""

    descriptor: Descriptor = field(init=False, repr=False, compare=False)

    def on(self, device: str) -> Self:
        """Return the metric whose descriptor works on `device`."""
        moved = copy(self)
        object.__setattr__(moved, "descriptor", self.descriptor.on(device))
        return moved

    def describe_by(self, features: str) -> None:
        """Make the descriptor that `features` names; for the ``__post_init__`` of a subclass."""
        object.__setattr__(self, "descriptor", create_descriptor(features))


def create_metric(text: str) -> Metric:
    """Return the metric that a spec names, such as ``phash`` or ``phash:bits=1024,form=hexdigits``.

    Raises
    ------
    SpecError
        If the name, an option or its value is unknown.

    Examples
    --------
    >>> create_metric("sift:ratio=0.8").label
    'sift:ratio=0.8'
    """
    spec = parse_spec(text)
    if spec.layer is not None:
        raise SpecError(f"{text} is not a metric; the cosine of a network's layer is cosine:of={text}.")
    metric: Metric = METRICS.load(spec.name).from_spec(spec)
    return metric


def create_metrics(metrics: Sequence[str | Metric] | None = None) -> list[Metric]:
    """Return several metrics by spec; without any, every metric there is, with its usual options."""
    return [create_metric(m) if isinstance(m, str) else m for m in metrics or METRICS.names()]


def checked(pixels: Pixels) -> Pixels:
    """Return `pixels`; :class:`PictureError` unless they are ``(H, W, 3)`` or ``(H, W) uint8`` and not empty."""
    shape = np.shape(pixels)
    if getattr(pixels, "dtype", None) != np.uint8 or not (len(shape) == 2 or shape[2:] == (3,)) or 0 in shape:
        kind = getattr(pixels, "dtype", type(pixels).__name__)
        raise PictureError(f"A picture is {shape} {kind}; expected (H, W, 3) or (H, W) uint8 with at least one pixel.")
    return pixels


def grey(pixels: Pixels) -> Pixels:
    """Return the grey values, ``(H, W) uint8``, of a picture that is RGB or grey."""
    import cv2

    if pixels.ndim == 2:
        return pixels
    converted: Pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return converted


def zero_reading(zeros: int) -> str:
    """Return the reading where one of the two vectors, or both, are all zeros."""
    if zeros == 2:
        return "both pictures are empty for this metric (all zeros), so they count as equal"
    return "one picture is empty for this metric (all zeros), so nothing can be in common; 0 by definition"


def rank(spec: str, value: float) -> str | None:
    """Return where a value lies among pairs of different faces; None where nothing was measured for this spec."""
    quantiles = QUANTILES.get(spec)
    if quantiles is None:
        return None
    of = "of 4,950 pairs of different faces (LFW subset)"
    if value == 1:
        return f"equal for this metric; higher than all {of}"
    below = sum(value > q for q in quantiles)
    share = LEVELS[below - 1] if below else 0
    if share >= 95:
        return f"alike: higher than {share} % {of}"
    if share >= 50:
        return f"no more alike than different pictures: higher than {share} %, not than {LEVELS[below]} %, {of}"
    return f"unlike: lower than {100 - LEVELS[below]} % {of}"
