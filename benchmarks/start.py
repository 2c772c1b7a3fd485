"""How long the program takes to start: whole processes, medians of seven; and what ``--help`` imports."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
from skimage import data

from benchmarks.common import in_turn, save

HEAVY = ("torch", "sklearn", "cv2", "skimage", "scipy", "pyarrow", "pandas", "matplotlib")


def main() -> None:
    """Measure and save."""
    program = [sys.executable, "-m", "hybridfer"]
    with tempfile.TemporaryDirectory() as name:
        a, b = Path(name) / "a.png", Path(name) / "b.png"
        face = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(a), face)
        cv2.imwrite(str(b), face[:, ::-1])

        def run(*args: str) -> None:
            subprocess.run([*program, *args], check=True, capture_output=True)

        times = in_turn(
            {
                "python -c pass": lambda: subprocess.run([sys.executable, "-c", "pass"], check=True) and None,
                "hybridfer --help": lambda: run("--help"),
                "hybridfer extract --help": lambda: run("extract", "--help"),
                "hybridfer similarity a.png b.png": lambda: run("similarity", str(a), str(b)),
            },
            7,
        )
    code = "import sys; from hybridfer.cli import COMMANDS as C; [C.load(n) for n in C.names()]; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    imported = [name for name in HEAVY if name in loaded]
    save("start", {"seconds": {k: round(v, 3) for k, v in times.items()}, "heavy_imports_of_help": imported})


if __name__ == "__main__":
    main()
