"""``hybridfer datasets check`` on 36,000 face crops as a whole process: time, memory, and what it finds in FER2013.

FER2013's training and public test rows are 32,298; to make 36,000, crops of the middle of LFW-like photographs follow
them, grey and 48x48, as rows of the same csv.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2

from benchmarks.common import fer_csv, save

PICTURES = 36_000


def main() -> None:
    """Measure and save."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = fer_csv(folder)
        alone = _check(table, folder / "fer2013.json")
        with table.open("a") as file:
            for row in _more(PICTURES - alone["pictures"]):
                file.write(row)
        full = _check(table, folder / "more.json")
    save(
        "check",
        {
            "pictures": full["pictures"],
            "seconds": full["seconds"],
            "peak_memory_mib": full["peak_memory_mib"],
            "fer2013": alone,
        },
    )


def _check(table: Path, report: Path) -> dict[str, object]:
    command = [sys.executable, "-m", "hybridfer", "datasets", "check", str(table), "-o", str(report), "--quiet"]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    found = json.loads(report.read_text())
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "seconds": round(seconds, 1),
        "peak_memory_mib": round(memory),
        **found["counts"],
        "leaks": found["leaks"],
    }


def _more(count: int) -> list[str]:
    """Return `count` rows of a csv: photographs of the data folder, cut out of the middle at several places."""
    files = sorted((Path(os.environ["HYBRIDFER_DATA"]) / "photos_grey").rglob("*.jpg"))
    rows = []
    for i in range(count):
        picture = cv2.imread(str(files[i % len(files)]), cv2.IMREAD_GRAYSCALE)
        shift = 15 * (i // len(files))
        crop = cv2.resize(picture[60 - shift : 200, 60 : 200 + shift], (48, 48), interpolation=cv2.INTER_AREA)
        rows.append(f"6,{' '.join(map(str, crop.ravel()))},Training\n")
    return rows


if __name__ == "__main__":
    main()
