"""A store around the memory store that waits and fails like one on a disk. It is a real store: it keeps all laws."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from riverrun.base.clock import Clock
from riverrun.base.errors import StoreError
from riverrun.events.kinds import Event, RunStarted
from riverrun.log.store import Control, Created, Held, Page, Renewal, RunFilter, RunKey, RunRow
from riverrun.stores.memory import MemoryStore


def broken(what: str) -> StoreError:
    """What a store raises when a disk does."""
    return StoreError("E4002", f"{what} failed, as the test asked for")


class WaitingStore:
    """Hands everything on, each verb after one turn of the loop; `append_now` is not there.

    Attributes:
        inner: Where the logs are.
        appends: How many events each append brought, in order.
        faults: Number of an append (from 1) → `before` or `after`: it raises before or after it took effect.
        read_faults: How many of the next reads fail.
        renew_faults: How many of the next renewals fail.
        gate: While it is not set, appends wait.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.inner = MemoryStore(clock)
        self.appends: list[int] = []
        self.faults: dict[int, str] = {}
        self.read_faults = 0
        self.renew_faults = 0
        self.gate = asyncio.Event()
        self.gate.set()

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
        """As `LogStore.create`."""
        await asyncio.sleep(0)
        return await self.inner.create(
            tenant,
            started,
            idem_key=idem_key,
            worker=worker,
            lease_seconds=lease_seconds,
            prefix=prefix,
            one_per_thread=one_per_thread,
        )

    async def claim(self, worker: str, *, graphs: frozenset[str], limit: int, lease_seconds: float) -> list[RunRow]:
        """As `LogStore.claim`."""
        await asyncio.sleep(0)
        return await self.inner.claim(worker, graphs=graphs, limit=limit, lease_seconds=lease_seconds)

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
        """As `LogStore.append`, or with the fault that was planted."""
        await self.gate.wait()
        await asyncio.sleep(0)
        self.appends.append(len(events))
        fault = self.faults.get(len(self.appends))
        if fault == "before":
            raise broken("the append")
        head = await self.inner.append(key, epoch, expected_seq, events, lease_seconds, controls_seen=controls_seen)
        if fault == "after":
            raise broken("the append")
        return head

    def renew(self, worker: str, held: list[Held], lease_seconds: float) -> Renewal:
        """As `LogStore.renew`."""
        if self.renew_faults:
            self.renew_faults -= 1
            raise broken("the renewal")
        return self.inner.renew(worker, held, lease_seconds)

    async def read(self, key: RunKey, after: int, limit: int) -> Page:
        """As `LogStore.read`."""
        await asyncio.sleep(0)
        if self.read_faults:
            self.read_faults -= 1
            raise broken("the read")
        return await self.inner.read(key, after, limit)

    async def wait(self, key: RunKey, after: int, timeout: float) -> None:
        """As `LogStore.wait`."""
        await self.inner.wait(key, after, timeout)

    async def control(self, key: RunKey, kind: str, payload: dict[str, Any], idem_key: str | None = None) -> Control:
        """As `LogStore.control`."""
        return await self.inner.control(key, kind, payload, idem_key)

    async def list(self, tenant: str, choice: RunFilter) -> list[RunRow]:
        """As `LogStore.list`."""
        await asyncio.sleep(0)
        return await self.inner.list(tenant, choice)

    async def sweep(self, ended_before_ms: int) -> int:
        """As `LogStore.sweep`."""
        return await self.inner.sweep(ended_before_ms)

    async def close(self) -> None:
        """As `LogStore.close`."""
