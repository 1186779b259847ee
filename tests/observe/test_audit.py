"""The audit counts exactly what was planted: loss, repetition, reordering, foreign content."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from riverrun.events.kinds import NodeChunk, NodeRetrying, RunCompleted, RunStarted, RunTakenOver
from riverrun.events.record import Record
from riverrun.observe.audit import Audit, compare, note

RUN = "0" * 32


def record(seq):
    return Record(seq, RunTakenOver(seq=seq, ts=0, run=RUN, epoch=seq))


def log_of(length):
    return [record(seq) for seq in range(1, length + 1)]


def faithful(log):
    return [note(each.seq, each.data) for each in log]


@st.composite
def spoiled_readings(draw):
    """A log, what a reader applied of it, and how often each fault was planted."""
    log = log_of(draw(st.integers(0, 60)))
    fates = draw(st.lists(st.sampled_from("....ldsf"), min_size=len(log), max_size=len(log)))
    applied, planted = [], dict.fromkeys("ldsf", 0)
    place = 0
    while place < len(log):
        fate, this = fates[place], note(log[place].seq, log[place].data)
        if fate == "s" and place + 1 < len(log):
            # A swap of neighbours makes one of them late.
            applied += [note(log[place + 1].seq, log[place + 1].data), this]
            place += 1
        elif fate == "d":
            applied += [this, this]
        elif fate == "f":
            applied.append(note(this.seq, b"another content"))
        elif fate != "l":
            fate = "."
            applied.append(this)
        if fate in planted:
            planted[fate] += 1
        place += 1
    return log, applied, planted


@given(spoiled_readings())
def test_what_was_planted_is_counted(case):
    log, applied, planted = case
    audit = compare(applied, log)
    assert (
        planted["l"] + planted["f"],
        planted["d"],
        planted["s"],
        planted["f"],
    ) == (audit.lost, audit.repeated, audit.reordered, audit.foreign)
    assert audit.exact is not any(planted.values())
    assert (len(log), len(applied)) == (audit.events, audit.applied)


@given(st.permutations(list(range(1, 9))))
def test_only_the_order_of_the_log_is_exact(order):
    audit = compare([note(seq, record(seq).data) for seq in order], log_of(8))
    assert (0, 0, 0) == (audit.lost, audit.repeated, audit.foreign)
    assert audit.exact is (list(order) == sorted(order))


def test_a_repetition_that_comes_late_is_no_reordering():
    log = log_of(5)
    audit = compare([*faithful(log), note(2, record(2).data)], log)
    assert (1, 0, 0) == (audit.repeated, audit.reordered, audit.lost)


def test_an_event_that_the_log_does_not_have_is_foreign():
    audit = compare([*faithful(log_of(3)), note(9, b"{}")], log_of(3))
    assert (0, 1) == (audit.lost, audit.foreign)
    assert not audit.exact


def test_chunks_voids_and_takeovers_are_read_from_the_log():
    def chunk(seq, start, text):
        return NodeChunk(seq=seq, ts=0, run=RUN, node="a", exec="a:1", message="m", value=text, start=start)

    events = [
        RunStarted(seq=1, ts=0, run=RUN, graph="g", log="00000000"),
        chunk(2, 0, "one 🌊"),
        RunTakenOver(seq=3, ts=0, run=RUN, epoch=2),
        NodeRetrying(seq=4, ts=0, run=RUN, node="a", exec="a:1", attempt=2, voids=("m",)),
        chunk(5, 0, "one "),
        RunCompleted(seq=6, ts=0, run=RUN),
    ]
    log = [Record(event.seq, event) for event in events]
    expected = Audit(events=6, chunks=2, applied=6, lost=0, repeated=0, reordered=0, foreign=0, voided=6, takeovers=1)
    assert expected == compare(faithful(log), log)
