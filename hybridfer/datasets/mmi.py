"""MMI: a table of your own with the columns ``path, label, subject``, named with ``--dataset mmi``.

MMI has no layout of its own: it comes in session folders, by what was searched for on its site, with XML beside. So it
is read from a manifest (see :mod:`hybridfer.datasets.manifest`); other columns travel along. Such a table is never
taken for MMI by itself. What ``mmi`` asks for beyond a manifest: every row has a subject, because a person's sequences
are near-copies, and every label is one of the seven expressions. Labels are words. Numbers are refused, because nothing
in a table says what they mean; ``--dataset manifest --label-set NAME`` reads them in a known order.

The custom is 208 frontal sequences of 31 subjects in six classes, the three middle peak frames of each (624 pictures),
ten folds of whole subjects. The frames are no crops, unless a column ``cropped`` says so. For research only.

Reference: Pantic et al. 2005, doi 10.1109/ICME.2005.1521424.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from hybridfer.datasets.layout import takes_labels
from hybridfer.datasets.manifest import Table
from hybridfer.errors import DatasetError
from hybridfer.labels import EXPRESSIONS, canonical_label
from hybridfer.types import Item, Manifest


@dataclass(frozen=True)
class Mmi:
    """A manifest whose rows all have a subject and an expression."""

    def recognise(self, path: Path) -> str | None:
        """Return None: nothing tells such a table from another."""
        return None

    def read(self, path: Path, labels: str) -> Manifest:
        """Return an item for every row of the table."""
        wanted = takes_labels(labels, "MMI")
        manifest = Table().read(path, labels)
        items = [_checked(item, path, wanted) for item in manifest.items]
        return replace(manifest, items=items, dataset="mmi")


def _checked(item: Item, path: Path, wanted: bool) -> Item:
    if item.subject is None:
        raise DatasetError(f"{path} has no subject for {item.input}; MMI is split by subject, so fill in the column.")
    label = canonical_label(item.label or "") if wanted else None
    if wanted and label not in EXPRESSIONS:
        raise DatasetError(
            f"{path} gives {item.input} the label {item.label or ''!r}; expected a word for one of "
            f"{', '.join(EXPRESSIONS)}. Numbers are read with --dataset manifest --label-set NAME."
        )
    return replace(item, label=label)
