"""Answers reach the question they are meant for, once, on a real server."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from tests.server.served import UNKNOWN, reading, serving


@pytest.fixture(scope="module")
def served():
    with serving(heartbeat_interval=0.02) as served:
        yield served


def resume(served, run, **body):
    return served.http.post(f"/v1/runs/{run}/resume", json=body)


def events(served, run):
    return [json.loads(line[6:]) for line in served.whole(run).split(b"\n") if line.startswith(b"data: ")]


def state(served, run):
    return served.http.get(f"/v1/runs/{run}/state").json()["state"]


def test_a_parked_run_tells_what_it_asks(served):
    told = served.parked(text="we")
    assert "parked" == told["status"]
    assert [("node", {"shall": "we"})] == [(each["node"], each["value"]) for each in told["questions"]]
    served.http.post(f"/v1/runs/{told['run']}/stop")
    served.whole(told["run"])
    assert [] == served.http.get(f"/v1/runs/{told['run']}").json()["questions"]


@pytest.mark.parametrize("value", ["yes", None, False, 0, {"a?b": 1}, {"plain": [1, {}]}, {}, []], ids=repr)
@pytest.mark.parametrize("named", [True, False])
def test_any_answer_reaches_the_one_that_asked(served, value, named):
    told = served.parked()
    run, question = told["run"], told["questions"][0]["id"]
    answer = resume(served, run, answers={question: value}) if named else resume(served, run, answer=value)
    assert (202, run) == (answer.status_code, answer.json()["run"])
    assert "run.completed" == events(served, run)[-1]["type"]
    assert {"text": value, "count": 1} == state(served, run)


def test_answers_come_in_parts(served):
    told = served.parked("both")
    run, (one, two) = told["run"], sorted(each["id"] for each in told["questions"])
    with reading(served, run, str(told["head"])) as blocks:
        assert 202 == resume(served, run, answers={two: 7}).status_code
        left = json.loads(next(block.data for block in blocks if '"run.interrupted"' in block.data))
        assert [one] == [each["id"] for each in left["questions"]]
        assert [one] == [each["id"] for each in served.http.get(f"/v1/runs/{run}").json()["questions"]]
        assert 202 == resume(served, run, answer="uno").status_code
        assert "run.completed" == json.loads(list(blocks)[-1].data)["type"]
    assert {"text": "uno", "count": 7} == state(served, run)


def test_an_answer_that_does_not_fit_is_asked_for_again(served):
    told = served.parked("both")
    run, (one, two) = told["run"], sorted(each["id"] for each in told["questions"])
    with reading(served, run, str(told["head"])) as blocks:
        assert 202 == resume(served, run, answers={one: "uno", two: "many"}).status_code
        again = json.loads(next(block.data for block in blocks if '"run.interrupted"' in block.data))["questions"]
    assert [two] == [each["id"] for each in again]
    assert again[0]["problem"]
    assert 202 == resume(served, run, answers={two: 2}).status_code
    place = told["head"]
    seen: list[dict[str, Any]] = []
    while not seen or seen[-1]["type"] not in {"run.completed", "run.interrupted"} or seen[-1]["seq"] <= place:
        page = served.http.get(f"/v1/runs/{run}/events", params={"after": told["head"], "wait": 2}).json()
        seen = page["events"]
        place = next(event["seq"] for event in seen if event["type"] == "run.interrupted")
    assert "run.completed" == seen[-1]["type"]
    assert {"text": "uno", "count": 2} == state(served, run)


def test_what_is_only_held_is_let_go_by_any_answer(served):
    told = served.parked("hold", count=1)
    assert ["before"] == [each["kind"] for each in told["questions"]]
    assert 202 == resume(served, told["run"], answer=None).status_code
    assert "run.completed" == events(served, told["run"])[-1]["type"]


def test_a_reader_of_a_parked_run_stays_and_sees_what_follows(served):
    told = served.parked()
    with served.http.stream(
        "GET", f"/v1/runs/{told['run']}/events", params={"after": told["head"]}, headers={"accept": "text/event-stream"}
    ) as answer:
        body, answered = b"", False
        for chunk in answer.iter_raw():
            body += chunk
            if body.count(b": hb\n\n") >= 3 and not answered:
                answered = 202 == resume(served, told["run"], answer="late").status_code
    assert answered
    assert [b"run.resumed", b"node.retrying", b"node.completed", b"run.completed"] == [
        line.partition(b'"type":"')[2].partition(b'"')[0] for line in body.split(b"\n") if line.startswith(b"data: ")
    ]


def test_a_repeated_answer_is_harmless_and_another_is_not(served):
    told = served.parked()
    run, question = told["run"], told["questions"][0]["id"]
    assert 202 == resume(served, run, answers={question: {"b": 1, "a": True}}).status_code
    events(served, run)
    again = resume(served, run, answers={question: {"a": True, "b": 1}})
    assert (200, "completed") == (again.status_code, again.json()["ending"])
    for other in ({"a": 1, "b": 1}, None, "x"):
        answer = resume(served, run, answers={question: other})
        assert (409, "E2009") == (answer.status_code, answer.json()["code"])
    assert 1 == sum(event["type"] == "run.resumed" for event in events(served, run))


def test_a_key_answers_once_while_the_run_has_not_taken_it_yet(served):
    told = served.parked()
    run, body = told["run"], {"answers": {told["questions"][0]["id"]: "yes"}}
    barrier, statuses = threading.Barrier(4), []

    def send():
        barrier.wait(10)
        answer = served.http.post(f"/v1/runs/{run}/resume", json=body, headers={"idempotency-key": "k"})
        statuses.append(answer.status_code)

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert {200, 202} >= set(statuses)
    assert 1 == sum(event["type"] == "run.resumed" for event in events(served, run))
    assert {"text": "yes", "count": 1} == state(served, run)


@pytest.mark.parametrize(
    ("graph", "body", "code"),
    [
        ("ask", {"answers": {"node:9?1": 1}}, "E2015"),
        ("ask", {"answers": {"nobody?1": 1}}, "E2015"),
        ("ask", {"answers": {"node": 1}}, "E2015"),
        ("ask", {"answers": {"node:1?1": 1, "node:1?2": 1}}, "E2015"),
        ("both", {"answer": 1}, "E2015"),
    ],
)
def test_an_answer_to_no_question_changes_nothing(served, graph, body, code):
    told = served.parked(graph)
    answer = resume(served, told["run"], **body)
    assert (409, code) == (answer.status_code, answer.json()["code"])
    assert told == served.http.get(f"/v1/runs/{told['run']}").json()
    served.http.post(f"/v1/runs/{told['run']}/stop")


def test_a_run_that_asks_nothing_takes_no_answer(served):
    run = served.start("wait")
    with reading(served, run) as blocks:
        next(block for block in blocks if '"node.started"' in block.data)
    for body in ({"answer": 1}, {"answers": {"node:1?1": 1}}):
        answer = resume(served, run, **body)
        assert (409, "E2015") == (answer.status_code, answer.json()["code"])
    served.http.post(f"/v1/runs/{run}/stop")
    served.whole(run)
    answer = resume(served, run, answer=1)
    assert (409, "E2009") == (answer.status_code, answer.json()["code"])
    answer = resume(served, UNKNOWN, answer=1)
    assert (404, "E2005") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "body"),
        ({"answers": {}}, "answers"),
        ({"answers": []}, "answers"),
        ({"answers": None}, "answers"),
        ({"answers": {"a?1": 1}, "answer": 1}, "body"),
        ({"answer": 1, "more": 1}, "more"),
    ],
)
def test_a_body_that_says_no_answer_is_refused(served, body, where):
    answer = resume(served, UNKNOWN, **body)
    assert (422, "E2002", where) == (answer.status_code, answer.json()["code"], answer.json()["where"])


def test_a_question_is_answered_while_others_still_run(served):
    run = served.start("mixed")
    with reading(served, run) as blocks:
        asked = json.loads(next(block.data for block in blocks if '"node.interrupted"' in block.data))
        assert "running" == served.http.get(f"/v1/runs/{run}").json()["status"]
        assert 202 == resume(served, run, answer="now").status_code
        resumed = json.loads(next(block.data for block in blocks if '"run.resumed"' in block.data))
    assert {asked["question"]["id"]: "now"} == resumed["answers"]
    served.http.post(f"/v1/runs/{run}/stop")
