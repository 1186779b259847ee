"""Keys, reducers and writes: what a state takes, what it makes of it, and that it never changes in place."""

from __future__ import annotations

import operator
from typing import Annotated, NotRequired, Required, TypedDict

import pytest

from riverrun.base.errors import GraphError, InputError, NodeError
from riverrun.graph.reducers import Overwrite, Remove, add_messages
from riverrun.graph.shapes import read_shape
from riverrun.graph.state import Schema, read_schema


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


def test_keys_cannot_be_added_behind_the_back_of_a_schema():
    with pytest.raises(TypeError):
        SCHEMA.keys["new"] = None  # type: ignore[index]


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


# --- writes ---


def test_writes_replace_or_reduce_in_order_and_leave_the_old_state_alone():
    before = {"plain": 1, "added": ["a"]}
    after = SCHEMA.write(before, [{"plain": 2}, {"added": ["b"]}, {"plain": 3, "added": ["c"]}])
    assert {"plain": 3, "added": ["a", "b", "c"]} == after
    assert {"plain": 1, "added": ["a"]} == before


def test_a_key_with_a_reducer_starts_from_its_empty_value():
    assert {"added": ["a"], "longest": "xy", "needed": 3, "optional": {"k": 1}} == SCHEMA.write(
        {}, [{"added": ["a"], "longest": "xy", "needed": 3, "optional": {"k": 1}}]
    )


def test_a_key_whose_empty_value_nobody_knows_starts_from_the_first_write():
    assert {"maybe": 3} == SCHEMA.write({}, [{"maybe": 3}, {"maybe": 2}])


def test_a_reducer_that_raises_is_named_with_its_key():
    with pytest.raises(NodeError) as caught:
        SCHEMA.write({"added": ["a"]}, [{"added": 5}])
    assert ("E3007", "key 'added'") == (caught.value.code, caught.value.where)
    assert "TypeError" in caught.value.message
    assert isinstance(caught.value.__cause__, TypeError)


def test_what_is_streamed_under_a_list_key_is_a_list_also_when_nothing_came():
    assert [True, False, False] == [SCHEMA.folds_to_list(name) for name in ("added", "longest", "unheard of")]
    assert not Schema(None).folds_to_list("any")


# --- writes that go past a reducer ---


class Past(TypedDict, total=False):
    plain: object
    words: Annotated[list[str], operator.add]
    said: Annotated[list[dict[str, str]], add_messages]


PAST = read_schema(Past)


def test_an_overwrite_replaces_and_a_removal_deletes():
    before = {"plain": 1, "words": ["a"], "said": [{"id": "1"}]}
    assert {"plain": 2, "words": ["z", "b"]} == PAST.write(
        before, [{"plain": Overwrite(2), "words": Overwrite(["z"]), "said": Remove()}, {"words": ["b"]}]
    )
    assert {"words": ["b"], "said": []} == PAST.write(
        before, [{"plain": Remove(), "words": Remove(), "said": [Remove("1")]}, {"words": ["b"], "plain": Remove()}]
    )
    assert {"plain": 1, "words": ["a"], "said": [{"id": "1"}]} == before


def test_a_removal_by_name_needs_a_reducer_that_knows_the_name():
    with pytest.raises(NodeError) as caught:
        PAST.write({}, [{"plain": Remove("plain")}])
    assert ("E3008", "key 'plain'") == (caught.value.code, caught.value.where)
    assert "Remove()" in caught.value.mend


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


def test_a_chunk_is_read_back_only_under_a_key_whose_reducer_could_be_meant():
    looks = {"$remove": "1"}
    assert [Remove("1"), looks, looks] == [PAST.read_chunk(key, looks) for key in ("said", "plain", None)]


# --- a reducer that changes what it is given ---


def greedy(old, new):
    old.extend(new)
    new.clear()
    return old


class Mutated(TypedDict, total=False):
    grown: Annotated[list[str], greedy]
    added: Annotated[list[str], operator.iadd]


def test_a_reducer_that_changes_its_arguments_reaches_nobody_else():
    schema = read_schema(Mutated)
    before = {"grown": ["a"], "added": ["a"]}
    one, other = {"grown": ["b"], "added": ["b"]}, {"grown": ["c"], "added": ["c"]}
    left, right = schema.write(before, [one]), schema.write(before, [other])
    assert {"grown": ["a", "b"], "added": ["a", "b"]} == left == schema.write(before, [one])
    assert {"grown": ["a", "c"], "added": ["a", "c"]} == right
    assert {"grown": ["a"], "added": ["a"]} == before
    assert {"grown": ["b"], "added": ["b"]} == one, "and what was written is still there for the join and the log"


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
