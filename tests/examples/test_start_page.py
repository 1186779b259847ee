"""docs/start.md, step by step: its files as they stand, its commands but for the port, its page in a real browser."""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.examples.browser import chromium, opened
from tests.examples.pages import blocks, environment, run, write_files

PAGE = "docs/start.md"
COMMANDS = [line for block in blocks(PAGE, "sh") for line in block.text.splitlines()]
SECONDS = 60.0

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path):
    """Where the files of the page are."""
    write_files(PAGE, tmp_path)
    return tmp_path


def command(begin):
    """Give the one command of the page that begins so."""
    (found,) = {line for line in COMMANDS if line.startswith(begin)}
    return found


def free_port():
    """Find a port that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def serving(line, folder, port, ready) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of the page that serves, on a port of ours, until it answers; end it afterwards."""
    with subprocess.Popen(
        [*shlex.split(line), "--port", str(port)],
        cwd=folder,
        env=environment(RIVERRUN_LEASE_SECONDS="1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            limit = time.monotonic() + SECONDS
            while time.monotonic() < limit:
                try:
                    if httpx.get(f"http://127.0.0.1:{port}{ready}").status_code == 200:
                        break
                except httpx.TransportError:
                    assert process.poll() is None, "it ended by itself"
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(SECONDS)


def test_the_files_that_the_page_needs_are_on_it(folder):
    assert {"research.py", "app.py", "page.html"} == {path.name for path in folder.iterdir()}


def test_the_graph_runs_in_the_terminal(folder):
    done = run(shlex.split(command("riverrun run")), folder)
    assert 0 == done.returncode, done.stderr
    state = json.loads(done.stdout.splitlines()[-1].removeprefix("state: "))
    assert {"topic", "history", "present", "report"} == set(state)
    assert all(state.values())


def test_one_request_starts_a_run_and_brings_its_events(folder):
    if shutil.which("curl") is None or "--json" not in run(["curl", "--help", "all"], folder).stdout:
        pytest.skip("allowed: there is no curl here that knows --json (7.82 or later)")
    port = free_port()
    with serving(command("riverrun dev"), folder, port, "/healthz"):
        done = run(shlex.split(command("curl").replace("8787", str(port))), folder)
    events = [json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith("data: ")]
    assert ("run.started", "run.completed") == (events[0]["type"], events[-1]["type"])
    assert {"historian", "reporter", "writer"} == {event["node"] for event in events if event["type"] == "node.chunk"}
    listed = run(["riverrun", "runs", "list"], folder)
    assert [events[0]["run"]] == [line.split()[0] for line in listed.stdout.splitlines()[1:]]


def test_the_client_program_reads_a_run_to_its_end(folder):
    program = next(block.text for block in blocks(PAGE, "python") if not block.name)
    (folder / "client.py").write_text(program)
    port = free_port()
    with serving(command("uvicorn"), folder, port, "/"):
        done = run([sys.executable, "client.py", f"http://127.0.0.1:{port}/agents"], folder)
    assert 0 == done.returncode, done.stderr
    assert {"historian", "reporter", "writer"} == {line.split()[0] for line in done.stdout.splitlines()[:-1]}


async def test_the_page_shows_what_the_log_holds_although_the_server_was_killed_in_the_middle(folder, tmp_path):
    program = chromium()
    if program is None:
        pytest.skip("allowed: there is no Chromium here; install the package chromium")
    port, line = free_port(), command("uvicorn")
    site = f"http://127.0.0.1:{port}"
    with serving(line, folder, port, "/") as first:
        async with opened(program, f"{site}/", tmp_path / "profile") as tab:
            await tab.until("document.querySelector('form button') && true")
            await tab.ask("document.querySelector('form button').click()")
            await tab.until("document.querySelectorAll('main p').length > 1")
            first.kill()
            await asyncio.to_thread(first.wait)
            # Not over: whatever was said before stays on the page, and the run goes on when somebody serves it again.
            assert await tab.ask("document.querySelectorAll('main p').length")
            with serving(line, folder, port, "/"):
                await tab.until("document.querySelector('main').dataset.done")
                shown = await tab.ask("[...document.querySelectorAll('main p')].map((each) => each.textContent)")
                name = await tab.ask("location.hash.slice(1)")
                path = f"{site}/agents/v1/runs/{name}"
                state = (await asyncio.to_thread(httpx.get, f"{path}/state")).json()["state"]
                events = (await asyncio.to_thread(httpx.get, f"{path}/events?wait=0&limit=10000")).json()["events"]
    assert sorted(state[key] for key in ("history", "present", "report")) == sorted(shown)
    assert "run.taken_over" in {event["type"] for event in events}
