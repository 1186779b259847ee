"""One durable stream as this process knows it: its log folded up to some event, and the way to write to it.

Rules of this file:

* Nobody owns the log. A write is decided on what was read, and committed only while that is still the head; when
  another process was faster, it is read on and decided anew (`riverrun.log.durable`).
* What several requests want at once becomes one commit: while one is under way, those that come wait for the next.
* A request that is cancelled changes nothing: what it asked for is carried out or not, whole, and seen by the next.

It does not know paths, tenants' names for streams, or HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from riverrun.base.clock import Clock
from riverrun.base.errors import Busy, HeadMoved, InputError
from riverrun.log.drafting import Draft
from riverrun.log.durable import State
from riverrun.log.store import LogStore, RunKey

EPOCH = 1  # of every durable stream: no worker ever claims one
LEASE_SECONDS = 100 * 365.25 * 86_400.0  # so that none finds it without an owner

_PAGE_EVENTS = 1_000
_GROUP = 100  # requests in one commit, at most
_TRIES = 50  # of a commit: others may be faster that often before a writer is told to come back

T = TypeVar("T")
Decide = Callable[[Draft], Any]


class Desk:
    """One durable stream.

    Args:
        store: Where its log lives.
        clock: Says when something was written.
        key: Of the log.
        state: What is known of it.

    Attributes:
        key: As given.
        state: What is known of it now; only looked at by others.
    """

    def __init__(self, store: LogStore, clock: Clock, key: RunKey, state: State) -> None:
        self.key = key
        self.state = state
        self._store = store
        self._clock = clock
        self._asked: list[tuple[Decide, asyncio.Future[Any]]] = []
        self._writing: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing is being written."""
        return self._writing is None

    async def load(self, head: int) -> State:
        """Read from the last sum on: what the log of a long stream adds up to need not be read from its beginning.

        Args:
            head: seq of an event that the log has.

        Returns:
            What is known now.

        Raises:
            NotFound: E2005, the log is gone.
            StoreError: E4002, the store cannot be read.
        """
        while head - self.state.head > _PAGE_EVENTS:
            start = max(self.state.head, head - _PAGE_EVENTS)
            page = await self._store.read(self.key, start, head - start)
            if any(self.state.resume(record.event) for record in reversed(page.records)):
                break
            head = start
        return await self.catch_up()

    async def catch_up(self) -> State:
        """Read on to the head.

        Returns:
            What is known now.

        Raises:
            NotFound: E2005, the log is gone.
            StoreError: E4002, the store cannot be read.
        """
        while True:
            page = await self._store.read(self.key, self.state.head, _PAGE_EVENTS)
            # What others have folded meanwhile is not folded again.
            self.state.fold([record.event for record in page.records if record.seq > self.state.head])
            if self.state.head >= page.head:
                return self.state

    async def write(self, decide: Callable[[Draft], T]) -> T:
        """Have something decided and committed.

        Args:
            decide: Given the stream as it is, continues it and gives its answer; it may be called several times, and
                only what the last call did counts.

        Returns:
            Its answer, once all that it wrote is durable.

        Raises:
            Busy: E3010, others were faster too often.
            NotFound: E2005, the log is gone.
            StoreError: E4002, the outcome is unknown.
            NodeError: E3008, it cannot be kept.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._asked.append((decide, future))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        return await future

    async def _write_all(self) -> None:
        try:
            while self._asked:
                group, self._asked = self._asked[:_GROUP], self._asked[_GROUP:]
                try:
                    answers = await self._commit([decide for decide, _ in group])
                except Exception as error:  # noqa: BLE001 whatever it is, everybody must be answered
                    for _, future in group:
                        if not future.done():
                            future.set_exception(error)
                    continue
                for (_, future), answer in zip(group, answers, strict=True):
                    if not future.done():
                        future.set_result(answer)
        finally:
            self._writing = None

    async def _commit(self, group: list[Decide]) -> list[Any]:
        for _ in range(_TRIES):
            # Also what is refused is refused on the newest that there is.
            state = await self.catch_up()
            draft = Draft(state, self._clock.now_ms())
            answers = [decide(draft) for decide in group]
            if not draft.events:
                return answers
            if not draft.state.ended:
                draft.sum_up()
            try:
                await self._store.append(self.key, EPOCH, draft.events[0].seq - 1, draft.events, LEASE_SECONDS)
            except HeadMoved:
                continue
            except InputError as error:
                if error.code != "E2009":
                    raise
                continue  # somebody deleted it: what is decided on that refuses by itself
            state.fold([event for event in draft.events if event.seq > state.head])
            return answers
        raise Busy("E3010", f"others wrote to {self.state.config.path[:200]!r} faster {_TRIES} times")
