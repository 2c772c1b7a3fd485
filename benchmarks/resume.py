"""What a kill costs: FER2013 with five features, unbroken against killed half-way and continued with ``--resume``.

Whole processes, each of the two with an empty cache. The killed run ends when half of the parts are written; the ratio
is the seconds of both its halves over those of the unbroken run. The two banks must have one fingerprint.

python -m benchmarks.resume [--rows N]
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import fer_csv, save
from benchmarks.extraction import SPECS
from hybridfer import FeatureBank
from hybridfer.bank.extract import PART_ROWS


def start(table: Path, out: Path, *options: str) -> subprocess.Popen[bytes]:
    """Return a running extraction with its own cache beside `out`."""
    features = [word for spec in SPECS for word in ("-f", spec)]
    command = [sys.executable, "-m", "hybridfer", "extract", str(table), *features, "-o", str(out), "--quiet", *options]
    return subprocess.Popen(command, env={**os.environ, "HYBRIDFER_CACHE": str(out.with_suffix(".cache"))})


def finish(running: subprocess.Popen[bytes], since: float) -> float:
    """Wait for the end of a run, and return the seconds it took."""
    if running.wait() != 0:
        sys.exit(f"the extraction ended with {running.returncode}")
    return time.perf_counter() - since


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, help="only the first N rows")
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        table = fer_csv(work)
        lines = table.read_text().splitlines(keepends=True)
        faces = len(lines) - 1 if rows is None else rows
        table.write_text("".join(lines[: faces + 1]))
        since = time.perf_counter()
        unbroken = finish(start(table, work / "unbroken.parquet"), since)
        out = work / "killed.parquet"
        since = time.perf_counter()
        running = start(table, out)
        while len(list(work.glob("killed.parquet.parts/*.arrow"))) * 2 * PART_ROWS < faces:
            if running.poll() is not None:
                sys.exit("the extraction ended before it could be killed; give it more rows")
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
        running.wait()
        killed = time.perf_counter() - since
        since = time.perf_counter()
        resumed = finish(start(table, out, "--resume"), since)
        if FeatureBank.open(out).fingerprint != FeatureBank.open(work / "unbroken.parquet").fingerprint:
            sys.exit("the continued bank differs from the unbroken one")
    save(
        "resume",
        {
            "faces": faces,
            "specs": SPECS,
            "unbroken_seconds": round(unbroken, 1),
            "killed_after_seconds": round(killed, 1),
            "resumed_seconds": round(resumed, 1),
            "ratio": round((killed + resumed) / unbroken, 3),
        },
    )


if __name__ == "__main__":
    main()
