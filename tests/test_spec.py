"""Feature specs: what they say is what they mean."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridfer.errors import SpecError
from hybridfer.spec import FeatureSpec, format_value, parse_options, parse_spec, parse_value

names = st.from_regex(r"[a-z][a-z0-9_-]{0,10}", fullmatch=True)
keys = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
values = st.from_regex(r"[A-Za-z0-9_.\-]{1,10}", fullmatch=True)
layers = st.none() | st.from_regex(r"[A-Za-z0-9_.]{1,12}", fullmatch=True)


@given(names, layers, st.dictionaries(keys, values, max_size=4))
def test_a_spec_that_is_printed_and_read_back_is_the_same(
    name: str, layer: str | None, options: dict[str, str]
) -> None:
    spec = FeatureSpec(name, layer, options)
    assert parse_spec(str(spec)) == spec


def test_keys_are_sorted_so_that_equal_specs_have_equal_texts() -> None:
    assert str(parse_spec("lbp:radius=1,grid=7")) == str(parse_spec("lbp:grid=7,radius=1")) == "lbp:grid=7,radius=1"


@pytest.mark.parametrize("text", ["", ":", "lbp:", "lbp:grid", "lbp:=7", "lbp:grid=", "7lbp", "a@", "@b", "lbp:Grid=7"])
def test_what_is_no_spec_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SpecError, match="lbp:grid=7"):
        parse_spec(text)


def test_a_key_given_twice_is_refused() -> None:
    with pytest.raises(SpecError, match="'grid' twice"):
        parse_spec("lbp:grid=7,grid=8")


@given(st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False))
def test_values_are_printed_so_that_they_are_read_back(value: float) -> None:
    assert parse_value(format_value(value), type(value), "x") == value


def test_whole_numbers_have_no_point() -> None:
    assert format_value(1.0) == "1" and format_value(0.5) == "0.5" and format_value(True) == "true"


def test_an_unknown_parameter_names_the_nearest() -> None:
    @dataclass(frozen=True)
    class Thing:
        grid: int = 7

    assert parse_options(Thing, parse_spec("thing:grid=9")) == {"grid": 9}
    with pytest.raises(SpecError, match="Did you mean 'grid'"):
        parse_options(Thing, parse_spec("thing:gird=9"))
    with pytest.raises(SpecError, match="not a whole number"):
        parse_options(Thing, parse_spec("thing:grid=x"))
