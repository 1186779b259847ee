"""Sources side by side: one task each, one value at a time, closed in the task that pulled them."""

from __future__ import annotations

import asyncio

import pytest

from riverrun.base.errors import InputError
from riverrun.nodes.feed import Feeds, opened
from tests.nodes.sources import Tap, all_of, settle


async def test_a_source_makes_one_value_for_each_time_it_is_asked():
    tap = Tap(range(9))
    async with Feeds([tap]) as feeds:
        (feed,) = feeds.every
        for number in range(3):
            feed.ask()
            feed.ask()
            await settle()
            assert number + 1 == tap.pulled
            assert (True, (number,)) == (feed.ready, feed.take())
    assert 1 == tap.closed


async def test_arrivals_are_given_in_their_order_and_then_that_all_are_over():
    async with Feeds([Tap([1], turns=9), Tap([2])]) as feeds:
        feeds.ask()
        slow, quick = feeds.every
        assert quick is await feeds.first()
        assert (2,) == quick.take()
        quick.ask()
        assert quick is await feeds.first()
        assert () == quick.take()
        assert slow is await feeds.first()
        slow.take()
        slow.ask()
        assert () == await feeds.of(slow)
        quick.ask()  # over: nothing comes of it
        feeds._arrived.clear()
        assert await feeds.first() is None


async def test_waiting_has_an_end_where_one_is_given():
    async with Feeds([Tap(endless=True)]) as feeds:
        feeds.ask()
        assert await feeds.first(asyncio.get_running_loop().time()) is None


async def test_an_error_is_given_once():
    async with Feeds([Tap(error=ValueError("cut"))]) as feeds:
        feeds.ask()
        feed = await feeds.first()
        assert feed is not None
        with pytest.raises(ValueError, match="cut"):
            feed.take()
        assert feed.failure() is None


async def test_a_task_that_was_told_to_end_before_it_began_closes_its_source_all_the_same():
    tap = Tap([1])
    async with Feeds([tap]) as feeds:
        feeds.ask()  # and not one turn for its task
    assert (0, 1) == (tap.pulled, tap.closed)


async def test_a_source_that_is_closing_by_itself_is_not_disturbed():
    began, done = asyncio.Event(), []

    class Slow(Tap):
        async def aclose(self):
            began.set()
            await settle(10)
            done.append(True)

    async with Feeds([Slow()]) as feeds:
        feeds.ask()
        await began.wait()
    assert [True] == done


async def test_a_cancellation_while_sources_that_never_began_are_closed_is_not_lost():
    reached = asyncio.Event()

    class Stuck(Tap):
        async def aclose(self):
            reached.set()
            await asyncio.Event().wait()

    other = Tap()
    releasing = asyncio.ensure_future(Feeds([Stuck(), other]).release())
    await reached.wait()
    releasing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await releasing
    assert 1 == other.closed


async def test_what_is_iterated_and_what_was_given_are_both_closed():
    tap = Tap([1])

    class Response:
        closed = 0

        def __aiter__(self):
            return tap

        async def close(self):
            self.closed += 1

    response = Response()
    async with Feeds([response]) as feeds:
        feeds.ask()
        await feeds.first()
    assert (1, 1) == (tap.closed, response.closed)


async def test_a_source_that_cannot_even_be_opened_is_an_error_of_the_source():
    class Bad:
        def __aiter__(self):
            raise OSError("no line")

    async with Feeds([Bad()]) as feeds:
        feeds.ask()
        with pytest.raises(OSError, match="no line"):
            await feeds.of(feeds.every[0])


def test_what_cannot_be_iterated_is_refused():
    with pytest.raises(InputError) as caught:
        Feeds([3])  # type: ignore[arg-type]
    assert "int" in caught.value.message


async def test_all_kinds_of_iterables_are_opened():
    for source in ([1, 2], (1, 2), range(1, 3), iter([1, 2]), Tap([1, 2]), {1: 0, 2: 0}):
        assert [1, 2] == await all_of(opened(source))
