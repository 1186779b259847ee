"""The scheduling rule: a node runs as soon as it was triggered and nothing alive can still reach it in this round.

Alive is what runs and what waits. Several triggers of one node in one round, before it runs, are one run of it. Where
nodes only wait for one another (a cycle that no node dominates has no rounds), they run together. No barrier, no
declared joins (`docs/decisions/003-rounds.md`). It does not know what a node does, only who can reach whom.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from riverrun.events.kinds import Json
from riverrun.graph.loops import LoopNest, Round
from riverrun.graph.merge import Moment, Parents, joined
from riverrun.graph.policies import Join


class Live(Struct, eq=False):
    """One execution that waits or runs.

    Attributes:
        number: Its node.
        when: Its round.
        parents: What triggered it.
        running: Whether it began.
        blocker: For a waiting one: somebody who was seen to hold it back; looked at again when that one is gone.
        gone: Whether it ended.
        exec_id: Its execution, once it began.
        called: Whether it is a call of its own (`Send`), which nothing holds back and no trigger joins.
        arg: The input of the call.
    """

    number: int
    when: Round
    parents: Parents = ()
    running: bool = False
    blocker: Live | None = None
    gone: bool = False
    exec_id: str = ""
    called: bool = False
    arg: Json = None


class Schedule:
    """Decide which waiting executions may begin.

    Args:
        nest: Loops and reachability of the plan.
        joins: By node: how many branches must arrive there, where that is not all of them.

    Attributes:
        live: What was triggered and did not end, in order of its first trigger.
    """

    def __init__(self, nest: LoopNest, joins: Mapping[int, Join]) -> None:
        self._nest = nest
        self._joins = joins
        self._called: list[Live] = []
        self._waiting: dict[tuple[int, Round], Live] = {}
        self.live: dict[Live, None] = {}
        self._more: dict[int, int] = {}  # nodes that are alive more than once: how many times more
        self._mask = 0  # nodes with anything alive, as a bit mask

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
            live = self._waiting[number, when] = Live(number, when, ((parent, edge),))
            self.live[live] = None
            self._count(number)
        elif live.parents[-1][0] is not parent:  # the edges that leave one execution come one after another
            live.parents = joined(live.parents, parent, edge)

    def call(self, number: int, when: Round, parent: Moment, edge: int, arg: Json) -> None:
        """Note a call of a node with an input of its own.

        Args:
            number: The node.
            when: The round.
            parent: What the call descends from.
            edge: Place of the call among the edges that left the parent.
            arg: Its input.
        """
        live = Live(number, when, ((parent, edge),), called=True, arg=arg)
        self.live[live] = None
        self._count(number)
        self._called.append(live)

    def hand_on(self, live: Live, number: int, when: Round, parent: Moment) -> Live:
        """End the only execution that is alive, and begin the one that follows: nobody could hold it back (1 µs).

        Args:
            live: The one.
            number: The node that follows.
            when: The round of that.
            parent: What it descends from.

        Returns:
            What runs now.
        """
        live.gone = True
        following = Live(number, when, ((parent, 0),), running=True)
        self.live, self._mask = {following: None}, 1 << number
        return following

    def rivals(self, live: Live) -> list[Live]:
        """Give what could still result in this one in its round: what it need not wait for when it begins early."""
        return [other for other in self.live if self._holds_back(other, live)]

    def joins_ahead(self, live: Live) -> list[int]:
        """Give the nodes with a join of their own that this execution can still result in."""
        return [number for number in self._joins if number in self._nest.reach(live.number)]

    def end(self, live: Live) -> None:
        """Note that an execution ended, or will never begin."""
        live.gone = True
        if not live.running:
            self._waiting.pop((live.number, live.when), None)
            if live in self._called:
                self._called.remove(live)
        del self.live[live]
        more = self._more.pop(live.number, 0)
        if more > 1:
            self._more[live.number] = more - 1
        elif not more:
            self._mask &= ~(1 << live.number)

    def _count(self, number: int) -> None:
        if self._mask >> number & 1:
            self._more[number] = self._more.get(number, 0) + 1
        else:
            self._mask |= 1 << number

    def begin(self) -> list[Live]:
        """Give the executions that may begin now, in order of their first trigger; from then on they run."""
        ready: list[Live] = []
        if len(self.live) == 1 and self._waiting:  # a chain: what is alone is held back by nobody
            (only,) = self.live
            self._waiting.clear()
            only.running, only.blocker = True, None
            return [only]
        if self._waiting:
            ready = self._free()
            for live in ready:
                del self._waiting[live.number, live.when]
                live.running = True
                live.blocker = None
        if self._called:
            called, self._called = self._called, []
            for live in called:
                live.running = True
            ready = called + ready
        return ready

    def _free(self) -> list[Live]:
        ready: list[Live] = []
        tangled = False
        for live in self._waiting.values():
            blocker = live.blocker
            if blocker is not None and blocker.running and not (blocker.gone or self._joins):
                continue  # where many branches meet, this is asked each time that one of them ends
            if self._may_begin(live):
                ready.append(live)
            elif live.blocker is not None and not live.blocker.running:
                tangled = True
        return ready + self._mutually_blocked(ready) if tangled else ready

    def _may_begin(self, live: Live) -> bool:
        if self._joins and (join := self._joins.get(live.number)) is not None and join.need is not None:
            arrived = sum(moment.error is None for moment, _ in live.parents)
            if arrived >= join.need:
                return True
        if live.blocker is not None and not live.blocker.gone:
            return False
        others = self._mask
        if live.number not in self._more:
            others &= ~(1 << live.number)
        # Most nodes are alone, or cannot be reached by anything alive: one bit operation says so.
        if not others or not others & self._nest.sources(live.number):
            return True
        # The last first: where branches end in the order in which they began, the first is the next to be gone, and
        # each that arrives would have to look for another (1.2 µs).
        live.blocker = next((other for other in reversed(self.live) if self._holds_back(other, live)), None)
        return live.blocker is None

    def _holds_back(self, other: Live, live: Live) -> bool:
        return other is not live and self._nest.holds_back(other.number, other.when, live.number, live.when)

    def _mutually_blocked(self, ready: list[Live]) -> list[Live]:
        """Give the waiting executions that only wait for one another, so that nothing else could ever free them."""
        if not any(live not in ready and self._goes_round(live) for live in self._waiting.values()):
            return []
        held_back = [live for live in self._waiting.values() if live.blocker is not None and live not in ready]
        behind = {live: self._all_behind(live) for live in held_back}
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
            for other in self.live:
                if other not in found and self._holds_back(other, one):
                    found.add(other)
                    if not other.running:
                        todo.append(other)
        return found
