"""A small public network of 98 points, run by OpenCV from the ONNX file that the user has: one to learn from.

It is PFLD with blocks of GhostNet and MobileOne, trained on WFLW, where its author tells an error of 5.2 % of the
distance between the eyes' outer corners (https://github.com/AnthonyF333/PFLD_GhostOne, Apache-2.0). It tells no
confidence. Its windows are 1.2 times the box of the points, as those it was tested on; it was trained on others up to
1.25 times, moved by up to a tenth of their side.

On 669 video frames of 55 people (68 points, which lie 1.2 pixels right of and 1.4 below its own in the mean) its error
is 8.2 %, and 6.7 % without that shift. Windows moved and resized at random by up to a tenth of the box leave it so
(8.2 and 6.8 %), by up to a fifth they do not (9.1 and 7.8 %).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from hybridfer.deep.graphs import Graph, check_graph, read_graph
from hybridfer.deep.landmarks.crop import Floats, Window, cut
from hybridfer.errors import WeightsError
from hybridfer.faces.schemes import WFLW98
from hybridfer.media.video import quiet_opencv
from hybridfer.types import Pixels

GRAPH = Graph(inputs=("input",), outputs=("output",), size=112, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

MARGIN = 1.2
"""Side of its windows, in longer sides of the box of the points."""


class Pfld:
    """PFLD's points for faces of a picture.

    Parameters
    ----------
    file : path
        ``PFLD_GhostOne_112_1_opt_sim.onnx``, or another of the same inputs and outputs.

    Raises
    ------
    WeightsError
        If it cannot be read or is another network.
    """

    def __init__(self, file: str | os.PathLike[str]) -> None:
        import cv2

        content = read_graph(file)
        check_graph(content, GRAPH, f"{os.fspath(file)} as PFLD")
        try:
            with quiet_opencv():
                self.network = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
        except cv2.error as error:
            why = " ".join((error.err or str(error)).split())
            raise WeightsError(f"OpenCV cannot run {os.fspath(file)} ({why}); fetch it again.") from None
        self.file = os.fspath(file)

    def points(self, pixels: Pixels, windows: Sequence[Window]) -> Floats:
        """Return the points ``(n, 98, 2)`` of the faces in `n` windows of a picture."""
        found = np.empty((len(windows), WFLW98.count, 2))
        for row, window in zip(found, windows, strict=True):
            crop = (cut(pixels, window, GRAPH.size) / 255 - GRAPH.mean) / GRAPH.std
            self.network.setInput(np.ascontiguousarray(crop.transpose(2, 0, 1)[None], np.float32))
            given = self.network.forward()
            if given.size != row.size:
                raise WeightsError(
                    f"{self.file} gives {given.size} numbers for a face; expected {row.size}, x and y of its 98 points."
                )
            row[:] = window.out_of(given.reshape(row.shape), 1)
        return found
