"""A server process begins with an address and ends without leaving a reader hanging."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from itertools import islice

import httpx
import pytest

from riverrun.base.errors import InputError, StoreError
from riverrun.server.app import create_app
from riverrun.server.serve import listen, serve, url_of
from riverrun.server.settings import load
from tests.server.served import STREAM, reading, serving

PROGRAM = """
from riverrun.server.app import create_app
from riverrun.server.serve import serve
from riverrun.server.settings import load
from tests.server.served import GRAPHS
import sys
app = create_app(GRAPHS, store=sys.argv[1], settings=load(lease_seconds=1))
serve(app, port=0, announce=lambda url: print(url, flush=True))
print("closed", flush=True)
"""


def test_a_shutdown_tells_open_streams_to_come_back_and_ends():
    with serving() as served:
        run = served.start("wait")
        with reading(served, run) as blocks:
            next(blocks)
            served.stop()
            last = list(blocks)[-1]
    assert ("close", {"reason": "shutdown"}) == (last.event, json.loads(last.data))
    assert last.id.endswith((".1", ".2"))


def test_a_shutdown_answers_a_poll_that_waits():
    with serving() as served:
        run = served.start("wait")
        with reading(served, run) as blocks:
            head = [json.loads(block.data)["seq"] for block in islice(blocks, 2)][-1]
        request = httpx.Request("GET", f"{served.url}/v1/runs/{run}/events?wait=60&after={head}")
        with socket.create_connection((request.url.host, request.url.port)) as link:
            link.sendall(f"GET {request.url.raw_path.decode()} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
            while served.app.state.riverrun.statistics()["readers"] != 1:
                served.http.get("/healthz")
            served.stop()
            assert b'"events":[]' in b"".join(iter(lambda: link.recv(65536), b""))


@pytest.mark.slow
def test_a_reader_that_takes_nothing_is_cut_off_in_time():
    with serving(shutdown_timeout=0.5) as served:
        run = served.start(count=1000, text="x" * 10_000)
        assert len(served.whole(run)) > 10_000_000
        address = httpx.URL(served.url)
        link = socket.socket()
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with link:
            link.connect((address.host, address.port))
            link.sendall(f"GET /v1/runs/{run}/events HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
            assert link.recv(10)
            begun = time.monotonic()
            served.stop()
            served.join()
            assert 0.5 <= time.monotonic() - begun < 3


def test_a_port_that_is_taken_is_an_error_with_its_mend():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match="E6003") as caught:
            serve(create_app({}, store="memory:"), "127.0.0.1", port)
    assert f"127.0.0.1:{port}" == caught.value.where
    assert "--port" in caught.value.mend


@pytest.mark.parametrize(("host", "port"), [("203.0.113.1", 0), ("no such host", 0), ("127.0.0.1", 70_000)])
def test_an_address_that_is_not_ours_is_an_error(host, port):
    with pytest.raises(InputError, match="E6006"):
        listen(host, port)


def test_a_store_that_cannot_be_opened_ends_it_before_it_begins():
    with pytest.raises(StoreError, match="E4001"):
        serve(create_app({}, store="sqlite:////dev/null/runs.db"), port=0, announce=pytest.fail)


def test_while_it_serves_what_was_loaded_is_out_of_the_collectors_sight(tmp_path):
    told = PROGRAM.replace("print(url", "print(url, gc.get_freeze_count()").replace('"closed"', "gc.get_freeze_count()")
    command = [sys.executable, "-c", "import gc\n" + told, f"sqlite:///{tmp_path / 'runs.db'}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as server:
        assert server.stdout
        assert 10_000 < int(server.stdout.readline().split()[1])
        server.terminate()
        assert 0 == int(server.stdout.readline())


def test_an_address_is_told_as_a_url():
    with listen("localhost", 0) as listener:
        assert url_of(listener).startswith("http://")
    try:
        with listen("::1", 0) as listener:
            assert url_of(listener).startswith("http://[::1]:")
    except InputError:
        pytest.skip("allowed: this machine has no IPv6")


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_well_and_the_next_one_goes_on_with_its_runs(sign, tmp_path):
    store = f"sqlite:///{tmp_path / 'runs.db'}"

    def process():
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM, store], stdout=subprocess.PIPE, text=True, env=os.environ
        )

    with process() as first:
        assert first.stdout
        url = first.stdout.readline().strip()
        with httpx.Client(base_url=url, timeout=10) as http:
            run = http.post("/v1/runs", json={"graph": "wait", "input": {}}).json()["run"]
            with http.stream("GET", f"/v1/runs/{run}/events", headers=STREAM) as answer:
                chunks = answer.iter_text()
                next(chunks)
                first.send_signal(sign)
                assert "event: close" in "".join(chunks)
        assert ("closed\n", 0) == (first.stdout.readline(), first.wait(timeout=10))
    with process() as second:
        assert second.stdout
        with httpx.Client(base_url=second.stdout.readline().strip(), timeout=20) as http:
            assert "running" == http.get(f"/v1/runs/{run}").json()["status"]
            http.post(f"/v1/runs/{run}/stop")
            with http.stream("GET", f"/v1/runs/{run}/events", headers=STREAM) as answer:
                assert "run.stopped" in answer.read().decode()
        second.send_signal(sign)
        assert 0 == second.wait(timeout=10)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_beyond_this_machine_nobody_is_served_who_was_not_asked(host):
    with pytest.raises(InputError, match="E6006") as caught:
        serve(create_app({}, store="memory:"), host, 0, announce=pytest.fail)
    assert "--no-auth" in caught.value.mend
    assert "RIVERRUN_KEYS" in caught.value.mend


@pytest.mark.parametrize("settings", [{"keys": "me-key:me"}, {"no_auth": True}])
def test_beyond_this_machine_it_serves_when_it_asks_or_was_told_not_to(settings):
    no_auth = settings.pop("no_auth", False)
    app = create_app({}, store="sqlite:////dev/null/runs.db", settings=load(**settings))
    # It came as far as its store, which there is not: the address was granted.
    with pytest.raises(StoreError, match="E4001"):
        serve(app, "0.0.0.0", 0, announce=pytest.fail, no_auth=no_auth)
