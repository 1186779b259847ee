"""The store in one SQLite file: default of the server and the command line.

One thread writes (`sqlite_writer`), a few read (`sqlite_readers`), and readers that keep up are given what was just
committed from memory (`tails`). Several processes may have one file open: a worker that writes, a gateway that reads, a
command line that asks a run to stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import structs

from riverrun.base.clock import Clock, SystemClock
from riverrun.base.errors import InputError, NotFound
from riverrun.events.kinds import Event, RunStarted
from riverrun.log.store import Control, Created, Held, Kept, Page, Renewal, RunFilter, RunKey, RunRow
from riverrun.stores import sqlite_checkpoints as checkpoints
from riverrun.stores import sqlite_verbs as verbs
from riverrun.stores.phrases import Books
from riverrun.stores.sqlite_append import Append, Appender
from riverrun.stores.sqlite_compact import Ended, compactable, next_portion, replace
from riverrun.stores.sqlite_file import SEQ_MASK, open_file
from riverrun.stores.sqlite_readers import Readers
from riverrun.stores.sqlite_rows import list_rows, read_page
from riverrun.stores.sqlite_sweep import sweep, sweepable
from riverrun.stores.sqlite_wal import WalKeeper
from riverrun.stores.sqlite_writer import Request, Writer
from riverrun.stores.tails import Tails
from riverrun.stores.waiting import wake


class SqliteStore:
    """Keep logs in a SQLite file (`LogStore`, `KeepsCheckpoints`).

    Args:
        path: The file; it is made where there is none, its directory is not.
        clock: Tells when leases end; the system's by default.

    Raises:
        StoreError: E4001, the file cannot be opened or made; E4002, the disk is full; E4003, it is damaged, another
            program's, or a newer version's.
    """

    def __init__(self, path: str | Path, clock: Clock | None = None) -> None:
        self.path = str(path)
        db = open_file(self.path)
        self._tails = Tails()
        self._books = Books()
        self._readers = Readers(self.path)
        wal = WalKeeper(db, self._readers.beside)
        self._writer = Writer(db, self.path, clock or SystemClock(), self._tails, Appender(db), wal)
        self._tails.call = self._writer.look

    async def create(
        self,
        tenant: str,
        started: RunStarted,
        *,
        idem_key: str | None = None,
        worker: str | None = None,
        lease_seconds: float = 0.0,
        prefix: Sequence[Event] = (),
        one_per_thread: bool = False,
    ) -> Created:
        """Make a run, as `LogStore.create` says.

        Raises:
            StoreError: E4002, the store cannot be written.
            InputError: E2013, the key or the id was used for something else; E2002, a name that cannot be kept.
            NodeError: E3008, an event is not JSON.
            HeadMoved: E4005, the events of `prefix` do not continue `started`.
            Busy: E3018, `one_per_thread`, and the thread has an unfinished run.
        """
        key = RunKey(tenant, started.run)
        base_run = "" if started.base is None else started.base.run
        if not all(map(_storable, (*key, idem_key or "", worker or "", started.thread or "", base_run))):
            raise InputError("E2002", "a tenant, run, key, worker or thread has characters that cannot be kept")
        wanted = verbs.Wanted(tenant, idem_key, worker, _ms(lease_seconds), one_per_thread)
        if len(prefix) > verbs.PREFIX_EVENTS:  # its JSON would hold up the event loop
            work = await asyncio.to_thread(verbs.create, wanted, started, prefix)
        else:
            work = verbs.create(wanted, started, prefix)
        return await self._writer.write(Request(work, (key,)))

    async def claim(self, worker: str, *, graphs: frozenset[str], limit: int, lease_seconds: float) -> list[RunRow]:
        """Take runs that nobody holds, as `LogStore.claim` says.

        Raises:
            StoreError: E4002, the store cannot be written.
        """
        return await self._writer.write(Request(verbs.claim(worker, graphs, limit, _ms(lease_seconds))))

    async def append(
        self,
        key: RunKey,
        epoch: int,
        expected_seq: int,
        events: list[Event],
        lease_seconds: float,
        *,
        controls_seen: int | None = None,
    ) -> int:
        """Append durably and renew the lease, as `LogStore.append` says.

        Raises:
            Fenced: E4004, the epoch is old.
            HeadMoved: E4005, the head is not `expected_seq`.
            InputError: E2009, the log has its terminal event.
            NodeError: E3008, an event is not JSON.
            NotFound: E2005.
            StoreError: E4002, the outcome is unknown.
        """
        self._check(key)
        lease_ms = _ms(lease_seconds)
        request = Append(key, epoch, expected_seq, events, lease_ms, self._books, controls_seen)
        return await self._writer.write(request)

    def renew(self, worker: str, held: list[Held], lease_seconds: float) -> Renewal:  # noqa: ARG002 an epoch has one worker
        """Renew leases and fetch controls, as `LogStore.renew` says. Blocks; not for an event loop's thread.

        Raises:
            StoreError: E4002, the store cannot be written.
        """
        return self._writer.call(Request(verbs.renew(held, _ms(lease_seconds))))

    async def read(self, key: RunKey, after: int, limit: int) -> Page:
        """Give events after a seq, as `LogStore.read` says.

        Raises:
            NotFound: E2005.
            CursorError: E2006 beyond the head, E4007 below the floor.
            StoreError: E4002, the store cannot be read; E4003, it is damaged.
        """
        page = self._tails.page(key, after, limit)
        if page is None:
            self._check(key)
            page = await self._readers.run(read_page, key, after, limit)
            self._tails.compare(key, page)
        return page

    async def wait(self, key: RunKey, after: int, timeout: float) -> None:
        """Wait for events after a seq, as `LogStore.wait` says."""
        await self._tails.wait(key, after, timeout)

    async def control(self, key: RunKey, kind: str, payload: dict[str, Any], idem_key: str | None = None) -> Control:
        """Put a request into the inbox of a run, as `LogStore.control` says.

        Raises:
            NotFound: E2005.
            InputError: E2009, the run has ended; E2002, the payload is not JSON.
            StoreError: E4002, the store cannot be written.
        """
        self._check(key)
        return await self._writer.write(Request(verbs.control(key, kind, payload, idem_key)))

    async def list(self, tenant: str, choice: RunFilter) -> list[RunRow]:
        """Give rows of a tenant's runs, as `LogStore.list` says.

        Raises:
            StoreError: E4002, the store cannot be read.
        """
        if not all(map(_storable, (tenant, *(name for name in structs.astuple(choice) if isinstance(name, str))))):
            return []  # nobody is called that
        return await self._readers.run(list_rows, tenant, choice)

    async def keep(self, key: RunKey, epoch: int, seq: int, body: bytes) -> bool:
        """Keep a checkpoint, as `KeepsCheckpoints.keep` says.

        Raises:
            StoreError: E4002, the store cannot be written.
        """
        if not all(map(_storable, key)):
            return False
        return await self._writer.write(Request(checkpoints.keep(key, epoch, seq, body), size_bytes=len(body)))

    async def kept(self, key: RunKey) -> Kept | None:
        """Give the checkpoint of a run, as `KeepsCheckpoints.kept` says.

        Raises:
            StoreError: E4002, the store cannot be read.
        """
        return await self._readers.run(checkpoints.kept, key) if all(map(_storable, key)) else None

    async def sweep(self, ended_before_ms: int) -> int:
        """Remove runs that ended before a time, as `LogStore.sweep` says.

        Raises:
            StoreError: E4002, the store cannot be written.
        """
        total, after = 0, (-1, 0)
        while found := await self._readers.run(sweepable, ended_before_ms, after):
            after, left = found[-1], [run_id for _, run_id in found]
            while left:
                removed, left = await self._writer.write(Request(sweep(ended_before_ms, left)))
                total += removed
        return total

    async def compact(self, ended_before_ms: int) -> int:
        """Join the batches of runs that ended before a time, as `LogStore.compact` says.

        Raises:
            StoreError: E4002, the store cannot be written.
        """
        total, after = 0, (-1, 0)
        while found := await self._readers.run(compactable, ended_before_ms, after):
            after = (found[-1].ended_ms, found[-1].id)
            for ended in found:
                total += await self._compact(ended)
        return total

    async def _compact(self, ended: Ended) -> bool:
        below = SEQ_MASK + 1
        while portion := await self._readers.run(next_portion, ended, below):
            if not await self._writer.write(Request(replace(ended, portion))):
                return False  # another process is at it
            below = portion.first_seq
        return await self._writer.write(Request(replace(ended, None)))

    async def close(self) -> None:
        """Finish what was asked before, end the threads, close the file; idempotent."""
        await asyncio.to_thread(self._shut)

    def _shut(self) -> None:
        self._writer.close()
        self._readers.close()
        wake(self._tails.release())

    def _check(self, key: RunKey) -> None:
        if not all(map(_storable, key)):
            raise NotFound("E2005", f"there is no run {key.run!r}")


def _storable(name: str) -> bool:
    """Say whether SQLite gives a text back as it was given: no NUL, no half of a surrogate pair."""
    return "\0" not in name and (name.isascii() or not any("\ud800" <= char <= "\udfff" for char in name))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
