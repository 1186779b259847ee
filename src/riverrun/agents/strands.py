"""What happens inside an adopted agent, as its readers see it: its nodes, models and tools as executions of their own.

They are events of a call (`ctx.call()`), as those of a graph that a node calls, so readers and transports need nothing
new. This file knows no library; it does not know what runs either.
"""

from __future__ import annotations

from typing import Any

import msgspec

from riverrun.base.clock import SystemClock
from riverrun.base.errors import NodeError
from riverrun.events.kinds import (
    Custom,
    Json,
    NodeCancelled,
    NodeChunk,
    NodeCompleted,
    NodeEvent,
    NodeFailed,
    NodeStarted,
    text_length,
)
from riverrun.graph.machine import error_info
from riverrun.runs.context import Call, Context

_CLOCK = SystemClock()
_SHOWN = 200  # characters of what cannot be shown as it is


class Strand:
    """One node, model call or tool call inside an adopted agent. Made by `Strands.open`.

    Args:
        call: Where its events go.
        node: Its name.
        place: Its id inside the call, such as `outer:1/inner:2`.
        around: The places of the strands around it, outermost first.
        tool_call: Where it is a tool that runs: the id of the call.

    Attributes:
        place: As given.
        done: Whether it has said how it ended.
    """

    __slots__ = ("_around", "_call", "_heard", "_lengths", "_messages", "_node", "_tool_call", "done", "place")

    def __init__(
        self, call: Call, node: str, place: str, around: tuple[str, ...], tool_call: str | None = None
    ) -> None:
        self._tool_call = tool_call
        self.place = place
        self.done = False
        self._call = call
        self._node = node
        self._around = around
        self._lengths: dict[str, int] = {}
        self._heard: dict[str, None] = {}  # ids of its messages, in order
        self._messages = 0

    @property
    def inside(self) -> tuple[str, ...]:
        """Where a strand below this one is."""
        return (*self._around, self.place)

    def say(self, text: str, message: str = "") -> None:
        """Put out a piece of text.

        Args:
            text: The piece; nothing is said of an empty one.
            message: Which message of this strand it belongs to; empty for its only one.
        """
        if not text:
            return
        start = self._lengths.get(message, 0)
        self._lengths[message] = start + text_length(text)
        name = f"{self.place}/{message}" if message else self.place
        self._tell(NodeChunk, message=name, value=text, start=start)

    def next_message(self) -> str:
        """Give a name for one more message of this strand; the first has the empty one."""
        self._messages += 1
        return "" if self._messages == 1 else str(self._messages)

    def reason(self, text: str, index: int = 0) -> None:
        """Tell what a model thinks (PROTOCOL.md §2, "Models and tools").

        Args:
            text: The piece; nothing is told of an empty one.
            index: Which block it belongs to.
        """
        if text:
            self.tell("riverrun.reasoning", {"text": text, "index": index} if index else {"text": text})

    def call(self, index: int, arguments: object = "", *, identity: str | None = None, name: str | None = None) -> None:
        """Tell a fragment of a call of a tool.

        Args:
            index: Which call of this strand.
            arguments: What follows their JSON text so far; a mapping is all of them.
            identity: Id of the call, in its first fragment.
            name: Name of the tool, in its first fragment.
        """
        first = {key: value for key, value in (("id", identity), ("name", name)) if value}
        text = arguments if isinstance(arguments, str) else msgspec.json.encode(shown(arguments)).decode()
        self.tell("riverrun.tool_call", {"index": index, **first, "arguments": text})

    def tell(self, name: str, value: object = None) -> None:
        """Tell readers something.

        Args:
            name: What it is called.
            value: What it is; as far as it cannot be JSON, what it looks like.
        """
        self._tell(Custom, name=name, value=shown(value))

    def complete(self, writes: object = None) -> None:
        """Say that it ended well. Does nothing the second time.

        Args:
            writes: What it wrote or gave back: a mapping, several, or any value.
        """
        if self.done:
            return
        self.done = True
        self._tell_tool("ended")
        several = writes if isinstance(writes, list | tuple) else () if writes is None else (writes,)
        made = tuple(each if isinstance(each, dict) else {"value": each} for each in shown(several))
        self._tell(NodeCompleted, writes=made)

    def fail(self, what: str, *, again: bool = False) -> None:
        """Say that it ended badly, which its agent has taken note of. Does nothing once it has ended.

        Args:
            what: What happened.
            again: Whether its agent has it begin again, so that what it said will be said once more.
        """
        if not self.done:
            self.done = True
            self._tell_tool("failed")
            error = error_info(NodeError("E3001", what, where=f"node {self._node!r}"))
            self._tell(NodeFailed, error=error, tolerated=True, voids=tuple(self._heard) if again else ())

    def leave(self) -> None:
        """Say that its agent asks something before it has ended, and begins it again with the answer.

        What it said is void, for it will be said once more. Does nothing once it has ended.
        """
        if not self.done:
            self.done = True
            self._tell(NodeCancelled, voids=tuple(self._heard), reason="left")

    def begin(self) -> None:
        """Say that it began."""
        self._tell(NodeStarted)
        self._tell_tool("started")

    def _tell_tool(self, state: str) -> None:
        if self._tool_call is not None:
            self.tell("riverrun.tool", {"call": self._tool_call, "name": self._node, "state": state})

    def _tell(self, kind: type[NodeEvent], **fields: Any) -> None:
        # seq and run are the log's to give (`riverrun.graph.step.relay`).
        if kind is NodeChunk:
            self._heard[fields["message"]] = None
        made = kind(seq=0, ts=_CLOCK.now_ms(), run="", ns=self._around, node=self._node, exec=self.place, **fields)
        self._call.relay(made)


class Strands:
    """The strands of one stretch.

    Args:
        context: That of the node in which the agent runs.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._call = context.call()
        self._ordinals: dict[str, int] = {}
        self._open: list[Strand] = []

    def open(self, node: str, inside: tuple[str, ...] = (), *, tool_call: str | None = None) -> Strand:
        """Let a strand begin.

        Args:
            node: Its name.
            inside: `Strand.inside` of the one around it.
            tool_call: Where it is a tool that runs: the id of the call.

        Returns:
            The strand, which has said that it began.
        """
        path = f"{inside[-1]}/{node}" if inside else node
        ordinal = self._ordinals[path] = self._ordinals.get(path, 0) + 1
        made = Strand(self._call, node, f"{path}:{ordinal}", inside, tool_call)
        self._open = [each for each in self._open if not each.done]
        self._open.append(made)
        made.begin()
        return made

    def leave(self) -> None:
        """Leave every strand that has not ended, the innermost first."""
        while self._open:
            self._open.pop().leave()

    def tell(self, name: str, value: object = None) -> None:
        """Tell readers something in the name of the agent itself."""
        self._context.emit(name, shown(value))

    async def room(self) -> None:
        """Wait while the log's buffer is full. To be awaited after whatever was said, so that no agent runs ahead."""
        await self._context.room()


def usage(model: str, **units: object) -> Json:
    """Give what is told of what a model took (`riverrun.usage`).

    Args:
        model: Which one, as far as is known.
        **units: `input`, `output`, `cached`, `reasoning`: in the provider's units; what is not known is left out.

    Returns:
        The value of the event.
    """
    known = {name: count for name, count in units.items() if isinstance(count, int) and count}
    return {"model": model, "input": 0, "output": 0, **known}


def plain(value: object, what: str, where: str = "") -> Json:
    """Give a value of another library as plain JSON data.

    Args:
        value: Any value; objects are taken apart by what they offer for that (`model_dump`, fields).
        what: What it is, for the message.
        where: Where it belongs, for the message.

    Returns:
        Mappings, lists, texts, numbers.

    Raises:
        NodeError: E3045, something in it cannot be JSON.
    """
    if type(value) is str:
        return value
    try:
        # Through its bytes: what goes on here is then what another process would read in the log.
        return msgspec.json.decode(msgspec.json.encode(value, enc_hook=_taken_apart))
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise NodeError("E3045", f"{what} cannot be stored: {error}", where=where) from None


def shown(value: object) -> Json:
    """Give a value as plain JSON data; what cannot be that as what it looks like: a sight, nothing to go on with."""
    if type(value) is str:
        return value
    try:
        return plain(value, "")
    except NodeError:
        if isinstance(value, dict):
            return {str(name): shown(each) for name, each in value.items()}
        return [shown(each) for each in value] if isinstance(value, list | tuple) else repr(value)[:_SHOWN]


def _taken_apart(value: object) -> object:
    dump = getattr(value, "model_dump", None)
    if dump is not None and not isinstance(value, type):
        return dump(mode="json")
    raise TypeError(f"{type(value).__name__} is no JSON value")
