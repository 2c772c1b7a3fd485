"""The SVM on FER2013: fitted on ``train``, scored on ``val``, each block alone and all fused, with intervals.

python -m benchmarks.svm [--kernel linear|rbf|chi2]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import fer_csv, save
from hybridfer import evaluate, extract, load_model, train_svm

BLOCKS = ("lbp", "hog", "sift", "gabor", "phash", "colour")


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default="linear")
    parser.add_argument("features", nargs="*", default=[*BLOCKS, "+".join(b for b in BLOCKS if b != "colour")])
    asked = parser.parse_args()
    kernel = asked.kernel
    rows = []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        bank = extract(fer_csv(work), BLOCKS, work / "fer.parquet")
        for features in (text.split("+") for text in asked.features):
            start = time.perf_counter()
            model = work / f"{'+'.join(features)}.model"
            train_svm(bank, features=features, kernel=kernel, output=model)
            seconds = time.perf_counter() - start
            found = evaluate(load_model(model), bank, split="val")
            rows.append({"features": features, "fit_seconds": round(seconds, 1), **found.metrics})
            print(features, found.metrics["accuracy"], f"{seconds:.0f} s", file=sys.stderr)
    save(f"svm_{kernel}" if kernel != "linear" else "svm", {"kernel": kernel, "split": "val", "rows": rows})


if __name__ == "__main__":
    main()
