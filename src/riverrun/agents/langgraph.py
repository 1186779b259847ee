"""A compiled LangGraph graph as an adopted agent.

Its tasks are strands, those of its sub graphs below them; what its models say streams in the strand of the task that
calls them; what it interrupts for are questions. Where it is when it asks, LangGraph keeps in a checkpointer: here that
is a saver in memory, whose content goes into the state of the run and comes back from there. A checkpointer that the
graph was compiled with is not used, because the log keeps what it would keep.

Imported when such a graph is met, and not before (`riverrun.agents.adopt`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from msgspec import Struct

from riverrun.agents.strands import Strand, shown, usage
from riverrun.agents.stretch import Asks, Done, Kind, Stretch
from riverrun.base.errors import NodeError

_THREAD = "riverrun"  # each stretch has a saver of its own, so there is one thread in it
_HELD = "held"  # the question of a graph that was told to wait before or after a node
_MODES = ["messages", "tasks", "custom"]

Typed = tuple[str, bytes]


class _Saved(Struct, frozen=True, kw_only=True):
    """What a saver held. Bytes are base64 in the log.

    Attributes:
        checkpoints: Where in the graph, id, the checkpoint, its metadata, the id of the one before.
        writes: Where, id of the checkpoint, id of the task, its place there, channel, value, path of the task.
        blobs: Where, channel, version, value.
        finished: Ids of the tasks that had ended when the graph asked; LangGraph tells of them again.
    """

    checkpoints: list[tuple[str, str, Typed, Typed, str | None]]
    writes: list[tuple[str, str, str, int, str, Typed, str]]
    blobs: list[tuple[str, str, str | int | float, Typed]]
    finished: list[str] = []


def read(graph: Any, name: str | None, takes: str, gives: str, options: Mapping[str, Any]) -> Kind:
    """Say what is to be known of a graph.

    Args:
        graph: What LangGraph's `compile()` gave back, or a function that it made an entrypoint of.
        name: Name that it gets; None: its own.
        takes: Key of the state that it is given, where it does not have keys itself.
        gives: Key of the state for what it gives back, where it does not have keys itself.
        options: What `astream` is given besides, such as `context`.

    Returns:
        The kind: its own input and output keys are those of the state.
    """
    inputs, outputs = _input_keys(graph), graph.output_channels
    keyed = inputs is not None and not isinstance(outputs, str)
    own = None if graph.name == "LangGraph" else graph.name  # what LangGraph calls a graph that was given no name
    run = partial(_run, graph, None if keyed else takes, None if keyed else gives, dict(options))
    return Kind(
        name=name or own or "langgraph",
        run=run,
        takes=inputs if keyed and inputs is not None else (takes,),
        gives=tuple(outputs) if keyed else (gives,),
        where=f"LangGraph graph {graph.name!r}",
    )


def _input_keys(graph: Any) -> tuple[str, ...] | None:
    if not isinstance(graph.input_channels, str):
        return tuple(graph.input_channels)
    builder = getattr(graph, "builder", None)
    found = () if builder is None else builder.schemas.get(builder.input_schema, ())
    keys = tuple(name for name in found if name in graph.channels)
    return None if not keys or keys == ("__root__",) else keys


async def _run(graph: Any, takes: str | None, gives: str | None, options: dict[str, Any], stretch: Stretch) -> Done:
    own = graph.checkpointer
    saver = InMemorySaver(serde=getattr(own, "serde", None))
    saved = _restored(stretch.saved, saver) if stretch.saved is not None else None
    runs = graph.copy({"checkpointer": saver})
    config = _config(stretch)
    given: Any = stretch.given if takes is None else stretch.given.get(takes)
    if stretch.answers is not None:
        answers = dict(stretch.answers)
        held = answers.pop(_HELD, _HELD) is not _HELD
        given = Command(resume=answers) if answers or not held else None
    told = _Telling(stretch, finished=() if saved is None or stretch.answers is None else saved.finished)
    # On exit only: in between nobody but this function could read it.
    how: dict[str, Any] = {**options, "stream_mode": _MODES, "subgraphs": True, "durability": "exit"}
    if stretch.context.context is not None:
        how["context"] = stretch.context.context
    async with aclosing(runs.astream(given, config, **how)) as parts:
        async for ns, mode, part in parts:
            told.hear(ns, mode, part)
            await stretch.strands.room()
    state = await runs.aget_state(config)
    asks = tuple(Asks(id=each.id, value=shown(each.value)) for each in state.interrupts)
    if state.next and not asks:
        asks = (Asks(id=_HELD, value={"held": list(state.next)}),)
    kept = _content(saver, told.finished if asks else []) if asks or stretch.keeps else None
    if gives is not None:
        return Done(update={} if asks else {gives: state.values}, saved=kept, asks=asks)
    update = {name: state.values[name] for name in graph.output_channels if name in state.values}
    return Done(update=update, saved=kept, asks=asks)


def _config(stretch: Stretch) -> dict[str, Any]:
    """Give what the caller configured, but for what names a place in a saver of ours."""
    said = stretch.context.config.get("configurable")
    named = {name: each for name, each in said.items() if name not in _OURS} if isinstance(said, Mapping) else {}
    return {"configurable": {**named, "thread_id": _THREAD}}


_OURS = ("thread_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map")


class _Telling:
    """What LangGraph streams, as strands.

    Args:
        stretch: Where they are.
        finished: Tasks that had ended before; nothing is told of them again.

    Attributes:
        finished: Those, and the ones that have ended since.
    """

    def __init__(self, stretch: Stretch, finished: Iterable[str]) -> None:
        self.finished = list(finished)
        self._known = frozenset(self.finished)
        self._strands = stretch.strands
        self._open: dict[str, Strand] = {}  # by the id of the task
        self._heard: dict[str, tuple[Strand, str]] = {}  # by the id of the message: its strand, its name there

    def hear(self, ns: tuple[str, ...], mode: str, part: Any) -> None:
        """Take in one part of the stream."""
        if mode == "messages":
            self._message(ns, *part)
        elif mode == "custom":
            around = self._around(ns)
            (self._strands if around is None else around).tell("", part)
        elif "input" in part:
            self._task_began(ns, part)
        else:
            self._task_ended(part)

    def _around(self, ns: tuple[str, ...]) -> Strand | None:
        return self._open.get(ns[-1].rpartition(":")[2]) if ns else None

    def _task_began(self, ns: tuple[str, ...], task: Mapping[str, Any]) -> None:
        if task["id"] not in self._known:
            around = self._around(ns)
            self._open[task["id"]] = self._strands.open(task["name"], () if around is None else around.inside)

    def _task_ended(self, task: Mapping[str, Any]) -> None:
        strand = self._open.get(task["id"])
        if strand is None:
            return
        if task.get("interrupts"):
            strand.tell("langgraph.interrupted", task["interrupts"])
        elif task.get("error"):
            strand.fail(str(task["error"]))
        else:
            self.finished.append(task["id"])
            strand.complete(task.get("result"))

    def _message(self, ns: tuple[str, ...], message: Any, about: Mapping[str, Any]) -> None:
        if message.type in _UNHEARD:
            return
        known = self._heard.get(message.id) if message.id is not None else None
        if known is None:
            place = str(about.get("langgraph_checkpoint_ns") or "").rpartition("|")[2]
            strand = self._open.get(place.rpartition(":")[2]) or self._around(ns)
            if strand is None:
                return  # of a task that had ended before
            known = strand, strand.next_message()
            if message.id is not None:
                self._heard[message.id] = known
        strand, name = known
        content = message.content
        strand.say(content if isinstance(content, str) else str(message.text), name)
        self._calls(strand, message)

    def _calls(self, strand: Strand, message: Any) -> None:
        # A message that was streamed has fragments of its calls, one that was given whole has them whole.
        fragments = getattr(message, "tool_call_chunks", None) or ()
        for place, each in enumerate(fragments or getattr(message, "tool_calls", None) or ()):
            arguments = each["args"] if each["args"] is not None else ""
            strand.call(each.get("index") or place, arguments, identity=each["id"], name=each["name"])
        took = getattr(message, "usage_metadata", None)
        if took:
            model = str(message.response_metadata.get("model_name") or "")
            told = usage(model, input=took.get("input_tokens"), output=took.get("output_tokens"))
            strand.tell("riverrun.usage", told)


_UNHEARD = ("human", "system", "remove")  # what somebody else has said, and what says nothing


def _content(saver: InMemorySaver, finished: list[str]) -> _Saved:
    """Give what is needed of a saver: the latest checkpoint of each place, unless values are kept as differences."""
    checkpoints: list[Any] = []
    writes: list[Any] = []
    for place, by_id in saver.storage[_THREAD].items():
        for identity in sorted(by_id)[-1:]:
            checkpoint, metadata, _ = by_id[identity]
            checkpoints.append((place, identity, checkpoint, metadata, None))
            for (task, index), (_, channel, value, path) in saver.writes.get((_THREAD, place, identity), {}).items():
                writes.append((place, identity, task, index, channel, value, path))
    # Of each channel the latest version is the one that the latest checkpoint has.
    needed = {
        (place, channel, version)
        for place, _, checkpoint, _, _ in checkpoints
        for channel, version in saver.serde.loads_typed(checkpoint)["channel_versions"].items()
    }
    blobs = [
        (place, channel, version, value)
        for (_, place, channel, version), value in saver.blobs.items()
        if (place, channel, version) in needed
    ]
    return _Saved(checkpoints=checkpoints, writes=writes, blobs=blobs, finished=finished)


def _restored(content: Any, saver: InMemorySaver) -> _Saved:
    """Fill a saver with what one of an earlier stretch held.

    Raises:
        NodeError: E3047, it is not that.
    """
    try:
        saved = msgspec.convert(content, _Saved)
    except msgspec.ValidationError as error:
        raise NodeError("E3047", f"this is not what a LangGraph graph left: {error}") from None
    for place, identity, checkpoint, metadata, before in saved.checkpoints:
        saver.storage[_THREAD][place][identity] = (checkpoint, metadata, before)
    for place, identity, task, index, channel, value, path in saved.writes:
        saver.writes[_THREAD, place, identity][task, index] = (task, channel, value, path)
    for place, channel, version, value in saved.blobs:
        saver.blobs[_THREAD, place, channel, version] = value
    return saved
