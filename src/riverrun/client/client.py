"""What a program far away calls first: which graphs and runs there are, and start one (PROTOCOL.md §4).

It does not know the HTTP library (`connect.py`) nor when to reconnect (`session.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal, Self, get_args
from weakref import WeakSet

from msgspec.structs import replace

from riverrun.base.clock import SystemClock
from riverrun.base.errors import ConnectionFault, InputError, NotFound
from riverrun.base.ids import is_run_id, jitter, new_run_id
from riverrun.client.connect import Connect, Http, Stream
from riverrun.client.hints import HintedLogs
from riverrun.client.remote import RemoteRun, events_path, written
from riverrun.client.session import Pace
from riverrun.client.subscription import LogServer, Subscription, Watch
from riverrun.wire.pages import GraphInfo, GraphList, RunInfo, RunList
from riverrun.wire.problem import Problem

START_TRIES = 4
Transport = Literal["auto", "sse", "websocket", "poll"]
_NEVER = 10**9
_RUNS = "/v1/runs"


class Client:
    """One server, reached over HTTP. Use it with `async with`, or close it with `aclose`.

    Args:
        url: Of the server, such as `http://127.0.0.1:8000`, with the path it is mounted at.
        timeout: Seconds that a request may wait for a connection, for its answer, or for more of it.
        key: Says to the server who asks, where it wants to know.
        pace: Times and counts of reconnecting; by default those of PROTOCOL.md §8.
        transport: How events are read: `auto`, server-sent events, and polling where a network lets none through;
            `websocket`, the same over a WebSocket; `sse` and `poll`, one of the two whatever the network does.
        http: An `httpx.AsyncClient` of the caller's (for authentication of another kind, proxies, certificates); it
            stays open. A WebSocket does not go through it.

    Raises:
        InputError: E6006, `url` is not the address of a server, `key` cannot be sent, or `transport` is none.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 30.0,
        key: str | None = None,
        pace: Pace | None = None,
        transport: Transport = "auto",
        http: Http | None = None,
    ) -> None:
        self._connect = Connect(url, timeout=timeout, key=key, http=http)
        self._pace = _paced(pace or Pace(), transport, http)
        self._transport = transport
        self._timeout = timeout
        self._begun: dict[str, Stream] = {}  # by path of their events: opened with the start, not read yet
        self._subscriptions: WeakSet[Subscription] = WeakSet()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave all logs and close all connections; idempotent. Runs go on."""
        for subscription in list(self._subscriptions):
            await subscription.aclose()
        while self._begun:
            await self._begun.popitem()[1].aclose()
        await self._connect.aclose()

    async def graphs(self) -> list[GraphInfo]:
        """List the graphs that are served.

        Returns:
            Each with its nodes and edges.

        Raises:
            ConnectionFault: E5001, the server was not reached.
            RiverrunError: What the server said.
        """
        return list((await self._connect.ask("GET", "/v1/graphs", GraphList)).graphs)

    async def start(  # noqa: PLR0913  # each is a field of the request, or says how it is sent
        self,
        graph: str,
        input: Mapping[str, Any],  # noqa: A002 the word of PROTOCOL.md
        *,
        thread: str | None = None,
        limit: int | None = None,
        timeout: float | None = None,
        context: Any = None,
        config: Any = None,
        when_busy: str | None = None,
        on_disconnect: str | float | None = None,
        idem_key: str | None = None,
        attach: bool = False,
    ) -> RemoteRun:
        """Start a run. It answers before any node has run.

        A lost answer is harmless: the request is tried again under one key, so it starts one run at most.

        Args:
            graph: Name of the graph.
            input: Keys of its state.
            thread: The conversation that the run belongs to; it begins with the state that the run before left.
            limit: How many executions of nodes the run may make; None leaves it to the server.
            timeout: Seconds that the run may take; None leaves it to the server.
            context: What its nodes may read of it.
            config: What its nodes see as config.
            when_busy: What to do while the thread has a run that has not ended: `reject` this one (the default),
                `enqueue` it behind, or `stop` that one.
            on_disconnect: What becomes of the run when its last reader leaves: `continue` (the default), `stop`, or it
                is stopped when none came back for so many seconds.
            idem_key: A key of the caller's, so that also a later call gives the same run.
            attach: Whether its events come with the answer, which saves a round trip: the first `events()` reads on
                from there. The connection stays open until they are read or the client is closed.

        Returns:
            The run.

        Raises:
            InputError: E2001, the input is not JSON; E2002, E2010, E2013 and E2003 as the server says.
            NotFound: E2004, no such graph.
            Busy: E3010, too many runs, see `retry_after`; E3018, the thread is busy.
            ConnectionFault: E5001, the server was not reached in several tries.
            RiverrunError: What else the server said.
        """
        asked: dict[str, Any] = {"graph": graph, "input": input, "thread": thread, "limit": limit, "timeout": timeout}
        asked |= {"context": context, "config": config, "when_busy": when_busy, **_policy(on_disconnect)}
        body = written(asked, "input")
        attach = attach and self._transport in {"auto", "sse"}  # only a stream over HTTP can come with the answer
        headers = {"idempotency-key": idem_key or new_run_id(SystemClock().now_ms())}
        for tries in range(START_TRIES - 1):
            try:
                # A proxy that holds streams back gives no answer to the first try; the others ask for a document.
                return await self._started(body, headers, attach=attach and tries == 0)
            except ConnectionFault:
                # The back-off of PROTOCOL.md §8.
                await asyncio.sleep(self._pace.first_delay * 2**tries * (0.5 + jitter() / 2))
        return await self._started(body, headers, attach=False)

    async def _started(self, body: bytes, headers: Mapping[str, str], *, attach: bool) -> RemoteRun:
        if not attach:
            return self.run((await self._connect.ask("POST", _RUNS, RunInfo, body=body, headers=headers)).run)
        begun = await self._connect.begin(_RUNS, body, headers)
        if isinstance(begun, Problem):
            raise begun.error()
        path = events_path(begun.run)
        before, self._begun[path] = self._begun.get(path), begun.stream
        if before is not None:
            await before.aclose()
        return self.run(begun.run)

    def run(self, run_id: str) -> RemoteRun:
        """Take hold of a run by its id. Nothing is asked of the server yet.

        Args:
            run_id: 32 hexadecimal digits.

        Returns:
            The run.

        Raises:
            NotFound: E2005, this is no id of a run.
        """
        if not is_run_id(run_id):
            raise NotFound("E2005", f"{run_id[:64]!r} is not the id of a run")
        return RemoteRun(self._connect, run_id, self._subscribe)

    async def list(
        self,
        *,
        graph: str | None = None,
        status: str | None = None,
        thread: str | None = None,
        created_after_ms: int | None = None,
        created_before_ms: int | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> list[RunInfo]:
        """List runs, newest first.

        Args:
            graph: Of this graph only.
            status: With this status only: queued, running, parked or ended.
            thread: Of this conversation only.
            created_after_ms: Created at this time or later, in milliseconds since the Unix epoch.
            created_before_ms: Created before this time, in milliseconds since the Unix epoch.
            limit: At most this many, up to 200.
            before: Only runs older than the one of this id: the next page.

        Returns:
            The runs.

        Raises:
            ConnectionFault: E5001, the server was not reached.
            RiverrunError: What the server said.
        """
        asked = {"graph": graph, "status": status, "thread": thread, "limit": limit, "before": before}
        times = {"created_after": created_after_ms, "created_before": created_before_ms}
        params = {name: str(value) for name, value in {**asked, **times}.items() if value is not None}
        return [*(await self._connect.ask("GET", _RUNS, RunList, params=params)).runs]

    def _logs(self, hints: Mapping[str, str]) -> LogServer:
        # A reader with a name is one of HTTP: only there a newer connection takes the place of an older one.
        if self._transport == "websocket" and "reader" not in hints:
            from riverrun.client.websocket import Sockets  # noqa: PLC0415  # 18 ms, for those who want it

            return Sockets(self._connect, timeout=self._timeout, given=hints)
        return HintedLogs(self._connect, hints) if hints else self._connect

    def _subscribe(
        self, path: str, after: int, log: str | None, watch: Watch, hints: Mapping[str, str]
    ) -> Subscription:
        # What was opened with the start begins at the first event; whoever wants another place asks anew.
        opened = self._begun.pop(path, None) if after == 0 and log is None else None
        subscription = Subscription(self._logs(hints), path, after=after, log=log, pace=self._pace, watch=watch)
        if self._transport == "poll":
            subscription.begin_with_polling()
        if opened is not None:
            subscription.begin_with(opened)
        # Only to leave it at the end: a subscription that the caller has dropped is not held.
        self._subscriptions.add(subscription)
        return subscription


def _paced(pace: Pace, transport: str, http: Http | None) -> Pace:
    """Give the pace that keeps a reader to the transport that was asked for."""
    if transport not in get_args(Transport):
        mend = f"Give one of {', '.join(get_args(Transport))}."
        raise InputError("E6006", f"{transport!r} is no transport", where="transport", mend=mend)
    if transport == "websocket" and http is not None:
        mend = "Give `key` for who asks, and leave out `http`, or take another transport."
        raise InputError("E6006", "a WebSocket does not go through an HTTP client", where="http", mend=mend)
    if transport == "sse":
        return replace(pace, barren_limit=_NEVER)
    return replace(pace, poll_seconds=float(_NEVER)) if transport == "poll" else pace


def _policy(on_disconnect: str | float | None) -> dict[str, Any]:
    """Write what becomes of a run without readers; nothing where the caller says nothing."""
    if on_disconnect is None or isinstance(on_disconnect, str):
        return {"on_disconnect": on_disconnect}
    return {"on_disconnect": {"grace": on_disconnect}}
