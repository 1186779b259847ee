"""Server-sent events, write by write: PROTOCOL.md §5, each rule."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import CursorError
from riverrun.stores.memory import MemoryStore
from riverrun.transports.place import attach
from riverrun.transports.serve import Pace, Readers
from riverrun.transports.sse import stream
from riverrun.wire.sse import Parser
from tests.transports.exchange import KEY, LOG, Exchange, begun, grow, log_of

OPENING = b"retry: 500\nid: 0a1b2c3d.%d\n\n"
PACE = Pace()


async def read(store, after=0, pace=PACE, readers=None, exchange=None, **more):
    """Attach and read to the end of the body."""
    exchange = exchange or Exchange()
    attached = await attach(store, KEY, str(after), pace.page_events)
    await stream(attached, pace, readers or Readers(), exchange.receive, exchange.send, **more)
    return exchange


@asynccontextmanager
async def reading(store, after=0, pace=PACE, readers=None):
    """Read while the body of the `async with` goes on."""
    exchange = Exchange()
    task = asyncio.create_task(read(store, after, pace, readers, exchange))
    try:
        yield exchange, task
    finally:
        exchange.leave()
        exchange.slow.set()
        await asyncio.wait((task,))


def seqs(body):
    return [json.loads(block.data)["seq"] for block in Parser().feed(body) if block.event == "message"]


async def test_the_headers_keep_proxies_from_buffering_and_browsers_from_guessing():
    exchange = await read(await log_of([]), headers=((b"location", b"/v1/runs/x"),), status=201)
    assert 201 == exchange.status
    assert {
        b"content-type": b"text/event-stream; charset=utf-8",
        b"cache-control": b"no-cache, no-transform",
        b"x-accel-buffering": b"no",
        b"x-content-type-options": b"nosniff",
        b"location": b"/v1/runs/x",
    } == exchange.headers


async def test_an_ended_log_is_one_write_with_the_opening_first_and_ends_cleanly():
    exchange = await read(await log_of(["a", "b"]))
    assert 1 == len(exchange.writes)
    assert exchange.body.startswith(OPENING % 0 + b'id: 0a1b2c3d.1\ndata: {"type":"run.started"')
    assert [1, 2, 3, 4] == seqs(exchange.body)
    assert exchange.complete


async def test_every_event_has_an_id_so_that_a_reader_comes_back_to_its_place():
    exchange = await read(await log_of(["a"]))
    assert [f"{LOG}.1", f"{LOG}.2", f"{LOG}.3"] == [block.id for block in Parser().feed(exchange.body)]


async def test_the_opening_goes_out_at_once_when_the_log_is_quiet():
    async with reading(await begun(), after=1) as (exchange, _):
        await exchange.until(lambda it: it.writes)
        assert [OPENING % 1] == exchange.writes


async def test_live_events_follow_and_the_terminal_event_ends_the_body():
    store = await begun()
    async with reading(store) as (exchange, task):
        await exchange.until(lambda it: it.writes)
        await grow(store, ["a"])
        await exchange.until(lambda it: len(it.writes) == 2)
        assert not exchange.complete
        await grow(store, ["b"], end=True)
        await task
        assert [1, 2, 3, 4] == seqs(exchange.body)
        assert exchange.complete


async def test_what_is_there_goes_out_in_one_write():
    store = await begun()
    async with reading(store) as (exchange, _):
        await exchange.until(lambda it: it.writes)
        await grow(store, range(100))
        await exchange.until(lambda it: len(it.writes) == 2)
        assert list(range(2, 102)) == seqs(exchange.writes[1])


async def test_a_reader_that_has_all_of_an_ended_run_is_told_not_to_come_back():
    exchange = await read(await log_of(["a"]), after=3)
    assert (204, b"", True) == (exchange.status, exchange.body, exchange.complete)


async def test_a_quiet_stream_gives_signs_of_life():
    async with reading(await begun(), pace=Pace(heartbeat_interval=0.01)) as (exchange, _):
        await exchange.until(lambda it: it.body.count(b": hb\n\n") >= 2)
        assert [1] == seqs(exchange.body)


async def test_a_reader_that_leaves_gets_no_clean_end_and_leaves_nothing_behind():
    readers = Readers()
    store = await begun()
    async with reading(store, readers=readers) as (exchange, task):
        await exchange.until(lambda it: it.writes)
        assert {"readers": 1, "readers_total": 1} == readers.statistics()
        exchange.leave()
        await task
    assert not exchange.complete
    assert {"readers": 0, "readers_total": 1} == readers.statistics()
    await grow(store, ["the run goes on"])


async def test_a_reader_that_leaves_behind_a_full_socket_is_let_go():
    async with reading(await log_of(range(10))) as (exchange, task):
        exchange.slow.clear()
        await exchange.stuck.wait()
        exchange.leave()
        await task
    assert not exchange.complete


async def test_a_server_that_raises_on_sending_to_nobody_ends_the_stream_too():
    async def refuse(_):
        raise OSError

    attached = await attach(await log_of([]), KEY, "", 10)
    await stream(attached, PACE, Readers(), Exchange().receive, refuse)


async def test_a_shutdown_sends_the_close_frame_without_an_id():
    readers = Readers()
    async with reading(await begun(), readers=readers) as (exchange, task):
        await exchange.until(lambda it: it.writes)
        readers.leave()
        readers.leave()
        await task
    assert b'event: close\ndata: {"reason":"shutdown"}\n\n' == exchange.writes[-1]
    assert exchange.complete


async def test_the_close_frame_never_cuts_a_write_in_two():
    readers = Readers()
    store = await begun()
    async with reading(store, readers=readers) as (exchange, task):
        await exchange.until(lambda it: it.writes)
        exchange.slow.clear()
        await grow(store, ["a"])
        await exchange.stuck.wait()
        readers.leave()
        exchange.slow.set()
        await task
    assert exchange.complete
    assert [1, 2] == seqs(exchange.body)
    assert exchange.body.endswith(b'{"reason":"shutdown"}\n\n')


async def test_who_comes_during_a_shutdown_is_sent_away_at_once():
    readers = Readers()
    readers.leave()
    exchange = await read(await begun(), readers=readers)
    assert exchange.complete
    assert exchange.body.endswith(b'event: close\ndata: {"reason":"shutdown"}\n\n')


async def test_a_run_that_ends_during_a_shutdown_ends_well():
    readers = Readers()
    readers.leave()
    exchange = await read(await log_of(["a"]), readers=readers)
    assert exchange.complete
    assert [1, 2, 3] == seqs(exchange.body)
    assert b"event: close" not in exchange.body


async def test_what_breaks_in_the_middle_is_no_clean_end():
    # The reader is behind, and what it needs next is removed: it must not be skipped silently.
    store = await begun()
    await grow(store, range(20))
    async with reading(store, pace=Pace(page_events=5)) as (exchange, task):
        exchange.slow.clear()
        await exchange.stuck.wait()
        store.trim(KEY, 15)
        exchange.slow.set()
        with pytest.raises(CursorError, match="E4007"):
            await task
    assert not exchange.complete


async def test_a_write_is_bounded_in_bytes_and_the_last_one_ends_the_body():
    store = await log_of(["x" * 100] * 30)
    exchange = await read(store, pace=Pace(page_bytes=1000))
    assert len(exchange.writes) > 3
    assert max(map(len, exchange.writes)) < 2000
    assert list(range(1, 33)) == seqs(exchange.body)
    assert exchange.complete


class Counting(MemoryStore):
    """A store that tells how many events each reading asked for."""

    def __init__(self):
        super().__init__()
        self.limits = []

    async def read(self, key, after, limit):
        self.limits.append(limit)
        return await super().read(key, after, limit)


async def test_of_large_events_no_more_are_read_than_are_written():
    store = Counting()
    await begun(store)
    await grow(store, ["x" * 400] * 20 + [1] * 60, end=True)
    store.limits.clear()
    exchange = await read(store, pace=Pace(page_events=40, page_bytes=2000))
    assert list(range(1, 83)) == seqs(exchange.body)
    # The first reading cannot know how large events are; the later ones do, and learn when they become small again.
    assert 40 == store.limits[0]
    assert max(store.limits[1:6]) <= 4
    assert max(store.limits[6:]) > 4


values = st.lists(
    st.text(max_size=20) | st.integers(-(2**53), 2**53) | st.none() | st.lists(st.booleans()), max_size=25
)


@given(values, st.integers(1, 7), st.integers(1, 400), st.data())
async def test_a_replay_from_any_place_is_the_rest_of_the_replay_from_zero(given_values, events, size, data):
    store = await log_of(given_values)
    pace = Pace(page_events=events, page_bytes=size)
    whole = (await read(store)).body.removeprefix(OPENING % 0)
    after = data.draw(st.integers(0, len(given_values) + 1))
    part = (await read(store, after, pace)).body.removeprefix(OPENING % after)
    assert whole.endswith(part)
    assert len(given_values) + 2 - after == len(seqs(part))


@given(values, st.lists(st.integers(1, 5), max_size=8))
async def test_what_was_seen_live_is_what_a_replay_gives(given_values, portions):
    store = await begun()
    async with reading(store) as (exchange, task):
        await exchange.until(lambda it: it.writes)
        rest = list(given_values)
        for portion in portions:
            await grow(store, rest[:portion])
            del rest[:portion]
            await asyncio.sleep(0)
        await grow(store, rest, end=True)
        await task
    assert (await read(store)).body == exchange.body
