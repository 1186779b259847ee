"""One task of a remote agent, from the first word to its end, over as many connections as it takes.

A connection that ends without the end of the task is made again: the agent then tells all that there is so far, and
goes on. Where that cannot be subscribed to any more, or never could, the task is looked at again and again. It does not
know addresses or credentials.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import httpx
from a2a.client import Client
from a2a.client.errors import A2AClientError
from a2a.types.a2a_pb2 import (
    Artifact,
    CancelTaskRequest,
    GetTaskRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    StreamResponse,
    SubscribeToTaskRequest,
    Task,
    TaskState,
    TaskStatus,
)
from a2a.utils.errors import A2AError, TaskNotFoundError, UnsupportedOperationError
from google.protobuf.json_format import MessageToDict, ParseDict  # type: ignore[import-untyped]
from google.protobuf.struct_pb2 import Value  # type: ignore[import-untyped]

from riverrun.agents.output import Output
from riverrun.base.errors import ConnectionFault, NodeError
from riverrun.runs.context import Context

_log = logging.getLogger("riverrun.agents")

_CANCEL_TIME = 2.0  # seconds that the agent is given to take note of a stop
_LONGEST_WAIT = 10.0
_ENDED = (
    TaskState.TASK_STATE_COMPLETED,
    TaskState.TASK_STATE_FAILED,
    TaskState.TASK_STATE_CANCELED,
    TaskState.TASK_STATE_REJECTED,
)
_RESTS = (*_ENDED, TaskState.TASK_STATE_INPUT_REQUIRED, TaskState.TASK_STATE_AUTH_REQUIRED)

Events = AsyncGenerator[StreamResponse, None]


class Dialogue:
    """Lead one task to its end.

    Args:
        client: Speaks to the agent.
        ctx: Of the execution that needs it.
        streams: Whether the agent can stream.
        tries: How often in a row the connection may break without a word from the agent.
        interval: Seconds between two looks at a task, and before the second try to come back.
    """

    def __init__(self, client: Client, ctx: Context, *, streams: bool, tries: int, interval: float) -> None:
        self._client = client
        self._ctx = ctx
        self._streams = streams
        self._tries = tries
        self._interval = interval
        self._output = Output()
        self._task = self._about = ""
        self._answered = 0
        self._state: TaskState = TaskState.TASK_STATE_UNSPECIFIED
        self._said = ""
        self._told: tuple[TaskState, str] | None = None
        self._noted = ctx.noted
        self._looks_at = 0.0
        self._breaks = 0

    async def run(self, given: Any) -> AsyncGenerator[str, None]:
        """Give the agent a task, or go on with the one that an attempt before this began.

        Args:
            given: What it is told: text or JSON.

        Yields:
            Its text, piece by piece.

        Raises:
            Interrupted: It asks something.
            NodeError: E3058, E3061 or E3062, as they say.
            ConnectionFault: E3060, it was lost.
        """
        noted = self._ctx.noted
        found = isinstance(noted, dict) and await self._finds(noted)
        events = self._look() if found else self._send(given)
        while True:
            async with aclosing(self._listen(events)) as texts:
                async for text in texts:
                    yield text
            if self._state != TaskState.TASK_STATE_INPUT_REQUIRED:
                break
            answer = self._ctx.interrupt(self._said)
            # Noted first: if the worker dies in between, the agent's question is asked once more. The other way round
            # this answer might be taken for that to its next question.
            self._answered += 1
            self._note(self._task, self._about)
            events = self._send(answer)
        rest = self._output.finish()
        if self._output.empty and self._state == TaskState.TASK_STATE_COMPLETED:
            rest = self._said
        if rest:
            yield rest
        self._judge()

    async def cancel(self) -> None:
        """Let the agent know that nobody needs the task any more; whether it hears that cannot be waited for long."""
        if not self._task or self._state in _ENDED:
            return
        try:
            async with asyncio.timeout(_CANCEL_TIME):
                await self._client.cancel_task(CancelTaskRequest(id=self._task))
        except (TimeoutError, A2AError, httpx.HTTPError, NodeError) as error:
            _log.warning("task %s of a remote agent may still be running: %s", self._task, error)

    # What is said to the agent

    def _send(self, given: Any) -> Events:
        place = f"{self._ctx.run}-{self._ctx.exec}-{self._answered}"  # the same when it is sent again
        message = Message(message_id=place, role=Role.ROLE_USER, parts=[_part(given)])
        if self._task:
            message.task_id, message.context_id = self._task, self._about
        self._state, self._told = TaskState.TASK_STATE_UNSPECIFIED, None
        return _events(self._client.send_message(SendMessageRequest(message=message)))

    async def _finds(self, noted: dict[str, Any]) -> bool:
        """Look whether the agent still has the task of an attempt before, and take the answers that it has."""
        self._task, self._about = str(noted.get("task", "")), str(noted.get("context", ""))
        try:
            await self._client.get_task(GetTaskRequest(id=self._task))
        except TaskNotFoundError:
            self._task = self._about = ""
            return False
        except (A2AError, httpx.HTTPError):
            pass  # it is tried again below, for as long as that may take
        for _ in range(int(noted.get("answered", 0))):
            self._ctx.interrupt(None)
            self._answered += 1
        return True

    async def _look(self) -> Events:
        yield StreamResponse(task=await self._client.get_task(GetTaskRequest(id=self._task)))

    def _subscribe(self) -> Events:
        return _events(self._client.subscribe(SubscribeToTaskRequest(id=self._task)))

    # What the agent says

    async def _listen(self, events: Events) -> AsyncGenerator[str, None]:
        """Give text until the task rests, however often the connection breaks."""
        self._breaks, resumed = 0, False
        while True:
            why: Exception | None = None
            try:
                async with aclosing(self._hear(events, resumed=resumed)) as texts:
                    async for text in texts:
                        yield text
                if self._state in _RESTS:
                    return
            except UnsupportedOperationError:
                self._streams = False  # it has ended meanwhile, or never could: look at it instead
            except (A2AClientError, httpx.HTTPError) as error:
                why = error
            except A2AError as error:
                raise NodeError("E3058", f"the remote agent refused: {type(error).__name__}: {error}") from error
            self._breaks += 1
            if not self._task or self._breaks > self._tries:
                raise _lost(self._task, why)
            if self._breaks > 1 or not self._streams:
                await asyncio.sleep(min(self._interval * 2 ** max(self._breaks - 2, 0), _LONGEST_WAIT))
            resumed = self._streams
            events = self._subscribe() if resumed else self._look()

    async def _hear(self, events: Events, *, resumed: bool) -> AsyncGenerator[str, None]:
        """Give the text of one connection, until the task rests or the connection ends."""
        async with aclosing(events):
            async for event in events:
                self._breaks = 0
                text = self._take(event, resumed=resumed)
                if text:
                    yield text
                if resumed and (self._output.unsure or self._state in _RESTS) and self._may_look():
                    text = self._take_task(await self._client.get_task(GetTaskRequest(id=self._task)))
                    if text:
                        yield text
                if self._state in _RESTS:
                    return

    def _may_look(self) -> bool:
        """Say whether it is time to ask for all that there is: now and then, and in any case at the end."""
        now = asyncio.get_running_loop().time()
        if now < self._looks_at and self._state not in _RESTS:
            return False
        self._looks_at = now + self._interval
        return True

    def _take(self, event: StreamResponse, *, resumed: bool) -> str:
        kind = event.WhichOneof("payload")
        if kind == "task":
            return self._take_task(event.task, resumed=resumed)
        if kind == "status_update":
            self._note(event.status_update.task_id, event.status_update.context_id)
            self._take_status(event.status_update.status)
            return ""
        if kind == "artifact_update":
            update = event.artifact_update
            self._note(update.task_id, update.context_id)
            self._tell_parts(update.artifact, appended=update.append)
            text = _text(update.artifact.parts)
            name = update.artifact.artifact_id
            return self._output.add(name, text, appended=update.append, whole=update.last_chunk)
        if kind == "message":  # the whole answer: there is no task
            self._state = TaskState.TASK_STATE_COMPLETED
            return self._output.add("", _text(event.message.parts), appended=False, whole=True)
        return ""

    def _take_task(self, task: Task, *, resumed: bool = False) -> str:
        self._note(task.id, task.context_id)
        for artifact in task.artifacts:
            self._tell_parts(artifact, appended=False)
        told = [(each.artifact_id, _text(each.parts)) for each in task.artifacts]
        text = self._output.replace(told, resumed=resumed)
        self._take_status(task.status)
        return text

    def _take_status(self, status: TaskStatus) -> None:
        self._state = status.state
        self._said = _text(status.message.parts)
        told = (status.state, self._said)
        if told != self._told:
            self._told = told
            name = TaskState.Name(status.state).removeprefix("TASK_STATE_").lower().replace("_", "-")
            self._ctx.emit("a2a.status", {"state": name, "text": self._said})

    def _note(self, task: str, about: str) -> None:
        """Keep the name of the task for the next attempt."""
        self._task, self._about = task or self._task, about or self._about
        noted = {"task": self._task, "context": self._about, "answered": self._answered}
        if noted != self._noted:
            self._noted = noted
            self._ctx.note(noted)

    def _tell_parts(self, artifact: Artifact, *, appended: bool) -> None:
        parts = [part for part in artifact.parts if not part.HasField("text")]
        for part in self._output.news(artifact.artifact_id, parts, appended=appended):
            told = MessageToDict(part)
            self._ctx.emit("a2a.part", {"artifact": artifact.artifact_id, "name": artifact.name, "part": told})

    def _judge(self) -> None:
        if self._state == TaskState.TASK_STATE_COMPLETED:
            return
        said = f": {self._said}" if self._said else ""
        if self._state == TaskState.TASK_STATE_AUTH_REQUIRED:
            raise NodeError("E3062", f"the remote agent asks for credentials{said}")
        how = {
            TaskState.TASK_STATE_FAILED: "failed",
            TaskState.TASK_STATE_REJECTED: "refused the task",
            TaskState.TASK_STATE_CANCELED: "ended the task by itself",
        }[self._state]
        raise NodeError("E3058", f"the remote agent {how}{said}")


async def _events(events: AsyncIterator[StreamResponse]) -> Events:
    """Make what the SDK gives closable in any case."""
    try:
        async for event in events:
            yield event
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


def _part(given: Any) -> Part:
    if isinstance(given, str):
        return Part(text=given)
    return Part(data=ParseDict(given, Value()))


def _text(parts: Sequence[Part]) -> str:
    return "".join(part.text for part in parts if part.HasField("text"))


def _lost(task: str, why: Exception | None) -> ConnectionFault:
    cause = "it ended without a word about the task" if why is None else str(why)
    where = f"task {task}" if task else "before it named a task"
    error = ConnectionFault("E3060", f"the connection to the remote agent broke: {cause}", where=where)
    error.__cause__ = why
    return error
