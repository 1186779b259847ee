"""Strands: what an adopted agent does, as events of the run that any reader understands; and values as plain data."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from riverrun.agents.strands import Strands, plain, shown, usage
from riverrun.base.errors import NodeError
from riverrun.events.kinds import Custom, NodeCancelled, NodeChunk, NodeCompleted, NodeFailed, NodeStarted
from riverrun.face.compiled import CompiledGraph
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import START
from riverrun.log.view import View
from tests.naming import steady


async def told_by(work: Any) -> tuple[list[Any], View]:
    """Let a node work with strands; give what it told, and what a reader has of it."""

    async def node(state, ctx):
        work(Strands(ctx))

    graph: CompiledGraph = StateGraph(dict).add_node(node).add_edge(START, "node").compile()
    log = [event async for event in graph.astream({})]
    view = View()
    for event in log:
        view.apply(event)
    return [event for event in log if getattr(event, "ns", ())], view


async def test_strands_tell_where_they_are():
    def work(strands):
        outer = strands.open("outer")
        strands.open("inner", outer.inside).complete()
        strands.open("inner", outer.inside).complete()
        outer.complete({"a": 1})

    told, view = await told_by(work)
    places = [event.exec for event in told if isinstance(event, NodeStarted)]
    assert ["node:1~1/outer:1", "node:1~1/outer:1/inner:1", "node:1~1/outer:1/inner:2"] == places
    assert ("node:1~1", "node:1~1/outer:1") == told[1].ns
    assert ({"a": 1},) == told[-1].writes
    assert {"completed"} == set(view.nodes.values())


@given(st.lists(st.tuples(st.text(), st.sampled_from(["", "a", "b"])), max_size=20))
async def test_pieces_of_text_make_up_their_messages(pieces):
    def work(strands):
        strand = strands.open("speaker")
        for text, message in pieces:
            strand.say(text, message)

    _, view = await told_by(work)
    for message in ("", "a", "b"):
        name = "node:1~1/speaker:1" + (f"/{message}" if message else "")
        wanted = "".join(text for text, each in pieces if each == message)
        assert wanted == (view.messages[name].text if name in view.messages else "")


async def test_what_a_strand_said_that_begins_again_or_is_left_is_void():
    def work(strands):
        for end in ("again", "leave", "fail", "complete"):
            strand = strands.open(end)
            strand.say(f"{end} ")
            strand.say("more ", "2")
            if end == "again":
                strand.fail("it broke", again=True)
            else:
                getattr(strand, end)(*(["it broke"] if end == "fail" else []))

    told, view = await told_by(work)
    standing = {message.node: message.text for message in view.messages.values() if message.text}
    assert {"fail", "complete"} == set(standing)
    assert [True, True] == [event.tolerated for event in told if isinstance(event, NodeFailed)]
    assert ["left"] == [event.reason for event in told if isinstance(event, NodeCancelled)]


async def test_a_strand_ends_once():
    def work(strands):
        strand = strands.open("once")
        strand.complete(1)
        strand.complete(2)
        strand.fail("no")
        strand.leave()
        strands.leave()

    told, _ = await told_by(work)
    assert [NodeStarted, NodeCompleted] == [type(event) for event in told]
    assert ({"value": 1},) == told[-1].writes


async def test_all_strands_that_are_open_are_left_the_innermost_first():
    def work(strands):
        outer = strands.open("outer")
        strands.open("inner", outer.inside)
        strands.open("done").complete()
        strands.leave()

    told, _ = await told_by(work)
    assert ["inner", "outer"] == [event.node for event in told if isinstance(event, NodeCancelled)]


async def test_a_strand_tells_what_is_no_text():
    def work(strands):
        strand = strands.open("teller")
        strand.tell("half", {"done": 0.5})
        strand.reason("hmm")
        strand.reason("", 1)
        strand.reason("so", 1)
        strand.call(0, identity="c", name="f")
        strand.call(0, '{"a":1}')
        strand.call(1, {"b": 2})
        strand.say("")
        assert ["", "2", "3"] == [strand.next_message() for _ in range(3)]

    told, _ = await told_by(work)
    assert [
        ("half", {"done": 0.5}),
        ("riverrun.reasoning", {"text": "hmm"}),
        ("riverrun.reasoning", {"text": "so", "index": 1}),
        ("riverrun.tool_call", {"index": 0, "id": "c", "name": "f", "arguments": ""}),
        ("riverrun.tool_call", {"index": 0, "arguments": '{"a":1}'}),
        ("riverrun.tool_call", {"index": 1, "arguments": '{"b":2}'}),
    ] == [(event.name, event.value) for event in told if isinstance(event, Custom)]
    assert [] == [event for event in told if isinstance(event, NodeChunk)]


async def test_a_strand_of_a_tool_tells_how_its_call_goes():
    def work(strands):
        strands.open("f", tool_call="1").complete()
        strands.open("g", tool_call="2").fail("no")

    told, _ = await told_by(work)
    states = [tuple(event.value.values()) for event in told if isinstance(event, Custom)]
    assert [("1", "f", "started"), ("1", "f", "ended"), ("2", "g", "started"), ("2", "g", "failed")] == states


def test_of_usage_only_what_is_known_is_told():
    assert {"model": "m", "input": 3, "output": 0} == usage("m", input=3, output=0, cached=None)


class City(BaseModel):
    name: str


@dataclasses.dataclass
class Place:
    city: Any


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
)


@given(JSON)
def test_json_is_plain_data_as_it_is(value):
    assert value == plain(value, "it") == shown(value)


def test_objects_become_what_they_hold():
    assert {"city": {"name": "Paris"}} == plain(Place(City(name="Paris")), "it")
    assert {"1": [1, 2]} == plain({1: (1, 2)}, "it")


@pytest.mark.parametrize("value", [object(), {"a": object()}, Place(object()), "\ud800", City], ids=steady)
def test_what_is_no_json_is_refused_where_it_must_be_kept_and_shown_where_it_is_only_a_sight(value):
    if value != "\ud800":  # a text is taken as it is: the log says no to it, by its own code
        with pytest.raises(NodeError, match="E3045 the answer cannot be stored"):
            plain(value, "the answer")
    assert json.dumps(shown(value))


def test_what_is_shown_of_a_mapping_is_all_that_can_be():
    assert {"a": 1, "b": [2, repr(None)[:0] or repr(object)]} == shown({"a": 1, "b": [2, object]})
