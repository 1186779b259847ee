"""Where a run is in its graph: what waits, what runs, what the finished ones left, and what they add up to.

The machine speaks to the world (signals, events, commands); the course only follows edges. It emits nothing.
"""

from __future__ import annotations

from riverrun.base.errors import IllegalMove, InputError, NodeError, RiverrunError
from riverrun.graph.merge import Moment, Parents, common_origin, meet
from riverrun.graph.node import END
from riverrun.graph.plan import Plan
from riverrun.graph.schedule import Live, Schedule
from riverrun.graph.state import State
from riverrun.graph.step import FIRST, Step

_MEND_LIMIT = "Raise recursion_limit, or look for a loop that never ends; the state so far is kept"


class Course:
    """Follow the edges of a plan.

    Args:
        plan: The graph.

    Attributes:
        steps: What runs, by execution id.
        made: How many executions began.
        limit: How many may begin.
    """

    def __init__(self, plan: Plan) -> None:
        self.steps: dict[str, Step] = {}
        self.made = 0
        self.limit = 0
        self._plan = plan
        self._schedule = Schedule(plan.nest)
        self._ordinals: dict[str, int] = {}
        self._leaves: Parents = ()
        self._first: Step | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return not self._schedule and not self.steps

    def first(self, value: object) -> tuple[State, State]:
        """Give the input of a run, and the state that it begins with; nothing changes yet.

        Raises:
            InputError: E2010, it is not a mapping of known keys, or a reducer does not take it.
        """
        schema = self._plan.schema
        given = schema.check_input(value)
        try:
            return given, schema.write({}, (given,))
        except NodeError as error:
            raise InputError("E2010", error.message, where=f"input {error.where}") from error

    def open(self) -> Step:
        """Give the step of START, which runs no function: it writes the input and is followed by the first nodes."""
        step = self._first = Step(FIRST, None, Live(0, ()), {}, Moment("", (), {}))
        self.steps[step.exec_id] = step
        return step

    def ready(self) -> list[Live]:
        """Give what may begin now; each must be begun, or the run ended."""
        return self._schedule.begin()

    def take(self, exec_id: str, signal: str) -> Step:
        """Move a step by a signal and give it.

        Raises:
            IllegalMove: E3012, nothing runs under this id, or it cannot take the signal; nothing changed.
        """
        step = self.steps.get(exec_id)
        if step is None:
            raise IllegalMove("E3012", f"there is no execution {exec_id!r} that could take the signal {signal!r}")
        step.take(signal)
        return step

    def begin(self, live: Live) -> Step:
        """Let an execution begin.

        Args:
            live: One of those that `ready` gave.

        Returns:
            Its step, with the state that it sees.

        Raises:
            NodeError: E3004, the branches that meet here wrote one key without a reducer; E3005, the budget of steps
                is used up; E3007, a reducer raised.
        """
        node = self._plan.nodes[self._plan.names[live.number]]
        if self.made >= self.limit:
            what = f"the run made {self.made} steps, as many as it may; node {node.name!r} would be next"
            raise NodeError("E3005", what, where=f"node {node.name!r}", mend=_MEND_LIMIT)
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
        plain = self._plan.targets.get(step.name, ())
        targets = dict.fromkeys((*plain, *step.goto)) if step.goto else plain
        if END in targets or not targets:
            self._leaves = (*self._leaves, (moment, 0))
        for edge, target in enumerate(targets):
            if target != END:
                number = self._plan.number[target]
                self._schedule.trigger(number, self._plan.nest.step(source, when, number), moment, edge)

    def drop(self, step: Step) -> None:
        """Take in that a step ended without a result: it stays in the schedule, so what led to it is not forgotten."""
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
        seen = dict(self._leaves)
        for live in self._schedule.alive:
            seen.update(live.parents)
        parents = tuple(seen.items())
        if not parents:  # only START is, or was, under way
            return {} if self._first is None else self._plan.schema.write({}, self._first.writes)
        try:
            return meet(self._plan.schema, parents)[0]
        except RiverrunError:
            # Branches in conflict: what they had in common before is all that is settled.
            return common_origin(parents).state
