"""Where a training keeps what it has, so that it can be killed and continued: a folder beside its output."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from hybridfer.errors import OutputError
from hybridfer.tables import json_line, replacing, run_lock

PLAN = "plan.json"
"""What a run that is continued must have in common with the one that was killed."""


@contextmanager
def workplace(target: Path, resume: bool, overwrite: bool) -> Iterator[Path]:
    """Yield ``TARGET.parts``, this run's own until the end of the block, with what a killed run left if `resume`.

    It goes again where nothing came of the run that could be continued.

    Raises
    ------
    OutputError
        If another run works there, a killed one left something and neither `resume` nor `overwrite` is said, or it
        cannot be written to.
    """
    from filelock import Timeout

    work = target.with_name(target.name + ".parts")
    lock = run_lock(work)
    try:
        work.mkdir(exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError(f"Another run is training {target}; wait for it to end, or choose another name.") from None
    except OSError as error:
        raise OutputError(f"{work} cannot be written to: {error.strerror}; check its parent.") from None
    try:
        if _begun(work) and not resume and not overwrite:
            raise OutputError(
                f"{work} holds a training that did not end; add --resume to continue it or --overwrite to start afresh."
            )
        if not resume:
            for file in work.glob("*.*"):
                file.unlink()
        yield work
    finally:
        begun = _begun(work)
        lock.release()
        if not begun:
            shutil.rmtree(work, ignore_errors=True)


def _begun(work: Path) -> bool:
    """Whether there is anything to continue: more than a plan."""
    return any(file.name != PLAN for file in work.glob("*.*"))


def check_plan(work: Path, plan: Mapping[str, Any]) -> None:
    """Keep the plan of a run in its workplace, or raise OutputError where a run of another plan was begun there."""
    file = work / PLAN
    if file.exists() and json.loads(file.read_text("utf-8")) != plan:
        raise OutputError(
            f"{work} was begun with other data, options or another hybridfer; continue it with the same, or add "
            "--overwrite instead of --resume to start afresh."
        )
    with replacing(file, overwrite=True) as beside:
        beside.write_text(json_line(plan) + "\n", "utf-8")


def save_state(file: Path, state: Mapping[str, Any]) -> None:
    """Keep tensors and plain values in a file that is never half written."""
    with replacing(file, overwrite=True) as beside:
        torch.save(dict(state), beside)


def load_state(file: Path, device: str = "cpu") -> dict[str, Any]:
    """Return what :func:`save_state` kept."""
    state: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
    return state
