"""Frames of a WebSocket: what is written is read again, and what is no request is refused under its name."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from riverrun.base.errors import InputError, ProtocolFault
from riverrun.events.ending import Close, Duty
from riverrun.events.record import Record
from riverrun.wire import ws
from riverrun.wire.problem import problem_of
from tests.client.logs import LOG, events_of, records_of
from tests.events.samples import RUN

NAMES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | WORDS
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3))
REQUESTS = st.one_of(
    st.builds(ws.Attach, id=NAMES, run=WORDS, after=WORDS | st.integers(0, 2**53)),
    st.builds(ws.Detach, id=NAMES),
    st.builds(ws.Stop, id=NAMES, run=WORDS, reason=WORDS),
    st.builds(ws.Resume, id=NAMES, run=WORDS, answers=st.dictionaries(WORDS, VALUES, min_size=1, max_size=3)),
    st.builds(ws.Resume, id=NAMES, run=WORDS, answer=VALUES, idem_key=st.none() | NAMES),
    st.builds(ws.Ping, id=NAMES),
)


@given(REQUESTS)
def test_a_request_is_read_as_it_was_written(asked):
    assert asked == ws.request_of(ws.written(asked))


@given(st.text(st.characters(exclude_categories=["Cs"])) | VALUES.map(json.dumps) | st.text())
def test_whatever_comes_is_a_request_or_refused(frame):
    taken = ws.request_of(frame)
    assert isinstance(taken, ws.Refusal)
    assert "E2019" == taken.error.code


@given(REQUESTS, st.data())
def test_a_request_with_a_field_too_many_is_refused_under_its_name(asked, data):
    fields = json.loads(ws.written(asked))
    name = data.draw(
        WORDS.filter(lambda name: name not in {*fields, "after", "reason", "answers", "answer", "idem_key"})
    )
    taken = ws.request_of(json.dumps({**fields, name: 1}))
    assert isinstance(taken, ws.Refusal)
    assert (asked.id, "E2002") == (taken.id, taken.error.code)


@pytest.mark.parametrize(
    ("frame", "name", "code", "where"),
    [
        ("", None, "E2019", "frame"),
        ("attach", None, "E2019", "frame"),
        ('{"type":"attach","id":"1","run":"x"', None, "E2019", "frame"),
        ('{"type":"zzz","id":"1"', None, "E2019", "frame"),
        ("[1", None, "E2019", "frame"),
        ("[]", None, "E2019", "id"),
        ("null", None, "E2019", "id"),
        ("[" * 100_000, None, "E2019", "frame"),
        ('{"type":"ping"}', None, "E2019", "id"),
        ('{"type":"ping","id":1}', None, "E2019", "id"),
        ('{"type":"ping","id":""}', None, "E2019", "id"),
        ('{"type":"ping","id":"a b"}', None, "E2019", "id"),
        ('{"type":"ping","id":"a\\n"}', None, "E2019", "id"),
        ('{"type":"ping","id":"é"}', None, "E2019", "id"),
        (json.dumps({"type": "ping", "id": "x" * 65}), None, "E2019", "id"),
        ('{"id":"1"}', "1", "E2019", "type"),
        ('{"id":"1","type":"start"}', "1", "E2019", "type"),
        ('{"id":"1","type":7}', "1", "E2019", "type"),
        ('{"id":"1","type":"events"}', "1", "E2019", "type"),
        ('{"id":"1","type":"attach"}', "1", "E2002", "run"),
        ('{"id":"1","type":"attach","run":5}', "1", "E2002", "run"),
        ('{"id":"1","type":"attach","run":"x","after":1.5}', "1", "E2002", "after"),
        ('{"id":"1","type":"attach","run":"x","before":1}', "1", "E2002", "before"),
        (json.dumps({"id": "1", "type": "stop", "run": "x", "reason": "x" * 1001}), "1", "E2002", "reason"),
        ('{"id":"1","type":"resume","run":"x"}', "1", "E2002", "frame"),
        ('{"id":"1","type":"resume","run":"x","answer":1,"answers":{"q":1}}', "1", "E2002", "frame"),
        ('{"id":"1","type":"resume","run":"x","answers":{}}', "1", "E2002", "answers"),
        ('{"id":"1","type":"resume","run":"x","answer":1,"idem_key":"a b"}', "1", "E2002", "idem_key"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_names_the_request(frame, name, code, where):
    taken = ws.request_of(frame)
    assert isinstance(taken, ws.Refusal)
    assert (name, code, where) == (taken.id, taken.error.code, taken.error.where)


def test_an_answer_of_null_is_an_answer():
    taken = ws.request_of('{"id":"1","type":"resume","run":"x","answer":null}')
    assert isinstance(taken, ws.Resume)
    assert (None, UNSET) == (taken.answer, taken.answers)


@given(NAMES, st.integers(2, 12))
def test_events_go_through_as_the_bytes_they_are(name, count):
    records = records_of(events_of(count))
    frame = ws.events(name, records)
    assert all(record.data.decode() in frame for record in records)
    read = ws.frame_of(frame)
    assert isinstance(read, ws.Events)
    assert (name, [record.data for record in records]) == (read.id, [bytes(raw) for raw in read.events])


def test_a_frame_is_one_line_of_json_that_any_reader_can_take():
    error = InputError("E2020", 'a "quoted" id', where="id")
    told = problem_of(error)
    frames: dict[str, dict[str, Any]] = {
        ws.attached('"\\', RUN, LOG, 3, 9, 1): {
            "type": "attached",
            "id": '"\\',
            "run": RUN,
            "log": LOG,
            "after": 3,
            "head": 9,
            "floor": 1,
        },
        ws.events("1", [Record(1, data=b'{"seq":1}')]): {"type": "events", "id": "1", "events": [{"seq": 1}]},
        ws.ended("1"): {"type": "ended", "id": "1"},
        ws.detached("1"): {"type": "detached", "id": "1"},
        ws.granted("1", 202, b'{"run":"x"}'): {"type": "granted", "id": "1", "status": 202, "run": {"run": "x"}},
        ws.pong("1"): {"type": "pong", "id": "1"},
        ws.problem(None, told): {"type": "problem", "id": None, "problem": msgspec.to_builtins(told)},
        ws.HEARTBEAT: {"type": "heartbeat"},
        ws.close("rotated"): {"type": "close", "reason": "rotated"},
    }
    for frame, fields in frames.items():
        assert fields == json.loads(frame)
        assert "\n" not in frame
        read: Any = ws.frame_of(frame)
        assert fields["type"] == read.__struct_config__.tag
    assert len(frames) == len(ws._KNOWN)


def test_a_problem_arrives_as_it_was_told():
    read = ws.frame_of(ws.problem("7", problem_of(InputError("E2019", "what", where="frame", mend="how"))))
    assert isinstance(read, ws.Refused)
    error = read.problem.error()
    assert ("7", "E2019", "what", "frame", "how") == (read.id, error.code, error.message, error.where, error.mend)


def test_types_and_fields_of_a_later_version_are_passed_over():
    assert ws.frame_of('{"type":"weather","id":5}') is None
    assert ws.Pong(id="1") == ws.frame_of('{"type":"pong","id":"1","lag":3}')


@given(st.binary() | st.text() | VALUES.map(json.dumps))
def test_what_is_no_frame_is_a_fault_and_nothing_else(data):
    with pytest.raises(ProtocolFault, match="E5003"):
        ws.frame_of(data)


@pytest.mark.parametrize(
    "frame",
    [
        '{"type":"pong"}',
        '{"type":"events","id":"1","events":{}}',
        '{"type":5}',
        "[]",
        "[1",
        '{"type":"zzz"',
        "[" * 100_000,
    ],
)
def test_a_known_frame_with_a_wrong_field_is_a_fault(frame):
    with pytest.raises(ProtocolFault, match="E5003"):
        ws.frame_of(frame)


def test_each_way_to_close_has_a_duty_and_what_is_unknown_is_the_networks():
    assert {Close.ROTATED, Close.REFUSED} == set(ws.CLOSES.values())
    assert {ws.BINARY, ws.AWAY} <= set(ws.CLOSES)
    for code in (None, 1000, 1005, 1006, 1011, 1013, 1014, 3000, 4999):
        assert Duty.NOW is ws.close_of(code).duty
    assert Duty.NEVER is ws.close_of(1009).duty
