"""curl, which knows nothing of us, as a client of everything that needs no program."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tests.server.served import serving

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="allowed: there is no curl on this machine")


@pytest.fixture(scope="module")
def served():
    with serving() as served:
        yield served


def curl(served, path, *options):
    """Ask, and give what curl wrote out."""
    command = ["curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "20", *options]
    done = subprocess.run([*command, f"{served.url}{path}"], capture_output=True, check=True)
    return done.stdout


def events(body):
    return [json.loads(line.removeprefix(b"data: ")) for line in body.split(b"\n") if line.startswith(b"data: ")]


def start(served, *options, graph="words", **values):
    body = json.dumps({"graph": graph, "input": values})
    return curl(served, "/v1/runs", "--json", body, *options)


def test_a_run_is_started_and_read_in_one_request(served):
    seen = events(start(served, "--no-buffer", "-H", "accept: text/event-stream", count=3))
    assert ("run.started", "run.completed") == (seen[0]["type"], seen[-1]["type"])
    assert list(range(1, len(seen) + 1)) == [event["seq"] for event in seen]


def test_a_reader_comes_back_to_its_place(served):
    run = json.loads(start(served, count=5))["run"]
    path = f"/v1/runs/{run}/events"
    whole = events(curl(served, path))
    log = whole[0]["log"]
    for place in range(len(whole)):
        assert whole[place:] == events(curl(served, path, "-H", f"last-event-id: {log}.{place}"))
    assert b"" == curl(served, path, "-H", f"last-event-id: {log}.{len(whole)}")


def test_a_run_is_read_by_polling_stopped_and_left(served):
    run = json.loads(start(served, graph="wait"))["run"]
    page = json.loads(curl(served, f"/v1/runs/{run}/events?wait=10"))
    assert 1 == page["events"][0]["seq"]
    assert b"" == curl(served, f"/v1/runs/{run}/leave", "-d", "bye", "-H", "content-type: text/plain")
    curl(served, f"/v1/runs/{run}/stop", "-X", "POST")
    while not page["ended"]:
        page = json.loads(curl(served, f"/v1/runs/{run}/events?wait=10&after={page['events'][-1]['seq']}"))
    assert "run.stopped" == page["events"][-1]["type"]


def test_text_is_read_by_its_offset(served):
    run = json.loads(start(served, count=2))["run"]
    curl(served, f"/v1/runs/{run}/events")
    told = json.loads(curl(served, f"/v1/runs/{run}/text?message=node:1/text&offset=7"))
    assert "🌊 word 1 🌊 " == told["text"]


def test_what_is_refused_says_why(served):
    with pytest.raises(subprocess.CalledProcessError) as caught:
        curl(served, "/v1/runs/nothing")
    assert "E2005" == json.loads(caught.value.stdout)["code"]


def test_metrics_are_there_for_a_scraper(served):
    assert b"\nriverrun_readers " in b"\n" + curl(served, "/metrics")
