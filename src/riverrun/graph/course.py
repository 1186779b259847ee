"""Where one graph of a run is: what waits, what runs, what the finished ones left, and what they add up to.

A sub graph that runs has a course of its own, inside a step of the graph around it. The machine speaks to the world
(signals, events, commands); a course only follows edges. It emits nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from riverrun.base.errors import NodeError, RiverrunError
from riverrun.events.kinds import ErrorInfo, RunStarted, Send
from riverrun.graph.merge import Moment, Parents, common_origin, joined, meet, node_of
from riverrun.graph.node import END
from riverrun.graph.plan import Plan
from riverrun.graph.schedule import Live, Schedule
from riverrun.graph.state import State
from riverrun.graph.step import FIRST, StepOf


class Step(StepOf["Course"], eq=False):
    """One execution of a node of a course."""


class Course:
    """Follow the edges of a plan.

    Args:
        plan: The graph.
        owner: The step in whose place it runs; None for the graph of the run itself.

    Attributes:
        plan: As given.
        owner: As given.
        ns: The executions of the sub graphs around it, outermost first.
        attempt: What its steps begin with: higher than any before, also where a step of an earlier try was tried again,
            so that an execution and its attempt name one thing in the whole log.
        tries: The highest attempt of its steps so far.
        first_id: The execution of its START.
        before: Nodes before which it holds.
        after: Nodes after which it holds.
        passes: Whether it does not hold at what follows its START: the run was held there already.
        said: The messages of its steps that have ended.
        cut: Those of them that were cut short by a failure.
        closed: Whether nothing more can happen in it.
    """

    def __init__(self, plan: Plan, owner: Step | None = None) -> None:
        self.plan = plan
        self.owner = owner
        self.ns: tuple[str, ...] = () if owner is None else (*owner.course.ns, owner.exec_id)
        self.attempt: int = 1 if owner is None else max(owner.attempt, owner.tries_inside + 1)
        self.tries = self.attempt
        self._path = "" if owner is None else f"{owner.exec_id}/"
        self.first_id = f"{self._path}{FIRST}"
        self.before, self.after = plan.before, plan.after
        self.passes = False
        self.said: list[str] = []
        self.cut: list[str] = []
        self.closed = False
        self._schedule = Schedule(plan.nest, plan.joins)
        self._ordinals: dict[str, int] = {}
        self._leaves: Parents = ()
        self._first: Step | None = None
        self._given: State = {}

    @property
    def finished(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return not self._schedule.live and self._first is None

    def open(self, base: State, given: State, started: RunStarted | None = None) -> Step:
        """Give the step of START, which runs no function: it writes the input and is followed by the first nodes.

        Args:
            base: The state that the input is written to.
            given: The input.
            started: The first event of the run, which may let it begin elsewhere; None for a sub graph.

        Returns:
            The step.
        """
        behind = None if started is None else started.node
        live = Live(0, ())
        if behind is not None:
            live = Live(self.plan.number[behind], self.plan.nest.outset(self.plan.number[behind]))
        origin = Moment("", (), base)
        step = self._first = Step(self.first_id, self, None, live, base, origin, seen=base, attempt=self.attempt)
        if self.owner is not None:
            self._given = given
        step.updates = [given]
        if behind is not None:
            step.source = behind
        if started is not None and started.goto is not None:
            step.goto, step.jumps = started.goto, True
        return step

    def ready(self) -> list[Live]:
        """Give what may begin now; each must be begun, or the run ended."""
        return self._schedule.begin()

    def begin(self, live: Live) -> Step:
        """Let an execution begin.

        Args:
            live: One of those that `ready` gave.

        Returns:
            Its step, with the state that it sees.

        Raises:
            NodeError: E3004, the branches that meet here wrote one key without a reducer; E3007, a reducer raised;
                E3017, too few branches arrived well.
        """
        node = self.plan.nodes[self.plan.names[live.number]]
        if node.join is not None and not live.called:
            self._check_join(node.name, node.join.least, live)
        parents = live.parents
        if len(parents) == 1:
            origin = parents[0][0]
            base = origin.state
        else:
            base, origin, live.parents = meet(self.plan.schema, parents)
        ordinal = self._ordinals[node.name] = self._ordinals.get(node.name, 0) + 1
        live.exec_id = f"{self._path}{node.name}:{ordinal}"
        name, seen = node.name, live.arg if live.called else base
        return Step(live.exec_id, self, node, live, base, origin, name, name, node.agent, seen, self.attempt)

    def holds(self, step: Step) -> str | None:
        """Say whether the run was told to hold `before` this step, or `after` what it follows."""
        if self.passes and all(moment.exec_id == self.first_id for moment, _ in step.live.parents):
            return None
        if self.before and ("*" in self.before or step.name in self.before):
            return "before"
        if self.after:
            parents = [node_of(moment.exec_id) for moment, _ in step.live.parents if moment.exec_id != self.first_id]
            if any("*" in self.after or name in self.after for name in parents):
                return "after"
        return None

    def followers(self, step: Step) -> tuple[str, ...]:
        """Give the names of what follows a step for certain, whatever routers may say."""
        names = () if step.jumps else self.plan.targets.get(step.source, ())
        chosen = (each if isinstance(each, str) else each.node for each in step.goto or ())
        return tuple(name for name in dict.fromkeys((*names, *chosen)) if name != END)

    def complete(self, step: Step, after: State, *, lone: bool = False) -> Live | None:
        """Take in that a step ended well, and trigger what follows it.

        Args:
            step: Which one.
            after: The state after it.
            lone: Whether what follows may begin here, where nothing else is alive.

        Returns:
            What has begun here, and must be begun by the machine; None: `ready` will say.
        """
        schedule, plan = self._schedule, self.plan
        source, when = step.live.number, step.live.when
        targets, calls = self._following(step)
        if lone and len(targets) == 1 and not (calls or self._leaves) and len(schedule.live) == 1:
            number = plan.number[targets[0]]
            if targets[0] != END:
                moment = Moment(step.exec_id, (), after)
                return schedule.hand_on(step.live, number, plan.nest.step(source, when, number), moment)
        if step.node is not None:
            schedule.end(step.live)
        if schedule.live or self._leaves:
            origin = step.origin  # written out: a call for each branch of a fan would be 0.1 µs
            moment = Moment(step.exec_id, step.live.parents, after, step.writes, origin, None, origin.depth + 1)
        else:
            # Nothing else is alive, so no meeting will look further back than this: it has no past. A loop of a million
            # steps keeps one moment, not a million.
            moment = Moment(step.exec_id, (), after)
        if step is self._first:
            self._first = None
        if END in targets or not (targets or calls):
            self._leaves = joined(self._leaves, moment, 0)
        for edge, target in enumerate(targets):
            if target != END:
                number = plan.number[target]
                schedule.trigger(number, plan.nest.step(source, when, number), moment, edge)
        for edge, call in enumerate(calls, len(targets)):
            number = plan.number[call.node]
            schedule.call(number, plan.nest.step(source, when, number), moment, edge, call.arg)
        return None

    def _following(self, step: Step) -> tuple[tuple[str, ...], Sequence[Send]]:
        """Give the targets of a step, plain and chosen, each name once, and the calls that it makes."""
        plain, goto = () if step.jumps else self.plan.targets.get(step.source, ()), step.goto
        if not goto:
            return plain, ()
        if len(goto) == 1 and not plain and isinstance(goto[0], str):  # of a router, mostly
            return (goto[0],), ()
        names = dict.fromkeys((*plain, *[each for each in goto if isinstance(each, str)]))
        return tuple(names), [each for each in goto if isinstance(each, Send)]

    # Branches that fail, and branches that nobody needs any more

    def join_of(self, step: Step) -> int | None:
        """Give the node at which a branch may arrive although this step of it failed; None when there is none.

        A node that every way to the join leads through is no branch, unless it was called: there may be many of its
        kind. Who else is under way does not count, for that depends on who is faster.
        """
        ahead = self._schedule.joins_ahead(step.live) if self.plan.joins else []
        nest = self.plan.nest
        for number in sorted(ahead, key=lambda each: -sum(other in nest.reach(each) for other in ahead)):
            if step.live.called or nest.avoidable(step.live.number, number):
                return number
        return None

    def arrive(self, step: Step, join: int, error: ErrorInfo) -> None:
        """Take in that a step failed and that its branch arrives at a join with nothing.

        Args:
            step: Which one.
            join: The node that `join_of` gave.
            error: Why it failed.
        """
        self._schedule.end(step.live)
        moment = Moment.since(step.origin, step.exec_id, step.live.parents, step.base, error=error)
        when = self.plan.nest.earliest(step.live.number, step.live.when, join)
        self._schedule.trigger(join, when, moment, 0)

    def rivals(self, live: Live) -> list[Live]:
        """Give what led to this execution as well and has not arrived when it begins."""
        return self._schedule.rivals(live)

    def withdraw(self, live: Live) -> None:
        """Take in that what waits or runs here is needed no more."""
        self._schedule.end(live)

    def _check_join(self, name: str, least: int, live: Live) -> None:
        arrived = sum(moment.error is None for moment, _ in live.parents)
        if arrived < least:
            errors = [
                f"{node_of(moment.exec_id)}: {moment.error.message}" for moment, _ in live.parents if moment.error
            ]
            what = f"node {name!r} needs {least} branches, and {arrived} arrived well; {'; '.join(errors)}"
            raise NodeError("E3017", what, where=f"node {name!r}")

    # What it adds up to

    def final(self) -> State:
        """Give the state that the whole course adds up to: the end is a meeting point like any other.

        Returns:
            The state.

        Raises:
            NodeError: E3004 or E3007, as `begin`.
        """
        return meet(self.plan.schema, self._leaves)[0]

    def result(self, into: Plan) -> State:
        """Give what this sub graph writes to the graph around it: what changed in it.

        Args:
            into: The graph around it.

        Returns:
            An update.

        Raises:
            NodeError: E3004 or E3007, as `begin`.
        """
        final = self.plan.schema.output(self.final())
        return self.plan.schema.changes(self._given, final, into.schema)

    def settled(self) -> State:
        """Give the state as far as it is settled, for a run that goes on or was cut short."""
        seen = dict(self._leaves)
        for live in self._schedule.live:
            seen.update(live.parents)
        parents = tuple(seen.items())
        if not parents:  # only START is, or was, under way
            first = self._first
            return {} if first is None else self.plan.schema.write(first.base, first.writes)
        try:
            return meet(self.plan.schema, parents)[0]
        except RiverrunError:
            # Branches in conflict: what they had in common before is all that is settled.
            return common_origin(parents).state
