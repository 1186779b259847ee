"""Who it is: every request is known to come from somebody before a route sees it (PROTOCOL.md §11).

One seam, `authenticate`, stands in front of all routes, streams and sockets alike, so that none can be forgotten. What
a principal may do is looked at where the routes are made (`routes.py`): each names the scope it needs. It does not know
how somebody is recognised (`keys.py`, or a function of the user's).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from riverrun.base.errors import InputError, RiverrunError
from riverrun.server.answers import turn_away

READ, START, STOP, RESUME = "read", "start", "stop", "resume"
SCOPES = frozenset({READ, START, STOP, RESUME})
# What the metrics say is of all tenants together: nobody has this one unless it is named.
METRICS = "metrics"
ALL_SCOPES = SCOPES | {METRICS}

_PRINCIPAL = "riverrun.principal"
# PROTOCOL.md §11: "only /healthz and /readyz, which tell of nobody's runs, answer to anybody".
_OPEN = ("/healthz", "/readyz")
_ASK = {"www-authenticate": "Bearer"}


class Principal(Struct, frozen=True):
    """Somebody who is known.

    Attributes:
        tenant: Whose runs are theirs: letters, digits, `_`, `-`, at most 64.
        scopes: What they may do: `read`, `start` (and fork), `stop`, `resume`, all of it unless something is said; and
            `metrics`.
    """

    tenant: str
    scopes: frozenset[str] = SCOPES


Authenticate = Callable[[HTTPConnection], Awaitable[Principal | None]]


class Gate:
    """Let nobody in who is not known (E2017).

    Args:
        app: What answers.
        authenticate: Says who a connection comes from, None for nobody; what it raises lets nobody in.
    """

    def __init__(self, app: ASGIApp, authenticate: Authenticate) -> None:
        self._app = app
        self._authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its principal, or refuse it."""
        if scope["type"] not in {"http", "websocket"} or _is_open(scope):
            await self._app(scope, receive, send)
            return
        try:
            principal = await self._authenticate(HTTPConnection(scope))
        except RiverrunError as error:
            await turn_away(error, scope, receive, send)
            return
        if principal is None:
            mend = "Send Authorization: Bearer and a key of this server (Client(key=…), RIVERRUN_KEY)."
            nobody = InputError("E2017", "this server does not know who asks", where="Authorization", mend=mend)
            await turn_away(nobody, scope, receive, send, _ASK)
            return
        await self._app({**scope, _PRINCIPAL: principal}, receive, send)


def principal_of(scope: Mapping[str, Any]) -> Principal | None:
    """Give who a request comes from.

    Args:
        scope: Of ASGI.

    Returns:
        The principal; None where nobody was asked.
    """
    found = scope.get(_PRINCIPAL)
    return found if isinstance(found, Principal) else None


def permit(scope: Mapping[str, Any], needed: str) -> None:
    """Refuse a request whose principal may not do something.

    Args:
        scope: Of ASGI.
        needed: One of `ALL_SCOPES`.

    Raises:
        InputError: E2018, its scopes do not have it.
    """
    principal = principal_of(scope)
    if principal is not None and needed not in principal.scopes:
        has = ", ".join(sorted(principal.scopes)) or "none"
        mend = "Use a key that has the scope, or give it to this one."
        raise InputError("E2018", f"this needs the scope {needed!r}; there is: {has}", where="scopes", mend=mend)


def _is_open(scope: Scope) -> bool:
    # Where a host mounted this program, its own part of the path stands in front of ours.
    root = scope.get("root_path", "")
    return scope["type"] == "http" and scope["path"] in {root + path for path in _OPEN}
