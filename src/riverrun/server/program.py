"""The program itself: FastAPI's, but that a transport which a route handed its connection to runs outside of it all.

What a reader waits in is held for as long as it reads, and each wake-up passes through all of it: the framework, the
guards in front of it and what they put around `send`. By then they have all said yes, so they are left first.

It does not know which routes there are, nor what stands in front of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from riverrun.server.answers import unframed

_Given = ParamSpec("_Given")


class Program(FastAPI):
    """A program whose transports run outside of its frames, as far as these are ours."""

    _ours = 0  # how many things of ours stand in front of the routes

    def add_ours(
        self, kind: Callable[Concatenate[ASGIApp, _Given], ASGIApp], *args: _Given.args, **kwargs: _Given.kwargs
    ) -> None:
        """Put something in front of all routes that has done all it does before a transport begins.

        Args:
            kind: ASGI middleware. Headers that it adds to answers are in the scope, too, under `ADDED`.
            *args: Of it, behind the program.
            **kwargs: Of it.
        """
        self._ours += 1
        self.add_middleware(kind, *args, **kwargs)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if len(self.user_middleware) == self._ours:
            await unframed(super().__call__, scope, receive, send, adds=True)
        else:
            # What a user has put around it may want to see the streams as well: they run inside of that.
            await super().__call__(scope, receive, send)
