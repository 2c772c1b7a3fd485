"""The one door for pixels: whatever comes in, RGB uint8 and upright comes out, or an error that says what to do."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from hybridfer.errors import PictureError
from hybridfer.media.images import decode_image, read_image

RAMP = np.arange(12 * 9 * 3, dtype=np.uint8).reshape(9, 12, 3)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_pictures_come_out_as_they_went_in(form: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    np.testing.assert_array_equal(decode_image(saved(Image.fromarray(RAMP), form, **options)).pixels, RAMP)


def test_a_jpeg_is_rgb_and_not_bgr(astronaut: np.ndarray) -> None:
    pixels = decode_image(saved(Image.fromarray(astronaut), "JPEG", quality=95)).pixels
    assert np.abs(pixels.astype(int) - astronaut).mean() < 3


def test_the_hash_is_that_of_the_files_bytes() -> None:
    data = saved(Image.fromarray(RAMP), "PNG")
    assert decode_image(data).sha256 == hashlib.sha256(data).hexdigest()


def test_grey_has_three_equal_channels() -> None:
    pixels = decode_image(saved(Image.fromarray(RAMP[..., 0]), "PNG")).pixels
    np.testing.assert_array_equal(pixels, np.stack([RAMP[..., 0]] * 3, axis=2))


def test_sixteen_bits_keep_their_high_byte(tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 9 * 12).astype(np.uint16).reshape(9, 12)
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    cv2.imwrite(str(tmp_path / "deep.tif"), deep)
    for name in ("deep.png", "deep.tif"):
        np.testing.assert_array_equal(read_image(tmp_path / name).pixels[..., 0], deep >> 8)


def test_sixteen_bit_colour_keeps_its_high_byte(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (9, 12, 3)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep[..., ::-1])
    np.testing.assert_allclose(read_image(tmp_path / "deep.png").pixels, deep >> 8, atol=1)


def test_alpha_is_laid_over_white() -> None:
    image = Image.new("RGBA", (4, 4), (200, 0, 0, 0))
    image.putpixel((1, 1), (200, 0, 0, 255))
    pixels = decode_image(saved(image, "PNG")).pixels
    assert tuple(pixels[0, 0]) == (255, 255, 255) and tuple(pixels[1, 1]) == (200, 0, 0)


def test_a_palette_becomes_its_colours_and_a_see_through_one_white() -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([10, 20, 30, 200, 0, 0] + [0] * 762)
    assert tuple(decode_image(saved(image, "PNG")).pixels[0, 0]) == (10, 20, 30)
    assert tuple(decode_image(saved(image, "PNG", transparency=0)).pixels[0, 0]) == (255, 255, 255)


def test_cmyk_becomes_rgb() -> None:
    pixels = decode_image(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)).pixels
    assert pixels[4, 4, 0] > 230 and pixels[4, 4, 1:].max() < 30


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    pixels = decode_image(saved(frames[0], "GIF", save_all=True, append_images=frames[1:])).pixels
    assert tuple(pixels[0, 0]) == (255, 0, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    # What each value asks a viewer to do, from the EXIF standard (CIPA DC-008, 4.6.4).
    upright = {
        1: RAMP,
        2: RAMP[:, ::-1],
        3: RAMP[::-1, ::-1],
        4: RAMP[::-1],
        5: RAMP.transpose(1, 0, 2),
        6: np.rot90(RAMP, -1),
        7: np.rot90(RAMP.transpose(1, 0, 2), 2),
        8: np.rot90(RAMP, 1),
    }[orientation]
    np.testing.assert_array_equal(decode_image(saved(Image.fromarray(RAMP), "PNG", exif=exif)).pixels, upright)


def test_a_single_pixel_is_a_picture() -> None:
    assert decode_image(saved(Image.new("L", (1, 1), 7), "PNG")).pixels.tolist() == [[[7, 7, 7]]]


def test_a_huge_picture_is_refused_before_it_is_decoded() -> None:
    for side in (8001, 30000):
        image = Image.new("1", (side, side))
        with pytest.raises(PictureError, match=r"at most 64,000,000"):
            decode_image(saved(image, "PNG"))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_a_picture_cut_anywhere_raises_and_never_comes_out_half(form: str, astronaut: np.ndarray) -> None:
    whole = saved(Image.fromarray(astronaut[::8, ::8]), form)
    for share in (0.02, 0.3, 0.6, 0.9):
        with pytest.raises(PictureError):
            decode_image(whole[: int(len(whole) * share)])


def test_flipped_bits_raise_a_picture_error_or_decode(astronaut: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    for form in ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"):
        whole = saved(Image.fromarray(astronaut[::16, ::16]), form)
        for _ in range(30):
            data = bytearray(whole)
            for place in rng.integers(0, len(data), 5):
                data[place] ^= 1 << int(rng.integers(8))
            try:
                pixels = decode_image(bytes(data)).pixels
            except PictureError:
                continue
            assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3


def test_an_ending_that_lies_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(saved(Image.fromarray(RAMP), "PNG"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg").pixels, RAMP)


def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "broken.png").symlink_to("/nowhere/at/all.png")
    os.mkfifo(tmp_path / "pipe.png")
    for name, message in {
        "empty.jpg": "empty",
        "text.png": "not a picture",
        "broken.png": "link to /nowhere/at/all.png",
        "pipe.png": "not a regular file",
        "missing.png": "no such file",
        ".": "is a folder",
        "a\0b": "cannot be opened",
    }.items():
        with pytest.raises(PictureError, match=message):
            read_image(str(tmp_path / name))


def test_a_float_picture_says_what_to_save_instead() -> None:
    with pytest.raises(PictureError, match="8 or 16 bits"):
        decode_image(saved(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser reads everything")
def test_a_file_without_permission_says_so(tmp_path: Path) -> None:
    file = tmp_path / "locked.png"
    file.write_bytes(saved(Image.fromarray(RAMP), "PNG"))
    file.chmod(0)
    with pytest.raises(PictureError, match="permissions"):
        read_image(file)
