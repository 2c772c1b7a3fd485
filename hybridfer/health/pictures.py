"""Checks of the way from a file to a crop: colours, orientation, depth, resizing, faces."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.descriptors import create_descriptor
from hybridfer.descriptors.base import grey_stack, resize
from hybridfer.faces import detect
from hybridfer.health.base import expect
from hybridfer.health.numbers import TOLERANCES, golden
from hybridfer.media.images import FORMATS, decode_image

_RED, _BLUE, _WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)
_CIELAB = ((53.24, 80.09, 67.20), (32.30, 79.19, -107.86))
"""L*, a*, b* of red and blue (sRGB, D65), as any colour table has them."""

DETECTED_BY = {"haar": "OpenCV", "mtcnn": "torch"}
"""Detectors that need nothing more, and what their numbers hang on."""

_PILLOW = "pip install --force-reinstall pillow"


def formats() -> str:
    """Check that pictures of every format come through the door as they were."""
    import PIL

    failed = [form for form in FORMATS if not _comes_back(form)]
    expect(
        not failed,
        f"Pillow {PIL.__version__} does not read back {', '.join(failed)}; {_PILLOW}, whose wheels carry every codec.",
    )
    return f"Pillow {PIL.__version__}: {', '.join(FORMATS)}"


def _comes_back(form: str) -> bool:
    """Return whether a picture of one colour is the same after it was a file."""
    picture = np.full((16, 16, 3), (200, 30, 90), np.uint8)
    options = {"compression": "tiff_lzw"} if form == "TIFF" else {}
    try:
        return _near(decode_image(_saved(picture, form, **options)).pixels, picture)
    except Exception:  # noqa: BLE001 - a codec that is missing or broken may raise anything at all
        return False


def colour_order() -> str:
    """Check that what is red on the left and blue on the right is so for the door, for colours and for greys."""
    picture = np.zeros((48, 48, 3), np.uint8)
    picture[:, :24], picture[:, 24:] = _RED, _BLUE
    for form in ("JPEG", "PNG"):
        pixels = decode_image(_saved(picture, form)).pixels
        left, right = pixels[24, 6], pixels[24, 42]
        expect(
            _near(left, _RED) and _near(right, _BLUE),
            f"A {form} that is red on the left and blue on the right is read as {left.tolist()} and {right.tolist()}, "
            f"expected {list(_RED)} and {list(_BLUE)}; {_PILLOW}.",
        )
    means = create_descriptor("colour").describe(picture).reshape(4, 4, 3, 3)[0, [0, 3], :, 0]
    expect(
        bool(np.abs(means - _CIELAB).max() < 0.6),
        f"Red and blue are {means.round(1).tolist()} in CIELAB, expected {_CIELAB}; install another OpenCV.",
    )
    greys = grey_stack([picture], 48)[0, 24, [6, 42]].tolist()
    expect(greys == [76, 29], f"Red and blue are the greys {greys}, expected [76, 29]; install another OpenCV.")
    return "red is red and blue is blue, read from JPEG and PNG, in CIELAB and as grey"


def orientation() -> str:
    """Check that a picture is turned as its EXIF orientation says."""
    from PIL import Image

    stored = np.full((16, 32, 3), 255, np.uint8)
    stored[:8, :8] = _RED
    # Where the stored picture's upper left corner belongs, by the EXIF standard (CIPA DC-008, 4.6.4).
    for value, (row, column) in {1: (2, 2), 3: (-3, -3), 6: (2, -3), 8: (-3, 2)}.items():
        exif = Image.Exif()
        exif[0x0112] = value
        pixels = decode_image(_saved(stored, "JPEG", exif=exif)).pixels
        shape = (16, 32, 3) if value in (1, 3) else (32, 16, 3)
        expect(
            pixels.shape == shape and _near(pixels[row, column], _RED),
            f"A picture with EXIF orientation {value} is not turned as that says; {_PILLOW}.",
        )
    return "EXIF orientations 1, 3, 6 and 8 come out upright"


def depth_and_alpha() -> str:
    """Check that 16-bit values keep their high byte and what is seen through is white."""
    deep = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    pixels = decode_image(_saved(deep, "PNG")).pixels
    expect(
        np.array_equal(pixels, np.stack([deep >> 8] * 3, axis=2)),
        f"A 16-bit PNG does not keep the high byte of its values; {_PILLOW}.",
    )
    glass = np.zeros((2, 2, 4), np.uint8)
    glass[0] = (*_BLUE, 0)
    glass[1] = (*_RED, 255)
    above, below = decode_image(_saved(glass, "PNG")).pixels[:, 0].tolist()
    expect(
        (above, below) == (list(_WHITE), list(_RED)),
        f"Of a PNG with alpha, glass is {above} and red {below}, expected {list(_WHITE)} and {list(_RED)}; {_PILLOW}.",
    )
    return "16-bit values keep their high byte, alpha lies over white"


def resizing() -> str:
    """Check that pictures shrink by area and grow bilinearly, and that descriptors rest on that."""
    what = "install another OpenCV"
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (144, 144, 3), np.uint8)
    means = noise.reshape(48, 3, 48, 3, 3).mean(axis=(1, 3))
    away = np.abs(resize(noise, 48) - means).max()
    expect(
        away < 0.51,
        f"A picture shrunk to a third is {away:.3g} away from the means of its pixels, expected 0.5; {what}.",
    )
    # Two pixels become four whose middles lie 3/4 and 1/4 of the way; beyond the outermost, pixels are repeated.
    shares = np.array([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    small = np.array([[0, 100], [200, 40]], np.uint8)
    away = np.abs(resize(small, 4) - shares @ small @ shares.T).max()
    expect(away < 0.51, f"A picture grown twofold is {away:.3g} away from bilinear, expected 0.5; {what}.")
    # Every pixel becomes nine that have it for their mean; those in the middle are brighter or darker.
    face = golden()["picture"] // 2 + 40
    spread = np.where([[0, 0, 0], [0, 1, 0], [0, 0, 0]], 40, -5)
    signs = random.choice([-1, 1], (48, 48))
    large = (np.kron(face, np.ones((3, 3, 1), int)) + np.kron(signs, spread)[..., None]).astype(np.uint8)
    for name, tolerance in TOLERANCES.items():
        made = create_descriptor(name)
        differ = np.abs(made.describe(large).astype(float) - made.describe(face)) > tolerance
        expect(
            differ.mean() < 0.05,
            f"{made.spec} differs in {differ.sum()} of {made.length} values between a face and the same three times as "
            f"large, expected next to none; {what}.",
        )
    return "by area when a picture shrinks, bilinear when it grows; a face enlarged threefold is described alike"


def face_detector(name: str) -> str:
    """Check that a detector finds the one face of a photograph that scikit-image carries."""
    from skimage.data import astronaut

    boxes = [tuple(round(float(edge)) for edge in face.box) for face in detect(astronaut(), name)]
    # Between the eyes, read off the picture: (224, 112).
    good = len(boxes) == 1 and boxes[0][0] < 224 < boxes[0][2] and boxes[0][1] < 112 < boxes[0][3]
    expect(
        good and 80 < boxes[0][2] - boxes[0][0] < 140,
        f"The detector {name} finds {boxes} in scikit-image's astronaut, expected one face of some 100 pixels round "
        f"(224, 112); install another {DETECTED_BY[name]}.",
    )
    return f"{name} finds the astronaut's face at {boxes[0]}"


def _saved(pixels: npt.NDArray[Any], form: str, **options: Any) -> bytes:
    """Return the bytes of a file that holds `pixels`, as Pillow writes it."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **({"quality": 95} if form == "JPEG" else {}), **options)
    return stream.getvalue()


def _near(pixels: Any, expected: Any) -> bool:
    """Return whether colours are the same but for what JPEG takes."""
    return bool(np.abs(np.asarray(pixels, int) - np.asarray(expected)).max() <= 10)
