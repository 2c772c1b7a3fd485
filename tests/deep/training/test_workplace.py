"""What a training keeps is its own, is not lost and not mixed up."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hybridfer.deep.training.workplace import check_plan, load_state, save_state, workplace
from hybridfer.errors import OutputError


def kill(target: Path, plan: dict[str, object]) -> None:
    """A run that keeps something and dies."""
    with pytest.raises(KeyboardInterrupt), workplace(target, resume=False, overwrite=False) as work:
        check_plan(work, plan)
        save_state(work / "state.pt", {"x": torch.ones(2)})
        raise KeyboardInterrupt


def test_what_was_kept_is_found_again(tmp_path: Path) -> None:
    kill(tmp_path / "m", {"epochs": 2})
    with workplace(tmp_path / "m", resume=True, overwrite=False) as work:
        check_plan(work, {"epochs": 2})
        assert load_state(work / "state.pt")["x"].tolist() == [1, 1]
        with pytest.raises(OutputError, match="begun with other data, options or another hybridfer"):
            check_plan(work, {"epochs": 3})
    with (
        pytest.raises(OutputError, match="add --resume to continue it or --overwrite"),
        workplace(tmp_path / "m", False, False),
    ):
        pass
    with workplace(tmp_path / "m", resume=False, overwrite=True) as work:
        check_plan(work, {"epochs": 3})
        assert not (work / "state.pt").exists()
    assert not list(tmp_path.iterdir())  # nothing came of that one


def test_two_runs_of_one_name_do_not_meet(tmp_path: Path) -> None:
    with workplace(tmp_path / "m", False, False):
        with pytest.raises(OutputError, match="Another run is training"), workplace(tmp_path / "m", True, True):
            pass
        assert (tmp_path / "m.parts").is_dir()


def test_a_place_that_cannot_be_written_to_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "m.parts").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written to"), workplace(tmp_path / "m", False, False):
        pass
