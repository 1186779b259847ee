"""The reconnect machine gives 1, 2, 3 … whatever arrives, ends only for a reason that may end it, and keeps pace."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riverrun.base.errors import IllegalMove
from riverrun.client.session import MOVES, Do, Move, Pace, Session, State, close_of
from riverrun.events.ending import Close, Duty, Ending
from riverrun.events.kinds import RunLost, Unknown
from tests.client.logs import LOG, events_of
from tests.events.samples import RUN

EVENTS = events_of(12)
PAUSE = 10.0  # longer than a barren stream


def walk(*steps, session=None, now=0.0, dice=0.0):
    """Report moves one after another; give the last step. A number lets that many seconds pass."""
    step: Any = None
    session = session or Session()
    for one in steps:
        if isinstance(one, float):
            now += one
        else:
            step = one(session, now, dice)
            session = step.session
    return step


def opened(session, now, dice):
    return session.opened(now)


def detached(session, now, dice):
    return session.detached()


def drained(session, now, dice):
    return session.drained()


def named(name):
    """Give a move a name that a test's id can show."""

    def put(move):
        move.__name__ = name
        return move

    return put


def got(*seqs, heartbeats=0, log=LOG):
    @named(f"got {seqs} {heartbeats}")
    def move(session, now, dice):
        return session.received([EVENTS[seq - 1] for seq in seqs], now, dice, heartbeats=heartbeats, log=log)

    return move


def paged(*seqs, ended=False, log=LOG):
    @named(f"paged {seqs} {ended}")
    def move(session, now, dice):
        return session.polled([EVENTS[seq - 1] for seq in seqs], now, dice, log=log, ended=ended)

    return move


def closed(how=Close.NETWORK):
    return named(f"closed {how.value}")(lambda session, now, dice: session.closed(how, now, dice))


def problem(status, retry_after=None):
    return named(f"problem {status}")(lambda session, now, dice: session.problem(status, now, dice, retry_after))


BARREN = (opened, got(log=None), closed())
POLLING = BARREN * 3
EXAMPLES = {
    Move.OPENED: opened,
    Move.RECEIVED: got(),
    Move.POLLED: paged(),
    Move.DRAINED: drained,
    Move.CLOSED: closed(),
    Move.PROBLEM: problem(502),
    Move.DETACHED: detached,
}
IN_STATE = {
    State.CONNECTING: Session(),
    State.LIVE: walk(opened).session,
    State.RECONNECTING: walk(closed()).session,
    State.POLLING: walk(*POLLING).session,
    State.ENDED: walk(detached).session,
}


# --- the table ---


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("move", Move)
def test_a_move_is_legal_exactly_where_the_table_has_it(state, move):
    session = IN_STATE[state]
    assert state is session.state
    before = repr(session)
    if move in MOVES[state]:
        assert EXAMPLES[move](session, 0.0, 0.0).session.state in MOVES[state][move]
    else:
        with pytest.raises(IllegalMove) as caught:
            EXAMPLES[move](session, 0.0, 0.0)
        assert "E3012" == caught.value.code
    assert before == repr(session)


@pytest.mark.parametrize(
    ("before", "move", "after"),
    [
        (State.CONNECTING, opened, State.LIVE),
        (State.CONNECTING, drained, State.ENDED),
        (State.CONNECTING, closed(), State.RECONNECTING),
        (State.CONNECTING, closed(Close.REFUSED), State.ENDED),
        (State.CONNECTING, problem(503), State.RECONNECTING),
        (State.CONNECTING, problem(404), State.ENDED),
        (State.CONNECTING, detached, State.ENDED),
        (State.LIVE, got(1), State.LIVE),
        (State.LIVE, got(2), State.RECONNECTING),
        (State.LIVE, got(*range(1, 13)), State.ENDED),
        (State.LIVE, closed(), State.RECONNECTING),
        (State.LIVE, closed(Close.REFUSED), State.ENDED),
        (State.LIVE, detached, State.ENDED),
        (State.POLLING, paged(1), State.POLLING),
        (State.POLLING, paged(ended=True), State.ENDED),
        (State.POLLING, drained, State.ENDED),
        (State.POLLING, closed(), State.POLLING),
        (State.POLLING, closed(Close.REFUSED), State.ENDED),
        (State.POLLING, problem(500), State.POLLING),
        (State.POLLING, problem(410), State.ENDED),
        (State.POLLING, detached, State.ENDED),
    ],
)
def test_where_a_move_leads(before, move, after):
    assert after is move(IN_STATE[before], 0.0, 0.0).session.state


def test_the_ways_in_and_out_of_polling():
    assert State.POLLING is walk(*BARREN * 2, opened, closed()).session.state
    assert State.POLLING is walk(*BARREN * 2, opened, got(5)).session.state  # a gap counts as well
    assert State.RECONNECTING is walk(*POLLING, paged(1), 30.0, paged(2)).session.state


@pytest.mark.parametrize("how", [Close.ENDED, Close.DETACHED, Close.BUSY, Close.GONE])
def test_a_connection_does_not_close_by_itself_in_ways_that_others_decide(how):
    with pytest.raises(IllegalMove):
        IN_STATE[State.LIVE].closed(how, 0.0, 0.0)


# --- the reading rule ---


@pytest.mark.parametrize(
    ("seqs", "applied"),
    [((1, 2, 3), [1, 2, 3]), ((1, 1, 2), [1, 2]), ((2, 1), []), ((1, 3, 2), [1]), ((), []), ((1, 2, 1, 3), [1, 2, 3])],
)
@pytest.mark.parametrize("state", [State.LIVE, State.POLLING])
def test_only_what_continues_is_given_out(state, seqs, applied):
    move = got if state is State.LIVE else paged
    step = move(*seqs)(IN_STATE[state], 0.0, 0.0)
    assert applied == [event.seq for event in step.events]
    assert len(applied) == step.session.place


def test_a_gap_means_to_read_again_after_the_place():
    step = walk(opened, got(1, 2, 4))
    assert (Do.CONNECT, f"{LOG}.2") == (step.action.do, step.session.cursor)


def test_the_cursor_names_the_log_as_soon_as_it_is_known():
    assert "17" == Session(place=17).cursor
    assert f"{LOG}.0" == walk(opened, got()).session.cursor


@pytest.mark.parametrize(
    "path", [(opened, got(1), got(2, log="ffffffff")), (*POLLING, paged(1), paged(2, log="ffffffff"))]
)
def test_events_of_another_log_are_never_taken(path):
    step = walk(*path)
    assert (Close.GONE, Duty.ASK, 1, []) == (
        step.session.close,
        step.session.duty,
        step.session.place,
        list(step.events),
    )


def test_what_follows_the_terminal_event_is_not_looked_at():
    step = walk(opened, got(*range(1, 13), 5))
    assert (Do.END, Close.ENDED, Ending.COMPLETED) == (step.action.do, step.session.close, step.session.ending)


def test_the_duty_after_a_run_that_was_lost_is_to_ask():
    lost = RunLost(seq=1, ts=1, run=RUN)
    step = IN_STATE[State.LIVE].received([lost], 0.0, 0.0, log=LOG)
    assert (Close.ENDED, Ending.LOST, Duty.ASK) == (step.session.close, step.session.ending, step.session.duty)


def test_an_ending_of_a_newer_version_is_known_by_the_204_after_it():
    newer = Unknown(seq=1, ts=1, run=RUN, kind="run.dissolved")
    live = IN_STATE[State.LIVE].received([newer], 0.0, 0.0, log=LOG).session
    assert State.LIVE is live.state
    step = walk(closed(), drained, session=live)
    assert (Close.ENDED, Duty.NEVER, None) == (step.session.close, step.session.duty, step.session.ending)


# --- pace ---


def test_the_first_try_is_at_once_and_each_later_one_waits_longer():
    session, delays = Session(), []
    for _ in range(8):
        step = session.closed(Close.NETWORK, 0.0, 1.0)
        session = step.session
        delays.append(step.action.delay)
    assert [0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0] == delays
    assert 5.0 == walk(*(closed() for _ in range(3000)), dice=1.0).action.delay


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 12))
def test_chance_takes_away_up_to_half_of_a_delay(dice, tries):
    delay = walk(*(closed() for _ in range(tries + 1)), dice=dice).action.delay
    full = min(5.0, 0.25 * 2 ** (tries - 1))
    assert full / 2 <= delay <= full


@pytest.mark.parametrize("sign", [got(1), got(heartbeats=1)])
def test_an_event_or_a_heartbeat_sets_the_back_off_back(sign):
    assert 0.0 < walk(*(closed(),) * 4, opened, got(), closed()).action.delay
    assert 0.0 == walk(*(closed(),) * 4, opened, sign, closed()).action.delay


def test_a_busy_server_is_not_asked_before_the_time_it_named():
    step = walk(problem(429, 7.0), dice=0.5)
    assert 7.0 < step.action.delay <= 7.25
    assert 0.0 < walk(problem(503)).action.delay
    assert 0.0 == walk(problem(502, 7.0)).action.delay


def test_how_long_silence_is_borne():
    pace = Pace(heartbeat_interval=4.0, first_byte_timeout=5.0)
    step = walk(opened, session=Session(pace=pace))
    assert (Do.READ, 5.0) == (step.action.do, step.action.listen)
    assert 10.0 == walk(got(), session=step.session).action.listen


@pytest.mark.parametrize(
    ("stream", "barren"),
    [
        ((opened, closed()), True),
        ((opened, got(), closed()), True),
        ((opened, PAUSE, closed(Close.SILENT)), True),
        ((opened, got(), PAUSE, closed()), False),
        ((opened, got(1), closed()), False),
        ((opened, got(heartbeats=1), closed()), False),
        ((opened, got(), closed(Close.ROTATED)), False),
        ((closed(),), False),
        ((problem(502),), False),
    ],
)
def test_which_streams_are_barren(stream, barren):
    assert (State.POLLING if barren else State.RECONNECTING) is walk(*stream * 3).session.state


def test_one_good_stream_begins_the_count_of_barren_ones_anew():
    assert State.RECONNECTING is walk(*BARREN * 2, opened, got(1), closed(), *BARREN * 2).session.state


def test_a_page_is_asked_for_at_once_unless_it_gave_nothing_at_once():
    assert (Do.POLL, 0.0) == walk(*POLLING, 1.0, paged(1)).action[:2]
    assert (Do.POLL, 0.0) == walk(*POLLING, 25.0, paged()).action[:2]
    assert 0.0 < walk(*POLLING, paged(1), paged()).action.delay
    first, second = walk(*POLLING, paged(1), paged()), walk(*POLLING, paged(1), paged(), paged())
    assert first.action.delay < second.action.delay


def test_after_a_while_of_polling_a_stream_is_tried_and_one_barren_one_is_enough_to_go_back():
    back = walk(*POLLING, paged(1), 29.0, paged(2), 1.0, paged(3))
    assert (Do.CONNECT, State.RECONNECTING, [3]) == (
        back.action.do,
        back.session.state,
        [event.seq for event in back.events],
    )
    assert State.POLLING is walk(*BARREN, session=back.session).session.state
    good = walk(opened, got(4), closed(), *BARREN * 2, session=back.session)
    assert State.RECONNECTING is good.session.state


def test_time_without_a_successful_poll_is_not_time_of_polling():
    assert State.POLLING is walk(*POLLING, 60.0, closed(), paged(1)).session.state


def test_patience_ends_where_the_user_set_a_limit():
    pace = Pace(patience=3.0)
    step = walk(closed(), 2.0, closed(), session=Session(pace=pace))
    assert State.RECONNECTING is step.session.state
    step = walk(closed(), 2.0, closed(), 1.5, closed(), session=Session(pace=pace))
    assert (Do.END, Close.NETWORK, Duty.NOW) == (step.action.do, step.session.close, step.session.duty)
    step = walk(closed(), 2.0, opened, got(), 2.0, closed(), session=Session(pace=pace))
    assert State.RECONNECTING is step.session.state


def test_streams_after_the_first_are_reconnects():
    assert 0 == Session().reconnects
    assert 0 == walk(closed(), closed(), opened).session.reconnects
    assert 2 == walk(opened, closed(), closed(), opened, closed(), opened).session.reconnects


def test_a_session_that_goes_on_has_no_duty():
    assert None is walk(opened, closed()).session.duty


@pytest.mark.parametrize(
    ("status", "close"),
    [(429, Close.BUSY), (503, Close.BUSY), (410, Close.GONE), (404, Close.REFUSED), (302, Close.REFUSED)]
    + [(status, Close.NETWORK) for status in (500, 502, 504, 599)],
)
def test_what_a_status_means(status, close):
    assert close is close_of(status)


# --- any faults, in any order ---

seqs = st.lists(st.integers(1, len(EVENTS)), max_size=6)
run_on = st.integers(0, 6)  # how many events continue the place before the faulty ones


@st.composite
def faults(draw):
    """One thing that a bad network, proxy or server can do next; it is fitted to the state when it is used."""
    kind = draw(st.sampled_from(["good", "good", "faulty", "close", "problem", "heartbeat", "pass"]))
    how = draw(st.sampled_from([Close.NETWORK, Close.SILENT, Close.ROTATED]))
    status = draw(st.sampled_from([429, 500, 502, 503]))
    return kind, draw(run_on), draw(seqs), how, status, draw(st.floats(0, 40)), draw(st.floats(0, 0.99))


class Simulation:
    """A shell without a network: it obeys the session's actions and checks what comes out."""

    def __init__(self, pace):
        self.step: Any = None
        self.session = Session(pace=pace)
        self.action: Any = None
        self.given: list[int] = []
        self.now = 0.0

    def take(self, step):
        before = self.session
        self.session, self.action = step.session, step.action
        self.given += [event.seq for event in step.events]
        assert list(range(1, len(self.given) + 1)) == self.given
        assert len(self.given) == self.session.place >= before.place
        assert (self.session.state is State.ENDED) == (step.action.do is Do.END)
        assert (self.session.state is State.LIVE) == (step.action.do is Do.READ)
        assert (self.session.state is State.POLLING) == (step.action.do is Do.POLL)
        assert 0 <= step.action.delay <= 5.0 + 3.0

    def do(self, fault):
        kind, count, rubbish, how, status, seconds, dice = fault
        self.now += seconds if kind == "pass" else 0.1
        place = self.session.place
        batch = EVENTS[place : place + count]
        if kind == "faulty":
            batch = [*batch, *(EVENTS[seq - 1] for seq in rubbish)]
        session, now = self.session, self.now
        if session.state is State.LIVE:
            if kind in {"close", "problem"}:
                return session.closed(how, now, dice)
            return session.received(batch, now, dice, heartbeats=kind == "heartbeat", log=LOG)
        if kind == "close":
            return session.closed(how, now, dice)
        if kind == "problem":
            return session.problem(status, now, dice, 3.0)
        if session.state is State.POLLING:
            return session.polled(batch, now, dice, log=LOG, ended=False)
        return session.opened(now)


@given(st.lists(faults(), max_size=40))
@settings(max_examples=200)
def test_whatever_happens_the_events_are_dense_and_only_the_terminal_event_ends_it(happenings):
    simulation = Simulation(Pace())
    for fault in happenings:
        if simulation.session.state is State.ENDED:
            break
        simulation.take(simulation.do(fault))
    if simulation.session.state is State.ENDED:
        assert (Close.ENDED, Ending.COMPLETED) == (simulation.session.close, simulation.session.ending)
        assert len(EVENTS) == simulation.session.place
    # And once the network is well again, the rest arrives within a few moves.
    for _ in range(8):
        if simulation.session.state is not State.ENDED:
            simulation.take(simulation.do(("good", 99, [], Close.NETWORK, 502, 0.0, 0.5)))
    assert (State.ENDED, len(EVENTS)) == (simulation.session.state, simulation.session.place)


@given(st.lists(faults(), max_size=25), st.sampled_from([403, 404, 410, "refused", "detached"]))
@settings(max_examples=100)
def test_a_refusal_a_question_and_leaving_end_it_at_once(happenings, end):
    simulation = Simulation(Pace())
    for fault in happenings:
        if simulation.session.state is State.ENDED:
            return
        simulation.take(simulation.do(fault))
    session = simulation.session
    if session.state is State.ENDED:
        return
    if end == "detached":
        step = session.detached()
    elif end == "refused" or session.state is State.LIVE:
        step = session.closed(Close.REFUSED, 0.0, 0.0)
    else:
        step = session.problem(end, 0.0, 0.0)
    simulation.take(step)
    assert step.session.close in {Close.DETACHED, Close.REFUSED, Close.GONE}
    assert step.session.duty in {Duty.NEVER, Duty.ASK}
