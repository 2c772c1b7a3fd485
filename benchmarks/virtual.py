"""Drawn faces a second: the camera alone, a whole drawn source, and both cores; against a painter's loop with OpenCV.

The painter fills every triangle that faces the camera with one colour, farthest first, at the camera's own number of
samples: no texture, no depth, no light, the least a loop can do.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.common import in_turn, save
from hybridfer.capture.head import Identity, head
from hybridfer.capture.paint import paint
from hybridfer.media.scene import Scene
from hybridfer.media.virtual import DrawnSource, render

FACES = 120


def painter(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Return a flat picture of a mesh, 256 samples wide."""
    away = 14 - vertices[:, 2:]
    places = np.rint(127.5 + (vertices[:, :2] - (0, 0.2)) * 256 * 0.27 * 14 / away).astype(np.int32)[triangles]
    (ax, ay), (bx, by) = (places[:, 1] - places[:, 0]).T, (places[:, 2] - places[:, 0]).T
    front = np.flatnonzero(ax * by - ay * bx < 0)
    order = front[np.argsort(-away[triangles[front], 0].sum(axis=1))]
    canvas = np.zeros((256, 256, 3), np.uint8)
    for number, place in zip(order.tolist(), places[order], strict=True):
        cv2.fillConvexPoly(canvas, place, (number % 251, 120, 90))
    return cv2.resize(canvas, (128, 128), interpolation=cv2.INTER_AREA)


def sources(first: int) -> list[DrawnSource]:
    """Return faces of many expressions and scenes, twelve of a person as ``hybridfer virtual faces`` draws them."""
    random = np.random.default_rng(first)
    return [
        DrawnSource(
            first * FACES + number // 12,
            tuple(random.uniform(0, 3, 18).tolist()),
            Scene.draw(random, difficulty=0.6),
        )
        for number in range(FACES)
    ]


def draw_all(first: int) -> int:
    """Draw them, and return how many bytes they have."""
    cv2.setNumThreads(1)
    with threadpool_limits(1):
        return sum(source.read().pixels.nbytes for source in sources(first))


def main() -> None:
    """Measure and save."""
    model, identity = head(), Identity.draw(1)
    vertices, texture = model.deform(identity), paint(model, identity)
    cores = os.cpu_count() or 1

    def camera() -> None:
        render(vertices, model.triangles, model.uv, texture, model.parts, Scene(), points=model.points98)

    seconds = in_turn(
        {
            "camera": camera,
            "camera_with_a_hand_blur_noise_and_jpeg": lambda: render(
                vertices,
                model.triangles,
                model.uv,
                texture,
                model.parts,
                Scene(occluder="hand", blur=0.7, noise=4, jpeg=80, background="bokeh"),
                points=model.points98,
            ),
            "painter": lambda: painter(vertices, model.triangles),
        },
        rounds=40,
    )
    # Spawned: a process that is forked off a running OpenCV may wait for ever for its threads.
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(draw_all, range(cores)))
        start = time.perf_counter()
        list(pool.map(draw_all, range(cores)))
        both = time.perf_counter() - start
    save(
        "virtual",
        {
            "side": 128,
            "triangles": len(model.triangles),
            "milliseconds_a_face": {name: round(1000 * value, 1) for name, value in seconds.items()},
            "processes": cores,
            "drawn_sources_a_second": round(cores * FACES / both),
        },
    )


if __name__ == "__main__":
    main()
