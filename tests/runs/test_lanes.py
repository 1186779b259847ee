"""Lanes: none is left, whatever a node does about being told to end; who does not go is counted and not heard again."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextvars import ContextVar

import pytest

from riverrun.base.errors import Fenced, NodeError
from riverrun.graph.node import END, START
from riverrun.graph.policies import first_success
from riverrun.runs.lanes import Lanes
from riverrun.runs.pool import Pool
from tests.graph.laws import texts
from tests.runs.plans import graph, kinds, parallel, plan, told, until
from tests.runs.ride import Held, Ride, drive

GRACE = 0.02


class Lingers:
    """A node that swallows every cancellation until it is let go."""

    def __init__(self):
        self.began, self.go, self.told = asyncio.Event(), asyncio.Event(), 0

    async def __call__(self, state, ctx):
        self.began.set()
        while not self.go.is_set():
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.told += 1
        ctx.emit("late")
        return {"x": 9}


async def gone(pool):
    """Wait until what was abandoned has ended after all."""
    await until(lambda: not pool.orphans)


# --- nodes that do not go ---


async def test_a_node_that_never_ends_after_a_stop_is_abandoned_by_name_and_counted():
    node = Lingers()
    ride = await Ride(parallel(node=node, done=lambda state: {"y": 1}).plan("graph"), grace=GRACE).begin()
    await ride.until("node.completed")
    await node.began.wait()
    ride.driver.stop("enough")
    log = await ride.end()
    failed, last = log[-2:]
    assert (["node.failed", "run.stopped"], "E3021", "node:1") == (kinds(log)[-2:], failed.error.code, failed.exec)
    assert "'node'" in failed.error.message
    assert failed.error.where
    assert (1, 1) == (ride.pool.orphans, ride.pool.abandoned)
    node.go.set()
    await gone(ride.pool)
    assert log == await ride.log(), "its late words reach nobody"
    assert (2, {"y": 1, "log": []}) == (last.steps, ride.driver.machine.values())


async def test_a_node_that_ends_within_its_time_is_waited_for():
    node = Lingers()
    ride = await Ride(plan(a=node), grace=60).begin()
    await node.began.wait()
    ride.driver.stop("enough")
    await until(lambda: node.told)
    node.go.set()
    log = await ride.end()
    assert (["node.completed", "run.stopped"], 0) == (kinds(log)[-2:], ride.pool.abandoned)
    assert 9 == ride.driver.machine.values()["x"]


async def test_a_failure_does_not_wait_for_ever_for_a_sibling_that_does_not_go():
    node = Lingers()

    async def fails(state):
        await node.began.wait()
        raise ValueError("no")

    ride = await Ride(parallel(a=node, fails=fails).plan("graph"), grace=GRACE).begin()
    log = await ride.end()
    assert (["E3001", "E3021"], "run.failed") == ([e.error.code for e in log if e.type == "node.failed"], log[-1].type)
    assert "E3001" == log[-1].error.code
    node.go.set()
    await gone(ride.pool)


async def test_a_shutdown_does_not_wait_for_ever_either():
    node = Lingers()
    ride = await Ride(plan(a=node), grace=GRACE).begin()
    await node.began.wait()
    ride.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ride.task
    assert (1, ["run.started", "node.started"]) == (ride.pool.orphans, kinds(await ride.log()))
    node.go.set()
    await gone(ride.pool)
    assert ["run.started", "node.started"] == kinds(await ride.log())
    ride.pool.close()


async def test_a_run_out_of_time_does_not_wait_for_ever_either():
    node = Lingers()
    ride = await Ride(plan(a=node), grace=GRACE, timeout=0.01).begin()
    log = await ride.end()
    assert ["node.failed", "run.timed_out"] == kinds(log)[-2:]
    node.go.set()
    await gone(ride.pool)


# --- branches that nobody needs any more ---


def race(**nodes):
    """Declare nodes of which the first to end well decides."""
    made = graph(*((START, name) for name in nodes), **nodes)

    async def join(state):
        return {"y": 1}

    made.add_node("join", join, join=first_success())
    for name in nodes:
        made.add_edge(name, "join")
    return made.add_edge("join", END).plan("graph")


async def test_the_losers_of_a_race_are_cancelled_and_what_they_said_is_void():
    held = Held()

    async def wins(state):
        await held.began.wait()
        await asyncio.sleep(0)
        return {"x": 1}

    ride = await Ride(race(held=held, wins=wins)).begin()
    log = await ride.end()
    (cancelled,) = [event for event in log if event.type == "node.cancelled"]
    assert ("held:1", "decided", ("held:1",)) == (cancelled.exec, cancelled.reason, cancelled.voids)
    assert ("run.completed", {}, "cut off") == (log[-1].type, texts(log), held.ended)
    assert {"x": 1, "y": 1, "log": []} == ride.driver.machine.values()


async def test_a_loser_that_does_not_go_holds_nobody_up_and_is_not_heard():
    node = Lingers()

    async def wins(state):
        await node.began.wait()
        return {"x": 1}

    ride = await Ride(race(loser=node, wins=wins), grace=GRACE).begin()
    log = await ride.end()
    assert ("run.completed", []) == (log[-1].type, told(log))
    assert {"x": 1, "y": 1, "log": []} == ride.driver.machine.values()
    node.go.set()
    await gone(ride.pool)
    assert log == await ride.log()


async def test_a_loser_that_fails_on_its_way_out_is_no_news():
    began = asyncio.Event()

    async def loser(state):
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("on the way out")

    async def wins(state):
        await began.wait()

    log = await drive(race(loser=loser, wins=wins))
    assert ("run.completed", 0) == (log[-1].type, kinds(log).count("node.failed"))


# --- what is left behind ---


async def ended():
    """Let a run end in which a node was told to end; give what is left of it."""
    held = Held()

    async def fails(state):
        await held.began.wait()
        raise ValueError("no")

    ride = await Ride(parallel(held=held, fails=fails).plan("graph"), grace=60).begin()
    await ride.end()
    return weakref.ref(ride.driver)


async def test_a_run_that_has_ended_is_forgotten_although_a_node_of_it_was_told_to_end():
    # A loop keeps a timer that was called off for as long as an earlier one is waiting.
    earlier = asyncio.get_running_loop().call_later(30, list)
    driver = await ended()
    gc.collect()
    assert driver() is None
    earlier.cancel()


async def test_a_lane_that_breaks_cancels_the_work_and_the_other_lanes():
    lanes, ended = Lanes(Pool(1), 1.0, lambda exec_id: None), []

    async def waits():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("lane")

    async def breaks():
        await asyncio.sleep(0)
        raise Fenced("E4004", "another owner")

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("work")

    def begin():
        lanes.start("a:1", waits())
        lanes.start("b:1", breaks())

    with pytest.raises(Fenced):
        await lanes.run(work, begin)
    assert (["work", "lane"], False) == (ended, lanes.open)


class Worse(BaseException):
    """No exception that anybody should raise."""


@pytest.mark.parametrize(
    ("defect", "told_as"), [(KeyError("what"), KeyError), (Worse(), RuntimeError)], ids=["", "worse"]
)
async def test_a_defect_in_a_lane_is_told_as_such(defect, told_as):
    lanes = Lanes(Pool(1), 1.0, lambda exec_id: None)

    async def breaks():
        raise defect

    async def work():
        await asyncio.Event().wait()

    with pytest.raises(told_as, match=type(defect).__name__ if told_as is RuntimeError else "what"):
        await lanes.run(work, lambda: lanes.start("a:1", breaks()))


async def test_what_the_log_refuses_at_the_very_beginning_ends_the_run():
    lanes = Lanes(Pool(1), 1.0, lambda exec_id: None)
    never = []

    async def work():
        never.append(1)

    with pytest.raises(NodeError):
        await lanes.run(work, lambda: lanes.fail(NodeError("E3008", "not JSON")))
    assert [] == never


async def test_a_lane_that_comes_too_late_is_not_started():
    lanes = Lanes(Pool(1), 1.0, lambda exec_id: None)
    ran = []

    async def lane():
        ran.append(1)

    async def work():
        """Nothing."""

    await lanes.run(work, lambda: None)
    lanes.start("a:1", lane())
    await asyncio.sleep(0)
    assert ([], True, None) == (ran, lanes.is_leaving("a:1"), lanes.at("a:1"))


async def test_lanes_can_be_opened_again_after_the_run_was_parked():
    lanes, ran = Lanes(Pool(1), 1.0, lambda exec_id: None), []

    done = asyncio.Event()

    async def lane():
        ran.append(1)
        done.set()

    async def work():
        await done.wait()

    for _ in range(2):
        done.clear()
        await lanes.run(work, lambda: lanes.start("a:1", lane()))
    assert [1, 1] == ran


async def test_context_variables_of_the_caller_reach_every_lane():
    who = ContextVar("who", default="nobody")
    who.set("caller")
    seen = []

    async def node(state):
        seen.append(who.get())
        who.set("node")

    made = graph((START, "a"), (START, "b"), ("a", "c"), ("b", "c"), a=node, b=node, c=node)
    await drive(made.plan("graph"))
    assert 3 == len(seen)
    assert "nobody" not in seen
