"""Small videos of the tests' own making, and a detector that finds the squares in them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from hybridfer.types import Face

CODECS = {
    ".avi": "MJPG",
    ".mp4": "mp4v",
    ".mov": "mp4v",
    ".mkv": "mp4v",
    ".webm": "VP80",
    ".mpg": "PIM1",
    ".wmv": "WMV2",
}
SIZE = (128, 96)


def frame(number: int) -> np.ndarray:
    """Return an RGB picture that says its number: eight fields in the last rows, and red in the upper left corner."""
    pixels = np.zeros((*SIZE[::-1], 3), np.uint8)
    pixels[:24, :24] = 255, 0, 0
    for bit in range(8):
        pixels[-16:, bit * 16 : bit * 16 + 16] = 0, 0, 255 * (number >> bit & 1)
    return pixels


def number_of(pixels: np.ndarray) -> int:
    """Return the number that a frame says."""
    return sum(int(pixels[-8, bit * 16 + 8, 2] > 128) << bit for bit in range(8))


def film(path: Path, frames: int = 30, rate: float = 25, draw: Callable[[int], np.ndarray] = frame) -> str:
    """Write a video and return its name."""
    size = draw(0).shape[1::-1]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*CODECS[path.suffix]), rate, size)
    assert writer.isOpened(), path
    for number in range(frames):
        writer.write(draw(number)[..., ::-1])
    writer.release()
    return str(path)


def retimed(path: str, steps: Sequence[int]) -> list[float]:
    """Give each frame of an MP4 file of ours a duration of its own, in the track's ticks; return when each begins.

    The table of durations (ISO 14496-12, 8.6.1.2) lies behind the pictures, so that it may become longer; the boxes
    round it do too.
    """
    data = bytearray(Path(path).read_bytes())
    data[(at := data.index(b"edts")) : at + 4] = b"free"  # which says how long the whole is
    at = data.index(b"stts")
    old = struct.unpack(">I", data[at - 4 : at])[0]
    table = struct.pack(">II", 0, len(steps)) + b"".join(struct.pack(">II", 1, step) for step in steps)
    data[at - 4 : at - 4 + old] = struct.pack(">I4s", 8 + len(table), b"stts") + table
    for box in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        at = data.index(box)
        length = struct.unpack(">I", data[at - 4 : at])[0] + 8 + len(table) - old
        data[at - 4 : at] = struct.pack(">I", length)
    at = data.index(b"mdhd")
    ticks = struct.unpack(">I", data[at + 16 : at + 20])[0]
    Path(path).write_bytes(data)
    return [sum(steps[:number]) / ticks for number in range(len(steps))]


def turned(path: str) -> None:
    """Have an MP4 file say that it is to be shown turned by a quarter, clockwise (ISO 14496-12, 8.3.2)."""
    data = bytearray(Path(path).read_bytes())
    at = data.index(b"tkhd") + 44
    one = 1 << 16
    data[at : at + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, SIZE[1] * one, 0, 1 << 30)
    Path(path).write_bytes(data)


@dataclass(frozen=True)
class Squares:
    """Finds squares of green: the score is how green, and the points lie in it as a face's would."""

    eyes: ClassVar = ((0.3, 0.4), (0.7, 0.4))
    weights: ClassVar = None

    min_face: int = 30
    threshold: float | None = None
    device: str = "cpu"

    def detect(self, pixels: np.ndarray) -> list[Face]:
        """Return the squares, the largest first."""
        _, _, found, _ = cv2.connectedComponentsWithStats((pixels[..., 1] > 60).astype(np.uint8))
        faces = []
        for x, y, width, height, _ in found[1:].tolist():
            score = float(pixels[y + height // 2, x + width // 2, 1]) / 255
            if width >= self.min_face and score >= (self.threshold or 0):
                faces.append(Face((x, y, x + width, y + height), score, points_in(x, y, width, height)))
        return sorted(faces, key=lambda face: face.box[0] - face.box[2])


def points_in(x: float, y: float, width: float, height: float) -> np.ndarray:
    """Return the five points that :class:`Squares` gives a box."""
    shares = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)])
    return shares * (width, height) + (x, y)


def squares(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (160, 120)) -> np.ndarray:
    """Return an RGB picture with green squares: x, y, side and how green."""
    pixels = np.zeros((*size[::-1], 3), np.uint8)
    for x, y, side, green in boxes:
        pixels[y : y + side, x : x + side, 1] = green
    return pixels


def install(monkeypatch: Any) -> None:
    """Let ``squares`` be a detector's name."""
    from hybridfer.faces import DETECTORS

    monkeypatch.setitem(DETECTORS.table, "squares", "media.films:Squares")
