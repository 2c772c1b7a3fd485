"""``hybridfer bank``: look into feature banks, convert and join them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hybridfer.commands.options import common_options, format_option, output_option, say, schema_option

if TYPE_CHECKING:
    from hybridfer.schemas import Schema

bank_argument = click.argument("bank", metavar="BANK", type=click.Path())


@click.group()
def bank() -> None:
    """Look into feature banks, convert and join them, and make them of other tools' tables.

    \b
    Examples:
      hybridfer bank info faces.parquet
      hybridfer bank import openface/*.csv --labels clips.csv -o clips.parquet
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
@schema_option
@common_options
def convert(
    bank: str,
    output: str | None,
    overwrite: bool,
    fmt: str | None,
    schema: Schema | None,
    quiet: bool,
    **common: object,
) -> None:
    """Write BANK as CSV, JSON lines, NumPy archive or MATLAB file."""
    from hybridfer.bank.bank import FeatureBank
    from hybridfer.bank.convert import FORMATS, convert_bank
    from hybridfer.tables import guess_format

    opened = FeatureBank.open(bank)
    convert_bank(opened, output, guess_format(output, fmt, FORMATS, "csv"), overwrite, schema)
    say(quiet, f"{len(opened)} faces written")


@bank.command("import")
@click.argument("tables", metavar="TABLE...", nargs=-1, required=True, type=click.Path())
@output_option
@click.option(
    "--schema",
    metavar="NAME",
    help="openface or pyfeat, with options such as openface:pictures=FOLDER; recognised when not given.",
)
@click.option(
    "--labels", metavar="MANIFEST", type=click.Path(), help="What says label, split, subject and group of the inputs."
)
@common_options
def import_(
    tables: tuple[str, ...],
    output: str | None,
    overwrite: bool,
    schema: str | None,
    labels: str | None,
    quiet: bool,
    **common: object,
) -> None:
    """Make a bank of TABLEs that OpenFace or Py-Feat wrote; what they measured are its blocks.

    \b
    Examples:
      hybridfer bank import fex.csv --labels people.csv -o fex.parquet
      hybridfer bank import processed.csv --schema openface:pictures=photos -o photos.parquet
    """
    from hybridfer.bank.extract import count_text
    from hybridfer.bank.imports import import_tables
    from hybridfer.bank.summary import summary_of
    from hybridfer.schemas import create_schema

    if output is None:
        raise click.UsageError("Say where the bank goes: -o OUT.parquet.")
    named = None if schema is None else create_schema(schema)
    made = import_tables(tables, output, schema=named, labels=labels, overwrite=overwrite)
    for note in made.provenance["notes"]:
        say(quiet, f"note: {note}")
    say(quiet, f"{count_text(summary_of(made)['status'])}, {len(made.blocks)} blocks → {output}")


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
@schema_option
@common_options
def cat(
    bank: str,
    features: bool,
    output: str | None,
    overwrite: bool,
    fmt: str | None,
    schema: Schema | None,
    **common: object,
) -> None:
    """Print the rows of BANK.

    With --schema openface or pyfeat they are a table as that tool writes it,
    with what it measured; what it has no column for stands at the end.
    """
    from hybridfer.bank.bank import FeatureBank
    from hybridfer.bank.convert import write_table
    from hybridfer.tables import guess_format, open_output

    opened = FeatureBank.open(bank)
    form = guess_format(output, fmt, ("csv", "jsonl"), "csv")
    with open_output(output, overwrite) as stream:
        write_table(opened, stream, form, features, schema)
