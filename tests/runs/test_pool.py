"""Sync code in threads: carried context, abandoned calls, iterators pulled with a bound and closed in time."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import traceback
from functools import partial

import pytest

from riverrun.base.errors import Busy
from riverrun.runs.pool import _HIGH, Aside, Pool, say_in_turn
from riverrun.runs.settings import RunSettings
from tests.runs.plans import until

colour: contextvars.ContextVar[str] = contextvars.ContextVar("colour", default="none")


@pytest.fixture
def pool():
    """A pool of two threads."""
    made = Pool(2)
    yield made
    made.close()


class Gate:
    """A sync call that waits in its thread until it is let go."""

    def __init__(self):
        self.began = threading.Event()
        self.opened = threading.Event()

    def __call__(self, value=None):
        self.began.set()
        assert self.opened.wait(10)
        return value


async def test_a_call_gives_back_what_the_function_does_from_a_thread_of_ours(pool):
    assert (3, True) == await pool.run(
        lambda a, b: (a + b, threading.current_thread().name.startswith("riverrun-")), 1, 2
    )


async def test_context_variables_are_carried_into_the_thread_and_not_back(pool):
    colour.set("red")

    def look():
        seen = colour.get()
        colour.set("blue")
        return seen

    assert "red" == await pool.run(look)
    assert "red" == colour.get()


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyError("k")], ids=["value", "exit", "key"])
async def test_what_the_function_raises_is_raised(pool, error):
    def fail():
        raise error

    with pytest.raises(type(error)):
        await pool.run(fail)


async def test_a_stop_iteration_does_not_leave_its_waiter_there_for_ever(pool):
    with pytest.raises(RuntimeError, match="StopIteration") as caught:
        await pool.run(lambda: next(iter([])))
    assert isinstance(caught.value.__cause__, StopIteration)


async def test_a_time_out_keeps_its_place(pool):
    def fails():
        raise TimeoutError("of theirs")

    with pytest.raises(TimeoutError) as caught:
        await pool.run(fails)
    assert "fails" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


async def test_a_call_that_was_cancelled_goes_on_as_an_orphan_and_is_counted_until_it_ends(pool):
    gate = Gate()
    task = asyncio.create_task(pool.run(gate))
    await until(gate.began.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (1, 1) == (pool.orphans, pool.abandoned)
    gate.opened.set()
    await until(lambda: pool.orphans == 0)
    assert 1 == pool.abandoned


async def test_a_call_that_was_cancelled_before_its_turn_never_runs():
    pool = Pool(1)
    gate = Gate()
    ran: list[int] = []
    first = asyncio.create_task(pool.run(gate))
    await until(gate.began.is_set)
    second = asyncio.create_task(pool.run(ran.append, 1))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.opened.set()
    await first
    await pool.run(lambda: None)
    assert ([], 0) == (ran, pool.abandoned)
    pool.close()


# --- full ---


@pytest.fixture
async def crowd():
    """Makes a pool of one thread and one to spare, both at work, and with the one place to wait taken."""
    gates, tasks, pools = [], [], []

    async def make(full):
        pool = Pool(1, 2, queue=1, full=full)
        pools.append(pool)
        for _ in range(3):
            gates.append(Gate())
            tasks.append(asyncio.create_task(pool.run(gates[-1])))
            await asyncio.sleep(0)
        await until(lambda: sum(gate.began.is_set() for gate in gates) == 2)
        return pool

    yield make, gates
    for gate in gates:
        gate.opened.set()
    await asyncio.gather(*tasks)
    for pool in pools:
        pool.close()


async def test_a_pool_that_is_full_refuses_with_a_code_and_the_time_to_come_back(crowd):
    make, _ = crowd
    pool = await make("refuse")
    with pytest.raises(Busy, match="E3044") as caught:
        await pool.run(len, "x")
    assert caught.value.temporary
    with pytest.raises(Busy, match="E3044"):
        await anext(pool.pull(iter("x")))


async def test_a_pool_that_is_full_lets_the_caller_run_it_with_variables_that_are_its_own(crowd):
    make, _ = crowd
    pool = await make("call")
    colour.set("red")

    def look():
        seen = (colour.get(), threading.current_thread() is threading.main_thread())
        colour.set("blue")
        return seen

    assert ("red", True) == await pool.run(look)
    assert "red" == colour.get()
    with pytest.raises(ValueError, match="invalid literal"):
        await pool.run(int, "x")


@pytest.mark.parametrize("full", ["wait", "call"])
async def test_who_waits_for_a_full_pool_gets_its_turn(crowd, full):
    make, gates = crowd
    pool = await make(full)
    values = pool.pull(iter("abc"))
    reading = asyncio.ensure_future(anext(values))
    waiting = asyncio.create_task(pool.run(len, "abc")) if full == "wait" else None
    await asyncio.sleep(0)
    assert not reading.done()
    for gate in gates:
        gate.opened.set()
    assert "a" == await reading
    assert ["b", "c"] == [value async for value in values]
    if waiting is not None:
        assert 3 == await waiting


async def test_variables_that_a_call_sets_are_gone_with_it_in_the_same_thread():
    pool = Pool(1)

    def mark(value):
        before, thread = colour.get(), threading.get_ident()
        colour.set(value)
        return before, thread

    first = await pool.run(mark, "green")
    second = await pool.run(mark, "yellow")
    assert ("none", "none") == (first[0], second[0])
    assert first[1] == second[1]
    pool.close()


def test_a_pool_is_made_as_the_settings_say():
    pool = Pool.by(RunSettings(pool_size=3, pool_max=4, pool_queue=5, pool_full="refuse"))
    desk = pool._threads._desk
    assert (3, 4, 5, "refuse") == (desk._core, desk._most, desk._queue, pool._full)


async def test_closing_twice_or_without_a_thread_is_harmless(pool):
    pool.close()
    await asyncio.sleep(0)
    pool.close()


# --- iterators ---


class Watched:
    """An iterator that tells how far it was pulled and whether it was closed."""

    def __init__(self, count=10**9, gate=None):
        self.count, self.gate = count, gate
        self.pulled = 0
        self.closed = threading.Event()

    def __iter__(self):
        return self

    def __next__(self):
        if self.gate is not None:
            self.gate()
        if self.pulled == self.count:
            raise StopIteration
        self.pulled += 1
        return self.pulled

    def close(self):
        self.closed.set()


async def test_values_come_in_order_and_the_iterator_is_closed(pool):
    iterator = Watched(5000)
    assert list(range(1, 5001)) == [value async for value in pool.pull(iterator)]
    assert iterator.closed.is_set()


async def test_an_empty_iterator_gives_nothing(pool):
    assert [] == [value async for value in pool.pull(iter([]))]


async def test_values_before_an_error_are_given_and_then_the_error(pool):
    def breaks():
        yield 1
        yield 2
        raise ValueError("half way")

    values = pool.pull(breaks())
    assert [1, 2] == [await anext(values), await anext(values)]
    with pytest.raises(ValueError, match="half way"):
        await anext(values)


async def test_a_thread_does_not_run_ahead_of_its_reader(pool):
    iterator = Watched()
    stream = pool.pull(iterator)
    await anext(stream)
    await until(lambda: iterator.pulled > _HIGH // 2)
    for _ in range(1000):
        await anext(stream)
    assert iterator.pulled <= 1001 + _HIGH + 1
    await stream.aclose()
    assert await asyncio.to_thread(iterator.closed.wait, 5)


async def test_leaving_early_closes_the_iterator_in_its_thread(pool):
    iterator = Watched()
    stream = pool.pull(iterator)
    assert 1 == await anext(stream)
    await stream.aclose()
    assert await asyncio.to_thread(iterator.closed.wait, 5)


async def test_leaving_while_the_thread_is_stuck_does_not_wait_for_it(pool):
    gate = Gate()
    stream = pool.pull(Watched(gate=gate))
    reading = asyncio.ensure_future(anext(stream))
    await until(gate.began.is_set)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert 1 == pool.orphans
    gate.opened.set()
    await until(lambda: pool.orphans == 0)


async def test_an_iterator_whose_turn_never_came_is_closed_all_the_same():
    pool = Pool(1)
    gate, iterator = Gate(), Watched()
    first = asyncio.create_task(pool.run(gate))
    await until(gate.began.is_set)
    reading = asyncio.ensure_future(anext(pool.pull(iterator)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert (True, 0) == (iterator.closed.is_set(), iterator.pulled)
    gate.opened.set()
    await first
    pool.close()


async def test_what_an_iterator_says_in_between_keeps_its_place(pool):
    said: list[int] = []

    def speaks():
        for number in range(3):
            assert say_in_turn(partial(said.append, number))
            yield number

    got = [value async for value in pool.pull(speaks())]
    assert [Aside, int] * 3 == [type(value) for value in got]
    for value in got:
        if isinstance(value, Aside):
            value.call()
    assert [0, 1, 2] == said


async def test_elsewhere_nothing_has_a_turn(pool):
    assert not say_in_turn(lambda: None)
    assert not await pool.run(say_in_turn, lambda: None)
