"""The one thread that writes to a SQLite store: requests of all runs and loops go into common commits.

Rules of this file:

* A request that arrives while nothing is under way is committed at once. What arrives during a commit makes the next
  group: nobody is held back, and groups grow by themselves with the load.
* An answer is given only after COMMIT has returned. Each request of a group succeeds or fails alone; only when the
  disk refuses do all of them fail, and the thread goes on.
* One call into each event loop per group, whatever the size of the group.
* A commit that was begun is never called off, whoever stops waiting for it.

It does not know what the requests do (`sqlite_verbs`, `sqlite_append`).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from enum import Enum
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import Any, Generic, NamedTuple, TypeVar

import apsw

from riverrun.base.clock import Clock
from riverrun.base.errors import RiverrunError, StoreError
from riverrun.log.store import RunKey
from riverrun.stores.sqlite_file import store_error
from riverrun.stores.sqlite_wal import WalKeeper
from riverrun.stores.tails import Change, Tails
from riverrun.stores.waiting import release

T = TypeVar("T")

GROUP_REQUESTS = 1_000  # of one commit, at most, so that it stays within some 10 ms
GROUP_BYTES = 4 * 1024 * 1024
LOOK_SECONDS = 0.025  # how often commits of other processes are looked for while somebody waits for them
CALL_SECONDS = 10.0  # how long a thread waits for its answer

# What the disk or another process did: nothing that one request could be blamed for.
_WORLD = (apsw.FullError, apsw.IOError, apsw.BusyError, apsw.CorruptError, apsw.NotADBError, apsw.ReadOnlyError,
          apsw.CantOpenError, apsw.NoMemError, apsw.LockedError, apsw.ProtocolError)  # fmt: skip


class Done(NamedTuple, Generic[T]):
    """What a request gives back: the answer, the logs that it changed, and those that it found in other hands."""

    answer: T
    changes: Sequence[Change] = ()
    strange: Sequence[RunKey] = ()


class Request(Generic[T]):
    """One wish to write.

    Attributes:
        work: Carries it out in the open transaction, given the connection and the time (milliseconds since the Unix
            epoch). It must look before it writes: a RiverrunError that it raises must leave nothing written.
        keys: The logs it may change.
        size_bytes: What it writes, roughly.
        reply: Where the answer goes.
    """

    __slots__ = ("done", "error", "keys", "reply", "size_bytes", "work")

    def __init__(
        self,
        work: Callable[[apsw.Connection, int], Done[T]],
        keys: Sequence[RunKey] = (),
        size_bytes: int = 0,
    ) -> None:
        self.work = work
        self.keys = keys
        self.size_bytes = size_bytes
        self.reply: asyncio.Future[T] | concurrent.futures.Future[T]
        self.done: Done[T] | None = None
        self.error: Exception | None = None


class _Signal(Enum):
    STOP = "stop"
    LOOK = "look"


Group = list[Request[Any]]
Bulk = Callable[[apsw.Connection, int, Group], Group]


class Writer:
    """The thread and its queue.

    Args:
        db: The connection; from now on only the thread uses it, until it ends.
        path: Of the file, for errors.
        clock: The store's.
        tails: Told of commits.
        bulk: Carries out those requests of a group that it can do in one go, and gives back the others.
        wal: Keeps the write-ahead log short.
    """

    def __init__(
        self,
        db: apsw.Connection,
        path: str,
        clock: Clock,
        tails: Tails,
        bulk: Bulk,
        wal: WalKeeper,
    ) -> None:
        self._db = db
        self._path = path
        self._clock = clock
        self._tails = tails
        self._bulk = bulk
        self._wal = wal
        self._queue: SimpleQueue[Request[Any] | _Signal] = SimpleQueue()
        self._lock = Lock()
        self._closed = False
        self._next_look = 0.0
        self._version = 0
        self._thread = Thread(target=self._run, name="riverrun-store-writer", daemon=True)
        self._thread.start()

    async def write(self, request: Request[T]) -> T:
        """Have a request committed.

        Args:
            request: A new one. When the caller is cancelled it is carried out all the same.

        Returns:
            Its answer.

        Raises:
            RiverrunError: What its work raised.
            StoreError: E4002, the disk refused, or the store is closed: the outcome is unknown.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        request.reply = future
        self._put(request)
        return await future

    def call(self, request: Request[T]) -> T:
        """Have a request committed, from a thread that may block.

        Args:
            request: A new one.

        Returns:
            Its answer.

        Raises:
            RiverrunError: What its work raised.
            StoreError: E4002, the disk refused, there was no answer in time, or the store is closed.
        """
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        request.reply = future
        self._put(request)
        try:
            return future.result(CALL_SECONDS)
        except TimeoutError:
            raise StoreError("E4002", f"no answer within {CALL_SECONDS:g} s", where=self._path) from None

    def look(self) -> None:
        """Begin to look for commits of other processes, because somebody waits for them."""
        self._queue.put(_Signal.LOOK)

    def close(self) -> None:
        """Carry out what was asked before, then end the thread and close the connection; idempotent."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(_Signal.STOP)
        self._thread.join()
        self._db.close()

    def _put(self, request: Request[Any]) -> None:
        with self._lock:
            if self._closed:
                raise StoreError("E4002", "the store is closed", where=self._path)
            self._queue.put(request)

    # --- the thread ---

    def _run(self) -> None:
        going = True
        while going:
            group, going = self._gather()
            if group:
                self._commit(group)
                self._wal.care()
            if going and self._tails.watched() and monotonic() >= self._next_look:
                self._look_abroad()

    def _gather(self) -> tuple[Group, bool]:
        """Wait for a request, then take all that are there; False at the end."""
        group: Group = []
        size_bytes = 0
        try:
            item = self._queue.get(timeout=LOOK_SECONDS if self._tails.watched() else None)
            while True:
                if item is _Signal.STOP:
                    return group, False
                if isinstance(item, Request):
                    group.append(item)
                    size_bytes += item.size_bytes
                    if len(group) >= GROUP_REQUESTS or size_bytes >= GROUP_BYTES:
                        break
                item = self._queue.get_nowait()
        except Empty:
            pass
        return group, True

    def _commit(self, group: Group) -> None:
        left = group
        while left:
            culprit = self._try(left)
            left = [] if culprit is None else [request for request in left if request is not culprit]
        woken = self._tails.publish(
            change for request in group if request.done and not request.error for change in request.done.changes
        )
        self._tails.forget(
            key
            for request in group
            for key in (request.keys if request.error else request.done.strange if request.done else ())
        )
        self._answer(group, woken)

    def _try(self, group: Group) -> Request[Any] | None:
        """Carry out and commit a group; give back the request that must be left out next time, if there is one."""
        current: Request[Any] | None = None
        for request in group:
            request.done = request.error = None
        try:
            self._db.execute("BEGIN IMMEDIATE")
            now_ms = self._clock.now_ms()
            for request in self._bulk(self._db, now_ms, group):
                current = request
                try:
                    request.done = request.work(self._db, now_ms)
                except RiverrunError as error:
                    request.error = error
            current = None
            self._db.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 whatever it is, the thread must go on and everybody be answered
            self._roll_back()
            if current is not None and not isinstance(error, _WORLD):
                current.error = store_error(error, self._path)
                return current
            for request in group:
                request.error = request.error or store_error(error, self._path)
        return None

    def _roll_back(self) -> None:
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except apsw.Error:
            pass  # nothing was committed; the next BEGIN says what is wrong

    def _answer(self, group: Group, woken: Iterable[asyncio.Future[None]]) -> None:
        calls: dict[asyncio.AbstractEventLoop, tuple[Group, list[asyncio.Future[None]]]] = {}
        for request in group:
            if isinstance(request.reply, concurrent.futures.Future):
                _settle(request)
            else:
                calls.setdefault(request.reply.get_loop(), ([], []))[0].append(request)
        for future in woken:
            calls.setdefault(future.get_loop(), ([], []))[1].append(future)
        for loop, call in calls.items():
            with suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(_deliver, *call)

    def _look_abroad(self) -> None:
        """Wake the readers of logs that another process has written; what goes wrong here is only a late hint."""
        self._next_look = monotonic() + LOOK_SECONDS
        try:
            version = self._db.pragma("data_version")
            changed, self._version = version != self._version, version
            heads = [(key, head) for key in self._tails.watch_list(changed=changed) for head in self._head(key)]
        except (apsw.Error, UnicodeError):
            return
        self._answer([], self._tails.seen(heads))

    def _head(self, key: RunKey) -> list[int]:
        return [head for (head,) in self._db.execute("SELECT head FROM run WHERE tenant = ? AND run = ?", key)]


def _deliver(group: Group, woken: list[asyncio.Future[None]]) -> None:
    for request in group:
        if not request.reply.done():
            _settle(request)
    for future in woken:
        release(future)


def _settle(request: Request[Any]) -> None:
    if request.error is not None:
        request.reply.set_exception(request.error)
    elif request.done is not None:
        request.reply.set_result(request.done.answer)
