"""A graph that runs: what `compile()` gives back.

In process a run takes the same path as on a server, machine → driver → log → reader, over a memory store of its own,
so there are no stream modes and no second semantics. It knows no server and no HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

from riverrun.base.clock import SystemClock
from riverrun.base.errors import InputError
from riverrun.base.ids import new_log_id, new_run_id
from riverrun.events.kinds import Event, RunStarted
from riverrun.face.run import Run
from riverrun.graph.build import GraphBuilder
from riverrun.graph.draw import draw_mermaid
from riverrun.graph.explain import explain
from riverrun.graph.plan import Plan
from riverrun.graph.state import State
from riverrun.runs.launch import Means
from riverrun.runs.pool import Pool
from riverrun.runs.settings import RunSettings
from riverrun.stores.memory import MemoryStore

Result = TypeVar("Result")

_TENANT = "local"
_FOREVER = 10.0 * 365 * 24 * 3600  # a lease in process: nobody else could take the run over


class StateGraph(GraphBuilder):
    """Declare a graph; `compile()` makes it run. See `GraphBuilder` for nodes and edges.

    Args:
        state: A TypedDict, dataclass, Struct or pydantic class whose keys may carry reducers
            (`Annotated[list, operator.add]`), or `dict`.
        context_schema: As in `GraphBuilder`, as are the next two.
        input_schema: Class whose keys the input may have.
        output_schema: Class whose keys a result has.

    Raises:
        GraphError: E1007 or E1008, a class cannot be used as a state; E1011, there is no such option.
    """

    def compile(self, *, name: str = "graph") -> CompiledGraph:
        """Check the graph and make it ready to run.

        Args:
            name: Name of the graph; a server may give it another.

        Returns:
            The graph; later changes of the builder do not reach it.

        Raises:
            GraphError: E1003, E1004 or E1005: what is wrong, where, and how to mend it.
        """
        return CompiledGraph(self.plan(name))


class CompiledGraph:
    """Run a graph, any number of times, also at once.

    Args:
        plan: The checked graph.
        settings: Limits of its runs in this process.

    Attributes:
        plan: As given.
    """

    def __init__(self, plan: Plan, settings: RunSettings | None = None) -> None:
        self.plan = plan
        # In process nobody else reads the log, so values need not be JSON.
        self._settings = settings or RunSettings(strict=False, lease_seconds=_FOREVER)
        self._clock = SystemClock()
        self._pool = Pool(self._settings.pool_size)

    def draw_mermaid(self) -> str:
        """Draw the graph as a Mermaid flowchart: plain edges solid, chosen ones dotted, undeclared targets shown."""
        return draw_mermaid(self.plan)

    def explain(self, node: str) -> str:
        """Say in words what a node waits for and why.

        Args:
            node: Its name.

        Returns:
            A few lines of text.

        Raises:
            GraphError: E1003, there is no such node.
        """
        return explain(self.plan, node)

    async def start(
        self,
        input: object = None,  # noqa: A002  # the field's standard name for it
        config: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,  # of the run, not of this call
    ) -> Run:
        """Start a run; it goes on by itself, whoever reads it.

        Args:
            input: A mapping of keys of the state.
            config: `recursion_limit`: how many executions of nodes the run may make (default 1,000).
            timeout: Seconds the run may take; None for no limit.

        Returns:
            The run; no node has run yet.

        Raises:
            InputError: E2010, the input does not fit the state.
        """
        return await self._start(input, config, timeout=timeout, paced=False)

    async def astream(
        self,
        input: object = None,  # noqa: A002  # the field's standard name for it
        config: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,  # of the run, not of this call
    ) -> AsyncIterator[Event]:
        """Start a run and give its events, live. Leaving the loop stops the run; a slow reader slows it down.

        Args:
            input: As in `start`.
            config: As in `start`.
            timeout: As in `start`.

        Yields:
            Every event, once, in order; the last one says how the run ended.

        Raises:
            InputError: E2010, the input does not fit the state.
        """
        run = await self._start(input, config, timeout=timeout, paced=True)
        try:
            async with aclosing(run.pages()) as pages:
                async for events in pages:
                    for event in events:
                        yield event
        finally:
            await run.stop("the reader left")

    async def ainvoke(
        self,
        input: object = None,  # noqa: A002  # the field's standard name for it
        config: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,  # of the run, not of this call
    ) -> State:
        """Run to the end and give the state.

        Args:
            input: As in `start`.
            config: As in `start`.
            timeout: As in `start`.

        Returns:
            The final state.

        Raises:
            InputError: E2010, the input does not fit the state.
            RunFailed: E3011, the run did not complete; `__cause__` is what the node raised.
        """
        run = await self._start(input, config, timeout=timeout, paced=False)
        try:
            return await run.result()
        except asyncio.CancelledError:
            await run.stop("the caller was cancelled")
            raise

    def invoke(self, input: object = None, config: Mapping[str, Any] | None = None) -> State:  # noqa: A002  # as above
        """Run to the end and give the state, from code that is not async.

        Args:
            input: As in `start`.
            config: As in `start`.

        Returns:
            The final state.

        Raises:
            InputError: E2010, the input does not fit the state; E6006, an event loop runs here already.
            RunFailed: E3011, the run did not complete.
        """
        return _without_loop(self.ainvoke(input, config), "ainvoke")

    def stream(self, input: object = None, config: Mapping[str, Any] | None = None) -> Iterator[Event]:  # noqa: A002  # as above
        """Start a run and give its events, live, to code that is not async.

        The run advances while the caller asks for the next event.

        Args:
            input: As in `start`.
            config: As in `start`.

        Yields:
            Every event, once, in order.

        Raises:
            InputError: E2010, the input does not fit the state; E6006, an event loop runs here already.
        """
        _refuse_loop("astream")
        with asyncio.Runner() as runner:
            events = aiter(self.astream(input, config))
            try:
                while True:
                    try:
                        yield runner.run(_next(events))
                    except StopAsyncIteration:
                        return
            finally:
                runner.run(_close(events))

    async def _start(
        self,
        given: object,
        config: Mapping[str, Any] | None,
        *,
        timeout: float | None,  # of the run, not of this call
        paced: bool,
    ) -> Run:
        limit = (config or {}).get("recursion_limit", self._settings.recursion_limit)
        if not isinstance(limit, int) or limit < 1:
            raise InputError("E6006", f"recursion_limit is {limit!r}, not a number from 1")
        now = self._clock.now_ms()
        started = RunStarted(
            seq=1,
            ts=now,
            run=new_run_id(now),
            graph=self.plan.name,
            input=self.plan.schema.check_input(given),
            log=new_log_id(),
            limit=limit,
            timeout=timeout,
        )
        store = MemoryStore(self._clock)
        means = Means(store=store, clock=self._clock, pool=self._pool, settings=self._settings)
        created = await store.create(_TENANT, started, worker="in process", lease_seconds=_FOREVER)
        return Run(self.plan, store, means, created.row, started, paced=paced)


async def _next(events: AsyncIterator[Event]) -> Event:
    return await anext(events)


async def _close(events: AsyncIterator[Event]) -> None:
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()


def _refuse_loop(other: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise InputError("E6006", "an event loop runs here already", mend=f"Use {other} in async code.")


def _without_loop(work: Coroutine[Any, Any, Result], other: str) -> Result:
    try:
        _refuse_loop(other)
    except InputError:
        work.close()
        raise
    return asyncio.run(work)
