"""A stream that can be closed before it has begun: an async generator cannot, and would leave open what it was to read.

Also how anything that a stream reads is opened and closed. It knows no tasks and no threads.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from typing import Generic, TypeVar

Value = TypeVar("Value")

Source = AsyncIterable[Value] | Iterable[Value]


class Stream(Generic[Value]):
    """An async iterator over what a generator gives, closed in every case.

    A reader that is cancelled while it waits ends the stream, as it does with a generator. One that breaks off a loop
    and forgets the stream ends it too, soon after.

    Args:
        begin: Makes the generator when the first value is asked for; that closes what it reads when it ends.
        release: Closes what it would have read, when it is closed without having begun.
    """

    def __init__(
        self, begin: Callable[[], AsyncGenerator[Value, None]], release: Callable[[], Awaitable[None]]
    ) -> None:
        self._begin = begin
        self._release = release
        self._values: AsyncGenerator[Value, None] | None = None

    def __aiter__(self) -> Stream[Value]:
        return self

    def __anext__(self) -> Awaitable[Value]:
        if self._values is None:
            self._values = self._begin()
        return self._values.__anext__()

    async def aclose(self) -> None:
        """Leave the stream: nothing more is read, and what it reads is closed. Idempotent.

        Raises:
            BaseException: What could not be closed raised it.
        """
        if self._values is None:
            self._values = _nothing()
            await self._release()
        await self._values.aclose()


async def close(source: object) -> None:
    """Close a source by whatever it has for that: `aclose`, or `close` as streams of client libraries do; or nothing.

    Raises:
        BaseException: What the source raised.
    """
    end = getattr(source, "aclose", None) or getattr(source, "close", None)
    if end is not None:
        ended = end()
        if hasattr(ended, "__await__"):
            await ended


async def _nothing() -> AsyncGenerator[Value, None]:
    return
    yield  # what makes it a generator
