"""The asyncio shell of the machine: nodes run in lanes, and their ends are signals.

A *lane* is a task that runs one node after another: whatever the end of a node triggers first goes on in the same lane,
so a chain costs no task switch (2.9 µs per node in a lane, 14 with a task each); only parallel work gets lanes of its
own. All decisions are the machine's; this file starts, cancels and reports.

It does not know HTTP, other runs, or where the log lives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextvars import Context as Variables
from contextvars import copy_context
from typing import Any

from riverrun.base.clock import Clock
from riverrun.base.errors import Fenced, Interrupted, NodeError
from riverrun.events.kinds import RunStarted
from riverrun.graph.course import Course
from riverrun.graph.machine import Machine, error_info
from riverrun.graph.moves import RunState
from riverrun.graph.node import START, Node
from riverrun.graph.step import AskRouters, CancelNode, DropNode, Failure, JudgeNode, RunNode
from riverrun.runs.attempts import next_delay, run_by_policy
from riverrun.runs.cache import InMemoryCache
from riverrun.runs.context import Context, RunFacts, unchanged
from riverrun.runs.lanes import Lanes, Place
from riverrun.runs.perform import Execution, Outcome, ask_routers, begin, check_json, describe, is_plain
from riverrun.runs.points import reach
from riverrun.runs.pool import Pool
from riverrun.runs.voices import Voices
from riverrun.runs.watchdog import watchdog
from riverrun.runs.writer import Writer

Work = RunNode | AskRouters | JudgeNode
Waiting = list[tuple[Work, Variables]]  # what a lane will do, each with the context variables that it is to see
_START = Node(name=START, function=lambda state: state, manner="sync")  # whose routers may ask for a context too
_AWAITED = ("async", "sync")
_ENDS = (CancelNode, DropNode)  # a name: to make a union for every look takes 0.1 µs
_NOT_OF_THE_NODE = (Fenced, asyncio.CancelledError, KeyboardInterrupt, GeneratorExit)


class Driver(Voices):
    """Run one run until it ends or is parked; then it may be run again.

    Args:
        machine: Brought to where the log ends.
        writer: The pen of this run.
        pool: Threads for sync nodes.
        clock: The time.
        facts: What nodes are told of the run.
        cache: Where outcomes of nodes are kept.
        stop_grace: Seconds that a node is given to end once it was told to; then it is abandoned.
        may_begin: Awaited before every node: returns once this worker's lease allows side effects; None: always.

    Attributes:
        machine: As given.
    """

    def __init__(
        self,
        machine: Machine,
        writer: Writer,
        pool: Pool,
        clock: Clock,
        *,
        facts: RunFacts,
        cache: InMemoryCache,
        stop_grace: float,
        may_begin: Callable[[], asyncio.Future[None] | None] | None = None,
    ) -> None:
        super().__init__(machine, writer, Lanes(pool, stop_grace, self._abandoned), clock.now_ms)
        self._clock = clock
        self._pool = pool
        self._facts = facts
        self._cache = cache
        self._may_begin = may_begin

    async def run(self, started: RunStarted) -> None:
        """Run until the terminal event is in the log, or `run.interrupted` and nothing that would go on.

        Args:
            started: The first event of the log.

        Raises:
            Fenced: E4004, the run has another owner; nothing more was written.
            asyncio.CancelledError: The worker shuts down; the run stays as it is in the log.
            RiverrunError: The log could not be written in a way that can be mended by waiting.
        """
        timer: asyncio.TimerHandle | None = None
        if started.timeout is not None:
            left = started.timeout - (self._now() - started.ts - self.machine.parked_ms) / 1000
            timer = asyncio.get_running_loop().call_later(max(left, 0.0), self.expire)
        self._writer.reopen()
        self._watch = watchdog.enter(asyncio.get_running_loop(), self.machine.run, self.blocked)
        try:
            await self._lanes.run(self._writer.run, self._go_on)
        finally:
            watchdog.leave(self._watch)
            if timer is not None:
                timer.cancel()
            self._writer.release()

    def stop(self, reason: str) -> None:
        """End the run because its user wants it to end. Does nothing once it is ending."""
        if self.machine.state in (RunState.RUNNING, RunState.PARKED):
            self.machine.stopped(reason, self._now())
            self._go_on()

    def expire(self) -> None:
        """End the run because its time is over. Does nothing once it is ending, or while it waits for answers."""
        if self.machine.state is RunState.RUNNING:
            self.machine.expired(self._now())
            self._go_on()

    def resume(self, answers: Mapping[str, Any], control: int = 0) -> None:
        """Answer questions of the run.

        Args:
            answers: By id of the question.
            control: Which request brought them.

        Raises:
            IllegalMove: E3012, it is ending or has ended.
            InputError: E2015, an answer is to a question that nobody asks.
        """
        self.machine.resumed(answers, self._now(), control)
        self._go_on()

    # Lanes

    def _go_on(self) -> None:
        if self._lanes.open:  # else not begun: `run` will find the orders
            waiting: Waiting = []
            following = self._next(waiting)
            self._push()
            self._spread(waiting)
            if following is not None:
                self._lanes.start(following.exec_id, self._lane(following, waiting))

    def _next(self, waiting: Waiting) -> Work | None:
        """Carry out what the machine ordered, and give the lane that asks its next piece of work.

        Where one node is followed by many, they wait for this lane: one that never waits itself runs them all. What it
        does not get to in this turn of the loop gets lanes of its own (a task for each at once: 7 µs of a branch); so
        does what would see a context variable that a branch beside it has set.
        """
        orders, self.machine.commands = self.machine.commands, []
        work: list[Work] = []
        for order in orders:
            if isinstance(order, _ENDS):
                self._lanes.cancel(order.exec_id, heard=isinstance(order, CancelNode))
            else:
                work.append(order)
        if len(work) > 1:
            if not waiting:
                asyncio.get_running_loop().call_soon(self._spread, waiting)
            variables = copy_context()
            # The next one last; a deque would take 0.7 KiB of every lane.
            waiting[:0] = [(order, variables) for order in work[:0:-1]]
        if work:
            return work[0]
        while waiting:
            order, variables = waiting.pop()
            if unchanged(variables):
                return order
            self._lanes.start(order.exec_id, self._lane(order, []), variables.copy())
        return None

    def _spread(self, waiting: Waiting) -> None:
        while waiting:
            order, variables = waiting.pop()
            self._lanes.start(order.exec_id, self._lane(order, []), variables.copy())

    async def _lane(self, work: Work, waiting: Waiting) -> None:
        task, lanes = asyncio.current_task(), self._lanes
        following: Work | None = work
        while following is not None:
            exec_id = following.exec_id
            place = lanes.enter(exec_id, task)
            try:
                if place.told:  # to end before it began
                    raise asyncio.CancelledError
                if isinstance(following, RunNode):
                    await self._run_node(following, place)
                elif isinstance(following, AskRouters):
                    await self._ask(following, place)
                else:
                    await self._judge(following, place)
            except asyncio.CancelledError as error:
                self._cancelled(following, place, error)
            finally:
                lanes.leave(exec_id, place)
            if place.abandoned:
                return
            following = self._next(waiting)
            self._push()
            if lanes.leaving:  # and the node did not care: its work counts, nothing follows
                raise asyncio.CancelledError

    def _cancelled(self, work: Work, place: Place, error: asyncio.CancelledError) -> None:
        if place.told:
            if place.counts:
                self.machine.cancelled(work.exec_id, self._now())
        elif self._lanes.leaving:
            raise error  # the worker shuts down, or the log is lost: that is no end of the node
        else:  # nobody cancelled this task: the node's own code let one out
            self._failed(work.exec_id, _name_of(work), error, place)

    def _abandoned(self, exec_id: str) -> None:
        """Go on without a node that was told to end and did not; it is counted, and never heard again."""
        step = self.machine.steps.get(exec_id)
        if step is not None and step.node is not None:
            what = f"node {step.name!r} went on after it was told to end, and was abandoned"
            self.machine.failed(exec_id, error_info(NodeError("E3021", what, where=step.node.where)), self._now())
        self._go_on()

    async def _run_node(self, order: RunNode, place: Place) -> None:
        exec_id, node = order.exec_id, order.node
        if self._may_begin is not None:
            while (gate := self._may_begin()) is not None:  # again: the lease may be over once more by now
                await gate
        if reach:
            reach("node.before")
        try:
            outcome = await (self._run_plain(order, place) if node.plain else run_by_policy(self, order, self._cache))
            if outcome.goto or outcome.leaves:
                self.machine.check_goto(exec_id, outcome.goto, leaves=outcome.leaves)
        except Interrupted as asked:
            self._asked(exec_id, asked, place)
        except _NOT_OF_THE_NODE:
            raise
        except BaseException as error:  # noqa: BLE001  # user code: whatever it raises is the node's failure
            self._failed(exec_id, node.name, error, place)
        else:
            self._returned(exec_id, outcome, place)
            asks = self.machine.commands[0] if len(self.machine.commands) == 1 else None
            if isinstance(asks, AskRouters) and asks.exec_id == exec_id and not place.disturbed:
                self.machine.commands = []
                await self._ask(asks, place)  # in the place that its node has had: 1.2 µs

    async def _run_plain(self, order: RunNode, place: Place) -> Outcome:
        """Run a node without policies; one that gives back an ordinary update needs no `Execution` (2 µs)."""
        node, course = order.node, self.machine.steps[order.exec_id].course  # afterwards it may be gone
        begun = begin(node, order.state, self._context(order, place), self._pool)
        result = await begun if node.manner in _AWAITED else begun
        if is_plain(result, course.plan.schema):
            if self._facts.strict:
                check_json(node, result)
            return Outcome(update=result)
        return await self._execution(order, course).take(result)

    async def _ask(self, order: AskRouters, place: Place) -> None:
        plan = self.machine.steps[order.exec_id].course.plan
        try:
            targets = await ask_routers(order.routers, order.state, plan.nodes, lambda: self._asking(order, place))
        except Interrupted as asked:
            error = TypeError(f"a router cannot interrupt a run: {asked.value!r}")
            self._failed(order.exec_id, order.routers[0].source, error, place)
        except _NOT_OF_THE_NODE:
            raise
        except BaseException as error:  # noqa: BLE001  # user code: whatever it raises is the node's failure
            self._failed(order.exec_id, order.routers[0].source, error, place)
        else:
            if place.counts:
                self.machine.routed(order.exec_id, targets, self._now())

    def _asking(self, order: AskRouters, place: Place) -> Context:
        """Make what a router may ask, for one that asks."""
        step = self.machine.steps[order.exec_id]
        return self._context(RunNode(order.exec_id, step.node or _START, order.state, step.attempt), place)

    async def _judge(self, order: JudgeNode, place: Place) -> None:
        """Decide by the policies of a sub graph's node what its failure means."""
        error = self.cause(order.error) or NodeError(order.error.code, order.error.message, where=order.error.where)
        delay = next_delay(order.node, error, order.failed + 1, spoke=False)
        run = RunNode(order.exec_id, order.node, order.state, self.machine.steps[order.exec_id].attempt)
        if delay is not None:
            await asyncio.sleep(delay)
            self.machine.retried(order.exec_id, "failed", self._now(), error=order.error)
        elif order.node.handler is not None:
            try:
                outcome = await self.handle(self.again(run, "handled", error, 0.0), error)
            except _NOT_OF_THE_NODE:
                raise
            except BaseException as failure:  # noqa: BLE001  # user code: whatever it raises is the node's failure
                self._failed(order.exec_id, order.node.name, failure, place)
            else:
                self._returned(order.exec_id, outcome, place)
        else:
            self.machine.failed(order.exec_id, order.error, self._now())

    # What attempts need (`riverrun.runs.attempts.Host`)

    def monotonic(self) -> float:
        """Give the monotonic time in seconds."""
        return self._clock.monotonic()

    async def once(self, order: RunNode) -> Outcome:
        """Run one attempt."""
        context = self._context(order, self._lanes.at(order.exec_id))
        execution = self._execution(order, self.machine.steps[order.exec_id].course)
        return await execution.run(order.state, context)

    async def handle(self, order: RunNode, error: BaseException) -> Outcome:
        """Run the error handler in place of the node."""
        context = self._context(order, self._lanes.at(order.exec_id))
        execution = self._execution(order, self.machine.steps[order.exec_id].course)
        return await execution.handle(order.state, context, Failure(order.node.name, error))

    def again(self, order: RunNode, reason: str, error: BaseException, delay: float) -> RunNode:
        """Void what was put out, and give the order for the next attempt."""
        place = self._lanes.at(order.exec_id)
        if place is not None and place.context is not None:
            place.context.tell_over()
        info = describe(error, order.node.name)
        self.machine.retried(order.exec_id, reason, self._now(), error=info, delay=delay)
        self._push()
        return self.machine.steps[order.exec_id].order()

    def _execution(self, order: RunNode, course: Course) -> Execution:
        leaving = None if course.owner is None else course.owner.course.plan.schema
        return Execution(
            order.node,
            order.exec_id,
            course.plan.schema,
            self,
            self._pool,
            strict=self._facts.strict,
            leaving=leaving,
        )

    def _context(self, order: RunNode, place: Place | None) -> Context:
        made = Context(self._facts, order, self, self.machine.limit - self.machine.made)
        if place is not None:
            place.context = made
        return made


def _name_of(work: Work) -> str:
    return work.routers[0].source if isinstance(work, AskRouters) else work.node.name
