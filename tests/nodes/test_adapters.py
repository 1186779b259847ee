"""One law for every adapter, there and back: pulled, pushed and pulled again a stream is the same stream.

Whichever way it goes: all values in their order and none lost, the error once and behind them, the source never further
ahead than the way between holds, and the source closed once, whoever leaves and when. ReactiveX itself takes part.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

import pytest
import reactivex
from hypothesis import given
from hypothesis import strategies as st
from reactivex import operators
from reactivex.disposable import Disposable

from riverrun.nodes.iterate import from_iterator
from riverrun.nodes.observable import Observable, from_observable
from riverrun.nodes.pull import from_callback, from_queue
from riverrun.nodes.push import to_callback, to_queue, to_sync
from tests.leaks import held
from tests.nodes.sources import SlowToClose, Tap, all_of, settle
from tests.runs.plans import until

ROOM = 4  # values that may wait on the way
END = object()


class Noted(Tap):
    """A tap that notes when closing it begins: a second cancellation may reach a source while it closes.

    Attributes:
        closing: How often that was.
    """

    closing = 0

    async def aclose(self):
        """Note it, and close."""
        self.closing += 1
        await super().aclose()


def by_callback(tap: Tap) -> AsyncIterator[Any]:
    """A task pushes each value and waits until it was taken."""

    def subscribe(inlet):
        async def push(value):
            while not inlet.closed and len(inlet._values) >= ROOM:
                await settle(1)
            return inlet.push(value)

        return asyncio.get_running_loop().create_task(to_callback(tap, push, inlet.end)).cancel

    return from_callback(subscribe, limit=ROOM)


async def _through(tap: Tap, between: Any) -> AsyncIterator[Any]:
    work = asyncio.get_running_loop().create_task(to_queue(tap, between, END))
    try:
        async with aclosing(from_queue(between, END)) as values:
            async for value in values:
                yield value
        await work
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await work


def by_queue(tap: Tap) -> AsyncIterator[Any]:
    """Through a bounded queue of the loop."""
    return _through(tap, asyncio.Queue(ROOM))


def by_queue_of_threads(tap: Tap) -> AsyncIterator[Any]:
    """Through a bounded queue that threads use."""
    return _through(tap, queue.Queue(ROOM))


def by_thread(tap: Tap) -> AsyncIterator[Any]:
    """A thread iterates what the loop reads, and is itself iterated."""
    return from_iterator(to_sync(tap), limit=ROOM)


def by_reactivex(tap: Tap) -> AsyncIterator[Any]:
    """Through an Observable of the library, and one of its operators."""
    made = Observable(tap)

    def begin(observer, scheduler=None):
        return Disposable(made.subscribe(observer.on_next, observer.on_error, observer.on_completed).dispose)

    return from_observable(reactivex.create(begin).pipe(operators.map(lambda value: value)), limit=1000)


WAYS: dict[str, Callable[[Tap], AsyncIterator[Any]]] = {
    "callback": by_callback,
    "queue": by_queue,
    "queue of threads": by_queue_of_threads,
    "thread": by_thread,
    "reactivex": by_reactivex,
}
# How far the source may be ahead: what waits, what is in hand on each side, and the look for the next one. An
# Observable has no demand: it is held back by nothing but the limit.
AHEAD = {"callback": ROOM + 2, "queue": ROOM + 2, "queue of threads": ROOM + 4, "thread": ROOM + 2, "reactivex": 1000}

ways = pytest.mark.parametrize("way", WAYS)


@ways
@given(values=st.lists(st.integers(), max_size=30), breaks=st.booleans(), turns=st.integers(0, 2))
def test_every_value_comes_in_order_and_then_the_error_once(way, values, breaks, turns):
    async def play():
        tap = Noted(values, error=ValueError("broken") if breaks else None, turns=turns)
        read: list[int] = []
        errors = []
        stream = WAYS[way](tap)
        try:
            async for value in stream:
                read.append(value)  # noqa: PERF401  # what was read before an error counts
        except ValueError as error:
            errors.append(str(error))
        assert values == read
        assert ["broken"] * breaks == errors
        with pytest.raises(StopAsyncIteration):
            await stream.__anext__()
        await until(lambda: tap.closing == 1)

    asyncio.run(play())


@ways
@given(count=st.integers(0, 30), reads=st.integers(0, 30), turns=st.integers(0, 2))
def test_a_reader_that_leaves_closes_the_source_which_was_never_far_ahead(way, count, reads, turns):
    async def play():
        tap = Noted(range(count), turns=turns)
        read: list[int] = []
        async with aclosing(WAYS[way](tap)) as stream:  # type: ignore[type-var]  # all of them have it
            async for value in stream:
                if len(read) == reads:
                    break
                read.append(value)
                assert tap.given <= len(read) + AHEAD[way]
        assert list(range(count))[:reads] == read
        await until(lambda: tap.closing == 1)
        await settle()
        assert 1 == tap.closing

    asyncio.run(play())


@ways
@given(count=st.integers(0, 6), turns=st.integers(0, 6))
def test_a_reader_that_is_cancelled_closes_the_source_wherever_it_is(way, count, turns):
    async def play():
        # A thread that is inside an iterator cannot be interrupted: it must come back by itself.
        tap = Noted(range(count), endless=way != "thread", turns=3)
        stream = WAYS[way](tap)
        reading = asyncio.get_running_loop().create_task(all_of(stream))
        await until(lambda: tap.pulled > 0)
        await settle(turns)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        await stream.aclose()  # type: ignore[attr-defined]  # all of them have it
        await until(lambda: tap.closing == 1)

    asyncio.run(play())


@ways
@given(count=st.integers(0, 6), turns=st.integers(0, 6), between=st.integers(0, 12))
def test_a_reader_that_is_cancelled_twice_leaves_nothing_behind_and_closes_the_source(way, count, turns, between):
    async def play():
        tap = SlowToClose(range(count), endless=way != "thread", turns=3)
        stream = WAYS[way](tap)
        reading = asyncio.get_running_loop().create_task(all_of(stream))
        await until(lambda: tap.pulled > 0)
        await settle(turns)
        reading.cancel()
        await settle(between)
        reading.cancel()
        await asyncio.wait([reading], timeout=30)
        assert reading.done()
        await stream.aclose()  # type: ignore[attr-defined]  # all of them have it
        await until(lambda: tap.closing == 1 and 1 == len(asyncio.all_tasks()))
        # Awaiting the task that fills a queue, as `_through` does, hands a cancellation on to it.
        assert tap.closed or way.startswith("queue")

    asyncio.run(play())


@pytest.mark.slow
@ways
def test_a_thousand_streams_that_were_read_or_left_leave_nothing_behind(way):
    async def play(count):
        for number in range(count):
            tap = Noted(range(6))
            async with aclosing(WAYS[way](tap)) as stream:  # type: ignore[type-var]  # all of them have it
                async for value in stream:
                    if number % 2 and value == 2:
                        break
            await until(partial(getattr, tap, "closing"))
        await until(lambda: 1 == len(asyncio.all_tasks()))

    asyncio.run(play(50))
    asyncio.run(until_threads_end())
    first = held()
    asyncio.run(play(1000))
    asyncio.run(until_threads_end())
    last = held()
    assert last.objects - first.objects < 500, "something is kept of every second stream"
    assert (first.threads, first.files) == (last.threads, last.files)


async def until_threads_end():
    """Wait for the threads of streams: one that waits for a queue looks now and then whether anybody still reads."""
    await until(lambda: not [each for each in threading.enumerate() if each.name in NAMES])


NAMES = ("riverrun-iterator", "riverrun-queue", "riverrun-observable")


# --- ReactiveX from its own side ---


def _twice(value: int) -> int:
    return 2 * value


async def test_observables_of_the_library_are_streams():
    assert [0, 1, 2] == await all_of(from_observable(reactivex.range(3)))
    assert [0, 2, 4] == await all_of(from_observable(reactivex.of(0, 1, 2).pipe(operators.map(_twice)), limit=1))
    with pytest.raises(ValueError, match="broken"):
        await all_of(from_observable(reactivex.throw(ValueError("broken"))))


async def test_a_reader_that_leaves_an_observable_of_the_library_disposes_it():
    disposed = threading.Event()
    endless = reactivex.interval(0.001).pipe(operators.finally_action(disposed.set))
    async with aclosing(from_observable(endless)) as values:
        async for value in values:
            if value == 2:
                break
    await until(disposed.is_set)


async def test_a_subject_that_is_pushed_to_on_the_loop_is_read_there():
    subject: reactivex.Subject[int] = reactivex.Subject()
    stream = from_observable(subject, on_loop=True)
    reading = asyncio.get_running_loop().create_task(all_of(stream))
    await settle()
    for value in range(3):
        subject.on_next(value)
    subject.on_completed()
    assert [0, 1, 2] == await reading
