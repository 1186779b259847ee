"""Opening and closing: once, whoever asks first, and never what belongs to the caller."""

from __future__ import annotations

import asyncio

import pytest

from riverrun.base.clock import ManualClock
from riverrun.base.errors import InputError, StoreError
from riverrun.events.kinds import RunCompleted
from riverrun.log.store import RunFilter
from riverrun.server.runtime import Runtime
from riverrun.server.settings import load
from riverrun.stores.memory import MemoryStore
from tests.stores.material import started


class WatchedStore(MemoryStore):
    """A store that tells when it is closed."""

    closed = 0

    async def close(self):
        self.closed += 1


async def test_requests_at_the_same_time_open_one_service():
    async with Runtime({}, "memory:", load()) as runtime:
        services = await asyncio.gather(*(runtime.service() for _ in range(10)))
    assert 1 == len(set(services))


async def test_opening_and_closing_again_changes_nothing():
    runtime = Runtime({}, "memory:", load())
    await runtime.close()
    await runtime.open()
    service = await runtime.service()
    await runtime.open()
    assert service is await runtime.service()
    await runtime.close()
    await runtime.close()


async def test_what_was_closed_is_opened_again_by_its_owner_and_not_by_a_late_request():
    runtime = Runtime({}, "memory:", load())
    async with runtime:
        pass
    with pytest.raises(StoreError, match="E4001"):
        await runtime.service()
    async with runtime:
        assert not runtime.readers.leaving
        await runtime.service()


async def test_a_store_of_the_callers_stays_open():
    store = WatchedStore()
    async with Runtime({}, store, load()) as runtime:
        assert store is (await runtime.service()).store
    assert 0 == store.closed


async def test_a_store_that_was_opened_here_is_closed_here(tmp_path):
    path = tmp_path / "runs.db"
    async with Runtime({}, f"sqlite:///{path}", load()) as runtime:
        service = await runtime.service()
    with pytest.raises(StoreError):
        await service.store.sweep(0)
    assert path.exists()


async def test_a_store_that_cannot_be_opened_says_so_each_time():
    runtime = Runtime({}, "sqlite:////dev/null/runs.db", load())
    for _ in range(2):
        with pytest.raises(StoreError, match="E4001"):
            await runtime.open()
    with pytest.raises(StoreError, match="E4006"):
        await Runtime({}, "mongo:", load()).open()


async def test_closing_sends_readers_away():
    async with Runtime({}, "memory:", load()) as runtime:
        assert not runtime.readers.leaving
    assert runtime.readers.leaving


def test_everybody_is_one_tenant_unless_told_otherwise():
    assert "default" == Runtime({}, "memory:", load()).tenant({})
    assert "me" == Runtime({}, "memory:", load(), tenant_of=lambda scope: scope["who"]).tenant({"who": "me"})


@pytest.mark.parametrize("name", ["", "a/b", "ä", "x" * 65, "a\n"])
def test_a_malformed_tenant_never_reaches_a_store(name):
    with pytest.raises(InputError, match="E2002"):
        Runtime({}, "memory:", load(), tenant_of=lambda _: name).tenant({})


async def test_statistics_are_those_of_readers_and_runs():
    runtime = Runtime({}, "memory:", load())
    assert {"readers": 0, "readers_total": 0} == runtime.statistics()
    async with runtime:
        assert {"readers", "running", "waiting"} <= runtime.statistics().keys()


async def test_a_server_removes_what_ended_a_month_ago_and_nothing_that_has_not_ended():
    clock = ManualClock()
    store = MemoryStore(clock)
    done, open_ = [(await store.create("default", started(number), worker="w")).row.key for number in (1, 2)]
    await store.append(done, 1, 1, [RunCompleted(seq=2, ts=1, run=done.run, steps=0)], 30)
    clock.advance(31 * 86_400)
    async with Runtime({}, store, load(), clock=clock):
        while await store.list("default", RunFilter(run=done.run)):  # noqa: ASYNC110  # the test has a time-out
            await asyncio.sleep(0)
    assert [open_] == [row.key for row in await store.list("default", RunFilter())]
    assert (30.0, 7.5) == (load().retention.keep_days, load(keep_days=7.5).retention.keep_days)
