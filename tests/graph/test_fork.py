"""A fork goes on from any place of a log, in a run of its own; what had ended the other one is tried again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from riverrun.base.errors import InputError
from riverrun.events.kinds import (
    ErrorInfo,
    NodeCompleted,
    NodeFailed,
    RunCompleted,
    RunFailed,
    RunForked,
    RunLost,
    RunStopped,
)
from riverrun.graph.fork import end_of_work, fork
from riverrun.graph.moves import RunState
from riverrun.graph.replay import replay
from tests.graph.drawn import whole
from tests.graph.play import RUN, check_log, chooser, go_on, play, run_started, through_json
from tests.graph.sketch import Manner, Sketch

OTHER = "f" * 32
ORDERS = st.lists(st.integers(0, 40), max_size=40)
GRAPHS = st.one_of(whole(), whole(decided=False))
CHAIN = Sketch((2, 1), ((-1, 0), (0, 1)))


def last_of(game) -> Any:
    """Give the terminal event."""
    return game.log[-1]


def forked(plan, log, at=None, limit=None):
    """Fork a log, as it comes out of a store."""
    return fork(plan, through_json(log), replace(log[0], run=OTHER, log="11111111"), at=at, limit=limit)


@given(GRAPHS, ORDERS, ORDERS, st.integers(0, 9))
@pytest.mark.slow
def test_a_fork_of_any_place_goes_on_and_ends(sketch, order, later, first):
    plan = sketch.plan()
    game = play(sketch, plan, chooser(order), limit=30, watches=False).to_the_end()
    for at in range(1 + first % (1 + len(game.log) // 20), len(game.log) + 1, 1 + len(game.log) // 20):
        log = forked(plan, game.log, at, limit=60)
        again = go_on(sketch, plan, log, chooser(later)).to_the_end()
        check_log(again.log)
        assert {OTHER} == {event.run for event in again.log}
        stored = through_json(again.log)
        assert again.machine.values() == replay(plan, OTHER, stored).values()


@given(whole(), ORDERS, ORDERS, st.integers(0, 9))
@pytest.mark.slow
def test_a_fork_of_a_run_that_completed_ends_as_that_did(sketch, order, later, first):
    plan = sketch.plan()
    game = play(sketch, plan, chooser(order), limit=60, watches=False).to_the_end()
    if not isinstance(game.log[-1], RunCompleted):
        return
    for at in range(1 + first % (1 + len(game.log) // 20), len(game.log) + 1, 1 + len(game.log) // 20):
        again = go_on(sketch, plan, forked(plan, game.log, at, limit=200), chooser(later)).to_the_end()
        assert isinstance(again.log[-1], RunCompleted)
        assert game.machine.values() == again.machine.values()


@given(GRAPHS, ORDERS, st.integers(0, 40), st.booleans())
@pytest.mark.slow
def test_a_run_that_was_stopped_is_gone_on_with_from_where_it_was(sketch, order, moment, stubborn):
    plan = sketch.plan()
    game = play(sketch, plan, chooser(order), stubborn=stubborn, limit=40, watches=False)
    for _ in range(moment):
        if not game.over:
            game.advance()
    if game.over or game.machine.closing:
        return
    game.stop()
    game.to_the_end()
    log = forked(plan, game.log)
    assert isinstance(log[-1], RunForked)
    assert log[-1].at == end_of_work(plan, game.log) == len(log) - 1
    assert game.closing_from is not None
    assert log[-1].at >= game.closing_from - 1 or not isinstance(game.log[-1], RunStopped)
    check_log(go_on(sketch, plan, log, chooser(order)).to_the_end().log)


def test_a_failure_is_tried_again_and_what_had_ended_well_is_not():
    sketch = Sketch((1, 1, 0), ((-1, 0), (-1, 1), (0, 2), (1, 2)), manners={1: Manner(fails=1)})
    plan = sketch.plan()
    game = play(sketch, plan, chooser([0] * 9)).to_the_end()
    assert isinstance(game.log[-1], RunFailed)
    assert ["a:1"] == [event.exec for event in game.log if isinstance(event, NodeCompleted)]
    well = Sketch(sketch.chunks, sketch.edges)  # what made it fail is mended
    again = go_on(well, plan, forked(plan, game.log)).to_the_end()
    assert isinstance(again.log[-1], RunCompleted)
    assert [("b:1", 2), ("c:1", 1)] == [(exec_id, attempt) for exec_id, attempt, _ in again.ran]
    assert not [event for event in again.log if isinstance(event, NodeFailed)]


def test_a_budget_that_was_spent_can_be_raised():
    sketch = Sketch((0, 0, 0), ((-1, 0), (0, 1), (1, 2)))
    plan = sketch.plan()
    game = play(sketch, plan, limit=2).to_the_end()
    assert "E3005" == last_of(game).error.code
    same = go_on(sketch, plan, forked(plan, game.log)).to_the_end()
    assert ("E3005", 2) == (last_of(same).error.code, last_of(same).steps)
    more = go_on(sketch, plan, forked(plan, game.log, limit=3)).to_the_end()
    assert (RunCompleted, 3, ["c:1"]) == (type(more.log[-1]), last_of(more).steps, [ran[0] for ran in more.ran])


def test_a_fork_of_a_run_that_completed_has_only_its_end_to_write():
    plan = CHAIN.plan()
    game = play(CHAIN, plan).to_the_end()
    again = go_on(CHAIN, plan, forked(plan, game.log))
    assert ([], ["run.forked", "run.completed"]) == (again.ran, [event.type for event in again.log[-2:]])


def test_a_fork_waits_for_the_answers_that_its_source_waited_for():
    sketch = Sketch((1,), ((-1, 0),), manners={0: Manner(asks=1)})
    plan = sketch.plan()
    game = play(sketch, plan, impatient=False)
    while not game.open:
        game.advance()
    again = go_on(sketch, plan, forked(plan, game.log))
    assert ([], ["a:1?1"]) == (again.ran, list(again.open))
    assert isinstance(again.to_the_end().log[-1], RunCompleted)


@pytest.mark.parametrize("at", [0, -1, 99])
def test_there_is_nothing_to_fork_outside_a_log(at):
    plan = CHAIN.plan()
    log = play(CHAIN, plan).to_the_end().log
    with pytest.raises(InputError) as caught:
        forked(plan, log, at)
    assert "E2016" == caught.value.code


@pytest.mark.parametrize(
    "last",
    [
        RunFailed(seq=4, ts=9, run=RUN, error=ErrorInfo(code="E6007", message="a defect")),
        RunLost(seq=4, ts=9, run=RUN, reason="nobody serves it"),
    ],
    ids=["failed", "lost"],
)
def test_a_run_that_was_ended_from_outside_is_gone_on_with(last):
    plan = CHAIN.plan()
    log = [*play(CHAIN, plan).to_the_end().log[:3], last]
    again = go_on(CHAIN, plan, forked(plan, log)).to_the_end()
    assert isinstance(again.log[-1], RunCompleted)
    assert ["a:1", "b:1"] == [exec_id for exec_id, _, _ in again.ran]


def test_a_log_of_nothing_but_its_first_event_can_be_forked():
    plan = CHAIN.plan()
    again = go_on(CHAIN, plan, forked(plan, [run_started()])).to_the_end()
    assert isinstance(again.log[-1], RunCompleted)


def test_answers_to_a_fork_are_counted_from_its_own_inbox():
    sketch = Sketch((1,), ((-1, 0),), manners={0: Manner(asks=2)})
    plan = sketch.plan()
    game = play(sketch, plan, impatient=False)
    while not game.open:
        game.advance()
    game.machine.resumed(dict.fromkeys(game.open, "ok1"), 3, control=7)
    game.drain()
    while not game.open:
        game.advance()
    assert 7 == game.machine.control
    assert 0 == replay(plan, OTHER, forked(plan, game.log)).control


def parked_and_answered(answers=1):
    """Play a run that asks twice: answered so often, each time after 1,000 ms."""
    sketch = Sketch((1,), ((-1, 0),), manners={0: Manner(asks=2)})
    game = play(sketch, sketch.plan(), impatient=False)
    for count in range(answers + 1):
        while not game.open:
            game.advance()
        if count < answers:
            game.machine.resumed(dict.fromkeys(game.open, "ok1"), game.log[-1].ts + 1000)
            game.drain()
    return sketch.plan(), game


def test_the_time_that_a_run_was_parked_is_no_time_of_its_fork():
    plan, game = parked_and_answered()
    assert 1000 == game.machine.parked_ms
    copied = forked(plan, game.log, at=next(event.seq for event in game.log if event.type == "run.resumed"))
    assert 0 == replay(plan, OTHER, copied).parked_ms


def test_a_fork_of_a_parked_run_is_parked_from_its_own_beginning():
    plan, game = parked_and_answered()
    copied = forked(plan, game.log)
    machine = replay(plan, OTHER, copied)
    assert (0, RunState.PARKED) == (machine.parked_ms, machine.state)
    machine.resumed(dict.fromkeys(game.open, "ok2"), copied[-1].ts + 70)
    assert 70 == machine.parked_ms
    assert 70 == replay(plan, OTHER, [*copied, *machine.events]).parked_ms
