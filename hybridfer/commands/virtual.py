"""``hybridfer virtual``: draw data sets of faces and clips whose labels are exact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from hybridfer.commands.options import apply_options, common_options, progress_bar, say

F = TypeVar("F", bound=Callable[..., Any])


def _drawing_options(identities: int) -> Callable[[F], F]:
    """What faces and clips have in common: who, what, how large, how hard."""

    def decorated(function: F) -> F:
        options = [
            click.argument("out", metavar="OUT", type=click.Path()),
            click.option(
                "--identities",
                type=click.IntRange(min=1),
                default=identities,
                show_default=True,
                metavar="N",
                help="People; three of five are train, one val, one test.",
            ),
            click.option(
                "--expressions",
                default="all",
                show_default=True,
                metavar="LIST",
                help="Such as happiness,anger; all is the seven, to which contempt may be added: all,contempt.",
            ),
            click.option(
                "--size", default=128, show_default=True, metavar="PIXELS", help="Side of a picture, 16 to 4096."
            ),
            click.option(
                "--difficulty",
                type=click.Choice(["plain", "natural", "hard"]),
                default="plain",
                show_default=True,
                help="How much pose, light, blur and things before the face vary; plain has none of the last.",
            ),
            click.option("--overwrite", is_flag=True, help="Replace OUT if it exists."),
        ]
        return apply_options(options, function)

    return decorated


@click.group()
def virtual() -> None:
    """Draw faces and clips whose labels, muscles and points are exact, because we draw them.

    Scores on drawn heads say little about photographs of people.

    \b
    Examples:
      hybridfer virtual faces drawn/ --identities 60 --seed 0
      hybridfer virtual clips moving/ --expressions happiness,fear
    """


@virtual.command()
@_drawing_options(60)
@click.option(
    "--per-expression",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Pictures of each person and expression.",
)
@common_options
def faces(out: str, identities: int, expressions: str, per_expression: int, quiet: bool, **options: Any) -> None:
    """Draw people making faces into the folder OUT: pictures, and a manifest that extract reads.

    The manifest has label, subject, split, action units, the 98 points and
    whether each is seen, pose, and what stands before the face. The same seed
    gives the same bytes; more identities leave the first ones as they were.

    \b
    Examples:
      hybridfer virtual faces drawn/ --identities 60 --expressions all --size 128 --seed 0
      hybridfer extract drawn/manifest.csv -f lbp -f hog -o drawn.parquet
    """
    from hybridfer.capture.expressions import expression_names
    from hybridfer.capture.faces import draw_faces

    count = identities * len(expression_names(expressions)) * per_expression
    _draw(draw_faces, out, count, quiet, identities, expressions, per_expression=per_expression, **options)


@virtual.command()
@_drawing_options(6)
@click.option("--frames", type=int, default=24, show_default=True, metavar="N", help="Frames of a clip.")
@click.option("--fps", type=float, default=12, show_default=True, metavar="X", help="Frames a second.")
@common_options
def clips(out: str, identities: int, expressions: str, frames: int, quiet: bool, **options: Any) -> None:
    """Draw expressions that come, stay and go into the folder OUT: a folder of frames for each clip, and a manifest.

    The manifest's rows are the frames, as those of virtual faces; frame,
    timestamp, group (the clip) and phase (neutral, onset, apex, offset) say
    when each is.

    \b
    Example:
      hybridfer virtual clips moving/ --identities 6 --expressions all --frames 24 --fps 12
    """
    from hybridfer.capture.clips import draw_clips
    from hybridfer.capture.expressions import expression_names

    count = identities * len(expression_names(expressions)) * frames
    _draw(draw_clips, out, count, quiet, identities, expressions, frames=frames, **options)


def _draw(
    draw: Callable[..., Path],
    out: str,
    count: int,
    quiet: bool,
    identities: int,
    expressions: str,
    device: str,
    **options: Any,
) -> None:
    with progress_bar(quiet, "drawing", range(count)) as progress:
        manifest = draw(out, identities=identities, expressions=expressions, progress=progress, **options)
    say(quiet, f"{count} pictures of {identities} people → {manifest}")
