"""A history holds what was asked and answered, survives being written down, and a cut in its last line."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from riverrun.base.errors import Fenced, StoreError
from riverrun.log.store import Held, RunFilter, RunKey
from riverrun.stores.memory import MemoryStore
from riverrun.testing.faults import Fault, FaultyStore, NthFault
from riverrun.testing.history import Entry, History, RecordingStore, from_lines, to_lines
from riverrun.testing.laws import check_history
from riverrun.testing.store_model import make_events
from riverrun.testing.stores import check_store
from tests.graph.play import RUN, run_started

KEY = RunKey("t", RUN)
GONE = RunKey("t", "f" * 32)


async def use(store):
    """One call of each verb, two of them refused, one of them lost."""
    await store.create("t", run_started(), idem_key="k", worker="w", lease_seconds=9)
    assert 2 == await store.append(KEY, 1, 1, make_events(RUN, 2, ["chunk"]), 9)
    with pytest.raises(StoreError):
        await store.append(KEY, 1, 2, make_events(RUN, 3, ["chunk"]), 9)
    with pytest.raises(Fenced):
        await store.append(KEY, epoch=7, expected_seq=3, events=make_events(RUN, 4, ["odd"]), lease_seconds=9)
    await store.control(KEY, "stop", {"reason": "why"}, idem_key="c")
    store.renew("w", [Held(KEY, 1, 0), Held(GONE, 1, 0)], 9)
    await store.read(KEY, 1, 2)
    await store.wait(KEY, 1, 1)
    await store.list("t", RunFilter())
    await store.claim("v", graphs=frozenset({"sketch"}), limit=1, lease_seconds=9)
    await store.sweep(0)


@pytest.fixture
def entries():
    """The history of `use`."""
    history = History()
    faulty = FaultyStore(MemoryStore(), NthFault(2, Fault("after"), "append"))
    asyncio.run(use(RecordingStore(faulty, history, "w")))
    return history.entries


def test_every_call_has_two_entries_but_those_that_say_nothing_of_the_laws(entries):
    assert [number for call in range(1, 11) for number in (call, call)] == [one.call for one in entries]
    assert {"create", "append", "control", "renew", "read", "wait", "list", "claim"} == {one.verb for one in entries}
    assert {"w"} == {one.by for one in entries}


def test_the_entries_say_what_was_sent_and_told(entries):
    ends = [(one.verb, one.phase, one.code) for one in entries if one.phase != "asked"]
    assert [("create", "given", ""), ("append", "given", ""), ("append", "unknown", "E4002")] == ends[:3]
    assert ("append", "refused", "E4004") == ends[3]
    read = next(one for one in entries if (one.verb, one.phase) == ("read", "given"))
    assert (3, 1, "running", "00000000") == (read.head, read.epoch, read.status, read.log)
    sent = [bytes(line) for one in entries if one.verb == "append" and one.phase == "asked" for line in one.lines]
    assert sent[:2] == [bytes(line) for line in read.lines]
    renewal = next(one for one in entries if (one.verb, one.phase) == ("renew", "given"))
    assert [(False, ((1, 'stop {"reason":"why"}'),)), (True, ())] == [
        (one.lost, one.controls) for one in renewal.leases
    ]


def test_the_history_of_a_good_store_breaks_no_law(entries):
    assert [] == check_history(entries)


def test_a_history_survives_being_written_down(entries):
    lines = to_lines(entries)
    again = from_lines(lines)
    assert lines == to_lines(again)
    assert len(entries) == lines.count(b"\n") == len(again)


def test_a_last_line_that_was_cut_off_is_left_out(entries):
    lines = to_lines(entries)
    assert len(entries) - 1 == len(from_lines(lines[:-1]))
    assert [] == from_lines(b'{"call":')
    with pytest.raises(msgspec.DecodeError):
        from_lines(b"rubbish\n" + lines)


def test_an_entry_is_one_line_without_what_is_not_said():
    line = to_lines([Entry(call=1, at=0.5, by="w", verb="wait", phase="asked", key=KEY)])
    assert f'{{"call":1,"at":0.5,"by":"w","verb":"wait","phase":"asked","key":["t","{RUN}"]}}\n'.encode() == line


def test_what_is_recorded_obeys_the_laws_as_before():
    made = []

    def make_store(clock):
        made.append(History())
        return RecordingStore(MemoryStore(clock), made[-1], "w")

    check_store(make_store)
    assert any(history.entries for history in made)
