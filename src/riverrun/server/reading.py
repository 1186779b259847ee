"""Routes for readers beside the events themselves: the text of a message, and leaving (PROTOCOL.md §13 and §15).

As in `routes.py`, no route decides anything: transports and `presence.py` do.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from riverrun.log.text import Asked
from riverrun.server import bodies
from riverrun.server.answers import WrittenHere
from riverrun.server.runtime import Runtime
from riverrun.transports import text
from riverrun.transports.place import attach
from riverrun.transports.serve import Reader
from riverrun.transports.wish import Wish

_LEAVE_BYTES = 4096

Seconds = Annotated[float, Query(ge=0, le=60, allow_inf_nan=False, description="Seconds to wait for something.")]
_Message = Annotated[str, Query(min_length=1, max_length=1024, description="Id of the message, as in its chunks.")]
_Offset = Annotated[int, Query(ge=0, le=2**53, description="In UTF-16 code units: how much the reader has.")]
_Attempt = Annotated[int | None, Query(ge=1, le=2**53, description="Which attempt that text is of.")]
_Interval = Annotated[int | None, Query(ge=0, le=10_000, description="Milliseconds: chunks may be joined so long.")]
_MaxBytes = Annotated[int | None, Query(ge=1024, le=1_048_576, description="Bytes of a frame and of a write, at most.")]
_Adaptive = Annotated[bool, Query(description="Whether chunks may be joined while the reader does not keep up.")]
_Reader = Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{0,64}$", description="What the reader calls itself.")]
_Place = Annotated[str, Query(description="A seq or a cursor: `place` of the answer before.")]


# A coroutine, because FastAPI runs what is none in a thread.
async def wish_of(
    *, interval: _Interval = None, max_bytes: _MaxBytes = None, adaptive: _Adaptive = False, reader: _Reader = ""
) -> Wish:
    """Read what a reader wishes for from the query (PROTOCOL.md §14 and §15)."""
    return Wish(None if interval is None else interval / 1000, max_bytes, adaptive, reader)


class ReadingRoutes:
    """Routes of one server for its readers.

    Args:
        runtime: What it serves with.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def text(
        self,
        request: Request,
        run: str,
        message: _Message,
        offset: _Offset = 0,
        attempt: _Attempt = None,
        after: _Place = "",
        wait: Seconds = 0.0,
    ) -> Response:
        """Read the text of one message from an offset on.

        Raises:
            NotFound: E2005 or E2026.
            CursorError: E2006, E2007, E2008, E2025 or E4007.
            StoreError: E4001 or E4002.
        """
        key = bodies.run_key(self._runtime.tenant(request.scope), run)
        service = await self._runtime.service()
        attached = await attach(service.store, key, after, text.PAGE_EVENTS)
        asked, readers = Asked(message=message, offset=offset, attempt=attempt), self._runtime.readers
        return WrittenHere(lambda receive, send: text.answer(attached, asked, readers, receive, send, wait=wait))

    async def leave(self, request: Request, run: str, reader: _Reader = "") -> Response:
        """Take note that a reader leaves; it may come back.

        Raises:
            InputError: E2001 or E2003.
            NotFound: E2005.
            StoreError: E4001 or E4002.
        """
        who = Reader(bodies.run_key(self._runtime.tenant(request.scope), run), reader)
        # What a page sends as it goes has no meaning; only its size is looked at.
        await bodies.whole(request, _LEAVE_BYTES, self._runtime.settings.body_timeout)
        service = await self._runtime.service()
        await service.row(who.key)
        self._runtime.readers.dismiss(who)
        self._runtime.presence.forget(who)
        return Response(status_code=204, headers={"x-content-type-options": "nosniff"})
