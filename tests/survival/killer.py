"""An extraction that kills itself at a chosen step; run as a program, it does so many times and prints what came of it.

A step is a file or folder of the output's name being made, opened, renamed or removed, or a part being written or
read; the last are also the moments between two writes of the bank. Every run is a fork of this process, which imports
all and does nothing itself.

python killer.py FOLDER MOMENTS: FOLDER/in holds pictures; MOMENTS is ``every`` or a seed for twenty kills of one bank.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path

import filelock  # noqa: F401 - whatever a run imports is imported before the first fork
import joblib  # noqa: F401
import numpy as np
import pandas  # noqa: F401
import pyarrow.parquet  # noqa: F401
import threadpoolctl  # noqa: F401
from bank.toys import Means

from hybridfer import FeatureBank
from hybridfer.bank import extract as module
from hybridfer.bank.describe import Plan
from hybridfer.bank.parts import Parts
from hybridfer.datasets.inputs import read_inputs
from hybridfer.faces.find import Search

EVENTS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir")
OUT = "a.parquet"


def extract(folder: Path, log: int, die_at: int | None) -> None:
    """Extract with ``--resume``, and ``--overwrite`` only where a bank stands and no parts; tell every step to the file `log`, and be killed at the step numbered `die_at`."""
    steps = 0

    def step(name: str) -> None:
        nonlocal steps
        steps += 1
        os.write(log, f"{name}\n".encode())
        if steps == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in EVENTS and OUT in str(arguments[0]):
            step(f"{event} {Path(str(arguments[0])).name}")

    for name in ("write", "read"):
        method = getattr(Parts, name)
        setattr(Parts, name, lambda self, *a, method=method, name=name: (step(f"{name} a part"), method(self, *a))[1])
    sys.addaudithook(hook)
    module.PART_ROWS = 7
    manifest = read_inputs([folder / "in"], labels="folder")
    plan, again = Plan((Means(), Means(size=6)), Search("none")), not (folder / f"{OUT}.parts").exists()
    module.build_bank(manifest, plan, folder / OUT, jobs=1, resume=True, overwrite=again)


def run(folder: Path, die_at: int | None = None) -> list[str]:
    """Run it in a fork, and return the steps it took."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        extract(folder, writing, die_at)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as log:
        steps = log.read().splitlines()
    _, status = os.waitpid(child, 0)
    assert status == (0 if die_at is None or die_at > len(steps) else signal.SIGKILL), (status, die_at, steps)
    return steps


def contents(folder: Path) -> tuple[object, ...]:
    bank = FeatureBank.open(folder / OUT)
    return bank.fingerprint, bank.rows(), [bank.X(name).tobytes() for name in bank.blocks], bank.path.read_bytes()


def begin_anew(folder: Path) -> None:
    for path in folder.iterdir():
        if OUT in path.name:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def main() -> None:
    folder, moments = Path(sys.argv[1]), sys.argv[2]
    total = len(run(folder))
    unbroken = contents(folder)
    found = []

    def note(steps: list[str]) -> None:
        left = sorted(p.name for p in folder.iterdir() if p.name != "in")
        found.append({"died": steps[-1], "left": left, "whole": OUT not in left or contents(folder) == unbroken})

    if moments == "every":
        for moment in range(1, total + 1):
            begin_anew(folder)
            note(run(folder, moment))
            run(folder)
            found[-1] |= {"same": contents(folder) == unbroken, "after": sorted(p.name for p in folder.iterdir())}
    else:
        random = np.random.default_rng(int(moments))
        begin_anew(folder)
        while len(found) < 20 and not (folder / OUT).exists():
            # A run that finds all parts takes some thirty steps to its end.
            note(run(folder, int(random.integers(1, 27))))
        run(folder)
        found.append({"same": contents(folder) == unbroken, "after": sorted(p.name for p in folder.iterdir())})
    print(json.dumps(found))


main()
