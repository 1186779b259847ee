"""A task of a remote agent outlives the worker that began it: the next one finds it and goes on with it."""

from __future__ import annotations

import asyncio
import threading

import pytest
from a2a.types.a2a_pb2 import Part

from riverrun.agents.egress import Egress
from riverrun.agents.remote import RemoteAgent
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import START
from riverrun.log.view import View
from riverrun.runs.service import RunService
from riverrun.runs.settings import RunSettings
from riverrun.stores.memory import MemoryStore
from tests.agents.remote_agents import served
from tests.runs.workers import QUICK, die, end_of, until_head

pytestmark = pytest.mark.timeout(40)


async def leave(service):
    """End a worker in good order."""
    await service.close()


async def crash(service):
    """End a worker as a kill would."""
    die(service)


@pytest.mark.parametrize("how", [leave, crash])
@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
async def test_the_next_worker_goes_on_with_the_task_that_the_last_one_began(how, binding):
    go = threading.Event()

    async def in_two_parts(work):
        await work.say("one ", last=False)
        await asyncio.to_thread(go.wait, 20)
        await work.update.add_artifact([Part(text="two")], artifact_id="answer", append=True, last_chunk=True)
        await work.update.complete()

    async with served(in_two_parts, binding=binding) as (url, agent):
        node = RemoteAgent(url, egress=Egress(loopback=True), interval=0.01)
        plan = StateGraph(dict).add_node("agent", node).add_edge(START, "agent").plan("g")
        store = MemoryStore()
        first = RunService(store, {"g": plan}, settings=RunSettings(**{**QUICK, "lease_seconds": 0.5}))
        await first.open()
        key = (await first.start("t", "g", {"input": "x"})).row.key
        while not any(r.event.type == "node.chunk" for r in (await store.read(key, 0, 100)).records):
            await until_head(first, key, (await first.row(key)).head + 1)
        await how(first)
        second = RunService(store, {"g": plan}, settings=RunSettings(**{**QUICK, "lease_seconds": 0.5}))
        await second.open()
        go.set()
        log = await end_of(second, key)
        await second.close()
        await first.close()
    view = View()
    for event in log:
        view.apply(event)
    assert "run.completed" == log[-1].type
    assert ["one two"] == ["".join(map(str, message.chunks)) for message in view.messages.values() if message.chunks]
    assert [1, []] == [len(agent.began), agent.cancelled]
