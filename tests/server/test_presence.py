"""What becomes of a run when its readers leave, on a real server: only what its start said."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import ExitStack, asynccontextmanager

import httpx
import pytest

from riverrun.base.clock import SystemClock
from riverrun.base.errors import StoreError
from riverrun.events.ending import Close
from riverrun.log.store import RunFilter, RunKey
from riverrun.runs.attendance import REASON
from riverrun.runs.reader import follow
from riverrun.runs.service import RunService
from riverrun.runs.settings import RunSettings
from riverrun.server import presence
from riverrun.server.bodies import StartRequest
from riverrun.stores.memory import MemoryStore
from riverrun.testing.faults import Fault, FaultyStore, NthFault
from riverrun.transports.serve import Reader
from tests.server.served import GRAPHS, UNKNOWN, reading, serving


@pytest.fixture(scope="module")
def served():
    with serving(lease_seconds=2) as served:
        yield served


def start(served, on_disconnect, graph="wait", **values):
    body = {"graph": graph, "input": values, "on_disconnect": on_disconnect}
    answer = served.http.post("/v1/runs", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["run"]


def status(served, run):
    return served.http.get(f"/v1/runs/{run}").json()["status"]


def ending(served, run):
    """Wait for the end of a run with a reader that does not count: one that comes when all is over."""
    give_up_at = time.monotonic() + 5
    while status(served, run) != "ended":
        assert time.monotonic() < give_up_at, "the run goes on"
    return json.loads(served.whole(run).split(b"\n\n")[-2].partition(b"data: ")[2])


def watched(served):
    return served.app.state.riverrun.presence.statistics()["watched"]


def settled(served):
    """Wait until nobody is watched for any more."""
    give_up_at = time.monotonic() + 5
    while watched(served):
        assert time.monotonic() < give_up_at, "somebody is watched for"


def test_who_reads_a_run_as_a_durable_stream_is_a_reader_too(served):
    run = start(served, "stop")
    with served.http.stream("GET", f"/v1/stream/runs/{run}", params={"offset": "-1", "live": "sse"}) as only:
        next(only.iter_lines())
        assert "running" == status(served, run)
    assert "run.stopped" == ending(served, run)["type"]
    settled(served)


def test_a_run_that_is_to_be_read_is_stopped_within_a_second_of_its_last_reader(served):
    run = start(served, "stop")
    with ExitStack() as all_readers:
        for _ in range(3):
            next(all_readers.enter_context(reading(served, run)))
        left_at = time.time()
    last = ending(served, run)
    assert ("run.stopped", REASON) == (last["type"], last["reason"])
    assert last["ts"] / 1000 - left_at < 1
    settled(served)


def test_a_run_whose_start_says_nothing_goes_on_without_readers(served):
    for on_disconnect in ("continue", {"grace": 3600}):
        run = start(served, on_disconnect)
        with reading(served, run) as blocks:
            next(blocks)
        other = start(served, "stop")  # it would be stopped later than the first one, if that were
        with reading(served, other) as blocks:
            next(blocks)
        ending(served, other)
        assert "running" == status(served, run)
        with reading(served, run) as blocks:
            served.http.post(f"/v1/runs/{run}/stop")
            assert '"run.stopped"' in list(blocks)[-1].data
    settled(served)


def test_one_reader_that_stays_is_enough(served):
    run = start(served, "stop")
    with reading(served, run) as stays:
        next(stays)
        for _ in range(3):
            with reading(served, run) as goes:
                next(goes)
        other = start(served, "stop")
        with reading(served, other) as blocks:
            next(blocks)
        ending(served, other)
        assert "running" == status(served, run)
    assert REASON == ending(served, run)["reason"]


def test_a_page_that_is_loaded_anew_within_the_grace_stops_nothing(served):
    run = start(served, {"grace": 0.5})
    for _ in range(3):
        with reading(served, run) as blocks:
            next(blocks)
        assert 204 == served.http.post(f"/v1/runs/{run}/leave", content=b"bye").status_code
    with reading(served, run) as blocks:
        next(blocks)
        time.sleep(0.8)  # longer than the grace, which began anew each time
        assert "running" == status(served, run)
    assert REASON == ending(served, run)["reason"]


def test_a_run_that_parks_waits_for_its_answer_without_readers(served):
    run = start(served, "stop", "ask")
    with reading(served, run) as blocks:
        next(block for block in blocks if '"run.interrupted"' in block.data)
    settled(served)
    assert "parked" == status(served, run)
    assert 202 == served.http.post(f"/v1/runs/{run}/resume", json={"answer": "yes"}).status_code
    assert "run.completed" == ending(served, run)["type"]


def test_the_policy_outlives_the_server(tmp_path, monkeypatch):
    """The server goes down while the run is read, and the reader never comes back."""
    monkeypatch.setattr(presence, "LINGER_SECONDS", 0.5)
    store = f"sqlite:///{tmp_path}/runs.db"
    with serving(store, lease_seconds=1) as served:
        run = start(served, {"grace": 0.2})
        with reading(served, run) as blocks:
            next(blocks)
            served.stop()
            assert "close" == list(blocks)[-1].event
    with serving(store, lease_seconds=1) as served:
        assert REASON == ending(served, run)["reason"]


def test_readers_may_be_anywhere(tmp_path):
    """Two servers share a store. The owner of the run hears of the readers of both, and of the last one in time."""
    store = f"sqlite:///{tmp_path}/runs.db"
    with serving(store, lease_seconds=30) as owner, serving(store, lease_seconds=30) as other:
        run = start(owner, "stop")
        with reading(other, run) as far:
            next(far)
            for _ in range(2):
                with reading(owner, run) as near:
                    next(near)
            settled(owner)
            assert "running" == status(owner, run)
        left_at = time.time()
        last = ending(other, run)
        assert REASON == last["reason"]
        assert last["ts"] / 1000 - left_at < 1.5  # a second, and what two servers in one process cost each other


# --- the beacon ---


def test_a_beacon_is_taken_as_a_browser_sends_it_and_does_nothing_by_itself(served):
    run = start(served, "continue")
    for headers in (
        {"content-type": "text/plain;charset=UTF-8", "origin": served.url},
        {"content-type": "application/json"},
        {},
    ):
        answer = served.http.post(f"/v1/runs/{run}/leave?reader=tab-1", content=b"bye", headers=headers)
        assert (204, b"") == (answer.status_code, answer.content)
    assert "running" == status(served, run)
    served.http.post(f"/v1/runs/{run}/stop")


@pytest.mark.parametrize(
    ("path", "request_", "status_", "code"),
    [
        (f"/v1/runs/{UNKNOWN}/leave", {}, 404, "E2005"),
        ("/v1/runs/nothing/leave", {}, 404, "E2005"),
        ("/v1/runs/{run}/leave", {"headers": {"origin": "https://evil.example"}}, 403, "E2014"),
        ("/v1/runs/{run}/leave", {"content": b"x" * 5000}, 413, "E2003"),
        ("/v1/runs/{run}/leave?reader=a%20b", {}, 422, "E2002"),
        ("/v1/runs/{run}/events?reader=" + "a" * 65, {}, 422, "E2002"),
    ],
)
def test_what_is_no_beacon_is_refused(served, path, request_, status_, code):
    run = start(served, "stop")
    method = "GET" if "events" in path else "POST"
    answer = served.http.request(method, path.replace("{run}", run), **request_)
    assert (status_, code) == (answer.status_code, answer.json()["code"])
    assert "running" == status(served, run)
    served.http.post(f"/v1/runs/{run}/stop")


def test_a_beacon_ends_the_connection_that_it_names_and_no_other(served):
    run = start(served, "continue")
    with reading_as(served, run, "one") as one, reading_as(served, run, "two") as two:
        assert 204 == served.http.post(f"/v1/runs/{run}/leave", params={"reader": "one"}).status_code
        assert '{"reason":"superseded"}' == last_of(one)
        served.http.post(f"/v1/runs/{run}/stop")
        assert '"run.stopped"' in last_of(two)


def test_a_reader_that_polls_counts_between_its_polls_until_it_says_that_it_leaves(served):
    run = start(served, "stop")
    answer = served.http.get(f"/v1/runs/{run}/events", params={"wait": 1, "reader": "tab"})
    assert answer.json()["events"]
    time.sleep(0.3)  # between two polls
    assert "running" == status(served, run)
    served.http.post(f"/v1/runs/{run}/leave", params={"reader": "another"})
    time.sleep(0.3)
    assert "running" == status(served, run)
    served.http.post(f"/v1/runs/{run}/leave", params={"reader": "tab"})
    assert REASON == ending(served, run)["reason"]


# --- readers with names ---


def reading_as(served, run, name):
    return served.http.stream(
        "GET", f"/v1/runs/{run}/events", params={"reader": name}, headers={"accept": "text/event-stream"}
    )


def last_of(answer):
    return answer.read().decode().rstrip("\n").rpartition("data: ")[2]


def test_a_reader_that_comes_again_takes_the_place_of_its_older_connection(served):
    run = start(served, "stop")
    with reading_as(served, run, "tab") as older, reading_as(served, run, "tab") as newer:
        assert '{"reason":"superseded"}' == last_of(older)
        assert "running" == status(served, run)
        served.http.post(f"/v1/runs/{run}/stop", json={"reason": "enough"})
        assert '"run.stopped"' in last_of(newer)


def test_the_same_name_for_another_run_is_another_reader(served):
    one, other = start(served, "continue"), start(served, "continue")
    with reading_as(served, one, "tab") as first, reading_as(served, other, "tab") as second:
        for run, answer in ((one, first), (other, second)):
            served.http.post(f"/v1/runs/{run}/stop")
            assert '"run.stopped"' in last_of(answer)


# --- what a start may say ---


@pytest.mark.parametrize("wrong", ["pause", 5, None, {"grace": -1}, {"grace": 86_401}, {"grace": "1"}, {"x": 1}, {}])
def test_a_policy_that_is_none_is_refused(served, wrong):
    answer = served.http.post("/v1/runs", json={"graph": "words", "input": {}, "on_disconnect": wrong})
    assert (422, "E2002") == (answer.status_code, answer.json()["code"])


def test_a_policy_is_a_grace(served):
    for said, grace in (("continue", None), ("stop", 0.0), ({"grace": 2}, 2)):
        run = start(served, said, "words")
        first = json.loads(served.whole(run).partition(b"data: ")[2].partition(b"\n")[0])
        assert grace == first.get("grace")
    assert StartRequest("g", {}).grace is None


async def test_old_streams_are_asked_to_come_back_and_their_readers_were_never_away():
    with serving(max_age=0.2, heartbeat_interval=0.05) as served:
        run = start(served, "stop")
        async with httpx.AsyncClient(base_url=served.url) as http:
            for _ in range(3):
                answer = await http.get(f"/v1/runs/{run}/events", headers={"accept": "text/event-stream"})
                assert '{"reason":"rotated"}' == last_of(answer)
        assert "running" == status(served, run)
        served.http.post(f"/v1/runs/{run}/stop")


# --- one presence by itself, beside a real service ---


@asynccontextmanager
async def alone(store=None):
    """A presence, its service, and a run that goes on until it is stopped."""
    plans = {"wait": GRAPHS["wait"].plan}
    service = RunService(store or MemoryStore(), plans, settings=RunSettings(poll_interval=0.01, pool_size=1))

    async def given():
        return service

    watches = presence.Presence(given, SystemClock())
    await service.open()
    try:
        yield watches, service
    finally:
        await watches.close()
        await watches.close()
        await service.close()


async def begun(service, grace):
    return Reader((await service.start("t", "wait", {}, grace=grace)).row.key)


async def until(holds):
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110  # a gauge tells nobody
            await asyncio.sleep(0.005)


async def end_of(service, reader):
    async with asyncio.timeout(5):
        async for page in follow(service.store, reader.key, 0):
            last = page.records[-1].event if page is not None else None
    return last


async def test_a_store_that_fails_for_a_moment_is_told_again(monkeypatch):
    monkeypatch.setattr(presence, "_TRY_AGAIN", 0.01)
    for n in (1, 2):
        fault = NthFault(n, Fault("before"), "control")
        async with alone(FaultyStore(MemoryStore(), fault)) as (watches, service):
            reader = await begun(service, 0.0)
            watches.came(reader)
            watches.left(reader, Close.DETACHED)
            assert REASON == (await end_of(service, reader)).reason
            # A reader that came and went before anything was told is told of once, as having left.
            assert fault.hit == "control" or n > 1


async def test_the_grace_counts_from_when_the_last_reader_left_and_only_once():
    async with alone() as (watches, service):
        reader = await begun(service, 1.0)
        watches.came(reader)
        await until(lambda: watches._seats[reader.key].told)
        left_at = time.time()
        watches.left(reader, Close.DETACHED)
        last = await end_of(service, reader)
        assert (REASON, True) == (last.reason, 0.9 < last.ts / 1000 - left_at < 1.9)


async def test_the_end_of_a_run_is_noticed_also_while_nobody_reads_it(monkeypatch):
    monkeypatch.setattr(presence, "_TELL_AGAIN", 0.02)
    async with alone() as (watches, service):
        for comes in (True, False):
            reader = await begun(service, 3600.0)
            watches.came(reader)
            if not comes:
                watches.left(reader, None)
            assert 1 == watches.statistics()["watched"]
            await service.stop(reader.key)
            await until(lambda: not watches.statistics()["watched"])


async def test_a_run_that_is_not_there_is_watched_by_nobody():
    async with alone() as (watches, service):
        reader = Reader(RunKey("t", UNKNOWN))
        watches.came(reader)
        watches.left(reader, None)
        watches.left(reader, None)
        watches.forget(reader)
        await until(lambda: not watches.statistics()["watched"])
        assert not (await service.list("t", RunFilter()))


async def test_what_is_known_of_runs_is_bounded(monkeypatch):
    monkeypatch.setattr(presence, "_KNOWN_LIMIT", 2)
    async with alone() as (watches, service):
        for _ in range(5):
            reader = await begun(service, None)
            watches.polled(reader)
            await until(lambda: not watches.statistics()["watched"])
            watches.came(reader)  # known: it costs nothing
            assert 0 == watches.statistics()["watched"]
            watches.left(reader, None)
        assert 2 == len(watches._graces)


async def test_a_presence_that_is_closed_watches_nothing_until_it_is_opened():
    async with alone() as (watches, service):
        reader = await begun(service, 0.0)
        await watches.close()
        watches.came(reader)
        watches.left(reader, None)
        assert 0 == watches.statistics()["watched"]
        watches.open()
        watches.came(reader)
        assert 1 == watches.statistics()["watched"]


async def test_a_store_that_cannot_be_opened_leaves_only_a_word_in_the_log(caplog):
    async def refuse():
        raise StoreError("E4001", "it is closed")

    watches = presence.Presence(refuse, SystemClock())
    watches.came(Reader(RunKey("t", UNKNOWN)))
    await until(lambda: not watches.statistics()["watched"])
    assert "nobody learns who reads" in caplog.text
