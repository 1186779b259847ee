"""The ready-made reducers: their laws, and that they leave what they are given as it is."""

from __future__ import annotations

import copy
import dataclasses
from types import SimpleNamespace

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.graph import reducers
from riverrun.graph.reducers import Overwrite, Remove, add_messages, append, looks_like_control, merge, read_control

LISTS = st.lists(st.integers(0, 9), max_size=5)
IDS = st.sampled_from(["a", "b", "c"])
MESSAGES = st.lists(
    st.one_of(
        st.builds(lambda id_, text: {"id": id_, "content": text}, IDS, st.sampled_from("xyz")),
        st.builds(lambda text: {"content": text}, st.sampled_from("xyz")),
        st.sampled_from(["x", ("user", "y"), ["ai", "z"]]),
        st.builds(Remove, IDS),
    ),
    max_size=6,
)
# The same path is either always a mapping or always a plain value: only so can a merge be done in parts.
LEAVES = st.fixed_dictionaries({}, optional={"n": st.integers(0, 9), "s": st.text(max_size=2)})
MAPPINGS = st.fixed_dictionaries({}, optional={"a": LEAVES, "b": st.fixed_dictionaries({}, optional={"c": LEAVES})})


def hold(reducer, start, one, other, both):
    before = copy.deepcopy((start, one, other, both))
    assert reducer(reducer(start, one), other) == reducer(start, both)
    assert before == (start, one, other, both), "nothing that was given was changed"


@given(LISTS, LISTS, LISTS)
def test_appending_in_parts_is_appending_at_once(start, one, other):
    hold(append, start, one, other, one + other)


@given(st.integers(), st.integers(), st.integers())
def test_adding_in_parts_is_adding_at_once(start, one, other):
    hold(reducers.sum, start, one, other, one + other)


@given(MAPPINGS, MAPPINGS, MAPPINGS)
def test_merging_in_parts_is_merging_at_once(start, one, other):
    hold(merge, start, one, other, merge(one, other))


@given(MESSAGES, MESSAGES, MESSAGES)
def test_adding_messages_in_parts_is_adding_them_at_once(start, one, other):
    begun = add_messages([], start)
    hold(add_messages, begun, one, other, one + other)
    ended = add_messages(begun, one + other)
    ids = [message["id"] for message in ended]
    assert len(ids) == len(set(ids))
    assert ended == add_messages(ended, ended), "a message takes its own place"


def test_nothing_there_yet_counts_as_empty():
    assert [[1], {"a": 1}, 1, [{"role": "user", "content": "x", "id": "i"}]] == [
        append(None, 1),
        merge(None, {"a": 1}),
        reducers.sum(None, 1),
        add_messages(None, {"role": "user", "content": "x", "id": "i"}),
    ]
    assert 2 == reducers.replace(1, 2)


def test_a_merge_is_deep_and_replaces_what_is_no_mapping():
    old = {"a": {"x": 1, "y": [1]}, "b": 1}
    assert {"a": {"x": 1, "y": [2], "z": 3}, "b": {"c": 1}} == merge(old, {"a": {"y": [2], "z": 3}, "b": {"c": 1}})
    assert {"b": 1} == merge(old, Remove("a"))
    assert {} == merge(None, Remove("a"))


@pytest.mark.parametrize(("old", "new"), [({}, 5), ([], {}), (5, {}), ({}, [("a", 1)])])
def test_what_is_no_mapping_cannot_be_merged(old, new):
    with pytest.raises(TypeError, match="merge takes mappings"):
        merge(old, new)


# --- messages ---


def test_a_message_with_a_known_id_takes_the_place_of_the_earlier_one():
    old = [{"id": "1", "content": "a"}, {"id": "2", "content": "b"}]
    assert [{"id": "1", "content": "c"}, old[1]] == add_messages(old, {"id": "1", "content": "c"})
    assert [old[1]] == add_messages(old, Remove("1"))
    assert [old[1], old[0]] == add_messages(old, [Remove("1"), old[0]])
    assert old == add_messages(old, Remove("gone")), "another branch may have removed it too"


def test_a_text_or_a_pair_is_a_message():
    made = add_messages([], ["hi", ("ai", "ho"), ["system", "be kind"]])
    assert [("user", "hi"), ("ai", "ho"), ("system", "be kind")] == [(each["role"], each["content"]) for each in made]
    assert made == [
        *add_messages([], "hi"),
        *add_messages([], [("ai", "ho")]),
        *add_messages([], [["system", "be kind"]]),
    ]


def test_a_missing_id_depends_on_the_content_alone_and_never_on_the_place():
    alone = add_messages([], {"content": "x"})[0]
    later = add_messages([{"id": "1", "content": "a"}], {"content": "x"})[1]
    assert alone == later
    assert 32 == len(alone["id"])
    twice = add_messages([], [{"content": "x"}, {"content": "x"}])
    assert [alone["id"], f"{alone['id']}.2"] == [each["id"] for each in twice]
    assert alone["id"] == add_messages([], {"id": None, "content": "x"})[0]["id"]


class StructMessage(msgspec.Struct):
    content: str
    id: str | None = None


@dataclasses.dataclass
class DataMessage:
    content: str
    id: str | None = None


class ModelMessage(pydantic.BaseModel):
    content: str
    id: str | None = None


@pytest.mark.parametrize("kind", [StructMessage, DataMessage, ModelMessage])
def test_an_object_gets_the_id_that_its_json_would_get(kind):
    given = kind(content="x")
    made = add_messages([], given)[0]
    assert isinstance(made, kind)
    assert made.id == add_messages([], {"content": "x"})[0]["id"]
    assert given.id is None
    assert [kind(content="y", id=made.id)] == add_messages([made], kind(content="y", id=made.id))


def test_a_pair_alone_is_refused_for_a_log_would_make_two_texts_of_it():
    with pytest.raises(TypeError, match="one message or two"):
        add_messages([], ("ai", "ho"))
    assert add_messages([], ["a", "b", "c"]) == add_messages(
        [],
        (
            "a",
            "b",
            "c",
        ),
    )


def test_what_cannot_be_a_message_is_refused():
    with pytest.raises(TypeError, match="int is no message"):
        add_messages([], [5])
    with pytest.raises(TypeError):
        add_messages([], SimpleNamespace(id=None))

    @dataclasses.dataclass
    class Stubborn:
        __slots__ = ("id",)
        id: str | None

    assert "x" == add_messages([], Stubborn("x"))[0].id


def test_an_object_that_encodes_but_cannot_be_copied_is_refused():
    class Odd:
        id = None

        def model_dump(self, mode):
            return {"content": "x"}

    with pytest.raises(TypeError, match="a Odd without an id"):
        add_messages([], Odd())


# --- in a log ---


@pytest.mark.parametrize("control", [Overwrite([1]), Overwrite({"$overwrite": 1}), Remove(), Remove("m"), Remove(5)])
def test_both_writes_survive_a_log(control):
    plain = msgspec.json.decode(msgspec.json.encode(control))
    assert looks_like_control(plain)
    assert control == read_control(plain)


@pytest.mark.parametrize("value", [None, "$remove", {}, {"$remove": 1, "x": 2}, {"remove": 1}, ["$remove"], {"$x": 1}])
def test_other_data_is_left_alone(value):
    assert not looks_like_control(value)
    assert value is read_control(value)
