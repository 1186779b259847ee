"""The OpenAPI document lists what PROTOCOL.md lists, hangs together, and tells the truth about answers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from riverrun.server.app import create_app
from riverrun.server.openapi import document
from tests.server.served import GRAPHS, STREAM, UNKNOWN, serving

# What is sent where something must be: to a run that has ended, so that an answer is refused.
BODIES = {("POST", "/v1/runs"): {"graph": "words", "input": {}}, ("POST", "/v1/runs/{run}/resume"): {"answer": 1}}
PROTOCOL = Path(__file__).parents[2] / "PROTOCOL.md"


@pytest.fixture(scope="module")
def written():
    return json.loads(document(create_app(GRAPHS, store="memory:"), ""))


def operations(written):
    return {
        (method.upper(), path): operation
        for path, methods in written["paths"].items()
        for method, operation in methods.items()
    }


def references(value):
    if isinstance(value, dict):
        found = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return found.union(*(references(each) for each in value.values()))
    return set().union(*(references(each) for each in value)) if isinstance(value, list) else set()


def test_the_document_has_the_routes_of_the_protocol_and_no_others(written):
    page = PROTOCOL.read_text(encoding="utf-8")
    said = page.partition("## 4.")[2].partition("## 5.")[0] + page.partition("## 16.")[2]
    stated = set(re.findall(r"^\| `([A-Z]+) (/\S*)` \|", said, re.MULTILINE))
    assert stated == set(operations(written))
    assert len(stated) > 19


def test_everything_that_is_referred_to_is_there(written):
    names = {name.rpartition("/")[2] for name in references(written)}
    assert names == set(written["components"]["schemas"])


def test_each_operation_has_a_name_of_its_own_a_text_and_its_errors(written):
    names = [operation["operationId"] for operation in operations(written).values()]
    assert len(names) == len(set(names))
    for (method, _), operation in operations(written).items():
        assert operation["description"]
        # An answer to HEAD has no body.
        problem = {"#/components/schemas/Problem"} if method != "HEAD" else set()
        assert problem == references(operation["responses"]["default"])
        assert "422" not in operation["responses"]


def test_what_comes_in_headers_is_documented(written):
    def named(operation):
        return {(each["in"], each["name"]) for each in operations(written)[operation].get("parameters", ())}

    assert {("header", "Idempotency-Key")} == named(("POST", "/v1/runs"))
    assert {
        ("path", "run"),
        ("query", "after"),
        ("query", "wait"),
        ("query", "limit"),
        ("query", "interval"),
        ("query", "max_bytes"),
        ("query", "adaptive"),
        ("query", "reader"),
        ("header", "Last-Event-ID"),
    } == named(("GET", "/v1/runs/{run}/events"))


def test_a_mounted_program_says_where_it_is():
    assert [{"url": "/agents"}] == json.loads(document(create_app({}, store="memory:"), "/agents"))["servers"]


def test_each_operation_answers_as_it_is_documented(written):
    with serving() as served:
        run = served.start()
        served.whole(run)
        for (method, path), operation in operations(written).items():
            for name in (run, UNKNOWN):
                body = BODIES.get((method, path))
                place = path.replace("{run}", name).replace("{path}", name)
                answer = served.http.request(method, place, json=body)
                responses = operation["responses"]
                stated = responses.get(str(answer.status_code), responses["default"])
                kind = answer.headers.get("content-type", "").partition(";")[0] if answer.content else ""
                assert {kind, "*/*"} & {*stated.get("content", ("",))}, (method, path)
                assert (answer.status_code >= 400) == (str(answer.status_code) not in responses)
        stream = served.http.get(f"/v1/runs/{run}/events", headers=STREAM)
        assert "text/event-stream" in stream.headers["content-type"]
        assert written == served.http.get("/openapi.json").json()
