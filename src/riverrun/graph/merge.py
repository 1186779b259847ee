"""Where branches meet: what a node sees is what its causal ancestors wrote, whichever branch was faster.

Every finished execution leaves a `Moment`: the state after it, and whose descendant it is. A node with one parent sees
that parent's state. Where several meet, the state is that of their nearest common origin (the moment every path to them
goes through) with everything written since applied branch by branch: at each fork in the order in which its edges were
declared, each branch whole before the next. Two writes to a key without a reducer by executions that do not know of
each other are an error naming the key and both nodes. An `Overwrite` replaces what its node could know of; what others
wrote at the same time is reduced on top of it, wherever they stand in the order. So the result never depends on timing.

The cost of a meeting is the number of executions since the common origin. This file does not know rounds or events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from msgspec import Struct

from riverrun.base.errors import NodeError
from riverrun.events.kinds import ErrorInfo
from riverrun.graph.reducers import CONTROLS
from riverrun.graph.state import Schema, State, settles

Parents = Sequence[tuple["Moment", int]]


class Moment(Struct, eq=False):
    """What one execution left behind.

    Attributes:
        exec_id: The execution.
        parents: The moments it descends from, each with the place of the edge among those that left it.
        state: The state after it. Nobody changes it in place.
        writes: What it wrote, in order.
        origin: The moment that every path to it goes through; None for the first.
        error: Why the execution failed, where the run goes on all the same.
        depth: How many moments every path to it goes through.
    """

    exec_id: str
    parents: Parents
    state: State
    writes: tuple[Mapping[str, Any], ...] = ()
    origin: Moment | None = None
    error: ErrorInfo | None = None
    depth: int = 0

    @classmethod
    def since(
        cls,
        origin: Moment,
        exec_id: str,
        parents: Parents,
        state: State,
        writes: tuple[Mapping[str, Any], ...] = (),
        error: ErrorInfo | None = None,
    ) -> Moment:
        """Give what an execution left behind to which every path goes through `origin`; the rest as its attributes."""
        return cls(exec_id, parents, state, writes, origin, error, origin.depth + 1)


def joined(parents: Parents, moment: Moment, edge: int) -> Parents:
    """Give these parents and one more; many are kept in a list, which grows without being copied each time."""
    if isinstance(parents, list):
        parents.append((moment, edge))
        return parents
    return [*parents, (moment, edge)]


def meet(schema: Schema, parents: Parents) -> tuple[State, Moment, Parents]:
    """Give what an execution triggered by these moments sees.

    Args:
        schema: Keys and reducers.
        parents: At least one moment, with the place of the edge among those that left it.

    Returns:
        The state, the nearest common origin, and the parents in merge order.

    Raises:
        NodeError: E3004, branches wrote one key without a reducer; E3007, a reducer raised.
    """
    if len(parents) == 1:
        only = parents[0][0]
        return only.state, only, parents
    origin = common_origin(parents)
    order = _merge_order(origin, parents)
    place = {moment: index for index, moment in enumerate(order)}
    # The origin itself may be a parent (a long and a short branch from one fork): it comes first.
    ranked = sorted([(place.get(moment, -1), edge, index) for index, (moment, edge) in enumerate(parents)])
    return _apply(schema, origin.state, order, place), origin, tuple([parents[index] for _, _, index in ranked])


def common_origin(parents: Parents) -> Moment:
    """Give the nearest moment that every path to these goes through (one of them, when the others descend from it)."""
    origin = parents[0][0]
    for moment, _ in parents[1:]:
        origin = _origin_of_two(origin, moment)
    return origin


def _origin_of_two(one: Moment, other: Moment) -> Moment:
    while one is not other:
        if one.depth >= other.depth and one.origin is not None:
            one = one.origin
        elif other.origin is not None:
            other = other.origin
        else:
            raise AssertionError("two moments of one run have no common origin")
    return one


def _merge_order(origin: Moment, parents: Parents) -> list[Moment]:
    """Order everything since `origin`: ancestors first, and each branch whole before the next where that allows it."""
    siblings = [(moment.parents[0][1], moment) for moment, _ in parents if _is_child(moment, origin)]
    if len(siblings) == len(parents):  # a fork whose branches are one execution each: a third of the time
        return _in_order(siblings)
    children: dict[Moment, list[tuple[int, Moment]]] = {origin: []}
    todo = [moment for moment, _ in parents if moment is not origin]
    while todo:
        moment = todo.pop()
        if moment in children:
            continue
        children[moment] = []
        todo.extend(parent for parent, _ in moment.parents if parent not in children)
    for moment in children:
        if moment is not origin:
            for parent, edge in moment.parents:
                children[parent].append((edge, moment))
    order: list[Moment] = []
    seen = {origin}
    # Reverse postorder of a depth-first walk that takes the last branch first puts the first branch first.
    stack = [(origin, _in_order(children[origin]))]
    while stack:
        moment, rest = stack[-1]
        while rest:
            following = rest.pop()
            if following not in seen:
                seen.add(following)
                stack.append((following, _in_order(children[following])))
                break
        else:
            stack.pop()
            order.append(moment)
    order.pop()  # the origin: its writes are in its state
    order.reverse()
    return order


def _is_child(moment: Moment, origin: Moment) -> bool:
    return len(moment.parents) == 1 and moment.parents[0][0] is origin


def _in_order(branches: list[tuple[int, Moment]]) -> list[Moment]:
    return [moment for _, moment in sorted(branches, key=_edge_of)]


_edge_of: Callable[[tuple[int, Moment]], int] = itemgetter(0)


def _apply(schema: Schema, base: State, order: Sequence[Moment], place: Mapping[Moment, int]) -> State:
    written: dict[str, list[tuple[Moment, Any]]] = {}
    for moment in order:
        for update in moment.writes:
            for key, value in update.items():
                written.setdefault(key, []).append((moment, value))
    after = dict(base)
    ancestors: list[int] | None = None
    for key, writes in written.items():
        known = schema.keys.get(key)
        reduced = known is not None and known.reducer is not None
        settling: Sequence[int] = range(len(writes))
        if reduced:
            settling = [at for at, (_, value) in enumerate(writes) if isinstance(value, CONTROLS) and settles(value)]
        values: Iterable[Any] = (value for _, value in writes)
        if len(writes) > 1 and settling:
            if ancestors is None:
                ancestors = _ancestors(order, place)
            _check_chain(key, [writes[at][0] for at in settling], place, ancestors)
            values = _since(writes, settling[-1], place, ancestors)
        for value in values:
            if known is None or not reduced or isinstance(value, CONTROLS):
                schema.put(after, key, value)
            else:  # that it can be written was seen when its node wrote it
                after[key] = schema.reduce(known, after, value)
    return after


def _since(
    writes: Sequence[tuple[Moment, Any]], settled: int, place: Mapping[Moment, int], ancestors: list[int]
) -> list[Any]:
    """Give the write that says what a key is, then those that its node could not know of and those that came after."""
    writer, value = writes[settled]
    known = ancestors[place[writer]]
    rest = (
        other
        for at, (moment, other) in enumerate(writes)
        if (at > settled if moment is writer else not known >> place[moment] & 1)
    )
    return [value, *rest]


def _ancestors(order: Sequence[Moment], place: Mapping[Moment, int]) -> list[int]:
    """Give for each moment its ancestors since the origin, as a bit mask over `order`."""
    masks: list[int] = []
    for moment in order:
        mask = 0
        for parent, _ in moment.parents:
            index = place.get(parent)
            if index is not None:
                mask |= masks[index] | 1 << index
        masks.append(mask)
    return masks


def _check_chain(key: str, writers: Iterable[Moment], place: Mapping[Moment, int], ancestors: list[int]) -> None:
    before: Moment | None = None
    for writer in writers:
        if before is not None and before is not writer and not ancestors[place[writer]] >> place[before] & 1:
            one, other = node_of(before.exec_id), node_of(writer.exec_id)
            what = f"nodes {one!r} and {other!r} wrote key {key!r}, neither knowing of the other"
            raise NodeError("E3004", what, where=f"key {key!r}")
        before = writer


def node_of(exec_id: str) -> str:
    """Give the name of the node in an execution's id, without the sub graphs around it."""
    return exec_id.rpartition("/")[2].rpartition(":")[0]
