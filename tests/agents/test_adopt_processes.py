"""Adopted agents on a real server that is killed: what was asked can be answered, what was half said is whole."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest

from riverrun.wire.sse import Parser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
STREAM = {"accept": "text/event-stream"}
MODULE = """
import pathlib
from riverrun.agents.adopt import adopt
from riverrun.face.compiled import CompiledGraph
from tests.agents.speakers import AGENTS, Source
def source():
    made = Source(free=(pathlib.Path(__file__).parent / "free").exists())
    made.let()  # one word
    return made
a, b, c, d = (CompiledGraph(adopt(AGENTS[kind](source()), name=f"half_{kind}")) for kind in KINDS)
e, f, g, h = (CompiledGraph(adopt(AGENTS[kind](Source(), asks=True), name=f"asks_{kind}")) for kind in KINDS)
"""
KINDS = ("langgraph", "pydantic_ai", "openai_agents", "llama_index")


@contextmanager
def served(folder):
    """Serve the agents of the module from a process of its own; it is killed in the end, as by the system."""
    (folder / "agents_here.py").write_text(MODULE.replace("KINDS", str(KINDS)))
    command = [
        sys.executable,
        "-m",
        "riverrun.cli",
        "dev",
        f"{folder}/agents_here.py",
        "--json",
        "--port",
        "0",
    ]
    command += ["--store", f"sqlite:///{folder}/runs.db", "--lease", "1"]
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


def start(http, graph):
    """Start a run and give its id."""
    return http.post("/v1/runs", json={"graph": graph, "input": {"input": "hello"}}).json()["run"]


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


def said(log):
    """Give the texts of a log that stand."""
    texts: dict[str, str] = {}
    for event in log:
        if event["type"] == "node.chunk":
            texts[event["message"]] = texts.get(event["message"], "") + event["value"]
        for void in event.get("voids", ()):
            texts.pop(void, None)
    return list(texts.values())


def test_a_question_outlives_the_process_that_asked_it(tmp_path):
    with served(tmp_path) as http:
        runs = {kind: start(http, f"asks_{kind}") for kind in KINDS}
        asked = {kind: events(http, run, ("run.interrupted",))[-1]["questions"] for kind, run in runs.items()}
    with served(tmp_path) as http:
        for kind, run in runs.items():
            (question,) = asked[kind]
            http.post(f"/v1/runs/{run}/resume", json={"answers": {question["id"]: True}}).raise_for_status()
            log = events(http, run, ("run.completed", "run.failed"))
            state = http.get(f"/v1/runs/{run}/state").json()["state"]
            assert ("run.completed", "one two three, True") == (log[-1]["type"], state["output"])
            assert "one two three" == said(log)[0]
            # `taken_over` is the default, which the wire leaves out.
            assert all("reason" in event for event in log if event["type"] == "node.retrying")


def test_what_was_half_said_when_the_process_died_is_said_once_by_the_next(tmp_path):
    with served(tmp_path) as http:
        runs = {kind: start(http, f"half_{kind}") for kind in KINDS}
        for run in runs.values():
            events(http, run, ("node.chunk",))
    (tmp_path / "free").touch()
    with served(tmp_path) as http:
        for run in runs.values():
            log = events(http, run, ("run.completed", "run.failed"))
            assert "run.completed" == log[-1]["type"]
            (again,) = [event for event in log if event["type"] == "node.retrying"]
            assert ("taken_over", 2) == (again.get("reason", "taken_over"), again["attempt"])
            assert ["one two three"] == said(log)
