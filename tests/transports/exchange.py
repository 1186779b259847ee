"""One HTTP exchange as an ASGI program sees it, and logs to read: what the tests of all transports need.

A reader here is exact where a real one is not: it takes a write, and leaves, when the test says so.
"""

from __future__ import annotations

import asyncio

from riverrun.events.kinds import Custom, Event, RunCompleted, RunStarted
from riverrun.log.store import RunKey
from riverrun.stores.memory import MemoryStore

KEY = RunKey("default", "0" * 32)
LOG = "0a1b2c3d"


class Exchange:
    """The reader's side of one response.

    Attributes:
        status: Once the response began.
        headers: As they were sent.
        writes: The bodies, one per `send`.
        complete: Whether the body was ended cleanly.
        slow: Cleared, `send` waits as it does behind a full socket.
        stuck: Set once a `send` waits so.
        watched: Set once somebody looks whether the reader leaves.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.writes: list[bytes] = []
        self.complete = False
        self.slow = asyncio.Event()
        self.slow.set()
        self.stuck = asyncio.Event()
        self.watched = asyncio.Event()
        self._gone = asyncio.Event()
        self._news = asyncio.Event()

    @property
    def body(self) -> bytes:
        return b"".join(self.writes)

    async def receive(self):
        self.watched.set()
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if not self.slow.is_set():
            self.stuck.set()
            await self.slow.wait()
        assert not self.complete, "sent after the end"
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            if message["body"]:
                self.writes.append(message["body"])
            self.complete = not message.get("more_body", False)
        self._news.set()

    def leave(self) -> None:
        self._gone.set()

    async def until(self, holds) -> None:
        """Wait until something holds that a write brings about."""
        async with asyncio.timeout(5):
            while not holds(self):
                self._news.clear()
                await self._news.wait()


async def begun(store: MemoryStore | None = None) -> MemoryStore:
    """Make a store with one running run, whose log holds one event."""
    store = store or MemoryStore()
    started = RunStarted(seq=1, ts=0, run=KEY.run, graph="g", log=LOG)
    await store.create(KEY.tenant, started, worker="w", lease_seconds=60)
    return store


async def grow(store: MemoryStore, values, *, end: bool = False) -> None:
    """Append an event for each value, and the terminal event."""
    head = (await store.read(KEY, 1, 100_000)).head
    events: list[Event] = [
        Custom(seq=head + place, ts=0, run=KEY.run, node="n", exec="n:1", value=value)
        for place, value in enumerate(values, 1)
    ]
    if end:
        events.append(RunCompleted(seq=head + len(events) + 1, ts=0, run=KEY.run, steps=1))
    if events:
        store.append_now(KEY, 1, head, events)


async def log_of(values) -> MemoryStore:
    """Make a store with one run that has ended."""
    store = await begun()
    await grow(store, values, end=True)
    return store
