"""Streams and pages of joined chunks: fewer and larger frames for who asked, and nothing of the sort for others."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from riverrun.events.kinds import NodeChunk, RunCompleted
from riverrun.transports.longpoll import answer
from riverrun.transports.place import attach
from riverrun.transports.serve import Pace, Readers
from riverrun.transports.sse import stream
from riverrun.transports.wish import Wish
from riverrun.wire.joined import events_of
from riverrun.wire.sse import Parser
from tests.transports.exchange import KEY, LOG, Exchange, begun

NODE: dict[str, Any] = {"ts": 0, "run": KEY.run, "node": "n", "exec": "n:1", "message": "n:1/text", "key": "text"}
FEW = Pace(page_events=20)


async def say(store, count, *, end=False):
    head = (await store.read(KEY, 0, 100_000)).head
    events: list[Any] = [
        NodeChunk(seq=seq, value="word ", start=5 * (seq - 2), **NODE) for seq in range(head + 1, head + count + 1)
    ]
    if end:
        events.append(RunCompleted(seq=head + count + 1, ts=0, run=KEY.run))
    store.append_now(KEY, 1, head, events)


async def told_log(count):
    store = await begun()
    await say(store, count, end=True)
    return store


def streaming(store, wish, *, exchange=None, readers=None, pace=FEW):
    exchange = exchange or Exchange()

    async def run():
        attached = await attach(store, KEY, "", pace.page_events)
        await stream(attached, pace, readers or Readers(), exchange.receive, exchange.send, wish=wish)

    return exchange, asyncio.create_task(run())


def blocks(exchange):
    return Parser().feed(exchange.body)


def seqs(exchange):
    return [event.seq for block in blocks(exchange) for event in events_of(block.data)]


async def test_an_id_is_the_place_of_the_last_event_that_a_frame_stands_for():
    exchange, task = streaming(await told_log(30), Wish(interval=0.0))
    await task
    assert list(range(1, 33)) == seqs(exchange)
    for block in blocks(exchange):
        assert f"{LOG}.{events_of(block.data)[-1].seq}" == block.id
    assert len(blocks(exchange)) < 8


async def test_who_asked_for_nothing_gets_every_event_as_it_stands_in_the_log():
    store = await told_log(30)
    exchange, task = streaming(store, Wish())
    await task
    assert [record.data.decode() for record in (await store.read(KEY, 0, 100)).records] == [
        block.data for block in blocks(exchange)
    ]


async def test_a_frame_and_a_write_are_no_larger_than_asked_for():
    exchange, task = streaming(await told_log(200), Wish(interval=0.0, max_bytes=1024))
    await task
    assert list(range(1, 203)) == seqs(exchange)
    assert max(len(block.data) for block in blocks(exchange)) <= 1024
    assert max(map(len, exchange.writes)) <= 1024 + 200  # the frame around it


async def test_a_pause_lies_between_two_writes_of_a_reader_that_has_all_there_is():
    store, loop = await begun(), asyncio.get_running_loop()
    exchange, task = streaming(store, Wish(interval=0.1))
    await exchange.until(lambda it: it.writes)
    begun_at = loop.time()
    await say(store, 1)
    await asyncio.sleep(0)
    await say(store, 4, end=True)
    await task
    assert loop.time() - begun_at >= 0.09
    # The opening; then everything that came in the pause, in one write.
    assert 2 == len(exchange.writes)
    assert [[1], [2, 3, 4, 5, 6], [7]] == [[event.seq for event in events_of(block.data)] for block in blocks(exchange)]


async def test_a_reader_that_is_behind_is_never_made_to_pause():
    async with asyncio.timeout(5):
        exchange, task = streaming(await told_log(1000), Wish(interval=10.0))
        await task
    assert list(range(1, 1003)) == seqs(exchange)


async def test_an_adaptive_reader_gets_joined_chunks_only_while_it_is_behind():
    store, exchange = await begun(), Exchange()
    _, task = streaming(store, Wish(adaptive=True), exchange=exchange)
    await exchange.until(lambda it: it.writes)
    await say(store, 2)
    await exchange.until(lambda it: len(seqs(it)) == 3)
    plain = len(blocks(exchange))
    assert 3 == plain
    exchange.slow.clear()  # the socket is full
    exchange.stuck.clear()
    await say(store, 1)
    await exchange.stuck.wait()
    await say(store, 100)
    await asyncio.sleep(0.06)  # long enough to be slow
    exchange.slow.set()
    await exchange.until(lambda it: len(seqs(it)) == 104)
    assert len(blocks(exchange)) < plain + 20
    await say(store, 1)
    await exchange.until(lambda it: len(seqs(it)) == 105)
    await say(store, 2, end=True)
    await task
    # It keeps up again: one event, one frame.
    assert [[106], [107], [108]] == [[e.seq for e in events_of(block.data)] for block in blocks(exchange)[-3:]]
    assert list(range(1, 109)) == seqs(exchange)


async def test_a_stuck_reader_holds_one_page_however_far_the_log_grows():
    store, exchange, readers = await begun(), Exchange(), Readers()
    exchange.slow.clear()
    _, task = streaming(store, Wish(adaptive=True), exchange=exchange, readers=readers)
    await exchange.stuck.wait()
    assert readers.stalled_seconds() >= 0
    await say(store, 5000, end=True)
    assert not exchange.writes
    other, second = streaming(store, Wish(), readers=readers)
    await other.until(lambda it: len(seqs(it)) > 100)
    # How far behind the first one is, is known from the second.
    assert readers.lag() >= 100
    exchange.slow.set()
    await asyncio.gather(task, second)
    assert list(range(1, 5003)) == seqs(exchange) == seqs(other)
    assert (0, 0.0) == (readers.lag(), readers.stalled_seconds())


# --- pages ---


async def page(store, wish, *, after=0, wait=0.0, limit=1000, exchange=None):
    exchange = exchange or Exchange()
    attached = await attach(store, KEY, str(after), limit)
    await answer(attached, Pace(), Readers(), exchange.receive, exchange.send, limit=limit, wait=wait, wish=wish)
    return json.loads(exchange.body)


def pieces(given):
    return [[event.seq for event in events_of(json.dumps(each))] for each in given["events"]]


@pytest.mark.parametrize(
    ("wish", "limit", "expected"),
    [
        (Wish(), 1000, [[1], [2], [3], [4], [5]]),
        (Wish(interval=0.0), 1000, [[1], [2, 3, 4], [5]]),
        (Wish(adaptive=True), 1000, [[1], [2], [3], [4], [5]]),  # it has all there is
        (Wish(adaptive=True), 4, [[1], [2, 3, 4]]),  # it is behind
    ],
)
async def test_pages_are_joined_for_who_asked(wish, limit, expected):
    given = await page(await told_log(3), wish, limit=limit)
    assert expected == pieces(given)
    assert (limit == 1000) == given["ended"]


async def test_a_page_is_no_larger_than_asked_for():
    given = await page(await told_log(100), Wish(interval=0.0, max_bytes=1024))
    assert sum(len(json.dumps(each, separators=(",", ":"))) for each in given["events"]) <= 1024
    assert not given["ended"]


async def test_a_page_waits_for_what_comes_soon_after_its_first_event():
    store, exchange = await begun(), Exchange()
    polling = asyncio.create_task(page(store, Wish(interval=0.1), after=1, wait=30, exchange=exchange))
    await exchange.watched.wait()
    for _ in range(3):
        await say(store, 1)
        await asyncio.sleep(0)
    assert [[2, 3, 4]] == pieces(await polling)


async def test_a_page_with_the_end_waits_for_nothing():
    store, exchange = await begun(), Exchange()
    polling = asyncio.create_task(page(store, Wish(interval=10.0), after=1, wait=30, exchange=exchange))
    await exchange.watched.wait()
    await say(store, 2, end=True)
    async with asyncio.timeout(5):
        assert [[2, 3], [4]] == pieces(await polling)
