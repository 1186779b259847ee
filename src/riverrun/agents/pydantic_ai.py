"""A Pydantic AI agent as an adopted agent.

Each request of its model is a strand, each tool call another. Tool calls that need approval, or that somebody else has
to carry out, are questions: the agent's output type must have `DeferredToolRequests` for that, as the library says.
What it needs to go on are its messages.

Imported when such an agent is met, and not before (`riverrun.agents.adopt`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct
from pydantic import ValidationError
from pydantic_ai import AgentRunResultEvent, DeferredToolRequests, DeferredToolResults, ToolApproved, ToolDenied
from pydantic_ai import messages as said

from riverrun.agents.strands import Strand, Strands, usage
from riverrun.agents.stretch import Asks, Done, Kind, Stretch, as_prompt, asks_for_call, verdict
from riverrun.base.errors import NodeError


class _Saved(Struct, frozen=True, kw_only=True):
    """What an agent needs to go on.

    Attributes:
        messages: As the library writes them.
        approvals: Ids of the tool calls that wait for approval.
        calls: Ids of those that somebody else carries out.
    """

    messages: list[Any]
    approvals: list[str] = []
    calls: list[str] = []


def read(agent: Any, name: str | None, takes: str, gives: str, options: Mapping[str, Any]) -> Kind:
    """Say what is to be known of an agent.

    Args:
        agent: The agent.
        name: Name that it gets; None: its own.
        takes: Key of the state for the prompt: a text, or a list of what the library takes.
        gives: Key of the state for the output.
        options: What `run_stream_events` is given besides, such as `deps`.

    Returns:
        The kind.
    """
    called = name or agent.name or "agent"
    run = partial(_run, agent, takes, gives, dict(options))
    return Kind(name=called, run=run, takes=(takes,), gives=(gives,), where=f"Pydantic AI agent {called!r}")


async def _run(agent: Any, takes: str, gives: str, options: dict[str, Any], stretch: Stretch) -> Done:
    saved = None if stretch.saved is None else _read_saved(stretch.saved)
    how: dict[str, Any] = {**options}
    if saved is not None:
        how["message_history"] = saved.messages
    if stretch.answers is None:
        how["user_prompt"] = as_prompt(stretch.given.get(takes))
    elif saved is not None:
        how["deferred_tool_results"] = _results(saved, stretch.answers)
    told, result = _Telling(stretch.strands), None
    async with agent.run_stream_events(**how) as events:
        async for event in events:
            if isinstance(event, AgentRunResultEvent):
                result = event.result
            else:
                told.hear(event)
            await stretch.strands.room()
    if result is None:
        raise NodeError("E3048", f"agent {agent.name!r} ended without a result")
    told.end()
    took, model = result.usage, result.response.model_name or ""
    told_of_it = usage(model, input=took.input_tokens, output=took.output_tokens, cached=took.cache_read_tokens)
    stretch.strands.tell("riverrun.usage", told_of_it)
    output = result.output
    messages = said.ModelMessagesTypeAdapter.dump_python(result.all_messages(), mode="json")
    if not isinstance(output, DeferredToolRequests):
        return Done(update={gives: output}, saved=_Saved(messages=messages))
    asks = [
        asks_for_call(each.tool_call_id, each.tool_name, each.args_as_dict(), amendable=True)
        for each in output.approvals
    ]
    asks += [Asks(id=each.tool_call_id, value={"kind": "tool_result", "call": _about(each)}) for each in output.calls]
    kept = _Saved(
        messages=messages,
        approvals=[each.tool_call_id for each in output.approvals],
        calls=[each.tool_call_id for each in output.calls],
    )
    return Done(saved=kept, asks=tuple(asks))


def _read_saved(content: Any) -> _Saved:
    try:
        saved = msgspec.convert(content, _Saved)
        messages = said.ModelMessagesTypeAdapter.validate_python(saved.messages)
    except (msgspec.ValidationError, ValidationError) as error:
        raise NodeError("E3047", f"these are not the messages of a Pydantic AI agent: {error}") from None
    return msgspec.structs.replace(saved, messages=messages)


def _results(saved: _Saved, answers: Mapping[str, Any]) -> DeferredToolResults:
    approvals: dict[str, Any] = {}
    for identity in saved.approvals:
        said_to_it = verdict(answers[identity])
        if said_to_it.approve:
            approvals[identity] = ToolApproved(override_args=said_to_it.arguments)
        else:
            approvals[identity] = ToolDenied(said_to_it.reason) if said_to_it.reason else ToolDenied()
    return DeferredToolResults(approvals=approvals, calls={each: answers[each] for each in saved.calls})


def _about(call: said.ToolCallPart) -> dict[str, Any]:
    return {"id": call.tool_call_id, "name": call.tool_name, "arguments": call.args_as_dict()}


class _Telling:
    """What the library streams, as strands.

    Args:
        strands: Where they are.
    """

    def __init__(self, strands: Strands) -> None:
        self._strands = strands
        self._model: Strand | None = None
        self._tools: dict[str, Strand] = {}  # by the id of the call

    def hear(self, event: Any) -> None:
        """Take in one event of the stream."""
        if isinstance(event, said.PartStartEvent):
            self._part(event.index, event.part)
        elif isinstance(event, said.PartDeltaEvent):
            self._delta(event.index, event.delta)
        elif isinstance(event, said.ToolCallEvent):
            self.end()
            call = event.part
            self._tools[call.tool_call_id] = self._strands.open(call.tool_name, tool_call=call.tool_call_id)
        elif isinstance(event, said.ToolResultEvent):
            self._returned(event.part)

    def end(self) -> None:
        """Take in that the model has said what it had to say."""
        if self._model is not None:
            self._model.complete()
            self._model = None

    def _speaking(self) -> Strand:
        self._model = self._model or self._strands.open("model")
        return self._model

    def _part(self, index: int, part: Any) -> None:
        if isinstance(part, said.TextPart):
            self._speaking().say(part.content, _message(index))
        elif isinstance(part, said.ThinkingPart):
            self._speaking().reason(part.content, index)
        elif isinstance(part, said.ToolCallPart):
            self._speaking().call(index, part.args or "", identity=part.tool_call_id, name=part.tool_name)

    def _delta(self, index: int, delta: Any) -> None:
        if isinstance(delta, said.TextPartDelta):
            self._speaking().say(delta.content_delta, _message(index))
        elif isinstance(delta, said.ThinkingPartDelta):
            self._speaking().reason(delta.content_delta or "", index)
        elif isinstance(delta, said.ToolCallPartDelta):
            self._speaking().call(index, delta.args_delta or "", name=delta.tool_name_delta)

    def _returned(self, part: Any) -> None:
        strand = self._tools.pop(part.tool_call_id, None)
        if strand is None:
            strand = self._strands.open(part.tool_name or "tool", tool_call=part.tool_call_id)
        if isinstance(part, said.RetryPromptPart):
            strand.fail(part.model_response())
        elif part.outcome in ("failed", "retried"):
            strand.fail(str(part.content))
        else:
            strand.complete(part.content)


def _message(index: int) -> str:
    return str(index) if index else ""
