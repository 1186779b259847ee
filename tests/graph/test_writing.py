"""What a write makes of a state, that it changes nothing else, and that a log says the same write again."""

from __future__ import annotations

import copy
import operator
from typing import Annotated, Any, Required, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import NodeError
from riverrun.events.codec import decode, encode
from riverrun.events.kinds import NodeCompleted
from riverrun.graph.reducers import Overwrite, Remove, add_messages, append, merge
from riverrun.graph.shapes import Key
from riverrun.graph.state import Schema, read_schema
from riverrun.graph.writing import Writing, settles


def longer(old, new):
    return new if len(new) > len(old) else old


class State(TypedDict, total=False):
    plain: object
    other: Any
    added: Annotated[list[Any], operator.add]
    longest: Annotated[str, longer]
    maybe: Annotated[int | None, max]
    count: Required[Annotated[int, operator.add]]
    items: Annotated[list[Any], append]
    said: Annotated[list[dict[str, str]], add_messages]
    deep: Annotated[dict[str, Any], merge]


SCHEMA = read_schema(State)


def refused(code, call, key):
    with pytest.raises(NodeError) as caught:
        call()
    assert (code, f"key {key!r}") == (caught.value.code, caught.value.where)
    assert caught.value.mend
    return caught.value


# --- laws, whatever is written ---

LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab$", max_size=2)
LOOKS = st.sampled_from(["$remove", "$overwrite", "a"])
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(LOOKS, inner, max_size=2), max_leaves=5
)
PAST = st.builds(Overwrite, JSON) | st.just(Remove())
UPDATES = st.fixed_dictionaries(
    {},
    optional={
        "plain": JSON | PAST,
        "other": JSON | st.builds(Remove, LEAVES.filter(lambda one: isinstance(one, str | int | None))),
        "added": st.lists(JSON, max_size=2) | st.builds(Overwrite, st.lists(JSON, max_size=2)) | st.just(Remove()),
        "longest": st.text("ab", max_size=3),
        "maybe": st.integers(0, 9),
        "items": JSON | st.just(Remove()),
        "said": st.lists(st.fixed_dictionaries({"content": st.text("ab", max_size=2)}) | st.builds(Remove, LOOKS)),
        "deep": st.dictionaries(LOOKS, JSON, max_size=2) | st.builds(Remove, LOOKS),
    },
)


def written(state, updates):
    """Write; None where that is refused."""
    try:
        return SCHEMA.write(state, updates)
    except NodeError:
        return None


def through_a_log(update):
    """Give an update as a log gives it back."""
    event = NodeCompleted(seq=1, ts=1, run="r", node="a", exec="a:1", writes=(update,))
    stored = decode(encode(event))
    assert isinstance(stored, NodeCompleted)
    return SCHEMA.read_update(stored.writes[0])


@given(st.lists(UPDATES, max_size=4), st.integers(0, 4))
def test_what_is_written_at_once_is_what_is_written_piece_by_piece(updates, cut):
    whole, first = written({}, updates), written({}, updates[:cut])
    assert whole == (None if first is None else written(first, updates[cut:]))


@given(UPDATES, UPDATES)
def test_neither_the_state_that_was_there_nor_what_was_written_is_changed(before, update):
    state = written({}, [before])
    if state is None:
        return
    kept = copy.deepcopy((state, update))
    written(state, [update])
    assert kept == (state, update)


@given(st.lists(UPDATES, max_size=3))
def test_what_a_log_says_writes_the_same_state_again(updates):
    """So nothing that a node gives back as plain data can turn into a removal when its log is folded."""
    state = written({}, updates)
    if state is not None:
        assert state == written({}, [through_a_log(update) for update in updates])


@given(JSON)
def test_any_value_at_all_can_be_stored_as_an_overwrite(value):
    for name in ("plain", "added", "deep"):
        update = {name: Overwrite(value)}
        assert {name: value} == SCHEMA.write({name: []}, [update]) == SCHEMA.write({}, [through_a_log(update)])


# --- writes ---


def test_writes_replace_or_reduce_in_order():
    after = SCHEMA.write({"plain": 1, "added": ["a"]}, [{"plain": 2}, {"added": ["b"]}, {"plain": 3, "added": ["c"]}])
    assert {"plain": 3, "added": ["a", "b", "c"]} == after


def test_a_key_with_a_reducer_starts_from_its_empty_value():
    assert {"added": ["a"], "longest": "xy", "count": 3, "items": [1], "deep": {"k": 1}} == SCHEMA.write(
        {}, [{"added": ["a"], "longest": "xy", "count": 3, "items": 1, "deep": {"k": 1}}]
    )
    assert {"added": [], "longest": "", "count": 0, "items": [], "said": [], "deep": {}} == SCHEMA.empty()
    assert SCHEMA.empty()["added"] is not SCHEMA.empty()["added"]


def test_a_key_whose_empty_value_nobody_knows_starts_from_the_first_write():
    assert {"maybe": 3} == SCHEMA.write({}, [{"maybe": 3}, {"maybe": 2}])


def test_a_reducer_that_raises_is_named_with_its_key():
    error = refused("E3007", lambda: SCHEMA.write({"added": ["a"]}, [{"added": 5}]), "added")
    assert "TypeError" in error.message
    assert isinstance(error.__cause__, TypeError)


def test_what_is_streamed_under_a_list_key_is_a_list_also_when_nothing_came():
    assert [True, True, False, False] == [
        SCHEMA.folds_to_list(name) for name in ("added", "items", "longest", "unheard of")
    ]
    assert not Writing(None).folds_to_list("any")


def test_a_state_of_any_keys_takes_any_write_and_one_of_known_keys_names_the_others():
    assert {"x": 1, "y": [2]} == Writing(None).write({"x": 0}, [{"x": 1}, {"y": [2]}])
    assert [] == Writing(None).unknown(["x", 5])
    known = Writing({"x": Key(name="x")})
    assert (["y", "5"], False, True) == (known.unknown(["x", "y", 5]), known.open, Writing({}).unknown(["x"]) == ["x"])


def test_keys_cannot_be_added_behind_the_back_of_a_state():
    keys = {"x": Key(name="x")}
    made = Writing(keys)
    keys["y"] = Key(name="y")
    assert ["y"] == made.unknown(["y"])
    with pytest.raises(TypeError):
        made.keys["y"] = Key(name="y")  # type: ignore[index]


# --- writes that go past a reducer ---


def test_an_overwrite_replaces_and_a_removal_deletes():
    before = {"plain": 1, "added": ["a"], "said": [{"id": "1"}]}
    assert {"plain": 2, "added": ["z", "b"]} == SCHEMA.write(
        before, [{"plain": Overwrite(2), "added": Overwrite(["z"]), "said": Remove()}, {"added": ["b"]}]
    )
    assert {"added": ["b"], "said": []} == SCHEMA.write(
        before, [{"plain": Remove(), "added": Remove(), "said": [Remove("1")]}, {"added": ["b"], "plain": Remove()}]
    )


def test_a_removal_by_name_needs_a_reducer_that_knows_the_name():
    error = refused("E3008", lambda: SCHEMA.write({}, [{"plain": Remove("plain")}]), "plain")
    assert "Remove()" in error.mend
    assert {"deep": {"b": 1}} == SCHEMA.write({"deep": {"a": 1, "b": 1}}, [{"deep": Remove("a")}])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("plain", {"$remove": None}),
        ("plain", {"$overwrite": 1}),
        ("added", [{"$remove": "a"}]),
        ("items", (1, {"$overwrite": 1})),
        ("deep", {"$remove": "a"}),
    ],
)
def test_plain_data_that_looks_like_a_removal_is_refused_where_a_log_would_take_it_for_one(name, value):
    error = refused("E3008", lambda: SCHEMA.write({}, [{name: value}]), name)
    assert "Overwrite(value)" in error.mend


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("plain", [{"$remove": None}]),
        ("plain", {"$remove": None, "a": 1}),
        ("deep", {"a": {"$remove": "b"}}),
        ("added", [[{"$remove": "a"}]]),
    ],
)
def test_and_is_plain_data_where_no_log_would(name, value):
    assert {name: value} == SCHEMA.write({}, [{name: value}]) == SCHEMA.write({}, [through_a_log({name: value})])


def test_a_chunk_is_read_back_only_under_a_key_whose_reducer_could_be_meant():
    looks = {"$remove": "1"}
    assert [Remove("1"), looks, looks] == [SCHEMA.read_chunk(key, looks) for key in ("said", "plain", None)]


def test_only_what_says_what_a_key_is_settles_it():
    assert [True, True, False, False, False] == [
        settles(value) for value in (Overwrite(1), Remove(), Remove("1"), {"$remove": None}, None)
    ]


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


def test_a_key_without_a_reducer_reduces_nothing():
    plain = Key(name="x", kind=list)
    made = Schema({"x": plain})
    assert None is made.reducer("x")
    assert [2] == made.reduce(plain, {"x": [1]}, [2])
    assert None is made.reducer("unheard of")
