"""Requests that a foreign tool makes up from the OpenAPI document: each gets an answer that the document allows."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.server.served import UNKNOWN, serving

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
EXAMPLES = 150


@pytest.fixture(scope="module")
def served():
    # The heartbeat is also how long a poll of a durable stream is held back.
    with serving(max_waiting=10_000, heartbeat_interval=0.2) as served:
        yield served


SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def ask(operation, runs, parked):
    """Send made-up requests of one operation, and give how many were granted and how many there were."""
    answers = []

    @SETTINGS
    @given(case=operation.as_strategy(), run=st.sampled_from(runs), real=st.booleans())
    def check(case, run, real):
        # What is made up names no run and no stream; half of the time one that is there is named.
        if real and "run" in (case.path_parameters or {}):
            case.path_parameters["run"] = run
        if real and "path" in (case.path_parameters or {}):
            case.path_parameters["path"] = "made"
        if isinstance((case.query or {}).get("wait"), int | float) and 0 <= case.query["wait"] <= 60:
            case.query["wait"] = 0.01  # a minute would only be spent waiting
        if (case.query or {}).get("live") == "sse":
            case.query["live"] = "long-poll"  # of an open stream it ends after a minute
        streams = case.path.endswith("/events") and (case.path_parameters or {}).get("run") == parked
        # A stream of a run that waits does not end by itself.
        answers.append(case.call(headers={"accept": "application/json"} if streams else None, timeout=70))
        case.validate_response(answers[-1], checks=CHECKS)

    check()
    return sum(answer.status_code < 300 for answer in answers), len(answers)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_answer_is_one_that_the_document_allows(served):
    ended, parked = served.start(count=2), served.parked()["run"]
    served.whole(ended)
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    runs = [ended, ended, parked, UNKNOWN, "nothing"]
    operations: list[Any] = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]  # or fail
    asked = {operation.label: ask(operation, runs, parked) for operation in operations}
    assert len(asked) >= 22
    assert sum(number for _, number in asked.values()) > EXAMPLES * 8
    assert all(granted for label, (granted, _) in asked.items() if "/v1/stream/" in label), asked
