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
from riverrun.stores.packs import pack_all
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


# --- compaction ---


async def finished(store, number=1, count=3000, *more):
    key = await owned(store, number)
    await chunks(store, key, 1, count)
    end = make_events(key.run, count + 2 + len(more), ["completed"])
    await store.append(key, 1, count + 1, [*more, *end], 30)
    return key


async def test_a_compacted_log_takes_little_room_and_reads_the_same():
    clock = ManualClock()
    store = MemoryStore(clock)
    key = await finished(store)
    before = (await store.read(key, 0, 10_000)).records
    events = [record.event for record in before]
    clock.advance(1)
    assert [1, 0] == [await store.compact(clock.now_ms()) for _ in range(2)]
    assert [] == store._runs[key].records
    packed = store._runs[key].packed
    assert packed is not None
    assert 20_000 > sum(map(len, packed._bodies))
    after = (await store.read(key, 0, 10_000)).records
    assert [record.data for record in before] == [record.data for record in after]
    assert events == [record.event for record in after]
    assert [2500] == [record.seq for record in (await store.read(key, 2499, 1)).records]


async def test_a_log_with_an_object_of_its_own_stays_as_it_is():
    clock = ManualClock()
    store = MemoryStore(clock)
    value = object()
    key = await finished(store, 1, 3, Custom(seq=5, ts=1, run=f"{1:032x}", node="n", exec="n:1", value=value))
    clock.advance(1)
    assert [1, 0] == [await store.compact(clock.now_ms()) for _ in range(2)]
    assert value is getattr((await store.read(key, 4, 1)).records[0].event, "value", None)


async def test_a_compacted_log_can_be_trimmed_and_swept():
    clock = ManualClock()
    store = MemoryStore(clock)
    key = await finished(store, 1, 10)
    rest = (await store.read(key, 4, 100)).records
    clock.advance(1)
    await store.compact(clock.now_ms())
    store.trim(key, 4)
    page = await store.read(key, 4, 100)
    assert (4, [record.data for record in rest]) == (page.floor, [record.data for record in page.records])
    assert 1 == await store.sweep(clock.now_ms())


async def test_a_log_that_is_trimmed_while_it_is_packed_is_not_packed(monkeypatch):
    clock = ManualClock()
    store = MemoryStore(clock)
    key = await finished(store, 1, 10)
    clock.advance(1)

    def trim_and_pack(records):
        packed = pack_all(records)
        store.trim(key, 4)
        return packed

    monkeypatch.setattr("riverrun.stores.packs.pack_all", trim_and_pack)
    await store.compact(clock.now_ms())
    assert list(range(5, 13)) == [record.seq for record in (await store.read(key, 4, 100)).records]


async def test_a_trimmed_log_is_packed_from_its_floor():
    clock = ManualClock()
    store = MemoryStore(clock)
    key = await finished(store, 1, 10)
    store.trim(key, 4)
    clock.advance(1)
    await store.compact(clock.now_ms())
    assert list(range(5, 13)) == [record.seq for record in (await store.read(key, 4, 100)).records]
    store.trim(key, 12)
    assert [] == (await store.read(key, 12, 100)).records


# --- threads ---


async def test_what_is_known_of_threads_goes_with_their_runs():
    clock = ManualClock()
    store = MemoryStore(clock)
    for number in (1, 2):
        prefix = make_events(f"{number:032x}", 2, ["completed"])
        await store.create("acme", started(number, thread="t"), prefix=prefix)
        clock.advance(1)
    assert 1 == await store.sweep(clock.now_ms() - 1000)
    assert 1 == len(store._threads.runs("acme", "t"))
    assert 1 == await store.sweep(clock.now_ms())
    assert {} == store._threads._runs


async def test_a_run_that_one_of_another_thread_begins_from_is_not_forgotten_with_its_thread():
    store = MemoryStore()
    await store.create("acme", started(1, thread="t"))
    await store.create("acme", started(2, thread="t", base=1))
    await store.create("acme", started(3, thread="t"))
    await store.create("acme", started(4, thread="u", base=2))
    assert (key_of(3).run,) == store.forget("acme", "t")
    assert (key_of(4).run,) == store.forget("acme", "u")
    assert {key_of(1).run, key_of(2).run} == set(store.forget("acme", "t"))


async def test_a_thread_is_forgotten_but_for_what_runs():
    store = MemoryStore()
    for number, worker in ((1, None), (2, "w-1"), (3, None)):
        await store.create(
            "acme", started(number, thread="t" if number < 3 else "u"), idem_key=f"{number}", worker=worker
        )
    assert (key_of(1).run,) == store.forget("acme", "t")
    assert () == store.forget("acme", "t") == store.forget("zoo", "u")
    assert [key_of(3), key_of(2)] == [row.key for row in await store.list("acme", RunFilter())]
    assert (await store.create("acme", started(4), idem_key="1")).fresh
