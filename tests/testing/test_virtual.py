"""Virtual time passes without waiting, always in the same way; a process stands still and dies as one."""

from __future__ import annotations

import asyncio
import time

import pytest

from riverrun.testing.virtual import Process, VirtualClock, VirtualLoop, here, run_virtually


def loop_here():
    """The running loop, which is a virtual one."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def test_an_hour_passes_at_once():
    async def body():
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    before = time.monotonic()
    assert 3600 == run_virtually(body())
    assert time.monotonic() - before < 60


def test_things_happen_in_the_order_of_their_times():
    async def body():
        order = []

        async def say(name, seconds):
            await asyncio.sleep(seconds)
            order.append((name, loop_here().time()))

        async with asyncio.TaskGroup() as group:
            for name, seconds in (("c", 3), ("a", 1), ("b", 2), ("also c", 3)):
                group.create_task(say(name, seconds))
        return order

    assert [("a", 1), ("b", 2), ("c", 3), ("also c", 3)] == run_virtually(body())


def test_a_time_out_of_asyncio_is_kept():
    async def body():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        return loop_here().time()

    assert 5 == run_virtually(body())


def test_who_waits_for_what_never_comes_is_told_so():
    async def body():
        await asyncio.Event().wait()

    with pytest.raises(AssertionError, match="nothing will come"):
        run_virtually(body())


def test_what_takes_too_long_is_ended():
    async def body():
        for _ in range(100):
            await asyncio.sleep(10)

    with pytest.raises(AssertionError, match="100 virtual seconds"):
        run_virtually(body(), limit_seconds=100)


def test_a_loop_that_turns_without_time_is_ended():
    async def body():
        for _ in range(10**9):
            await asyncio.sleep(0)

    with pytest.raises(AssertionError, match="without end"):
        run_virtually(body())


def test_what_is_raised_comes_out_and_nothing_is_left_behind():
    ended = []

    async def stays():
        try:
            await asyncio.sleep(100)
        finally:
            ended.append("stays")

    async def body():
        task = asyncio.create_task(stays())
        await asyncio.sleep(1)
        assert not task.done()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_virtually(body())
    assert ["stays"] == ended


async def ticks(said, until=10):
    """Say what time it is, each second."""
    for _ in range(until):
        await asyncio.sleep(1)
        said.append(loop_here().time())


def test_a_paused_process_does_nothing_and_then_all_that_waited_for_it():
    async def body():
        said: list[float] = []
        others: list[float] = []
        process = Process("p")
        loop = loop_here()
        task = loop.spawn(process, ticks(said, 3))
        other = asyncio.create_task(ticks(others, 6))
        await asyncio.sleep(1.5)
        process.pause()
        await asyncio.sleep(4)
        process.go_on()
        await asyncio.gather(task, other)
        return said, others

    said, others = run_virtually(body())
    assert [1, 5.5, 6.5] == said
    assert [1, 2, 3, 4, 5, 6] == others


def test_what_was_cancelled_while_it_was_held_does_not_happen():
    """The timer and what makes it needless both came while the process stood still, the latter first."""

    async def body():
        loop = loop_here()
        process = Process("p")
        arrival = loop.create_future()

        async def wait():
            async with asyncio.timeout(5):
                return await arrival

        task = loop.spawn(process, wait())
        await asyncio.sleep(1)
        process.pause()
        arrival.set_result("in time")
        await asyncio.sleep(10)
        process.go_on()
        return await task

    assert "in time" == run_virtually(body())


def test_tasks_belong_to_the_process_that_started_them():
    async def body():
        loop = loop_here()
        process = Process("p")
        names = []

        async def child():
            current = here()
            names.append(None if current is None else current.name)

        async def parent():
            await asyncio.create_task(child())
            await loop.spawn(None, child())

        await loop.spawn(process, parent())
        await child()
        return names, process.tasks

    assert (["p", None, None], {}) == run_virtually(body())


def test_a_killed_process_is_cancelled_even_while_it_stands_still():
    async def body():
        said: list[float] = []
        process = Process("p")
        task = loop_here().spawn(process, ticks(said))
        await asyncio.sleep(1.5)
        process.pause()
        process.kill()
        process.kill()
        await asyncio.wait((task,))
        return said, task.cancelled(), process.alive, loop_here().time()

    assert ([1], True, False, 1.5) == run_virtually(body())


def test_what_is_called_from_the_loop_itself_stays_outside_of_processes():
    async def body():
        loop = loop_here()
        process = Process("p")
        process.pause()
        done = loop.create_future()
        loop.call_soon_threadsafe(done.set_result, 1)
        loop.call_later(2, lambda: None)
        return await done

    assert 1 == run_virtually(body())


def test_a_wall_clock_can_be_set_and_a_monotonic_one_cannot():
    async def body():
        clock = VirtualClock(asyncio.get_running_loop())
        first = clock.now_ms(), clock.monotonic()
        await asyncio.sleep(2)
        clock.jump(-3600)
        return clock.now_ms() - first[0], clock.monotonic() - first[1]

    assert (2_000 - 3_600_000, 2) == run_virtually(body())


def test_a_task_that_does_not_care_about_one_cancellation_is_told_again():
    told = []

    async def stubborn():
        for _ in range(3):
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                told.append(1)

    async def body():
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(1)
        return task.done()

    assert run_virtually(body()) is False
    assert [1, 1, 1] == told
