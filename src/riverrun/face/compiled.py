"""A graph that runs: what `compile()` gives back.

In process a run takes the same path as on a server, machine → driver → log → reader, over a memory store. LangGraph's
stream modes are views of the one event vocabulary (`face/modes.py`), not a second path. It knows no server and no HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager, nullcontext
from typing import Any, TypeVar

from riverrun.base.clock import SystemClock
from riverrun.base.errors import InputError
from riverrun.events.kinds import Event, Json
from riverrun.face.called import call_inside
from riverrun.face.options import Config, Options, check_options, merge_configs, read_options
from riverrun.face.run import Run
from riverrun.face.saver import FOREVER, TENANT, InMemorySaver
from riverrun.face.thread import Begun, Threads, first_event
from riverrun.face.threaded import MEND_THREAD, Threaded
from riverrun.graph.draw import draw_mermaid
from riverrun.graph.explain import explain
from riverrun.graph.machine import Machine
from riverrun.graph.node import Command
from riverrun.graph.plan import Plan
from riverrun.graph.state import State
from riverrun.runs.cache import InMemoryCache
from riverrun.runs.context import running
from riverrun.runs.launch import Means
from riverrun.runs.pool import Pool
from riverrun.runs.settings import RunSettings
from riverrun.stores.memory import MemoryStore

Result = TypeVar("Result")
Mode = str | Sequence[str] | None


class CompiledGraph(Threaded):
    """Run a graph, any number of times, also at once.

    Args:
        plan: The checked graph.
        settings: Limits of its runs in this process.
        checkpointer: Keeps threads; None: a run is forgotten with its readers.
        cache: Where nodes keep what they made.
        store: Handed to nodes as `ctx.store`.

    Attributes:
        plan: As given.
        checkpointer: As given.
    """

    def __init__(
        self,
        plan: Plan,
        settings: RunSettings | None = None,
        *,
        checkpointer: InMemorySaver | None = None,
        cache: InMemoryCache | None = None,
        store: Any = None,
    ) -> None:
        self.plan = plan
        self.checkpointer = checkpointer
        # In process nobody else reads the log, so values need not be JSON.
        self._settings = settings or RunSettings(strict=False, lease_seconds=FOREVER)
        self._clock = SystemClock()
        self._pool = Pool.by(self._settings)
        self._cache = cache or InMemoryCache()
        self._memory = store
        self._config: Config = {}

    @property
    def name(self) -> str:
        """Name of the graph."""
        return self.plan.name

    def with_config(self, config: Config | None = None, **more: Any) -> CompiledGraph:
        """Give the same graph with a config that holds where a call says nothing else.

        Args:
            config: As in `start`.
            **more: Further keys of it.

        Returns:
            A graph that shares everything else with this one.
        """
        made = CompiledGraph.__new__(CompiledGraph)
        made.__dict__.update(self.__dict__)
        made._config = merge_configs(self._config, {**(config or {}), **more})  # noqa: SLF001  # its own class
        return made

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

    # Running

    async def start(
        self,
        input: object = None,  # noqa: A002  # the field's standard name for it
        config: Config | None = None,
        *,
        context: Json = None,
        timeout: float | None = None,  # of the run, not of this call
    ) -> Run:
        """Start a run, or go on with that of a thread; it goes on by itself, whoever reads it.

        Args:
            input: A mapping of keys of the state. With a checkpointer also None (go on with what is open) or a
                `Command` (answer with `resume`, or write and go somewhere).
            config: `recursion_limit`: how many executions of nodes the run may make (default 1,000); `configurable`
                with `thread_id` and `checkpoint_id`.
            context: What its nodes may read of it (`ctx.context`).
            timeout: Seconds the run may take; None for no limit.

        Returns:
            The run; no node has run yet.

        Raises:
            InputError: E2010, the input does not fit the state; E2015 or E2016, there is no such question, or nothing
                to go on with.
            Busy: E3018, the thread has a run that is running.
        """
        begun = await self._begin(input, self._read(config, timeout=timeout, context=context), paced=False)
        if isinstance(begun, Begun):
            return begun.run
        raise InputError("E2016", "the thread has nothing left to do", mend="Give an input to begin a new run.")

    async def astream(  # noqa: PLR0913  # LangGraph's names
        self,
        input: object = None,  # noqa: A002  # the field's standard name for it
        config: Config | None = None,
        *,
        stream_mode: Mode = None,
        subgraphs: bool = False,
        version: str = "v1",
        context: Json = None,
        interrupt_before: str | Sequence[str] | None = None,
        interrupt_after: str | Sequence[str] | None = None,
        timeout: float | None = None,  # of the run, not of this call
        **options: object,
    ) -> AsyncGenerator[Any, None]:
        """Start a run and give its events, live. Leaving the loop stops the run; a slow reader slows it down.

        Args:
            input: As in `start`.
            config: As in `start`.
            stream_mode: None: Riverrun's events. Otherwise LangGraph's shapes: `values`, `updates`, `messages`,
                `custom`, or several of them.
            subgraphs: With a mode: whether those of sub graphs are shown too, with where they come from.
            version: With a mode: `v1`, tuples by what was asked for; `v2`, always a mapping.
            context: As in `start`.
            interrupt_before: Nodes before which this run holds.
            interrupt_after: Nodes after which it holds.
            timeout: As in `start`.
            **options: `durability` and `debug`, which are without effect here.

        Yields:
            Every event, once, in order; the last one says how the run ended, or that it is parked. Or what they mean in
            the modes that were asked for.

        Raises:
            InputError: As `start`; E6006, there is no such mode.
            RunFailed: E3011, with a mode: the run did not complete.
        """
        check_options(options)
        chosen = self._read(config, timeout=timeout, context=context, before=interrupt_before, after=interrupt_after)
        if stream_mode is None:
            begun = await self._begin(input, chosen, paced=True)
            if isinstance(begun, Begun):
                async with self._reading(begun) as pages:
                    async for events in pages:
                        for event in events:
                            yield event
            return
        from riverrun.face.modes import Modes, check_modes  # noqa: PLC0415  # a tenth of the import, for who wants a mode

        check_modes(stream_mode, version)  # before anything begins
        begun = await self._begin(input, chosen, paced=True)
        if not isinstance(begun, Begun):
            for part in Modes(self.plan, stream_mode, subgraphs=subgraphs, version=version).still(begun):
                yield part
            return
        before, base = begun.before, begun.base
        view = Modes(self.plan, stream_mode, subgraphs=subgraphs, version=version, before=before, base=base)
        async with self._reading(begun) as pages:
            async for events in pages:
                for event in events:
                    for part in view.take(event):
                        yield part
        await begun.run.result()

    async def ainvoke(  # LangGraph's names
        self,
        input: object = None,  # noqa: A002  # the field's standard name for it
        config: Config | None = None,
        *,
        context: Json = None,
        interrupt_before: str | Sequence[str] | None = None,
        interrupt_after: str | Sequence[str] | None = None,
        timeout: float | None = None,  # of the run, not of this call
        stream_mode: Mode = None,
        **options: object,
    ) -> Any:
        """Run to the end and give the state.

        Called in a node of another graph, its events become events of that run, and its questions questions of the
        node.

        Args:
            input: As in `start`.
            config: As in `start`.
            context: As in `start`.
            interrupt_before: Nodes before which this run holds.
            interrupt_after: Nodes after which it holds.
            timeout: As in `start`.
            stream_mode: With a mode other than `values`: all parts of it, as a list, in place of the state.
            **options: As in `astream`.

        Returns:
            The final state. Of a run that was parked the state so far, with its questions under `__interrupt__`.

        Raises:
            InputError: As `start`.
            RunFailed: E3011, the run did not complete; `__cause__` is what the node raised.
        """
        if stream_mode not in (None, "values"):
            shape: dict[str, Any] = {"stream_mode": stream_mode, "context": context, "timeout": timeout, **options}
            holds: dict[str, Any] = {"interrupt_before": interrupt_before, "interrupt_after": interrupt_after}
            return [part async for part in self.astream(input, config, **shape, **holds)]
        check_options(options)
        chosen = self._read(config, timeout=timeout, context=context, before=interrupt_before, after=interrupt_after)
        call = call_inside()
        if call is not None:
            return await call.result(lambda: self._begin(input, chosen, paced=False))
        begun = await self._begin(input, chosen, paced=False)
        if not isinstance(begun, Begun):
            return self.plan.schema.output(begun)
        try:
            return await begun.run.result()
        except asyncio.CancelledError:
            await begun.run.stop("the caller was cancelled")
            raise

    # How it is done

    def _read(self, config: Config | None, **given: Any) -> Options:
        return read_options(merge_configs(self._config, config), **given)

    @asynccontextmanager
    async def _reading(self, begun: Begun) -> AsyncGenerator[AsyncGenerator[list[Event], None], None]:
        """Read a run as the one who sets its pace; it ends with this reader, and is heard where it was called."""
        call, run = call_inside(), begun.run
        pages = run.pages(begun.after, trims=self.checkpointer is None)
        try:
            with nullcontext() if call is None else call.stopping(run):
                async with aclosing(pages):
                    yield pages if call is None else call.relayed(pages)
        finally:
            await run.leave("the reader left")

    async def _begin(self, given: object, options: Options, *, paced: bool) -> Begun | State:
        if self.checkpointer is not None and options.thread is not None:
            return await self._threads().begin(given, options, paced=paced)
        if self.checkpointer is not None and running.get() is None:
            mend = "Give a thread_id in config['configurable']."
            raise InputError("E2016", "the graph keeps threads, and the config names none", mend=mend)
        goto = None
        if isinstance(given, Command):
            if given.resume is not None:
                raise InputError("E2016", "there is no thread whose question could be answered", mend=MEND_THREAD)
            goto, given = given.targets or None, given.update_as_one
        taken = self.plan.schema.check_input(given)
        started = first_event(
            self.plan,
            options,
            self._clock.now_ms(),
            self._settings.recursion_limit,
            input=taken,
            defaults=self.plan.schema.starting_values(taken),
            goto=goto,
        )
        store = MemoryStore(self._clock)
        machine = Machine(self.plan, started.run)
        machine.started(started)
        del machine.events[0]  # the store is given it
        created = await store.create(TENANT, started, worker="in process", lease_seconds=FOREVER)
        means = self._means(store)
        return Begun(Run(machine, store, means, created.row, started, paced=paced))

    def _means(self, store: MemoryStore) -> Means:
        return Means(
            store=store,
            clock=self._clock,
            pool=self._pool,
            settings=self._settings,
            cache=self._cache,
            memory=self._memory,
        )

    def _threads(self) -> Threads:
        saver = self._saver()
        means = self._means(saver.store)
        return Threads(self.plan, saver, means, self._settings.recursion_limit)
