"""pHash: imagehash's bits, every one, for pictures of any size."""

from __future__ import annotations

import cv2
import imagehash
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hybridfer.descriptors.phash import PHash, hash_from_hex, hash_hex
from hybridfer.errors import SpecError


def reference_bits(crops: list[np.ndarray], side: int, factor: int = 4) -> np.ndarray:
    hashes = [imagehash.phash(Image.fromarray(crop), side, factor) for crop in crops]
    return np.array([h.hash.ravel() for h in hashes])


def low_frequencies(grey: np.ndarray, side: int) -> np.ndarray:
    """The lowest frequencies by the definition of the DCT-II, as two sums over cosines."""
    n = np.arange(len(grey))
    cosines = 2 * np.cos(np.pi * np.arange(side)[:, None] * (2 * n + 1) / (2 * len(grey)))
    return cosines @ grey.astype(float) @ cosines.T


@pytest.fixture(scope="module")
def odd_crops() -> list[np.ndarray]:
    noise = np.random.default_rng(5)
    shapes = [
        (1, 1),
        (1, 1, 3),
        (1, 90),
        (90, 1, 3),
        (1, 700),
        (47, 33),
        (33, 47, 3),
        (32, 32),
        (128, 128),
        (300, 200, 3),
    ]
    return [noise.integers(0, 256, shape, np.uint8) for shape in shapes]


@pytest.mark.parametrize("bits", [64, 256, 1024])
def test_bits_are_imagehashs_for_crops_of_any_shape(odd_crops: list[np.ndarray], bits: int) -> None:
    phash = PHash(bits=bits)
    np.testing.assert_array_equal(phash.describe_batch(odd_crops), reference_bits(odd_crops, phash.side))


@pytest.mark.parametrize("bits", [64, 256, 1024])
def test_bits_are_imagehashs_for_batches_of_squares(astronaut: np.ndarray, bits: int) -> None:
    phash = PHash(bits=bits)
    for side in (25, 48, 130):
        crops = [astronaut[i * 30 : i * 30 + side, 120 : 120 + side].copy() for i in range(12)]
        grey = [crop[..., 0].copy() for crop in crops]
        np.testing.assert_array_equal(phash.describe_batch(crops), reference_bits(crops, phash.side))
        np.testing.assert_array_equal(phash.describe_batch(grey), reference_bits(grey, phash.side))


@pytest.mark.parametrize("shape", [(90, 40), (40, 90, 3), (300, 300)])
def test_bits_are_imagehashs_for_batches_of_tall_wide_and_large_pictures(shape: tuple[int, ...]) -> None:
    crops = list(np.random.default_rng(8).integers(0, 256, (9, *shape), np.uint8))
    np.testing.assert_array_equal(PHash(bits=256).describe_batch(crops), reference_bits(crops, 16))


def test_bits_are_imagehashs_on_fer2013(fer_faces: np.ndarray) -> None:
    np.testing.assert_array_equal(PHash().describe_batch(list(fer_faces)), reference_bits(list(fer_faces), 8))


def test_bits_are_imagehashs_where_coefficients_tie_with_the_median(lfw: tuple[np.ndarray, list[str]]) -> None:
    flat = [np.full((48, 48), grey, np.uint8) for grey in range(0, 256, 5)]
    mirrored = [np.maximum(face, face[:, ::-1]) for face in lfw[0][:50]]
    turned = [np.maximum(face, face.T) for face in lfw[0][:50]]
    two_tone = [np.where(face > 128, 255, 0).astype(np.uint8) for face in lfw[0][:50]]
    crops = flat + mirrored + turned + two_tone
    np.testing.assert_array_equal(PHash().describe_batch(crops), reference_bits(crops, 8))


def test_size_is_imagehashs_side_times_its_factor(astronaut: np.ndarray) -> None:
    np.testing.assert_array_equal(PHash(size=48).describe_batch([astronaut]), reference_bits([astronaut], 8, 6))


@pytest.mark.parametrize("side", [1, 2, 5, 31, 32, 33, 48, 64, 100, 255, 256])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_a_batch_of_squares_is_resized_as_pillow_does_one_by_one(side: int, channels: tuple[int, ...]) -> None:
    noise = np.random.default_rng(side)
    crops = [noise.integers(0, 256, (side, side, *channels), np.uint8) for _ in range(5)]
    # Black and white noise drives Lanczos beyond 0 and 255.
    crops += [np.where(noise.random((side, side, *channels)) < 0.5, 0, 255).astype(np.uint8) for _ in range(5)]
    for phash in (PHash(size=33), PHash(bits=1024)):
        alone = [phash.describe(crop) for crop in crops]
        np.testing.assert_array_equal(phash.describe_batch(crops), alone)


def test_mean_threshold_and_excluded_dc_follow_the_definition(astronaut: np.ndarray) -> None:
    picture = Image.fromarray(astronaut).convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    low = low_frequencies(np.asarray(picture), 8).ravel()
    ac = low[1:]
    expected = {
        PHash(): low > np.median(low),
        PHash(threshold="mean"): low > low.mean(),
        PHash(exclude_dc=True): np.append(False, ac > np.median(ac)),
        PHash(threshold="mean", exclude_dc=True): np.append(False, ac > ac.mean()),
    }
    for phash, bits in expected.items():
        np.testing.assert_array_equal(phash.describe(astronaut), bits, err_msg=phash.spec)


def test_equal_pictures_agree_and_the_negative_disagrees_in_every_bit_but_the_dc(astronaut: np.ndarray) -> None:
    grey = cv2.resize(astronaut[..., 0], (32, 32), interpolation=cv2.INTER_AREA)
    phash = PHash(exclude_dc=True)
    np.testing.assert_array_equal(phash.describe(grey), phash.describe(grey.copy()))
    # 63 coefficients change sign; the one that is the median is above it neither before nor after.
    assert np.count_nonzero(phash.describe(grey) != phash.describe(255 - grey)) == 62


@pytest.mark.parametrize(("bits", "size"), [(64, 32), (256, 64), (1024, 128)])
def test_the_spec_says_the_size_that_zero_stands_for(bits: int, size: int) -> None:
    assert PHash(bits=bits).size == size
    assert PHash(bits=bits) == PHash(bits=bits, size=size)
    assert PHash(bits=bits).spec == f"phash:bits={bits},exclude_dc=false,size={size},threshold=median"
    assert (PHash(bits=bits).length, PHash(bits=bits).dtype) == (bits, np.uint8)


def test_hex_is_imagehashs_text(odd_crops: list[np.ndarray]) -> None:
    for crop in odd_crops:
        for side in (8, 16):
            text = str(imagehash.phash(Image.fromarray(crop), side))
            assert hash_hex(PHash(bits=side**2).describe(crop)) == text


@given(st.binary(min_size=1, max_size=40))
def test_hex_is_read_back(packed: bytes) -> None:
    bits = np.unpackbits(np.frombuffer(packed, np.uint8))
    np.testing.assert_array_equal(hash_from_hex(hash_hex(bits)), bits)


@pytest.mark.parametrize("text", ["8", "xyz0", "8f0"])
def test_what_is_not_hex_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match=f"'{text}' is not a hash; expected pairs of hexadecimal digits"):
        hash_from_hex(text)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"bits": 100}, "phash:bits=100 is out of range; expected 64, 256 or 1024"),
        ({"threshold": "mode"}, "phash:threshold=mode is out of range; expected median or mean"),
        ({"size": 7}, "phash:size=7 is out of range; expected 8 to 1024 pixels, or 0 for 32"),
        ({"size": -1}, "phash:size=-1 is out of range"),
        ({"bits": 1024, "size": 31}, "phash:size=31 is out of range; expected 32 to 1024"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict[str, int | str], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        PHash(**parameters)
