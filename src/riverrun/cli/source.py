"""Where the command line looks at runs: on a server, or directly in the file of a store; the same calls on both.

A store is opened as a guest: nothing is claimed, so whoever serves it goes on undisturbed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

from riverrun.base.errors import CursorError, InputError, NotFound, StoreError
from riverrun.base.ids import is_run_id
from riverrun.cli.defaults import TENANT
from riverrun.client.client import Client
from riverrun.events.kinds import Event, Question
from riverrun.face.compiled import CompiledGraph
from riverrun.graph.questions import check_answers
from riverrun.log.store import LogStore, RunFilter, RunKey, RunRow, Status
from riverrun.log.tail import parse_cursor
from riverrun.log.view import View
from riverrun.runs.history import read_log
from riverrun.runs.reader import follow
from riverrun.runs.service import RunService
from riverrun.stores.open import open_store
from riverrun.wire import pages
from riverrun.wire.pages import RunInfo

_SQLITE = "sqlite:///"
_LOOK_BACK = 200  # runs among which the beginning of an id is looked for


class Source(Protocol):
    """Where runs are."""

    async def list(
        self, graph: str | None, status: Status | None, limit: int, thread: str | None = None
    ) -> list[RunInfo]:
        """Give runs, newest first."""
        ...

    async def info(self, run: str) -> RunInfo:
        """Give what is known of a run beside its log.

        Raises:
            NotFound: E2005.
        """
        ...

    def events(self, run: str, after: str) -> AsyncIterator[Event]:
        """Read a run after a place, live, until its terminal event.

        Raises:
            CursorError: The log does not have the place.
            NotFound: E2005.
        """
        ...

    async def stop(self, run: str, reason: str) -> RunInfo:
        """Ask a run to stop; one that has ended stays as it ended.

        Raises:
            NotFound: E2005.
        """
        ...

    async def questions(self, run: str) -> tuple[Question, ...]:
        """Give what a parked run waits to be told.

        Raises:
            NotFound: E2005.
        """
        ...

    async def resume(self, run: str, answers: dict[str, Any]) -> RunInfo:
        """Answer a run, by id of the question; without an answer it is only let go.

        Raises:
            InputError: E2009, it has ended; E2015, a question is not open.
            NotFound: E2005.
        """
        ...

    async def fork(
        self, run: str, at: int | None, limit: int | None, thread: str | None, graph: CompiledGraph | None
    ) -> str:
        """Fork a run; give the id of the new one.

        Raises:
            InputError: E2016, the log has no such event; E6006, a store was not told which `graph` it is.
            NotFound: E2005.
        """
        ...


class OnServer:
    """Runs of a server.

    Args:
        client: Reaches it; closed by its owner.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def list(
        self, graph: str | None, status: Status | None, limit: int, thread: str | None = None
    ) -> list[RunInfo]:
        """Give runs, newest first."""
        return await self._client.list(graph=graph, status=status, limit=limit, thread=thread)

    async def info(self, run: str) -> RunInfo:
        """Give what is known of a run beside its log."""
        return await self._client.run(run).info()

    async def events(self, run: str, after: str) -> AsyncIterator[Event]:
        """Read a run after a place, live, until its terminal event."""
        async with self._client.run(run).events(after) as events:
            async for event in events:
                yield event

    async def stop(self, run: str, reason: str) -> RunInfo:
        """Ask a run to stop; one that has ended stays as it ended."""
        return await self._client.run(run).stop(reason)

    async def questions(self, run: str) -> tuple[Question, ...]:
        """Give what a parked run waits to be told."""
        return (await self._client.run(run).info()).questions

    async def resume(self, run: str, answers: dict[str, Any]) -> RunInfo:
        """Answer a run, by id of the question; without an answer it is only let go."""
        there = self._client.run(run)
        return await there.resume(answers) if answers else await there.resume(answer=None)

    async def fork(
        self, run: str, at: int | None, limit: int | None, thread: str | None, graph: CompiledGraph | None
    ) -> str:
        """Fork a run; the server knows its graph.

        Raises:
            InputError: E6006, a graph was named.
        """
        if graph is not None:
            raise InputError("E6006", "a server has graphs of its own", where="--graph", mend="Leave out --graph.")
        return (await self._client.run(run).fork(at=at, limit=limit, thread=thread)).id


class InStore:
    """Runs of a store that is open here.

    Args:
        store: Where they live; closed by its owner.
    """

    def __init__(self, store: LogStore) -> None:
        self._store = store

    async def list(
        self, graph: str | None, status: Status | None, limit: int, thread: str | None = None
    ) -> list[RunInfo]:
        """Give runs, newest first."""
        rows = await self._store.list(TENANT, RunFilter(graph=graph, status=status, limit=limit, thread=thread))
        return [_info(row) for row in rows]

    async def info(self, run: str) -> RunInfo:
        """Give what is known of a run beside its log.

        Raises:
            NotFound: E2005.
        """
        rows = await self._store.list(TENANT, RunFilter(run=run, limit=1))
        if not rows:
            raise NotFound("E2005", f"there is no run {run[:64]!r}")
        return _info(rows[0])

    async def events(self, run: str, after: str) -> AsyncIterator[Event]:
        """Read a run after a place, live, until its terminal event.

        Raises:
            CursorError: E2008, the place is one of another log; E2006, E2007 or E4007, it is none of this log.
        """
        log, seq = parse_cursor(after)
        info = await self.info(run)
        if log not in (None, info.log):
            raise CursorError("E2008", f"the log of the run is {info.log}, not {log}")
        async for page in follow(self._store, RunKey(TENANT, run), seq):
            for record in page.records if page is not None else ():
                yield record.event

    async def stop(self, run: str, reason: str) -> RunInfo:
        """Ask a run to stop; one that has ended stays as it ended.

        Raises:
            InputError: Never for a run that has ended.
        """
        await self.info(run)
        try:
            await self._store.control(RunKey(TENANT, run), "stop", {"reason": reason})
        except InputError as error:
            if error.code != "E2009":
                raise
        return await self.info(run)

    async def questions(self, run: str) -> tuple[Question, ...]:
        """Give what a run waits to be told."""
        await self.info(run)
        view = View()
        for event in await read_log(self._store, RunKey(TENANT, run)):
            view.apply(event)
        return tuple(view.questions.values())

    async def resume(self, run: str, answers: dict[str, Any]) -> RunInfo:
        """Answer a run, by id of the question; without an answer it is only let go. A worker takes it up.

        Raises:
            InputError: E2009, it has ended; E2015, a question is not open, or nothing is.
        """
        info, questions = await self.info(run), await self.questions(run)
        if not questions and info.status not in {"parked", "ended"}:
            raise InputError("E2015", f"run {run} asks nothing")
        if info.status != "ended":
            check_answers(questions, answers)
        await self._store.control(RunKey(TENANT, run), "resume", {"answers": answers})
        return await self.info(run)

    async def fork(
        self, run: str, at: int | None, limit: int | None, thread: str | None, graph: CompiledGraph | None
    ) -> str:
        """Fork a run; a worker takes the new one up.

        Raises:
            InputError: E2016, the log has no such event; E6006, nobody said which graph it is.
        """
        info = await self.info(run)
        if graph is None:
            mend = f"Name it: --graph module:graph (it is called {info.graph!r})."
            raise InputError("E6006", "to fork a run of a store its graph is needed", where="--graph", mend=mend)
        service = RunService(self._store, {info.graph: graph.plan})
        try:
            return (await service.fork(RunKey(TENANT, run), at=at, limit=limit, thread=thread)).row.key.run
        finally:
            await service.close()


@asynccontextmanager
async def open_source(url: str | None, store: str, key: str | None = None) -> AsyncIterator[Source]:
    """Open where runs are looked at.

    Args:
        url: Of a server; None looks into `store` directly.
        store: Name of a store that is there.
        key: For the server, if it asks who comes.

    Yields:
        The source; closed at the end.

    Raises:
        StoreError: E4001, there is no such file; E4003, it is no store; E4006, no store is named like that.
        InputError: E6006, `url` is no address, or `key` cannot be sent.
    """
    if url:
        async with Client(url, key=key) as client:
            yield OnServer(client)
        return
    opened = open_existing(store)
    try:
        yield InStore(opened)
    finally:
        await opened.close()


def open_existing(store: str) -> LogStore:
    """Open a store that is there: looking must not make one.

    Args:
        store: Its name.

    Returns:
        The store; the caller closes it.

    Raises:
        StoreError: E4001, there is no such file; E4003, it is no store; E4006, no store is named like that.
    """
    path = Path(unquote(store.removeprefix(_SQLITE)))
    if store.startswith(_SQLITE) and not path.is_file():
        mend = "Name a store with --store sqlite:///path, or a server with --url http://host:port."
        raise StoreError("E4001", f"there is no store {path}", where=store, mend=mend)
    return open_store(store)


async def whole_id(source: Source, run: str) -> str:
    """Complete the beginning of an id.

    Args:
        source: Where the run is.
        run: An id, or its beginning when that is of one run only.

    Returns:
        The id.

    Raises:
        NotFound: E2005, no run begins like that, or several do.
    """
    if is_run_id(run):
        return run
    found = [info.run for info in await source.list(None, None, _LOOK_BACK) if info.run.startswith(run)] if run else []
    if len(found) == 1:
        return found[0]
    several = f"; {len(found)} runs begin like that" if found else ""
    raise NotFound("E2005", f"{run[:64]!r} names no run{several}")


def _info(row: RunRow) -> RunInfo:
    return pages.decode(pages.run(row), RunInfo)
