"""``hybridfer doctor``: whether this installation works."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from hybridfer.commands.options import common_options, say

if TYPE_CHECKING:
    from hybridfer.health import Finding


@click.command()
@click.option("--format", "fmt", type=click.Choice(["text", "json", "jsonl"]), default="text", show_default=True)
@common_options
def doctor(fmt: str, device: str, quiet: bool, **common: object) -> int:
    """Check the libraries, the machine and the numbers they give, and print a line each; exit with 1 if one is off.

    Every descriptor is computed again and compared with what other libraries say of the same face. A note is of
    something absent that may be. With --quiet only what is off is printed.

    \b
    Examples:
      hybridfer doctor
      hybridfer doctor --device cuda --format jsonl | jq -r 'select(.status=="off") | .found'
    """
    from hybridfer.cli import EXIT_DONE, EXIT_ERROR
    from hybridfer.health import checks, examine
    from hybridfer.tables import escape_surrogates, json_line, open_output, write_rows

    counts: Counter[str] = Counter()

    def shown() -> Iterator[Finding]:
        for finding in examine(device):
            counts[finding.status] += 1
            if finding.status == "off" or not quiet:
                yield finding

    with open_output("-") as stream:
        if fmt == "json":
            stream.write(escape_surrogates(json_line([asdict(finding) for finding in shown()])) + "\n")
        elif fmt == "jsonl":
            write_rows(stream, "jsonl", ("status", "name", "found"), ([asdict(finding)] for finding in shown()))
        else:
            width = max(map(len, checks(device)))
            for finding in shown():
                stream.write(f"{finding.status:4}  {finding.name:{width}}  {finding.found}\n")
                stream.flush()
    say(quiet, f"{counts['ok']} ok, {counts['note']} notes, {counts['off']} off")
    return EXIT_ERROR if counts["off"] else EXIT_DONE
