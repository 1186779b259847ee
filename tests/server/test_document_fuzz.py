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
    with serving(max_waiting=10_000) as served:
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
    """Send made-up requests of one operation, and give how many there were."""
    answers = []

    @SETTINGS
    @given(case=operation.as_strategy(), run=st.sampled_from(runs), real=st.booleans())
    def check(case, run, real):
        # What is made up names no run; half of the time one that is there does.
        if real and "run" in (case.path_parameters or {}):
            case.path_parameters["run"] = run
        if isinstance((case.query or {}).get("wait"), int | float) and 0 <= case.query["wait"] <= 60:
            case.query["wait"] = 0.01  # a minute would only be spent waiting
        streams = case.path.endswith("/events") and (case.path_parameters or {}).get("run") == parked
        # A stream of a run that waits does not end by itself.
        answers.append(case.call(headers={"accept": "application/json"} if streams else None, timeout=70))
        case.validate_response(answers[-1], checks=CHECKS)

    check()
    return len(answers)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_answer_is_one_that_the_document_allows(served):
    ended, parked = served.start(count=2), served.parked()["run"]
    served.whole(ended)
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    runs = [ended, ended, parked, UNKNOWN, "nothing"]
    operations: list[Any] = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]  # or fail
    asked = {operation.label: ask(operation, runs, parked) for operation in operations}
    assert len(asked) >= 15
    assert sum(asked.values()) > EXAMPLES * 8
