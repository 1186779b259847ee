"""What a reader asks for beside events changes how they come, and never which."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from riverrun.base.errors import InputError, NotFound
from riverrun.client.client import Client
from riverrun.client.hints import hints
from riverrun.client.session import Pace
from riverrun.runs.attendance import REASON
from riverrun.testing.proxy import Faults
from tests.client.network import QUICK, log_of, network, told
from tests.server.served import UNKNOWN, serving

HINTS: list[dict[str, Any]] = [
    {"interval": 0.0},
    {"interval": 0.02},
    {"interval": 0.0, "max_bytes": 1024},
    {"max_bytes": 1024},
    {"adaptive": True},
    {"reader": "tab-1"},
    {"interval": 0.01, "max_bytes": 5000, "adaptive": True, "reader": "a"},
]


@pytest.fixture(scope="module")
def served():
    with serving(page_events=50) as served:
        yield served


def but_for_times(log):
    return [{**event, "ts": 0} for event in log]


async def events_of(client, run, **asked):
    async with client.run(run).events(**asked) as events:
        return [told(event) async for event in events]


async def ended(events):
    """Read to the end, and give the last event."""
    async with asyncio.timeout(5):
        return [event async for event in events][-1]


def test_only_what_was_asked_for_is_sent():
    assert {} == hints(interval=None, max_bytes=None, adaptive=False, reader="")
    assert {"interval": "0"} == hints(interval=0.0, max_bytes=None, adaptive=False, reader="")
    every = {"interval": "1500", "max_bytes": "2000", "adaptive": "1", "reader": "tab"}
    assert every == hints(interval=1.5, max_bytes=2000, adaptive=True, reader="tab")


@pytest.mark.parametrize("asked", HINTS, ids=str)
@pytest.mark.parametrize("transport", ["sse", "poll", "websocket"])
async def test_the_events_are_those_of_the_log(served, transport, asked):
    run = served.start(count=300)
    async with Client(served.url, transport=transport, pace=QUICK) as client:
        seen = await events_of(client, run, **asked)
    whole = [*log_of(served.url, run).values()]
    assert but_for_times(whole) == but_for_times(seen)


@pytest.mark.parametrize("asked", [{"interval": 0.005}, {"interval": 0.0, "max_bytes": 1024}], ids=str)
async def test_joined_chunks_survive_every_cut(served, asked):
    """The stream is cut after ever more bytes, so also inside joined chunks; the reader comes back to its place."""
    run = served.start(count=200)
    whole = [*log_of(served.url, run).values()]
    async with network(served, lambda number: Faults(after=400 + 700 * number)) as proxy:
        async with Client(proxy.url, transport="sse", pace=QUICK) as client:
            seen = await events_of(client, run, **asked)
        assert proxy.statistics()["broken"] > 2
    assert but_for_times(whole) == but_for_times(seen)


async def test_joined_chunks_spare_most_of_the_bytes(served):
    run = served.start(count=500)
    whole = served.whole(run)
    joined = served.http.get(f"/v1/runs/{run}/events?interval=0", headers={"accept": "text/event-stream"}).content
    assert len(joined) < len(whole) / 4


async def test_a_reader_that_comes_again_ends_its_older_connection(served):
    run = served.start("wait")
    async with Client(served.url) as client:
        older, newer = client.run(run).events(reader="tab"), client.run(run).events(reader="tab")
        first = await anext(older)
        assert first == await anext(newer)
        with pytest.raises(InputError) as caught:
            await ended(older)
        assert "E2027" == caught.value.code
        await client.run(run).stop()
        assert "run.stopped" == [event async for event in newer][-1].type


async def test_a_run_that_is_left_does_what_its_start_said(served):
    async with Client(served.url, pace=Pace(poll_seconds=60), transport="poll") as client:
        run = await client.start("wait", {}, on_disconnect="stop")
        async with run.events(reader="tab") as events:
            await anext(events)
        await run.leave("tab")
        # A reader of its own that comes once the run has ended, and so keeps nothing from ending.
        while (await run.info()).status != "ended":  # noqa: ASYNC110  # asking is what a client can do
            await asyncio.sleep(0.01)
        assert REASON == told(await ended(run.events()))["reason"]
        kept = await client.start("wait", {}, on_disconnect=3600)
        async with kept.events() as events:
            assert 3600 == told(await anext(events))["grace"]
        await kept.leave()
        assert "running" == (await kept.info()).status
        await kept.stop()


async def test_no_run_cannot_be_left(served):
    async with Client(served.url) as client:
        with pytest.raises(NotFound):
            await client.run(UNKNOWN).leave()


async def test_a_start_with_no_policy_at_all_is_refused_by_the_server(served):
    async with Client(served.url) as client:
        with pytest.raises(InputError) as caught:
            await client.start("wait", {}, on_disconnect="perhaps")
    assert "E2002" == caught.value.code


@pytest.mark.parametrize("asked", [{}, {"interval": 0.01}, {"reader": "tab"}], ids=str)
async def test_a_reader_that_is_asked_to_come_back_again_and_again_misses_nothing(asked):
    with serving(max_age=0.1, heartbeat_interval=0.02) as served:
        run = served.parked()["run"]
        async with Client(served.url, pace=QUICK) as client, client.run(run).events(**asked) as events:
            seen = []
            async for event in events:
                seen.append(event.seq)
                if event.type == "run.interrupted":
                    await rotated(events, 3)
                    await client.run(run).resume(answer="yes")
            assert events.reconnects >= 3
        assert [*log_of(served.url, run)] == seen


async def rotated(events, times):
    """Wait for the next event, which nobody makes, until the stream was granted anew so often."""
    async with asyncio.timeout(10):
        while events.reconnects < times:
            try:
                async with asyncio.timeout(0.05):
                    await anext(events)
            except TimeoutError:
                continue
            raise AssertionError("an event out of nothing")
