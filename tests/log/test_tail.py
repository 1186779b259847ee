"""A reader's place: what continues is applied, and a cursor says which log a place belongs to."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from riverrun.base.errors import CursorError
from riverrun.log.tail import Verdict, cursor, judge, parse_cursor


@given(place=st.integers(0, 1000), seq=st.integers(1, 1001))
def test_only_the_next_event_is_applied(place, seq):
    wanted = Verdict.APPLY if seq - place == 1 else Verdict.GAP if seq > place else Verdict.KNOWN
    assert wanted is judge(place, seq)


@given(arrivals=st.lists(st.integers(1, 12), max_size=60))
def test_whatever_arrives_is_applied_in_order_and_once(arrivals):
    place, applied = 0, []
    for seq in arrivals:
        if judge(place, seq) is Verdict.APPLY:
            applied.append(seq)
            place = seq
    assert list(range(1, place + 1)) == applied


@given(log=st.from_regex(r"[0-9a-f]{8}", fullmatch=True), seq=st.integers(0, 10**15 - 1))
def test_a_cursor_survives_the_round_trip(log, seq):
    assert (log, seq) == parse_cursor(cursor(log, seq))
    assert (log, seq) == parse_cursor(f" {cursor(log, seq)}\n")
    assert (None, seq) == parse_cursor(str(seq))


@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_nothing_means_the_start(text):
    assert (None, 0) == parse_cursor(text)


BAD = ["-1", "+1", "1.5", "x", "abcdabcd.", ".5", "abcdabcd.-1", "ABCDABCD.1", "abcdabcd1.1", "abcdabcd.1.2", "٣",
       "1" * 16, "abcdabcd.1e3", "abcdabcd.1_0", "²", "a\0bcdabc.1"]  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_cursor_is_refused(text):
    with pytest.raises(CursorError, match="E2007"):
        parse_cursor(text)


@given(text=st.one_of(st.text(), st.from_regex(r"[0-9a-fx]{0,9}\.?[0-9²٣]{0,17}", fullmatch=True)))
@example(text="0" * 15)
def test_any_text_is_a_cursor_or_an_error_with_a_code(text):
    form = re.fullmatch(r"(?:([0-9a-f]{8})\.)?([0-9]{1,15})|", text.strip(), re.ASCII)
    wanted = "E2007" if form is None else (form[1], int(form[2] or 0))
    try:
        parsed: object = parse_cursor(text)
    except CursorError as error:
        parsed = error.code
    assert wanted == parsed
