"""A seeded mutator of picture files: what transfers, disks and malice do to them."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image

FORMS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def originals(pixels: np.ndarray) -> dict[str, bytes]:
    """Return a file of every format and of its rarer shapes: progressive, animated, with a palette, 16 bits, EXIF."""
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a face"
    frames = [image.rotate(90 * i).quantize(32) for i in range(3)]
    found = {}

    def add(name: str, picture: Image.Image, form: str, **options: object) -> None:
        stream = io.BytesIO()
        picture.save(stream, form, **options)
        found[name] = stream.getvalue()

    for form in FORMS:
        add(form, image, form)
    add("progressive", image, "JPEG", progressive=True, exif=exif)
    add("cmyk", image.convert("CMYK"), "JPEG")
    add("palette", image.quantize(16), "PNG", transparency=0)
    add("deep", Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), "PNG")
    add("alpha", image.convert("RGBA"), "PNG")
    add("lossless", image.convert("RGBA"), "WEBP", lossless=True)
    add("lzw", image, "TIFF", compression="tiff_lzw")
    add("deflate", image.convert("L"), "TIFF", compression="tiff_adobe_deflate")
    add("animation", frames[0], "GIF", save_all=True, append_images=frames[1:], loop=0)
    return found


def mutants(pixels: np.ndarray, count: int, seed: int) -> Iterator[bytes]:
    """Yield `count` broken files, the same for the same seed."""
    random = np.random.default_rng(seed)
    files = list(originals(pixels).values())
    for _ in range(count):
        data = files[random.integers(len(files))]
        for _ in range(random.integers(1, 4)):
            data = MUTATIONS[random.integers(len(MUTATIONS))](data, files, random)
        yield data


def truncate(data: bytes, files: list[bytes], random: np.random.Generator) -> bytes:
    return data[: random.integers(len(data) + 1)]


def flip_bits(data: bytes, files: list[bytes], random: np.random.Generator) -> bytes:
    flipped = bytearray(data)
    for place in random.integers(0, max(len(data), 1), random.integers(1, 20)) if data else ():
        flipped[place] ^= 1 << int(random.integers(8))
    return bytes(flipped)


def splice(data: bytes, files: list[bytes], random: np.random.Generator) -> bytes:
    other = files[random.integers(len(files))]
    return data[: random.integers(len(data) + 1)] + other[random.integers(len(other)) :]


def insert(data: bytes, files: list[bytes], random: np.random.Generator) -> bytes:
    place = random.integers(len(data) + 1)
    return data[:place] + random.bytes(int(random.integers(1, 50))) + data[place:]


def delete(data: bytes, files: list[bytes], random: np.random.Generator) -> bytes:
    place = random.integers(len(data) + 1)
    return data[:place] + data[place + random.integers(1, 50) :]


def overwrite_header(data: bytes, files: list[bytes], random: np.random.Generator) -> bytes:
    place = int(random.integers(min(len(data), 200) + 1))
    number = EXTREMES[random.integers(len(EXTREMES))]
    size = "BHI"[random.integers(3)]
    field = struct.pack("<>"[random.integers(2)] + size, number & (1 << 8 * struct.calcsize(size)) - 1)
    return data[:place] + field + data[place + len(field) :]


def repeat(data: bytes, files: list[bytes], random: np.random.Generator) -> bytes:
    start, end = sorted(random.integers(0, len(data) + 1, 2).tolist())
    return data[:end] + data[start:end] * int(random.integers(1, 20)) + data[end:]


MUTATIONS = (truncate, flip_bits, splice, insert, delete, overwrite_header, repeat)
