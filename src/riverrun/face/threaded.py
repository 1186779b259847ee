"""What a compiled graph offers on threads, and to code that is not async: written on what it offers to async code.

There is no second path: each of these calls the async method of its name, or reads the logs of a thread.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar

from riverrun.base.errors import InputError
from riverrun.events.kinds import Event
from riverrun.face.options import Config, merge_configs, read_options, thread_config
from riverrun.face.saver import InMemorySaver
from riverrun.face.snapshot import Snapshots, StateSnapshot
from riverrun.face.thread import Threads
from riverrun.graph.plan import Plan

Result = TypeVar("Result")

MEND_THREAD = "Compile with checkpointer=InMemorySaver() and give a thread_id in config['configurable']."


class Threaded(ABC):
    """Look at threads, write to them, and run a graph without a loop.

    Attributes:
        plan: The checked graph.
        checkpointer: Keeps threads; None: a run is forgotten with its readers.
    """

    plan: Plan
    checkpointer: InMemorySaver | None
    _config: Config

    @abstractmethod
    def astream(self, input: object = None, config: Config | None = None, **options: Any) -> AsyncIterator[Any]:  # noqa: A002  # the field's name for it
        """Start a run and give its events, live."""

    @abstractmethod
    async def ainvoke(self, input: object = None, config: Config | None = None, **options: Any) -> Any:  # noqa: A002  # the field's name for it
        """Run to the end and give the state."""

    @abstractmethod
    def _threads(self) -> Threads: ...

    def invoke(self, input: object = None, config: Config | None = None, **options: Any) -> Any:  # noqa: A002  # as above
        """Run to the end and give the state, from code that is not async.

        Args:
            input: As in `start`.
            config: As in `start`.
            **options: As in `ainvoke`.

        Returns:
            The final state.

        Raises:
            InputError: E2010, the input does not fit the state; E6006, an event loop runs here already.
            RunFailed: E3011, the run did not complete.
        """
        return _without_loop(self.ainvoke(input, config, **options), "ainvoke")

    def stream(self, input: object = None, config: Config | None = None, **options: Any) -> Iterator[Any]:  # noqa: A002  # as above
        """Start a run and give its events, live, to code that is not async.

        The run advances while the caller asks for the next event.

        Args:
            input: As in `start`.
            config: As in `start`.
            **options: As in `astream`.

        Yields:
            Every event, once, in order; or what they mean in the modes that were asked for.

        Raises:
            InputError: E2010, the input does not fit the state; E6006, an event loop runs here already.
        """
        _refuse_loop("astream")
        with asyncio.Runner() as runner:
            events = aiter(self.astream(input, config, **options))
            try:
                while True:
                    try:
                        yield runner.run(_next(events))
                    except StopAsyncIteration:
                        return
            finally:
                runner.run(_close(events))

    async def aget_state(self, config: Config, *, subgraphs: bool = False) -> StateSnapshot:
        """Give the state of a thread, at its end or at the place that the config names.

        Args:
            config: `configurable` with `thread_id`, and `checkpoint_id` for a place in the past.
            subgraphs: Without effect: what a sub graph asks stands among the interrupts.

        Returns:
            The snapshot.

        Raises:
            InputError: E2016, no thread is named, or the graph was compiled without a checkpointer.
            NotFound: E2005, the place is not there.
        """
        del subgraphs
        return await Snapshots(self.plan, self._saver()).now(read_options(merge_configs(self._config, config)))

    async def aget_state_history(
        self, config: Config, *, limit: int | None = None
    ) -> AsyncGenerator[StateSnapshot, None]:
        """Give the states of a thread, newest first.

        Args:
            config: As in `aget_state`; a place means: from there on backwards.
            limit: At most so many.

        Yields:
            A snapshot for each input and each step.

        Raises:
            InputError: E2016, the graph was compiled without a checkpointer.
        """
        count = 0
        async for snapshot in Snapshots(self.plan, self._saver()).history(
            read_options(merge_configs(self._config, config))
        ):
            if limit is not None and count >= limit:
                return
            count += 1
            yield snapshot

    async def aupdate_state(self, config: Config, values: Any, as_node: str | None = None) -> dict[str, Any]:
        """Write to the state of a thread from outside; what comes next waits until the thread is gone on with.

        Nothing of the past changes: the thread goes on in a new run that begins there.

        Args:
            config: As in `aget_state`.
            values: An update, as a node would give it back; None for nothing.
            as_node: The node that is to have written it, and behind which the thread goes on; None: the last that did.

        Returns:
            A config that names the new place.

        Raises:
            InputError: E2010, the update does not fit; E2004, there is no such node; E2016, no thread is named, or no
                checkpointer.
            Busy: E3018, the thread has a run that is running.
            NotFound: E2005, the place is not there.
        """
        self._saver()
        options = read_options(merge_configs(self._config, config))
        if options.thread is None:
            raise InputError("E2016", "the config names no thread_id", mend='Give {"configurable": {"thread_id": …}}.')
        run = await self._threads().edit(values, options, as_node)
        return thread_config(options.thread, run, 2)  # where it is held

    def get_state(self, config: Config, *, subgraphs: bool = False) -> StateSnapshot:
        """Do what `aget_state` does, from code that is not async.

        Raises:
            InputError: As `aget_state`; E6006, an event loop runs here already.
        """
        return _without_loop(self.aget_state(config, subgraphs=subgraphs), "aget_state")

    def get_state_history(self, config: Config, *, limit: int | None = None) -> Iterator[StateSnapshot]:
        """Do what `aget_state_history` does, from code that is not async.

        Raises:
            InputError: As `aget_state_history`; E6006, an event loop runs here already.
        """
        return iter(_without_loop(_all(self.aget_state_history(config, limit=limit)), "aget_state_history"))

    def update_state(self, config: Config, values: Any, as_node: str | None = None) -> dict[str, Any]:
        """Do what `aupdate_state` does, from code that is not async.

        Raises:
            InputError: As `aupdate_state`; E6006, an event loop runs here already.
        """
        return _without_loop(self.aupdate_state(config, values, as_node), "aupdate_state")

    def _saver(self) -> InMemorySaver:
        if self.checkpointer is None:
            raise InputError("E2016", f"graph {self.plan.name!r} keeps no threads", mend=MEND_THREAD)
        return self.checkpointer


async def _all(items: AsyncIterator[Result]) -> list[Result]:
    return [each async for each in items]


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
