"""``hybridfer datasets``: find data sets, look into them, check them, split them."""

from __future__ import annotations

import sys

import click

from hybridfer.commands.options import (
    common_options,
    format_option,
    inputs_argument,
    label_options,
    output_option,
    progress_bar,
    say,
    stdin_option,
)
from hybridfer.compare import CORRELATION, DISTANCE


@click.group()
def datasets() -> None:
    """Find data sets on disk, look into them, check them for copies and leaks, split them.

    \b
    Examples:
      hybridfer datasets scan ~/data
      hybridfer datasets info ~/data/CK+ --dataset ckplus:frames=1,neutral=true
      hybridfer datasets check fer2013.csv -o check/
      hybridfer datasets split people.csv --test 0.2 -o split.csv
    """


@datasets.command()
@click.argument("roots", metavar="ROOT...", nargs=-1, required=True, type=click.Path())
@format_option("text", "json")
@common_options
def scan(roots: tuple[str, ...], fmt: str | None, quiet: bool, **common: object) -> int:
    """Print every data set at or below the ROOTs, and how it was recognised.

    Exit with 1 if there is none, with 3 if one cannot be read.

    \b
    Examples:
      hybridfer datasets scan ~/data
      hybridfer datasets scan ~/data --format json | jq -r '.[] | select(.cropped) | .path'
    """
    from hybridfer.cli import EXIT_DONE, EXIT_ERROR, EXIT_SOME_FAILED
    from hybridfer.datasets.scan import known_layouts, scan_text
    from hybridfer.datasets.scan import scan as find

    found = list(find(roots))
    _print(found, "\n".join(map(scan_text, found)), fmt)
    if not found:
        say(quiet, f"no data set is recognised at or below {', '.join(roots)}; known: {', '.join(known_layouts())}")
        return EXIT_ERROR
    return EXIT_SOME_FAILED if any("error" in each for each in found) else EXIT_DONE


@datasets.command()
@click.argument("path", metavar="PATH", type=click.Path())
@label_options
@format_option("text", "json")
@common_options
def info(path: str, labels: str, dataset: str | None, label_set: str | None, fmt: str | None, **common: object) -> None:
    """Print what the data set at PATH holds: rows by split and label, subjects, its numbers, its options.

    \b
    Examples:
      hybridfer datasets info fer2013.csv --labels ferplus-majority
      hybridfer datasets info ~/data/KDEF --dataset kdef:angle=HL+S+HR
    """
    from hybridfer.datasets.scan import info as look
    from hybridfer.datasets.scan import info_text

    found = look(path, dataset, labels, label_set)
    _print(found, info_text(found), fmt)


@datasets.command()
@inputs_argument
@click.option("--near/--no-near", default=True, show_default=True, help="Look for near copies too.")
@click.option(
    "--distance",
    type=click.IntRange(0, 64),
    default=DISTANCE,
    show_default=True,
    metavar="BITS",
    help="Bits of 64 in which the perceptual hashes of near copies may differ.",
)
@click.option(
    "--correlation",
    type=click.FloatRange(0, 1),
    default=CORRELATION,
    show_default=True,
    metavar="X",
    help="Least correlation of the fine detail of near copies.",
)
@output_option
@click.option("--format", "fmt", type=click.Choice(["text", "json"]), default="text", show_default=True)
@label_options
@stdin_option
@common_options
def check(
    inputs: tuple[str, ...],
    near: bool,
    distance: int,
    correlation: float,
    output: str | None,
    overwrite: bool,
    fmt: str,
    labels: str,
    dataset: str | None,
    label_set: str | None,
    nul: bool,
    jobs: int,
    quiet: bool,
    **common: object,
) -> int:
    """Read every picture of the INPUTs and print what is wrong with them.

    Identical and nearly identical pictures, copies across splits and with
    different labels, pictures of one colour and such as cannot be read,
    subjects in two splits, the balance of labels. With -o, OUT.json takes the
    findings, OUT.html a page with the offending pairs side by side, a folder
    both. svm-train and evaluate take the JSON with --check.

    \b
    Examples:
      hybridfer datasets check fer2013.csv -o check/
      hybridfer datasets check photos/ --format json | jq .counts
    """
    from hybridfer.cli import EXIT_DONE, EXIT_SOME_FAILED
    from hybridfer.datasets.check import check as look
    from hybridfer.datasets.inputs import read_inputs
    from hybridfer.report.check_page import check_target, write_check
    from hybridfer.tables import open_output

    to_file = output not in (None, "-")
    if to_file:
        check_target(str(output), overwrite)
    manifest = read_inputs(inputs, labels=labels, dataset=dataset, label_set=label_set, nul=nul, stdin=sys.stdin.buffer)
    with progress_bar(quiet, "reading", manifest.items) as progress:
        found = look(
            manifest,
            " ".join(inputs),
            near=near,
            distance=distance,
            correlation=correlation,
            jobs=jobs,
            progress=progress,
        )
    with open_output(None) as stream:
        stream.write(found.to_json() if fmt == "json" else found.summary())
    if to_file:
        say(quiet, f"→ {', '.join(map(str, write_check(found, str(output), overwrite)))}")
    return EXIT_SOME_FAILED if found.undecodable else EXIT_DONE


@datasets.command()
@inputs_argument
@click.option("--val", type=float, metavar="X", help="Share of the rows for val, such as 0.1.")
@click.option("--test", type=float, metavar="X", help="Share of the rows for test, such as 0.2; train is the rest.")
@click.option(
    "--by",
    type=click.Choice(["auto", "subject", "group", "picture"]),
    default="auto",
    show_default=True,
    help="What stays whole; auto: subjects where any is known, else pictures.",
)
@click.option(
    "--keep", multiple=True, metavar="NAME", help="Split of the data that stays as it is; nothing leaks into it."
)
@click.option("--near/--no-near", default=True, show_default=True, help="Near copies stay together too.")
@output_option
@format_option("csv", "jsonl", "parquet")
@label_options
@stdin_option
@common_options
def split(
    inputs: tuple[str, ...],
    val: float | None,
    test: float | None,
    by: str,
    keep: tuple[str, ...],
    near: bool,
    output: str | None,
    overwrite: bool,
    fmt: str | None,
    labels: str,
    dataset: str | None,
    label_set: str | None,
    nul: bool,
    jobs: int,
    seed: int,
    quiet: bool,
    **common: object,
) -> None:
    """Split the INPUTs and write a manifest that extract reads.

    No subject (or group) and no copy of a picture stands in two splits, and
    each split has its share of every label. The same seed gives the same
    splits.

    \b
    Examples:
      hybridfer datasets split people.csv --val 0.1 --test 0.2 -o split.csv
      hybridfer datasets split ~/data/rafdb --val 0.1 --keep test -o rafdb.csv
    """
    from hybridfer.datasets.inputs import read_inputs
    from hybridfer.datasets.split import shares_of, split_text, write_manifest
    from hybridfer.datasets.split import split as deal
    from hybridfer.tables import guess_format

    form = guess_format(output, fmt, ("csv", "jsonl", "parquet"), "csv")
    shares = shares_of(val, test)
    manifest = read_inputs(inputs, labels=labels, dataset=dataset, label_set=label_set, nul=nul, stdin=sys.stdin.buffer)
    with progress_bar(quiet, "reading", manifest.items) as progress:
        made = deal(manifest, shares, by=by, keep=keep, near=near, seed=seed, jobs=jobs, progress=progress)
    write_manifest(made.manifest, output, form, overwrite)
    say(quiet, split_text(made))


def _print(found: object, text: str, fmt: str | None) -> None:
    """Print what was found as JSON, or as `text` if there is any."""
    from hybridfer.tables import escape_surrogates, json_line, open_output

    with open_output(None) as stream:
        if fmt == "json":
            stream.write(escape_surrogates(json_line(found)) + "\n")
        elif text:
            stream.write(f"{text}\n")
