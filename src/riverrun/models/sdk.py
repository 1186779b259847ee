"""What all models behind a provider's own SDK share: the way from a conversation to pieces, and what goes wrong on it.

An answer that ends without saying so is broken off, whatever the SDK takes it for, and what the provider sends is
closed in any case. It knows no provider.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Generic, Protocol, TypeVar

from riverrun.models.clients import Clients, close_stream, with_options
from riverrun.models.failures import Reading, failures_of
from riverrun.models.model import Messages, ToolSpec
from riverrun.models.pieces import Piece

Client = TypeVar("Client")


class Answer(Protocol):
    """One answer while it comes in.

    Attributes:
        finished: Whether it has said that it is whole.
    """

    finished: bool

    def take(self, event: Any) -> Iterable[Piece]:
        """Give the pieces of the next event."""
        ...


class SdkModel(ABC, Generic[Client]):
    """A model behind a provider's SDK.

    Args:
        who: The provider, for messages.
        name: Name of the model, as the provider calls it.
        clients: Clients of the SDK.
        options: What every request says beside messages and tools.

    Attributes:
        name: As given.
    """

    def __init__(self, who: str, name: str, clients: Clients[Client], options: Mapping[str, Any]) -> None:
        self.name = name
        self._who = who
        self._clients = clients
        self._options = options

    async def stream(
        self, messages: Messages, tools: Sequence[ToolSpec] = (), **options: Any
    ) -> AsyncGenerator[Piece, None]:
        """Answer, piece by piece; see `riverrun.models.model.Model`.

        Args:
            messages: The conversation so far.
            tools: What the model may call.
            **options: Further fields of the request.

        Yields:
            Pieces.

        Raises:
            ConnectionFault: E3030 or E3031, the provider cannot be reached, or the answer broke off.
            Busy: E3032, it is overloaded.
            NodeError: E3033 or E3034, it refuses the request, or failed at it.
            ProtocolFault: E3035, what it sent makes no sense.
        """
        request = self._request(messages, tools)
        client = await self._clients.here()
        with failures_of(self._who) as reading:
            told = await self._ask(client, with_options(request, self._options, options))
            answer = self._answer(reading)
            try:
                async with aclosing(self._events(told, reading)) as events:
                    async for several in events:
                        reading.spoke = True
                        for event in several:
                            for piece in answer.take(event):
                                yield piece
            finally:
                await close_stream(told)
            if not answer.finished:
                raise reading.broke_off()

    async def aclose(self) -> None:
        """Close the connections that were opened in this event loop. Idempotent."""
        await self._clients.aclose()

    @abstractmethod
    def _request(self, messages: Messages, tools: Sequence[ToolSpec]) -> dict[str, Any]:
        """Give the arguments of the SDK's call."""

    @abstractmethod
    async def _ask(self, client: Client, arguments: Mapping[str, Any]) -> Any:
        """Make the SDK's call; give what it streams."""

    async def _events(self, told: Any, reading: Reading) -> AsyncGenerator[Sequence[Any], None]:  # noqa: ARG002
        """Give the events of what the SDK streams; by default those that it hands out, one by one."""
        while (event := await anext(told, None)) is not None:
            yield (event,)

    @abstractmethod
    def _answer(self, reading: Reading) -> Answer:
        """Begin to read an answer."""
