"""The one seam between runs and where their logs live: ten verbs, the same laws on every store.

Laws (the suite in `riverrun.testing.stores` is their meaning):

* L1  the seqs of a log are 1..head without a hole          * L2  a read shows only what was committed
* L3  what was read once never changes                      * L4  one epoch per seq, and epochs never fall along seq
* L5  after claim(e + 1) no append of epoch e succeeds      * L6  one terminal event at most, nothing after it
* L7  an append of unknown outcome is settled by looking at the tail (`settle` in `log.py`), never doubled
* L9  a control is kept once per key, in order              * L10 tenant is part of every key
* L11 a place beyond the head, or of another log, is an error, never silence
* L12 a parked run is owned by nobody in particular: whoever asks it to go on or to end makes it `queued` in the same
  commit, and a request that crosses the parking is not lost (`controls_seen`)
* L13 a queued run waits until the older runs of its thread have ended
* L14 a run stays as long as it is unfinished or another run takes its state from it
* L15 compaction changes nothing that is read

* L8  a checkpoint that is kept stands behind a committed event of the log, as its owner of that moment saw it; it is
  never more than a copy that may be gone (`KeepsCheckpoints`)

This file does not know SQL, files, threads or which stores exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

from msgspec import Struct

from riverrun.events.kinds import Event, RunStarted
from riverrun.events.record import Record

Status = Literal["queued", "running", "parked", "ended"]


class RunKey(NamedTuple):
    """The name of a run in a store: never without its tenant."""

    tenant: str
    run: str


class RunRow(Struct, frozen=True, kw_only=True):
    """What a store knows of a run beside its log.

    Attributes:
        key: Tenant and id.
        graph: Name of the graph.
        thread: The conversation it belongs to, if any.
        base_run: Id of the run that its first state comes from, if any.
        status: queued (waits for an owner), running, parked (waits to be asked to go on) or ended.
        ending: Value of `Ending` once ended.
        epoch: Fencing number of the owner; 0 before the first claim.
        head: seq of the last committed event.
        log: Id of this incarnation of the log.
        created_ms: Milliseconds since the Unix epoch.
        updated_ms: Of the last commit.
        worker: Id of the owner, or of the last one.
        lease_until_ms: The owner's claim ends here unless it is renewed.
    """

    key: RunKey
    graph: str
    status: Status
    epoch: int
    head: int
    log: str
    created_ms: int
    updated_ms: int
    thread: str | None = None
    base_run: str | None = None
    ending: str | None = None
    worker: str | None = None
    lease_until_ms: int = 0


class Created(NamedTuple):
    """The outcome of `create`: the row, and whether this call made it (False: the key was known)."""

    row: RunRow
    fresh: bool


class Page(NamedTuple):
    """The outcome of `read`.

    `head`, `epoch` and `status` are those of one moment together with the records; `floor` is the seq before the first
    event that retention left (0: all are there).
    """

    records: list[Record]
    head: int
    epoch: int
    status: Status
    log: str
    floor: int


class Control(Struct, frozen=True, kw_only=True):
    """Something a user asked of a run: `stop` it, `resume` it with answers. `n` counts from 1 per run.

    What a damaged inbox can no longer say comes as kind `damaged`, without payload, so that the rest is heard.
    """

    n: int
    kind: str
    payload: dict[str, Any]


class Held(NamedTuple):
    """One run that a worker holds, for `renew`: its key, its epoch, and the last control it has seen."""

    key: RunKey
    epoch: int
    controls_after: int


class Renewal(NamedTuple):
    """The outcome of `renew`: runs that are lost to another owner, and controls that the worker has not seen."""

    lost: list[RunKey]
    controls: dict[RunKey, list[Control]]


class RunFilter(Struct, frozen=True, kw_only=True):
    """Which runs `list` gives, newest first. None means any.

    Attributes:
        run: Exactly this one.
        graph: Of this graph.
        status: With this status.
        thread: Of this thread.
        created_after_ms: Created at this time or later, in milliseconds since the Unix epoch.
        created_before_ms: Created before this time, in milliseconds since the Unix epoch.
        limit: At most this many.
        before: Only runs with an id below this one (ids sort by age): the next page.
    """

    run: str | None = None
    graph: str | None = None
    status: Status | None = None
    thread: str | None = None
    created_after_ms: int | None = None
    created_before_ms: int | None = None
    limit: int = 50
    before: str | None = None


class Kept(NamedTuple):
    """A stored checkpoint: behind which event of which log it stands, and what `riverrun.graph.checkpoint` made."""

    seq: int
    log: str
    body: bytes


class LogStore(Protocol):
    """The verbs. No other code touches a backend."""

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
        """Make a run whose log begins with `started` (seq 1); with `worker`, claim it in the same commit.

        The status follows from the last event: terminal means ended; `run.interrupted` means parked, anything else
        queued, both unless there is a `worker`.

        Args:
            tenant: Whose run it is.
            started: Names the run, its graph, its thread, the run it stands on, and its log.
            idem_key: A second call with the same (tenant, idem_key) makes nothing and gives the first one's row;
                so does one with the same run id, which makes a repeat after an unknown outcome harmless.
            worker: Owner from the start (epoch 1, status running); None leaves it to whoever claims it (epoch 0).
            lease_seconds: How long the claim lasts.
            prefix: Further events (seq 2 …), committed together with `started`: a copied log, or what holds the run
                at its beginning.
            one_per_thread: Refuse when the thread of `started` has a run that has not ended.

        Returns:
            The row, and whether it is new.

        Raises:
            StoreError: E4002, the store cannot be written.
            InputError: E2013, `idem_key` (or the run id) was used with another graph or input.
            NodeError: E3008, an event holds what the store cannot keep; nothing was written.
            HeadMoved: E4005, the events of `prefix` do not continue `started`; nothing was written.
            Busy: E3018, `one_per_thread`, and the thread has an unfinished run; nothing was written.
        """
        ...

    async def claim(self, worker: str, *, graphs: frozenset[str], limit: int, lease_seconds: float) -> list[RunRow]:
        """Take runs that are queued, or running with an expired lease; oldest first, at most `limit`.

        A queued run is left while an older run of its thread has not ended, and a parked run until it is asked to go on
        or to end. The epoch rises by one. A run that was running gets `run.taken_over` appended in the same commit; the
        former owner of one that was queued gave it up when it parked, and nothing is said of it in the log.

        Args:
            worker: The new owner.
            graphs: Only runs of these graphs.
            limit: At most this many.
            lease_seconds: How long the claim lasts.

        Returns:
            The rows as they are now.

        Raises:
            StoreError: E4002, the store cannot be written.
        """
        ...

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
        """Append events, all or nothing, durably; renew the lease. The only write of an owner.

        The status follows from the last event: terminal means ended, `run.interrupted` means parked. An owner that
        parks a run says which controls it has seen: when there is a `resume` or a `stop` among the later ones, the run
        is `queued` in the same commit instead, so that what crossed the parking is heard by whoever claims it.

        Args:
            key: Which run.
            epoch: The owner's fencing number.
            expected_seq: The head as the owner knows it; the first event has the next seq.
            events: At least one, with dense seqs.
            lease_seconds: How long the renewed lease lasts.
            controls_seen: `n` of the last control that the owner took (0: none yet); None: it does not ask, and a run
                that it parks stays parked.

        Returns:
            The new head.

        Raises:
            Fenced: E4004, the epoch is old.
            HeadMoved: E4005, the head is not `expected_seq`.
            InputError: E2009, the log has its terminal event.
            NodeError: E3008, an event holds what the store cannot keep; nothing was written.
            NotFound: E2005.
            StoreError: E4002, the outcome is unknown: look at the tail (`settle`).
        """
        ...

    def renew(self, worker: str, held: list[Held], lease_seconds: float) -> Renewal:
        """Renew leases and fetch controls. Not a coroutine: it is called from the lease thread, off the event loop.

        Args:
            worker: The owner.
            held: The runs it believes to own.
            lease_seconds: How long the renewed leases last.

        Returns:
            What is lost, and what was asked.

        Raises:
            StoreError: E4002, the store cannot be written.
        """
        ...

    async def read(self, key: RunKey, after: int, limit: int) -> Page:
        """Give committed events after a seq, in order, at most `limit`.

        Args:
            key: Which run.
            after: seq of the last event that the reader has; 0 for all.
            limit: At most this many events.

        Returns:
            A page; empty at the tail.

        Raises:
            NotFound: E2005, also for another tenant's run.
            CursorError: E2006, `after` is beyond the head; E4007, it is below the floor.
            StoreError: E4002, the store cannot be read.
        """
        ...

    async def wait(self, key: RunKey, after: int, timeout: float) -> None:
        """Return when there may be events after `after`, or at the time-out: a hint that may be late, early or lost.

        Args:
            key: Which run.
            after: seq of the last event that the reader has.
            timeout: Seconds, at most.
        """
        ...

    async def control(self, key: RunKey, kind: str, payload: dict[str, Any], idem_key: str | None = None) -> Control:
        """Put a request to the owner of a run into its inbox; a parked run is `queued` by it in the same commit.

        Args:
            key: Which run.
            kind: `stop` or `resume`; one of any other kind wakes nobody.
            payload: What belongs to it.
            idem_key: The same key gives the same control and puts in nothing.

        Returns:
            The control with its number.

        Raises:
            NotFound: E2005.
            InputError: E2009, the run has ended.
            StoreError: E4002, the store cannot be written.
        """
        ...

    async def list(self, tenant: str, choice: RunFilter) -> list[RunRow]:
        """Give rows of a tenant's runs, newest first.

        Args:
            tenant: Whose runs.
            choice: Which of them.

        Returns:
            The rows; empty where nothing fits.

        Raises:
            StoreError: E4002, the store cannot be read.
        """
        ...

    async def sweep(self, ended_before_ms: int) -> int:
        """Remove runs that ended before a time. Never an unfinished run, nor one that a remaining run stands on.

        Args:
            ended_before_ms: Milliseconds since the Unix epoch.

        Returns:
            How many were removed.

        Raises:
            StoreError: E4002, the store cannot be written.
        """
        ...

    async def compact(self, ended_before_ms: int) -> int:
        """Store the logs of runs that ended before a time in less space. What is read stays the same, byte for byte.

        Args:
            ended_before_ms: Milliseconds since the Unix epoch.

        Returns:
            How many runs it went through; each run is gone through once.

        Raises:
            StoreError: E4002, the store cannot be written.
        """
        ...

    async def close(self) -> None:
        """Release what the store holds; idempotent. What was acknowledged is on disk already."""
        ...


class AppendsAtOnce(Protocol):
    """Optional power of a store that commits without waiting for anything: the memory store.

    The writer of a run then needs no task of its own (`riverrun.runs.writer`).
    """

    def append_now(
        self, key: RunKey, epoch: int, expected_seq: int, events: list[Event], *, controls_seen: int | None = None
    ) -> int:
        """Append as `LogStore.append` does, before it returns.

        Args:
            key: Which run.
            epoch: The owner's fencing number.
            expected_seq: The head as the owner knows it.
            events: At least one, with dense seqs.
            controls_seen: `n` of the last control that the owner took; None: it does not ask.

        Returns:
            The new head.

        Raises:
            Fenced: E4004, the epoch is old.
            HeadMoved: E4005, the head is not `expected_seq`.
            InputError: E2009, the log has its terminal event.
            NotFound: E2005.
        """
        ...


class KeepsCheckpoints(Protocol):
    """Optional power of a store: to keep for each run one checkpoint, so that a recovery does not begin at seq 1.

    Without it, or without one, everything is the same but slower: what a checkpoint says the log says too.
    """

    async def keep(self, key: RunKey, epoch: int, seq: int, body: bytes) -> bool:
        """Keep a checkpoint in place of an older one. When the run ends, what was kept before is dropped.

        Args:
            key: Which run.
            epoch: The fencing number under which it was made.
            seq: The event behind which it stands.
            body: The checkpoint.

        Returns:
            Whether it was kept. Not when there is no such run, its epoch is another one, the event is not committed,
            or a later checkpoint is there.

        Raises:
            StoreError: E4002, the store cannot be written.
        """
        ...

    async def kept(self, key: RunKey) -> Kept | None:
        """Give the checkpoint of a run.

        Args:
            key: Which run.

        Returns:
            The checkpoint; None when there is none, or it is damaged.

        Raises:
            StoreError: E4002, the store cannot be read.
        """
        ...
