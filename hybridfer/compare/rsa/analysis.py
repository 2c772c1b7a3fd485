"""``rsa``: the matrices of banks or pictures, of models, and how alike they are."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, combinations, count
from math import factorial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from hybridfer import __version__
from hybridfer.bank.bank import FeatureBank, first_word, is_bank
from hybridfer.compare.rsa import DISTANCES, MEASURES, check_name, inference
from hybridfer.compare.rsa.matrices import Dissimilarities, check_items, dissimilarities
from hybridfer.compare.rsa.models import ENDINGS, WINDOW_MODELS, read_matrices, window_model
from hybridfer.compare.rsa.result import COLUMNS, Analysis
from hybridfer.compare.rsa.sources import (
    Block,
    Design,
    find_blocks,
    layer_blocks,
    layer_specs,
    window_middles,
)
from hybridfer.errors import BankError, DatasetError, SpecError

CATEGORY = "category"
"""The model of a column's values, the label's unless ``category:COLUMN`` says another."""

_FEW = 7
"""So many items have over 5,000 orders; fewer leave a permutation test little to find."""

_ROUNDING = 1e-12

Source = FeatureBank | str | os.PathLike[str]


def rsa(
    data: Source | Sequence[Source],
    *,
    features: Sequence[str] = (),
    models: Sequence[str] = (),
    layers: str | None = None,
    windows: bool = False,
    by: str | None = None,
    subjects: str | None = None,
    folds: str | None = None,
    distance: str = "correlation",
    measure: str = "auto",
    permutations: int = 10_000,
    resamples: int = 2000,
    seed: int = 0,
    untrained: bool = False,
    device: str = "cpu",
    jobs: int = -1,
    **reading: Any,
) -> Analysis:
    """Return the dissimilarity matrices of descriptions and of models, and how alike they are.

    Parameters
    ----------
    data : FeatureBank, path or a sequence of them
        Feature banks; or pictures, which are described first.
    features : sequence of str
        The blocks that are to be explained; of banks, all that are no model when there are neither these nor `layers`.
    models : sequence of str
        What may explain them: another block (``gwp``); ``physical`` or ``symmetric``, distances of the windows;
        ``category`` or ``category:COLUMN``; a file with matrices (CSV, NPZ). Without models every two blocks are
        compared.
    layers : str, optional
        A network whose layers are to be explained too: those in the banks, or, of pictures, its outermost ones.
    windows, by, subjects, folds
        What the items are, see :class:`~hybridfer.compare.rsa.sources.Design`.
    distance : str
        See :func:`~hybridfer.compare.rsa.matrices.dissimilarities`.
    measure : str
        See :func:`~hybridfer.compare.rsa.inference.similarities`. ``auto`` is ``tau-a`` where a model has equal
        dissimilarities, else ``spearman``.
    permutations, resamples, seed : int
        Of the tests and of the intervals. Intervals are over subjects where there are any, else over items.
    untrained, device, jobs, **reading
        How pictures are described, as the options of ``hybridfer extract``.

    Raises
    ------
    HybridferError
        If something that is named is not there, or the items are too few, too many, not common to all, or constant.

    Examples
    --------
    >>> found = rsa("windows.parquet", features=["lbp"], models=["gwp", "physical"], windows=True)    # doctest: +SKIP
    >>> found.comparisons[0]["similarity"]                                                            # doctest: +SKIP
    0.381
    """
    if measure != "auto":
        check_name("measure", measure, MEASURES)
    check_name("distance", distance, DISTANCES)
    design = Design(windows, by, subjects, folds)
    if folds is not None and distance != "crossnobis":
        raise SpecError(f"Folds ({folds}) say nothing to the {distance} distance; leave them out, or use crossnobis.")
    sources = [data] if isinstance(data, (FeatureBank, str, os.PathLike)) else list(data)
    # What costs nothing to look at comes before pictures are described.
    files = {text: read_matrices(text) for text in models if text.lower().endswith(ENDINGS)}
    for text in models:
        if text in WINDOW_MODELS and not windows:
            raise SpecError(f"The model {text} is of the windows of a face; add --windows.")
    notes: list[str] = []
    extraction = {**reading, "jobs": jobs, "device": device}
    opened = _opened(sources, features, models, layers, design, (untrained, seed), notes, extraction)
    with opened as (banks, specs, described):
        curve = [(banks[0], spec) for spec in described]
        if layers is not None and not described:
            curve = layer_blocks(banks, layers, windows)
        explained = [block for text in features for block in find_blocks(banks, specs.get(text, text), windows)] + curve
        if not explained:
            explained = _blocks_left(banks, models, windows)
        explained = [block for i, block in enumerate(explained) if block not in explained[:i]]
        names = _names(explained)
        made = [_matrix(block, name, design, distance, notes) for block, name in zip(explained, names, strict=True)]
        theories = []
        for text in models:
            if text in files:
                theories += files[text]
            elif text in WINDOW_MODELS:
                theories.append(window_model(text, window_middles(explained[0])))
            elif _is_category(text):
                theories.append(_categories(text, banks, design))
            else:
                block = find_blocks(banks, specs.get(text, text), windows)[0]
                theories.append(_matrix(block, text, design, distance, notes))
        unread = sum(row["status"] == "error" for bank in banks for row in bank.rows()) if specs else 0
        facts = {"banks": [bank.fingerprint for bank in banks], "error": unread}
    made, theories = _common(made, _renamed(theories, made), notes)
    items = made[0].items
    if len(items) < _FEW:
        notes.append(
            f"{len(items)} items have {factorial(len(items))} orders, so hardly a p can be below "
            f"{1 / factorial(len(items)):.2g}"
        )
    measure, why = _chosen(measure, theories or made)
    pairs = [(one, other) for one in made for other in theories] if theories else list(combinations(made, 2))
    comparisons = _compare(pairs, measure, permutations, resamples, seed)
    protocol = {
        "items": "windows" if windows else by or "rows",
        "subjects": subjects or ("face" if windows else None),
        "folds": folds,
        "distance": distance,
        "measure": measure,
        "why": why,
        "permutations": permutations,
        "resamples": resamples,
        "resampled": "subjects" if made[0].subjects else "items",
        "seed": seed,
        **facts,
        "hybridfer": __version__,
    }
    return Analysis(
        items, made, theories, comparisons, [names[explained.index(block)] for block in curve], protocol, notes
    )


@contextmanager
def _opened(
    sources: Sequence[Source],
    features: Sequence[str],
    models: Sequence[str],
    layers: str | None,
    design: Design,
    random: tuple[bool, int],
    notes: list[str],
    extraction: Mapping[str, Any],
) -> Iterator[tuple[list[FeatureBank], dict[str, str], list[str]]]:
    """Yield the banks; of pictures, also the block of each spec that was asked for, and the blocks of the layers.

    Pictures are described into a bank that is gone when all is read.
    """
    given = [isinstance(source, FeatureBank) or is_bank(source) for source in sources]
    if all(given):
        yield [source if isinstance(source, FeatureBank) else FeatureBank.open(source) for source in sources], {}, []
        return
    if any(given):
        other = sources[given.index(False)]
        raise BankError(f"{other} is no feature bank, and others are; give banks alone, or pictures alone.")
    from hybridfer.bank.describe import make_descriptors
    from hybridfer.bank.extract import extract

    untrained, seed = random
    outermost, silent = ([], []) if layers is None else layer_specs(layers, untrained, seed)
    notes += silent
    wanted = [*features, *(text for text in models if _is_block(text)), *outermost]
    if not features and layers is None:
        raise SpecError("Pictures are described before they are compared; say by what, such as -f lbp.")
    blocks = {
        text: make_descriptors([text], untrained=untrained, seed=seed, windows=design.windows)[0].spec
        for text in wanted
    }
    with TemporaryDirectory(prefix="hybridfer-") as folder:
        named = [os.fspath(source) for source in sources if not isinstance(source, FeatureBank)]
        unique = list(dict.fromkeys(blocks.values()))
        bank = extract(named, unique, Path(folder) / "pictures.parquet", **extraction)
        notes += bank.provenance["notes"]
        if not len(bank):
            why = next((row["error"] for row in bank.rows() if row["error"]), "no face was found")
            raise DatasetError(f"There is nothing to compare in {', '.join(named)}: {why}")
        yield [bank], blocks, [blocks[text] for text in outermost]


def _blocks_left(banks: Sequence[FeatureBank], models: Sequence[str], windows: bool) -> list[Block]:
    """Return the blocks that are no model; of `windows` alone where these are the items."""
    known = [block for text in models if _is_block(text) for block in find_blocks(banks, text, windows)]
    every = [(bank, name) for bank in banks for name in bank.blocks]
    found = [block for block in every if block not in known and (not windows or "windows" in block[0].blocks[block[1]])]
    if not found:
        which = "of windows that is no model" if windows else "that is no model"
        raise BankError(f"{', '.join(str(bank.path) for bank in banks)}: there is no block {which}; extract one.")
    return found


def _is_block(text: str) -> bool:
    """Return whether a model is a block of a bank."""
    return text not in WINDOW_MODELS and not _is_category(text) and not text.lower().endswith(ENDINGS)


def _is_category(text: str) -> bool:
    return text.partition(":")[0] == CATEGORY


def _categories(text: str, banks: Sequence[FeatureBank], design: Design) -> Dissimilarities:
    column = text.partition(":")[2] or "label"
    having = [bank for bank in banks if column in bank.column_names] or banks
    return design.categories(having[0], column)


def _matrix(block: Block, name: str, design: Design, distance: str, notes: list[str]) -> Dissimilarities:
    rows, said = design.rows(block, name)
    made = dissimilarities(rows, distance)
    notes += [note for note in (*said, *made.notes) if note not in notes]
    return made


def _names(blocks: Sequence[Block]) -> list[str]:
    """Return the shortest names that tell blocks apart: the first word, the spec, and the bank."""
    words = [first_word(spec) for _, spec in blocks]
    names = [word if words.count(word) == 1 else spec for word, (_, spec) in zip(words, blocks, strict=True)]
    if len({spec for _, spec in blocks}) < len(blocks):
        shared = Counter(names)
        names = [
            name if shared[name] == 1 else f"{bank.path.stem}: {first_word(spec)}"
            for name, (bank, spec) in zip(names, blocks, strict=True)
        ]
    return [
        name if names.count(name) == 1 else f"{bank.path}: {spec}"
        for name, (bank, spec) in zip(names, blocks, strict=True)
    ]


def _renamed(theories: Sequence[Dissimilarities], data: Sequence[Dissimilarities]) -> list[Dissimilarities]:
    """Return the models, with a number after the name of one that another matrix has already."""
    taken = [made.name for made in data]
    found = []
    for made in theories:
        numbered = (f"{made.name} ({number})" for number in count(2))
        name = next(name for name in chain([made.name], numbered) if name not in taken)
        taken.append(name)
        found.append(replace(made, name=name))
    return found


def _common(
    data: list[Dissimilarities], theories: list[Dissimilarities], notes: list[str]
) -> tuple[list[Dissimilarities], list[Dissimilarities]]:
    """Return the matrices of the items that all of them have, in the order of the first."""
    every = [*data, *theories]
    shared = set(every[0].items).intersection(*(made.items for made in every[1:]))
    items = [item for item in every[0].items if item in shared]
    if len(items) < len(set().union(*(made.items for made in every))):
        lacking = next(made for made in every if set(made.items) != shared)
        other = next(item for item in lacking.items if item not in shared)
        for one, two in combinations(every, 2):
            if not set(one.items) & set(two.items):
                raise DatasetError(
                    f"{one.name} and {two.name} have no common item: the one has {one.items[0]!r}, the other "
                    f"{two.items[0]!r}. Items must be called the same."
                )
        notes.append(
            f"{len(items)} items are in every matrix; others, such as {other!r} of {lacking.name}, are left out"
        )
    check_items("What the matrices have in common", items)
    kept = [made.take(items) for made in every]
    for made in kept:
        for i, vector in enumerate(made.vectors):
            if np.ptp(vector) <= _ROUNDING * np.abs(vector).max():
                whose = f" of {made.subjects[i]!r}" if made.subjects else ""
                raise DatasetError(
                    f"All dissimilarities of {made.name}{whose} are {vector[0]:g}, so it tells nothing apart; "
                    "leave it out, or choose other items."
                )
    return kept[: len(data)], kept[len(data) :]


def _chosen(measure: str, matrices: Sequence[Dissimilarities]) -> tuple[str, str]:
    """Return the measure that fits the models, or the data that stand in their place, and why."""
    if measure != "auto":
        return measure, "as asked for"
    tied = [made.name for made in matrices if len(np.unique(made.mean)) < len(made.mean)]
    if tied:
        return "tau-a", f"{tied[0]} has equal dissimilarities"
    return "spearman", "no model has equal dissimilarities"


def _compare(
    pairs: Sequence[tuple[Dissimilarities, Dissimilarities]],
    measure: str,
    permutations: int,
    resamples: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Return what :data:`COLUMNS` say of every pair of data and model."""
    rows = []
    for data, model in pairs:
        n = len(data.items)
        row: dict[str, Any] = {**dict.fromkeys(COLUMNS), "data": data.name, "model": model.name}
        alike = inference.similarities(data.vectors, model.mean[None], measure)[:, 0]
        if data.subjects:
            interval = inference.subject_interval(alike, resamples, seed)
            row["ceiling_low"], row["ceiling_high"] = inference.noise_ceiling(data.vectors, measure)
            row |= {"subjects": len(alike), "subjects_p": inference.signed_rank_p(alike)}
        else:
            interval = inference.item_interval(data.mean, model.mean, n, measure, resamples, seed)
        row |= dict(zip(("similarity", "low", "high"), map(float, interval), strict=True))
        row["p"] = inference.permutation_p(data.vectors, model.mean, n, measure, permutations, seed)
        rows.append(row)
    for name in dict.fromkeys(row["data"] for row in rows):
        for p, q in (("p", "q"), ("subjects_p", "subjects_q")):
            own = [row for row in rows if row["data"] == name and row[p] is not None]
            if own:
                rates = inference.false_discovery(np.array([row[p] for row in own]))
                for row, rate in zip(own, rates.tolist(), strict=True):
                    row[q] = rate
    return rows
