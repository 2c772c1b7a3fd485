"""A contact sheet: a row a person, a column an expression."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hybridfer.errors import DatasetError
from hybridfer.labels import class_order
from hybridfer.types import Item, Pixels

GAP = 4
"""Pixels of white round each picture."""

HEAD = 24
"""Pixels above them, for the labels."""


def contact_sheet(items: Iterable[Item], people: int = 6, size: int = 96) -> Pixels:
    """Return one picture of the first pictures of each of the first people and every label.

    Parameters
    ----------
    items : iterable of Item
        Such as those of a manifest that ``hybridfer virtual faces`` wrote.
    people : int
        Subjects that are shown at most, in the items' order.
    size : int
        The side of each picture.

    Returns
    -------
    (H, W, 3) uint8
        RGB; white where somebody has no picture of a label.

    Raises
    ------
    DatasetError
        If no item has a subject and a label.
    PictureError
        If a picture cannot be read.
    """
    import cv2

    first: dict[str, dict[str, Item]] = {}
    for item in items:
        if item.subject is not None and item.label is not None:
            first.setdefault(item.subject, {}).setdefault(item.label, item)
    if not first:
        raise DatasetError("No picture has both a subject and a label, so a contact sheet has no place for any.")
    rows = list(first.values())[:people]
    labels = class_order(label for row in rows for label in row)
    step = size + GAP
    sheet = np.full((HEAD + len(rows) * step, GAP + len(labels) * step, 3), 255, np.uint8)
    for column, label in enumerate(labels):
        left = GAP + column * step
        text = label.encode("ascii", "replace").decode()
        cv2.putText(sheet, text, (left, HEAD - 8), cv2.FONT_HERSHEY_SIMPLEX, size / 210, (40, 40, 40), 1, cv2.LINE_AA)
        for number, row in enumerate(rows):
            if label in row:
                top = HEAD + number * step
                pixels = row[label].source.read().pixels
                sheet[top : top + size, left : left + size] = cv2.resize(
                    pixels, (size, size), interpolation=cv2.INTER_AREA
                )
    return sheet
