"""The store in a file, as a whole: several at once on one file, readers from memory, a full disk, an end."""

from __future__ import annotations

import asyncio
import os
import threading

import apsw
import pytest

from riverrun.base.clock import ManualClock
from riverrun.base.errors import Fenced, InputError, NotFound, RiverrunError, StoreError
from riverrun.log.log import settle
from riverrun.log.store import Held, RunFilter, RunKey
from riverrun.stores.sqlite import SqliteStore
from riverrun.testing.store_model import make_events
from tests.stores.material import chunks, key_of, lines, owned, soon, started


@pytest.fixture
async def store(tmp_path):
    store = SqliteStore(tmp_path / "a.db", ManualClock())
    yield store
    await store.close()


@pytest.fixture
async def peer(store):
    """Give a second store on the same file, as another process has it."""
    peer = SqliteStore(store.path, store._writer._clock)
    yield peer
    await peer.close()


def no_database(store, monkeypatch):
    def refuse(*_):
        raise AssertionError("the database was asked")

    monkeypatch.setattr(store._readers, "run", refuse)


# --- readers of what is written here ---


async def test_a_reader_that_keeps_up_does_not_touch_the_database(store, monkeypatch):
    key = await owned(store)
    monkeypatch.setattr("riverrun.stores.tails.FRESH_SECONDS", 60)
    no_database(store, monkeypatch)
    place = 0
    for head in range(1, 6):
        page = await store.read(key, place, 10)
        place = page.records[-1].seq
        assert head == place
        assert [] == (await store.read(key, place, 10)).records
        reader = asyncio.create_task(store.wait(key, place, 60))
        await asyncio.sleep(0)
        await chunks(store, key, head)
        await soon(reader)


async def test_all_readers_share_the_bytes_of_a_record(store):
    key = await owned(store)
    await chunks(store, key, 1)
    first, second = (await store.read(key, 1, 10)).records, (await store.read(key, 1, 10)).records
    assert first[0] is second[0]


async def test_nothing_is_seen_before_it_is_committed(store):
    key = await owned(store)
    db = apsw.Connection(store.path)
    db.execute("BEGIN IMMEDIATE")  # no commit can pass
    task = asyncio.create_task(chunks(store, key, 1))
    await asyncio.sleep(0)
    assert 1 == (await store.read(key, 0, 10)).head
    assert 1 == (await store._readers.run(lambda db: db.execute("SELECT max(head) FROM run").get))
    db.execute("ROLLBACK")
    db.close()
    assert 2 == await soon(task)
    assert 2 == (await store.read(key, 0, 10)).head


async def test_from_memory_and_from_the_file_it_is_the_same(store, tmp_path):
    key = await owned(store)
    head = 1
    for size in (1, 7, 3):
        head = await store.append(key, 1, head, make_events(key.run, head + 1, ["odd", "chunk"] * size), 30)
    there = await lines(store, key)
    await store.close()
    again = SqliteStore(store.path)
    assert there == await lines(again, key)
    await again.close()


# --- two on one file ---


async def test_what_one_writes_the_other_reads_and_is_woken_for(store, peer):
    key = await owned(store)
    assert 1 == (await peer.read(key, 0, 10)).head
    for head in range(1, 4):
        reader = asyncio.create_task(peer.wait(key, head, 60))
        await asyncio.sleep(0)
        await chunks(store, key, head)
        await soon(reader)
        page = await peer.read(key, head, 10)
        assert [head + 1] == [record.seq for record in page.records]
    assert await lines(store, key) == await lines(peer, key)


async def test_a_run_that_is_not_made_yet_can_be_waited_for(store, peer):
    reader = asyncio.create_task(peer.wait(key_of(1), 0, 60))
    await asyncio.sleep(0)
    await owned(store)
    await soon(reader)


async def test_a_zombie_is_fenced_and_sees_what_the_new_owner_wrote(store, peer):
    key = await owned(store)
    assert 2 == await chunks(store, key, 1)
    store._writer._clock.advance(31)
    (row,) = await peer.claim("w-2", graphs=frozenset({"g"}), limit=9, lease_seconds=30)
    assert (2, 3) == (row.epoch, row.head)
    with pytest.raises(Fenced):
        await chunks(store, key, 2)
    with pytest.raises(Fenced):
        await chunks(store, key, 3)
    assert [key] == (await asyncio.to_thread(store.renew, "w-1", [Held(key, 1, 0)], 30)).lost
    assert 4 == await chunks(peer, key, 3, epoch=2)
    page = await store.read(key, 0, 10)
    assert (4, 2) == (page.head, page.epoch)
    assert await lines(peer, key) == [record.data for record in page.records]


async def test_a_reader_beside_a_zombie_finds_the_log_that_went_on(store, peer):
    key = await owned(store)
    store._writer._clock.advance(31)
    await peer.claim("w-2", graphs=frozenset({"g"}), limit=9, lease_seconds=30)
    place = 1
    assert 2 == (await store.read(key, 2, 10)).head  # beyond what is in memory here: the file is asked
    page = await store.read(key, place, 10)
    assert ["run.taken_over"] == [record.event.type for record in page.records]


async def test_a_run_that_comes_back_is_whole(store, peer):
    key = await owned(store)
    clock = store._writer._clock
    for epoch, (owner, other) in enumerate([(store, peer), (peer, store)] * 2, 2):
        clock.advance(31)
        await other.claim(f"w-{epoch}", graphs=frozenset({"g"}), limit=9, lease_seconds=30)
        head = (await other.read(key, 0, 100)).head
        await chunks(other, key, head, 2, epoch=epoch)
        with pytest.raises(Fenced):
            await chunks(owner, key, head, epoch=epoch - 1)
        assert await lines(other, key) == await lines(owner, key)
    assert 13 == (await store.read(key, 0, 100)).head


async def test_the_other_asks_the_owner_to_stop(store, peer):
    key = await owned(store)
    control = await peer.control(key, "stop", {"reason": "enough"}, "k")
    assert {key: [control]} == (await asyncio.to_thread(store.renew, "w-1", [Held(key, 1, 0)], 30)).controls


async def test_nobody_polls_while_nobody_waits_for_another_process(store, peer, monkeypatch):
    looks = []
    monkeypatch.setattr(store._writer, "_look_abroad", lambda: looks.append(1))
    key = await owned(store)
    reader = asyncio.create_task(store.wait(key, 1, 60))
    await asyncio.sleep(0)
    await chunks(store, key, 1)
    await soon(reader)
    await chunks(store, key, 2)
    assert not looks


# --- many loops, many threads ---


async def test_loops_of_several_threads_share_a_store(store):
    key = await owned(store)
    here = asyncio.create_task(store.wait(key, 1, 60))

    async def elsewhere():
        reader = asyncio.create_task(store.wait(key, 1, 60))
        await asyncio.sleep(0)
        await chunks(store, key, 1)
        await soon(reader)

    thread = threading.Thread(target=asyncio.run, args=(elsewhere(),), name="elsewhere")
    thread.start()
    await soon(here)
    await asyncio.to_thread(thread.join)


# --- a disk that refuses ---


async def test_a_full_disk_keeps_what_was_acknowledged_and_goes_on_when_there_is_space(store):
    keys = [await owned(store, number) for number in range(1, 6)]
    heads = [await chunks(store, key, 1) for key in keys]
    store._writer._db.pragma("max_page_count", store._writer._db.pragma("page_count") + 2)
    large = [make_events(key.run, 3, ["chunk"] * 400) for key in keys]

    async def append_all():
        appends = (store.append(key, 1, 2, events, 30) for key, events in zip(keys, large, strict=True))
        return await soon(asyncio.gather(*appends, return_exceptions=True))

    outcomes = await append_all()
    refused = [error for error in outcomes if isinstance(error, StoreError)]
    assert {"E4002"} == {error.code for error in refused}
    assert len(refused) >= 4
    assert all("full" in error.message for error in refused)
    for key, head, outcome in zip(keys, heads, outcomes, strict=True):
        page = await store.read(key, 0, 1000)
        if isinstance(outcome, StoreError):
            assert not settle(page, 1, head, 400)
            assert 2 == len(page.records) == page.head

    store._writer._db.pragma("max_page_count", 1_000_000)
    for key, events in zip(keys, large, strict=True):
        if (await store.read(key, 0, 1)).head == 2:
            assert 402 == await store.append(key, 1, 2, events, 30)
    assert [402] * 5 == [len(await lines(store, key)) for key in keys]


async def test_a_store_that_was_full_can_still_be_asked_to_stop_its_runs(store):
    key = await owned(store)
    store._writer._db.pragma("max_page_count", store._writer._db.pragma("page_count"))
    with pytest.raises(StoreError, match="E4002"):
        await store.append(key, 1, 1, make_events(key.run, 2, ["chunk"] * 400), 30)
    assert 1 == (await store.control(key, "stop", {})).n


async def test_damage_is_told_and_the_rest_can_be_read(store):
    good, bad = await owned(store, 1), await owned(store, 2)
    await chunks(store, bad, 1)
    store._tails.release()
    store._writer._db.execute("UPDATE batch SET body = x'00' WHERE first_seq = 2")
    with pytest.raises(StoreError, match="E4003"):
        await store.read(bad, 0, 10)
    assert 1 == len(await lines(store, good))


@pytest.mark.parametrize("left", [0, 1, 4096, 20_000])
async def test_a_file_that_is_cut_while_it_is_open_is_told_and_never_read_as_something_else(store, left):
    keys = [await owned(store, number) for number in range(1, 6)]
    for key in keys:
        await chunks(store, key, 1, 300)
    before = {key: await lines(store, key) for key in keys}
    store._writer._db.pragma("wal_checkpoint", "TRUNCATE")
    store._tails.release()
    os.truncate(store.path, left)
    told = 0
    for key in keys:
        try:
            assert before[key] == await lines(store, key)
        except RiverrunError as error:
            told += error.code in ("E4002", "E4003")
    assert told == len(keys)


# --- names ---


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "é\ud83d"])
async def test_a_name_that_cannot_be_kept_makes_no_run_and_is_nobodys(store, name):
    for tenant, run, idem_key in [(name, None, None), ("acme", name, None), ("acme", None, name)]:
        with pytest.raises(RiverrunError) as caught:
            await store.create(tenant, started(1, run=run), idem_key=idem_key)
        assert caught.value.code in ("E2002", "E3008")
    for verb in (store.read(RunKey("acme", name), 0, 1), store.control(RunKey(name, "r"), "stop", {})):
        with pytest.raises(NotFound):
            await verb
    assert [] == await store.list(name, RunFilter())


@pytest.mark.parametrize("name", ["../../etc", "a'b\"c", "%00", "\u2028", "😀", "a" * 5000, ""])
async def test_odd_names_are_kept_apart(store, name):
    await owned(store)
    row, _ = await store.create(name, started(1, run=name), idem_key=name, worker=name, lease_seconds=30)
    assert RunKey(name, name) == row.key
    assert 2 == await chunks(store, row.key, 1)
    assert 2 == len(await lines(store, row.key))
    assert 1 == len(await store.list(name, RunFilter(run=name)))


# --- the end ---


async def test_closing_lets_all_that_wait_go_and_takes_no_more(store):
    key = await owned(store)
    readers = [asyncio.create_task(store.wait(wanted, 1, 60)) for wanted in (key, key_of(9))]
    await asyncio.sleep(0)
    await store.close()
    await soon(asyncio.gather(*readers))
    with pytest.raises(StoreError, match="E4002 the store is closed"):
        await chunks(store, key, 1)
    with pytest.raises(StoreError, match="E4002 the store is closed"):
        await store.read(key, 0, 10)
    with pytest.raises(StoreError, match="E4002 the store is closed"):
        store.renew("w-1", [], 30)


async def test_a_repeated_create_is_compared(store):
    await store.create("acme", started(1, value=1), idem_key="k")
    assert not (await store.create("acme", started(1, value=1))).fresh
    with pytest.raises(InputError, match="E2013"):
        await store.create("acme", started(1, value=2))


async def test_filters_of_characters_that_cannot_be_kept_fit_nobody(store):
    await owned(store)
    for name in ("\ud800", "a\0b"):
        for choice in (RunFilter(graph=name), RunFilter(thread=name), RunFilter(run=name), RunFilter(before="\ud800")):
            assert [] == await store.list("acme", choice)


@pytest.mark.parametrize("name", ["\ud800", "a\0b"])
async def test_a_thread_that_cannot_be_kept_makes_no_run(store, name):
    with pytest.raises(RiverrunError) as caught:
        await store.create("acme", started(1, thread=name))
    assert caught.value.code in ("E2002", "E3008")


# --- parked runs, between processes ---


async def test_a_parked_run_goes_on_in_another_process(store, peer):
    key = await owned(store)
    await store.append(key, 1, 1, make_events(key.run, 2, ["interrupted"]), 30)
    reader = asyncio.create_task(store.wait(key, 2, 60))
    await asyncio.sleep(0)
    await peer.control(key, "resume", {})
    (row,) = await peer.claim("w-2", graphs=frozenset({"g"}), limit=9, lease_seconds=30)
    assert ("running", 2, 2) == (row.status, row.epoch, row.head)
    await peer.append(key, 2, 2, make_events(key.run, 3, ["resumed", "chunk"]), 30)
    await soon(reader)
    assert [3, 4] == [record.seq for record in (await store.read(key, 2, 10)).records]
    with pytest.raises(Fenced):
        await chunks(store, key, 2)


async def test_a_run_that_comes_back_parked_is_whole_in_both(store, peer):
    key, head = await owned(store), 1
    for epoch, (owner, other) in enumerate([(store, peer), (peer, store)] * 3, 1):
        events = make_events(key.run, head + 1, ["chunk", "interrupted"])
        head = await owner.append(key, epoch, head, events, 30, controls_seen=epoch - 1)
        assert await lines(owner, key) == await lines(other, key)
        await other.control(key, "resume", {})
        assert "queued" == (await owner.read(key, head, 1)).status == (await other.read(key, head, 1)).status
        (row,) = await other.claim(f"w-{epoch}", graphs=frozenset({"g"}), limit=9, lease_seconds=30)
        assert (epoch + 1, head) == (row.epoch, row.head)
        for after in range(head):
            page = await owner.read(key, after, 100)
            assert list(range(after + 1, head + 1)) == [record.seq for record in page.records]


# --- retention, with several on one file ---


async def test_two_that_compact_and_sweep_at_once_do_it_once(store, peer):
    clock = store._writer._clock
    keys = [await owned(store, number) for number in range(1, 9)]
    for key in keys:
        await chunks(store, key, 1, 300)
        await store.append(key, 1, 301, make_events(key.run, 302, ["completed"]), 30)
    before = [await lines(store, key) for key in keys]
    clock.advance(1)
    counts = await asyncio.gather(*(one.compact(clock.now_ms()) for one in (store, peer, store, peer)))
    assert 8 == sum(counts)
    await store.close()
    again = SqliteStore(store.path, clock)
    assert before == [await lines(again, key) for key in keys]
    assert before == [await lines(peer, key) for key in keys]
    assert 8 == sum(await asyncio.gather(again.sweep(clock.now_ms()), peer.sweep(clock.now_ms())))
    await again.close()


async def test_one_damaged_run_keeps_no_other_from_being_compacted(store):
    for number in (1, 2):
        await chunks(store, key := await owned(store, number), 1, 300)
        await store.append(key, 1, 301, make_events(key.run, 302, ["completed"]), 30)
    store._writer._db.execute("UPDATE batch SET crc = 7 WHERE place = (1 << 32) + 301")
    store._writer._clock.advance(1)
    assert 2 == await store.compact(1 << 60)
    assert 0 == await store.compact(1 << 60)
    store._tails.release()
    assert 302 == len(await lines(store, key_of(2)))
    with pytest.raises(StoreError, match=rf"E4003.*{key_of(1).run}"):
        await lines(store, key_of(1))


async def test_a_long_log_is_made_beside_the_event_loop(store):
    prefix = make_events(key_of(1).run, 2, ["chunk"] * 1001)
    making = asyncio.ensure_future(store.create("acme", started(1), prefix=prefix))
    await asyncio.sleep(0)
    assert not making.done()
    assert 1002 == (await soon(making)).row.head
    assert 1002 == len(await lines(store, key_of(1)))
