"""``hybridfer align``: faces cut out and turned upright, as picture files."""

from __future__ import annotations

from typing import Any

import click

from hybridfer.commands.options import (
    common_options,
    input_options,
    inputs_argument,
    margin_option,
    progress_bar,
    say,
    strict_option,
)


@click.command()
@inputs_argument
@click.option("-o", "--output", metavar="DIR", type=click.Path(), required=True, help="Folder to write the crops to.")
@click.option("--overwrite", is_flag=True, help="Replace DIR if it exists.")
@input_options
@click.option(
    "--size",
    type=click.IntRange(1, 4096),
    metavar="PIXELS",
    help="Side of a crop or window.  [default: as large as in the picture]",
)
@margin_option
@click.option("--windows", is_flag=True, help="Write the twelve windows of a face instead of its crop.")
@click.option(
    "--ears",
    type=click.FloatRange(-1, 1),
    default=0.25,
    show_default=True,
    metavar="Y",
    help="How far below the eyes the ears' windows lie, in distances between the eyes.",
)
@strict_option
@common_options
def align(
    inputs: tuple[str, ...],
    output: str,
    overwrite: bool,
    reading: dict[str, Any],
    size: int | None,
    margin: float,
    windows: bool,
    ears: float,
    strict: bool,
    jobs: int,
    seed: int,
    device: str,
    quiet: bool,
) -> int:
    """Cut out every face of the INPUTs as extract does before it describes them, and write the crops to a folder.

    Faces are turned upright, with eyes and mouth where FER2013's crops have them. DIR/manifest.csv has a row for every
    crop; given to extract, DIR makes the same features as the pictures do (without --size and --margin).

    \b
    Examples:
      hybridfer align photos/ -o crops
      hybridfer align interview.mp4 --every 5 --size 224 --margin 0.2 -o crops
      hybridfer align portraits/ --windows --size 64 -o windows
    """
    from hybridfer.bank.extract import count_text
    from hybridfer.cli import EXIT_DONE, EXIT_SOME_FAILED
    from hybridfer.faces.align import Alignment
    from hybridfer.faces.crops import Cutting, write_crops
    from hybridfer.faces.find import no_face_hint
    from hybridfer.faces.table import plan_detection

    manifest, search = plan_detection(inputs, **reading, device=device)
    for note in manifest.notes:
        say(quiet, note)
    cutting = Cutting(Alignment(margin=margin, size=size), windows, ears)
    with progress_bar(quiet, "aligning", manifest.items) as progress:
        counts = write_crops(
            manifest, search, output, cutting, jobs=jobs, strict=strict, overwrite=overwrite, progress=progress
        )
    say(quiet, f"{count_text(counts)} → {output}")
    if hint := no_face_hint(counts, search.detector):
        say(quiet, hint)
    return EXIT_SOME_FAILED if counts.get("error") else EXIT_DONE
