"""What a check says: a text when all is well, a :class:`Note`, or an error."""

from __future__ import annotations

from hybridfer.errors import HybridferError


class HealthError(HybridferError):
    """Something of the installation that is off."""


class Note(str):
    """What a check found absent that may be absent."""

    __slots__ = ()


def expect(kept: bool, message: str) -> None:
    """Raise :class:`HealthError` with `message` unless `kept`."""
    if not kept:
        raise HealthError(message)
