"""Streams for those who wait otherwise: callbacks, queues and blocking code, each read to the end or left early."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import InputError
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import START
from riverrun.nodes import push
from riverrun.nodes.inlet import Inlet
from riverrun.nodes.pull import from_callback, from_queue
from riverrun.nodes.push import Pulled, to_callback, to_queue, to_sync
from tests.nodes.sources import Response, SlowToClose, Tap, all_of, settle


@pytest.fixture(autouse=True)
def short_looks(monkeypatch):
    """A thread at a full queue looks more often whether anybody still writes."""
    monkeypatch.setattr(push, "_LOOK_INTERVAL", 0.005)


# --- callbacks ---


async def test_a_callback_is_given_every_value_and_then_the_end():
    told: list[Any] = []
    tap = Tap([1, None, 2])
    await to_callback(tap, told.append, lambda error: told.append(("end", error)))
    assert [1, None, 2, ("end", None)] == told
    assert 1 == tap.closed


async def test_an_error_is_told_once_to_the_end_or_else_raised():
    told: list[Any] = []
    failure = ValueError("cut")
    await to_callback(Tap([1], error=failure), told.append, told.append)
    assert [1, failure] == told
    with pytest.raises(ValueError, match="cut"):
        await to_callback(Tap([1], error=failure), told.append)


async def test_an_error_of_the_callback_closes_the_source():
    tap = Tap([1, 2])

    def fails(value):
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        await to_callback(tap, fails)
    assert (1, 1) == (tap.pulled, tap.closed)


async def test_a_callback_that_takes_no_more_ends_the_stream():
    tap, told = Tap(range(9)), list[Any]()
    await to_callback(tap, lambda value: value < 2, told.append)
    assert (3, 1, [None]) == (tap.pulled, tap.closed, told)


async def test_a_callback_that_is_awaited_sets_the_pace():
    tap, seen = Tap(range(5)), []

    async def slow(value):
        await settle()
        seen.append((value, tap.pulled))

    await to_callback(tap, slow)
    assert [(number, number + 1) for number in range(5)] == seen


async def test_cancelling_closes_the_source_and_tells_the_end_why():
    tap, told = Tap([1], endless=True), list[Any]()
    handing = asyncio.ensure_future(to_callback(tap, lambda _: None, told.append))
    await settle()
    handing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await handing
    assert 1 == tap.closed
    assert [asyncio.CancelledError] == [type(error) for error in told]


@pytest.mark.parametrize("turns", range(12))
@pytest.mark.parametrize("pushing", [False, True], ids=["reading", "pushing"])
async def test_a_second_cancellation_reaches_the_source_while_it_closes_and_is_not_lost(turns, pushing):
    tap, told = SlowToClose([1], endless=True), list[Any]()
    waits = asyncio.Event()
    handing = asyncio.ensure_future(to_callback(tap, lambda _: waits.wait() if pushing else None, told.append))
    await settle()
    handing.cancel()
    await settle(turns)
    handing.cancel()
    await asyncio.wait([handing], timeout=30)
    assert handing.cancelled()
    assert 1 == tap.closing
    assert tap.closed == (turns == 0 or turns > 6)  # told once, or closed before it was told again
    assert [asyncio.CancelledError] == [type(error) for error in told]


async def test_a_source_that_never_closes_is_left_at_the_second_cancellation_and_what_it_belongs_to_is_closed():
    closing, told = asyncio.Event(), list[Any]()

    async def clings():
        try:
            yield 1
        finally:
            closing.set()
            await asyncio.Event().wait()

    source = Response(clings())
    handing = asyncio.ensure_future(to_callback(source, lambda _: asyncio.Event().wait(), told.append))
    await settle()
    handing.cancel()
    await closing.wait()
    handing.cancel()
    await asyncio.wait([handing], timeout=30)
    assert handing.cancelled()
    assert 1 == source.closed
    assert [asyncio.CancelledError] == [type(error) for error in told]


async def test_what_is_iterated_and_what_was_given_are_both_closed():
    for take, endless in ((id, False), (lambda _: False, False), (id, True)):
        source = Response(Tap([1, 2], endless=endless))
        handing = asyncio.ensure_future(to_callback(source, take))
        await settle()
        handing.cancel()
        await asyncio.wait([handing], timeout=30)
        assert (1, 1) == (source.values.closed, source.closed)


@given(st.lists(st.integers(), max_size=30))
def test_there_and_back_again_is_the_same_stream(values):
    async def play():
        def subscribe(inlet: Inlet[int]):
            task = asyncio.ensure_future(to_callback(Tap(values), inlet.push, inlet.end))
            return task.cancel

        assert values == await all_of(from_callback(subscribe))

    asyncio.run(play())


# --- queues ---

END = object()


@pytest.mark.parametrize("kind", [asyncio.Queue, queue.Queue], ids=["loop", "threads"])
@pytest.mark.parametrize("size", [0, 1, 3])
async def test_a_queue_is_filled_at_the_pace_of_its_reader_and_ends_with_the_sentinel(kind, size):
    target = kind(size)
    tap = Tap(range(20))
    filling = asyncio.ensure_future(to_queue(tap, target, END))
    got = []
    async for value in from_queue(target, END):
        got.append(value)
        assert size == 0 or tap.pulled <= len(got) + size + 3
    await filling
    assert list(range(20)) == got
    assert 1 == tap.closed


async def test_a_queue_gets_its_sentinel_after_an_error_too():
    target: queue.Queue[Any] = queue.Queue()
    with pytest.raises(ValueError, match="cut"):
        await to_queue(Tap([1], error=ValueError("cut")), target, END)
    assert [1, END] == [target.get_nowait(), target.get_nowait()]


@pytest.mark.parametrize("turns", [0, 1, 3, 20])
@pytest.mark.parametrize("kind", [asyncio.Queue, queue.Queue], ids=["loop", "threads"])
async def test_filling_may_be_cancelled_twice_and_the_reader_hears_of_the_end(kind, turns):
    target, tap = kind(5), SlowToClose([0], endless=True)
    filling = asyncio.ensure_future(to_queue(tap, target, END))
    await settle()
    filling.cancel()
    await settle(turns)
    filling.cancel()
    await asyncio.wait([filling], timeout=30)
    assert (True, 1) == (filling.cancelled(), tap.closing)
    assert [0, END] == [target.get_nowait() for _ in range(target.qsize())]


async def test_filling_may_be_cancelled_whether_the_queue_is_full_or_not():
    for size, left in ((1, [0]), (5, [0, END])):
        target: queue.Queue[Any] = queue.Queue(size)
        tap = Tap([0] if size == 5 else [0, 1, 2], endless=True)
        filling = asyncio.ensure_future(to_queue(tap, target, END))
        await settle()
        filling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await filling
        assert 1 == tap.closed
        assert left == [target.get_nowait() for _ in range(target.qsize())]


# --- blocking code ---


async def test_a_thread_iterates_what_the_loop_reads():
    tap = Tap(range(50), turns=1)
    assert list(range(50)) == await asyncio.to_thread(list, to_sync(tap))
    assert 1 == tap.closed
    assert 1 == len(tap.tasks)


def test_without_a_loop_it_runs_one_of_its_own():
    tap = Tap(range(50), turns=1)
    assert list(range(50)) == list(to_sync(tap))
    assert 1 == tap.closed
    assert 1 == len(tap.tasks)


@pytest.mark.parametrize("own", [True, False])
async def test_an_error_comes_once_in_the_thread(own):
    def read(values):
        got = [next(values), next(values)]
        with pytest.raises(ValueError, match="cut"):
            next(values)
        return got + list(values)

    tap = Tap([1, 2], error=ValueError("cut"))
    values = Pulled(tap, None if own else asyncio.get_running_loop())
    assert [1, 2] == await asyncio.to_thread(read, values)
    assert 1 == tap.closed


@pytest.mark.parametrize("own", [True, False])
async def test_a_thread_that_leaves_closes_the_stream_and_nothing_is_pulled_unasked(own):
    tap = Tap(range(9))

    def read(values):
        with values:
            assert 0 == next(values)
            assert 1 == next(values)
        values.close()
        assert 1 == tap.closed
        return list(values)

    assert [] == await asyncio.to_thread(read, Pulled(tap, None if own else asyncio.get_running_loop()))
    assert 2 == tap.pulled


@pytest.mark.parametrize("own", [True, False])
async def test_a_thread_that_never_began_closes_the_stream(own):
    tap = Tap([1])
    await asyncio.to_thread(Pulled(tap, None if own else asyncio.get_running_loop()).close)
    assert (0, 1) == (tap.pulled, tap.closed)


async def test_a_thread_that_breaks_off_and_forgets_closes_the_stream():
    tap = Tap(range(9))

    def read():
        for _ in Pulled(tap, None):
            break

    await asyncio.to_thread(read)
    assert 1 == tap.closed


async def test_the_thread_of_the_loop_is_refused_instead_of_waiting_for_itself():
    tap = Tap([1])
    values = to_sync(tap)
    with pytest.raises(InputError) as caught:
        next(values)
    assert "E6006" == caught.value.code
    with pytest.raises(InputError):
        next(Pulled(tap, None))
    values.close()
    await settle()
    assert 1 == tap.closed


def test_a_loop_that_is_gone_is_told_of():
    async def make():
        return to_sync(Tap([1]))

    values = asyncio.run(make())
    assert [] == list(values)
    values.close()


async def test_a_plain_node_may_iterate_a_stream_of_the_loop():
    loop = asyncio.get_running_loop()

    def node(state):
        return {"text": "".join(to_sync(Tap("abc", turns=1), loop=loop))}

    state = await StateGraph(dict).add_node("node", node).add_edge(START, "node").compile().ainvoke({})
    assert {"text": "abc"} == state


async def test_two_threads_may_read_streams_of_one_loop():
    taps = [Tap(range(20), turns=1) for _ in range(2)]
    both = [asyncio.to_thread(list, to_sync(tap)) for tap in taps]
    assert [list(range(20))] * 2 == await asyncio.gather(*both)
    ours = {each.name for each in threading.enumerate() if each.name.startswith("riverrun")}
    assert ours <= {"riverrun-watchdog"}
