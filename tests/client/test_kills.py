"""Servers that are killed and readers that stop reading: the others read on, and nothing is lost or repeated."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from riverrun.client.client import Client
from riverrun.testing.proxy import Break, Faults, Proxy
from tests.client.network import QUICK, Tally, first, log_of, network, port_of, read, told
from tests.server.served import serving

pytestmark = pytest.mark.slow

PROGRAM = """
import asyncio, sys
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import END, START
from riverrun.server.app import create_app
from riverrun.server.serve import serve
from riverrun.server.settings import load
from tests.server.served import GRAPHS, State

async def words(name):
    for number in range(40):
        yield f"{name} {number} \\u4e16\\U0001f30a "
        await asyncio.sleep(0.01)

def node(name):
    async def say(state):
        return {"text": words(name)}
    return say

graph = StateGraph(State)
for name, before in (("a", START), ("b", "a"), ("c", "b")):
    graph.add_node(name, node(name)).add_edge(before, name)
chain = graph.add_edge("c", END).compile()
app = create_app({**GRAPHS, "chain": chain}, store=sys.argv[1], settings=load(lease_seconds=1))
serve(app, port=int(sys.argv[2]), announce=lambda url: print(url, flush=True))
"""
LOG = logging.getLogger(__name__)
STREAMS, READERS, KILLS = 6, 3, 6


@contextmanager
def process(store, port=0):
    """Run a server of its own; it is killed at the end. Gives it and its address."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, store, str(port)], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout
            yield server, server.stdout.readline().strip()
        finally:
            server.kill()


class Progress:
    """How many events all readers together have been given."""

    def __init__(self):
        self.events = 0
        self._news = asyncio.Event()

    def one_more(self):
        self.events += 1
        self._news.set()

    async def reach(self, events):
        """Wait until readers have that many, or until a while has passed without any (all runs may have ended)."""
        while self.events < events:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 10)


async def follow(client, run, progress):
    async with client.run(run).events() as events:
        seen = []
        async for event in events:
            seen.append((event.seq, told(event)))
            progress.one_more()
        return seen


@pytest.mark.timeout(120)
async def test_servers_are_killed_at_random_and_every_reader_reads_every_event_once(tmp_path):
    dice, progress, tally, kills = random.Random(11), Progress(), Tally(), 0
    store = f"sqlite:///{tmp_path / 'runs.db'}"

    def mishap(_):
        if dice.random() < 0.7:
            return Faults()
        return Faults(after=int(10 ** dice.uniform(1, 5)), then=dice.choice([Break.RESET, Break.END]))

    with ExitStack() as stack:
        server, url = stack.enter_context(process(store))
        async with Proxy("127.0.0.1", port_of(url), mishap) as proxy, Client(proxy.url, pace=QUICK) as client:
            async with asyncio.timeout(90), asyncio.TaskGroup() as group:
                runs = [(await client.start("chain", {})).id for _ in range(STREAMS)]
                readers = [
                    (run, group.create_task(follow(client, run, progress))) for run in runs for _ in range(READERS)
                ]
                for _ in range(KILLS):
                    await progress.reach(progress.events + dice.randrange(20, 500))
                    if all(reader.done() for _, reader in readers):
                        break
                    server.send_signal(signal.SIGKILL)
                    server.wait()
                    kills += 1
                    server, url = await asyncio.to_thread(stack.enter_context, process(store))
                    proxy.target = ("127.0.0.1", port_of(url))
            logs = {run: log_of(url, run) for run in runs}
            for run, reader in readers:
                tally = tally.plus(logs[run], reader.result())
            mishaps = proxy.statistics()["broken"]
    takeovers = sum(event["type"] == "run.taken_over" for log in logs.values() for event in log.values())
    LOG.info("%s kills, %s cuts, %s takeovers: %s", kills, mishaps, takeovers, tally)
    assert kills >= 3
    assert takeovers >= STREAMS
    assert (STREAMS * READERS, 0) == (tally.readers, tally.wrong), tally
    assert {"run.completed"} == {log[max(log)]["type"] for log in logs.values()}


async def started(url, body):
    async with httpx.AsyncClient() as http:
        return (await http.post(f"{url}/v1/runs", json=body, timeout=30)).json()["run"]


def memory_of(pid):
    """Resident bytes of a process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found
    return int(found[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="allowed: memory is read from Linux's /proc")
@pytest.mark.parametrize(("events", "size"), [(8_000, 1_000), (1_000, 10_000)])
async def test_readers_that_stop_reading_cost_little_and_hold_nobody_up(tmp_path, events, size):
    with process(f"sqlite:///{tmp_path / 'runs.db'}") as (server, url), ExitStack() as stack:
        body = {"graph": "words", "input": {"count": events, "text": "x" * size}}
        run = await started(url, body)
        log = log_of(url, run)
        assert len(log) > events
        # Read before by as many, so that what the process needs anyway is not counted.
        async with asyncio.timeout(30):
            await asyncio.gather(*[read(url, run) for _ in range(3)])
        before = memory_of(server.pid)
        for _ in range(30):
            link = stack.enter_context(socket.socket())
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            link.connect(("127.0.0.1", port_of(url)))
            link.sendall(f"GET /v1/runs/{run}/events HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        async with asyncio.timeout(30):
            seen = [one for one, _ in await asyncio.gather(*[read(url, run) for _ in range(3)])]
        grown = memory_of(server.pid) - before
        tally = Tally()
        for one in seen:
            tally = tally.plus(log, one)
    LOG.info("30 stopped readers: %s bytes more", grown)
    assert (3, 0) == (tally.readers, tally.wrong)
    # 30 readers that take nothing of 8 or 10 MB each: unbounded it would be 240 or 300 MB.
    assert grown < 60_000_000


@pytest.mark.skipif(shutil.which("curl") is None, reason="allowed: curl is not installed")
async def test_curl_reads_a_run_and_comes_back_to_its_place(tmp_path):
    async def curl(*options):
        made = await asyncio.create_subprocess_exec("curl", "-sN", *options, stdout=asyncio.subprocess.PIPE)
        out, _ = await made.communicate()
        return made.returncode, out

    with serving() as served:
        run = served.start(count=50)
        whole = served.whole(run)
        async with network(served, first(Faults(), Faults(after=3000))) as proxy:
            url = f"{proxy.url}/v1/runs/{run}/events"
            assert (0, whole) == await curl(url)
            status, out = await curl(url)
            assert 0 != status
            # What a program of a few lines of shell does: the last whole block, and on from there.
            kept = out[: out.rindex(b"\n\n") + 2]
            last = re.findall(rb"^id: (\S+)$", kept, re.MULTILINE)[-1].decode()
            status, rest = await curl("-H", f"Last-Event-ID: {last}", url)
            assert 0 == status
            assert whole == kept + rest.partition(b"\n\n")[2]
            ended = re.findall(rb"^id: (\S+)$", whole, re.MULTILINE)[-1].decode()
            nothing = ("-o", str(tmp_path / "none"), "-w", "%{http_code}")
            assert (0, b"204") == await curl(*nothing, f"{url}?after={ended}")


PAGE = """<!doctype html><script>
const seen = [], source = new EventSource("EVENTS");
let opens = 0;
source.onopen = () => opens++;
source.onmessage = (event) => seen.push([event.lastEventId, event.data]);
source.onerror = () => {
  if (source.readyState === EventSource.CLOSED)
    fetch("/result", {method: "POST", body: JSON.stringify({opens, seen})});
};
</script>"""
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


class Site:
    """Another site: it serves one page, and takes what the page has to say."""

    def __init__(self):
        self.page = ""
        self.result = asyncio.get_running_loop().create_future()

    async def answer(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            size = re.search(r"content-length: (\d+)", head.lower())
            body = await reader.readexactly(int(size[1])) if size else b""
            if head.startswith("POST /result ") and not self.result.done():
                self.result.set_result(json.loads(body))
            page = self.page.encode() if head.startswith("GET / ") else b""
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n" + page)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # a browser opens connections that it does not use
        finally:
            writer.close()


@pytest.mark.skipif(BROWSER is None, reason="allowed: chromium is not installed")
async def test_a_browsers_own_eventsource_resumes_by_itself(tmp_path):
    site = Site()
    listener = await asyncio.start_server(site.answer, "127.0.0.1", 0)
    origin = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        with serving(allowed_origins=(origin,)) as served:
            run = served.start(count=200)
            async with network(served, first(Faults(after=5000), Faults(after=9000))) as proxy:
                site.page = PAGE.replace("EVENTS", f"{proxy.url}/v1/runs/{run}/events")
                browser = await asyncio.create_subprocess_exec(
                    str(BROWSER),
                    *FLAGS,
                    f"--user-data-dir={tmp_path / 'profile'}",
                    "--remote-debugging-port=0",
                    f"{origin}/",
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                    start_new_session=True,
                )
                try:
                    result = await asyncio.wait_for(site.result, 45)
                finally:
                    browser.terminate()
                    await browser.wait()
                cuts = proxy.statistics()["broken"]
            log = log_of(served.url, run)
    finally:
        listener.close()
        await listener.wait_closed()
    seen = [(int(place.rpartition(".")[2]), json.loads(data)) for place, data in result["seen"]]
    LOG.info("a browser: %s cuts, %s connections, %s events", cuts, result["opens"], len(seen))
    assert 0 == Tally().plus(log, seen).wrong
    assert cuts >= 1
    assert result["opens"] == cuts + 1
