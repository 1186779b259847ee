"""Between streams and Observables of ReactiveX, which push: `reactivex` in Python, or anything with its `subscribe`.

An Observable knows no demand, so it is held back the only way there is: the thread in which it pushes waits. The
library is not imported; what counts is `subscribe(on_next, on_error, on_completed)`, and that this gives something to
`dispose`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from contextvars import copy_context
from functools import partial
from typing import Generic, Protocol, TypeVar

from riverrun.base.errors import RiverrunError
from riverrun.nodes.inlet import Inlet
from riverrun.nodes.pull import from_callback
from riverrun.nodes.push import Handing
from riverrun.nodes.stream import Source

Value = TypeVar("Value")
Pushed_co = TypeVar("Pushed_co", covariant=True)


class Disposable(Protocol):
    """What ends a subscription."""

    def dispose(self) -> None:
        """End it."""
        ...


class Subscribable(Protocol[Pushed_co]):
    """An Observable, as far as it is needed here."""

    def subscribe(
        self,
        on_next: Callable[[Pushed_co], None],
        on_error: Callable[[Exception], None],
        on_completed: Callable[[], None],
        /,
    ) -> Disposable:
        """Begin to push."""
        ...


class _Left(Exception):
    """The reader has left; raised into an Observable that pushes before `subscribe` has given back what disposes it."""


class _Observer(Generic[Value]):
    """One subscription of an Observable.

    Args:
        source: The Observable.
        inlet: Where it pushes to.
    """

    def __init__(self, source: Subscribable[Value], inlet: Inlet[Value]) -> None:
        self._source = source
        self._inlet = inlet
        self._disposable: Disposable | None = None
        self._lock = threading.Lock()
        self._disposed = False
        self._subscribing: int | None = None  # the thread that is inside `subscribe`

    def begin(self) -> None:
        """Subscribe. What pushes at once has pushed everything when this returns."""
        self._subscribing = threading.get_ident()
        try:
            disposable = self._source.subscribe(self._next, self._inlet.end, self._inlet.end)
        except _Left:
            return
        except BaseException as error:  # noqa: BLE001  # the reader must hear it, whatever it is
            self._inlet.end(error)
            return
        finally:
            self._subscribing = None
        with self._lock:
            self._disposable = disposable
            late = self._disposed
        if late:
            disposable.dispose()

    def dispose(self) -> None:
        """End the subscription, or have it ended as soon as there is one."""
        with self._lock:
            self._disposed, disposable = True, self._disposable
        if disposable is not None:
            disposable.dispose()

    def _next(self, value: Value) -> None:
        try:
            taken = self._inlet.push(value)
        except RiverrunError as error:  # full, on the loop of the reader
            self._inlet.end(error)
            taken = False
        if not taken and self._subscribing == threading.get_ident():
            raise _Left


async def from_observable(
    source: Subscribable[Value], *, limit: int = 1000, on_loop: bool = False
) -> AsyncGenerator[Value, None]:
    """Make a stream of what an Observable pushes.

    Args:
        source: What is subscribed to, once, when the first value is asked for, and disposed when the stream is left.
        limit: How many values may wait to be read; then the thread that pushes waits.
        on_loop: Subscribe on the loop, for an Observable that insists on it; it cannot be held back, and more than
            `limit` values at a time are an error. Otherwise a thread subscribes.

    Yields:
        The values, in the order in which they were pushed.

    Raises:
        InputError: E6006, `limit` is less than 1.
        Busy: E3015, more values than may wait were pushed on the loop.
        BaseException: What the Observable told as its error, or raised.
    """

    def subscribe(inlet: Inlet[Value]) -> Callable[[], None]:
        observer = _Observer(source, inlet)
        if on_loop:
            observer.begin()
        else:
            work = partial(copy_context().run, observer.begin)
            threading.Thread(target=work, name="riverrun-observable", daemon=True).start()
        return observer.dispose

    async with aclosing(from_callback(subscribe, limit=limit)) as values:
        async for value in values:
            yield value


class Observable(Generic[Value]):
    """A stream as an Observable, to be made on its loop.

    `reactivex.create(lambda to, _: made.subscribe(to.on_next, to.on_error, to.on_completed))` is one of that library.
    A stream is read once, so there is one subscription.

    Args:
        source: What is read; it is closed when it ends or the subscription is disposed.
    """

    def __init__(self, source: Source[Value]) -> None:
        self._source = source
        self._loop = asyncio.get_running_loop()

    def subscribe(
        self,
        on_next: Callable[[Value], object],
        on_error: Callable[[Exception], object] | None = None,
        on_completed: Callable[[], object] | None = None,
    ) -> Subscription[Value]:
        """Begin to push, from any thread; all three are called on the loop.

        Args:
            on_next: Given each value. What it gives back is awaited if it can be.
            on_error: Given the error that ended the stream.
            on_completed: Called when the stream has ended well.

        Returns:
            What disposes it; nothing is called after that.
        """
        return Subscription(self._loop, self._source, on_next, on_error, on_completed)


class Subscription(Generic[Value]):
    """A task that pushes. Made by `Observable.subscribe`.

    Args:
        loop: Where it runs.
        source: What it reads.
        on_next: As in `Observable.subscribe`.
        on_error: As there.
        on_completed: As there.
    """

    def __init__(  # what one subscription is made of
        self,
        loop: asyncio.AbstractEventLoop,
        source: Source[Value],
        on_next: Callable[[Value], object],
        on_error: Callable[[Exception], object] | None,
        on_completed: Callable[[], object] | None,
    ) -> None:
        self._loop = loop
        self._on_next = on_next
        self._on_error = on_error
        self._on_completed = on_completed
        self._disposed = self._cancelled = False
        self._handing = Handing(source, self._next, self._ended)
        self._task: asyncio.Task[None] | None = None
        loop.call_soon_threadsafe(self._begin)

    def dispose(self) -> None:
        """End the subscription, from any thread: what it reads is closed, in peace. Idempotent."""
        self._disposed = True
        if not self._loop.is_closed():
            # One turn later, so that the task has begun: else it would never close what it reads.
            self._loop.call_soon_threadsafe(self._loop.call_soon, self._cancel)

    def _next(self, value: Value) -> object:
        return False if self._disposed else self._on_next(value)

    def _ended(self, error: BaseException | None) -> None:
        if self._disposed:
            return
        if error is None and self._on_completed is not None:
            self._on_completed()
        elif isinstance(error, Exception) and self._on_error is not None:
            self._on_error(error)

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._handing.run())

    def _cancel(self) -> None:
        # Once: operators of the library dispose what has ended, and again when they are disposed themselves. Each
        # further time would cut off the closing of what is read.
        if self._task is not None and not (self._cancelled or self._handing.closing):
            self._cancelled = True
            self._task.cancel()
