"""``hybridfer evaluate``: what a model's predictions are worth, or a detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from click.core import ParameterSource

from hybridfer.commands.options import (
    cache_option,
    check_option,
    common_options,
    input_options,
    inputs_argument,
    output_option,
    resamples_option,
    runtime_option,
    say,
    strict_option,
)

NOT_OF_DETECTORS = (
    *("by", "check", "cache", "nul", "labels", "dataset", "label_set"),
    *("detector", "faces", "max_faces", "every", "runtime"),
)
"""Parameters that have no meaning where MODEL is a detector."""


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
@resamples_option
@click.option(
    "--iou",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.5,
    show_default=True,
    metavar="SHARE",
    help="Of a detector: overlap (intersection over union) from which a face is found.",
)
@check_option
@output_option
@click.option("--format", "fmt", type=click.Choice(["text", "json"]), default="text", show_default=True)
@input_options
@cache_option
@runtime_option
@strict_option
@common_options
@click.pass_context
def evaluate(
    ctx: click.Context,
    model: str,
    inputs: tuple[str, ...],
    split: str | None,
    by: tuple[str, ...],
    missing: str,
    resamples: int,
    iou: float,
    check: str | None,
    output: str | None,
    overwrite: bool,
    fmt: str,
    reading: dict[str, Any],
    cache: bool,
    runtime: str,
    strict: bool,
    jobs: int,
    seed: int,
    device: str,
    quiet: bool,
) -> int:
    """Score MODEL on a feature bank or on pictures with known labels, and print the scores.

    MODEL is a model's folder, or a network that is installed, by its name.
    INPUT is a bank, or whatever extract reads. With -o, OUT.json takes the
    numbers, and a folder takes the numbers with the confusion matrix, the ROC
    curves and the calibration as PNG.

    MODEL may be a detector, such as mtcnn or yunet. INPUT then says where the
    faces are: a list of WIDER FACE (.txt), dlib's XML, or a manifest with
    columns FaceRectX, FaceRectY, FaceRectWidth, FaceRectHeight. The scores are
    average precision, recall and false faces; the folder has their curves.

    \b
    Examples:
      hybridfer evaluate fer.model fer.parquet --split val
      hybridfer evaluate arm fer2013.csv --split val
      hybridfer evaluate fer.model people.csv --by age --by gender -o scores/
      hybridfer evaluate mtcnn wider_face_val_bbx_gt.txt --min-face 12
    """
    from hybridfer.cli import EXIT_DONE, EXIT_SOME_FAILED
    from hybridfer.evaluation import detection
    from hybridfer.evaluation import evaluate as prediction
    from hybridfer.faces import DETECTORS
    from hybridfer.tables import open_output

    of_detector = model.partition(":")[0] in DETECTORS.names()
    _refuse(ctx, NOT_OF_DETECTORS if of_detector else ("iou",), f"a {'detector' if of_detector else 'model'}")
    room: Any = detection if of_detector else prediction
    to_file = output not in (None, "-")
    if to_file:
        room.check_target(str(output), overwrite)
    how: dict[str, Any] = {"split": split, "missing": missing, "resamples": resamples, "seed": seed}
    how |= {"strict": strict, "jobs": jobs, "device": device}
    if of_detector:
        asked = {name: reading[name] for name in ("min_face", "threshold")}
        found: Any = detection.evaluate_detector(model, inputs, iou=iou, **asked, **how)
    else:
        found = prediction.evaluate(model, inputs, by=by, check=check, **reading, cache=cache, runtime=runtime, **how)
    with open_output("-") as stream:
        stream.write(found.to_json() if fmt == "json" else found.summary())
    if to_file:
        say(quiet, f"→ {', '.join(map(str, room.write_evaluation(found, str(output), overwrite)))}")
    return EXIT_SOME_FAILED if found.protocol["error"] else EXIT_DONE


def _refuse(ctx: click.Context, names: Sequence[str], what: str) -> None:
    """Raise UsageError if the user gave one of the parameters, which `what` has no use for."""
    for parameter in ctx.command.params:
        if parameter.name in names and ctx.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[0]} says nothing to {what}; leave it out.")
