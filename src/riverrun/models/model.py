"""What a chat model has to be for a graph to speak to it; any object that fits will do.

It knows no provider, no graph and no network.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol, TypeGuard

from msgspec import Struct, field

from riverrun.base.errors import InputError
from riverrun.models.pieces import Piece

Messages = Sequence[Mapping[str, Any]]


class ToolSpec(Struct, frozen=True, kw_only=True):
    """What a model is told of a tool.

    Attributes:
        name: By which it calls the tool: letters, digits, `_` and `-`.
        description: What the tool does and when to use it.
        parameters: JSON Schema of an object: the arguments.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})


class Model(Protocol):
    """A chat model."""

    @property
    def name(self) -> str:
        """What usage is recorded under, such as `gpt-5`."""
        ...

    def stream(self, messages: Messages, tools: Sequence[ToolSpec] = (), **options: Any) -> AsyncGenerator[Piece, None]:
        """Answer, piece by piece.

        Whoever reads it must close it (`contextlib.aclosing`), or the provider writes on to nobody. A whole answer
        has a `Finish`; one that ends without was cut off, and is an error.

        Args:
            messages: The conversation so far, oldest first: mappings with `role` (`system`, `user`, `assistant`,
                `tool`) and `content`; of the assistant also `tool_calls`, of a tool `tool_call_id`.
            tools: What it may call.
            **options: Handed on to the provider, such as `temperature`.

        Yields:
            Pieces, in the order in which the provider sent them.

        Raises:
            ConnectionFault: E3030 or E3031, the provider cannot be reached, or the answer broke off.
            Busy: E3032, the provider is overloaded; `retry_after` says how long, in seconds.
            NodeError: E3033 or E3034, the provider refuses the request, or failed at it.
            ProtocolFault: E3035, what it sent makes no sense.
        """
        ...


def check_model(model: object) -> Model:
    """Give a model, once it is known to be one.

    Args:
        model: Any object.

    Returns:
        The same object.

    Raises:
        InputError: E1016, it has no name or no `stream`.
    """
    if not _is_model(model):
        raise InputError("E1016", f"{type(model).__name__} is not a model")
    return model


def _is_model(model: object) -> TypeGuard[Model]:
    return isinstance(getattr(model, "name", None), str) and callable(getattr(model, "stream", None))
