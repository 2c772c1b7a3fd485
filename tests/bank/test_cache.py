"""The cache remembers a face by its pixels, the spec, versions and weights; it is never wrong and never in the way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bank.toys import Means
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridfer.bank.cache import FeatureCache, Identity, content_key

CROPS = [np.random.default_rng(i).integers(0, 256, (8, 8, 3)).astype(np.uint8) for i in range(6)]
KEYS = [content_key(crop) for crop in CROPS]


@pytest.fixture
def filled(tmp_path: Path) -> FeatureCache:
    cache = FeatureCache(tmp_path)
    cache.put(Means(), KEYS[:4], Means().describe_batch(CROPS[:4]))
    return cache


def test_what_was_kept_comes_back_bit_for_bit(filled: FeatureCache, tmp_path: Path) -> None:
    for cache in (filled, FeatureCache(tmp_path)):
        found = cache.get(Means(), [KEYS[3], KEYS[5], KEYS[0]])
        assert sorted(found) == [0, 2]
        np.testing.assert_array_equal(found[0], Means().describe(CROPS[3]))
        np.testing.assert_array_equal(found[2], Means().describe(CROPS[0]))


def test_another_parameter_is_another_vector(filled: FeatureCache) -> None:
    assert filled.get(Means(size=5), KEYS) == {}


def test_a_raised_version_forgets_and_says_so(filled: FeatureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Means, "version", 2)
    assert filled.get(Means(), KEYS) == {}
    assert filled.why(Means(), CROPS[0]) == "miss: kept under descriptor version 1, now 2"


def test_another_library_version_forgets_and_says_so(filled: FeatureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    now = importlib.metadata.version("opencv-contrib-python")
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99.0")
    assert filled.why(Means(), CROPS[0]) == f"miss: kept under opencv-contrib-python {now}, now 99.0"


def test_other_weights_forget_and_say_so(filled: FeatureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Means, "weights_sha256", "ab" * 32)
    assert filled.why(Means(), CROPS[0]) == "miss: kept under weights None, now abababababab"


def test_it_says_why(filled: FeatureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    assert filled.why(Means(), CROPS[0]).startswith("hit")
    assert filled.why(Means(size=5), CROPS[0]) == "miss: this face was described only as means:size=4"
    assert filled.why(Means(), CROPS[5]) == "miss: this face was never described"
    monkeypatch.setattr(Means, "cacheable", False)
    assert filled.why(Means(), CROPS[0]).startswith("never kept")


def test_damage_anywhere_is_a_miss_and_is_mended_by_the_next_run(filled: FeatureCache, tmp_path: Path) -> None:
    for file in [p for p in tmp_path.rglob("*") if p.is_file()]:
        whole = file.read_bytes()
        for broken in (b"", whole[: len(whole) // 2], bytes(b ^ 0x55 for b in whole)):
            file.write_bytes(broken)
            cache = FeatureCache(tmp_path)
            for position, vector in cache.get(Means(), KEYS).items():
                np.testing.assert_array_equal(vector, Means().describe(CROPS[position]))
            cache.put(Means(), KEYS[:4], Means().describe_batch(CROPS[:4]))
            assert sorted(FeatureCache(tmp_path).get(Means(), KEYS)) == [0, 1, 2, 3], file
            file.write_bytes(whole)


def test_it_counts_and_forgets(filled: FeatureCache, tmp_path: Path) -> None:
    assert filled.info() == [{"spec": "means:size=4", "version": 1, "faces": 4, "packs": 1}]
    assert filled.size() > 4 * 16
    filled.clear()
    assert filled.get(Means(), KEYS) == {} and FeatureCache(tmp_path).info() == []
    assert not list(tmp_path.rglob("*.pkl"))


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = FeatureCache(tmp_path / "file" / "cache")
    cache.put(Means(), KEYS[:1], Means().describe_batch(CROPS[:1]))
    assert FeatureCache(tmp_path / "file" / "cache").get(Means(), KEYS[:1]) == {}


@settings(max_examples=20)
@given(st.lists(st.integers(0, 5), max_size=12))
def test_a_hit_equals_computing_again(order: list[int]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(folder)
        if order:
            some = sorted(set(order[::2]))
            cache.put(Means(), [KEYS[i] for i in some], Means().describe_batch([CROPS[i] for i in some]))
        for position, vector in cache.get(Means(), [KEYS[i] for i in order]).items():
            np.testing.assert_array_equal(vector, Means().describe(CROPS[order[position]]))


def test_shape_is_content() -> None:
    assert content_key(np.zeros((2, 8, 3), np.uint8)) != content_key(np.zeros((4, 4, 3), np.uint8))


def test_two_identities_have_two_keys() -> None:
    assert Identity.of(Means()).key != Identity.of(Means(size=5)).key
