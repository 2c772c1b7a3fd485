"""Gabor magnitudes: OpenCV's filter2D and sums written out are the judges."""

from __future__ import annotations

import cmath
import math

import cv2
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from hybridfer.descriptors import create_descriptor
from hybridfer.descriptors.gabor import Gabor
from hybridfer.errors import SpecError


@pytest.fixture(scope="module")
def faces(lfw: tuple[np.ndarray, list[str]]) -> list[np.ndarray]:
    """Seventy real pictures of 48x48 pixels."""
    return [cv2.resize(face, (48, 48), interpolation=cv2.INTER_CUBIC) for face in lfw[0][65:135]]


def wavelet(x: float, y: float, scale: int, phi: float) -> complex:
    """The definition, at one place."""
    k, sigma = math.pi / 2 / math.sqrt(2) ** scale, 2 * math.pi
    envelope = k**2 / sigma**2 * math.exp(-(k**2) * (x**2 + y**2) / (2 * sigma**2))
    wave = cmath.exp(1j * k * (math.cos(phi) * x + math.sin(phi) * y))
    return envelope * (wave - math.exp(-(sigma**2) / 2))


def filter2d(face: np.ndarray, scales: int, orientations: int) -> np.ndarray:
    """The slow way: (scales, orientations, H, W) magnitudes, every kernel moved over the whole picture."""
    maps = np.empty((scales, orientations, *face.shape))
    for scale in range(scales):
        reach = math.ceil(16 * 2 ** (scale / 2))
        offsets = range(-reach, reach + 1)
        for u in range(orientations):
            kernel = np.array([[wavelet(x, y, scale, u * math.pi / orientations) for x in offsets] for y in offsets])
            real, imaginary = (cv2.filter2D(face / 255, cv2.CV_64F, part.copy()) for part in (kernel.real, kernel.imag))
            maps[scale, u] = np.hypot(real, imaginary)
    return maps


def test_the_bank_is_that_of_a_loop_over_filter2d(faces: list[np.ndarray]) -> None:
    expected = filter2d(faces[0], 5, 8)[:, :, 2::4, 2::4]
    np.testing.assert_allclose(Gabor().describe(faces[0]), expected.ravel(), atol=1e-5)


@pytest.mark.parametrize(
    ("size", "scales", "orientations", "step"),
    [(48, 2, 1, 1), (48, 1, 2, 7), (31, 3, 5, 3), (20, 4, 4, 48 // 12), (12, 4, 3, 12), (2, 2, 3, 1)],
)
def test_so_are_other_banks_and_sizes_smaller_than_the_kernels(
    faces: list[np.ndarray], size: int, scales: int, orientations: int, step: int
) -> None:
    face = cv2.resize(faces[1], (size, size), interpolation=cv2.INTER_AREA)
    bank = Gabor(size, scales, orientations, step)
    expected = filter2d(face, scales, orientations)[:, :, step // 2 :: step, step // 2 :: step]
    assert bank.length == expected.size
    np.testing.assert_allclose(bank.describe(face), expected.ravel(), atol=1e-5)


def test_one_value_is_the_double_sum(faces: list[np.ndarray]) -> None:
    face, scale, u, row, column = faces[2], 3, 5, 10, 38
    reach = math.ceil(16 * 2 ** (scale / 2))
    mirrored = np.pad(face / 255, reach, mode="reflect")
    total = 0j
    for y in range(-reach, reach + 1):
        for x in range(-reach, reach + 1):
            total += wavelet(x, y, scale, u * math.pi / 8) * mirrored[reach + row + y, reach + column + x]
    found = Gabor().describe(face).reshape(5, 8, 12, 12)[scale, u, row // 4, column // 4]
    assert found == pytest.approx(abs(total), abs=1e-6)


def test_the_kernels_are_the_wavelets() -> None:
    kernels = Gabor().kernels()
    assert len(kernels) == 40
    assert kernels[0].shape == (33, 33)
    assert kernels[13][23 + 4, 23 - 7] == pytest.approx(wavelet(-7, 4, 1, 5 * math.pi / 8), abs=1e-15)
    assert max(abs(kernel[0]).max() / abs(kernel).max() for kernel in kernels) <= math.exp(-8) * 1.0001


@pytest.mark.parametrize(("scale", "u"), [(0, 0), (1, 3), (2, 4), (2, 6), (3, 7)])
def test_a_grating_is_answered_most_by_its_own_wavelet(scale: int, u: int) -> None:
    rows, columns = np.mgrid[:96, :96]
    k, phi = np.pi / 2 / np.sqrt(2) ** scale, u * np.pi / 8
    grating = np.round(127 + 120 * np.cos(k * (np.cos(phi) * columns + np.sin(phi) * rows))).astype(np.uint8)
    magnitudes = Gabor(size=96).describe(grating).reshape(5, 8, 24, 24)[:, :, 8:16, 8:16].mean(axis=(2, 3))
    assert np.unravel_index(magnitudes.argmax(), magnitudes.shape) == (scale, u)


def test_turning_the_picture_turns_the_orientations(faces: list[np.ndarray]) -> None:
    bank = Gabor(step=1)
    upright, turned = (bank.describe(f).reshape(5, 8, 48, 48) for f in (faces[3], np.rot90(faces[3])))
    np.testing.assert_allclose(np.roll(turned, 4, axis=1), np.rot90(upright, axes=(2, 3)), atol=1e-5)


def test_mirroring_the_picture_swaps_the_orientations(faces: list[np.ndarray]) -> None:
    bank = Gabor(step=1)
    upright, mirrored = (bank.describe(f).reshape(5, 8, 48, 48) for f in (faces[3], faces[3][:, ::-1]))
    swapped = mirrored[:, [0, 7, 6, 5, 4, 3, 2, 1], :, ::-1]
    np.testing.assert_allclose(swapped, upright, atol=1e-5)


def test_half_the_contrast_gives_half_the_magnitudes(faces: list[np.ndarray]) -> None:
    dark = faces[4] // 2
    np.testing.assert_allclose(Gabor().describe(dark * 2), 2 * Gabor().describe(dark), rtol=1e-6)


def test_a_plain_picture_gets_next_to_no_answer() -> None:
    for value in (0, 1, 255):
        vector = Gabor().describe(np.full((48, 48), value, np.uint8))
        assert np.isfinite(vector).all()
        assert vector.max() < 1e-4


def test_the_bits_depend_neither_on_the_batch_nor_on_the_threads(faces: list[np.ndarray]) -> None:
    for spec in ("gabor", "gabor:size=96,step=2,scales=1,orientations=2"):
        bank = create_descriptor(spec)
        with threadpool_limits(1):
            alone = np.stack([bank.describe(face) for face in faces])
        for threads in (1, 2):
            with threadpool_limits(threads):
                for n in (2, 3, 9, 17, 64, 70):
                    np.testing.assert_array_equal(bank.describe_batch(faces[-n:]), alone[-n:])


@pytest.mark.parametrize("option", ["size=40", "scales=4", "orientations=6", "step=6"])
def test_every_option_changes_the_vector(faces: list[np.ndarray], option: str) -> None:
    changed = create_descriptor(f"gabor:{option}")
    assert not np.array_equal(changed.describe(faces[0]), Gabor().describe(faces[0]))


def test_small_faces_are_computed_and_large_ones_cached() -> None:
    assert not Gabor().cacheable
    assert Gabor(size=64).cacheable


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gabor:size=1", "gabor:size=1 is out of range; expected 2 to 1024 pixels"),
        ("gabor:scales=0", "expected 1 to 10 wave lengths"),
        ("gabor:scales=11", "expected 1 to 10 wave lengths"),
        ("gabor:orientations=0", "expected 1 to 16 directions"),
        ("gabor:orientations=17", "expected 1 to 16 directions"),
        ("gabor:step=0", "expected 1 pixel to size"),
        ("gabor:step=49", "expected 1 pixel to size"),
        ("gabor:size=224,step=1", "gabor:step=1 is out of range; expected a larger one"),
    ],
)
def test_what_is_out_of_range_is_refused(spec: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        create_descriptor(spec)
