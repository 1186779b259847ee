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
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from riverrun.client.client import Client
from riverrun.testing.proxy import Break, Faults, Proxy
from tests.client.browser import BROWSER, Site
from tests.client.network import QUICK, Tally, first, log_of, network, port_of, read, told
from tests.client.processes import Progress, memory_of, process
from tests.server.handmade import attach, opened
from tests.server.served import serving

pytestmark = pytest.mark.slow

LOG = logging.getLogger(__name__)
STREAMS, READERS, KILLS = 6, 4, 6


async def follow(client, run, progress):
    async with client.run(run).events() as events:
        seen = []
        async for event in events:
            seen.append((event.seq, told(event)))
            progress.one_more()
        return seen


def over(proxy, transport):
    return Client(proxy.url, pace=QUICK, transport=transport)


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
        proxy = Proxy("127.0.0.1", port_of(url), mishap)
        async with proxy, over(proxy, "auto") as client, over(proxy, "websocket") as other:
            async with asyncio.timeout(90), asyncio.TaskGroup() as group:
                runs = [(await client.start("chain", {})).id for _ in range(STREAMS)]
                readers = [
                    (run, group.create_task(follow((client, other)[number % 2], run, progress)))
                    for run in runs
                    for number in range(READERS)
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


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="allowed: memory is read from Linux's /proc")
@pytest.mark.parametrize(("events", "size"), [(8_000, 1_000), (1_000, 10_000)])
@pytest.mark.parametrize("over", ["sse", "websocket"])
async def test_readers_that_stop_reading_cost_little_and_hold_nobody_up(tmp_path, events, size, over):
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
            if over == "websocket":
                stack.enter_context(await asyncio.to_thread(opened, url, buffer_bytes=4096)).sendall(attach(run))
                continue
            link = stack.enter_context(socket.socket())
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            link.connect(("127.0.0.1", port_of(url)))
            link.sendall(f"GET /v1/runs/{run}/events HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        async with asyncio.timeout(30):
            seen = [one for one, _ in await asyncio.gather(*[read(url, run, transport=over) for _ in range(3)])]
        grown = memory_of(server.pid) - before
        tally = Tally()
        for one in seen:
            tally = tally.plus(log, one)
    LOG.info("30 stopped readers over %s: %s bytes more", over, grown)
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


@pytest.mark.skipif(BROWSER is None, reason="allowed: chromium is not installed")
async def test_a_browsers_own_eventsource_resumes_by_itself(tmp_path):
    async with Site() as site:
        with serving(allowed_origins=(site.origin,)) as served:
            run = served.start(count=200)
            async with network(served, first(Faults(after=5000), Faults(after=9000))) as proxy:
                page = PAGE.replace("EVENTS", f"{proxy.url}/v1/runs/{run}/events")
                result = await site.shown(page, tmp_path / "profile")
                cuts = proxy.statistics()["broken"]
            log = log_of(served.url, run)
    seen = [(int(place.rpartition(".")[2]), json.loads(data)) for place, data in result["seen"]]
    LOG.info("a browser: %s cuts, %s connections, %s events", cuts, result["opens"], len(seen))
    assert 0 == Tally().plus(log, seen).wrong
    assert cuts >= 1
    assert result["opens"] == cuts + 1


SOCKET_PAGE = """<!doctype html><script>
const seen = [];
let opens = 0, log = "", place = 0;
const open = () => {
  const socket = new WebSocket("SOCKET");
  const after = log ? `${log}.${place}` : "";
  socket.onopen = () => { opens++; socket.send(JSON.stringify({type: "attach", id: "r", run: "RUN", after})); };
  socket.onmessage = (message) => {
    const frame = JSON.parse(message.data);
    if (frame.type === "attached") log = frame.log;
    for (const event of frame.events ?? []) {
      seen.push(event);
      place = event.seq;
    }
    if (frame.type === "ended") {
      socket.onclose = null;
      socket.close();
      fetch("/result", {method: "POST", body: JSON.stringify({opens, seen})});
    }
  };
  socket.onclose = () => setTimeout(open, 50);
};
open();
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="allowed: chromium is not installed")
async def test_a_browsers_own_websocket_reads_a_run_and_comes_back_to_its_place(tmp_path):
    async with Site() as site:
        with serving(allowed_origins=(site.origin,)) as served:
            run = served.start(count=200)
            async with network(served, first(Faults(after=5000), Faults(after=9000))) as proxy:
                page = SOCKET_PAGE.replace("SOCKET", f"{proxy.url.replace('http', 'ws')}/v1/ws").replace("RUN", run)
                result = await site.shown(page, tmp_path / "profile")
                cuts = proxy.statistics()["broken"]
            log = log_of(served.url, run)
    seen = [(event["seq"], event) for event in result["seen"]]
    LOG.info("a browser: %s cuts, %s sockets, %s events", cuts, result["opens"], len(seen))
    assert 0 == Tally().plus(log, seen).wrong
    assert cuts >= 1
    assert result["opens"] == cuts + 1


@pytest.mark.skipif(BROWSER is None, reason="allowed: chromium is not installed")
async def test_a_browser_opens_no_socket_for_a_page_of_another_site(tmp_path):
    page = """<!doctype html><script>
    const socket = new WebSocket("SOCKET");
    let opened = false;
    socket.onopen = () => (opened = true);
    socket.onclose = (event) => fetch("/result", {method: "POST", body: JSON.stringify({opened, code: event.code})});
    </script>"""
    async with Site() as site:
        with serving() as served:
            found = await site.shown(
                page.replace("SOCKET", f"{served.url.replace('http', 'ws')}/v1/ws"), tmp_path / "p"
            )
            assert 0 == served.app.state.riverrun.statistics()["readers_total"]
    assert {"opened": False, "code": 1006} == found
