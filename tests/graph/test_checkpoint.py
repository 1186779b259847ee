"""A machine that was made of bytes goes on as the one that was never interrupted, at every event of every graph."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import StoreError
from riverrun.events.kinds import RunTakenOver, Send
from riverrun.graph.build import GraphBuilder
from riverrun.graph.checkpoint import freeze, thaw
from riverrun.graph.machine import Machine
from riverrun.graph.moves import RunState
from riverrun.graph.node import END, START
from riverrun.graph.reducers import Overwrite
from riverrun.graph.replay import replay
from tests.graph.drawn import whole
from tests.graph.play import RUN, check_log, chooser, play, run_started, through_json
from tests.graph.sketch import Manner, Sketch, acyclic, looped
from tests.naming import steady

ORDERS = st.lists(st.integers(0, 40), max_size=40)
GRAPHS = st.one_of(acyclic(5), looped(4), whole(4, decided=False))
CHAIN = Sketch((2, 1), ((-1, 0), (0, 1)))


def frozen(machine):
    """Give the checkpoint of a machine that has one."""
    body = freeze(machine)
    assert body is not None
    return body


def standing(machine):
    """Everything that can be seen of a machine, and what it would say and order next."""
    return {
        "seq": machine.seq,
        "state": machine.state,
        "values": machine.values(),
        "questions": machine.questions,
        "next": machine.next,
        "remaining": machine.remaining,
        "steps": {
            name: (step.state, step.attempt, step.answers, step.failed, step.goto, step.given, step.heard)
            for name, step in machine.steps.items()
        },
        "events": machine.events,
        "orders": [(type(order), order.exec_id) for order in machine.commands],
        "parked_ms": machine.parked_ms,
        "control": machine.control,
    }


@given(GRAPHS, ORDERS, st.booleans())
@pytest.mark.slow
def test_a_log_that_is_folded_from_a_checkpoint_gives_what_the_whole_log_gives(sketch, order, impatient):
    plan = sketch.plan()
    game = play(sketch, plan, chooser(order), impatient=impatient, watches=False)
    kept = []
    while not game.over:
        body = freeze(game.machine)
        if body is not None:
            kept.append((len(game.log), body))
        game.advance()
    stored = through_json(game.log)
    for place, body in kept:
        for end in {place, place + (len(stored) - place) // 2, len(stored)}:
            whole_log = replay(plan, RUN, stored[:end])
            begun = replay(plan, RUN, stored[place:end], begun=thaw(plan, RUN, body or b""))
            assert standing(whole_log) == standing(begun)


@given(GRAPHS, ORDERS, ORDERS, st.integers(0, 30), st.integers(0, 5))
def test_a_new_owner_who_begins_at_a_checkpoint_does_what_it_would_have_done(sketch, order, later, moment, more):
    plan = sketch.plan()
    game = play(sketch, plan, chooser(order), watches=False)
    body, place = freeze(game.machine), len(game.log)
    for _ in range(moment):
        if not game.over:
            game.advance()
            new = freeze(game.machine)
            body, place = (body, place) if new is None else (new, len(game.log))
    for _ in range(more):
        if not game.over:
            game.advance()
    if game.over:
        return
    stored = through_json(game.log)
    taken = [*stored, RunTakenOver(seq=len(stored) + 1, ts=9, run=RUN, epoch=2, worker="w")]
    expected, begun = replay(plan, RUN, taken), replay(plan, RUN, taken[place:], begun=thaw(plan, RUN, body or b""))
    assert standing(expected) == standing(begun)
    # What it says from there on is a log like any other, and folds in full.
    game.machine, game.log, game.work, game.pick = begun, list(taken), {}, chooser(later)
    game.drain()
    game.to_the_end()
    check_log(game.log)
    assert replay(plan, RUN, through_json(game.log)).values() == begun.values()


@given(GRAPHS, ORDERS, st.integers(0, 12), st.booleans())
@pytest.mark.slow
def test_a_run_that_was_stopped_behind_a_checkpoint_folds_to_the_same_end(sketch, order, moment, stubborn):
    plan = sketch.plan()
    game = play(sketch, plan, chooser(order), stubborn=stubborn, watches=False)
    body, place = freeze(game.machine), len(game.log)
    for _ in range(moment):
        if not game.over:
            game.advance()
            new = freeze(game.machine)
            body, place = (body, place) if new is None else (new, len(game.log))
    if game.over:
        return
    game.stop()
    assert freeze(game.machine) is None
    game.to_the_end()
    stored = through_json(game.log)
    begun = replay(plan, RUN, stored[place:], begun=thaw(plan, RUN, body or b""))
    assert standing(replay(plan, RUN, stored)) == standing(begun)


@given(GRAPHS, ORDERS, st.integers(0, 30))
def test_what_a_replay_made_can_be_kept_too(sketch, order, moment):
    plan = sketch.plan()
    game = play(sketch, plan, chooser(order), watches=False)
    for _ in range(moment):
        if not game.over:
            game.advance()
    stored = through_json(game.log)
    machine = replay(plan, RUN, stored)
    body = freeze(machine)
    if machine.state in (RunState.RUNNING, RunState.PARKED) and body is not None:
        again = replay(plan, RUN, [], begun=thaw(plan, RUN, body or b""))
        assert standing(machine) == standing(again)
        assert body == freeze(again)


# --- what is kept, and what is not ---


class Open(TypedDict, total=False):
    """Values of any class."""

    log: Annotated[list[Any], operator.add]
    value: Any


def machine_with(value):
    """A machine whose first node wrote something, and whose second runs."""
    builder = GraphBuilder(Open).add_node("a", lambda _: None).add_node("b", lambda _: None)
    plan = builder.add_edge(START, "a").add_edge("a", "b").add_edge("b", END).plan("g")
    machine = Machine(plan, RUN)
    machine.started(run_started())
    machine.returned("a:1", {"value": value}, (), (), 2)
    machine.events.clear()
    machine.commands.clear()
    return plan, machine


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_a_value_comes_back_as_it_is_or_not_at_all(value):
    plan, machine = machine_with(value)
    body = freeze(machine)
    if body is None:
        assert any(
            0xD800 <= ord(char) <= 0xDFFF for char in repr(value).encode().decode("unicode_escape", "ignore")
        ) or ("9223372036854775808" in repr(value))
        return
    again = thaw(plan, RUN, body).values()["value"]
    assert (repr(value), value) == (repr(again), again)


@pytest.mark.parametrize(
    "value",
    [(1, 2), {1: "a"}, {"a"}, b"bytes", float("nan"), [float("inf")], {"a": (1,)}, object(), RunState.NEW, 2**70, int],
    ids=steady,
)
def test_what_json_would_not_give_back_is_not_kept(value):
    _, machine = machine_with(value)
    assert freeze(machine) is None


def test_what_an_update_says_of_itself_is_kept():
    plan, machine = machine_with(1)
    machine.updated("b:1", {"log": Overwrite([1])})
    assert thaw(plan, RUN, frozen(machine)).values() == {"log": [], "value": 1}


def test_a_call_keeps_its_input():
    sketch = Sketch((1, 1), ((-1, 0), (0, 1)), manners={0: Manner(calls=(1,))})
    plan = sketch.plan()
    game = play(sketch, plan)
    while "b:1" not in game.machine.steps:
        game.advance()
    again = thaw(plan, RUN, frozen(game.machine))
    assert [step.seen for step in game.machine.steps.values()] == [step.seen for step in again.steps.values()]
    assert Send("b", {"log": ["a0>0"]}).arg in [step.seen for step in again.steps.values()]


def test_a_run_that_has_ended_is_not_kept():
    game = play(CHAIN, CHAIN.plan()).to_the_end()
    assert freeze(game.machine) is None


def test_a_long_past_is_no_deep_nesting():
    builder = GraphBuilder(Open).add_node("a", lambda _: None).add_node("b", lambda _: None)
    builder.add_edge(START, "a").add_edge(START, "b").add_edge("b", END)
    plan = builder.add_conditional_edges("a", lambda _: "a", ["a", END]).plan("g")
    machine = Machine(plan, RUN)
    machine.started(run_started(10_000))
    for number in range(1, 3_000):
        machine.returned(f"a:{number}", {}, (), (), 2)
        machine.routed(f"a:{number}", ("a",), 2)
    again = thaw(plan, RUN, frozen(machine))
    assert {"a:3000", "b:1"} == set(again.steps)


# --- what is not taken ---


def kept():
    """A checkpoint, and the graph that it is of."""
    plan = CHAIN.plan()
    game = play(CHAIN, plan)
    game.advance()
    return plan, freeze(game.machine)


def test_that_of_another_run_is_not_taken():
    plan, body = kept()
    with pytest.raises(StoreError, match="another run") as caught:
        thaw(plan, "other", body)
    assert "E4009" == caught.value.code


@pytest.mark.parametrize(
    "sketch",
    [
        Sketch((2, 1, 0), ((-1, 0), (0, 1), (1, 2))),
        Sketch((2, 1), ((-1, 0), (0, 1), (-1, 1))),
        Sketch((2, 1), ((-1, 0), (0, 1)), before=("b",)),
        Sketch((2, 1), ((-1, 0), (0, 1)), routers={1: ((0, 2), 1)}),
    ],
)
def test_that_of_another_graph_is_not_taken(sketch):
    _, body = kept()
    with pytest.raises(StoreError):
        thaw(sketch.plan(), RUN, body)


@given(st.data())
def test_damage_makes_no_machine_or_one_of_a_run_that_goes_on(data):
    plan, body = kept()
    place = data.draw(st.integers(0, len(body) - 1))
    damaged = body[:place] + bytes([body[place] ^ data.draw(st.integers(1, 255))]) + body[place + 1 :]
    codes, machines = [], []
    try:
        machines.append(thaw(plan, RUN, damaged))
    except StoreError as error:
        codes.append(error.code)
    assert ["E4009"] == codes or machines[0].state in (RunState.RUNNING, RunState.PARKED)


HOSTILE = [
    [],
    [[7, "Machine", ["seq"], [1]]],
    [[7, "System", [], []]],
    [[99, 1]],
    [[0, [[0]]]],
    [[1, [[0]]]],
    [[7, "Machine", ["state"], [[1]]], [1, [[1]]]],
    [[7, "Machine", ["plan"], [[5]]]],
    [[5, "Machine", 1]],
]


@pytest.mark.parametrize("table", HOSTILE, ids=steady)
def test_what_another_program_wrote_makes_no_machine(table):
    plan, body = kept()
    form = msgspec.msgpack.decode(body)
    form[4] = table
    with pytest.raises(StoreError):
        thaw(plan, RUN, msgspec.msgpack.encode(form))
    with pytest.raises(StoreError):
        thaw(plan, RUN, b"nonsense")
