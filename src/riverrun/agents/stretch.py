"""An agent of another library as a graph of two nodes: the agent itself, and one that asks what it wants to know.

    START → agent → (a question each) ask → agent → … → END

What the agent does between two questions is a *stretch*. When it asks, what it needs to go on is written to the state,
which is in the log: so the answer may come days later and to another process, and nothing that was said is void. Only a
stretch that its worker left in the middle begins anew, as a new attempt that the log tells of.

Each library says in a file of its own how one stretch of it is run; this file knows none of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from riverrun.agents.strands import Strands, plain
from riverrun.base.errors import GraphError, NodeError
from riverrun.events.kinds import Json, Send
from riverrun.graph import reducers
from riverrun.graph.node import END, START, Node
from riverrun.graph.plan import Edge, Plan, Router
from riverrun.graph.shapes import Key, Shape
from riverrun.graph.state import Schema
from riverrun.runs.context import Context

Recover = Literal["restart", "fail"]

# Keys of the state that no user writes and none sees: they are of no class that the graph declares.
_SAVED, _ASKED, _ANSWERS, _GIVEN = "__saved__", "__asked__", "__answers__", "__given__"


class _Noting(Schema):
    """A schema that notes which keys an input has: in a thread the state has what runs before left under others."""

    __slots__ = ()

    def check_input(self, value: object) -> dict[str, Any]:
        taken = super().check_input(value)
        return {**taken, _GIVEN: sorted(taken)}


class Verdict(Struct, frozen=True, forbid_unknown_fields=True):
    """What is said to a tool call that needs approval.

    Attributes:
        approve: Whether it may run.
        reason: Why not; the model is told.
    """

    approve: bool
    reason: str = ""


class Amendment(Verdict, frozen=True, forbid_unknown_fields=True):
    """The same for a tool call whose arguments may be changed by who allows it.

    Attributes:
        arguments: To run it with in place of the model's; None: as they are.
    """

    arguments: dict[str, Any] | None = None


class Asks(Struct, frozen=True, kw_only=True):
    """One thing that an agent wants to be told.

    Attributes:
        id: What its library knows it by.
        value: What readers are asked: any JSON value.
        approval: Whether the answer is a `Verdict`, or only its `approve`; otherwise any JSON value will do.
        amendable: Whether it may be an `Amendment`.
    """

    id: str
    value: Json = None
    approval: bool = False
    amendable: bool = False


class Stretch(Struct, frozen=True, kw_only=True):
    """What one stretch begins with.

    Attributes:
        given: The input: keys of the state.
        saved: What the stretch before left, of this run or of its thread; None: there was none.
        answers: To what the stretch before asked, by its ids; None: this stretch begins with `given`.
        keeps: Whether a later run of the thread may go on from where this one ends.
        context: That of the node in which it runs.
        strands: Where it shows what it does.
    """

    given: Mapping[str, Any]
    saved: Json
    answers: Mapping[str, Json] | None
    keeps: bool
    context: Context
    strands: Strands


class Done(Struct, frozen=True, kw_only=True):
    """How a stretch ended.

    Attributes:
        update: What the agent gave back: keys of the state.
        saved: What the next stretch needs.
        asks: What it wants to be told before it can go on; empty when it has ended.
    """

    update: Mapping[str, Any] = {}
    saved: Json = None
    asks: tuple[Asks, ...] = ()


class Kind(Struct, frozen=True, kw_only=True):
    """What is to be known of an agent before it runs.

    Attributes:
        name: Name of the graph that it becomes.
        run: Runs one stretch.
        takes: Keys of the state that it is given; they are those that the input may have.
        gives: Keys that it gives back; they are those of a result.
        where: What it is, for messages.
    """

    name: str
    run: Callable[[Stretch], Awaitable[Done]]
    takes: Sequence[str]
    gives: Sequence[str]
    where: str


def as_plan(kind: Kind, recover: Recover = "restart") -> Plan:
    """Make the graph that an agent becomes.

    Args:
        kind: The agent.
        recover: What becomes of a stretch that its worker left in the middle: `restart`: it begins anew, and what it
            had said is void; `fail`: it fails, because it may have done what must not be done twice.

    Returns:
        The plan.

    Raises:
        GraphError: E1012, there is no such way to recover.
    """
    if recover not in ("restart", "fail"):
        what = f"{kind.name!r}: recover is {recover!r}"
        raise GraphError("E1012", what, where=kind.where, mend="Say restart or fail.")

    async def agent(state: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
        return await _run(kind, recover, state, ctx)

    shape = Shape(declared=dict, keys={name: Key(name=name) for name in (*kind.takes, *kind.gives)})
    own = {name: Key(name=name) for name in (_SAVED, _ASKED, _GIVEN)}
    own[_ANSWERS] = Key(name=_ANSWERS, reducer=reducers.merge, kind=dict)
    made = _Noting if set(kind.takes) & set(kind.gives) else Schema
    return Plan(
        kind.name,
        made({**(shape.keys or {}), **own}, (shape,), kind.takes, kind.gives),
        {
            "agent": Node(name="agent", function=agent, manner="async", wants=("ctx",), where=kind.where),
            "ask": Node(name="ask", function=_ask, manner="async", wants=("ctx",), where=kind.where),
        },
        (
            Edge(START, "agent", "plain"),
            Edge("agent", "ask", "conditional"),
            Edge("agent", END, "conditional"),
            Edge("ask", "agent", "plain"),
        ),
        {"agent": (Router(source="agent", function=_next, targets=("ask", END), path_map=None, where=kind.where),)},
    )


async def _run(kind: Kind, recover: Recover, state: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    if recover == "fail" and ctx.attempt > 1:
        what = f"{kind.name!r} was left in the middle by its worker, and may not begin anew"
        raise NodeError("E3046", what, where=kind.where)
    # The first of a run takes its input; each later one follows questions. A thread's state may hold questions of a run
    # that was stopped before it was answered, so what stands there does not tell.
    first = ctx.exec.rpartition(":")[2] == "1"
    asked = () if first else state[_ASKED]
    strands = Strands(ctx)
    done = await kind.run(
        Stretch(
            given={name: state[name] for name in state.get(_GIVEN, kind.takes) if name in state},
            saved=state.get(_SAVED),
            answers=None if first else {each["id"]: state[_ANSWERS][each["id"]] for each in asked},
            keeps=ctx.thread is not None,
            context=ctx,
            strands=strands,
        )
    )
    if done.asks:
        strands.leave()
    saved = plain(done.saved, "what the agent needs to go on", kind.where) if done.asks or ctx.thread else None
    own: dict[str, Any] = {_ASKED: plain(done.asks, "what the agent asks", kind.where), _SAVED: saved}
    update = {name: plain(value, f"the value of {name!r}", kind.where) for name, value in done.update.items()}
    idle = saved is None and not done.asks and not state.get(_ASKED)
    return update if idle else {**update, **own}  # most runs have nothing to keep, and their logs say nothing of it


def _next(state: Mapping[str, Any]) -> list[str | Send]:
    # Calls, not an edge: each question is an execution of its own, so all of them are asked at once.
    return [Send("ask", each) for each in state.get(_ASKED) or ()] or [END]


async def _ask(asks: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    shape: Any = None
    if asks.get("approval"):
        shape = bool | (Amendment if asks.get("amendable") else Verdict)
    answer = ctx.interrupt(asks.get("value"), type=shape)
    return {_ANSWERS: {asks["id"]: msgspec.to_builtins(answer)}}


def as_prompt(given: Json) -> Any:
    """Give what a model can be told: a text or a list as it is, anything else as JSON."""
    return given if given is None or isinstance(given, str | list) else msgspec.json.encode(given).decode()


def asks_for_call(identity: str, name: str, arguments: Json, *, amendable: bool = False) -> Asks:
    """Make the question whether a tool may be called (PROTOCOL.md §2, "Models and tools").

    Args:
        identity: Id of the call.
        name: Name of the tool.
        arguments: What it would be called with.
        amendable: Whether the answer may change these.

    Returns:
        The question.
    """
    call = {"id": identity, "name": name, "arguments": arguments}
    return Asks(id=identity, value={"kind": "tool_call", "call": call}, approval=True, amendable=amendable)


def verdict(answer: Json) -> Amendment:
    """Read the answer to a question with `approval`.

    Args:
        answer: As the state has it.

    Returns:
        The verdict.
    """
    return Amendment(answer) if isinstance(answer, bool) else msgspec.convert(answer, Amendment)
