"""A bounded buffer between a producer that pushes, from any thread, and the one reader of a stream on a loop.

Values come in order; the end or the error always comes, after all values before it. Both sides may leave at any time.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import Generic, TypeVar

from riverrun.base.errors import Busy

Value = TypeVar("Value")


class Inlet(Generic[Value]):
    """Where a producer pushes its values, from any thread. Made by `riverrun.nodes.pull.from_callback`.

    Args:
        loop: The loop of the reader.
        limit: How many values may wait to be read.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self.closed = False  # whether the end was told, or the reader has left
        self._loop = loop
        self._limit = limit
        self._values: deque[Value] = deque()
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._arrival: asyncio.Future[None] | None = None

    def push(self, value: Value) -> bool:
        """Hand over a value. While the buffer is full the thread waits; the thread of the reader's loop cannot.

        Args:
            value: What the reader is to get.

        Returns:
            False when it was not taken: the end was told, or the reader has left. Cease to produce.

        Raises:
            Busy: E3015, the buffer is full, and this thread would wait for itself to read it.
        """
        with self._changed:
            if self._full() and running_loop() is self._loop:
                what = f"{self._limit} values wait to be read, as many as may, by the thread that pushes"
                raise Busy("E3015", what, mend="Push fewer at a time, raise limit, or push from another thread.")
            self._changed.wait_for(lambda: not self._full())
            if not self.closed:
                self._values.append(value)
                self._wake()
            return not self.closed

    def end(self, error: BaseException | None = None) -> None:
        """Say that no more values come. Never waits; what comes after the first end changes nothing.

        Args:
            error: What the reader gets after the values before it; None for a good end.
        """
        with self._changed:
            if not self.closed:
                self.closed, self._error = True, error
                self._changed.notify_all()
                self._wake()

    async def take(self) -> tuple[Value, ...]:
        """Give the next value, or nothing once the end has come; for the one reader.

        Returns:
            One value or none.

        Raises:
            BaseException: What `end` was told.
        """
        while True:
            with self._changed:
                if self._values:
                    self._changed.notify()
                    return (self._values.popleft(),)
                if self._error is not None:
                    raise self._error
                if self.closed:
                    return ()
                arrival = self._arrival = self._loop.create_future()
            await arrival

    def _full(self) -> bool:
        return not self.closed and len(self._values) >= self._limit

    def _wake(self) -> None:
        arrival, self._arrival = self._arrival, None
        if arrival is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_release, arrival)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Give the loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _release(arrival: asyncio.Future[None]) -> None:
    if not arrival.done():
        arrival.set_result(None)
