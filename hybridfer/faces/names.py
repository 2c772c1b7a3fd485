"""What inputs are called where each becomes a file of its own in one folder."""

from __future__ import annotations

import os
import re
from collections import Counter

from hybridfer.media import images, video
from hybridfer.types import Item

LONGEST = 150
"""Bytes of an input's name that a file's begins with; a file's name has 255."""


class Names:
    """Names for the files that inputs become: no two alike, for the frames of one video the same."""

    def __init__(self) -> None:
        self._given: Counter[str] = Counter()
        self._last: tuple[str, int, str] | None = None

    def of(self, item: Item) -> str:
        """Return an item's name, without an ending; frames of a video come in order."""
        if self._last is None or self._last[0] != item.input or self._last[1] >= item.frame:
            name = self._new(item.input)
        else:
            name = self._last[2]
        self._last = (item.input, item.frame, name)
        return name

    def _new(self, text: str) -> str:
        stem, ending = os.path.splitext(os.path.basename(text))
        if ending.lower() not in images.SUFFIXES | video.SUFFIXES:
            stem += ending  # a row of a data-set file: fer2013.csv#12
        plain = re.sub(r"[^\w.-]", "_", stem).encode()[:LONGEST].decode("utf-8", "ignore") or "picture"
        name = plain
        # Some file systems take capitals for small letters.
        while self._given[name.casefold()]:
            self._given[plain.casefold()] += 1
            name = f"{plain}-{self._given[plain.casefold()]}"
        self._given[name.casefold()] += 1
        return name
