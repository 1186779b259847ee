"""A LlamaIndex workflow whose one step says words."""

from __future__ import annotations

from workflows import Context, Workflow, step
from workflows.events import Event, StartEvent, StopEvent

from bench.sources import Words


class Piece(Event):  # type: ignore[misc]  # its types are not followed
    """A word."""

    delta: str


class Telling(Workflow):  # type: ignore[misc]  # its types are not followed
    """The workflow.

    Args:
        words: What it says.
    """

    def __init__(self, words: Words) -> None:
        super().__init__(timeout=None)
        self.words = words

    @step  # type: ignore[untyped-decorator]  # as above
    async def speak(self, ctx: Context, ev: StartEvent) -> StopEvent:
        """Say the words."""
        del ev
        async for word in self.words.speak():
            ctx.write_event_to_stream(Piece(delta=word))
        return StopEvent(result="said")
