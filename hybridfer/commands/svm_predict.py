"""``hybridfer svm-predict``: what a model says of pictures or of a feature bank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hybridfer.commands.options import (
    cache_option,
    common_options,
    format_option,
    input_options,
    inputs_argument,
    output_option,
    say,
    schema_option,
    strict_option,
)

if TYPE_CHECKING:
    from hybridfer.schemas import Schema


@click.command("svm-predict")
@click.argument("model", metavar="MODEL", type=click.Path())
@inputs_argument
@output_option
@format_option("csv", "jsonl", "parquet")
@schema_option
@click.option("--provenance", is_flag=True, help="Begin with the model's fingerprint.")
@input_options
@cache_option
@strict_option
@common_options
def svm_predict(
    model: str,
    inputs: tuple[str, ...],
    output: str | None,
    overwrite: bool,
    fmt: str | None,
    schema: Schema | None,
    provenance: bool,
    reading: dict[str, Any],
    cache: bool,
    strict: bool,
    jobs: int,
    seed: int,
    device: str,
    quiet: bool,
) -> int:
    """Predict the label of every face of INPUT, a feature bank or whatever extract reads.

    Rows go to standard output as CSV unless -o or --format says otherwise. The
    model knows which features it wants and how to find the face. With
    --label-set, they have the numbers that the set gives the labels too.

    \b
    Examples:
      hybridfer svm-predict fer.model fer.parquet -o predictions.csv
      hybridfer svm-predict fer.model photos/ --format jsonl | jq -r .label
    """
    from hybridfer.bank.extract import count_text
    from hybridfer.classify.model import load_model
    from hybridfer.classify.predict import write_predictions
    from hybridfer.cli import EXIT_DONE, EXIT_SOME_FAILED
    from hybridfer.tables import guess_format

    form = guess_format(output, fmt, ("csv", "jsonl", "parquet"), "csv")
    done = write_predictions(
        load_model(model),
        inputs,
        output,
        form,
        overwrite=overwrite,
        schema=schema,
        provenance=provenance,
        **reading,
        cache=cache,
        strict=strict,
        jobs=jobs,
        device=device,
    )
    for note in done.notes:
        say(quiet, f"note: {note}")
    say(quiet, f"{count_text(dict(done.counts))}{'' if output in (None, '-') else f' → {output}'}")
    return EXIT_SOME_FAILED if done.counts.get("error") else EXIT_DONE
