"""Between who pushes and who reads: order, the bound, the end, and that either side may leave."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import Busy
from riverrun.nodes.inlet import Inlet


@pytest.fixture
async def inlet():
    """A buffer of three."""
    return Inlet(asyncio.get_running_loop(), 3)


async def rest(inlet):
    values = []
    while taken := await inlet.take():
        values.append(taken[0])
    return values


async def test_values_come_in_order_and_then_the_end(inlet):
    assert [True, True] == [inlet.push(value) for value in (1, None)]
    inlet.end()
    assert [1, None] == await rest(inlet)
    assert () == await inlet.take()


async def test_an_error_comes_after_the_values_before_it(inlet):
    inlet.push(1)
    inlet.end(ValueError("no"))
    assert (1,) == await inlet.take()
    with pytest.raises(ValueError, match="no"):
        await inlet.take()


async def test_only_the_first_end_counts_and_nothing_is_taken_after_it(inlet):
    inlet.end()
    inlet.end(ValueError())
    assert (False, True) == (inlet.push(1), inlet.closed)
    assert () == await inlet.take()


async def test_the_thread_of_the_reader_is_refused_when_it_is_full(inlet):
    for value in range(3):
        inlet.push(value)
    with pytest.raises(Busy) as caught:
        inlet.push(3)
    assert "3 values" in caught.value.message
    inlet.end()
    assert [0, 1, 2] == await rest(inlet)


async def test_after_the_end_a_full_buffer_refuses_nobody(inlet):
    for value in range(3):
        inlet.push(value)
    inlet.end()
    assert inlet.push(3) is False


async def test_another_thread_waits_while_it_is_full_and_never_runs_ahead(inlet):
    pushed = []

    def produce():
        for value in range(100):
            assert inlet.push(value)
            pushed.append(value)
        inlet.end()

    thread = threading.Thread(target=produce)
    thread.start()
    for value in range(100):
        assert (value,) == await inlet.take()
        assert len(pushed) <= value + 5
    assert () == await inlet.take()
    await asyncio.to_thread(thread.join)


async def test_a_thread_that_waits_is_let_go_when_the_reader_leaves(inlet):
    answers = []

    def produce():
        while inlet.push(0):
            pass
        answers.append(inlet.push(1))

    thread = threading.Thread(target=produce)
    thread.start()
    await inlet.take()
    inlet.end()
    await asyncio.to_thread(thread.join)
    assert [False] == answers


async def test_a_reader_that_waits_can_be_cancelled_and_read_on(inlet):
    taking = asyncio.ensure_future(inlet.take())
    await asyncio.sleep(0)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    inlet.push(1)
    assert (1,) == await inlet.take()


def test_pushing_to_a_loop_that_is_gone_does_not_break_the_producer():
    async def make():
        inlet: Inlet[Any] = Inlet(asyncio.get_running_loop(), 3)
        taking = asyncio.ensure_future(inlet.take())
        await asyncio.sleep(0)
        taking.cancel()
        return inlet

    inlet = asyncio.run(make())
    assert inlet.push(1)
    inlet.end()


@given(st.lists(st.integers(1, 20), min_size=1, max_size=5), st.integers(1, 5))
def test_many_threads_keep_their_own_order_and_lose_nothing(counts, limit):
    async def run():
        inlet: Inlet[Any] = Inlet(asyncio.get_running_loop(), limit)

        def produce(name, count):
            for number in range(count):
                assert inlet.push((name, number))

        threads = [threading.Thread(target=produce, args=(name, count)) for name, count in enumerate(counts)]
        for thread in threads:
            thread.start()
        got = [(await inlet.take())[0] for _ in range(sum(counts))]
        for name, count in enumerate(counts):
            assert [(name, number) for number in range(count)] == [value for value in got if value[0] == name]
        for thread in threads:
            thread.join()

    asyncio.run(run())
