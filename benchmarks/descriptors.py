"""Each descriptor's batch on two cores against the loop a user would write, same numbers, in one run.

The batch runs as ``hybridfer extract`` runs it: stretches of 256 faces on one thread a core. The loops are what the
libraries' documentation shows; slow ones run on fewer faces.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise

import cv2
import imagehash
import numpy as np
from joblib import Parallel, delayed
from PIL import Image
from skimage.feature import hog, local_binary_pattern
from skimage.filters import gabor
from threadpoolctl import threadpool_limits

from benchmarks.common import fer_faces, in_turn, save
from hybridfer.descriptors import create_descriptor
from hybridfer.descriptors.gabor import Gabor

FACES = 5000
ROUNDS = 3


def loop_lbp(face: np.ndarray) -> np.ndarray:
    """scikit-image's 59 codes, a histogram for each of 7x7 cells."""
    codes = local_binary_pattern(face, 8, 1, method="nri_uniform")
    edges = np.arange(8) * 48 // 7
    cells = [codes[a:b, c:d] for a, b in pairwise(edges) for c, d in pairwise(edges)]
    return np.concatenate([np.histogram(cell, 59, (0, 59))[0] / cell.size for cell in cells])


def loop_hog(face: np.ndarray) -> np.ndarray:
    """scikit-image's HOG."""
    return hog(face, 9, (8, 8), (2, 2), block_norm="L2-Hys")


def loop_gabor_filter2d() -> Callable[[np.ndarray], np.ndarray]:
    """cv2.filter2D with the same 40 complex kernels, magnitudes at the same positions."""
    bank = Gabor()
    kernels = bank.kernels()
    at = bank.positions()

    def describe(face: np.ndarray) -> np.ndarray:
        grey = face.astype(np.float32) / 255
        maps = []
        for kernel in kernels:
            real = cv2.filter2D(grey, cv2.CV_32F, np.ascontiguousarray(kernel.real.astype(np.float32)))
            imaginary = cv2.filter2D(grey, cv2.CV_32F, np.ascontiguousarray(kernel.imag.astype(np.float32)))
            maps.append(np.hypot(real, imaginary)[np.ix_(at, at)])
        return np.stack(maps).ravel()

    return describe


def loop_gabor_skimage(face: np.ndarray) -> np.ndarray:
    """skimage.filters.gabor at the bank's frequencies and envelopes (its kernels are not the same ones)."""
    maps = []
    for scale in range(5):
        k = np.pi / 2 / np.sqrt(2) ** scale
        for orientation in range(8):
            sigma = 2 * np.pi / k
            real, imaginary = gabor(face / 255, k / (2 * np.pi), orientation * np.pi / 8, sigma_x=sigma, sigma_y=sigma)
            maps.append(np.hypot(real, imaginary)[2::4, 2::4])
    return np.stack(maps).ravel()


def loop_sift(face: np.ndarray) -> np.ndarray:
    """OpenCV's SIFT on the same 4x4 grid, an object for every face."""
    keypoints = [cv2.KeyPoint(float(x), float(y), 2.0, 0.0) for y in (6, 18, 30, 42) for x in (6, 18, 30, 42)]
    return cv2.SIFT_create().compute(face, keypoints)[1].ravel()


def loop_phash(face: np.ndarray) -> np.ndarray:
    """imagehash.phash."""
    return imagehash.phash(Image.fromarray(face)).hash.ravel()


def main() -> None:
    """Measure and save."""
    faces, origin = fer_faces(FACES)
    loops: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray], int]] = {
        "lbp": ("scikit-image LBP and numpy histograms", loop_lbp, 300),
        "hog": ("scikit-image HOG", loop_hog, 500),
        "gabor": ("cv2.filter2D with the same 40 kernels", loop_gabor_filter2d(), 50),
        "sift": ("cv2.SIFT on the same grid", loop_sift, 500),
        "phash": ("imagehash.phash", loop_phash, 1000),
    }
    cores = os.cpu_count() or 1
    stretches = [list(faces[i : i + 256]) for i in range(0, len(faces), 256)]
    rows = []
    for spec, (what, loop, count) in loops.items():
        descriptor = create_descriptor(spec)

        def ours(descriptor: object = descriptor) -> np.ndarray:
            with threadpool_limits(1):
                parts = Parallel(cores, prefer="threads")(delayed(descriptor.describe_batch)(s) for s in stretches)
            return np.concatenate(parts)

        def theirs(loop: Callable[[np.ndarray], np.ndarray] = loop, count: int = count) -> np.ndarray:
            return np.stack([loop(face) for face in faces[:count]])

        difference = np.abs(ours()[:count].astype(np.float64) - theirs().astype(np.float64))
        times = in_turn({"ours": ours, "loop": theirs}, ROUNDS)
        ms, loop_ms = times["ours"] / len(faces) * 1e3, times["loop"] / count * 1e3
        rows.append(
            {
                "spec": descriptor.spec,
                "loop": what,
                "ms_a_face": round(ms, 4),
                "loop_ms_a_face": round(loop_ms, 4),
                "times_faster": round(loop_ms / ms, 1),
                "loop_faces": count,
                "largest_difference": float(difference.max()),
                "share_equal": float((difference <= 1e-4).mean()),
            }
        )
    few = 3
    slow = in_turn({"loop": lambda: [loop_gabor_skimage(face) for face in faces[:few]]}, 1)["loop"] / few * 1e3
    gabor_ms = next(row["ms_a_face"] for row in rows if row["spec"].startswith("gabor"))
    stated = {"loop": "skimage.filters.gabor", "loop_ms_a_face": round(slow, 1), "loop_faces": few}
    stated["times_faster"] = round(slow / float(gabor_ms))
    save("descriptors", {"faces": len(faces), "origin": origin, "rows": rows, "gabor_against_skimage": stated})


if __name__ == "__main__":
    main()
