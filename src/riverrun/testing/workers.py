"""A worker in virtual time: the real service, with its lease thread as a task and its store far away.

A call of the store travels: it takes time there and back, may arrive and its answer be lost, and has its effect even
when whoever asked is dead by then. Killing and standing still are of the whole process, or of all but its leases.

This file does not know what goes wrong, or when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event as Flag
from typing import Any

from riverrun.base.clock import Clock
from riverrun.graph.plan import Plan
from riverrun.log.store import LogStore
from riverrun.runs.lease import LeaseKeeper
from riverrun.runs.service import RunService
from riverrun.runs.settings import RunSettings
from riverrun.testing.faults import failed
from riverrun.testing.layer import Call, StoreLayer
from riverrun.testing.virtual import Process, VirtualClock, VirtualLoop, here

Lag = Callable[[], float]

_RENEWALS_PER_LEASE = 3


class Connection(StoreLayer):
    """One process's way to the store: calls travel there and back, and a process that is dead gets no answers.

    Args:
        inner: The store, with its faults.
        process: Whose connection this is.
        lag: Gives the seconds of one way.
    """

    def __init__(self, inner: LogStore, process: Process, lag: Lag) -> None:
        super().__init__(inner)
        self._process = process
        self._lag = lag

    async def around(self, call: Call) -> Any:
        """Send a call and wait for its answer.

        Raises:
            StoreError: E4002, the process is dead.
            RiverrunError: What the store answers.
        """
        if not self._process.alive:
            raise failed(call)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        answer: asyncio.Future[Any] = loop.create_future()
        carrier = loop.spawn(None, self._carry(call, answer))
        if call.verb == "wait":  # what waits for a hint ends with whoever wanted it; anything else is done all the same
            answer.add_done_callback(lambda _: carrier.cancel())
        return await answer

    def around_now(self, call: Call) -> Any:
        """Renew, at this very moment.

        Raises:
            StoreError: E4002, the process is dead, or the store failed.
        """
        if not self._process.alive:
            raise failed(call)
        return call(self.inner)

    async def _carry(self, call: Call, answer: asyncio.Future[Any]) -> None:
        await asyncio.sleep(self._lag())
        error: BaseException | None = None
        given: Any = None
        try:
            given = await call(self.inner)
        except asyncio.CancelledError:
            raise
        except BaseException as raised:  # noqa: BLE001  # the store's answer, whatever it is
            error = raised
        await asyncio.sleep(self._lag())
        if answer.done():
            return
        if error is None:
            answer.set_result(given)
        else:
            answer.set_exception(error)


class _Bell(Flag):
    """The flag that a lease thread sleeps on, for a task."""

    def __init__(self) -> None:
        super().__init__()
        self.rung = asyncio.Event()

    def set(self) -> None:
        """Wake the task."""
        self.rung.set()


class _Behind:
    """A clock that can be asked what time it was when a call began that takes its effect only now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.seconds = 0.0

    def now_ms(self) -> int:
        """Return the wall-clock time in milliseconds since the Unix epoch."""
        return self._clock.now_ms()

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return self._clock.monotonic() - self.seconds


class LoopLeaseKeeper(LeaseKeeper):
    """A lease keeper whose thread is a task of a process of its own: a worker that stands still keeps its leases.

    A renewal cannot wait, as it is called from a thread. One that takes long is called when it has its effect, and told
    that it was asked for so much earlier: that is all that can be seen of the difference.

    Args:
        store: Where they are.
        worker: Id of the worker.
        clock: The time.
        lease_seconds: How long a renewal lasts.
        process: What stands for the thread.
        lag: Gives the seconds that a renewal takes.
    """

    def __init__(
        self, store: LogStore, worker: str, clock: Clock, lease_seconds: float, process: Process, lag: Lag
    ) -> None:
        self._behind = _Behind(clock)
        super().__init__(store, worker, self._behind, lease_seconds)
        self._process = process
        self._lag = lag
        self._interval = lease_seconds / _RENEWALS_PER_LEASE
        self._seconds = lease_seconds
        self._bell: _Bell | None = None
        self._task: asyncio.Task[None] | None = None
        self._owner: Process | None = None
        self._told: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Start the task. Idempotent."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        if self._task is None:
            self._loop = loop
            self._owner = here()
            self._look = self._bell = _Bell()
            self._task = loop.spawn(self._process, self._renew_on_the_loop(self._bell))

    async def close(self) -> None:
        """Stop renewing, and let the leases end now. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
            self._renew(0.0)

    async def _renew_on_the_loop(self, bell: _Bell) -> None:
        while True:
            seconds = self._lag()
            await asyncio.sleep(seconds)
            self._behind.seconds = seconds
            self._renew(self._seconds)
            self._behind.seconds = 0.0
            with suppress(TimeoutError):
                await asyncio.wait_for(bell.rung.wait(), self._interval)
            bell.rung.clear()

    def _call(self, function: Callable[[], None]) -> None:
        """Tell the worker, in its own process."""

        async def tell() -> None:
            function()

        if isinstance(self._loop, VirtualLoop):
            self._told.add(told := self._loop.spawn(self._owner, tell()))
            told.add_done_callback(self._told.discard)


class Worker(RunService):
    """A run service in virtual time.

    Args:
        name: For messages.
        connect: Gives its way to the store, by the process that goes it.
        lag: Gives the seconds that a renewal takes.
        graphs: Plans by name.
        settings: Limits and intervals.

    Attributes:
        name: As given.
        wall: Its clock.
        process: Everything of it but the leases.
        lease_process: What stands for its lease thread.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[Process], LogStore],
        lag: Lag,
        graphs: Mapping[str, Plan],
        settings: RunSettings,
    ) -> None:
        self.name = name
        self.process = Process(name)
        self.lease_process = Process(f"{name}'s leases")
        self.wall = VirtualClock(asyncio.get_running_loop())
        store = connect(self.process)
        super().__init__(store, graphs, clock=self.wall, settings=settings)
        self._leases = LoopLeaseKeeper(store, self.worker, self.wall, settings.lease_seconds, self.lease_process, lag)

    @property
    def checkpoints_begun(self) -> int:
        """How many folds began with a checkpoint."""
        return self._history.checkpoints.counts["begun"]

    def kill(self) -> None:
        """End it as SIGKILL does: nothing is given back, and what is under way to the store arrives."""
        self.process.kill()
        self.lease_process.kill()

    def freeze(self) -> None:
        """Stop it as SIGSTOP does, threads and all."""
        self.process.pause()
        self.lease_process.pause()

    def block(self) -> None:
        """Let a node hold up its event loop; its lease thread goes on."""
        self.process.pause()

    def starve(self) -> None:
        """Let its lease thread not come to its turn; its event loop goes on."""
        self.lease_process.pause()

    def go_on(self) -> None:
        """Let it go on after `freeze`, `block` or `starve`."""
        self.process.go_on()
        self.lease_process.go_on()
