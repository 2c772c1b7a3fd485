"""``hybridfer evaluate``: what a model's predictions are worth."""

from __future__ import annotations

from typing import Any

import click

from hybridfer.commands.options import (
    cache_option,
    check_option,
    common_options,
    input_options,
    inputs_argument,
    output_option,
    say,
    strict_option,
)


@click.command()
@click.argument("model", metavar="MODEL", type=click.Path())
@inputs_argument
@click.option(
    "--split", metavar="NAME", help="Score only this split: train, val, test, or a data set's own name for it."
)
@click.option("--by", multiple=True, metavar="COLUMN", help="Score each value of a column too, such as age or subject.")
@click.option(
    "--missing",
    type=click.Choice(["error", "skip"]),
    default="error",
    show_default=True,
    help="Pictures without a face, or that cannot be read, are wrong answers or are left out.",
)
@click.option(
    "--resamples",
    type=click.IntRange(min=100),
    default=2000,
    show_default=True,
    metavar="N",
    help="Of the bootstrap, for 95 % intervals.",
)
@check_option
@output_option
@click.option("--format", "fmt", type=click.Choice(["text", "json"]), default="text", show_default=True)
@input_options
@cache_option
@strict_option
@common_options
def evaluate(
    model: str,
    inputs: tuple[str, ...],
    split: str | None,
    by: tuple[str, ...],
    missing: str,
    resamples: int,
    check: str | None,
    output: str | None,
    overwrite: bool,
    fmt: str,
    reading: dict[str, Any],
    cache: bool,
    strict: bool,
    jobs: int,
    seed: int,
    device: str,
    quiet: bool,
) -> int:
    """Score MODEL on a feature bank or on pictures with known labels, and print the scores.

    INPUT is a bank, or whatever extract reads. With -o, OUT.json takes the
    numbers, and a folder takes the numbers with the confusion matrix, the ROC
    curves and the calibration as PNG.

    \b
    Examples:
      hybridfer evaluate fer.model fer.parquet --split val
      hybridfer evaluate fer.model people.csv --by age --by gender -o scores/
    """
    from hybridfer.cli import EXIT_DONE, EXIT_SOME_FAILED
    from hybridfer.evaluation.evaluate import check_target, write_evaluation
    from hybridfer.evaluation.evaluate import evaluate as score
    from hybridfer.tables import open_output

    to_file = output not in (None, "-")
    if to_file:
        check_target(str(output), overwrite)
    found = score(
        model,
        inputs,
        split=split,
        by=by,
        missing=missing,
        resamples=resamples,
        seed=seed,
        check=check,
        **reading,
        cache=cache,
        strict=strict,
        jobs=jobs,
        device=device,
    )
    with open_output("-") as stream:
        stream.write(found.to_json() if fmt == "json" else found.summary())
    if to_file:
        say(quiet, f"→ {', '.join(map(str, write_evaluation(found, str(output), overwrite)))}")
    return EXIT_SOME_FAILED if found.protocol["error"] else EXIT_DONE
