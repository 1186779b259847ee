"""A node that asks a chat model: its text streams as chunks, the whole answer becomes one message of the state.

What the model says beside its text goes to the readers as `custom` events (PROTOCOL.md §2): `riverrun.reasoning`,
`riverrun.tool_call` and, once the answer is whole, `riverrun.usage`. Time-outs and retries are the node's policies. No
provider is known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from riverrun.base.errors import ConnectionFault, InputError
from riverrun.models.message import Draft, Message, as_messages, mended, usage_of
from riverrun.models.model import Model, ToolSpec, check_model
from riverrun.models.pieces import Finish, Reasoning, Text, ToolCall
from riverrun.runs.context import Context

REASONING = "riverrun.reasoning"
TOOL_CALL = "riverrun.tool_call"
USAGE = "riverrun.usage"

ChatNode = Callable[[Any, Context], AsyncGenerator[Any, None]]


def chat_node(
    model: Model,
    *,
    ask: str | Callable[[Any], Any] = "messages",
    into: str | None = "messages",
    system: str | None = None,
    tools: Sequence[ToolSpec] = (),
    **options: Any,
) -> ChatNode:
    """Make a node that asks a model.

    Its text streams as it comes. To have only that under a key, `add_node("chat", chat_node(model, into=None),
    key="answer")`. A provider that fails is asked again where the node has a `retry_policy`, which also waits as long
    as the provider wants; `TimeoutPolicy(first_chunk_timeout=…, idle_timeout=…)` cuts a silent one off. When the node
    is told to end, the connection to the provider is closed.

    Args:
        model: Whom to ask.
        ask: What: the key of the state that holds the conversation, or a function of the state that gives a text or
            messages. Calls of tools in it that nothing came of are answered as cut off.
        into: Key that the answer is written to as a message, for `add_messages`; None: it is written nowhere.
        system: What the model is told first.
        tools: What it may call; whoever reads the message calls them.
        **options: For the provider, such as `temperature`.

    Returns:
        The node, for `add_node`.

    Raises:
        InputError: E1016, this is no model.
    """
    check_model(model)

    async def chat(state: Any, ctx: Context) -> AsyncGenerator[Any, None]:
        given = ask(state) if callable(ask) else _under(state, ask)
        asked = mended(as_messages(given, system))
        answer = _Answer(model.name, ctx)
        async with aclosing(model.stream(asked, tools, **options)) as pieces:
            async for piece in pieces:
                if answer.first is None:
                    answer.begin()
                answer.draft.add(piece)
                if type(piece) is Text:
                    if piece.text:
                        yield piece.text
                elif isinstance(piece, ToolCall) or (isinstance(piece, Reasoning) and not piece.encrypted):
                    await answer.tell(piece)  # not what is long and nobody but the provider can read
        message = answer.end()
        if into is not None:
            yield {into: [message]}

    return chat


async def text_of(model: Model, asked: Any, *, system: str | None = None, **options: Any) -> AsyncGenerator[str, None]:
    """Ask a model and give only the text of its answer, for a node that gives back a stream.

    As in `return {"summary": text_of(model, text)}`: the text streams, and is stored under the key.

    Args:
        model: Whom to ask.
        asked: A text, or messages.
        system: What the model is told first.
        **options: For the provider.

    Yields:
        Pieces of the text.

    Raises:
        InputError: E1016, this is no model.
        ConnectionFault: E3031, the answer broke off.
    """
    finished = False
    async with aclosing(check_model(model).stream(mended(as_messages(asked, system)), (), **options)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Text) and piece.text:
                yield piece.text
            finished = finished or isinstance(piece, Finish)
    if not finished:
        raise ConnectionFault("E3031", f"the answer of {model.name!r} ended without a finish reason")


class _Answer:
    """One answer: its fold, when it began, and what its readers are told beside the text."""

    def __init__(self, model: str, ctx: Context) -> None:
        self.draft = Draft()
        self.first: float | None = None
        self._model = model
        self._ctx = ctx
        self._loop = asyncio.get_running_loop()
        self._asked = self._loop.time()

    def begin(self) -> None:
        """Note when the first piece came."""
        self.first = self._loop.time() - self._asked

    async def tell(self, piece: Reasoning | ToolCall) -> None:
        """Tell the readers what is not text."""
        told = msgspec.to_builtins(piece)
        name = TOOL_CALL if told.pop("type") == "tool_call" else REASONING
        self._ctx.emit(name, told)
        await self._ctx.room()

    def end(self) -> Message:
        """Give the message, and tell the readers what it cost."""
        draft, ctx = self.draft, self._ctx
        if draft.finish is None:
            raise ConnectionFault("E3031", f"the answer of {self._model!r} ended without a finish reason")
        ctx.emit(USAGE, self._usage(draft.finish))
        # The same in every attempt and after a crash, and no other in any run of a thread.
        return draft.message(model=self._model, identity=f"{ctx.run}.{ctx.exec}")

    def _usage(self, finish: Finish) -> dict[str, Any]:
        used: dict[str, Any] = {} if self.draft.usage is None else usage_of(self.draft.usage)
        seconds = self._loop.time() - self._asked
        return {
            "model": self._model,
            **used,
            "first_chunk_seconds": round(self.first or 0.0, 6),
            "seconds": round(seconds, 6),
            "finish": finish.reason,
        }


def _under(state: Any, key: str) -> Any:
    """Give what a state holds under a key, whether it is seen as a mapping or as an instance of its class."""
    found = state.get(key) if isinstance(state, Mapping) else getattr(state, key, None)
    if found is None:
        what = f"the state has nothing under {key!r} to ask the model"
        raise InputError("E2010", what, mend="Give it in the input, or name another key: chat_node(model, ask=…).")
    return found
