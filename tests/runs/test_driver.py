"""The shell of the machine on a real loop: lanes, live streams, stop, time-out, shutdown, a log that is lost."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import Any

import pytest

from riverrun.base.clock import ManualClock
from riverrun.base.errors import Fenced, NodeError
from riverrun.events.kinds import NodeFailed
from riverrun.graph.node import END, START
from riverrun.graph.replay import replay
from riverrun.stores.memory import MemoryStore
from tests.graph.play import RUN
from tests.runs.plans import graph, kinds, parallel, plan, told, values
from tests.runs.ride import KEY, Held, Ride, Stubborn, drive
from tests.runs.wrapped import WaitingStore

# --- lanes ---


async def test_a_chain_is_awaited_in_one_task():
    tasks = []

    async def node(state):
        tasks.append(asyncio.current_task())

    log = await drive(plan(a=node, b=node, c=node))
    assert 1 == len(set(tasks))
    assert [1, 2, 3] == [log.index(event) // 2 + 1 for event in log if event.type == "node.started"]


async def test_parallel_nodes_run_in_lanes_of_their_own_and_their_streams_interleave_live():
    turn = [asyncio.Event() for _ in range(5)]

    async def one(state):
        for place in (0, 2):
            await turn[place].wait()
            yield f"one {place}"
            turn[place + 1].set()

    async def other(state):
        for place in (1, 3):
            await turn[place].wait()
            yield f"other {place}"
            turn[place + 1].set()

    turn[0].set()
    log = await drive(parallel(a=one, b=other).plan("graph"))
    assert ["one 0", "other 1", "one 2", "other 3"] == values(log)


async def nothing(state):
    return {}


def forked(fork=nothing, **branches):
    """A graph in which one node is followed by all the others."""
    edges = [(START, "fork"), *(("fork", name) for name in branches)]
    return graph(*edges, fork=fork, **branches).plan("graph")


async def test_a_lane_runs_what_a_fork_leads_to_itself_as_long_as_nobody_waits():
    ran = []

    def branch(number):
        async def node(state):
            ran.append((number, asyncio.current_task()))

        return node

    await drive(forked(**{f"n{number}": branch(number) for number in range(20)}))
    assert (list(range(20)), 1) == ([number for number, _ in ran], len({task for _, task in ran}))


@pytest.mark.parametrize("waiting", range(3))
async def test_a_branch_that_waits_holds_up_no_other(waiting):
    last, tasks = asyncio.Event(), set()

    def branch(number):
        async def node(state):
            tasks.add(asyncio.current_task())
            if number < waiting:
                await last.wait()
            elif number == 4:
                last.set()

        return node

    log = await drive(forked(**{f"n{number}": branch(number) for number in range(5)}))
    assert ("run.completed", 6) == (log[-1].type, kinds(log).count("node.completed"))
    assert (1 if waiting == 0 else 5) == len(tasks)  # who waits has its lane to itself


@pytest.mark.parametrize("setter", range(4))
@pytest.mark.parametrize("waits", [False, True])
async def test_no_branch_sees_what_one_beside_it_put_into_a_context_variable(setter, waits):
    whose = ContextVar("whose", default="nobody")
    seen = {}

    def branch(number):
        async def node(state):
            seen[number] = whose.get()
            if number == setter:
                whose.set(f"n{number}")
            if waits:
                await asyncio.sleep(0)

        return node

    async def fork(state):
        whose.set("fork")

    await drive(forked(fork, **{f"n{number}": branch(number) for number in range(4)}))
    assert dict.fromkeys(range(4), "fork") == seen


async def test_a_stop_cuts_off_branches_that_no_lane_has_come_to():
    ran = []

    async def stops(state):
        ride.driver.stop("from inside")
        await asyncio.Event().wait()

    async def node(state):
        ran.append(1)

    ride = await Ride(forked(stops=stops, second=node, third=node)).begin()
    log = await ride.end()
    assert (4, "run.stopped", []) == (kinds(log).count("node.started"), log[-1].type, ran)


async def test_a_shutdown_leaves_branches_that_no_lane_has_come_to():
    ran = []

    async def leaves(state):
        ride.task.cancel()
        await asyncio.Event().wait()

    async def node(state):
        ran.append(1)
        await asyncio.Event().wait()

    ride = await Ride(forked(leaves=leaves, second=node, third=node)).begin()
    with pytest.raises(asyncio.CancelledError):
        await ride.end()
    log = await ride.log()
    assert ("node.started", 1) == (log[-1].type, kinds(log).count("node.completed"))
    assert [] == [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_a_router_is_asked_in_a_task_that_bears_no_mark_of_what_its_node_did():
    marks = []

    def task():
        here = asyncio.current_task()
        assert here is not None
        return here

    async def node(state):
        task().cancel()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return {"x": 1}

    async def router(state):
        marks.append(task().cancelling())
        await asyncio.sleep(0)
        return END

    made = graph((START, "a"), a=node)
    made.add_conditional_edges("a", router, [END])
    log = await drive(made.plan("graph"))
    assert ("run.completed", [0]) == (log[-1].type, marks)


async def test_the_first_word_of_a_branch_is_in_the_log_although_its_sibling_sleeps():
    sleeper, speaker = Held(), Held()
    ride = await Ride(parallel(sleeper=sleeper, speaker=speaker).plan("graph")).begin()
    await speaker.began.wait()
    await ride.store.wait(KEY, 4, 5)
    assert "word" in values(await ride.log(), "speaker")
    speaker.go.set()
    sleeper.go.set()
    await ride.end()


async def test_a_fast_branch_goes_on_while_the_slow_one_runs():
    slow, after = Held(), asyncio.Event()

    async def follower(state):
        after.set()

    made = graph((START, "slow"), (START, "fast"), ("fast", "f"), slow=slow, fast=lambda state: {}, f=follower)
    ride = await Ride(made.plan("graph")).begin()
    await after.wait()
    slow.go.set()
    await ride.end()


async def test_a_wide_fork_joins_once():
    nodes = {f"n{number}": (lambda state, number=number: {"log": [number]}) for number in range(100)}
    edges = [(START, "s"), *(("s", name) for name in nodes), *((name, "j") for name in nodes)]
    seen = []

    async def join(state):
        seen.append(state["log"])

    await drive(graph(*edges, s=lambda state: {}, j=join, **nodes).plan("graph"))
    assert [list(range(100))] == seen


# --- stop ---


@pytest.mark.parametrize("store", [MemoryStore, WaitingStore])
async def test_a_stop_keeps_what_was_finished_and_says_what_was_cut_short(store):
    held = Held()
    ride = await Ride(parallel(done=lambda state: {"x": 1}, held=held).plan("graph"), store=store()).begin()
    await held.began.wait()
    while "node.completed" not in kinds(await ride.log()):
        await ride.store.wait(KEY, len(await ride.log()), 1)
    ride.driver.stop("enough")
    ride.driver.stop("again")
    log = await ride.end()
    assert ("run.stopped", "enough", ("held:1",), "cut off") == (
        log[-1].type,
        log[-1].reason,
        log[-1].partial,
        held.ended,
    )
    assert {"log": [], "x": 1} == ride.driver.machine.values() == replay(ride.plan, RUN, log).values()


@pytest.mark.parametrize("store", [MemoryStore, WaitingStore])
async def test_a_stop_before_the_first_node_began_runs_none(store):
    ran: list[Any] = []
    ride = await Ride(plan(a=ran.append, b=ran.append), store=store()).begin()
    ride.driver.stop("at once")
    log = await ride.end()
    assert ([], ["run.started", "node.started", "run.stopped"]) == (ran, kinds(log))


async def test_a_stop_cuts_off_nodes_that_have_not_had_their_first_turn():
    ran = []

    async def stops(state):
        ride.driver.stop("from inside")
        await asyncio.Event().wait()

    async def node(state):
        ran.append(1)

    # The first of a fork goes on in the lane that asked and so has its turn last.
    ride = await Ride(parallel(first=node, stops=stops, third=node).plan("graph")).begin()
    log = await ride.end()
    assert ["node.started"] * 3 == kinds(log)[1:4]
    assert ("run.stopped", []) == (log[-1].type, ran)


async def test_a_node_that_does_not_care_for_the_stop_keeps_its_work_and_nothing_follows():
    one, other = Stubborn(), Stubborn()
    ran: list[Any] = []
    made = graph((START, "a"), (START, "b"), ("a", "c"), ("b", "c"), a=one, b=other, c=ran.append)
    ride = await Ride(made.plan("graph")).begin()
    await one.began.wait()
    await other.began.wait()
    ride.driver.stop("enough")
    log = await ride.end()
    assert ["node.completed", "node.completed", "run.stopped"] == kinds(log)[-3:]
    assert ([], {"log": ["stubborn"] * 2}) == (ran, ride.driver.machine.values())
    assert ride.driver.machine.values() == replay(ride.plan, RUN, log).values()


async def test_what_ends_a_stopped_run_comes_into_the_log_in_one_piece():
    store, slow = WaitingStore(), asyncio.Event()

    async def stubborn(state):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return {"x": 1}

    async def takes_its_time(state):
        try:
            await asyncio.Event().wait()
        finally:
            await slow.wait()

    ride = await Ride(parallel(a=stubborn, b=takes_its_time).plan("graph"), store=store).begin()
    await store.wait(KEY, 1, 5)
    ride.driver.stop("enough")
    for _ in range(20):
        await asyncio.sleep(0)
    assert "node.completed" not in kinds(await ride.log())
    slow.set()
    log = await ride.end()
    assert ["node.completed", "run.stopped"] == kinds(log)[-2:]
    assert 2 == store.appends[-1]


async def test_a_sync_node_that_is_stuck_does_not_hold_up_a_stop_and_its_late_words_reach_nobody():
    began, go, late = threading.Event(), threading.Event(), threading.Event()

    def stuck(state, ctx):
        began.set()
        assert go.wait(10)
        assert ctx.stopping
        ctx.emit("late", 1)
        late.set()
        return {"x": 1}

    ride = await Ride(plan(a=stuck)).begin()
    await asyncio.to_thread(began.wait)
    ride.driver.stop("enough")
    await ride.task
    assert 1 == ride.pool.orphans
    go.set()
    await asyncio.to_thread(late.wait)
    await asyncio.sleep(0)
    log = await ride.end()
    assert ("run.stopped", [], {"log": []}) == (log[-1].type, told(log), ride.driver.machine.values())


async def test_a_router_that_is_cut_off_leaves_the_work_of_its_node():
    asked = asyncio.Event()

    async def router(state):
        asked.set()
        await asyncio.Event().wait()

    made = graph((START, "a"), a=lambda state: {"x": 1}).add_conditional_edges("a", router, [END])
    ride = await Ride(made.plan("graph")).begin()
    await asked.wait()
    ride.driver.stop("enough")
    log = await ride.end()
    state = ride.driver.machine.values()
    assert (["node.completed", "run.stopped"], {"log": [], "x": 1}) == (kinds(log)[-2:], state)


async def test_after_its_end_a_run_does_not_hear_a_stop():
    ride = await Ride(plan(a=lambda state: {})).begin()
    log = await ride.end()
    ride.driver.stop("late")
    ride.driver.expire()
    assert log == await ride.log()


# --- time-out ---


async def test_a_run_out_of_time_ends_by_that():
    held = Held()
    ride = await Ride(plan(a=held), timeout=0.01).begin()
    log = await ride.end()
    assert ("run.timed_out", 0.01, ("a:1",), "cut off") == (
        log[-1].type,
        log[-1].limit,
        log[-1].partial,
        held.ended,
    )


async def test_time_that_passed_before_a_takeover_counts():
    ride = Ride(plan(a=Held()), timeout=60.0)
    ride.clock.advance(61)
    log = await (await ride.begin()).end()
    assert "run.timed_out" == log[-1].type


async def test_a_run_that_ends_in_time_leaves_no_timer_behind():
    log = await drive(plan(a=lambda state: {}), timeout=1e6)
    assert "run.completed" == log[-1].type


# --- failure ---


async def test_a_failure_cuts_off_the_siblings_and_flushes_what_they_said():
    held = Held()

    async def fails(state):
        await held.began.wait()
        raise ValueError("no")

    log = await drive(parallel(held=held, fails=fails).plan("graph"))
    assert ("run.failed", ("held:1",), ["word"], "cut off") == (log[-1].type, log[-1].partial, values(log), held.ended)
    assert ["fails"] == [event.node for event in log if isinstance(event, NodeFailed)]


async def test_the_budget_is_told_to_nodes_and_is_exact():
    told_steps = []

    async def loop(state, ctx):
        told_steps.append(ctx.remaining_steps)
        return {"log": [1]}

    ride = await Ride(graph((START, "a"), ("a", "a"), a=loop).plan("graph"), limit=5).begin()
    log = await ride.end()
    assert ("run.failed", "E3005", 5, [4, 3, 2, 1, 0]) == (
        log[-1].type,
        log[-1].error.code,
        log[-1].steps,
        told_steps,
    )
    assert {"log": [1] * 5} == ride.driver.machine.values()


async def test_a_fork_over_the_budget_runs_none_of_what_was_just_begun():
    ran = []

    async def node(state):
        ran.append(1)

    made = graph((START, "s"), *(("s", name) for name in "abc"), s=lambda state: {}, a=node, b=node, c=node)
    log = await drive(made.plan("graph"), limit=3)
    assert ("run.failed", "E3005", []) == (log[-1].type, log[-1].error.code, ran)


# --- shutdown ---


@pytest.mark.parametrize("store", [MemoryStore, WaitingStore])
async def test_a_shutdown_leaves_the_run_as_it_is(store):
    held = Held()
    ride = await Ride(plan(a=held, b=lambda state: {}), store=store()).begin()
    await held.began.wait()
    await ride.store.wait(KEY, 2, 5)
    ride.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ride.task
    assert ["run.started", "node.started", "node.chunk"] == kinds(await ride.log())[:3]
    assert "cut off" == held.ended
    assert not (await ride.log())[-1].terminal
    ride.pool.close()


async def test_a_node_that_does_not_care_for_a_shutdown_is_followed_by_nothing():
    stubborn, ran = Stubborn(), []

    async def second(state):
        ran.append(1)

    ride = await Ride(plan(a=stubborn, b=second)).begin()
    await stubborn.began.wait()
    ride.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ride.task
    assert ("swallowed", []) == (stubborn.ended, ran)
    ride.pool.close()


# --- the log is lost ---


@pytest.mark.parametrize("store", [MemoryStore, WaitingStore])
async def test_a_run_that_another_worker_took_ends_here_and_writes_nothing_more(store):
    held, other = Held(), Held()
    ride = await Ride(parallel(a=held, b=other).plan("graph"), store=store(ManualClock())).begin()
    await held.began.wait()
    await ride.store.wait(KEY, 3, 5)
    inner = getattr(ride.store, "inner", ride.store)
    inner._clock.advance(2e6)
    await inner.claim("other", graphs=frozenset({"graph"}), limit=1, lease_seconds=10)
    before = len(await ride.log())
    held.go.set()
    with pytest.raises(Fenced) as caught:
        await ride.task
    assert "E4004" == caught.value.code
    assert before == len(await ride.log())
    assert "cut off" == other.ended
    ride.pool.close()


async def test_a_thread_that_tells_something_to_a_lost_run_breaks_the_run_and_not_the_loop():
    began, go = asyncio.Event(), threading.Event()

    async def node(state, ctx):
        began.set()

        def work():
            assert go.wait(10)
            ctx.emit("to nobody", 1)

        await asyncio.to_thread(work)
        await asyncio.Event().wait()

    trouble = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: trouble.append(context))
    ride = await Ride(plan(a=node), store=MemoryStore(ManualClock())).begin()
    await began.wait()
    ride.store._clock.advance(2e6)
    await ride.store.claim("other", graphs=frozenset({"graph"}), limit=1, lease_seconds=10)
    go.set()
    with pytest.raises(Fenced):
        await ride.task
    assert [] == trouble
    ride.pool.close()


async def test_a_value_that_the_store_cannot_keep_ends_the_run_by_name():
    class Picky(WaitingStore):
        async def append(self, key, epoch, expected_seq, events, lease_seconds, **more):
            raise NodeError("E3008", "not JSON")

    ride = await Ride(plan(a=Held()), store=Picky()).begin()
    with pytest.raises(NodeError) as caught:
        await ride.task
    assert "E3008" == caught.value.code
    ride.pool.close()


# --- the lease ---


async def test_no_node_begins_before_the_gate_opens():
    loop, ran = asyncio.get_running_loop(), []
    gate = loop.create_future()

    async def node(state):
        ran.append(1)

    ride = await Ride(plan(a=node), gate=lambda: None if gate.done() else gate).begin()
    for _ in range(5):
        await asyncio.sleep(0)
    assert [] == ran
    gate.set_result(None)
    await ride.end()
    assert [1] == ran


async def test_a_run_can_be_stopped_at_the_gate():
    gate = asyncio.get_running_loop().create_future()
    ride = await Ride(plan(a=Held()), gate=lambda: gate).begin()
    for _ in range(5):
        await asyncio.sleep(0)
    ride.driver.stop("enough")
    assert "run.stopped" == (await ride.end())[-1].type
