"""What one execution wrote, as one piece; and what single events say to a reader."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.events.kinds import NodeChunk, NodeCompleted, NodeStarted, Question
from riverrun.face.interrupt import Interrupt
from riverrun.face.parts import (
    MessageChunk,
    Written,
    about,
    debugged,
    interrupts,
    message,
    ordinal,
    short,
    task,
    task_result,
)
from riverrun.graph import reducers
from riverrun.graph.reducers import Overwrite, Remove, add_messages, append, merge
from riverrun.graph.state import read_schema


class State(TypedDict, total=False):
    """A key for every reducer that there is, and one of a user's own."""

    plain: Any
    added: Annotated[list[Any], operator.add]
    listed: Annotated[list[Any], append]
    talk: Annotated[list[Any], add_messages]
    total: Annotated[int, reducers.sum]
    best: Annotated[int, max]
    last: Annotated[list[Any], reducers.replace]
    facts: Annotated[dict[str, Any], merge]
    own: Annotated[list[Any], lambda old, new: [*new, *old]]


SCHEMA = read_schema(State)
NUMBERS = st.integers(0, 3)
LISTS = st.lists(NUMBERS, max_size=3)
MESSAGES = st.fixed_dictionaries({"id": st.sampled_from("abc"), "role": st.just("user"), "content": st.text("xy")})
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "plain": st.one_of(NUMBERS, LISTS, st.builds(Remove)),
    "added": st.one_of(LISTS, st.builds(Overwrite, LISTS)),
    "listed": st.one_of(LISTS, NUMBERS, st.builds(Overwrite, LISTS), st.builds(Remove)),
    "talk": st.lists(MESSAGES, max_size=3),
    "total": NUMBERS,
    "best": st.one_of(NUMBERS, st.builds(Overwrite, NUMBERS)),
    "last": LISTS,
    "facts": st.one_of(st.dictionaries(st.sampled_from("ab"), NUMBERS), st.builds(Remove, st.sampled_from("ab"))),
    "own": LISTS,
}
UPDATES = st.fixed_dictionaries({}, optional=VALUES)


def event(kind: type, **fields: Any) -> Any:
    return kind(**{"seq": 7, "ts": 1_500, "run": "r", "node": "n", "exec": "n:2", **fields})


# --- what was written ---


@given(UPDATES, st.lists(UPDATES, max_size=5))
def test_what_was_written_in_one_piece_makes_the_state_that_it_made_bit_by_bit(before, updates):
    state = SCHEMA.write({}, [before])
    update = Written(SCHEMA, updates).update
    pieces = update if isinstance(update, list) else [update or {}]
    assert SCHEMA.write(state, updates) == SCHEMA.write(state, pieces)


@given(st.lists(UPDATES, max_size=5))
def test_a_result_holds_every_piece_of_the_update(updates):
    written = Written(SCHEMA, updates)
    update = written.update
    pieces = update if isinstance(update, list) else [update or {}]
    found: dict[str, list[Any]] = {}
    for piece in pieces:
        for name, value in piece.items():
            found.setdefault(name, []).append(value)
    several = {name: {"$writes": values} for name, values in found.items() if len(values) > 1}
    assert {name: several.get(name, values[0]) for name, values in found.items()} == written.result
    assert bool(found) is bool(written)


@pytest.mark.parametrize(
    ("updates", "update"),
    [
        ([], None),
        ([{}, {}], None),
        ([{"plain": 1}, {"added": [2]}], {"plain": 1, "added": [2]}),
        ([{"plain": 1}, {"plain": 2}], {"plain": 2}),
        ([{"added": [1]}, {"plain": 0}, {"added": [2]}], {"added": [1, 2], "plain": 0}),
        ([{"added": [1]}, {"added": Overwrite([2])}], {"added": Overwrite([2])}),
        ([{"plain": 1}, {"plain": Remove()}], {"plain": Remove()}),
        ([{"best": 1}, {"plain": 0}, {"best": 2}], [{"best": 1}, {"plain": 0}, {"best": 2}]),
        ([{"last": [1]}, {"last": [2]}], [{"last": [1]}, {"last": [2]}]),
    ],
    ids=str,
)
def test_writes_are_one_mapping_unless_a_reducer_has_to_see_them_one_by_one(updates, update):
    assert update == Written(SCHEMA, updates).update


def test_what_a_reader_does_to_an_update_does_not_reach_the_log():
    log = [{"added": [1], "plain": {"a": 1}}]
    update = Written(SCHEMA, log).update
    assert isinstance(update, dict)
    update["added"].append(2)
    update["plain"]["b"] = 2
    assert [{"added": [1], "plain": {"a": 1}}] == log


# --- what events say ---


def test_a_piece_of_text_comes_with_where_it_is_from():
    chunk = event(NodeChunk, exec="outer:1/n:2", ns=("outer:1",), attempt=3, message="outer:1/n:2/k", value="hi")
    told = {
        "langgraph_node": "n",
        "langgraph_step": 2,
        "langgraph_checkpoint_ns": "outer:1|n:2",
        "checkpoint_ns": "outer:1|n:2",
        "attempt": 3,
        "exec": "outer:1/n:2",
    }
    assert MessageChunk("hi", "outer:1/n:2/k", "AIMessageChunk") == message(chunk)
    assert told == about(chunk)


def test_a_message_of_another_library_passes_and_other_data_is_no_message():
    class Piece:
        content = "hi"

    piece = Piece()
    assert piece is message(event(NodeChunk, message="m", value=piece))
    assert message(event(NodeChunk, message="m", value={"content": "hi"})) is None
    assert message(event(NodeChunk, message="m", value=5)) is None


def test_a_place_in_sub_graphs_is_named_without_repeating_what_is_around_it():
    assert () == short(())
    assert ("outer:1", "inner:2") == short(("outer:1", "outer:1/inner:2"))


def test_an_execution_is_counted_among_those_of_its_node():
    assert 12 == ordinal(event(NodeStarted, exec="outer:3/n:12"))


def test_the_beginning_of_a_task_names_what_triggered_it_and_its_input_is_the_readers_own():
    seen = {"added": [1]}
    begun = task(event(NodeStarted, after=("m:1",)), seen)
    assert {"id": "n:2", "name": "n", "input": {"added": [1]}, "triggers": ("m:1",)} == begun
    begun["input"]["added"].append(2)
    assert {"added": [1]} == seen


def test_the_end_of_a_task_tells_the_result_the_error_or_the_question():
    done = event(NodeCompleted)
    empty: dict[str, Any] = {"id": "n:2", "name": "n", "error": None, "result": {}, "interrupts": []}
    assert empty == task_result(done)
    assert {**empty, "result": {"plain": 1}} == task_result(done, result={"plain": 1})
    assert {**empty, "error": "boom"} == task_result(done, error="boom")
    asked = task_result(done, asked=Question(id="n:2?1", node="n", exec="n:2", value="q", schema={"type": "string"}))
    assert {**empty, "interrupts": [{"value": "q", "id": "n:2?1", "response_schema": {"type": "string"}}]} == asked


def test_debug_adds_a_kind_a_step_and_a_time():
    told = debugged("task", 3, 1_500, {"id": "n:2"})
    expected = {"step": 3, "timestamp": "1970-01-01T00:00:01.500000+00:00", "type": "task", "payload": {"id": "n:2"}}
    assert expected == told


def test_questions_are_told_with_the_sub_graphs_around_them_and_holds_are_none():
    questions = [
        Question(id="a:1?1", node="a", exec="a:1", value=1),
        Question(id="b:1?0", node="b", exec="b:1", kind="before"),
        Question(id="o:1/i:2/c:1?1", node="c", exec="o:1/i:2/c:1", value=2),
    ]
    expected = [((), Interrupt(1, "a:1?1")), (("o:1", "o:1/i:2"), Interrupt(2, "o:1/i:2/c:1?1"))]
    assert expected == interrupts(questions)
