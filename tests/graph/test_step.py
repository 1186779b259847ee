"""One execution: what it adds up to, attempt by attempt."""

from __future__ import annotations

import pytest

from riverrun.base.errors import IllegalMove
from riverrun.graph.build import GraphBuilder
from riverrun.graph.course import Course, Step
from riverrun.graph.merge import Moment
from riverrun.graph.moves import StepState
from riverrun.graph.node import START, read_node
from riverrun.graph.schedule import Live
from riverrun.graph.state import Key, Schema
from riverrun.graph.step import FIRST

SCHEMA = Schema({"t": Key(name="t", kind=str), "l": Key(name="l", kind=list)})
ORIGIN = Moment(FIRST, (), {})
COURSE = Course(GraphBuilder(dict).add_node("a", lambda state: None).add_edge(START, "a").plan("g"))


def step(name="a:1", node=True):
    made = read_node("a", lambda state: None, agent="Ann", key=None) if node else None
    if made is None:
        return Step(name, COURSE, None, Live(0, ()), {}, ORIGIN)
    return Step(name, COURSE, made, Live(1, ()), {}, ORIGIN, "a", "a", "Ann")


def test_an_illegal_signal_leaves_it_where_it_was():
    one = step()
    with pytest.raises(IllegalMove) as caught:
        one.take("routed")
    assert StepState.RUNNING is one.state
    assert "a:1" in caught.value.message


def test_its_label_says_who_it_is():
    assert {"ns": (), "node": "a", "exec": "a:1", "attempt": 1, "agent": "Ann"} == step().label


def test_it_writes_its_updates_then_its_streams():
    one = step()
    one.open_fold("t", SCHEMA).add("x")
    one.open_fold(None, SCHEMA).add("only told")
    one.updates.append({"l": [1]})
    assert ({"l": [1]}, {"t": "x"}) == one.writes
    told = one.completed(7, 8, "r")
    assert (7, 8, "r", ({"l": [1]},), {"t": "text"}, None) == (
        told.seq,
        told.ts,
        told.run,
        told.writes,
        told.folds,
        told.goto,
    )
    assert ("a:1/t", "a:1") == one.heard


def test_a_stream_that_gave_nothing_is_what_its_key_is():
    one = step()
    one.open_fold("l", SCHEMA)
    one.open_fold("t", SCHEMA)
    assert ({"l": [], "t": ""},) == one.writes
    assert () == one.heard


def test_a_new_attempt_keeps_nothing_but_the_names_of_its_messages_and_its_answers():
    one = step()
    one.answers = ("yes",)
    one.open_fold("t", SCHEMA).add("x")
    one.open_fold("l", SCHEMA)
    one.updates.append({"l": [1]})
    one.goto = ("b",)
    assert ("a:1/t",) == one.renew()
    assert (2, (), None, (), ("yes",)) == (one.attempt, one.writes, one.goto, one.heard, one.answers)
    assert "a:1/t" == one.open_fold("t", SCHEMA).message


def test_start_tells_only_where_it_led():
    one = step(FIRST, node=False)
    one.updates.append({"t": "input"})
    one.goto = ("a",)
    told = one.completed(7, 8, "r")
    assert ((), {}, ("a",)) == (told.writes, told.folds, told.goto)
    assert ("__start__", None) == (one.label["node"], one.label["agent"])


def test_it_comes_after_the_executions_that_triggered_it_but_start():
    one = step()
    one.live.parents = ((ORIGIN, 0), (Moment("b:2", (), {}, (), ORIGIN), 1))
    assert ("b:2",) == one.began(7, 8, "r").after
