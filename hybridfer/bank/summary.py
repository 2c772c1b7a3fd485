"""What a bank holds, for a person and for a program."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hybridfer.bank.bank import FeatureBank


def summary_of(bank: FeatureBank) -> dict[str, Any]:
    """Return what a bank holds: its head, its rows by status, label and split, its subjects."""
    rows = bank.rows()

    def counted(column: str) -> dict[str, int]:
        return dict(sorted(Counter(str(r[column]) for r in rows if r[column] is not None).items()))

    return {
        "path": str(bank.path),
        **bank.provenance,
        "status": counted("status"),
        "labels": counted("label"),
        "splits": counted("split"),
        "subjects": len({r["subject"] for r in rows} - {None}),
        "columns": list(bank.column_names),
        "bytes": bank.path.stat().st_size,
    }


def summary_text(summary: dict[str, Any]) -> str:
    """Return :func:`summary_of` as lines of text."""

    def line(counts: dict[str, int]) -> str:
        return ", ".join(f"{name} {n}" for name, n in counts.items()) or "none"

    detector = "none (declared face crops)" if summary["cropped"] else summary["detector"]
    lines = [
        f"{summary['path']}: {summary['faces']} faces in {summary['rows']} rows, {summary['bytes'] / 1e6:.1f} MB",
        f"  status    {line(summary['status'])}",
        f"  labels    {line(summary['labels'])}",
        f"  splits    {line(summary['splits'])}",
        f"  subjects  {summary['subjects'] or 'unknown'}",
        f"  data set  {summary['dataset']}; detector {detector}",
    ]
    for name, card in summary["blocks"].items():
        libraries = ", ".join(f"{library} {v}" for library, v in card["libraries"].items()) or card.get("made_by", "")
        lines.append(f"  block     {name}  ({card['length']} {card['dtype']}, version {card['version']}; {libraries})")
    lines += [f"  note      {note}" for note in summary["notes"]]
    lines.append(f"  content   {summary['fingerprint']}, written by hybridfer {summary['hybridfer']}")
    return "\n".join(lines)
