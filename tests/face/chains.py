"""Small graphs in threads for the tests of the face, and what tests ask of a thread."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypedDict

from riverrun.events.kinds import Event
from riverrun.face.compiled import CompiledGraph
from riverrun.face.saver import TENANT, InMemorySaver
from riverrun.face.snapshot import StateSnapshot
from riverrun.face.state_graph import StateGraph
from riverrun.graph.moves import RunState
from riverrun.graph.node import START
from riverrun.log.store import RunKey
from riverrun.runs.context import Context
from riverrun.runs.history import History, read_log
from tests.graph.play import check_log

SECONDS = 20.0  # what a test may take: a thread that hangs must not hold up all others


class State(TypedDict, total=False):
    """A number, and a list that grows."""

    x: int
    log: Annotated[list[Any], operator.add]


class Gate:
    """A node that says that it began and waits until it is let go."""

    def __init__(self) -> None:
        self.began, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self, state: State) -> State:
        self.began.set()
        await self.go.wait()
        return {"log": ["gate"]}


def says(word: Any) -> Callable[[State], Any]:
    """Make a node that writes a word."""

    async def node(state: State) -> State:
        return {"log": [word]}

    return node


def asks(name: str, times: int = 1) -> Callable[[State, Context], Any]:
    """Make a node that asks for as many answers and writes them."""

    async def node(state: State, ctx: Context) -> State:
        return {"log": [f"{name}={ctx.interrupt(f'{name}?')}" for _ in range(times)]}

    return node


def chain(saver: InMemorySaver | None, names: str = "abc", **instead: Any) -> CompiledGraph:
    """Compile nodes that follow one another, each writing its name unless it is given; the rest is for `compile`."""
    builder = StateGraph(State)
    before = START
    for name in names:
        builder.add_node(name, instead.pop(name, None) or says(name))
        builder.add_edge(before, name)
        before = name
    return builder.compile(saver, **instead)


def side_by_side(saver: InMemorySaver | None, **nodes: Any) -> CompiledGraph:
    """Compile nodes that all begin at once."""
    builder = StateGraph(State)
    for name, function in nodes.items():
        builder.add_node(name, function)
        builder.add_edge(START, name)
    return builder.compile(saver)


def at(place: StateSnapshot | str | None = None, thread: str = "t") -> dict[str, Any]:
    """Name a thread, or a place in it."""
    if isinstance(place, StateSnapshot):
        return place.config
    return {"configurable": {"thread_id": thread, **({} if place is None else {"checkpoint_id": place})}}


def place_of(config: Any) -> str:
    """Give the place that a config names."""
    return str(config["configurable"]["checkpoint_id"])


async def history(graph: CompiledGraph, thread: str = "t") -> list[StateSnapshot]:
    """Give the states of a thread, newest first."""
    return [each async for each in graph.aget_state_history(at(thread=thread))]


async def endings(saver: InMemorySaver, thread: str = "t") -> list[str | None]:
    """Give how the runs of a thread ended, or where they are, oldest first."""
    return [row.ending or row.status for row in reversed(await saver.all(thread))]


async def newest_log(saver: InMemorySaver, thread: str = "t") -> list[Event]:
    """Give the events of the newest run of a thread."""
    return await log_of(saver, (await saver.all(thread))[0].key.run)


async def log_of(saver: InMemorySaver, run: str) -> list[Event]:
    """Give the events of a run."""
    return await read_log(saver.store, RunKey(TENANT, run))


async def check(graph: CompiledGraph, saver: InMemorySaver, thread: str = "t") -> None:
    """Check the logs of a thread: each keeps the laws, and folds to where it ends with nothing missing."""
    for row in await saver.all(thread):
        log = await log_of(saver, row.key.run)
        assert [*range(1, row.head + 1)] == [event.seq for event in log]
        # The laws are those of the machine alone: it neither begins parked nor knows graphs that its nodes call.
        if not log[0].held and not any("~" in name for event in log for name in event.ns):  # type: ignore[attr-defined]
            check_log(log)
        machine = await History(saver.store).at(graph.plan, row.key)  # that of the saver might know it by heart
        assert ([], row.status == "ended") == (machine.events, machine.state is RunState.ENDED)


def ids(result: Any) -> list[str]:
    """Give the ids of what a run asks, in order of what is asked."""
    return [each.id for each in sorted(result["__interrupt__"], key=lambda each: str(each.value))]


def words(snapshots: Sequence[StateSnapshot]) -> list[list[Any]]:
    """Give what each state had in its list."""
    return [each.values["log"] for each in snapshots]
