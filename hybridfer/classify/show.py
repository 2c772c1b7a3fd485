"""Predictions drawn: pictures and videos with each face's label, and with where a network looked."""

from __future__ import annotations

import os
from contextlib import ExitStack

from hybridfer.classify.base import Predicted
from hybridfer.faces.draw import Album, draw_crop, draw_faces, draw_heat, label_and_confidence


class Gallery(ExitStack):
    """What draws predictions into folders.

    Parameters
    ----------
    draw : path, optional
        The folder for pictures and videos with a box, the label and the confidence at each face.
    explain : path, optional
        The folder for pictures that glow where the network looked, frames of videos being pictures too. Its folder
        ``crops`` has each face as it was cut out, without the glow and with it.
    every : int
        One frame in so many is looked at.
    overwrite : bool
        Whether the folders may exist.

    Raises
    ------
    OutputError
        If a folder exists and `overwrite` is False, or cannot be made.
    """

    def __init__(
        self,
        draw: str | os.PathLike[str] | None,
        explain: str | os.PathLike[str] | None,
        every: int = 1,
        overwrite: bool = False,
    ) -> None:
        super().__init__()
        self._drawn = None if draw is None else self.enter_context(Album(draw, every, overwrite))
        self._explained = None if explain is None else self.enter_context(Album(explain, every, overwrite, films=False))

    def add(self, predicted: Predicted) -> None:
        """Draw what was predicted of a picture, which is read once more; one that cannot be read is left out.

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        item, rows = predicted.item, predicted.rows
        if rows[0]["status"] == "error" or (self._drawn is None and self._explained is None):
            return
        pixels = item.source.read().pixels
        if self._drawn is not None:
            self._drawn.keep(item, draw_faces(pixels, rows, label_and_confidence))
        if self._explained is not None:
            lit = draw_heat(pixels, predicted.heats)
            name = self._explained.keep(item, draw_faces(lit, rows, label_and_confidence))
            for number, heat in enumerate(predicted.heats):
                self._explained.keep_picture(f"crops/{name}_{number}.png", draw_crop(pixels, heat))
