"""LangGraph's stream modes as a view of a log: for each event the parts that a reader of those modes would be given.

Rules of this file:

* Events go in, parts come out, at once and in order. No waiting, no clock; how a run ended is the caller's affair.
* A run has no supersteps, so `values` comes after each node of the graph itself that wrote something: nodes that run
  side by side give one each. Of a run that is being stopped it may not come any more.
* What only a state can tell is asked of a machine that follows the log (`face/following.py`); the modes `messages`
  and `custom` need none.

It does not know who reads, or where the log is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from riverrun.base.errors import InputError
from riverrun.events.kinds import (
    Custom,
    Event,
    NodeChunk,
    NodeCompleted,
    NodeEvent,
    NodeFailed,
    NodeInterrupted,
    NodeRetrying,
    NodeStarted,
    RunInterrupted,
    RunResumed,
    RunStarted,
)
from riverrun.face.following import Following
from riverrun.face.interrupt import Interrupt
from riverrun.face.options import thread_config
from riverrun.face.parts import (
    Part,
    Written,
    about,
    debugged,
    interrupts,
    message,
    ordinal,
    short,
    task,
    task_result,
)
from riverrun.graph.course import Step
from riverrun.graph.node import START
from riverrun.graph.plan import Plan
from riverrun.graph.state import State

MODES = ("values", "updates", "messages", "custom", "tasks", "checkpoints", "debug")
VERSIONS = ("v1", "v2")

_WITHOUT_STATE = frozenset({"messages", "custom"})


def check_modes(modes: str | Sequence[str], version: str) -> frozenset[str]:
    """Refuse modes that there are not.

    Args:
        modes: One or several.
        version: Of their shapes.

    Returns:
        Their names.

    Raises:
        InputError: E6006, there is no such mode or version.
    """
    names = (modes,) if isinstance(modes, str) else tuple(modes)
    for name in names:
        if name not in MODES:
            raise InputError("E6006", f"there is no stream mode {name!r}", mend=f"There are: {', '.join(MODES)}.")
    if version not in VERSIONS:
        raise InputError("E6006", f"there is no version {version!r}", mend=f"There are: {', '.join(VERSIONS)}.")
    return frozenset(names)


class Modes:
    """Turn the events of one run into the parts of LangGraph's stream modes.

    * `values`: the state, after the input, after an answer, and after each node that wrote; all keys of it, as
      LangGraph gives them, also where the graph has an output schema.
    * `updates`: `{node: what it wrote}`; None where it wrote nothing, a list of mappings where a reducer has to see
      several writes to one key; the fold of a stream as its value; of a sub graph what it changed. A cached node has
      `"__metadata__": {"cached": True}` beside it. `{"__interrupt__": (Interrupt,)}` for each question of a run that
      waits, `()` where it only holds.
    * `messages`: `(MessageChunk, metadata)` for each piece of text, live. Text of an attempt that fails was seen by
      then: `attempt` in the metadata says which one a piece belongs to, and its `id` stays the same.
    * `custom`: the value that a node gave its writer; `{name: value}` of `ctx.emit(name, value)`.
    * `tasks`: each execution as it begins, and with its result, its error (an `ErrorInfo`) or what it asks.
    * `checkpoints`: of a run in a thread, the places that can be gone on from, of the graph itself.
    * `debug`: the last two, with a kind, a step and a time.

    Args:
        plan: The graph.
        modes: One, whose parts come bare; or several, whose parts come as `(mode, part)`.
        subgraphs: Whether to give what happens in sub graphs too, and each part as `(ns, …)`; `ns` is empty or like
            `("outer:1",)`.
        version: `v1`; or `v2`, where each part is a mapping of `type`, `ns` and `data`, with `values` of `interrupts`.
        listed: Whether to name the mode with each part; None: where several were given.
        before: What the log held before the reader came.
        base: The state that the run began from, if it began from one.

    Raises:
        InputError: E6006, there is no such mode or version; E2010, the input in `before` does not fit the graph.
        NodeError: E3009, `before` was not written by this graph.
    """

    def __init__(
        self,
        plan: Plan,
        modes: str | Sequence[str],
        *,
        subgraphs: bool = False,
        version: str = "v1",
        listed: bool | None = None,
        before: Sequence[Event] = (),
        base: State | None = None,
    ) -> None:
        self._wanted = check_modes(modes, version)
        self._readers = {
            kind: read for kind, (read, told) in _READERS.items() if not self._wanted.isdisjoint(told.split())
        }
        self._listed = not isinstance(modes, str) if listed is None else listed
        self._subgraphs = subgraphs
        self._version = version
        self._tasks = not self._wanted.isdisjoint(("tasks", "debug"))
        self._checkpoints = not self._wanted.isdisjoint(("checkpoints", "debug"))
        self._following = None if self._wanted <= _WITHOUT_STATE else Following(plan, base)
        self._base = base
        self._thread: str | None = None
        self._parent: dict[str, Any] | None = None
        self._places = -1
        self._about: tuple[str, int, dict[str, Any]] = ("", 0, {})
        for event in before:
            self._pass_by(event)

    def take(self, event: Event) -> list[Any]:
        """Take in the next event.

        Args:
            event: The next one of the log, without a hole.

        Returns:
            What it means to the reader, in order; often nothing.

        Raises:
            NodeError: E3009, the log was not written by this graph.
            InputError: E2010, the input in it does not fit the graph.
        """
        step = None if self._following is None else self._following.take(event)
        read = self._readers.get(type(event))
        if read is None or (event.ns and not self._subgraphs):
            return []
        return [self._dress(part) for part in read(self, event, step) if part.mode in self._wanted]

    def still(self, state: State) -> list[Any]:
        """Give what a reader is shown of a thread in which nothing is left to do: its state, once.

        Args:
            state: The state.

        Returns:
            One part, for a reader who wants values.
        """
        return [self._dress(Part((), "values", state))] if "values" in self._wanted else []

    def _pass_by(self, event: Event) -> None:
        if self._following is not None:
            self._following.take(event)
        if self._checkpoints:
            for _ in self._placed(event):
                pass

    def _dress(self, part: Part) -> Any:
        data, ns = part.data, short(part.ns)
        if self._version == "v2":
            dressed = {"type": part.mode, "ns": ns, "data": data}
            return {**dressed, "interrupts": part.asked} if part.mode == "values" else dressed
        if part.asked:
            data = {**data, "__interrupt__": part.asked}
        if self._subgraphs:
            return (ns, part.mode, data) if self._listed else (ns, data)
        return (part.mode, data) if self._listed else data

    # What each kind of event means. Those that tell of nothing but the state are asked only of a reader who follows it.

    def _run_started(self, event: RunStarted, _: Step | None) -> Iterator[Part]:
        if event.input and not event.held:
            yield from self._values(())
        yield from self._placed(event)

    def _run_resumed(self, _event: RunResumed, _: Step | None) -> Iterator[Part]:
        yield from self._values(())
        for ns in self._inside():
            yield from self._values(ns)

    def _run_interrupted(self, event: RunInterrupted, _: Step | None) -> Iterator[Part]:
        asked = interrupts(event.questions)
        if not asked:
            yield Part((), "updates", {"__interrupt__": ()})
        for around, question in asked:
            for depth in range(len(around) if self._subgraphs else 0, -1, -1):
                ns = around[:depth]
                yield Part(ns, "updates", {"__interrupt__": (question,)})
                yield from self._values(ns, (question,))

    def _node_started(self, event: NodeStarted, step: Step | None) -> Iterator[Part]:
        yield from self._begun(event, step)

    def _node_retrying(self, event: NodeRetrying, step: Step | None) -> Iterator[Part]:
        if event.reason == "resumed":
            yield from self._begun(event, step)
        else:
            yield from self._entered(event, step)

    def _node_chunk(self, event: NodeChunk, _: Step | None) -> Iterator[Part]:
        piece = message(event)
        if piece is None:
            return
        if self._about[:2] != (event.exec, event.attempt):  # the same for all pieces of it: 2 µs less for each
            self._about = (event.exec, event.attempt, about(event))
        yield Part(event.ns, "messages", (piece, dict(self._about[2])))

    def _custom(self, event: Custom, _: Step | None) -> Iterator[Part]:
        yield Part(event.ns, "custom", {event.name: event.value} if event.name else event.value)

    def _node_completed(self, event: NodeCompleted, step: Step | None) -> Iterator[Part]:
        # What leaves a sub graph is written by the sub graph's own execution, which tells it.
        if self._following is None or event.node == START or event.leaves:
            return
        written = Written(self._following.schema(event.ns), () if step is None else step.writes)
        update: dict[str, Any] = {event.node: written.update}
        yield Part(event.ns, "updates", {**update, "__metadata__": {"cached": True}} if event.cached else update)
        yield from self._told(event, "task_result", task_result(event, result=written.result))
        if written:
            yield from self._values(event.ns)
        yield from self._placed(event)

    def _node_failed(self, event: NodeFailed, _: Step | None) -> Iterator[Part]:
        yield from self._told(event, "task_result", task_result(event, error=event.error))

    def _node_interrupted(self, event: NodeInterrupted, _: Step | None) -> Iterator[Part]:
        if event.question.kind == "asked":
            yield from self._told(event, "task_result", task_result(event, asked=event.question))

    # What several of them share

    def _begun(self, event: NodeEvent, step: Step | None) -> Iterator[Part]:
        if self._tasks:
            yield from self._told(event, "task", task(event, {} if step is None else step.seen))
        yield from self._entered(event, step)

    def _entered(self, event: NodeEvent, step: Step | None) -> Iterator[Part]:
        """Give the state that a sub graph begins with."""
        if step is not None and step.inside is not None and self._subgraphs:
            yield from self._values((*event.ns, event.exec))

    def _told(self, event: NodeEvent, kind: str, payload: dict[str, Any]) -> Iterator[Part]:
        if self._tasks:
            yield Part(event.ns, "tasks", payload)
            yield Part(event.ns, "debug", debugged(kind, ordinal(event), event.ts, payload))

    def _inside(self) -> list[tuple[str, ...]]:
        return self._following.inside if self._following is not None and self._subgraphs else []

    def _values(self, ns: tuple[str, ...], asked: tuple[Interrupt, ...] = ()) -> Iterator[Part]:
        if self._following is not None and "values" in self._wanted:
            values = self._following.values(ns)
            if values is not None:
                yield Part(ns, "values", values, asked)

    def _placed(self, event: Event) -> Iterator[Part]:
        """Give the places that an event makes, from which the thread can be gone on with."""
        if not self._checkpoints or self._following is None:
            return
        source = "loop"
        if isinstance(event, RunStarted):
            self._thread = event.thread
            source = "update" if event.held else source
            if not event.held:
                start = ((f"{START}:1", START),)
                yield from self._place(event, "input", seq=0, values=dict(self._base or {}), following=start)
        elif not isinstance(event, NodeCompleted) or event.ns or event.node == START:
            return
        values = self._following.values()
        if values is not None:
            yield from self._place(event, source, seq=event.seq, values=values, following=self._following.next)

    def _place(
        self, event: Event, source: str, *, seq: int, values: State, following: tuple[tuple[str, str], ...]
    ) -> Iterator[Part]:
        if self._thread is None:
            return
        config = thread_config(self._thread, event.run, seq)
        payload = {
            "config": config,
            "parent_config": self._parent,
            "values": values,
            "metadata": {"source": source, "step": self._places, "parents": {}},
            "next": [name for _, name in following],
            "tasks": [{"id": name, "name": node, "interrupts": (), "state": None} for name, node in following],
        }
        yield Part((), "checkpoints", payload)
        yield Part((), "debug", debugged("checkpoint", self._places, event.ts, payload))
        self._parent = config
        self._places += 1


# What tells something in which modes: what a reader does not want is not even looked at.
_READERS: dict[type[Event], tuple[Callable[[Modes, Any, Step | None], Iterator[Part]], str]] = {
    RunStarted: (Modes._run_started, "values checkpoints debug"),  # noqa: SLF001  # here and below: its own table
    RunResumed: (Modes._run_resumed, "values"),  # noqa: SLF001
    RunInterrupted: (Modes._run_interrupted, "updates values"),  # noqa: SLF001
    NodeStarted: (Modes._node_started, "tasks debug values"),  # noqa: SLF001
    NodeRetrying: (Modes._node_retrying, "tasks debug values"),  # noqa: SLF001
    NodeChunk: (Modes._node_chunk, "messages"),  # noqa: SLF001
    Custom: (Modes._custom, "custom"),  # noqa: SLF001
    NodeCompleted: (Modes._node_completed, "updates values tasks checkpoints debug"),  # noqa: SLF001
    NodeFailed: (Modes._node_failed, "tasks debug"),  # noqa: SLF001
    NodeInterrupted: (Modes._node_interrupted, "tasks debug"),  # noqa: SLF001
}
