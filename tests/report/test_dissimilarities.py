"""Charts of matrices and comparisons: readable PNG files, the same bytes twice, whatever items are called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hybridfer.report.dissimilarities import comparisons_png, layers_png, matrices_png

pytestmark = pytest.mark.slow

ITEMS = [f"folder/_{i} $x.png" for i in range(5)]
MATRIX = np.abs(np.subtract.outer(np.arange(5.0), np.arange(5.0))) ** 2
LAYERS = ["net@one", "net@two", "net@three"]


def row(
    data: str, model: str, similarity: float, q: float | None = 0.01, ceiling: float | None = None
) -> dict[str, Any]:
    low, high = similarity - 0.1, similarity + 0.1
    top = None if ceiling is None else ceiling + 0.1
    found = {"data": data, "model": model, "similarity": similarity, "low": low, "high": high}
    return {**found, "q": q, "ceiling_low": ceiling, "ceiling_high": top}


ROWS = [
    row(layer, model, 0.1 * i, 0.2 if i else 0.01) for i, layer in enumerate(LAYERS) for model in ("gwp", "category")
]
CHARTS: dict[str, Callable[[Path], None]] = {
    "matrices": lambda path: matrices_png(path, ITEMS, {"lbp": MATRIX, "hog $": MATRIX.max() - MATRIX, "gwp": MATRIX}),
    "comparisons": lambda path: comparisons_png(path, ROWS),
    "layers": lambda path: layers_png(path, LAYERS, ROWS),
}


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def has(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(picture - colour).max(axis=2) <= 3).sum())


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_is_a_png_on_white_and_the_same_bytes_twice(tmp_path: Path, chart: str) -> None:
    for name in ("a.png", "b.png"):
        CHARTS[chart](tmp_path / name)
    picture = pixels(tmp_path / "a.png")
    assert min(picture.shape[:2]) > 250 and (picture[0, 0] == 255).all()
    assert 0.01 < (picture != 255).any(2).mean() < 0.9
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_least_and_the_most_unlike_pair_have_the_ends_of_the_colours(tmp_path: Path) -> None:
    matrices_png(tmp_path / "a.png", list("abc"), {"x": np.array([[0, 1, 2], [1, 0, 9], [2, 9, 0.0]])})
    picture = pixels(tmp_path / "a.png")
    # Viridis from (68, 1, 84) to (253, 231, 36); two cells of nine each, and the bar's end.
    dark, bright = has(picture, (68, 1, 84)), has(picture, (253, 231, 36))
    assert dark > 10_000 and bright == pytest.approx(dark, rel=0.1)


def test_a_bar_that_may_be_chance_is_empty_and_the_ceiling_is_grey(tmp_path: Path) -> None:
    comparisons_png(tmp_path / "sure.png", [row("lbp", "gwp", 0.5)])
    comparisons_png(tmp_path / "chance.png", [row("lbp", "gwp", 0.5, 0.2, 0.7)])
    sure, chance = pixels(tmp_path / "sure.png"), pixels(tmp_path / "chance.png")
    blue, grey = (0, 114, 178), (217, 217, 217)
    assert has(sure, blue) > 10 * has(chance, blue) > 0
    assert has(chance, grey) > 1000 > has(sure, grey)


def test_layers_without_a_model_and_models_without_data_can_be_drawn(tmp_path: Path) -> None:
    layers_png(tmp_path / "a.png", LAYERS, [])
    layers_png(tmp_path / "b.png", LAYERS, [row(layer, "gwp", 0.3, ceiling=0.6) for layer in LAYERS])
    comparisons_png(tmp_path / "c.png", [])
    assert has(pixels(tmp_path / "b.png"), (217, 217, 217)) > 1000 > has(pixels(tmp_path / "a.png"), (217, 217, 217))


def test_many_matrices_of_many_items_stay_within_a_screenful(tmp_path: Path) -> None:
    random = np.random.default_rng(0).uniform(size=(14, 60, 60))
    matrices_png(tmp_path / "a.png", [f"{i}" * 30 for i in range(60)], {str(i): m + m.T for i, m in enumerate(random)})
    assert max(pixels(tmp_path / "a.png").shape) < 4000
