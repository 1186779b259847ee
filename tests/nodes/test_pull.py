"""Producers that push become streams: nothing lost, nobody left waiting, in a node as well as alone."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest

from riverrun.base.errors import InputError
from riverrun.events.kinds import NodeChunk, NodeFailed
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import START
from riverrun.nodes import pull
from riverrun.nodes.inlet import Inlet
from riverrun.nodes.pull import from_callback, from_queue


@pytest.fixture(autouse=True)
def short_looks(monkeypatch):
    """A thread at a queue looks more often whether anybody still reads."""
    monkeypatch.setattr(pull, "_LOOK_INTERVAL", 0.005)


class Client:
    """A library that calls back from a thread of its own until it is told to stop."""

    def __init__(self, count=10**9, error=None):
        self.count, self.error = count, error
        self.told = 0
        self.stopped = 0
        self.thread: threading.Thread | None = None

    def listen(self, inlet):
        """Begin to call back; give what ends it."""

        def work():
            while self.told < self.count and inlet.push(f"{self.told} "):
                self.told += 1
            inlet.end(self.error)

        self.thread = threading.Thread(target=work)
        self.thread.start()
        return self.stop

    def stop(self):
        """End it, and wait for its thread as such libraries do."""
        self.stopped += 1
        assert self.thread is not None
        self.thread.join(10)
        assert not self.thread.is_alive()


async def test_everything_that_is_told_is_read_and_then_the_client_is_stopped_once():
    client = Client(500)
    assert [f"{number} " for number in range(500)] == [value async for value in from_callback(client.listen, limit=7)]
    assert 1 == client.stopped


async def test_an_error_of_the_client_comes_after_its_values():
    client = Client(2, ValueError("cut"))
    values = from_callback(client.listen)
    assert ["0 ", "1 "] == [await anext(values), await anext(values)]
    with pytest.raises(ValueError, match="cut"):
        await anext(values)
    assert 1 == client.stopped


async def test_a_reader_that_leaves_stops_the_client_although_it_waits_at_a_full_buffer():
    client = Client()
    values = from_callback(client.listen, limit=2)
    assert "0 " == await anext(values)
    await values.aclose()
    assert 1 == client.stopped
    assert client.told <= 4


async def test_a_reader_that_is_cancelled_stops_the_client():
    released = []

    def subscribe(inlet: Inlet[Any]) -> Callable[[], None]:
        return lambda: released.append(inlet.closed)

    reading = asyncio.ensure_future(anext(from_callback(subscribe)))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert [True] == released


async def test_nothing_is_subscribed_before_the_first_value_is_asked_for():
    subscribed: list[Any] = []
    values = from_callback(subscribed.append)
    await values.aclose()
    assert [] == subscribed


async def test_a_subscription_that_fails_is_told():
    def fails(inlet):
        raise OSError("no line")

    with pytest.raises(OSError, match="no line"):
        await anext(from_callback(fails))


async def test_callbacks_on_the_loop_itself_are_read_too():
    def subscribe(inlet):
        loop = asyncio.get_running_loop()
        for number in range(3):
            loop.call_soon(inlet.push, number)
        loop.call_soon(inlet.end)

    assert [0, 1, 2] == [value async for value in from_callback(subscribe)]


async def test_a_buffer_holds_at_least_one():
    with pytest.raises(InputError) as caught:
        await anext(from_callback(lambda inlet: None, limit=0))
    assert "E6006" == caught.value.code


# --- queues ---

END = object()


async def test_a_queue_of_threads_is_read_to_its_sentinel_and_marked_as_done():
    source: queue.Queue[Any] = queue.Queue()
    for value in (1, None, "END", END, 2):
        source.put(value)
    assert [1, None, "END"] == [value async for value in from_queue(source, END)]
    assert (1, 1) == (source.qsize(), source.unfinished_tasks)


async def test_a_queue_that_fills_slowly_is_waited_for():
    source: queue.Queue[int | None] = queue.Queue()

    def fill():
        for number in range(50):
            source.put(number)
        source.put(None)

    threading.Thread(target=fill).start()
    assert list(range(50)) == [value async for value in from_queue(source)]


async def test_leaving_a_queue_of_threads_leaves_its_values_to_others():
    source: queue.Queue[int] = queue.Queue()
    for number in range(10):
        source.put(number)
    values = from_queue(source)
    assert 0 == await anext(values)
    await values.aclose()
    for thread in [each for each in threading.enumerate() if each.name == "riverrun-queue"]:
        await asyncio.to_thread(thread.join)
    assert source.qsize() >= 7


async def test_a_queue_that_breaks_is_told():
    class Broken(queue.Queue[int]):
        def get(self, block=True, timeout=None):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await anext(from_queue(Broken()))


async def test_a_queue_of_the_loop_is_read_to_its_sentinel():
    source: asyncio.Queue[Any] = asyncio.Queue()
    reading = asyncio.create_task(_all(from_queue(source, END)))
    for value in (1, 2, END, 3):
        await source.put(value)
    assert [1, 2] == await reading
    assert 1 == source.qsize()


async def _all(values):
    return [value async for value in values]


# --- in a node ---


def graph(node):
    return StateGraph(dict).add_node("node", node).add_edge(START, "node").compile()


async def test_a_node_may_give_back_what_a_client_tells():
    client = Client(20)
    state = await graph(lambda state: {"text": from_callback(client.listen, limit=3)}).ainvoke({})
    assert "".join(f"{number} " for number in range(20)) == state["text"]


async def test_stopping_the_run_stops_the_client():
    client = Client()

    async def node(state):
        return {"text": from_callback(client.listen, limit=3)}

    run = await graph(node).start({})
    async for event in run.events():
        if isinstance(event, NodeChunk):
            break
    await run.stop("enough")
    assert 1 == client.stopped


async def test_an_error_of_the_client_is_the_nodes():
    async def node(state):
        return {"text": from_callback(Client(2, ValueError("cut")).listen)}

    run = await graph(node).start({})
    log = [event async for event in run.events()]
    (failed,) = [event for event in log if isinstance(event, NodeFailed)]
    assert "ValueError" == failed.error.kind
    assert ["0 ", "1 "] == [event.value for event in log if isinstance(event, NodeChunk)]
    await run.stop()
