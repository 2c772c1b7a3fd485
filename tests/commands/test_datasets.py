"""``hybridfer datasets``: find data sets, say how they were known, count what they hold."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result
from datasets.trees import TREES, ckextended, ckplus, kdef, picture, rafdb, sfew

Run = Callable[..., Result]


def test_scan_finds_every_data_set_and_says_how_it_was_known(run: Run, tmp_path: Path) -> None:
    for name, make in TREES.items():
        make(tmp_path / name)
    picture(tmp_path / "photos" / "a.png")
    result = run("datasets", "scan", tmp_path, "--format", "json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert [(each["path"], each["dataset"]) for each in found] == [
        (str(tmp_path / name), name.partition("-")[0]) for name in sorted(TREES)
    ]
    assert all(each["how"] for each in found)
    jaffe = next(each for each in found if each["dataset"] == "jaffe")
    # By hand, from the names in the tree.
    assert jaffe["labels"] == {"anger": 1, "fear": 1, "happiness": 1, "neutral": 1}
    assert (jaffe["pictures"], jaffe["subjects"], jaffe["splits"], jaffe["cropped"]) == (4, 3, {}, False)


def test_scan_prints_text_for_people(run: Run, tmp_path: Path) -> None:
    rafdb(tmp_path / "deep" / "down" / "raf")
    text = run("datasets", "scan", tmp_path).stdout.splitlines()
    # Each folder on the way holds one folder; the one above the data set is as good as itself.
    assert text == [
        str(tmp_path / "deep" / "down"),
        "  data set  rafdb: it holds EmoLabel/list_patition_label.txt",
        "  pictures  5 pictures, face crops (no detector runs)",
        "  splits    train 3, test 2",
        "  labels    anger 1, happiness 1, sadness 1, surprise 1, neutral 1",
        "  subjects  unknown",
    ]


def test_scan_takes_the_data_set_itself_and_tables(run: Run, tmp_path: Path) -> None:
    file = ckextended(tmp_path / "a") / "ckextended.csv"
    for root in (file, file.parent):
        (found,) = json.loads(run("datasets", "scan", root, "--format", "json").stdout)
        assert found["path"] == str(root) and found["splits"] == {"train": 2, "val": 1, "test": 1}
    file.rename(tmp_path / "a" / "ckextended-copy.csv")
    (found,) = json.loads(run("datasets", "scan", tmp_path, "--format", "json").stdout)
    assert found["path"] == str(tmp_path / "a" / "ckextended-copy.csv")


def test_scan_ends_with_1_where_nothing_is_recognised(run: Run, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    result = run("datasets", "scan", tmp_path)
    assert result.exit_code == 1 and not result.stdout
    assert f"no data set is recognised at or below {tmp_path}; known: affectnet, ck48" in result.stderr
    assert "folders" not in result.stderr
    gone = run("datasets", "scan", tmp_path / "gone")
    assert gone.exit_code == 1 and "gone does not exist; expected a folder" in gone.stderr
    assert json.loads(run("datasets", "scan", tmp_path, "--format", "json").stdout) == []
    deep = tmp_path / "1" / "2" / "3" / "4" / "5"
    kdef(deep)
    picture(tmp_path / "1" / "b.png")
    assert run("datasets", "scan", tmp_path).exit_code == 1  # too far down
    assert run("datasets", "scan", tmp_path / "1" / "2").exit_code == 0


def test_scan_goes_on_past_a_data_set_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    kdef(tmp_path / "kdef")
    picture(tmp_path / "ck" / "cohn-kanade-images/S005/001/S005_001_00000001.png")
    result = run("datasets", "scan", tmp_path)
    assert result.exit_code == 3 and "no folder Emotion" in result.stdout and "kdef: its pictures" in result.stdout


def test_info_counts_by_split_and_label(run: Run, tmp_path: Path) -> None:
    text = run("datasets", "info", sfew(tmp_path)).stdout.splitlines()
    assert text[0] == f"{tmp_path}: sfew, 23 pictures"
    assert [line.split() for line in text[1:6]] == [
        ["split", "anger", "disgust", "fear", "happiness", "neutral", "none", "all"],
        ["train", "2", "2", "2", "2", "2", "0", "10"],
        ["val", "2", "2", "2", "2", "2", "0", "10"],
        ["test", "0", "0", "0", "0", "0", "3", "3"],
        ["all", "4", "4", "4", "4", "4", "3", "23"],
    ]
    assert text[6:9] == ["  subjects  unknown", "  groups    3", "  option    images=auto"]
    assert any(line.startswith("  note      ") and "read as sfew" in line for line in text)


def test_info_names_numbers_options_and_subjects(run: Run, tmp_path: Path) -> None:
    spec = "ckplus:frames=1,neutral=true"
    text = run("datasets", "info", ckplus(tmp_path), "--dataset", spec).stdout
    # The order of CK+'s own readme.
    assert "numbers   0 neutral, 1 anger, 2 contempt, 3 disgust, 4 fear, 5 happiness, 6 sadness, 7 surprise" in text
    assert "frames=1 (default 3)" in text and "neutral=true (default false)" in text and "contempt=true\n" in text
    found = json.loads(run("datasets", "info", tmp_path, "--dataset", spec, "--format", "json").stdout)
    assert found["options"]["frames"] == {"value": 1, "default": 3} and found["numbers"]["7"] == "surprise"
    assert (found["subjects"], found["groups"], found["cropped"]) == (2, 3, False)
    assert found["rows"][-2:] == [
        {"split": None, "label": "neutral", "rows": 3}, {"split": None, "label": "contempt", "rows": 1},
    ]  # fmt: skip


def test_info_counts_subjects_by_split(run: Run, tmp_path: Path) -> None:
    rows = "a.png,happy,train,1\nb.png,sad,train,2\nc.png,sad,test,3\nd.png,sad,test,3\ne.png,sad,,\n"
    (tmp_path / "m.csv").write_text("path,label,split,subject\n" + rows)
    found = json.loads(run("datasets", "info", tmp_path / "m.csv", "--format", "json").stdout)
    assert found["subjects"] == 3 and found["split_subjects"] == {"train": 2, "test": 1}
    assert found["numbers"] == {} and found["options"] == {} and found["splits"] == {"train": 2, "test": 2}
    assert "3 (train 2, test 1)" in run("datasets", "info", tmp_path / "m.csv").stdout


def test_info_reads_as_it_is_told(run: Run, tmp_path: Path) -> None:
    rafdb(tmp_path)
    text = run("datasets", "info", tmp_path, "--labels", "none").stdout
    assert "1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, 6 anger, 7 neutral" in text
    assert [line.split() for line in text.splitlines()[1:3]] == [["split", "none", "all"], ["train", "3", "3"]]
    other = run("datasets", "info", tmp_path, "--label-set", "affectnet").stdout
    assert "numbers   0 neutral, 1 happiness" in other and "labels as affectnet has them" in other


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone",), "gone does not exist; expected a data set"),
        (("data", "--dataset", "kdfe"), "Did you mean 'kdef'?"),
        (("data", "--dataset", "kdef:angel=S"), "kdef has no parameter 'angel'. Did you mean 'angle'?"),
        (("data", "--dataset", "jaffe"), "is not laid out as JAFFE; expected pictures named like KA.AN1.39.tiff"),
        (("data", "--labels", "folder"), "--labels folder does not go with KDEF"),
    ],
)
def test_what_is_wrong_is_said_on_one_line(run: Run, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    kdef(tmp_path / "data")
    result = run("datasets", "info", tmp_path / arguments[0], *arguments[1:])
    assert result.exit_code == 1 and message in result.stderr and result.stderr.count("\n") == 1


def test_odd_bytes_in_a_name_are_no_crash(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    kdef(tmp_path / "plain").rename(folder)
    for form in ("text", "json"):
        assert run("datasets", "scan", tmp_path, "--format", form).exit_code == 0
        assert run("datasets", "info", folder, "--format", form).exit_code == 0


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A manifest of 24 pictures of six people, two of them copies in two splits; one cannot be read."""
    rng = np.random.default_rng(0)
    lines = ["path,label,split,subject"]
    for i in range(24):
        small = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{i}.png"), cv2.resize(small, (40, 40), interpolation=cv2.INTER_CUBIC))
        lines.append(f"{i}.png,{('happy', 'sad')[i % 2]},{'train' if i < 16 else 'test'},p{i // 4}")
    shutil.copy(tmp_path / "0.png", tmp_path / "20.png")
    (tmp_path / "5.png").write_bytes(b"")
    (tmp_path / "people.csv").write_text("\n".join(lines))
    return tmp_path / "people.csv"


def test_check_prints_and_writes_numbers_and_page(run: Run, tmp_path: Path, people: Path) -> None:
    done = run("datasets", "check", people, "-o", tmp_path / "check")
    assert done.exit_code == 3 and "cannot be read   1:" in done.stdout and "1 across splits" in done.stdout
    report = json.loads((tmp_path / "check" / "check.json").read_text())
    assert report["counts"]["duplicate_leaks"] == 1 and report["leaks"]["test"]["identical"] == 1
    assert 'class="pair"' in (tmp_path / "check" / "index.html").read_text()
    assert run("datasets", "check", people, "-o", tmp_path / "check").exit_code == 1
    assert run("datasets", "check", people, "-o", tmp_path / "check", "--overwrite", "--quiet").stderr == ""


def test_check_writes_one_file_by_its_ending_and_json_to_stdout(run: Run, tmp_path: Path, people: Path) -> None:
    done = run("datasets", "check", people, "--format", "json", "-o", tmp_path / "c.html", "--no-near")
    assert json.loads(done.stdout)["settings"] == {}
    assert (tmp_path / "c.html").read_text().startswith("<!DOCTYPE html>")
    done = run("datasets", "check", people, "-o", tmp_path / "c.csv")
    assert done.exit_code == 1 and "FILE.json" in done.stderr and not (tmp_path / "c.csv").exists()


def test_check_of_what_is_sound_ends_with_0(run: Run, tmp_path: Path) -> None:
    for i in range(3):
        picture(tmp_path / "happy" / f"{i}.png", 40 * i)
    done = run("datasets", "check", tmp_path)
    assert done.exit_code == 0 and "identical        none" in done.stdout


def test_check_reads_paths_from_stdin(run: Run, people: Path) -> None:
    paths = b"\0".join(os.fsencode(people.parent / f"{i}.png") for i in (0, 20, 1)) + b"\0"
    done = run("datasets", "check", "-", "-0", stdin=paths)
    assert done.exit_code == 0 and "1 groups of 2 pictures" in done.stdout


def test_split_writes_a_manifest_that_extract_and_svm_train_take(run: Run, tmp_path: Path, people: Path) -> None:
    done = run("datasets", "split", people, "--test", "0.34", "-o", tmp_path / "split.csv")
    assert done.exit_code == 0, done.stderr
    assert "2 subjects share a picture or a near copy with another and stay with it" in done.stderr
    rows = list(csv.DictReader((tmp_path / "split.csv").open()))
    assert len(rows) == 24 and list(rows[0]) == ["path", "label", "split", "subject"]
    held = {row["subject"]: {r["split"] for r in rows if r["subject"] == row["subject"]} for row in rows}
    assert all(len(splits) == 1 for splits in held.values()) and held["p0"] == held["p5"]
    bank = tmp_path / "b.parquet"
    assert run("extract", tmp_path / "split.csv", "-f", "phash", "--detector", "none", "-o", bank).exit_code == 3
    assert run("svm-train", bank, "-o", tmp_path / "m", "--cv", "2").exit_code == 0


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_split_writes_any_form_of_manifest_and_the_same_seed_the_same(
    run: Run, tmp_path: Path, people: Path, form: str
) -> None:
    for name in ("one", "two"):
        assert run("datasets", "split", people, "--val", "0.3", "-o", tmp_path / f"{name}.{form}").exit_code == 0
    assert (tmp_path / f"one.{form}").read_bytes() == (tmp_path / f"two.{form}").read_bytes()
    assert "train" in run("datasets", "info", tmp_path / f"one.{form}").stdout


def test_split_says_what_it_wants(run: Run, people: Path) -> None:
    for arguments, said in (
        ((), "wants a share"),
        (("--test", "1.2"), "leave nothing"),
        (("--test", "0.5", "--keep", "val"), "so it cannot be kept"),
        (("--test", "0.5", "--by", "group"), "No row has a group"),
    ):
        done = run("datasets", "split", people, *arguments)
        assert done.exit_code == 1 and said in done.stderr and done.stdout == "", done.stderr


def test_training_and_scoring_take_the_report(run: Run, tmp_path: Path, people: Path) -> None:
    bank = tmp_path / "b.parquet"
    run("extract", people, "-f", "phash", "--detector", "none", "-o", bank)
    run("datasets", "check", people, "-o", tmp_path / "check.json")
    done = run("svm-train", bank, "-o", tmp_path / "m", "--check", tmp_path / "check.json")
    assert done.exit_code == 0 and "1 of the 8 faces of test are of pictures that, byte for byte" in done.stderr
    done = run("evaluate", tmp_path / "m", bank, "--split", "test", "--check", tmp_path / "check.json")
    assert "by training_copy" in done.stdout and "identical" in done.stdout
    done = run("evaluate", tmp_path / "m", bank, "--check", people)
    assert done.exit_code == 1 and "no report of a check" in done.stderr
