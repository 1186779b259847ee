"""Agents of the official A2A SDK, served over JSON-RPC or REST on this machine, for the tests of remote agents."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from a2a.helpers import new_task, new_text_message
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes, create_rest_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types.a2a_pb2 import AgentCapabilities, AgentCard, AgentInterface, AgentSkill, Part, TaskState
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

Script = Callable[["Work"], Awaitable[None]]


class Work:
    """What a script of an agent may do.

    Attributes:
        told: The text of the message.
        update: Publishes what the SDK knows.
    """

    def __init__(self, told: str, message: object, update: TaskUpdater) -> None:
        self.told = told
        self.message = message
        self.update = update

    async def say(self, *pieces: str, name: str = "answer", last: bool = True) -> None:
        """Stream an artifact."""
        for place, piece in enumerate(pieces):
            await self.update.add_artifact(
                [Part(text=piece)],
                artifact_id=name,
                append=place > 0 or None,
                last_chunk=last and place == len(pieces) - 1,
            )


class Scripted(AgentExecutor):
    """Run a script for each message.

    Attributes:
        began: Tasks that were begun or gone on with.
        cancelled: Tasks that were cancelled.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self.began: list[str] = []
        self.messages: list[str] = []
        self.cancelled: list[str] = []
        self.stopped = threading.Event()

    async def execute(self, context, event_queue):
        """Run the script."""
        if context.current_task is None:
            task = new_task(context.task_id, context.context_id, TaskState.TASK_STATE_SUBMITTED)
            await event_queue.enqueue_event(task)
        self.began.append(context.task_id)
        self.messages.append(context.message.message_id)
        update = TaskUpdater(event_queue, context.task_id, context.context_id)
        await self._script(Work(context.get_user_input(), context.message, update))

    async def cancel(self, context, event_queue):
        """Take note of it."""
        self.cancelled.append(context.task_id)
        self.stopped.set()
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


class Guarded:
    """An ASGI program in front of another one, which refuses who does not show a header."""

    def __init__(self, app, header: str, value: str) -> None:
        self._app, self._header, self._value = app, header.encode(), value.encode()

    async def __call__(self, scope, receive, send):
        """Let through the card, and who shows the header."""
        shown = dict(scope.get("headers", ())).get(self._header)
        if scope["type"] != "http" or scope["path"].startswith("/.well-known") or shown == self._value:
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def card_of(url, *, binding="JSONRPC", streaming=True, **fields):
    """Make the card of an agent at an address."""
    return AgentCard(
        name="scripted",
        description="For tests.",
        version="1",
        capabilities=AgentCapabilities(streaming=streaming),
        supported_interfaces=[AgentInterface(url=url, protocol_binding=binding, protocol_version="1.0")],
        skills=[AgentSkill(id="s", name="s", description="s", tags=["s"])],
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        **fields,
    )


@asynccontextmanager
async def served(script, *, binding="JSONRPC", streaming=True, said_to_be=None, guard=None, port=0, **fields):
    """Serve an agent in a thread of its own; give its address and its executor. Its card may name another address."""
    agent = Scripted(script)
    with socket.create_server(("127.0.0.1", port)) as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        card = card_of(
            f"{said_to_be or url}{'/rpc' if binding == 'JSONRPC' else ''}",
            binding=binding,
            streaming=streaming,
            **fields,
        )
        server = _server_of(agent, card, binding, guard)

        def run():
            with asyncio.Runner() as runner:  # ends whatever the SDK leaves running
                runner.run(server.serve(sockets=[sock]))

        thread = threading.Thread(target=run, name="tests-agent")
        thread.start()
        try:
            yield url, agent
        finally:
            server.should_exit = True
            await asyncio.to_thread(thread.join, 20)
    assert not thread.is_alive(), "the agent hangs"


def _server_of(agent, card, binding, guard):
    handler = DefaultRequestHandler(agent, InMemoryTaskStore(), card)
    routes: list[BaseRoute] = [*create_agent_card_routes(card)]
    routes += create_jsonrpc_routes(handler, "/rpc") if binding == "JSONRPC" else create_rest_routes(handler)
    app = Starlette(routes=routes, middleware=[Middleware(Guarded, *guard)] if guard else [])
    config = uvicorn.Config(app, log_config=None, lifespan="off", loop="asyncio", timeout_graceful_shutdown=1)
    return Unsignalled(config)


class Unsignalled(uvicorn.Server):
    """A server that leaves the signals of the process alone."""

    @contextmanager
    def capture_signals(self):
        """Capture none."""
        yield


def said(text):
    """Make a message of an agent."""
    return new_text_message(text)
