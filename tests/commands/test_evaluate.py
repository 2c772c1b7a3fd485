"""``hybridfer evaluate`` from the shell: what is printed, what is written, how it ends."""

import csv
import json

import cv2
import pytest


@pytest.fixture(scope="module")
def people(tmp_path_factory, lfw):
    """A manifest of 80 pictures, 40 of `train` and 40 of `val`, with a column gender."""
    folder = tmp_path_factory.mktemp("people")
    rows = []
    for n, i in enumerate([*range(40), *range(100, 140)]):
        cv2.imwrite(str(folder / f"{i}.png"), lfw[0][i])
        rows.append([f"{i}.png", lfw[1][i], ("train", "val")[n % 2], "fm"[n // 2 % 2]])
    with (folder / "people.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "split", "gender"], *rows])
    return folder / "people.csv"


@pytest.fixture(scope="module")
def bank(people, tmp_path_factory):
    from hybridfer import extract

    path = tmp_path_factory.mktemp("bank") / "people.parquet"
    extract([people], ["hog"], path, detector="none", cache=False, jobs=1)
    return path


@pytest.fixture(scope="module")
def model(bank, tmp_path_factory):
    from hybridfer import train_svm

    path = tmp_path_factory.mktemp("model") / "people.model"
    train_svm(bank, output=path)
    return path


def test_scores_go_to_stdout_and_talk_to_stderr(run, model, bank, tmp_path):
    done = run("evaluate", model, bank, "--split", "val", "--resamples", 100, "-o", tmp_path / "scores")
    assert done.exit_code == 0
    assert done.stdout.startswith("40 rows of val, 2 classes; 95% intervals from 100 resamples of rows, seed 0\n")
    assert "\naccuracy  " in done.stdout
    assert "evaluation.json" in done.stderr
    assert sorted(path.name for path in (tmp_path / "scores").iterdir()) == [
        "confusion.png",
        "evaluation.json",
        "reliability.png",
        "roc.png",
    ]


def test_json_on_stdout_is_what_a_file_takes(run, model, bank, tmp_path):
    options = ("--split", "val", "--resamples", 100, "--by", "gender", "--by", "split")
    done = run("evaluate", model, bank, *options, "--format", "json", "-o", tmp_path / "scores.json", "--quiet")
    assert done.exit_code == 0
    assert done.stderr == ""
    read = json.loads(done.stdout)
    assert read == json.loads((tmp_path / "scores.json").read_text())
    assert read["n"] == 40
    assert list(read["by"]) == ["gender", "split"]
    assert {value: part["n"] for value, part in read["by"]["gender"].items()} == {"f": 20, "m": 20}


def test_better_than_chance_on_rows_it_has_not_seen(run, model, bank):
    read = json.loads(run("evaluate", model, bank, "--split", "val", "--format", "json").stdout)
    assert read["metrics"]["accuracy"]["low"] > 0.5
    assert not any("trained on" in note for note in read["notes"])


def test_training_rows_are_told(run, model, bank):
    assert "note: the model was trained on 40 of these rows" in run("evaluate", model, bank, "--resamples", 100).stdout


def test_pictures_score_as_their_bank_does(run, model, bank, people):
    options = ("--split", "val", "--resamples", 100, "--format", "json")
    pictures = json.loads(run("evaluate", model, people, *options, "--detector", "none", "--jobs", 1).stdout)
    from_bank = json.loads(run("evaluate", model, bank, *options).stdout)
    assert pictures["confusion"] == from_bank["confusion"]
    for name, score in from_bank["metrics"].items():
        assert pictures["metrics"][name] == pytest.approx(score)


def test_a_picture_that_cannot_be_read_is_a_wrong_answer_and_exit_3(run, model, people, tmp_path):
    lines = people.read_text().splitlines()
    (people.parent / "cut.png").write_bytes(b"no picture")
    broken = people.with_name("broken.csv")
    broken.write_text("\n".join([*lines, "cut.png,face,val,f"]))
    options = ("--split", "val", "--resamples", 100, "--detector", "none", "--format", "json")
    counted = run("evaluate", model, broken, *options)
    skipped = run("evaluate", model, broken, *options, "--missing", "skip")
    assert (counted.exit_code, skipped.exit_code) == (3, 3)
    assert json.loads(counted.stdout)["n"] == 41
    assert json.loads(skipped.stdout)["n"] == 40
    strict = run("evaluate", model, broken, *options, "--strict")
    assert strict.exit_code == 1
    assert "cut.png" in strict.stderr


def test_an_output_that_exists_is_told_before_any_work(run, tmp_path):
    (tmp_path / "scores.json").write_text("{}")
    done = run("evaluate", "no.model", "no.parquet", "-o", tmp_path / "scores.json")
    assert done.exit_code == 1
    assert (
        done.stderr
        == f"hybridfer: {tmp_path}/scores.json exists; add --overwrite to replace it, or choose another name.\n"
    )


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--split", "vall"], 1, "hybridfer: No split named 'vall'. Did you mean 'val'?"),
        (["--by", "gendr"], 1, "hybridfer: No column 'gendr'. Did you mean 'gender'?"),
        (["--resamples", "5"], 2, "5 is not in the range x>=100"),
        (["--missing", "drop"], 2, "'drop' is not one of 'error', 'skip'"),
    ],
)
def test_what_cannot_be_scored_is_one_line(run, model, bank, options, code, message):
    done = run("evaluate", model, bank, *options)
    assert done.exit_code == code
    assert message in done.stderr
    assert done.stdout == ""


def test_a_model_that_is_not_there_is_named(run, bank, tmp_path):
    done = run("evaluate", tmp_path / "no.model", bank)
    assert done.exit_code == 1
    assert "no.model" in done.stderr


@pytest.fixture
def marked(tmp_path, astronaut):
    """A manifest of three pictures: an astronaut whose face is marked, nobody, and one that cannot be read."""
    cv2.imwrite(str(tmp_path / "astronaut.png"), astronaut[:, :, ::-1])
    cv2.imwrite(str(tmp_path / "nobody.png"), astronaut[300:, :200])
    rows = ["path,FaceRectX,FaceRectY,FaceRectWidth,FaceRectHeight,split"]
    rows += ["astronaut.png,173,66,100,100,test", "nobody.png,,,,,test", "gone.png,10,10,50,50,train"]
    (tmp_path / "faces.csv").write_text("\n".join(rows))
    return tmp_path / "faces.csv"


def test_a_detector_is_scored_on_marked_faces(run, marked, tmp_path):
    done = run("evaluate", "haar", marked, "--split", "test", "--resamples", 100, "-o", tmp_path / "scores")
    assert done.exit_code == 0
    assert done.stdout.startswith("haar: 2 pictures of test, 1 faces; smallest face 30, its own threshold, overlap 0.5")
    assert "\nrecall                                    1.000 " in done.stdout
    assert sorted(path.name for path in (tmp_path / "scores").iterdir()) == ["detection.png", "evaluation.json"]
    again = run("evaluate", "haar", marked, "-o", tmp_path / "scores")
    assert (again.exit_code, again.stdout) == (1, "")
    assert "add --overwrite" in again.stderr


def test_options_of_detectors_reach_them(run, marked):
    options = ("--min-face", 200, "--threshold", 1.5, "--iou", 0.4, "--format", "json", "--resamples", 100)
    read = json.loads(run("evaluate", "haar", marked, *options, "--missing", "skip").stdout)
    assert [read["protocol"][name] for name in ("min_face", "threshold", "iou")] == [200, 1.5, 0.4]
    assert read["counts"] == {"matched": 0, "missed": 1, "false": 0, "landmarks": 0}


def test_an_unreadable_picture_of_a_detectors_is_exit_3_or_stops(run, marked):
    done = run("evaluate", "haar", marked, "--resamples", 100)
    assert done.exit_code == 3
    assert "note: 1 pictures that could not be read count, with all their faces missed" in done.stdout
    strict = run("evaluate", "haar", marked, "--strict")
    assert (strict.exit_code, strict.stdout) == (1, "")
    assert "gone.png: There is no such file" in strict.stderr


@pytest.mark.parametrize("option", [("--by", "age"), ("--detector", "haar"), ("--labels", "none"), ("--no-cache",)])
def test_what_says_nothing_to_a_detector_is_a_usage_error(run, marked, option):
    done = run("evaluate", "haar", marked, *option)
    assert done.exit_code == 2
    assert "says nothing to a detector; leave it out" in done.stderr


def test_the_overlap_says_nothing_to_a_model(run, model, bank):
    done = run("evaluate", model, bank, "--iou", 0.4)
    assert done.exit_code == 2
    assert "--iou says nothing to a model; leave it out" in done.stderr
