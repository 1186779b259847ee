"""A machine beside a log knows the state at every event of any run, of sub graphs too, and of one that was stopped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import NodeError
from riverrun.events.kinds import NodeChunk, NodeCompleted, NodeRetrying, NodeStarted
from riverrun.face.following import Following
from riverrun.graph.build import GraphBuilder
from riverrun.graph.node import START
from riverrun.graph.plan import Plan
from tests.graph.drawn import whole
from tests.graph.play import Play, chooser, play, run_started, through_json
from tests.graph.sketch import Inside, Manner, Sketch, State, acyclic, looped

ORDERS = st.lists(st.integers(0, 40), max_size=40)
CUTS = st.sampled_from(["", "stop", "expire"])
ANY = st.one_of(acyclic(5), looped(4), whole())
CHAIN = Sketch((2, 1), ((-1, 0), (0, 1)))


def played(sketch: Sketch, plan: Plan, order: list[int], cut: str = "", moment: int = 0, **options) -> Play:
    """Play a run to its end, or until it is cut off."""
    game = play(sketch, plan, chooser(order), **options)
    for _ in range(moment if cut else 0):
        if not game.over:
            game.advance()
    if cut and not game.over:
        getattr(game, cut)()
    return game.to_the_end()


@given(ANY, ORDERS, CUTS, st.integers(0, 25), st.booleans())
def test_the_state_is_the_live_one_after_every_signal_also_of_a_run_that_is_cut_off(
    sketch, order, cut, moment, stubborn
):
    plan = sketch.plan()
    game = played(sketch, plan, order, cut, moment, stubborn=stubborn)
    following, left = Following(plan), through_json(game.log)
    for batch, state in zip(game.batches, game.states, strict=True):
        for _ in batch:
            following.take(left.pop(0))
        known = following.values()
        first = batch[0]
        closing = game.closing_from is not None and first.seq > game.closing_from
        if closing and (known is None or not isinstance(first, NodeCompleted) or first.ns):
            continue  # nobody is shown a state here
        assert state == known
    assert [] == left


@given(ANY, ORDERS, CUTS, st.integers(0, 25), st.booleans())
def test_an_execution_is_known_when_it_begins_and_when_it_ends_with_all_that_it_wrote(
    sketch, order, cut, moment, stubborn
):
    plan = sketch.plan()
    game = played(sketch, plan, order, cut, moment, stubborn=stubborn)
    following = Following(plan)
    ran = {exec_id for exec_id, _, _ in game.ran}
    said: dict[str, str] = {}
    for event in through_json(game.log):
        step = following.take(event)
        if isinstance(event, NodeChunk):
            said[event.message] = said.get(event.message, "") * (event.start != 0) + event.value
        elif isinstance(event, NodeRetrying):
            for message in event.voids:
                del said[message]
        if isinstance(event, NodeStarted) and step is None:  # a rival began with it and did not wait: it never ran
            assert event.exec not in ran
        elif isinstance(event, NodeStarted):
            assert step is not None
            assert event.exec == step.exec_id
        elif isinstance(event, NodeCompleted) and event.node != START:
            assert step is not None
            folds = {key: said.get(f"{event.exec}/{key}", "") for key in event.folds}
            assert [*event.writes, *([folds] if folds else [])] == list(step.writes)


@given(ANY, ORDERS)
def test_the_orders_of_a_machine_that_only_follows_do_not_pile_up(sketch, order):
    following = Following(sketch.plan())
    for event in played(sketch, sketch.plan(), order).log:
        following.take(event)
        assert [] == following._machine.commands


def test_the_state_of_a_sub_graph_is_known_while_it_is_under_way():
    sketch = Sketch((1, 1), ((-1, 0), (0, 1)), manners={1: Manner(inside=CHAIN)})
    following = Following(sketch.plan())
    seen = []
    for event in played(sketch, sketch.plan(), []).log:
        following.take(event)
        if isinstance(event, NodeStarted | NodeCompleted):
            inside = following.inside
            seen.append((event.exec, inside, [len((following.values(ns) or {}).get("log", ())) for ns in inside]))
    b = [("b:1",)]
    assert [
        ("a:1", [], []),
        ("a:1", [], []),
        ("b:1", b, [1]),
        ("b:1/a:1", b, [1]),
        ("b:1/a:1", b, [2]),
        ("b:1/b:1", b, [2]),
        ("b:1/b:1", b, [3]),
        ("b:1", [], []),
    ] == seen
    assert following.values(("b:1",)) is None


def test_what_is_next_are_the_executions_of_the_graph_itself():
    sketch = Sketch((1, 1, 1), ((-1, 0), (0, 1), (0, 2)), manners={1: Manner(inside=CHAIN)})
    following = Following(sketch.plan())
    log = played(sketch, sketch.plan(), []).log
    for event in log:
        following.take(event)
        if event.type == "node.completed":
            break
    assert (("b:1", "b"), ("c:1", "c")) == following.next


def test_what_a_caller_does_to_the_values_reaches_nobody():
    sketch = Sketch((1,), ((-1, 0),))
    following = Following(sketch.plan())
    for event in played(sketch, sketch.plan(), []).log:
        following.take(event)
    first = following.values()
    assert first is not None
    first["log"].append("mine")
    assert ["a:0"] == (following.values() or {})["log"]


def test_a_run_begins_with_the_state_of_another_one():
    sketch = Sketch((1,), ((-1, 0),))
    following = Following(sketch.plan(), {"log": ["before"]})
    following.take(run_started(given={"log": ["given"]}))
    assert ["before", "given"] == (following.values() or {})["log"]


def test_every_graph_inside_has_its_own_keys():
    class Other(State, total=False):
        mine: int

    inner = GraphBuilder(Other).add_node("n", lambda state: None).add_edge(START, "n").plan("inner")
    outer = GraphBuilder(State).add_node("sub", Inside(inner)).add_edge(START, "sub").plan("outer")
    following = Following(outer)
    assert outer.schema is following.schema(())
    assert inner.schema is following.schema(("sub:1",))


def test_a_log_of_another_graph_is_refused():
    log = played(CHAIN, CHAIN.plan(), []).log
    other = Following(Sketch((1, 1), ((-1, 1), (1, 0))).plan())
    other.take(log[0])
    with pytest.raises(NodeError) as caught:
        other.take(log[1])
    assert "E3009" == caught.value.code
