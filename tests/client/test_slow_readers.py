"""A reader that takes a byte a second among others: the run, the others and the server's memory do not notice it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from riverrun.client.client import Client
from riverrun.observe.process import measure
from riverrun.testing.proxy import Faults
from tests.client.network import QUICK, log_of, network, read
from tests.server.served import serving

STUCK = Faults(bytes_per_second=1)
WORDS, WORD_BYTES = 100, 200_000


async def ask(port, run, query=""):
    """Ask for a run's events, and take nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(f"GET /v1/runs/{run}/events?{query} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    await writer.drain()
    return reader, writer


async def counted(served, holds):
    """Wait until something holds of the readers that the server counts."""
    told: dict[str, Any] = {}
    try:
        async with asyncio.timeout(30):
            while not told or not holds(told):
                await asyncio.sleep(0.02)
                told = await asyncio.to_thread(lambda: served.http.get("/v1/metrics").json()["readers"])
    except TimeoutError:
        raise AssertionError(f"it never came to hold: {told}") from None
    return told


async def stuck(served, proxy, run, count):
    """Let readers come through a network that hardly moves, and wait until they are there."""
    # All that there ever were: of those that are open now, one may be about to leave.
    before = served.app.state.riverrun.statistics()["readers_total"]
    links = [await ask(proxy.port, run, "adaptive=1" if number % 2 else "") for number in range(count)]
    await counted(served, lambda told: told["total"] >= before + count)
    return links


async def held(served):
    """Start a run that is held at its beginning until all readers are there."""
    return (await asyncio.to_thread(served.parked, "hold", count=WORDS, text="x" * WORD_BYTES))["run"]


async def written(served, run):
    """Let a run go, and read it to its end."""
    served.http.post(f"/v1/runs/{run}/resume", json={"answer": None})
    seen, _ = await asyncio.wait_for(read(served.url, run), 60)
    assert "run.completed" == seen[-1][1]["type"]


async def leave(links):
    for _, writer in links:
        writer.transport.abort()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_stopped_readers_cost_a_page_each_however_much_is_written(tmp_path):
    """50 of them: were the log kept for each, that would be a gigabyte. A page is 256 KiB, here and on the way."""
    count = 50
    with serving(f"sqlite:///{tmp_path}/runs.db") as served:
        async with network(served, lambda _: STUCK) as proxy:
            # What the run itself takes, with its readers that keep up and this test.
            await written(served, await held(served))
            before = measure()["rss_bytes"]
            run = await held(served)
            links = await stuck(served, proxy, run, count)
            await written(served, run)
            grown = measure()["rss_bytes"] - before
            told = await counted(served, lambda told: told["open"] == count)
            assert told["lag"] > WORDS / 4  # the rest is in buffers of the network
            assert told["stalled_seconds"] > 0
            await leave(links)
        await counted(served, lambda told: (0, 0) == (told["open"], told["lag"]))
    assert grown < count * 4 * 1024 * 1024, f"{grown / 1e6:.0f} MB for {count} readers"


async def test_others_get_everything_while_one_takes_nothing():
    with serving() as served:
        async with network(served, lambda _: STUCK) as proxy:
            run = served.start("words", count=300, text="x" * 20_000)
            links = await stuck(served, proxy, run, 1)
            whole = log_of(served.url, run)
            seen = await asyncio.gather(*(read(served.url, run, after=place) for place in range(0, 300, 30)))
            assert [[*whole.items()][place:] for place in range(0, 300, 30)] == [log for log, _ in seen]
            assert 1 == served.http.get("/v1/metrics").json()["readers"]["open"]
            await leave(links)
        await counted(served, lambda told: 0 == told["open"])


async def test_an_adaptive_reader_behind_a_slow_network_gets_the_same_with_fewer_bytes():
    with serving(page_events=50) as served:
        run = served.start(count=2000)
        plain = len(served.whole(run))
        async with network(served, lambda _: Faults(bytes_per_second=200_000)) as proxy:
            async with Client(proxy.url, transport="sse", pace=QUICK) as client:
                seen = [event.seq async for event in client.run(run).events(adaptive=True)]
            passed = proxy.statistics()["answer_bytes"]
        assert [*log_of(served.url, run)] == seen
        assert passed < plain / 2
