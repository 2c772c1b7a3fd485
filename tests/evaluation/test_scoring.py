"""Rows of predictions become an evaluation: what counts, what is left out, and what is said about it."""

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from hybridfer.errors import TrainingError
from hybridfer.evaluation.result import NAMES
from hybridfer.evaluation.scoring import score_rows

CLASSES = ["fear", "happiness", "neutral"]


def row(truth, said=None, status="ok", sure=0.8, **more):
    if status != "ok":
        return {"status": status, "true_label": truth, **more}
    rest = (1 - sure) / (len(CLASSES) - 1)
    chances = {label: sure if label == said else rest for label in CLASSES}
    return {"status": "ok", "true_label": truth, "label": said, "confidence": sure, **chances, **more}


TEN = [
    *[row("fear", "fear"), row("fear", "fear"), row("fear", "neutral"), row("fear", status="no_face")],
    *[row("happiness", "happiness", sure=0.9)] * 3,
    *[row("neutral", "neutral"), row("neutral", "fear", sure=0.6), row("neutral", status="error")],
]


def many(n=300, seed=0, **columns):
    random = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        truth = CLASSES[random.integers(3)]
        chances = random.dirichlet([1, 1, 1]) + 0.6 * np.eye(3)[CLASSES.index(truth)]
        chances /= chances.sum()
        more = {name: make(i) for name, make in columns.items()}
        said = CLASSES[chances.argmax()]
        rows.append(
            {"status": "ok", "true_label": truth, "label": said, **dict(zip(CLASSES, chances, strict=True)), **more}
        )
    return rows


def score(rows, **options):
    return score_rows(rows, CLASSES, **{"resamples": 100, **options})


def test_a_picture_without_a_prediction_is_a_wrong_answer_in_a_column_of_its_own():
    found = score(TEN)
    assert found.n == 10
    assert found.metrics["accuracy"]["value"] == pytest.approx(6 / 10)
    assert found.confusion["columns"] == [*CLASSES, "no face", "error"]
    assert found.confusion["counts"] == [[2, 0, 1, 1, 0], [0, 3, 0, 0, 0], [1, 0, 1, 0, 1]]
    assert found.per_class["fear"]["recall"]["value"] == pytest.approx(2 / 4)
    assert found.per_class["fear"]["precision"]["value"] == pytest.approx(2 / 3)
    assert found.protocol["no_face"] == found.protocol["error"] == 1
    assert any("1 without a face, 1 that could not be read" in note for note in found.notes)


def test_such_pictures_are_left_out_when_told_so_and_still_counted_aloud():
    found = score(TEN, missing="skip")
    assert found.n == 8
    assert found.metrics["accuracy"]["value"] == pytest.approx(6 / 8)
    assert found.confusion["columns"] == CLASSES
    assert found.protocol["no_face"] == 1
    assert any("are left out" in note for note in found.notes)


def test_scores_equal_scikit_learns_and_lie_in_their_intervals():
    rows = many()
    found = score(rows, resamples=300)
    truth = [r["true_label"] for r in rows]
    said = [r["label"] for r in rows]
    chances = np.array([[r[label] for label in CLASSES] for r in rows])
    expected = {
        "accuracy": sk.accuracy_score(truth, said),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, said),
        "macro_f1": sk.f1_score(truth, said, average="macro"),
        "macro_auc": sk.roc_auc_score(truth, chances, multi_class="ovr", labels=CLASSES),
    }
    for name, value in expected.items():
        assert found.metrics[name]["value"] == pytest.approx(value)
    for name in NAMES:
        assert found.metrics[name]["low"] < found.metrics[name]["value"] < found.metrics[name]["high"]
    for label in CLASSES:
        assert found.roc[label]["auc"] == found.per_class[label]["auc"]["value"]
    assert sum(part["n"] for part in found.calibration) == len(rows)


def test_rows_without_a_true_label_are_left_out_and_counted():
    found = score([*TEN, row(None, "fear"), row(None, status="no_face")])
    assert found.n == 10
    assert found.protocol["unlabelled"] == 2
    assert found.protocol["no_face"] == 1
    assert any("2 rows without a true label" in note for note in found.notes)


def test_a_label_the_model_does_not_know_is_wrong_and_named():
    found = score([*TEN, row("contempt", "fear")])
    assert found.metrics["accuracy"]["value"] == pytest.approx(6 / 11)
    assert found.confusion["rows"] == [*CLASSES, "contempt"]
    assert found.per_class["contempt"]["recall"]["value"] == 0
    assert any("'contempt'; its 1 rows count as wrong" in note for note in found.notes)


def test_a_class_the_truth_lacks_is_said_and_left_out_of_the_balance():
    found = score([r for r in TEN if r["true_label"] != "happiness"])
    assert found.metrics["balanced_accuracy"]["value"] == pytest.approx((2 / 4 + 1 / 3) / 2)
    assert any("no row is truly happiness" in note for note in found.notes)


def test_known_subjects_are_drawn_instead_of_rows():
    rows = many(subject=lambda i: f"s{i // 30}")
    by_subject, by_row = score(rows), score(many())
    assert by_subject.protocol["resampled"] == "subjects"
    assert by_row.protocol["resampled"] == "rows"
    assert by_subject.metrics["accuracy"]["value"] == by_row.metrics["accuracy"]["value"]
    assert by_subject.metrics["accuracy"]["low"] != by_row.metrics["accuracy"]["low"]
    assert any("draw the 10 subjects" in note for note in by_subject.notes)


def test_by_scores_each_value_as_if_it_were_alone():
    rows = many(gender=lambda i: ["f", "m", None][i % 3])
    found = score(rows, by="gender").by["gender"]
    assert list(found) == ["f", "m", "(none)"]
    for value, wanted in (("f", "f"), ("m", "m"), ("(none)", None)):
        alone = score([r for r in rows if r["gender"] == wanted])
        assert found[value]["n"] == alone.n
        assert found[value]["metrics"] == alone.metrics


def test_by_takes_pictures_without_a_face_along():
    rows = [*many(20, camera=lambda i: "a"), *[row("fear", status="no_face", camera="b")] * 3]
    found = score(rows, by="camera").by["camera"]
    assert found["b"]["metrics"]["accuracy"]["value"] == 0
    assert np.isnan(found["b"]["metrics"]["macro_auc"]["value"])


def test_by_takes_several_columns_and_sorts_few_numbers_as_numbers():
    found = score(many(age=lambda i: [9, 10, 30][i % 3], gender=lambda i: "fm"[i % 2]), by=["age", "gender"])
    assert {column: list(values) for column, values in found.by.items()} == {
        "age": ["9", "10", "30"],
        "gender": ["f", "m"],
    }


def test_by_cuts_many_numbers_at_their_quartiles():
    found = score(many(200, age=lambda i: i % 40 + 1), by="age")
    assert {value: part["n"] for value, part in found.by["age"].items()} == {
        "1 to 10": 50,
        "over 10 to 20": 50,
        "over 20 to 30": 50,
        "over 30 to 40": 50,
    }
    assert "age has 40 different numbers; they are cut at its quartiles" in found.notes


def test_by_subject_draws_that_subjects_rows():
    found = score(many(subject=lambda i: f"s{i % 4}"), by="subject").by["subject"]
    assert {part["resampled"] for part in found.values()} == {"rows"}
    assert all(part["metrics"]["accuracy"]["low"] < part["metrics"]["accuracy"]["high"] for part in found.values())


def test_all_right_says_that_its_interval_is_a_point_and_how_far_it_may_err():
    found = score([row(label, label) for label in CLASSES] * 20)
    assert found.metrics["accuracy"] == {"value": 1, "low": 1, "high": 1}
    assert any("may be up to 0.05 away" in note for note in found.notes)


def test_all_right_of_few_people_may_err_as_far_as_few_people_allow():
    # 3 / 10 people, however many pictures there are of each.
    found = score([row("fear", "fear", subject=f"s{i % 10}") for i in range(60)])
    assert any("may be up to 0.3 away" in note for note in found.notes)


def test_models_of_other_classes_have_p_columns():
    rows = [
        {"status": "ok", "true_label": label, "label": label, "p_face": label == "face", "p_none": label != "face"}
        for label in ("face", "none")
    ]
    assert score_rows(rows, ["face", "none"], resamples=100).metrics["macro_auc"]["value"] == 1


def test_a_model_whose_label_is_not_its_likeliest_class_is_calibrated_by_its_label():
    rows = [{"status": "ok", "true_label": "fear", "label": "fear", "fear": 0.4, "happiness": 0.6, "neutral": 0.0}]
    rows.append(row("happiness", "happiness", sure=0.4))
    assert score(rows).metrics["ece"]["value"] == pytest.approx(0.6)


def test_the_calibration_error_of_a_calibrated_model_lies_in_the_middle_of_its_interval():
    random = np.random.default_rng(3)
    rows = []
    for sure in random.uniform(0.4, 1, 1000):
        others = ["happiness", "neutral"]
        rows.append(row("fear" if random.random() < sure else others[random.integers(2)], "fear", sure=sure))
    error = score(rows, resamples=500).metrics["ece"]
    # Percentiles of plain resamples lie higher: doubled rows look like miscalibration.
    assert (error["low"] + error["high"]) / 2 == pytest.approx(error["value"], abs=0.004)


def test_json_holds_every_part_and_null_for_what_does_not_exist():
    found = score([*TEN, row("contempt", "fear")], by="status")
    read = json.loads(found.to_json())
    assert set(read) == set(vars(found))
    assert read["per_class"]["contempt"]["auc"] == {"value": None, "low": None, "high": None}
    assert read["confusion"] == found.confusion
    assert read["metrics"] == found.metrics


def test_the_summary_shows_scores_matrix_groups_and_notes():
    text = score(TEN, by="status", notes=["of split val"]).summary()
    assert "accuracy                          0.600 [" in text
    assert "fear                 2          0        1        1      0" in text
    assert "no_face" in text
    assert "note: of split val" in text


def test_the_same_rows_give_the_same_text_and_another_seed_another():
    assert score(TEN).to_json() == score(TEN).to_json()
    assert score(TEN).metrics != score(TEN, seed=1).metrics


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([row(None, "fear")], {}, "None of the 1 rows has a true label"),
        ([row("joy", "fear")], {}, "None of the true labels (joy) is a class of the model (fear, happiness, neutral)"),
        ([row("fear", status="no_face")], {"missing": "skip"}, "None of the 1 labelled pictures has a face"),
        (TEN, {"missing": "drop"}, "No rule 'drop'"),
        ([row("fear", "fear", gender="f")], {"by": "gendr"}, "No column 'gendr'. Did you mean 'gender'?"),
        (TEN, {"resamples": 10}, "10 resamples are too few"),
    ],
)
def test_what_cannot_be_scored_says_so(rows, options, message):
    with pytest.raises(TrainingError) as error:
        score(rows, **options)
    assert str(error.value).startswith(message)
