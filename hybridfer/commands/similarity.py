"""``hybridfer similarity``: how alike pictures are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from hybridfer.commands.options import common_options, format_option, output_option, say, strict_option

if TYPE_CHECKING:
    from hybridfer.compare.metric import Similarity


@click.command()
@click.argument("pictures", metavar="[A B]", nargs=-1, type=click.Path())
@click.option("--matrix", "folder", metavar="DIR", type=click.Path(), help="Compare every two pictures of DIR instead.")
@click.option(
    "-m",
    "--metric",
    "metrics",
    metavar="SPEC",
    multiple=True,
    help="Such as phash, sift:ratio=0.8 or lbp:grid=4. Give it as often as you like; all metrics when not given.",
)
@click.option(
    "--detector",
    default="none",
    show_default=True,
    metavar="NAME",
    help="none compares whole pictures; another, such as mtcnn, cuts out the largest face first.",
)
@output_option
@format_option("text", "json", "csv")
@strict_option
@common_options
def similarity(
    pictures: tuple[str, ...],
    folder: str | None,
    metrics: tuple[str, ...],
    detector: str,
    output: str | None,
    overwrite: bool,
    fmt: str | None,
    strict: bool,
    jobs: int,
    seed: int,
    device: str,
    quiet: bool,
) -> int:
    """Say how alike the pictures A and B are, by several metrics, each with what its value means.

    With --matrix, every two pictures of a folder are compared by one metric
    (phash when not given), and the table is printed as CSV or JSON.
    A picture that cannot be compared leaves its row and column empty.

    \b
    Examples:
      hybridfer similarity a.png b.png
      hybridfer similarity a.png b.png -m phash:bits=1024,threshold=mean,form=hexdigits --format json
      hybridfer similarity --matrix photos/ -m lbp -o photos.csv
    """
    from hybridfer.cli import EXIT_DONE, EXIT_SOME_FAILED
    from hybridfer.compare.metric import create_metrics
    from hybridfer.compare.similarity import compare_folder
    from hybridfer.compare.similarity import similarity as compare
    from hybridfer.tables import escape_surrogates, guess_format, json_line, open_output, write_rows

    if len(pictures) != (2 if folder is None else 0):
        raise click.UsageError(f"Give two pictures, or --matrix DIR alone; {len(pictures)} pictures are given.")
    if folder is None:
        form = guess_format(output, fmt, ("text", "json", "csv"), "text")
        made = [metric.on(device) for metric in create_metrics(metrics)]
        found = compare(pictures[0], pictures[1], made, detector=detector)
        with open_output(output, overwrite) as stream:
            if form == "csv":
                write_rows(stream, "csv", ("metric", "value", "reading"), [[asdict(s) for s in found]])
            elif form == "json":
                whole = {"a": pictures[0], "b": pictures[1], "similarities": [asdict(s) for s in found]}
                stream.write(escape_surrogates(json_line(whole)) + "\n")
            else:
                stream.write(_text(found))
        return EXIT_DONE

    if len(metrics) > 1:
        raise click.UsageError(f"--matrix DIR is made for one --metric; {len(metrics)} are given.")
    form = guess_format(output, fmt, ("csv", "json"), "csv")
    (metric,) = create_metrics(metrics or ["phash"])
    with open_output(output, overwrite) as stream:
        table = compare_folder(folder, metric.on(device), detector=detector, jobs=jobs, strict=strict)
        if form == "csv":
            rows = [
                {"input": name, **dict(zip(table.inputs, row, strict=True))}
                for name, row in zip(table.inputs, table.values.tolist(), strict=True)
            ]
            write_rows(stream, "csv", ("input", *table.inputs), [rows])
        else:
            stream.write(escape_surrogates(json_line(asdict(table))) + "\n")
    for message in table.errors.values():
        click.echo(message, err=True)
    say(quiet, f"{len(table.inputs) - len(table.errors)} pictures compared, {len(table.errors)} could not be")
    return EXIT_SOME_FAILED if table.errors else EXIT_DONE


def _text(found: Sequence[Similarity]) -> str:
    """Return a table with aligned columns."""
    width = max(len("metric"), *(len(s.metric) for s in found))
    lines = [f"{'metric':{width}}  {'value':>7}  reading"]
    lines += [f"{s.metric:{width}}  {s.value:7.4f}  {s.reading}" for s in found]
    return "\n".join(lines) + "\n"
