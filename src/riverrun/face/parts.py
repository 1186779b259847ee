"""What one event means to a reader who knows LangGraph's stream modes: the parts, each made of an event alone.

Which of them a reader wants, and in what shape, is `face/modes.py`'s affair. The shapes were measured on LangGraph
1.2.22; where ours say something else, they say why.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from riverrun.base.clock import iso
from riverrun.events.kinds import NodeChunk, NodeEvent, NodeStarted, Question
from riverrun.face.interrupt import Interrupt
from riverrun.graph import reducers
from riverrun.graph.state import Schema, settles
from riverrun.graph.step import private

# f(f(s, xs), ys) = f(s, xs + ys): of these, lists that were written one after another are one list that was written.
_JOINING = (operator.add, reducers.append, reducers.add_messages, reducers.sum)


class MessageChunk(Struct, frozen=True):
    """One piece of text, as the mode `messages` gives it.

    Attributes:
        content: The text.
        id: Id of the message that it belongs to; the same in every attempt.
        type: What LangGraph's readers tell messages apart by.
    """

    content: str
    id: str
    type: str = "AIMessageChunk"


class Part(NamedTuple):
    """What an event means in one mode.

    Attributes:
        ns: The executions of the sub graphs around it, outermost first: `outer:1`, `inner:1`.
        mode: The mode.
        data: What it says.
        asked: With `values`: what the run waits to be told.
    """

    ns: tuple[str, ...]
    mode: str
    data: Any
    asked: tuple[Interrupt, ...] = ()


class Written:
    """What one execution wrote, as if it had given it back in one piece.

    Args:
        schema: The keys of its graph.
        writes: Its updates, in order.
    """

    def __init__(self, schema: Schema, writes: Iterable[Mapping[str, Any]]) -> None:
        self._pairs: list[tuple[str, Any]] = []
        for update in writes:
            for name, value in private(dict(update)).items():  # a reader may change what it is given
                self._add(schema, name, value)

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def _add(self, schema: Schema, name: str, value: Any) -> None:
        before = [place for place, pair in enumerate(self._pairs) if pair[0] == name]
        if before and (schema.reducer(name) is None or settles(value)):
            self._pairs = [pair for pair in self._pairs if pair[0] != name]
        elif before and type(value) is list and any(schema.reducer(name) is each for each in _JOINING):
            last = self._pairs[before[-1]][1]
            if type(last) is list:
                self._pairs[before[-1]] = (name, [*last, *value])
                return
        self._pairs.append((name, value))

    @property
    def update(self) -> dict[str, Any] | list[dict[str, Any]] | None:
        """One mapping; one for each write where a reducer has to see several to a key; None where there is nothing."""
        together = dict(self._pairs)
        if len(together) == len(self._pairs):
            return together or None
        return [{name: value} for name, value in self._pairs]

    @property
    def result(self) -> dict[str, Any]:
        """One mapping; several writes to a key stand in it as `{"$writes": […]}`."""
        values: dict[str, list[Any]] = {}
        for name, value in self._pairs:
            values.setdefault(name, []).append(value)
        return {name: found[0] if len(found) == 1 else {"$writes": found} for name, found in values.items()}


def short(ns: tuple[str, ...]) -> tuple[str, ...]:
    """Give the last part of each path, `inner:1` of `outer:1/inner:1`: what is around it stands before it anyway."""
    return tuple(exec_id.rpartition("/")[2] for exec_id in ns)


def ordinal(event: NodeEvent) -> int:
    """Give which execution of its node this is, from 1: there are no steps that all nodes take together."""
    return int(event.exec.rpartition(":")[2])


def message(event: NodeChunk) -> Any:
    """Give a piece of a message.

    Args:
        event: A chunk.

    Returns:
        A `MessageChunk` of its text, or the chunk itself where it is an object with `content`. None for a chunk that
        belongs to no message.
    """
    value = event.value
    if isinstance(value, str):
        return MessageChunk(value, event.message)
    return value if hasattr(value, "content") else None


def about(event: NodeChunk) -> dict[str, Any]:
    """Give what a reader is told about a piece of a message.

    Args:
        event: A chunk.

    Returns:
        `langgraph_node`; `langgraph_step`, which execution of that node it is; `langgraph_checkpoint_ns` and
        `checkpoint_ns`, its place in sub graphs; `attempt` and `exec`.
    """
    place = "|".join(short((*event.ns, event.exec)))
    return {
        "langgraph_node": event.node,
        "langgraph_step": ordinal(event),
        "langgraph_checkpoint_ns": place,
        "checkpoint_ns": place,
        "attempt": event.attempt,
        "exec": event.exec,
    }


def task(event: NodeStarted | NodeEvent, seen: object) -> dict[str, Any]:
    """Give the beginning of an execution.

    Args:
        event: It began, or goes on.
        seen: What it was given.

    Returns:
        Its `id`, `name`, `input`, and the executions that triggered it as `triggers`.
    """
    triggers = event.after if isinstance(event, NodeStarted) else ()
    return {"id": event.exec, "name": event.node, "input": private(seen), "triggers": triggers}


def task_result(
    event: NodeEvent, *, result: dict[str, Any] | None = None, error: object = None, asked: Question | None = None
) -> dict[str, Any]:
    """Give the end of an execution, or that it waits.

    Args:
        event: What told it.
        result: What it wrote.
        error: Why it failed.
        asked: What it asked.

    Returns:
        Its `id`, `name`, `error`, `result` and `interrupts`.
    """
    questions = [] if asked is None else [{"value": asked.value, "id": asked.id, "response_schema": asked.schema}]
    return {"id": event.exec, "name": event.node, "error": error, "result": result or {}, "interrupts": questions}


def debugged(kind: str, step: int, ts: int, payload: dict[str, Any]) -> dict[str, Any]:
    """Give a part of `tasks` or `checkpoints` as the mode `debug` shows it.

    Args:
        kind: `task`, `task_result` or `checkpoint`.
        step: Which one.
        ts: When, in milliseconds since the Unix epoch.
        payload: The part.

    Returns:
        The same, with its kind, `step` and `timestamp` (ISO 8601).
    """
    when = iso(ts)
    return {"step": step, "timestamp": when, "type": kind, "payload": payload}


def interrupts(questions: Iterable[Question]) -> list[tuple[tuple[str, ...], Interrupt]]:
    """Give what nodes asked, each with the executions of the sub graphs around its node; holds ask nothing."""
    found = []
    for each in questions:
        if each.kind == "asked":
            names = each.exec.split("/")[:-1]
            ns = tuple("/".join(names[: end + 1]) for end in range(len(names)))
            found.append((ns, Interrupt(each.value, each.id)))
    return found
