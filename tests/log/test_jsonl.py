"""A log that was written as lines comes back whole and byte for byte, or is refused with the line that is wrong."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import InputError
from riverrun.events.codec import encode
from riverrun.events.kinds import NodeChunk, RunCompleted, RunStarted, Unknown
from riverrun.log.jsonl import VERSION, head_line, read_log, renamed
from tests.events.samples import SAMPLES

RUN = "a" * 32
STARTED = RunStarted(seq=1, ts=1, run=RUN, graph="g", log="abcdabcd", input={"x": "é\u2028"})
END = RunCompleted(seq=3, ts=1, run=RUN)


def written(*others, ended=True, head=None):
    events = [msgspec.structs.replace(one, seq=seq, run=RUN) for seq, one in enumerate((STARTED, *others), 1)]
    return [head_line(STARTED, head or len(events), ended=ended), *map(encode, events)]


def refused(lines, *what):
    with pytest.raises(InputError) as caught:
        read_log(lines)
    assert caught.value.code == "E4008"
    for part in what:
        assert part in str(caught.value)


@given(kinds=st.lists(st.sampled_from([one for one in SAMPLES if not one.terminal]), max_size=8), ended=st.booleans())
def test_every_event_comes_back_byte_for_byte(kinds, ended):
    lines = written(*kinds, *([END] if ended else []), ended=ended)
    copy = read_log(line + b"\n" for line in lines)
    again = [head_line(copy.started, 1 + len(copy.events), ended=copy.header.ended)]
    assert lines == again + [encode(event) for event in (copy.started, *copy.events)]


@given(cut=st.integers(0, 10_000))
def test_a_file_that_was_cut_anywhere_is_refused(cut):
    whole = b"\n".join(written(SAMPLES[2], END)) + b"\n"
    cut %= len(whole) - 1
    refused(whole[:cut].split(b"\n"))


def test_the_header_says_what_follows_and_names_no_tenant():
    header = msgspec.json.decode(written(END)[0])
    assert {"riverrun": "log", "version": VERSION, "run": RUN, "graph": "g", "log": "abcdabcd", "head": 2,
            "ended": True} == header  # fmt: skip


def test_an_event_of_a_newer_version_is_kept():
    newer = Unknown(seq=2, ts=1, run=RUN, kind="node.dreamt", unknown={"of": [1, {"a": None}]})
    assert [newer] == read_log(written(newer, END)).events[:1]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda lines: [], "line 1"),
        (lambda lines: [b""], "line 1"),
        (lambda lines: [b"{}", *lines[1:]], "not the header"),
        (lambda lines: [b"\xff" * 10], "not the header"),
        (lambda lines: [b"[" * 100_000], "not the header"),
        (lambda lines: [lines[0].replace(b'"log"', b'"logs"', 1), *lines[1:]], "not the header"),
        (lambda lines: [lines[0].replace(b'"version":1', b'"version":2'), *lines[1:]], "version 2"),
        (lambda lines: [lines[0].replace(b'"graph":"g"', b'"graph":"h"'), *lines[1:]], "not those of the header"),
        (lambda lines: [lines[0].replace(b'"ended":true', b'"ended":false'), *lines[1:]], "cut"),
        (lambda lines: lines[:1], "line 2"),
        (lambda lines: lines[:-1], "cut"),
        (lambda lines: [*lines, lines[-1]], "cut"),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], "run.started"),
        (lambda lines: [*lines[:2], lines[2].replace(b'"seq":2', b'"seq":9'), lines[3]], "continue"),
        (lambda lines: [*lines[:2], b"", *lines[2:]], "line 3"),
        (lambda lines: [*lines[:2], b"{}", lines[3]], "line 3"),
        (lambda lines: [*lines[:2], b" " + lines[2], lines[3]], "as this version writes it"),
        (lambda lines: [*lines[:2], lines[2].replace(b"aaaa", b"bbbb"), lines[3]], "line 3"),
        (lambda lines: [*lines[:2], b"\x80\x04N.", lines[3]], "line 3"),
    ],
    ids=range(19),
)
def test_what_is_no_log_is_refused_with_its_line(change, what):
    chunk = NodeChunk(seq=2, ts=1, run=RUN, node="n", exec="n:1", message="m", value="x")
    refused(change(written(chunk, END)), what)


def test_an_end_in_the_middle_is_refused():
    refused(written(END, END), "terminal")


def test_breaks_of_other_systems_and_empty_lines_at_the_end_are_taken():
    lines = [line + b"\r\n" for line in written(END)]
    assert 1 == len(read_log([*lines, b"\n", b""]).events)


def test_under_another_id_all_else_stays():
    copy = read_log(written(SAMPLES[2], END))
    other = renamed(copy, "b" * 32)
    assert {"b" * 32} == {event.run for event in (other.started, *other.events)} | {other.header.run}
    assert copy == renamed(other, RUN)
