"""One run on a server, as a program far away holds it: read it, stop it, wait for its result (PROTOCOL.md §4).

It does not know the HTTP library (`connect.py`) nor when to reconnect (`session.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from riverrun.base.errors import RunFailed
from riverrun.client.connect import Connect
from riverrun.client.subscription import OnChange, Subscription
from riverrun.events import kinds
from riverrun.events.ending import Ending
from riverrun.events.kinds import Event
from riverrun.log.tail import parse_cursor
from riverrun.wire.pages import GraphState, RunInfo

Subscribe = Callable[[str, int, str | None, OnChange | None], Subscription]


class RemoteRun:
    """A run on a server. Holding it costs nothing; letting go of it does not stop the run.

    Args:
        connect: The server.
        run_id: Of the run.
        subscribe: Makes a subscription of a path, a seq, a log and a callback; whoever gives it also ends it.

    Attributes:
        id: Of the run.
    """

    def __init__(self, connect: Connect, run_id: str, subscribe: Subscribe) -> None:
        self.id = run_id
        self._connect = connect
        self._subscribe = subscribe
        self._path = f"/v1/runs/{run_id}"

    def __repr__(self) -> str:
        return f"RemoteRun({self.id!r})"

    async def info(self) -> RunInfo:
        """Ask what is known of the run beside its log.

        Returns:
            Its status, its ending, its head and more.

        Raises:
            NotFound: E2005.
            ConnectionFault: E5001, the server was not reached.
            RiverrunError: What else the server said.
        """
        return await self._connect.ask("GET", self._path, RunInfo)

    def events(
        self, after: int | str = 0, *, log: str | None = None, on_change: OnChange | None = None
    ) -> Subscription:
        """Read the events of the run after a place: each once, in order, whatever the network does.

        Args:
            after: seq of the last event that the caller has, or a `cursor` as a subscription gave it; 0 for all.
            log: Id of the log that `after` belongs to, if it is known and `after` is a seq.
            on_change: Told of each change of state, with a few words for people.

        Returns:
            An iterator that reconnects by itself. It ends after the terminal event, and raises what only the caller
            can settle: CursorError (the log does not have the place), NotFound, and other refusals.

        Raises:
            CursorError: E2007, `after` is no place.
        """
        named, place = parse_cursor(str(after))
        return self._subscribe(f"{self._path}/events", place, named or log, on_change)

    async def stop(self, reason: str = "") -> RunInfo:
        """Stop the run; one that has ended stays as it ended. Idempotent.

        Args:
            reason: Why, for its readers.

        Returns:
            The run as it was when the server took the request; the last event says when it has stopped.

        Raises:
            NotFound: E2005.
            ConnectionFault: E5001, the server was not reached.
            RiverrunError: What else the server said.
        """
        body = msgspec.json.encode({"reason": reason} if reason else {})
        return await self._connect.ask("POST", f"{self._path}/stop", RunInfo, body=body)

    async def state(self, at: int | None = None) -> dict[str, Any]:
        """Ask for the state of the graph.

        Args:
            at: The seq it is to be the state of; None for the head.

        Returns:
            Its keys and values.

        Raises:
            CursorError: E2006, E4007, the log does not have the place.
            NotFound: E2005.
            ConnectionFault: E5001, the server was not reached.
            RiverrunError: What else the server said.
        """
        params = None if at is None else {"at": str(at)}
        return (await self._connect.ask("GET", f"{self._path}/state", GraphState, params=params)).state

    async def result(self) -> dict[str, Any]:
        """Wait until the run has ended and give its final state.

        Returns:
            Keys and values.

        Raises:
            RunFailed: E3011, it failed, was stopped, timed out or was lost.
            NotFound: E2005.
            RiverrunError: What else the server said.
        """
        info = await self.info()
        # Of a run that has ended the last event is enough; of one that goes on, what comes is.
        after = info.head - 1 if info.status == "ended" else info.head
        last: Event | None = None
        async with self.events(after, log=info.log) as events:
            async for event in events:
                last = event
        if isinstance(last, kinds.RunCompleted):
            return await self.state()
        # Without a terminal event that this version knows, the server knows how it ended.
        ending = last.type.removeprefix("run.") if last is not None and last.terminal else (await self.info()).ending
        if ending == Ending.COMPLETED.value:
            return await self.state()
        raise _failed(self.id, ending, last)


def _failed(run: str, ending: str | None, last: Event | None) -> RunFailed:
    what, where = f"run {run} ended as {ending!r}", ""
    if isinstance(last, kinds.RunFailed):
        what, where = f"{what}: {last.error.code} {last.error.message}", last.error.where
    elif isinstance(last, kinds.RunStopped | kinds.RunLost) and last.reason:
        what = f"{what}: {last.reason}"
    return RunFailed("E3011", what, where=where)
