"""The scheduling rule: a node runs as soon as it was triggered and nothing alive can still reach it in this round.

Alive is what runs and what waits. Several triggers of one node in one round, before it runs, are one run of it. Where
nodes only wait for one another (a cycle that no node dominates has no rounds), they run together. No barrier, no
declared joins (`docs/decisions/003-rounds.md`). It does not know what a node does, only who can reach whom.
"""

from __future__ import annotations

from riverrun.graph.loops import LoopNest, Round
from riverrun.graph.merge import Moment, Parents


class Live:
    """One execution that waits or runs.

    Attributes:
        number: Its node.
        when: Its round.
        parents: What triggered it.
        running: Whether it began.
        blocker: For a waiting one: somebody who was seen to hold it back; looked at again when that one is gone.
        gone: Whether it ended.
    """

    __slots__ = ("blocker", "gone", "number", "parents", "running", "when")

    def __init__(self, number: int, when: Round) -> None:
        self.number = number
        self.when = when
        self.parents: Parents = ()
        self.running = False
        self.blocker: Live | None = None
        self.gone = False


class Schedule:
    """Decide which waiting executions may begin.

    Args:
        nest: Loops and reachability of the plan.
    """

    def __init__(self, nest: LoopNest) -> None:
        self._nest = nest
        self._waiting: dict[tuple[int, Round], Live] = {}
        self._live: dict[Live, None] = {}
        self._counts: dict[int, int] = {}
        self._mask = 0  # nodes with anything alive, as a bit mask

    def __len__(self) -> int:
        return len(self._live)

    @property
    def alive(self) -> list[Live]:
        """What was triggered and did not end, in order of its first trigger."""
        return list(self._live)

    def trigger(self, number: int, when: Round, parent: Moment, edge: int) -> None:
        """Note that a node was triggered; one that waits in that round already gains a parent.

        Args:
            number: The node.
            when: The round.
            parent: What the trigger descends from.
            edge: Place of the edge among those that left the parent.
        """
        live = self._waiting.get((number, when))
        if live is None:
            live = self._waiting[number, when] = Live(number, when)
            self._live[live] = None
            self._counts[number] = self._counts.get(number, 0) + 1
            self._mask |= 1 << number
            live.parents = ((parent, edge),)
        elif live.parents[-1][0] is not parent:  # the edges that leave one execution come one after another
            live.parents = (*live.parents, (parent, edge))

    def end(self, live: Live) -> None:
        """Note that an execution ended."""
        live.gone = True
        del self._live[live]
        left = self._counts[live.number] = self._counts[live.number] - 1
        if not left:
            self._mask &= ~(1 << live.number)

    def begin(self) -> list[Live]:
        """Give the executions that may begin now, in order of their first trigger; from then on they run."""
        if not self._waiting:
            return []
        ready = [live for live in self._waiting.values() if self._may_begin(live)]
        if len(ready) < len(self._waiting):
            ready += self._mutually_blocked(ready)
        for live in ready:
            del self._waiting[live.number, live.when]
            live.running = True
            live.blocker = None
        return ready

    def _may_begin(self, live: Live) -> bool:
        if live.blocker is not None and not live.blocker.gone:
            return False
        others = self._mask
        if self._counts[live.number] == 1:
            others &= ~(1 << live.number)
        # Most nodes are alone, or cannot be reached by anything alive: one bit operation says so.
        if not others or not others & self._nest.sources(live.number):
            return True
        live.blocker = next((other for other in self._live if self._holds_back(other, live)), None)
        return live.blocker is None

    def _holds_back(self, other: Live, live: Live) -> bool:
        return other is not live and self._nest.holds_back(other.number, other.when, live.number, live.when)

    def _mutually_blocked(self, ready: list[Live]) -> list[Live]:
        """Give the waiting executions that only wait for one another, so that nothing else could ever free them."""
        suspects = [live for live in self._waiting.values() if live not in ready and self._goes_round(live)]
        if not suspects:
            return []
        behind = {live: self._all_behind(live) for live in self._waiting.values() if live.blocker is not None}
        return [
            live
            for live in self._waiting.values()
            if live in behind
            and live in behind[live]
            and all(other in behind and live in behind[other] for other in behind[live])
        ]

    def _goes_round(self, live: Live) -> bool:
        """Follow one blocker after another: whoever ends at something that runs will be freed by it."""
        seen = {live}
        blocker = live.blocker
        while blocker is not None and not blocker.running:
            if blocker in seen:
                return True
            seen.add(blocker)
            blocker = blocker.blocker
        return False

    def _all_behind(self, live: Live) -> set[Live]:
        found: set[Live] = set()
        todo = [live]
        while todo:
            one = todo.pop()
            for other in self._live:
                if other not in found and self._holds_back(other, one):
                    found.add(other)
                    if not other.running:
                        todo.append(other)
        return found
