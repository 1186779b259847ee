"""One performance of the demo: the server, the relay, the run, the two faults, and what the reader made of it all.

The reader keeps a journal, one entry for each event at the moment it is applied; afterwards the log is read from the
store itself, without the server, and the two are compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

from riverrun.base.errors import ConnectionFault, RiverrunError
from riverrun.cli.child import Child
from riverrun.cli.defaults import TENANT
from riverrun.cli.faults import Fault, Schedule, expected_chunks
from riverrun.cli.figures import Outcome
from riverrun.cli.material import Documents
from riverrun.cli.relay import Relay
from riverrun.cli.stage import Stage
from riverrun.client.client import Client
from riverrun.client.remote import RemoteRun
from riverrun.events.codec import encode
from riverrun.events.kinds import Event, NodeChunk
from riverrun.events.record import Record
from riverrun.log.store import RunKey
from riverrun.log.view import View
from riverrun.observe.audit import Applied, Audit, compare, note
from riverrun.stores.open import open_store

GRAPH = "review"
LEASE_SECONDS = 2.0
PATIENCE_SECONDS = 120.0  # without an event; ten megabytes take a while before the first word
_PAGE = 10_000


class Performance:
    """One demo, from the first process to the last count.

    Args:
        target: What the server serves.
        documents: What is reviewed.
        pace: Seconds between two words.
        folder: For the store and the server's log; removed by its owner.
        stage: Shows what happens.
        model: Writes the summary, at the provider of the environment; None: no provider is asked.

    Attributes:
        watch: Called with the stage after each event, for whoever wants pictures.
    """

    def __init__(
        self, target: str, documents: Documents, pace: float, folder: Path, stage: Stage, model: str | None = None
    ) -> None:
        self.watch: Callable[[Stage], None] | None = None
        self._target = target
        self._documents = documents
        self._pace = pace
        self._model = model
        self._store = f"sqlite:///{folder / 'demo.db'}"
        self._said = folder / "server.log"
        self._stage = stage
        self._began = 0.0
        self._child = self._server(0)
        self._schedule = Schedule(expected_chunks(documents.size_bytes))
        self._journal: list[Applied] = []
        self._view = View()
        self._first_chunk = 0.0
        self._seconds = 0.0
        self._reconnects = self._kills = self._cuts = 0
        self._state: dict[str, object] = {}

    async def run(self, out: Path) -> tuple[Audit, Outcome]:
        """Perform it.

        Args:
            out: Where the report is written.

        Returns:
            What was counted, and what was observed.

        Raises:
            RiverrunError: The server did not start, or the run could not be read to its end.
        """
        try:
            run = await self._before_the_audience()
        finally:
            await self._child.end()
        report = str(self._state.get("report", ""))
        await asyncio.to_thread(out.write_text, report, encoding="utf-8")
        audit = compare(self._journal, await self._log(run))
        view = self._view
        return audit, Outcome(
            run=run,
            ending=view.ending.value if view.ending is not None else "",
            documents=len(self._documents.paths),
            size_bytes=self._documents.size_bytes,
            report=str(out),
            same_report=report == view.text("report"),
            cuts=self._cuts,
            kills=self._kills,
            reconnects=self._reconnects,
            first_chunk_seconds=self._first_chunk,
            seconds=self._seconds,
            pace=self._pace,
        )

    async def _before_the_audience(self) -> str:
        """Everything that needs a server."""
        listening = await self._child.start()
        self._stage.happened(f"server started, pid {listening.pid}")
        address = urlsplit(listening.url)
        assert address.hostname is not None
        assert address.port is not None
        async with Relay(address.hostname, address.port) as relay, Client(relay.url) as client:
            graph = next(each for each in await client.graphs() if each.name == GRAPH)
            self._began = monotonic()
            asked = {"paths": self._documents.paths, "pace": self._pace}
            run = await client.start(GRAPH, asked if self._model is None else {**asked, "model": self._model})
            self._stage.open(run.id, graph.nodes, graph.edges)
            try:
                async with asyncio.TaskGroup() as crew:
                    await self._read(run, relay, crew, address.port)
            except* RiverrunError as group:
                # The crew is one task: there is one error, and it says what went wrong.
                error: BaseException = group
                while isinstance(error, BaseExceptionGroup):
                    error = error.exceptions[0]
                raise error from None
            self._state = await run.state()
            return run.id

    async def _read(self, run: RemoteRun, relay: Relay, crew: asyncio.TaskGroup, port: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with (
                asyncio.timeout(PATIENCE_SECONDS) as patience,
                run.events(on_change=self._stage.changed) as events,
            ):
                async for event in events:
                    patience.reschedule(loop.time() + PATIENCE_SECONDS)
                    self._apply(event)
                    fault = self._schedule.take(event)
                    if fault is Fault.CUT:
                        self._cut(relay)
                    elif fault is Fault.KILL:
                        crew.create_task(self._crash(port))
                self._reconnects = events.reconnects
        except TimeoutError:
            what = f"no event for {PATIENCE_SECONDS:g} s after event {self._view.place}"
            raise ConnectionFault("E5002", what, where=f"run {run.id}") from None

    def _apply(self, event: Event) -> None:
        """Apply an event, and note it in the same breath."""
        self._journal.append(note(event.seq, encode(event)))
        self._view.apply(event)
        self._seconds = monotonic() - self._began
        if isinstance(event, NodeChunk) and not self._first_chunk:
            self._first_chunk = self._seconds
        self._stage.take(event)
        if self.watch is not None:
            self.watch(self._stage)

    def _cut(self, relay: Relay) -> None:
        self._stage.happened("we cut our own connection with a TCP reset", "bold red")
        self._cuts += relay.cut() > 0

    async def _crash(self, port: int) -> None:
        """Kill the server in mid-sentence and start another on the same port and store."""
        self._stage.happened(f"we kill the server, pid {self._child.listening.pid}, with SIGKILL", "bold red")
        await self._child.kill()
        self._kills += 1
        self._child = self._server(port)
        listening = await self._child.start()
        self._stage.happened(f"server started again, pid {listening.pid}; it waits for the old lease to end")

    def _server(self, port: int) -> Child:
        options = ["--port", str(port), "--store", self._store, "--lease", f"{LEASE_SECONDS:g}", "--json"]
        return Child(["dev", self._target, *options], self._said)

    async def _log(self, run: str) -> list[Record]:
        """Read the whole log from the store itself."""
        store, key = open_store(self._store), RunKey(TENANT, run)
        records: list[Record] = []
        try:
            while page := (await store.read(key, len(records), _PAGE)).records:
                records.extend(page)
        finally:
            await store.close()
        return records
