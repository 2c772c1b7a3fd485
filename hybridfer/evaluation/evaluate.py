"""``evaluate``: what a model's predictions are worth on a feature bank or on pictures with known labels."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from hybridfer import __version__
from hybridfer.datasets.copies import CopyTable, contradictions
from hybridfer.errors import TrainingError
from hybridfer.evaluation.result import Evaluation
from hybridfer.evaluation.scoring import score_rows
from hybridfer.labels import canonical_split
from hybridfer.tables import replacing, report_target
from hybridfer.types import Item, Manifest

if TYPE_CHECKING:
    from hybridfer.bank.bank import FeatureBank
    from hybridfer.classify.base import Predictor

FILES = ("evaluation.json", "confusion.png", "roc.png", "reliability.png")
"""What an evaluation's folder holds."""

COPY = "training_copy"
"""Column of rows that says whether a row is a training row (``own``), or an ``identical`` or ``near`` copy of one."""

_Rows = tuple[list[dict[str, Any]], list[str], dict[str, Any]]
"""Rows of predictions, what is to be said of them, and what the data are."""


def evaluate(
    model: Predictor | str | os.PathLike[str],
    data: FeatureBank | Manifest | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    split: str | None = None,
    by: str | Sequence[str] = (),
    missing: str = "error",
    resamples: int = 2000,
    seed: int = 0,
    check: str | os.PathLike[str] | None = None,
    labels: str = "auto",
    dataset: str | None = None,
    label_set: str | None = None,
    nul: bool = False,
    stdin: BinaryIO | None = None,
    **prediction: Any,
) -> Evaluation:
    """Return what a model's predictions are worth.

    Parameters
    ----------
    model : Predictor, path or str
        A model folder, the name of a network, or what :func:`hybridfer.load_model` returned.
    data : FeatureBank, Manifest, path or sequence of paths
        A feature bank, or pictures, manifests and data sets whose labels are known.
    split : str, optional
        Score only the rows of this split; a data set's own name will do (``PublicTest`` is ``val``). All rows when not
        given.
    by, missing, resamples, seed
        As :func:`hybridfer.evaluation.scoring.score_rows` takes them.
    check : path, optional
        A report of ``hybridfer datasets check``: near copies of training pictures then count as copies too.
    labels, dataset, label_set, nul, stdin
        How pictures are read, see :func:`hybridfer.datasets.inputs.read_inputs`.
    **prediction
        How pictures are described: ``detector``, ``faces``, ``min_face``, ``jobs``, ``cache``, ``device``, ``runtime``
        and ``strict``, as the options of ``hybridfer predict``.

    Raises
    ------
    HybridferError
        If the model or the data cannot be read or do not fit each other, the split has no rows, no label is known, or
        a column of `by` does not exist.

    Examples
    --------
    >>> found = evaluate("fer.model", "fer.parquet", split="val", by="subject")     # doctest: +SKIP
    >>> found.metrics["accuracy"]                                                   # doctest: +SKIP
    {'value': 0.45, 'low': 0.434, 'high': 0.467}
    """
    from hybridfer.bank.bank import FeatureBank, is_bank
    from hybridfer.datasets.inputs import read_inputs

    if isinstance(model, (str, os.PathLike)):
        from hybridfer.classify.model import load_model

        model = load_model(model)
    wanted = None if split is None else canonical_split(split)
    source = data
    if isinstance(source, (str, os.PathLike)):
        source = [source]
    if isinstance(source, Sequence):
        banks = [is_bank(name) for name in source]
        if any(banks) and len(banks) > 1:
            raise TrainingError("One feature bank is scored at a time; join several with hybridfer bank merge.")
        source = (
            FeatureBank.open(source[0])
            if any(banks)
            else read_inputs(source, labels=labels, dataset=dataset, label_set=label_set, nul=nul, stdin=stdin)
        )
    copies = CopyTable({}) if check is None else CopyTable.read(check)
    if isinstance(source, Manifest):
        rows, notes, facts = _picture_rows(model, source, wanted, prediction)
        if check is not None:
            notes.append(
                "copies of training pictures are looked for among the rows of a bank alone: check says nothing"
            )
    else:
        rows, notes, facts = _bank_rows(model, source, wanted, copies)
    columns = [by] if isinstance(by, str) else list(by)
    # Where some rows are copies of training pictures, what the others score is what counts.
    if len({row.get(COPY) for row in rows}) > 1:
        columns = list(dict.fromkeys([*columns, COPY]))
    protocol = {
        "model": model.fingerprint,
        "data": facts,
        "split": wanted,
        "check": copies.report,
        "versions": {"hybridfer": __version__, **_versions()},
    }
    return score_rows(
        rows,
        model.classes,
        by=columns,
        missing=missing,
        resamples=resamples,
        seed=seed,
        protocol=protocol,
        notes=notes,
    )


def check_target(output: str | os.PathLike[str], overwrite: bool) -> tuple[Path, tuple[str, ...]]:
    """Return where an evaluation may be written to, ``….json`` or a folder; see :func:`report_target`."""
    return report_target(output, overwrite, "An evaluation", FILES, (".json",))


def write_evaluation(evaluation: Evaluation, output: str | os.PathLike[str], overwrite: bool = False) -> list[Path]:
    """Write an evaluation's numbers to ``….json``, or with their charts into a folder, and return the files' paths.

    A folder holds ``evaluation.json``, ``confusion.png``, ``roc.png`` and ``reliability.png``. It takes its place
    when all is written.

    Raises
    ------
    OutputError
        As :func:`check_target`, or if it cannot be written.
    """
    from hybridfer.report.plots import confusion_png, reliability_png, roc_png

    path, folder = check_target(output, overwrite)
    with replacing(path, overwrite, folder) as beside:
        if not folder:
            beside.write_text(evaluation.to_json(), "utf-8")
            return [path]
        beside.mkdir()
        numbers, confusion, roc, reliability = (beside / name for name in FILES)
        split = evaluation.protocol.get("split")
        where = "" if split is None else f" on {split}"
        matrix = evaluation.confusion
        numbers.write_text(evaluation.to_json(), "utf-8")
        confusion_png(confusion, matrix["counts"], matrix["rows"], matrix["columns"], f"Confusion matrix{where}")
        roc_png(roc, evaluation.roc, f"ROC, one against the rest{where}")
        reliability_png(reliability, evaluation.calibration, f"Reliability{where}")
    return [path / name for name in folder]


def _bank_rows(model: Predictor, bank: FeatureBank, split: str | None, copies: CopyTable) -> _Rows:
    known = bank.rows()
    check_split(Counter(row["split"] for row in known), split, str(bank.path))
    kept = [split is None or row["split"] == split for row in known]
    rows = list(model.predict_bank(bank, split))
    facts = {"bank": bank.fingerprint, "dataset": bank.provenance["dataset"], "detector": bank.provenance["detector"]}
    notes = _mark_copies(model.card, bank, known, kept, rows, copies)
    return rows, [*model.bank_notes(bank), *notes], facts


def _picture_rows(model: Predictor, manifest: Manifest, split: str | None, prediction: Mapping[str, Any]) -> _Rows:
    from hybridfer.faces.find import choose_detector

    seen: Counter[str | None] = Counter()
    detector = choose_detector(manifest, prediction.get("detector") or model.detector)

    def items() -> Iterator[Item]:
        for item in manifest.items:
            seen[item.split] += 1
            if split is None or item.split == split:
                yield item

    rows = list(model.predict_inputs(replace(manifest, items=items()), **prediction))
    check_split(seen, split, "the input")
    trained = model.card.get("training", {})
    known = sum(row["split"] is not None and row["split"] == trained.get("split") for row in rows)
    notes = list(manifest.notes)
    if known and trained.get("dataset") == manifest.dataset:
        notes.append(
            f"{known} of these rows are of the split {trained['split']} of {manifest.dataset}, and so were those that "
            "the model was trained on; where they are the same, their scores say little of new pictures"
        )
    return rows, notes, {"dataset": manifest.dataset, "detector": detector}


def check_split(seen: Mapping[str | None, int], split: str | None, name: str) -> None:
    """Raise TrainingError where a split is asked for and none of the rows `seen`, by split, is of it."""
    if split is not None and not seen.get(split):
        found = ", ".join(f"{known} ({n} rows)" for known, n in seen.items() if known is not None)
        raise TrainingError(
            f"No row of {name} is of the split {split!r}; "
            + (f"there are {found}." if found else "its rows have no splits, so leave --split out.")
        )


def _mark_copies(
    card: Mapping[str, Any],
    bank: FeatureBank,
    known: Sequence[Mapping[str, Any]],
    kept: Sequence[bool],
    rows: Sequence[dict[str, Any]],
    copies: CopyTable,
) -> list[str]:
    """Say of each row, in :data:`COPY`, if it is a training row or a copy of one; return what a reader must know."""
    scored = [row for row, keep in zip(known, kept, strict=True) if keep]
    pictures, labels = ([row[name] for row in scored] for name in ("sha256", "label"))
    notes = []
    groups, several = contradictions(pictures, labels)
    if groups:
        notes.append(f"{several} of these rows are identical pictures with different labels, in {groups} groups")
    if flat := sum(picture in copies.constant for picture in pictures):
        notes.append(f"{flat} of these rows are pictures of one colour")
    trained = card.get("training", {})
    if trained.get("bank") != bank.fingerprint:
        notes.append(
            "the model was not trained on this bank, so copies of its training pictures cannot be counted here"
        )
        return notes
    fitted = [
        row["status"] == "ok" and row["label"] is not None and trained["split"] in (None, row["split"]) for row in known
    ]
    same, near = copies.among(pictures, {row["sha256"] for row, used in zip(known, fitted, strict=True) if used})
    own = [used for used, keep in zip(fitted, kept, strict=True) if keep]
    for row, *found in zip(rows, own, same, near, strict=True):
        row[COPY] = next((name for name, true in zip(("own", "identical", "near"), found, strict=True) if true), "none")
    counts = Counter(row[COPY] for row in rows)
    if counts["own"]:
        notes.append(
            f"the model was trained on {counts['own']} of these rows, so their scores say little of new pictures"
        )
    if counts["identical"]:
        notes.append(
            f"{counts['identical']} of these rows are pictures that, byte for byte, are among the training rows too"
        )
    if counts["near"]:
        notes.append(f"{counts['near']} more are near copies of training pictures")
    if counts["none"] < len(rows):
        notes.append(f"what the other {counts['none']} rows score stands by {COPY} under none")
    return notes


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("numpy", "scikit-learn", "torch")}
