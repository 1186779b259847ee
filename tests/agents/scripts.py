"""A model that says what a test tells it to, and what tests of agents ask of a log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from riverrun.events.kinds import Custom
from riverrun.models.model import Messages, ToolSpec
from riverrun.models.pieces import Finish, Piece, Text, ToolCall


def says(*words: str) -> list[Piece]:
    """Give an answer of words."""
    return [*(Text(word) for word in words), Finish("stop")]


def calls(*asked: tuple[str, Any], text: str = "") -> list[Piece]:
    """Give an answer that calls tools; arguments that are a text are sent as they are."""
    pieces: list[Piece] = [Text(text)] if text else []
    for place, (name, arguments) in enumerate(asked):
        written = arguments if isinstance(arguments, str) else json.dumps(arguments)
        pieces += [ToolCall(place, f"c{place}", name), ToolCall(place, arguments=written)]
    return [*pieces, Finish("tool_calls")]


class ScriptedModel:
    """A model with an answer for each time it is asked; the last one is given again.

    Attributes:
        asked: The conversations it was asked with.
        tools: What it could call, each time.
    """

    name = "scripted"

    def __init__(self, *answers: Sequence[Piece]) -> None:
        self._answers = list(answers)
        self.asked: list[Messages] = []
        self.tools: list[list[str]] = []

    async def stream(
        self, messages: Messages, tools: Sequence[ToolSpec] = (), **options: Any
    ) -> AsyncGenerator[Piece, None]:
        """Answer."""
        self.asked.append(messages)
        self.tools.append([each.name for each in tools])
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        for piece in answer:
            await asyncio.sleep(0)
            yield piece


def told(log: Sequence[Any], name: str = "riverrun.tool") -> list[Any]:
    """What nodes told under a name."""
    return [event.value for event in log if isinstance(event, Custom) and event.name == name]


def results(messages: Sequence[Any]) -> list[tuple[str, str | None]]:
    """The results of tools in a conversation: content and error."""
    return [(one["content"], one.get("error")) for one in messages if one["role"] == "tool"]
