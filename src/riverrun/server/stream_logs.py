"""Durable streams as logs of a store: which log a path means, how one is made, forked, deleted and expires.

A stream lives on the store that runs live on, by the same verbs (`docs/decisions/018`): its log is a run of a tenant of
its own, whose name no tenant of requests can have, and its path is the thread of that run. So there is one stream per
path because there is one unfinished run per thread; a deleted one has ended; and a fork stands on its source as a run
on its base, which retention leaves alone. It does not know HTTP.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from typing import NamedTuple

from msgspec import Struct, structs

from riverrun.base.clock import Clock
from riverrun.base.errors import Busy, InputError, NotFound
from riverrun.base.ids import new_log_id, new_run_id
from riverrun.events.kinds import RunStarted
from riverrun.log.drafting import Draft, began
from riverrun.log.durable import GRAPH_THAT_EXPIRES, SOON_MS, Config, Origin, State, agrees, over, stretches
from riverrun.log.store import LogStore, RunFilter, RunKey
from riverrun.server.desk import LEASE_SECONDS, Desk
from riverrun.transports.serve import Pace
from riverrun.transports.stretches import StreamPager
from riverrun.wire.durable import Form, form_of, media_type, split

_WORKER = "streams"
_KNOWN = 1_000  # streams that are kept folded, each some hundred bytes and its producers
_LOOKS = 20  # at streams that may have expired, at once
_TRIES = 10


class Wanted(Struct, frozen=True, kw_only=True):
    """A stream that somebody wants to create.

    Attributes:
        path: Its name.
        content_type: As it was said; None: that of the source, or bytes.
        ttl: Seconds.
        expires: When it ends, as it was said.
        expires_ms: The same in milliseconds since the Unix epoch.
        origin: What it is to be forked from.
        closed: Whether nothing follows.
        body: What it begins with, as it was sent.
    """

    path: str
    content_type: str | None = None
    ttl: int | None = None
    expires: str = ""
    expires_ms: int | None = None
    origin: Origin | None = None
    closed: bool = False
    body: bytes = b""

    def config(self, source: Config | None = None) -> Config:
        """Say what the stream is then: a fork takes from its source what it does not say itself."""
        lasting = (self.ttl, self.expires, self.expires_ms)
        if source is not None and lasting == (None, "", None):
            lasting = (source.ttl, source.expires, source.expires_ms)
        ttl, expires, expires_ms = lasting
        kind = self.content_type or (source.content_type if source else "application/octet-stream")
        return Config(
            path=self.path, content_type=kind, ttl=ttl, expires=expires, expires_ms=expires_ms, origin=self.origin
        )


class Made(NamedTuple):
    """The outcome of `create`: the stream, and whether this call made it."""

    state: State
    fresh: bool


class StreamLogs:
    """The durable streams of one store.

    Args:
        store: Where they live.
        clock: Says when something was written, and when a time is over.

    Attributes:
        store: As given.
    """

    def __init__(self, store: LogStore, clock: Clock) -> None:
        self.store = store
        self._clock = clock
        self._desks: OrderedDict[RunKey, Desk] = OrderedDict()
        self._newest: dict[tuple[str, str], RunKey] = {}
        # Of each tenant: which run the round is at, None when it is over, and when it was looked last.
        self._round: dict[str, tuple[str | None, int]] = {}

    async def look(self, tenant: str, path: str, *, use: bool = False) -> Desk:
        """Find the stream of a path, as it is now.

        Args:
            tenant: Whose path.
            path: Any.
            use: Whether its time to live begins anew.

        Returns:
            The stream.

        Raises:
            NotFound: E2031, there is none; E2032, it was deleted and forks are left.
            StoreError: E4002, the store cannot be read or written.
        """
        desk = await self._desk(tenant, path)
        if desk is None:
            raise NotFound("E2031", f"nothing is at {path[:200]!r}", where="path")
        if await self._ended(desk):
            if await self._stands_under_others(desk):
                raise NotFound("E2032", f"{path[:200]!r} was deleted, its forks were not", where="path")
            raise NotFound("E2031", f"{path[:200]!r} was deleted", where="path")
        if use:
            await self.use(desk)
        return desk

    async def use(self, desk: Desk) -> None:
        """Let the time to live of a stream begin anew."""
        if desk.state.stale(self._clock.now_ms()) and not desk.state.ended:
            await desk.write(_touch)

    async def create(self, tenant: str, wanted: Wanted) -> Made:
        """Create a stream, or find that it is there as it is wanted.

        Args:
            tenant: Whose it is to be.
            wanted: What it is to be.

        Returns:
            The stream, and whether it is new.

        Raises:
            InputError: E2001, what it begins with is not JSON; E2038, the path holds another stream, or the source
                was deleted; E2034, the source is of another type; E2039, the source does not have the place.
            NotFound: E2031, there is no source.
            Busy: E3018, others create and delete it all the time.
            StoreError: E4002, the store cannot be written.
        """
        await self._expire(tenant)
        for _ in range(_TRIES):
            known = await self._there(tenant, wanted)
            if known is not None:
                return Made(known.state, fresh=False)
            try:
                return Made((await self._make(tenant, wanted)).state, fresh=True)
            except Busy:
                continue  # somebody was faster: it is looked at again
        raise Busy("E3018", f"others create and delete {wanted.path[:200]!r} all the time")

    async def delete(self, tenant: str, path: str) -> None:
        """Delete a stream; what its forks inherited from it stays.

        Args:
            tenant: Whose it is.
            path: Its name.

        Raises:
            NotFound: E2031 or E2032.
            Busy: E3010, others wrote faster too often.
            StoreError: E4002, the outcome is unknown.
        """
        await (await self.look(tenant, path)).write(_delete)

    def pager(self, desk: Desk, offset: int | None, pace: Pace) -> StreamPager:
        """Begin to read a stream that was just looked at.

        Args:
            desk: The stream.
            offset: Of the last piece that the reader has; None: of the last that there is.
            pace: How much at once.

        Returns:
            The place.
        """
        return StreamPager(self.store, desk.key.tenant, desk.state, offset, pace)

    # --- which log it is ---

    async def _desk(self, tenant: str, path: str) -> Desk | None:
        key = self._newest.get((tenant, path))
        known = self._desks.get(key) if key is not None else None
        if known is not None and not known.state.ended:
            desk = await self._loaded(known.key)
            if desk is not None:
                return desk
        rows = await self.store.list(realm(tenant), RunFilter(thread=path, limit=1))
        if rows and rows[0].status == "ended":
            # Ids have the order of the clocks that made them, which may differ: the one that lives counts.
            rows = await self.store.list(realm(tenant), RunFilter(thread=path, status="running", limit=1)) or rows
        if not rows:
            return None
        self._newest[tenant, path] = rows[0].key
        return await self._loaded(rows[0].key)

    async def _loaded(self, key: RunKey) -> Desk | None:
        """Give a stream as it is now; None where retention has removed it."""
        desk = self._desks.get(key)
        try:
            if desk is None:
                started, head = await self._first(key)
                desk = Desk(self.store, self._clock, key, State(started))
                await desk.load(head)
                desk = self._kept(desk)
            else:
                await desk.catch_up()
        except NotFound:
            self._desks.pop(key, None)
            return None
        if key in self._desks:
            self._desks.move_to_end(key)
        return desk

    async def _first(self, key: RunKey) -> tuple[RunStarted, int]:
        page = await self.store.read(key, 0, 1)
        started = page.records[0].event
        assert isinstance(started, RunStarted)
        return started, page.head

    def _kept(self, desk: Desk) -> Desk:
        desk = self._desks.setdefault(desk.key, desk)
        while len(self._desks) > _KNOWN:
            key, oldest = next(iter(self._desks.items()))
            if not oldest.idle:
                self._desks.move_to_end(key)
                break
            del self._desks[key]
            self._newest.pop((key.tenant.removesuffix(_REALM), oldest.state.config.path), None)
        return desk

    # --- its life ---

    async def _ended(self, desk: Desk) -> bool:
        """Say whether a stream was deleted; one whose time is over is deleted by this."""
        if not desk.state.ended and desk.state.over(self._clock.now_ms()):
            await desk.write(self._expired)
        return desk.state.ended

    def _expired(self, draft: Draft) -> None:
        # Looked at once more: it may have been used meanwhile.
        if not draft.state.ended and draft.state.over(self._clock.now_ms()):
            draft.delete("expired")

    async def _stands_under_others(self, desk: Desk) -> bool:
        """Say whether a stream that still lives was forked from this one, or from a fork of it."""
        left, seen = sorted(desk.state.forks), set(desk.state.forks)
        while left:
            fork = await self._loaded(RunKey(desk.key.tenant, left.pop()))
            if fork is None:  # it was announced and then refused, or retention has removed it
                continue
            if not await self._ended(fork):
                return True
            left += sorted(fork.state.forks - seen)
            seen |= fork.state.forks
        return False

    async def _expire(self, tenant: str) -> None:
        """Delete what has expired and nobody asks for: a few looks with each stream that is made, a round a minute."""
        now_ms = self._clock.now_ms()
        before, since_ms = self._round.get(tenant, (None, 0))
        if before is None and now_ms - since_ms < SOON_MS:
            return
        choice = RunFilter(graph=GRAPH_THAT_EXPIRES, status="running", limit=_LOOKS, before=before)
        rows = await self.store.list(realm(tenant), choice)
        self._round[tenant] = (rows[-1].key.run if len(rows) == _LOOKS else None, now_ms)
        for row in rows:
            # What it is says its first event, and when it was last used its row: nothing is folded for this.
            with suppress(NotFound):
                started, _ = await self._first(row.key)
                if over(State(started).config, row.updated_ms, now_ms):
                    desk = await self._loaded(row.key)
                    if desk is not None:
                        await self._ended(desk)

    # --- its birth ---

    async def _there(self, tenant: str, wanted: Wanted) -> Desk | None:
        try:
            desk = await self.look(tenant, wanted.path)
        except NotFound as error:
            if error.code == "E2032":
                raise InputError("E2038", error.message, where="path") from None
            return None
        # What a fork does not say it takes from its source, so that cannot differ.
        config = wanted.config(desk.state.config if wanted.origin else None)
        if not agrees(desk.state, config, closed=wanted.closed):
            raise InputError("E2038", f"another stream is at {wanted.path[:200]!r}", where="path")
        await self.use(desk)
        return desk

    async def _make(self, tenant: str, wanted: Wanted) -> Desk:
        now_ms = self._clock.now_ms()
        run, config = new_run_id(now_ms), wanted.config()
        source, cut = None, list[bytes]()
        if wanted.origin is not None:
            source = await self._source(tenant, wanted, wanted.origin)
            config, cut = await self._forked(wanted, wanted.origin, source)
        pieces = [*cut, *split(form_of(config.content_type), wanted.body)]
        # It is announced last, so that a fork that is refused never holds on to its source.
        if source is not None and not await source.write(lambda draft: _fork(draft, run)):
            raise InputError("E2038", "what it should be forked from was deleted", where="Stream-Forked-From")
        started, others = began(config, run=run, log=new_log_id(), now_ms=now_ms, pieces=pieces, closed=wanted.closed)
        created = await self.store.create(
            realm(tenant),
            started,
            worker=_WORKER,
            lease_seconds=LEASE_SECONDS,
            prefix=others,
            one_per_thread=True,
        )
        self._newest[tenant, wanted.path] = created.row.key
        return self._kept(Desk(self.store, self._clock, created.row.key, State(started).fold(others)))

    async def _source(self, tenant: str, wanted: Wanted, origin: Origin) -> Desk:
        try:
            source = await self.look(tenant, origin.path)
        except NotFound as error:
            if error.code == "E2032":
                raise InputError("E2038", error.message, where="Stream-Forked-From") from None
            raise
        if wanted.content_type is not None and media_type(wanted.content_type) != source.state.config.media:
            what = f"the source is of type {source.state.config.content_type!r}"
            raise InputError("E2034", what, where="Content-Type")
        return source

    async def _forked(self, wanted: Wanted, origin: Origin, source: Desk) -> tuple[Config, list[bytes]]:
        """Say what a fork shares, and which part of a piece it has of its own."""
        state = source.state
        at = state.tail if origin.offset is None else origin.offset
        if at > state.tail:
            raise InputError("E2039", f"the source ends before {at}", where="Stream-Fork-Offset")
        cut: list[bytes] = []
        if origin.sub:
            at, cut = await self._cut(source, at, origin.sub)
        return structs.replace(wanted.config(state.config), inherited=stretches(state, at)), cut

    async def _cut(self, source: Desk, at: int, sub: int) -> tuple[int, list[bytes]]:
        # One byte at once: a page is then one piece.
        pager = self.pager(source, at, Pace(page_bytes=1))
        whole = form_of(source.state.config.content_type) is Form.JSON
        for _ in range(sub if whole else 1):
            found = await pager.page()
            if not found.pieces or (not whole and len(found.pieces[0]) < sub):
                raise InputError("E2039", f"the source does not have {sub} more there", where="Stream-Fork-Sub-Offset")
            if not whole and len(found.pieces[0]) > sub:
                return at, [found.pieces[0][:sub]]
        return found.offset, []


_REALM = ".streams"


def realm(tenant: str) -> str:
    """Name the tenant of the store that a tenant's streams belong to: no tenant of a request has a dot in its name."""
    return tenant + _REALM


def _touch(draft: Draft) -> None:
    # Many readers may come at once; one of them is enough.
    if not draft.state.ended and draft.state.stale(draft.now_ms):
        draft.touch()


def _delete(draft: Draft) -> None:
    if not draft.state.ended:
        draft.delete("deleted")


def _fork(draft: Draft, run: str) -> bool:
    if draft.state.ended:
        return False
    draft.fork(run)
    return True
