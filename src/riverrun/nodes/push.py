"""Streams that are pulled become what others wait for: callbacks, queues, iterators for threads.

The other direction of `riverrun.nodes.pull`. Here too either side may leave, the other hears of it, and whoever is
slower sets the pace.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterable, Callable, Coroutine, Generator
from concurrent.futures import wait
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from riverrun.base.errors import InputError
from riverrun.nodes.feed import Feeds, opened
from riverrun.nodes.inlet import running_loop
from riverrun.nodes.stream import Source, close

Value = TypeVar("Value")
Result = TypeVar("Result")


_LOOK_INTERVAL = 0.1  # seconds that a thread waits without a look whether the other side is still there


async def to_callback(
    source: Source[Value],
    push: Callable[[Value], object],
    end: Callable[[BaseException | None], object] | None = None,
) -> None:
    """Hand every value of a stream to a function, until the stream ends. To leave it early, cancel this.

    Args:
        source: What is read; it is closed in the end.
        push: Given each value. What it gives back is awaited if it can be; False means that no more is taken.
        end: Called once, at the very end, with the error if there was one. Without it the error is raised.

    Raises:
        BaseException: What the source or `push` raised, where there is no `end`; a cancellation in any case. One that
            comes while the source is closed is for the source too.
    """
    await Handing(source, push, end).run()


class Handing(Generic[Value]):
    """A stream on its way to a function, to be run once.

    Args:
        source: As in `to_callback`.
        push: As there.
        end: As there.

    Attributes:
        closing: Whether the source is being closed: who cancels now cuts that short.
    """

    def __init__(
        self,
        source: Source[Value],
        push: Callable[[Value], object],
        end: Callable[[BaseException | None], object] | None = None,
    ) -> None:
        self.closing = False
        self._source = source
        self._push = push
        self._end = end

    async def run(self) -> None:
        """Hand everything on.

        Raises:
            BaseException: As in `to_callback`.
        """
        failure: BaseException | None = None
        try:
            await self._hand_on()
        except BaseException as error:
            failure = error
            if self._end is None or not isinstance(error, Exception):
                raise
        finally:
            if self._end is not None:
                self._end(failure)

    async def _hand_on(self) -> None:
        source, push = self._source, self._push
        stream = opened(source)
        try:
            async for value in stream:
                answer = push(value)
                if hasattr(answer, "__await__"):
                    answer = await answer
                if answer is False:
                    return
        finally:
            self.closing = True
            try:
                await close(stream)
            finally:
                if isinstance(source, AsyncIterable) and stream is not source:
                    await close(source)  # a response of a client library, say, which its iterator does not close


async def to_queue(
    source: Source[Value], target: queue.Queue[Value] | asyncio.Queue[Value], sentinel: Any = None
) -> None:
    """Put every value of a stream into a queue, and then the sentinel. While the queue is full this waits.

    Args:
        source: What is read; it is closed in the end.
        target: A queue of threads, or one of this loop.
        sentinel: The object that means the end; it is put in after an error too. When this is cancelled while the queue
            is full, whoever reads it must be told in another way.

    Raises:
        BaseException: What the source raised.
    """
    put = target.put if isinstance(target, asyncio.Queue) else partial(_put, target)
    try:
        await to_callback(source, put)
    except Exception:
        await put(sentinel)
        raise
    except BaseException:
        if not target.full():
            target.put_nowait(sentinel)
        raise
    await put(sentinel)


async def _put(target: queue.Queue[Value], value: Value) -> None:
    try:
        target.put_nowait(value)
    except queue.Full:
        gone = threading.Event()
        try:
            await asyncio.to_thread(_put_in_thread, target, value, gone)
        finally:
            gone.set()


def _put_in_thread(target: queue.Queue[Value], value: Value, gone: threading.Event) -> None:
    while not gone.is_set():
        try:
            target.put(value, timeout=_LOOK_INTERVAL)
        except queue.Full:
            continue
        return


def to_sync(source: Source[Value], *, loop: asyncio.AbstractEventLoop | None = None) -> Pulled[Value]:
    """Make a stream an iterator for code that blocks.

    Args:
        source: What is read.
        loop: Where it is read; by default the loop that runs here. Where none does, the stream gets a loop of its own,
            which runs in the thread that iterates, while that waits for a value.

    Returns:
        The iterator; for one thread, which must not be that of the loop.
    """
    return Pulled(source, loop or running_loop())


class Pulled(Generic[Value]):
    """An iterator over a stream. Leaving it early closes the stream: by `close`, `with`, or by forgetting it.

    Args:
        source: What is read.
        loop: Where; None: in a loop of its own.
    """

    def __init__(self, source: Source[Value], loop: asyncio.AbstractEventLoop | None) -> None:
        self._feeds = Feeds([source])
        self._loop = loop
        self._values: Generator[Value, None, None] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Value:
        here = running_loop()
        if here is not None and self._loop in (None, here):
            what = "the iterator of to_sync was asked in the thread of a loop, which would wait for itself"
            raise InputError("E6006", what, mend="Iterate it in another thread, such as in a plain node (def).")
        if self._values is None:
            self._values = _pull(self._feeds, self._loop)
        return next(self._values)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the stream: it is closed when this returns, or in the thread of its loop soon after. Idempotent.

        Raises:
            BaseException: What could not be closed raised it.
        """
        if self._values is None:
            self._values = _pull(self._feeds, self._loop, read=False)
            next(self._values, None)
        self._values.close()


def _pull(
    feeds: Feeds[Value], loop: asyncio.AbstractEventLoop | None, *, read: bool = True
) -> Generator[Value, None, None]:
    # Not a method: with a way back to the iterator, one that is forgotten would only be closed by the collector.
    with asyncio.Runner() if loop is None else _Elsewhere(loop) as host:
        try:
            while read and (taken := host.run(_next(feeds))):
                yield taken[0]
        finally:
            host.run(feeds.release())


async def _next(feeds: Feeds[Value]) -> tuple[Value, ...]:
    (feed,) = feeds.every
    feed.ask()
    return await feeds.of(feed)


class _Elsewhere:
    """What runs coroutines on a loop in another thread, as `asyncio.Runner` does on its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the loop to whom it belongs."""

    def run(self, work: Coroutine[Any, Any, Result]) -> Result | None:
        """Run something and give its result; None where nobody can wait for it, or nobody is there to run it."""
        if self._loop.is_closed():
            work.close()  # what the loop ran was cancelled when it was closed
            return None
        done = asyncio.run_coroutine_threadsafe(work, self._loop)
        if running_loop() is self._loop:
            return None
        while not done.done():
            # A loop that was stopped and closed meanwhile runs nothing more, and tells nobody.
            wait((done,), timeout=_LOOK_INTERVAL)
            if self._loop.is_closed() and not done.done():
                work.close()
                return None
        return done.result()
