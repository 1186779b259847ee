"""The events of a provider's answer, read off the bytes of its response: all that lie in one piece of it at once.

An SDK makes an object of each event with all that the provider's schema names; of that, little is asked for, and it
costs twenty times as much as what is done here. It knows no provider; what an event is, is the caller's to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

import msgspec

from riverrun.models.failures import Reading
from riverrun.wire.sse import Parser

Event = TypeVar("Event")

_DONE = "[DONE]"
_REST_TIMEOUT = 0.5  # seconds for the end of a body whose last event has come


async def read_frames(
    body: AsyncGenerator[bytes, None], kind: msgspec.json.Decoder[Event], reading: Reading
) -> AsyncGenerator[Sequence[Event], None]:
    """Give the events of a body of server-sent events.

    Args:
        body: Its bytes, however they are cut; it is closed in the end.
        kind: Reads one event.
        reading: Whose body it is.

    Yields:
        The events that are whole with the next piece of the body: at least one.

    Raises:
        ProtocolFault: E3035, an event is not what it should be; E5003, one is larger than memory should hold.
        Exception: What the body raised.
    """
    parser = Parser()
    async with aclosing(body):
        async for piece in body:
            data = [block.data for block in parser.feed(piece)]
            done = _DONE in data
            if done:
                data = data[: data.index(_DONE)]
            if data:
                yield _read(data, kind, reading)
            if done:
                await _rest_of(body)
                return


def _read(data: list[str], kind: msgspec.json.Decoder[Event], reading: Reading) -> list[Event]:
    try:
        return [kind.decode(each) for each in data]
    except msgspec.DecodeError as error:
        raise reading.senseless(str(error)) from error


async def _rest_of(body: AsyncGenerator[bytes, None]) -> None:
    """Read to the end of a body, so that its connection can be used again; what goes wrong there is no news."""
    try:
        async with asyncio.timeout(_REST_TIMEOUT):
            async for _ in body:
                pass
    except Exception:  # noqa: BLE001, S110  # the answer is whole
        pass
