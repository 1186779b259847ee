"""Connections: who may end them, what is left of them, and how a page is cut into writes."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.events.ending import Close
from riverrun.events.kinds import NodeChunk
from riverrun.events.record import Record
from riverrun.log.store import RunKey
from riverrun.transports.serve import Reader, Readers, Shared, portions
from riverrun.wire import sse
from riverrun.wire.joined import join
from tests.transports.exchange import KEY, Exchange

FOREVER = 60.0


async def test_a_reader_that_leaves_interrupts_whatever_is_waited_for():
    exchange = Exchange()
    async with asyncio.timeout(5), Readers().connection(exchange.receive) as connection:
        exchange.leave()
        await asyncio.sleep(FOREVER)
    assert Close.DETACHED is connection.close


async def test_a_server_that_asks_readers_to_leave_interrupts_what_is_waited_for():
    readers = Readers()
    async with asyncio.timeout(5), readers.connection(Exchange().receive) as connection:
        readers.leave()
        await asyncio.sleep(FOREVER)
    assert Close.ROTATED is connection.close


async def test_a_write_under_way_is_only_told():
    readers = Readers()
    async with readers.connection(Exchange().receive) as connection:
        connection.writing = True
        readers.leave()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert Close.ROTATED is connection.close


@pytest.mark.parametrize("order", [(Close.ROTATED, Close.DETACHED), (Close.DETACHED, Close.ROTATED)])
async def test_who_has_left_is_not_asked_to_come_back(order):
    async with asyncio.timeout(5), Readers().connection(Exchange().receive) as connection:
        connection.writing = True
        for close in order:
            connection.cut(close)
        await asyncio.sleep(FOREVER)
    assert Close.DETACHED is connection.close


async def test_a_body_that_came_to_its_end_is_not_interrupted_afterwards():
    async with Readers().connection(Exchange().receive) as connection:
        connection.cut(Close.DETACHED)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    connection.cut(Close.ROTATED)
    assert Close.DETACHED is connection.close


@pytest.mark.parametrize("error", [ValueError, TimeoutError, asyncio.CancelledError])
async def test_what_the_body_raises_is_raised_on(error):
    readers = Readers()
    with pytest.raises(error):
        async with readers.connection(Exchange().receive):
            raise error
    assert 0 == readers.statistics()["readers"]


async def test_a_task_that_is_cancelled_from_outside_is_cancelled():
    readers = Readers()

    async def read():
        async with readers.connection(Exchange().receive):
            inside.set()
            await asyncio.sleep(FOREVER)

    inside = asyncio.Event()
    task = asyncio.create_task(read())
    await inside.wait()
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    assert 0 == readers.statistics()["readers"]


async def test_a_hundred_readers_leave_no_task_behind():
    readers, before = Readers(), asyncio.all_tasks()
    exchanges = [Exchange() for _ in range(100)]

    async def read(exchange):
        async with readers.connection(exchange.receive):
            await asyncio.sleep(FOREVER)

    tasks = [asyncio.create_task(read(exchange)) for exchange in exchanges]
    await asyncio.sleep(0)
    assert 100 == readers.statistics()["readers"]
    for exchange in exchanges:
        exchange.leave()
    await asyncio.gather(*tasks)
    assert {"readers": 0, "readers_total": 100} == readers.statistics()
    assert before == asyncio.all_tasks()


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 120))
def test_portions_are_all_records_in_order_and_within_the_limit(sizes, limit):
    records = [Record(seq, data=b"x" * size) for seq, size in enumerate(sizes, 1)]
    cut = list(portions(records, limit))
    assert records == [record for portion in cut for record in portion]
    assert all(len(portion) == 1 or sum(len(each.data) for each in portion) <= limit for portion in cut)
    assert not records or all(cut)


# --- readers with names ---

TAB = Reader(KEY, "tab")


async def stay(readers, reader, opened):
    async with readers.connection(Exchange().receive, reader) as connection:
        opened.set()
        await asyncio.sleep(FOREVER)
    return connection.close


async def open_(readers, reader):
    opened = asyncio.Event()
    task = asyncio.create_task(stay(readers, reader, opened))
    await opened.wait()
    return task


async def test_a_reader_that_comes_again_supersedes_its_older_connection_and_no_other():
    readers = Readers()
    async with asyncio.timeout(5):
        nameless = [await open_(readers, Reader(KEY)) for _ in range(2)]
        other = await open_(readers, Reader(KEY, "other"))
        older = await open_(readers, TAB)
        newer = await open_(readers, TAB)
        assert Close.SUPERSEDED is await older
        assert 4 == readers.statistics()["readers"]
        readers.dismiss(TAB)
        assert Close.SUPERSEDED is await newer
        readers.dismiss(TAB)  # it has gone
        readers.leave()
        assert [Close.ROTATED] * 3 == await asyncio.gather(*nameless, other)
    assert 0 == readers.statistics()["readers"]


class Attends:
    """Takes down what it is told."""

    def __init__(self):
        self.told = []

    def came(self, reader):
        self.told.append(("came", reader))

    def left(self, reader, close):
        self.told.append(("left", reader, close))

    def polled(self, reader):
        self.told.append(("polled", reader))


async def test_who_wants_to_know_hears_of_every_reader_how_it_went():
    attends = Attends()
    readers = Readers(attends)
    async with readers.connection(Exchange().receive):
        pass  # nobody's reader: a socket
    async with readers.connection(Exchange().receive, TAB) as connection:
        connection.cut(Close.DETACHED)
        await asyncio.sleep(FOREVER)
    with pytest.raises(ValueError, match="broke"):
        async with readers.connection(Exchange().receive, TAB):
            raise ValueError("it broke")
    assert [("came", TAB), ("left", TAB, Close.DETACHED), ("came", TAB), ("left", TAB, None)] == attends.told


async def test_the_lag_is_that_of_the_reader_furthest_behind_in_its_own_run():
    readers, elsewhere = Readers(), Reader(RunKey("t", "1" * 32))
    receive = Exchange().receive
    assert (0, 0.0) == (readers.lag(), readers.stalled_seconds())
    async with readers.connection(receive, TAB) as one, readers.connection(receive, Reader(KEY)) as other:
        one.place, one.head = 5, 7
        other.place, other.head = 90, 100
        async with readers.connection(receive, elsewhere) as far, readers.connection(receive):
            far.place = far.head = 1000
            assert 95 == readers.lag()
            far.writing, far.since = True, asyncio.get_running_loop().time() - 3
            assert 3 <= readers.stalled_seconds() < 10
        assert 95 == readers.lag()
        assert 0.0 == readers.stalled_seconds()


async def test_what_a_reader_saw_of_a_run_is_known_as_long_as_somebody_reads_it():
    readers, receive = Readers(), Exchange().receive
    async with readers.connection(receive, TAB) as stuck:
        stuck.place = stuck.head = 5
        async with readers.connection(receive, Reader(KEY)) as quick:
            quick.place = quick.head = 100
        assert 95 == readers.lag()
    async with readers.connection(receive, TAB):
        assert 0 == readers.lag()


CHUNKS = [
    Record(seq, NodeChunk(seq=seq, ts=1, run=KEY.run, node="n", exec="n:1", message="m", value=f"{seq}", start=0))
    for seq in range(1, 12)
]


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11), st.booleans()), max_size=30))
def test_whatever_was_shared_before_each_reader_is_given_the_bytes_of_its_own_events(pages):
    shared = Shared()
    for start, end, joined in pages:
        records = CHUNKS[start:end]
        if joined and len(records) > 1:
            # The first and the last stay, and what is between them becomes one.
            records = [records[0], *join(records[1:-1], 100_000), records[-1]]
        assert sse.encode("0a1b2c3d", records) == shared.encoded("0a1b2c3d", records, sse.encode)


def test_readers_at_one_place_share_what_was_made_for_the_first_of_them():
    shared, made = Shared(), []

    def encode(log, records):
        made.append(len(records))
        return sse.encode(log, records)

    told = [shared.encoded("0a1b2c3d", CHUNKS[2:4], encode) for _ in range(3)]
    assert ([2], 1) == (made, len(set(map(id, told))))
