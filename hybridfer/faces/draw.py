"""Pictures and videos with what was found drawn on them: a box, points and a few words for each face, or a glow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.errors import OutputError
from hybridfer.faces.align import Alignment, Eyes, align_face, crop_transform
from hybridfer.faces.names import Names
from hybridfer.media import video
from hybridfer.tables import readable, replacing
from hybridfer.types import Face, Item, Picture, Pixels

PALETTE = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
"""Colours that people with any colour vision tell apart (Okabe & Ito 2008); faces take them in turn by their number."""

RATE, SLOWEST, FASTEST = 25.0, 0.1, 240.0
"""Frames a second of a video that does not say how many it has, or says something that is no rate; and the bounds."""

POINTS = 5
"""Points of a face in a row."""

SHOWN_CROP = 192
"""Pixels of the longer side of a crop that is shown alone, or more."""

GLOW = 0.7
"""How much of a picture the brightest glow hides."""

_FONT_HEIGHT = 21
"""Pixels of a digit of OpenCV's font at scale 1."""


@dataclass(frozen=True)
class Heat:
    """What was hot in a face.

    Attributes
    ----------
    values : (s, s) float32
        0 to 1, over the face's crop.
    face, eyes, alignment
        By which the crop is cut, see :func:`~hybridfer.faces.align.align_face`.
    """

    values: npt.NDArray[np.float32]
    face: Face
    eyes: Eyes | None
    alignment: Alignment


def number_and_score(row: Mapping[str, Any]) -> str:
    """Return a face's number and the detector's score."""
    return f"{row['face_id']}  {row['FaceScore']:.2f}"


def label_and_confidence(row: Mapping[str, Any]) -> str:
    """Return what a face was predicted to be, and how sure that is."""
    return f"{row['label']}  {row['confidence']:.2f}"


def draw_faces(
    pixels: Pixels,
    rows: Sequence[Mapping[str, Any]],
    words: Callable[[Mapping[str, Any]], str] = number_and_score,
) -> Pixels:
    """Return a picture with the faces of its rows drawn on it; lines and letters are as wide as its size asks for.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        RGB; left as it is.
    rows : sequence of mapping
        As ``hybridfer detect`` writes them; those without a face draw nothing.
    words : callable
        Says what is written at the face of a row.
    """
    import cv2

    drawn = np.ascontiguousarray(pixels).copy()
    side = float(np.sqrt(drawn.shape[0] * drawn.shape[1]))
    line = max(1, round(side / 300))
    # Names are written last, so that no other face's box crosses them.
    found = [row for row in rows if row["status"] == "ok"]
    for row in found:
        colour = PALETTE[row["face_id"] % len(PALETTE)]
        low, high = _corners(row, drawn)
        # A dark rim keeps the line in sight on light and on colourful ground.
        cv2.rectangle(drawn, low, high, (0, 0, 0), line + 2 * max(1, line // 2))
        cv2.rectangle(drawn, low, high, colour, line)
        radius = max(1, min(2 * line, (high[0] - low[0]) // 25))
        for point in _points(row, drawn):
            cv2.circle(drawn, point, radius + max(1, radius // 2), (0, 0, 0), cv2.FILLED, cv2.LINE_AA)
            cv2.circle(drawn, point, radius, colour, cv2.FILLED, cv2.LINE_AA)
    for row in found:
        _write(drawn, words(row), row, max(8.0, side / 60), line)
    return drawn


def draw_heat(pixels: Pixels, heats: Sequence[Heat]) -> Pixels:
    """Return a picture in which faces glow where they were hot; where they were cold it stays as it is."""
    import cv2

    drawn = np.ascontiguousarray(pixels).copy()
    for heat in heats:
        place, width, height = crop_transform(heat.face, heat.eyes, heat.alignment)
        back = cv2.invertAffineTransform(place)
        # Only the part that glows goes through the warp, which takes no picture of 32,767 pixels or more.
        corners = np.array([[x, y, 1] for x in (0, width) for y in (0, height)]) @ back.T
        x0, y0 = np.clip(np.floor(corners.min(axis=0)).astype(int) - 1, 0, drawn.shape[1::-1])
        x1, y1 = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 0, drawn.shape[1::-1])
        if x0 < x1 and y0 < y1:
            back[:, 2] -= x0, y0
            laid = cv2.warpAffine(_enlarged(heat.values, width, height), back, (int(x1 - x0), int(y1 - y0)))
            drawn[y0:y1, x0:x1] = _glowing(drawn[y0:y1, x0:x1], laid)
    return drawn


def draw_crop(pixels: Pixels, heat: Heat) -> Pixels:
    """Return a face's crop and, to the right of it, the same glowing where it was hot; enlarged if it is small."""
    import cv2

    crop = align_face(pixels, heat.face, heat.eyes, heat.alignment)
    height, width = crop.shape[:2]
    grown = max(1.0, SHOWN_CROP / max(height, width))
    size = max(1, round(width * grown)), max(1, round(height * grown))
    large = cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC)
    return np.hstack([large, _glowing(large, _enlarged(heat.values, *size))])


def _enlarged(values: npt.NDArray[np.float32], width: int, height: int) -> npt.NDArray[np.float32]:
    import cv2

    smooth = cv2.resize(values.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth.clip(0, 1), np.float32)


def _glowing(pixels: Pixels, heat: npt.NDArray[np.float32]) -> Pixels:
    """Return pixels ``(H, W, 3)`` that are the brighter a colour and the more hidden by it, the greater `heat` is."""
    import cv2

    colours = cv2.applyColorMap((heat * 255).round().astype(np.uint8), cv2.COLORMAP_PLASMA)[..., ::-1]
    share = GLOW * heat[..., None]
    return np.asarray((pixels * (1 - share) + colours * share).round(), np.uint8)


def _write(drawn: Pixels, text: str, row: Mapping[str, Any], height: float, line: int) -> None:
    """Write words above a face's box, or where there is room."""
    import cv2

    scale = height / _FONT_HEIGHT
    strokes = max(1, round(2 * scale))
    (width, tall), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, strokes)
    pad = max(1, round(height / 4))
    (x, y), _ = _corners(row, drawn)
    x = max(0, min(x - line, drawn.shape[1] - width - 2 * pad))
    y = max(0, min(y - line - tall - below - pad, drawn.shape[0] - tall - below - pad))
    colour = PALETTE[row["face_id"] % len(PALETTE)]
    dark = np.dot(colour, (0.299, 0.587, 0.114)) < 110
    cv2.rectangle(drawn, (x, y), (x + width + 2 * pad, y + tall + below + pad), colour, cv2.FILLED)
    ink = (255, 255, 255) if dark else (0, 0, 0)
    cv2.putText(drawn, text, (x + pad, y + tall + pad), cv2.FONT_HERSHEY_SIMPLEX, scale, ink, strokes, cv2.LINE_AA)


def _corners(row: Mapping[str, Any], drawn: Pixels) -> tuple[tuple[int, int], tuple[int, int]]:
    x, y, width, height = (row[f"FaceRect{name}"] for name in ("X", "Y", "Width", "Height"))
    return _pixel(x, y, drawn), _pixel(x + width - 1, y + height - 1, drawn)


def _points(row: Mapping[str, Any], drawn: Pixels) -> list[tuple[int, int]]:
    places = [(row.get(f"x_{i}"), row.get(f"y_{i}")) for i in range(POINTS)]
    return [_pixel(x, y, drawn) for x, y in places if x is not None and y is not None]


def _pixel(x: float, y: float, drawn: Pixels) -> tuple[int, int]:
    """Return the pixel that a place lies in, at most one picture away from the picture: OpenCV counts in 16 bits."""
    rows, columns = drawn.shape[:2]
    return round(float(np.clip(x, -columns, 2 * columns))), round(float(np.clip(y, -rows, 2 * rows)))


class Album:
    """A folder that drawn pictures and videos are put into, each under a name of its own.

    A picture keeps its name (:class:`~hybridfer.faces.names.Names`); its form is JPEG where it was, else PNG. The
    frames of a video that were looked at become one video, as fast as the first was, or pictures with their numbers.
    A file stands in the folder when it is whole.

    Parameters
    ----------
    folder : path
        Made if need be.
    every : int
        One frame in so many is looked at.
    overwrite : bool
        Whether `folder` may exist; files in it that have the name of a new one are replaced, others stay.
    films : bool
        Whether frames become a video.

    Raises
    ------
    OutputError
        If `folder` exists and `overwrite` is False, is a file, or cannot be made.
    """

    def __init__(
        self, folder: str | os.PathLike[str], every: int = 1, overwrite: bool = False, films: bool = True
    ) -> None:
        self.folder = Path(folder)
        self.every = every
        self.films = films
        if self.folder.exists() and not self.folder.is_dir():
            raise OutputError(f"{folder} is a file; expected the name of a folder to draw into.")
        if self.folder.exists() and not overwrite:
            raise OutputError(f"{folder} exists; add --overwrite to draw into it, or choose another name.")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder} cannot be made: {error.strerror}; choose another place.") from None
        self._names = Names()
        self._film = ExitStack()
        self._playing: str | None = None
        self._write: Callable[[Pixels], None] = lambda drawn: None

    def __enter__(self) -> Album:
        return self

    def __exit__(self, *error: Any) -> None:
        self._film.__exit__(*error)

    def add(self, item: Item, picture: Picture | None, rows: Sequence[Mapping[str, Any]]) -> None:
        """Draw an item's rows on its picture, if it has one; frames of a video come in order.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        if picture is not None:
            self.keep(item, draw_faces(picture.pixels, rows))

    def keep(self, item: Item, drawn: Pixels) -> str:
        """Put what was drawn for an item into the folder, and return its name there, without an ending.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        source = item.source
        if isinstance(source, video.HeldFrame):
            if self.films:
                return self._keep_frame(item, source, drawn)
            stem, ending = os.path.splitext(item.input)
            item = replace(item, input=f"{stem}_{item.frame:06d}{ending}")
        name = self._names.of(item)
        ending = os.path.splitext(item.input)[1].lower()
        self.keep_picture(f"{name}{ending if ending in ('.jpg', '.jpeg') else '.png'}", drawn)
        return name

    def keep_picture(self, file: str, drawn: Pixels) -> None:
        """Put a picture into the folder as the file of that name, which may lie in a folder of its own there."""
        import cv2

        path = self.folder / file
        path.parent.mkdir(exist_ok=True)
        _, data = cv2.imencode(path.suffix, cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
        with replacing(path, overwrite=True) as beside:
            beside.write_bytes(data.tobytes())

    def _keep_frame(self, item: Item, source: video.HeldFrame, drawn: Pixels) -> str:
        name = self._names.of(item)
        if name != self._playing:
            self._film.close()
            rate = source.rate if 0 < source.rate <= FASTEST else RATE
            self._write = self._film.enter_context(_film(self.folder / f"{name}.mp4", rate / self.every))
            self._playing = name
        self._write(drawn)
        return name


@contextmanager
def _film(path: Path, rate: float) -> Iterator[Callable[[Pixels], None]]:
    """Yield what adds a picture to a video; all get the size of the first."""
    import cv2

    if readable(str(path)) != str(path):  # OpenCV would crash
        raise OutputError(f"{path} is not valid UTF-8, which OpenCV cannot write to; name another folder.")
    writer = cv2.VideoWriter()
    size = None

    def write(drawn: Pixels) -> None:
        nonlocal size
        if size is None:
            # The form wants even numbers of rows and columns.
            size = (drawn.shape[1] + drawn.shape[1] % 2, drawn.shape[0] + drawn.shape[0] % 2)
            with video.quiet_opencv():
                writer.open(str(file), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), max(rate, SLOWEST), size)
            if not writer.isOpened():
                raise OutputError(
                    f"{path} cannot be written as a video of {size[0]}x{size[1]} pixels; expected 8191x8191 at most, "
                    "in a place that may be written to."
                )
        added = (0, max(0, size[1] - drawn.shape[0]), 0, max(0, size[0] - drawn.shape[1]))
        whole = cv2.copyMakeBorder(drawn, *added, cv2.BORDER_REPLICATE)
        writer.write(cv2.cvtColor(whole[: size[1], : size[0]], cv2.COLOR_RGB2BGR))

    with replacing(path, overwrite=True) as beside:
        file = beside.with_suffix(".mp4")  # by its ending the writer knows the form
        try:
            yield write
        finally:
            writer.release()
        file.replace(beside)
