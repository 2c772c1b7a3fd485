"""Other tools' tables: which column of theirs is what of ours. A new tool is a file here and a line in the table.

``--schema`` names one. Reading and writing go by the same description, so what is read can be written back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from hybridfer.errors import DatasetError, SpecError
from hybridfer.registry import Registry
from hybridfer.spec import parse_options, parse_spec

SCHEMAS = Registry(
    "schemas",
    {
        "openface": "hybridfer.schemas.openface:OpenFace",
        "pyfeat": "hybridfer.schemas.pyfeat:PyFeat",
    },
)

OWN = "hybridfer"
"""The name of our own columns, which need no schema."""


@dataclass(frozen=True)
class Block:
    """Columns of a tool's table that are one block of a bank.

    Attributes
    ----------
    name : str
        The block's name in a bank.
    columns : tuple of str
        The tool's names of its values, in order.
    version : int
        Raised where the same columns hold other numbers.
    """

    name: str
    columns: tuple[str, ...]
    version: int = 1

    def card(self, tool: str) -> dict[str, Any]:
        """Return what a bank records of the block: as of a descriptor's, and whose it is and how they call it."""
        return {
            "name": self.name,
            "version": self.version,
            "length": len(self.columns),
            "dtype": "float64",
            "libraries": {},
            "weights": None,
            "made_by": tool,
            "columns": list(self.columns),
        }


class Schema(Protocol):
    """How one tool writes its tables.

    A schema is a frozen dataclass; its fields are what a user may say with ``--schema name:key=value``, such as where
    the pictures lie that the table was made of.
    """

    name: ClassVar[str]
    tool: ClassVar[str]
    rows: ClassVar[Mapping[str, tuple[str, int]]]
    """Their column to ours, and the number they count it from where we count from 0."""
    renamed: ClassVar[Mapping[str, str]]
    """Our columns whose name means something else in their tables, to the name they have there."""
    unsaid: ClassVar[frozenset[str]]
    """Our columns that their tables say in another way, so that they are not written."""
    order: ClassVar[tuple[str, ...]]
    """Their columns, in the order the tool writes them."""
    hint: ClassVar[str]
    """What to do where a picture of the table cannot be read."""

    def recognise(self, columns: Sequence[str]) -> str | None:
        """Return how a table's columns show that the tool wrote it, or None when they do not."""
        ...

    def blocks(self, columns: Sequence[str]) -> tuple[Block, ...]:
        """Return the blocks that a table with these columns may have; the first that fits takes a column."""
        ...

    def found(self, cells: Mapping[str, float]) -> bool:
        """Return whether a row, of which the numbers are given, has a face."""
        ...

    def status(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the cells that say our row's status."""
        ...

    def inputs(self, path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> tuple[list[str], str]:
        """Return what each row was made of, and what is to be said of that (empty: nothing)."""
        ...


def create_schema(text: str) -> Schema | None:
    """Return the schema that ``name[:key=value,…]`` names; None for ``hybridfer``, our own columns.

    Raises
    ------
    SpecError
        If there is no such schema, or it has no such parameter.
    """
    if text == OWN:
        return None
    spec = parse_spec(text)
    if spec.layer is not None:
        raise SpecError(f"{text!r} is no schema; expected a name with its options, such as openface:pictures=FOLDER.")
    schema = SCHEMAS.load(spec.name)
    made: Schema = schema(**parse_options(schema, spec))
    return made


def schema_of(path: Path, columns: Sequence[str]) -> Schema:
    """Return the schema that a table's columns show.

    Raises
    ------
    DatasetError
        If they are those of no known tool.
    """
    for name in SCHEMAS.names():
        schema: Schema = SCHEMAS.load(name)()
        if schema.recognise(columns) is not None:
            return schema
    few = ", ".join(repr(name[:20]) for name in columns[:6]) + (" …" if len(columns) > 6 else "")
    raise DatasetError(
        f"{path} is no CSV table of a known tool; found the columns {few or 'none'}. Known tools: "
        f"{', '.join(SCHEMAS.names())}; a table with a column path is a manifest for hybridfer extract."
    )
