"""A bounded set of threads: a few that stay, a queue, and some more while the queue is full.

The threads hold on to the desk where the work lies, never to `Threads` itself: a pool that nobody holds any more takes
its threads with it. They are daemons: a call that hangs must not hold the process. It knows no asyncio.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from typing import Any, TypeVar
from weakref import finalize

Result = TypeVar("Result")

_SPARE_SECONDS = 5.0  # that a thread beyond the core waits for more work before it ends
_numbers = count(1)


class Threads:
    """Threads that are made when they are needed.

    Args:
        core: How many stay, once they are there.
        most: How many there are while the queue is full.
        queue: How many calls may wait.
    """

    def __init__(self, core: int, most: int, queue: int) -> None:
        self._desk = _Desk(core, max(core, most), queue)
        # The desk and not this object, or the finaliser would keep alive what it waits for.
        self._end = finalize(self, self._desk.close)
        self._end.atexit = False

    def submit(self, function: Callable[..., Result], *args: object, beyond: bool = False) -> Future[Result] | None:
        """Have something called in a thread.

        Args:
            function: What to call.
            *args: Its arguments.
            beyond: Let it wait even where the queue is full.

        Returns:
            What will come of it; None when everything is full.

        Raises:
            RuntimeError: After `close`.
        """
        job = _Job(function, args)
        return job.future if self._desk.put(job, beyond=beyond) else None

    @property
    def alive(self) -> int:
        """How many threads there are."""
        return self._desk.alive

    @property
    def waiting(self) -> int:
        """How many calls wait for a thread."""
        return self._desk.waiting

    def close(self) -> None:
        """Take no more work and drop what waits; threads end with what they are doing. Idempotent."""
        self._end()


class _Job:
    """A call and what will come of it."""

    __slots__ = ("args", "function", "future")

    def __init__(self, function: Callable[..., Any], args: tuple[object, ...]) -> None:
        self.function = function
        self.args = args
        self.future: Future[Any] = Future()

    def run(self) -> None:
        """Make the call (in a thread), unless nobody waits for it any more."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.function(*self.args)
        except BaseException as error:  # noqa: BLE001  # it is raised where the call is awaited
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class _Desk:
    """Where work lies until a thread takes it."""

    def __init__(self, core: int, most: int, queue: int) -> None:
        self.jobs: deque[_Job] = deque()
        self.alive = 0
        self._core = core
        self._most = most
        self._queue = queue
        self._idle = 0
        self._closed = False
        # Reentrant: the collector may run the finaliser while this very thread is here.
        self._changed = threading.Condition(threading.RLock())

    @property
    def waiting(self) -> int:
        """How many calls lie here that no thread is about to take."""
        return max(0, len(self.jobs) - self._idle)

    def put(self, job: _Job, *, beyond: bool) -> bool:
        """Lay work down; say whether there was room."""
        with self._changed:
            if self._closed:
                raise RuntimeError("the pool is closed")
            if self._idle > len(self.jobs):
                self.jobs.append(job)
                self._changed.notify()
                return True
            if self.waiting >= self._queue:
                self._forget_cancelled()
            full = self.waiting >= self._queue
            grows = self.alive < (self._most if full else self._core)
            if full and not grows and not beyond:
                return False
            self.jobs.append(job)
            if grows:
                self.alive += 1
                self._idle += 1
                threading.Thread(target=self.work, name=f"riverrun-node_{next(_numbers)}", daemon=True).start()
            return True

    def work(self) -> None:
        """Do what lies here until there is nothing more (in a thread)."""
        while (job := self._take()) is not None:
            job.run()
            del job  # or what it holds would live until the next one comes
            with self._changed:
                self._idle += 1

    def _take(self) -> _Job | None:
        with self._changed:
            while not self.jobs and not self._closed:
                told = self._changed.wait(_SPARE_SECONDS if self.alive > self._core else None)
                if not told and not self.jobs and self.alive > self._core:
                    break
            self._idle -= 1
            if self.jobs:
                return self.jobs.popleft()
            self.alive -= 1
            return None

    def _forget_cancelled(self) -> None:
        waiting = [job for job in self.jobs if not job.future.cancelled()]
        if len(waiting) < len(self.jobs):
            self.jobs.clear()
            self.jobs.extend(waiting)

    def close(self) -> None:
        """Drop what waits and send the threads home."""
        with self._changed:
            self._closed = True
            dropped = list(self.jobs)
            self.jobs.clear()
            self._changed.notify_all()
        for job in dropped:
            job.future.cancel()
