"""``hybridfer train``: train a network."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click
from click.core import ParameterSource

from hybridfer.commands.options import common_options, detector_option, label_options, say, set_option, strict_option
from hybridfer.deep import LOSSES, NETWORKS, TRAINERS
from hybridfer.deep.training.recipe import (
    CLASS_WEIGHTS,
    KEEPS,
    OPTIMISERS,
    PRECISIONS,
    RESAMPLES,
    SCHEDULES,
    Recipe,
)
from hybridfer.spec import format_value

OF_DETECTORS = ("negatives", "scenes", "alpha")
"""Parameters that only the training of a detector has."""

OF_BOTH = ("epochs", "batch", "lr")
"""Those that every training has."""

SECTIONS = {
    "Network": ("size", "width", "channels", "options", "weights"),
    "Data": ("labels", "dataset", "label_set", "detector", "votes", "val", "strict"),
    "Learning": (
        *("epochs", "batch", "loss", "optimiser", "lr", "weight_decay", "schedule", "warmup", "clip", "ema"),
        *("class_weights", "resample", "patience", "keep", "precision"),
    ),
    "Pictures made different": (
        *("flip", "rotate", "shift", "scale", "brightness", "contrast", "noise", "cutout", "mixup"),
    ),
    "Of a detector alone": OF_DETECTORS,
}
"""The headings of the help, and what stands below each; all else comes last."""

SHARE = click.FloatRange(0, 1)
COUNT = click.IntRange(min=1)
ANY = click.FloatRange(min=0)


class Sectioned(click.Command):
    """A command whose help has :data:`SECTIONS`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options below their headings."""
        records = {
            str(param.name): param.get_help_record(ctx)
            for param in self.get_params(ctx)
            if isinstance(param, click.Option)
        }
        sections = {title: [records.pop(name) for name in names] for title, names in SECTIONS.items()}
        for title, rows in (*sections.items(), ("Options", list(records.values()))):
            with formatter.section(title):
                formatter.write_dl([row for row in rows if row is not None])


def _option(name: str, text: str, default: str | None = None, **attributes: Any) -> Callable[..., Any]:
    """Return an option whose help ends with what the library does without it; None: what the recipe says."""
    if default is None:
        default = format_value(getattr(Recipe, name.removeprefix("--").replace("-", "_")))
    return click.option(name, help=f"{text}  [default: {default}]", **attributes)


@click.command(cls=Sectioned)
@click.argument("net", metavar="NET")
@click.argument("data", metavar="DATA", type=click.Path())
@click.option("-o", "--output", metavar="MODEL", type=click.Path(), required=True, help="Folder to save the model to.")
@click.option("--overwrite", is_flag=True, help="Replace MODEL if it exists.")
@click.option("--resume", is_flag=True, help="Continue a training that was killed; its last whole epoch counts.")
@click.option("--half/--full", "half", help="Precision that weights are saved in.  [default: half]")
@_option("--size", "Side of the pictures that it sees.", "48", type=COUNT, metavar="PIXELS")
@_option("--width", "Factor of its numbers of channels.", "1", type=float, metavar="X")
@_option("--channels", "Sees grey or colour.", "1 if all pictures are grey", type=click.Choice(["1", "3"]))
@set_option
@click.option("--weights", metavar="NAME", help="Weights to begin with, by name or folder: the tensors that fit.")
@click.option(
    "--votes", type=click.Choice(["majority", "argmax", "soft"]), help="Learn FER+'s votes; val keeps its labels."
)
@_option(
    "--val",
    "Of data without a split val, the share that is held back to measure on; 0: nothing is measured.",
    "0.1",
    type=click.FloatRange(0, 1, max_open=True),
    metavar="SHARE",
)
@_option("--epochs", "How often it sees all pictures.", "60; of a detector 4", type=COUNT, metavar="N")
@_option("--batch", "Pictures that are learnt from at once.", "128; of a detector 256", type=COUNT, metavar="N")
@_option(
    "--loss",
    f"{', '.join(sorted(LOSSES.table))}, with options if any, such as focal:gamma=2.",
    "the network's own, or cross-entropy:smoothing=0.1",
    metavar="SPEC",
)
@_option(
    "--optimiser",
    "sgd has Nesterov's momentum of 0.9.",
    "sgd; adamw for networks without batch normalisation",
    type=click.Choice(list(OPTIMISERS)),
)
@_option("--lr", "The highest learning rate.", "sgd 0.1, others 0.001; of a detector 0.001", type=float, metavar="X")
@_option("--weight-decay", "How weights shrink.", "sgd 0.0005, adamw 0.05, radam 0.001", type=ANY, metavar="X")
@_option("--schedule", "How the learning rate sinks.", type=click.Choice(SCHEDULES))
@_option("--warmup", "In which the learning rate rises.", "2, or a tenth of all", type=ANY, metavar="EPOCHS")
@_option("--clip", "The greatest length of a gradient; 0: any.", type=ANY, metavar="X")
@_option("--ema", "What the running mean of the weights keeps at a step; 0: no mean.", type=ANY, metavar="X")
@_option("--class-weights", "Whether rare classes count more.", type=click.Choice(CLASS_WEIGHTS))
@_option("--resample", "minimal: an epoch has as many of every class as the rarest.", type=click.Choice(RESAMPLES))
@_option("--patience", "End after so many epochs without gain on val; 0: never.", type=click.IntRange(0), metavar="N")
@_option("--keep", "Whether the last epoch is saved, or the best on val.", type=click.Choice(KEEPS))
@_option(
    "--precision",
    "Of reckoning; auto: bfloat16 where the device can, float16 on other GPUs.",
    type=click.Choice(PRECISIONS),
)
@_option("--flip", "Of pictures that are mirrored.", type=SHARE, metavar="SHARE")
@_option("--rotate", "By which they are turned at most.", type=click.FloatRange(0, 180), metavar="DEGREES")
@_option("--shift", "Of the side, by which they are moved at most.", type=SHARE, metavar="SHARE")
@_option("--scale", "They become larger or smaller by up to e to the X.", type=ANY, metavar="X")
@_option("--brightness", "What is added at most, where pixels are 0 to 1.", type=ANY, metavar="X")
@_option("--contrast", "It becomes more or less by up to e to the X.", type=ANY, metavar="X")
@_option("--noise", "Deviation of what is added to every pixel.", type=ANY, metavar="X")
@_option("--cutout", "Of pictures in which a square is painted over.", type=SHARE, metavar="SHARE")
@_option("--mixup", "They are mixed with each other, by beta(ALPHA, ALPHA).", type=ANY, metavar="ALPHA")
@click.option(
    "--negatives", metavar="FOLDER", type=click.Path(), help="Pictures without a face, to learn from as well."
)
@_option(
    "--scenes",
    "Scenes that windows are cut from; for P-Net there are twice as many.",
    "1200",
    type=COUNT,
    metavar="N",
)
@_option(
    "--alpha",
    "Share of R-Net's channels at half the resolution; 0.5 is faster.",
    "0.25",
    type=click.FloatRange(0, 1, max_open=True),
    metavar="X",
)
@label_options
@detector_option()
@strict_option
@common_options
@click.pass_context
def train(
    ctx: click.Context,
    /,
    net: str,
    data: str,
    output: str,
    overwrite: bool,
    resume: bool,
    jobs: int,
    seed: int,
    device: str,
    quiet: bool,
    **options: Any,
) -> int:
    """Train the network NET on DATA, and save it as the folder MODEL.

    NET is a network that tells expressions apart (hybridfer list networks). DATA are whatever extract reads, with
    labels: a data set, a folder with a folder for each class, a manifest. It learns from the split train and measures
    val after every epoch; test is never opened. MODEL is what predict and evaluate take, and network layers as
    --feature NET@LAYER:weights=MODEL.

    NET may be the detector mtcnn-improved instead. Its DATA are a list of WIDER FACE, dlib's XML, or a manifest with a
    row for each face: path, and FaceRectX, FaceRectY, FaceRectWidth, FaceRectHeight, or points x_0, y_0 …; where a
    manifest has splits, the rows of train.

    After every epoch all is kept in MODEL.parts until the training has ended; after a kill, the same command with
    --resume goes on from there.

    \b
    Examples:
      hybridfer train arm fer2013.csv --width 0.5 --epochs 40 -o arm.model
      hybridfer train rmrn18 fer2013.csv --width 0.25 --votes soft -o rmrn.model --resume
      hybridfer train arm photos/ --weights arm --epochs 10 --lr 0.01 -o mine.model
      hybridfer train arm fer2013.csv --set de_albino=false --loss focal:gamma=2 -o ablation.model
      hybridfer train mtcnn-improved wider_face_train_bbx_gt.txt --negatives empty/ -o finder.model
      hybridfer detect photos/ --detector mtcnn-improved:weights=finder.model
    """
    from hybridfer.cli import EXIT_DONE, EXIT_SOME_FAILED

    of_detector = net in TRAINERS.names()
    given = _given(ctx, options, of_detector, net)
    how: dict[str, Any] = {"resume": resume, "overwrite": overwrite, "device": device, "jobs": jobs, "seed": seed}
    if of_detector:
        TRAINERS.load(net)(data, output, **given, **how, tell=lambda text: say(quiet, text))
        say(quiet, f"→ {output}")
        return EXIT_DONE
    replace(NETWORKS, table={**NETWORKS.table, **TRAINERS.table}).load(net)
    from hybridfer.deep.training.train import train_network

    with _talk(quiet) as (tell, watch):
        card = train_network(net, data, output, **given, **how, tell=tell, watch=watch)
        for split, worth in card["measured"].items():
            both = worth["mirrored"]["accuracy"]
            tell(f"{split}: {worth['accuracy']:.2%} of {worth['n']:,} right, {both:.2%} with the mirror image too")
        tell(f"→ {output}")
    return EXIT_SOME_FAILED if card["training"]["left_out"].get("error") else EXIT_DONE


def _given(ctx: click.Context, options: Mapping[str, Any], of_detector: bool, net: str) -> dict[str, Any]:
    """Return the options that were given, as the trainer's keywords; UsageError for those it has no use for."""
    given = {}
    for param in ctx.command.params:
        name = str(param.name)
        if name in options and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            if name not in OF_BOTH and (name in OF_DETECTORS) != of_detector:
                raise click.UsageError(f"{param.opts[0]} says nothing to the training of {net}; leave it out.")
            given[name] = options[name]
    if "channels" in given:
        given["channels"] = int(given["channels"])
    return given


@contextmanager
def _talk(quiet: bool) -> Iterator[tuple[Callable[[str], None], Callable[[str], None]]]:
    """Yield what prints a line, and what shows how things are in one that is written over, on a terminal alone."""
    on_terminal = not quiet and sys.stderr.isatty()
    clear = "\r\x1b[2K" if on_terminal else ""

    def watch(text: str) -> None:
        if on_terminal:
            click.echo(clear + text, nl=False, err=True)

    try:
        yield lambda text: say(quiet, clear + text), watch
    finally:
        watch("")
