"""What a graph is, and what machines are made of, summed up: whether a checkpoint is of this graph and this version.

Two graphs of one print take a checkpoint of each other, so whatever decides where a run stands is part of it. What only
decides how nodes are run is not. This file does not know how a checkpoint is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from riverrun.events.kinds import ErrorInfo, Question, Send
from riverrun.graph.course import Course, Step
from riverrun.graph.fold import Fold
from riverrun.graph.machine import Machine
from riverrun.graph.merge import Moment
from riverrun.graph.plan import Plan
from riverrun.graph.questions import Questions
from riverrun.graph.reducers import Overwrite, Remove
from riverrun.graph.schedule import Live, Schedule
from riverrun.graph.state import Schema

ATOMS: frozenset[type] = frozenset({type(None), bool, int, float, str})
OWN = (Machine, Course, Schedule, Questions, Step, Live, Moment, Fold)
STRUCTS = (ErrorInfo, Question, Send, Overwrite, Remove)

# What is not part of where a run stands: whose it is, and what was said and ordered but not carried away.
_NOT_KEPT = frozenset({"plan", "run", "events", "commands"})
_MOST = 256  # graphs whose print is remembered
_prints: dict[Plan, bytes] = {}


def print_of(plan: Plan) -> bytes:
    """Sum up a graph, as far as where a run stands depends on it, together with what machines are made of.

    Functions of nodes are not part of it, for what they did is in the log; reducers are, as far as their code tells.

    Args:
        plan: The graph.

    Returns:
        16 bytes, the same in every process that runs the same code.
    """
    known: bytes | None = _prints.get(plan)
    if known is None:
        said = repr((_fields(plan), list(_said_of(plan)))).encode("utf-8", "backslashreplace")
        if len(_prints) >= _MOST:
            _prints.clear()
        from hashlib import blake2b  # noqa: PLC0415  # 1 ms of every import, for those who keep checkpoints

        known = _prints[plan] = blake2b(said, digest_size=16).digest()
    return known


def _fields(plan: Plan) -> list[tuple[str, list[str]]]:
    """Name the attributes of everything that a machine is made of, as this version of it has them."""
    machine = Machine(plan, "")
    course = holds(machine)["_root"]
    fresh = {Machine: machine, Course: course, Schedule: holds(course)["_schedule"], Questions: Questions()}
    return [(kind.__name__, list(holds(fresh[kind])) if kind in fresh else _slots(kind)) for kind in (*OWN, *STRUCTS)]


def _said_of(plan: Plan) -> Iterator[object]:
    yield plan.name, plan.names, sorted(plan.targets.items()), plan.edges, plan.before, plan.after
    yield sorted((source, len(routers)) for source, routers in plan.routers.items())
    for node in plan.nodes.values():
        policies = (len(node.retries), node.handler is None, node.join)
        yield node.name, node.manner, node.key, node.targets, policies, sorted(node.sees or ())
    yield from _said_of_schema(plan.schema)
    for name, inner in sorted(plan.inner.items()):
        yield name
        yield from _said_of(inner)


def _said_of_schema(schema: Schema) -> Iterator[object]:
    yield schema.open
    for name, key in sorted(schema.keys.items()):
        yield name, key.kind.__qualname__, None if key.reducer is None else _said_of_function(key.reducer)


def _said_of_function(function: Callable[..., Any]) -> object:
    code = getattr(function, "__code__", None)
    name = getattr(function, "__module__", ""), getattr(function, "__qualname__", type(function).__qualname__)
    if code is None:
        return name
    plain = [one for one in code.co_consts if type(one) in ATOMS]
    return name, code.co_code.hex(), plain, code.co_names


def _slots(kind: type) -> list[str]:
    if issubclass(kind, Struct):
        return list(kind.__struct_fields__)
    return [name for base in reversed(kind.__mro__) for name in getattr(base, "__slots__", ())]


def holds(one: Any) -> dict[str, Any]:
    """Give the attributes of an object of ours that are kept.

    Args:
        one: Of one of the classes `OWN`.

    Returns:
        Their values, by name.
    """
    held = vars(one) if hasattr(one, "__dict__") else {name: getattr(one, name) for name in _slots(type(one))}
    return {name: value for name, value in held.items() if not (name in _NOT_KEPT and isinstance(one, Machine))}
