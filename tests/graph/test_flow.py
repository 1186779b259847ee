"""What follows from what: calls, sub graphs, joins, questions, holds and failures, in random graphs and orders."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.events.kinds import (
    NodeCompleted,
    NodeRetrying,
    NodeStarted,
    RunCompleted,
    RunFailed,
    RunStopped,
    RunTimedOut,
)
from riverrun.graph.moves import RunState
from riverrun.graph.policies import quorum
from riverrun.graph.replay import replay
from riverrun.graph.step import AskRouters
from tests.graph.drawn import whole
from tests.graph.play import RUN, Play, check_log, chooser, play, take_over, through_json
from tests.graph.sketch import Manner, Move, Sketch

ORDERS = st.lists(st.integers(0, 40), max_size=60)
DECIDED = whole()
GRAPHS = st.one_of(whole(), whole(decided=False))
LIMIT = 150
FEW = 30  # where a log is looked at from every place


def places(log, first):
    """Give places at which a log breaks off: all, or of a long one every so many."""
    return range(1 + first % (1 + len(log) // 40), len(log), 1 + len(log) // 40)


def played(sketch, order=(), **options):
    """Play a sketch to its end."""
    options.setdefault("limit", LIMIT)
    options.setdefault("watches", False)
    game = play(sketch, sketch.plan(), chooser(order), **options).to_the_end()
    check_log(game.log)
    return game


# --- whatever the order ---


@given(DECIDED, ORDERS)
def test_whatever_the_order_of_completion_and_of_answers_the_state_is_the_same(sketch, order):
    one, other = played(sketch, impatient=False), played(sketch, order)
    assert type(one.log[-1]) is type(other.log[-1])
    if isinstance(one.log[-1], RunCompleted):
        assert one.machine.values() == other.machine.values()
        assert sorted(wrote(one.log)) == sorted(wrote(other.log))


def wrote(log):
    """What nodes wrote, whoever they were."""
    return [
        entry for event in log if isinstance(event, NodeCompleted) for w in event.writes for entry in w.get("log", ())
    ]


@given(GRAPHS, ORDERS, st.booleans())
def test_every_log_is_lawful_and_every_run_ends(sketch, order, impatient):
    game = played(sketch, order, impatient=impatient)
    assert isinstance(game.log[-1], RunCompleted | RunFailed)
    assert game.log[-1].steps == game.machine.made


@given(GRAPHS, ORDERS, st.integers(0, 60), st.booleans(), st.booleans())
@pytest.mark.slow
def test_a_run_can_be_cut_off_at_any_moment(sketch, order, moment, stubborn, expires):
    game = play(sketch, sketch.plan(), chooser(order), stubborn=stubborn, limit=LIMIT)
    for _ in range(moment):
        if not game.over:
            game.advance()
    if game.over or game.machine.state is RunState.ENDING:
        return
    began = len(game.ran)
    if expires:
        game.expire()
    else:
        game.stop()
    game.to_the_end()
    check_log(game.log)
    assert isinstance(game.log[-1], RunTimedOut if expires else RunStopped)
    assert began == len(game.ran), "nothing begins after a stop"
    assert all(isinstance(event, NodeCompleted) for event in game.log[game.closing_from : -1])
    folds_to_every_batch(game, stopped=True)


# --- the budget ---


@given(GRAPHS, ORDERS, st.integers(1, 30))
def test_the_budget_counts_every_execution_of_the_tree(sketch, order, limit):
    game = play(sketch, sketch.plan(), chooser(order), limit=limit).to_the_end()
    check_log(game.log)
    last: Any = game.log[-1]
    assert last.steps <= limit
    if isinstance(last, RunFailed) and last.error.code == "E3005":
        assert limit == last.steps
        more = play(sketch, sketch.plan(), chooser(order), limit=limit + 1).to_the_end()
        later: Any = more.log[-1]
        assert limit + 1 == later.steps or "E3017" == later.error.code
    elif isinstance(last, RunCompleted):
        enough = play(sketch, sketch.plan(), chooser(order), limit=last.steps).to_the_end()
        assert game.log[1:] == enough.log[1:]


# --- where the log ends ---


def folds_to_every_batch(game: Play, *, stopped: bool = False):
    """Hold every part of a log, as a store gives it back, against the machine that wrote it."""
    plan, stored, place = game.machine.plan, through_json(game.log), 0
    for batch, state in zip(game.batches, game.states, strict=True):
        for told in range(1, len(batch) + 1):
            if stopped:  # when it was stopped only the last event tells
                machine = replay(plan, RUN, stored, place + told)
            else:
                machine = replay(plan, RUN, stored[: place + told])
                # That a node went when it was told to stands in no event, so the end may have to wait for a new owner.
                rest = batch[told:] if not batch[-1].terminal else batch[told:][: len(machine.events)]
                assert rest == machine.events
            if not stopped or told == len(batch):
                assert state == machine.values()
        place += len(batch)
    assert RunState.ENDED is replay(plan, RUN, stored).state


@given(GRAPHS, ORDERS)
@pytest.mark.slow
def test_every_part_of_a_log_gives_back_the_machine_that_wrote_it(sketch, order):
    folds_to_every_batch(played(sketch, order, limit=FEW, watches=True))


def is_graph(game, exec_id):
    """Whether an execution is one of a sub graph."""
    return game.machine.steps[exec_id].node.manner == "graph"


@given(GRAPHS, ORDERS)
def test_a_fold_gives_the_orders_for_what_should_be_running(sketch, order):
    plan = sketch.plan()
    game = play(sketch, plan, chooser(order), limit=FEW, watches=False)
    while not game.over:
        if game.machine.state is not RunState.RUNNING:
            break  # the rest is being cancelled
        # The handler of a sub graph stands in no order: a new owner lets the sub graph begin anew.
        handled = {name for name, moves in game.work.items() if is_graph(game, name) and isinstance(moves[0], Move)}
        machine = replay(plan, RUN, through_json(game.log))
        assert set(game.work) - handled == {each.exec_id for each in machine.commands}
        game.advance()
    assert [] == replay(plan, RUN, game.log).commands


# --- a new owner ---


def undone(log):
    """What had completed in a graph that has begun anew since."""
    found: set[str] = set()
    done: set[str] = set()
    for event in log:
        if isinstance(event, NodeRetrying):
            found |= {name for name in done if name.startswith(f"{event.exec}/")}
        elif isinstance(event, NodeCompleted):
            done.add(event.exec)
            found.discard(event.exec)
    return found


@given(GRAPHS, ORDERS, ORDERS, st.integers(0, 9))
@pytest.mark.slow
def test_a_log_that_breaks_off_anywhere_is_taken_over_and_ends(sketch, order, later, first):
    plan, game = sketch.plan(), played(sketch, order, limit=FEW)
    for cut in places(game.log, first):
        after = take_over(sketch, plan, game.log[:cut], chooser(later)).to_the_end()
        check_log(after.log)
        done = {event.exec for event in game.log[:cut] if isinstance(event, NodeCompleted)}
        anew = {event.exec for event in after.log[cut:] if isinstance(event, NodeRetrying)}
        ran = {name for name, _, _ in after.ran if not any(name.startswith(f"{around}/") for around in anew)}
        assert not ran & (done - undone(game.log[:cut])), "what was done is not done again"
        stored = through_json(after.log)
        assert after.machine.values() == replay(plan, RUN, stored).values()


@given(DECIDED, ORDERS, ORDERS, st.integers(0, 9))
@pytest.mark.slow
def test_a_run_that_was_taken_over_anywhere_ends_as_it_would_have(sketch, order, later, first):
    plan, game = sketch.plan(), played(sketch, order, limit=FEW)
    for cut in places(game.log, first):
        after = take_over(sketch, plan, game.log[:cut], chooser(later)).to_the_end()
        assert type(game.log[-1]) is type(after.log[-1])
        if isinstance(game.log[-1], RunCompleted):
            assert game.machine.values() == after.machine.values()


# --- found once, kept by name ---


def test_a_join_that_has_enough_begins_once_although_it_also_stands_in_a_circle_of_waiting_nodes():
    # `a` and `d` lead to one another; `d` was seen to wait before it had all that it needs.
    edges = ((-1, 3), (1, 3), (-1, 0), (0, 3), (0, 2), (-1, 1))
    inner = Sketch((0,), ((-1, 0),), manners={0: Manner(fails=1, mends="handler")}, after=("a",))
    manners = {
        0: Manner(calls=(2, 3, 2), chooses=(3,), join=quorum(2)),
        1: Manner(inside=inner),
        2: Manner(asks=2),
        3: Manner(join=quorum(2)),
    }
    sketch = Sketch((2, 1, 1, 0), edges, {2: ((0, 4), 2), 3: ((0, 4), 1)}, manners=manners, before=("c",))
    played(sketch, [27, 26, 30, 11, 16], limit=29)


def test_a_graph_that_ended_before_all_of_its_first_nodes_began_begins_none_of_the_others():
    never = Sketch((0,), ((-1, 0),), manners={0: Manner(join=quorum(2))})
    inner = Sketch((0, 0), ((-1, 0), (-1, 1)), manners={0: Manner(inside=never, join=quorum(2))})
    game = played(Sketch((0,), ((-1, 0),), manners={0: Manner(inside=inner, mends="handler")}))
    assert ["a:1"] == [event.exec for event in game.log if isinstance(event, NodeStarted)]
    assert ["a~"] == game.machine.values()["log"]


def test_a_sub_graph_that_fails_at_once_is_judged_by_whoever_owns_the_run_by_then():
    inner = Sketch((0,), ((-1, 0),), manners={0: Manner(join=quorum(2))})
    sketch = Sketch((0, 0), ((-1, 0), (0, 1)), manners={1: Manner(inside=inner, mends="handler")})
    game = played(sketch)
    for cut in range(1, len(game.log)):
        after = take_over(sketch, sketch.plan(), game.log[:cut], chooser([])).to_the_end()
        assert game.machine.values() == after.machine.values()


def test_where_a_sub_graph_was_routed_to_stands_in_the_log_and_is_not_asked_again():
    inner = Sketch((1,), ((-1, 0),), manners={0: Manner(leaves=True, leaves_to=("b",))})
    sketch = Sketch((0, 1, 1), ((-1, 0), (0, 1)), {0: ((2, 3), 9)}, manners={0: Manner(inside=inner)})
    game = played(sketch, watches=True)
    folds_to_every_batch(game)
    (own,) = [event for event in game.log if isinstance(event, NodeCompleted) and event.exec == "a:1"]
    assert ("b", "c") == own.goto


@pytest.mark.parametrize("stubborn", [True, False])
def test_a_sub_graph_whose_routers_are_cut_off_has_done_its_work_all_the_same(stubborn):
    inner = Sketch((1,), ((-1, 0),))
    sketch = Sketch((0, 0, 1), ((-1, 0), (-1, 2)), {0: ((1, 3), 9)}, manners={0: Manner(inside=inner)})
    game = play(sketch, sketch.plan(), stubborn=stubborn)
    while not isinstance(game.work.get("a:1", [None])[0], AskRouters):
        game.advance()
    game.stop()
    game.to_the_end()
    check_log(game.log)
    assert "a:1" in {event.exec for event in game.log if isinstance(event, NodeCompleted)}
    assert game.machine.values() == replay(game.machine.plan, RUN, through_json(game.log)).values()
    assert 1 <= len(game.machine.values()["log"]) <= 2
