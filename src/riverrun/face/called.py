"""A graph that is called by the function of a node: what it says is heard in the run of that node.

Its events become events of that run, its questions become questions of the node; when the node is stopped, it stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, aclosing, suppress
from typing import Any

from riverrun.events.kinds import Event, NodeEvent, Question
from riverrun.face.run import INTERRUPT, Run
from riverrun.face.thread import Begun
from riverrun.graph.state import State
from riverrun.runs.context import Call, Context, running


def call_inside() -> Called | None:
    """Give the call that begins here, where a node of a run is running; None elsewhere."""
    context = running.get()
    return None if context is None else Called(context, context.call())


class Called:
    """One call of a graph by a node.

    Args:
        context: That of the node.
        call: Its place in the run.
    """

    def __init__(self, context: Context, call: Call) -> None:
        self._context = context
        self._call = call

    def relay_all(self, events: Iterable[Event]) -> None:
        """Let events of nodes become events of the caller's run."""
        for event in events:
            if isinstance(event, NodeEvent):
                self._call.relay(event)

    async def relayed(self, pages: AsyncIterable[list[Event]]) -> AsyncGenerator[list[Event], None]:
        """Give the pages of the graph that is called, after its events have become events of the caller's run.

        Args:
            pages: As its run gives them.

        Yields:
            The same.
        """
        async for events in pages:
            self.relay_all(events)
            yield events

    async def result(self, begin: Callable[[], Awaitable[Begun | State]]) -> Any:
        """Run the graph to its end, asking what it asks in the name of the node.

        Args:
            begin: Begins the run.

        Returns:
            The final state.

        Raises:
            Interrupted: It asks something that was not answered yet.
            RunFailed: E3011, it did not complete.
        """
        kept: tuple[Run, int] | None = self._call.recall()
        # One that waited for this attempt is not run again; what it has said is void with the attempt before, and is
        # said again.
        run, taken = kept or (None, 0)
        begun = await begin() if run is None else Begun(run)
        if not isinstance(begun, Begun):
            return begun
        run, after = begun.run, begun.after
        for _ in range(taken):  # the answers that it was given before belong to it, and to nothing that asks now
            self._context.interrupt()
        try:
            with self.stopping(run):
                while True:
                    await self._follow(run, after)
                    result = await run.result()
                    if INTERRUPT not in result:
                        return result
                    after = run.head
                    self._call.keep((run, taken))
                    asked = [each for each in run.questions if each.kind == "asked"]
                    # In an order that is the same whenever it runs: answers are told apart by their places.
                    answers = {each.id: self._context.pass_on(each) for each in sorted(asked, key=_id_of)}
                    self._call.recall()
                    taken += len(answers)
                    await run.resume(answers)
        except asyncio.CancelledError:
            await run.stop("the node that called it was cancelled")
            raise

    def stopping(self, run: Run) -> AbstractContextManager[None]:
        """Let a run that goes on in a thread end with the node: who waits for a thread cannot be cancelled.

        Args:
            run: The run, of the loop that runs here.

        Returns:
            What to go on within.
        """
        loop = asyncio.get_running_loop()

        def stop() -> None:
            with suppress(RuntimeError):  # the loop was closed just now: it has ended
                loop.call_soon_threadsafe(run.tell_stop, "the node that called it was told to end")

        return self._context.followed(stop)

    async def _follow(self, run: Run, after: int) -> None:
        async with aclosing(run.pages(after)) as pages:
            async for events in pages:
                self.relay_all(events)


def _id_of(question: Question) -> str:
    return question.id
