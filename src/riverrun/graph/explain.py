"""Says in words what a node waits for and why: the scheduling rule, applied to one node of one plan.

Everything here is read off the loop nest that the machine itself asks, so the words cannot differ from what happens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from riverrun.base.errors import GraphError
from riverrun.graph.node import END, START
from riverrun.graph.plan import Plan


def explain(plan: Plan, node: str) -> str:
    """Explain when a node runs.

    Args:
        plan: The graph.
        node: Name of a node.

    Returns:
        Lines of text: what triggers it, what it waits for and by which path, its loops, and which undeclared targets
        make it wait for more. It ends with a line break.

    Raises:
        GraphError: E1003, there is no such node.
    """
    if node not in plan.nodes:
        what = f"there is no node {node!r}; the nodes are: {', '.join(plan.nodes)}"
        raise GraphError("E1003", what, mend="Name one of them.")
    found = _Reasons(plan, node)
    parts = (found.triggers(), found.waits(), found.later(), found.mutual(), found.loops(), found.undeclared())
    return "\n".join([f"{_quoted(node)} ({plan.nodes[node].where})", *(line for part in parts for line in part)]) + "\n"


class _Reasons:
    """What there is to say about one node."""

    def __init__(self, plan: Plan, node: str) -> None:
        self._plan = plan
        self._node = node
        self._declared: dict[str, list[str]] = {name: [] for name in plan.names}
        for edge in plan.edges:
            self._declared[edge.source].append(edge.target)
        self._open = list(dict.fromkeys(plan.undeclared()))
        self._all = {
            name: [*targets, *(each for each in plan.names if name in self._open and each not in (START, *targets))]
            for name, targets in self._declared.items()
        }
        others = [name for name in plan.nodes if name != node]
        self._now = [name for name in others if self._holds_back(name, node)]
        self._later = [name for name in others if name not in self._now and self._reaches(name, node)]

    def _holds_back(self, one: str, other: str) -> bool:
        """Say whether `one` holds `other` back when both are in the same round of every loop."""
        nest, number = self._plan.nest, self._plan.number
        source, target = number[one], number[other]
        zero = ((0,) * len(nest.around[source]), (0,) * len(nest.around[target]))
        return nest.holds_back(source, zero[0], target, zero[1])

    def _reaches(self, one: str, other: str) -> bool:
        return self._plan.number[other] in self._plan.nest.reach(self._plan.number[one])

    def triggers(self) -> list[str]:
        kinds: dict[str, list[str]] = {"plain": [], "conditional": []}
        for edge in self._plan.edges:
            if edge.target == self._node:
                kinds[edge.kind].append("START" if edge.source == START else _quoted(edge.source))
        always, chosen = kinds["plain"], [name for name in kinds["conditional"] if name not in kinds["plain"]]
        free = [name for name in map(_shown, self._open) if name not in (*always, *chosen)]
        lines = [f"  is triggered by the end of {_listed(always)}."] if always else []
        lines += [f"  is triggered by {_listed(chosen)} when it is chosen there."] if chosen else []
        return lines + ([f"  may be chosen by {_listed(free)}, whose targets are not declared."] if free else [])

    def waits(self) -> list[str]:
        if not self._now:
            return (
                []
                if self._later
                else ["  waits for nothing: once triggered it runs, for no other node can reach it in the same round."]
            )
        lines = ["  once triggered, waits while one of these runs or waits, for each can still reach it in this round:"]
        return lines + [f"    {_quoted(name)}: {self._path(name)}" for name in self._now]

    def later(self) -> list[str]:
        nest, number = self._plan.nest, self._plan.number
        lines = []
        for name in self._later:
            summary = nest.reach(number[name])[number[self._node]]
            header = _quoted(self._plan.names[nest.around[number[name]][summary.keep - 1]])
            lines.append(f"    {_quoted(name)}: {self._path(name)}, a new round of {header}")
        head = (
            "  waits for these only while they are in an earlier round than its own, for they reach it in their next:"
        )
        return [head, *lines] if lines else []

    def mutual(self) -> list[str]:
        each_other = [name for name in self._now if self._holds_back(self._node, name)]
        if not each_other:
            return []
        what = f"  it and {_listed([_quoted(name) for name in each_other])} can reach each other within one round"
        return [f"{what}: where they only wait for one another, they run together."]

    def loops(self) -> list[str]:
        around = [_quoted(self._plan.names[header]) for header in self._plan.nest.around[self._plan.number[self._node]]]
        if not around:
            return ["  lies in no loop that has rounds."]
        where = "the loop of" if len(around) == 1 else "the loops, outermost first, of"
        return [f"  lies in {where} {_listed(around)}: an edge back there begins its next round."]

    def undeclared(self) -> list[str]:
        by_declared = {name for name in self._plan.nodes if self._node in _reached(self._declared, name)}
        extra = [_quoted(name) for name in self._now if name not in by_declared]
        if not extra:
            return []
        places = [f"{_shown(name)} ({self._place(name)})" for name in self._open]
        count = "counts" if len(places) == 1 else "count"
        return [
            f"  waits for {_listed(extra)} only because {_listed(places)} {count} as leading anywhere.",
            "    Declare the targets: a path map, a return annotation Literal[...], or Command[Literal[...]].",
        ]

    def _place(self, name: str) -> str:
        routers = [router.where for router in self._plan.routers.get(name, ()) if router.targets is None]
        return routers[0] if routers else self._plan.nodes[name].where

    def _path(self, start: str) -> str:
        """Give a shortest path to the node, by declared edges where there is one."""
        before = _reached(self._declared, start)
        if self._node not in before:
            before = _reached(self._all, start)
        path = [self._node]
        while path[-1] != start or len(path) == 1:
            path.append(before[path[-1]])
        return " → ".join(map(_quoted, reversed(path)))


def _reached(targets: Mapping[str, Sequence[str]], start: str) -> dict[str, str]:
    """Give everything that edges lead to from `start`, each with the node before it on a shortest path."""
    before: dict[str, str] = {}
    todo = deque([start])
    while todo:
        name = todo.popleft()
        for target in targets[name]:
            if target not in before and target != END:
                before[target] = name
                todo.append(target)
    return before


def _shown(name: str) -> str:
    return "START" if name == START else _quoted(name)


def _quoted(name: str) -> str:
    return repr(name)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
