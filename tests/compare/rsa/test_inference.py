"""What the likeness of matrices is worth: by hand, by Scipy, by going through all orders."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from scipy import stats

from hybridfer.compare.rsa import inference
from hybridfer.compare.rsa.inference import (
    false_discovery,
    item_interval,
    noise_ceiling,
    permutation_p,
    signed_rank_p,
    similarities,
    subject_interval,
)
from hybridfer.compare.rsa.matrices import square, triangle
from hybridfer.errors import SpecError

MEASURES = ("spearman", "tau-a", "cosine", "pearson")
RANDOM = np.random.default_rng(0)


def one(x: object, y: object, measure: str) -> float:
    return float(similarities(np.array([x], float), np.array([y], float), measure)[0, 0])


def tau_a(x: np.ndarray, y: np.ndarray) -> float:
    """The definition."""
    pairs = list(combinations(range(len(x)), 2))
    return sum(np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]) for i, j in pairs) / len(pairs)


def test_tau_a_of_the_specification() -> None:
    # SPEC 10.2: five of six pairs are concordant, one is tied.
    assert one([1, 2, 3, 4], [1, 1, 2, 3], "tau-a") == pytest.approx(5 / 6)
    assert round(one([1, 2, 3, 4], [1, 1, 2, 3], "tau-a"), 4) == 0.8333


def test_every_measure_by_hand() -> None:
    # Squared differences of ranks: 1 - 6 * 6 / 60; 3 concordant, 2 discordant ... of 6; 1 * 3 + 2 * 1 + 3 * 2 over 14.
    assert one([1, 2, 3, 4], [2, 1, 4, 3], "spearman") == pytest.approx(1 - 6 * 4 / 60)
    assert one([1, 2, 3, 4], [2, 1, 4, 3], "tau-a") == pytest.approx((4 - 2) / 6)
    assert one([1, 2, 3], [3, 1, 2], "cosine") == pytest.approx(11 / 14)
    assert one([1, 2, 3], [3, 1, 2], "pearson") == pytest.approx(-0.5)


@pytest.mark.parametrize("ties", [False, True])
def test_every_measure_is_scipys(ties: bool) -> None:
    x, y = RANDOM.normal(size=(3, 45)), RANDOM.normal(size=(2, 45))
    if ties:
        x, y = x.round(), y.round()
    for i, j in np.ndindex(3, 2):
        assert similarities(x, y, "spearman")[i, j] == pytest.approx(stats.spearmanr(x[i], y[j]).statistic)
        assert similarities(x, y, "pearson")[i, j] == pytest.approx(stats.pearsonr(x[i], y[j]).statistic)
        assert similarities(x, y, "tau-a")[i, j] == pytest.approx(tau_a(x[i], y[j]))
        assert ties or similarities(x, y, "tau-a")[i, j] == pytest.approx(stats.kendalltau(x[i], y[j]).statistic)


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_every_way_to_tau_a_gives_the_same(levels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data, model = RANDOM.normal(size=(3, 28)).round(1), RANDOM.integers(0, levels, 28).astype(float)
    expected = [tau_a(row, model) for row in data]
    np.testing.assert_allclose(similarities(data, model[None], "tau-a")[:, 0], expected)
    p = permutation_p(data, model, 8, "tau-a", 300)
    monkeypatch.setattr(inference, "_SIGNED", 0)
    monkeypatch.setattr(inference, "_SIGNED_MANY", 0)
    np.testing.assert_allclose(similarities(data, model[None], "tau-a")[:, 0], expected)
    assert permutation_p(data, model, 8, "tau-a", 300) == p


def test_a_constant_triangle_is_like_nothing() -> None:
    assert np.isnan([one([1, 2, 3], [4, 4, 4], measure) for measure in ("spearman", "pearson")]).all()
    assert np.isnan(one([1, 2, 3], [0, 0, 0], "cosine"))
    assert one([1, 2, 3], [4, 4, 4], "tau-a") == 0
    assert inference._tau_a(np.array([[1.0, 2, 3]]), np.array([[4.0, 4, 4]])).tolist() == [[0.0]]


@pytest.mark.parametrize("measure", MEASURES)
def test_a_matrix_is_most_like_itself(measure: str) -> None:
    x = RANDOM.uniform(size=(1, 21))
    assert similarities(x, x, measure)[0, 0] == pytest.approx(1)


def test_a_misspelt_measure_is_named() -> None:
    with pytest.raises(SpecError, match=r"No measure 'spearmann'. Did you mean 'spearman'"):
        one([1, 2, 3], [1, 2, 3], "spearmann")


@pytest.mark.parametrize("measure", MEASURES)
def test_the_p_of_a_permutation_is_the_share_of_all_orders(measure: str) -> None:
    data, model = RANDOM.uniform(size=(2, 10)), RANDOM.uniform(size=10)
    matrix = square(model, 5)
    values = [
        similarities(data, triangle(matrix[np.ix_(order, order)])[None], measure).mean()
        for order in map(list, permutations(range(5)))
    ]
    exact = np.mean(np.array(values) >= similarities(data, model[None], measure).mean() - 1e-12)
    # By chance a share of 20,000 is off by less than 0.0036 in all but one of a few hundred.
    assert permutation_p(data, model, 5, measure, 20_000) == pytest.approx(exact, abs=0.012)


def test_a_p_is_never_0_and_the_seed_says_which_orders() -> None:
    data = RANDOM.uniform(size=(1, 66))
    assert permutation_p(data, data[0], 12, "spearman", 99) == 1 / 100
    other = RANDOM.uniform(size=66)
    found = {permutation_p(data, other, 12, "pearson", 200, seed) for seed in (0, 0, 1, 2, 3)}
    assert 1 < len(found) <= 4


def test_names_that_are_shuffled_say_nothing_half_the_time() -> None:
    random = np.random.default_rng(4)
    p = [permutation_p(random.uniform(size=(1, 28)), random.uniform(size=28), 8, "tau-a", 199) for _ in range(60)]
    assert 0.35 < np.mean(p) < 0.65


@pytest.mark.parametrize("measure", MEASURES)
def test_the_interval_over_items_holds_the_value_and_is_a_point_for_the_same_matrix(measure: str) -> None:
    x = RANDOM.uniform(size=66)
    y = x + RANDOM.normal(0, 0.3, 66)
    interval = item_interval(x, y, 12, measure, 300)
    assert interval.low < interval.value < interval.high
    assert interval.value == pytest.approx(one(x, y, measure))
    same = item_interval(x, x, 12, measure, 100)
    assert (same.low, same.high) == pytest.approx((1, 1))


def test_the_interval_over_items_draws_items_not_pairs() -> None:
    # Six items, of which one alone spoils the likeness: without it the matrices are the same.
    x = np.arange(1.0, 16)
    spoilt = square(x, 6)
    spoilt[0, 1:] = spoilt[1:, 0] = spoilt[0, :0:-1]
    interval = item_interval(x, triangle(spoilt), 6, "spearman", 500)
    assert interval.value < 1 and interval.high == pytest.approx(1)
    # Pairs of an item with itself, which are 0 in both, would make the likeness larger than it is in any part.
    assert interval.low < interval.value


def test_the_interval_over_subjects_is_that_of_a_mean() -> None:
    alike = np.random.default_rng(5).normal(0.3, 0.1, 40)
    interval = subject_interval(alike, 2000)
    half = 1.96 * alike.std() / np.sqrt(40)
    assert (interval.value, interval.low, interval.high) == pytest.approx(
        (alike.mean(), alike.mean() - half, alike.mean() + half), abs=0.006
    )


def test_signed_ranks_by_hand() -> None:
    # All of five above 0: one of 32 ways to give signs. The least below 0: two of 32.
    assert signed_rank_p(np.array([0.1, 0.2, 0.3, 0.4, 0.5])) == pytest.approx(1 / 32)
    assert signed_rank_p(np.array([-0.1, 0.2, 0.3, 0.4, 0.5])) == pytest.approx(2 / 32)
    assert signed_rank_p(np.zeros(5)) == 1.0


def test_the_ceiling_of_two_subjects_by_hand() -> None:
    # Two unit vectors with the cosine r make the angle with their mean whose cosine is the root of (1 + r) / 2.
    data = RANDOM.uniform(size=(2, 15))
    for measure in ("pearson", "cosine"):
        r = similarities(data[:1], data[1:], measure)[0, 0]
        assert noise_ceiling(data, measure) == pytest.approx((r, np.sqrt((1 + r) / 2)))
    ranked = stats.rankdata(data, axis=1)
    r = stats.spearmanr(*data).statistic
    above = stats.spearmanr(data[0], ranked.sum(0)).statistic + stats.spearmanr(data[1], ranked.sum(0)).statistic
    assert noise_ceiling(data, "spearman") == pytest.approx((r, above / 2))
    assert noise_ceiling(data, "tau-a")[0] == pytest.approx(tau_a(*data))


def test_no_model_of_all_subjects_is_above_the_ceiling() -> None:
    data = RANDOM.uniform(size=(6, 28))
    top = noise_ceiling(data, "pearson")[1]
    assert all(similarities(data, RANDOM.uniform(size=(1, 28)), "pearson").mean() < top for _ in range(50))


def test_false_discovery_by_hand() -> None:
    # Sorted: .01 * 4 / 1, .03 * 4 / 2 = .06 and .04 * 4 / 3 = .0533, of which the lesser counts for both, .5.
    assert false_discovery(np.array([0.01, 0.04, 0.03, 0.5])) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
