"""The one loop that reads a log: page by page, live, to the terminal event, from any place."""

from __future__ import annotations

import asyncio

import pytest

from riverrun.base.errors import CursorError, NotFound
from riverrun.events.kinds import Event, RunCompleted, RunTakenOver
from riverrun.log.store import RunKey
from riverrun.runs.reader import follow, news
from riverrun.stores.memory import MemoryStore
from tests.graph.play import RUN, run_started

KEY = RunKey("t", RUN)


@pytest.fixture
async def store():
    """A store with one run that runs."""
    made = MemoryStore()
    await made.create("t", run_started(), worker="w", lease_seconds=1e6)
    return made


def say(store, *seqs, end=False):
    events: list[Event] = [RunTakenOver(seq=seq, ts=1, run=RUN, epoch=1) for seq in seqs]
    if end:
        events.append(RunCompleted(seq=events[-1].seq + 1, ts=1, run=RUN))
    store.append_now(KEY, 1, events[0].seq - 1, events)


def seqs(page):
    return [] if page is None else [record.seq for record in page.records]


async def read(store, after=0, **options):
    return [seq async for page in follow(store, KEY, after, **options) for seq in seqs(page)]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("after", [0, 1, 4, 6])
async def test_every_event_after_a_place_is_given_once_in_pages_of_bounded_size(store, after, limit):
    say(store, 2, 3, 4, 5, end=True)
    assert list(range(after + 1, 7)) == await read(store, after, limit=limit)
    sizes = [len(seqs(page)) async for page in follow(store, KEY, after, limit=limit)]
    assert all(0 < size <= limit for size in sizes)


async def test_what_comes_later_is_given_live(store):
    pages = follow(store, KEY, 0)
    assert [1] == seqs(await anext(pages))
    following = asyncio.ensure_future(anext(pages))
    await asyncio.sleep(0)
    say(store, 2, 3)
    assert [2, 3] == seqs(await following)
    say(store, 4, end=True)
    assert [4, 5] == seqs(await anext(pages))
    with pytest.raises(StopAsyncIteration):
        await anext(pages)


async def test_readers_at_different_places_get_the_same(store):
    readers = [asyncio.create_task(read(store, after, limit=2)) for after in (0, 0, 1)]
    for seq in range(2, 30):
        await asyncio.sleep(0)
        say(store, seq)
    late = asyncio.create_task(read(store, 10))
    say(store, 30, end=True)
    whole = list(range(1, 32))
    assert [whole, whole, whole[1:], whole[10:]] == [await reader for reader in [*readers, late]]


class Counting(MemoryStore):
    """A store that counts how often it is looked at."""

    looks = 0

    async def read(self, key, after, limit):
        self.looks += 1
        return await super().read(key, after, limit)


async def test_who_is_at_the_head_already_waits_before_the_first_look():
    store = Counting()
    await store.create("t", run_started(), worker="w", lease_seconds=1e6)
    reading = asyncio.create_task(read(store, 1, head=1))
    await asyncio.sleep(0)
    assert 0 == store.looks
    say(store, 2, end=True)
    assert ([2, 3], 1) == (await reading, store.looks)


@pytest.mark.parametrize("head", [None, *range(1, 7)])
@pytest.mark.parametrize("after", range(1, 6))
async def test_a_head_that_is_not_news_any_more_loses_nothing(store, after, head):
    say(store, 2, 3, 4, 5, end=True)
    assert [*range(after + 1, 7)] == await asyncio.wait_for(read(store, after, head=head, limit=2), 30)


async def test_silence_is_told_so_that_a_heartbeat_can_be_sent(store):
    pages = follow(store, KEY, 1, idle_interval=0.01)
    assert [None, None] == [await anext(pages), await anext(pages)]
    say(store, 2)
    assert [2] == seqs(await anext(pages))
    await pages.aclose()


async def test_a_lost_hint_costs_a_second_look(store, monkeypatch):
    monkeypatch.setattr("riverrun.runs.reader._LOOK_AGAIN_INTERVAL", 0.01)

    class Deaf(MemoryStore):
        async def wait(self, key, after, timeout):
            await asyncio.sleep(timeout)

    deaf = Deaf()
    await deaf.create("t", run_started(), worker="w", lease_seconds=1e6)
    reading = asyncio.create_task(read(deaf))
    await asyncio.sleep(0)
    say(deaf, 2, end=True)
    assert [1, 2, 3] == await reading


@pytest.mark.parametrize(
    ("key", "after", "error"), [(RunKey("u", RUN), 0, NotFound), (KEY, 9, CursorError)], ids=["foreign", "beyond"]
)
async def test_a_place_that_is_not_there_is_an_error(store, key, after, error):
    with pytest.raises(error):
        await anext(follow(store, key, after))


async def test_one_turn_gives_a_page_nothing_in_time_or_that_all_is_over(store):
    async def turn(after, head, interval=30.0):
        return await news(store, KEY, after, head=head, limit=2, idle_interval=interval)

    assert [1] == seqs(await turn(0, 1))
    assert [1] == seqs(await turn(0, None))
    assert None is await turn(1, 1, 0.01)
    waiting = asyncio.create_task(turn(1, 1))
    await asyncio.sleep(0)
    say(store, 2, 3, end=True)
    assert [2, 3] == seqs(await waiting)
    assert [4] == seqs(await turn(3, 4))
    over = await turn(4, None)
    assert over is not None
    assert ("ended", []) == (over.status, over.records)
