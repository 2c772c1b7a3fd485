"""``bank import``, ``--schema`` and ``--label-set`` as a shell sees them, and an SVM on what other tools measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from schemas.toys import EMOTIONS, PYFEAT_1, PYFEAT_UNITS, rows, table

from hybridfer import FeatureBank, load_model
from hybridfer.labels import EXPRESSIONS

Run = Callable[..., Result]

LABELS = ["happiness", "sadness", "anger"]


@pytest.fixture
def fex(pyfeat, tmp_path: Path) -> Path:
    """A table of 36 pictures of 12 people; their action units tell the label, which a manifest says."""
    names = [f"p{i // 3}_{LABELS[i % 3]}.jpg" for i in range(36)]
    path = pyfeat(names, lost=(5,))
    frame = table(path)
    for i, unit in enumerate(PYFEAT_UNITS[:3]):
        frame[unit] += [3.0 * (number % 3 == i) for number in range(36)]
    frame.to_csv(path, index=False)
    said = pd.DataFrame({"path": names, "label": LABELS * 12, "subject": [f"s{i // 3}" for i in range(36)]})
    said["split"] = ["train" if i < 24 else "test" for i in range(36)]
    said.to_csv(tmp_path / "people.csv", index=False)
    return path


@pytest.fixture
def bank(run: Run, fex: Path, tmp_path: Path) -> Path:
    done = run("bank", "import", fex, "--labels", tmp_path / "people.csv", "-o", tmp_path / "fex.parquet")
    assert done.exit_code == 0, done.output
    assert done.stdout == "" and "35 faces, 1 pictures without a face, 4 blocks → " in done.stderr
    return tmp_path / "fex.parquet"


@pytest.fixture
def model(run: Run, bank: Path, tmp_path: Path) -> Path:
    done = run("svm-train", bank, "-f", "pyfeat_au", "-o", tmp_path / "fex.model")
    assert done.exit_code == 0, done.output
    return tmp_path / "fex.model"


def test_an_svm_learns_from_what_pyfeat_measured(run: Run, bank: Path, model: Path, tmp_path: Path) -> None:
    done = run("svm-train", bank, "--cv", 3, "-o", tmp_path / "all.model")
    assert done.exit_code == 0 and "of whole subjects" in done.stderr
    done = run("evaluate", model, bank, "--split", "test", "--format", "json", "--quiet")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["metrics"]["accuracy"]["value"] == 1.0 and found["protocol"]["data"]["dataset"] == "pyfeat"
    # Rows without a picture's content hash are not taken for one and the same picture.
    assert not any("byte for byte" in note for note in found["notes"])
    predicted = rows(run("svm-predict", model, bank).stdout)
    kept = [row for row in predicted if row["status"] == "ok"]
    assert len(predicted) == 36 and all(row["label"] == row["true_label"] for row in kept)
    assert [row["label"] for row in kept] == [label for i, label in enumerate(LABELS * 12) if i != 5]


def test_pictures_cannot_be_described_as_pyfeat_does(run: Run, model: Path, fex: Path, face_folder: Path) -> None:
    for inputs in (face_folder, fex):
        for command in ("svm-predict", "evaluate"):
            done = run(command, model, inputs)
            assert done.exit_code == 1
            assert "pyfeat_au, which Py-Feat makes and hybridfer does not" in done.stderr
            assert "bank import TABLE -o BANK" in done.stderr
    readme = (model / "README.md").read_text()
    assert "| `pyfeat_au` | 1 | 20 | Py-Feat |" in readme and "photos/" not in readme


def test_a_bank_of_another_tool_is_refused(run: Run, model: Path, openface, tmp_path: Path) -> None:
    assert run("bank", "import", openface(2), "-o", tmp_path / "of.parquet").exit_code == 0
    done = run("svm-predict", model, tmp_path / "of.parquet")
    assert done.exit_code == 1 and "trained on pyfeat_au" in done.stderr and "Import a table that has it" in done.stderr


def test_predictions_have_pyfeats_columns(run: Run, model: Path, bank: Path) -> None:
    done = run("svm-predict", model, bank, "--schema", "pyfeat")
    assert done.exit_code == 0 and done.stderr == "35 faces, 1 pictures without a face\n"
    found = rows(done.stdout)
    # Nothing was measured here but the emotions; what Py-Feat has no name for stands behind.
    assert list(found[0]) == ["frame", *PYFEAT_1[1:6], *EMOTIONS, "input", "label", "confidence", "true_label"]
    assert found[0]["label"] == "happiness" and float(found[0]["happiness"]) == float(found[0]["confidence"])
    assert found[0]["disgust"] == "" and found[5]["FaceRectX"] == "" == found[5]["label"]


def test_predictions_have_openfaces_columns_and_pyfeats_emotions_behind(run: Run, model: Path, bank: Path) -> None:
    found = rows(run("svm-predict", model, bank, "--schema", "openface").stdout)
    first = ["frame", "face_id", "timestamp", "confidence", "success", "input"]
    rectangle = PYFEAT_1[1:5]
    assert list(found[0]) == [*first, *rectangle, *EXPRESSIONS, "label", "label_confidence", "true_label"]
    assert [row["success"] for row in found[4:7]] == ["1", "0", "1"] and found[0]["frame"] == "1"
    assert float(found[0]["label_confidence"]) > 0.5


def test_predictions_that_are_read_back_are_no_truth(run: Run, model: Path, bank: Path, tmp_path: Path) -> None:
    for schema in ("openface", "pyfeat"):
        out = tmp_path / f"{schema}.csv"
        assert run("svm-predict", model, bank, "--schema", schema, "-o", out).exit_code == 0
        frame = pd.read_csv(out)
        frame.drop(columns="true_label").to_csv(out, index=False)
        done = run("extract", out, "-f", "phash", "--detector", "none")
        assert done.exit_code == 3, done.output
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(lines) == 36 and {line["label"] for line in lines} == {None}


def test_json_lines_and_parquet_have_the_schema_too(run: Run, model: Path, bank: Path, tmp_path: Path) -> None:
    lines = run("svm-predict", model, bank, "--schema", "pyfeat", "--format", "jsonl").stdout.splitlines()
    assert json.loads(lines[5])["label"] is None and list(json.loads(lines[0]))[:2] == ["frame", "FaceRectX"]
    out = tmp_path / "p.parquet"
    assert run("svm-predict", model, bank, "--schema", "pyfeat", "-o", out).exit_code == 0
    assert pq.read_table(out).column_names == list(json.loads(lines[0]))
    done = run("svm-predict", model, bank, "--schema", "pyfeat", "-o", out)
    assert done.exit_code == 1 and "--overwrite" in done.stderr


def test_labels_have_the_numbers_of_a_label_set(run: Run, model: Path, bank: Path) -> None:
    # RAF-DB: 1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, 6 anger, 7 neutral.
    found = rows(run("svm-predict", model, bank, "--label-set", "rafdb").stdout)
    assert list(found[0])[-5:] == ["label", "confidence", "true_label", "label_number", "true_label_number"]
    assert [(row["label_number"], row["true_label_number"]) for row in found[:6]] == [
        ("4", "4"), ("5", "5"), ("6", "6"), ("4", "4"), ("5", "5"), ("", "6"),
    ]  # fmt: skip
    found = rows(run("svm-predict", model, bank, "--label-set", "rafdb", "--schema", "openface").stdout)
    assert found[0]["label_number"] == "4" and "label_number" not in run("svm-predict", model, bank).stdout


def test_labels_that_a_set_lacks_have_no_number(run: Run, face_folder: Path, tmp_path: Path) -> None:
    options = ("--labels", "folder", "--detector", "none")
    run("extract", face_folder, "-f", "lbp", *options, "-o", tmp_path / "b.parquet")
    run("svm-train", tmp_path / "b.parquet", "-o", tmp_path / "m")
    found = rows(run("svm-predict", tmp_path / "m", tmp_path / "b.parquet", "--label-set", "ferplus").stdout)
    assert {row["label_number"] for row in found} == {""} and found[0]["label"]


@pytest.mark.parametrize("command", ["cat", "convert"])
def test_a_bank_is_written_as_the_table_it_was(run: Run, fex: Path, bank: Path, tmp_path: Path, command: str) -> None:
    out = tmp_path / "back.csv"
    done = run("bank", command, bank, "--schema", "pyfeat", "-o", out)
    assert done.exit_code == 0, done.output
    back, was = table(out), table(fex)
    known = ["label", "split", "subject"]
    assert list(back.columns) == [*was.columns, *known]
    pd.testing.assert_frame_equal(back.drop(columns=known), was, check_dtype=False, rtol=0, atol=0)
    # And it is a table that can be read once more.
    assert run("bank", "import", out, "-o", tmp_path / "again.parquet").exit_code == 0
    again, first = (FeatureBank.open(p) for p in (tmp_path / "again.parquet", bank))
    np.testing.assert_array_equal(again.X("pyfeat_au"), first.X("pyfeat_au"))
    assert again.y.tolist() == first.y.tolist()


def test_hybridfers_own_columns_are_the_default(run: Run, bank: Path) -> None:
    assert run("bank", "cat", bank).stdout == run("bank", "cat", bank, "--schema", "hybridfer").stdout
    header = run("bank", "convert", bank).stdout.splitlines()[0]
    assert header.startswith("input,frame,face_id") and "pyfeat_au[0]" in header
    line = json.loads(run("bank", "cat", bank, "--schema", "pyfeat", "--format", "jsonl").stdout.splitlines()[0])
    assert line["AU01"] == FeatureBank.open(bank).X("pyfeat_au")[0, 0]


def test_a_schema_is_of_tables_only(run: Run, bank: Path, tmp_path: Path) -> None:
    done = run("bank", "convert", bank, "--schema", "pyfeat", "-o", tmp_path / "a.npz")
    assert done.exit_code == 1 and "Use csv or jsonl" in done.stderr and not (tmp_path / "a.npz").exists()
    done = run("bank", "cat", bank, "--schema", "pyfaet")
    assert done.exit_code == 1 and done.stderr.count("\n") == 1 and "Did you mean 'pyfeat'" in done.stderr


def test_import_says_what_it_wants(run: Run, fex: Path, openface, tmp_path: Path) -> None:
    assert run("bank", "import", fex).exit_code == 2
    assert run("bank", "import", "-o", tmp_path / "x.parquet").exit_code == 2
    done = run(
        "bank", "import", openface(2), "--schema", f"openface:pictures={tmp_path / 'none'}", "-o", tmp_path / "x"
    )
    assert done.exit_code == 1 and "is no folder" in done.stderr
    assert run("bank", "import", fex, "-o", tmp_path / "x", "--quiet").output == ""
    done = run("bank", "import", fex, "-o", tmp_path / "x")
    assert done.exit_code == 1 and "--overwrite" in done.stderr
    assert run("bank", "import", fex, "-o", tmp_path / "x", "--overwrite").exit_code == 0
    assert "block     pyfeat_au  (20 float64, version 1; Py-Feat)" in run("bank", "info", tmp_path / "x").stdout


def test_a_model_knows_which_version_of_pyfeat_it_learnt_from(run: Run, model: Path, pyfeat, tmp_path: Path) -> None:
    path = pyfeat(["a.jpg"], [*PYFEAT_1[:-1], "valence", "arousal", "input"], name="2.csv")
    assert run("bank", "import", path, "-o", tmp_path / "2.parquet").exit_code == 0
    done = run("svm-predict", model, tmp_path / "2.parquet")
    assert done.exit_code == 1 and "pyfeat_au of version 1" in done.stderr
    assert load_model(model).blocks["pyfeat_au"]["columns"] == PYFEAT_UNITS
