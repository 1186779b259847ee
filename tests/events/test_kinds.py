"""The set of events is closed, one word each, and text is counted as browsers count it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from riverrun.events.ending import Ending
from riverrun.events.kinds import KINDS, Event, NodeEvent, RunCompleted, Terminal, Unknown, text_length
from tests.events.samples import RUN, SAMPLES

PROTOCOL = Path(__file__).resolve().parents[2] / "PROTOCOL.md"


def concrete(kind):
    """Every class below `kind` that has a type of its own on the wire."""
    below = [kind, *(found for child in kind.__subclasses__() for found in concrete(child))]
    return [found for found in below if found.__struct_config__.tag not in (None, *_abstract())]


def _abstract():
    return {Event.__name__, NodeEvent.__name__, Terminal.__name__}


def test_the_closed_set_holds_every_event_that_is_declared():
    assert {*KINDS, Unknown} == set(concrete(Event))


def test_every_type_is_in_the_protocol_and_nothing_else_is():
    section = (
        PROTOCOL.read_text(encoding="utf-8").partition("\n## 2. Events")[2].partition("\n## ")[0].partition("\n### ")[0]
    )
    rows = re.findall(r"^\| `([a-z_.]+)` \|", section, re.MULTILINE)
    assert [event.type for event in SAMPLES] == rows


def test_every_field_is_in_its_row_of_the_protocol():
    section = PROTOCOL.read_text(encoding="utf-8").partition("\n## 2. Events")[2].partition("\n## ")[0]
    told = set(re.findall(r"`([a-z_]+)`", section))
    assert set() == {field for kind in KINDS for field in kind.__struct_encode_fields__} - told - {"$unknown"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__struct_config__.tag)
def test_terminal_events_and_only_these_are_endings(kind):
    name = str(kind.__struct_config__.tag)
    assert issubclass(kind, Terminal) == kind.terminal == (name.removeprefix("run.") in {one.value for one in Ending})


def test_an_event_cannot_be_changed():
    event = RunCompleted(seq=1, ts=1, run=RUN)
    with pytest.raises(AttributeError):
        event.seq = 2  # type: ignore[misc]


def test_a_default_that_is_a_container_is_not_shared():
    first, second = (RunCompleted(seq=1, ts=1, run=RUN) for _ in range(2))
    first.unknown["x"] = 1
    assert {} == second.unknown


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("")
@example("héllo 👩‍👩‍👧 世界")
@example("\uffff\U00010000")
def test_text_is_counted_in_utf_16_code_units(text):
    assert len(text.encode("utf-16-le")) // 2 == text_length(text)
