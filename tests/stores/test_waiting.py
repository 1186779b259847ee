"""Readers wait alone and are woken together, from any thread, by one timer."""

from __future__ import annotations

import asyncio
import threading

from riverrun.stores.waiting import Waiting, WaitingRoom, WaitingRooms, release, wake
from tests.stores.material import soon


def reader(room, waiting, timeout=60.0):
    future = room.loop.create_future()
    waiting[future] = 0
    return asyncio.create_task(room.rest(waiting, future, timeout)), future


async def test_all_are_woken_together_and_leave():
    room, waiting = WaitingRoom(asyncio.get_running_loop()), Waiting()
    tasks = [reader(room, waiting)[0] for _ in range(3)]
    await asyncio.sleep(0)
    wake(list(waiting))
    await soon(asyncio.gather(*tasks))
    assert not waiting


async def test_a_reader_that_leaves_takes_nobody_along():
    room, waiting = WaitingRoom(asyncio.get_running_loop()), Waiting()
    (leaver, gone), (stayer, future) = reader(room, waiting), reader(room, waiting)
    await asyncio.sleep(0)
    leaver.cancel()
    await asyncio.wait((leaver,))
    assert [future] == list(waiting)
    wake([gone, future])
    await soon(stayer)


async def test_a_wait_is_over_at_its_own_time_whoever_came_first():
    room, waiting = WaitingRoom(asyncio.get_running_loop()), Waiting()
    (long, _), (short, _), (middle, future) = (reader(room, waiting, seconds) for seconds in (60.0, 0.001, 0.002))
    await soon(asyncio.wait((short, middle)))
    assert not long.done()
    assert future not in waiting
    wake(list(waiting))
    await soon(long)


async def test_another_thread_may_wake():
    room, waiting = WaitingRoom(asyncio.get_running_loop()), Waiting()
    task, _ = reader(room, waiting)
    await asyncio.sleep(0)
    thread = threading.Thread(target=wake, args=(list(waiting),), name="waker")
    thread.start()
    await soon(task)
    thread.join()


def test_a_reader_whose_loop_is_closed_is_passed_over():
    async def make():
        return asyncio.get_running_loop().create_future()

    wake([asyncio.run(make())])


async def test_waking_twice_is_waking_once():
    future = asyncio.get_running_loop().create_future()
    release(future)
    release(future)
    await future


def test_each_loop_has_its_room():
    rooms = WaitingRooms()

    async def here():
        assert rooms.here() is rooms.here()
        return rooms.here()

    assert asyncio.run(here()) is not asyncio.run(here())
