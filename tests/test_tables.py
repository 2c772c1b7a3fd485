"""Rows out: never half a file, never a lost name."""

from __future__ import annotations

import csv
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from hybridfer.errors import OutputError
from hybridfer.tables import guess_format, open_output, replacing, write_parquet, write_rows


def test_a_file_appears_only_when_all_was_written(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), open_output(str(tmp_path / "a.csv")) as stream:
        stream.write("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_survives_a_run_that_fails(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(RuntimeError), open_output(str(tmp_path / "a.csv"), overwrite=True) as stream:
        stream.write("half")
        raise RuntimeError
    assert (tmp_path / "a.csv").read_text() == "old"


def test_an_existing_file_is_replaced_only_when_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(OutputError, match="--overwrite"), open_output(str(tmp_path / "a.csv")):
        pass
    with open_output(str(tmp_path / "a.csv"), overwrite=True) as stream:
        stream.write("new")
    assert (tmp_path / "a.csv").read_text() == "new"


def test_a_folder_takes_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "card.json").touch()
    with replacing(tmp_path / "model", True, ("card.json",)) as beside:
        beside.mkdir()
        (beside / "new").touch()
    assert [p.name for p in (tmp_path / "model").iterdir()] == ["new"]


@pytest.mark.parametrize("error", [RuntimeError, OSError(28, "No space left on device"), KeyboardInterrupt])
def test_an_old_folder_comes_back_where_the_new_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "card.json").write_text("old")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Path, "replace", fail)
    with (
        pytest.raises((RuntimeError, OutputError, KeyboardInterrupt)),
        replacing(tmp_path / "model", True, ("card.json",)) as beside,
    ):
        beside.mkdir()
    assert (tmp_path / "model" / "card.json").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nowhere"), replacing(tmp_path / "nowhere" / "a.csv", False):
        pass


def test_the_format_is_guessed_from_the_ending() -> None:
    assert guess_format("a.jsonl", None, ("csv", "jsonl"), "csv") == "jsonl"
    assert (
        guess_format(None, None, ("csv", "jsonl"), "csv") == guess_format("-", None, ("csv", "jsonl"), "csv") == "csv"
    )
    assert guess_format("a.weird", "csv", ("csv",), "csv") == "csv"
    with pytest.raises(OutputError, match=r"expected one of .csv"):
        guess_format("a.weird", None, ("csv", "jsonl"), "csv")


def test_rows_in_csv_and_json_lines_hold_the_same(tmp_path: Path) -> None:
    rows = [{"a": 1, "b": 'x, "y"\nz'}, {"a": math.nan, "b": None}]
    for form in ("csv", "jsonl"):
        with open_output(str(tmp_path / form)) as stream:
            write_rows(stream, form, ["a", "b", "c"], [rows])
    with (tmp_path / "csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [{"a": "1", "b": 'x, "y"\nz', "c": ""}, {"a": "", "b": "", "c": ""}]
    lines = [json.loads(line) for line in (tmp_path / "jsonl").read_text().splitlines()]
    assert lines == [{"a": 1, "b": 'x, "y"\nz', "c": None}, {"a": None, "b": None, "c": None}]


def test_arrays_and_numpy_numbers_have_a_json_form(tmp_path: Path) -> None:
    with open_output(str(tmp_path / "a")) as stream:
        write_rows(stream, "jsonl", ["v", "n"], [[{"v": np.array([1.0, np.inf]), "n": np.float32(0.5)}]])
    assert json.loads((tmp_path / "a").read_text()) == {"v": [1.0, None], "n": 0.5}


def test_rows_in_parquet_are_read_by_pandas(tmp_path: Path) -> None:
    import pandas as pd

    rows = [{"a": 1.5, "b": b"caf\xe9".decode("utf-8", "surrogateescape")}, {"b": None}]
    write_parquet(str(tmp_path / "a.parquet"), ["a", "b", "c"], [rows[:1], rows[1:]], metadata={"model": "x"})
    frame = pd.read_parquet(tmp_path / "a.parquet")
    assert (
        list(frame.columns) == ["a", "b", "c"]
        and frame["b"][0] == r"caf\xe9"
        and frame["a"].isna().tolist() == [False, True]
    )
    with pytest.raises(OutputError, match="standard output"):
        write_parquet("-", ["a"], [])


def test_a_name_that_is_no_utf8_leaves_as_the_bytes_it_came_as(tmp_path: Path) -> None:
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    for form in ("csv", "jsonl"):
        with open_output(str(tmp_path / form)) as stream:
            write_rows(stream, form, ["input"], [[{"input": name}]])
    assert (tmp_path / "csv").read_bytes() == b"input\ncaf\xe9.png\n"
    assert json.loads((tmp_path / "jsonl").read_text("utf-8"))["input"] == name


def test_a_folder_of_someone_elses_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").touch()
    with pytest.raises(OutputError, match=r"me\.jpg"), replacing(tmp_path / "photos", True, ("card.json",)):
        pass
    assert (tmp_path / "photos" / "me.jpg").exists()


def test_a_link_stays_a_link_and_a_pipe_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    with open_output(str(tmp_path / "link.csv"), overwrite=True) as stream:
        stream.write("new")
    assert (tmp_path / "link.csv").is_symlink() and (tmp_path / "real.csv").read_text() == "new"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with open_output(str(tmp_path / "pipe")) as stream:
        stream.write("rows")
    assert os.read(reader, 100) == b"rows"
    os.close(reader)
    with pytest.raises(OutputError, match="no regular file"), replacing(tmp_path / "pipe", overwrite=True):
        pass
