"""How alike pictures are: two pictures or files by every metric, every two of many pictures by one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.compare.metric import Metric, Similarity, checked, create_metrics
from hybridfer.errors import PictureError
from hybridfer.types import Item, Pixels


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
    checked(a), checked(b)
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
        _crop(checked(given), detector) if isinstance(given, np.ndarray) else _read(_file(given), detector)
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
    return _pairwise([made.prepare(checked(pixels)) for pixels in pictures], made)


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
    from hybridfer.media.video import stills

    (made,) = create_metrics([metric])
    manifest = stills(read_inputs([folder], labels="none"))
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

    return crop_largest(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2), detector)
