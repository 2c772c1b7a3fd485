"""``windows(SPEC)``: what another descriptor makes of each window, side by side, under a name that holds everywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hybridfer.bank.bank import block_card, first_word
from hybridfer.bank.cache import Identity
from hybridfer.classify.pipelines import Settings, histograms
from hybridfer.descriptors import DESCRIPTORS, create_descriptor
from hybridfer.descriptors.check import check_descriptor
from hybridfer.descriptors.windows import Windows
from hybridfer.errors import SpecError
from hybridfer.faces.windows import WINDOWS
from hybridfer.spec import FeatureSpec, parse_spec

LAYER = "resnet18@layer1:pool=gap,seed=0,size=32,untrained=true"


@pytest.mark.parametrize("name", [*sorted(DESCRIPTORS.table), LAYER])
def test_it_keeps_what_every_descriptor_promises(name: str) -> None:
    check_descriptor(create_descriptor(f"windows({name})"))


@pytest.mark.parametrize("name", ["lbp:grid=3", "phash", LAYER])
def test_its_vector_is_the_windows_vectors_one_after_the_other(name: str) -> None:
    random = np.random.default_rng(2)
    strips = [random.integers(0, 256, (12 * side, side, 3), np.uint8) for side in (20, 48)]
    inner = create_descriptor(name)
    expected = [
        np.concatenate([inner.describe(strip[i * side : (i + 1) * side]) for i in range(12)])
        for strip, side in zip(strips, (20, 48), strict=True)
    ]
    np.testing.assert_array_equal(create_descriptor(f"windows({name})").describe_batch(strips), expected)


def test_its_spec_holds_the_whole_spec_within() -> None:
    made = create_descriptor(" windows(lbp:grid=4) ")
    assert made.spec == "windows(lbp:grid=4,points=8,radius=1,size=48)"
    assert create_descriptor(made.spec) == made == Windows(create_descriptor("lbp:grid=4"))
    assert parse_spec(made.spec) == FeatureSpec("windows", inner=parse_spec("lbp:grid=4,points=8,radius=1,size=48"))
    assert (made.size, made.length, made.dtype, made.view) == (48, 12 * 16 * 59, np.float32, "windows")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("windows(", r"windows\(lbp\)"),
        ("windows()", r"windows\(lbp\)"),
        ("windows(lbp", r"windows\(lbp\)"),
        ("nose(lbp)", r"windows\(lbp\)"),
        ("windows(windows(lbp))", "puts windows into windows"),
        ("windows(lpb)", "Did you mean 'lbp'"),
        ("windows(lbp:grid=0)", "lbp:grid=0 is out of range"),
    ],
)
def test_what_names_no_windows_is_refused(text: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        create_descriptor(text)
    with pytest.raises(SpecError, match="already"):
        Windows(create_descriptor("windows(lbp)"))


def test_a_bank_knows_the_windows_and_the_version_of_what_describes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    made = create_descriptor("windows(hog)")
    card = block_card(made)
    assert (card["name"], card["version"], card["length"]) == ("windows(hog)", 1, 12 * 900)
    assert list(card["windows"]) == list(WINDOWS) and card["windows"]["chin"] == [0.0, 1.65]
    assert "windows" not in block_card(create_descriptor("hog"))
    monkeypatch.setattr(type(made.of), "version", 7)
    assert block_card(made)["version"] == Identity.of(made).version == 7


def test_windows_of_histograms_are_histograms() -> None:
    blocks = {create_descriptor(f"windows({name})").spec: 12 for name in ("lbp", "phash")}
    assert histograms(blocks, Settings(kernel="chi2")) == [True, False]


def test_its_first_word_names_what_describes_the_windows() -> None:
    assert first_word(create_descriptor("windows(lbp)").spec) == "windows(lbp)"
    assert first_word(f"windows({LAYER})") == "windows(resnet18@layer1)"
    assert first_word("lbp:grid=7") == "lbp"


def test_it_works_where_it_is_told_to() -> None:
    layer = create_descriptor(f"windows({LAYER})")
    assert isinstance(layer, Windows)
    assert layer.on("cpu") == layer and layer.on("cpu").device == "cpu"
    moved = replace(layer, of=replace(layer.of, device="cuda:1"))  # type: ignore[call-arg]
    assert dict(Identity.of(moved).libraries)["device"] == "cuda"
    assert "device" not in dict(Identity.of(create_descriptor("windows(gabor)")).libraries)
