"""Slow and obvious: dominators, loops, rounds and the scheduling rule straight from their definitions.

Nothing here is shared with `riverrun.graph.loops`; where the two differ, this one is easier to believe.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

Round = tuple[int, ...]
Graph = Sequence[Sequence[int]]


def reachable(graph: Graph, start: int, without: int | None = None) -> set[int]:
    """The nodes that a path of one edge or more leads to."""
    seen: set[int] = set()
    todo = [start]
    while todo:
        for target in graph[todo.pop()]:
            if target not in seen and target != without:
                seen.add(target)
                todo.append(target)
    return seen


def dominates(graph: Graph, upper: int, lower: int) -> bool:
    """Whether every path from node 0 to `lower` goes through `upper`."""
    if upper in (lower, 0):
        return True
    return lower != 0 and lower not in reachable(graph, 0, without=upper)


def back_edges(graph: Graph) -> set[tuple[int, int]]:
    """The edges to a node that dominates their source."""
    alive = reachable(graph, 0) | {0}
    return {(node, head) for node in alive for head in graph[node] if dominates(graph, head, node)}


def reducible(graph: Graph) -> bool:
    """Whether every cycle has a node that dominates it: without the back edges there is no cycle left."""
    back = back_edges(graph)
    forward = [[target for target in graph[node] if (node, target) not in back] for node in range(len(graph))]
    alive = reachable(graph, 0) | {0}
    return not any(node in reachable(forward, node) for node in alive)


def loops(graph: Graph) -> dict[int, set[int]]:
    """By header: the nodes that reach a back edge to it without passing through it."""
    found: dict[int, set[int]] = {}
    alive = reachable(graph, 0) | {0}
    for tail, head in back_edges(graph):
        body = found.setdefault(head, {head})
        for node in alive:
            inside = node == tail or tail in reachable(graph, node, without=head)
            if inside and node != head:
                body.add(node)
    return found


def around(graph: Graph) -> list[Round]:
    """For each node the headers of the loops around it, the widest loop first."""
    bodies = loops(graph)
    widest = sorted(bodies, key=lambda head: -len(bodies[head]))
    return [tuple(head for head in widest if node in bodies[head]) for node in range(len(graph))]


def step(nest: Sequence[Round], source: int, when: Round, target: int) -> Round:
    """The round of what an edge triggers: one counter per loop around it."""
    counters = []
    for place, head in enumerate(nest[target]):
        if head not in nest[source]:
            counters.append(0)
        elif head == target:
            counters.append(when[place] + 1)
        else:
            counters.append(when[place])
    return tuple(counters)


def could_result_in(graph: Graph, nest: Sequence[Round], source: int, when: Round, target: int, latest: Round) -> bool:
    """Whether some walk of one edge or more leads to `target` in a round not later than `latest`."""
    most = max((*when, *latest, 0)) + 1  # going round more often than that makes nothing earlier
    seen: set[tuple[int, Round]] = set()
    todo = [(source, when)]
    while todo:
        node, here = todo.pop()
        for following in graph[node]:
            there = step(nest, node, here, following)
            if following == target and there <= latest:
                return True
            if (following, there) not in seen and max((*there, 0)) <= most:
                seen.add((following, there))
                todo.append((following, there))
    return False


Alive = tuple[int, Round, bool]  # node, round, whether it runs


def may_begin(graph: Graph, alive: Sequence[Alive], early: AbstractSet[int] = frozenset()) -> list[int]:
    """Give the places in `alive` of those that the rule lets begin; `early` are those that need wait for nobody."""
    nest = around(graph)
    waiting = [place for place, (_, _, running) in enumerate(alive) if not running and place not in early]
    behind = {place: rivals(graph, nest, alive, place) for place in waiting}
    free = {*early, *(place for place in waiting if not behind[place])}
    for place in waiting:
        chain = _closure(place, behind)
        # Nothing but executions that wait for one another, this one included, stands before it.
        if place in chain and all(place in _closure(other, behind) for other in chain):
            free.add(place)
    return sorted(free)


def rivals(graph: Graph, nest: Sequence[Round], alive: Sequence[Alive], place: int) -> set[int]:
    """Give the places of the others that can still result in this one, in its round or before."""
    node, when, _ = alive[place]
    return {
        other
        for other, (source, there, _) in enumerate(alive)
        if other != place and could_result_in(graph, nest, source, there, node, when)
    }


def _closure(place: int, behind: dict[int, set[int]]) -> set[int]:
    found: set[int] = set()
    todo: list[Iterable[int]] = [behind.get(place, set())]
    while todo:
        for other in todo.pop():
            if other not in found:
                found.add(other)
                todo.append(behind.get(other, set()))
    return found
