"""``hybridfer extract`` as a shell user meets it: rows, exit codes, messages, files that others open."""

from __future__ import annotations

import csv
import io
import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from hybridfer import FeatureBank
from hybridfer.types import ROW_COLUMNS

Run = Callable[..., Result]


def csv_rows(result: Result) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(result.stdout)))


def huge_png(side: int) -> bytes:
    """A PNG that claims to be side x side pixels of one bit, in a few hundred kilobytes."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    lines = zlib.compress(b"\0" * (side * (side // 8 + 2)), 9)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", lines) + part(b"IEND", b"")


@pytest.fixture
def rubbish(tmp_path: Path, astronaut: np.ndarray) -> Path:
    """A folder of everything people have: three pictures that can be read, and nine that cannot."""
    folder = tmp_path / "in"
    folder.mkdir()
    good = cv2.imencode(".png", astronaut[20:300, 80:360, ::-1])[1].tobytes()
    photo = cv2.imencode(".jpg", astronaut[20:300, 80:360, ::-1])[1].tobytes()
    for name in ("a.png", "b with space.png", "ünï'q\n.png"):
        (folder / name).write_bytes(good)
    (folder / "one.png").write_bytes(cv2.imencode(".png", np.zeros((1, 1), np.uint8))[1].tobytes())
    (folder / "lies.jpg").write_bytes(good)
    (folder / "cut.png").write_bytes(good[: len(good) // 3])
    (folder / "cut.jpg").write_bytes(photo[: len(photo) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.png").write_text("not a picture")
    (folder / "flipped.png").write_bytes(good[:2000] + bytes(b ^ 0xFF for b in good[2000:2010]) + good[2010:])
    (folder / "broken.png").symlink_to("/nowhere/at/all.png")
    (folder / "huge.png").write_bytes(huge_png(30000))
    (folder / "folder.png").mkdir()
    (folder / "folder.png" / "inside.png").write_bytes(good)
    return folder


def test_every_input_has_a_row_and_nothing_is_lost(run: Run, rubbish: Path) -> None:
    result = run("extract", rubbish, "-f", "lbp", "--detector", "none", "--format", "csv")
    rows = csv_rows(result)
    assert result.exit_code == 3
    assert list(rows[0])[: len(ROW_COLUMNS)] == list(ROW_COLUMNS)
    status = {Path(row["input"]).name: row["status"] for row in rows}
    assert [n for n, s in status.items() if s == "ok"] == [
        "a.png",
        "b with space.png",
        "inside.png",
        "lies.jpg",
        "one.png",
        "ünï'q\n.png",
    ]
    bad = {Path(row["input"]).name: row["error"] for row in rows if row["status"] == "error"}
    assert sorted(bad) == ["broken.png", "cut.jpg", "cut.png", "empty.jpg", "flipped.png", "huge.png", "text.png"]
    assert "900,000,000 pixels" in bad["huge.png"] and "/nowhere/at/all.png" in bad["broken.png"]
    assert "6 faces, 7 pictures that cannot be read" in result.stderr and "Traceback" not in result.stderr


def test_strict_stops_at_the_first(run: Run, rubbish: Path, tmp_path: Path) -> None:
    result = run("extract", rubbish, "-f", "lbp", "--detector", "none", "--strict", "-o", tmp_path / "a.parquet")
    assert result.exit_code == 1 and result.stderr.count("\n") == 1 and "hybridfer: " in result.stderr
    assert not (tmp_path / "a.parquet").exists()


def test_paths_on_standard_input_may_hold_anything_but_nul(run: Run, rubbish: Path) -> None:
    paths = b"\0".join(os.fsencode(p) for p in (rubbish / "ünï'q\n.png", rubbish / "a.png"))
    result = run("extract", "-", "-0", "-f", "phash", "--detector", "none", stdin=paths)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0 and [Path(r["input"]).name for r in rows] == ["ünï'q\n.png", "a.png"]
    (block,) = [name for name in rows[0] if name.startswith("phash")]
    assert len(rows[0][block]) == 64 and set(rows[0][block]) == {0, 1}


def test_its_own_rows_can_be_its_input(run: Run, rubbish: Path) -> None:
    first = run("extract", rubbish / "a.png", "-f", "phash", "--detector", "none", "--quiet")
    again = run("extract", "-", "-f", "phash", "--detector", "none", stdin=first.stdout)
    assert again.exit_code == 0 and json.loads(again.stdout) == json.loads(first.stdout)


def test_csv_spreads_a_block_over_columns(run: Run, rubbish: Path) -> None:
    rows = csv_rows(run("extract", rubbish / "a.png", "-f", "phash", "--detector", "none", "--format", "csv"))
    columns = [name for name in rows[0] if name.startswith("phash:")]
    assert len(columns) == 64 and columns[0].endswith("[0]")


def test_the_same_inputs_twice_give_the_same_bytes(run: Run, rubbish: Path, tmp_path: Path) -> None:
    features = [w for s in ("lbp", "hog", "sift", "gabor", "phash", "colour") for w in ("-f", s)]
    for name in ("a.parquet", "b.parquet"):
        assert run("extract", rubbish, *features, "--detector", "none", "-o", tmp_path / name).exit_code == 3
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert (
        run(
            "extract", rubbish, *features, "--detector", "none", "--no-cache", "--jobs", 1, "-o", tmp_path / "c.parquet"
        ).exit_code
        == 3
    )
    assert FeatureBank.open(tmp_path / "a.parquet").fingerprint == FeatureBank.open(tmp_path / "c.parquet").fingerprint


def test_an_existing_bank_is_replaced_only_when_told(run: Run, rubbish: Path, tmp_path: Path) -> None:
    arguments = ("extract", rubbish / "a.png", "-f", "lbp", "--detector", "none", "-o", tmp_path / "a.parquet")
    assert run(*arguments).exit_code == 0
    refused = run(*arguments)
    assert refused.exit_code == 1 and "--overwrite" in refused.stderr
    assert run(*arguments, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["{in}", "-f", "lpb"], 1, "Did you mean 'lbp'?"),
        (["{in}", "-f", "lbp:gird=7"], 1, "Did you mean 'grid'?"),
        (["{in}", "-f", "lbp:grid=0"], 1, "lbp:grid=0"),
        (["{in}", "-f", "lbp:grid"], 1, "not key=value"),
        (["{in}", "-f", "resnet19@layer1"], 1, "resnet18"),
        (["{in}", "-f", "resnet18@layer1"], 1, "--untrained"),
        (["{in}", "-f", "resnet18"], 1, "resnet18@layer3"),
        (["{in}", "-f", "lbp", "-f", "lbp"], 1, "asked for twice"),
        (["{in}", "-f", "lbp", "--detector", "harr"], 1, "Did you mean 'haar'?"),
        (["{in}", "-f", "lbp", "--dataset", "fer"], 1, "fer2013"),
        (["{in}", "-f", "lbp", "-o", "{tmp}/a.xyz"], 1, "no known ending"),
        (["{in}", "-f", "lbp", "-o", "{tmp}/none/a.parquet"], 1, "not a folder"),
        (["{in}", "-f", "lbp", "--format", "parquet"], 1, "cannot go to standard output"),
        (["{tmp}", "-f", "lbp", "--labels", "folder"], 1, "outside any class folder"),
        (["{in}"], 2, "-f"),
        (["-f", "lbp"], 2, "INPUT"),
        (["{in}", "-f", "lbp", "--labels", "sorted"], 2, "sorted"),
    ],
)
def test_mistakes_are_named_on_one_line(
    run: Run, tmp_path: Path, rubbish: Path, arguments: list[str], code: int, said: str
) -> None:
    (tmp_path / "loose.png").write_bytes((rubbish / "a.png").read_bytes())
    result = run("extract", *[a.format(**{"in": rubbish, "tmp": tmp_path}) for a in arguments])
    assert result.exit_code == code and said in result.stderr and "Traceback" not in result.stderr
    if code == 1:
        assert result.stderr.count("\n") == 1


def test_an_empty_folder_and_a_manifest_without_paths(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no pictures" in run("extract", tmp_path / "empty", "-f", "lbp").stderr
    (tmp_path / "m.csv").write_text("file\na.png\n")
    result = run("extract", tmp_path / "m.csv", "-f", "lbp")
    assert result.exit_code == 1 and "no column 'path'" in result.stderr


def test_numpy_opens_what_it_writes(run: Run, rubbish: Path, tmp_path: Path) -> None:
    assert run("extract", rubbish, "-f", "phash", "--detector", "none", "-o", tmp_path / "a.npz").exit_code == 3
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        (block,) = [name for name in arrays if name.startswith("phash")]
        assert arrays[block].shape == (6, 64) and len(arrays["input"]) == 6
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "in"]


def test_an_archive_replaces_no_file_but_the_one_named(run: Run, rubbish: Path, tmp_path: Path) -> None:
    (tmp_path / "a.npz.parquet").write_text("mine")
    (tmp_path / "a.npz.parts").mkdir()
    arguments = ("extract", rubbish / "a.png", "-f", "phash", "--detector", "none", "-o", tmp_path / "a.npz")
    assert "--resume" in run(*arguments).stderr
    assert run(*arguments, "--resume").exit_code == 0
    assert (tmp_path / "a.npz.parquet").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "a.npz.parquet", "in"]


def test_a_detector_that_finds_no_face_in_most_pictures_is_doubted(run: Run, tmp_path: Path) -> None:
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((99, 99), i, np.uint8))
    said = run("extract", tmp_path, "-f", "phash").stderr
    assert "3 of 3 pictures have no face to find" in said and "--detector none" in said
    assert "no face to find" not in run("extract", tmp_path, "-f", "phash", "--detector", "none").stderr


def test_a_file_that_may_not_be_opened_is_a_row(run: Run, rubbish: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    # The superuser, who runs tests in containers, may open everything; so the refusal is played.
    monkeypatch.setattr(Path, "read_bytes", refuse)
    result = run("extract", rubbish / "a.png", "-f", "phash", "--detector", "none")
    assert result.exit_code == 3 and "Permission denied; check its permissions" in json.loads(result.stdout)["error"]


def test_a_manifests_own_columns_travel_into_the_bank(run: Run, rubbish: Path, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,label,age\nin/a.png,happy,31\nin/lies.jpg,sad,\n")
    assert (
        run("extract", tmp_path / "m.csv", "-f", "phash", "--detector", "none", "-o", tmp_path / "a.parquet").exit_code
        == 0
    )
    frame = pd.read_parquet(tmp_path / "a.parquet")
    assert frame["label"].tolist() == ["happiness", "sadness"] and frame["age"].tolist()[0] == 31


def test_a_face_is_found_and_its_box_reported(run: Run, tmp_path: Path, astronaut: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), astronaut[..., ::-1])
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((99, 99), np.uint8))
    result = run("extract", tmp_path, "-f", "phash", "--format", "jsonl")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0 and [r["status"] for r in rows][-1] == "no_face"
    assert rows[0]["status"] == "ok" and 80 < rows[0]["FaceRectWidth"] < 140 and rows[0]["face_id"] == 0
    none = run("extract", tmp_path / "a.png", "-f", "phash", "--min-face", "300")
    assert json.loads(none.stdout)["status"] == "no_face"


def test_a_network_describes_when_it_may_be_untrained(run: Run, rubbish: Path, tmp_path: Path) -> None:
    arguments = ("extract", rubbish / "a.png", "-f", "resnet18@layer1:size=32", "--detector", "none", "--untrained")
    first = run(*arguments, "-o", tmp_path / "a.parquet")
    assert first.exit_code == 0, first.stderr
    assert run(*arguments, "--seed", "1", "-o", tmp_path / "b.parquet").exit_code == 0
    one, two = (FeatureBank.open(tmp_path / name) for name in ("a.parquet", "b.parquet"))
    assert one.X("resnet18@layer1").shape == (1, 64)
    assert not np.array_equal(one.X("resnet18@layer1"), two.X("resnet18@layer1"))


def test_auto_says_which_device_it_chose(run: Run, rubbish: Path) -> None:
    arguments = ("extract", rubbish / "a.png", "-f", "resnet18@layer1:size=32", "--detector", "none", "--untrained")
    assert "works on c" in run(*arguments, "--device", "auto").stderr
    assert "works on" not in run(*arguments).stderr


def test_a_gpu_that_is_not_there_is_an_error(run: Run, rubbish: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    result = run(
        "extract", rubbish / "a.png", "-f", "resnet18@layer1", "--untrained", "--detector", "none", "--device", "cuda"
    )
    assert result.exit_code == 1 and "cuda" in result.stderr
