"""A run far away is read, stopped and waited for; its result tells how it ended."""

from __future__ import annotations

import json
from typing import Any

import pytest

from riverrun.base.errors import CursorError, NotFound, RunFailed
from riverrun.client import Client
from riverrun.client.session import Pace, State
from riverrun.events import kinds
from riverrun.events.kinds import ErrorInfo
from tests.client.logs import LOG, events_of
from tests.client.server import problem, serving
from tests.client.test_client import ROW
from tests.events.samples import RUN

FAST = Pace(first_delay=0.001, longest_delay=0.002)
PATH = f"/v1/runs/{RUN}"
STATE = {"run": RUN, "at": None, "state": {"summary": "wörd"}}
END: dict[str, Any] = {"seq": 6, "ts": 6, "run": RUN}


def served(last=None, *, row=None):
    """Serve one run whose log ends with `last`."""
    answers = {f"GET {PATH}": {**ROW, **(row or {})}, f"GET {PATH}/state": STATE, f"POST {PATH}/stop": ROW}
    return serving(events_of(6, last=last), answers=answers)


async def test_a_run_tells_what_is_known_of_it():
    async with served() as server, Client(server.url) as client:
        info = await client.run(RUN).info()
        assert (RUN, "g", "running", None, 1, LOG) == (
            info.run,
            info.graph,
            info.status,
            info.ending,
            info.head,
            info.log,
        )


async def test_events_are_read_from_a_seq_or_a_cursor():
    changes = []
    async with served() as server, Client(server.url) as client:
        run = client.run(RUN)
        assert [1, 2, 3, 4, 5, 6] == [event.seq async for event in run.events()]
        async with run.events(f"{LOG}.4", on_change=lambda state, _: changes.append(state)) as events:
            assert [5, 6] == [event.seq async for event in events]
        assert [4, 5, 6] == [event.seq async for event in run.events(3, log=LOG)]
        assert ["0", f"{LOG}.4", f"{LOG}.3"] == [request.query["after"] for request in server.requests]
        assert [State.LIVE, State.ENDED] == changes


@pytest.mark.parametrize("place", [-1, "x", "1.2.3", "ZZZZZZZZ.1"])
async def test_what_is_no_place_is_refused_at_once(place):
    async with Client("http://127.0.0.1:1") as client:
        with pytest.raises(CursorError) as caught:
            client.run(RUN).events(place)
        assert "E2007" == caught.value.code


@pytest.mark.parametrize(("reason", "body"), [("", {}), ("enough", {"reason": "enough"})])
async def test_stopping_gives_the_run_as_it_is(reason, body):
    async with served() as server, Client(server.url) as client:
        info = await client.run(RUN).stop(reason)
        assert RUN == info.run
        assert body == json.loads(server.requests[0].body)


async def test_a_state_is_that_of_the_head_or_of_a_place():
    async with served() as server, Client(server.url) as client:
        assert {"summary": "wörd"} == await client.run(RUN).state()
        await client.run(RUN).state(at=0)
        assert [{}, {"at": "0"}] == [request.query for request in server.requests]


@pytest.mark.parametrize(("row", "asked"), [({}, f"{LOG}.1"), ({"status": "ended", "head": 6}, f"{LOG}.5")])
async def test_the_result_is_the_state_after_the_last_event(row, asked):
    async with served(row=row) as server, Client(server.url) as client:
        assert {"summary": "wörd"} == await client.run(RUN).result()
        # Of a log that may be long, only what is needed is read.
        assert [asked] == [request.query["after"] for request in server.requests if request.path.endswith("/events")]


ERROR = ErrorInfo(code="E3001", message="no such key", where="agent.py:12")


@pytest.mark.parametrize(
    ("last", "words", "where"),
    [
        (kinds.RunFailed(**END, error=ERROR), ["'failed'", "E3001 no such key"], "agent.py:12"),
        (kinds.RunStopped(**END, reason="enough"), ["'stopped'", "enough"], ""),
        (kinds.RunStopped(**END), ["'stopped'"], ""),
        (kinds.RunTimedOut(**END, limit=3.0), ["'timed_out'"], ""),
        (kinds.RunLost(**END, reason="nobody"), ["'lost'", "nobody"], ""),
    ],
    ids=["failed", "stopped, with a reason", "stopped", "timed out", "lost"],
)
async def test_without_a_result_the_error_says_how_the_run_ended(last, words, where):
    async with served(last) as server, Client(server.url) as client:
        with pytest.raises(RunFailed) as caught:
            await client.run(RUN).result()
        assert ("E3011", where) == (caught.value.code, caught.value.where)
        assert all(word in caught.value.message for word in [*words, RUN])


@pytest.mark.parametrize(("ending", "good"), [("completed", True), ("dissolved", False)])
async def test_an_ending_that_only_the_server_knows_is_asked_for(ending, good):
    last = kinds.Unknown(**END, kind="run.dissolved")
    async with served(last, row={"ending": ending}) as server, Client(server.url, pace=FAST) as client:
        if good:
            assert {"summary": "wörd"} == await client.run(RUN).result()
        else:
            with pytest.raises(RunFailed, match="'dissolved'"):
                await client.run(RUN).result()


async def test_a_run_that_is_not_there_has_no_result():
    async with serving(events_of(3)) as server, Client(server.url) as client:
        missing = problem(NotFound("E2005", "no such run"))
        server.answers[f"GET {PATH}"] = lambda server, request, line: line.send(missing)
        with pytest.raises(NotFound):
            await client.run(RUN).result()


async def test_a_run_shows_its_id():
    async with Client("http://127.0.0.1:1") as client:
        assert f"RemoteRun('{RUN}')" == repr(client.run(RUN))
