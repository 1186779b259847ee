"""The only file that knows the HTTP library: one request, one stream of blocks, one poll, each tried once.

Foreign errors end here: what the network did becomes a `ConnectionFault` or, on an open stream, a `Close`; what a
server said becomes a `Problem`. It does not know places, retries or what an event means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple, TypeVar

import httpx

from riverrun.base.errors import ConnectionFault, InputError, ProtocolFault
from riverrun.base.ids import is_run_id
from riverrun.events.ending import Close
from riverrun.wire import pages, problem
from riverrun.wire.pages import EventPage
from riverrun.wire.problem import Problem
from riverrun.wire.sse import Block, Parser

Http = httpx.AsyncClient
Body = TypeVar("Body")

BODY_BYTES = 256 * 1024 * 1024  # a page, a state or a list that is larger is not taken in
POLL_LIMIT = 1000
POLL_WAIT = 25.0  # below the 30 s and 60 s after which proxies lose patience


class Reply(NamedTuple):
    """A whole answer: its status, its headers, its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def problem(self) -> Problem:
        """Read it as the description of an error."""
        return problem.decode(self.status, self.body, self.headers.get("retry-after"))


class Piece(NamedTuple):
    """What came out of a stream with one read.

    Attributes:
        blocks: The blocks that are complete now; often none.
        heartbeats: How many came.
        last_id: The last id that the server sent; empty before the first.
    """

    blocks: list[Block]
    heartbeats: int
    last_id: str


class Stream:
    """One open stream of blocks. Close it in any case.

    Args:
        response: A response whose body nobody has read.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._chunks = response.aiter_bytes()
        self._parser = Parser()

    async def read(self, listen: float) -> Piece | Close:
        """Read what is there, or wait for something.

        A read that is cancelled ends the stream.

        Args:
            listen: Seconds, at most.

        Returns:
            A piece; NETWORK when the body ended or was cut; SILENT when nothing came.

        Raises:
            ProtocolFault: E5003, the bytes cannot be taken.
        """
        try:
            async with asyncio.timeout(listen):
                chunk = await anext(self._chunks, None)
        except TimeoutError:
            return Close.SILENT
        except httpx.DecodingError as error:
            raise ProtocolFault("E5003", f"the stream cannot be decoded: {error}") from None
        except (httpx.RequestError, httpx.StreamError):
            return Close.NETWORK
        if chunk is None:
            return Close.NETWORK
        before = self._parser.heartbeats
        blocks = self._parser.feed(chunk)
        return Piece(blocks, self._parser.heartbeats - before, self._parser.last_id)

    async def aclose(self) -> None:
        """Close the connection; idempotent."""
        # What a broken connection still has to say while it is closed is of no interest to anybody.
        with suppress(httpx.RequestError, httpx.StreamError):
            await self._response.aclose()


class Begun(NamedTuple):
    """A run that was begun and attached to in one request: its id, and its events from the first on."""

    run: str
    stream: Stream


class Connect:
    """The address of a server and the library that reaches it.

    Args:
        url: Of the server, such as `http://127.0.0.1:8000`, with the path it is mounted at.
        timeout: Seconds that a request may wait for a connection, for its answer, or for more of it.
        key: Says to the server who asks (PROTOCOL.md §11).
        http: A client of the caller's, which stays open at the end; None makes one.

    Attributes:
        url: As given, without a slash at its end.
        headers: What each request says about who asks.

    Raises:
        InputError: E6006, `url` is not the address of a server, or `key` cannot stand in a header.
    """

    def __init__(self, url: str, *, timeout: float = 30.0, key: str | None = None, http: Http | None = None) -> None:
        self.url = _address(url)
        self.headers = {} if key is None else {"authorization": f"Bearer {_bearer(key)}"}
        self._timeout = timeout
        self._own = http is None
        # Streams hold their connections for long: a bound on their number would only make later ones hang.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        # Loading the certificates of the world takes 17 ms, which http:// has no use for; redirects are not followed.
        self._http = http or Http(limits=limits, verify=httpx.URL(self.url).scheme != "http")

    async def aclose(self) -> None:
        """Close what was made here; idempotent."""
        if self._own:
            await self._http.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        wait: float = 0.0,
    ) -> Reply:
        """Send one request and read its answer, whatever its status.

        Args:
            method: Of HTTP.
            path: Below the address, beginning with a slash.
            body: JSON, if any.
            params: Of the query.
            headers: More of the request.
            wait: Seconds that the server was asked to hold the answer back.

        Returns:
            The answer.

        Raises:
            ConnectionFault: E5001 or E5005, there was none; it may be tried again.
            ProtocolFault: E5003, it cannot be taken.
        """
        sent = {"accept": "application/json", **self.headers, **(headers or {})}
        if body is not None:
            sent["content-type"] = "application/json"
        timeout = httpx.Timeout(self._timeout, read=self._timeout + wait)
        with self._faults():
            async with self._http.stream(
                method, self.url + path, content=body, params=params, headers=sent, timeout=timeout
            ) as response:
                return Reply(response.status_code, response.headers, await _whole(response))

    async def ask(
        self,
        method: str,
        path: str,
        kind: type[Body],
        *,
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Body:
        """Send one request and read what was asked for.

        Args:
            method: Of HTTP.
            path: Below the address, beginning with a slash.
            kind: What the answer is: a class of `riverrun.wire.pages`.
            body: JSON, if any.
            params: Of the query.
            headers: More of the request.

        Returns:
            The answer.

        Raises:
            ConnectionFault: E5001 or E5005, there was none; it may be tried again.
            ProtocolFault: E5003, it is something else.
            RiverrunError: What the server said instead.
        """
        reply = await self.request(method, path, body=body, params=params, headers=headers)
        if not 200 <= reply.status < 300:
            raise reply.problem().error()
        return pages.decode(reply.body, kind)

    async def open_stream(
        self, path: str, cursor: str, hints: Mapping[str, str] | None = None
    ) -> Stream | Problem | None:
        """Ask for a log as a stream.

        Args:
            path: Of the events of a run.
            cursor: The place to attach at.
            hints: More parameters of the query.

        Returns:
            The stream; the problem when it was not granted; None when the run has ended and was read to its end.

        Raises:
            ConnectionFault: E5001 or E5005, there was no answer; it may be tried again.
            ProtocolFault: E5003, the answer is not a stream.
        """
        response = await self._send_for_stream("GET", path, params={"after": cursor, **(hints or {})})
        if response.status_code == 204:
            await response.aclose()
            return None
        return await self._stream_of(response, 200)

    async def begin(self, path: str, body: bytes, headers: Mapping[str, str]) -> Begun | Problem:
        """Begin a run and attach to it, in one request.

        Args:
            path: Of a route that begins runs.
            body: JSON.
            headers: More of the request.

        Returns:
            The run and its events; the problem when it was not granted.

        Raises:
            ConnectionFault: E5001 or E5005, there was no answer; it may be tried again.
            ProtocolFault: E5003, the answer is not the stream of a run.
        """
        sent = {"content-type": "application/json", **headers}
        response = await self._send_for_stream("POST", path, body=body, headers=sent)
        stream = await self._stream_of(response, 201)
        if isinstance(stream, Problem):
            return stream
        run = response.headers.get("location", "").rpartition("/")[2]
        if not is_run_id(run):
            await stream.aclose()
            raise ProtocolFault("E5003", "the server began a run and does not say which", where=self.url)
        return Begun(run, stream)

    async def _send_for_stream(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        # identity: a body that is compressed on the way arrives in lumps.
        wanted = {"accept": "text/event-stream", "accept-encoding": "identity", "cache-control": "no-store"}
        # After the headers the session's watchdog measures silence, so the library does not.
        timeout = httpx.Timeout(self._timeout, read=None)
        sent = {**wanted, **self.headers, **(headers or {})}
        request = self._http.build_request(
            method, self.url + path, params=params, content=body, headers=sent, timeout=timeout
        )
        with self._faults():
            async with asyncio.timeout(self._timeout):
                return await self._http.send(request, stream=True)

    async def _stream_of(self, response: httpx.Response, granted: int) -> Stream | Problem:
        """Give the stream that was granted, or close the response and say what it was."""
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if response.status_code == granted and kind == "text/event-stream":
            return Stream(response)
        try:
            if response.status_code == granted:
                raise ProtocolFault("E5003", f"asked for events, the server sent {kind or 'no type'}", where=self.url)
            with self._faults():
                async with asyncio.timeout(self._timeout):
                    body = await _whole(response)
            return Reply(response.status_code, response.headers, body).problem()
        finally:
            await response.aclose()

    async def poll(self, path: str, cursor: str, hints: Mapping[str, str] | None = None) -> EventPage | Problem | None:
        """Ask for one page of a log; the server holds the answer back until there is something.

        Args:
            path: Of the events of a run.
            cursor: The place to attach at.
            hints: More parameters of the query.

        Returns:
            The page; the problem when it was not granted; None as in `open_stream`.

        Raises:
            ConnectionFault: E5001 or E5005, there was no answer; it may be tried again.
            ProtocolFault: E5003, the answer is not a page.
        """
        params = {"after": cursor, "wait": f"{POLL_WAIT:g}", "limit": str(POLL_LIMIT), **(hints or {})}
        reply = await self.request("GET", path, params=params, wait=POLL_WAIT)
        if reply.status == 204:
            return None
        return pages.decode(reply.body, EventPage) if reply.status == 200 else reply.problem()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Turn the library's errors into ours."""
        try:
            yield
        except (httpx.TimeoutException, TimeoutError):
            raise ConnectionFault("E5005", f"no answer within {self._timeout:g} s", where=self.url) from None
        except httpx.DecodingError as error:
            raise ProtocolFault("E5003", f"the answer cannot be decoded: {error}", where=self.url) from None
        except (httpx.RequestError, httpx.StreamError) as error:
            what = str(error) or type(error).__name__
            raise ConnectionFault("E5001", f"there was no answer: {what}", where=self.url) from None


def _address(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.query or parsed.fragment:
        mend = "Give it as http://host:port, with a path where the server is mounted below one."
        raise InputError("E6006", f"{url!r} is not the address of a server", where="url", mend=mend)
    return url.rstrip("/")


def _bearer(key: str) -> str:
    """Refuse what would end the header early or be read as something else; the message must not show it."""
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise InputError("E6006", "a key has visible ASCII characters only", where="key", mend="Give the key as it is.")
    return key


async def _whole(response: httpx.Response) -> bytes:
    parts, size = [], 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > BODY_BYTES:
            raise ProtocolFault("E5003", f"the answer is larger than {BODY_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)
