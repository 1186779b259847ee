"""Where a run is in its graph: what waits, what runs, what the finished ones left, and what they add up to.

The machine speaks to the world (signals, events, commands); the course only follows edges. It emits nothing.
"""

from __future__ import annotations

from riverrun.base.errors import RiverrunError
from riverrun.graph.merge import Moment, Parents, meet
from riverrun.graph.node import END, START
from riverrun.graph.plan import Plan
from riverrun.graph.schedule import Live, Schedule
from riverrun.graph.state import State
from riverrun.graph.step import Step


class Course:
    """Follow the edges of a plan.

    Args:
        plan: The graph.

    Attributes:
        steps: What runs, by execution id.
        made: How many executions began.
    """

    def __init__(self, plan: Plan) -> None:
        self.steps: dict[str, Step] = {}
        self.made = 0
        self._plan = plan
        self._schedule = Schedule(plan.nest)
        self._ordinals: dict[str, int] = {}
        self._leaves: Parents = ()

    @property
    def finished(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return not self._schedule and not self.steps

    def open(self) -> Step:
        """Give the step of START, which runs no function: it writes the input and is followed by the first nodes."""
        step = Step(f"{START}:1", None, Live(0, ()), {}, Moment("", (), {}))
        self.steps[step.exec_id] = step
        return step

    def ready(self) -> list[Live]:
        """Give what may begin now; each must be begun, or the run ended."""
        return self._schedule.begin()

    def name(self, live: Live) -> str:
        """Give the name of the node of an execution."""
        return self._plan.names[live.number]

    def begin(self, live: Live) -> Step:
        """Let an execution begin.

        Args:
            live: One of those that `ready` gave.

        Returns:
            Its step, with the state that it sees.

        Raises:
            NodeError: E3004, the branches that meet here wrote one key without a reducer; E3007, a reducer raised.
        """
        node = self._plan.nodes[self.name(live)]
        seen, origin, live.parents = meet(self._plan.schema, live.parents)
        self.made += 1
        ordinal = self._ordinals[node.name] = self._ordinals.get(node.name, 0) + 1
        step = Step(f"{node.name}:{ordinal}", node, live, seen, origin)
        self.steps[step.exec_id] = step
        return step

    def complete(self, step: Step, after: State) -> None:
        """Take in that a step ended well, and trigger what follows it.

        Args:
            step: Which one.
            after: The state after it.
        """
        del self.steps[step.exec_id]
        if step.node is not None:
            self._schedule.end(step.live)
        moment = Moment(step.exec_id, step.live.parents, after, step.writes, step.origin)
        if not self._schedule and not self._leaves:
            moment.forget()  # nothing else is alive: a loop of a million steps keeps one moment, not a million
        source, when = step.live.number, step.live.when
        targets = dict.fromkeys((*self._plan.targets.get(step.name, ()), *(step.goto or ())))
        if END in targets or not targets:
            self._leaves = (*self._leaves, (moment, 0))
        for edge, target in enumerate(targets):
            if target != END:
                number = self._plan.number[target]
                self._schedule.trigger(number, self._plan.nest.step(source, when, number), moment, edge)

    def drop(self, step: Step) -> None:
        """Take in that a step ended without a result."""
        del self.steps[step.exec_id]

    def final(self) -> State:
        """Give the state that the whole run adds up to: the end is a meeting point like any other.

        Returns:
            The state.

        Raises:
            NodeError: E3004 or E3007, as `begin`.
        """
        return meet(self._plan.schema, self._leaves)[0]

    def settled(self) -> State:
        """Give the state as far as it is settled, for a run that goes on or was cut short."""
        parents = list(self._leaves)
        for live in self._schedule.waiting:
            parents += live.parents
        for step in self.steps.values():
            parents += step.live.parents
        seen = dict(reversed(parents))  # the first of two edges from one moment counts
        if not seen:
            return {}
        try:
            return meet(self._plan.schema, tuple(seen.items()))[0]
        except RiverrunError:
            # Branches in conflict: what they had in common before is all that is settled.
            return min(seen, key=lambda moment: moment.depth).state
