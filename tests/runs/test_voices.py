"""What nodes say comes into the log at once, in order, as a sign of life; it is heard only while they run."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from riverrun.base.errors import NodeError
from riverrun.events.kinds import Custom, NodeChunk, NodeStarted
from riverrun.graph.policies import TimeoutPolicy
from riverrun.runs.attempts import Deadline
from riverrun.runs.watchdog import Blocked
from riverrun.stores.memory import MemoryStore
from tests.runs.plans import kinds, parallel, plan, told, until, values
from tests.runs.ride import KEY, Held, Ride, drive
from tests.runs.wrapped import WaitingStore


class Listening:
    """A node that hands out its context and waits until it is let go."""

    def __init__(self):
        self.began, self.go = asyncio.Event(), asyncio.Event()
        self.ctx: Any = None

    async def __call__(self, state, ctx):
        self.ctx = ctx
        self.began.set()
        await self.go.wait()
        return {"log": ["done"]}


async def begun(**nodes):
    """Begin a run of these nodes side by side, and wait until they have."""
    ride = await Ride(parallel(**nodes).plan("graph")).begin()
    for node in nodes.values():
        await node.began.wait()
    return ride


# --- into the log ---


async def test_what_a_node_says_is_in_the_log_before_the_node_goes_on():
    store, seen = MemoryStore(), []

    async def look():
        page = await store.read(KEY, 0, 100)
        seen.append([event for event in map(said, page.records) if event is not None])

    def said(record):
        event = record.event
        return event.value if isinstance(event, Custom | NodeChunk) else None

    async def node(state, ctx):
        yield "one"
        await look()
        ctx.emit("name", "two")
        await look()

    await drive(plan(a=node), store=store)
    assert [["one"], ["one", "two"]] == seen


async def test_what_one_node_says_stands_in_the_order_in_which_it_said_it():
    async def node(state, ctx):
        for number in range(3):
            yield f"chunk{number}"
            ctx.emit("emitted", number)
            yield {"x": number}

    log = await drive(plan(a=node))
    assert ["chunk0", 0, "chunk1", 1, "chunk2", 2] == [
        event.value for event in log if isinstance(event, NodeChunk | Custom)
    ]
    assert [{"x": 0}, {"x": 1}, {"x": 2}] == list(log[-2].writes), "updates stand where they count: at its end"


async def test_what_the_log_refuses_breaks_the_run_and_not_the_code_that_said_it():
    went_on = []

    class Picky(MemoryStore):
        def append_now(self, key, epoch, expected_seq, events, **more):
            if any(isinstance(event, Custom) for event in events):
                raise NodeError("E3008", "not JSON")
            return super().append_now(key, epoch, expected_seq, events, **more)

    async def node(state, ctx):
        ctx.emit("bad", 1)
        went_on.append(1)
        await asyncio.Event().wait()

    ride = await Ride(plan(a=node), store=Picky()).begin()
    with pytest.raises(NodeError) as caught:
        await ride.task
    assert ("E3008", [1]) == (caught.value.code, went_on)
    assert ["run.started", "node.started"] == kinds(await ride.log())
    ride.pool.close()


async def test_producers_wait_while_the_buffer_is_full_and_go_on_once_it_is_written():
    store, made, went_on = WaitingStore(), [], []

    async def node(state, ctx):
        while not ctx._ear.full:
            ctx.emit("more")
            made.append(1)
        await ctx.room()
        went_on.append(1)

    store.gate.clear()
    ride = await Ride(plan(a=node), store=store).begin()
    await until(lambda: ride.driver.full)
    for _ in range(20):
        await asyncio.sleep(0)
    assert [] == went_on
    store.gate.set()
    log = await ride.end()
    assert ([1], len(made), False) == (went_on, len(told(log)), ride.driver.full)


# --- who is heard ---


async def test_a_node_that_has_ended_is_heard_no_more():
    one, other = Listening(), Listening()
    ride = await begun(a=one, b=other)
    one.ctx.emit("while it runs")
    one.go.set()
    await ride.until("node.completed")
    one.ctx.emit("too late")
    ride.driver.blocked(Blocked(run=KEY.run, exec_id="a:1", node="a", where="file:1", seconds=1.0))
    one.ctx.heartbeat()
    other.ctx.emit("the other")
    other.go.set()
    assert [("while it runs", None), ("the other", None)] == told(await ride.end())


async def test_a_node_that_was_told_to_end_is_heard_no_more_but_what_it_gives_back_counts():
    began = asyncio.Event()

    async def node(state, ctx):
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ctx.emit("late")
            ride.driver.relay("a:1", "a:1~c", NodeStarted(seq=1, ts=1, run="r", node="i", exec="i:1"))
            ride.driver.blocked(Blocked(run=KEY.run, exec_id="a:1", node="a", where="file:1", seconds=1.0))
        return {"log": ["kept"]}

    ride = await Ride(plan(a=node)).begin()
    await began.wait()
    ride.driver.stop("enough")
    log = await ride.end()
    assert (["node.completed", "run.stopped"], [], ["kept"]) == (
        kinds(log)[-2:],
        told(log),
        ride.driver.machine.values()["log"],
    )


async def test_a_thread_that_outlives_its_node_is_not_heard():
    go, done = threading.Event(), threading.Event()
    left = []

    async def node(state, ctx):
        def work():
            assert go.wait(10)
            ctx.emit("orphan")
            ctx.heartbeat()
            done.set()

        thread = threading.Thread(target=work)
        left.append(thread)
        thread.start()

    held = Held()
    ride = await Ride(plan(a=node, b=held)).begin()
    await held.began.wait()
    go.set()
    await asyncio.to_thread(done.wait)
    left[0].join()
    held.go.set()
    assert [] == told(await ride.end())


async def test_what_an_execution_has_put_out_is_known_by_key_and_can_be_put_out_in_its_name():
    held = Held()
    ride = await begun(a=held)
    await ride.until("node.chunk")
    assert {None: ["word"]} == ride.driver.heard("a:1")
    ride.driver.say("a:1", "text", "in its name")
    heard = ride.driver.heard("a:1")
    assert {None: ["word"], "text": ["in its name"]} == heard
    heard["text"].clear()
    assert {None: ["word"], "text": ["in its name"]} == ride.driver.heard("a:1")
    held.go.set()
    assert ["word", "in its name", "last"] == values(await ride.end())


# --- called graphs ---


async def test_an_event_of_a_called_graph_stands_below_the_call_as_one_of_the_run():
    node = Listening()
    ride = await begun(a=node)
    event = NodeStarted(seq=7, ts=5, run="another run", ns=("deep:1",), node="i", exec="deep:1/i:1")
    ride.driver.relay("a:1", "a:1~g.1", event)
    ride.driver.relay("gone:1", "gone:1~g.1", event)
    node.go.set()
    await ride.task
    ride.pool.close()
    (relayed,) = [each for each in await ride.log() if isinstance(each, NodeStarted) and each.node == "i"]
    assert (3, 5, KEY.run, "a:1~g.1/deep:1/i:1") == (relayed.seq, relayed.ts, relayed.run, relayed.exec)
    assert ("a:1~g.1", "a:1~g.1/deep:1") == relayed.ns


# --- signs of life ---

SIGNS = {
    "chunk": lambda driver: driver.chunk("a:1", None, "word"),
    "say": lambda driver: driver.say("a:1", None, "word"),
    "emit": lambda driver: driver.emit("a:1", "name", 1),
    "relay": lambda driver: driver.relay("a:1", "a:1~c", NodeStarted(seq=1, ts=1, run="r", node="i", exec="i:1")),
    "heartbeat": lambda driver: driver.heartbeat("a:1"),
}
NO_SIGNS = {
    "update": lambda driver: driver.update("a:1", {"x": 1}),
    "blocked": lambda driver: driver.blocked(
        Blocked(run=KEY.run, exec_id="a:1", node="a", where="file:1", seconds=0.123456)
    ),
    "another": lambda driver: driver.chunk("b:1", None, "word"),
    "nobody": lambda driver: driver.heartbeat("c:1"),
}


@pytest.mark.parametrize("sign", [*SIGNS, *NO_SIGNS])
async def test_whatever_its_readers_hear_of_it_is_a_sign_that_a_node_is_alive(sign):
    one, other = Listening(), Listening()
    ride = await begun(a=one, b=other)
    # Once it has spoken this limit is over, whatever the time is.
    deadline = Deadline(TimeoutPolicy(first_chunk_timeout=1e6), asyncio.get_running_loop())
    ride.driver.watch("a:1", deadline)
    assert deadline.when is not None
    (SIGNS | NO_SIGNS)[sign](ride.driver)
    assert (deadline.when is None) is (sign in SIGNS)
    one.go.set()
    other.go.set()
    await asyncio.wait([ride.task])
    ride.pool.close()


async def test_a_deadline_that_is_no_longer_watched_is_told_nothing():
    node = Listening()
    ride = await begun(a=node)
    deadline = Deadline(TimeoutPolicy(first_chunk_timeout=1e6), asyncio.get_running_loop())
    ride.driver.watch("a:1", deadline)
    ride.driver.watch("a:1", None)
    ride.driver.watch("a:1", None)
    node.ctx.emit("word")
    node.ctx.heartbeat()
    assert deadline.when is not None
    node.go.set()
    await ride.end()


async def test_readers_are_told_where_a_node_held_up_its_loop():
    node = Listening()
    ride = await begun(a=node)
    NO_SIGNS["blocked"](ride.driver)
    node.go.set()
    assert [("riverrun.blocked", {"where": "file:1", "seconds": 0.123})] == told(await ride.end())
