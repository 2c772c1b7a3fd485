"""All of FER2013's training and public test faces through ``hybridfer extract`` with five features: time and memory.

The memory is the largest resident set of the whole process, as the operating system counts it.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import fer_csv, save
from hybridfer import FeatureBank

SPECS = ("lbp", "hog", "sift", "gabor", "phash")


def main() -> None:
    """Measure and save."""
    with tempfile.TemporaryDirectory() as name:
        table = fer_csv(Path(name))
        out = Path(name) / "fer.parquet"
        features = [word for spec in SPECS for word in ("-f", spec)]
        command = [sys.executable, "-m", "hybridfer", "extract", str(table), *features, "-o", str(out)]
        environment = {**os.environ, "HYBRIDFER_CACHE": str(Path(name) / "cache")}
        start = time.perf_counter()
        subprocess.run(command, check=True, env=environment)
        seconds = time.perf_counter() - start
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        faces = len(FeatureBank.open(out))
        save(
            "extraction",
            {
                "faces": faces,
                "specs": SPECS,
                "seconds": round(seconds, 1),
                "faces_a_second": round(faces / seconds),
                "peak_memory_mib": round(memory),
                "bank_mb": round(out.stat().st_size / 1e6),
            },
        )


if __name__ == "__main__":
    main()
