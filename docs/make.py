"""Writes the pages that the program knows best itself: ``python docs/make.py``.

``commands.md`` is made of the commands, ``catalogue.md`` of the registries, so that a new thing appears by itself.
What other packages add is left out, and so is all that differs between machines.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import click

from hybridfer.cli import COMMANDS, main_group
from hybridfer.commands.list import KINDS
from hybridfer.deep.checkpoints import plan_network
from hybridfer.labels import LABEL_SETS, label_numbers
from hybridfer.registry import Registry
from hybridfer.spec import format_value

HERE = Path(__file__).parent

MADE = "Made by `python docs/make.py`; change the program, not this page."


def commands() -> str:
    """Return the page of all commands: usage, help, options, examples."""
    top = click.Context(main_group, info_name="hybridfer")
    every = list(walk(top))
    leaves = [options(context) for context in every if not isinstance(context.command, click.Group)]
    shared = [option for option in leaves[0] if all(option in own for own in leaves)]
    parts = ["# Commands", MADE, markdown(main_group.help or "")]
    parts += ["Every command takes `-h` and, beside its own options:", "\n".join(shared)]
    for context in every[1:]:
        path = context.command_path
        usage = " ".join([path, *context.command.collect_usage_pieces(context)])
        parts += [f"{'#' * len(path.split())} {path}", f"    {usage}"]
        parts.append(markdown(context.command.help or ""))
        if own := [option for option in options(context) if option not in shared]:
            parts.append("\n".join(own))
    return "\n\n".join(parts) + "\n"


def walk(context: click.Context) -> Iterator[click.Context]:
    """Yield the context of a command and of all below it, by name."""
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for name in sorted(COMMANDS.table if command is main_group else command.commands):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from walk(click.Context(inner, info_name=name, parent=context))


def options(context: click.Context) -> list[str]:
    """Return the options of a command, an item of a list each."""
    records = [p.get_help_record(context) for p in context.command.params if isinstance(p, click.Option)]
    return [f"- `{record[0]}`: {' '.join(record[1].split())}" for record in records if record is not None]


def markdown(text: str) -> str:
    """Return a command's help as Markdown: what Click is told to leave as it is (``\\b``) becomes code."""
    parts = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            title, _, code = paragraph.removeprefix("\b\n").partition("\n")
            parts += [title, indent(dedent(code), "    ")]
        else:
            parts.append(" ".join(paragraph.split()))
    return "\n\n".join(parts)


def catalogue() -> str:
    """Return the page of all there is to choose from."""
    parts = ["# Catalogue", MADE + " `hybridfer list` names what is installed, additions of other packages included."]
    for kind in KINDS:
        registry: Registry = Registry(kind, KINDS).load(kind)
        entries = [entry(kind, name, registry.load(name)) for name in sorted(registry.table)]
        parts += [f"## {kind.capitalize()}", table([list(entries[0]), *(list(each.values()) for each in entries)])]
    numbers = {name: {number: label for label, number in label_numbers(name).items()} for name in sorted(LABEL_SETS)}
    rows = [["number", *(f"`{name}`" for name in numbers)]]
    for number in sorted(set().union(*numbers.values())):
        rows.append([str(number), *(labels.get(number, "") for labels in numbers.values())])
    parts += ["## Label sets", "What the numbers of a data set mean: `--label-set NAME`.", table(rows)]
    return "\n\n".join(parts) + "\n"


def entry(kind: str, name: str, thing: Any) -> dict[str, str]:
    """Return what the catalogue says of a thing, by the column's title."""
    found = {"name": f"`{name}`", "what it is": first_line(thing)}
    if kind == "datasets":
        # A layout's module says what the data set is, its class what is read of it.
        found |= {"what it is": first_line(inspect.getmodule(thing)), "what is read": first_line(thing)}
    if kind == "networks":
        found["layers"] = ", ".join(f"`{layer}`" for layer, _ in plan_network(name).named_children())
    if kind in ("classifiers", "datasets", "descriptors", "encoders", "losses", "metrics", "schemas"):
        found["options and their defaults"] = defaults(thing())
    if kind == "descriptors":
        descriptor = thing()
        found["values"] = f"{descriptor.length} {descriptor.dtype}"
        found["version"] = str(descriptor.version)
        found["libraries"] = ", ".join(descriptor.libraries)
    return found


def defaults(thing: Any) -> str:
    """Return the fields of a dataclass that a spec may name, by name, with their values."""
    given = getattr(thing, "given", ())
    texts = {f.name: format_value(getattr(thing, f.name)) for f in fields(thing) if f.init and f.name not in given}
    return ", ".join(f"`{name}={texts[name]}`" if texts[name] else f"`{name}`" for name in sorted(texts))


def first_line(thing: object) -> str:
    """Return the first line of a docstring, as Markdown."""
    line = (inspect.getdoc(thing) or "").partition("\n")[0]
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", line.replace("``", "`"))


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first row is its head."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


PAGES = {"commands.md": commands, "catalogue.md": catalogue}


def main() -> None:
    """Write the pages."""
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), "utf-8")
        click.echo(f"docs/{name} written", err=True)


if __name__ == "__main__":
    main()
