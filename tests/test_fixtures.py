"""Golden numbers that other libraries computed, and old files that must stay readable."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from hybridfer import FeatureBank, load_model
from hybridfer.descriptors import create_descriptor
from hybridfer.health.numbers import GOLDEN, TOLERANCES
from hybridfer.media.images import read_image

FIXTURES = Path(__file__).parent.parent / "fixtures"


@pytest.mark.parametrize("name", TOLERANCES)
def test_descriptors_say_what_other_libraries_said(name: str) -> None:
    golden = np.load(GOLDEN)
    vector = create_descriptor(name).describe(golden["picture"])
    assert vector.dtype == golden[name].dtype
    np.testing.assert_allclose(vector.astype(float), golden[name], rtol=0, atol=TOLERANCES[name])


def test_the_golden_numbers_are_those_of_other_libraries_and_small() -> None:
    golden = np.load(GOLDEN)
    source = FIXTURES / "make.py"
    assert "import hybridfer" not in source.read_text() and "from hybridfer" not in source.read_text()
    made = runpy.run_path(str(source))["golden"](golden["picture"])
    assert set(made) == set(TOLERANCES) and GOLDEN.stat().st_size < 60_000
    for name, vector in made.items():
        np.testing.assert_allclose(golden[name].astype(float), vector, rtol=0, atol=TOLERANCES[name], err_msg=name)


def test_a_bank_of_schema_1_is_still_read() -> None:
    bank = FeatureBank.open(FIXTURES / "bank-1.parquet")
    assert bank.provenance["schema"] == 1 and bank.y.tolist() == ["happiness", "sadness"]
    assert bank.X("hog").shape == (2, 900) and bank.X("phash").dtype == np.uint8
    now = create_descriptor("hog").describe(read_image(FIXTURES / "smiling.png").pixels)
    np.testing.assert_allclose(bank.X("hog")[0], now, atol=1e-5)


def test_a_model_of_format_1_still_predicts() -> None:
    model = load_model(FIXTURES / "model-1")
    assert model.card["schema"] == 1 and model.classes == ["happiness", "sadness"]
    rows = model.predict([FIXTURES / "smiling.png", FIXTURES / "frowning.png"])
    assert [row["label"] for row in rows] == ["happiness", "sadness"]
