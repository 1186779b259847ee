"""The client that waits: the same runs, from a program without asyncio."""

from __future__ import annotations

import pytest

from riverrun.base.errors import IllegalMove, InputError, NotFound
from riverrun.client import BlockingClient
from riverrun.events import kinds
from tests.server.served import serving


@pytest.fixture(scope="module")
def served():
    with serving() as served:
        yield served


@pytest.fixture
def client(served):
    with BlockingClient(served.url) as client:
        yield client


def test_a_run_is_started_read_and_waited_for(client):
    run = client.start("words", {"count": 2}, attach=True)
    seen = list(run.events())
    assert ["run.started", "run.completed"] == [seen[0].type, seen[-1].type]
    assert list(range(1, len(seen) + 1)) == [event.seq for event in seen]
    assert seen[3:] == list(run.events(3))
    assert {"count": 2, "text": "word 0 🌊 word 1 🌊 "} == run.result() == run.state()
    assert {"count": 2} == run.state(at=1)
    assert "completed" == run.info().ending
    assert run.id in [info.run for info in client.list(graph="words")]
    assert "words" in [graph.name for graph in client.graphs()]
    assert seen == list(client.run(run.id).events())


def test_a_run_is_answered_forked_and_stopped(client):
    run = client.start("ask", {})
    for event in run.events():
        if isinstance(event, kinds.RunInterrupted):
            run.resume({question.id: "yes" for question in event.questions})
    assert {"text": "yes", "count": 1} == run.result()
    fork = run.fork(at=2)
    events = fork.events()
    next(event for event in events if isinstance(event, kinds.RunInterrupted))
    assert "parked" == fork.info().status
    fork.stop("enough")
    assert ["run.stopped"] == [event.type for event in events]


def test_leaving_a_log_in_the_middle_leaves_nothing_behind(served):
    with BlockingClient(served.url) as client:
        run = client.start("wait", {})
        for _ in run.events():
            break
        client.run(run.id).stop()


def test_places_are_kept_as_they_are_by_the_other_client(client):
    kept: list[str] = []
    run = client.start("words", {"count": 3})
    seqs = [event.seq for event in run.events(on_place=kept.append)]
    assert seqs == [int(place.rpartition(".")[2]) for place in kept]


def test_errors_are_those_of_the_server(client):
    with pytest.raises(NotFound, match="E2004"):
        client.start("nothing", {})
    with pytest.raises(InputError, match="E6006"):
        BlockingClient("nowhere")


async def test_a_call_that_waits_inside_an_event_loop_is_refused(served):
    client = BlockingClient(served.url)
    with pytest.raises(IllegalMove, match="E3012"):
        client.graphs()
    client._loop.close()
    await client._client.aclose()
