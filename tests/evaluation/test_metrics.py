"""Scores: small ones worked by hand, random ones against scikit-learn, resamples against drawing the rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import metrics as sk

from hybridfer.errors import TrainingError
from hybridfer.evaluation import metrics

TRUTH = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
SAID = np.array([0, 0, 0, 1, 1, 1, 2, 0, 2, 2])
BY_HAND = np.array([[3, 1, 0], [0, 2, 1], [1, 0, 2]])


def random_predictions(seed, n=400, k=5, ties=True):
    random = np.random.default_rng(seed)
    truth = random.integers(k, size=n)
    chances = random.random((n, k))
    chances[np.arange(n), truth] += random.random(n)
    chances /= chances.sum(1, keepdims=True)
    if ties:
        chances = np.round(chances, 1) + 1e-9
        chances /= chances.sum(1, keepdims=True)
        chances = np.round(chances, 2)
    return truth, chances.argmax(1), chances


def test_confusion_matrix_by_hand_has_the_truth_in_rows():
    assert_array_equal(metrics.confusion_matrix(TRUTH, SAID, 3), BY_HAND)


def test_scores_of_the_matrix_by_hand():
    assert metrics.accuracy(BY_HAND) == pytest.approx(7 / 10)
    assert_allclose(metrics.recall(BY_HAND), [3 / 4, 2 / 3, 2 / 3])
    assert_allclose(metrics.precision(BY_HAND), [3 / 4, 2 / 3, 2 / 3])
    assert metrics.balanced_accuracy(BY_HAND) == pytest.approx((3 / 4 + 2 / 3 + 2 / 3) / 3)
    assert metrics.macro_f1(BY_HAND) == pytest.approx((3 / 4 + 2 / 3 + 2 / 3) / 3)


def test_a_column_without_predictions_counts_against_recall_and_not_against_precision():
    table = np.array([[3, 0, 1], [0, 2, 2]])
    assert metrics.accuracy(table) == pytest.approx(5 / 8)
    assert_allclose(metrics.recall(table), [3 / 4, 1 / 2])
    assert_allclose(metrics.precision(table), [1, 1])
    assert_allclose(metrics.f1(table), [6 / 7, 2 / 3])


def test_what_does_not_exist_is_nan_and_left_out_of_means():
    table = np.array([[2, 1, 0], [1, 2, 0], [0, 0, 0]])
    assert_array_equal(np.isnan(metrics.recall(table)), [False, False, True])
    assert_array_equal(np.isnan(metrics.precision(table)), [False, False, True])
    assert metrics.balanced_accuracy(table) == pytest.approx(2 / 3)
    assert metrics.macro_f1(table) == pytest.approx(2 / 3)
    assert np.isnan(metrics.accuracy(np.zeros((3, 3))))


def test_a_class_that_is_there_and_never_hit_has_f1_of_zero():
    table = np.array([[2, 0], [2, 0]])
    assert_allclose(metrics.f1(table), [2 / 3, 0])
    assert np.isnan(metrics.precision(table)[1])


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_scikit_learns(seed):
    truth, said, _ = random_predictions(seed)
    table = metrics.confusion_matrix(truth, said, 5)
    assert_array_equal(table, sk.confusion_matrix(truth, said, labels=range(5)))
    assert metrics.accuracy(table) == pytest.approx(sk.accuracy_score(truth, said))
    assert metrics.balanced_accuracy(table) == pytest.approx(sk.balanced_accuracy_score(truth, said))
    assert metrics.macro_f1(table) == pytest.approx(sk.f1_score(truth, said, average="macro"))
    precision, recall, f1, _ = sk.precision_recall_fscore_support(truth, said)
    assert_allclose(metrics.precision(table), precision)
    assert_allclose(metrics.recall(table), recall)
    assert_allclose(metrics.f1(table), f1)


def test_macro_f1_leaves_out_classes_as_scikit_learn_does():
    truth, said = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    table = metrics.confusion_matrix(truth, said, 4)
    assert metrics.macro_f1(table) == pytest.approx(sk.f1_score(truth, said, average="macro"))


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_auc_equals_scikit_learns_with_and_without_ties(seed, ties):
    truth, _, chances = random_predictions(seed, ties=ties)
    areas = metrics.auc_one_vs_rest(truth, chances)
    assert_allclose(areas, [sk.roc_auc_score(truth == c, chances[:, c]) for c in range(5)])
    assert metrics.macro_auc(areas) == pytest.approx(np.mean(areas))


def test_auc_of_a_class_without_rows_is_nan_and_left_out():
    areas = metrics.auc_one_vs_rest(np.array([0, 1, 1]), np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.3, 0.6, 0.1]]))
    assert_array_equal(areas, [1, 1, np.nan])
    assert metrics.macro_auc(areas) == 1
    assert np.isnan(metrics.macro_auc(metrics.auc_one_vs_rest(np.array([0, 0]), np.array([[0.9], [0.8]]))))


@pytest.mark.parametrize("seed", range(3))
def test_weights_mean_what_drawing_the_rows_so_often_means(seed):
    truth, said, chances = random_predictions(seed, n=60, k=4)
    random = np.random.default_rng(seed)
    drawn = random.integers(60, size=(20, 60))
    weights = np.stack([np.bincount(row, minlength=60) for row in drawn]).astype(float)
    tables = metrics.confusion_matrix(truth, said, 4, weights=weights)
    areas = metrics.auc_one_vs_rest(truth, chances, weights)
    confidence = chances.max(1)
    bins = metrics.calibration_bins(truth == said, confidence, weights)
    for i, rows in enumerate(drawn):
        assert_array_equal(tables[i], sk.confusion_matrix(truth[rows], said[rows], labels=range(4)))
        assert_allclose(areas[i], metrics.auc_one_vs_rest(truth[rows], chances[rows]))
        assert_allclose(bins[i], metrics.calibration_bins((truth == said)[rows], confidence[rows]), atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_roc_curve_is_scikit_learns_where_all_points_are_kept(seed):
    truth, _, chances = random_predictions(seed, n=100)
    false, true = metrics.roc_curve(truth == 2, chances[:, 2])
    expected_false, expected_true, _ = sk.roc_curve(truth == 2, chances[:, 2], drop_intermediate=False)
    assert_allclose(false, expected_false)
    assert_allclose(true, expected_true)


def test_a_long_roc_curve_is_thinned_and_keeps_its_ends_and_nearly_its_area():
    truth, _, chances = random_predictions(0, n=5000, ties=False)
    false, true = metrics.roc_curve(truth == 1, chances[:, 1], points=200)
    assert len(false) == len(true) == 200
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert sk.auc(false, true) == pytest.approx(sk.roc_auc_score(truth == 1, chances[:, 1]), abs=2e-3)


def test_a_class_alone_has_no_roc_curve():
    assert [len(part) for part in metrics.roc_curve(np.array([True, True]), np.array([0.1, 0.2]))] == [0, 0]


def slow_calibration_error(correct, confidence, bins=15):
    """Return the error as Guo et al. (2017), equation 3, writes it."""
    error = 0.0
    for m in range(1, bins + 1):
        inside = [i for i, c in enumerate(confidence) if (m - 1) / bins < c <= m / bins]
        if inside:
            gap = np.mean([correct[i] for i in inside]) - np.mean([confidence[i] for i in inside])
            error += len(inside) / len(confidence) * abs(gap)
    return error


@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_equals_the_papers_formula(seed):
    random = np.random.default_rng(seed)
    confidence = random.random(300)
    correct = random.random(300) < confidence**2
    error = metrics.expected_calibration_error(metrics.calibration_bins(correct, confidence))
    assert error == pytest.approx(slow_calibration_error(correct, confidence))


def test_calibration_bins_hold_their_upper_edge_and_count_every_row():
    bins = metrics.calibration_bins(np.ones(5, bool), np.array([0.0, 0.5, 0.625, 0.75, 1.0]), bins=4)
    assert_array_equal(bins[:, 0], [1, 1, 2, 1])
    assert_array_equal(bins[:, 2], [0, 0.5, 1.375, 1])


def test_sure_and_right_is_calibrated_and_sure_and_wrong_is_not():
    sure = np.ones(8)
    assert metrics.expected_calibration_error(metrics.calibration_bins(np.ones(8, bool), sure)) == 0
    assert metrics.expected_calibration_error(metrics.calibration_bins(np.zeros(8, bool), sure)) == 1


def test_an_unknown_label_is_named_with_the_known_ones():
    with pytest.raises(TrainingError, match=r"No class 'angr'\. Did you mean 'anger'\? Known: anger, fear\."):
        metrics.label_codes(["fear", "angr"], ["anger", "fear"])
