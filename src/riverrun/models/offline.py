"""A model without a provider: deterministic, extractive, word by word, so that everything runs without a key.

It quotes the sentences of the conversation that share most words with the last question. It calls a tool when the last
message of the user names one: `add {"a": 1, "b": 2}` with these arguments, `search "rivers"` with that for the tool's
one text. Once the results are there it answers with them. It knows no language and invents nothing.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any, Final

from riverrun.models.message import Message, as_messages
from riverrun.models.model import Messages, ToolSpec
from riverrun.models.pieces import Finish, Piece, Text, ToolCall, Usage

_WORD: Final = re.compile(r"\w+", re.UNICODE)
_PIECE: Final = re.compile(r"\s*\S+(?:\s+$)?")
_SENTENCE: Final = re.compile(r"[^.!?\n]+[.!?]*")
_QUOTED: Final = re.compile(r'\s*[:(]?\s*"([^"]*)"')
_LEAST = 4  # letters of a word that counts


class OfflineModel:
    """A model that needs no network.

    Args:
        name: What usage is recorded under.
        pace: Seconds before each word; 0 for as fast as it is read.
        sentences: How many it quotes at most.

    Attributes:
        name: As given.
    """

    def __init__(self, name: str = "offline", *, pace: float = 0.0, sentences: int = 3) -> None:
        self.name = name
        self._pace = pace
        self._sentences = sentences

    async def stream(
        self, messages: Messages, tools: Sequence[ToolSpec] = (), **options: Any
    ) -> AsyncGenerator[Piece, None]:
        """Answer, piece by piece; see `riverrun.models.model.Model`.

        Args:
            messages: The conversation so far.
            tools: What it may call.
            **options: Not looked at.

        Yields:
            Pieces.
        """
        del options
        told = as_messages(messages)
        calls = [] if _results(told) else list(_calls(_question(told), tools))
        written = 0
        for call in calls:
            await self._wait()
            yield call
            written += 1
        if not calls:
            for word in _PIECE.findall(self._answer(told)):
                await self._wait()
                yield Text(word)
                written += 1
        read = sum(len(_WORD.findall(str(one["content"]))) for one in told)
        yield Usage(input=read, output=written)
        yield Finish("tool_calls" if calls else "stop")

    async def _wait(self) -> None:
        if self._pace > 0:
            await asyncio.sleep(self._pace)

    def _answer(self, told: Sequence[Message]) -> str:
        if results := _results(told):
            return " ".join(f"{one.get('name') or 'The tool'} says: {one['content']}" for one in results)
        question = _question(told)
        wanted = _weights(question)
        sources = [str(one["content"]) for one in told if one["role"] != "tool"]
        found = [said.strip() for source in sources for said in _SENTENCE.findall(source)]
        candidates = [each for each in dict.fromkeys(found) if each and not each.endswith("?")]
        ranked = sorted(candidates, key=lambda each: -len(wanted & _weights(each)))
        chosen = set(ranked[: self._sentences])
        quoted = " ".join(each for each in candidates if each in chosen)
        return quoted or f"Nothing was said that answers: {question.strip()}"


def _question(told: Sequence[Message]) -> str:
    return next((str(one["content"]) for one in reversed(told) if one["role"] == "user"), "")


def _results(told: Sequence[Message]) -> list[Message]:
    """Give the results of tools that came after the last message of the user."""
    found: list[Message] = []
    for one in reversed(told):
        if one["role"] == "user":
            break
        if one["role"] == "tool":
            found.append(one)
    return found[::-1]


def _weights(text: str) -> set[str]:
    return {word for word in _WORD.findall(text.lower()) if len(word) >= _LEAST}


def _calls(question: str, tools: Sequence[ToolSpec]) -> Iterator[ToolCall]:
    """Give a call for every time that the question names a tool, in the order of the question."""
    named = {tool.name: tool for tool in tools}
    if not named:
        return
    names = "|".join(re.escape(name) for name in sorted(named, key=len, reverse=True))
    for place, match in enumerate(re.finditer(rf"(?<![\w-])(?:{names})(?![\w-])", question)):
        arguments = _arguments(question[match.end() :], named[match.group()])
        yield ToolCall(place, f"offline_{place}", match.group(), json.dumps(arguments, ensure_ascii=False))


def _arguments(behind: str, tool: ToolSpec) -> Any:
    """Read the arguments that stand behind the name of a tool: JSON, or a text in quotes for its first parameter."""
    opening = behind.lstrip(" :(")
    if opening.startswith("{"):
        try:
            return json.JSONDecoder().raw_decode(opening)[0]
        except ValueError:
            return {}
    quoted = _QUOTED.match(behind)
    properties = tool.parameters.get("properties")
    first = next(iter(properties), None) if isinstance(properties, Mapping) else None
    return {first: quoted.group(1)} if quoted is not None and first is not None else {}
