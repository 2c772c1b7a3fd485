"""Expressions are FACS's prototypes, varied as people vary."""

from __future__ import annotations

import numpy as np
import pytest

from hybridfer.capture.expressions import PROTOTYPES, SPREAD, WHOLE, Style, draw_expression, expression_names
from hybridfer.capture.muscles import MUSCLES
from hybridfer.errors import DatasetError
from hybridfer.labels import EXPRESSIONS

FACS = {
    "anger": ({4, 5, 7, 23}, {17}),
    "disgust": ({9, 10}, {4, 15, 17, 25}),
    "fear": ({1, 2, 4, 5, 7, 20, 25}, {26}),
    "happiness": ({6, 12}, {25}),
    "sadness": ({1, 4, 15}, {17}),
    "surprise": ({1, 2, 5, 25, 26}, set()),
    "neutral": (set(), set()),
    "contempt": ({12, 14}, set()),
}
"""Units that make an expression, and such as may go with it: the investigator's guide, as tabulated by Cohn et al."""


def drawn(label: str, n: int = 60, style: Style | None = None) -> np.ndarray:
    return np.stack([draw_expression(label, np.random.default_rng([7, i]), style) for i in range(n)])


@pytest.mark.parametrize("label", PROTOTYPES)
def test_the_units_of_the_prototype_move_and_no_others(label: str) -> None:
    core, variants = FACS[label]
    strongest = drawn(label).max(axis=2)
    for muscle, seen in zip(MUSCLES, strongest.T, strict=True):
        if muscle in core:
            assert seen.min() > 1 and 2 < seen.mean() < 4.6, muscle
        elif muscle in variants:
            assert 0 < (seen > 1).mean() < 1, muscle
        else:
            assert seen.max() < 0.5, muscle


def test_nothing_leaves_the_scale_and_tables_hold_it_exactly() -> None:
    strong = Style(1.25, 0.12, (0.0,) * 18)
    for label in PROTOTYPES:
        units = drawn(label, style=strong)
        assert units.shape == (60, 18, 2) and units.min() >= 0 and units.max() <= 5
        np.testing.assert_array_equal(units, np.round(units, 2))


def test_the_same_state_makes_the_same_face_and_another_a_little_other_one() -> None:
    one, two, other = (draw_expression("fear", np.random.default_rng(i)) for i in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    core = [MUSCLES.index(muscle) for muscle in FACS["fear"][0]]
    apart = np.abs(one - other)[core]
    assert (apart > 0).any() and apart.max() < 4 * SPREAD + 2  # two ends of the spread, and a fifth of 5 for each side


def test_sides_differ_slightly_but_for_jaw_and_lips() -> None:
    units = drawn("fear")
    whole = [row for row, muscle in enumerate(MUSCLES) if muscle in WHOLE]
    np.testing.assert_array_equal(units[:, whole, 0], units[:, whole, 1])
    brow = units[:, MUSCLES.index(1)]
    assert 0 < np.abs(brow[:, 0] - brow[:, 1]).mean() < 1


def test_contempt_is_on_one_side_now_this_now_that() -> None:
    sides = drawn("contempt")[:, MUSCLES.index(14)]
    assert (sides.max(axis=1) > 3 * sides.min(axis=1)).all()
    assert 0.2 < (sides[:, 0] > sides[:, 1]).mean() < 0.8


def test_a_person_keeps_to_their_style() -> None:
    weak, strong = (drawn("happiness", style=Style(strength)) for strength in (0.75, 1.25))
    assert (weak[:, MUSCLES.index(12)] < strong[:, MUSCLES.index(12)]).all()
    lean = drawn("happiness", style=Style(lean=0.12))[:, MUSCLES.index(12)]
    assert lean[:, 0].mean() > lean[:, 1].mean() + 0.5  # a quarter of the intensity, which is 4 on average
    always, never = (drawn("sadness", style=Style(habits=(habit,) * 18)) for habit in (0.0, 0.99))
    chin = MUSCLES.index(17)
    assert (always[:, chin].max(axis=1) > 1).mean() > 0.7 > 0.5 > (never[:, chin].max(axis=1) > 1).mean()


def test_styles_are_not_alike_and_strengths_stay_human() -> None:
    styles = [Style.draw(np.random.default_rng(i)) for i in range(50)]
    strengths = np.array([style.strength for style in styles])
    assert len({style.habits for style in styles}) == 50
    assert strengths.min() >= 0.75 and strengths.max() <= 1.25 and 0.9 < strengths.mean() < 1.1


def test_all_is_the_seven_and_contempt_is_asked_for_by_name() -> None:
    assert expression_names("all") == list(EXPRESSIONS)
    assert expression_names(["contempt", "happy", "happiness"]) == ["happiness", "contempt"]
    assert expression_names("all,contempt") == [*EXPRESSIONS, "contempt"]


@pytest.mark.parametrize("names", ["hapiness", "happy,,sad", ""])
def test_an_unknown_expression_is_named_with_the_nearest(names: str) -> None:
    with pytest.raises(DatasetError, match=r"No expression named .* Known: all, anger"):
        expression_names(names)
    with pytest.raises(DatasetError, match="Did you mean 'happiness'"):
        draw_expression("hapiness", np.random.default_rng(0))


def test_no_expression_at_all_is_an_error() -> None:
    with pytest.raises(DatasetError, match="No expression is asked for"):
        expression_names([])
