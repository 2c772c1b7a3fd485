"""Names and what they stand for: one line a thing, imported when it is used.

Every room that can be added to keeps one :class:`Registry`. A built-in thing is a line ``"lbp":
"hybridfer.descriptors.lbp:LBP"`` in its table; other packages add theirs as entry points of the group
``hybridfer.<kind>`` (``hybridfer.descriptors``, ``hybridfer.detectors`` …). Listing names imports nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hybridfer.errors import SpecError, did_you_mean


@dataclass(frozen=True)
class Registry:
    """The things of one kind by name.

    Parameters
    ----------
    kind : str
        What they are, in the plural, as in ``hybridfer list descriptors``; also the end of the entry-point group.
    table : Mapping[str, str]
        Name to ``"module:attribute"``.
    """

    kind: str
    table: Mapping[str, str]

    def outside(self) -> dict[str, str]:
        """Return what other packages add, as name to ``module:attribute``; built-in names are not replaced."""
        from importlib.metadata import entry_points

        found = entry_points(group=f"hybridfer.{self.kind}")
        return {point.name: point.value for point in found if point.name not in self.table}

    def names(self) -> list[str]:
        """Return every known name, sorted."""
        return sorted({*self.table, *self.outside()})

    def load(self, name: str) -> Any:
        """Import and return what `name` stands for.

        Raises
        ------
        SpecError
            If no built-in or installed thing has this name; the message names the nearest.
        """
        target = self.table.get(name) or self.outside().get(name)
        if target is None:
            known = self.names()
            hint = did_you_mean(name, known)
            one = self.kind.removesuffix("es" if self.kind.endswith("sses") else "s")
            raise SpecError(f"No {one} named {name!r}.{hint} Known: {', '.join(known)}.")
        module, _, attribute = target.partition(":")
        return getattr(importlib.import_module(module), attribute)
