"""The bounded pool for sync nodes, so that blocking code never holds up the event loop.

Context variables are carried into the thread. A thread cannot be interrupted: work that was cancelled goes on to its
end as an orphan, is counted, and nothing it gives back is taken.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")

# A thread that pulls an iterator waits when this many values were not taken yet, and goes on at half of it.
_HIGH = 256
_LOW = 128


class Pool:
    """Threads for sync nodes.

    Args:
        size: How many at most; they are made when needed.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._executor: ThreadPoolExecutor | None = None
        self.orphans = 0  # how many calls go on although nobody waits for them any more
        self.abandoned = 0  # how many there ever were

    async def run(self, function: Callable[..., Result], *args: object) -> Result:
        """Call a sync function in a thread, with the context variables of the caller.

        Args:
            function: What to call.
            *args: Its arguments.

        Returns:
            What it returns.
        """
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._size, thread_name_prefix="riverrun-node")
        context = contextvars.copy_context()
        future = self._executor.submit(context.run, function, *args)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if not future.cancel() and not future.done():
                self.orphans += 1
                self.abandoned += 1
                future.add_done_callback(self._note_end)
            raise

    async def pull(self, iterator: Iterator[Any]) -> AsyncIterator[Any]:
        """Pull a sync iterator in a thread and give its values here, in order and with a bounded buffer between.

        Args:
            iterator: It is pulled by one thread only, and closed when this ends early.

        Yields:
            Its values.
        """
        belt = _Belt(asyncio.get_running_loop())
        task = asyncio.ensure_future(self.run(belt.fill, iterator))
        task.add_done_callback(lambda _: belt.arrived())
        try:
            while True:
                while belt.values:
                    yield belt.values.popleft()
                    if len(belt.values) <= _LOW:
                        belt.room.set()
                if task.done() and not belt.values:
                    break
                await belt.wait()
            task.result()
        finally:
            belt.closed = True
            belt.room.set()
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def close(self) -> None:
        """Take no more work; threads end with what they are doing. Idempotent."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)

    def _note_end(self, _future: object) -> None:
        self.orphans -= 1


class _Belt:
    """Values on their way from one thread to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.values: deque[Any] = deque()
        self.room = threading.Event()
        self.closed = False
        self._loop = loop
        self._announced = False
        self._arrival: asyncio.Future[None] | None = None

    def fill(self, iterator: Iterator[Any]) -> None:
        """Pull everything (in the thread)."""
        try:
            for value in iterator:
                if self.closed:
                    break
                self.values.append(value)
                if not self._announced:  # one wake-up for all that arrives until the loop gets to it
                    self._announced = True
                    self._loop.call_soon_threadsafe(self.arrived)
                if len(self.values) >= _HIGH:
                    self.room.clear()
                    while len(self.values) > _LOW and not self.closed:
                        self.room.wait(0.1)
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    def arrived(self) -> None:
        """Wake the loop's side (on the loop)."""
        self._announced = False
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    async def wait(self) -> None:
        """Wait until something arrives, or the thread ends."""
        self._arrival = self._loop.create_future()
        if not self.values:
            await self._arrival
