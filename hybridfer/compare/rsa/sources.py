"""Patterns out of feature banks: which rows are of which item, whose they are, and of which part of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hybridfer.bank.bank import FeatureBank, first_word
from hybridfer.compare.rsa.matrices import Dissimilarities, Rows
from hybridfer.errors import BankError, DatasetError, SpecError
from hybridfer.labels import class_order
from hybridfer.spec import FeatureSpec, parse_spec

if TYPE_CHECKING:
    from hybridfer.descriptors.base import Descriptor

Block = tuple[FeatureBank, str]
"""A block of a bank, by its canonical spec."""


@dataclass(frozen=True)
class Design:
    """What the items are, and how rows are kept apart.

    Parameters
    ----------
    windows : bool
        The items are the twelve windows of a face. Every face has a matrix, unless `subjects` says otherwise.
    by : str, optional
        The items are the values of this column; without it and `windows`, the rows.
    subjects : str, optional
        Every value of this column has a matrix.
    folds : str, optional
        Every value of this column is a part of the data of its own, for the crossnobis distance.

    Raises
    ------
    SpecError
        If `windows` and `by` both say what the items are.
    """

    windows: bool = False
    by: str | None = None
    subjects: str | None = None
    folds: str | None = None

    def __post_init__(self) -> None:
        if self.windows and self.by is not None:
            raise SpecError(
                f"The items are the windows of a face or the values of {self.by!r}, not both; leave one out."
            )

    def rows(self, block: Block, name: str) -> tuple[Rows, list[str]]:
        """Return the patterns of a block under `name`, and what a reader should be told of them.

        Raises
        ------
        BankError
            If the bank has no such column.
        DatasetError
            If no row says what is asked for, or rows that are to be items share a name.
        """
        bank, spec = block
        columns = {key: _texts(bank, getattr(self, key)) for key in ("by", "subjects", "folds") if getattr(self, key)}
        known = np.array([all(row) for row in zip(*columns.values(), strict=True)] or [True] * len(bank), bool)
        kept = np.flatnonzero(known)
        notes = []
        if len(kept) < len(bank):
            asked = ", ".join(str(getattr(self, key)) for key in columns)
            if not len(kept):
                raise DatasetError(f"No row of {bank.path} has a value of {asked}; name another column.")
            notes.append(f"{name}: {len(bank) - len(kept)} of {len(bank)} rows have no {asked} and are left out")
        said = {key: [str(values[i]) for i in kept] for key, values in columns.items()}
        patterns: npt.NDArray[Any] = bank.X(spec)[kept]
        subjects, folds = said.get("subjects"), said.get("folds")
        if self.windows:
            windows = list(window_middles(block))
            rows = len(kept)
            faces = [row_names(bank)[i] for i in kept] if subjects is None else subjects
            people = [value for value in _texts(bank, "subject") if value is not None]
            if subjects is None and len(set(people)) < len(people):
                notes.append(
                    "some of the faces are of one person, so they are no independent draws; see --subjects subject"
                )
            patterns = patterns.reshape(rows * len(windows), -1)
            each = [[value for value in values for _ in windows] for values in (faces, folds or [])]
            return Rows(name, patterns, windows * rows, windows, each[0], each[1] or None), notes
        items = said["by"] if self.by else [row_names(bank)[i] for i in kept]
        order = class_order(items) if self.by else items
        return Rows(name, patterns, items, order, subjects, folds), notes

    def categories(self, bank: FeatureBank, column: str) -> Dissimilarities:
        """Return the matrix that is 0 for items of one value of a column and 1 for others.

        Raises
        ------
        SpecError
            If the items are windows.
        DatasetError
            If an item has no value or several.
        """
        if self.windows:
            raise SpecError("Windows of a face have no categories; leave --windows out, or the model category.")
        values, items = _texts(bank, column), _texts(bank, self.by) if self.by else row_names(bank)
        found: dict[str, set[str | None]] = {}
        for item, value in zip(items, values, strict=True):
            if item is not None:
                found.setdefault(item, set()).add(value)
        for item, of_item in found.items():
            if len(of_item) > 1 or None in of_item:
                several = "no" if None in of_item else f"{len(of_item)} values of"
                raise DatasetError(f"{item!r} has {several} {column}, so it is in no category; choose another column.")
        order = class_order(found) if self.by else list(found)
        kinds = np.array([str(next(iter(found[item]))) for item in order], object)
        first, second = np.triu_indices(len(order), 1)
        vector = (kinds[first] != kinds[second]).astype(np.float64)
        return Dissimilarities(f"category:{column}", tuple(order), vector[None])


def row_names(bank: FeatureBank) -> list[str]:
    """Return what the rows with a face are called: their input, and the frame and face where that is not enough.

    Raises
    ------
    DatasetError
        If two rows have the same name.
    """
    inputs, frames, faces = (bank.column(column) for column in ("input", "frame", "face_id"))
    names = [str(name) for name in inputs]
    if len(set(names)) < len(names):
        names = [f"{name} frame {f} face {i}" for name, f, i in zip(inputs, frames, faces, strict=True)]
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise DatasetError(f"{bank.path} has {twice!r} twice, so rows cannot be items; say --by COLUMN.")
    return names


def window_middles(block: Block) -> dict[str, list[float]]:
    """Return the names of a block's windows, in order, and their middles ``[x, y]`` in distances between the eyes.

    Raises
    ------
    BankError
        If the block is not of windows.
    """
    bank, spec = block
    middles: dict[str, list[float]] | None = bank.blocks[spec].get("windows")
    if middles is None:
        raise BankError(
            f"{first_word(spec)} of {bank.path} is not of windows; make one with hybridfer extract --windows."
        )
    return middles


def find_blocks(banks: Sequence[FeatureBank], text: str, windows: bool) -> list[Block]:
    """Return the blocks that a spec or its first word names, at most one a bank; of `windows`, ``lbp`` will do.

    Raises
    ------
    BankError
        If no bank has it, or one has several.
    """
    wanted = f"windows({text})" if windows and not text.startswith("windows(") else text
    found = []
    missing: BankError | None = None
    for bank in banks:
        try:
            found.append((bank, bank.block(wanted)))
        except BankError as error:
            missing = missing or error
    if not found and missing is not None:
        raise missing
    return found


def layer_blocks(banks: Sequence[FeatureBank], text: str, windows: bool) -> list[Block]:
    """Return the blocks of a network's layers, in the order in which the network lists them.

    Parameters
    ----------
    banks : sequence of FeatureBank
    text : str
        The network, and options that the blocks' specs must have: ``resnet18:pool=gap``.
    windows : bool
        Whether the blocks are of windows.

    Raises
    ------
    SpecError
        If there is no such network.
    BankError
        If no bank has a layer of it.
    """
    from hybridfer.deep.checkpoints import plan_network

    asked = parse_spec(text)
    order = {name: i for i, (name, _) in enumerate(plan_network(asked.name).named_modules())}
    found: list[tuple[int, Block]] = []
    for bank in banks:
        for block in bank.blocks:
            spec = _block_spec(block)
            layer = (spec.inner if windows else spec) if spec is not None else None
            if layer is None or layer.name != asked.name or layer.layer is None:
                continue
            if asked.options.items() <= layer.options.items():
                found.append((order.get(layer.layer, len(order)), (bank, block)))
    if not found:
        of = " of windows" if windows else ""
        raise BankError(
            f"{', '.join(str(bank.path) for bank in banks)} has no layer{of} of {text}; extract some, as in "
            f"-f {asked.name}@LAYER, or give the pictures instead of the bank."
        )
    return [block for _, block in sorted(found, key=lambda pair: pair[0])]


def layer_specs(text: str, untrained: bool, seed: int) -> tuple[list[str], list[str]]:
    """Return the specs of a network's outermost layers, and what is to be said of those that give no vector.

    Parameters
    ----------
    text : str
        The network, and options of its layers: ``resnet18:pool=max``.
    untrained, seed
        As the options of ``hybridfer extract``.

    Raises
    ------
    SpecError
        If the network or an option is unknown.
    WeightsError
        If the network has no weights and `untrained` is False.
    """
    from hybridfer.bank.describe import make_descriptors
    from hybridfer.deep.checkpoints import plan_network

    asked = parse_spec(text)
    specs, silent = [], []
    for layer, _ in plan_network(asked.name).named_children():
        made: Descriptor
        (made,) = make_descriptors([str(FeatureSpec(asked.name, layer, asked.options))], untrained=untrained, seed=seed)
        try:
            _ = made.length
        except SpecError:
            silent.append(layer)
        else:
            specs.append(made.spec)
    return specs, [f"{asked.name}: {', '.join(silent)} give no map or vector and are left out"] if silent else []


def _texts(bank: FeatureBank, column: str) -> list[str | None]:
    return [None if value is None or value == "" else str(value) for value in bank.column(column)]


def _block_spec(block: str) -> FeatureSpec | None:
    """Return a block's parsed spec; None for a name that is none, as a bank of another tool's table may have."""
    try:
        return parse_spec(block)
    except SpecError:
        return None
