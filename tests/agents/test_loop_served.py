"""An agent on a real server with a durable log: read, asked, answered and stopped from far away."""

from __future__ import annotations

import asyncio

from riverrun.agents.loop import agent
from riverrun.agents.tool import tool
from riverrun.client.client import Client
from riverrun.events.kinds import NodeChunk, RunInterrupted, RunStopped
from riverrun.runs.pool import Pool
from tests.agents.scripts import ScriptedModel, calls, results, says, told
from tests.models.dialects import Chat
from tests.models.provider import Reply, providing
from tests.server.served import GRAPHS, serving

HELLO = {"messages": ["Hello."]}
CHAT = Chat()


def add(a: int, b: int = 1) -> int:
    return a + b


async def test_a_call_is_allowed_over_http_and_a_second_reader_sees_the_same_log(tmp_path, monkeypatch):
    careful = tool(add, name="careful", approval=True)
    model = ScriptedModel(calls(("add", {"a": 1}), ("careful", {"a": 2}), ("gone", {})), says("Done ", "so."))
    pool = Pool(2)
    monkeypatch.setitem(GRAPHS, "agent", agent(model, [add, careful], pool=pool))
    with serving(f"sqlite:///{tmp_path / 'runs.db'}") as served:
        async with Client(served.url) as client:
            run = await client.start("agent", HELLO)
            log = []
            async with run.events() as events:
                async for event in events:
                    log.append(event)
                    if isinstance(event, RunInterrupted):
                        await run.resume({event.questions[0].id: {"approve": True, "arguments": {"a": 5}}})
            state = await run.state()
            async with client.run(run.id).events() as again:
                assert log == [event async for event in again]
        await asyncio.to_thread(served.stop)
        await asyncio.to_thread(served.join)
    pool.close()
    assert [("2", None), ("6", None), "E3040"] == [*results(state["messages"])[:2], results(state["messages"])[2][1]]
    assert ["ended", "ended", "failed", "started", "started"] == sorted(value["state"] for value in told(log))
    assert "Done so." == state["messages"][-1]["content"]


async def test_a_stop_over_http_closes_the_connection_to_the_provider(tmp_path, monkeypatch):
    frames = [*CHAT.begin(), CHAT.text("To the ")]
    async with providing(Reply(frames=frames, hold=True)) as provider:
        monkeypatch.setitem(GRAPHS, "agent", agent(CHAT.model(provider)))
        with serving(f"sqlite:///{tmp_path / 'runs.db'}") as served:
            async with Client(served.url) as client:
                run = await client.start("agent", HELLO)
                async with run.events() as events:
                    async for event in events:
                        if isinstance(event, NodeChunk):
                            await run.stop("enough")
                            await (await provider.asked()).left.wait()
                        last = event
                assert isinstance(last, RunStopped)
                assert ("enough", ("model:1",)) == (last.reason, last.partial)
            await asyncio.to_thread(served.stop)
            await asyncio.to_thread(served.join)
