"""``python -m benchmarks.run [NAME…]``: every benchmark, or some, one after the other."""

from __future__ import annotations

import subprocess
import sys

ALL = (
    "descriptors",
    "start",
    "extraction",
    "cache",
    "check",
    "bank_reading",
    "resume",
    "svm",
    "virtual",
    "drawn",
    "detect",
    "networks",
    "pipeline",
)

for name in sys.argv[1:] or ALL:
    print(f"== {name}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
