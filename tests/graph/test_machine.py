"""The machine, driven by hand through random graphs in random orders: what must hold for every run."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import IllegalMove, InputError
from riverrun.events.kinds import (
    ErrorInfo,
    NodeCompleted,
    NodeFailed,
    NodeStarted,
    RunCompleted,
    RunFailed,
    RunStopped,
    RunTimedOut,
)
from riverrun.graph.build import GraphBuilder
from riverrun.graph.machine import Machine
from riverrun.graph.moves import RunState
from riverrun.graph.node import START
from tests.graph.play import BOOM, RUN, check_log, chooser, completions, play, run_started, texts
from tests.graph.reference import reducible
from tests.graph.sketch import NODES, Sketch, acyclic, looped

ORDERS = st.lists(st.integers(0, 40), max_size=60)
GRAPHS = st.one_of(acyclic(), looped(), looped(declared=False))


# --- whatever the order ---


@given(GRAPHS, ORDERS)
def test_every_order_of_completion_gives_the_same_state(sketch, order):
    plan = sketch.plan()
    one = play(sketch, plan).to_the_end()
    other = play(sketch, plan, chooser(order)).to_the_end()
    check_log(one.log)
    check_log(other.log)
    assert type(one.log[-1]) is type(other.log[-1])
    if isinstance(one.log[-1], RunCompleted):
        assert one.machine.values() == other.machine.values()
        if reducible(plan.nest._successors):  # where a cycle has two ways in, the order says which turn is the first
            assert completions(one.log) == completions(other.log)
            assert sorted(one.ran, key=repr) == sorted(other.ran, key=repr)
            assert texts(one.log) == texts(other.log)


@given(acyclic(most=7), ORDERS)
def test_without_loops_every_node_runs_once_and_after_all_that_leads_to_it(sketch, order):
    game = play(sketch, sketch.plan(), chooser(order)).to_the_end()
    assert sorted(f"{node}:1" for node in NODES[: len(sketch.chunks)]) == sorted(exec_id for exec_id, _, _ in game.ran)
    place = {(type(event), getattr(event, "node", "")): event.seq for event in game.log}
    for source, target in sketch.edges:
        if source >= 0 and target < len(sketch.chunks):
            ended, began = NODES[source], NODES[target]
            assert place[NodeCompleted, ended] < place[NodeStarted, began]


@given(GRAPHS, ORDERS, st.data())
def test_a_run_in_which_a_node_fails_ends_by_that_and_keeps_what_was_finished(sketch, order, data):
    plan = sketch.plan()
    whole = play(sketch, plan, chooser(order)).to_the_end()
    failing = data.draw(st.sampled_from([exec_id for exec_id, _, _ in whole.ran]))
    game = play(
        sketch, plan, chooser(order), failing=frozenset({failing}), stubborn=data.draw(st.booleans())
    ).to_the_end()
    check_log(game.log)
    last = game.log[-1]
    if failing not in {exec_id for exec_id, _, _ in game.ran}:
        return  # in an irreducible graph the other order of the same numbers may never come by it
    assert isinstance(last, RunFailed)
    assert BOOM == last.error
    assert [failing] == [event.exec for event in game.log if isinstance(event, NodeFailed)]
    _hold_on_to_the_finished(game)
    assert _cut_short(game) == set(last.partial)


@given(GRAPHS, ORDERS, st.integers(0, 30), st.booleans())
def test_a_run_can_be_stopped_at_any_moment_and_keeps_what_was_finished(sketch, order, moment, stubborn):
    game = play(sketch, sketch.plan(), chooser(order), stubborn=stubborn)
    for _ in range(moment):
        if not game.over:
            game.advance()
    if game.over:
        return
    game.stop()
    began = len(game.ran)
    game.to_the_end()
    check_log(game.log)
    assert began == len(game.ran), "nothing begins after a stop"
    last = game.log[-1]
    assert isinstance(last, RunStopped)
    assert ("enough", len(game.ran)) == (last.reason, last.steps)
    _hold_on_to_the_finished(game)
    assert _cut_short(game) == set(last.partial)
    assert all(isinstance(event, NodeCompleted) for event in game.log[game.closing_from : -1])


def _hold_on_to_the_finished(game):
    wrote = [
        entry for event in game.log if isinstance(event, NodeCompleted) for w in event.writes for entry in w["log"]
    ]
    assert sorted(wrote) == sorted(game.machine.values().get("log", []))


def _cut_short(game):
    finished = {event.exec for event in game.log if isinstance(event, NodeCompleted)}
    return {name for name in texts(game.log) if name.partition("/")[0] not in finished}


# --- the budget ---


@given(looped(), ORDERS, st.integers(1, 12))
def test_the_budget_counts_executions_exactly(sketch, order, limit):
    plan = sketch.plan()
    whole = play(sketch, plan, chooser(order), limit=500).to_the_end()
    game = play(sketch, plan, chooser(order), limit=limit).to_the_end()
    check_log(game.log)
    last = game.log[-1]
    if len(whole.ran) <= limit:
        assert isinstance(last, RunCompleted)
    else:
        assert isinstance(last, RunFailed)
        assert ("E3005", limit, limit) == (last.error.code, last.steps, _starts(game.log))
        _hold_on_to_the_finished(game)


def _starts(log):
    return sum(isinstance(event, NodeStarted) for event in log)


def test_a_loop_that_never_ends_fails_at_the_limit_with_its_state():
    sketch = Sketch((1,), ((-1, 0), (0, 0)))
    game = play(sketch, sketch.plan(), limit=7).to_the_end()
    last = game.log[-1]
    assert isinstance(last, RunFailed)
    assert ("E3005", "node 'a'") == (last.error.code, last.error.where)
    assert "7 steps" in last.error.message
    assert 7 == len(game.machine.values()["log"])


def test_what_remains_of_the_budget_is_told():
    sketch = Sketch((0, 0), ((-1, 0), (0, 1)))
    game = play(sketch, sketch.plan(), limit=5)
    assert 4 == game.machine.remaining
    game.advance()
    game.advance()
    assert 3 == game.machine.remaining


# --- single moves ---


class State(TypedDict, total=False):
    x: int
    log: Annotated[list[str], operator.add]


def one_node(**options):
    builder = GraphBuilder(State)
    builder.add_node("a", lambda state: None, **options)
    builder.add_edge(START, "a")
    machine = Machine(builder.plan("one"), RUN)
    machine.started(run_started(given={"x": 1}))
    return machine


def test_a_machine_that_has_not_begun_can_only_begin():
    machine = Machine(Sketch((0,), ((-1, 0),)).plan(), RUN)
    for signal in (
        lambda: machine.stopped("", 1),
        lambda: machine.expired(1),
        lambda: machine.broke(BOOM, 1),
        lambda: machine.returned("a:1", {}, (), (), 1),
    ):
        with pytest.raises(IllegalMove) as caught:
            signal()
        assert "E3012" == caught.value.code
    assert ([], [], {}, RunState.NEW) == (machine.events, machine.commands, machine.values(), machine.state)


def test_a_run_begins_once():
    machine = one_node()
    before = list(machine.events)
    with pytest.raises(IllegalMove):
        machine.started(run_started())
    assert before == machine.events


def test_an_input_that_does_not_fit_changes_nothing():
    machine = Machine(Sketch((0,), ((-1, 0),)).plan(), RUN)
    with pytest.raises(InputError) as caught:
        machine.started(run_started(given={"y": 1}))
    assert "E2010" == caught.value.code
    assert (RunState.NEW, []) == (machine.state, machine.events)


def test_signals_to_what_does_not_run_are_refused_and_change_nothing():
    machine = one_node()
    told = len(machine.events)
    for signal in (
        lambda: machine.yielded("b:1", None, "x", 2),
        lambda: machine.updated("a:2", {}),
        lambda: machine.emitted("b:1", "x", 1, 2),
        lambda: machine.returned("b:1", {}, (), (), 2),
        lambda: machine.routed("a:1", (), 2),
        lambda: machine.failed("b:1", BOOM, 2),
        lambda: machine.cancelled("a:1", 2),
        lambda: machine.retried("b:1", "failed", 2),
    ):
        with pytest.raises(IllegalMove):
            signal()
    assert (told, RunState.RUNNING) == (len(machine.events), machine.state)
    machine.returned("a:1", {"x": 2}, (), (), 3)
    assert {"log": [], "x": 2} == machine.values()


def test_after_the_end_nothing_is_taken():
    machine = one_node()
    machine.returned("a:1", None, (), (), 2)
    told = len(machine.events)
    for signal in (
        lambda: machine.stopped("", 3),
        lambda: machine.expired(3),
        lambda: machine.broke(BOOM, 3),
        lambda: machine.yielded("a:1", None, "x", 3),
    ):
        with pytest.raises(IllegalMove):
            signal()
    assert told == len(machine.events)


def test_the_first_cause_of_an_ending_stands():
    machine = one_node()
    machine.expired(2)
    machine.stopped("too late", 3)
    machine.broke(BOOM, 4)
    machine.cancelled("a:1", 5)
    assert isinstance(machine.events[-1], RunTimedOut)


def test_a_run_out_of_time_says_its_limit():
    builder = GraphBuilder(State)
    builder.add_node("a", lambda state: None)
    builder.add_edge(START, "a")
    machine = Machine(builder.plan("one"), RUN)
    machine.started(run_started(timeout=2.5))
    machine.expired(2)
    machine.cancelled("a:1", 3)
    last = machine.events[-1]
    assert isinstance(last, RunTimedOut)
    assert (2.5, 1) == (last.limit, last.steps)


def test_a_node_that_fails_on_its_way_out_of_a_stop_is_no_news():
    machine = one_node()
    machine.yielded("a:1", "x", "half", 2)
    machine.stopped("enough", 3)
    machine.failed("a:1", BOOM, 4)
    last = machine.events[-1]
    assert isinstance(last, RunStopped)
    assert ("a:1/x",) == last.partial
    assert not [event for event in machine.events if isinstance(event, NodeFailed)]


def test_a_reducer_that_fails_on_the_way_out_of_a_stop_is_no_news():
    machine = one_node()
    machine.stopped("enough", 3)
    machine.returned("a:1", {"log": 5}, (), (), 4)
    assert isinstance(machine.events[-1], RunStopped)
    assert not [event for event in machine.events if isinstance(event, NodeFailed)]
    assert {"log": [], "x": 1} == machine.values()


def test_a_reducer_that_raises_fails_its_node_by_name():
    machine = one_node()
    machine.returned("a:1", {"log": 5}, (), (), 2)
    failed, last = machine.events[-2:]
    assert isinstance(failed, NodeFailed)
    assert isinstance(last, RunFailed)
    assert ("E3007", "key 'log'") == (failed.error.code, failed.error.where)
    assert {"log": [], "x": 1} == machine.values()


def test_branches_that_write_one_key_fail_the_run_and_leave_it_as_it_was_before_them():
    builder = GraphBuilder(State)
    for name in "ab":
        builder.add_node(name, lambda state: None)
        builder.add_edge(START, name)
    for order in ("ab", "ba"):
        machine = Machine(builder.plan("two"), RUN)
        machine.started(run_started(given={"x": 1}))
        for name in order:
            machine.returned(f"{name}:1", {"x": 2, "log": [name]}, (), (), 2)
        last = machine.events[-1]
        assert isinstance(last, RunFailed)
        assert ("E3004", "key 'x'") == (last.error.code, last.error.where)
        assert "'a'" in last.error.message
        assert "'b'" in last.error.message
        assert {"log": [], "x": 1} == machine.values()


def test_an_update_belongs_to_the_moment_it_was_given():
    machine = one_node()
    again = {"log": ["one"]}
    machine.updated("a:1", again)
    again["log"] = ["two"]
    machine.updated("a:1", again)
    machine.returned("a:1", None, (), (), 2)
    assert {"x": 1, "log": ["one", "two"]} == machine.values()


def test_a_new_attempt_begins_with_nothing():
    machine = one_node()
    machine.yielded("a:1", "x", "half", 2)
    machine.updated("a:1", {"log": ["lost"]})
    machine.retried("a:1", "failed", 3)
    retrying = machine.events[-1]
    assert (2, ("a:1/x",), "failed") == (retrying.attempt, retrying.voids, retrying.reason)
    machine.returned("a:1", {"log": ["kept"]}, (), (), 4)
    assert {"x": 1, "log": ["kept"]} == machine.values()


def test_a_new_attempt_counts_its_text_from_zero():
    machine = one_node()
    machine.yielded("a:1", None, "half", 2)
    machine.retried("a:1", "failed", 3)
    machine.yielded("a:1", None, "whole", 4)
    assert (0, 2, "a:1") == (machine.events[-1].start, machine.events[-1].attempt, machine.events[-1].message)


def test_a_node_whose_routers_are_cut_off_has_done_its_work_all_the_same():
    builder = GraphBuilder(State)
    builder.add_node("a", lambda state: None)
    builder.add_edge(START, "a")
    builder.add_conditional_edges("a", lambda state: "a", ["a"])
    machine = Machine(builder.plan("routed"), RUN)
    machine.started(run_started())
    machine.returned("a:1", {"x": 5}, (), (), 2)
    machine.stopped("enough", 3)
    machine.cancelled("a:1", 4)
    completed, last = machine.events[-2:]
    assert isinstance(completed, NodeCompleted)
    assert isinstance(last, RunStopped)
    assert ({"log": [], "x": 5}, ()) == (machine.values(), last.partial)


def test_a_run_that_is_cut_off_before_its_first_node_keeps_its_input():
    builder = GraphBuilder(State)
    builder.add_node("a", lambda state: None)
    builder.add_conditional_edges(START, lambda state: "a", ["a"])
    machine = Machine(builder.plan("routed"), RUN)
    machine.started(run_started(given={"x": 1}))
    machine.failed("__start__:1", ErrorInfo(code="E3006", message="nowhere"), 2)
    assert isinstance(machine.events[-1], RunFailed)
    assert {"log": [], "x": 1} == machine.values()


def test_what_an_event_holds_cannot_be_changed_through_what_the_node_gave():
    machine = one_node()
    given = {"x": 2}
    machine.returned("a:1", given, (), (), 2)
    given["x"] = 3
    assert {"x": 2} == machine.events[-2].writes[0]
