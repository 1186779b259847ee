"""The store of one process: logs as lists of events that are never encoded unless somebody asks for bytes.

It keeps the same laws as the stores on disk and forgets everything with its process. `append_now` is the hot path of
every run in process: it waits for nothing. What a run costs stays until `sweep` or `trim`: bounding it is the caller's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

from riverrun.base.clock import Clock, SystemClock
from riverrun.base.errors import InputError, NotFound
from riverrun.events.kinds import Event, RunStarted, RunTakenOver
from riverrun.events.record import Record
from riverrun.log.log import (
    check_append,
    check_place,
    check_repeat,
    check_thread,
    ending_of,
    status_after,
    status_at_birth,
    wakes,
)
from riverrun.log.store import Control, Created, Held, Kept, Page, Renewal, RunFilter, RunKey, RunRow, Status
from riverrun.stores.waiting import Waiting, WaitingRooms, wake

if TYPE_CHECKING:
    from riverrun.stores.packs import Packs


class _Run:
    """One run: its row in parts that change, and its log."""

    __slots__ = (
        "compacted",
        "controls",
        "created_ms",
        "ending",
        "epoch",
        "floor",
        "head",
        "kept",
        "keys",
        "lease_until_ms",
        "packed",
        "records",
        "started",
        "status",
        "updated_ms",
        "waiting",
        "worker",
    )

    def __init__(self, started: RunStarted, prefix: Sequence[Event], status: Status, now_ms: int) -> None:
        last = prefix[-1] if prefix else started
        ending = ending_of(last)
        self.started = started
        self.records = [Record(event.seq, event) for event in (started, *prefix)]
        self.packed: Packs | None = None  # in place of the records, once compacted
        self.head = len(self.records)
        self.floor = 0
        self.epoch = 0
        self.status: Status = status
        self.ending: str | None = None if ending is None else ending.value
        self.worker: str | None = None
        self.created_ms = self.updated_ms = now_ms
        self.lease_until_ms = 0
        self.compacted = False
        self.controls: list[Control] = []
        self.keys: dict[str, Control] = {}
        self.kept: Kept | None = None
        self.waiting: Waiting = {}

    def own(self, worker: str, until_ms: int) -> None:
        """Give the run to a worker, under a new epoch."""
        self.epoch += 1
        self.worker = worker
        self.lease_until_ms = until_ms

    def waits_for(self, seen: int | None) -> bool:
        """Say whether the owner that parks this run, and has seen so many controls, leaves one unheard."""
        return seen is not None and any(wakes(control.kind) for control in self.controls[seen:])

    def row(self, key: RunKey) -> RunRow:
        """Give what is told of the run."""
        return RunRow(
            key=key,
            graph=self.started.graph,
            thread=self.started.thread,
            base_run=None if self.started.base is None else self.started.base.run,
            log=self.started.log,
            status=self.status,
            ending=self.ending,
            epoch=self.epoch,
            head=self.head,
            created_ms=self.created_ms,
            updated_ms=self.updated_ms,
            worker=self.worker,
            lease_until_ms=self.lease_until_ms,
        )


class _Threads:
    """The runs of each thread, oldest first."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str], dict[RunKey, _Run]] = {}

    def add(self, key: RunKey, run: _Run) -> None:
        """Take in a run that was made."""
        if run.started.thread is not None:
            self._runs.setdefault((key.tenant, run.started.thread), {})[key] = run

    def drop(self, key: RunKey, run: _Run) -> None:
        """Forget a run that was removed."""
        name = (key.tenant, run.started.thread or "")
        if run.started.thread is not None:
            del self._runs[name][key]
            if not self._runs[name]:
                del self._runs[name]

    def runs(self, tenant: str, thread: str | None) -> dict[RunKey, _Run]:
        """Give the runs of a thread; none of no thread."""
        return {} if thread is None else self._runs.get((tenant, thread), {})

    def unfinished(self, tenant: str, thread: str | None) -> Iterator[str]:
        """Give the ids of the runs of a thread that have not ended."""
        return (key.run for key, run in self.runs(tenant, thread).items() if run.status != "ended")

    def free(self, key: RunKey, run: _Run, now_ms: int) -> bool:
        """Say whether a run may be claimed: queued as the first of its thread, or running without an owner."""
        if run.status == "queued":
            return next(self.unfinished(key.tenant, run.started.thread), key.run) == key.run
        return run.status == "running" and run.lease_until_ms <= now_ms


class _Checkpoints:
    """The checkpoints of a store: each beside its run, and gone with it (`KeepsCheckpoints`)."""

    _runs: dict[RunKey, _Run]
    _lock: Lock

    async def keep(self, key: RunKey, epoch: int, seq: int, body: bytes) -> bool:
        """Keep a checkpoint, as `KeepsCheckpoints.keep` says."""
        with self._lock:
            run = self._runs.get(key)
            if run is None or run.epoch != epoch or run.head < seq or (run.kept is not None and run.kept.seq >= seq):
                return False
            run.kept = Kept(seq, run.started.log, body)
            return True

    async def kept(self, key: RunKey) -> Kept | None:
        """Give the checkpoint of a run, as `KeepsCheckpoints.kept` says."""
        with self._lock:
            run = self._runs.get(key)
            return None if run is None else run.kept


class MemoryStore(_Checkpoints):
    """Keep logs in this process (`LogStore`, `AppendsAtOnce`, `KeepsCheckpoints`).

    Args:
        clock: Tells when leases end; the system's by default.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._runs: dict[RunKey, _Run] = {}
        self._keys: dict[tuple[str, str], RunKey] = {}
        self._threads = _Threads()
        self._rooms = WaitingRooms()
        # Loops of several threads may share a store, and leases are renewed from a thread: 0.05 µs per append.
        self._lock = Lock()

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
            InputError: E2013, the key or the id of the run was used for something else.
            HeadMoved: E4005, the events of `prefix` do not continue `started`.
            Busy: E3018, `one_per_thread`, and the thread has an unfinished run.
        """
        key = RunKey(tenant, started.run)
        with self._lock:
            known = key if idem_key is None else self._keys.get((tenant, idem_key), key)
            first = self._runs.get(known)
            if first is not None:
                check_repeat(first.started, started)
                return Created(first.row(known), fresh=False)
            status = status_at_birth(started, prefix, owned=worker is not None)
            if one_per_thread:
                check_thread(started.thread, next(self._threads.unfinished(tenant, started.thread), None))
            now_ms = self._clock.now_ms()
            run = self._runs[key] = _Run(started, prefix, status, now_ms)
            if idem_key is not None:
                self._keys[tenant, idem_key] = key
            self._threads.add(key, run)
            if worker is not None:
                run.own(worker, now_ms + round(lease_seconds * 1000))
            return Created(run.row(key), fresh=True)

    async def claim(self, worker: str, *, graphs: frozenset[str], limit: int, lease_seconds: float) -> list[RunRow]:
        """Take runs that nobody holds, as `LogStore.claim` says."""
        with self._lock:
            now_ms = self._clock.now_ms()
            free = (
                (key, run)
                for key, run in self._runs.items()
                if run.started.graph in graphs and self._threads.free(key, run, now_ms)
            )
            rows = []
            for key, run in list(islice(free, max(limit, 0))):
                was_running, run.status = run.status == "running", "running"
                run.own(worker, now_ms + round(lease_seconds * 1000))
                run.updated_ms = now_ms
                if was_running:
                    event = RunTakenOver(seq=run.head + 1, ts=now_ms, run=key.run, epoch=run.epoch, worker=worker)
                    self._put(run, event)
                rows.append(run.row(key))
            return rows

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
        """Append and renew the lease, as `LogStore.append` says.

        Raises:
            Fenced: E4004, the epoch is old.
            HeadMoved: E4005, the head is not `expected_seq`.
            InputError: E2009, the log has its terminal event.
            NotFound: E2005.
        """
        head = self.append_now(key, epoch, expected_seq, events, controls_seen=controls_seen)
        self._runs[key].lease_until_ms = self._clock.now_ms() + round(lease_seconds * 1000)
        return head

    def append_now(
        self, key: RunKey, epoch: int, expected_seq: int, events: list[Event], *, controls_seen: int | None = None
    ) -> int:
        """Append before it returns, as `AppendsAtOnce.append_now` says; the lease stays as it is.

        Raises:
            Fenced: E4004, the epoch is old.
            HeadMoved: E4005, the head is not `expected_seq`.
            InputError: E2009, the log has its terminal event.
            NotFound: E2005.
        """
        with self._lock:
            run = self._find(key)
            check_append(run.epoch, run.head, run.status, epoch, expected_seq, events)
            for event in events:
                run.records.append(Record(event.seq, event))
            last = events[-1]
            run.head = last.seq
            run.status = status_after(last)
            if run.status == "parked" and run.waits_for(controls_seen):
                run.status = "queued"
            run.updated_ms = self._clock.now_ms()
            if last.terminal:
                ending = ending_of(last)
                run.ending = None if ending is None else ending.value
                run.kept = None
            if run.waiting:
                woken, run.waiting = run.waiting, {}
                wake(woken)
            return run.head

    def renew(self, worker: str, held: list[Held], lease_seconds: float) -> Renewal:  # noqa: ARG002 an epoch has one worker
        """Renew leases, as `LogStore.renew` says. From any thread."""
        lost: list[RunKey] = []
        controls: dict[RunKey, list[Control]] = {}
        with self._lock:
            until_ms = self._clock.now_ms() + round(lease_seconds * 1000)
            for key, epoch, seen in held:
                run = self._runs.get(key)
                if run is None or run.epoch != epoch:
                    lost.append(key)
                    continue
                if run.status != "ended":
                    run.lease_until_ms = until_ms
                if len(run.controls) > seen:
                    controls[key] = run.controls[seen:]
        return Renewal(lost, controls)

    async def read(self, key: RunKey, after: int, limit: int) -> Page:
        """Give events after a seq, as `LogStore.read` says.

        Raises:
            NotFound: E2005.
            CursorError: E2006 beyond the head, E4007 below the floor.
        """
        with self._lock:
            run = self._find(key)
            check_place(after, run.head, run.floor)
            if run.packed is None:
                start = after - run.floor
                records = run.records[start : start + max(limit, 0)]
            else:
                records = run.packed.page(after, limit)
            return Page(records, run.head, run.epoch, run.status, run.started.log, run.floor)

    async def wait(self, key: RunKey, after: int, timeout: float) -> None:
        """Wait for events after a seq, as `LogStore.wait` says."""
        with self._lock:
            run = self._runs.get(key)
            if run is None or run.head > after:
                return
            room = self._rooms.here()
            future: asyncio.Future[None] = room.loop.create_future()
            waiting = run.waiting
            waiting[future] = after
        await room.rest(waiting, future, timeout)

    async def control(self, key: RunKey, kind: str, payload: dict[str, Any], idem_key: str | None = None) -> Control:
        """Put a request into the inbox of a run, as `LogStore.control` says.

        Raises:
            NotFound: E2005.
            InputError: E2009, the run has ended.
        """
        with self._lock:
            run = self._find(key)
            if idem_key is not None and idem_key in run.keys:
                return run.keys[idem_key]
            if run.status == "ended":
                raise InputError("E2009", f"run {key.run} has ended")
            control = Control(n=len(run.controls) + 1, kind=kind, payload=payload)
            run.controls.append(control)
            if idem_key is not None:
                run.keys[idem_key] = control
            if run.status == "parked" and wakes(kind):
                run.status = "queued"
                run.updated_ms = self._clock.now_ms()
            return control

    async def list(self, tenant: str, choice: RunFilter) -> list[RunRow]:
        """Give rows of a tenant's runs, as `LogStore.list` says."""
        with self._lock:
            fitting = [
                (key, run)
                for key, run in self._runs.items()
                if key.tenant == tenant
                and choice.run in (None, key.run)
                and choice.graph in (None, run.started.graph)
                and choice.status in (None, run.status)
                and choice.thread in (None, run.started.thread)
                and (choice.created_after_ms is None or run.created_ms >= choice.created_after_ms)
                and (choice.created_before_ms is None or run.created_ms < choice.created_before_ms)
                and (choice.before is None or key.run < choice.before)
            ]
            fitting.sort(key=lambda item: item[0].run, reverse=True)
            return [run.row(key) for key, run in fitting[: max(choice.limit, 0)]]

    async def sweep(self, ended_before_ms: int) -> int:
        """Remove runs that ended before a time, as `LogStore.sweep` says."""
        with self._lock:
            old = _removable(self._runs, ended_before_ms)
            for key in old:
                self._threads.drop(key, self._runs.pop(key))
            self._keys = {idem: key for idem, key in self._keys.items() if key not in old}
            return len(old)

    async def compact(self, ended_before_ms: int) -> int:
        """Pack the logs of runs that ended before a time, as `LogStore.compact` says.

        A log with an object that would not come back as it is from its JSON stays as it is.
        """
        with self._lock:
            old = [
                run
                for run in self._runs.values()
                if run.status == "ended" and run.updated_ms < ended_before_ms and not run.compacted
            ]
            for run in old:
                run.compacted = True
        from riverrun.stores.packs import pack_all  # noqa: PLC0415  # 2 ms of every `import riverrun`

        for run in old:
            floor, records = run.floor, run.records
            # In a thread: it takes some µs per event, and the log of a run that has ended never changes.
            packed = await asyncio.to_thread(pack_all, records)
            with self._lock:
                if packed is not None and run.floor == floor:
                    run.records, run.packed = [], packed
        return len(old)

    def forget(self, tenant: str, thread: str) -> tuple[str, ...]:
        """Forget a thread, but for a run that is running, and runs that others begin from.

        Args:
            tenant: Whose thread.
            thread: Its name.

        Returns:
            Ids of the runs that are gone.
        """
        with self._lock:
            idle = {key for key, run in self._threads.runs(tenant, thread).items() if run.status != "running"}
            gone = _without_bases(self._runs, idle)
            for key in gone:
                self._threads.drop(key, self._runs.pop(key))
            self._keys = {idem: key for idem, key in self._keys.items() if key not in gone}
        return tuple(sorted(key.run for key in gone))

    def trim(self, key: RunKey, floor: int) -> None:
        """Forget the events of a run up to and with `floor`; for the sole reader of a run, when it is done with them.

        Args:
            key: Which run.
            floor: seq of the last event that nobody needs; below the present floor nothing happens.

        Raises:
            NotFound: E2005.
            CursorError: E2006, the log is not that long.
        """
        with self._lock:
            run = self._find(key)
            check_place(max(floor, run.floor), run.head, run.floor)
            if floor > run.floor and run.packed is not None:
                run.records, run.packed = run.packed.page(run.floor, run.head), None
            if floor > run.floor:
                del run.records[: floor - run.floor]
                run.floor = floor

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def _find(self, key: RunKey) -> _Run:
        run = self._runs.get(key)
        if run is None:
            raise NotFound("E2005", f"there is no run {key.run!r}")
        return run

    @staticmethod
    def _put(run: _Run, event: Event) -> None:
        run.records.append(Record(event.seq, event))
        run.head = event.seq
        woken, run.waiting = run.waiting, {}
        wake(woken)


def _removable(runs: dict[RunKey, _Run], ended_before_ms: int) -> set[RunKey]:
    old = {key for key, run in runs.items() if run.status == "ended" and run.updated_ms < ended_before_ms}
    return _without_bases(runs, old)


def _without_bases(runs: dict[RunKey, _Run], old: set[RunKey]) -> set[RunKey]:
    bases = {base for key, run in runs.items() if key not in old and (base := _base(key, run))}
    while bases:  # what a run that stays stands on stays too, and so on
        kept = [base for base in bases if base in old]
        old.difference_update(kept)
        bases = {base for key in kept if (base := _base(key, runs[key]))}
    return old


def _base(key: RunKey, run: _Run) -> RunKey | None:
    return None if run.started.base is None else RunKey(key.tenant, run.started.base.run)
