"""Observables become streams and streams Observables: pushed at once, in threads, on a loop; left from either side."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import Busy
from riverrun.nodes.observable import Observable, from_observable
from tests.nodes.sources import SlowToClose, Tap, all_of, settle

PATIENCE = 10.0


class Subscription:
    """What a pushing Observable gives back."""

    def __init__(self, source):
        self.source = source

    def dispose(self):
        """Note it."""
        self.source.disposed += 1


class Cold:
    """Pushes everything before `subscribe` comes back, as the library's `from_iterable` does; disposed by an error."""

    def __init__(self, count, error=None):
        self.count, self.error = count, error
        self.pushed = self.disposed = self.broken_off = 0

    def subscribe(self, on_next, on_error, on_completed, /):
        """Push."""
        for number in range(self.count):
            self.pushed += 1
            try:
                on_next(number)
            except Exception:
                self.broken_off += 1
                raise
        if self.error is None:
            on_completed()
        else:
            on_error(self.error)
        return Subscription(self)


class Hot(Cold):
    """Pushes from a thread of its own until it is disposed."""

    def subscribe(self, on_next, on_error, on_completed, /):
        """Begin to push."""

        def work():
            while self.pushed < self.count and not self.disposed:
                self.pushed += 1
                on_next(self.pushed - 1)
            on_completed()

        self.thread = threading.Thread(target=work)
        self.thread.start()
        return Subscription(self)


@given(st.integers(0, 60), st.integers(1, 8))
def test_everything_that_is_pushed_at_once_is_read_in_order_although_little_may_wait(count, limit):
    source = Cold(count)
    assert list(range(count)) == asyncio.run(all_of(from_observable(source, limit=limit)))


async def test_a_thread_of_its_own_is_held_back_and_loses_nothing():
    source, got = Hot(300), 0
    async for value in from_observable(source, limit=3):
        assert got == value
        got += 1
        assert source.pushed <= got + 6
    assert 300 == got
    await asyncio.to_thread(source.thread.join, PATIENCE)


async def test_an_error_comes_once_behind_the_values_before_it():
    stream = from_observable(Cold(2, ValueError("cut")))
    assert [0, 1] == [await anext(stream), await anext(stream)]
    with pytest.raises(ValueError, match="cut"):
        await anext(stream)
    assert [] == await all_of(stream)


async def test_a_subscription_that_fails_is_told():
    class Broken:
        def subscribe(self, on_next, on_error, on_completed, /):
            raise OSError("no line")

    for on_loop in (False, True):
        with pytest.raises(OSError, match="no line"):
            await all_of(from_observable(Broken(), on_loop=on_loop))


async def test_a_reader_that_leaves_disposes_a_thread_of_its_own():
    source = Hot(10**9)
    stream = from_observable(source, limit=2)
    assert 0 == await anext(stream)
    await stream.aclose()
    await asyncio.to_thread(source.thread.join, PATIENCE)
    assert not source.thread.is_alive()
    assert source.disposed == 1


async def test_a_reader_that_leaves_breaks_off_what_pushes_at_once_and_for_ever():
    source = Cold(10**9)
    stream = from_observable(source, limit=2)
    assert 0 == await anext(stream)
    await stream.aclose()
    for thread in [each for each in threading.enumerate() if each.name == "riverrun-observable"]:
        await asyncio.to_thread(thread.join, PATIENCE)
    assert 1 == source.broken_off


async def test_one_that_is_left_while_it_subscribes_is_disposed_when_it_has():
    inside, go = threading.Event(), threading.Event()

    class Slow(Cold):
        def subscribe(self, on_next, on_error, on_completed, /):
            inside.set()
            assert go.wait(PATIENCE)
            return Subscription(self)

    source = Slow(0)
    reading = asyncio.ensure_future(all_of(from_observable(source)))
    await asyncio.to_thread(inside.wait, PATIENCE)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    go.set()
    for thread in [each for each in threading.enumerate() if each.name == "riverrun-observable"]:
        await asyncio.to_thread(thread.join, PATIENCE)
    assert 1 == source.disposed


async def test_on_the_loop_nobody_can_wait_so_too_much_at_once_is_an_error():
    assert [0, 1, 2] == await all_of(from_observable(Cold(3), limit=3, on_loop=True))
    source = Cold(9)
    stream = from_observable(source, limit=3, on_loop=True)
    with pytest.raises(Busy) as caught:
        await all_of(stream)
    assert "E3015" == caught.value.code
    assert (4, 1) == (source.pushed, source.broken_off)


# --- the other way ---


def listening(told):
    return (
        lambda value: told.append(("next", value)),
        lambda error: told.append(("error", error)),
        lambda: told.append(("completed",)),
    )


async def test_a_stream_pushes_its_values_and_its_end():
    told: list[tuple[object, ...]] = []
    tap = Tap([1, 2])
    Observable(tap).subscribe(*listening(told))
    await settle()
    assert [("next", 1), ("next", 2), ("completed",)] == told
    assert 1 == tap.closed


async def test_a_stream_pushes_its_error_once_and_nobody_need_listen_to_it():
    told: list[tuple[object, ...]] = []
    failure = ValueError("cut")
    Observable(Tap([1], error=failure)).subscribe(*listening(told))
    Observable(quiet := Tap([1])).subscribe(lambda _: None)
    Observable(bad := Tap([1], error=failure)).subscribe(lambda _: None)
    await settle()
    assert [("next", 1), ("error", failure)] == told
    assert (1, 1) == (quiet.closed, bad.closed)


@pytest.mark.parametrize("turns", [0, 1, 2, 20])
async def test_disposing_closes_the_source_at_any_time_and_nothing_is_called_any_more(turns):
    told: list[tuple[object, ...]] = []
    tap = Tap([1], endless=True)
    subscription = Observable(tap).subscribe(*listening(told))
    await settle(turns)
    subscription.dispose()
    subscription.dispose()
    await settle()
    assert 1 == tap.closed
    assert told in ([], [("next", 1)])


@pytest.mark.parametrize("turns", range(10))
async def test_disposing_again_does_not_disturb_the_closing_of_the_source(turns):
    told: list[tuple[object, ...]] = []
    tap = SlowToClose([1], endless=True)
    subscription = Observable(tap).subscribe(*listening(told))
    await settle()
    subscription.dispose()
    await settle(turns)
    subscription.dispose()
    await settle(40)
    assert (1, 1) == (tap.closing, tap.closed)
    assert [("next", 1)] == told


@pytest.mark.parametrize("turns", range(12))
@pytest.mark.parametrize("error", [None, ValueError("cut")], ids=["end", "error"])
async def test_disposing_does_not_disturb_a_source_that_ends_by_itself_and_nothing_is_called_any_more(turns, error):
    told: list[tuple[object, ...]] = []
    tap = SlowToClose([1], error=error)
    subscription = Observable(tap).subscribe(*listening(told))
    await settle(turns)
    subscription.dispose()
    before = len(told)
    await settle(40)
    assert (1, 1) == (tap.closing, tap.closed)
    assert before == len(told)


async def test_an_error_in_closing_what_was_disposed_is_told_to_nobody():
    told: list[tuple[object, ...]] = []
    tap = Tap([1], endless=True, close_error=ValueError("stuck"))
    subscription = Observable(tap).subscribe(*listening(told))
    await settle()
    subscription.dispose()
    await settle()
    assert (1, [("next", 1)]) == (tap.closed, told)


def test_a_source_that_never_closes_does_not_hold_up_the_end_of_its_loop():
    told = []

    async def hangs():
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            told.append("closing")
            try:
                await asyncio.Event().wait()
            finally:
                told.append("cut off")

    async def begin():
        subscription = Observable(hangs()).subscribe(lambda _: None)
        await settle()
        subscription.dispose()
        await settle()

    asyncio.run(begin())
    assert ["closing", "cut off"] == told


async def test_it_may_be_subscribed_and_disposed_in_any_thread():
    tap = Tap([1], endless=True)
    observable = Observable(tap)
    subscription = await asyncio.to_thread(observable.subscribe, lambda _: None)
    await settle()
    await asyncio.to_thread(subscription.dispose)
    await settle()
    assert 1 == tap.closed


def test_disposing_after_the_loop_has_gone_harms_nobody():
    async def begin():
        return Observable(Tap([1], endless=True)).subscribe(lambda _: None)

    asyncio.run(begin()).dispose()


@given(st.lists(st.integers(), max_size=30), st.integers(1, 4))
def test_there_and_back_again_is_the_same_stream(values, limit):
    async def play():
        assert values == await all_of(from_observable(Observable(Tap(values)), limit=len(values) + 1, on_loop=True))
        assert values == await all_of(from_observable(Observable(Tap(values)), limit=len(values) + limit))

    asyncio.run(play())
