"""Dissimilarity matrices: by hand, by Scipy and scikit-learn, by sums written out."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist
from sklearn.covariance import LedoitWolf

from hybridfer.compare.rsa.matrices import (
    Dissimilarities,
    Rows,
    correlation_distances,
    crossnobis_distances,
    dissimilarities,
    noise_whitening,
    square,
    squared_distances,
    triangle,
)
from hybridfer.errors import DatasetError, SpecError

RANDOM = np.random.default_rng(0)
LETTERS = list("abcdefg")


def rows(patterns: object, items: object = None, **more: object) -> Rows:
    array = np.asarray(patterns, float)
    named = LETTERS[: len(array)] if items is None else list(items)  # type: ignore[call-overload]
    return Rows("toy", array, named, list(dict.fromkeys(named)), **more)  # type: ignore[arg-type]


def test_a_triangle_runs_along_the_rows() -> None:
    matrix = np.array([[0, 1, 2, 3], [1, 0, 4, 5], [2, 4, 0, 6], [3, 5, 6, 0.0]])
    assert triangle(matrix).tolist() == [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(square(triangle(matrix), 4), matrix)


def test_correlation_distance_by_hand() -> None:
    # Opposite patterns are 2 apart; (1, 2, 4) correlates with (1, 2, 3) as 3 over the root of 2 times 14/3.
    found = correlation_distances(np.array([[1, 2, 3], [3, 2, 1], [1, 2, 4.0]]))
    assert found == pytest.approx([2, 1 - 3 / np.sqrt(28 / 3), 1 + 3 / np.sqrt(28 / 3)])


def test_squared_distance_over_the_length_by_hand() -> None:
    assert squared_distances(np.array([[0, 0], [3, 4], [0, 4.0]])) == pytest.approx([12.5, 8, 4.5])


def test_both_are_scipys() -> None:
    patterns = RANDOM.normal(5, 1, (7, 20))
    np.testing.assert_allclose(correlation_distances(patterns), pdist(patterns, "correlation"), atol=1e-12)
    np.testing.assert_allclose(squared_distances(patterns), pdist(patterns, "sqeuclidean") / 20, atol=1e-12)


def test_crossnobis_by_hand_may_be_negative() -> None:
    # Folds (0, 1, 2) and (0, 2, 1): 1 times 2, 2 times 1, 1 times -1.
    assert crossnobis_distances(np.array([[[0], [1], [2.0]], [[0], [2], [1.0]]])) == pytest.approx([2, 2, -1])


def test_crossnobis_is_the_mean_over_pairs_of_folds() -> None:
    folds = RANDOM.normal(3, 1, (4, 5, 6))
    expected = [
        np.mean([(folds[m, i] - folds[m, j]) @ (folds[n, i] - folds[n, j]) / 6 for m in range(4) for n in range(4) if m != n])
        for i, j in combinations(range(5), 2)
    ]  # fmt: skip
    np.testing.assert_allclose(crossnobis_distances(folds), expected, atol=1e-12)


def test_without_a_difference_crossnobis_is_0_on_average_and_the_squared_distance_is_not() -> None:
    folds = np.random.default_rng(1).normal(size=(4000, 2, 3, 5))
    found = np.array([crossnobis_distances(each) for each in folds])
    assert abs(found.mean()) < 4 * found.mean(axis=1).std() / np.sqrt(4000)
    assert np.mean([squared_distances(each.mean(axis=0)) for each in folds[:500]]) > 0.9


@pytest.mark.parametrize("length", [3, 20, 200])
def test_whitened_distances_are_mahalanobis_distances_of_the_shrunk_covariance(length: int) -> None:
    residuals, patterns = RANDOM.normal(size=(40, length)) * np.linspace(1, 3, length), RANDOM.normal(size=(5, length))
    precision = LedoitWolf(assume_centered=True).fit(residuals).precision_
    expected = pdist(patterns, "mahalanobis", VI=precision) ** 2 / length
    np.testing.assert_allclose(squared_distances(noise_whitening(residuals, 40)(patterns)), expected, rtol=1e-8)
    # Fewer degrees of freedom mean as much more noise.
    np.testing.assert_allclose(squared_distances(noise_whitening(residuals, 20)(patterns)), expected / 2, rtol=1e-8)


def test_noise_that_is_not_there_cannot_be_divided_by() -> None:
    with pytest.raises(DatasetError, match="cannot be divided by; use --distance correlation or euclidean"):
        noise_whitening(np.zeros((6, 3)), 3)


def test_an_item_is_the_mean_of_its_rows() -> None:
    patterns = RANDOM.normal(size=(9, 4))
    found = dissimilarities(rows(patterns, "abcabcabc"))
    means = np.stack([patterns[i::3].mean(axis=0) for i in range(3)])
    np.testing.assert_allclose(found.mean, pdist(means, "correlation"))
    assert (found.items, found.subjects, found.vectors.shape) == (("a", "b", "c"), (), (1, 3))


def test_mahalanobis_takes_the_noise_from_the_rows_of_an_item() -> None:
    patterns = RANDOM.normal(size=(30, 4))
    found = dissimilarities(rows(patterns, "abc" * 10), "mahalanobis")
    means = np.stack([patterns[i::3].mean(axis=0) for i in range(3)])
    residuals = (patterns - np.tile(means, (10, 1))) * np.sqrt(30 / 27)
    precision = LedoitWolf(assume_centered=True).fit(residuals).precision_
    np.testing.assert_allclose(found.mean, pdist(means, "mahalanobis", VI=precision) ** 2 / 4)


def test_crossnobis_takes_folds_and_whitens() -> None:
    patterns = RANDOM.normal(size=(24, 4))
    folds = ["one"] * 12 + ["two"] * 12
    found = dissimilarities(rows(patterns, "abc" * 8, folds=folds), "crossnobis")
    means = np.stack([[patterns[f + i : f + 12 : 3].mean(axis=0) for i in range(3)] for f in (0, 12)])
    residuals = patterns - np.concatenate([np.tile(mean, (4, 1)) for mean in means])
    precision = LedoitWolf(assume_centered=True).fit(residuals).precision_ * 18 / 24
    expected = [
        (means[0, i] - means[0, j]) @ precision @ (means[1, i] - means[1, j]) / 4 for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    np.testing.assert_allclose(found.mean, expected)
    assert found.notes == ()


def test_one_row_an_item_and_fold_has_no_noise_to_learn_and_a_fold_without_an_item_is_left_out() -> None:
    patterns = RANDOM.normal(size=(8, 2))
    found = dissimilarities(rows(patterns, "abcabcab", folds=list("11122233")), "crossnobis")
    np.testing.assert_allclose(found.mean, crossnobis_distances(patterns[:6].reshape(2, 3, 2)))
    assert found.notes == (
        "toy: 1 folds lack an item and are left out",
        "toy: one row an item and fold, so the noise is taken to be the same everywhere",
    )


def test_every_subject_has_a_matrix_and_one_without_an_item_is_left_out_and_told() -> None:
    patterns = RANDOM.normal(size=(8, 5))
    found = dissimilarities(rows(patterns, "abcabcab", subjects=list("11122233")))
    assert found.subjects == ("1", "2")
    np.testing.assert_allclose(found.vectors, [pdist(patterns[:3], "correlation"), pdist(patterns[3:6], "correlation")])
    np.testing.assert_allclose(found.mean, found.vectors.mean(axis=0))
    assert found.notes == ("toy: 1 of 3 subjects are left out (3: no row of 'c')",)


def test_some_items_in_another_order() -> None:
    made = Dissimilarities("x", ("a", "b", "c", "d"), np.arange(1.0, 13).reshape(2, 6))
    part = made.take(["d", "a", "b"])
    # By hand: d-a, d-b, a-b.
    assert part.vectors.tolist() == [[3, 5, 1], [9, 11, 7]]
    assert made.take(list("abcd")) is made


@pytest.mark.parametrize(
    ("given", "distance", "said"),
    [
        (rows([[1, 2]]), "correlation", "toy has 1 items: a; matrices are compared from 3 on"),
        (rows(np.zeros((0, 2))), "correlation", "toy has 0 items; matrices"),
        (rows([[1, 2], [3, 9]]), "euclidean", "toy has 2 items: a, b; matrices"),
        (rows([[1, 2], [3, 3], [0, 1]]), "correlation", "the pattern of 'b' is constant and correlates with nothing; leave"),
        (rows([[0, 0], [3, 1], [0, 1]]), "correlation", "the pattern of 'a' is constant"),
        (rows([[0.1] * 99, RANDOM.normal(size=99), RANDOM.normal(size=99)]), "correlation", "of 'a' is constant"),
        (rows([[1, 2], [np.nan, 3], [0, 1]]), "euclidean", r"toy of 'b' is not all finite \(NaN\)"),
        (rows([[1, 2], [np.inf, 3], [0, 1]]), "euclidean", "toy of 'b' is not all finite"),
        (rows(RANDOM.normal(size=(3, 2))), "mahalanobis", "one row an item and subject, .* say --by COLUMN, or .*use --distance euclid"),
        (rows(RANDOM.normal(size=(3, 2))), "crossnobis", "add --folds COLUMN"),
        (rows(RANDOM.normal(size=(3, 2)), folds=list("111")), "crossnobis", "a single fold; the crossnobis distance needs"),
        (rows(RANDOM.normal(size=(3, 2)), folds=list("112")), "crossnobis", "no row of '[abc]'; the crossnobis distance"),
        (rows(RANDOM.normal(size=(3, 2)), subjects=list("111")), "euclidean", "fewer than 2 subjects .*there is one subject"),
        (rows(RANDOM.normal(size=(3, 2)), subjects=list("112")), "euclidean", r"fewer than 2 subjects .*\(1: no row of 'c'"),
    ],
)  # fmt: skip
def test_what_makes_no_matrix_is_named(given: Rows, distance: str, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        dissimilarities(given, distance)


def test_too_many_items_are_refused_before_anything_is_computed() -> None:
    many = [str(i) for i in range(2001)]
    with pytest.raises(DatasetError, match="2001 items, expected at most 2000; average them with --by COLUMN"):
        dissimilarities(Rows("toy", np.zeros((2001, 1)), many, many))


def test_a_misspelt_distance_is_named() -> None:
    with pytest.raises(SpecError, match=r"No distance 'euclid'. Did you mean 'euclidean'"):
        dissimilarities(rows(np.eye(3)), "euclid")


def test_near_copies_of_a_large_pattern_keep_their_distance() -> None:
    patterns = 1e6 + np.array([[0, 0], [1e-3, 0], [0, 2e-3]])
    np.testing.assert_allclose(
        squared_distances(patterns), cdist(patterns, patterns, "sqeuclidean")[[0, 0, 1], [1, 2, 2]] / 2, rtol=1e-5
    )
