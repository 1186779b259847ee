"""A thread pulls an iterator: order, the bound, who closes it, and that it never holds up the loop."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import InputError
from riverrun.nodes.iterate import from_iterator
from tests.nodes.sources import all_of, settle

PATIENCE = 10.0


class Counting:
    """An iterator that counts, and notes how far it is, who pulled and who closed it."""

    def __init__(self, count=10**9, error=None, close_error=None):
        self.count, self.error, self.close_error = count, error, close_error
        self.given = 0
        self.threads: set[str] = set()
        self.closed: list[str] = []

    def __iter__(self):
        return self

    def __next__(self):
        self.threads.add(threading.current_thread().name)
        if self.given == self.count:
            raise self.error or StopIteration
        self.given += 1
        return self.given

    def close(self):
        """Note it."""
        self.closed.append(threading.current_thread().name)
        if self.close_error is not None:
            raise self.close_error


@given(st.lists(st.integers(), max_size=40), st.integers(1, 5))
def test_everything_comes_in_order(values, limit):
    assert values == asyncio.run(all_of(from_iterator(iter(values), limit=limit)))


async def test_it_is_pulled_and_closed_in_one_thread_of_its_own():
    source = Counting(5)
    assert [1, 2, 3, 4, 5] == await all_of(from_iterator(source))
    assert {"riverrun-iterator"} == source.threads
    assert ["riverrun-iterator"] == source.closed


async def test_it_runs_ahead_no_further_than_the_limit_and_one_in_hand():
    source = Counting()
    stream = from_iterator(source, limit=2)
    for number in range(1, 20):
        assert number == await anext(stream)
        assert source.given <= number + 4
    await stream.aclose()
    assert ["riverrun-iterator"] == source.closed
    given = source.given
    await settle()
    assert given == source.given


async def test_an_error_comes_once_behind_the_values_before_it():
    source = Counting(2, ValueError("cut"))
    stream = from_iterator(source)
    assert [1, 2] == [await anext(stream), await anext(stream)]
    with pytest.raises(ValueError, match="cut"):
        await anext(stream)
    assert [] == await all_of(stream)
    assert 1 == len(source.closed)


async def test_an_iterable_that_gives_no_iterator_is_an_error():
    class Bad:
        def __iter__(self):
            raise OSError("no file")

    with pytest.raises(OSError, match="no file"):
        await all_of(from_iterator(Bad()))


async def test_closed_before_it_began_it_needs_no_thread():
    source = Counting()
    stream = from_iterator(source)
    await stream.aclose()
    assert (0, ["MainThread"]) == (source.given, source.closed)
    assert [] == await all_of(stream)


async def test_what_goes_wrong_in_closing_is_told():
    with pytest.raises(OSError, match="stuck"):
        await all_of(from_iterator(Counting(2, close_error=OSError("stuck"))))
    stream = from_iterator(Counting(close_error=OSError("stuck")))
    await anext(stream)
    await _until_it_waits(stream)
    with pytest.raises(OSError, match="stuck"):
        await stream.aclose()


async def _until_it_waits(stream):
    """Read on until the thread has certainly been outside the iterator: it waits for room."""
    for _ in range(3):
        await anext(stream)


async def test_an_iterable_that_is_no_iterator_is_closed_with_it():
    class File(Counting):
        def __iter__(self):
            return iter([1, 2])

    source = File()
    assert [1, 2] == await all_of(from_iterator(source))
    assert ["riverrun-iterator"] == source.closed


async def test_a_reader_that_leaves_does_not_wait_for_a_thread_that_is_inside_the_iterator():
    inside, go, closed = threading.Event(), threading.Event(), threading.Event()

    def blocking():
        try:
            yield 1
            inside.set()
            assert go.wait(PATIENCE)
            yield 2
        finally:
            closed.set()

    stream = from_iterator(blocking())
    assert 1 == await anext(stream)
    await asyncio.to_thread(inside.wait, PATIENCE)
    await stream.aclose()
    assert not closed.is_set()
    go.set()
    assert await asyncio.to_thread(closed.wait, PATIENCE)


async def test_a_reader_that_is_cancelled_lets_the_thread_go():
    go, closed = threading.Event(), threading.Event()

    def blocking():
        try:
            assert go.wait(PATIENCE)
            yield 1
        finally:
            closed.set()

    reading = asyncio.ensure_future(all_of(from_iterator(blocking())))
    await settle()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    go.set()
    assert await asyncio.to_thread(closed.wait, PATIENCE)


def test_a_loop_that_is_gone_when_the_thread_comes_back_harms_nobody():
    inside, go, closed = threading.Event(), threading.Event(), threading.Event()

    def blocking():
        try:
            inside.set()
            assert go.wait(PATIENCE)
            yield 1
        finally:
            closed.set()

    async def leave():
        reading = asyncio.ensure_future(all_of(from_iterator(blocking())))
        await asyncio.to_thread(inside.wait, PATIENCE)
        reading.cancel()

    asyncio.run(leave())
    go.set()
    assert closed.wait(PATIENCE)


async def test_context_variables_of_the_reader_are_seen_in_the_thread():
    variable = ContextVar("variable", default="")
    variable.set("here")

    def look():
        yield variable.get()

    assert ["here"] == await all_of(from_iterator(look()))


def test_a_buffer_holds_at_least_one():
    with pytest.raises(InputError):
        from_iterator([], limit=0)
