"""``hybridfer bank``: look into feature banks, convert and join them."""

from __future__ import annotations

import click

from hybridfer.commands.options import common_options, format_option, output_option, say

bank_argument = click.argument("bank", metavar="BANK", type=click.Path())


@click.group()
def bank() -> None:
    """Look into feature banks, convert and join them.

    \b
    Examples:
      hybridfer bank info faces.parquet
      hybridfer bank convert faces.parquet -o faces.npz
      hybridfer bank merge monday.parquet tuesday.parquet -o both.parquet
    """


@bank.command()
@bank_argument
@format_option("text", "json")
@common_options
def info(bank: str, fmt: str | None, **common: object) -> None:
    """Print what BANK holds and what it was made with."""
    from hybridfer.bank.bank import FeatureBank
    from hybridfer.bank.summary import summary_of, summary_text
    from hybridfer.tables import json_line

    found = summary_of(FeatureBank.open(bank))
    click.echo(json_line(found) if fmt == "json" else summary_text(found))


@bank.command()
@bank_argument
@output_option
@format_option("csv", "jsonl", "npz", "mat")
@common_options
def convert(bank: str, output: str | None, overwrite: bool, fmt: str | None, quiet: bool, **common: object) -> None:
    """Write BANK as CSV, JSON lines, NumPy archive or MATLAB file."""
    from hybridfer.bank.bank import FeatureBank
    from hybridfer.bank.convert import FORMATS, convert_bank
    from hybridfer.tables import guess_format

    opened = FeatureBank.open(bank)
    convert_bank(opened, output, guess_format(output, fmt, FORMATS, "csv"), overwrite)
    say(quiet, f"{len(opened)} faces written")


@bank.command()
@click.argument("banks", metavar="BANK...", nargs=-1, required=True, type=click.Path())
@output_option
@common_options
def merge(banks: tuple[str, ...], output: str | None, overwrite: bool, quiet: bool, **common: object) -> None:
    """Join BANKs into one: rows under each other, or blocks side by side where the rows are the same."""
    from hybridfer.bank.bank import FeatureBank
    from hybridfer.bank.convert import merge as join

    if output is None:
        raise click.UsageError("Say where the joined bank goes: -o OUT.parquet.")
    made = join([FeatureBank.open(path) for path in banks], output, overwrite)
    say(quiet, f"{len(made)} faces, {len(made.blocks)} blocks → {output}")


@bank.command()
@bank_argument
@click.option("--features/--no-features", default=False, show_default=True, help="Print the features too.")
@output_option
@format_option("csv", "jsonl")
@common_options
def cat(bank: str, features: bool, output: str | None, overwrite: bool, fmt: str | None, **common: object) -> None:
    """Print the rows of BANK."""
    from hybridfer.bank.bank import FeatureBank
    from hybridfer.bank.convert import write_table
    from hybridfer.tables import guess_format, open_output

    opened = FeatureBank.open(bank)
    form = guess_format(output, fmt, ("csv", "jsonl"), "csv")
    with open_output(output, overwrite) as stream:
        write_table(opened, stream, form, features)
