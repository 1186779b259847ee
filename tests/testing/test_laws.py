"""Each law, broken in a history that was made up for it, is found; the good history that it was made of passes."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw, structs

from riverrun.log.store import RunKey
from riverrun.testing.history import Entry, History, Lease, Row, from_lines, lines_of, to_lines
from riverrun.testing.laws import check_history
from riverrun.testing.store_model import make_events
from tests.graph.play import RUN, run_started

KEY = RunKey("t", RUN)
OTHER = RunKey("other", RUN)
LOG = "00000000"


def lines(first, *kinds):
    """Events as a store keeps them."""
    return lines_of(make_events(RUN, first, list(kinds)))


def taken_over(seq, epoch, worker):
    """What a claim puts into the log."""
    fields = f'"type":"run.taken_over","seq":{seq},"ts":1,"run":"{RUN}","epoch":{epoch},"worker":"{worker}"'
    return Raw(f"{{{fields}}}".encode())


class Told:
    """A history that is told call by call."""

    def __init__(self):
        self.history = History()

    @property
    def breaches(self):
        """The laws that are broken."""
        return [breach.law for breach in check_history(self.history.entries)]

    def asked(self, verb, by="w1", **fields):
        """A call is made."""
        return self.history.ask(by, verb, **fields)

    def given(self, call, verb, by="w1", **fields):
        """It is answered."""
        self.history.answer(call, by, verb, "given", **fields)

    def unknown(self, call, verb):
        """Nobody knows what became of it."""
        self.history.answer(call, "w1", verb, "unknown", code="E4002")

    def refused(self, call, verb):
        """It is refused."""
        self.history.answer(call, "w1", verb, "refused", code="E4004")

    def create(self, key=KEY, epoch=1):
        """A run is made, and claimed."""
        call = self.asked("create", key=key, lines=lines_of([run_started()]), log=LOG)
        self.given(call, "create", rows=(Row(key, LOG, epoch, 1),), n=1)

    def append(self, after, sent, epoch=1, head: Any = None, key=KEY):
        """Events are appended."""
        call = self.asked("append", key=key, epoch=epoch, after=after, lines=sent)
        self.given(call, "append", head=after + len(sent) if head is None else head)

    def claim(self, epoch, head, worker="w2"):
        """A worker takes the run."""
        call = self.asked("claim", worker, worker=worker)
        self.given(call, "claim", worker, rows=(Row(KEY, LOG, epoch, head),))

    def read(self, after, given, head, **told):
        """The log is read."""
        key = told.pop("key", KEY)
        call = self.asked("read", "r", key=key, after=after, limit=told.pop("limit", 100))
        fields = {"epoch": 1, "status": "running", "log": LOG, **told}
        self.given(call, "read", "r", key=key, after=after, lines=given, head=head, **fields)

    def control(self, n, content="stop 1", idem_key=None, key=KEY):
        """Something is asked of the run."""
        call = self.asked("control", "u", key=key, content=content, idem_key=idem_key)
        self.given(call, "control", "u", n=n, content=content)

    def renew(self, epoch=1, after=0, controls=(), *, lost=False):
        """A lease is renewed."""
        call = self.asked("renew", leases=(Lease(KEY, epoch, after),))
        self.given(call, "renew", leases=(Lease(KEY, epoch, after, lost, tuple(controls)),))


FIRST = lines_of([run_started()])
A, B = lines(2, "chunk", "odd"), lines(4, "chunk")
END = lines(5, "completed")


@pytest.fixture
def told():
    """A run of one owner, with four events."""
    made = Told()
    made.create()
    made.append(1, A)
    made.append(3, B)
    return made


def test_a_good_history_breaks_no_law(told):
    told.read(0, FIRST + A + B, 4)
    told.control(1, idem_key="k")
    told.control(1, idem_key="k")
    told.control(2, "stop 2")
    told.renew(controls=[(1, "stop 1"), (2, "stop 2")])
    told.renew(after=2)
    told.claim(2, 5)
    told.read(3, (*B, taken_over(5, 2, "w2")), 5, epoch=2)
    told.renew(lost=True)
    told.append(5, lines(6, "completed"), epoch=2)
    told.read(5, lines(6, "completed"), 6, epoch=2, status="ended")
    assert [] == told.breaches
    assert told.history.entries == from_lines(to_lines(told.history.entries))


def test_what_overlaps_may_have_happened_in_either_order(told):
    """An append, a claim and a read at once: no order of their answers is wrong."""
    append = told.asked("append", key=KEY, epoch=1, after=4, lines=lines(5, "chunk"))
    read = told.asked("read", "r", key=KEY, after=4, limit=9)
    claim = told.asked("claim", "w2", worker="w2")
    told.given(claim, "claim", "w2", rows=(Row(KEY, LOG, 2, 6),))
    told.given(read, "read", "r", key=KEY, after=4, head=4, epoch=1, status="running", log=LOG)
    told.given(append, "append", head=5)
    told.read(4, (*lines(5, "chunk"), taken_over(6, 2, "w2")), 6, epoch=2)
    assert [] == told.breaches


@pytest.mark.parametrize("there", [True, False])
def test_an_unknown_outcome_may_be_either(told, there):
    call = told.asked("append", key=KEY, epoch=1, after=4, lines=END)
    told.unknown(call, "append")
    told.read(4, END if there else (), 5 if there else 4, status="ended" if there else "running")
    if not there:
        told.append(4, END)
    assert [] == told.breaches


def test_a_control_of_which_nobody_heard_has_a_number_all_the_same(told):
    told.unknown(told.asked("control", key=KEY, content="stop 1"), "control")
    told.control(2)
    assert [] == told.breaches


# --- one breach each ---


def test_l1_a_hole_in_a_page(told):
    told.read(0, (*FIRST, A[1], *B), 4)
    assert "L1" in told.breaches


def test_l1_an_event_at_a_place_that_is_not_its_own(told):
    told.append(4, lines(6, "chunk"))
    assert "L1" in told.breaches


def test_l1_a_head_that_does_not_fit_what_was_sent(told):
    told.append(4, END, head=7)
    assert "L1" in told.breaches


def test_l1_nothing_where_there_is_something(told):
    told.read(2, (), 4)
    assert ["L1"] == told.breaches


def test_l2_an_event_that_nobody_sent(told):
    told.read(3, lines(4, "odd"), 4)
    assert "L2" in told.breaches


def test_l2_an_event_whose_sender_was_refused(told):
    call = told.asked("append", key=KEY, epoch=1, after=4, lines=END)
    told.refused(call, "append")
    told.read(4, END, 5, status="ended")
    assert ["L2"] == told.breaches


def test_l2_an_event_before_anybody_sent_it(told):
    told.read(4, END, 5, status="ended")
    told.append(4, END)
    assert "L2" in told.breaches


def test_l2_what_was_acknowledged_is_not_shown(told):
    told.read(0, FIRST + A, 3)
    assert ["L2"] == told.breaches


def test_l2_more_than_the_head_says(told):
    told.append(4, END)
    told.read(3, B + END, 4)
    assert "L2" in told.breaches


def test_l2_a_takeover_by_somebody_who_never_claimed(told):
    told.read(4, (taken_over(5, 2, "w9"),), 5, epoch=2)
    assert ["L2"] == told.breaches


def test_l3_what_was_acknowledged_changes(told):
    """Two were told that their events are at one place, before either was read."""
    first, second = (told.asked("append", key=KEY, epoch=1, after=4, lines=lines(5, kind)) for kind in ("chunk", "odd"))
    told.given(first, "append", head=5)
    told.given(second, "append", head=5)
    assert "L3" in told.breaches


def test_l3_what_was_read_changes(told):
    for kind in ("chunk", "odd"):
        told.unknown(told.asked("append", key=KEY, epoch=1, after=4, lines=lines(5, kind)), "append")
    told.read(4, lines(5, "chunk"), 5)
    told.read(4, lines(5, "odd"), 5)
    assert "L3" in told.breaches


def test_l4_an_epoch_that_was_passed_is_given(told):
    told.claim(3, 5)
    told.claim(2, 6)
    assert "L4" in told.breaches


def test_l4_a_page_of_a_former_epoch(told):
    told.claim(2, 5)
    told.read(4, (taken_over(5, 2, "w2"),), 5, epoch=1)
    assert ["L4"] == told.breaches


def test_l4_epochs_that_fall_along_the_log(told):
    """The append of the first owner overlaps the claim, but stands behind it."""
    append = told.asked("append", key=KEY, epoch=1, after=5, lines=lines(6, "chunk"))
    told.claim(2, 5)
    told.given(append, "append", head=6)
    told.read(4, (taken_over(5, 2, "w2"), *lines(6, "chunk")), 6, epoch=2)
    assert ["L4"] == told.breaches


def test_l5_a_zombie_appends(told):
    told.claim(2, 5)
    told.append(5, lines(6, "chunk"), epoch=1)
    assert "L5" in told.breaches


def test_l5_a_zombie_is_not_told(told):
    told.claim(2, 5)
    told.renew(epoch=1)
    assert ["L5"] == told.breaches


def test_l5_an_epoch_with_two_owners(told):
    claims = [told.asked("claim", worker, worker=worker) for worker in ("w2", "w3")]
    for call in claims:
        told.given(call, "claim", rows=(Row(KEY, LOG, 2, 5),))
    assert ["L5"] == told.breaches


def test_l6_an_event_after_the_end(told):
    told.append(4, END)
    told.append(5, lines(6, "chunk"))
    assert ["L6"] == told.breaches


def test_l6_two_ends(told):
    told.append(4, END)
    told.append(5, lines(6, "stopped"))
    assert ["L6"] == told.breaches


@pytest.mark.parametrize(("kind", "status"), [("completed", "running"), ("chunk", "ended")])
def test_l6_a_status_that_does_not_fit_the_last_event(told, kind, status):
    told.append(4, lines(5, kind))
    told.read(4, lines(5, kind), 5, status=status)
    assert ["L6"] == told.breaches


def test_l7_half_of_what_was_sent(told):
    call = told.asked("append", key=KEY, epoch=1, after=4, lines=lines(5, "chunk", "odd"))
    told.unknown(call, "append")
    told.claim(2, 6)
    told.read(4, (*lines(5, "chunk"), taken_over(6, 2, "w2")), 6, epoch=2)
    assert ["L7"] == told.breaches


def test_l7_what_was_sent_again_is_taken_twice(told):
    told.append(3, B)
    assert ["L7"] == told.breaches


@pytest.mark.parametrize(
    "controls",
    [[(2, "stop 2"), (1, "stop 1")], [(1, "stop 1")], [(2, "stop 2")], [(1, "stop 1"), (2, "another")], []],
    ids=str,
)
def test_l9_controls_that_are_brought_out_of_order_in_part_or_changed(told, controls):
    told.control(1, "stop 1")
    told.control(2, "stop 2")
    told.renew(controls=controls)
    assert "L9" in told.breaches


def test_l9_a_control_that_is_brought_again(told):
    told.control(1)
    told.renew(after=1, controls=[(1, "stop 1")])
    assert ["L9"] == told.breaches


def test_l9_one_key_with_two_controls(told):
    told.control(1, idem_key="k")
    told.control(2, idem_key="k")
    assert "L9" in told.breaches


def test_l9_one_number_for_two_controls(told):
    told.control(1, "stop 1")
    told.control(1, "stop 2")
    assert ["L9"] == told.breaches


def test_l9_a_number_that_is_left_out(told):
    told.control(1)
    told.control(3)
    assert ["L9"] == told.breaches


@pytest.mark.parametrize("verb", ["read", "control", "list", "create"])
def test_l10_another_tenant_is_told_of_the_run(told, verb):
    if verb == "read":
        told.read(0, FIRST, 4, key=OTHER)
    elif verb == "control":
        told.control(1, key=OTHER)
    elif verb == "list":
        told.given(told.asked("list"), "list", rows=(Row(OTHER, LOG, 1, 4),))
    else:
        call = told.asked("create", key=OTHER, lines=FIRST, log=LOG)
        told.given(call, "create", rows=(Row(KEY, LOG, 1, 4),))
    assert "L10" in told.breaches


def test_l11_a_place_beyond_the_head_is_answered(told):
    told.read(9, (), 4)
    assert ["L11"] == told.breaches


def test_l11_another_log_is_given(told):
    told.read(0, FIRST + A + B, 4, log="ffffffff")
    assert ["L11"] == told.breaches


@pytest.mark.parametrize(("row", "law"), [(Row(KEY, LOG, 1, 3), "L2"), (Row(KEY, LOG, 0, 4), "L4")])
def test_a_row_that_lags_behind_is_found(told, row, law):
    told.given(told.asked("list"), "list", rows=(row,))
    assert [law] == told.breaches


def test_a_breach_says_where_it_is(told):
    told.read(9, (), 4)
    (breach,) = check_history(told.history.entries)
    last = told.history.entries[-1]
    assert f"L11 (call {last.call}): a read after 9 was answered, the head being 4" == str(breach)


def test_an_answer_without_a_question_is_no_reason_to_fail():
    """A history may begin in the middle: what was asked before it is not known."""
    entry = Entry(call=7, at=0.0, by="w", verb="wait", phase="given", key=KEY)
    assert [] == check_history([entry, structs.replace(entry, verb="sweep")])
