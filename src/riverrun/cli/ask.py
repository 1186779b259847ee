"""What a run waits to be told, and how a person says it: on the command line, or asked in the terminal.

An answer is JSON where it can be read as such, and text else; where the question wants a text, it is text. It does not
know how answers reach a run.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from riverrun.base.errors import InputError
from riverrun.cli.lines import told
from riverrun.cli.palette import colour_of
from riverrun.events.kinds import Question

Answers = dict[str, Any]

# A question's id and what is answered to it: `review:1?1=yes`.
_NAMED = re.compile(r"(?P<id>\S+:\d+\?\d+)=(?P<answer>.*)", re.DOTALL)


def read_answer(text: str, question: Question | None = None) -> Any:
    """Read an answer as a person wrote it.

    Args:
        text: As it was written.
        question: What it is to, where that is known.

    Returns:
        The text itself where a text is wanted, or where it is no JSON; else what the JSON says.
    """
    schema = question.schema if question is not None else None
    if isinstance(schema, Mapping) and schema.get("type") == "string":
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text


def read_answers(given: Sequence[str], questions: Sequence[Question]) -> Answers:
    """Read answers of a command line.

    Args:
        given: Each `ID=ANSWER`, or one answer alone where one question is open.
        questions: All that are open.

    Returns:
        By id of the question; what only holds the run is let go.

    Raises:
        InputError: E2015, an answer names no open question, or none where several are open; or nothing was answered.
    """
    known = {question.id: question for question in questions}
    asked = [question for question in questions if question.kind == "asked"]
    answers: Answers = {question.id: None for question in questions if question.kind != "asked"}
    for text in given:
        named = _NAMED.fullmatch(text)
        name = next((each for each in known if text.startswith(f"{each}=")), named["id"] if named else None)
        if name is not None and name not in known:
            raise InputError("E2015", f"no question {name!r} is open", where="--answer", mend=_mend(asked))
        if name is None and (len(asked) != 1 or len(given) > 1):
            what = f"{text[:100]!r} names none of the {len(asked)} questions that are open"
            raise InputError("E2015", what, where="--answer", mend=_mend(asked))
        if name is None:
            answers[asked[0].id] = read_answer(text, asked[0])
        else:
            answers[name] = read_answer(text[len(name) + 1 :], known[name])
    if asked and not given:
        raise InputError("E2015", "nothing was answered", where="--answer", mend=_mend(asked))
    return answers


async def ask(screen: Console, questions: Sequence[Question]) -> Answers | None:
    """Ask a person in the terminal, one question after the other.

    Args:
        screen: Where they look.
        questions: All that are open.

    Returns:
        The answers by id; None where the person has left (Ctrl-D), or there is nobody to ask.
    """
    if not sys.stdin.isatty():
        return None
    answers: Answers = {}
    for question in questions:
        screen.print(Text.assemble("? ", (f"{question.node} ", f"bold {colour_of(question.node)}"), told(question)))
        if question.schema is not None:
            screen.print(Text(f"  {msgspec.json.encode(question.schema).decode()}", "dim"))
        screen.print("[dim]  Enter lets it go on[/] " if question.kind != "asked" else "> ", end="")
        text = await _line()
        if text is None:
            screen.print()
            return None
        answers[question.id] = read_answer(text, question) if question.kind == "asked" else None
    return answers


async def _line() -> str | None:
    """Wait for a line of a terminal; None at its end."""
    # Not input(): it would hold the event loop, and with it Ctrl-C, until Enter is pressed.
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[str] = loop.create_future()

    def take() -> None:
        if not arrived.done():
            arrived.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin.fileno(), take)
    try:
        text = await arrived
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return text.removesuffix("\n") if text else None


def _mend(asked: Sequence[Question]) -> str:
    if not asked:
        return "The run is only held: resume it without an answer."
    return "Open are: " + "; ".join(f"--answer '{each.id}=…' ({told(each)})" for each in asked) + "."
