"""Folding a log gives the machine back that wrote it, wherever the log breaks off; a new owner goes on from there."""

from __future__ import annotations

import operator
from collections import OrderedDict
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from riverrun.base.errors import InputError, NodeError
from riverrun.events.kinds import (
    NodeCompleted,
    NodeRetrying,
    NodeStarted,
    RunCompleted,
    RunFailed,
    RunLost,
    RunStopped,
    RunTakenOver,
)
from riverrun.graph.build import GraphBuilder
from riverrun.graph.machine import Machine
from riverrun.graph.moves import RunState
from riverrun.graph.node import START
from riverrun.graph.reducers import Overwrite, Remove, add_messages, append, merge
from riverrun.graph.replay import replay
from riverrun.graph.step import RunNode
from tests.graph.play import (
    BOOM,
    RUN,
    check_log,
    chooser,
    chunks,
    completions,
    play,
    run_started,
    take_over,
    texts,
    through_json,
)
from tests.graph.reference import reducible
from tests.graph.sketch import Sketch, acyclic, looped

ORDERS = st.lists(st.integers(0, 40), max_size=40)
SMALL = st.one_of(acyclic(5), looped(4))
CHAIN = Sketch((2, 1), ((-1, 0), (0, 1)))


# --- where the log ends ---


@given(SMALL, ORDERS, st.booleans(), st.data())
def test_every_part_of_a_log_gives_back_the_machine_that_wrote_it(sketch, order, fails, data):
    plan = sketch.plan()
    failing = frozenset({data.draw(st.sampled_from(["a:1", "b:1", "c:2"]))}) if fails else frozenset()
    game = play(sketch, plan, chooser(order), failing=failing, stubborn=data.draw(st.booleans())).to_the_end()
    stored = through_json(game.log)
    place = 0
    for batch, state in zip(game.batches, game.states, strict=True):
        for told in range(1, len(batch) + 1):
            machine = replay(plan, RUN, stored[: place + told])
            if not batch[told - 1].terminal:
                assert batch[told:] == machine.events
            assert state == machine.values()
        place += len(batch)


@given(SMALL, ORDERS, st.integers(0, 25), st.booleans())
def test_a_stopped_log_folds_to_any_place(sketch, order, moment, stubborn):
    plan = sketch.plan()
    game = play(sketch, plan, chooser(order), stubborn=stubborn)
    for _ in range(moment):
        if not game.over:
            game.advance()
    if game.over:
        return
    game.stop()
    game.to_the_end()
    stored = through_json(game.log)
    place = 0
    for batch, state in zip(game.batches, game.states, strict=True):
        place += len(batch)
        assert state == replay(plan, RUN, stored, place).values()
    assert RunState.ENDED is replay(plan, RUN, stored).state


@given(SMALL, ORDERS)
def test_a_fold_gives_the_orders_for_what_should_be_running(sketch, order):
    plan = sketch.plan()
    game = play(sketch, plan, chooser(order))
    while not game.over:
        running = set(game.work)
        machine = replay(plan, RUN, through_json(game.log))
        assert running == {each.exec_id for each in machine.commands}
        game.advance()
    assert [] == replay(plan, RUN, game.log).commands


# --- a new owner ---


def _hold_for_a_successor(sketch, whole, broken_off, after):
    """Hold a log that was taken over against the one that was not."""
    check_log(after.log)
    assert type(whole.log[-1]) is type(after.log[-1])
    finished = {event.exec for event in broken_off if isinstance(event, NodeCompleted)}
    assert not finished & {exec_id for exec_id, _, _ in after.ran}, "what was finished does not run again"
    started = {event.exec: event for event in broken_off if isinstance(event, NodeStarted)}
    tries = {event.exec: event.attempt for event in broken_off if isinstance(event, NodeRetrying)}
    for exec_id, attempt, _ in after.ran:
        before = tries.get(exec_id, 1) if exec_id in started else 0
        assert before + 1 == attempt
    if isinstance(whole.log[-1], RunCompleted) and reducible(sketch.plan().nest._successors):
        assert whole.machine.values() == after.machine.values()
        assert completions(whole.log) == completions(after.log)
        assert texts(whole.log) == texts(after.log)


@given(SMALL, ORDERS, ORDERS, st.data())
@pytest.mark.slow
def test_a_log_that_breaks_off_anywhere_is_taken_over_and_ends_as_it_would_have(sketch, order, later, data):
    plan = sketch.plan()
    whole = play(sketch, plan, chooser(order)).to_the_end()
    for cut in range(1, len(whole.log)):
        after = take_over(sketch, plan, whole.log[:cut], chooser(later)).to_the_end()
        _hold_for_a_successor(sketch, whole, whole.log[:cut], after)


@given(SMALL, ORDERS, ORDERS, ORDERS, st.data())
@pytest.mark.slow
def test_the_successor_of_a_successor_goes_on_as_well(sketch, order, later, latest, data):
    plan = sketch.plan()
    whole = play(sketch, plan, chooser(order)).to_the_end()
    if len(whole.log) < 3:
        return
    cut = data.draw(st.integers(1, len(whole.log) - 1))
    # Between the two cuts there may be owners that wrote nothing but their claim.
    second = take_over(sketch, plan, whole.log[:cut], chooser(later), epochs=data.draw(st.integers(2, 4))).to_the_end()
    for again in range(cut + 1, len(second.log)):
        third = take_over(sketch, plan, second.log[:again], chooser(latest)).to_the_end()
        _hold_for_a_successor(sketch, whole, second.log[:again], third)
        stored = through_json(third.log)
        assert third.machine.values() == replay(plan, RUN, stored).values()


@given(SMALL, ORDERS, st.data())
def test_a_run_that_was_failing_still_fails_for_its_successor(sketch, order, data):
    plan = sketch.plan()
    game = play(sketch, plan, chooser(order), failing=frozenset({"a:1"}), stubborn=True).to_the_end()
    failed = next((event for event in game.log if event.type == "node.failed"), None)
    if failed is None:
        return
    for cut in range(failed.seq, len(game.log)):
        after = take_over(sketch, plan, game.log[:cut], chooser([])).to_the_end()
        check_log(after.log)
        last = after.log[-1]
        assert isinstance(last, RunFailed)
        assert BOOM == last.error
        assert [] == after.ran


def test_text_of_the_broken_attempt_is_void_and_told_anew():
    plan = CHAIN.plan()
    log = play(CHAIN, plan).to_the_end().log
    after = take_over(CHAIN, plan, log[:3], chooser([]))
    assert ["run.started", "node.started", "node.chunk", "run.taken_over", "node.retrying"] == [
        e.type for e in after.log
    ]
    retrying = after.log[-1]
    assert isinstance(retrying, NodeRetrying)
    assert ("a:1", 2, ("a:1/a",), "taken_over") == (
        retrying.exec,
        retrying.attempt,
        retrying.voids,
        retrying.reason,
    )
    starts = [event.start for event in chunks(after.to_the_end().log) if event.node == "a"]
    assert [0, 0, len("a0.0") + 2] == starts


def test_a_node_that_was_about_to_begin_begins_for_the_first_time():
    plan = CHAIN.plan()
    log = play(CHAIN, plan).to_the_end().log
    cut = next(event.seq for event in log if isinstance(event, NodeCompleted))
    after = take_over(CHAIN, plan, log[:cut], chooser([]))
    assert ["run.taken_over", "node.started"] == [event.type for event in after.log[cut:]]
    assert [("b:1", 1)] == [(exec_id, attempt) for exec_id, attempt, _ in after.ran]


def test_owners_that_wrote_nothing_cost_no_attempt():
    plan = CHAIN.plan()
    log = play(CHAIN, plan).to_the_end().log
    after = take_over(CHAIN, plan, log[:3], chooser([]), epochs=5)
    assert [("a:1", 2)] == [(exec_id, attempt) for exec_id, attempt, _ in after.ran]
    check_log(after.to_the_end().log)


def test_an_ending_that_was_not_committed_is_written_by_the_successor():
    plan = CHAIN.plan()
    log = play(CHAIN, plan).to_the_end().log
    after = take_over(CHAIN, plan, log[:-1], chooser([]))
    assert ["run.taken_over", "run.completed"] == [event.type for event in after.log[-2:]]
    assert [] == after.ran


# --- endings ---


def test_a_stop_after_which_a_node_still_finished_folds():
    sketch = Sketch((0, 0, 0), ((-1, 0), (-1, 1), (0, 2), (1, 2)))
    plan = sketch.plan()
    game = play(sketch, plan, stubborn=True)
    game.stop()
    game.to_the_end()
    assert ["node.completed", "node.completed", "run.stopped"] == [event.type for event in game.log[-3:]]
    assert game.machine.values() == replay(plan, RUN, through_json(game.log)).values()


def test_an_ending_from_outside_fits_every_place():
    plan = CHAIN.plan()
    log = play(CHAIN, plan).to_the_end().log
    for cut in range(1, len(log)):
        for last in (
            RunFailed(seq=cut + 1, ts=9, run=RUN, error=BOOM),
            RunLost(seq=cut + 1, ts=9, run=RUN, reason="nobody serves it"),
        ):
            machine = replay(plan, RUN, [*log[:cut], last])
            assert (RunState.ENDED, [], []) == (machine.state, machine.events, machine.commands)
            assert replay(plan, RUN, log[:cut]).values() == machine.values()


# --- logs of another graph ---


@pytest.mark.parametrize(
    "other",
    [
        Sketch((2,), ((-1, 0),)),
        Sketch((2, 1), ((-1, 1), (1, 0))),
        Sketch((2, 1, 1), ((-1, 0), (0, 1), (-1, 2))),
        Sketch((2, 1, 1), ((-1, 0), (0, 2), (2, 1))),
    ],
)
def test_a_log_of_another_graph_is_refused(other):
    log = play(CHAIN, CHAIN.plan()).to_the_end().log
    with pytest.raises(NodeError) as caught:
        replay(other.plan(), RUN, log)
    assert "E3009" == caught.value.code
    assert "'sketch'" in caught.value.message
    assert "seq" in caught.value.where


def test_an_input_that_does_not_fit_any_more_is_named_as_such():
    with pytest.raises(InputError) as caught:
        replay(CHAIN.plan(), RUN, [run_started(given={"gone": 1})])
    assert "E2010" == caught.value.code


@given(SMALL, ORDERS, st.data())
def test_a_log_with_an_event_missing_or_foreign_is_refused_or_the_same(sketch, order, data):
    plan = sketch.plan()
    log = play(sketch, plan, chooser(order)).to_the_end().log
    place = data.draw(st.integers(1, len(log) - 1))
    event = log[place]
    damaged = data.draw(
        st.sampled_from(
            [
                [*log[:place], *(replace(late, seq=late.seq - 1) for late in log[place + 1 :])],
                [*log[:place], RunStopped(seq=event.seq, ts=9, run=RUN), *log[place + 1 :]],
                [*log[:place], event, *log[place:]],
            ]
        )
    )
    assert _refusal(plan, damaged) in ("E3009", "")


def _refusal(plan, log):
    try:
        replay(plan, RUN, log)
    except NodeError as error:
        return error.code
    return ""


def test_a_completed_run_that_had_more_to_do_is_refused():
    log = play(CHAIN, CHAIN.plan()).to_the_end().log
    with pytest.raises(NodeError):
        replay(CHAIN.plan(), RUN, [*log[:3], RunCompleted(seq=4, ts=9, run=RUN)])


def test_a_stop_in_a_log_that_lost_something_before_it_is_refused():
    log = play(CHAIN, CHAIN.plan()).to_the_end().log
    cut = next(event.seq for event in log if isinstance(event, NodeCompleted))
    taken = RunTakenOver(seq=cut + 1, ts=9, run=RUN, epoch=2)
    with pytest.raises(NodeError):
        replay(CHAIN.plan(), RUN, [*log[:cut], taken, RunStopped(seq=cut + 2, ts=9, run=RUN)])


# --- writes that go past a reducer ---


class UserList(list[Any]):
    """A list that is not quite a list."""


class Writes(TypedDict, total=False):
    plain: Any
    log: Annotated[list[Any], operator.add]
    items: Annotated[list[Any], append]
    deep: Annotated[dict[str, Any], merge]
    messages: Annotated[list[Any], add_messages]


JSON = st.recursive(
    st.none() | st.integers(-9, 9) | st.sampled_from(["x", "$remove", "$overwrite"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "b", "$remove", "$overwrite"]), inner, max_size=2)
    ),
    max_leaves=4,
)
ITEM = st.sampled_from(["x", "y"]) | st.builds(lambda text: {"content": text}, st.sampled_from("xy"))
REMOVED = st.builds(Remove, st.sampled_from(["i", "j", "a"]))
PAST = st.builds(Overwrite, JSON) | st.just(Remove())
MESSAGE = ITEM | REMOVED | st.builds(lambda name: {"id": name, "content": "z"}, st.sampled_from("ij"))
WRITES = st.fixed_dictionaries(
    {},
    optional={
        "plain": JSON | PAST,
        "log": st.lists(JSON, max_size=2) | st.builds(Overwrite, st.lists(JSON, max_size=2)) | st.just(Remove()),
        "items": JSON | st.builds(Overwrite, st.lists(JSON, max_size=2)) | st.just(Remove()),
        "deep": st.dictionaries(st.sampled_from("ab"), JSON, max_size=2) | REMOVED | st.just(Remove()),
        "messages": st.lists(MESSAGE, max_size=3) | REMOVED | st.builds(Overwrite, st.lists(ITEM, max_size=1)),
    },
)
NAMES = ("first", "left", "right", "longer", "last")


def _diamond():
    builder = GraphBuilder(Writes)
    for name in NAMES:
        builder.add_node(name, lambda state: None)
    builder.add_edge(START, "first").add_edge("first", "left").add_edge("first", "right").add_edge("right", "longer")
    return builder.add_edge("left", "last").add_edge("longer", "last").plan("diamond")


def _run(plan, writes, pick, chunks=()):
    """Let every node write what it is to write; give the machine, its log, and what each node saw."""
    machine, log, saw = Machine(plan, RUN), [], {}
    machine.started(run_started())
    running: list[RunNode] = []
    while machine.state is not RunState.ENDED:
        log += machine.events
        running += [order for order in machine.commands if isinstance(order, RunNode)]
        machine.events, machine.commands = [], []
        order = running.pop(pick(len(running)))
        saw[order.node.name] = order.state
        streamed: tuple[str, ...] = ()
        if order.node.name == "left" and chunks:
            streamed = ("messages",)
            for chunk in chunks:
                machine.yielded(order.exec_id, "messages", chunk, 2)
        update = {key: value for key, value in writes[order.node.name].items() if key not in streamed}
        machine.returned(order.exec_id, update, streamed, (), 2)
        if machine.state is RunState.ENDING:
            for one in running:
                machine.cancelled(one.exec_id, 2)
    return machine, log + machine.events, saw


@given(st.fixed_dictionaries(dict.fromkeys(NAMES, WRITES)), ORDERS, st.lists(MESSAGE, max_size=3))
def test_the_state_after_a_replay_is_the_live_one_whatever_was_written(writes, order, chunks):
    plan = _diamond()
    live, log, saw = _run(plan, writes, chooser(order), chunks)
    again = replay(plan, RUN, through_json(log))
    assert live.values() == again.values()
    assert live.values() == replay(plan, RUN, log).values(), "the events of a run in process need no round trip"
    other, _, seen = _run(plan, writes, lambda count: 0, chunks)
    if isinstance(log[-1], RunCompleted):
        assert (live.values(), saw) == (other.values(), seen), "whichever branch was faster"


def test_data_that_looks_like_a_removal_is_refused_and_can_be_stored_on_purpose():
    plan = _diamond()
    looks = {"$remove": "i"}
    nothing: dict[str, dict[str, Any]] = {name: {} for name in NAMES}
    also = OrderedDict(looks), UserList([looks])
    for written in ({"plain": looks}, {"messages": [looks]}, {"deep": also[0]}, {"items": (looks,)}, {"log": also[1]}):
        _, log, _ = _run(plan, {**nothing, "first": written}, chooser([]))
        assert isinstance(log[-1], RunFailed)
        assert "E3008" == log[-1].error.code
        assert "$" in log[-1].error.mend
        assert [] == replay(plan, RUN, through_json(log)).events
    allowed = {"plain": Overwrite(looks), "items": Overwrite([looks]), "deep": {"a": looks}}
    live, log, _ = _run(plan, {**nothing, "first": allowed}, chooser([]))
    stored = {"plain": looks, "log": [], "items": [looks], "deep": {"a": looks}, "messages": []}
    assert stored == live.values()
    assert live.values() == replay(plan, RUN, through_json(log)).values()


def test_a_chunk_that_looks_like_a_removal_is_refused_where_a_removal_is_one():
    plan = _diamond()
    nothing: dict[str, dict[str, Any]] = {name: {} for name in NAMES}
    live, log, _ = _run(plan, nothing, chooser([]), [{"id": "i", "content": "x"}, Remove("i")])
    assert [] == live.values()["messages"]
    assert live.values() == replay(plan, RUN, through_json(log)).values()
    _, log, _ = _run(plan, nothing, chooser([]), [{"id": "i", "content": "x"}, {"$remove": "i"}])
    assert isinstance(log[-1], RunFailed)
    assert RunState.ENDED is replay(plan, RUN, through_json(log)).state
