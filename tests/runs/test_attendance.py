"""When a run that must be read is stopped, whatever its inbox says, and whoever owns it by then."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.clock import ManualClock, SystemClock
from riverrun.log.store import RunKey
from riverrun.runs.attendance import KIND, REASON, Attendance, mark
from riverrun.stores.memory import MemoryStore
from tests.runs.plans import plan
from tests.runs.workers import Held, die, end_of, until_head

SERVERS = st.sampled_from(["one", "two"])
MARKS = st.one_of(st.tuples(SERVERS, st.sampled_from([0.0, 150.0])), st.just("answered"))


def attend(grace, clock=None):
    stopped: list[str] = []
    return Attendance(grace, clock or ManualClock(), stopped.append), stopped


@given(st.lists(MARKS, max_size=12), st.floats(0, 100))
def test_a_run_is_to_be_stopped_only_once_all_that_came_have_left(told, grace):
    async def check():
        clock = ManualClock()
        attendance, _ = attend(grace, clock)
        here: dict[str, float] = {}
        for each in told:
            clock.advance(1)
            if each == "answered":
                here.clear()
                attendance.answered()
            else:
                attendance.told(mark(each[0], clock.now_ms(), each[1]))
                here[each[0]] = clock.now_ms() + each[1] * 1000
            expected = max(here.values()) + grace * 1000 if here else None
            assert expected == attendance.stop_at_ms
        attendance.close()
        attendance.close()

    asyncio.run(check())


async def test_a_run_that_need_not_be_read_is_never_stopped():
    attendance, _ = attend(None)
    attendance.told(mark("one", 0, 0))
    assert attendance.stop_at_ms is None


@pytest.mark.parametrize("payload", [{}, {"at": 1, "ms": 1, "for": 1}, {"at": "a", "ms": "1", "for": 1}, {"at": "a"}])
async def test_a_damaged_mark_is_passed_over(payload: dict[str, Any]):
    attendance, _ = attend(0.0)
    attendance.told(payload)
    assert attendance.stop_at_ms is None


@pytest.mark.slow
async def test_a_clock_that_was_set_back_stops_nothing_early():
    clock, over = ManualClock(), asyncio.Event()
    attendance = Attendance(0.0, clock, lambda _: over.set())
    attendance.told(mark("one", clock.now_ms(), 0))
    clock.advance(-5)
    async with asyncio.timeout(5):
        while attendance.stop_at_ms is not None and not over.is_set():
            await asyncio.sleep(0.05)  # the timer comes, looks, and waits again
            clock.advance(1)
    assert over.is_set()
    attendance.close()


async def leave(service, key: RunKey, server: str = "one") -> None:
    await service.attended(key, server, 0.0)


async def begun(service, grace):
    held = Held()
    service.graphs["g"] = plan(a=held)
    key = (await service.start("t", "g", {}, grace=grace)).row.key
    await held.began.wait()
    return key


async def test_a_run_is_stopped_when_its_last_reader_has_left(workers):
    service = await workers(MemoryStore(), {})
    key = await begun(service, 0.0)
    await service.attended(key, "one", 150)
    await service.attended(key, "two", 150)
    await leave(service, key)
    assert "running" == (await service.row(key)).status
    await leave(service, key, "two")
    async with asyncio.timeout(1):  # PROTOCOL.md §15 and the issue: the producer is reached within a second
        last = (await end_of(service, key))[-1]
    assert ("run.stopped", REASON) == (last.type, last.reason)


@pytest.mark.slow
async def test_a_run_that_nobody_ever_read_goes_on(workers):
    service = await workers(MemoryStore(), {})
    key = await begun(service, 0.0)
    await asyncio.sleep(0.3)
    assert "running" == (await service.row(key)).status
    await service.stop(key)


@pytest.mark.slow
async def test_who_comes_back_within_the_grace_stops_nothing(workers):
    service = await workers(MemoryStore(), {})
    key = await begun(service, 0.4)
    await leave(service, key)
    await service.attended(key, "one", 150)
    await asyncio.sleep(0.7)
    assert "running" == (await service.row(key)).status
    await service.stop(key)


@pytest.mark.slow
async def test_what_was_told_holds_for_the_next_owner(workers):
    """The owner dies in the grace, when nobody reads any more: the next one knows it from the inbox."""
    store, held = MemoryStore(), Held()
    first = await workers(store, {"g": plan(a=held)}, lease_seconds=0.3)
    key = (await first.start("t", "g", {}, grace=1.0)).row.key
    await held.began.wait()
    await leave(first, key)
    die(first)
    second = await workers(store, {"g": plan(a=held)})
    await until_head(second, key, 4)
    async with asyncio.timeout(5):
        last = (await end_of(second, key))[-1]
    assert ("run.stopped", REASON) == (last.type, last.reason)


@pytest.mark.slow
async def test_a_mark_of_a_server_that_died_ends_by_itself(workers):
    service = await workers(MemoryStore(), {})
    key = await begun(service, 0.0)
    await service.store.control(key, KIND, mark("dead", SystemClock().now_ms() - 149_700, 150.0))
    service._leases.look_now()
    async with asyncio.timeout(5):
        assert REASON == (await end_of(service, key))[-1].reason


@pytest.mark.slow
async def test_a_parked_run_stays_and_its_answer_makes_it_wait_for_the_next_reader(workers):
    held = Held()

    async def ask(state, ctx):
        ctx.interrupt("well?")
        async for piece in held(state, ctx):
            yield piece

    service = await workers(MemoryStore(), {"g": plan(a=ask)})
    key = (await service.start("t", "g", {}, grace=0.0)).row.key
    while (await service.row(key)).status != "parked":
        await service.store.wait(key, (await service.row(key)).head, 1)
    await service.attended(key, "one", 150)
    await leave(service, key)
    await service.resume(key, "yes")
    await held.began.wait()
    await asyncio.sleep(0.3)
    assert "running" == (await service.row(key)).status
    await leave(service, key)
    async with asyncio.timeout(5):
        assert REASON == (await end_of(service, key))[-1].reason
