"""A provider's client for every event loop: its connections belong to the loop that made them.

A graph is made once and may be run in several loops, one after another (`invoke`) or at once (threads). It knows no
provider.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Generic, TypeVar

from riverrun.nodes.stream import close

Client = TypeVar("Client")

_BESIDE = ("extra_headers", "extra_query", "timeout")


class Clients(Generic[Client]):
    """The clients of one model.

    Each is closed with its loop: it is held by an async generator, and a loop closes its generators before it ends.

    Args:
        make: Makes one.
        given: The caller's own client, used in every loop and never closed here; None for clients of ours.
    """

    def __init__(self, make: Callable[[], Client], given: Client | None = None) -> None:
        self._make = make
        self._given = given
        self._kept: dict[asyncio.AbstractEventLoop, tuple[Client, AsyncGenerator[None, None]]] = {}

    async def here(self) -> Client:
        """Give the client of the running loop."""
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        kept = self._kept.get(loop)
        if kept is None:
            for gone in [each for each in list(self._kept) if each.is_closed()]:
                self._kept.pop(gone, None)  # it ended without closing anything, and nobody can do so any more
            client = self._make()
            keeper = self._keep(loop, client)
            await anext(keeper)  # from here on the loop knows it
            kept = self._kept[loop] = (client, keeper)
        return kept[0]

    async def _keep(self, loop: asyncio.AbstractEventLoop, client: Client) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._kept.pop(loop, None)
            await close(client)

    async def aclose(self) -> None:
        """Close the connections of the running loop now. What is asked later opens new ones. Idempotent."""
        kept = self._kept.get(asyncio.get_running_loop())
        if kept is not None:
            await kept[1].aclose()


def with_options(request: Mapping[str, Any], *options: Mapping[str, Any]) -> dict[str, Any]:
    """Give the arguments of an SDK's call: what we say, and what the caller says beside it.

    The caller's go into the body as they are, so that a provider may be told what its SDK has never heard of.

    Args:
        request: Arguments that the SDK knows.
        *options: Fields of the body, the later ones before the earlier ones; and what an SDK's call takes beside it
            (`extra_headers`, `extra_query`, `timeout`).

    Returns:
        The arguments.
    """
    joined = {name: value for each in options for name, value in each.items()}
    beside = {name: joined.pop(name) for name in _BESIDE if name in joined}
    body = {**joined.pop("extra_body", {}), **joined}
    known = {name: body.pop(name) for name in request if name in body}
    return {**request, **known, **beside, **({"extra_body": body} if body else {})}


async def close_stream(stream: object) -> None:
    """Close the answer of an SDK and the generator inside it, so that the provider hears of it at once.

    Left to the garbage collector, the generator would be closed some time later, in a task of its own.
    """
    inner = getattr(stream, "_iterator", None)
    try:
        if hasattr(inner, "aclose"):
            await close(inner)
    finally:
        await close(stream)
