"""How this process speaks to a machine that somebody else named: only where that is allowed, and only so much.

A name is resolved once, every address that it has is checked, and one of those is connected to: a name that answers
differently the next time changes nothing. Redirects are not followed, the proxies of the environment are not used, and
an answer may be so long and take so long, also once it is unpacked. It knows HTTP; it does not know agents.
"""

from __future__ import annotations

import asyncio
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import httpcore
import httpx
from msgspec import Struct

from riverrun.agents.addresses import why_not
from riverrun.base.errors import NodeError

Resolve = Callable[[str, int], Awaitable[list[str]]]

_MEND = "Name an https address of the public network, or allow this one in the `egress=` of the agent."
_FAILURES = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)
_PACKED = ("gzip", "x-gzip", "deflate")


class Egress(Struct, frozen=True, kw_only=True):
    """What this process may reach, and how much of it it takes.

    Attributes:
        ports: Ports that may be connected to, beside those of this machine in development.
        loopback: Whether this machine may be spoken to, also without TLS and on any port: for development.
        head_timeout: Seconds until the head of an answer must be there, the connection included.
        body_timeout: Seconds that an answer may take.
        idle_timeout: Seconds that may pass between two pieces of an answer.
        max_bytes: Bytes of an answer, unpacked.
    """

    ports: tuple[int, ...] = (443,)
    loopback: bool = False
    head_timeout: float = 30.0
    body_timeout: float = 3600.0
    idle_timeout: float = 120.0
    max_bytes: int = 64 * 1024 * 1024


async def resolve_by_system(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of a name.

    Args:
        host: The name, or an address.
        port: Where it would be connected to.

    Returns:
        The addresses, each once, in the order in which they should be tried.

    Raises:
        OSError: There are none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def make_client(policy: Egress, *, resolve: Resolve = resolve_by_system, **options: Any) -> httpx.AsyncClient:
    """Make an HTTP client that keeps to a policy.

    Args:
        policy: What it may reach.
        resolve: Gives the addresses of a name.
        **options: Others of `httpx.AsyncClient`: `headers`, `auth`.

    Returns:
        The client; to be closed by the caller.
    """
    timeout = httpx.Timeout(policy.idle_timeout, connect=policy.head_timeout)
    return httpx.AsyncClient(
        transport=GuardedTransport(policy, resolve),
        timeout=timeout,
        trust_env=False,  # a proxy would connect in our place, to whatever it is told
        follow_redirects=False,
        **options,
    )


class GuardedTransport(httpx.AsyncBaseTransport):
    """Carry requests of httpx to where a policy allows.

    Args:
        policy: What may be reached.
        resolve: Gives the addresses of a name.
    """

    def __init__(self, policy: Egress, resolve: Resolve = resolve_by_system) -> None:
        self._policy = policy
        context = httpx.create_ssl_context(trust_env=False)
        self._pools = {
            scheme: httpcore.AsyncConnectionPool(
                ssl_context=context,
                network_backend=_CheckedNetwork(policy, resolve, tls=scheme == "https"),
            )
            for scheme in ("https", "http")
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and give the answer, its body still to be read.

        Args:
            request: The request.

        Returns:
            The answer.

        Raises:
            NodeError: E3055, the address may not be spoken to; E3056, it answers with a redirect; E3057, its head took
                too long, or its body is packed in a way that cannot be measured.
            httpx.TransportError: The network failed.
        """
        pool = self._pools.get(request.url.scheme)
        if pool is None:
            raise NodeError("E3055", f"{request.url.scheme!r} is no way to speak to an agent", mend=_MEND)
        request.headers["accept-encoding"] = "identity"
        assert isinstance(request.stream, httpx.AsyncByteStream)
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        sent = httpcore.Request(
            method=request.method,
            url=url,
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            async with asyncio.timeout(self._policy.head_timeout):
                answer = await pool.handle_async_request(sent)
        except TimeoutError:
            what = f"{request.url.host} gave no head of an answer within {self._policy.head_timeout:g} s"
            raise NodeError("E3057", what) from None
        except _FAILURES as error:
            raise _as_httpx(error, request) from error
        return await self._measured(request, answer)

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.aclose()

    async def _measured(self, request: httpx.Request, answer: httpcore.Response) -> httpx.Response:
        headers = httpx.Headers(answer.headers)
        packed = headers.pop("content-encoding", "identity").strip().lower()
        body = _Measured(answer, self._policy, request, unpack=packed in _PACKED)
        problem: NodeError | None = None
        if 300 <= answer.status < 400 and "location" in headers:
            what = f"{request.url.host} answered {answer.status} and named another address"
            problem = NodeError("E3056", what, mend="Name the address where the agent is; redirects are not followed.")
        elif packed not in (*_PACKED, "identity", ""):
            problem = NodeError("E3057", f"the answer of {request.url.host} is packed as {packed!r}")
        if problem is not None:
            await body.aclose()
            raise problem
        if packed in _PACKED:
            headers.pop("content-length", None)  # that of the packed form
        return httpx.Response(answer.status, headers=headers, stream=body, extensions=answer.extensions)


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connect to addresses that were checked, and to nothing else."""

    def __init__(self, policy: Egress, resolve: Resolve, *, tls: bool) -> None:
        self._policy = policy
        self._resolve = resolve
        self._tls = tls
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to one of the addresses of a name, if all of them are allowed.

        Raises:
            NodeError: E3055, one of them is not.
            httpcore.ConnectError: The name is unknown, or nobody answers there.
        """
        try:
            addresses = await self._resolve(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} has no address: {error}") from error
        for address in addresses:
            self._check(host, port, address)
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        """Wait between two tries to connect."""
        await self._network.sleep(seconds)

    def _check(self, host: str, port: int, address: str) -> None:
        reason = why_not(address, loopback=self._policy.loopback)
        here = self._policy.loopback and bool(why_not(address))  # let through only because this machine is allowed
        if not reason and not here and not self._tls:
            reason = "it would be spoken to without TLS"
        if not reason and not here and port not in self._policy.ports:
            reason = f"port {port} is not one of {', '.join(map(str, self._policy.ports))}"
        if reason:
            raise NodeError("E3055", f"{host} ({address}) may not be spoken to: {reason}", mend=_MEND)


class _Measured(httpx.AsyncByteStream):
    """A body that is cut off when it becomes too long or takes too long."""

    def __init__(self, answer: httpcore.Response, policy: Egress, request: httpx.Request, *, unpack: bool) -> None:
        self._answer = answer
        self._policy = policy
        self._request = request
        self._left = policy.max_bytes
        self._unpacker = zlib.decompressobj(wbits=47) if unpack else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the body, unpacked, piece by piece.

        Raises:
            NodeError: E3057, it is too long, takes too long, or cannot be unpacked.
            httpx.TransportError: The network failed.
        """
        assert not isinstance(self._answer.stream, Iterable)
        pieces = aiter(self._answer.stream)
        until = asyncio.get_running_loop().time() + self._policy.body_timeout
        while True:
            try:
                async with asyncio.timeout_at(until):
                    piece = await anext(pieces, None)
            except TimeoutError:
                raise self._refused(f"took longer than {self._policy.body_timeout:g} s") from None
            except _FAILURES as error:
                raise _as_httpx(error, self._request) from error
            if piece is None:
                return
            for part in self._unpacked(piece):
                self._left -= len(part)
                if self._left < 0:
                    raise self._refused(f"is longer than {self._policy.max_bytes} bytes")
                yield part

    async def aclose(self) -> None:
        """Let the connection go."""
        await self._answer.aclose()

    def _unpacked(self, piece: bytes) -> Iterable[bytes]:
        unpacker = self._unpacker
        if unpacker is None:
            yield piece
            return
        while piece:
            try:
                part = unpacker.decompress(piece, min(self._left + 1, 64 * 1024))  # a bomb is stopped while it unpacks
            except zlib.error as error:
                raise self._refused(f"cannot be unpacked: {error}") from None
            piece = unpacker.unconsumed_tail
            if part:
                yield part

    def _refused(self, what: str) -> NodeError:
        return NodeError("E3057", f"the answer of {self._request.url.host} {what}")


def _as_httpx(error: Exception, request: httpx.Request) -> httpx.TransportError:
    """Give the error of httpx for one of the layer below, which has the same names."""
    for kind in type(error).__mro__:
        found = getattr(httpx, kind.__name__, None)
        if isinstance(found, type) and issubclass(found, httpx.TransportError):
            return found(str(error), request=request)
    return httpx.TransportError(str(error), request=request)
