"""The one door for pixels: a file becomes RGB uint8, upright, with its content hash.

Everything that is not an ordinary picture is settled here, once: 16-bit values are reduced to their high byte, alpha
is laid over white, palettes, CMYK and grey become RGB, the first frame of an animation is taken, the EXIF orientation
is applied. Whatever a damaged file does to the decoder comes out as a :class:`~hybridfer.errors.PictureError`.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hybridfer.errors import PictureError
from hybridfer.types import Picture, Pixels

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
"""Endings, lower case, by which a picture in a folder is known."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")

MAX_PIXELS = 64_000_000
"""Pictures of more pixels than this are not decoded; 8,000 x 8,000 is the largest square."""

MAX_SCANNED = 100 * MAX_PIXELS
"""Pixels times scans of a progressive JPEG that are decoded: about three seconds; a scan over nothing is 100 bytes."""

MAX_BYTES = 1 << 29
"""Files larger than this are not opened."""

_warnings_lock = threading.Lock()


@contextmanager
def quiet() -> Iterator[None]:
    """Let no library warn; threads take turns, because the filter is the whole process's."""
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_image(path: str | os.PathLike[str]) -> Picture:
    """Return the decoded picture of a file.

    Parameters
    ----------
    path : str or path
        A JPEG, PNG, WebP, BMP, TIFF or GIF file.

    Returns
    -------
    Picture
        ``pixels (H, W, 3) uint8`` RGB, upright; SHA-256 of the file's bytes.

    Raises
    ------
    PictureError
        If the file is missing, empty, cut, not a picture, or larger than :data:`MAX_PIXELS`.
    """
    return decode_image(_read_bytes(Path(path)))


def decode_image(data: bytes) -> Picture:
    """Return the decoded picture of a file's bytes; see :func:`read_image`."""
    if not data:
        raise PictureError("The file is empty (0 bytes); expected a picture.")
    return Picture(_decode(data), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True, slots=True)
class FileSource:
    """A picture file, read when it is asked for."""

    path: str

    def read(self) -> Picture:
        """Return the decoded picture; see :func:`read_image`."""
        return read_image(self.path)

    def stamp(self) -> tuple[int, ...] | None:
        """Return the file's :func:`file_stamp`."""
        return file_stamp(self.path)


def file_stamp(path: str | os.PathLike[str]) -> tuple[int, ...] | None:
    """Return what shows, without reading it, that a file has changed: its size and the times of its last changes.

    None where there is no such file. The last of the times is that of its rights, so that a file which may be read at
    last is another.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _read_bytes(path: Path) -> bytes:
    with opening(path):
        for _ in range(2):
            size = regular_file(path, "picture").st_size
            if size > MAX_BYTES:
                raise PictureError(f"The file has {size} bytes; at most {MAX_BYTES} are read. Make it smaller.")
            before = file_stamp(path)
            data = path.read_bytes()
            if file_stamp(path) == before:
                return data
        raise PictureError("The file changed while it was read, twice; run again when nothing writes to it.")


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Say what is wrong, as a :class:`~hybridfer.errors.PictureError`, where the system will not open a file."""
    try:
        yield
    except FileNotFoundError:
        if path.is_symlink():
            raise PictureError(f"This is a link to {path.readlink()}, which does not exist; mend the link.") from None
        raise PictureError("There is no such file; check the path.") from None
    except OSError as error:
        raise PictureError(f"The file cannot be opened: {error.strerror or error}; check its permissions.") from None
    except ValueError as error:
        raise PictureError(f"This path cannot be opened: {error}.") from None


def regular_file(path: Path, what: str) -> os.stat_result:
    """Return the status of a file; `what` is expected in it.

    Raises
    ------
    PictureError
        If it is a folder, a device or a pipe.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise PictureError(f"This is a folder; expected a {what} file.")
    if not stat.S_ISREG(status.st_mode):
        raise PictureError(f"This is not a regular file; expected a {what} file.")
    return status


def _decode(data: bytes) -> Pixels:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        # Pillow speaks up about large pictures before we can look at the size.
        with quiet():
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise too_large(width * height)
        scans = data.count(b"\xff\xda") if image.info.get("progressive") else 1
        if width * height * scans > MAX_SCANNED:
            raise PictureError(
                f"The picture is drawn in {scans} scans, which would take long; save it again with fewer."
            )
        with quiet() if image.format == "TIFF" else nullcontext():  # its reader speaks up about tags while it loads
            image.load()
        with quiet():
            image.getexif()
        ImageOps.exif_transpose(image, in_place=True)
        return _to_rgb(image)
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        # Pillow refuses the largest by itself, and only its message knows how large.
        raise too_large(int(re.findall(r"\d+", str(error))[0])) from None
    except UnidentifiedImageError:
        raise PictureError(
            "This is not a picture; expected JPEG, PNG, WebP, BMP, TIFF or GIF, whole from its first byte."
        ) from None
    except MemoryError:
        raise PictureError("There is not enough memory to decode this picture; make it smaller.") from None
    except Exception as error:  # noqa: BLE001 - a damaged file may make a decoder raise anything at all
        said = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"The picture is cut or damaged ({said}); fetch it again from its source.") from None


def too_large(pixels: int) -> PictureError:
    """Return the error of a picture that has too many pixels to be decoded."""
    return PictureError(f"The picture has {pixels:,} pixels; at most {MAX_PIXELS:,} are decoded. Make it smaller.")


def _to_rgb(image: Image.Image) -> Pixels:
    from PIL import Image

    if image.mode.startswith("I"):
        return _grey_to_rgb((np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8))
    if image.mode == "F":
        raise PictureError("The picture holds floating-point values; save it with 8 or 16 bits a channel.")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    elif image.mode == "L":
        return _grey_to_rgb(np.asarray(image))
    pixels: Pixels = np.array(image.convert("RGB"))
    return pixels


def _grey_to_rgb(grey: Pixels) -> Pixels:
    return np.repeat(grey[:, :, None], 3, axis=2)


def encode_png(pixels: Pixels) -> bytes:
    """Return the PNG file of pixels, RGB."""
    import cv2

    return bytes(cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1])
