"""Sources that are read side by side: one task each, asked for one value at a time, all closed when the reading ends.

A source is opened, pulled and closed in one and the same task, because time-outs and connections of client libraries
insist on that. Nothing is pulled that nobody asked for, so no source is ever more than one value ahead.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable, Sequence
from types import TracebackType
from typing import Generic, Self, TypeVar

from riverrun.base.errors import InputError
from riverrun.nodes.iterate import from_iterator
from riverrun.nodes.stream import Source, close

Value = TypeVar("Value")


class Feed(Generic[Value]):
    """One source. Made by `Feeds`.

    Args:
        source: What is read.
        feeds: Told of what arrives.

    Attributes:
        ready: Whether a value, the end or an error waits to be taken.
        begun: Whether its task has run.
        over: Whether its end or its error was taken.
    """

    def __init__(self, source: Source[Value], feeds: Feeds[Value]) -> None:
        self.ready = self.begun = self.over = False
        self.task: asyncio.Task[None] | None = None
        self._source = source
        self._feeds = feeds
        self._asked = self._ending = self._told = False
        self._value: tuple[Value, ...] = ()
        self._error: BaseException | None = None
        self._demand: asyncio.Future[None] | None = None

    def ask(self) -> None:
        """Have the next value made, unless one waits or is being made."""
        if self._asked or self.over:
            return
        self._asked = True
        if self._demand is not None:
            self._demand.set_result(None)
        else:
            self.task = asyncio.get_running_loop().create_task(self._pump())

    def take(self) -> tuple[Value, ...]:
        """Give what waits.

        Returns:
            One value, or none: the source has ended.

        Raises:
            BaseException: What the source raised, once.
        """
        error, taken = self._error, self._value
        self._error, self._value = None, ()
        self.ready = self._asked = False
        self.over = not taken
        if error is not None:
            raise error
        return taken

    def end(self) -> None:
        """Tell the source to end, unless it is ending already: to be closed without being disturbed is its right."""
        self._told = True
        if self.task is not None and not self._ending:
            self.task.cancel()

    async def close(self) -> None:
        """Close the source, where its own task did not get to begin."""
        if not self.begun:
            self.begun = self.over = True
            await close(self._source)

    def failure(self) -> BaseException | None:
        """Give the error that nobody has taken, if there is one."""
        error, self._error = self._error, None
        return error

    async def _pump(self) -> None:
        self.begun = True
        source = self._source
        try:
            stream = opened(source)
            try:
                await self._pull(stream)
            finally:
                if isinstance(source, AsyncIterable) and stream is not source:
                    await close(source)  # a response of a client library, say, which its iterator does not close
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is raised again where the value was awaited
            if not (self._told and isinstance(error, asyncio.CancelledError)):
                self._error = error
        self._arrive()

    async def _pull(self, stream: AsyncIterator[Value]) -> None:
        loop = asyncio.get_running_loop()
        try:
            async for value in stream:
                self._demand = loop.create_future()
                self._value = (value,)
                self._arrive()
                await self._demand
        finally:
            self._ending = True
            await close(stream)

    def _arrive(self) -> None:
        self.ready = True
        self._feeds.arrived(self)


class Feeds(Generic[Value]):
    """Several sources: closed, each in its task, when the block ends that this opens (`async with`).

    Args:
        sources: What is read.

    Attributes:
        every: The sources, in the order given.

    Raises:
        InputError: E6006, one of them cannot be iterated.
    """

    def __init__(self, sources: Sequence[Source[Value]]) -> None:
        for source in sources:
            if not isinstance(source, AsyncIterable | Iterable):
                raise InputError("E6006", f"a source is {type(source).__name__}, which cannot be iterated")
        self.every = tuple(Feed(source, self) for source in sources)
        self._arrived: deque[Feed[Value]] = deque()
        self._wake: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failures = await self._end()
        told = None if isinstance(error, GeneratorExit) else error
        for failure in failures:
            if told is None:
                told = failure
            else:
                told.add_note(f"another source could not be closed: {failure!r}")
        if told is not None and told is not error:
            raise told

    def ask(self) -> None:
        """Have every source make its next value."""
        for feed in self.every:
            feed.ask()

    def arrived(self, feed: Feed[Value]) -> None:
        """Take note that something of a source waits to be taken."""
        self._arrived.append(feed)
        self._ring()

    async def first(self, until: float | None = None) -> Feed[Value] | None:
        """Give the source of which something arrived first, each arrival once.

        Args:
            until: The loop's time, in seconds, to wait until; None: as long as it takes.

        Returns:
            The source; None: all are over, or it is time.
        """
        loop = asyncio.get_running_loop()
        timer = None if until is None else loop.call_at(until, self._ring)
        try:
            while not self._arrived:
                if all(feed.over for feed in self.every) or (until is not None and loop.time() >= until):
                    return None
                self._wake = loop.create_future()
                await self._wake
        finally:
            if timer is not None:
                timer.cancel()
        return self._arrived.popleft()

    async def of(self, feed: Feed[Value]) -> tuple[Value, ...]:
        """Give the next of one source, which has been asked, whatever else arrives.

        Returns:
            One value, or none: the source has ended.

        Raises:
            BaseException: What the source raised, once.
        """
        while not feed.ready:
            await self.first()
        return feed.take()

    async def release(self) -> None:
        """Close the sources without having begun.

        Raises:
            BaseException: What the first source that could not be closed raised.
        """
        async with self:
            pass

    def _ring(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _end(self) -> list[BaseException]:
        """End every task, close what never began, and give what went wrong."""
        tasks = {feed.task for feed in self.every if feed.task is not None and not feed.task.done()}
        told: list[BaseException] = []
        for feed in self.every:
            feed.end()
        while tasks:
            try:
                _, tasks = await asyncio.wait(tasks)
            except asyncio.CancelledError as again:  # told once more: that is for the sources too
                told = [again]
                for task in tasks:
                    task.cancel()
        failures = [error for feed in self.every if (error := feed.failure()) is not None]
        for feed in self.every:
            try:
                await feed.close()
            except asyncio.CancelledError as late:
                told = [late]
            except BaseException as failure:  # noqa: BLE001  # the others must be closed all the same
                failures.append(failure)
        return told + failures


def opened(source: Source[Value]) -> AsyncIterator[Value]:
    """Give an async iterator over a source.

    Args:
        source: What is async is iterated as it is, what is in memory (a collection) here, anything else in a thread.

    Returns:
        The iterator; it is to be closed.
    """
    if isinstance(source, AsyncIterable):
        return source.__aiter__()
    return _each(source) if isinstance(source, Collection) else from_iterator(source)


async def _each(values: Collection[Value]) -> AsyncIterator[Value]:
    for value in values:
        yield value
