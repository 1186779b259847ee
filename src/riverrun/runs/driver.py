"""The asyncio shell of the machine: one task group per run, in which nodes run and their ends are signals.

A *lane* is a task that runs one node after another: whatever the end of a node triggers first goes on in the same lane,
so a chain costs no task switch (2.9 µs per node in a lane, 14 with a task each); only parallel work gets lanes of its
own. All decisions are the machine's; this file starts, cancels and reports.

It does not know HTTP, other runs, or where the log lives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from riverrun.base.clock import Clock
from riverrun.base.errors import Fenced, RiverrunError
from riverrun.events.kinds import RunStarted
from riverrun.graph.machine import Machine
from riverrun.graph.moves import RunState
from riverrun.graph.step import AskRouters, CancelNode, RunNode
from riverrun.runs.context import Context
from riverrun.runs.perform import Execution, ask_routers, describe
from riverrun.runs.pool import Pool
from riverrun.runs.writer import Writer

Work = RunNode | AskRouters
_NOT_OF_THE_NODE = (Fenced, asyncio.CancelledError, KeyboardInterrupt, GeneratorExit)


class Driver:
    """Run one run to its end.

    Args:
        machine: Brought to where the log ends.
        writer: The pen of this run.
        pool: Threads for sync nodes.
        clock: The time.
        tenant: Whose run it is.
        strict: Refuse values that are not JSON.
        may_begin: Awaited before every node: returns once this worker's lease allows side effects.

    Attributes:
        machine: As given.
        error: The exception that ended the run, as user code raised it.
    """

    def __init__(
        self,
        machine: Machine,
        writer: Writer,
        pool: Pool,
        clock: Clock,
        *,
        tenant: str,
        strict: bool,
        may_begin: Callable[[], asyncio.Future[None] | None] = lambda: None,
    ) -> None:
        self.machine = machine
        self.error: BaseException | None = None
        self._writer = writer
        self._pool = pool
        self._now = clock.now_ms
        self._tenant = tenant
        self._strict = strict
        self._may_begin = may_begin
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._contexts: dict[str, Context] = {}
        self._begun: set[str] = set()
        self._cancelled: set[str] = set()
        self._group: asyncio.TaskGroup | None = None
        self._leaving = False  # whether lanes are cancelled because the run is left as it is

    async def run(self, started: RunStarted) -> None:
        """Run until the terminal event is in the log.

        Args:
            started: The first event of the log.

        Raises:
            Fenced: E4004, the run has another owner; nothing more was written.
            asyncio.CancelledError: The worker shuts down; the run stays as it is in the log.
            RiverrunError: The log could not be written in a way that can be mended by waiting.
        """
        timer: asyncio.TimerHandle | None = None
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                if started.timeout is not None:
                    left = started.timeout - (self._now() - started.ts) / 1000
                    timer = asyncio.get_running_loop().call_later(max(left, 0.0), self.expire)
                self._go_on()
                await self._write()
        except BaseExceptionGroup as failed:
            first = _first(failed)
        else:
            return
        finally:
            if timer is not None:
                timer.cancel()
            self._writer.release()
            self._group = None
        raise first  # out here: it keeps the cause that it has

    async def _write(self) -> None:
        try:
            await self._writer.run()
        except BaseException:
            self._leaving = True  # before the group cancels the lanes
            raise

    def stop(self, reason: str) -> None:
        """End the run because its user wants it to end. Does nothing once it is ending."""
        if self.machine.state is RunState.RUNNING:
            self.machine.stopped(reason, self._now())
            self._go_on()

    def expire(self) -> None:
        """End the run because its time is over. Does nothing once it is ending."""
        if self.machine.state is RunState.RUNNING:
            self.machine.expired(self._now())
            self._go_on()

    # The outlet of nodes

    def chunk(self, exec_id: str, key: str | None, value: object) -> None:
        """Take a chunk of a node."""
        self.machine.yielded(exec_id, key, value, self._now())
        self._push()

    def update(self, exec_id: str, update: Mapping[str, Any]) -> None:
        """Take an update that a generator yielded."""
        self.machine.updated(exec_id, update)

    @property
    def full(self) -> bool:
        """Whether producers must wait."""
        return self._writer.full

    async def room(self) -> None:
        """Wait until producers may go on."""
        await self._writer.room()

    def _emit(self, exec_id: str, name: str, value: object) -> None:
        # Late words of an orphaned thread, or of an attempt that is over, are refused here: they reach nobody.
        if exec_id in self._contexts and exec_id not in self._cancelled:
            self.machine.emitted(exec_id, name, value, self._now())
            self._push()

    def _push(self) -> None:
        """Push, wherever we are, also in user code or a callback: what the log refuses breaks the run, not those."""
        try:
            self._writer.push()
        except RiverrunError as error:
            if self._group is not None and not self._leaving:
                self._leaving = True
                self._group.create_task(_raise(error))

    # Lanes

    def _open_lane(self, work: Work) -> None:
        if self._group is not None:
            self._lanes[work.exec_id] = self._group.create_task(self._lane(work))

    async def _lane(self, work: Work) -> None:
        task = asyncio.current_task()
        following: Work | None = work
        while following is not None and task is not None:
            work, exec_id = following, following.exec_id
            self._lanes[exec_id] = task
            self._begun.add(exec_id)
            try:
                if exec_id in self._cancelled:  # told to end before it began
                    self.machine.cancelled(exec_id, self._now())
                elif isinstance(work, RunNode):
                    await self._run_node(work)
                else:
                    await self._ask(work)
            except asyncio.CancelledError as error:
                if exec_id in self._cancelled:
                    self.machine.cancelled(exec_id, self._now())
                elif self._leaving:
                    raise  # the worker shuts down, or the log is lost: that is no end of the node
                else:  # nobody cancelled this task: the node's own code let one out
                    self._failed(exec_id, exec_id.rpartition(":")[0], error)
            finally:
                # What cancelled one node says nothing to the next; a task group inside a node leaves such marks too.
                while task.cancelling() and not self._leaving:
                    task.uncancel()
                self._cancelled.discard(exec_id)
                self._lanes.pop(exec_id, None)
                self._begun.discard(exec_id)
                self._contexts.pop(exec_id, None)
            following = self._next()
            self._push()
            if self._leaving:  # and the node did not care: its work counts, nothing follows
                raise asyncio.CancelledError

    async def _run_node(self, order: RunNode) -> None:
        exec_id, node = order.exec_id, order.node
        gate = self._may_begin()
        if gate is not None:
            await gate
        context = self._contexts[exec_id] = self._context(order)
        execution = Execution(node, exec_id, self.machine.plan.schema, self, self._pool, strict=self._strict)
        try:
            outcome = await execution.run(order.state, context)
            goto = self.machine.plan.check_goto(node.name, outcome.goto)
        except _NOT_OF_THE_NODE:
            raise
        except BaseException as error:  # noqa: BLE001  # user code: whatever it raises is the node's failure
            self._failed(exec_id, node.name, error)
        else:
            self.machine.returned(exec_id, outcome.update, outcome.streamed, goto, self._now())

    async def _ask(self, order: AskRouters) -> None:
        plan = self.machine.plan
        try:
            targets = await ask_routers(order.routers, order.state, plan.nodes)
        except _NOT_OF_THE_NODE:
            raise
        except BaseException as error:  # noqa: BLE001  # user code: whatever it raises is the node's failure
            self._failed(order.exec_id, order.routers[0].source, error)
        else:
            self.machine.routed(order.exec_id, tuple(targets), self._now())

    def _failed(self, exec_id: str, node: str, error: BaseException) -> None:
        if exec_id not in self._cancelled and self.error is None:
            self.error = error
        self.machine.failed(exec_id, describe(error, node), self._now())

    def _go_on(self) -> None:
        if self._group is None:
            return  # not begun: `run` will find the orders
        following = self._next()
        self._push()
        if following is not None:
            self._open_lane(following)

    def _next(self) -> Work | None:
        """Carry out what the machine ordered; give the first piece of work to the lane that asks."""
        orders, self.machine.commands = self.machine.commands, []
        mine: Work | None = None
        for order in orders:
            if isinstance(order, CancelNode):
                self._cancel(order.exec_id)
            elif mine is None:
                mine = order
            else:
                self._open_lane(order)
        return mine

    def _cancel(self, exec_id: str) -> None:
        self._cancelled.add(exec_id)
        context = self._contexts.get(exec_id)
        if context is not None:
            context.tell_stopping()
        lane = self._lanes.get(exec_id)
        # A lane that has not begun yet would never report a cancellation; it looks at `_cancelled` when it begins.
        if lane is not None and exec_id in self._begun:
            lane.cancel()

    def _context(self, order: RunNode) -> Context:
        exec_id = order.exec_id
        return Context(
            run=self.machine.run,
            tenant=self._tenant,
            node=order.node.name,
            exec_id=exec_id,
            attempt=order.attempt,
            remaining_steps=self.machine.remaining,
            emit=partial(self._emit, exec_id),
            strict=self._strict,
        )


async def _raise(error: RiverrunError) -> None:
    raise error


def _first(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    """Give the one exception that matters of a group: losing the run outweighs what followed from it."""
    found: list[BaseException] = []
    todo: list[BaseException] = [failed]
    while todo:
        one = todo.pop()
        if isinstance(one, BaseExceptionGroup):
            todo.extend(one.exceptions)
        else:
            found.append(one)
    for kind in (Fenced, RiverrunError, Exception):
        for one in found:
            if isinstance(one, kind):
                return one
    return RuntimeError(f"{type(found[0]).__name__} in the worker")
