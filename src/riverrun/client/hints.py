"""What a reader asks for beside events: fewer and larger frames, and a name of its own (PROTOCOL.md §14 and §15)."""

from __future__ import annotations

from collections.abc import Mapping

from riverrun.client.connect import Connect, Stream
from riverrun.wire.pages import EventPage
from riverrun.wire.problem import Problem


def hints(*, interval: float | None, max_bytes: int | None, adaptive: bool, reader: str) -> dict[str, str]:
    """Write what a reader asks for as parameters of a query.

    Args:
        interval: Seconds between two writes of the server, at least, in which it may join chunks; None: not joined.
        max_bytes: Of events in one frame or write, at most; None: as the server likes.
        adaptive: Whether the server may join chunks while this reader does not keep up.
        reader: What the reader calls itself; empty for nothing.

    Returns:
        Only what was asked for.
    """
    asked = {
        "interval": None if interval is None else str(round(interval * 1000)),
        "max_bytes": None if max_bytes is None else str(max_bytes),
        "adaptive": "1" if adaptive else None,
        "reader": reader or None,
    }
    return {name: value for name, value in asked.items() if value is not None}


class HintedLogs:
    """The logs of a server, read with hints.

    Args:
        connect: The server.
        given: Parameters, as `hints` gives them.
    """

    def __init__(self, connect: Connect, given: Mapping[str, str]) -> None:
        self._connect = connect
        self._given = given

    async def open_stream(self, path: str, cursor: str) -> Stream | Problem | None:
        """Ask for a log as a stream; as `Connect.open_stream`.

        Raises:
            ConnectionFault: E5001 or E5005, there was no answer; it may be tried again.
            ProtocolFault: E5003, the answer is not a stream.
        """
        return await self._connect.open_stream(path, cursor, self._given)

    async def poll(self, path: str, cursor: str) -> EventPage | Problem | None:
        """Ask for one page of a log; as `Connect.poll`.

        Raises:
            ConnectionFault: E5001 or E5005, there was no answer; it may be tried again.
            ProtocolFault: E5003, the answer is not a page.
        """
        return await self._connect.poll(path, cursor, self._given)
