"""Feature specs: the text that names a descriptor with its parameters.

``name[:key=value,…]`` names a descriptor (``lbp:grid=7``), ``network@layer[:key=value,…]`` a layer of a network
(``resnet18@layer3:pool=gap``). The canonical text has every default spelt out and its keys sorted; it is the name of
the column in a bank, so two equal columns were made with equal parameters. ``windows(SPEC)`` is what SPEC makes of each
of the twelve windows of a face.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hybridfer.errors import SpecError, did_you_mean

T = TypeVar("T")

WRAPPERS = ("windows",)
"""What may stand before another spec in brackets."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_LAYER = re.compile(r"[A-Za-z0-9_.]+")
_KEY = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class FeatureSpec:
    """A parsed spec: its name, the layer after ``@``, its options as text, the spec in its brackets; or what it has."""

    name: str
    layer: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    inner: FeatureSpec | None = None

    def __str__(self) -> str:
        if self.inner is not None:
            return f"{self.name}({self.inner})"
        head = self.name if self.layer is None else f"{self.name}@{self.layer}"
        tail = ",".join(f"{key}={self.options[key]}" for key in sorted(self.options))
        return f"{head}:{tail}" if tail else head


def parse_spec(text: str) -> FeatureSpec:
    """Return the parts of a feature spec.

    Parameters
    ----------
    text : str
        ``name[:key=value,…]`` or ``network@layer[:key=value,…]``, or one of them as ``windows(…)``.

    Raises
    ------
    SpecError
        If the text does not have that form, or gives a key twice.

    Examples
    --------
    >>> parse_spec("lbp:radius=1,points=8").options["points"]
    '8'
    >>> str(parse_spec("resnet18@layer3:pool=gap"))
    'resnet18@layer3:pool=gap'
    """
    before, bracket, rest = text.strip().partition("(")
    if bracket and before in WRAPPERS and rest.endswith(")"):
        inner = parse_spec(rest[:-1])
        if inner.inner is not None:
            raise SpecError(
                f"Spec {text!r} puts {before} into {inner.name}; expected a descriptor, as in windows(lbp)."
            )
        return FeatureSpec(before, inner=inner)
    head, colon, tail = text.strip().partition(":")
    name, at, layer = head.partition("@")
    if not _NAME.fullmatch(name) or (at and not _LAYER.fullmatch(layer)) or (colon and not tail):
        raise SpecError(
            f"Spec {text!r} is not of the form name[:key=value,…], network@layer[:key=value,…] or windows(SPEC); "
            "try lbp, lbp:grid=7, resnet18@layer3:pool=gap or windows(lbp)."
        )
    options: dict[str, str] = {}
    for part in tail.split(",") if tail else ():
        key, equals, value = part.partition("=")
        key, value = key.strip(), value.strip()
        if not equals or not _KEY.fullmatch(key) or not value:
            raise SpecError(f"Spec {text!r}: {part!r} is not key=value, as in lbp:grid=7,radius=1.")
        if key in options:
            raise SpecError(f"Spec {text!r} gives {key!r} twice; keep one.")
        options[key] = value
    return FeatureSpec(name, layer if at else None, options)


def format_value(value: object) -> str:
    """Return a parameter as spec text: ``true``/``false``, whole numbers without a point, words as they are."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() else repr(value)
    return str(value)


def parse_value(text: str, kind: type[Any], where: str) -> Any:
    """Return spec text as a value of `kind` (bool, int, float or str); `where` opens the error's message."""
    if kind is bool:
        if text.lower() in ("true", "yes", "1"):
            return True
        if text.lower() in ("false", "no", "0"):
            return False
        raise SpecError(f"{where}={text!r} is not true or false.")
    if kind is str:
        return text
    try:
        return kind(text)
    except ValueError:
        expected = "a whole number" if kind is int else "a number"
        raise SpecError(f"{where}={text!r} is not {expected}.") from None


def parse_options(cls: type[T], spec: FeatureSpec, without: Collection[str] = ()) -> dict[str, Any]:
    """Return `spec`'s options as keyword arguments for the dataclass `cls`, each of its field's type.

    Fields named in `without` are no options.

    Raises
    ------
    SpecError
        If `cls` has no such parameter or a value does not fit its type.
    """
    from dataclasses import fields
    from typing import get_type_hints

    hints = get_type_hints(cls)
    known = {f.name: hints[f.name] for f in fields(cls) if f.init and f.name not in without}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, text in spec.options.items():
        if key not in known:
            names = f"Known: {', '.join(sorted(known))}." if known else "It has none."
            raise SpecError(f"{spec.name} has no parameter {key!r}.{did_you_mean(key, known)} {names}")
        values[key] = parse_value(text, known[key], f"{spec.name}:{key}")
    return values
