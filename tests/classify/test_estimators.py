"""The fitted steps against scikit-learn's own, and against slow and obvious versions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import additive_chi2_kernel, euclidean_distances
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from hybridfer.classify.estimators import BlockProjection, KernelMap, chi_square


@pytest.fixture
def X():
    random = np.random.default_rng(0)
    return (random.normal(size=(80, 12)) @ random.normal(size=(12, 12)) + random.normal(size=12)).astype(np.float64)


@parametrize_with_checks([BlockProjection(components=3), KernelMap(), KernelMap(landmarks=5)])
def test_they_are_scikit_learn_estimators(estimator, check):
    check(estimator)


def by_hand(train, test, components, solver="full"):
    """Scikit-learn's scaler and PCA, then each component over the root of its variance and the mean variance."""
    scaler = StandardScaler().fit(train)
    pca = PCA(components, svd_solver=solver).fit(scaler.transform(train))
    variances = pca.explained_variance_ * (len(train) - 1) / len(train)
    return pca.transform(scaler.transform(test)) / np.sqrt(variances + variances.mean())


def assert_same_axes(got, expected, atol=1e-8):
    """Axes have no sign of their own."""
    signs = np.sign((got * expected).sum(0))
    np.testing.assert_allclose(got * signs, expected, atol=atol)


@pytest.mark.parametrize("rows", [60, 9])
def test_a_block_is_scaled_rotated_and_evened_out_as_scikit_learn_would(X, rows):
    got = BlockProjection(components=5).fit(X[:rows]).transform(X[60:])
    assert_same_axes(got, by_hand(X[:rows], X[60:], 5))


def test_a_long_block_comes_to_the_same_axes_by_iteration():
    random = np.random.default_rng(0)
    X = (random.normal(size=(2200, 6)) * [9, 7, 5, 4, 3, 2]) @ random.normal(size=(6, 2100)) + random.normal(
        size=(2200, 2100)
    )
    assert_same_axes(BlockProjection(components=4).fit_transform(X)[:50], by_hand(X, X[:50], 4, "arpack"), atol=1e-6)


def test_each_block_has_its_own_axes(X):
    both = BlockProjection([7, 5], components=3).fit(X)
    assert both.lengths_out_ == [3, 3]
    apart = [BlockProjection(components=3).fit_transform(part) for part in (X[:, :7], X[:, 7:])]
    np.testing.assert_allclose(both.transform(X), np.hstack(apart), atol=1e-10)


def test_a_whole_block_passes_as_it_is(X):
    got = BlockProjection([7, 5], components=3, whole=[True, False]).fit_transform(X)
    np.testing.assert_array_equal(got[:, :7], X[:, :7])
    assert got.shape == (80, 10)


def test_rows_of_what_is_projected_come_to_unit_length_where_that_is_asked(X):
    plain, unit = (BlockProjection([7, 5], 3, [False, True], unit=unit).fit_transform(X) for unit in (False, True))
    np.testing.assert_allclose(unit[:, :3], plain[:, :3] / np.linalg.norm(plain[:, :3], axis=1, keepdims=True))
    np.testing.assert_array_equal(unit[:, 3:], X[:, 7:])


def test_components_are_bounded_by_columns_and_rows(X):
    assert BlockProjection().fit_transform(X).shape == (80, 12)
    assert BlockProjection().fit_transform(X[:5]).shape == (5, 4)


def test_constant_columns_count_nothing(X):
    with_constant = np.hstack([X, np.full((80, 1), 0.1)])
    np.testing.assert_allclose(
        np.abs(BlockProjection(components=4).fit_transform(with_constant)),
        np.abs(BlockProjection(components=4).fit_transform(X)),
        atol=1e-8,
    )
    assert not BlockProjection().fit_transform(np.ones((6, 3))).any()


def test_float32_stays_float32_and_near(X):
    narrow = BlockProjection(components=4).fit(X.astype(np.float32)).transform(X.astype(np.float32))
    assert narrow.dtype == np.float32
    assert_same_axes(narrow, BlockProjection(components=4).fit_transform(X), atol=1e-4)


def test_chi_square_is_scikit_learns():
    random = np.random.default_rng(0)
    X, Y = (random.uniform(size=(n, 40)) * (random.uniform(size=(n, 40)) < 0.4) for n in (300, 520))
    np.testing.assert_allclose(chi_square(X, Y), -additive_chi2_kernel(X, Y), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        chi_square(X.astype(np.float32), Y.astype(np.float32)), -additive_chi2_kernel(X, Y), rtol=1e-4, atol=1e-4
    )


def test_the_kernel_is_of_the_mean_of_the_blocks_distances(X):
    counts = np.abs(X)
    kernel = KernelMap([7, 5], [True, False], gamma=1.7).fit(counts).transform(counts[:10])
    others = ~np.eye(80, dtype=bool)
    distances = [-additive_chi2_kernel(counts[:, :7]), euclidean_distances(counts[:, 7:]) ** 2]
    expected = np.exp(-1.7 * sum(d / d[others].mean() for d in distances) / 2)
    np.testing.assert_allclose(kernel, expected[:10], atol=1e-8)


def test_nystroem_with_every_landmark_is_exact_and_with_few_is_near(X):
    exact = KernelMap().fit(X).transform(X)
    full = KernelMap(landmarks=80).fit_transform(X)
    np.testing.assert_allclose(full @ full.T, exact, atol=1e-5)
    few = KernelMap(landmarks=40).fit_transform(X)
    assert few.shape == (80, 40)
    assert np.abs(few @ few.T - exact).mean() < 0.1
    assert not np.array_equal(few, KernelMap(landmarks=40, seed=1).fit_transform(X))


def test_gamma_narrows_the_kernel(X):
    assert (KernelMap(gamma=2).fit_transform(X) <= KernelMap(gamma=1).fit_transform(X)).all()


def test_negative_values_are_no_histogram(X):
    with pytest.raises(ValueError, match="not negative"):
        KernelMap(histograms=[True]).fit(X)
