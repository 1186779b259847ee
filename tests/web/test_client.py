"""The TypeScript client, in Node: its own tests, the way that the Python session goes, and a real server.

Each test starts Node. Where npm cannot install what the lock file names, the reason of the skip says so.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from riverrun.client.client import Client
from riverrun.client.session import Do
from riverrun.testing.proxy import Break, Faults, Proxy
from tests.client.network import log_of, port_of
from tests.client.test_conformance import SESSIONS, Reader
from tests.web.node import CLIENT, WEB, compiled, found, installed

pytestmark = pytest.mark.slow

READERS = 40
WALKS = 400

GRAPHS = """
import asyncio
from riverrun import END, START, StateGraph, interrupt
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


async def hang(state):
    await asyncio.Event().wait()


async def enquire(state):
    return {"text": interrupt({"shall": "it"})}


def made(node):
    return StateGraph(State).add_node("node", node).add_edge(START, "node").add_edge("node", END).compile()


words, wait, ask = made(speak), made(hang), made(enquire)
"""


@pytest.fixture(scope="module")
def node():
    """A Node with everything that the client and its tests need, compiled."""
    told = found()
    if told is None:
        pytest.skip("allowed: there is no Node here, neither from its Python wheel nor on the PATH")
    problem = installed(told)
    if problem:
        pytest.skip(f"allowed: {problem}")
    assert "" == compiled(told)
    return told


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A real `riverrun serve`, in a process of its own."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "graphs.py").write_text(GRAPHS, encoding="utf-8")
    with serving(folder) as url:
        yield url


@contextmanager
def serving(folder):
    command = [
        sys.executable,
        "-m",
        "riverrun.cli",
        "serve",
        "graphs.py",
        "--port",
        "0",
        "--json",
        "--store",
        "sqlite:///runs.db",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, (folder / "log").read_text()
        yield json.loads(line)["url"]
    finally:
        process.terminate()
        process.communicate(timeout=20)


def said(node, *arguments):
    """Run one of the programs of web/client/test/real.ts; give its lines."""
    done = subprocess.run(
        node.script("real", *arguments),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_tests_of_the_client_pass(node):
    # Named by their sources: what was compiled from a file that is gone is not run.
    tests = [f"build/test/{path.stem}.js" for path in sorted((CLIENT / "test").glob("*.test.ts"))]
    environment = {name: value for name, value in os.environ.items() if name != "NODE_OPTIONS"}
    # A session of its own: the runner starts a process for each file, and all of them end with it.
    process = subprocess.Popen(
        [node.node, "--test", "--test-timeout=30000", "--test-reporter=tap", *tests],
        cwd=CLIENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        env=environment,
        start_new_session=True,
    )
    try:
        told, _ = process.communicate(timeout=150)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)
    assert 0 == process.returncode, told[-8000:]
    counts = dict(re.findall(r"^# (tests|pass|fail|skipped|todo|cancelled) (\d+)$", told, re.MULTILINE))
    assert counts["tests"] == counts["pass"]
    assert int(counts["tests"]) >= 150, "a file of tests ran empty"
    assert {"0"} == {counts[name] for name in ("fail", "skipped", "todo", "cancelled")}


# --- the same machine twice ---


def walk(dice, roll):
    """Let things happen at random to the Python session, as it can take them; give them and where it went."""
    case: dict[str, Any] = {"name": "walk", "after": roll.choice([0, 0, 3]), "steps": []}
    case["pace"] = roll.choice(
        [{}, {"barren_limit": 1}, {"patience": 20}, {"heartbeat_interval": 1, "poll_seconds": 3}]
    )
    reader = Reader(SESSIONS, case, dice)
    places: list[dict[str, Any]] = []
    while len(places) < 30 and reader.step.action.do is not Do.END:
        step = happening(reader.step.action.do, reader.session.place, roll)
        reader.happen(step)
        case["steps"].append(step)
        places.append(reader.told())
    return case, places


def happening(do, place, roll):
    """Choose what happens next; what goes well is the likeliest, or nothing would get anywhere."""
    if roll.random() < 0.15:
        return {"wait": roll.choice([0.5, 4.0, 6.0, 31.0])}
    if roll.random() < 0.02:
        return {"leave": True}
    some = [seq for seq in range(place + 1, place + 1 + roll.randrange(4)) if seq <= 8]
    odd = [roll.randrange(1, 9) for _ in range(roll.randrange(3))]
    events = roll.choice([some, some, [*some, *odd], odd])
    if do is Do.READ:
        noise: list[int | str] = [
            ": hb\n\n",
            "opening",
            "data: ha",
            "\n\n",
            "event: close\ndata: {}\n\n",
            "id: ffffffff.1\n\n",
        ]
        weights = [6, 4, 1, 1, 2, 0.3]
        good = {"read": [*roll.choices(noise, weights, k=roll.randrange(2)), *events]}
        return roll.choice([good, good, good, {"cut": roll.choice(["clean", "reset", "silence"])}])
    status = {
        "status": roll.choice([204, 302, 404, 410, 429, 500, 502, 503]),
        "retry_after": roll.choice(["2", "x", "0"]),
    }
    likely = [status] if roll.random() < 0.3 else [{"status": 502}, {"status": 429, "retry_after": "3"}]
    bad = roll.choice([*likely, {"fails": "refused"}, {"fails": "timeout"}, {"fails": "timeout"}])
    if do is Do.POLL:
        return roll.choice(
            [bad, {"page": {"events": events}}, {"page": {"events": events, "ended": events[-1:] == [8]}}]
        )
    return roll.choice([bad, {"stream": "text/event-stream"}, {"stream": "text/event-stream"}])


def test_both_sessions_go_the_same_way_whatever_happens(node, tmp_path):
    roll = random.Random(11)
    dice = [round(roll.random(), 3) for _ in range(WALKS)]
    walks = [walk(one, roll) for one in dice]
    ends = {places[-1]["close"] for _, places in walks}
    assert {"ended", "detached", "refused", "gone", "network"} <= ends, "the walks do not get around enough"
    assert {"connecting", "live", "reconnecting", "polling", "ended"} == {
        place["state"] for _, places in walks for place in places
    }
    file = tmp_path / "walks.json"
    file.write_text(json.dumps({**SESSIONS, "cases": [case for case, _ in walks], "dice": dice}))
    for (case, places), found_places in zip(walks, said(node, "walk", str(file)), strict=True):
        for step, place, other in zip(case["steps"], places, found_places, strict=True):
            assert place | {"delay": pytest.approx(place["delay"])} == other, (case, step)


# --- a real server ---


def test_a_program_starts_attaches_detaches_stops_answers_and_forks(node, server):
    graphs, words, texts, left, stopped, listed, asked, answered, forked = said(node, "verbs", server)
    assert {"graphs": ["words", "wait", "ask"]} == graphs
    assert words["same"]
    assert 5 == words["result"]["text"].count("世界")
    assert texts["read"] == texts["text"] == words["result"]["text"]
    assert "completed" == texts["ending"]
    assert {"first": "run.started", "close": "detached", "status": "running"} == left
    assert {"last": "run.stopped", "ending": "stopped", "duty": "never"} == stopped
    assert {"ended": [[True, "stopped"]], "none": "E2005"} == listed
    assert {"value": {"shall": "it"}, "status": "parked", "same": True} == asked
    assert {"result": {"text": "it shall"}, "open": 0, "wrong": "E2015"} == answered
    assert {"other": True, "result": {"text": "it shall not"}} == forked


def typed(node, name):
    """Say what type a global of Node has."""
    command = [node.node, "--eval", f"process.stdout.write(typeof {name})"]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout


async def started(url, count):
    async with Client(url) as client:
        run = await client.start("words", {"count": count})
        result = await run.result()
        return run.id, result["text"]


async def read_from(node, url, run, times, transport):
    process = await asyncio.create_subprocess_exec(
        *node.script("real", "read", url, run, str(times), transport),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert 0 == process.returncode, err.decode()
    return [json.loads(line) for line in out.splitlines()]


def cut_at_random(roll, size):
    """Break each connection after a random number of bytes; one that is never cut would serve all further readers."""

    def faults(_: int) -> Faults:
        if roll.random() < 0.1:
            return Faults(bad_gateway=True)
        then = roll.choice([Break.RESET, Break.END, Break.HALF_CLOSE])
        return Faults(after=roll.randrange(int(size * roll.choice([0.05, 0.5, 1.5]))), then=then)

    return faults


@pytest.mark.parametrize("transport", ["auto", "websocket", "poll"])
async def test_what_is_applied_through_a_network_that_cuts_at_random_bytes_is_the_log(node, server, transport):
    if transport == "websocket" and "undefined" == typed(node, "WebSocket"):
        pytest.skip("allowed: this Node is older than 22 and has no WebSocket")
    count = READERS if transport == "auto" else READERS // 4
    run, text = await started(server, 120)
    log = await asyncio.to_thread(log_of, server, run)
    size = sum(len(json.dumps(event, ensure_ascii=False).encode()) + 30 for event in log.values())
    async with Proxy("127.0.0.1", port_of(server), cut_at_random(random.Random(3), size)) as proxy:
        readers = await read_from(node, proxy.url, run, count, transport)
        broken = proxy.statistics()["broken"]
    assert count == len(readers)
    for reader in readers:
        assert [*log.values()] == reader["events"]
        assert ("ended", "completed", text, len(log)) == tuple(
            reader[name] for name in ("close", "ending", "text", "place")
        )
    # One answer to a poll may hold the whole log.
    assert broken >= (count // 4 if transport == "poll" else count)
    assert transport == "poll" or sum(reader["reconnects"] for reader in readers) >= count // 2


# --- the package ---


def test_the_package_holds_what_it_needs_and_no_more(node):
    def npm(*arguments):
        done = subprocess.run(
            [*node.npm, *arguments],
            cwd=CLIENT,
            env=node.environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert 0 == done.returncode, done.stderr
        return done.stdout

    npm("run", "build")
    (packed,) = json.loads(npm("pack", "--dry-run", "--json"))
    paths = {file["path"] for file in packed["files"]}
    assert {"dist/index.js", "dist/index.d.ts", "dist/react/index.js", "dist/react/index.d.ts", "README.md"} <= paths
    assert all(path.startswith("dist/") or path in {"package.json", "README.md", "LICENSE"} for path in paths)
    assert "dependencies" not in json.loads((CLIENT / "package.json").read_text())
    face = "import * as face from 'riverrun'; import * as hooks from 'riverrun/react';"
    face += "console.log(typeof face.Client, typeof hooks.useRun)"
    done = subprocess.run(
        [node.node, "--input-type=module", "--eval", face],
        cwd=WEB,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert "function function\n" == done.stdout, done.stderr


def test_the_examples_of_the_readme_compile(node):
    blocks = re.findall(
        r"^```tsx?\n(.*?)^```", (CLIENT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(blocks) >= 2
    folder = CLIENT / "build" / "readme"
    folder.mkdir(exist_ok=True)
    for number, block in enumerate(blocks):
        (folder / f"block{number}.tsx").write_text(block + "export {};\n", encoding="utf-8")
    options = {
        "noEmit": True,
        "rootDir": "../..",
        "noUnusedLocals": False,
        "paths": {
            "riverrun": ["../../src/index.ts"],
            "riverrun/react": ["../../src/react/index.ts"],
        },
    }
    told = {"extends": "../../tsconfig.json", "compilerOptions": options, "include": ["*.tsx"], "exclude": []}
    (folder / "tsconfig.json").write_text(json.dumps(told))
    done = subprocess.run(
        [node.node, str(WEB / "node_modules" / "typescript" / "bin" / "tsc"), "-p", str(folder)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stdout)


def test_the_lock_file_says_what_and_not_where_from():
    packages = json.loads((WEB / "package-lock.json").read_text())["packages"]
    outside = {name: told for name, told in packages.items() if name.startswith("node_modules/") and "link" not in told}
    assert outside
    assert [] == [name for name, told in outside.items() if "integrity" not in told or "resolved" in told]
