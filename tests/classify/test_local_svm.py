"""Least-squares SVMs against scikit-learn's ridge and linear SVM, fitted one by one; probabilities; what is kept."""

from __future__ import annotations

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from hybridfer.classify import local_svm
from hybridfer.classify.local_svm import LeastSquaresSVM, LocalSVM, products
from hybridfer.classify.model import TRUSTED
from hybridfer.classify.specs import CLASSIFIERS, create_estimator, estimator_spec
from hybridfer.errors import SpecError

LABELS = np.array(["anger", "fear", "neutral"])


@pytest.fixture(scope="module")
def data():
    """Ninety training rows and twenty others, of three classes that overlap."""
    random = np.random.default_rng(0)
    y = random.integers(0, 3, 110)
    X = random.normal(size=(3, 12))[y] + 1.5 * random.normal(size=(110, 12))
    return X[:90], LABELS[y[:90]], X[90:], LABELS[y[90:]]


def ridge_scores(X, y, asked, C, weights=None):
    """One ridge regression on -1 and 1 for each class."""
    sides = [Ridge(alpha=1 / C).fit(X, np.where(y == label, 1.0, -1.0), sample_weight=weights) for label in LABELS]
    return np.stack([side.predict(asked) for side in sides], axis=1)


def hinge_scores(X, y, asked, C):
    """One linear SVM with the squared hinge for each class; its own intercept is penalised, but so hardly at all."""
    scores = []
    for label in LABELS:
        # liblinear halves no loss: its C is half of ours.
        svm = LinearSVC(C=C / 2, dual=False, intercept_scaling=1e3, tol=1e-8, max_iter=10_000)
        scores.append(svm.fit(X, y == label).decision_function(asked))
    return np.stack(scores, axis=1)


NOT_EQUAL = {
    "check_sample_weight_equivalence_on_dense_data": "which rows are held back for the probabilities is drawn by row"
}


@parametrize_with_checks([LeastSquaresSVM(), LocalSVM(half=False, k=30)], expected_failed_checks=lambda e: NOT_EQUAL)
def test_they_are_scikit_learn_classifiers(estimator, check):
    check(estimator)


@pytest.mark.parametrize("C", [0.1, 3])
def test_the_squared_loss_is_ridge_regression_on_both_sides(data, C):
    X, y, asked, _ = data
    got = LeastSquaresSVM(C=C).fit(X, y).decision_function(asked)
    np.testing.assert_allclose(got, ridge_scores(X, y, asked, C), atol=1e-9)


@pytest.mark.parametrize("C", [0.02, 1])
def test_the_squared_hinge_is_a_linear_svm_s(data, C):
    X, y, asked, _ = data
    got = LeastSquaresSVM(C=C, loss="squared_hinge").fit(X, y).decision_function(asked)
    np.testing.assert_allclose(got, hinge_scores(X, y, asked, C), atol=2e-4)


@pytest.mark.parametrize(
    ("loss", "judge", "atol"), [("squared", ridge_scores, 1e-9), ("squared_hinge", hinge_scores, 5e-4)]
)
def test_a_local_machine_is_that_of_the_nearest_rows_alone(data, loss, judge, atol):
    X, y, asked, _ = data
    got = LocalSVM(C=0.5, k=40, loss=loss, half=False).fit(X, y).decision_function(asked)
    for face, scores in zip(asked, got, strict=True):
        near = np.argsort(np.linalg.norm(X - face, axis=1))[:40]
        np.testing.assert_allclose(scores, judge(X[near], y[near], face[None], 0.5)[0], atol=atol)


def test_with_every_row_near_it_is_the_machine_for_all(data):
    X, y, asked, _ = data
    local, one = LocalSVM(k=500, half=False).fit(X, y), LeastSquaresSVM().fit(X, y)
    np.testing.assert_allclose(local.decision_function(asked), one.decision_function(asked), atol=1e-8)


def test_half_the_bytes_lose_nothing_that_matters_of_unit_rows(data):
    X, y, asked, _ = [part / np.linalg.norm(part, axis=1, keepdims=True) if part.ndim == 2 else part for part in data]
    half, full = LocalSVM(k=40).fit(X, y), LocalSVM(k=40, half=False).fit(X, y)
    assert half.rows_.dtype == np.float16
    np.testing.assert_allclose(half.decision_function(asked), full.decision_function(asked), atol=5e-3)
    with pytest.raises(ValueError, match="too large for float16; use half=False"):
        LocalSVM().fit(X * 1e6, y)


@pytest.mark.parametrize("kind", [LeastSquaresSVM, LocalSVM])
def test_probabilities_are_the_likeliest_softmax_on_rows_held_back(data, kind):
    X, y, asked, _ = data
    held = np.arange(0, 90, 4)
    rest = np.setdiff1d(np.arange(90), held)
    machine = kind(held=held, **({"k": 40, "half": False} if kind is LocalSVM else {})).fit(X, y)
    options = {"k": 40, "half": False} if kind is LocalSVM else {}
    scores = kind(held=[], **options).fit(X[rest], y[rest]).decision_function(X[held])

    def surprise(slope):
        raised = np.exp(slope * scores)
        return log_loss(y[held], raised / raised.sum(1, keepdims=True))

    grid = machine.slope_ * np.geomspace(0.5, 2, 401)
    assert machine.slope_ == pytest.approx(min(grid, key=surprise), rel=0.01)
    chances = machine.predict_proba(asked)
    np.testing.assert_allclose(chances.sum(1), 1)
    raised = np.exp(machine.slope_ * machine.decision_function(asked))
    np.testing.assert_allclose(chances, raised / raised.sum(1, keepdims=True), rtol=1e-6)
    assert (machine.predict(asked) == LABELS[chances.argmax(1)]).all()


def test_what_says_nothing_of_rows_held_back_is_told():
    random = np.random.default_rng(0)
    told = [
        LeastSquaresSVM(C=10, seed=seed).fit(random.normal(size=(60, 30)), random.integers(0, 2, 60)).learnt_
        for seed in range(8)
    ]
    assert not all(told)
    assert LeastSquaresSVM().fit([[0.0], [0.1], [5.0], [5.1]] * 5, [0, 0, 1, 1] * 5).learnt_


@pytest.mark.parametrize("kind", [LeastSquaresSVM, LocalSVM])
def test_a_row_of_twice_the_weight_counts_as_two(data, kind):
    X, y, asked, _ = data
    weights = np.where(np.arange(90) < 20, 2.0, 1.0)
    options = {"k": 90, "half": False} if kind is LocalSVM else {}
    got = kind(**options).fit(X, y, sample_weight=weights).decision_function(asked)
    np.testing.assert_allclose(got, ridge_scores(X, y, asked, 1, weights), atol=1e-8)


def test_two_classes_have_one_score_as_scikit_learn_s(data):
    X, y, asked, _ = data
    machine = LeastSquaresSVM().fit(X, y == "fear")
    scores = machine.decision_function(asked)
    np.testing.assert_allclose(scores, ridge_scores(X, y, asked, 1)[:, 1], atol=1e-8)
    assert (machine.predict(asked) == (scores > 0)).all()
    assert (machine.predict_proba(asked)[:, 1] > 0.5).tolist() == (scores > 0).tolist()


def test_the_products_of_training_rows_are_in_no_file_and_need_not_be(data):
    X, y, asked, _ = data
    machine = LocalSVM(k=40).fit(X, y)
    expected = machine.predict_proba(asked)
    written = skops.io.dumps(machine)
    read = skops.io.loads(written, trusted=list(TRUSTED))
    assert not hasattr(read, "_gram")
    # Each of the first faces takes its 40 x 40; the third is past half of 90 x 90, which are then taken once.
    for i, whole in ((0, False), (1, False), (2, True)):
        np.testing.assert_allclose(read.predict_proba(asked[i : i + 1]), expected[i : i + 1], atol=1e-5)
        assert hasattr(read, "_gram") == whole
    assert skops.io.dumps(read).__len__() == pytest.approx(len(written), rel=0.01)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16])
def test_products_come_in_tiles(monkeypatch, kind):
    monkeypatch.setattr(local_svm, "_TILE", 16)
    X, Y = (np.random.default_rng(i).normal(size=(n, 7)).astype(kind) for i, n in ((0, 45), (1, 33)))
    np.testing.assert_allclose(products(X, Y), X.astype(float) @ Y.astype(float).T, rtol=1e-4, atol=1e-5)
    own = products(X, X)
    np.testing.assert_allclose(own, X.astype(float) @ X.astype(float).T, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(own, own.T)
    assert own.dtype == (np.float64 if kind is np.float64 else np.float32)


def test_the_threads_do_not_change_a_bit(data):
    from joblib import parallel_config

    X, y, asked, _ = data
    found = []
    for jobs in (1, 2):
        with parallel_config("threading", n_jobs=jobs):
            found.append(LocalSVM(k=40).fit(X, y).predict_proba(asked))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("lokal", "No classifier named 'lokal'. Did you mean 'local'"),
        ("local:k=1", "LocalSVM: k=1 is out of range; expected 2 neighbours or more"),
        ("local:loss=hinge", "expected squared or squared_hinge"),
        ("leastsquares:k=5", "leastsquares has no parameter 'k'"),
    ],
)
def test_what_is_out_of_range_is_refused(spec, message):
    with pytest.raises(SpecError, match=message):
        create_estimator(CLASSIFIERS, spec, C=1.0, held=[], seed=0)


def test_the_canonical_spec_leaves_out_what_other_options_give():
    assert estimator_spec(CLASSIFIERS, "local:k=9") == "local:half=true,k=9,loss=squared"
    with pytest.raises(SpecError, match="C=0 is out of range"):
        LeastSquaresSVM(C=0).fit([[0.0], [1.0]], [0, 1])
