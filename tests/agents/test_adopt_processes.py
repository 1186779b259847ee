"""Adopted agents on a real server that is killed: what was asked can be answered, what was half said is whole."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest

from riverrun.wire.sse import Parser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
STREAM = {"accept": "text/event-stream"}
MODULE = """
import pathlib
from tests.agents.speakers import AGENTS, Source
here = pathlib.Path(__file__).parent
source = Source(free=(here / "free").exists())
source.let()  # one word
half_langgraph, half_pydantic_ai, half_openai_agents, half_llama_index = (
    AGENTS[kind](source) for kind in ("langgraph", "pydantic_ai", "openai_agents", "llama_index")
)
asks_langgraph, asks_pydantic_ai, asks_openai_agents, asks_llama_index = (
    AGENTS[kind](Source(), asks=True) for kind in ("langgraph", "pydantic_ai", "openai_agents", "llama_index")
)
"""
KINDS = ("langgraph", "pydantic_ai", "openai_agents", "llama_index")


@contextmanager
def served(folder, name):
    """Serve one agent of the module from a process of its own; it is killed in the end, as by the system."""
    (folder / "agents_here.py").write_text(MODULE)
    command = [
        sys.executable,
        "-m",
        "riverrun.cli",
        "dev",
        f"{folder}/agents_here.py:{name}",
        "--json",
        "--port",
        "0",
    ]
    command += ["--store", f"sqlite:///{folder}/runs.db", "--name", "agent", "--lease", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        with httpx.Client(base_url=url, timeout=30) as http:
            yield http
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def start(http):
    """Start a run and give its id."""
    return http.post("/v1/runs", json={"graph": "agent", "input": {"input": "hello"}}).json()["run"]


def events(http, run, until):
    """Read a run until an event of a kind."""
    found = []
    with http.stream("GET", f"/v1/runs/{run}/events", headers=STREAM) as answer:
        parser = Parser()
        for piece in answer.iter_bytes():
            for block in parser.feed(piece):
                found += [json.loads(block.data)] if block.data.startswith("{") else []
                if found and found[-1].get("type") in until:
                    return found
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_question_outlives_the_process_that_asked_it(kind, tmp_path):
    with served(tmp_path, f"asks_{kind}") as http:
        run = start(http)
        (question,) = events(http, run, ("run.interrupted",))[-1]["questions"]
    with served(tmp_path, f"asks_{kind}") as http:
        http.post(f"/v1/runs/{run}/resume", json={"answers": {question["id"]: True}}).raise_for_status()
        log = events(http, run, ("run.completed", "run.failed"))
        state = http.get(f"/v1/runs/{run}/state").json()["state"]
    assert "run.completed" == log[-1]["type"]
    assert "one two three, True" == state["output"]
    assert [] == [event for event in log if event["type"] == "node.retrying" and event["reason"] == "taken_over"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_half_said_when_the_process_died_is_said_once_by_the_next(kind, tmp_path):
    with served(tmp_path, f"half_{kind}") as http:
        run = start(http)
        events(http, run, ("node.chunk",))
    (tmp_path / "free").touch()
    time.sleep(1)  # the lease of the dead: there is no clock of a process that could be moved
    with served(tmp_path, f"half_{kind}") as http:
        log = events(http, run, ("run.completed", "run.failed"))
    assert "run.completed" == log[-1]["type"]
    (again,) = [event for event in log if event["type"] == "node.retrying"]
    assert ("taken_over", 2) == (again["reason"], again["attempt"])
    said: dict[str, str] = {}
    for event in log:
        if event["type"] == "node.chunk":
            said[event["message"]] = said.get(event["message"], "") + event["value"]
        for void in event.get("voids", ()):
            said.pop(void, None)
    assert ["one two three"] == list(said.values())
