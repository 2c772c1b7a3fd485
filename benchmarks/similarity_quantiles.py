"""What pairs of different faces score, for the readings of ``hybridfer similarity``.

    python benchmarks/similarity_quantiles.py

prints, as JSON, for every metric: the quantiles that stand in ``hybridfer/compare/metric.py`` as ``QUANTILES``,
and what the same faces score against their own mirrored, brightened and blurred copies. The pictures are the 100 faces
of scikit-image's ``lfw_subset``, 25x25 pixels: 4,950 pairs.
"""

from __future__ import annotations

import json

import cv2
import numpy as np
from skimage.data import lfw_subset

from hybridfer.compare.metric import LEVELS, create_metric
from hybridfer.compare.similarity import similarity_matrix

SPECS = ("cosine", "cosine:of=histogram", "hog", "lbp", "phash", "sift")


def main() -> None:
    """Measure and print."""
    faces = [np.repeat(np.round(face * 255).astype(np.uint8)[..., None], 3, axis=2) for face in lfw_subset()[:100]]
    copies = {
        "mirrored": [np.ascontiguousarray(face[:, ::-1]) for face in faces],
        "brightened": [cv2.convertScaleAbs(face, alpha=1.2, beta=10) for face in faces],
        "blurred": [cv2.GaussianBlur(face, (0, 0), 1.0) for face in faces],
    }
    result = {}
    for spec in SPECS:
        metric = create_metric(spec)
        scores = similarity_matrix(faces, metric)[np.triu_indices(len(faces), 1)]
        medians = {
            name: float(np.median([metric.compare(face, copy).value for face, copy in zip(faces, made, strict=True)]))
            for name, made in copies.items()
        }
        quantiles = [round(float(q), 4) for q in np.percentile(scores, LEVELS)]
        result[metric.spec] = {"pairs": len(scores), "quantiles": quantiles, "median_of_copies": medians}
    print(json.dumps({"levels": LEVELS, "metrics": result}, indent=1))


if __name__ == "__main__":
    main()
