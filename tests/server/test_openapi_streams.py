"""What the OpenAPI document says of durable streams is what is asked and answered."""

from __future__ import annotations

import pytest

from riverrun.server.openapi_streams import PATHS
from tests.server.served import serving

STREAM, RUN = "/v1/stream/{path}", "/v1/stream/runs/{run}"


@pytest.fixture(scope="module")
def served():
    with serving(heartbeat_interval=0.2) as served:
        yield served


def told(answer, path, method):
    """The answer's headers that the document does not name, of those that are this protocol's."""
    stated = PATHS[path][method]["responses"][str(answer.status_code)].get("headers", {})
    ours = {name for name in answer.headers if name.startswith(("stream-", "producer-", "etag", "location"))}
    return ours - set(stated)


def test_every_header_that_is_answered_is_named(served):
    url, json = "/v1/stream/a", {"content-type": "application/json"}
    producer = {"producer-id": "p", "producer-epoch": "0", "producer-seq": "0"}
    for status, method, path, asked in (
        (201, "PUT", STREAM, {"headers": {**json, "stream-ttl": "60"}, "content": b"[1]"}),
        (200, "PUT", STREAM, {"headers": {**json, "stream-ttl": "60"}}),
        (204, "POST", STREAM, {"headers": json, "content": b"[2]"}),
        (200, "POST", STREAM, {"headers": {**json, **producer}, "content": b"[3]"}),
        (204, "POST", STREAM, {"headers": {**json, **producer}, "content": b"[3]"}),
        (200, "HEAD", STREAM, {}),
        (200, "GET", STREAM, {}),
        (200, "GET", STREAM, {"params": {"offset": "-1", "live": "long-poll"}}),
        (204, "GET", STREAM, {"params": {"offset": "now", "live": "long-poll"}}),
        (204, "POST", STREAM, {"headers": {"stream-closed": "true"}}),
        (200, "GET", STREAM, {"params": {"offset": "-1", "live": "sse"}}),
        (204, "DELETE", STREAM, {}),
    ):
        answer = served.http.request(method, url, **asked)
        assert (status, set()) == (answer.status_code, told(answer, path, method.lower())), (method, asked)


@pytest.mark.parametrize("method", ["get", "head"])
def test_the_log_of_a_run_is_answered_as_it_is_described(served, method):
    run = served.start()
    served.whole(run)
    answer = served.http.request(method.upper(), f"/v1/stream/runs/{run}")
    assert (200, set()) == (answer.status_code, told(answer, RUN, method))


def test_a_page_that_the_reader_has_is_described(served):
    served.http.put("/v1/stream/b", content=b"x", headers={"content-type": "text/plain"})
    tag = served.http.get("/v1/stream/b").headers["etag"]
    again = served.http.get("/v1/stream/b", headers={"if-none-match": tag})
    assert (304, set()) == (again.status_code, told(again, STREAM, "get"))


def test_each_method_that_is_there_is_described_and_no_other(served):
    for path, url in ((STREAM, "/v1/stream/c"), (RUN, f"/v1/stream/runs/{'0' * 32}")):
        allowed = served.http.request("PATCH", url).headers["allow"]
        assert {method.upper() for method in PATHS[path]} == set(allowed.split(", "))
