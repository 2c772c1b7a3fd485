"""Golden numbers that other libraries computed, and old files that must stay readable."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hybridfer import FeatureBank, load_model
from hybridfer.descriptors import create_descriptor
from hybridfer.descriptors.phash import hash_hex
from hybridfer.media.images import read_image

FIXTURES = Path(__file__).parent.parent / "fixtures"
GOLDEN = json.loads((FIXTURES / "golden" / "grey.json").read_text())


@pytest.mark.parametrize(("name", "tolerance"), [("lbp", 1e-6), ("hog", 1e-5), ("sift", 1)])
def test_descriptors_say_what_other_libraries_said(name: str, tolerance: float) -> None:
    vector = create_descriptor(name).describe(read_image(FIXTURES / "grey.png").pixels)
    np.testing.assert_allclose(vector.astype(float), GOLDEN[name], atol=tolerance)


def test_the_hash_is_imagehashs() -> None:
    assert hash_hex(create_descriptor("phash").describe(read_image(FIXTURES / "grey.png").pixels)) == GOLDEN["phash"]


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
