"""``hybridfer detect``: where faces are in pictures and videos."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

import click

from hybridfer.commands.options import (
    common_options,
    detect_options,
    format_option,
    inputs_argument,
    output_option,
    progress_bar,
    say,
    strict_option,
)


@click.command()
@inputs_argument
@output_option
@format_option("csv", "jsonl", "parquet")
@detect_options
@click.option("--draw", metavar="DIR", type=click.Path(), help="Draw the faces on pictures and videos in this folder.")
@strict_option
@common_options
def detect(
    inputs: tuple[str, ...],
    output: str | None,
    overwrite: bool,
    fmt: str | None,
    reading: dict[str, Any],
    draw: str | None,
    strict: bool,
    jobs: int,
    seed: int,
    device: str,
    quiet: bool,
) -> int:
    """Find the faces of the INPUTs: a box, a score and five points each.

    INPUTs are pictures, videos, folders, globs, manifests, data sets, or - for
    paths on standard input. Without -o, rows go to standard output as JSON
    lines; extract, align and svm-predict read them back. In a video, a face
    keeps its face_id while its boxes overlap from frame to frame.

    \b
    Examples:
      hybridfer detect photos/ -o faces.csv
      hybridfer detect interview.mp4 --every 5 --draw seen/ -o faces.parquet
      find . -name '*.jpg' -print0 | hybridfer detect - -0 --largest | jq .FaceScore
    """
    from hybridfer.bank.extract import count_text
    from hybridfer.cli import EXIT_DONE, EXIT_SOME_FAILED
    from hybridfer.faces.find import no_face_hint
    from hybridfer.faces.table import detect_to, plan_detection
    from hybridfer.tables import guess_format

    form = guess_format(output, fmt, ("csv", "jsonl", "parquet"), "jsonl")
    manifest, search = plan_detection(inputs, **reading, device=device)
    for note in manifest.notes:
        say(quiet, note)
    with progress_bar(quiet, "detecting", manifest.items) as progress:
        counts = detect_to(
            manifest,
            search,
            output,
            form,
            every=reading["every"],
            draw=draw,
            jobs=jobs,
            strict=strict,
            overwrite=overwrite,
            progress=progress,
        )
    say(quiet, count_text(counts) + (f" → {output}" if output not in (None, "-") else ""))
    # Of a video's frames many may well have no face.
    if isinstance(manifest.items, Sized) and (hint := no_face_hint(counts, search.detector)):
        say(quiet, hint)
    return EXIT_SOME_FAILED if counts.get("error") else EXIT_DONE
