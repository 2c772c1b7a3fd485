"""``hybridfer predict``: what a model says of the faces in pictures, in videos or in a feature bank."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hybridfer.commands.options import (
    apply_options,
    cache_option,
    common_options,
    format_option,
    input_options,
    inputs_argument,
    output_option,
    runtime_option,
    say,
    schema_option,
    strict_option,
)

if TYPE_CHECKING:
    from hybridfer.schemas import Schema

F = TypeVar("F", bound=Callable[..., Any])


def predict_options(function: F) -> F:
    """What every command that predicts takes: the model, the inputs, how they are read, and the form of the rows."""
    options = [
        click.argument("model", metavar="MODEL", type=click.Path()),
        inputs_argument,
        output_option,
        format_option("csv", "jsonl", "parquet"),
        schema_option,
        click.option("--provenance", is_flag=True, help="Begin with the model's fingerprint."),
        input_options,
        cache_option,
        strict_option,
        common_options,
    ]
    return apply_options(options, function)


@click.command()
@click.option(
    "--draw", metavar="DIR", type=click.Path(), help="Draw box, label and confidence on pictures and videos there."
)
@click.option(
    "--explain", metavar="DIR", type=click.Path(), help="Draw where the network looked (Grad-CAM) on pictures there."
)
@runtime_option
@predict_options
def predict(**options: Any) -> int:
    """Predict the expression of every face of INPUT: pictures, folders, videos, or whatever extract reads.

    MODEL is a network that is installed, by its name (hybridfer models list),
    or the folder of a model: of train or of svm-train. The model knows how to
    find a face and how to cut it out. Rows go to standard output as CSV unless
    -o or --format says otherwise. A feature bank will do instead of pictures if
    it holds the blocks that the model reads. With --label-set, rows have the
    numbers that the set gives the labels too.

    \b
    Examples:
      hybridfer predict arm photo.jpg
      hybridfer predict arm interview.mp4 --every 5 --draw seen/ -o faces.parquet
      find . -name '*.jpg' | hybridfer predict arm - --explain why/ --format jsonl
    """
    return run_predict(**options)


def run_predict(
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
    draw: str | None = None,
    explain: str | None = None,
    runtime: str = "torch",
) -> int:
    """Write the predictions, say what there is to be said of them, and return the exit code."""
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
        draw=draw,
        explain=explain,
        **reading,
        runtime=runtime,
        cache=cache,
        strict=strict,
        jobs=jobs,
        device=device,
    )
    for note in done.notes:
        say(quiet, f"note: {note}")
    say(quiet, f"{count_text(dict(done.counts))}{'' if output in (None, '-') else f' → {output}'}")
    return EXIT_SOME_FAILED if done.counts.get("error") else EXIT_DONE
