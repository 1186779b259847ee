"""Serve a program from a process of its own: one socket, uvicorn, and an end that leaves no reader hanging.

How it ends, on SIGTERM or SIGINT: the socket is closed first, so that a reader that is sent away cannot come back here;
then every open stream gets the close frame; then the service is closed, and its runs wait in the log for the next
worker. A reader that does not take the frame within `shutdown_timeout` is cut off. A second SIGINT waits for nothing.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import ipaddress
import socket
import sys
import time
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from riverrun.base.errors import InputError
from riverrun.server.arrival import arrival
from riverrun.server.runtime import Runtime
from riverrun.server.upgrade import Upgraded

_BACKLOG = 2048
# The store's thread waits for the interpreter lock while the event loop is busy, by default 5 ms at a time, again and
# again: the worst single commit beside a loop that never idles took 200-350 ms, with this 12-65 ms (CPython 3.11).
_SWITCH_SECONDS = 0.0005
_LOOK_AGAIN_INTERVAL = 0.02
_KEEP_ALIVE_SECONDS = 75  # longer than the longest `wait=`, so that a polling reader keeps its connection


class Server(uvicorn.Server):
    """uvicorn with our end: `serve` runs one in the main thread; in another thread set `should_exit` to end it.

    Args:
        app: Made by `create_app`.
        listener: A socket that listens.
        announce: Called with the base URL once requests are answered.
        shutdown_timeout: Seconds that open streams get.
    """

    def __init__(
        self,
        app: FastAPI,
        listener: socket.socket,
        *,
        announce: Callable[[str], None] | None = None,
        shutdown_timeout: float = 5.0,
    ) -> None:
        self._runtime: Runtime = app.state.riverrun
        settings = self._runtime.settings
        super().__init__(
            uvicorn.Config(
                app,
                http=arrival(settings.head_timeout, settings.max_head_bytes, settings.stall_timeout),
                lifespan="on",
                ws=Upgraded,
                ws_max_size=settings.max_body_bytes,
                ws_ping_interval=settings.heartbeat_interval,
                ws_ping_timeout=settings.stall_timeout,
                ws_per_message_deflate=False,  # docs/decisions/015: a window per socket, and bytes that nobody shares
                log_config=None,  # a library does not set up logging; warnings and errors reach stderr all the same
                access_log=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=1,  # after `shutdown` has sent everybody away
            )
        )
        self._listener = listener
        self._announce = announce
        self._shutdown_timeout = shutdown_timeout

    async def run_here(self) -> None:
        """Serve in the running event loop, until a signal or `should_exit`.

        Raises:
            StoreError: E4001, E4003 or E4006, the store cannot be opened.
        """
        # Opened before uvicorn starts, so that what goes wrong is an error of ours and not a trace in its log.
        async with self._runtime:
            await self.serve([self._listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, then announce the address."""
        await super().startup(sockets)
        if self._announce is not None and self.started:
            self._announce(url_of(self._listener))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, send the readers away, and cut off who has not gone in time."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        self._runtime.leave()
        give_up_at = time.monotonic() + self._shutdown_timeout
        left = self.server_state.connections
        while left and not self.force_exit and time.monotonic() < give_up_at:  # noqa: ASYNC110 uvicorn has no event for it
            await asyncio.sleep(_LOOK_AGAIN_INTERVAL)
        # uvicorn would close them, which waits for the reader to take what is buffered: that may be never.
        for connection in list(left):
            connection.transport.abort()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note the signal; an end that was asked for is a success, so it is not raised again afterwards."""
        super().handle_exit(sig, frame)
        self._captured_signals.clear()


def serve(
    app: FastAPI,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    announce: Callable[[str], None] | None = None,
    shutdown_timeout: float = 5.0,
    no_auth: bool = False,
) -> None:
    """Serve a program until SIGTERM or SIGINT. In the main thread.

    Args:
        app: Made by `create_app`.
        host: Address or name to listen on.
        port: Port to listen on; 0 for any free one.
        announce: Called once with the base URL, when requests are answered.
        shutdown_timeout: Seconds that open streams get to say goodbye.
        no_auth: Whether a program that asks nobody who they are may be reached from other machines.

    Raises:
        InputError: E6003, the port is taken; E6006, the address cannot be listened on, or it is not one of the loopback
            while the program asks nobody who they are.
        StoreError: E4001, E4003 or E4006, the store cannot be opened.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    frozen = gc.get_freeze_count()
    if not frozen:
        # What was loaded stays until the end. A full collection that looks through all of it, 60,000 objects, holds
        # every reader up (70 ms and more beside other work).
        gc.collect()
        gc.freeze()
    try:
        with listen(host, port) as listener:
            if not (no_auth or app.state.riverrun.asks_who):
                _stay_here(listener)
            server = Server(app, listener, announce=announce, shutdown_timeout=shutdown_timeout)
            # uvloop where it is installed.
            with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
                runner.run(server.run_here())
    finally:
        if not frozen:
            gc.unfreeze()
        sys.setswitchinterval(before)


def listen(host: str, port: int) -> socket.socket:
    """Take a port, at once and for good: connections wait in its queue until they are accepted.

    Args:
        host: Address or name.
        port: 0 for any free one.

    Returns:
        A socket that listens.

    Raises:
        InputError: E6003, the port is taken; E6006, the address cannot be listened on.
    """
    where = f"{host}:{port}"
    if not 0 <= port <= 65_535:
        # The resolver would take its lower 16 bits.
        raise InputError("E6006", f"{port} is no port", where=where, mend="A port is 0 to 65535.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            # A port whose last connections are still in TIME_WAIT is free; one where somebody listens is not.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError("E6003", f"port {port} is taken", where=where) from None
        raise InputError("E6006", f"cannot listen there: {error.strerror or error}", where=where) from None
    return listener


def _stay_here(listener: socket.socket) -> None:
    """Refuse an address that other machines can reach. The socket is asked, because a name says nothing of that."""
    address = str(listener.getsockname()[0]).partition("%")[0]
    if not ipaddress.ip_address(address).is_loopback:
        mend = "Set keys (RIVERRUN_KEYS), give create_app an authenticate, or say --no-auth if a proxy asks already."
        what = f"everybody who reaches {address} could start, read and stop runs: nobody is asked who they are"
        raise InputError("E6006", what, where="host", mend=mend)


def url_of(listener: socket.socket) -> str:
    """Give the base URL of a socket that listens."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
