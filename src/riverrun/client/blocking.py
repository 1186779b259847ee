"""The client for programs that do not use asyncio: the same calls, which wait.

Thin on purpose: an event loop in the calling thread runs while a call waits, and at no other time, so there is no
thread, and nothing goes on behind the caller's back. Whatever a call means, raises and repeats is said in `client.py`
and `remote.py`; here stands only what waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from riverrun.base.errors import IllegalMove
from riverrun.client.client import Client
from riverrun.client.remote import RemoteRun
from riverrun.client.subscription import Subscription
from riverrun.events.kinds import Event
from riverrun.wire.pages import AskingRun, GraphInfo, RunInfo

Result = TypeVar("Result")


class _Loop:
    """Runs one coroutine after another in the calling thread."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine to its end; Ctrl-C ends it.

        Raises:
            IllegalMove: E3012, an event loop runs in this thread already.
        """
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            return self._runner.run(work)
        work.close()
        mend = "In a coroutine use riverrun.client.Client, whose calls do not hold up the event loop."
        raise IllegalMove("E3012", f"a call that waits was made inside {running!r}", where="BlockingClient", mend=mend)

    def close(self) -> None:
        """End the event loop; idempotent."""
        self._runner.close()


class BlockingClient:
    """One server, for a program without asyncio. Use it with `with`, or close it; of one thread at a time.

    Args:
        url: Of the server, as `Client` takes it.
        options: What else `Client` takes.

    Raises:
        InputError: E6006, as `Client`.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self._client = Client(url, **options)
        self._loop = _Loop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave all logs and close all connections. Runs go on."""
        self._loop.wait(self._client.aclose())
        self._loop.close()

    def graphs(self) -> list[GraphInfo]:
        """List the graphs that are served."""
        return self._loop.wait(self._client.graphs())

    def start(self, graph: str, input: Mapping[str, Any], **options: Any) -> BlockingRun:  # noqa: A002 as Client.start
        """Start a run; `options` are those of `Client.start`."""
        return BlockingRun(self._loop, self._loop.wait(self._client.start(graph, input, **options)))

    def run(self, run_id: str) -> BlockingRun:
        """Take hold of a run by its id. Nothing is asked of the server yet."""
        return BlockingRun(self._loop, self._client.run(run_id))

    def list(self, **options: Any) -> list[RunInfo]:
        """List runs, newest first; `options` are those of `Client.list`."""
        return self._loop.wait(self._client.list(**options))


class BlockingRun:
    """A run on a server, for a program without asyncio; made by `BlockingClient`.

    Attributes:
        id: Of the run.
    """

    def __init__(self, loop: _Loop, run: RemoteRun) -> None:
        self.id = run.id
        self._loop = loop
        self._run = run

    def info(self) -> AskingRun:
        """Ask what is known of the run beside its log."""
        return self._loop.wait(self._run.info())

    def events(self, after: int | str = 0, **options: Any) -> Iterator[Event]:
        """Read the events after a place, live, until the terminal event; `options` are those of `RemoteRun.events`.

        Leaving the loop leaves the log, at the latest when the client is closed.
        """
        return _events(self._loop, self._run.events(after, **options))

    def stop(self, reason: str = "") -> RunInfo:
        """Stop the run; one that has ended stays as it ended."""
        return self._loop.wait(self._run.stop(reason))

    def leave(self, reader: str = "") -> None:
        """Say that a reader leaves; as `RemoteRun.leave`."""
        self._loop.wait(self._run.leave(reader))

    def resume(self, answers: Mapping[str, Any] | None = None, **options: Any) -> RunInfo:
        """Answer what the run asks; `options` are those of `RemoteRun.resume`."""
        return self._loop.wait(self._run.resume(answers, **options))

    def fork(self, **options: Any) -> BlockingRun:
        """Begin a run with a copy of this one's log; `options` are those of `RemoteRun.fork`."""
        return BlockingRun(self._loop, self._loop.wait(self._run.fork(**options)))

    def state(self, at: int | None = None) -> dict[str, Any]:
        """Ask for the state of the graph."""
        return self._loop.wait(self._run.state(at))

    def result(self, **options: Any) -> dict[str, Any]:
        """Wait until the run has ended and give its final state; `options` are those of `RemoteRun.result`."""
        return self._loop.wait(self._run.result(**options))


def _events(loop: _Loop, events: Subscription) -> Iterator[Event]:
    while True:
        # What came with one read is given without starting the event loop again.
        event = events.take() or loop.wait(_next(events))
        if event is None:
            return
        yield event


async def _next(events: Subscription) -> Event | None:
    return await anext(events, None)
