"""The real server and the real client, and between them a network that fails: nothing is lost or repeated."""

from __future__ import annotations

import asyncio
import logging
import random
import socket

import httpx
import pytest

from riverrun.client.client import Client
from riverrun.client.session import Pace, State
from riverrun.testing.proxy import Break, Faults
from tests.client.network import QUICK, Tally, first, log_of, network, read, told
from tests.server.served import serving

LOG = logging.getLogger(__name__)
STEP = 97  # prime, so that the fast tier touches every kind of place


@pytest.fixture(scope="module")
def served():
    with serving() as served:
        yield served


@pytest.fixture(scope="module")
def run(served):
    run = served.start(count=3)
    served.whole(run)
    return run


def recorded(served, run, query, accept):
    """Take down a response as it travels."""
    url = httpx.URL(served.url)
    with socket.create_connection((url.host, url.port)) as link:
        request = f"GET /v1/runs/{run}/events?{query} HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\n\r\n"
        link.sendall(request.encode())
        link.settimeout(0.2)  # the server keeps the connection; then it has said everything
        taken = b""
        try:
            while data := link.recv(65536):
                taken += data
        except TimeoutError:
            pass
    return taken


def head_of(response):
    """Measure the head of a response."""
    return response.index(b"\r\n\r\n") + 4


async def cut_everywhere(served, run, places, then):
    """Read the run once for each place, at which the first response breaks."""
    log, tally = log_of(served.url, run), Tally()
    async with network(served) as proxy:
        for place in places:
            proxy.faults = first(Faults(after=place, then=then))
            async with asyncio.timeout(10):
                seen, _ = await read(proxy.url, run)
            tally = tally.plus(log, seen)
        told = proxy.statistics()
    assert 0 == tally.wrong, tally
    # A reader that has the terminal event leaves: the last bytes of the body cannot be cut for it.
    assert told["broken"] >= len(places) - 60
    return tally


@pytest.mark.parametrize("then", [Break.RESET, Break.END, Break.HALF_CLOSE])
async def test_a_stream_that_breaks_at_many_bytes_is_read_whole(served, run, then):
    size = len(recorded(served, run, "after=0", "text/event-stream"))
    tally = await cut_everywhere(served, run, range(0, size, STEP), then)
    assert size // STEP <= tally.readers


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("then", [Break.RESET, Break.END])
async def test_a_stream_that_breaks_at_any_byte_is_read_whole(served, run, then):
    size = len(recorded(served, run, "after=0", "text/event-stream"))
    tally = await cut_everywhere(served, run, range(size + 1), then)
    LOG.info("%s cuts of one response: %s", size + 1, tally)
    assert size + 1 == tally.readers


async def polled_everywhere(served, run, step):
    """Let the first stream be barren, so that the client polls, and cut the first poll at each place."""
    log, tally, polls = log_of(served.url, run), Tally(), 0
    barren = head_of(recorded(served, run, "after=0", "text/event-stream"))
    size = len(recorded(served, run, "after=0&wait=1", "application/json"))
    pace = Pace(first_delay=0.01, longest_delay=0.2, barren_limit=1)
    async with network(served) as proxy:
        for place in range(0, size, step):
            then = (Break.RESET, Break.END)[place % 2]
            proxy.faults = first(Faults(after=barren), Faults(after=place, then=then))
            before = proxy.statistics()["connections"]
            async with asyncio.timeout(10):
                seen, _ = await read(proxy.url, run, pace)
            tally = tally.plus(log, seen)
            polls += proxy.statistics()["connections"] - before >= 3
    assert 0 == tally.wrong, tally
    assert polls == tally.readers
    return tally


async def test_a_poll_that_breaks_at_many_bytes_is_asked_again(served, run):
    await polled_everywhere(served, run, STEP)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_poll_that_breaks_at_any_byte_is_asked_again(served, run):
    LOG.info("cuts of one poll: %s", await polled_everywhere(served, run, 1))


async def test_a_gateway_that_answers_by_itself_is_waited_for(served, run):
    async with network(served, first(*[Faults(bad_gateway=True)] * 3)) as proxy:
        seen, _ = await read(proxy.url, run)
        assert 3 == proxy.statistics()["bad_gateways"]
    assert 0 == Tally().plus(log_of(served.url, run), seen).wrong


async def test_a_network_that_swallows_everything_is_noticed(served, run):
    size = len(recorded(served, run, "after=0", "text/event-stream"))
    pace = Pace(first_delay=0.01, longest_delay=0.2, first_byte_timeout=0.05, heartbeat_interval=0.02)
    async with network(served, first(Faults(after=size // 2, then=Break.BLACK_HOLE))) as proxy:
        seen, again = await read(proxy.url, run, pace)
    assert (0, 1) == (Tally().plus(log_of(served.url, run), seen).wrong, again)


async def test_a_proxy_that_holds_live_streams_back_is_polled_through(served, run):
    head = head_of(recorded(served, run, "after=0", "text/event-stream"))
    run, states = served.start("wait"), []
    pace = Pace(first_delay=0.01, longest_delay=0.2, first_byte_timeout=0.1)
    polling = asyncio.Event()

    def changed(state, _):
        states.append(state)
        if state is State.POLLING:
            polling.set()

    held = first(*[Faults(after=head, then=Break.BLACK_HOLE)] * 3)
    async with network(served, held) as proxy, Client(proxy.url, pace=pace) as client, asyncio.timeout(10):
        events = client.run(run).events(on_change=changed)
        reading = asyncio.create_task(collect(events))
        await polling.wait()
        await client.run(run).stop()
        seen = await reading
    assert 0 == Tally().plus(log_of(served.url, run), seen).wrong
    assert State.LIVE in states


async def test_a_proxy_that_holds_even_the_head_back_is_polled_through(served):
    run, states = served.start("wait"), []
    pace = Pace(first_delay=0.01, longest_delay=0.02, first_byte_timeout=0.05)

    def changed(state, _):
        states.append(state)

    held = lambda _: Faults(hold=1_000_000)  # noqa: E731
    async with network(served, held) as proxy, Client(proxy.url, pace=pace, timeout=0.05) as client:
        events = client.run(run).events(on_change=changed)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(collect(events), 0.6)
        assert proxy.statistics()["connections"] >= 4  # three streams without a head, then a poll
    await asyncio.to_thread(served.http.post, f"/v1/runs/{run}/stop")
    assert State.POLLING in states


async def collect(events):
    return [(event.seq, told(event)) async for event in events]


async def test_readers_join_at_any_moment_of_a_live_run_and_are_cut_at_random(served):
    dice, tally = random.Random(5), Tally()
    for _ in range(2):
        async with network(served, lambda _: mishap(dice)) as proxy, Client(served.url) as client:
            run = served.start(count=600)
            tally = await joined(proxy, client, run, dice, tally, served)
    assert 0 == tally.wrong, tally
    assert tally.readers >= 2 * 12


def mishap(dice):
    """Give every other connection a random end."""
    if dice.random() < 0.5:
        return Faults()
    return Faults(after=int(10 ** dice.uniform(0, 5)), then=dice.choice([Break.RESET, Break.END]))


async def joined(proxy, client, run, dice, tally, served):
    """Read a run; let others join before its first chunk, at random seqs, right before its end and right after it."""
    readers: list[tuple[int, asyncio.Task[tuple[list[tuple[int, object]], int]]]] = []

    def join(after):
        readers.append((after, asyncio.create_task(read(proxy.url, run, QUICK, after))))

    moments = set(dice.sample(range(2, 600), 8))
    async with asyncio.timeout(30):
        join(0)
        async with client.run(run).events() as events:
            async for event in events:
                if event.seq in moments:
                    join(dice.choice([0, 0, event.seq, event.seq - 1]))
                if event.type == "node.completed":
                    join(0)
                    join(event.seq)
        join(event.seq - 1)
        log = log_of(served.url, run)
        for after, reader in readers:
            seen, _ = await reader
            tally = tally.plus(log, seen, after)
    return tally
