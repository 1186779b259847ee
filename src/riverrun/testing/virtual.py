"""Time that passes only when nothing else is left to do: asyncio without waiting, the same from run to run.

The loop jumps to its next timer instead of sleeping, so a test of minutes takes milliseconds and every order of events
is a function of the code. Its tasks can be told apart by *process*: what would be one process of the operating system
can be paused (SIGSTOP) and killed as a whole while others go on.

It does not know stores, runs or faults. Threads have no place here: what calls into the loop from one is not
deterministic any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

T = TypeVar("T")
Body = Coroutine[Any, Any, T]

# How often the loop may turn without time going by: far more than any honest work between two timers.
_TURNS_IN_A_MOMENT = 100_000
_START_MS = 1_700_000_000_000


class Process:
    """What is paused and killed as one: tasks, their callbacks and their timers.

    Args:
        name: For messages.

    Attributes:
        name: As given.
        alive: Whether it was not killed.
        paused: Whether it stands still.
        tasks: Its tasks that are not done.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.paused = False
        self.tasks: dict[asyncio.Task[Any], None] = {}  # in order: that of a set is another one each time
        self._held: list[_Callback] = []

    def pause(self) -> None:
        """Let nothing of it run until `go_on`; what happens meanwhile waits for it. As SIGSTOP does."""
        self.paused = True

    def go_on(self) -> None:
        """Run what waited, in the order in which it came. As SIGCONT does. Idempotent."""
        self.paused = False
        held, self._held = self._held, []
        for callback in held:
            callback.again()

    def hold(self, callback: _Callback) -> None:
        """Keep a callback until the process goes on."""
        self._held.append(callback)

    def kill(self) -> None:
        """End it: its tasks are cancelled wherever they are. Whoever talks to it must ask `alive` first. Idempotent.

        A process that is killed does nothing more. A task has to be told, and says so to whatever it calls on its way
        out: that is why a store must refuse a process that is not alive.
        """
        self.alive = False
        self.go_on()
        for task in list(self.tasks):
            task.cancel()


_PROCESS: ContextVar[Process | None] = ContextVar("riverrun-process", default=None)


def here() -> Process | None:
    """Give the process that is running now; None outside of all."""
    return _PROCESS.get()


class _Callback:
    """One callback of a process: run at its time, or later when the process stands still then."""

    __slots__ = ("_args", "_call", "_context", "_loop", "_process", "handle")

    def __init__(
        self,
        loop: VirtualLoop,
        process: Process,
        call: Callable[..., object],
        args: tuple[Any, ...],
        context: Context,
    ) -> None:
        self._loop = loop
        self._process = process
        self._call = call
        self._args = args
        self._context = context
        self.handle: asyncio.Handle | None = None

    def __call__(self) -> None:
        if self._process.paused:
            self._process.hold(self)
        elif self.handle is None or not self.handle.cancelled():  # it may have been cancelled while it was held
            self._call(*self._args)

    def again(self) -> None:
        """Put it in the queue once more."""
        self._loop.call_soon(self, context=self._context)


class _Jump:
    """What stands where a loop has its selector: no files, and time jumps instead of passing."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        """Let `timeout` seconds go by."""
        self._loop.pass_time(timeout)
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop in virtual time.

    Args:
        limit_seconds: Virtual seconds after which it gives up (AssertionError).
    """

    def __init__(self, limit_seconds: float = 86_400.0) -> None:
        super().__init__()
        self._selector = _Jump(self)
        self._now = 0.0
        self._limit = limit_seconds
        self._turns = 0
        self._clock_resolution = 1e-9
        self.set_task_factory(_make_task)

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._now

    def pass_time(self, timeout: float | None) -> None:
        """Go to the next timer; called by the loop itself between two turns.

        Args:
            timeout: Seconds until then; None: there is none.

        Raises:
            AssertionError: There is nothing to wait for, or the limit is passed, or time has ceased to pass.
        """
        if timeout is None:
            raise AssertionError(f"at {self._now:.3f} s everything waits, and nothing will come")
        self._turns = 0 if timeout else self._turns + 1
        self._now += timeout
        if self._now > self._limit:
            raise AssertionError(f"not done after {self._limit:.0f} virtual seconds")
        if self._turns > _TURNS_IN_A_MOMENT:
            raise AssertionError(f"at {self._now:.3f} s the loop turns without end")

    def lift_limits(self) -> None:
        """Let it take as long as it takes from now on: for cleaning up after it was stuck."""
        self._limit = float("inf")
        self._turns = -_TURNS_IN_A_MOMENT

    def spawn(self, process: Process | None, body: Body[T], name: str | None = None) -> asyncio.Task[T]:
        """Start a task in a process.

        Args:
            process: Which; None: outside of all.
            body: What it does.
            name: Of the task.

        Returns:
            The task.
        """
        context = copy_context()
        context.run(_PROCESS.set, process)
        return self.create_task(body, name=name, context=context)

    def call_soon(  # type: ignore[override]  # the stub's type variables say no more than this
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As asyncio's, but held while the process that asks stands still."""
        process = _PROCESS.get() if context is None else context.get(_PROCESS)
        if process is None or type(callback) is _Callback:
            return super().call_soon(callback, *args, context=context)
        context = context or copy_context()
        held = _Callback(self, process, callback, args, context)
        held.handle = super().call_soon(held, context=context)
        return held.handle

    def call_soon_threadsafe(  # type: ignore[override]  # as above
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As `call_soon`: there are no other threads."""
        return self.call_soon(callback, *args, context=context)

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As asyncio's, but held while the process that asks stands still."""
        process = _PROCESS.get() if context is None else context.get(_PROCESS)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        context = context or copy_context()
        held = _Callback(self, process, callback, args, context)
        timer = super().call_at(when, held, context=context)
        held.handle = timer
        return timer

    def _process_events(self, event_list: list[Any]) -> None:
        """Do nothing: there are no files to look at."""

    def _write_to_self(self) -> None:
        """Do nothing: nobody sleeps who could be woken."""


def _make_task(loop: asyncio.AbstractEventLoop, body: Any, **options: Any) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(body, loop=loop, **options)
    context: Context | None = options.get("context")
    process = _PROCESS.get() if context is None else context.get(_PROCESS)
    if process is not None:
        process.tasks[task] = None
        task.add_done_callback(lambda done: process.tasks.pop(done, None))
    return task


class VirtualClock:
    """The clock of a machine in virtual time: its wall clock can be wrong and can be set, its monotonic one cannot.

    Args:
        loop: Whose time it is.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wrong_ms = 0

    def now_ms(self) -> int:
        """Return the wall-clock time in milliseconds since the Unix epoch."""
        return _START_MS + self._wrong_ms + int(self._loop.time() * 1000)

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return self._loop.time()

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back (negative)."""
        self._wrong_ms += round(seconds * 1000)


def run_virtually(body: Body[T], limit_seconds: float = 86_400.0) -> T:
    """Run a coroutine to its end in virtual time, on a loop of its own.

    Args:
        body: What to run. It finds its loop as usual (`asyncio.get_running_loop()`).
        limit_seconds: Virtual seconds it may take.

    Returns:
        What it returns.

    Raises:
        AssertionError: It waits for what will never come, or takes too long.
        Exception: What it raises.
    """
    loop = VirtualLoop(limit_seconds)
    try:
        return loop.run_until_complete(body)
    finally:
        try:
            loop.lift_limits()
            _cancel_all(loop)
        finally:
            loop.close()


def _cancel_all(loop: VirtualLoop) -> None:
    """Leave no task behind, however often it has to be told."""
    for _ in range(10):
        left = asyncio.all_tasks(loop)
        if not left:
            break
        for task in left:
            task.cancel()
        loop.run_until_complete(_settle(len(left)))
    loop.run_until_complete(loop.shutdown_asyncgens())


async def _settle(turns: int) -> None:
    for _ in range(turns + 5):
        await _Turn()


class _Turn:
    """One turn of the loop (what `asyncio.sleep(0)` is, without a coroutine of its own)."""

    def __await__(self) -> Generator[None, None, None]:
        yield
