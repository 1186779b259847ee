"""A real server for graphs of a test's own, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import httpx

from riverrun.server.app import create_app
from riverrun.server.serve import Server, listen
from riverrun.server.settings import load
from tests.server.served import Served


@contextmanager
def serving_only(graphs: Mapping[str, Any], store: str = "memory:", **settings: Any) -> Iterator[Served]:
    """Serve these while the body goes on."""
    app = create_app(graphs, store=store, settings=load(**settings))
    listener = listen("127.0.0.1", 0)
    told: SimpleQueue[str] = SimpleQueue()
    server = Server(app, listener, announce=told.put, shutdown_timeout=2.0)

    def run() -> None:
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(server.run_here())

    thread = threading.Thread(target=run, name="tests-server")
    thread.start()
    try:
        url = told.get(timeout=10)
        with httpx.Client(base_url=url, timeout=10) as http:
            yield Served(app, server, thread, url, http)
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listener.close()
    assert not thread.is_alive(), "the server hangs"
