"""What encoders share: a sample of local descriptors to learn from, PCA, both views of a face, normalisation."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin  # noqa: TID253
from sklearn.utils.validation import check_is_fitted, validate_data  # noqa: TID253

from hybridfer.classify.encoders import local_descriptor
from hybridfer.classify.specs import Spelt
from hybridfer.errors import SpecError

Floats = npt.NDArray[np.float32]

_UNIT = np.float32(512)
"""Whole numbers to the unit, as local descriptors are stored."""


@dataclass(eq=False, repr=False)
class LocalEncoder(Spelt, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A face's local descriptors, side by side in a row, become one vector.

    A sample of the training rows' descriptors is rotated on its principal axes; words or Gaussians are learnt from it.
    Descriptors without a gradient (zeros) say nothing and are left out; a face without any other gives zeros. With
    `mirror`, the vector is the mean of the face's and of the mirrored face's, whose descriptors are those of the face
    in another order, brought to unit length again. A face is encoded at a time, so memory does not grow with the rows,
    and a row's numbers depend on no other row.

    Parameters
    ----------
    block : str, optional
        Spec of the block whose local descriptors lie side by side in a row. When not given, every column is a
        descriptor of one value, all at one place, and there is no mirrored view.
    components : int
        Principal components kept of a descriptor; 0 keeps the descriptor as it is.
    whiten : bool
        Whether components are brought to equal variance.
    power : float
        Every value's size is raised to this power, its sign kept; 1 leaves values as they are.
    l2 : bool
        Whether a vector is brought to unit length.
    mirror : bool
    sample : int
        Descriptors to learn from, about, as many of every face.
    seed : int

    Attributes
    ----------
    mean_, axes_ : (width,) and (width, components) arrays
        A descriptor becomes ``(d - mean_) @ axes_``.
    n_features_in_ : int
    """

    given = ("block", "seed")

    counts: ClassVar[bool] = False
    """Whether vectors are counts, which chi-square compares."""

    block: str | None = None
    components: int = 64
    whiten: bool = False
    power: float = 0.5
    l2: bool = True
    mirror: bool = True
    sample: int = 200_000
    seed: int = 0

    def check(self) -> None:
        self.require(self.components >= 0, "components", "0 or more")
        self.require(0 < self.power <= 1, "power", "more than 0, at most 1")
        self.require(self.sample >= 1, "sample", "1 or more")

    @property
    def layout(self) -> Layout:
        """How descriptors lie in a row."""
        return Layout.of(self.block)

    @property
    def kept(self) -> int:
        """Values kept of a descriptor."""
        width = self.layout.width
        return min(self.components, width) or width

    @property
    @abstractmethod
    def columns(self) -> int:
        """Values of the vector."""

    @abstractmethod
    def learn_words(self, values: Floats, places: Floats) -> None:
        """Learn from descriptors ``(n, kept)`` at places ``(n, 2)``."""

    @abstractmethod
    def pool(self, values: Floats, places: Floats) -> npt.NDArray[Any]:
        """Return the ``(columns,)`` that a face's descriptors come to, before normalisation."""

    def fit(self, X: npt.NDArray[Any], y: object = None) -> Self:
        """Learn from rows ``(n, count * width)``."""
        X = validate_data(self, X, dtype=[np.float32, np.float64, np.uint8])
        return self.learn(self.draw(X, np.arange(len(X)), self.each(len(X))), X.shape[1])

    def each(self, rows: int) -> int:
        """Return how many descriptors are drawn of each of so many faces."""
        return max(1, -(-self.sample // rows))

    def draw(self, X: npt.NDArray[Any], positions: npt.NDArray[np.intp], each: int) -> Floats:
        """Return a sample of the rows' descriptors ``(n, width + 2)``, each with its place.

        What is drawn of a row depends on the seed and its position among all rows, not on the rows it comes with.
        """
        layout = self.layout
        found = []
        for row, position in zip(self._descriptors(X), positions, strict=True):
            random = np.random.default_rng([self.seed, int(position)])
            chosen = random.choice(len(row), min(each, len(row)), replace=False)
            values, places = row[chosen], layout.spots(len(row))[chosen]
            if self.mirror and layout.values is not None:
                turned = random.random(len(chosen)) < 0.5
                values = np.where(turned[:, None], values[:, layout.values], values)
                places = np.where(turned[:, None], places * _MIRRORED, places)
            found.append(np.hstack([values, places])[values.any(1)])
        return np.concatenate(found).astype(np.float32)

    def learn(self, drawn: Floats, columns: int) -> Self:
        """Learn from what :meth:`draw` gave of all rows, of so many columns."""
        from threadpoolctl import threadpool_limits

        self.check()
        self.n_features_in_ = columns
        if not len(drawn):
            # Pictures of one colour only: anything will do.
            drawn = np.zeros((1, drawn.shape[1]), np.float32)
        values: Floats = drawn[:, :-2] / self._unit
        with threadpool_limits(1, "blas"):
            self._learn_axes(values)
            self.learn_words(np.asarray((values - self.mean_) @ self.axes_, np.float32), drawn[:, -2:])
        return self

    def transform(self, X: npt.NDArray[Any]) -> Floats:
        """Return the rows ``(n, count * width)`` as ``(n, columns)``."""
        from joblib import Parallel, delayed
        from threadpoolctl import threadpool_limits

        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float32, np.float64, np.uint8], reset=False)
        faces = self._descriptors(X)
        result = np.zeros((len(X), self.columns), np.float32)
        layout = self.layout
        axes = [self.axes_]
        if self.mirror and layout.values is not None:
            # Values in another order times the axes are the values times the axes in another order.
            turned = np.empty_like(self.axes_)
            turned[layout.values] = self.axes_
            axes.append(turned)
        both = np.hstack(axes) / self._unit
        offset = self.mean_ @ self.axes_

        def encode(some: slice) -> None:
            for face, out in zip(faces[some], result[some], strict=True):
                filled = face.any(1)
                if not filled.any():
                    continue
                places = layout.spots(len(face))[filled]
                views = np.hsplit(face[filled].astype(np.float32) @ both, len(axes))
                for view, sign in zip(views, (1, _MIRRORED), strict=False):
                    out += self._normalised(self.pool(view - offset, places * sign))
                out /= np.linalg.norm(out) if self.l2 and out.any() else len(axes)

        with threadpool_limits(1, "blas"):
            Parallel(prefer="threads")(delayed(encode)(slice(i, i + 8)) for i in range(0, len(X), 8))
        return result

    def _normalised(self, pooled: npt.NDArray[Any]) -> Floats:
        if self.power != 1:
            pooled = np.sign(pooled) * np.abs(pooled) ** self.power
        norm = np.linalg.norm(pooled) if self.l2 else 1.0
        return np.asarray(pooled / norm if norm > 0 else pooled, np.float32)

    def _learn_axes(self, values: Floats) -> None:
        width = values.shape[1]
        if not self.components:
            self.mean_, self.axes_ = np.zeros(width, np.float32), np.eye(width, dtype=np.float32)
            return
        mean = values.mean(0, dtype=np.float64)
        centred = values - mean.astype(np.float32)
        variances, vectors = np.linalg.eigh(centred.T.astype(np.float64) @ centred / len(values))
        variances, vectors = variances[::-1][: self.kept], vectors[:, ::-1][:, : self.kept]
        # An axis has no sign of its own; a fixed one makes equal data give equal axes on every machine.
        vectors = vectors * np.where(vectors[np.abs(vectors).argmax(0), np.arange(self.kept)] < 0, -1, 1)
        if self.whiten:
            vectors = vectors / np.sqrt(np.maximum(variances, 1e-6 * max(variances[0], 1e-12)))
        self.mean_, self.axes_ = mean.astype(np.float32), vectors.astype(np.float32)

    @property
    def _unit(self) -> np.float32:
        return np.float32(1) if self.block is None else _UNIT

    def _descriptors(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the rows as ``(n, count, width)``."""
        width = self.layout.width
        if X.shape[1] % width:
            raise ValueError(f"X has {X.shape[1]} columns; expected descriptors of {width} values, side by side.")
        return X.reshape(len(X), -1, width)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags


_MIRRORED = np.array([-1, 1], np.float32)
"""Places in a mirrored face: x turned, y kept."""


@dataclass(frozen=True)
class Layout:
    """How descriptors lie in a row: how many values each, where, and which of the values stand where in a mirror."""

    width: int = 1
    places: Floats | None = None
    values: npt.NDArray[np.intp] | None = None

    @classmethod
    def of(cls, block: str | None) -> Self:
        """Return the layout of a block; without one, descriptors of one value at one place."""
        if block is None:
            return cls()
        descriptor = local_descriptor(block)
        if descriptor is None:
            raise SpecError(f"{block} holds no local descriptors for an encoder; expected a siftlocal block.")
        return cls(descriptor.width, descriptor.places(), descriptor.mirror()[1])

    def spots(self, count: int) -> Floats:
        """Return the places ``(count, 2)``, x and y from -0.5 to 0.5."""
        return np.zeros((count, 2), np.float32) if self.places is None else self.places
