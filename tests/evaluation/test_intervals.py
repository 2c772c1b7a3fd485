"""Intervals: their width is the textbook's, groups widen them, and nothing depends on how the work is cut."""

import numpy as np
import pytest

from hybridfer.errors import TrainingError
from hybridfer.evaluation import intervals, metrics
from hybridfer.evaluation.intervals import bootstrap_interval, bootstrap_intervals


def answers(right, n):
    return ["a"] * n, ["a"] * right + ["b"] * (n - right)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_accuracys_interval_has_the_binomial_width(share):
    n = 1000
    low, high = bootstrap_interval(*answers(int(share * n), n))
    deviation = np.sqrt(share * (1 - share) / n)
    assert low == pytest.approx(share - 1.96 * deviation, abs=0.003)
    assert high == pytest.approx(share + 1.96 * deviation, abs=0.003)


def test_rows_of_one_group_are_drawn_together_and_widen_the_interval():
    truth, said = answers(500, 1000)
    alone = bootstrap_interval(truth, said)
    # Ten rows a subject, all right or all wrong: a tenth of the information, about sqrt(10) times the width.
    together = bootstrap_interval(truth, said, groups=[f"s{i // 10}" for i in range(1000)])
    ratio = (together[1] - together[0]) / (alone[1] - alone[0])
    assert ratio == pytest.approx(np.sqrt(10), rel=0.15)


def test_a_row_without_a_group_is_one_of_its_own():
    truth, said = answers(30, 60)
    assert bootstrap_interval(truth, said, groups=[None] * 60) == bootstrap_interval(truth, said)


def test_a_seed_repeats_and_another_seed_and_number_of_resamples_differ():
    truth, said = answers(37, 61)
    first = bootstrap_interval(truth, said, "macro_f1", seed=1)
    assert bootstrap_interval(truth, said, "macro_f1", seed=1) == first
    assert bootstrap_interval(truth, said, "macro_f1", seed=2) != first
    assert bootstrap_interval(truth, said, "macro_f1", seed=1, resamples=500) != first


def test_each_metric_has_its_own_interval():
    random = np.random.default_rng(0)
    truth = random.choice(list("abc"), 200, p=[0.7, 0.2, 0.1])
    said = np.where(random.random(200) < 0.6, truth, "a")
    found = {metric: bootstrap_interval(truth, said, metric) for metric in intervals.OF_CONFUSION}
    assert len(set(found.values())) == 3


def test_the_interval_is_the_percentiles_of_a_plain_loop():
    random = np.random.default_rng(3)
    truth, said = random.integers(3, size=50), random.integers(3, size=50)

    def statistics(weights):
        return {"f1": metrics.macro_f1(metrics.confusion_matrix(truth, said, 3, weights=weights))}

    score = bootstrap_intervals(statistics, 50, resamples=300)["f1"]
    chosen = np.random.default_rng(0).integers(50, size=(300, 50))
    loop = [metrics.macro_f1(metrics.confusion_matrix(truth[rows], said[rows], 3)) for rows in chosen]
    np.testing.assert_allclose([score.low, score.high], np.percentile(loop, [2.5, 97.5]))


def test_resamples_worked_a_few_at_a_time_give_the_same(monkeypatch):
    truth, said = answers(37, 61)
    whole = bootstrap_interval(truth, said)
    monkeypatch.setattr(intervals, "_CHUNK", 61 * 7)
    assert bootstrap_interval(truth, said) == whole


def test_resamples_in_which_a_score_does_not_exist_are_left_out():
    truth = np.array([0] * 30 + [1])
    said = np.zeros(31, int)

    def statistics(weights):
        return {"recall": metrics.recall(metrics.confusion_matrix(truth, said, 3, weights=weights))}

    score = bootstrap_intervals(statistics, 31)["recall"]
    np.testing.assert_array_equal(score.low, [1, 0, np.nan])
    np.testing.assert_array_equal(score.high, [1, 0, np.nan])


def test_a_centred_score_lies_inside_its_interval_where_resampling_raises_it():
    random = np.random.default_rng(6)
    confidence = random.beta(4, 2, 3000)
    correct = random.random(3000) < confidence

    def statistics(weights):
        return {"ece": metrics.expected_calibration_error(metrics.calibration_bins(correct, confidence, weights))}

    raised = bootstrap_intervals(statistics, 3000, resamples=200)["ece"]
    centred = bootstrap_intervals(statistics, 3000, resamples=200, centred=["ece"])["ece"]
    assert raised.value == centred.value
    assert raised.low > centred.low >= 0
    assert centred.low < centred.value < centred.high


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_interval([], []), "There are no rows to score"),
        (lambda: bootstrap_interval(["a"], ["a", "b"]), "There are 1 true labels and 2 predicted ones"),
        (lambda: bootstrap_interval(["a"], ["a"], "acuracy"), "No metric 'acuracy' here. Did you mean 'accuracy'?"),
        (lambda: bootstrap_interval(["a"], ["a"], resamples=20), "20 resamples are too few"),
        (lambda: bootstrap_interval(["a"], ["a"], groups=["s", "t"]), "There are 1 rows and 2 groups"),
    ],
)
def test_what_cannot_be_resampled_says_so(call, message):
    with pytest.raises(TrainingError) as error:
        call()
    assert str(error.value).startswith(message)
