"""What follows from a signal: what begins, what is cancelled, when sub graphs and the run itself end.

The lower half of the machine (`riverrun.graph.machine`), which takes the signals. Like it, this knows no asyncio, clock
or store, and calls no user code but reducers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from riverrun.base.errors import NodeError, RiverrunError
from riverrun.events.kinds import (
    ErrorInfo,
    Event,
    Json,
    NodeCancelled,
    NodeFailed,
    NodeInterrupted,
    NodeRetrying,
    Question,
    RunFailed,
)
from riverrun.graph.course import Course, Step
from riverrun.graph.moves import RUN_MOVES, RunState, StepState, move
from riverrun.graph.questions import question_id
from riverrun.graph.schedule import Live
from riverrun.graph.standing import Standing
from riverrun.graph.state import State
from riverrun.graph.step import AskRouters, CancelNode, DropNode, JudgeNode

# Names, because to ask an Enum for its member takes 80 ns, and a node asks several times.
_RUNNING, _COMPLETED = RunState.RUNNING, StepState.COMPLETED
_MEND_LIMIT = "Raise recursion_limit, or look for a loop that never ends; the state so far is kept"


class Flow(Standing):
    """Let everything follow that can.

    Args:
        plan: The graph.
        run: Id of the run.
    """

    # A step ends well

    def _given(self, step: Step, after: State, now: int, *, cached: bool = False) -> None:
        """Ask the routers of a node that gave back, unless nothing can follow any more."""
        step.given = True
        routers = step.course.plan.routers.get(step.source)
        if routers and self.state is _RUNNING and not step.jumps:
            step.reached = after
            self.commands.append(AskRouters(step.exec_id, routers, after))
            return
        step.state = _COMPLETED
        self._completed(step, after, now, cached=cached)

    def _completed(self, step: Step, after: State, now: int, *, cached: bool = False) -> None:
        course = step.course
        # START is no node, but where its routers led is a fact that a replay needs.
        if step.node is not None or step.goto is not None:
            self.seq += 1
            self.events.append(step.completed(self.seq, now, self.run, cached=cached))
        del self.steps[step.exec_id]
        if course.owner is not None:
            course.said += step.heard
        lone = course.complete(step, after, lone=self.state is _RUNNING and not self._advancing)
        self._advance(course, now, lone)

    def _left(self, step: Step, now: int) -> None:
        """End the sub graph of a step that leaves it, and let the sub graph's own step write and go on."""
        course, owner = step.course, step.course.owner
        step.state = StepState.COMPLETED
        self.seq += 1
        self.events.append(step.completed(self.seq, now, self.run, leaves=True))
        del self.steps[step.exec_id]
        course.said += step.heard
        if owner is None or self.state is not RunState.RUNNING:
            self._advance(course, now)
            return
        self._drop_inside(owner, "left", now)
        self._end_inside(owner)
        owner.updates += [dict(each) for each in step.writes]
        self._return(owner, step.goto or (), now)

    def _return(self, step: Step, goto: tuple[Any, ...], now: int) -> None:
        """Let a sub graph's step end with what it has written."""
        step.take("returned")
        step.goto = goto or None
        try:
            after = step.course.plan.schema.write(step.base, step.writes)
        except RiverrunError as error:
            step.state = StepState.FAILED
            self._broken(step, error_info(error), now)
        else:
            self._given(step, after, now)

    # Going on

    def _advance(self, course: Course, now: int, lone: Live | None = None) -> None:
        """Begin what may begin in a course, end what is done, and see whether the run rests."""
        if self._advancing:  # the loop below goes on with it: a chain of empty sub graphs needs no stack
            self._stirred.append(course)
            return
        self._advancing = True
        try:
            self._stir(course, now, lone)
            while self._stirred:
                self._stir(self._stirred.pop(), now)
        finally:
            self._advancing = False
        if self.state is _RUNNING:
            if self._questions.open and self._resting():
                self._park(now)
        elif self.state is RunState.ENDING and len(self.steps) == self._owners:
            self._terminal(now)

    def _stir(self, course: Course, now: int, lone: Live | None = None) -> None:
        if course.closed or self.state is not _RUNNING:
            return
        ready = course.ready() if lone is None else [lone]
        for live in ready:
            # What began before it may have ended it, or the graph, or the run.
            if not (live.gone or course.closed) and self.state is _RUNNING:
                self._begin(course, live, now)
        if not ready and course.finished:
            self._finish(course, now)

    def _begin(self, course: Course, live: Live, now: int) -> None:
        try:
            step = course.begin(live)  # first: what cannot begin for another reason does not cost anything
            if self.made >= self.limit:
                name = course.plan.names[live.number]
                what = f"the run made {self.made} steps, as many as it may; node {name!r} would be next"
                raise NodeError("E3005", what, where=f"node {name!r}", mend=_MEND_LIMIT)
        except RiverrunError as error:
            if error.code == "E3005":
                self._end("broke", RunFailed, now, error=error_info(error))
            else:
                self._collapse(course, error_info(error), now)
            return
        self.made += 1
        self.steps[step.exec_id] = step
        if step.node is not None and step.node.join is not None and not live.called:
            for rival in course.rivals(live):
                self._withdraw(course, rival, now)
        hold = course.holds(step) if course.before or course.after else None
        if hold is None:
            self._launch(step, now)
            return
        step.take("asked")
        question = Question(id=question_id(step.exec_id, 0), node=step.name, exec=step.exec_id, kind=hold)
        self._questions.ask(step, question)
        self._emit(NodeInterrupted, now, **step.label, question=question)

    def _launch(self, step: Step, now: int) -> None:
        """Tell that a step began, and have it run."""
        self.seq += 1
        self.events.append(step.began(self.seq, now, self.run))
        if step.node is not None and step.node.manner == "graph":
            self._open_inside(step, now)
        else:
            self.commands.append(step.order())

    def _answered(self, step: Step, question: Question, answer: Json, now: int) -> None:
        step.take("answered")
        if question.kind != "asked":
            self._launch(step, now)
            return
        step.answers = (*step.answers, answer)
        voids = step.renew()
        self._emit(NodeRetrying, now, **step.label, voids=voids, reason="resumed")
        self.commands.append(step.order())

    def _finish(self, course: Course, now: int) -> None:
        """End the run, or the sub graph, of which nothing is left to do."""
        owner = course.owner
        if self.state is not RunState.RUNNING:
            return
        try:
            if owner is None:
                self._final = course.final()
            else:
                update = course.result(owner.course.plan)
        except RiverrunError as error:
            self._collapse(course, error_info(error), now)
            return
        if owner is None:
            self._terminal(now)
            return
        self._end_inside(owner)
        owner.updates.append(update)
        self._return(owner, (), now)

    # Sub graphs

    def _open_inside(self, step: Step, now: int) -> None:
        """Let a sub graph begin in place of its step."""
        course = step.inside = Course(step.course.plan.inner[step.name], step)
        self._owners += 1
        schema = course.plan.schema
        try:
            given = schema.enter(step.seen)
            after = schema.write(schema.empty(), (given,))
        except RiverrunError as error:
            self._collapse(course, error_info(error), now)
            return
        first = course.open({}, after)
        first.updates = [after]
        self.steps[first.exec_id] = first
        first.take("returned")
        self._given(first, after, now)

    def _end_inside(self, step: Step) -> None:
        course = step.inside
        if course is not None:
            course.closed = True
            step.inside = None
            step.tries_inside = max(step.tries_inside, course.tries)
            step.course.tries = max(step.course.tries, course.tries)
            self._owners -= 1
            step.heard_inside += tuple(course.said)  # it may still be dropped, or fail, while its routers are asked
            if step.course.owner is not None:
                step.course.said += course.said

    def _drop_inside(self, owner: Step, reason: str, now: int) -> None:
        """Cancel everything that is under way below a step."""
        below = f"{owner.exec_id}/"
        for step in reversed([each for each in self.steps.values() if each.exec_id.startswith(below)]):
            self._drop(step, reason, now)

    def _drop(self, step: Step, reason: str, now: int) -> None:
        """Cancel a step that nobody needs any more; it is gone at once, whatever its function still does."""
        if step.exec_id not in self.steps:
            return
        if step.inside is not None:
            self._drop_inside(step, reason, now)
        self._questions.forget(step)
        del self.steps[step.exec_id]
        said = step.heard_inside if step.inside is None else step.inside.said
        voids = (*dict.fromkeys(said), *step.heard)
        if step.inside is not None:
            self._end_inside(step)
        elif step.state is not StepState.PARKED:
            self.commands.append(DropNode(step.exec_id))
        step.state = StepState.CANCELLED
        if step.node is not None:
            self._emit(NodeCancelled, now, **step.label, voids=voids, reason=reason)

    def _withdraw(self, course: Course, live: Live, now: int) -> None:
        """Cancel what leads to a node that has begun without it."""
        step = self.steps.get(live.exec_id)
        course.withdraw(live)
        if step is not None:
            self._drop(step, "decided", now)

    # A step ends badly

    def _broken(self, step: Step, error: ErrorInfo, now: int) -> None:
        course = step.course
        del self.steps[step.exec_id]
        join = course.join_of(step) if self.state is RunState.RUNNING and step.node is not None else None
        if join is not None:
            voids = (*dict.fromkeys(step.heard_inside), *step.heard)
            self._emit(NodeFailed, now, **step.label, error=error, voids=voids, tolerated=True)
            course.arrive(step, join, error)
            self._advance(course, now)
            return
        self._emit(NodeFailed, now, **step.label, error=error)
        if course.owner is not None and not _is_fatal(course.owner):
            course.said += step.heard
            course.cut += (*step.cut_inside, *step.heard)
        else:
            self._partial += (*step.cut_inside, *step.heard)
        self._collapse(course, error, now)

    def _collapse(self, course: Course, error: ErrorInfo, now: int) -> None:
        """Let a graph fail as a whole."""
        owner = course.owner
        if owner is None or _is_fatal(owner):
            while owner is not None:
                self._emit(NodeFailed, now, **owner.label, error=error)
                self._end_inside(owner)
                del self.steps[owner.exec_id]
                owner = owner.course.owner
            self._end("broke", RunFailed, now, error=error)
            return
        self._drop_inside(owner, "failed", now)
        owner.cut_inside += tuple(course.cut)
        self._end_inside(owner)
        node = owner.node
        if node is not None and (node.retries or node.handler is not None):
            owner.trouble = error
            self.commands.append(JudgeNode(owner.exec_id, node, owner.seen, error, owner.failed))
            return
        owner.take("failed")
        self._broken(owner, error, now)

    def _gone(self, step: Step, now: int) -> None:
        if step.given and step.node is not None:  # only its routers were cut off: what it did is done
            step.state = StepState.COMPLETED
            self._completed(step, self._after(step), now)
            return
        self._partial += (*step.cut_inside, *step.heard)
        del self.steps[step.exec_id]
        self._advance(step.course, now)

    # The end

    def _end(self, signal: str, kind: Callable[..., Event], now: int, **cause: object) -> None:
        first = self.state in (RunState.RUNNING, RunState.PARKED)
        self.state = move(RUN_MOVES, self.state, signal, "the run")
        if not first:
            return
        self._ending = (kind, cause)
        self.closing = kind is not RunFailed
        for step in list(self.steps.values()):
            if step.inside is not None:
                continue
            if step.state is StepState.PARKED or step is self._held:
                self._partial += (*step.cut_inside, *step.heard)
                del self.steps[step.exec_id]
                continue
            step.take("cancel")
            self.commands.append(CancelNode(step.exec_id))
        self._advance(self._root, now)

    def _terminal(self, now: int) -> None:
        if self._final is None:
            self._final = self._root.settled()
        self.state = move(RUN_MOVES, self.state, "finished", "the run")
        self.closing = False
        self.steps.clear()
        kind, cause = self._ending
        self._emit(kind, now, steps=self.made, partial=tuple(self._partial), **cause)


def error_info(error: RiverrunError) -> ErrorInfo:
    """Give what readers may know of an error."""
    return ErrorInfo(code=error.code, message=error.message, where=error.where, mend=error.mend)


def _is_fatal(owner: Step) -> bool:
    """Say whether the failure of a sub graph is that of the run: nobody on the way up could go on without it."""
    step: Step | None = owner
    while step is not None:
        node = step.node
        if node is not None and (node.retries or node.handler is not None):
            return False
        if step.course.join_of(step) is not None:
            return False
        step = step.course.owner
    return True
