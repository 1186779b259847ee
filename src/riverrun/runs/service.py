"""Runs on a store: start, stop, look at them, and take over what other workers left unfinished.

This is what a server calls; control flows back to runs through here only. It is given a store and cannot name one, and
knows no HTTP. Who drives the runs is `riverrun.runs.owner`.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any, Literal

from msgspec.structs import replace

from riverrun.base.errors import CursorError, InputError, NotFound
from riverrun.base.ids import new_log_id, new_run_id
from riverrun.events.kinds import Base, Json, RunStarted
from riverrun.graph.fork import fork
from riverrun.graph.machine import Machine
from riverrun.graph.plan import Plan
from riverrun.graph.questions import check_answers, match_answers
from riverrun.graph.replay import replay
from riverrun.log.store import Created, RunFilter, RunKey, RunRow
from riverrun.runs.admit import admit
from riverrun.runs.attendance import KIND as READERS
from riverrun.runs.attendance import mark
from riverrun.runs.history import first_of, read_log
from riverrun.runs.owner import Owner

_log = logging.getLogger("riverrun.runs")

WhenBusy = Literal["reject", "enqueue", "stop"]


class RunService(Owner):
    """Start, stop and look at runs; drive those that this worker owns. Made with what an `Owner` is made with."""

    async def start(  # noqa: PLR0913  # what may be said about a run
        self,
        tenant: str,
        graph: str,
        input: object,  # noqa: A002  # the field's standard name for it
        *,
        thread: str | None = None,
        limit: int | None = None,
        timeout: float | None = None,  # of the run, not of this call
        context: Json = None,
        config: Json = None,
        when_busy: WhenBusy = "reject",
        grace: float | None = None,
        idem_key: str | None = None,
    ) -> Created:
        """Start a run; answers before any node of it runs.

        Args:
            tenant: Whose run it is.
            graph: Name of the graph.
            input: A mapping of keys of its state.
            thread: The conversation it belongs to: the run begins with the state that the run before left.
            limit: Executions of nodes that it may make; None: `recursion_limit` of the settings.
            timeout: Seconds it may take; None: no limit.
            context: What its nodes may read of it.
            config: What its nodes see as config.
            when_busy: What to do when the thread has a run that has not ended: `reject` this one, `enqueue` it behind,
                or `stop` that one first.
            grace: Seconds without a reader, once there was one, after which it is stopped; None: it goes on.
            idem_key: The same key gives the run that the first call made.

        Returns:
            The run, and whether it is new.

        Raises:
            NotFound: E2004, no such graph.
            InputError: E2010, the input does not fit; E2013, the key was used for another request.
            Busy: E3010, too many runs; E3018, the thread is busy.
            StoreError: E4002, the store cannot be written.
        """
        plan = self.graphs.get(graph)
        if plan is None:
            raise NotFound("E2004", f"there is no graph {graph!r}; there are: {', '.join(self.graphs) or 'none'}")
        now_ms, given = self._clock.now_ms(), plan.schema.check_input(input)
        before = None if thread is None else await self._run_before(tenant, thread, when_busy)
        base = None if before is None else Base(before.key.run)
        started = RunStarted(
            seq=1,
            ts=now_ms,
            run=new_run_id(now_ms),
            graph=graph,
            input=given,
            log=new_log_id(),
            limit=limit or self.settings.recursion_limit,
            timeout=timeout,
            thread=thread,
            grace=grace,
            base=base,
            context=context,
            config=config,
        )
        behind = before is not None and before.status != "ended"
        machine: Machine | None = None
        if not behind:  # else what that run will leave is not known yet; it has made all starting values
            machine, started = await self._first_machine(plan, tenant, started, given)
        at_once = not behind and admit(len(self._tasks) + self._starting, len(self._waiting), self.settings)
        deadline = self._leases.new_deadline()
        self._starting += at_once
        try:
            created = await self.store.create(
                tenant,
                started,
                idem_key=idem_key,
                worker=self.worker if at_once else None,
                lease_seconds=self.settings.lease_seconds,
                one_per_thread=thread is not None and when_busy == "reject",
            )
        finally:
            self._starting -= at_once
        self._take_in(created, deadline, machine, started, at_once=at_once)
        return created

    async def _run_before(self, tenant: str, thread: str, when_busy: WhenBusy) -> RunRow | None:
        """Give the run of a thread that the next one goes on from; tell it to end, if that is wanted."""
        rows = await self.store.list(tenant, RunFilter(thread=thread, limit=1))
        before = rows[0] if rows else None
        if before is not None and before.status != "ended" and when_busy == "stop":
            with suppress(InputError):  # it has just ended
                await self.stop(before.key, "another run of its thread takes its place")
        return before

    async def _first_machine(
        self, plan: Plan, tenant: str, started: RunStarted, given: dict[str, Any]
    ) -> tuple[Machine, RunStarted]:
        """Make the machine of a new run, before anything is stored: what it refuses was never acknowledged."""
        state = await self._history.base(plan, tenant, started)
        started = replace(started, defaults=plan.schema.starting_values(given, state or {}))
        return replay(plan, started.run, [started], base=state), started

    def _take_in(
        self, created: Created, deadline: float, machine: Machine | None, started: RunStarted, *, at_once: bool
    ) -> None:
        if not created.fresh:
            return
        self._counts["started"] += 1
        if at_once:
            self._drive(created.row, deadline, machine, started)
        else:
            self._waiting.add(created.row.key)
            if len(self._tasks) + self._starting < self.settings.max_running:
                self._look.set()  # a place became free while the store was written

    async def resume(self, key: RunKey, answers: object, idem_key: str | None = None) -> RunRow:
        """Answer questions of a run, whichever worker owns it.

        Args:
            key: Which run.
            answers: By id of the question, in parts if need be; or the one answer where one question is open.
            idem_key: The same key answers once.

        Returns:
            The run as it is now; it goes on soon.

        Raises:
            NotFound: E2005, no such run; E3014, its graph is not served here.
            InputError: E2009, it has ended; E2015, an answer is to a question that nobody asks.
            StoreError: E4002, the store cannot be written.
        """
        row = await self.row(key)
        if row.status == "ended":
            raise InputError("E2009", f"run {key.run} has ended; nothing can be asked of it any more")
        questions = (await self._history.at(self._plan_of(row), key)).questions
        matched = match_answers(questions, answers)
        check_answers(questions, matched)
        await self.store.control(key, "resume", {"answers": matched}, idem_key)
        self._leases.look_now()
        self._look.set()
        return await self.row(key)

    async def fork(
        self,
        key: RunKey,
        *,
        at: int | None = None,
        limit: int | None = None,
        thread: str | None = None,
        idem_key: str | None = None,
    ) -> Created:
        """Begin a run with a copy of another's log, and go on from there; what failed or was unfinished begins anew.

        Args:
            key: The other run.
            at: The last seq to copy; None: as far as the run can be gone on with.
            limit: Executions of nodes that the fork may make, counted from the beginning; None: as before.
            thread: The conversation it belongs to; None: none.
            idem_key: The same key gives the fork that the first call made.

        Returns:
            The new run.

        Raises:
            NotFound: E2005, no such run; E3014, its graph is not served here.
            InputError: E2016, the log has no event `at`.
            StoreError: E4002, the store cannot be read or written.
        """
        row = await self.row(key)
        plan, events = self._plan_of(row), await read_log(self.store, key)
        now_ms = self._clock.now_ms()
        started = replace(first_of(events), run=new_run_id(now_ms), log=new_log_id(), ts=now_ms, thread=thread)
        prefix = fork(plan, events, started, at=at, limit=limit)
        created = await self.store.create(key.tenant, started, prefix=prefix[1:], idem_key=idem_key)
        if created.fresh:
            self._counts["started"] += 1
            self._waiting.add(created.row.key)
            self._look.set()
        return created

    async def stop(self, key: RunKey, reason: str = "") -> RunRow:
        """Ask a run to stop, whichever worker owns it.

        Args:
            key: Which run.
            reason: Why; it stands in the terminal event.

        Returns:
            The run as it is now; its terminal event follows soon.

        Raises:
            NotFound: E2005, no such run.
            InputError: E2009, it has ended.
            StoreError: E4002, the store cannot be written.
        """
        await self.store.control(key, "stop", {"reason": reason})
        self._leases.look_now()
        return await self.row(key)

    async def attended(self, key: RunKey, server: str, seconds: float) -> None:
        """Tell the owner of a run whether it is read at a server.

        Args:
            key: Which run.
            server: Id of the server.
            seconds: For how long somebody is there, unless more is told; 0 or less: the last one left, so long ago.

        Raises:
            NotFound: E2005, no such run.
            InputError: E2009, it has ended.
            StoreError: E4002, the store cannot be written.
        """
        await self.store.control(key, READERS, mark(server, self._clock.now_ms(), seconds))
        self._leases.look_now()

    async def row(self, key: RunKey) -> RunRow:
        """Give what is known of a run beside its log.

        Raises:
            NotFound: E2005, no such run.
            StoreError: E4002, the store cannot be read.
        """
        rows = await self.store.list(key.tenant, RunFilter(run=key.run, limit=1))
        if not rows:
            raise NotFound("E2005", f"there is no run {key.run!r}")
        return rows[0]

    async def list(self, tenant: str, choice: RunFilter) -> list[RunRow]:
        """Give runs of a tenant, newest first.

        Raises:
            StoreError: E4002, the store cannot be read.
        """
        return await self.store.list(tenant, choice)

    async def state(self, key: RunKey, at: int | None = None) -> dict[str, Any]:
        """Give the state of a run's graph by folding its log.

        Args:
            key: Which run.
            at: Up to this seq; None: all there is.

        Returns:
            The state, as far as it is settled there.

        Raises:
            NotFound: E2005, no such run.
            CursorError: E2006, the log does not reach that far.
            NodeError: E3009, another version of the graph wrote the log; E3014, the graph is not served here.
            StoreError: E4002, the store cannot be read.
        """
        row = await self.row(key)
        plan = self._plan_of(row)
        upto = row.head if at is None else at
        if not 1 <= upto <= row.head:
            raise CursorError("E2006", f"the log goes from 1 to {row.head}, there is no {upto}")
        values = (await self._history.at(plan, key, upto)).values()
        # What an adopted agent keeps for itself is in its log; it is no state of anybody else's (PROTOCOL.md §2).
        own = {name for name in plan.schema.private if name.startswith("__")}
        return {name: value for name, value in values.items() if name not in own} if own else values

    def _plan_of(self, row: RunRow) -> Plan:
        plan = self.graphs.get(row.graph)
        if plan is None:
            raise NotFound("E3014", f"the run is of graph {row.graph!r}, which is not served here")
        return plan
