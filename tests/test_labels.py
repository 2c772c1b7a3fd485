"""Labels: one order, everybody's words."""

from __future__ import annotations

import pytest

from hybridfer.errors import DatasetError
from hybridfer.labels import (
    LABEL_SETS,
    canonical_labels,
    canonical_split,
    class_order,
    label_in_set,
    label_numbers,
    probability_columns,
)


def test_native_orders_are_the_published_ones() -> None:
    # RAF-DB's list counts 1 to 7; AffectNet's and FER+'s from 0. From the data sets' own documentation.
    assert LABEL_SETS["rafdb"].index("neutral") == 6 and LABEL_SETS["affectnet"].index("contempt") == 7
    assert LABEL_SETS["ferplus"][:2] == ("neutral", "happiness") and LABEL_SETS["fer2013"][6] == "neutral"
    for order in LABEL_SETS.values():
        assert set(order) in (set(LABEL_SETS["fer2013"]), {*LABEL_SETS["fer2013"], "contempt"})


def test_words_are_expressions_only_when_all_of_them_are() -> None:
    assert canonical_labels(["Angry", "HAPPY"]) == {"Angry": "anger", "HAPPY": "happiness"}
    assert canonical_labels(["fine", "sad"]) == {"fine": "fine", "sad": "sad"}


def test_classes_stand_in_fer2013s_order_then_by_name() -> None:
    assert class_order(["zebra", "neutral", "ape", "anger", "contempt"]) == [
        "anger",
        "neutral",
        "contempt",
        "ape",
        "zebra",
    ]


def test_probability_columns_bear_the_expressions_names_or_a_prefix() -> None:
    assert probability_columns(["fear", "contempt"]) == {"fear": "fear", "contempt": "contempt"}
    assert probability_columns(["fear", "fine"]) == {"fear": "p_fear", "fine": "p_fine"}


def test_fer2013s_names_of_splits_are_aliases() -> None:
    assert [canonical_split(w) for w in ("Training", "PublicTest", "PrivateTest")] == ["train", "val", "test"]
    with pytest.raises(DatasetError, match="Did you mean 'train'"):
        canonical_split("trian")


def test_numbers_are_read_in_the_sets_own_order() -> None:
    # SPEC of the data sets: RAF-DB 1 surprise … 7 neutral; AffectNet 0 neutral … 7 contempt; FER2013 0 angry.
    assert [label_in_set(str(n), "rafdb") for n in (1, 7, 0, 8)] == ["surprise", "neutral", None, None]
    assert [label_in_set(n, "affectnet") for n in ("0", "7", "7.0", "7.5")] == ["neutral", "contempt", "contempt", None]
    assert label_in_set("Happy", "fer2013") == "happiness" and label_in_set("contempt", "fer2013") is None
    with pytest.raises(DatasetError, match="Did you mean 'affectnet'"):
        label_in_set("1", "afectnet")


@pytest.mark.parametrize("name", sorted(LABEL_SETS))
def test_every_label_comes_back_from_its_number(name: str) -> None:
    assert all(label_in_set(str(number), name) == label for label, number in label_numbers(name).items())
