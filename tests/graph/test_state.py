"""Keys and reducers, what a state takes as input, and schemas of several classes; writes are `test_writing.py`."""

from __future__ import annotations

import operator
from typing import Annotated, NotRequired, Required, TypedDict

import pytest

from riverrun.base.errors import GraphError, InputError
from riverrun.graph.reducers import Overwrite, Remove, add_messages
from riverrun.graph.shapes import read_shape
from riverrun.graph.state import read_schema


def longer(old, new):
    return new if len(new) > len(old) else old


class State(TypedDict, total=False):
    plain: int
    added: Annotated[list[str], operator.add]
    longest: Annotated[str, longer]
    described: Annotated[int, "metres"]
    both: Annotated[list[str], "words", operator.add]
    needed: Required[Annotated[int, operator.add]]
    optional: NotRequired[Annotated[dict[str, int], operator.or_]]
    maybe: Annotated[int | None, max]


class Child(State):
    more: set[int]


SCHEMA = read_schema(State)


def test_keys_reducers_and_kinds_are_read_off_the_class():
    assert {"plain": None, "added": operator.add, "longest": longer, "described": None, "both": operator.add} == {
        name: SCHEMA.reducer(name) for name in ("plain", "added", "longest", "described", "both")
    }
    assert (operator.add, operator.or_, max) == tuple(SCHEMA.reducer(name) for name in ("needed", "optional", "maybe"))
    assert [list, str, int, dict, object] == [
        SCHEMA.keys[name].kind for name in ("added", "longest", "plain", "optional", "maybe")
    ]
    assert "more" in read_schema(Child).keys
    assert SCHEMA.reducer("unheard of") is None


def test_a_plain_dict_takes_any_key():
    schema = read_schema(dict)
    assert [] == schema.unknown(["whatever"])
    assert {"whatever": 1} == schema.check_input({"whatever": 1})


class Metadata(TypedDict):
    x: Annotated[int, str]


class OneValue(TypedDict):
    x: Annotated[int, lambda value: value]


class Unknown(TypedDict):
    x: NoSuchThing  # type: ignore[name-defined]  # noqa: F821  # an annotation that nobody can evaluate


@pytest.mark.parametrize(
    ("declared", "code", "named"),
    [
        (Metadata, "E1008", "'x'"),
        (OneValue, "E1008", "'x'"),
        (Unknown, "E1007", "Unknown"),
        (int, "E1007", "int"),
        ({"x": int}, "E1007", "x"),
    ],
)
def test_a_class_that_cannot_be_a_state_is_refused_by_name(declared, code, named):
    with pytest.raises(GraphError) as caught:
        read_schema(declared)
    assert code == caught.value.code
    assert named in caught.value.message


# --- input ---


def test_no_input_is_an_empty_one():
    assert {} == SCHEMA.check_input(None)


@pytest.mark.parametrize(
    ("given", "named"), [({"y": 1}, "'y'"), (5, "int"), ([("plain", 1)], "list"), ("plain", "str")]
)
def test_an_input_that_does_not_fit_is_refused(given, named):
    with pytest.raises(InputError) as caught:
        SCHEMA.check_input(given)
    assert "E2010" == caught.value.code
    assert named in caught.value.message


def test_an_input_is_a_mapping_of_its_own():
    given = {"plain": 1}
    assert SCHEMA.check_input(given) is not given


# --- an input is plain data ---


class Past(TypedDict, total=False):
    plain: object
    words: Annotated[list[str], operator.add]
    said: Annotated[list[dict[str, str]], add_messages]


PAST = read_schema(Past)


@pytest.mark.parametrize(
    "given",
    [
        {"plain": {"$remove": None}},
        {"words": [{"$overwrite": 1}]},
        {"plain": Overwrite(1)},
        {"said": Remove()},
    ],
)
def test_an_input_cannot_remove_or_overwrite(given):
    for take in (PAST.check_input, lambda each: PAST.first(each, {}, {})):
        with pytest.raises(InputError) as caught:
            take(given)
        assert ("E2010", f"input key {next(iter(given))!r}") == (caught.value.code, caught.value.where)


# --- schemas of several classes ---


class Wide(TypedDict):
    words: list[str]
    extra: int


def test_a_joined_class_adds_its_keys_and_changes_none():
    joined = PAST.joined(read_shape(Wide))
    assert {"plain", "words", "said", "extra"} == set(joined.keys)
    assert operator.add is joined.reducer("words")
    assert [] == read_schema(dict).joined(read_shape(Wide)).unknown(["anything"])


def test_limits_hold_for_the_user_and_not_for_what_a_log_recorded():
    limited = PAST.limited(read_shape(Wide), read_shape(Wide))
    assert {"extra": 1} == limited.check_input({"extra": 1})
    with pytest.raises(InputError, match="its keys are: extra, words"):
        limited.check_input({"plain": 1})
    assert ({"plain": 1}, {"plain": 1}) == limited.first({"plain": 1}, {}, {})
    assert {"words": []} == limited.output({"words": [], "plain": 1})
    assert {"plain": 1} == read_schema(dict).limited(read_shape(dict), read_shape(dict)).check_input({"plain": 1})
