"""One run on a server, as a program far away holds it: read it, stop it, wait for its result (PROTOCOL.md §4).

It does not know the HTTP library (`connect.py`) nor when to reconnect (`session.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from riverrun.base.clock import SystemClock
from riverrun.base.errors import ConnectionFault, InputError, RunFailed
from riverrun.base.ids import jitter, new_run_id
from riverrun.client.connect import Connect
from riverrun.client.hints import hints
from riverrun.client.subscription import OnChange, Progress, Subscription, Watch
from riverrun.events import kinds
from riverrun.events.ending import Ending
from riverrun.events.kinds import Event
from riverrun.log.tail import parse_cursor
from riverrun.wire.pages import AskingRun, GraphState, RunInfo

Subscribe = Callable[[str, int, str | None, Watch, Mapping[str, str]], Subscription]
_UNSAID: Any = object()
_TRIES = 4
_NO_CONTENT = 204
_TRY_AGAIN_DELAY = 0.5


class RemoteRun:
    """A run on a server. Holding it costs nothing; letting go of it does not stop the run.

    Args:
        connect: The server.
        run_id: Of the run.
        subscribe: Makes a subscription of a path, a seq, a log, who watches it and what it asks for; whoever gives it
            also ends it.

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

    async def info(self) -> AskingRun:
        """Ask what is known of the run beside its log.

        Returns:
            Its status, its ending, its head and more; of a parked run also its questions.

        Raises:
            NotFound: E2005.
            ConnectionFault: E5001, the server was not reached.
            RiverrunError: What else the server said.
        """
        return await self._connect.ask("GET", self._path, AskingRun)

    def events(  # noqa: PLR0913  # each says something of its own about one reader, by name
        self,
        after: int | str = 0,
        *,
        log: str | None = None,
        on_change: OnChange | None = None,
        on_place: Callable[[str], None] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        interval: float | None = None,
        max_bytes: int | None = None,
        adaptive: bool = False,
        reader: str = "",
    ) -> Subscription:
        """Read the events of the run after a place: each once, in order, whatever the network does.

        Args:
            after: seq of the last event that the caller has, or a `cursor` as a subscription gave it; 0 for all.
            log: Id of the log that `after` belongs to, if it is known and `after` is a seq.
            on_change: Told of each change of state, with a few words for people.
            on_place: Told the cursor of each event once the caller is done with it, as it asks for the next one: what
                to keep, and to give as `after` another time, even after a crash.
            on_progress: Told of each arrival of events.
            interval: Seconds, up to 10, between two writes of the server, at least; chunks in between come joined and
                are taken apart here, all with one `ts`.
            max_bytes: Of events that the server writes at once, at most: 1,024 to 1,048,576.
            adaptive: Whether chunks may come joined while this reader does not keep up.
            reader: What this reader calls itself (letters, digits, `_`, `-`, at most 64): when it comes again, its
                older connection ends with E2027. With a name, events come over HTTP, whatever the transport.

        Returns:
            An iterator that reconnects by itself. It ends after the terminal event, and raises what only the caller
            can settle: CursorError (the log does not have the place), NotFound, and other refusals.

        Raises:
            CursorError: E2007, `after` is no place.
        """
        named, place = parse_cursor(str(after))
        watch = Watch(on_change=on_change, on_place=on_place, on_progress=on_progress)
        asked = hints(interval=interval, max_bytes=max_bytes, adaptive=adaptive, reader=reader)
        return self._subscribe(events_path(self.id), place, named or log, watch, asked)

    async def leave(self, reader: str = "") -> None:
        """Say that a reader leaves: only the run's own policy says whether that changes anything.

        Args:
            reader: What it calls itself, as in `events`; its connection ends. Empty: readers without a name.

        Raises:
            NotFound: E2005.
            ConnectionFault: E5001, the server was not reached.
            RiverrunError: What else the server said.
        """
        params = {"reader": reader} if reader else None
        reply = await self._connect.request("POST", f"{self._path}/leave", params=params)
        if reply.status != _NO_CONTENT:
            raise reply.problem().error()

    async def resume(
        self, answers: Mapping[str, Any] | None = None, *, answer: Any = _UNSAID, idem_key: str | None = None
    ) -> RunInfo:
        """Answer what the run asks, in whole or in part. It may be called again with the same answers.

        A lost answer of the server is harmless: the request is tried again, and an answer is taken once.

        Args:
            answers: By id of the question.
            answer: To the one question that is open; also lets go a run that is only held.
            idem_key: A key of the caller's.

        Returns:
            The run as it was when the server took the answers.

        Raises:
            InputError: E2001, an answer is not JSON; E2002, neither or both were given; E2009, the run has ended;
                E2015, a question is not open, or several are and none was named.
            NotFound: E2005; E3014, its graph is not served.
            ConnectionFault: E5001, the server was not reached in several tries.
            RiverrunError: What else the server said.
        """
        if (answers is None) is (answer is _UNSAID):
            raise InputError("E2002", "give either answers by the id of their question, or one answer", where="answers")
        named = dict(answers) if answers is not None else await self._named(answer)
        body = written({"answer": answer} if named is None else {"answers": named}, "answers", keep_none=True)
        headers = {"idempotency-key": idem_key or new_run_id(SystemClock().now_ms())}
        # Answers that name their questions are taken once; one that names none might meet the question after it.
        tries = _TRIES if named is not None else 1
        while True:
            tries -= 1
            try:
                return await self._connect.ask("POST", f"{self._path}/resume", RunInfo, body=body, headers=headers)
            except ConnectionFault:
                if not tries:
                    raise
                await asyncio.sleep(_TRY_AGAIN_DELAY * (0.5 + jitter() / 2))

    async def _named(self, answer: Any) -> dict[str, Any] | None:
        asked = [question.id for question in (await self.info()).questions if question.kind == "asked"]
        return {asked[0]: answer} if len(asked) == 1 else None

    async def fork(self, *, at: int | None = None, limit: int | None = None, thread: str | None = None) -> RemoteRun:
        """Begin a run with a copy of this one's log, and go on from there. This one is not changed.

        It is not tried again by itself: a fork has no key, and twice would be two.

        Args:
            at: The last seq to copy; None: as far as the run can be gone on with.
            limit: How many executions of nodes the fork may make, counted from its beginning; None: as before.
            thread: The conversation that it belongs to.

        Returns:
            The new run.

        Raises:
            InputError: E2016, the log has no event `at`.
            NotFound: E2005; E3014, its graph is not served.
            ConnectionFault: E5001, the server was not reached.
            RiverrunError: What else the server said.
        """
        body = written({"at": at, "limit": limit, "thread": thread}, "fork")
        made = await self._connect.ask("POST", f"{self._path}/fork", RunInfo, body=body)
        return RemoteRun(self._connect, made.run, self._subscribe)

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

    async def result(self, *, on_progress: Callable[[Progress], None] | None = None) -> dict[str, Any]:
        """Wait until the run has ended and give its final state. A run that is parked is waited for as well.

        Args:
            on_progress: Told of each arrival of events.

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
        async with self.events(after, log=info.log, on_progress=on_progress) as events:
            async for event in events:
                last = event
        if isinstance(last, kinds.RunCompleted):
            return await self.state()
        # Without a terminal event that this version knows, the server knows how it ended.
        ending = last.type.removeprefix("run.") if last is not None and last.terminal else (await self.info()).ending
        if ending == Ending.COMPLETED.value:
            return await self.state()
        raise _failed(self.id, ending, last)


def events_path(run_id: str) -> str:
    """Give the path of the events of a run."""
    return f"/v1/runs/{run_id}/events"


def written(asked: Mapping[str, Any], where: str, *, keep_none: bool = False) -> bytes:
    """Write the body of a request.

    Args:
        asked: Its fields.
        where: What to name when they cannot be written.
        keep_none: Whether a field that is None is sent; else it is left out.

    Returns:
        JSON.

    Raises:
        InputError: E2001, a value is not JSON.
    """
    fields = {name: value for name, value in asked.items() if keep_none or value is not None}
    try:
        return msgspec.json.encode(fields)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise InputError("E2001", f"the {where} is not JSON: {error}", where=where) from None


def _failed(run: str, ending: str | None, last: Event | None) -> RunFailed:
    what, where = f"run {run} ended as {ending!r}", ""
    if isinstance(last, kinds.RunFailed):
        what, where = f"{what}: {last.error.code} {last.error.message}", last.error.where
    elif isinstance(last, kinds.RunStopped | kinds.RunLost) and last.reason:
        what = f"{what}: {last.reason}"
    return RunFailed("E3011", what, where=where)
