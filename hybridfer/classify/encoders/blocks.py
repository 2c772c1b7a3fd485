"""Blocks side by side, those of local descriptors encoded; rows that are read when they are wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin, clone  # noqa: TID253
from sklearn.utils.validation import check_is_fitted  # noqa: TID253

if TYPE_CHECKING:
    from hybridfer.bank.bank import FeatureBank

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]
Stretch = tuple[Rows, npt.NDArray[Any]]

_ROWS_AT_ONCE = 64


@dataclass(frozen=True)
class BankRows:
    """Some faces of a bank, blocks side by side as float32, read whenever they are gone through.

    The local descriptors of a data set do not fit memory; its Parquet file is read in seconds.

    Parameters
    ----------
    bank : FeatureBank
    names : tuple of str
        Blocks, by canonical spec.
    rows : (n,) array
        Which of the bank's faces, in any order.
    """

    bank: FeatureBank
    names: tuple[str, ...]
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, chosen: npt.NDArray[Any] | slice) -> BankRows:
        return BankRows(self.bank, self.names, self.rows[chosen])

    def stretches(self) -> Iterator[Stretch]:
        """Yield some rows at a time: their positions, and ``(n, columns)``; in the order of the file."""
        from hybridfer.bank.bank import matrix

        order = np.argsort(self.rows, kind="stable")
        ascending = self.rows[order]
        first = 0
        for batch in self.bank.batches(self.names):
            blocks = [matrix(batch.column(name)) for name in self.names]
            count = len(blocks[0])
            here = slice(*np.searchsorted(ascending, [first, first + count]))
            positions, wanted = order[here], ascending[here] - first
            for start in range(0, len(wanted), _ROWS_AT_ONCE):
                some = slice(start, start + _ROWS_AT_ONCE)
                yield positions[some], np.hstack([block[wanted[some]].astype(np.float32) for block in blocks])
            first += count


def stretches(X: BankRows | npt.NDArray[Any]) -> Iterator[Stretch]:
    """Yield some rows at a time, of a bank or an array: their positions, and ``(n, columns)``."""
    if isinstance(X, BankRows):
        yield from X.stretches()
        return
    for start in range(0, len(X), _ROWS_AT_ONCE):
        rows = X[start : start + _ROWS_AT_ONCE]
        yield start + np.arange(len(rows)), rows


class BlockEncoding(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Blocks side by side, those of local descriptors encoded, the others as they are.

    Parameters
    ----------
    lengths : sequence of int
        Columns of each block.
    encoders : sequence of LocalEncoder or None
        What encodes each block, not fitted; None for a block that stays as it is.

    Attributes
    ----------
    encoders_ : list of LocalEncoder or None
        The same, fitted.
    """

    def __init__(self, lengths: Sequence[int], encoders: Sequence[Any]) -> None:
        self.lengths = lengths
        self.encoders = encoders

    def fit(self, X: BankRows | npt.NDArray[Any], y: object = None) -> Self:
        """Fit every encoder to the rows, which are gone through once."""
        self.encoders_ = [None if encoder is None else clone(encoder) for encoder in self.encoders]
        drawn: list[list[Floats]] = [[] for _ in self.encoders_]
        for positions, rows in stretches(X):
            for encoder, columns, found in zip(self.encoders_, self._columns(), drawn, strict=True):
                if encoder is not None:
                    found.append(encoder.draw(rows[:, columns], positions, encoder.each(len(X))))
        for encoder, length, found in zip(self.encoders_, self.lengths, drawn, strict=True):
            if encoder is not None:
                encoder.learn(np.concatenate(found), length)
        return self

    def transform(self, X: BankRows | npt.NDArray[Any]) -> Floats:
        """Return the rows as float32, which are gone through once."""
        check_is_fitted(self)
        widths = [
            length if encoder is None else encoder.columns
            for encoder, length in zip(self.encoders_, self.lengths, strict=True)
        ]
        result = np.empty((len(X), sum(widths)), np.float32)
        ends = np.cumsum(widths)
        for positions, rows in stretches(X):
            for encoder, columns, width, end in zip(self.encoders_, self._columns(), widths, ends, strict=True):
                some = rows[:, columns]
                result[positions, end - width : end] = some if encoder is None else encoder.transform(some)
        return result

    def _columns(self) -> list[slice]:
        ends = np.cumsum(self.lengths)
        return [slice(end - length, end) for end, length in zip(ends, self.lengths, strict=True)]
