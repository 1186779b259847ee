"""What keeps the runs of threads in this process: the store of their logs, and which runs are alive.

A graph that is compiled with one remembers. Several graphs may share it. It is no second kind of memory: it holds logs,
and everything that can be asked of a thread is read from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from riverrun.base.clock import SystemClock
from riverrun.log.store import RunFilter, RunKey, RunRow
from riverrun.runs.history import History
from riverrun.stores.memory import MemoryStore

if TYPE_CHECKING:
    from riverrun.face.run import Run

TENANT = "local"
FOREVER = 10.0 * 365 * 24 * 3600  # a lease in process: nobody else could take the run over


class InMemorySaver:
    """Keep threads as long as this process lives: `graph.compile(checkpointer=InMemorySaver())`.

    Attributes:
        store: Where the logs are.
        history: What they add up to.
        parked: Runs that wait for answers in this process, by id.
        live: Runs that are being driven, by id.
    """

    def __init__(self) -> None:
        self.store = MemoryStore(SystemClock())
        self.history = History(self.store)
        self.parked: dict[str, Run] = {}
        self.live: dict[str, Run] = {}

    async def newest(self, thread: str) -> RunRow | None:
        """Give the newest run of a thread, whether it has ended or not."""
        rows = await self.store.list(TENANT, RunFilter(thread=thread, limit=1))
        return rows[0] if rows else None

    async def all(self, thread: str) -> list[RunRow]:
        """Give the runs of a thread, newest first."""
        return await self.store.list(TENANT, RunFilter(thread=thread, limit=1_000_000))

    async def find(self, run: str) -> RunRow | None:
        """Give a run by its id."""
        rows = await self.store.list(TENANT, RunFilter(run=run, limit=1))
        return rows[0] if rows else None

    def driven(self, run: Run) -> None:
        """Take note that a run begins, or goes on."""
        self.parked.pop(run.id, None)
        self.live[run.id] = run

    def delete_thread(self, thread_id: str) -> None:
        """Forget the runs of a thread that have ended or wait for answers, and what they left."""
        gone = self.store.forget(TENANT, str(thread_id))
        for run in gone:
            self.parked.pop(run, None)
        if gone:  # what was folded of them goes too; of other threads it is folded again when it is asked for
            self.history = History(self.store)

    async def adelete_thread(self, thread_id: str) -> None:
        """Do what `delete_thread` does."""
        self.delete_thread(thread_id)

    @staticmethod
    def key(run: str) -> RunKey:
        """Give the name of a run in the store."""
        return RunKey(TENANT, run)


MemorySaver = InMemorySaver  # its other name in LangGraph
