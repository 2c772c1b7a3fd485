"""``svm-train`` and ``svm-predict`` as a shell sees them."""

from __future__ import annotations

import csv
import io
import json

import pyarrow.parquet as pq
import pytest

from hybridfer import FeatureBank, load_model
from hybridfer.labels import EXPRESSIONS
from hybridfer.types import ROW_COLUMNS


@pytest.fixture
def bank(run, face_folder, tmp_path):
    path = tmp_path / "faces.parquet"
    done = run("extract", face_folder, "-f", "lbp", "-f", "hog", "--labels", "folder", "--detector", "none", "-o", path)
    assert done.exit_code == 0, done.output
    return path


@pytest.fixture
def model(run, bank, tmp_path):
    path = tmp_path / "faces.model"
    assert run("svm-train", bank, "-o", path).exit_code == 0
    return path


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_training_says_what_it_did_and_saves_it(run, bank, tmp_path):
    done = run("svm-train", bank, "-o", tmp_path / "m", "--cv", 4, "-f", "lbp")
    assert done.exit_code == 0
    assert done.stdout == ""
    for part in ("trained on 40 faces", "face 20, other 20", "4 folds of pictures", "accuracy:", f"→ {tmp_path / 'm'}"):
        assert part in done.stderr
    card = load_model(tmp_path / "m").card
    assert [block["name"] for block in card["blocks"].values()] == ["lbp"]
    assert card["cv"]["folds"] == 4


def test_every_option_reaches_the_model(run, bank, tmp_path):
    done = run(
        *("svm-train", bank, "-o", tmp_path / "m", "--kernel", "rbf", "--C", 3, "--gamma", 0.5, "--components", 7),
        *("--class-weight", "balanced", "--seed", 4, "--jobs", 1, "--quiet"),
    )
    assert (done.exit_code, done.output) == (0, "")
    assert load_model(tmp_path / "m").card["settings"] == {
        "kernel": "rbf",
        "C": 3.0,
        "gamma": 0.5,
        "components": 7,
        "class_weight": "balanced",
        "seed": 4,
        "encoder": None,
        "classifier": None,
    }


def test_local_descriptors_are_encoded_and_judged_near_by(run, face_folder, tmp_path):
    bank, model = tmp_path / "local.parquet", tmp_path / "m"
    made = ("-f", "siftlocal:size=24,cells=3,step=4", "--labels", "folder", "--detector", "none", "-o", bank)
    assert run("extract", face_folder, *made).exit_code == 0
    encoder = ("--encoder", "fisher:components=8,gaussians=4,sample=1000")
    done = run("svm-train", bank, "-o", model, *encoder, "--classifier", "local:k=15")
    assert done.exit_code == 0, done.output
    assert "classifier local:half=true,k=15,loss=squared, C 1, on siftlocal:cells=3,size=24,step=4" in done.stderr
    assert "encoded by fisher:components=8,gaussians=4," in done.stderr
    found = rows(run("svm-predict", model, face_folder, "--labels", "folder").stdout)
    assert sum(row["label"] == row["true_label"] for row in found) > 30
    for one, other in zip(found, rows(run("svm-predict", model, bank).stdout), strict=True):
        assert float(one["p_face"]) == pytest.approx(float(other["p_face"]), abs=1e-5)
    done = run("svm-train", bank, "-o", tmp_path / "n")
    assert done.exit_code == 1 and "an SVM cannot compare; add --encoder" in done.stderr
    done = run("svm-train", bank, "-o", tmp_path / "n", "--encoder", "fisher:gausians=4")
    assert done.exit_code == 1 and "Did you mean 'gaussians'" in done.stderr


def test_a_search_is_recorded(run, bank, tmp_path):
    assert run("svm-train", bank, "-o", tmp_path / "m", "--search").exit_code == 0
    assert len(load_model(tmp_path / "m").card["search"]["tried"]) == 5


def test_an_error_is_one_line_and_exit_one(run, bank, model, tmp_path):
    done = run("svm-train", bank, "-o", model)
    assert done.exit_code == 1
    assert done.stderr == f"hybridfer: {model} exists; add --overwrite to replace it, or choose another name.\n"
    assert run("svm-train", bank, "-o", model, "--overwrite").exit_code == 0
    done = run("svm-train", bank, "-o", tmp_path / "m", "--cv", "loso")
    assert done.exit_code == 1 and "no row has a subject" in done.stderr
    assert not (tmp_path / "m").exists()
    assert run("svm-train", tmp_path / "no.parquet", "-o", tmp_path / "m").exit_code == 1


def test_usage_is_exit_two(run, bank):
    assert run("svm-train", bank).exit_code == 2
    assert run("svm-train", bank, "-o", "x", "--kernel", "cubic").exit_code == 2
    assert run("svm-predict", "x").exit_code == 2


def test_a_bank_is_predicted_as_csv_on_stdout(run, bank, model):
    done = run("svm-predict", model, bank)
    assert done.exit_code == 0
    found = rows(done.stdout)
    assert list(found[0]) == [*ROW_COLUMNS, "p_face", "p_other", "label", "confidence", "true_label"]
    assert len(found) == 40
    assert sum(row["label"] == row["true_label"] for row in found) > 36
    assert done.stderr == "40 faces\n"


def test_pictures_and_their_bank_get_the_same_predictions(run, bank, model, face_folder):
    options = ("--labels", "folder", "--no-cache")
    for one, other in zip(
        rows(run("svm-predict", model, face_folder, *options).stdout),
        rows(run("svm-predict", model, bank).stdout),
        strict=True,
    ):
        assert (one["input"], one["label"]) == (other["input"], other["label"])
        assert float(one["p_face"]) == pytest.approx(float(other["p_face"]), abs=1e-6)


def test_json_lines_and_files(run, bank, model, tmp_path):
    done = run("svm-predict", model, bank, "-o", tmp_path / "out.jsonl")
    assert done.exit_code == 0 and done.stdout == ""
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(lines) == 40 and lines[0]["p_face"] + lines[0]["p_other"] == pytest.approx(1)
    assert run("svm-predict", model, bank, "-o", tmp_path / "out.parquet", "--provenance").exit_code == 0
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column("label").to_pylist() == [line["label"] for line in lines] and b"model" in table.schema.metadata
    assert run("svm-predict", model, bank, "-o", tmp_path / "out.jsonl").exit_code == 1
    assert run("svm-predict", model, bank, "-o", tmp_path / "out.jsonl", "--overwrite").exit_code == 0
    assert run("svm-predict", model, bank, "--format", "jsonl").stdout == (tmp_path / "out.jsonl").read_text()


def test_provenance_is_there_when_asked_for(run, bank, model, tmp_path):
    fingerprint = load_model(model).fingerprint
    text = run("svm-predict", model, bank, "--provenance").stdout
    assert text.startswith(f"# model {fingerprint}")
    assert rows(text.split("\n", 1)[1])
    first = run("svm-predict", model, bank, "--provenance", "--format", "jsonl").stdout.splitlines()[0]
    for form in ("csv", "jsonl"):
        run("svm-predict", model, bank, "--provenance", "-o", tmp_path / f"p.{form}")
        again = run("extract", tmp_path / f"p.{form}", "-f", "phash", "--detector", "none")
        assert again.exit_code == 0 and len(again.stdout.splitlines()) == len(FeatureBank.open(bank))
    assert json.loads(first)["model"] == fingerprint
    assert fingerprint not in run("svm-predict", model, bank).stdout


def test_paths_come_from_standard_input(run, model, face_folder):
    paths = sorted(map(str, face_folder.rglob("*.png")))[:3]
    found = rows(run("svm-predict", model, "-", stdin="\n".join(paths)).stdout)
    assert [row["input"] for row in found] == paths
    found = rows(run("svm-predict", model, "-", "-0", stdin="\0".join(paths)).stdout)
    assert [row["input"] for row in found] == paths


def test_a_picture_that_cannot_be_read_is_a_row_and_exit_three(run, model, face_folder):
    (face_folder / "face" / "broken.png").write_bytes(b"no picture")
    done = run("svm-predict", model, face_folder)
    assert done.exit_code == 3
    broken = [row for row in rows(done.stdout) if row["status"] == "error"]
    assert len(broken) == 1 and broken[0]["label"] == "" and "not a picture" in broken[0]["error"]
    assert "1 pictures that cannot be read" in done.stderr
    done = run("svm-predict", model, face_folder, "--strict")
    assert done.exit_code == 1


def test_pictures_without_a_face_are_rows_with_a_hint(run, model, face_folder):
    done = run("svm-predict", model, face_folder / "other", "--detector", "haar")
    assert done.exit_code == 0
    assert {row["status"] for row in rows(done.stdout)} >= {"no_face"}
    assert "use --detector none" in done.stderr


def test_a_label_the_model_does_not_know_is_kept_and_said(run, model, face_folder):
    (face_folder / "other").rename(face_folder / "clown")
    done = run("svm-predict", model, face_folder, "--labels", "folder")
    assert {row["true_label"] for row in rows(done.stdout)} == {"face", "clown"}
    assert "does not know the labels 'clown' (20 rows); it knows face, other" in done.stderr


def test_the_users_columns_travel_and_never_hide_a_prediction(run, model, face_folder, tmp_path):
    table = tmp_path / "people.csv"
    table.write_text(f"path,age,confidence_of_rater,p_face\n{face_folder / 'face' / '3.png'},31,0.5,oh\n")
    (row,) = rows(run("svm-predict", model, table).stdout)
    assert row["age"] == "31" and row["confidence_of_rater"] == "0.5"
    assert float(row["p_face"]) > 0.5


def test_expression_models_always_have_the_seven_columns(run, face_folder, tmp_path):
    (face_folder / "face").rename(face_folder / "happy")
    (face_folder / "other").rename(face_folder / "angry")
    bank, model = tmp_path / "b.parquet", tmp_path / "m"
    run("extract", face_folder, "-f", "hog", "--labels", "folder", "--detector", "none", "-o", bank)
    run("svm-train", bank, "-o", model)
    found = rows(run("svm-predict", model, bank).stdout)
    columns = list(found[0])
    assert columns[len(ROW_COLUMNS) :] == [*EXPRESSIONS, "label", "confidence", "true_label"]
    assert found[0]["sadness"] == "" and found[0]["happiness"] != ""


def test_a_bank_goes_alone(run, bank, model, face_folder):
    done = run("svm-predict", model, bank, face_folder)
    assert done.exit_code == 1 and "give it alone" in done.stderr


def test_a_model_of_other_specs_refuses(run, face_folder, model, tmp_path):
    run("extract", face_folder, "-f", "lbp:grid=5", "-f", "hog", "--detector", "none", "-o", tmp_path / "b.parquet")
    done = run("svm-predict", model, tmp_path / "b.parquet")
    assert done.exit_code == 1
    assert "trained on lbp:grid=7" in done.stderr and "It has lbp:grid=5" in done.stderr


def test_help_imports_no_scikit_learn(tmp_path):
    import subprocess
    import sys

    code = (
        "import sys\nfrom hybridfer.cli import main\n"
        "try: main(['svm-train', '--help'])\nexcept SystemExit: pass\n"
        "sys.exit(any(name in sys.modules for name in ('sklearn', 'torch', 'cv2', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
