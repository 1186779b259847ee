"""An agent that speaks A2A: `python -m bench.remote_server` prints its URL; each word says when it was sent."""

from __future__ import annotations

import asyncio
import socket
from time import perf_counter
from typing import Any

import uvicorn
from a2a.helpers import new_task
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types.a2a_pb2 import AgentCapabilities, AgentCard, AgentInterface, AgentSkill, Part, TaskState
from starlette.applications import Starlette

PER_SECOND = 50  # words


class Words(AgentExecutor):
    """Say as many words as it is told to."""

    async def execute(self, context: Any, event_queue: Any) -> None:
        """Say them."""
        await event_queue.enqueue_event(new_task(context.task_id, context.context_id, TaskState.TASK_STATE_SUBMITTED))
        update = TaskUpdater(event_queue, context.task_id, context.context_id)
        chunks = int(context.get_user_input())
        for number in range(chunks):
            await asyncio.sleep(1 / PER_SECOND)
            await update.add_artifact(
                [Part(text=f"{perf_counter():.6f} ")],
                artifact_id="words",
                append=number > 0 or None,
                last_chunk=number == chunks - 1,
            )
        await update.complete()

    async def cancel(self, context: Any, event_queue: Any) -> None:
        """Nobody does."""


def main() -> None:
    """Serve until SIGTERM."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        card = AgentCard(
            name="words",
            description="For figures.",
            version="1",
            capabilities=AgentCapabilities(streaming=True),
            supported_interfaces=[AgentInterface(url=f"{url}/rpc", protocol_binding="JSONRPC", protocol_version="1.0")],
            skills=[AgentSkill(id="w", name="w", description="w", tags=["w"])],
            default_input_modes=["text/plain"],
            default_output_modes=["text/plain"],
        )
        handler = DefaultRequestHandler(Words(), InMemoryTaskStore(), card)
        app = Starlette(routes=[*create_agent_card_routes(card), *create_jsonrpc_routes(handler, "/rpc")])
        print(url, flush=True)
        uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off")).run(sockets=[sock])


if __name__ == "__main__":
    main()
