"""An agent on workers that die and take over: what was done is not done again, what was cut off begins anew."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from riverrun.agents.loop import agent
from riverrun.agents.tool import tool
from riverrun.base.clock import ManualClock
from riverrun.events.kinds import NodeChunk, NodeCompleted, NodeRetrying, RunInterrupted
from riverrun.models.pieces import Finish, Text
from riverrun.runs.reader import follow
from riverrun.runs.service import RunService
from riverrun.runs.settings import RunSettings
from riverrun.stores.sqlite import SqliteStore
from tests.agents.scripts import ScriptedModel, calls, results, says
from tests.runs.workers import QUICK, die, end_of

HELLO = {"messages": ["Hello."]}


@asynccontextmanager
async def worker(store, plan, clock):
    service = RunService(store, {"agent": plan}, clock=clock, settings=RunSettings(**QUICK))
    await service.open()
    try:
        yield service
    finally:
        await service.close()


async def until_event(service, key, wanted):
    """Read a log until it has the event."""
    async for page in follow(service.store, key, 0):
        for record in page.records if page is not None else ():
            if wanted(record.event):
                return record.event
    raise AssertionError("the run ended without it")


async def test_a_worker_that_dies_in_the_middle_of_calls_is_taken_over_and_only_what_was_cut_off_runs_again(tmp_path):
    done, hangs, clock = [], [asyncio.Event(), asyncio.Event()], ManualClock()
    went_on = asyncio.Event()

    def quick(n: int) -> int:
        done.append(n)
        return n

    async def slow(n: int):
        yield "begun "
        hangs.pop(0).set()
        await went_on.wait()
        yield "ended"

    began = hangs[0]
    # The second worker has a model of its own: it is not asked what was answered already.
    models = [ScriptedModel(calls(("quick", {"n": 1}), ("slow", {"n": 2}))), ScriptedModel(says("Both done."))]
    plans = [agent(model, [quick, slow]) for model in models]
    store = SqliteStore(tmp_path / "runs.db", clock)
    async with worker(store, plans[0], clock) as first:
        key = (await first.start("t", "agent", HELLO)).row.key
        await began.wait()
        await until_event(first, key, lambda event: isinstance(event, NodeCompleted) and event.exec == "tool:1")
        die(first)
    async with worker(store, plans[1], clock) as second:
        clock.advance(60)
        went_on.set()
        log = await end_of(second, key)
        state = await second.state(key)
    await store.close()
    assert ([1], "run.completed") == (done, log[-1].type)
    (again,) = [event for event in log if isinstance(event, NodeRetrying)]
    assert ("tool:2", "taken_over", ("tool:2",)) == (again.exec, again.reason, again.voids)
    assert [("1", None), ("begun ended", None)] == results(state["messages"])
    assert (1, 1) == tuple(len(model.asked) for model in models)


async def test_an_approval_that_is_asked_for_outlives_its_worker(tmp_path):
    seen, clock = [], ManualClock()

    def remove(path: str) -> str:
        seen.append(path)
        return "removed"

    careful = tool(remove, approval=True)
    store = SqliteStore(tmp_path / "runs.db", clock)
    async with worker(store, agent(ScriptedModel(calls(("remove", {"path": "/x"}))), [careful]), clock) as first:
        key = (await first.start("t", "agent", HELLO)).row.key
        parked = await until_event(first, key, lambda event: isinstance(event, RunInterrupted))
    async with worker(store, agent(ScriptedModel(says("Gone.")), [careful]), clock) as second:
        await second.resume(key, {parked.questions[0].id: True})
        log = await end_of(second, key)
        state = await second.state(key)
    await store.close()
    assert (["/x"], "run.completed", "Gone.") == (seen, log[-1].type, state["messages"][-1]["content"])


async def test_an_answer_that_a_dead_worker_had_begun_is_void_and_there_once(tmp_path):
    clock, gate = ManualClock(), asyncio.Event()

    class Stuck(ScriptedModel):
        async def stream(self, messages, tools=(), **options):
            yield Text("To the l")
            gate.set()
            await asyncio.Event().wait()
            yield Finish("stop")

    store = SqliteStore(tmp_path / "runs.db", clock)
    async with worker(store, agent(Stuck([])), clock) as first:
        key = (await first.start("t", "agent", HELLO)).row.key
        await gate.wait()
        await until_event(first, key, lambda event: isinstance(event, NodeChunk))
        die(first)
    async with worker(store, agent(ScriptedModel(says("To ", "the sea."))), clock) as second:
        clock.advance(60)
        log = await end_of(second, key)
        state = await second.state(key)
    await store.close()
    assert "run.completed" == log[-1].type
    assert ["Hello.", "To the sea."] == [one["content"] for one in state["messages"]]
    assert [("model:1",)] == [event.voids for event in log if isinstance(event, NodeRetrying)]
