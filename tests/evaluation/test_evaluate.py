"""``evaluate`` on banks and on pictures: which rows count, what is said of them, what is written."""

import csv
import json
import shutil

import numpy as np
import pytest

from hybridfer import FeatureBank, evaluate, extract
from hybridfer.bank.describe import describe_inputs
from hybridfer.errors import BankError, DatasetError, OutputError, TrainingError
from hybridfer.evaluation.evaluate import FILES, write_evaluation
from hybridfer.faces.find import Search


class Nearest:
    """Stands for a model: the class whose mean feature is nearest, as sure as it is nearer."""

    classes = ("face", "other")
    fingerprint = "sha256:toy"
    detector = "none"

    def __init__(self, bank, split="train"):
        fit = np.array([s == split or split is None for s in bank.column("split")])
        self.means = np.stack([bank.X("lbp")[fit & (bank.y == c)].mean(0) for c in self.classes])
        self.card = {"training": {"bank": bank.fingerprint, "split": split}}
        self.spec = bank.block("lbp")

    def answers(self, features):
        for vector in features:
            far = np.linalg.norm(self.means - vector, axis=1)
            sure = far[::-1] / far.sum()
            said = self.classes[int(sure.argmax())]
            yield {"p_face": sure[0], "p_other": sure[1], "label": said, "confidence": sure.max()}

    def rows(self, rows, features):
        answers = self.answers(features)
        for row in rows:
            row = {**row, "true_label": row["label"], "label": None}
            yield {**row, **next(answers)} if row["status"] == "ok" else row

    def bank_notes(self, bank):
        return ["the bank was made with another library"]

    def predict_bank(self, bank, split=None):
        return (row for row in self.rows(bank.rows(), bank.X("lbp")) if split in (None, row["split"]))

    def predict_inputs(self, manifest, *, detector=None, **options):
        for chunk in describe_inputs(manifest, [self.spec], Search(detector or self.detector), **options):
            yield from self.rows(chunk.rows, chunk.blocks[self.spec])


@pytest.fixture(scope="module")
def people(tmp_path_factory, lfw):
    """A manifest of 80 pictures with splits, subjects and ages; two of `val` cannot be read."""
    import cv2

    folder = tmp_path_factory.mktemp("people")
    rows = []
    for n, i in enumerate([*range(40), *range(100, 140)]):
        cv2.imwrite(str(folder / f"{i}.png"), lfw[0][i])
        split = ("train", "train", "Validation", "test")[n % 4]
        rows.append([f"{i}.png", lfw[1][i], split, f"s{n // 8}", 20 + n % 8 // 4])
    for name in ("102.png", "106.png"):
        (folder / name).write_bytes(b"no picture")
    with (folder / "people.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "split", "subject", "age"], *rows])
    return folder / "people.csv"


@pytest.fixture(scope="module")
def bank(people, tmp_path_factory):
    path = tmp_path_factory.mktemp("bank") / "people.parquet"
    return extract([people], ["lbp"], path, detector="none", cache=False, jobs=1)


@pytest.fixture(scope="module")
def model(bank):
    return Nearest(bank)


def test_a_bank_is_scored_on_the_split_asked_for(bank, model):
    found = evaluate(model, bank, split="val", resamples=100)
    rows = [row for row in model.predict_bank(bank) if row["split"] == "val"]
    assert found.n == len(rows) == 20
    right = sum(row["status"] == "ok" and row["label"] == row["true_label"] for row in rows)
    assert found.metrics["accuracy"]["value"] == right / 20
    assert found.protocol["split"] == "val"
    assert found.protocol["error"] == 2
    assert found.protocol["model"] == "sha256:toy"
    assert found.protocol["data"]["bank"] == bank.fingerprint
    assert "the bank was made with another library" in found.notes


def test_a_banks_path_and_an_alias_of_the_split_do_as_well(bank, model):
    expected = evaluate(model, bank, split="val", resamples=100).to_json()
    assert evaluate(model, bank.path, split="PublicTest", resamples=100).to_json() == expected
    assert evaluate(model, [str(bank.path)], split="validation", resamples=100).to_json() == expected


def test_pictures_score_as_their_bank_does(people, bank, model):
    from_bank = evaluate(model, bank, split="val", by="age", resamples=100)
    from_pictures = evaluate(model, people, split="val", by="age", resamples=100, cache=False, jobs=1)
    assert from_pictures.metrics == from_bank.metrics
    assert from_pictures.by == from_bank.by
    assert from_pictures.confusion == from_bank.confusion


def test_without_a_split_all_rows_count_and_training_rows_are_told(bank, model):
    found = evaluate(model, bank, resamples=100)
    assert found.n == 80
    assert any("trained on 40 of these rows" in note for note in found.notes)
    assert not any("byte for byte" in note for note in found.notes)


def test_the_training_split_is_told_and_another_is_not(bank, model):
    train = evaluate(model, bank, split="train", resamples=100)
    assert any("trained on 40 of these rows" in note for note in train.notes)
    assert not any("trained on" in note for note in evaluate(model, bank, split="test", resamples=100).notes)


def test_a_model_of_all_rows_was_trained_on_every_split(bank):
    # Two of the twenty cannot be read, and so were no help.
    found = evaluate(Nearest(bank, split=None), bank, split="val", resamples=100)
    assert any("trained on 18 of these rows" in note for note in found.notes)


def test_pictures_that_are_also_training_pictures_are_counted(tmp_path, people, lfw):
    shutil.copytree(people.parent, tmp_path / "copy")
    # 2.png is the first picture of val, 0.png of train.
    shutil.copy(tmp_path / "copy" / "0.png", tmp_path / "copy" / "2.png")
    twin = extract([tmp_path / "copy" / "people.csv"], ["lbp"], tmp_path / "b.parquet", detector="none", jobs=1)
    found = evaluate(Nearest(twin), twin, split="val", resamples=100)
    assert any(note.startswith("1 of these rows are pictures that, byte for byte") for note in found.notes)
    apart = found.by["training_copy"]
    assert {kind: part["n"] for kind, part in apart.items()} == {"identical": 1, "none": 19}
    assert "what the other 19 rows score stands by training_copy under none" in found.notes
    # Without its copy, the score is that of the other rows alone.
    rest = [row for row in Nearest(twin).predict_bank(twin, "val") if not row["input"].endswith("/2.png")]
    right = sum(row["label"] == row["true_label"] for row in rest)
    assert apart["none"]["metrics"]["accuracy"]["value"] == right / 19


def test_near_copies_of_training_pictures_count_when_a_check_found_them(tmp_path, bank):
    rows = {row["input"].rsplit("/", 1)[-1]: row for row in bank.rows()}
    pair = {"first": [{"sha256": rows["0.png"]["sha256"]}], "second": [{"sha256": rows["2.png"]["sha256"]}]}
    report = {
        "check": 1,
        "duplicates": [],
        "near_duplicates": [pair],
        "constant": [{"sha256": rows["6.png"]["sha256"]}],
    }
    (tmp_path / "check.json").write_text(json.dumps(report))
    assert rows["0.png"]["split"] == "train" and rows["2.png"]["split"] == rows["6.png"]["split"] == "val"
    found = evaluate(Nearest(bank), bank, split="val", resamples=100, check=tmp_path / "check.json")
    assert {kind: part["n"] for kind, part in found.by["training_copy"].items()} == {"near": 1, "none": 19}
    assert "1 more are near copies of training pictures" in found.notes
    assert "1 of these rows are pictures of one colour" in found.notes
    assert not evaluate(Nearest(bank), bank, split="val", resamples=100).by


def test_a_model_of_another_bank_cannot_have_its_copies_counted_and_that_is_said(bank):
    stranger = Nearest(bank)
    stranger.card["training"]["bank"] = "sha256:another"
    notes = evaluate(stranger, bank, split="val", resamples=100).notes
    assert any("not trained on this bank, so copies" in note for note in notes)


def test_a_detector_that_finds_nothing_makes_wrong_answers(people, model):
    found = evaluate(model, people, split="test", detector="haar", resamples=100, cache=False, jobs=1)
    assert found.protocol["data"]["detector"] == "haar"
    assert found.protocol["no_face"] == 20
    assert found.metrics["accuracy"]["value"] == 0
    assert np.isnan(found.metrics["macro_auc"]["value"])


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"missing": "skip"}, "n"),
        ({"seed": 1}, "metrics"),
        ({"resamples": 200}, "metrics"),
        ({"split": "test"}, "metrics"),
        ({"by": ["subject"]}, "by"),
    ],
)
def test_every_option_changes_something(bank, model, change, part):
    plain = {"split": "val", "resamples": 100}
    assert getattr(evaluate(model, bank, **plain), part) != getattr(evaluate(model, bank, **plain | change), part)


def test_a_folder_takes_numbers_and_charts(bank, model, tmp_path):
    found = evaluate(model, bank, split="val", resamples=100)
    written = write_evaluation(found, tmp_path / "scores")
    assert sorted(p.name for p in (tmp_path / "scores").iterdir()) == sorted(FILES)
    assert [p.name for p in written] == list(FILES)
    assert (tmp_path / "scores" / "evaluation.json").read_text() == found.to_json()
    assert (tmp_path / "scores" / "roc.png").read_bytes().startswith(b"\x89PNG")


def test_a_json_file_takes_the_numbers_only(bank, model, tmp_path):
    found = evaluate(model, bank, split="val", resamples=100)
    assert write_evaluation(found, tmp_path / "scores.json") == [tmp_path / "scores.json"]
    assert json.loads((tmp_path / "scores.json").read_text())["n"] == 20


def test_what_exists_is_replaced_only_when_told_so(bank, model, tmp_path):
    found = evaluate(model, bank, split="val", resamples=100)
    write_evaluation(found, tmp_path / "scores")
    (tmp_path / "scores" / "roc.png").write_bytes(b"old")
    with pytest.raises(OutputError, match="exists; add --overwrite"):
        write_evaluation(found, tmp_path / "scores")
    write_evaluation(found, tmp_path / "scores", overwrite=True)
    assert (tmp_path / "scores" / "roc.png").read_bytes() != b"old"


def test_a_folder_of_other_things_is_never_replaced(bank, model, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"holds other things than evaluation.json, .* \(thesis.tex\)"):
        write_evaluation(evaluate(model, bank, split="val", resamples=100), tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_table_is_no_evaluation(bank, model, tmp_path):
    with pytest.raises(OutputError, match=r"scores.csv is neither"):
        write_evaluation(evaluate(model, bank, split="val", resamples=100), tmp_path / "scores.csv")


@pytest.mark.parametrize(
    ("data", "options", "error", "message"),
    [
        ("bank", {"split": "vall"}, DatasetError, "No split named 'vall'. Did you mean 'val'?"),
        ("bank", {"by": "colour"}, TrainingError, "No column 'colour'. "),
        ("bank", {"missing": "ignore"}, TrainingError, "No rule 'ignore'"),
        (
            "folder",
            {"split": "val"},
            TrainingError,
            "No row of the input is of the split 'val'; its rows have no splits",
        ),
        ("folder", {"labels": "none"}, TrainingError, "None of the 40 rows has a true label"),
        ("cut", {}, BankError, ""),
    ],
)
def test_what_cannot_be_scored_says_so(bank, model, face_folder, tmp_path, data, options, error, message):
    cut = tmp_path / "cut.parquet"
    whole = bank.path.read_bytes()
    cut.write_bytes(whole[:8000] + bytes(64) + whole[8064:])
    given = {"bank": bank, "folder": face_folder, "cut": cut}[data]
    if data == "folder":
        options = {**options, "cache": False, "jobs": 1}
    with pytest.raises(error) as raised:
        evaluate(model, given, resamples=100, **options)
    assert str(raised.value).startswith(message)


def test_a_split_a_bank_lacks_names_those_it_has(people, model, tmp_path):
    lines = [line for line in people.read_text().splitlines() if ",test," not in line]
    copy = people.with_name("without_test.csv")
    copy.write_text("\n".join(lines))
    small = extract([copy], ["lbp"], tmp_path / "b.parquet", detector="none", cache=False, jobs=1)
    with pytest.raises(TrainingError, match=r"is of the split 'test'; there are train \(40 rows\), val \(20 rows\)\."):
        evaluate(model, small, split="test")


def test_two_banks_at_once_are_refused(bank, model):
    with pytest.raises(TrainingError, match="One feature bank is scored at a time"):
        evaluate(model, [bank.path, bank.path])


def test_an_open_bank_does_as_well_as_its_path(bank, model):
    opened = FeatureBank.open(bank.path)
    assert evaluate(model, opened, resamples=100).metrics == evaluate(model, bank.path, resamples=100).metrics
