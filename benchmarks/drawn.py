"""What drawn heads are good for: how fast they are drawn, and who tells what on them.

Five features and an SVM tell the seven faces of people it was not trained on; OpenCV's cascade finds frontal,
unoccluded faces, counted by the tone of the skin. 60 people, seed 0. The cascade sees them at 192 pixels and zoom 0.8,
with the margin round the chin it was trained with.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from benchmarks.common import save
from hybridfer import evaluate, extract, train_svm
from hybridfer.capture.expressions import draw_expression
from hybridfer.capture.faces import SKINS, draw_faces, style_of
from hybridfer.capture.head import Identity
from hybridfer.faces import detect
from hybridfer.labels import EXPRESSIONS
from hybridfer.media.scene import Scene
from hybridfer.media.virtual import DrawnSource

PEOPLE = 60
FEATURES = ("lbp", "hog", "sift", "gabor", "phash")


def main() -> None:
    """Measure and save."""
    scores = {}
    for difficulty, each in (("plain", 1), ("natural", 1), ("natural", 4)):
        scores[f"{difficulty}, {each} a person and expression"] = _score(difficulty, each)
    looked = [one for some in Parallel(-1)(delayed(_look)(person) for person in range(PEOPLE)) for one in some]
    shown, found = Counter(skin for skin, _ in looked), Counter(skin for skin, hit in looked if hit)
    save(
        "drawn",
        {
            "people": PEOPLE,
            "features": FEATURES,
            "unseen_people": scores,
            "cascade": {skin: {"faces": shown[skin], "found": found[skin]} for _, skin in SKINS},
            "cascade_found": round(found.total() / shown.total(), 3),
        },
    )


def _score(difficulty: str, each: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        start = time.perf_counter()
        manifest = draw_faces(Path(name) / "drawn", identities=PEOPLE, per_expression=each, difficulty=difficulty)
        seconds = time.perf_counter() - start
        bank = extract(manifest, FEATURES, Path(name) / "drawn.parquet", cache=False)
        found = evaluate(train_svm(bank), bank, split="test")
    score = {key: round(value, 3) for key, value in found.metrics["balanced_accuracy"].items()}
    return {"test_rows": found.n, "balanced_accuracy": score, "pictures_a_second": round(len(bank) / seconds)}


def _look(person: int) -> list[tuple[str, bool]]:
    """Return the tone of a person's skin, and whether the cascade finds the face, for each expression."""
    skin = next(word for limit, word in SKINS if Identity.draw(person).skin <= limit)
    looked = []
    for number, label in enumerate(EXPRESSIONS):
        units = draw_expression(label, np.random.default_rng([person, number]), style_of(0, person))
        source = DrawnSource(person, tuple(map(tuple, units.tolist())), Scene(size=192, zoom=0.8))
        drawn = source.draw()
        x, y = drawn.points[96:98].mean(axis=0)
        boxes = [face.box for face in detect(drawn.pixels)]
        looked.append((skin, any(x0 < x < x1 and y0 < y < y1 for x0, y0, x1, y1 in boxes)))
    return looked


if __name__ == "__main__":
    main()
