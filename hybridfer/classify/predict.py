"""Predictions on their way out: rows of a bank or of pictures, with the columns everyone expects, as they come."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from hybridfer import __version__
from hybridfer.classify.base import Predicted, Predictor
from hybridfer.classify.show import Gallery
from hybridfer.errors import ModelError
from hybridfer.labels import EXPRESSIONS, class_order, label_numbers, probability_columns
from hybridfer.tables import check_output, json_line, open_output, write_parquet, write_rows
from hybridfer.types import BANK_COLUMNS, ROW_COLUMNS

if TYPE_CHECKING:
    from hybridfer.schemas import Schema

_ROWS_AT_ONCE = 64

_NUMBERS = ("label_number", "true_label_number")


@dataclass(frozen=True)
class Predictions:
    """What was predicted: how many rows have each status, and what a reader should be told."""

    counts: Mapping[str, int]
    notes: list[str]


def prediction_columns(classes: Sequence[str], own: Sequence[str] = (), numbered: bool = False) -> list[str]:
    """Return the columns of a table of predictions, with labels as numbers too if `numbered`; `own` are the user's.

    The seven expressions always stand there, in their order, when all classes are expressions; a model that lacks one
    leaves its column empty. Models of other classes have ``p_<class>``.

    Examples
    --------
    >>> prediction_columns(["face", "other"])[-5:]
    ['p_face', 'p_other', 'label', 'confidence', 'true_label']
    """
    columns = probability_columns(classes)
    if all(label == column for label, column in columns.items()):
        columns = probability_columns(class_order([*EXPRESSIONS, *classes]))
    predicted = [*columns.values(), "label", "confidence", "true_label", *(_NUMBERS if numbered else ())]
    return list(dict.fromkeys([*ROW_COLUMNS, *predicted, *own]))


def write_predictions(
    model: Predictor,
    inputs: Sequence[str | os.PathLike[str]],
    output: str | None = None,
    form: str = "csv",
    *,
    schema: Schema | None = None,
    overwrite: bool = False,
    provenance: bool = False,
    draw: str | os.PathLike[str] | None = None,
    explain: str | os.PathLike[str] | None = None,
    labels: str = "auto",
    dataset: str | None = None,
    label_set: str | None = None,
    nul: bool = False,
    stdin: BinaryIO | None = None,
    **options: Any,
) -> Predictions:
    """Write a row for every face of a bank or of pictures, and one for every input without a face.

    Parameters
    ----------
    model : Predictor
        What :func:`hybridfer.load_model` returned.
    inputs : sequence of path
        One feature bank, or whatever ``extract`` reads.
    output : str, optional
        Where to; stdout when not given or ``-``.
    form : {"csv", "jsonl", "parquet"}
    schema : Schema, optional
        The columns of another tool, ours behind them; such rows are held in memory until the last is there.
    overwrite : bool
    provenance : bool
        Begin with the model's fingerprint: a comment line in CSV, a line of its own in JSON lines, metadata in Parquet.
    draw, explain : path, optional
        Folders for pictures with the answers, and with where a network looked; see
        :class:`~hybridfer.classify.show.Gallery`. With `overwrite` they may exist.
    labels, dataset, label_set, nul, stdin
        How pictures are read, see :func:`hybridfer.datasets.inputs.read_inputs`. With `label_set`, the rows have the
        columns ``label_number`` and ``true_label_number``: the numbers that set gives the labels, if it does.
    **options
        As :meth:`Predictor.predict_items`.

    Raises
    ------
    HybridferError
        If the inputs cannot be read or do not fit the model, it cannot explain itself, or the output cannot be written.
    """
    from hybridfer.bank.bank import FeatureBank, is_bank
    from hybridfer.datasets.inputs import read_inputs
    from hybridfer.faces.find import choose_detector, no_face_hint

    banks = [name for name in inputs if is_bank(name)]
    if banks and len(inputs) > 1:
        raise ModelError(f"{banks[0]} is a feature bank; give it alone, or join banks with hybridfer bank merge.")
    if banks and not (draw is None and explain is None):
        raise ModelError(f"{banks[0]} is a feature bank, which has no pictures to draw on; give the pictures.")
    detector = "none"
    if banks:
        bank = FeatureBank.open(banks[0])
        own = [name for name in bank.column_names if name not in BANK_COLUMNS]
        notes = model.bank_notes(bank)
        rows = model.predict_bank(bank)
    else:
        manifest = read_inputs(inputs, labels=labels, dataset=dataset, label_set=label_set, nul=nul, stdin=stdin)
        own = list(manifest.columns)
        notes = list(manifest.notes)
        predicted = model.predict_items(manifest, explain=explain is not None, **options)
        rows = _drawn(predicted, draw, explain, options.get("every", 1), overwrite)
        detector = choose_detector(manifest, options.get("detector") or model.detector)
    numbers = None if label_set is None else label_numbers(label_set)
    ours = prediction_columns(model.classes, numbered=numbers is not None)
    columns = prediction_columns(model.classes, own, numbered=numbers is not None)
    hidden = sorted(set(own) & set(ours))
    if hidden:
        notes.append(f"the column {hidden[0]!r} of the input is named as one of the predictions and is left out")
    counts: Counter[str] = Counter()
    unknown: Counter[str] = Counter()

    def batches() -> Iterator[list[dict[str, Any]]]:
        while batch := list(islice(rows, _ROWS_AT_ONCE)):
            counts.update(row["status"] for row in batch)
            unknown.update(row["true_label"] for row in batch if row["true_label"] not in (None, *model.classes))
            if numbers is not None:
                for row in batch:
                    row.update({name: numbers.get(row[name.removesuffix("_number")]) for name in _NUMBERS})
            yield batch

    written: Iterable[Iterable[Mapping[str, Any]]] = batches()
    if schema is not None:
        from hybridfer.schemas.table import peer_rows

        if output is not None and os.path.isfile(output):
            check_output(output, overwrite)  # before the work, not after it
        kept = [{name: row.get(name) for name in columns} for batch in written for row in batch]
        always = [name for name in ours if name not in (*ROW_COLUMNS, "true_label", "true_label_number")]
        columns, cells = peer_rows(schema, kept, always=always)
        written = [list(cells)]
    head = {"model": model.fingerprint, "hybridfer": __version__}
    if form == "parquet":
        write_parquet(output, columns, written, overwrite=overwrite, metadata=head if provenance else None)
    else:
        with open_output(output, overwrite) as stream:
            if provenance:
                line = f"# model {head['model']}, hybridfer {__version__}" if form == "csv" else json_line(head)
                stream.write(line + "\n")
            write_rows(stream, form, columns, written)
    if unknown:
        names = ", ".join(f"{label!r} ({n} rows)" for label, n in sorted(unknown.items()))
        notes.append(f"the model does not know the labels {names}; it knows {', '.join(model.classes)}")
    if hint := no_face_hint(counts, detector):
        notes.append(hint)
    return Predictions(dict(counts), notes)


def _drawn(predicted: Iterable[Predicted], *gallery: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows of what was predicted, as it is drawn."""
    with Gallery(*gallery) as shown:
        for each in predicted:
            shown.add(each)
            yield from each.rows
