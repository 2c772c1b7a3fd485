"""The numbers of the toolbox of the field, where it is installed."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from hybridfer.compare.rsa.inference import noise_ceiling, similarities
from hybridfer.compare.rsa.matrices import Rows, dissimilarities

pytestmark = pytest.mark.slow

FOLDS, ITEMS, LENGTH = 4, 7, 20
NAMES = {"spearman": "spearman", "tau-a": "tau-a", "cosine": "cosine", "pearson": "corr"}


@pytest.fixture(scope="module")
def toolbox() -> Any:
    return pytest.importorskip("rsatoolbox", reason="wants rsatoolbox: pip install rsatoolbox")


@pytest.fixture(scope="module")
def rows() -> Rows:
    """Seven items in four folds, two rows each."""
    random = np.random.default_rng(0)
    items = [f"item {i}" for i in range(ITEMS)]
    patterns = random.normal(size=(FOLDS * 2 * ITEMS, LENGTH)) + np.tile(random.normal(size=(ITEMS, LENGTH)), (8, 1))
    folds = [f"fold {i // (2 * ITEMS)}" for i in range(len(patterns))]
    return Rows("toy", patterns, items * (FOLDS * 2), items, None, folds)


@pytest.mark.parametrize("distance", ["correlation", "euclidean", "mahalanobis", "crossnobis"])
def test_distances(distance: str, rows: Rows, toolbox: Any) -> None:
    patterns, freedom = np.asarray(rows.patterns, float), len(rows.items)
    cells = [f"{item} {fold}" if distance == "crossnobis" else item for item, fold in zip(rows.items, rows.folds or [], strict=True)]  # fmt: skip
    residuals = patterns - np.stack([patterns[[c == cell for c in cells]].mean(axis=0) for cell in cells])
    residuals *= np.sqrt(freedom / (freedom - len(set(cells))))
    data = toolbox.data.Dataset(patterns, obs_descriptors={"item": list(rows.items), "fold": list(rows.folds or [])})
    more: dict[str, Any] = {}
    if distance in ("mahalanobis", "crossnobis"):
        more["noise"] = LedoitWolf(assume_centered=True).fit(residuals).precision_
    if distance == "crossnobis":
        more["cv_descriptor"] = "fold"
    expected = toolbox.rdm.calc_rdm(data, method=distance, descriptor="item", **more)
    assert list(expected.pattern_descriptors["item"]) == list(rows.order)
    np.testing.assert_allclose(dissimilarities(rows, distance).vectors, expected.dissimilarities, atol=1e-12)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("measure", NAMES)
def test_comparisons_and_the_noise_ceiling(measure: str, ties: bool, toolbox: Any) -> None:
    random = np.random.default_rng(1)
    data, models = random.uniform(size=(5, 66)), random.uniform(size=(3, 66))
    if ties:
        data, models = data.round(1), models.round(1)
    wanted = toolbox.rdm.compare(toolbox.rdm.RDMs(data), toolbox.rdm.RDMs(models), method=NAMES[measure])
    np.testing.assert_allclose(similarities(data, models, measure), wanted, atol=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ceiling = toolbox.inference.boot_noise_ceiling(toolbox.rdm.RDMs(data), method=NAMES[measure])
    np.testing.assert_allclose(noise_ceiling(data, measure), ceiling, atol=1e-12)
