"""Writing to one stream from many places: nothing is lost, doubled or decided on what is no longer so."""

from __future__ import annotations

import asyncio

import pytest

from riverrun.base.clock import ManualClock
from riverrun.base.errors import Busy, HeadMoved, InputError, NotFound, StoreError
from riverrun.log import drafting
from riverrun.log.appending import Append, append
from riverrun.log.durable import Producer, State
from riverrun.log.store import RunKey
from riverrun.server import desk as module
from riverrun.server.desk import Desk
from riverrun.stores.memory import MemoryStore
from riverrun.stores.sqlite import SqliteStore
from riverrun.transports.serve import Pace
from riverrun.transports.stretches import StreamPager
from tests.log.streams import shown
from tests.transports.test_stretches import PLAIN, TENANT, made, read

KEY = RunKey(TENANT, "0" * 32)


class Counting(MemoryStore):
    """A store that counts commits, and fails or is overtaken when it is told to."""

    def __init__(self):
        super().__init__(ManualClock())
        self.commits = 0
        self.fails = list[Exception]()

    async def append(self, *args, **kwargs):
        self.commits += 1
        await asyncio.sleep(0)
        if self.fails:
            raise self.fails.pop()
        return await super().append(*args, **kwargs)


class Reading(MemoryStore):
    """A store that counts the events that were read."""

    read_events = 0

    async def read(self, key, after, limit):
        page = await super().read(key, after, limit)
        self.read_events += len(page.records)
        return page


async def desk_of(store):
    page = await store.read(KEY, 0, 1)
    return Desk(store, ManualClock(), KEY, State(page.records[0].event))


def putting(piece, producer=None):
    wanted = Append(pieces=(piece,), media="text/plain", producer=producer)
    return lambda draft: append(draft, wanted)


async def pieces_of(store):
    desk = await desk_of(store)
    return (await read(StreamPager(store, TENANT, await desk.catch_up(), 0, Pace())))[0]


async def test_what_comes_during_a_commit_is_in_the_next_one():
    store = Counting()
    await made(store, PLAIN, [])
    desk, pieces = await desk_of(store), [b"%d" % number for number in range(60)]
    outcomes = await asyncio.gather(*(desk.write(putting(piece)) for piece in pieces))
    assert 1 == store.commits
    assert sorted(outcome.tail for outcome in outcomes) == [outcome.tail for outcome in outcomes]
    assert pieces == await pieces_of(store)
    assert desk.idle


async def test_writers_of_two_processes_lose_and_double_nothing(tmp_path):
    stores = [SqliteStore(tmp_path / "s.db"), SqliteStore(tmp_path / "s.db")]
    await made(stores[0], PLAIN, [])
    desks = [await desk_of(store) for store in stores]

    async def writer(desk, name):
        for number in range(20):
            producer = Producer(name, 0, number)
            # Each is sent twice, to whichever process: the second time it is known.
            both = await asyncio.gather(
                *(each.write(putting(b"%s%d;" % (name.encode(), number), producer)) for each in desks)
            )
            assert sorted(outcome.repeated for outcome in both) == [False, True]

    await asyncio.gather(*(writer(desk, name) for desk, name in zip(desks, "ab", strict=True)))
    whole = await pieces_of(stores[1])
    assert [b"a%d;" % number for number in range(20)] == [piece for piece in whole if piece.startswith(b"a")]
    assert [b"b%d;" % number for number in range(20)] == [piece for piece in whole if piece.startswith(b"b")]
    for store in stores:
        await store.close()


async def test_what_is_refused_is_refused_on_the_newest_that_there_is():
    store = MemoryStore(ManualClock())
    await made(store, PLAIN, [])
    one, two = await desk_of(store), await desk_of(store)
    await one.write(putting(b"a", Producer("p", 0, 0)))
    # The other has not heard of it: on what it knows, this would leave something out.
    assert None is (await two.write(putting(b"b", Producer("p", 0, 1)))).error


async def test_when_the_store_fails_all_are_told_and_the_next_is_well():
    store = Counting()
    await made(store, PLAIN, [])
    desk = await desk_of(store)
    store.fails = [StoreError("E4002", "the disk is full")]
    failed = await asyncio.gather(*(desk.write(putting(b"x")) for _ in range(3)), return_exceptions=True)
    assert [StoreError] * 3 == [type(each) for each in failed]
    await desk.write(putting(b"y"))
    assert [b"y"] == await pieces_of(store)


async def test_a_store_that_says_that_the_log_has_ended_is_asked_how():
    store = Counting()
    await made(store, PLAIN, [])
    desk = await desk_of(store)
    store.fails = [InputError("E2009", "the log has its terminal event")]
    assert None is (await desk.write(putting(b"x"))).error
    store.fails = [InputError("E2002", "a name that cannot be kept")]
    with pytest.raises(InputError, match="E2002"):
        await desk.write(putting(b"y"))


async def test_a_writer_that_is_overtaken_again_and_again_is_told_to_come_back(monkeypatch):
    monkeypatch.setattr(module, "_TRIES", 3)
    store = Counting()
    await made(store, PLAIN, [])
    store.fails = [HeadMoved("E4005", "somebody was faster")] * 3
    desk = await desk_of(store)
    with pytest.raises(Busy, match="E3010"):
        await desk.write(putting(b"x"))
    store.fails = [HeadMoved("E4005", "somebody was faster")] * 2
    assert None is (await desk.write(putting(b"y"))).error


async def test_a_request_that_is_cancelled_leaves_the_others_alone():
    store = Counting()
    await made(store, PLAIN, [])
    desk = await desk_of(store)
    tasks = [asyncio.create_task(desk.write(putting(b"%d" % number))) for number in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [b"0", b"1", b"2"] == await pieces_of(store)


async def test_who_writes_to_what_was_deleted_meanwhile_is_told():
    store = MemoryStore(ManualClock())
    await made(store, PLAIN, [])
    one, two = await desk_of(store), await desk_of(store)
    deleting = one.write(lambda draft: draft.delete("deleted"))
    outcomes = await asyncio.gather(deleting, two.write(putting(b"x")))
    late = await two.write(putting(b"y"))
    assert {"E2031"} == {each.error.code for each in (*outcomes[1:], late) if each.error}
    assert "E2031" == (await one.write(putting(b"z"))).error.code


async def test_a_long_log_is_taken_up_at_its_last_sum(monkeypatch):
    monkeypatch.setattr(module, "_PAGE_EVENTS", 50)
    monkeypatch.setattr(drafting, "SUM_EVENTS", 120)
    store = Reading()
    await made(store, PLAIN, [])
    desk = await desk_of(store)
    for number in range(500):
        await desk.write(putting(b"%d" % number, Producer(f"p{number % 3}", 0, number // 3)))
    store.read_events = 0
    again = await desk_of(store)
    await again.load(desk.state.head)
    assert store.read_events < 2 * (120 + 50)
    assert shown(desk.state) == shown(again.state)
    assert desk.state.summed > 0
    # Behind the last sum there is more than a page.
    monkeypatch.setattr(drafting, "SUM_EVENTS", 10**9)
    for _ in range(100):
        await desk.write(putting(b"x"))
    later = await desk_of(store)
    assert shown(desk.state) == shown(await later.load(desk.state.head))
    short = await desk_of(store)
    assert shown(desk.state) == shown(await short.catch_up())


async def test_a_log_that_is_gone_is_an_error():
    store = MemoryStore(ManualClock())
    await made(store, PLAIN, [])
    desk = await desk_of(store)
    await desk.write(lambda draft: draft.delete("deleted"))
    assert 1 == await store.sweep(2**50)
    with pytest.raises(NotFound, match="E2005"):
        await desk.catch_up()
    with pytest.raises(NotFound, match="E2005"):
        await desk.write(putting(b"x"))
