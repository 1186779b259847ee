"""Pages of a stream at once, held back and live: PROTOCOL.md §16, each rule of reading."""

from __future__ import annotations

import asyncio
import json

import pytest

from riverrun.base.clock import ManualClock
from riverrun.base.errors import NotFound
from riverrun.log.durable import Config
from riverrun.stores.memory import MemoryStore
from riverrun.transports import durable
from riverrun.transports.durable import Terms
from riverrun.transports.serve import Pace, Reader, Readers
from riverrun.transports.stretches import RunPager, StreamPager
from riverrun.wire.sse import Parser
from tests.transports.exchange import KEY, LOG, Exchange, begun, grow, log_of
from tests.transports.test_stretches import PLAIN, TENANT, made, written

BYTES = Config(path="b", content_type="application/octet-stream")


class Stream:
    """A stream with its readers.

    Attributes:
        used: How often its time to live was renewed.
    """

    def __init__(self, store, state, *, idle=5.0, pace=None, shared=False) -> None:
        self.store = store
        self.state = state
        self.readers = Readers()
        self.used = 0
        self.pace = pace or Pace()

        async def use():
            self.used += 1

        self.terms = Terms(lambda: "42", use, idle, shared)

    def pager(self, offset):
        return StreamPager(self.store, TENANT, self.state, offset, self.pace)

    async def write(self, what, *values):
        await written(self.store, self.state, what, *values)

    async def page(self, start=0, known=""):
        exchange = Exchange()
        await durable.catch_up(self.pager(start), self.terms, exchange.send, start=start, if_none_match=known)
        assert exchange.complete
        return exchange

    def poll(self, offset=0):
        exchange = Exchange()
        answering = durable.long_poll(self.pager(offset), self.terms, self.readers, exchange.receive, exchange.send)
        return exchange, asyncio.create_task(answering)

    async def live(self, offset=0):
        exchange, pager = Exchange(), self.pager(offset)
        answering = durable.stream(pager, await pager.page(), self.terms, self.readers, exchange.receive, exchange.send)
        return exchange, asyncio.create_task(answering)


async def stream(pieces=(), config=PLAIN, **options):
    store = MemoryStore(ManualClock())
    return Stream(store, await made(store, config, pieces), **options)


def blocks(exchange):
    return [(each.event, each.data) for each in Parser().feed(exchange.body)]


def controls(exchange):
    return [json.loads(data) for event, data in blocks(exchange) if event == "control"]


def headers(exchange, *names):
    return tuple(exchange.headers.get(name.encode(), b"").decode() for name in names)


async def test_a_page_says_where_it_ends_and_that_there_is_no_more():
    here = await stream([b"ab", b"c"])
    exchange = await here.page()
    assert (200, b"abc") == (exchange.status, exchange.body)
    told = headers(exchange, "stream-next-offset", "stream-up-to-date", "stream-closed", "content-length")
    assert (f"{here.state.tail:016d}", "true", "", "3") == told
    told = headers(exchange, "content-type", "x-content-type-options", "cross-origin-resource-policy")
    assert ("text/plain", "nosniff", "same-origin") == told


async def test_only_a_page_that_never_changes_may_be_kept():
    here = await stream([b"x" * 9, b"y" * 9], pace=Pace(page_bytes=10))
    assert ("private, max-age=60, stale-while-revalidate=300",) == headers(await here.page(), "cache-control")
    assert ("no-cache",) == headers(await here.page(2), "cache-control")
    anybody = await stream([b"x" * 9, b"y" * 9], pace=Pace(page_bytes=10), shared=True)
    assert ("public, max-age=60, stale-while-revalidate=300",) == headers(await anybody.page(), "cache-control")


async def test_the_end_is_never_kept_because_it_moves():
    exchange = await (await stream([b"a"])).page(None)
    assert (b"", "no-store", "") == (exchange.body, *headers(exchange, "cache-control", "etag"))


async def test_a_reader_that_has_the_page_is_not_sent_it_again_until_it_changes():
    here = await stream([b"a"])
    names = set()
    for change in (None, ("piece", b"b"), ("close",)):
        if change:
            await here.write(*change)
        (tag,) = headers(await here.page(), "etag")
        again = await here.page(0, tag)
        assert (304, b"", tag) == (again.status, again.body, *headers(again, "etag"))
        names.add(tag)
    assert 3 == len(names)
    assert 200 == (await here.page(0, '"another"')).status


async def test_a_poll_with_something_to_give_gives_it_at_once():
    exchange, answering = (await stream([b"a"])).poll()
    await answering
    assert (200, b"a", "42") == (exchange.status, exchange.body, *headers(exchange, "stream-cursor"))
    assert ("true", "no-store") == headers(exchange, "stream-up-to-date", "cache-control")


async def test_a_poll_is_held_back_until_there_is_something():
    here = await stream()
    exchange, answering = here.poll()
    await exchange.watched.wait()
    assert not answering.done()
    await here.write("touch")
    await here.write("piece", b"a")
    await answering
    assert (200, b"a") == (exchange.status, exchange.body)
    assert here.used
    assert 0 == here.readers.statistics()["readers"]


async def test_a_poll_ends_when_its_time_is_over():
    here = await stream([b"a"], idle=0.01)
    exchange, answering = here.poll(here.state.tail)
    await answering
    assert (204, b"") == (exchange.status, exchange.body)
    told = headers(exchange, "stream-next-offset", "stream-up-to-date", "stream-cursor", "content-length")
    assert (f"{here.state.tail:016d}", "true", "42", "") == told


async def test_a_poll_of_a_closed_stream_is_never_held_back():
    here = await stream([b"a"])
    waiting, answering = here.poll(here.state.tail)
    await waiting.watched.wait()
    await here.write("close")
    await answering
    late, answering = here.poll(here.state.tail)
    await answering
    for exchange in (waiting, late):
        assert 204 == exchange.status
        assert ("true", "true", "") == headers(exchange, "stream-closed", "stream-up-to-date", "stream-cursor")


async def test_a_poll_of_a_stream_that_is_deleted_meanwhile_says_so():
    here = await stream()
    exchange, answering = here.poll()
    await exchange.watched.wait()
    await here.write("delete", "deleted")
    with pytest.raises(NotFound, match="E2031"):
        await answering
    assert 0 == exchange.status


async def test_a_reader_that_left_is_answered_nothing():
    here = await stream()
    exchange, answering = here.poll()
    await exchange.watched.wait()
    exchange.leave()
    await answering
    assert 0 == exchange.status


async def test_a_server_that_stops_lets_polls_and_streams_go():
    here = await stream()
    poll, polling = here.poll()
    live, living = await here.live()
    await live.until(lambda exchange: exchange.body)
    await poll.watched.wait()
    here.readers.leave()
    await asyncio.gather(polling, living)
    assert (204, True) == (poll.status, live.complete)


async def test_each_data_event_is_followed_by_where_the_reader_is_then():
    here = await stream([b"x" * 9, b"y" * 9], pace=Pace(page_bytes=10))
    exchange, living = await here.live()
    await exchange.until(lambda exchange: any("upToDate" in told for told in controls(exchange)))
    await here.write("piece", b"z")
    await exchange.until(lambda exchange: b"data:z" in exchange.body)
    await here.write("close")
    await living
    assert ["data", "control"] * 3 + ["control"] == [event for event, _ in blocks(exchange)]
    offsets = [told["streamNextOffset"] for told in controls(exchange)]
    assert sorted(offsets) == offsets
    assert [False, True, True, True] == [told.get("upToDate", False) for told in controls(exchange)]
    assert [None, None, None, True] == [told.get("streamClosed") for told in controls(exchange)]
    assert exchange.complete
    assert here.used


async def test_an_empty_stream_says_where_it_is_at_once_and_again_when_it_is_quiet():
    exchange, living = await (await stream(idle=0.01)).live()
    await exchange.until(lambda exchange: len(controls(exchange)) >= 3)
    exchange.leave()
    await living
    assert {"streamNextOffset": "0" * 16, "streamCursor": "42", "upToDate": True} == controls(exchange)[0]
    assert not exchange.complete


async def test_bytes_are_told_in_base64_and_said_to_be():
    exchange, living = await (await stream([b"\xff\x00"], BYTES)).live()
    await exchange.until(lambda exchange: exchange.body)
    exchange.leave()
    await living
    assert ("data", "/wA=") == blocks(exchange)[0]
    told = headers(exchange, "stream-sse-data-encoding", "content-type", "cache-control", "x-accel-buffering")
    assert ("base64", "text/event-stream", "no-cache, no-transform", "no") == told


async def test_a_stream_that_is_deleted_meanwhile_ends():
    here = await stream([b"a"])
    exchange, living = await here.live()
    await exchange.until(lambda exchange: exchange.body)
    await here.write("delete", "deleted")
    await living
    assert exchange.complete
    assert not any("streamClosed" in told for told in controls(exchange))


async def test_a_body_ends_after_a_while_so_that_the_reader_comes_back(monkeypatch):
    monkeypatch.setattr(durable, "ROTATE_SECONDS", 0.01)
    exchange, living = await (await stream([b"a"])).live()
    await living
    assert exchange.complete
    assert ["data", "control"] == [event for event, _ in blocks(exchange)]


async def test_a_slow_reader_is_not_read_ahead_for():
    here = await stream([b"x" * 9] * 50, pace=Pace(page_bytes=10))
    exchange, living = await here.live()
    exchange.slow.clear()
    await exchange.stuck.wait()
    written_so_far = len(exchange.writes)
    for _ in range(20):
        await asyncio.sleep(0)
    assert written_so_far == len(exchange.writes)
    exchange.slow.set()
    await exchange.until(lambda exchange: exchange.body.count(b"event: data") == 50)
    exchange.leave()
    await living


async def test_the_lag_of_a_run_that_is_read_as_a_stream_is_told():
    store, readers = await log_of(["x" * 9] * 50), Readers()
    terms = Terms(lambda: "42", no_use, 5.0, reader=Reader(KEY))
    exchange, pager = Exchange(), RunPager(store, KEY, LOG, 10, Pace(page_events=5))
    exchange.slow.clear()
    living = asyncio.create_task(
        durable.stream(pager, await pager.page(), terms, readers, exchange.receive, exchange.send)
    )
    await exchange.stuck.wait()
    assert 42 == readers.lag()
    exchange.slow.set()
    await living
    assert (0, 0.0) == (readers.lag(), readers.stalled_seconds())


async def no_use():
    """A run does not expire by not being read."""


async def test_who_polls_a_run_as_a_stream_lags_behind_nobody():
    store, readers = await begun(), Readers()
    await grow(store, ["a"] * 50)
    terms = Terms(lambda: "42", no_use, 5.0, reader=Reader(KEY))
    exchange = Exchange()
    async with readers.connection(Exchange().receive, Reader(KEY)) as other:
        other.place = other.head = 51
        polling = asyncio.create_task(
            durable.long_poll(RunPager(store, KEY, LOG, 51, Pace()), terms, readers, exchange.receive, exchange.send)
        )
        await exchange.watched.wait()
        assert 0 == readers.lag()
        await grow(store, ["b"])
        await polling
    assert exchange.complete
