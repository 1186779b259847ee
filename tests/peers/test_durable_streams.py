"""Durable Streams by those who made them: their conformance suite and their client, against a real server.

The server is `riverrun serve` with its default store, a SQLite file. Where npm cannot install what the lock file names,
the reason of the skip says so.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from contextlib import contextmanager

import httpx
import pytest

from tests.client.network import log_of
from tests.web.node import WEB, found, installed

pytestmark = pytest.mark.slow

PEERS = WEB / "peers"
SUITE = WEB / "node_modules" / "@durable-streams" / "server-conformance-tests"
BASE_CASES = 332  # of suite 0.3.6, without the six of its optional subscriptions
JSON = {"content-type": "application/json"}
LONG_POLL_SECONDS = 1.0

GRAPHS = """
import asyncio
from riverrun import END, START, StateGraph
from typing import TypedDict


class State(TypedDict, total=False):
    count: int
    text: str


async def say(count):
    for number in range(count):
        yield f"wörd {number} 👩‍👩‍👧 世界\\r\\n "
        await asyncio.sleep(0)


async def speak(state):
    return {"text": say(state["count"])}


words = StateGraph(State).add_node("node", speak).add_edge(START, "node").add_edge("node", END).compile()
"""


class Server:
    """One `riverrun serve` after another, on one port and one file."""

    def __init__(self, folder) -> None:
        self._folder = folder
        self._port = "0"
        self._process: subprocess.Popen[str] | None = None
        (folder / "graphs.py").write_text(GRAPHS, encoding="utf-8")
        self.url = self.start()

    def start(self) -> str:
        command = [sys.executable, "-m", "riverrun.cli", "serve", "graphs.py", "--port", self._port, "--json"]
        environment = {
            **os.environ,
            "RIVERRUN_HEARTBEAT_INTERVAL": str(LONG_POLL_SECONDS),
            "RIVERRUN_ALLOWED_ORIGINS": "https://example.com",
        }
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [*command, "--store", "sqlite:///streams.db"],
                cwd=self._folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, (self._folder / "log").read_text()
        url = str(json.loads(line)["url"])
        self._port = url.rpartition(":")[2]
        return url

    def end(self, *, kill: bool = False) -> None:
        assert self._process is not None
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.communicate(timeout=20)


@contextmanager
def serving(folder):
    server = Server(folder)
    try:
        yield server
    finally:
        server.end()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture(scope="module")
def node():
    """A Node with what the lock file names."""
    told = found()
    if told is None:
        pytest.skip("allowed: there is no Node here, neither from its Python wheel nor on the PATH")
    problem = installed(told)
    if problem:
        pytest.skip(f"allowed: {problem}")
    return told


def test_every_base_case_of_the_public_suite_passes(node, server, tmp_path):
    told = tmp_path / "cases.json"
    done = subprocess.run(
        [
            node.node,
            # That of the suite: its cases belong to the vitest that they import.
            str(SUITE / "node_modules" / "vitest" / "vitest.mjs"),
            *("run", "durable-streams.test.js", "--testTimeout=60000", "--reporter=json", f"--outputFile={told}"),
        ],
        cwd=PEERS,
        env={
            **node.environment,
            "RIVERRUN_URL": server.url,
            "RIVERRUN_LONG_POLL_MS": str(round(LONG_POLL_SECONDS * 1000)),
        },
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert told.exists(), done.stdout + done.stderr
    cases = [case for file in json.loads(told.read_text())["testResults"] for case in file["assertionResults"]]
    failed = [f"{case['fullName']}: {case['failureMessages'][:1]}" for case in cases if case["status"] == "failed"]
    assert not failed, "\n".join(failed)
    passed = [case["fullName"] for case in cases if case["status"] == "passed"]
    left_out = [case["fullName"] for case in cases if case["status"] not in {"passed", "failed"}]
    assert BASE_CASES == len(passed)
    assert all(name.startswith("Reserved subscription APIs") for name in left_out)


@contextmanager
def running(node, *arguments):
    """Run a program of web/peers while the body goes on; give what tells its messages once it has ended."""
    process = subprocess.Popen(
        [node.node, "durable-streams.js", *arguments],
        cwd=PEERS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )

    def said():
        out, err = process.communicate(timeout=60)
        assert 0 == process.returncode, err
        return [json.loads(line) for line in out.splitlines()]

    try:
        yield said
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_the_public_client_reads_a_run_live(node, server):
    body = {"graph": "words", "input": {"count": 2000}}
    run = httpx.post(f"{server.url}/v1/runs", json=body).json()["run"]
    url = f"{server.url}/v1/stream/runs/{run}"
    with running(node, "follow", url, "sse") as sse, running(node, "follow", url, "long-poll") as polled:
        assert list(log_of(server.url, run).values()) == sse() == polled()


def test_what_the_public_client_writes_its_readers_are_given_once_and_in_order(node, server):
    url = f"{server.url}/v1/stream/written"
    assert 201 == httpx.put(url, headers=JSON).status_code
    with (
        running(node, "follow", url, "sse") as sse,
        running(node, "follow", url, "long-poll") as polled,
        running(node, "write", url, "500") as writing,
    ):
        assert [] == writing()
        written = [{"n": n, "text": f"wörd {n} 👩‍👩‍👧\r\n"} for n in range(500)]
        assert written == sse() == polled()
    assert "true" == httpx.head(url).headers["stream-closed"]


def test_a_server_that_is_killed_loses_and_doubles_nothing_that_a_producer_sends(tmp_path):
    chance = random.Random(7)
    with serving(tmp_path) as server, httpx.Client(timeout=10) as http, httpx.Client(timeout=10) as writing:
        url = f"{server.url}/v1/stream/killed"
        assert 201 == http.put(url, headers=JSON).status_code
        done, offset = threading.Event(), "-1"

        def write():
            for number in range(300):
                producer = {"producer-id": "p", "producer-epoch": "0", "producer-seq": str(number)}
                while not done.is_set():
                    try:
                        answer = writing.post(url, content=f"[{number}]", headers={**JSON, **producer})
                    except httpx.TransportError:
                        done.wait(0.05)  # as a producer does that comes back
                        continue
                    assert answer.status_code in {200, 204}, answer.text
                    break

        writer = threading.Thread(target=write, name="tests-writer")
        writer.start()
        try:
            for _ in range(4):
                # Some more were acknowledged since the last time, then it dies in the middle of whatever it does.
                offset = _until_longer(http, url, offset, chance.randint(5, 40))
                server.end(kill=True)
                server.start()
            writer.join(timeout=60)
        finally:
            done.set()
            writer.join()
        assert list(range(300)) == http.get(url).json()


def _until_longer(http, url, offset, count):
    """Wait until a stream has so many more messages behind an offset; give the offset of the last."""
    while count > 0:
        answer = http.get(url, params={"offset": offset, "live": "long-poll"})
        count -= len(answer.json()) if answer.content else 40  # quiet: the writer is through
        offset = answer.headers["stream-next-offset"]
    return offset
