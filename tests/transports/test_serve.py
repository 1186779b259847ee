"""Connections: who may end them, what is left of them, and how a page is cut into writes."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.events.ending import Close
from riverrun.events.record import Record
from riverrun.transports.serve import Readers, portions
from tests.transports.exchange import Exchange

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
