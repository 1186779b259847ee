"""The tasks of one run: where each is, how they are told to end, and what becomes of those that do not.

A task group would wait for ever for a node that swallows its cancellation; here it is abandoned after a grace, counted
as an orphan, and nothing it still says is heard. This file does not know the machine, only execution ids.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import Context as Variables
from typing import Any

from msgspec import Struct

from riverrun.base.errors import Fenced, RiverrunError
from riverrun.runs.context import Context
from riverrun.runs.pool import Pool

_log = logging.getLogger("riverrun.runs")


class Place(Struct, eq=False):
    """Where a lane is: at one execution.

    Attributes:
        task: The lane.
        told: Whether the execution was told to end.
        heard: Whether it matters how it ends.
        abandoned: Whether nobody waits for it any more.
        counts: Whether it matters how the execution ends, and somebody still waits for it.
        context: What the node there may ask of its run, once it has begun.
        timer: Rings when the execution has had time enough to end.
    """

    task: asyncio.Task[None] | None
    told: bool = False
    heard: bool = True
    abandoned: bool = False
    counts: bool = True
    context: Context | None = None
    timer: asyncio.TimerHandle | None = None

    @property
    def disturbed(self) -> bool:
        """Whether its task bears marks of a cancellation, which `leave` takes away."""
        return self.task is not None and self.task.cancelling() > 0


class Lanes:
    """Keep the lanes of one run.

    Args:
        pool: Where abandoned tasks are counted.
        grace: Seconds that an execution is given to end once it was told to.
        abandoned: Called with the execution that did not, if it still matters.

    Attributes:
        open: Whether lanes may be started.
        leaving: Whether all lanes are cancelled because the run is left as it is.
    """

    def __init__(self, pool: Pool, grace: float, abandoned: Callable[[str], None]) -> None:
        self.open = False
        self.leaving = False
        self._pool = pool
        self._grace = grace
        self._abandoned = abandoned
        self._places: dict[str, Place] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._main: asyncio.Task[Any] | None = None
        self._failure: BaseException | None = None

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]], begin: Callable[[], None]) -> None:
        """Keep lanes open while something is done; afterwards none is left.

        Args:
            work: What is done meanwhile; a failure of a lane cancels it.
            begin: Called once lanes may be started.

        Raises:
            BaseException: What `work` raised, or a lane.
        """
        self._main = asyncio.current_task()
        self._open()
        try:
            begin()
            if not self.leaving:
                await work()
        except asyncio.CancelledError:
            self.leaving = True
            if self._failure is None:
                raise
            if self._main is not None:
                self._main.uncancel()
        except BaseException:
            self.leaving = True
            raise
        finally:
            self.open = False
            await self._close()
            self._main = None
        if self._failure is not None:
            raise self._failure

    def _open(self) -> None:
        self._failure, self.leaving, self.open = None, False, True

    def start(self, exec_id: str, lane: Coroutine[Any, Any, None], variables: Variables | None = None) -> None:
        """Start a lane at an execution.

        Args:
            exec_id: Which one.
            lane: What it does.
            variables: The context variables that it begins with, its own from then on; None: those of the caller.
        """
        if not self.open:
            lane.close()
            return
        task = asyncio.get_running_loop().create_task(lane, context=variables)
        before = self._places.get(exec_id)
        if before is None or before.task is not None:  # else it was told to end before it began
            self._places[exec_id] = Place(None)  # it is not there yet: cancelled now, it would never say so
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def enter(self, exec_id: str, task: asyncio.Task[Any] | None) -> Place:
        """Note that a lane is at an execution, until `leave`."""
        place = self._places.get(exec_id)
        if place is None or place.task is not None:  # what is left of an attempt before may still be on its way out
            place = self._places[exec_id] = Place(task)
        else:
            place.task = task
        return place

    def leave(self, exec_id: str, place: Place) -> None:
        """Note that a lane is done with an execution."""
        if place.timer is not None:
            place.timer.cancel()
        task = place.task
        # What cancelled one node says nothing to the next; a task group inside a node leaves such marks too.
        while task is not None and task.cancelling() and not self.leaving:
            task.uncancel()
        if self._places.get(exec_id) is place:
            del self._places[exec_id]

    def cancel(self, exec_id: str, *, heard: bool) -> None:
        """Tell an execution to end.

        Args:
            exec_id: Which one.
            heard: Whether it matters how it ends.
        """
        place = self._places.get(exec_id)
        if place is None:  # ordered, but not begun
            place = self._places[exec_id] = Place(None)
        place.told, place.heard, place.counts = True, heard, heard
        if place.context is not None:
            place.context.tell_stopping()
        if place.task is not None:  # else it looks at `told` when it begins
            place.task.cancel()
            # In no context of a node: a timer that was called off would keep that, and the run, until its time is over.
            loop = asyncio.get_running_loop()
            place.timer = loop.call_later(self._grace, self._abandon, exec_id, place, context=Variables())

    def at(self, exec_id: str) -> Place | None:
        """Give the place of an execution that runs; none of an attempt that is over, or was abandoned."""
        return self._places.get(exec_id)

    def is_leaving(self, exec_id: str) -> bool:
        """Say whether an execution was told to end."""
        place = self._places.get(exec_id)
        return place is None or place.told

    def fail(self, error: BaseException) -> None:
        """Let the run be left because of an error, wherever we are."""
        if self.open and self._failure is None:
            self._failure = error
            self.leaving = True
            if self._main is not None and self._main is not asyncio.current_task():
                self._main.cancel()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            if not isinstance(error, RiverrunError | Fenced):
                error = error if isinstance(error, Exception) else RuntimeError(f"{type(error).__name__} in the worker")
            self.fail(error)

    def _abandon(self, exec_id: str, place: Place) -> None:
        if place.abandoned or place.task is None:
            return
        self._leave(place)
        _log.warning("execution %s did not end within %g s of being told to; it was abandoned", exec_id, self._grace)
        if place.heard:
            self._abandoned(exec_id)

    def _leave(self, place: Place) -> None:
        place.abandoned, place.counts = True, False
        for exec_id, one in list(self._places.items()):
            if one is place:
                del self._places[exec_id]
        if place.task is not None and place.task in self._tasks:
            self._tasks.discard(place.task)
            place.task.remove_done_callback(self._done)
            self._pool.adopt(place.task)

    async def _close(self) -> None:
        """Wait until every lane has ended; those that do not within the grace are abandoned."""
        self._tasks = {task for task in self._tasks if not task.done()}  # most have just ended
        for task in self._tasks:
            if self.leaving or not self._is_told(task):
                task.cancel()
        if self._tasks:
            await self._settle()
        for place in list(self._places.values()):
            self._leave(place)
        self._places.clear()

    async def _settle(self) -> None:
        deadline = asyncio.get_running_loop().time() + self._grace
        while self._tasks:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return
            try:
                await asyncio.wait(self._tasks, timeout=left)
            except asyncio.CancelledError:  # told again: it is on its way already
                continue

    def _is_told(self, task: asyncio.Task[None]) -> bool:
        return any(place.task is task and place.told for place in self._places.values())
