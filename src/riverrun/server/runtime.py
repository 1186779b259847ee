"""What one server holds while it serves: the store, the run service and the open readers; opened when first needed.

A mounted program's lifespan is not run by its host, so opening must not depend on it: the first request opens, unless
the host did so in its own lifespan (`async with app.state.riverrun`). It does not know routes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Self

from riverrun.base.clock import Clock, SystemClock
from riverrun.base.errors import InputError, StoreError
from riverrun.base.ids import is_tenant
from riverrun.graph.plan import Plan
from riverrun.log.store import LogStore
from riverrun.runs.janitor import Janitor
from riverrun.runs.service import RunService
from riverrun.server.gate import principal_of
from riverrun.server.presence import Presence
from riverrun.server.settings import ServerSettings
from riverrun.stores.open import open_store
from riverrun.transports.serve import Readers

DEFAULT_TENANT = "default"

TenantOf = Callable[[Mapping[str, Any]], str]


class Runtime:
    """The store, the service and the readers of one server. Opening and closing are idempotent.

    Args:
        plans: What can be run, by name.
        store: Where runs live: a store of the caller's (which is never closed here), or the name of one.
        settings: Limits and intervals.
        tenant_of: Says whose request it is, from the ASGI scope; None makes everybody one tenant.
        asks_who: Whether everybody is asked who they are: then their principal says whose request it is.
        clock: The reader of time.

    Attributes:
        plans: As given.
        settings: As given.
        asks_who: As given.
        readers: The open connections.
        presence: Which runs they read.
        errors: How many answers were errors, by code.
        since_ms: When it was made, in milliseconds since the Unix epoch.
    """

    def __init__(
        self,
        plans: Mapping[str, Plan],
        store: str | LogStore,
        settings: ServerSettings,
        *,
        tenant_of: TenantOf | None = None,
        asks_who: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.plans = plans
        self.settings = settings
        self.asks_who = asks_who
        self._store = store
        self._tenant_of = tenant_of
        self._clock = clock or SystemClock()
        self.presence = Presence(self.service, self._clock)
        self.readers = Readers(self.presence)
        self.errors: Counter[str] = Counter()
        self.since_ms = self._clock.now_ms()
        self._service: RunService | None = None
        self._janitor: Janitor | None = None
        self._closed = False
        self._changing = asyncio.Lock()

    async def open(self) -> None:
        """Open the store and the service, unless they are open.

        Raises:
            StoreError: E4001 or E4003, the store cannot be opened; E4006, no store is named like that.
        """
        async with self._changing:
            if self._service is None:
                self._service = await self._make()
                self._janitor = Janitor(self._service.store, self._clock, self.settings.retention)
                self._janitor.open()
                self._closed = self.readers.leaving = False
                self.presence.open()

    async def close(self) -> None:
        """Send readers away, then close the service and a store that was opened here. Runs stay in the log."""
        self.leave()
        async with self._changing:
            await self.presence.close()  # while the store can still be written
            self._closed = True
            service, self._service = self._service, None
            janitor, self._janitor = self._janitor, None
            if janitor is not None:
                await janitor.close()
            if service is not None:
                await service.close()
                if isinstance(self._store, str):
                    await service.store.close()

    async def service(self) -> RunService:
        """Give the running service; the first request opens it.

        Returns:
            The service.

        Raises:
            StoreError: E4001, the store cannot be opened, or was closed because the server stops.
        """
        if self._service is None:
            if self._closed:
                raise StoreError("E4001", "the server is stopping", mend="Try again: another may have taken its place.")
            await self.open()
        assert self._service is not None
        return self._service

    def leave(self) -> None:
        """Send the close frame to every open stream, and to every one that still comes."""
        self.readers.leave()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def tenant(self, scope: Mapping[str, Any]) -> str:
        """Say whose request it is.

        Args:
            scope: Of ASGI.

        Returns:
            A name that may be part of a store's key.

        Raises:
            InputError: E2002, what `tenant_of` or `authenticate` gave is no name of a tenant.
        """
        principal = principal_of(scope)
        if principal is not None:
            name = principal.tenant
        else:
            name = DEFAULT_TENANT if self._tenant_of is None else self._tenant_of(scope)
        if not is_tenant(name):
            raise InputError("E2002", "the name of the tenant is malformed", where="tenant")
        return name

    def statistics(self) -> dict[str, int]:
        """Tell how many readers and runs there are."""
        service = self._service
        return {**self.readers.statistics(), **(service.statistics() if service is not None else {})}

    async def _make(self) -> RunService:
        store = open_store(self._store, self._clock) if isinstance(self._store, str) else self._store
        service = RunService(store, self.plans, clock=self._clock, settings=self.settings.runs)
        try:
            await service.open()
        except BaseException:
            if isinstance(self._store, str):
                await store.close()
            raise
        return service
