"""One reader's place in what can be read as a durable stream: the log of a run, or logs that follow each other.

It reads what the transports of `durable.py` write, and is the only one that knows how the two differ. A place is an
offset; between two pieces there may be events that are none, and a reader that waits stands behind those.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from riverrun.events.kinds import NodeChunk
from riverrun.log.durable import Inherited, State, closes, piece_of
from riverrun.log.store import LogStore, Page, RunKey
from riverrun.transports.serve import Pace, portions
from riverrun.wire.durable import Form, form_of

_OWN = -1  # the end of a stretch that has none: the stream's own log


class Found(NamedTuple):
    """What a reader is given at once.

    Attributes:
        pieces: In order; none only at the end.
        offset: Of the last piece that the reader has then.
        at_end: Whether there was no more at that moment.
        closed: Whether nothing will follow.
        gone: Whether the stream was deleted meanwhile.
        head: Offset of the last piece that there was at that moment, where that is known.
    """

    pieces: list[bytes]
    offset: int
    at_end: bool
    closed: bool = False
    gone: bool = False
    head: int = 0


class Pager(Protocol):
    """A place that moves on with each page.

    Attributes:
        log: Names the stream and its incarnation.
        form: How its pieces are written.
        content_type: As its reader is told.
    """

    log: str
    form: Form
    content_type: str

    async def page(self) -> Found:
        """Give what follows, as much as may be written at once.

        Raises:
            CursorError: E2006, the place is behind the end.
            NotFound: E2005, the log is gone.
            StoreError: E4002, the store cannot be read.
        """
        ...

    async def wait(self, timeout: float) -> None:
        """Return when there may be more, or at the time-out: a hint that may be late, early or lost."""
        ...


class RunPager:
    """The log of a run as a JSON stream: each event is a message, its `seq` the offset.

    Args:
        store: Where it lives.
        key: Which run.
        log: Of its incarnation.
        offset: Where to begin.
        pace: How much at once.

    Attributes:
        key: As given.
    """

    form = Form.JSON
    content_type = "application/json"

    def __init__(self, store: LogStore, key: RunKey, log: str, offset: int, pace: Pace) -> None:
        self.log = f"{key.run}.{log}"
        self._store = store
        self.key = key
        self._offset = offset
        self._pace = pace

    async def page(self) -> Found:
        """Give what follows, as `Pager.page` says.

        Raises:
            CursorError: E2006, the place is behind the end; E4007, it was trimmed.
            NotFound: E2005, the run is gone.
            StoreError: E4002, the store cannot be read.
        """
        page = await self._store.read(self.key, self._offset, self._pace.page_events)
        records = next(portions(page.records, self._pace.page_bytes))
        if records:
            self._offset = records[-1].seq
        at_end = self._offset >= page.head
        closed = at_end and page.status == "ended"
        return Found([record.data for record in records], self._offset, at_end, closed, head=page.head)

    async def wait(self, timeout: float) -> None:
        """Wait for more, as `Pager.wait` says."""
        await self._store.wait(self.key, self._offset, timeout)


class StreamPager:
    """A durable stream: first what it shares with others, then its own log.

    Args:
        store: Where the logs live.
        tenant: Whose they are.
        state: The stream as it was a moment ago; it is only looked at here.
        offset: Where to begin; None: at the end.
        pace: How much at once.
    """

    def __init__(self, store: LogStore, tenant: str, state: State, offset: int | None, pace: Pace) -> None:
        self.log = f"{state.run}.{state.log}"
        self.form = form_of(state.config.content_type)
        self.content_type = state.config.content_type
        self._store = store
        self._tenant = tenant
        self._inherited = state.config.inherited
        self._run = state.run
        self._base = state.config.base
        # What was known when the reader came: who has the last piece need not pass over what stands behind it.
        self._tail = state.tail
        self._head = self._base + state.head
        self._was_closed = state.closed
        self._pace = pace
        self._closed = False
        self._gone = False
        self._offset = state.tail if offset is None else offset
        self._place = self._offset
        if self._tail <= self._offset <= self._head:
            self._skip()

    async def page(self) -> Found:
        """Give what follows, as `Pager.page` says.

        Raises:
            CursorError: E2006, the place is behind the end.
            NotFound: E2005, the log is gone.
            StoreError: E4002, the store cannot be read.
        """
        pieces: list[bytes] = []
        while True:
            stretch = next((each for each in self._inherited if each.end > self._place), None)
            if stretch is None:
                stretch = Inherited(self._run, self._base, _OWN)
            key = RunKey(self._tenant, stretch.run)
            page = await self._store.read(key, max(0, self._place - stretch.base), self._pace.page_events)
            full = self._take(page, stretch, pieces)
            if stretch.end != _OWN:
                if full:
                    return Found(pieces, self._offset, at_end=False)
                continue
            self._offset = max(self._offset, self._base)
            if self._offset == self._tail:
                self._skip()
            at_end = self._place - self._base >= page.head
            if full or at_end:
                return Found(pieces, self._offset, at_end, at_end and self._closed, at_end and self._gone)

    async def wait(self, timeout: float) -> None:
        """Wait for more, as `Pager.wait` says."""
        await self._store.wait(RunKey(self._tenant, self._run), self._place - self._base, timeout)

    def _skip(self) -> None:
        self._place = max(self._place, self._head)
        self._closed = self._closed or self._was_closed

    def _take(self, page: Page, stretch: Inherited, pieces: list[bytes]) -> bool:
        """Move on over a page and take the pieces in it; say whether there are as many as may be written at once."""
        size = sum(map(len, pieces))
        for record in page.records:
            place = stretch.base + record.seq
            if stretch.end != _OWN and place > stretch.end:
                break
            event = record.event
            if isinstance(event, NodeChunk):
                piece = piece_of(event.value)
                size += len(piece)
                if pieces and (size > self._pace.page_bytes or len(pieces) >= self._pace.page_events):
                    return True
                pieces.append(piece)
                self._offset = place
            elif stretch.end == _OWN:
                self._closed = self._closed or closes(event)
                self._gone = event.terminal
            self._place = place
        if stretch.end != _OWN and (not page.records or page.records[-1].seq + stretch.base >= stretch.end):
            self._place = stretch.end
        return size >= self._pace.page_bytes
