"""The bounded pool for sync nodes, so that blocking code never holds up the event loop.

Context variables are carried into the thread, and what is set there ends with the call. A thread cannot be
interrupted: work that was cancelled goes on to its end as an orphan, is counted, and nothing it gives back is taken.
What happens when all threads work and the queue is full is the caller's to choose (`RunSettings.pool_full`).
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Generic, Literal, TypeVar

from riverrun.base.errors import Busy
from riverrun.runs.settings import RunSettings
from riverrun.runs.threads import Threads

Result = TypeVar("Result")
WhenFull = Literal["wait", "refuse", "call"]

# A thread that pulls an iterator waits when this many values were not taken yet, and goes on at half of it.
_HIGH = 256
_LOW = 128


class Pool:
    """Threads for sync nodes.

    Args:
        size: How many stay, once they were needed.
        most: How many there are while the queue is full; None: as many as stay.
        queue: How many calls may wait for a thread.
        full: What a call does when there is no room: `wait` until there is; be refused (`refuse`); or `call` the
            function where it is, on the event loop, which holds up everybody else and so slows those who call. An
            iterator cannot be pulled there: it waits.
    """

    def __init__(self, size: int, most: int | None = None, *, queue: int = 200, full: WhenFull = "wait") -> None:
        self._full = full
        self._threads = Threads(size, size if most is None else most, queue)
        self.abandoned = 0  # how many calls ever went on although nobody waited for them any more
        self._orphans: set[Future[Any] | asyncio.Task[Any]] = set()

    @classmethod
    def by(cls, settings: RunSettings) -> Pool:
        """Make a pool as the settings say."""
        return cls(settings.pool_size, settings.pool_max, queue=settings.pool_queue, full=settings.pool_full)

    @property
    def orphans(self) -> int:
        """How many calls go on although nobody waits for them any more."""
        return len(self._orphans)

    async def run(self, function: Callable[..., Result], *args: object, **named: object) -> Result:
        """Call a sync function in a thread, with the context variables of the caller.

        Args:
            function: What to call.
            *args: Its arguments.
            **named: Its arguments by name.

        Returns:
            What it returns.

        Raises:
            Busy: E3044, everything is full, and the pool refuses then.
            BaseException: What it raises.
        """
        whole = partial(function, **named) if named else function
        return (await self._outcome(whole, *args, here=self._full == "call")).give()

    async def _outcome(self, function: Callable[..., Result], *args: object, here: bool = False) -> _Outcome[Result]:
        context = contextvars.copy_context()
        waits = self._full == "wait" or (self._full == "call" and not here)
        future = self._threads.submit(context.run, _Outcome[Result], function, *args, beyond=waits)
        if future is None and here:
            return context.run(_Outcome[Result], function, *args)
        if future is None:
            raise Busy("E3044", f"{self._threads.alive} threads work and {self._threads.waiting} calls wait")
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if not future.cancel() and not future.done():
                self.abandoned += 1
                self._orphans.add(future)
                future.add_done_callback(self._orphans.discard)
            raise

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Count a task that does not end although it was told to, until it does."""
        self.abandoned += 1
        self._orphans.add(task)
        task.add_done_callback(self._orphans.discard)

    async def pull(self, iterator: Iterator[Any]) -> AsyncIterator[Any]:
        """Pull a sync iterator in a thread and give its values here, in order and with a bounded buffer between.

        Args:
            iterator: It is pulled by one thread only, and closed when this ends early.

        Yields:
            Its values, and whatever the thread put between them (`Aside`).
        """
        belt = _Belt(asyncio.get_running_loop())
        task = asyncio.ensure_future(self._outcome(belt.fill, iterator))
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
            task.result().give()
        finally:
            belt.closed = True
            belt.room.set()
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            if not belt.begun:
                _close(iterator)

    def close(self) -> None:
        """Take no more work; threads end with what they are doing. Idempotent."""
        self._threads.close()


class Aside:
    """Something that an iterator did between two values: to be called when the values before it were taken."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call


def say_in_turn(call: Callable[[], None]) -> bool:
    """Have something called on the loop after the values that the iterator in this thread gave before.

    Args:
        call: What to call.

    Returns:
        False when no iterator is being pulled here: nothing will be called.
    """
    belt = _here.get()
    if belt is not None:
        belt.put(Aside(call))
    return belt is not None


class _Outcome(Generic[Result]):
    """What came of a call, carried as a value.

    Raised through a future a StopIteration would leave its waiter there for ever, a TimeoutError would lose its
    traceback, and a SystemExit would end the loop.
    """

    def __init__(self, function: Callable[..., Result], *args: object) -> None:
        self._error: BaseException | None = None
        try:
            self._value = function(*args)
        except BaseException as error:  # noqa: BLE001  # it is raised again where the call is awaited
            self._error = error

    def give(self) -> Result:
        """Give back what the function did, or raise what it raised."""
        error, self._error = self._error, None
        if error is not None:
            raise error
        return self._value


def _close(iterator: Iterator[Any]) -> None:
    close = getattr(iterator, "close", None)
    if close is not None:
        close()


class _Belt:
    """Values on their way from one thread to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.values: deque[Any] = deque()
        self.room = threading.Event()
        self.begun = False
        self.closed = False
        self._loop = loop
        self._announced = False
        self._arrival: asyncio.Future[None] | None = None

    def fill(self, iterator: Iterator[Any]) -> None:
        """Pull everything (in the thread)."""
        self.begun = True
        _here.set(self)
        try:
            for value in iterator:
                if self.closed:
                    break
                self.put(value)
        finally:
            _close(iterator)

    def put(self, value: object) -> None:
        """Lay a value on the belt, and wait while it is full (in the thread)."""
        self.values.append(value)
        if not self._announced:  # one wake-up for all that arrives until the loop gets to it
            self._announced = True
            self._loop.call_soon_threadsafe(self.arrived)
        if len(self.values) >= _HIGH:
            self.room.clear()
            while len(self.values) > _LOW and not self.closed:
                self.room.wait(0.1)

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


# The belt that this thread's iterator is laid on; carried along like every context variable.
_here: contextvars.ContextVar[_Belt | None] = contextvars.ContextVar("riverrun-belt", default=None)
