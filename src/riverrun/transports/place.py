"""Where a reader attaches: a place that the log has, or an error that names what the log does have.

A place that is not there is never skipped silently (PROTOCOL.md §3). This file knows a `LogStore` and cursors; it does
not know HTTP.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from riverrun.base.errors import CursorError, NotFound
from riverrun.log.store import LogStore, Page, RunFilter, RunKey
from riverrun.log.tail import parse_cursor
from riverrun.runs.reader import follow


class Attached(NamedTuple):
    """A reader's place that the log has, with the first page after it.

    Attributes:
        store: Where the log lives.
        key: Which run.
        after: seq of the last event that the reader has.
        page: What follows, as it was at one moment; empty at the tail.
    """

    store: LogStore
    key: RunKey
    after: int
    page: Page

    @property
    def drained(self) -> bool:
        """Whether the run has ended and the reader has all of it."""
        return self.page.status == "ended" and self.after == self.page.head

    @property
    def place(self) -> int:
        """The seq of the last event that the reader has once it applied the page."""
        return self.page.records[-1].seq if self.page.records else self.after

    def past(self) -> Attached:
        """Give the same reader after it applied the page: a place that no longer holds on to the page."""
        return self._replace(after=self.place, page=self.page._replace(records=[]))

    def onward(self, *, limit: int, idle_interval: float) -> aclosing[AsyncGenerator[Page | None, None]]:
        """Read on after the page, live, until the terminal event.

        Args:
            limit: At most this many events in a page.
            idle_interval: Seconds without an event after which None is given.

        Returns:
            For `async with`, which gives the pages and ends the reading with its body.
        """
        # A run that has ended has nothing to wait for.
        head = None if self.page.status == "ended" else self.page.head
        pages = follow(self.store, self.key, self.place, head=head, limit=limit, idle_interval=idle_interval)
        assert isinstance(pages, AsyncGenerator)
        return aclosing(pages)


class Bounds(NamedTuple):
    """What a log has: events after `floor` up to `head`, under the name `log`."""

    head: int
    floor: int
    log: str


async def attach(store: LogStore, key: RunKey, place: str, limit: int) -> Attached:
    """Read the first page after a place.

    Args:
        store: Where the log lives.
        key: Which run.
        place: A cursor or a seq, as the reader gave it; empty for the start.
        limit: At most this many events.

    Returns:
        The place and its page.

    Raises:
        CursorError: E2007 malformed, E2006 beyond the head, E4007 trimmed, E2008 a cursor of another log.
        NotFound: E2005.
        StoreError: E4002, the store cannot be read.
    """
    log, after = parse_cursor(place)
    try:
        page = await store.read(key, after, limit)
    except CursorError as error:
        raise await told(error, store, key, log) from None
    if log not in (None, page.log):
        raise _other_log(page.head, page.floor)
    return Attached(store, key, after, page)


async def told(error: CursorError, store: LogStore, key: RunKey, log: str | None = None) -> CursorError:
    """Make an error about a place say what the log does have (PROTOCOL.md §3: "says `head` and `floor`").

    Args:
        error: What the store said.
        store: Where the log lives.
        key: Which run.
        log: The log that the reader's cursor names, if it names one.

    Returns:
        The error to raise.

    Raises:
        NotFound: E2005.
        StoreError: E4002, the store cannot be read.
    """
    if error.code == "E2007":
        return error
    has = await bounds(store, key)
    # A log that was replaced by a shorter one is told by its name, not by its length.
    if log not in (None, has.log):
        return _other_log(has.head, has.floor)
    return CursorError(error.code, error.message, where=error.where, mend=error.mend, head=has.head, floor=has.floor)


async def bounds(store: LogStore, key: RunKey) -> Bounds:
    """Say what the log of a run has.

    Args:
        store: Where the log lives.
        key: Which run.

    Returns:
        Head, floor and name.

    Raises:
        NotFound: E2005.
        StoreError: E4002, the store cannot be read.
    """
    rows = await store.list(key.tenant, RunFilter(run=key.run, limit=1))
    if not rows:
        raise NotFound("E2005", f"there is no run {key.run!r}")
    page = await store.read(key, rows[0].head, 1)
    return Bounds(page.head, page.floor, page.log)


def is_last(page: Page) -> bool:
    """Say whether a page holds the terminal event of its log."""
    return page.status == "ended" and bool(page.records) and page.records[-1].seq == page.head


def _other_log(head: int, floor: int) -> CursorError:
    return CursorError("E2008", "the cursor is a place in another log than the run has now", head=head, floor=floor)
