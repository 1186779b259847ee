"""Rounds of loops, and the one question of the scheduling rule: can an execution of Y still result in one of X?

An edge back to a node that dominates its source begins the next round of that natural loop. Every execution carries one
counter per loop around it, outermost first (its *round*), and Y holds X back only if Y can still result in X at a
round not later than X's own, compared lexicographically: the could-result-in order of timely dataflow (Murray et al.,
"Naiad", SOSP 2013) on the plan's loop nest.

What a path from Y to X does to a round is a `Summary` (keep, step): the counters of the outermost `keep` loops of Y
stay, the last of them grows by `step`, and every loop entered since counts from 0. Natural loops are nested or
disjoint and are entered by their header only, so of all paths the least one is that with step 0 and the fewest
loops kept, else that with step 1 and the most. Hence one summary per pair is enough (`docs/decisions/003-rounds.md`).

Nodes are numbers here; 0 is START. This file knows nothing of names, states or events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Round = tuple[int, ...]


class Summary(NamedTuple):
    """What the least path between two nodes does to a round."""

    keep: int
    step: int


class LoopNest:
    """The loops of a plan, and the least summary between any two nodes.

    Args:
        successors: For each node the nodes that its edges lead to.
    """

    def __init__(self, successors: Sequence[Sequence[int]]) -> None:
        self._successors = successors
        self.around: list[tuple[int, ...]] = _loops_around(successors)
        # Summaries are asked for only when two executions are alive at once, and then for few sources: each source is
        # computed at its first use and kept. For 10,000 nodes in a row the whole table would cost minutes.
        self._reach: dict[int, dict[int, Summary]] = {}
        self._sources: dict[int, int] = {}
        self._ways: dict[tuple[int, int], tuple[int, bool, Round]] = {}
        self._predecessors: list[list[int]] | None = None

    def step(self, source: int, when: Round, target: int) -> Round:
        """Give the round in which an edge from an execution of `source` triggers `target`.

        Args:
            source: Where the edge begins.
            when: The round of that execution.
            target: Where it leads.

        Returns:
            The round of the execution that it triggers.
        """
        if not self.around[target]:
            return ()
        way = self._ways.get((source, target))
        if way is None:
            way = self._ways[source, target] = self._way(source, target)
        kept, again, entered = way
        return (*when[:kept], when[kept] + 1) if again else when[:kept] + entered

    def _way(self, source: int, target: int) -> tuple[int, bool, Round]:
        """Say what an edge does to a round: how many counters stay, whether the next one grows, and what follows."""
        inside = self.around[target]
        shared = _shared(self.around[source], inside)
        if shared == len(inside) and inside[-1] == target:
            return shared - 1, True, ()
        return shared, False, (0,) * (len(inside) - shared)

    def holds_back(self, source: int, when: Round, target: int, target_round: Round) -> bool:
        """Say whether an execution of `source` can still result in `target` at a round not later than `target_round`.

        Args:
            source: Node of an execution that runs or waits.
            when: Its round.
            target: Node that would like to run.
            target_round: The round in which it would.

        Returns:
            True when `target` has to wait.
        """
        summary = self.reach(source).get(target)
        if summary is None:
            return False
        keep, step = summary
        least = list(when[:keep])
        if step:
            least[-1] += step
        return (*least, *(0,) * (len(target_round) - keep)) <= target_round

    def outset(self, node: int) -> Round:
        """Give the round of a node when a run begins there."""
        return (0,) * len(self.around[node])

    def earliest(self, source: int, when: Round, target: int) -> Round:
        """Give the first round in which an execution of `source` can result in `target`; it must be able to."""
        keep, step = self.reach(source)[target]
        least = list(when[:keep])
        if step:
            least[-1] += step
        return (*least, *(0,) * (len(self.around[target]) - keep))

    def avoidable(self, node: int, target: int) -> bool:
        """Say whether a path leads from START to `target` that does not go through `node`."""
        seen, todo = {0}, [0]
        while todo:
            for following in self._successors[todo.pop()]:
                if following == target:
                    return True
                if following not in seen and following != node:
                    seen.add(following)
                    todo.append(following)
        return False

    def reach(self, source: int) -> dict[int, Summary]:
        """Give the least summary to every node that a path of one edge or more leads to from `source`."""
        known = self._reach.get(source)
        if known is None:
            known = self._reach[source] = self._search(source)
        return known

    def sources(self, target: int) -> int:
        """Give the nodes from which a path leads to `target`, as a bit mask: a quick no for most questions."""
        known = self._sources.get(target)
        if known is None:
            known = self._sources[target] = self._search_back(target)
        return known

    def _search(self, source: int) -> dict[int, Summary]:
        own = self.around[source]
        found: dict[int, Summary] = {}
        seen = set()
        todo = [(source, len(own), 0)]
        while todo:
            node, keep, step = todo.pop()
            for target in self._successors[node]:
                kept = min(keep, _shared(own, self.around[target]))
                stepped = step if kept == keep else 0
                if kept and own[kept - 1] == target:
                    stepped = 1
                state = (target, kept, stepped)
                if state not in seen:
                    seen.add(state)
                    todo.append(state)
                    found[target] = _lesser(found.get(target), Summary(kept, stepped))
        return found

    def _search_back(self, target: int) -> int:
        if self._predecessors is None:
            self._predecessors = _predecessors(self._successors)
        mask, todo = 0, [target]
        while todo:
            for node in self._predecessors[todo.pop()]:
                bit = 1 << node
                if not mask & bit:
                    mask |= bit
                    todo.append(node)
        return mask


def _lesser(known: Summary | None, new: Summary) -> Summary:
    if known is None:
        return new
    if known.step != new.step:
        return known if known.step < new.step else new
    return min(known, new) if new.step == 0 else max(known, new)


def _shared(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def _predecessors(successors: Sequence[Sequence[int]]) -> list[list[int]]:
    result: list[list[int]] = [[] for _ in successors]
    for node, targets in enumerate(successors):
        for target in targets:
            result[target].append(node)
    return result


def _loops_around(successors: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """Give for each node the headers of the natural loops around it, outermost first."""
    order = _reverse_postorder(successors)
    place = {node: index for index, node in enumerate(order)}
    predecessors = _predecessors(successors)
    above = _dominators(order, place, predecessors)
    bodies: dict[int, set[int]] = {}
    for node in order:
        for header in successors[node]:
            if _dominates(header, node, above, place):
                bodies.setdefault(header, {header}).update(_body(header, node, predecessors, place))
    around: list[tuple[int, ...]] = [()] * len(successors)
    # A header stands before every header inside its loop in reverse postorder, so this order is outermost first.
    for header in sorted(bodies, key=place.__getitem__):
        for node in bodies[header]:
            around[node] = (*around[node], header)
    return around


def _body(header: int, tail: int, predecessors: list[list[int]], place: dict[int, int]) -> set[int]:
    body, todo = {header}, [tail]
    while todo:
        node = todo.pop()
        if node not in body:
            body.add(node)
            todo.extend(before for before in predecessors[node] if before in place)
    return body


def _reverse_postorder(successors: Sequence[Sequence[int]]) -> list[int]:
    order: list[int] = []
    seen = {0}
    stack = [(0, iter(successors[0]))]
    while stack:
        node, targets = stack[-1]
        for target in targets:
            if target not in seen:
                seen.add(target)
                stack.append((target, iter(successors[target])))
                break
        else:
            stack.pop()
            order.append(node)
    order.reverse()
    return order


def _dominators(order: list[int], place: dict[int, int], predecessors: list[list[int]]) -> dict[int, int]:
    """Give the immediate dominator of each node (Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm")."""
    above = {order[0]: order[0]}
    changed = True
    while changed:
        changed = False
        for node in order[1:]:
            known = [before for before in predecessors[node] if before in above]
            best = known[0]
            for other in known[1:]:
                best = _meet(best, other, above, place)
            if above.get(node) != best:
                above[node] = best
                changed = True
    return above


def _meet(one: int, other: int, above: dict[int, int], place: dict[int, int]) -> int:
    while one != other:
        while place[one] > place[other]:
            one = above[one]
        while place[other] > place[one]:
            other = above[other]
    return one


def _dominates(upper: int, lower: int, above: dict[int, int], place: dict[int, int]) -> bool:
    while place[lower] > place[upper]:
        lower = above[lower]
    return lower == upper
