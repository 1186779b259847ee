"""An error that travels arrives as the error that was raised, and whatever else arrives is told apart from it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.codes import CODES
from riverrun.base.errors import (
    Busy,
    ConnectionFault,
    CursorError,
    Fault,
    InputError,
    NotFound,
    ProtocolFault,
    RiverrunError,
    StoreError,
)
from riverrun.wire.problem import ANSWERS, CONTENT_TYPE, decode, encode, problem_of

PROTOCOL = Path(__file__).resolve().parents[2] / "PROTOCOL.md"


def test_the_table_is_that_of_the_protocol():
    section = PROTOCOL.read_text(encoding="utf-8").partition("\n## 7. Errors")[2].partition("\n## ")[0]
    told = {
        code: int(row[1])
        for row in re.finditer(r"^\| (\d+) \| (.*) \|$", section, re.MULTILINE)
        for code in re.findall(r"E\d{4}", row[2])
        if row[1] != "405"  # the other status of E2011
    }
    assert told == {code: answer.status for code, answer in ANSWERS.items()}


@pytest.mark.parametrize("code", ANSWERS)
def test_an_error_arrives_as_it_was_raised(code):
    error = ANSWERS[code].kind(code, "what", where="where", mend="how")
    problem = problem_of(error)
    again = decode(problem.status, encode(problem)).error()
    assert type(error) is type(again)
    assert vars(error) == vars(again)


def test_a_problem_says_what_rfc_9457_asks_for():
    problem = problem_of(NotFound("E2005", "there is no run 'x'"))
    assert {
        "type": "urn:riverrun:error:E2005",
        "title": "unknown run",
        "status": 404,
        "detail": "there is no run 'x'",
        "code": "E2005",
        "mend": CODES["E2005"].mend,
    } == json.loads(encode(problem))
    assert {"content-type": CONTENT_TYPE} == problem.headers


def test_a_path_without_that_method_is_405():
    assert 405 == problem_of(NotFound("E2011", "no"), 405).status


def test_a_place_arrives_with_the_bounds_of_the_log():
    problem = problem_of(CursorError("E2006", "beyond", head=9, floor=0))
    assert (9, 0) == (json.loads(encode(problem))["head"], json.loads(encode(problem))["floor"])
    error = decode(410, encode(problem)).error()
    assert isinstance(error, CursorError)
    assert (9, 0) == (error.head, error.floor)


@pytest.mark.parametrize(
    ("error", "header", "seconds"),
    [
        (Busy("E3010", "full", retry_after=2.2), "3", 2.2),
        (Busy("E3010", "full", retry_after=0.0), "1", 0.0),
        (StoreError("E4002", "disk full"), "1", 1.0),
    ],
)
def test_a_limit_says_when_to_come_back(error, header, seconds):
    problem = problem_of(error)
    assert header == problem.headers["retry-after"]
    assert seconds == decode(problem.status, encode(problem)).retry_after


def test_a_code_that_the_table_does_not_have_is_a_defect_with_its_name():
    problem = problem_of(Fault("E3007", "a reducer failed"))
    assert (500, "E3007") == (problem.status, problem.code)
    assert type(decode(500, encode(problem)).error()) is Fault


def test_a_code_of_a_newer_version_arrives_with_its_name():
    newer = b'{"type":"urn:riverrun:error:E2999","title":"newer","status":418,"detail":"d","code":"E2999","new":[]}'
    error = decode(418, newer).error()
    assert (InputError, "E2999", "d") == (type(error), error.code, error.message)
    assert error.mend


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (502, ConnectionFault, "E5001"),
        (503, ConnectionFault, "E5001"),
        (504, ConnectionFault, "E5001"),
        (500, ProtocolFault, "E5003"),
        (404, ProtocolFault, "E5003"),
        (302, ProtocolFault, "E5003"),
        (429, Busy, "E3010"),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b"{}", b"[" * 100_000, b"\xff"])
def test_an_answer_that_is_no_problem_document_is_told_by_its_status(status, kind, code, body):
    error = decode(status, body).error()
    assert (kind, code) == (type(error), error.code)
    assert str(status) in error.message


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (None, None),
        ("", None),
        ("-1", None),
        ("soon", None),
        ("1" * 10, None),
        ("\u0661", None),
    ],
)
def test_the_retry_after_header_is_understood_in_seconds(header, seconds):
    assert seconds == decode(429, b"", header).retry_after


def test_the_document_knows_better_than_the_header_but_not_nonsense():
    problem = problem_of(Busy("E3010", "full", retry_after=0.5))
    assert 0.5 == decode(429, encode(problem), "9").retry_after
    negative = encode(problem).replace(b'"retry_after":0.5', b'"retry_after":-3')
    assert None is decode(429, negative).retry_after


@given(st.integers(100, 599), st.binary(max_size=200), st.none() | st.text(max_size=5))
def test_any_answer_makes_some_error_of_ours(status, body, header):
    error = decode(status, body, header).error()
    assert isinstance(error, RiverrunError)
    assert str(error)
