"""``hybridfer extract``: describe faces and keep the numbers."""

from __future__ import annotations

from typing import Any

import click

from hybridfer.commands.options import (
    cache_option,
    common_options,
    format_option,
    input_options,
    inputs_argument,
    margin_option,
    output_option,
    progress_bar,
    say,
    specs_option,
    strict_option,
)


@click.command()
@inputs_argument
@specs_option()
@output_option
@format_option("parquet", "csv", "jsonl", "npz")
@input_options
@margin_option
@click.option("--windows", is_flag=True, help="Describe the twelve windows of a face instead of its crop.")
@click.option("--untrained", is_flag=True, help="Let networks without weights describe with random ones.")
@click.option("--resume", is_flag=True, help="Continue an extraction that was killed, from OUT.parts/.")
@cache_option
@strict_option
@common_options
def extract(
    inputs: tuple[str, ...],
    specs: tuple[str, ...],
    output: str | None,
    overwrite: bool,
    fmt: str | None,
    reading: dict[str, Any],
    margin: float,
    windows: bool,
    untrained: bool,
    resume: bool,
    cache: bool,
    strict: bool,
    jobs: int,
    seed: int,
    device: str,
    quiet: bool,
) -> int:
    """Describe every face of the INPUTs and save a feature bank, or print rows.

    INPUTs are files, folders, globs, videos, manifests (a table with a column path), data sets such as fer2013.csv,
    or - for paths on standard input. Without -o, rows go to standard output as JSON lines.

    \b
    Examples:
      hybridfer extract photos/ -f lbp -f gabor:scales=5 -o faces.parquet
      hybridfer extract fer2013.csv -f lbp -f hog -f sift -f gabor -f phash -o fer.parquet
      find photos -name '*.jpg' -print0 | hybridfer extract - -0 -f lbp --format jsonl
    """
    from hybridfer.bank.describe import plan_extraction
    from hybridfer.bank.extract import count_text, extract_to
    from hybridfer.cli import EXIT_DONE, EXIT_SOME_FAILED
    from hybridfer.faces.align import Alignment
    from hybridfer.faces.find import no_face_hint
    from hybridfer.tables import guess_format

    form = guess_format(output, fmt, ("parquet", "csv", "jsonl", "npz"), "jsonl")
    manifest, plan = plan_extraction(
        inputs,
        specs,
        **reading,
        alignment=Alignment(margin=margin),
        windows=windows,
        untrained=untrained,
        seed=seed,
        device=device,
        cache=cache,
        strict=strict,
    )
    for note in (*manifest.notes, *plan.device_notes(device)):
        say(quiet, note)
    with progress_bar(quiet, "describing", manifest.items) as progress:
        counts = extract_to(
            manifest, plan, output, form, jobs=jobs, resume=resume, overwrite=overwrite, progress=progress
        )
    say(quiet, count_text(counts) + (f" → {output}" if output not in (None, "-") else ""))
    if hint := no_face_hint(counts, plan.search.detector):
        say(quiet, hint)
    return EXIT_SOME_FAILED if counts.get("error") else EXIT_DONE
