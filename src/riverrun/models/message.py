"""Messages of a conversation: the pieces of an answer folded to one, and a conversation that a provider will take.

A message is plain data, so that it can stand in a log and in a state with `add_messages`:

    {"role": "assistant", "content": "…", "tool_calls": [{"id", "name", "arguments"}], "reasoning": [{"text"}],
     "finish": "stop", "model": "…", "usage": {"input", "output"}}
    {"role": "tool", "tool_call_id": "…", "name": "…", "content": "…", "error": "E3037"}

`arguments` are a mapping; or the text that the model wrote, where that is no JSON object. Providers are not known here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import to_builtins

from riverrun.models.pieces import Finish, Piece, Reasoning, Text, ToolCall, Usage

Message = dict[str, Any]

CUT_OFF = "E3042 The call was cut off: whether the tool did its work is not known."
# What other libraries call the roles.
_ROLES = {"human": "user", "ai": "assistant", "function": "tool"}
# What a provider wants back with a block of thoughts, beside its text.
_WANTED = ("signature", "redacted", "encrypted", "id")


class Draft:
    """An answer in the making.

    Attributes:
        finish: Why it ended; None while it has not.
        usage: What it cost, as far as is known.
    """

    def __init__(self) -> None:
        self.finish: Finish | None = None
        self.usage: Usage | None = None
        self._texts: list[str] = []
        self._blocks: dict[int, list[Reasoning]] = {}
        self._calls: dict[int, list[ToolCall]] = {}

    def add(self, piece: Piece) -> None:
        """Take in a piece."""
        kind = type(piece)
        if kind is Text:  # nearly always
            self._texts.append(piece.text)  # type: ignore[union-attr]  # a union of tagged kinds; isinstance costs more
        elif isinstance(piece, Reasoning):
            self._blocks.setdefault(piece.index, []).append(piece)
        elif isinstance(piece, ToolCall):
            self._calls.setdefault(piece.index, []).append(piece)
        elif isinstance(piece, Usage):
            self.usage = piece
        elif isinstance(piece, Finish):
            self.finish = piece

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._texts)

    def message(self, *, model: str = "", identity: str | None = None) -> Message:
        """Give the answer as one message.

        Args:
            model: Who gave it.
            identity: Id of the message; None: `add_messages` will find one.

        Returns:
            The message; what there is none of is left out, but for `content`.
        """
        made: Message = {"role": "assistant", "content": self.text}
        if identity is not None:
            made["id"] = identity
        if self._calls:
            made["tool_calls"] = [_call(place, self._calls[place]) for place in sorted(self._calls)]
        if self._blocks:
            made["reasoning"] = [_block(place, self._blocks[place]) for place in sorted(self._blocks)]
        if self.finish is not None:
            made["finish"] = self.finish.reason
        if model:
            made["model"] = model
        if self.usage is not None:
            made["usage"] = usage_of(self.usage)
        return made


def usage_of(usage: Usage) -> dict[str, int]:
    """Give usage as plain data, without its tag."""
    return {name: value for name, value in to_builtins(usage).items() if name != "type"}


def arguments_of(text: str) -> Any:
    """Read the arguments of a call: a mapping, or the text itself where it is no JSON object; nothing is {}."""
    if not text.strip():
        return {}
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return read if isinstance(read, dict) else text


def as_messages(given: Any, system: str | None = None) -> list[Message]:
    """Make a conversation of what a node was given.

    Args:
        given: A text, a message, or several of either; messages are mappings, or objects that have a `role` or `type`
            and a `content`.
        system: What the model is told first; None for nothing.

    Returns:
        Messages with the four roles, calls of tools in one shape.

    Raises:
        TypeError: Something in it is no message.
    """
    several = given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    first: list[Message] = [] if system is None else [{"role": "system", "content": system}]
    return first + [_message(one) for one in several]


def mended(messages: Iterable[Message]) -> list[Message]:
    """Answer the calls of tools that nothing came of, because the run was stopped before: providers refuse them else.

    Args:
        messages: As `as_messages` gives them.

    Returns:
        The same, each call followed by its result; where there was none, by one that says so. Results that belong to
        no call are left out.
    """
    # Backwards, so that a result goes to the nearest call before it: some servers count their ids anew in each answer.
    made: list[Message] = []
    results: dict[Any, Message] = {}
    for one in reversed(list(messages)):
        if one["role"] == "tool":
            results[one.get("tool_call_id")] = one
            continue
        calls = one.get("tool_calls") or ()
        made += [results.pop(call["id"]) if call["id"] in results else cut_off(call) for call in reversed(calls)]
        made.append(one)
    return made[::-1]


def with_thoughts(
    one: Message, said: list[dict[str, Any]], thought: Callable[[Message], dict[str, Any] | None]
) -> list[dict[str, Any]]:
    """Put the thoughts of an answer back to where they stood in it: providers check that.

    Args:
        one: The message.
        said: What else of it goes back to the provider, in order.
        thought: Gives a block as the provider wants it; None: it does not want that one back.

    Returns:
        Both. Where nothing else goes back, nothing does: an answer that ends with a thought is refused.
    """
    placed, least = list(said), 0
    for block in one.get("reasoning") or () if said else ():
        if (made := thought(block)) is not None:
            place = min(max(block.get("index", 0), least), len(placed) - 1)
            placed.insert(place, made)
            least = place + 1
    return placed


def cut_off(call: Mapping[str, Any]) -> Message:
    """Give the result of a call that nothing came of."""
    return {"role": "tool", "tool_call_id": call["id"], "name": call["name"], "content": CUT_OFF, "error": "E3042"}


def _message(one: Any) -> Message:
    if isinstance(one, str):
        return {"role": "user", "content": one}
    if isinstance(one, tuple | list) and len(one) == 2:
        return {"role": _ROLES.get(one[0], one[0]), "content": one[1]}
    said = one if isinstance(one, Mapping) else _fields(one)
    role = said.get("role") or said.get("type")
    if not isinstance(role, str):
        raise TypeError(f"{type(one).__name__} is no message: it has neither a role nor a type")
    made = {**said, "role": _ROLES.get(role, role), "content": said.get("content") or ""}
    if said.get("tool_calls"):
        made["tool_calls"] = [_known_call(call) for call in said["tool_calls"]]
    return made


def _fields(one: object) -> dict[str, Any]:
    names = ("role", "type", "content", "tool_calls", "tool_call_id", "name", "id", "reasoning")
    return {name: value for name in names if (value := getattr(one, name, None)) is not None}


def _known_call(call: Mapping[str, Any]) -> Message:
    """Give a call in our shape; OpenAI's has a `function`, LangChain's has `args`."""
    inner = call.get("function") or call
    arguments = inner.get("arguments", inner.get("args", {}))
    return {
        "id": call.get("id") or "",
        "name": inner.get("name") or "",
        "arguments": arguments_of(arguments) if isinstance(arguments, str) else dict(arguments),
    }


def _call(place: int, fragments: Sequence[ToolCall]) -> Message:
    return {
        # A server that gives no id is helped out: the result has to name the call.
        "id": next((each.id for each in fragments if each.id), f"call_{place}"),
        "name": next((each.name for each in fragments if each.name), ""),
        "arguments": arguments_of("".join(each.arguments for each in fragments)),
    }


def _block(place: int, pieces: Sequence[Reasoning]) -> Message:
    block: Message = {"text": "".join(each.text for each in pieces)}
    for name in _WANTED:
        if said := "".join(getattr(each, name) for each in pieces):
            block[name] = said
    if place and len(block) > 1:
        block["index"] = place
    return block
