"""Producers that push become streams that are pulled: callbacks of a client library, queues of other threads.

What these functions give is an async iterator like any other, so a node may give it back under a key. Leaving one early
ends the producer's side too, and the producer's end or error is the stream's.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import TypeVar

from riverrun.base.errors import InputError
from riverrun.nodes.inlet import Inlet

Value = TypeVar("Value")

_LOOK_INTERVAL = 0.1  # seconds that a thread waits at a queue without a look whether anybody still reads


async def from_callback(
    subscribe: Callable[[Inlet[Value]], Callable[[], object] | None], *, limit: int = 1000
) -> AsyncGenerator[Value, None]:
    """Make a stream of what a producer tells by callbacks.

    Args:
        subscribe: Called on the loop when the first value is asked for; it must not block. It hands `inlet.push` and
            `inlet.end` to the producer, and may give back a function that is called once when the stream is over.
        limit: How many values may wait to be read; `Inlet.push` says what happens then.

    Yields:
        The values, in the order in which they were pushed.

    Raises:
        InputError: E6006, `limit` is less than 1.
        BaseException: What `subscribe` raised, or what `inlet.end` was told.
    """
    if limit < 1:
        raise InputError("E6006", f"limit is {limit}, not a number from 1")
    inlet: Inlet[Value] = Inlet(asyncio.get_running_loop(), limit)
    unsubscribe: Callable[[], object] | None = None
    try:
        unsubscribe = subscribe(inlet)
        while taken := await inlet.take():
            yield taken[0]
    finally:
        inlet.end()  # first: a thread that waits in `push` is free when `unsubscribe` waits for it
        if unsubscribe is not None:
            unsubscribe()


async def from_queue(
    source: queue.Queue[Value] | asyncio.Queue[Value], sentinel: object = None
) -> AsyncGenerator[Value, None]:
    """Make a stream of what others put into a queue; what is taken from it is marked as done.

    Args:
        source: A queue of threads, or one of this loop.
        sentinel: The object that means the end; it is compared by identity.

    Yields:
        The values before the sentinel. When a queue of threads is left early, a value or two may have been taken.

    Raises:
        Exception: What the queue raised, such as that it was shut down.
    """
    if isinstance(source, queue.Queue):
        async with aclosing(from_callback(partial(_drain, source, sentinel), limit=1)) as values:
            async for value in values:
                yield value
        return
    while (value := await source.get()) is not sentinel:
        source.task_done()
        yield value
    source.task_done()


def _drain(source: queue.Queue[Value], sentinel: object, inlet: Inlet[Value]) -> None:
    def work() -> None:
        while not inlet.closed:
            try:
                value = source.get(timeout=_LOOK_INTERVAL)
            except queue.Empty:
                continue
            except Exception as error:  # noqa: BLE001  # the reader must hear it, whatever it is
                inlet.end(error)
                return
            source.task_done()
            if value is sentinel:
                inlet.end()
            else:
                inlet.push(value)

    threading.Thread(target=work, name="riverrun-queue", daemon=True).start()
