"""Ended runs are packed and then removed, never on the word of a clock that was set, and never unfinished ones."""

from __future__ import annotations

import asyncio

import pytest

from riverrun.base.errors import NotFound, StoreError
from riverrun.events.kinds import RunCompleted
from riverrun.runs.janitor import Janitor, Retention
from riverrun.stores.memory import MemoryStore
from riverrun.stores.sqlite import SqliteStore
from tests.stores.material import key_of, lines, owned, soon, started

DAY = 86_400.0


class SetClock:
    """A clock whose two times are moved by hand, together or one of them alone."""

    def __init__(self):
        self.wall, self.steady = 1_800_000_000.0, 50.0

    def now_ms(self):
        return round(self.wall * 1000)

    def monotonic(self):
        return self.steady

    def pass_by(self, seconds):
        self.wall += seconds
        self.steady += seconds

    def set(self, seconds):
        self.wall += seconds


@pytest.fixture
def clock():
    return SetClock()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, clock, tmp_path):
    made = MemoryStore(clock) if request.param == "memory" else SqliteStore(tmp_path / "a.db", clock)
    yield made
    await made.close()


async def ended(store, number):
    key = await owned(store, number)
    await store.append(key, 1, 1, [RunCompleted(seq=2, ts=1, run=key.run, steps=0)], 30)
    return key


async def test_a_run_is_kept_for_thirty_days_after_its_end_and_an_unfinished_one_for_ever(store, clock):
    done, running = await ended(store, 1), await owned(store, 2)
    queued = (await store.create("acme", started(3))).row.key
    janitor = Janitor(store, clock, Retention())
    for _ in range(30):
        clock.pass_by(DAY - 1)
        await janitor.look()
    assert 2 == len(await lines(store, done))
    clock.pass_by(40)
    await janitor.look()
    with pytest.raises(NotFound):
        await lines(store, done)
    clock.pass_by(1000 * DAY)
    await janitor.look()
    assert [1, 1] == [len(await lines(store, key)) for key in (running, queued)]
    assert (1, 1) == (janitor.counts["removed"], janitor.counts["packed"])


async def test_what_is_kept_for_ever_is_packed_all_the_same(store, clock):
    done = await ended(store, 1)
    janitor = Janitor(store, clock, Retention(keep_days=0, compact_after=60))
    await janitor.look()
    assert 0 == janitor.counts["packed"]
    clock.pass_by(61)
    await janitor.look()
    assert {"removed": 0, "packed": 1, "distrusted": 0, "failed": 0} == janitor.counts
    clock.pass_by(400 * DAY)
    await janitor.look()
    assert 2 == len(await lines(store, done))


@pytest.mark.parametrize("seconds", [400 * DAY, -400 * DAY, 3600.0, -3600.0])
async def test_a_clock_that_was_set_is_not_trusted_for_as_long_as_that_or_a_day(store, clock, seconds):
    done = await ended(store, 1)
    janitor = Janitor(store, clock, Retention())
    clock.set(seconds)
    for _ in range(int(min(abs(seconds), DAY) // 600)):
        await janitor.look()
        clock.pass_by(600)
    assert (0, 0) == (janitor.counts["removed"], janitor.counts["packed"])
    assert 2 == len(await lines(store, done))
    await janitor.look()  # it has been right, or believed to be, for long enough
    assert (seconds > 30 * DAY) == janitor.counts["removed"]


async def test_a_clock_that_was_set_and_set_right_again_has_done_nothing(store, clock):
    done = await ended(store, 1)
    janitor = Janitor(store, clock, Retention())
    clock.set(400 * DAY)
    clock.pass_by(600)
    await janitor.look()
    clock.set(-400 * DAY)
    for _ in range(200):
        clock.pass_by(600)
        await janitor.look()
    assert (0, 1) == (janitor.counts["removed"], janitor.counts["packed"])
    assert 2 == len(await lines(store, done))


async def test_it_looks_by_itself_and_goes_on_after_a_failure(clock):
    looked = asyncio.Event()

    class Failing(MemoryStore):
        calls = 0

        async def sweep(self, ended_before_ms):
            self.calls += 1
            if self.calls == 1:
                raise StoreError("E4002", "as the test asked for")
            looked.set()
            return await super().sweep(ended_before_ms)

    janitor = Janitor(Failing(clock), clock, Retention(interval=0.001))
    janitor.open()
    janitor.open()
    await soon(looked.wait())
    assert 1 == janitor.counts["failed"]
    await janitor.close()
    await janitor.close()


async def test_a_run_that_another_stands_on_stays(store, clock):
    base = await ended(store, 1)
    later = (await store.create("acme", started(2, base=1))).row.key
    janitor = Janitor(store, clock, Retention())
    clock.pass_by(99 * DAY)
    await janitor.look()
    assert [2, 1] == [len(await lines(store, key)) for key in (base, later)]
    assert key_of(1) == base
