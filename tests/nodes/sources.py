"""Sources for the tests of streams: each knows how far it was pulled, that it was closed, and in which task."""

from __future__ import annotations

import asyncio
from typing import Any


class Tap:
    """An async iterator over given values that may fail at the end, wait, and be slow by some turns of the loop.

    Attributes:
        pulled: How many values it was asked for.
        given: How many it gave.
        closed: How often it was closed.
        tasks: The tasks that pulled and closed it.
    """

    def __init__(self, values=(), error=None, turns=0, endless=False, close_error=None):
        self.values, self.error, self.turns = list(values), error, turns
        self.endless, self.close_error = endless, close_error
        self.pulled = self.given = self.closed = 0
        self.tasks: set[Any] = set()

    def __aiter__(self):
        return self

    async def __anext__(self):
        self.pulled += 1
        self.tasks.add(asyncio.current_task())
        for _ in range(self.turns):
            await asyncio.sleep(0)
        if self.given < len(self.values):
            self.given += 1
            return self.values[self.given - 1]
        if self.endless:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        raise StopAsyncIteration

    async def aclose(self):
        """Note it."""
        await asyncio.sleep(0)
        self.tasks.add(asyncio.current_task())
        self.closed += 1
        if self.close_error is not None:
            raise self.close_error


class SlowToClose(Tap):
    """A tap that takes some turns to close, and can be cut short while it does.

    Attributes:
        closing: How often that was begun.
    """

    closing = 0

    async def aclose(self):
        """Note it, take the time, and close."""
        self.closing += 1
        await settle(5)
        await super().aclose()


class Response:
    """What is iterated by something else and wants to be closed itself, as responses of client libraries do."""

    def __init__(self, values):
        self.values = values
        self.closed = 0

    def __aiter__(self):
        return self.values

    async def aclose(self):
        """Note it."""
        self.closed += 1


async def all_of(stream):
    """Read a stream to its end."""
    return [value async for value in stream]


async def settle(turns=20):
    """Give every task that could go on the turns to do so."""
    for _ in range(turns):
        await asyncio.sleep(0)
