"""How alike two pictures are: perceptual hash, SIFT matches, cosine, chi-square of LBP and of HOG.

Every metric gives a number, what the number means in one sentence, and the counts behind it. All are symmetric: the
order of the two pictures never matters. All but ``sift`` give exactly 1 for a picture and itself; ``sift`` does so
wherever the picture has two keypoints.

A number alone says little: two different faces easily have a cosine of 0.9. :data:`QUANTILES` therefore holds what
pairs of *different* faces score, and the readings of ``cosine``, ``lbp`` and ``hog`` are relative to it.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from hybridfer.compare import METRICS
from hybridfer.descriptors import create_descriptor
from hybridfer.descriptors.base import Descriptor, grey_stack
from hybridfer.errors import PictureError, SpecError
from hybridfer.spec import FeatureSpec, format_value, parse_options, parse_spec
from hybridfer.types import Item, Pixels

LEVELS = (1, 5, 25, 50, 75, 95, 99)
"""The percentages at which :data:`QUANTILES` are given."""

FEW_KEYPOINTS = 20
"""Below so many keypoints in one picture, ``sift`` gives no verdict: of pairs of different 25x25-pixel faces,
which have some ten keypoints each, 1 % share a third of them by chance."""

ENOUGH_MATCHES = 10
"""Matches from which ``sift`` speaks of common parts; OpenCV's tutorials ask for as many before they locate an object.
The 4,950 pairs of different faces have 5 at most."""

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

    def _describe_by(self, features: str) -> None:
        object.__setattr__(self, "descriptor", create_descriptor(features))


@dataclass(frozen=True)
class PHashSimilarity(DescriptorMetric):
    """Share of equal bits, or of equal hexadecimal digits, of two perceptual hashes.

    With *d* of *N* bits and *n* of *N*/4 digits differing, the value is 1 − d/N or 1 − n/(N/4). Pictures count as
    similar when d < 10 N/64, the usual rule for 64 bits carried over. Both forms are always in the details.

    The paper that calls d < 10 similar prints similarities in steps of 1/256 (0.9140625 = 1 − 22/256), which 64 bits
    cannot give; ``phash:bits=1024,threshold=mean,form=hexdigits`` can. The hash sees the layout of light and dark:
    blur and brightness hardly change it, a mirror image changes half of it.

    Parameters
    ----------
    bits : int
        Length of the hash: 64, 256 or 1024.
    threshold : {"median", "mean"}
        What a coefficient must exceed to be a 1.
    exclude_dc : bool
        Whether the mean brightness is kept out of the threshold; see the descriptor ``phash``.
    form : {"bits", "hexdigits"}
        What is counted.

    References
    ----------
    W. Zhu, J. Chang: Research and implementation of perceptual hash algorithm for image retrieval. AIP Conference
    Proceedings 2073, 2019.
    """

    name: ClassVar[str] = "phash"

    bits: int = 64
    threshold: str = "median"
    exclude_dc: bool = False
    form: str = "bits"

    def __post_init__(self) -> None:
        self.require(self.form in ("bits", "hexdigits"), "form", "bits or hexdigits")
        exclude_dc = format_value(self.exclude_dc)
        self._describe_by(f"phash:bits={self.bits},threshold={self.threshold},exclude_dc={exclude_dc}")

    def prepare(self, pixels: Pixels) -> npt.NDArray[np.uint8]:
        """Return the hash, ``(bits,) uint8`` of 0 and 1."""
        hashed: npt.NDArray[np.uint8] = self.descriptor.describe(pixels)
        return hashed

    def score(self, a: Any, b: Any) -> tuple[float, dict[str, Any]]:
        """Return the share that is equal; details count bits and digits and hold both hashes."""
        from hybridfer.descriptors.phash import hash_hex

        hashes = hash_hex(a), hash_hex(b)
        differing = int(np.count_nonzero(a != b))
        digits = sum(x != y for x, y in zip(*hashes, strict=True))
        forms = {"bits": 1 - differing / self.bits, "hexdigits": 1 - digits / (self.bits // 4)}
        details = {
            "bits": self.bits,
            "bits_differing": differing,
            "hexdigits": self.bits // 4,
            "hexdigits_differing": digits,
            "similarity_bits": forms["bits"],
            "similarity_hexdigits": forms["hexdigits"],
            "similar": differing < 10 * self.bits / 64,
            "hash_a": hashes[0],
            "hash_b": hashes[1],
        }
        return forms[self.form], details

    def read(self, value: float, details: Mapping[str, Any]) -> str:
        """Return whether the hashes count as similar."""
        verdict = "the same picture or a near copy" if details["similar"] else "different pictures"
        digits = f"{details['hexdigits_differing']} of {details['hexdigits']} hex digits and "
        return (
            f"{verdict}: {digits if self.form == 'hexdigits' else ''}{details['bits_differing']} of {self.bits} bits "
            f"differ, and fewer than {10 * self.bits // 64} bits count as similar"
        )


@dataclass(frozen=True)
class SIFTSimilarity(Metric):
    """Share of keypoints that find each other: SIFT, Lowe's ratio test in both directions, mutual nearest neighbours.

    Keypoint *i* of one picture and *j* of the other match when each is the other's nearest, and nearer than `ratio`
    times the second nearest, from either side. Keypoints with the very same descriptor (repeated texture) count once;
    they could never pass the test. Unlike the common snippet, which looks from the first picture only, the value does
    not depend on the order of the pictures.

    The value is 0 where a picture has fewer than two keypoints, and the reading says so. Drawings and small crops have
    few keypoints; the counts stand beside the value.

    Parameters
    ----------
    ratio : float
        Lowe's ratio, above 0 and at most 1; 0.7 to 0.8 are usual.
    over : {"min", "max", "matches"}
        What the matches are divided by: the smaller or the larger number of keypoints, or the mutual nearest pairs
        before the ratio test.
    side : int
        Pictures whose longer side has more pixels are reduced to it, which bounds time and memory.

    References
    ----------
    D. G. Lowe: Distinctive image features from scale-invariant keypoints. IJCV 60, 2004.
    doi:10.1023/B:VISI.0000029664.99615.94
    """

    name: ClassVar[str] = "sift"

    ratio: float = 0.75
    over: str = "min"
    side: int = 512

    def __post_init__(self) -> None:
        self.require(0 < self.ratio <= 1, "ratio", "a number above 0 and at most 1")
        self.require(self.over in ("min", "max", "matches"), "over", "min, max or matches")
        self.require(16 <= self.side <= 4096, "side", "a whole number from 16 to 4096")

    def prepare(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Return the distinct SIFT descriptors of a picture, ``(n, 128) float32`` of whole numbers."""
        import cv2

        grey = _grey(pixels)
        longer = max(grey.shape)
        if longer > self.side:
            height, width = (max(1, round(n * self.side / longer)) for n in grey.shape)
            grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
        _, found = cv2.SIFT.create().detectAndCompute(grey, None)
        if found is None:
            return np.empty((0, 128), np.float32)
        distinct: npt.NDArray[np.float32] = np.unique(found.astype(np.uint8), axis=0).astype(np.float32)
        return distinct

    def score(self, a: Any, b: Any) -> tuple[float, dict[str, Any]]:
        """Return the share of keypoints that match; details count keypoints, mutual pairs and matches."""
        mutual, good = self._match(a, b) if min(len(a), len(b)) >= 2 else (0, 0)
        per = {"min": min(len(a), len(b)), "max": max(len(a), len(b)), "matches": mutual}
        forms = {over: good / n if n else 0.0 for over, n in per.items()}
        details = {
            "keypoints_a": len(a),
            "keypoints_b": len(b),
            "mutual": mutual,
            "matches": good,
            **{f"matches_over_{over}": value for over, value in forms.items()},
        }
        return forms[self.over], details

    def _match(self, a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> tuple[int, int]:
        """Return how many pairs are each other's nearest, and how many of them pass the ratio test both ways."""
        # Squared lengths stay below 2**24, so whole numbers in float32 are exact and ties are real ties.
        distances = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * (a @ b.T)
        transposed = np.ascontiguousarray(distances.T)
        nearest_b, passes_a = self._nearest(distances)
        nearest_a, passes_b = self._nearest(transposed)
        mutual = nearest_a[nearest_b] == np.arange(len(a))
        return int(mutual.sum()), int((mutual & passes_a & passes_b[nearest_b]).sum())

    def _nearest(self, distances: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Return each row's nearest column and whether it passes the ratio test; overwrites the nearest distances."""
        rows = np.arange(len(distances))
        nearest = distances.argmin(1)
        first = distances[rows, nearest]
        distances[rows, nearest] = np.inf
        return nearest, first < self.ratio**2 * distances.min(1).astype(np.float64)

    def read(self, value: float, details: Mapping[str, Any]) -> str:
        """Return whether the pictures have parts in common, unless the keypoints are too few to tell."""
        n, m = details["keypoints_a"], details["keypoints_b"]
        counts = f"{details['matches']} matches between {n} and {m} keypoints"
        if min(n, m) < 2:
            return f"nothing to compare: {n} and {m} keypoints, and each picture needs 2; 0 by definition"
        if min(n, m) < FEW_KEYPOINTS:
            return f"{counts}; with fewer than {FEW_KEYPOINTS} in a picture the share says little"
        verdict = "parts in common" if details["matches"] >= ENOUGH_MATCHES else "no part in common to speak of"
        return f"{verdict}: {counts}, and {ENOUGH_MATCHES} matches are usually asked for to recognise an object"


@dataclass(frozen=True)
class CosineSimilarity(DescriptorMetric):
    """Cosine of the angle between two pictures taken as vectors: A·B / (|A| |B|).

    A picture whose vector is all zeros has no direction: 1 with another such picture, else 0.

    Parameters
    ----------
    of : str
        The vector: ``grey``, the 64x64 grey values; ``histogram``, the 64-bin histogram of the grey values of the
        picture as it is; or a feature spec with at most one option, such as ``hog`` or ``resnet18@layer4:pool=gap``.

    Examples
    --------
    >>> dark = np.full((9, 9), 10, np.uint8)
    >>> CosineSimilarity().compare(dark, 2 * dark).value
    1.0
    """

    name: ClassVar[str] = "cosine"

    of: str = "grey"

    def __post_init__(self) -> None:
        if self.of not in ("grey", "histogram"):
            self._describe_by(self.of)

    def on(self, device: str) -> Self:
        """Return the metric whose network, if it has one, works on `device`."""
        return self if self.of in ("grey", "histogram") else super().on(device)

    def prepare(self, pixels: Pixels) -> npt.NDArray[np.float64]:
        """Return the vector, ``(n,) float64``."""
        vector: npt.NDArray[Any]
        if self.of == "grey":
            vector = grey_stack([pixels], 64)[0].ravel()
        elif self.of == "histogram":
            vector = np.bincount((_grey(pixels) >> 2).ravel(), minlength=64)
        else:
            vector = self.descriptor.describe(pixels)
        return vector.astype(np.float64)

    def score(self, a: Any, b: Any) -> tuple[float, dict[str, Any]]:
        """Return the cosine; details give the length of the vectors and the angle in degrees."""
        zeros = int(not a.any()) + int(not b.any())
        if zeros:
            cosine = float(zeros == 2)
        else:
            # One root of the product, not a product of roots: it is exact for equal vectors.
            cosine = float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1, 1))
        return cosine, {"length": len(a), "zero_vectors": zeros, "degrees": float(np.degrees(np.arccos(cosine)))}

    def read(self, value: float, details: Mapping[str, Any]) -> str:
        """Return where the value lies among pairs of different faces."""
        if details["zero_vectors"]:
            return _zero_reading(details["zero_vectors"])
        plain = f"{details['degrees']:.1f} degrees between the vectors"
        return _rank(self.spec, value) or f"{plain}; 0 is the same direction, 90 nothing in common"


@dataclass(frozen=True)
class ChiSquareSimilarity(DescriptorMetric):
    """One minus the chi-square distance of two descriptors: 1 − ½ Σ (a − b)² / (a + b).

    Each vector is divided by its sum first, so that the distance lies in 0 to 1. A picture whose vector is all zeros
    (HOG of a picture without an edge) has distance 0 to another such picture, else 1.

    Parameters
    ----------
    features : str
        The descriptor's spec; as a metric's spec it is the same text: ``lbp:grid=4``.

    References
    ----------
    T. Ahonen, A. Hadid, M. Pietikäinen: Face description with local binary patterns. IEEE TPAMI 28(12), 2006.
    doi:10.1109/TPAMI.2006.244
    """

    features: str

    def __post_init__(self) -> None:
        self._describe_by(self.features)

    @property
    def spec(self) -> str:
        """The descriptor's canonical text."""
        return self.descriptor.spec

    @classmethod
    def from_spec(cls, spec: FeatureSpec) -> Self:
        """Return the metric of the descriptor that `spec` names."""
        return cls(str(spec))

    def prepare(self, pixels: Pixels) -> npt.NDArray[np.float64]:
        """Return the descriptor's vector divided by its sum, ``(length,) float64``."""
        vector: npt.NDArray[np.float64] = self.descriptor.describe(pixels).astype(np.float64)
        return vector / (vector.sum() or 1)

    def score(self, a: Any, b: Any) -> tuple[float, dict[str, Any]]:
        """Return one minus the distance, which is in the details."""
        zeros = int(not a.any()) + int(not b.any())
        if zeros:
            distance = float(zeros == 1)
        else:
            both = a + b
            distance = min(1.0, 0.5 * float(((a - b) ** 2 / np.where(both == 0, 1, both)).sum()))
        return 1 - distance, {"length": len(a), "zero_vectors": zeros, "chi_square": distance}

    def read(self, value: float, details: Mapping[str, Any]) -> str:
        """Return where the value lies among pairs of different faces."""
        if details["zero_vectors"]:
            return _zero_reading(details["zero_vectors"])
        return _rank(self.spec, value) or f"chi-square distance {details['chi_square']:.3f}; 0 is equal, 1 disjoint"


@dataclass(frozen=True)
class LBPSimilarity(ChiSquareSimilarity):
    """Chi-square likeness of local binary patterns: texture, place by place; takes the options of ``lbp``."""

    name: ClassVar[str] = "lbp"

    features: str = "lbp"


@dataclass(frozen=True)
class HOGSimilarity(ChiSquareSimilarity):
    """Chi-square likeness of oriented gradients: edges, place by place; takes the options of ``hog``."""

    name: ClassVar[str] = "hog"

    features: str = "hog"


@dataclass(frozen=True)
class SimilarityMatrix:
    """The likeness of every two of several pictures.

    Attributes
    ----------
    metric : str
        The metric's label.
    inputs : tuple[str, ...]
        What the pictures are called, in order.
    values : (n, n) float64
        Symmetric; NaN in the row and column of a picture that cannot be compared.
    errors : Mapping[str, str]
        Why not, by input.
    """

    metric: str
    inputs: tuple[str, ...]
    values: npt.NDArray[np.float64]
    errors: Mapping[str, str]


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


def compare_pictures(a: Pixels, b: Pixels, metrics: Sequence[str | Metric] | None = None) -> list[Similarity]:
    """Return how alike two pictures are, by each metric.

    Parameters
    ----------
    a, b : (H, W, 3) or (H, W) uint8
        RGB or grey, each of its own size.
    metrics : sequence of str or Metric, optional
        Specs; without any, every metric there is.

    Returns
    -------
    list of Similarity
        In the order of `metrics`.

    Raises
    ------
    SpecError
        If a metric, an option or its value is unknown.
    PictureError
        If a picture does not have that shape or type, or no pixels.

    Examples
    --------
    >>> picture = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)
    >>> [s.value for s in compare_pictures(picture, picture, ["phash", "cosine", "lbp"])]
    [1.0, 1.0, 1.0]
    """
    made = create_metrics(metrics)
    _checked(a), _checked(b)
    return [metric.compare(a, b) for metric in made]


def similarity(
    a: str | os.PathLike[str] | Pixels,
    b: str | os.PathLike[str] | Pixels,
    metrics: Sequence[str | Metric] | None = None,
    *,
    detector: str = "none",
) -> list[Similarity]:
    """Return how alike two picture files, or two pictures, are, by each metric.

    Parameters
    ----------
    a, b : path, or (H, W, 3) or (H, W) uint8
    metrics : sequence of str or Metric, optional
        Specs; without any, every metric there is.
    detector : str
        ``none`` compares whole pictures; another cuts the largest face out of each first.

    Returns
    -------
    list of Similarity
        In the order of `metrics`.

    Raises
    ------
    SpecError
        If a metric, an option, its value or the detector is unknown.
    PictureError
        If a picture cannot be read, or has no face for the detector.

    Examples
    --------
    >>> for found in similarity("a.png", "b.png"):  # doctest: +SKIP
    ...     print(found.metric, found.value, found.reading)
    """
    made = create_metrics(metrics)
    first, second = (
        _crop(_checked(given), detector) if isinstance(given, np.ndarray) else _read(_file(given), detector)
        for given in (a, b)
    )
    return compare_pictures(first, second, made)


def similarity_matrix(pictures: Iterable[Pixels], metric: str | Metric) -> npt.NDArray[np.float64]:
    """Return how alike every two of several pictures are.

    Parameters
    ----------
    pictures : iterable of (H, W, 3) or (H, W) uint8
        Walked once; the pixels are not kept.
    metric : str or Metric

    Returns
    -------
    (n, n) float64
        Symmetric.

    Raises
    ------
    SpecError
        If the metric, an option or its value is unknown.
    PictureError
        If a picture does not have that shape or type, or no pixels.
    """
    (made,) = create_metrics([metric])
    return _pairwise([made.prepare(_checked(pixels)) for pixels in pictures], made)


def compare_folder(
    folder: str | os.PathLike[str],
    metric: str | Metric,
    *,
    detector: str = "none",
    jobs: int = -1,
    strict: bool = False,
) -> SimilarityMatrix:
    """Return how alike every two pictures of a folder are.

    Parameters
    ----------
    folder : path
        A folder, all its depths in natural order; or anything else that ``hybridfer extract`` takes as one input.
    metric : str or Metric
    detector : str
        ``none`` compares whole pictures; another cuts the largest face out of each first.
    jobs : int
        Threads that read and prepare pictures; -1 for one a core.
    strict : bool
        Whether the first picture that cannot be compared raises.

    Raises
    ------
    SpecError
        If the metric, an option, its value or the detector is unknown.
    DatasetError
        If the folder holds no pictures.
    PictureError
        With `strict`, if a picture cannot be read or has no face for the detector.
    """
    from joblib import Parallel, delayed

    from hybridfer.datasets.inputs import read_inputs

    (made,) = create_metrics([metric])
    manifest = read_inputs([folder], labels="none")
    whole = manifest.cropped or detector == "none"

    def prepare(item: Item) -> tuple[str, Any]:
        try:
            return item.input, made.prepare(_read(item, "none" if whole else detector))
        except PictureError as error:
            if strict:
                raise
            return item.input, error

    found = Parallel(jobs, prefer="threads")(delayed(prepare)(item) for item in manifest.items)
    errors = {name: str(prepared) for name, prepared in found if isinstance(prepared, PictureError)}
    values = _pairwise([None if name in errors else prepared for name, prepared in found], made)
    return SimilarityMatrix(made.label, tuple(name for name, _ in found), values, errors)


def _pairwise(prepared: Sequence[Any], metric: Metric) -> npt.NDArray[np.float64]:
    values = np.full((len(prepared), len(prepared)), np.nan)
    for i, a in enumerate(prepared):
        for j, b in enumerate(prepared[: i + 1]):
            if a is not None and b is not None:
                values[i, j] = values[j, i] = metric.score(a, b)[0]
    return values


def _file(path: str | os.PathLike[str]) -> Item:
    from hybridfer.media.images import FileSource

    return Item(os.fspath(path), FileSource(os.fspath(path)))


def _read(item: Item, detector: str) -> Pixels:
    try:
        return _crop(item.source.read().pixels, detector)
    except PictureError as error:
        raise PictureError(f"{item.input}: {error}") from error


def _crop(pixels: Pixels, detector: str) -> Pixels:
    """Return the largest face's crop; the whole picture for the detector ``none``."""
    if detector == "none":
        return pixels
    from hybridfer.faces import crop_largest

    return crop_largest(pixels, detector)


def _checked(pixels: Pixels) -> Pixels:
    shape = np.shape(pixels)
    if getattr(pixels, "dtype", None) != np.uint8 or not (len(shape) == 2 or shape[2:] == (3,)) or 0 in shape:
        kind = getattr(pixels, "dtype", type(pixels).__name__)
        raise PictureError(f"A picture is {shape} {kind}; expected (H, W, 3) or (H, W) uint8 with at least one pixel.")
    return pixels


def _grey(pixels: Pixels) -> Pixels:
    import cv2

    if pixels.ndim == 2:
        return pixels
    grey: Pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return grey


def _zero_reading(zeros: int) -> str:
    if zeros == 2:
        return "both pictures are empty for this metric (all zeros), so they count as equal"
    return "one picture is empty for this metric (all zeros), so nothing can be in common; 0 by definition"


def _rank(spec: str, value: float) -> str | None:
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
