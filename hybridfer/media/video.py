"""Frames of a video, through the same door as pictures: RGB uint8, upright, each with its number, time and hash.

A video is decoded once, in order, and only as fast as its frames are consumed, so that its length costs no memory.
Times are the container's presentation times, counted from where its picture begins: a frame rate that varies, or an
``every`` above 1, does not shift them. The rotation that a telephone writes beside the frames is applied.
"""

from __future__ import annotations

import hashlib
import os
import struct
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from hybridfer.errors import PictureError
from hybridfer.media.images import MAX_PIXELS, FileSource, file_stamp, opening, regular_file, too_large
from hybridfer.tables import readable
from hybridfer.types import Item, Manifest, Picture, Pixels, Source

SUFFIXES = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"})
"""Endings, lower case, by which a video is known; of an animated GIF the first picture is taken."""

_LOUDNESS = "OPENCV_FFMPEG_LOGLEVEL"

_loudness_lock = threading.Lock()


def is_video(path: str | os.PathLike[str]) -> bool:
    """Return whether a path ends as a video's does."""
    return os.path.splitext(path)[1].lower() in SUFFIXES


def file_source(path: str, frame: int | None = None) -> Source:
    """Return where a file's pixels come from: a picture, a video, or the frame of a video that is numbered."""
    if not is_video(path):
        return FileSource(path)
    return VideoSource(path) if frame is None else VideoFrame(path, frame)


@dataclass(frozen=True, slots=True)
class VideoSource:
    """A whole video, which :func:`unrolled` takes apart."""

    path: str

    def read(self) -> Picture:
        """Raise: a video is no one picture."""
        raise PictureError("This is a video; expected a picture. A manifest may name one of its frames (path, frame).")

    def stamp(self) -> tuple[int, ...] | None:
        """Return the file's :func:`~hybridfer.media.images.file_stamp`."""
        return file_stamp(self.path)


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One frame of a video, by its number from 0.

    All frames before it are passed over to reach it, because only so is it sure to be this one; :func:`unrolled` does
    that once for frames that are named in order. ``hint`` is what an error ends with.
    """

    path: str
    frame: int
    hint: str = ""

    def read(self) -> Picture:
        """Return the frame; its hash is over its pixels."""
        with _reading(self.path, self.hint) as video:
            return video.frame(self.frame).read()

    def stamp(self) -> tuple[int, ...] | None:
        """Return the video's :func:`~hybridfer.media.images.file_stamp`."""
        return file_stamp(self.path)


@dataclass(frozen=True, slots=True, eq=False)
class HeldFrame:
    """A frame that has been decoded.

    Attributes
    ----------
    path : str
        The video.
    frame : int
        Its number, from 0.
    timestamp : float
        Seconds from where the video begins.
    rate : float
        Frames a second of the video; 0 where it does not say.
    pixels : (H, W, 3) uint8
        RGB, upright.
    """

    path: str
    frame: int
    timestamp: float
    rate: float
    pixels: Pixels

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it holds."""
        return self.pixels.nbytes

    def read(self) -> Picture:
        """Return the picture; its hash is over its size and pixels."""
        sha256 = hashlib.sha256(struct.pack("<2I", *self.pixels.shape[:2]))
        sha256.update(self.pixels.data)
        return Picture(self.pixels, sha256.hexdigest())

    def stamp(self) -> tuple[int, ...] | None:
        """Return the video's :func:`~hybridfer.media.images.file_stamp`."""
        return file_stamp(self.path)


@dataclass(frozen=True, slots=True)
class LostFrame:
    """A frame that should be there and is not, and why."""

    path: str
    error: str

    def read(self) -> Picture:
        """Raise."""
        raise PictureError(self.error)

    def stamp(self) -> tuple[int, ...] | None:
        """Return the video's :func:`~hybridfer.media.images.file_stamp`."""
        return file_stamp(self.path)


def unrolled(items: Iterable[Item], every: int = 1) -> Iterator[Item]:
    """Yield an item for each frame of the videos among the items; the others as they are.

    Parameters
    ----------
    items : iterable of Item
        Walked as far as the result is. Whole videos (:class:`VideoSource`) become their frames; single ones
        (:class:`VideoFrame`) are decoded in one go where they are named in order.
    every : int
        Of a whole video only every so many frames are taken, from the first.

    Yields
    ------
    Item
        With ``frame``, ``timestamp`` (where it had none) and the pixels in its source. Where a video cannot be read, or
        breaks off, the item's source raises, and says so.
    """
    last: _Video | None = None
    try:
        for item in items:
            source = item.source
            if isinstance(source, VideoSource):
                yield from _frames(item, source.path, every)
            elif isinstance(source, VideoFrame):
                try:
                    if last is None or last.path != source.path or source.frame < last.next:
                        if last is not None:
                            last.close()
                        last = None
                        last = _Video(source.path)
                    yield _held(item, last.frame(source.frame))
                except PictureError as error:
                    yield replace(item, source=LostFrame(source.path, f"{error} {source.hint}".rstrip()))
            else:
                yield item
    finally:
        if last is not None:
            last.close()


def with_frames(manifest: Manifest, every: int = 1) -> Manifest:
    """Return a manifest whose videos are their frames, every so many of them; one of pictures alone as it is."""
    items = manifest.items
    if isinstance(items, Sequence) and not any(isinstance(item.source, (VideoSource, VideoFrame)) for item in items):
        return manifest
    return replace(manifest, items=unrolled(items, every))


def stills(manifest: Manifest) -> Manifest:
    """Return a manifest without its whole videos, where only pictures can be compared; a note counts them."""
    items = list(manifest.items)
    kept = [item for item in items if not isinstance(item.source, VideoSource)]
    if len(kept) == len(items):
        return replace(manifest, items=items)
    note = f"{len(items) - len(kept)} videos left out: only pictures are compared"
    return replace(manifest, items=kept, notes=(*manifest.notes, note))


def _frames(item: Item, path: str, every: int) -> Iterator[Item]:
    number = 0
    try:
        with _reading(path) as video:
            while True:
                held = video.next_frame(number)
                if held is None:
                    break
                yield _held(item, held)
                number += every
            number = video.next
            if lacks := _lacks(path):
                raise PictureError(f"The video breaks off before frame {number}: {lacks}")
            if not number:
                raise PictureError("The video has no frame that can be decoded; expected one at least.")
    except PictureError as error:
        yield replace(item, source=LostFrame(path, str(error)), frame=number)


def _held(item: Item, held: HeldFrame) -> Item:
    timestamp = held.timestamp if item.timestamp is None else item.timestamp
    return replace(item, source=held, frame=held.frame, timestamp=timestamp)


@contextmanager
def _reading(path: str, hint: str = "") -> Iterator[_Video]:
    try:
        video = _Video(path)
        try:
            yield video
        finally:
            video.close()
    except PictureError as error:
        raise PictureError(f"{error} {hint}".rstrip()) from None


class _Video:
    """A video file that is open at its frame ``next``."""

    def __init__(self, path: str) -> None:
        import cv2

        with opening(Path(path)):
            if not regular_file(Path(path), "video").st_size:
                raise PictureError("The file is empty (0 bytes); expected a video.")
        if readable(path) != path:  # OpenCV would crash
            raise PictureError("The name is not valid UTF-8, which OpenCV cannot open; rename the video.")
        # What begins with a slash is never taken for an address. No decoder of a graphics card: each has pixels of its
        # own.
        options = [cv2.CAP_PROP_HW_ACCELERATION, cv2.VIDEO_ACCELERATION_NONE]
        with quiet_opencv():
            self._capture = cv2.VideoCapture(os.path.abspath(path), cv2.CAP_FFMPEG, options)
        if not self._capture.isOpened():
            raise PictureError(
                f"The video is cut: {lacks}"
                if (lacks := _lacks(path))
                else "This is not a video that OpenCV can decode; expected MP4, MOV, AVI, MKV, WebM, MPEG or WMV, "
                "whole from its first byte."
            )
        self.path = path
        self.next = 0
        self._time = -1.0
        self.rate = max(0.0, self._capture.get(cv2.CAP_PROP_FPS))
        size = self._capture.get(cv2.CAP_PROP_FRAME_WIDTH) * self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        if size > MAX_PIXELS:
            self.close()
            raise too_large(int(size))

    def close(self) -> None:
        self._capture.release()

    def frame(self, number: int) -> HeldFrame:
        """Return a frame that has not been passed yet."""
        held = self.next_frame(number)
        if held is None:
            lacks = f": {lacks}" if (lacks := _lacks(self.path)) else "."
            raise PictureError(
                f"The video has {self.next} frames, so none of number {number} (they count from 0){lacks}"
            )
        return held

    def next_frame(self, number: int) -> HeldFrame | None:
        """Return a frame that has not been passed yet; None where the video ends before it."""
        import cv2

        try:
            while self.next <= number:
                if not self._capture.grab():
                    return None
                self.next += 1
                time = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                # MPEG may leave a frame's time out.
                self._time = time if time > self._time else self._time + (1 / self.rate if self.rate else 0)
            done, pixels = self._capture.retrieve()
        except (cv2.error, MemoryError) as error:
            said = " ".join(str(error).split())
            raise PictureError(f"Frame {number} of the video cannot be decoded ({said}).") from None
        if not done:
            raise PictureError(f"Frame {number} of the video cannot be decoded; fetch it again from its source.")
        return HeldFrame(self.path, number, self._time, self.rate, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Let OpenCV and FFmpeg say nothing of their own; FFmpeg asks how loud it may be when it is first used."""
    import cv2

    with _loudness_lock:
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        ours = _LOUDNESS not in os.environ
        if ours:
            os.environ[_LOUDNESS] = "-8"
        try:
            yield
        finally:
            cv2.utils.logging.setLogLevel(level)
            if ours:
                del os.environ[_LOUDNESS]


def _lacks(path: str) -> str | None:
    """Return how much of the file is missing by what its container says of its length; None where nothing is."""
    try:
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            whole = 0
            while whole < size and (length := _length(file.read(24))):
                whole += length
                file.seek(whole)
    except OSError:
        return None
    if whole <= size:
        return None
    return f"the file has {size:,} bytes and should have {whole:,} or more; fetch it again from its source."


def _length(start: bytes) -> int:
    """Return the length of a part of a container that begins so; 0 where it does not say."""
    length = 0
    if start[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"moof", b"styp", b"sidx"):
        length = int.from_bytes(start[:4])  # MP4 and MOV
        length = int.from_bytes(start[8:16]) if length == 1 else length
    elif start[:4] == b"RIFF":  # AVI
        length = int.from_bytes(start[4:8], "little")
        length += 8 + length % 2 if length else 0
    elif start[:4] in (b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67") and start[4:5] > b"\0":  # MKV and WebM
        width = 9 - start[4].bit_length()  # the first bit that is set says how wide the number is
        number = int.from_bytes(start[4 : 4 + width]) - (1 << 7 * width)
        length = 0 if number == (1 << 7 * width) - 1 else 4 + width + number
    elif start[1:4] == b"\x26\xb2\x75":  # WMV
        length = int.from_bytes(start[16:24], "little")
    return length if length >= 8 else 0
