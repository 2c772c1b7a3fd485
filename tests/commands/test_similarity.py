"""What ``hybridfer similarity`` promises."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result

Run = Callable[..., Result]


@pytest.fixture
def pair(tmp_path: Path, astronaut: np.ndarray) -> tuple[Path, Path]:
    """A picture and its mirror image."""
    paths = tmp_path / "a b.png", tmp_path / "mirror.png"
    cv2.imwrite(str(paths[0]), astronaut[:, :, ::-1])
    cv2.imwrite(str(paths[1]), astronaut[:, ::-1, ::-1])
    return paths


def test_text_is_an_aligned_table_of_metric_value_and_reading(run: Run, pair: tuple[Path, Path]) -> None:
    result = run("similarity", pair[0], pair[0])
    assert result.exit_code == 0
    assert result.stderr == ""
    head, *rows = result.stdout.splitlines()
    assert head == "metric    value  reading"
    assert [row.split()[:2] for row in rows] == [[m, "1.0000"] for m in ("cosine", "hog", "lbp", "phash", "sift")]
    assert {row.index("1.0000") for row in rows} == {9}
    assert rows[3].endswith(
        "the same picture or a near copy: 0 of 64 bits differ, and fewer than 10 bits count as similar"
    )


def test_json_holds_both_names_and_every_similarity_with_its_counts(run: Run, pair: tuple[Path, Path]) -> None:
    result = run("similarity", *pair, "--format", "json", "-o", "-")
    found = json.loads(result.stdout)
    assert list(found) == ["a", "b", "similarities"]
    assert (found["a"], found["b"]) == (str(pair[0]), str(pair[1]))
    assert all(list(s) == ["metric", "value", "reading", "details"] for s in found["similarities"])
    by_name = {s["metric"]: s for s in found["similarities"]}
    assert by_name["phash"]["details"]["bits_differing"] > 10
    assert by_name["sift"]["details"]["keypoints_a"] > 500


def test_metrics_are_specs_and_come_in_the_order_asked_for(run: Run, pair: tuple[Path, Path]) -> None:
    specs = ("sift:ratio=0.9", "phash:bits=1024,threshold=mean,form=hexdigits", "phash")
    result = run("similarity", *pair, *(word for spec in specs for word in ("--metric", spec)), "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["metric"] for row in rows] == [specs[0], "phash:bits=1024,form=hexdigits,threshold=mean", "phash"]
    assert float(rows[1]["value"]) * 256 == round(float(rows[1]["value"]) * 256)


def test_the_output_s_ending_names_the_format_and_nothing_is_replaced_unasked(
    run: Run, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    assert run("similarity", *pair, "-m", "phash", "-o", out).stdout == ""
    assert len(json.loads(out.read_text())["similarities"]) == 1
    again = run("similarity", *pair, "-m", "lbp", "-o", out)
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr
    assert run("similarity", *pair, "-m", "lbp", "-o", out, "--overwrite").exit_code == 0
    assert json.loads(out.read_text())["similarities"][0]["metric"] == "lbp"


def test_the_detector_cuts_out_the_faces(run: Run, pair: tuple[Path, Path]) -> None:
    whole, face = (
        json.loads(run("similarity", *pair, "-m", "cosine", "--detector", name, "--format", "json").stdout)
        for name in ("none", "haar")
    )
    assert whole["similarities"][0]["value"] != face["similarities"][0]["value"]


def test_a_matrix_is_csv_with_the_pictures_names_on_both_sides(run: Run, face_folder: Path) -> None:
    result = run("similarity", "--matrix", face_folder / "face")
    rows = list(csv.reader(io.StringIO(result.stdout)))
    assert result.exit_code == 0
    assert rows[0] == ["input", *(str(face_folder / "face" / f"{i}.png") for i in range(20))]
    assert [row[0] for row in rows[1:]] == rows[0][1:]
    values = np.array([row[1:] for row in rows[1:]], float)
    assert np.array_equal(values, values.T)
    assert (values.diagonal() == 1).all()
    assert result.stderr.startswith("20 pictures compared")
    assert run("similarity", "--matrix", face_folder / "face", "--quiet").stderr == ""


def test_a_damaged_picture_leaves_its_row_empty_and_the_exit_code_3(run: Run, face_folder: Path) -> None:
    bad = face_folder / "face" / "0.png"
    bad.write_bytes(b"")
    result = run("similarity", "--matrix", face_folder, "-m", "hog", "--format", "json", "--quiet")
    assert result.exit_code == 3
    assert result.stderr == f"{bad}: The file is empty (0 bytes); expected a picture.\n"
    table = json.loads(result.stdout)
    assert list(table) == ["metric", "inputs", "values", "errors"]
    assert table["values"][table["inputs"].index(str(bad))] == [None] * 40
    assert list(table["errors"]) == [str(bad)]
    strict = run("similarity", "--matrix", face_folder, "-m", "hog", "--strict")
    assert (strict.exit_code, strict.stdout) == (1, "")


@pytest.mark.parametrize("position", [0, 1])
def test_an_unreadable_picture_is_one_line_that_names_it(run: Run, pair: tuple[Path, Path], position: int) -> None:
    pair[position].write_bytes(pair[position].read_bytes()[:500])
    result = run("similarity", *pair)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"hybridfer: {pair[position]}: ")
    assert result.stderr.count("\n") == 1


def test_a_missing_picture_an_unknown_metric_and_detector_are_named(run: Run, pair: tuple[Path, Path]) -> None:
    for args, said in (
        (("nowhere.png", pair[0]), "nowhere.png: There is no such file"),
        ((*pair, "-m", "phsh"), "No metric named 'phsh'. Did you mean 'phash'?"),
        ((*pair, "--detector", "har"), "No detector named 'har'. Did you mean 'haar'?"),
    ):
        result = run("similarity", *args)
        assert result.exit_code == 1
        assert said in result.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "0 pictures are given"),
        (("a.png",), "1 pictures are given"),
        (("a.png", "b.png", "c.png"), "3 pictures are given"),
        (("a.png", "--matrix", "."), "1 pictures are given"),
        (("--matrix", ".", "-m", "lbp", "-m", "hog"), "2 are given"),
    ],
)
def test_anything_but_two_pictures_or_one_folder_is_a_usage_error(run: Run, args: tuple[str, ...], said: str) -> None:
    result = run("similarity", *args)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_name_with_odd_bytes_leaves_as_valid_json(run: Run, pair: tuple[Path, Path]) -> None:
    odd = pair[0].with_name("a\udcff\n.png")
    pair[0].rename(odd)
    result = run("similarity", odd, pair[1], "-m", "phash", "--format", "json")
    assert json.loads(result.stdout)["a"] == str(odd)
    assert result.stdout.count("\n") == 1
