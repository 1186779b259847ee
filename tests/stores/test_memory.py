"""What only the memory store does: it appends before it returns, keeps any object, and can be trimmed."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from riverrun.base.clock import ManualClock
from riverrun.base.errors import CursorError, Fenced, NotFound
from riverrun.events.kinds import Custom
from riverrun.log.store import RunFilter
from riverrun.stores.memory import MemoryStore
from riverrun.testing.store_model import make_events
from tests.stores.material import chunks, key_of, owned, soon, started


async def test_any_object_is_kept_as_it_is():
    store = MemoryStore()
    key = await owned(store)
    value = object()
    assert 2 == store.append_now(key, 1, 1, [Custom(seq=2, ts=1, run=key.run, node="n", exec="n:1", value=value)])
    (record,) = (await store.read(key, 1, 10)).records
    assert getattr(record.event, "value", None) is value


async def test_an_append_at_once_wakes_readers_and_leaves_the_lease():
    clock = ManualClock()
    store = MemoryStore(clock)
    key = await owned(store, lease_seconds=30)
    reader = asyncio.create_task(store.wait(key, 1, 60))
    await asyncio.sleep(0)
    clock.advance(10)
    store.append_now(key, 1, 1, make_events(key.run, 2, ["chunk"]))
    await soon(reader)
    (row,) = await store.list("acme", RunFilter())
    assert (30_000, 10_000) == (row.lease_until_ms - row.created_ms, row.updated_ms - row.created_ms)


async def test_an_append_at_once_obeys_the_rules():
    store = MemoryStore()
    key = await owned(store)
    with pytest.raises(Fenced):
        store.append_now(key, 2, 1, make_events(key.run, 2, ["chunk"]))
    with pytest.raises(NotFound):
        store.append_now(key_of(7), 1, 1, make_events(key.run, 2, ["chunk"]))


async def test_what_was_trimmed_is_announced_and_the_rest_is_as_it_was():
    store = MemoryStore()
    key = await owned(store)
    await chunks(store, key, 1, 5)
    before = (await store.read(key, 4, 10)).records
    store.trim(key, 4)
    store.trim(key, 2)  # a floor never falls
    page = await store.read(key, 4, 10)
    assert (4, 6, before) == (page.floor, page.head, page.records)
    with pytest.raises(CursorError, match="E4007"):
        await store.read(key, 3, 10)
    assert 7 == await chunks(store, key, 6)
    assert [7] == [record.seq for record in (await store.read(key, 6, 10)).records]


async def test_a_log_can_be_trimmed_to_its_head_and_no_further():
    store = MemoryStore()
    key = await owned(store)
    with pytest.raises(CursorError, match="E2006"):
        store.trim(key, 2)
    store.trim(key, 1)
    assert ([], 1) == ((page := await store.read(key, 1, 10)).records, page.floor)
    with pytest.raises(NotFound):
        store.trim(key_of(7), 1)


async def test_a_repeated_key_is_compared_even_when_the_first_event_is_gone():
    store = MemoryStore()
    row, _ = await store.create("acme", started(1, value=1), idem_key="k")
    store.trim(row.key, 1)
    assert not (await store.create("acme", started(2, value=1), idem_key="k")).fresh


async def test_waiting_for_a_run_that_is_not_there_returns():
    await soon(MemoryStore().wait(key_of(7), 0, 60))


def test_no_database_is_loaded_with_it():
    code = "import sys, riverrun.stores.memory, riverrun.stores.open; sys.exit('apsw' in sys.modules)"
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
