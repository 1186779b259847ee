"""Where a run stands is what its log tells, at any moment of any run; and who may still say what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import IllegalMove, NodeError
from riverrun.events.kinds import (
    NodeCancelled,
    NodeCompleted,
    NodeEvent,
    NodeFailed,
    RunInterrupted,
    RunResumed,
    Send,
    Terminal,
)
from riverrun.graph.machine import Machine
from riverrun.graph.moves import RunState
from riverrun.graph.node import END, START
from riverrun.graph.replay import replay
from riverrun.graph.standing import Standing
from tests.graph.drawn import whole
from tests.graph.play import RUN, chooser, play, run_started, through_json
from tests.graph.sketch import Manner, Sketch

ORDERS = st.lists(st.integers(0, 40), max_size=60)
GRAPHS = st.one_of(whole(3), whole(3, decided=False))
CHAIN = Sketch((1, 1, 0), ((-1, 0), (0, 1), (1, 2), (2, 3)))
LAST = (NodeCompleted, NodeFailed, NodeCancelled)


class Told:
    """What a reader of a log knows of the run, without a graph or a machine."""

    def __init__(self, log):
        self.alive: dict[str, str] = {}  # executions that began, or wait before they do → node
        self.made: set[str] = set()
        self.parked = False
        for event in log:
            if isinstance(event, NodeEvent) and event.node != START:
                self._take(event)
            elif isinstance(event, RunInterrupted | RunResumed):
                self.parked = isinstance(event, RunInterrupted)

    def _take(self, event):
        if isinstance(event, LAST):
            # With a sub graph ends what is in it, and what failed in it may have been told before.
            self.alive = {
                name: node
                for name, node in self.alive.items()
                if name != event.exec and not name.startswith(f"{event.exec}/")
            }
            return
        self.alive[event.exec] = event.node
        self.made.add(event.exec)


@given(GRAPHS, ORDERS, st.booleans())
@pytest.mark.slow
def test_where_a_run_stands_is_what_its_log_tells_at_every_moment(sketch, order, impatient):
    game = play(sketch, sketch.plan(), chooser(order), impatient=impatient, limit=40)
    while True:
        machine, told = game.machine, Told(game.log)
        assert len(game.log) == machine.seq
        ending = machine.state in (RunState.ENDING, RunState.ENDED)
        assert (() if ending else tuple(game.open.values())) == machine.questions
        assert len(told.made) <= machine.made, "a graph that begins anew counts what it runs again"
        assert 40 - machine.made == machine.remaining
        if game.over:
            break
        assert told.parked is (machine.state is RunState.PARKED)
        if not ending:
            assert sorted(name for exec_id, name in told.alive.items() if "/" not in exec_id) == sorted(machine.next)
        game.advance()
    last = game.log[-1]
    assert isinstance(last, Terminal)
    assert (RunState.ENDED, (), 40 - last.steps) == (machine.state, machine.next, machine.remaining)


@given(GRAPHS, ORDERS, st.integers(0, 40))
def test_what_is_looked_at_changes_nothing(sketch, order, moment):
    """`values` hands out a state of one's own, and no question about a run moves it."""
    one, other = (play(sketch, sketch.plan(), chooser(order), limit=40) for _ in range(2))
    for _ in range(moment):
        if one.over:
            break
        look = one.machine
        assert (look.next, look.questions, look.remaining, look.held) == (
            other.machine.next,
            other.machine.questions,
            other.machine.remaining,
            other.machine.held,
        )
        look.values().clear()
        assert look.values() == other.machine.values()
        one.advance()
        other.advance()
    assert one.log == other.log


# --- held at the beginning ---


def test_a_run_that_is_held_at_its_beginning_says_behind_which_node_and_what_would_follow():
    machine = Machine(CHAIN.plan(), RUN)
    assert (False, START, ()) == (machine.held, machine.held_behind, machine.next)
    machine.started(run_started(given={"log": ["from outside"]}, held=True, node="a"))
    assert (True, "a", ("b",), RunState.PARKED, 0) == (
        machine.held,
        machine.held_behind,
        machine.next,
        machine.state,
        machine.made,
    )
    assert {"log": ["from outside"]} == {name: value for name, value in machine.values().items() if value}
    machine.resumed({}, 5)
    assert (False, START, ("b",), 1) == (machine.held, machine.held_behind, machine.next, machine.made)


@pytest.mark.parametrize(
    ("options", "following"),
    [
        ({}, ("a",)),
        ({"node": "c"}, ()),
        ({"node": "a", "goto": ("c", END)}, ("c",)),
        ({"goto": (Send("b", {}), END)}, ("b",)),
        ({"goto": ()}, ()),
    ],
)
def test_what_would_follow_is_what_follows(options, following):
    machine = Machine(CHAIN.plan(), RUN)
    machine.started(run_started(held=True, **options))
    assert following == machine.next
    machine.resumed({}, 5)
    assert following == machine.next


def test_a_run_that_was_stopped_while_it_waited_waits_for_nothing_more():
    sketch = Sketch((0, 0), ((-1, 0), (-1, 1)), manners={0: Manner(asks=1)})
    game = play(sketch, sketch.plan(), impatient=False)
    while not game.machine.questions:
        game.advance()
    game.machine.stopped("enough", 5)
    assert (RunState.ENDING, ()) == (game.machine.state, game.machine.questions)
    game.drain()
    game.to_the_end()
    assert () == game.machine.questions == replay(sketch.plan(), RUN, through_json(game.log)).questions
    held = Machine(CHAIN.plan(), RUN)
    held.started(run_started(held=True, node="a"))
    held.stopped("enough", 5)
    assert (RunState.ENDED, False, START, ()) == (held.state, held.held, held.held_behind, held.next)


# --- its budget and its time ---


def test_the_limit_counts_down_and_the_time_it_was_parked_is_told_apart():
    sketch = Sketch((0, 0), ((-1, 0), (0, 1)), manners={0: Manner(asks=1)})
    game = play(sketch, sketch.plan(), impatient=False, limit=7)
    assert (7, 6, 1) == (game.machine.limit, game.machine.remaining, game.machine.made)
    while game.machine.state is not RunState.PARKED:
        game.advance()
    parked_at = game.log[-1].ts
    game.machine.resumed({"a:1?1": "ok1"}, parked_at + 1000)
    assert 1000 == game.machine.parked_ms
    game.drain()
    game.to_the_end()
    assert 1000 == replay(sketch.plan(), RUN, through_json(game.log)).parked_ms


def test_a_clock_that_went_back_while_a_run_was_parked_gives_it_no_time():
    sketch = Sketch((0,), ((-1, 0),), manners={0: Manner(asks=1)})
    game = play(sketch, sketch.plan(), impatient=False)
    while game.machine.state is not RunState.PARKED:
        game.advance()
    game.machine.resumed({"a:1?1": "ok1"}, 0)
    assert 0 == game.machine.parked_ms


def test_only_a_stop_and_a_time_out_close_a_log_before_its_last_event():
    for end, closing in ((Machine.expired, True), (lambda machine, now: machine.stopped("", now), True)):
        game = play(CHAIN, CHAIN.plan())
        assert not game.machine.closing
        end(game.machine, 5)
        assert closing is game.machine.closing
        game.drain()
        game.to_the_end()
        assert not game.machine.closing
    failing = play(CHAIN, CHAIN.plan(), failing=frozenset({"a:1"})).to_the_end()
    assert not failing.machine.closing


# --- what a node may choose ---

INNER = Sketch((0, 0), ((-1, 0), (0, 1)))
OUTER = Sketch((0, 0), ((-1, 0), (0, 1)), manners={0: Manner(inside=INNER)})


def test_a_node_may_go_where_its_own_graph_has_a_node_and_out_of_it_only_where_one_is_around():
    game = play(OUTER, OUTER.plan())
    machine = game.machine
    assert machine.plan.inner["a"] is machine.check_goto("a:1/a:1", ("b", Send("a"), END), leaves=False)
    assert machine.plan is machine.check_goto("a:1/a:1", ("b",), leaves=True)
    for exec_id, targets, leaves, code in (
        ("a:1/a:1", ("c",), False, "E3006"),
        ("a:1/a:1", (Send("c"),), True, "E3006"),
        ("a:1/a:1", (Send(END),), False, "E3006"),
        ("a:1", ("b",), True, "E3019"),
    ):
        with pytest.raises(NodeError) as caught:
            machine.check_goto(exec_id, targets, leaves=leaves)
        assert code == caught.value.code
        assert caught.value.where.partition(":")[0] or exec_id == "a:1"
    game.to_the_end()


def test_who_runs_no_more_may_neither_choose_nor_say_anything():
    game = play(CHAIN, CHAIN.plan())
    for call in (
        lambda: game.machine.check_goto("b:1", (), leaves=False),
        lambda: game.machine.emitted("b:1", "x", 1, 1),
        lambda: game.machine.routed("a:1", (), 1),
    ):
        with pytest.raises(IllegalMove) as caught:
            call()
        assert "E3012" == caught.value.code
    before = (game.machine.seq, game.machine.next, len(game.machine.events))
    assert (len(game.log), ("a",), 0) == before, "and nothing has changed"
    game.to_the_end()
    with pytest.raises(IllegalMove):
        game.machine.check_goto("a:1", (), leaves=False)


def test_before_its_first_event_a_run_stands_nowhere():
    nowhere = Standing(CHAIN.plan(), RUN)
    assert (RunState.NEW, {}, (), (), 0, 0) == (
        nowhere.state,
        nowhere.values(),
        nowhere.questions,
        nowhere.next,
        nowhere.seq,
        nowhere.remaining,
    )
