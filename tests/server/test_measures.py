"""What a server tells of itself, while it is read and after."""

from __future__ import annotations

import pytest

from tests.server.served import UNKNOWN, reading, serving


@pytest.fixture(scope="module")
def served():
    with serving() as served:
        yield served


def measured(served):
    return served.http.get("/v1/metrics").json()


def until(holds):
    for _ in range(2000):
        if holds():
            return
    raise AssertionError("it never came to hold")


def test_readers_are_counted_while_they_read_and_return_to_none(served):
    run, before = served.start("wait"), measured(served)["readers"]
    with reading(served, run) as one, reading(served, run) as other:
        next(one), next(other)
        during = measured(served)["readers"]
    until(lambda: measured(served)["readers"]["open"] == before["open"])
    assert (before["open"] + 2, before["total"] + 2) == (during["open"], during["total"])
    assert 0 == measured(served)["readers"]["lag"]
    served.http.post(f"/v1/runs/{run}/stop")


def test_errors_are_counted_by_their_code(served):
    before = measured(served)["errors"]
    served.http.get(f"/v1/runs/{UNKNOWN}")
    served.http.get("/nothing")
    served.http.get("/v1/runs", params={"limit": 0})
    served.http.get("/v1/runs", headers={"host": "evil.example"})
    after = measured(served)["errors"]
    assert dict.fromkeys(("E2005", "E2011", "E2002", "E2014"), 1) == {
        code: after[code] - before.get(code, 0) for code in after if after[code] != before.get(code, 0)
    }


def test_runs_the_process_and_the_store_are_told(served):
    run = served.start("wait")
    told = measured(served)
    assert told["runs"]["running"] >= 1
    assert told["process"]["cpu_seconds"] > 0
    assert 0 < told["store"]["answer_seconds"] < 10
    assert told["since_ms"] > 1_700_000_000_000
    served.http.post(f"/v1/runs/{run}/stop")


def test_prometheus_gets_the_same(served):
    answer = served.http.get("/metrics")
    assert "text/plain; version=0.0.4; charset=utf-8" == answer.headers["content-type"]
    total = measured(served)["readers"]["total"]
    assert f"\nriverrun_readers_total {total}\n" in answer.text
