"""A worker in virtual time is the real one: it renews, loses, stands still and dies as a process does."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from riverrun.base.errors import NotFound, StoreError
from riverrun.log.store import Held, RunKey
from riverrun.runs.settings import RunSettings
from riverrun.stores.memory import MemoryStore
from riverrun.testing.faults import NoFault
from riverrun.testing.sketches import Part, Sketch
from riverrun.testing.store_model import make_events
from riverrun.testing.virtual import Process, VirtualClock, VirtualLoop, run_virtually
from riverrun.testing.workers import Connection
from riverrun.testing.world import make_world
from tests.graph.play import RUN, run_started

KEY = RunKey("t", RUN)
LEASE = 6.0
SLOW = Sketch((((Part("a", 4, 2.0),),),))


async def connected(seconds=1.0):
    """A store with one run, and a process far away from it."""
    store = MemoryStore(VirtualClock(asyncio.get_running_loop()))
    await store.create("t", run_started(), worker="w", lease_seconds=LEASE)
    process = Process("p")
    return store, process, Connection(store, process, lambda: seconds)


async def within(process, body):
    """Do something in a process."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return await loop.spawn(process, body)


def test_a_call_takes_its_time_there_and_back():
    async def body():
        _, process, store = await connected()
        page = await within(process, store.read(KEY, 0, 9))
        return page.head, asyncio.get_running_loop().time()

    assert (1, 2.0) == run_virtually(body())


def test_an_error_comes_back_too():
    async def body():
        _, process, store = await connected()
        with pytest.raises(NotFound):
            await within(process, store.read(RunKey("zoo", RUN), 0, 9))

    run_virtually(body())


def test_what_was_sent_has_its_effect_though_its_sender_died_on_the_way():
    async def body():
        inner, process, store = await connected()
        sending = asyncio.create_task(within(process, store.append(KEY, 1, 1, make_events(RUN, 2, ["chunk"]), LEASE)))
        await asyncio.sleep(0.5)
        process.kill()
        await asyncio.wait((sending,))
        assert sending.cancelled()
        await asyncio.sleep(1)
        assert 2 == (await inner.read(KEY, 0, 0)).head

    run_virtually(body())


def test_the_dead_reach_no_store():
    async def body():
        inner, process, store = await connected()
        process.kill()
        with pytest.raises(StoreError):
            await store.append(KEY, 1, 1, make_events(RUN, 2, ["chunk"]), LEASE)
        with pytest.raises(StoreError):
            store.renew("w", [Held(KEY, 1, 0)], LEASE)
        assert 1 == (await inner.read(KEY, 0, 0)).head

    run_virtually(body())


def test_who_waits_no_longer_leaves_nothing_behind_at_the_store():
    async def body():
        _, process, store = await connected(0.0)
        waiting = asyncio.create_task(within(process, store.wait(KEY, 1, 1000)))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.wait((waiting,))
        await asyncio.sleep(1)
        assert {asyncio.current_task()} == asyncio.all_tasks()

    run_virtually(body())


def play(act, settings=None):
    """Let a slow run happen in a world with two workers, the first of which has it; give its log and the world."""

    async def body():
        chance = Random(1)
        async with make_world(chance, NoFault(), lambda: 0.01, settings or RunSettings(lease_seconds=LEASE)) as world:
            plans = {"g": SLOW.plan("g", world.note)}
            first = await world.add_worker(plans)
            key = await world.start("g")
            second = await world.add_worker(plans)
            await act(first, second)
            await world.ended(key)
            return await world.log(key), world

    return run_virtually(body())


def owners(log):
    """Who took the run over, and when, in seconds after its beginning."""
    return [(event.ts - log[0].ts) / 1000 for event in log if event.type == "run.taken_over"]


def test_a_worker_that_lives_keeps_its_runs():
    async def nothing(_first, _second):
        pass

    log, world = play(nothing)
    assert [] == owners(log)
    assert {"g"} == set(world.workers[0].graphs)


def test_the_run_of_a_dead_worker_is_taken_over_within_its_lease_and_a_second():
    async def kill(first, _second):
        await asyncio.sleep(5)
        first.kill()

    log, _ = play(kill)
    (taken,) = owners(log)
    assert 5 < taken <= 5 + LEASE + 1


def test_a_worker_whose_loop_is_blocked_keeps_its_runs():
    async def block(first, _second):
        first.block()
        await asyncio.sleep(4 * LEASE)
        first.go_on()

    log, _ = play(block)
    assert [] == owners(log)


def test_a_worker_that_stands_still_past_its_lease_loses_its_runs_and_writes_nothing_more():
    async def freeze(first, _second):
        first.freeze()
        await asyncio.sleep(2 * LEASE)
        first.go_on()

    log, world = play(freeze)
    assert 1 == len(owners(log))
    assert 1 == world.workers[0].statistics()["lost"]


def test_a_worker_that_is_closed_gives_its_leases_back_at_once():
    async def close(first, _second):
        await asyncio.sleep(1)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        await loop.spawn(first.process, first.close())
        await loop.spawn(first.process, first.close())

    log, _ = play(close)
    (taken,) = owners(log)
    assert taken <= 1 + 1.1


def test_a_stop_is_heard_at_once():
    asked = []

    async def stop(first, second):
        await asyncio.sleep(3)
        key = next(iter(first._tasks))
        asked.append(first.wall.now_ms())
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        await loop.spawn(second.process, second.stop(key, "enough"))

    log, _ = play(stop)
    assert "run.stopped" == log[-1].type
    assert log[-1].ts - asked[0] <= 1000 * LEASE / 3 + 100
