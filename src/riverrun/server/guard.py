"""Who may ask at all: the Host and Origin of every request, before a route sees it (PROTOCOL.md §10).

A page of another site can make a browser send requests to a server on this machine. Two headers that no page can
forge tell them apart: `Host` (a name of the attacker's that was made to lead here, "DNS rebinding") and `Origin`.
It knows ASGI and stands in front of all routes, streams and connections alike; it does not know which there are.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from riverrun.base.errors import InputError
from riverrun.server.answers import ADDED, adding, turn_away

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[^/?#@]+)", re.ASCII)
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_HERE = frozenset({"localhost", "127.0.0.1", "[::1]"})
_ANY = "*"

# PROTOCOL.md §10: what a page of a listed origin may send and see.
_ALLOWED = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, DELETE"),
    (
        b"access-control-allow-headers",
        (
            b"accept, authorization, cache-control, content-type, idempotency-key, if-none-match, last-event-id, "
            b"producer-epoch, producer-id, producer-seq, stream-closed, stream-expires-at, stream-fork-offset, "
            b"stream-fork-sub-offset, stream-forked-from, stream-seq, stream-ttl"
        ),
    ),
    (b"access-control-max-age", b"600"),
)
_EXPOSED = (
    b"access-control-expose-headers",
    (
        b"etag, location, producer-epoch, producer-expected-seq, producer-received-seq, producer-seq, retry-after, "
        b"stream-closed, stream-cursor, stream-expires-at, stream-next-offset, stream-sse-data-encoding, stream-ttl, "
        b"stream-up-to-date"
    ),
)


class Guard:
    """Refuse what comes by a foreign name or from a foreign page (E2014), and let listed pages read answers (CORS).

    Args:
        app: What answers.
        hosts: Names that requests may come by beside those of the loopback; `*` is any. Empty: only requests that
            arrive at the loopback are looked at, and not those of a program that is mounted in another one.
        origins: Sites (`https://host`) whose pages may ask beside those of the same host.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = (), origins: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origin.lower() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if origins or self._looks_at_host(scope):
            try:
                origin = self._checked(scope, hosts, origins)
            except InputError as error:
                await turn_away(error, scope, receive, send)
                return
            if origin is not None and scope["type"] == "http":
                await self._shared(origin, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _checked(self, scope: Scope, hosts: list[bytes], origins: list[bytes]) -> bytes | None:
        """Give the origin if it is a listed one."""
        # Two of a kind are an attempt to be read differently by two programs.
        host = hosts[0].decode("latin-1").lower() if len(hosts) == 1 else ""
        if self._looks_at_host(scope) and not self._knows(host):
            raise InputError("E2014", f"this server is not called {host[:100]!r}", where="Host")
        if not origins:
            return None
        origin = origins[0].decode("latin-1").lower() if len(origins) == 1 else ""
        if origin in self._origins:
            return origins[0]
        if not _same_host(origin, host):
            raise InputError("E2014", f"pages of {origin[:100]!r} may not ask here", where="Origin")
        return None

    def _looks_at_host(self, scope: Scope) -> bool:
        if self._hosts:
            return _ANY not in self._hosts
        # The host of a mounted program owns the name that it is reached by; Starlette says so with this key.
        return "app_root_path" not in scope and _is_loopback((scope.get("server") or ("",))[0])

    def _knows(self, host: str) -> bool:
        read = _HOST.fullmatch(host)
        return read is not None and (read["name"] in _HERE or read["name"] in self._hosts)

    async def _shared(self, origin: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer so that a page of this origin may read it."""
        # Never `*`, and never with credentials that a browser adds by itself.
        shared = [(b"access-control-allow-origin", origin), (b"vary", b"Origin"), _EXPOSED]
        if scope["method"] == "OPTIONS" and any(
            name == b"access-control-request-method" for name, _ in scope["headers"]
        ):
            await send({"type": "http.response.start", "status": 204, "headers": [*shared, *_ALLOWED]})
            await send({"type": "http.response.body", "body": b""})
            return

        scope[ADDED] = shared
        await self._app(scope, receive, adding(shared, send))


def _is_loopback(address: str) -> bool:
    try:
        read = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address == "localhost"
    # A socket for both families names IPv4 addresses in the way of IPv6.
    mapped = read.ipv4_mapped if isinstance(read, ipaddress.IPv6Address) else None
    return (mapped or read).is_loopback


def _same_host(origin: str, host: str) -> bool:
    """Say whether an origin names the host that the request was sent to, whatever proxies made of the scheme."""
    site = _ORIGIN.fullmatch(origin)
    theirs = _HOST.fullmatch(site["host"]) if site else None
    ours = _HOST.fullmatch(host)
    if site is None or theirs is None or ours is None:
        return False
    default = _DEFAULT_PORTS[site["scheme"]]
    return (theirs["name"], theirs["port"] or default) == (ours["name"], ours["port"] or default)
