"""A LlamaIndex workflow as an adopted agent.

Each run of a step is a strand. What a step writes to the stream is its text where it has a `delta`, and told
otherwise. An `InputRequiredEvent` is a question, and its answer a `HumanResponseEvent`: when nothing goes on without an
answer, the workflow is taken down to what its context says, and set up again from that with the answers.

Imported when such a workflow is met, and not before (`riverrun.agents.adopt`).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

from workflows import Context
from workflows.errors import ContextSerdeError
from workflows.events import (
    HumanResponseEvent,
    InputRequiredEvent,
    InternalDispatchEvent,
    StepState,
    StepStateChanged,
    StopEvent,
    WorkflowIdleEvent,
)

from riverrun.agents.strands import Strand, Strands, shown
from riverrun.agents.stretch import Asks, Done, Kind, Stretch
from riverrun.base.errors import GraphError, NodeError


def read(workflow: Any, name: str | None, takes: str, gives: str, options: Mapping[str, Any]) -> Kind:
    """Say what is to be known of a workflow.

    Args:
        workflow: The workflow.
        name: Name that it gets; None: that of its class.
        takes: Key of the state for the fields of its start event; what is no mapping becomes the field `input`.
        gives: Key of the state for its result.
        options: None; a workflow takes all from its start event.

    Returns:
        The kind.

    Raises:
        GraphError: E1011, there are options.
    """
    for option in options:
        raise GraphError("E1011", f"a LlamaIndex workflow was given the option {option!r}")
    called = name or type(workflow).__name__
    run = partial(_run, workflow, takes, gives)
    return Kind(name=called, run=run, takes=(takes,), gives=(gives,), where=f"LlamaIndex workflow {called!r}")


async def _run(workflow: Any, takes: str, gives: str, stretch: Stretch) -> Done:
    restored = _restored(workflow, stretch.saved)
    if stretch.answers is None:
        given = stretch.given.get(takes)
        fields = given if isinstance(given, Mapping) else {} if given is None else {"input": given}
        handler = workflow.run(ctx=restored, start_event=workflow.start_event_class(**fields))
    else:
        handler = workflow.run(ctx=restored)
        for answer in stretch.answers.values():
            handler.ctx.send_event(_response(workflow, answer))
    told, ended = _Telling(stretch.strands), False
    try:
        async with aclosing(handler.stream_events(expose_internal=True)) as events:
            async for event in events:
                told.hear(event)
                await stretch.strands.room()
                if told.asks and isinstance(event, WorkflowIdleEvent):
                    return Done(saved=handler.ctx.to_dict(), asks=tuple(told.asks))
        result = await handler
        ended = True
        return Done(update={gives: result}, saved=handler.ctx.to_dict() if stretch.keeps else None)
    finally:
        if not ended:
            await handler.cancel_run()


def _restored(workflow: Any, content: Any) -> Any:
    if content is None:
        return None
    try:
        return Context.from_dict(workflow, content)
    except (ContextSerdeError, ValueError, TypeError, AttributeError) as error:
        raise NodeError("E3047", f"this is not what a LlamaIndex workflow left: {error}") from None


def _response(workflow: Any, answer: Any) -> HumanResponseEvent:
    """Make the event that answers: of the one class that the workflow has for it, or of the one that is named."""
    known = [each for each in workflow.events if isinstance(each, type) and issubclass(each, HumanResponseEvent)]
    fields = dict(answer) if isinstance(answer, Mapping) else {"response": answer}
    named = [each for each in known if each.__name__ == fields.get("event")]
    if named:
        del fields["event"]
    own = named or [each for each in known if each is not HumanResponseEvent]
    kind = own[0] if len(own) == 1 else HumanResponseEvent
    made: HumanResponseEvent = kind(**fields)
    return made


class _Telling:
    """What a workflow streams, as strands.

    Args:
        strands: Where they are.

    Attributes:
        asks: What it wants to be told.
    """

    def __init__(self, strands: Strands) -> None:
        self.asks: list[Asks] = []
        self._strands = strands
        self._steps: dict[tuple[str, str], Strand] = {}  # by name and worker
        self._again: dict[str, list[Strand]] = {}  # of steps that gave nothing back, by name: they may run again

    def hear(self, event: Any) -> None:
        """Take in one event of the stream."""
        if isinstance(event, StepStateChanged):
            self._step(event)
        elif isinstance(event, InputRequiredEvent):
            self.asks.append(Asks(id=str(len(self.asks) + 1), value=_about(event)))
        elif isinstance(event, StopEvent | InternalDispatchEvent):
            return
        else:
            self._said(event)

    def _step(self, event: StepStateChanged) -> None:
        place = event.name, event.worker_id
        if event.step_state is StepState.RUNNING:
            if self._again.get(event.name):
                self._again[event.name].pop(0).fail("the workflow began this step again", again=True)
            self._steps[place] = self._strands.open(event.name)
        elif event.step_state is StepState.NOT_RUNNING and place in self._steps:
            strand = self._steps.pop(place)
            if event.output_event_name is None:
                self._again.setdefault(event.name, []).append(strand)
            else:
                strand.complete()

    def _said(self, event: Any) -> None:
        delta = getattr(event, "delta", None)
        running = list(self._steps.values())
        # Of steps that run side by side nobody says which of them wrote it.
        if len(running) == 1 and isinstance(delta, str):
            running[0].say(delta)
        elif len(running) == 1:
            running[0].tell(type(event).__name__, _about(event))
        else:
            self._strands.tell(type(event).__name__, _about(event))


def _about(event: Any) -> Any:
    fields = shown(event)
    if isinstance(fields, dict) and "_data" in fields:  # where fields are that its class does not declare
        more = fields.pop("_data")
        return {**more, **fields}
    return fields
