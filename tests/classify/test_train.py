"""``train_svm``: what is fitted, on which rows, how it is measured, and what is refused."""

from __future__ import annotations

import json
import threading
import time

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.svm import LinearSVC

from hybridfer import train_svm
from hybridfer.classify import estimators, pipelines, train
from hybridfer.classify.estimators import BlockProjection
from hybridfer.classify.splits import calibration_folds, make_folds
from hybridfer.errors import BankError, TrainingError

from .conftest import HOG, LBP, features


def probabilities(model, bank):
    return model.predict_features({name: bank.X(name) for name in model.blocks})[1]


def test_it_learns_and_its_probabilities_sum_to_one(bank):
    model = train_svm(bank)
    labels, values = model.predict_features({LBP: bank.X("lbp"), HOG: bank.X("hog")})
    assert (labels == bank.y).mean() > 0.9
    assert model.classes == ["anger", "fear", "neutral"]
    np.testing.assert_allclose(values.sum(1), 1)
    assert ((values >= 0) & (values <= 1)).all()


def test_it_is_scikit_learns_calibrated_linear_svm_on_the_projected_blocks(bank):
    X = np.hstack([bank.X("lbp"), bank.X("hog")])
    projected = BlockProjection([12, 20], components=5).fit_transform(X)
    folds, _ = calibration_folds(bank.y, subjects=bank.column("subject"), pictures=bank.column("sha256"))
    svm = LinearSVC(C=0.01, random_state=0, dual=True, max_iter=2000)
    expected = CalibratedClassifierCV(svm, cv=folds, ensemble=False).fit(projected, bank.y.astype(str))
    got = probabilities(train_svm(bank, C=0.01, components=5), bank)
    np.testing.assert_allclose(got, expected.predict_proba(projected), atol=1e-6)


def test_the_same_seed_gives_the_same_model(bank):
    assert train_svm(bank).fingerprint == train_svm(bank).fingerprint


@pytest.mark.parametrize(
    "options",
    [
        {"features": ["lbp"]},
        {"kernel": "rbf"},
        {"kernel": "chi2"},
        {"C": 1.0},
        {"components": 2},
        {"class_weight": "balanced"},
        {"seed": 3},
        {"search": True},
    ],
)
def test_every_option_changes_the_probabilities(make_bank, options):
    labels = (["anger"] * 2 + ["fear"] * 3 + ["neutral"]) * 10
    blocks = {LBP: features(labels, 12, 1, apart=0.5), HOG: features(labels, 20, 2, apart=0.5)}
    bank = make_bank(labels, blocks=blocks)
    assert np.abs(probabilities(train_svm(bank, **options), bank) - probabilities(train_svm(bank), bank)).max() > 1e-4


def test_gamma_changes_the_kernels(bank):
    for kernel in ("rbf", "chi2"):
        wide, narrow = (train_svm(bank, kernel=kernel, gamma=gamma) for gamma in (0.1, 5))
        assert np.abs(probabilities(wide, bank) - probabilities(narrow, bank)).max() > 1e-3


def test_histograms_stay_as_they_are_for_chi_square_only(bank):
    assert [block["as_is"] for block in train_svm(bank, kernel="chi2").blocks.values()] == [True, True]
    assert [block["as_is"] for block in train_svm(bank, kernel="rbf").blocks.values()] == [False, False]


def test_kernels_of_many_rows_are_approximated_and_that_is_said(bank, monkeypatch):
    exact = train_svm(bank, kernel="rbf")
    monkeypatch.setattr(pipelines, "EXACT_ROWS", 50)
    monkeypatch.setattr(pipelines, "LANDMARKS", 40)
    near = train_svm(bank, kernel="rbf")
    assert exact.card["notes"] == []
    assert "90 training rows are more than 50, so the rbf kernel is approximated" in near.card["notes"][0]
    assert near.pipeline.named_steps["kernel"].landmarks_.shape[0] == 40
    labels = [model.predict_features({LBP: bank.X("lbp"), HOG: bank.X("hog")})[0] for model in (exact, near)]
    assert (labels[0] == labels[1]).mean() > 0.95


def test_in_every_fold_everything_is_fitted_on_training_rows_only(bank, monkeypatch):
    seen = []
    fit = BlockProjection.fit
    monkeypatch.setattr(
        estimators.BlockProjection, "fit", lambda self, X, y=None: (seen.append(X.copy()), fit(self, X))[1]
    )
    train_svm(bank, cv=3)
    X = np.hstack([bank.X("lbp"), bank.X("hog")])
    known = {"groups": [None] * 90, "subjects": bank.column("subject"), "pictures": bank.column("sha256")}
    expected = [X[train] for train, _ in make_folds("3", bank.y, **known).splits]
    assert len(seen) == 4
    for got, wanted in zip(seen, [*expected, X], strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_a_search_inside_folds_sees_no_test_rows(bank, monkeypatch):
    rows = []
    fit = BlockProjection.fit
    monkeypatch.setattr(
        estimators.BlockProjection, "fit", lambda self, X, y=None: (rows.append(len(X)), fit(self, X))[1]
    )
    train_svm(bank, cv=3, search=True)
    # Per outer fold of 60 rows: three inner fits, then its own; then the same on all 90.
    assert [n for n in rows if n == 60].__len__() == 3 + 3
    assert max(rows[:12]) == 60 and rows[-1] == 90


def test_cross_validation_gives_scores_by_fold_and_over_all_rows(bank):
    cv = train_svm(bank, cv=5).card["cv"]
    assert cv["folds"] == 5 and cv["leak"] is False and "whole subjects" in cv["scheme"]
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        values = cv["by_fold"][name]["values"]
        assert cv["by_fold"][name]["mean"] == pytest.approx(np.mean(values))
        assert cv["by_fold"][name]["sd"] == pytest.approx(np.std(values, ddof=1))
        pooled = cv["pooled"][name]
        assert pooled["low"] <= pooled["value"] <= pooled["high"]
    assert cv["resampled"] == "subjects"


def test_labels_that_have_nothing_to_do_with_the_features_score_at_chance(make_bank):
    labels = np.random.default_rng(0).permutation(["a", "b"] * 60).tolist()
    noise = {LBP: np.random.default_rng(1).uniform(size=(120, 60)).astype(np.float32)}
    cv = train_svm(make_bank(labels, blocks=noise), cv=5).card["cv"]
    assert 0.35 < cv["pooled"]["accuracy"]["value"] < 0.65


def test_the_search_takes_the_best_of_its_grid(bank):
    model = train_svm(bank, kernel="rbf", search=True)
    tried = model.card["search"]["tried"]
    assert len(tried) == 12
    best = max(tried, key=lambda one: one["accuracy"])
    assert (model.card["settings"]["C"], model.card["settings"]["gamma"]) == (best["C"], best["gamma"])


def test_the_search_leaves_what_is_given(bank):
    model = train_svm(bank, kernel="rbf", search=True, C=3.0, class_weight="balanced")
    assert {one["C"] for one in model.card["search"]["tried"]} == {3.0}
    assert model.card["search"]["metric"] == "balanced_accuracy"


def test_it_fits_the_training_split_where_there_are_splits(make_bank):
    bank = make_bank(["a", "b", "a"] * 20, split=["train", "train", "test"] * 20)
    card = train_svm(bank).card
    assert card["training"]["split"] == "train" and card["training"]["rows"] == 40
    assert train_svm(bank, split="Training").card["training"] == card["training"]
    every = make_bank(["a", "b", "a"] * 20)
    assert train_svm(every).card["training"]["split"] is None
    assert train_svm(every).card["training"]["rows"] == 60


def test_faces_without_a_label_are_left_out_and_that_is_said(make_bank):
    bank = make_bank(["a", "b", None] * 20, faceless=2)
    model = train_svm(bank)
    assert model.card["training"]["rows"] == 40
    assert model.card["notes"] == ["20 faces have no label and are left out"]


def test_a_subject_in_another_split_is_said(make_bank):
    bank = make_bank(["a", "b"] * 20, split=["train"] * 30 + ["val"] * 10, subject=[f"s{i // 4}" for i in range(40)])
    assert "1 subjects of train, such as 's7', stand in other splits too" in train_svm(bank).card["notes"][0]


def test_an_allowed_leak_stands_in_the_card(bank):
    card = train_svm(bank, cv="kfold", allow_leak=True).card
    assert card["cv"]["leak"] is True
    assert any("--allow-leak" in note for note in card["notes"])


def test_rare_classes_weigh_more_when_balanced(make_bank):
    labels = ["common"] * 80 + ["rare"] * 10
    bank = make_bank(labels, blocks={LBP: features(labels, 12, 0, apart=0.4)})

    def recall(weight):
        found = train_svm(bank, class_weight=weight, cv=3).card["cv"]["pooled"]
        return found["balanced_accuracy"]["value"]

    assert recall("balanced") > recall(None) + 0.05


def test_sixty_pictures_and_constant_columns_are_enough(make_bank):
    labels = ["a", "b", "c"] * 20
    wide = np.hstack([features(labels, 3000, 1), np.zeros((60, 5))]).astype(np.float32)
    model = train_svm(make_bank(labels, blocks={LBP: wide, HOG: np.ones((60, 4), np.float32)}), cv=5)
    assert model.card["cv"]["pooled"]["accuracy"]["value"] > 0.9


def test_bits_are_features_too(make_bank):
    labels = ["a", "b"] * 20
    bits = (features(labels, 64, 1) > 1).astype(np.uint8)
    bank = make_bank(labels, blocks={"phash:bits=64": bits}, cards={"phash:bits=64": {"dtype": "uint8"}})
    assert train_svm(bank, cv=2).card["cv"]["pooled"]["accuracy"]["value"] > 0.9


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (["a"] * 10, {}, r"All 10 training rows .* are of one class, 'a'; an SVM needs 2"),
        ([None] * 10, {}, "No face of .* has a label"),
        (["a", "b"] * 4 + ["c"], {}, "Class 'c' has 1 row"),
        (["a", "b"] * 3, {"cv": 5}, "Class 'a' has 3 rows, of 3 pictures; 5 folds need 5 or more"),
        (["a", "b"] * 5, {"kernel": "cubic"}, "No kernel 'cubic'"),
        (["a", "b"] * 5, {"gamma": 1.0}, "linear kernel has no gamma"),
        (["a", "b"] * 5, {"C": -1.0}, "C is -1; expected more than 0"),
        (["a", "b"] * 5, {"class_weight": "heavy"}, "No class weight 'heavy'"),
        (["a", "b"] * 5, {"features": []}, "No block of"),
    ],
)
def test_what_cannot_be_trained_is_refused(make_bank, labels, options, message):
    with pytest.raises(TrainingError, match=message):
        train_svm(make_bank(labels), **options)


def test_a_split_that_is_not_there_is_refused_with_those_that_are(make_bank):
    bank = make_bank(["a", "b"] * 10, split=["val"] * 20)
    with pytest.raises(TrainingError, match=r"of the split 'train'; there are val \(20 faces\)"):
        train_svm(bank)


def test_a_block_that_is_not_there_is_refused(bank):
    with pytest.raises(BankError, match="has no block 'hg'"):
        train_svm(bank, features=["hg"])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_by_block_and_row(make_bank, bad):
    X = features(["a", "b"] * 10, 12, 1)
    X[7, 3] = bad
    with pytest.raises(TrainingError, match=r"Block lbp.* not finite .* in 1 rows, the first of 7\.png"):
        train_svm(make_bank(["a", "b"] * 10, blocks={LBP: X}))


def test_chi_square_wants_histograms(make_bank):
    labels = ["a", "b"] * 10
    bank = make_bank(labels, blocks={"gabor:scales=5": features(labels, 12, 1)})
    with pytest.raises(TrainingError, match=r"chi2 compares histograms .* use --kernel rbf"):
        train_svm(bank, kernel="chi2")
    with pytest.raises(TrainingError, match="negative values, so it is no histogram"):
        train_svm(make_bank(labels, blocks={LBP: -features(labels, 12, 1)}), kernel="chi2")


def test_an_svm_that_did_not_converge_says_so(bank, monkeypatch):
    monkeypatch.setattr(pipelines, "MAX_ITER", 1)
    assert any("had not converged" in note for note in train_svm(bank).card["notes"])


def test_probabilities_that_came_out_upside_down_are_told(make_bank):
    labels = np.random.default_rng(0).permutation(["a", "b"] * 20).tolist()
    told = [
        any("did not carry over" in note for note in train_svm(make_bank(labels, blocks=noise)).card["notes"])
        for noise in ({LBP: np.random.default_rng(i).normal(size=(40, 30)).astype(np.float32)} for i in range(6))
    ]
    assert any(told)
    assert not any("did not carry over" in note for note in train_svm(make_bank(sorted(labels))).card["notes"])


def check_report(path, near=(), constant=()):
    """A report of datasets check, by hand: pairs of content hashes that are near copies."""
    pairs = [{"first": [{"sha256": a}], "second": [{"sha256": b}]} for a, b in near]
    flat = [{"sha256": sha} for sha in constant]
    path.write_text(json.dumps({"check": 1, "duplicates": [], "near_duplicates": pairs, "constant": flat}))
    return path


def test_training_pictures_in_other_splits_and_contradictions_are_said(make_bank, tmp_path):
    labels = ["anger", "fear", "neutral"] * 12
    splits = ["train"] * 24 + ["val"] * 12
    pictures = [f"sha{i}" for i in range(36)]
    pictures[1] = pictures[0]  # anger and fear
    pictures[30] = pictures[5]
    bank = make_bank(labels, split=splits, sha256=pictures)
    notes = train_svm(bank).card["notes"]
    assert "2 of the training rows are identical pictures with different labels, in 1 groups" in notes
    assert "1 of the 12 faces of val are of pictures that, byte for byte, are among the training rows too" in notes
    report = check_report(
        tmp_path / "check.json", near=[("sha31", "sha7"), ("sha8", "sha9")], constant=["sha3", "sha35"]
    )
    notes = train_svm(bank, check=report).card["notes"]
    assert any(note.endswith("among the training rows too, and 1 more of near copies") for note in notes)
    assert "1 of the training rows are pictures of one colour" in notes


def test_near_copies_stay_in_one_fold(make_bank, tmp_path):
    bank = make_bank(["anger", "fear"] * 20)
    report = check_report(tmp_path / "check.json", near=[(f"sha{i}", f"sha{i + 2}") for i in range(0, 36, 4)])
    assert not any("repeat another row's picture" in note for note in train_svm(bank, cv=4).card["notes"])
    assert any(
        "9 rows repeat another row's picture" in note for note in train_svm(bank, cv=4, check=report).card["notes"]
    )


def test_ckplus_is_one_way_to_measure(make_bank):
    bank = make_bank(["anger", "fear"] * 30, subject=[f"S{i // 5:03d}" for i in range(60)])
    cv = train_svm(bank, cv="ckplus").card["cv"]
    assert cv["folds"] == 10 and "dealt in steps of 10" in cv["scheme"] and not cv["leak"]


@pytest.mark.parametrize("large", [False, True])
def test_the_threads_and_processes_do_not_change_the_model(make_bank, monkeypatch, large):
    bank = make_bank(["anger", "fear", "neutral"] * 30, subject=[f"s{i // 6}" for i in range(90)])
    if large:
        monkeypatch.setattr(train, "WORTH_A_PROCESS", 0)
    made = [train_svm(bank, jobs=jobs, search=True, cv=3).fingerprint for jobs in (1, 2, 2)]
    assert made[0] == made[1] == made[2]


def test_no_two_linear_svms_are_fitted_at_once_in_threads(bank, monkeypatch):
    # liblinear's random numbers come from one generator a process (sklearn/svm/src/newrand/newrand.h).
    at_work, most = 0, 0
    lock, fit = threading.Lock(), LinearSVC.fit

    def watched(self, *args, **options):
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.01)
        try:
            return fit(self, *args, **options)
        finally:
            with lock:
                at_work -= 1

    monkeypatch.setattr(LinearSVC, "fit", watched)
    train_svm(bank, search=True, jobs=4)
    assert most == 1
