"""Every route of PROTOCOL.md §4 on a real server, read by a client that nobody here wrote."""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import Path

import httpx
import pytest

from riverrun.server.app import create_app
from tests.server.served import BREAKS, GRAPHS, STREAM, UNKNOWN, reading, serving

PROTOCOL = Path(__file__).parents[2] / "PROTOCOL.md"


@pytest.fixture(scope="module")
def served():
    with serving() as served:
        yield served


def events(body):
    return [json.loads(line.removeprefix(b"data: ")) for line in body.split(b"\n") if line.startswith(b"data: ")]


def test_a_run_is_started_read_and_seen_to_end(served):
    answer = served.http.post("/v1/runs", json={"graph": "words", "input": {"count": 2}})
    run = answer.json()["run"]
    assert (201, f"/v1/runs/{run}") == (answer.status_code, answer.headers["location"])
    seen = events(served.whole(run))
    assert list(range(1, len(seen) + 1)) == [event["seq"] for event in seen]
    assert ["word 0 🌊 ", "word 1 🌊 "] == [event["value"] for event in seen if event["type"] == "node.chunk"]
    assert "run.completed" == seen[-1]["type"]
    row = served.http.get(answer.headers["location"]).json()
    assert ("ended", "completed", len(seen)) == (row["status"], row["ending"], row["head"])
    assert "tenant" not in row
    assert "worker" not in row


def test_a_run_is_what_the_protocol_says(served):
    row = served.http.get(f"/v1/runs/{served.start()}").json()
    said = re.search(r"A run is `\{(.*?)\}`", PROTOCOL.read_text(encoding="utf-8"))
    assert said
    assert set(re.findall(r'"(\w+)"', said[1])) | {"questions"} == set(row)
    assert "has also `questions`" in PROTOCOL.read_text(encoding="utf-8")
    for listed in served.http.get("/v1/runs").json()["runs"]:
        assert set(row) - {"questions"} == set(listed)


def test_start_and_attach_in_one_request(served):
    body = {"graph": "words", "input": {"count": 2}}
    with served.http.stream("POST", "/v1/runs", json=body, headers=STREAM) as answer:
        seen = events(answer.read())
    assert (201, "text/event-stream; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert answer.headers["location"] == f"/v1/runs/{seen[0]['run']}"
    assert ("run.started", "run.completed") == (seen[0]["type"], seen[-1]["type"])


def test_a_repeated_start_gives_the_first_run(served):
    def start(key, count, **headers):
        body = {"graph": "words", "input": {"count": count}}
        return served.http.post("/v1/runs", json=body, headers={"idempotency-key": key, **headers})

    first, again, other = start("key-1", 1), start("key-1", 1), start("key-2", 1)
    assert (201, 201) == (first.status_code, again.status_code)
    assert first.json()["run"] == again.json()["run"] != other.json()["run"]
    assert first.headers["location"] == again.headers["location"]
    both = start("key-1", 1, **STREAM)
    assert events(both.content)[0]["run"] == first.json()["run"]


def test_a_reader_that_is_cut_comes_back_to_its_place(served):
    run = served.start(count=20)
    whole = served.whole(run)
    with reading(served, run) as blocks:
        before = list(islice(blocks, 7))
    with reading(served, run, before[-1].id) as blocks:
        after = list(blocks)
    assert events(whole) == [json.loads(block.data) for block in before + after]


def test_the_header_wins_over_the_query(served):
    run = served.start()
    served.whole(run)
    answer = served.http.get(f"/v1/runs/{run}/events?after=1", headers={**STREAM, "last-event-id": "3"})
    assert 4 == events(answer.content)[0]["seq"]
    answer = served.http.get(f"/v1/runs/{run}/events?after=1", headers={**STREAM, "last-event-id": ""})
    assert 2 == events(answer.content)[0]["seq"]


def test_a_reader_that_has_everything_is_stopped_for_good(served):
    run = served.start()
    last = events(served.whole(run))[-1]["seq"]
    answer = served.http.get(f"/v1/runs/{run}/events?after={last}", headers=STREAM)
    assert (204, b"") == (answer.status_code, answer.content)


def test_pages_are_the_same_events(served):
    run = served.start(count=10)
    whole, place, ended = events(served.whole(run)), 0, False
    seen: list[dict[str, int]] = []
    while not ended:
        page = served.http.get(f"/v1/runs/{run}/events", params={"after": place, "wait": 5, "limit": 4}).json()
        assert len(page["events"]) <= 4
        seen, ended = seen + page["events"], page["ended"]
        place = seen[-1]["seq"]
    assert whole == seen
    assert seen == served.http.get(f"/v1/runs/{run}/events", headers={"accept": "application/json"}).json()["events"]


def test_a_run_is_stopped_by_its_user_and_stays_as_it_ended(served):
    run = served.start("wait")
    with reading(served, run) as blocks:
        assert "run.started" == json.loads(next(blocks).data)["type"]
        asked = served.http.post(f"/v1/runs/{run}/stop", json={"reason": "enough"})
        last = json.loads(list(blocks)[-1].data)
    assert (202, run) == (asked.status_code, asked.json()["run"])
    assert ("run.stopped", "enough") == (last["type"], last["reason"])
    again = served.http.post(f"/v1/runs/{run}/stop")
    assert (200, "stopped") == (again.status_code, again.json()["ending"])


def test_runs_are_listed_newest_first_and_in_portions(served):
    started = [served.start() for _ in range(3)]
    for run in started:
        served.whole(run)
    listed = [row["run"] for row in served.http.get("/v1/runs?limit=3").json()["runs"]]
    assert sorted(started, reverse=True) == listed
    older = served.http.get("/v1/runs", params={"limit": 1, "before": listed[0]}).json()["runs"]
    assert [listed[1]] == [row["run"] for row in older]
    assert {"words"} == {row["graph"] for row in served.http.get("/v1/runs?graph=words").json()["runs"]}
    assert {"ended"} == {row["status"] for row in served.http.get("/v1/runs?status=ended").json()["runs"]}
    assert [] == served.http.get("/v1/runs?graph=nothing").json()["runs"]


def test_runs_are_found_by_their_thread_and_their_time(served):
    runs = []
    for thread in ("a", "a", "b"):
        body = {"graph": "words", "input": {"count": 1}, "thread": thread}
        runs.append(served.http.post("/v1/runs", json=body).json())
        served.whole(runs[-1]["run"])

    def listed(**params):
        return [row["run"] for row in served.http.get("/v1/runs", params=params).json()["runs"]]

    ids, times = [row["run"] for row in runs], [row["created_ms"] for row in runs]
    assert [ids[1], ids[0]] == listed(thread="a")
    assert [ids[2]] == listed(thread="b")
    assert [] == listed(thread="c")
    assert set(ids) <= set(listed(created_after=times[0]))
    assert not set(ids) & set(listed(created_before=times[0]))
    assert not set(ids) & set(listed(created_after=times[2] + 1))
    for wrong in ({"thread": ""}, {"created_after": "yesterday"}, {"created_before": -1}, {"created_after": 2**60}):
        answer = served.http.get("/v1/runs", params=wrong)
        assert (422, "E2002", next(iter(wrong))) == (
            answer.status_code,
            answer.json()["code"],
            answer.json()["where"],
        )


def test_runs_of_a_thread_begin_with_what_the_run_before_left(served):
    def turn(**values):
        body = {"graph": "words", "input": values, "thread": "talk"}
        answer = served.http.post("/v1/runs", json=body, headers=STREAM)
        return events(answer.content)[0]

    turn(count=1, likes=["rivers"])
    second = turn(count=0)
    assert "talk" == second["thread"]
    assert {"count": 0, "likes": ["rivers"], "text": ""} == served.http.get(f"/v1/runs/{second['run']}/state").json()[
        "state"
    ]


def test_a_busy_thread_refuses_queues_or_gives_way_as_it_is_told(served):
    def start(graph="words", **more):
        body = {"graph": graph, "input": {"count": 0}, "thread": "busy", **more}
        return served.http.post("/v1/runs", json=body)

    first = start("wait").json()["run"]
    refused = start()
    assert (409, "E3018") == (refused.status_code, refused.json()["code"])
    assert "retry-after" not in refused.headers
    behind = start(when_busy="enqueue")
    assert (201, "queued") == (behind.status_code, behind.json()["status"])
    served.http.post(f"/v1/runs/{first}/stop")
    assert "run.stopped" == events(served.whole(first))[-1]["type"]
    assert "run.completed" == events(served.whole(behind.json()["run"]))[-1]["type"]
    fourth = start("wait").json()["run"]
    fifth = start(when_busy="stop").json()["run"]
    assert "run.stopped" == events(served.whole(fourth))[-1]["type"]
    assert "run.completed" == events(served.whole(fifth))[-1]["type"]
    assert 422 == start(when_busy="panic").status_code


def test_context_and_config_are_the_first_event_s(served):
    body = {"graph": "words", "input": {}, "context": {"user": 7}, "config": {"configurable": {"model": "m"}}}
    first = events(served.http.post("/v1/runs", json=body, headers=STREAM).content)[0]
    assert (body["context"], body["config"]) == (first["context"], first["config"])


def test_a_fork_goes_on_from_a_place(served):
    run = served.start(count=2)
    whole = events(served.whole(run))
    answer = served.http.post(f"/v1/runs/{run}/fork", json={"at": 2, "thread": "other"})
    fork = answer.json()["run"]
    assert (201, f"/v1/runs/{fork}", "other") == (
        answer.status_code,
        answer.headers["location"],
        answer.json()["thread"],
    )
    seen = events(served.whole(fork))
    at = next(place for place, event in enumerate(seen) if event["type"] == "run.forked")
    assert (run, 2, 2) == (seen[at]["source"], seen[at]["at"], at)
    assert "run.completed" == seen[-1]["type"]
    assert (
        served.http.get(f"/v1/runs/{run}/state").json()["state"]
        == (served.http.get(f"/v1/runs/{fork}/state").json()["state"])
    )
    assert whole == events(served.whole(run))


def test_a_run_that_failed_is_tried_again_from_where_it_failed(served):
    BREAKS.append(None)
    run = served.start("broken")
    assert "run.failed" == events(served.whole(run))[-1]["type"]
    answer = served.http.post(f"/v1/runs/{run}/fork", headers=STREAM)
    seen = events(answer.content)
    assert (201, "run.completed") == (answer.status_code, seen[-1]["type"])
    assert answer.headers["location"] == f"/v1/runs/{seen[0]['run']}" != f"/v1/runs/{run}"
    assert [] == BREAKS


def test_a_fork_takes_a_new_budget(served):
    run = served.http.post("/v1/runs", json={"graph": "words", "input": {}, "limit": 5}).json()["run"]
    served.whole(run)
    fork = events(served.http.post(f"/v1/runs/{run}/fork", json={"limit": 9}, headers=STREAM).content)
    assert [9] == [event["limit"] for event in fork if event["type"] == "run.forked"]


def test_a_fork_from_nowhere_is_refused(served):
    run = served.start()
    served.whole(run)
    for body, status, code in (
        ({"at": 10_000}, 409, "E2016"),
        ({"at": 0}, 422, "E2002"),
        ({"limit": 0}, 422, "E2002"),
        ({"thread": ""}, 422, "E2002"),
        ({"place": 1}, 422, "E2002"),
    ):
        answer = served.http.post(f"/v1/runs/{run}/fork", json=body)
        assert (status, code) == (answer.status_code, answer.json()["code"]), body
    assert 404 == served.http.post(f"/v1/runs/{UNKNOWN}/fork").status_code


def test_the_state_is_folded_from_the_log(served):
    run = served.start(count=2)
    head = events(served.whole(run))[-1]["seq"]
    assert {"run": run, "at": head, "state": {"count": 2, "text": "word 0 🌊 word 1 🌊 "}} == served.http.get(
        f"/v1/runs/{run}/state"
    ).json()
    assert {"count": 2} == served.http.get(f"/v1/runs/{run}/state?at=1").json()["state"]


def test_graphs_are_told_with_their_nodes_and_edges(served):
    told = {graph["name"]: graph for graph in served.http.get("/v1/graphs").json()["graphs"]}
    assert set(GRAPHS) == set(told)
    likes = {"type": "array", "items": {"type": "string"}}
    kinds = {"count": {"type": "integer"}, "text": {"type": "string"}, "likes": likes}
    assert kinds == told["words"]["input"]["properties"]
    assert ["node"] == told["words"]["nodes"]
    assert {("node", False)} == {(edge["source"], edge["conditional"]) for edge in told["words"]["edges"]} - {
        ("__start__", False)
    }


def test_the_process_says_how_it_is(served):
    assert (200, {"status": "ok"}) == ((answer := served.http.get("/healthz")).status_code, answer.json())
    assert (200, {"status": "ready"}) == ((answer := served.http.get("/readyz")).status_code, answer.json())


def test_a_quiet_stream_gives_signs_of_life():
    with serving(heartbeat_interval=0.02) as served:
        run = served.start("wait")
        with served.http.stream("GET", f"/v1/runs/{run}/events", headers=STREAM) as answer:
            body = b""
            for chunk in answer.iter_raw():
                body += chunk
                if body.count(b": hb\n\n") >= 3:
                    break
        assert b"run.started" in body


def test_a_foreign_tenants_run_does_not_exist():
    def tenant_of(scope):
        return dict(scope["headers"]).get(b"x-tenant", b"nobody").decode()

    with serving(tenant_of=tenant_of) as served:
        mine, yours = {"x-tenant": "me"}, {"x-tenant": "you"}
        run = served.http.post("/v1/runs", json={"graph": "words", "input": {}}, headers=mine).json()["run"]
        for method, path in [("GET", ""), ("GET", "/events"), ("GET", "/state"), ("POST", "/stop"), ("POST", "/fork")]:
            answer = served.http.request(method, f"/v1/runs/{run}{path}", headers=yours)
            assert (404, "E2005") == (answer.status_code, answer.json()["code"])
        assert [] == served.http.get("/v1/runs", headers=yours).json()["runs"]
        assert 200 == served.http.get(f"/v1/runs/{run}", headers=mine).status_code
        answer = served.http.get("/v1/runs", headers={"x-tenant": "no/name"})
        assert (422, "E2002", "tenant") == (answer.status_code, answer.json()["code"], answer.json()["where"])


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_a_replay_is_byte_for_byte_what_was_seen_live(store, tmp_path):
    with serving("memory:" if store == "memory" else f"sqlite:///{tmp_path / 'runs.db'}") as served:
        for count in (0, 1, 40):
            body = {"graph": "words", "input": {"count": count}}
            live = served.http.post("/v1/runs", json=body, headers=STREAM)
            assert live.content == served.http.get(f"{live.headers['location']}/events", headers=STREAM).content


def test_a_run_goes_on_when_its_reader_leaves_and_nothing_is_left_of_the_reader(served):
    run = served.start("wait")
    with reading(served, run) as blocks:
        next(blocks)
        assert 1 == served.app.state.riverrun.statistics()["readers"]
    # The server learns of it when its socket does; a request that comes after that finds the gauge at zero.
    for _ in range(200):
        if not served.app.state.riverrun.statistics()["readers"]:
            break
        served.http.get("/healthz")
    assert 0 == served.app.state.riverrun.statistics()["readers"]
    assert "running" == served.http.get(f"/v1/runs/{run}").json()["status"]
    served.http.post(f"/v1/runs/{run}/stop")


async def test_routes_answer_without_a_socket_too():
    app = create_app(GRAPHS, store="memory:")
    async with (
        app.state.riverrun,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as http,
    ):
        body = {"graph": "words", "input": {}}
        answer = await http.post("/v1/runs", json=body, headers=STREAM)
        assert "run.completed" == events(answer.content)[-1]["type"]
        assert 404 == (await http.get(f"/v1/runs/{UNKNOWN}")).status_code
