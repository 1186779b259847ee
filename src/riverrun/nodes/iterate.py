"""A sync iterator as a stream: a thread pulls it, so that code that blocks never holds up the event loop.

A thread cannot be interrupted. One that is inside the iterator when its reader leaves closes it as soon as it comes
back, and nothing that it brings is taken; one that waits for its reader closes it at once, and the reader waits for it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from contextvars import copy_context
from functools import partial
from typing import Generic, TypeVar

from riverrun.base.errors import InputError
from riverrun.nodes.inlet import Inlet
from riverrun.nodes.pull import from_callback
from riverrun.nodes.stream import Stream, close

Value = TypeVar("Value")


def from_iterator(source: Iterable[Value], *, limit: int = 1) -> Stream[Value]:
    """Make a stream of what an iterator gives.

    Args:
        source: What is iterated, and closed, in a thread of its own with the context variables of the reader.
        limit: How many values may wait to be read; one more is in the hands of the thread.

    Returns:
        The values, in order. It raises what the iterator raised.

    Raises:
        InputError: E6006, `limit` is less than 1.
    """
    if limit < 1:
        raise InputError("E6006", f"limit is {limit}, not a number from 1")
    return Stream(partial(_pulled, source, limit), partial(close, source))


async def _pulled(source: Iterable[Value], limit: int) -> AsyncGenerator[Value, None]:
    puller = _Puller(source)
    try:
        async with aclosing(from_callback(puller.begin, limit=limit)) as values:
            async for value in values:
                yield value
    finally:
        await puller.leave()


class _Puller(Generic[Value]):
    """The thread that pulls an iterator, and what its reader must know of it."""

    def __init__(self, source: Iterable[Value]) -> None:
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._inside = False  # in the iterator, which may take any time
        self._left = False
        self._closed: asyncio.Future[BaseException | None] | None = None

    def begin(self, inlet: Inlet[Value]) -> None:
        """Begin to pull."""
        work = partial(copy_context().run, self._work, inlet)
        threading.Thread(target=work, name="riverrun-iterator", daemon=True).start()
        self._closed = self._loop.create_future()

    async def leave(self) -> None:
        """Wait until the iterator is closed, unless the thread is inside it and may not come back."""
        with self._lock:
            self._left = True
            inside = self._inside
        if self._closed is not None and not inside:
            error = await self._closed
            if error is not None:
                raise error

    def _work(self, inlet: Inlet[Value]) -> None:
        iterator: Iterator[Value] | None = None
        error: BaseException | None = None
        try:
            iterator = iter(self._source)
            while (taken := self._next(iterator)) and inlet.push(taken[0]):
                pass
        except BaseException as failed:  # noqa: BLE001  # the reader must hear it, whatever it is
            error = failed
        for each in (iterator, None if iterator is self._source else self._source):
            try:
                getattr(each, "close", _nothing)()
            except BaseException as failed:  # noqa: BLE001  # as above
                error = error or failed
        untold = error if inlet.closed else None
        inlet.end(error)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._settle, untold)

    def _next(self, iterator: Iterator[Value]) -> tuple[Value, ...]:
        with self._lock:
            if self._left:
                return ()
            self._inside = True
        try:
            for value in iterator:
                return (value,)
            return ()
        finally:
            with self._lock:
                self._inside = False

    def _settle(self, error: BaseException | None) -> None:
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(error)


def _nothing() -> None:
    """Stand for the `close` of what has none."""
