"""Events survive the wire: the golden files fix every byte, and what a newer version adds is kept.

To write the golden files anew after PROTOCOL.md changed on purpose: RIVERRUN_WRITE_GOLDEN=1 pytest tests/events
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import NodeError, ProtocolFault
from riverrun.events.codec import decode, encode
from riverrun.events.kinds import KINDS, Custom, NodeChunk, RunCompleted, Unknown
from tests.events.samples import RUN, SAMPLES

GOLDEN = Path(__file__).parent / "golden"

names = st.text(min_size=1, max_size=12).filter(lambda name: not name.startswith("$"))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def file_of(kind):
    return GOLDEN / f"{kind}.json"


if os.environ.get("RIVERRUN_WRITE_GOLDEN") == "1":
    for sample in SAMPLES:
        file_of(sample.type).write_bytes(encode(sample) + b"\n")


def test_every_kind_has_a_sample_and_a_golden_file_and_there_are_no_others():
    assert list(KINDS) == [type(event) for event in SAMPLES]
    assert sorted(file_of(event.type) for event in SAMPLES) == sorted(GOLDEN.iterdir())


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: event.type)
def test_a_sample_sets_every_field(event):
    fields = msgspec.to_builtins(event)
    missing = [name for name in event.__struct_encode_fields__ if name not in fields]
    assert ["$unknown"] == missing


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: event.type)
def test_encoding_gives_the_golden_file_byte_for_byte(event):
    assert file_of(event.type).read_bytes() == encode(event) + b"\n"


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: event.type)
def test_decoding_the_golden_file_gives_the_event(event):
    data = file_of(event.type).read_bytes()
    assert event == decode(data)
    assert event == decode(data.decode())


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: event.type)
def test_an_event_is_one_line_that_no_frame_can_break_on(event):
    assert not set(b"\r\n\0") & set(encode(event))


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: event.type)
@given(extra=st.dictionaries(names, json_values, min_size=1, max_size=4))
def test_fields_of_a_newer_version_survive_a_round_trip(event, extra):
    fields = {**extra, **msgspec.json.decode(encode(event))}
    again = decode(msgspec.json.encode(fields))
    assert type(event) is type(again)
    assert {
        name: value for name, value in extra.items() if name not in event.__struct_encode_fields__ and name != "type"
    } == again.unknown
    assert fields == msgspec.json.decode(encode(again))
    assert again == decode(encode(again))


@given(
    kind=names.filter(lambda name: name not in {event.type for event in SAMPLES}),
    extra=st.dictionaries(names, json_values, max_size=5),
)
def test_types_of_a_newer_version_survive_a_round_trip(kind, extra):
    fields = {**extra, "type": kind, "seq": 3, "ts": 5, "run": RUN, "ns": ["a"]}
    event = decode(msgspec.json.encode(fields))
    assert isinstance(event, Unknown)
    assert (kind, 3, 5, RUN, ("a",)) == (event.type, event.seq, event.ts, event.run, event.ns)
    assert fields == msgspec.json.decode(encode(event))


def test_a_newer_field_inside_a_known_structure_does_not_break_the_event():
    data = encode(SAMPLES[-4])
    newer = data.replace(b'"code":', b'"since":9,"code":', 1)
    assert data != newer
    assert SAMPLES[-4] == decode(newer)


@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff",
        b"{}",
        b'{"type": 1, "seq": 1, "ts": 1, "run": "r"}',
        b'{"type": ["run.completed"], "seq": 1, "ts": 1, "run": "r"}',
        b'{"type": "run.completed", "seq": "1", "ts": 1, "run": "r"}',
        b'{"type": "run.completed", "ts": 1, "run": "r"}',
        b'{"type": "newer", "seq": 1}',
        b'{"type": "newer", "seq": "x", "ts": 1, "run": "r"}',
        b'{"type": "node.chunk", "seq": 1, "ts": 1, "run": "r", "newer": 1}',
        b'{"type": "run.completed", "seq": 1, "ts": 1, "run": "r", "$unknown": 1}',
        b"[" * 100_000,
        b'{"type": "custom", "node": "n", "exec": "n:1", "seq": 1, "ts": 1, "run": "r", "value": ' + b"[" * 100_000,
        '{"type": "run.completed", "seq": 1, "ts": 1, "run": "\ud800"}',
    ],
    ids=lambda rubbish: str(rubbish)[:60],
)
def test_what_is_no_event_is_refused_with_a_code(rubbish):
    with pytest.raises(ProtocolFault) as caught:
        decode(rubbish)
    assert "E5003" == caught.value.code


def nested(depth):
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [object(), {"deep": {1, object()}}, 1 + 2j, nested(100_000), "\ud800"],
    ids=["object", "set of objects", "complex", "too deep", "lone surrogate"],
)
def test_what_is_not_json_is_refused_with_the_node_it_came_from(value):
    with pytest.raises(NodeError) as caught:
        encode(Custom(seq=1, ts=1, run=RUN, node="writer", exec="writer:1", value=value))
    assert ("E3008", "node 'writer'") == (caught.value.code, caught.value.where)


def test_what_is_not_json_in_an_event_without_node_names_its_type():
    with pytest.raises(NodeError) as caught:
        encode(RunCompleted(seq=1, ts=1, run=RUN, steps=object()))  # type: ignore[arg-type]
    assert "run.completed" == caught.value.where


@given(value=json_values)
def test_any_json_value_may_be_a_chunk(value):
    chunk = NodeChunk(seq=1, ts=1, run=RUN, node="n", exec="n:1", message="m", value=value)
    assert chunk == decode(encode(chunk))
