"""Bounded threads: how many there are when, what is refused, and that none is left when nobody wants them."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import CancelledError, Future, wait
from typing import Any
from weakref import finalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.runs import threads as module
from riverrun.runs.threads import Threads


def sent(threads: Threads, *work: Any, beyond: bool = False) -> Future[Any]:
    """Submit what there is room for."""
    future = threads.submit(*work, beyond=beyond)
    assert future is not None
    return future


class Hold:
    """Calls that wait until they are let go."""

    def __init__(self):
        self.began = threading.Semaphore(0)
        self.opened = threading.Event()

    def __call__(self, value=None):
        self.began.release()
        assert self.opened.wait(20)
        return value


@pytest.fixture
def hold():
    """Lets go at the end."""
    made = Hold()
    yield made
    made.opened.set()


@given(core=st.integers(1, 4), spare=st.integers(0, 3), queue=st.integers(0, 4), calls=st.integers(0, 15))
def test_as_many_as_there_is_room_for_are_taken_and_all_of_those_are_done(core, spare, queue, calls):
    hold, made = Hold(), Threads(core, core + spare, queue)
    try:
        taken = [made.submit(hold, number) for number in range(calls)]
        room = core + queue + spare
        assert [True] * min(calls, room) + [False] * max(0, calls - room) == [future is not None for future in taken]
        assert min(calls, core) + max(0, min(calls, room) - core - queue) == made.alive
        hold.opened.set()
        assert list(range(min(calls, room))) == [future.result(20) for future in taken if future is not None]
    finally:
        hold.opened.set()
        made.close()


def test_what_may_wait_beyond_the_queue_is_taken_and_keeps_its_order(hold):
    order: list[int] = []
    made = Threads(1, 1, 0)
    first = sent(made, hold)
    assert made.submit(len, "x") is None
    later = [sent(made, order.append, number, beyond=True) for number in range(5)]
    hold.opened.set()
    wait([first, *later], timeout=20)
    assert list(range(5)) == order
    made.close()


def test_threads_beyond_the_core_end_when_there_is_nothing_more_to_do(hold, monkeypatch):
    monkeypatch.setattr(module, "_SPARE_SECONDS", 0.01)
    made = Threads(1, 3, 0)
    taken = [sent(made, hold) for _ in range(3)]
    assert 3 == made.alive
    hold.opened.set()
    wait(taken, timeout=20)
    while made.alive > 1:
        threading.Event().wait(0.001)
    assert 3 == sent(made, len, "abc").result(20)
    assert 1 == made.alive
    made.close()


def test_a_place_in_the_queue_is_free_again_when_nobody_waits_for_the_call(hold):
    made = Threads(1, 1, 1)
    sent(made, hold)
    waiting = sent(made, len, "x")
    assert made.submit(len, "x") is None
    assert waiting.cancel()
    assert made.submit(len, "x") is not None
    hold.opened.set()
    made.close()


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3)], ids=repr)
def test_a_thread_outlives_what_its_call_raises(error):
    made = Threads(1, 1, 0)

    def fail():
        raise error

    with pytest.raises(type(error)):
        sent(made, fail).result(20)
    future = sent(made, threading.get_ident, beyond=True)
    assert future.result(20)
    made.close()


def test_closing_drops_what_waits_and_lets_what_works_end(hold):
    made = Threads(1, 1, 1)
    working, waiting = sent(made, hold, 7), sent(made, len, "x")
    assert hold.began.acquire(timeout=20)
    made.close()
    made.close()
    with pytest.raises(CancelledError):
        waiting.result(0)
    hold.opened.set()
    assert 7 == working.result(20)
    with pytest.raises(RuntimeError, match="closed"):
        made.submit(len, "x")


def test_threads_end_with_the_last_who_holds_them():
    made = Threads(2, 2, 0)
    thread = sent(made, threading.current_thread).result(20)
    assert thread.daemon
    del made
    gc.collect()
    thread.join(20)
    assert not thread.is_alive()


def test_a_thread_that_waits_holds_nothing_of_the_call_before():
    class Thing:
        pass

    made, ends = Threads(1, 1, 0), threading.Event()
    thing = Thing()
    finalize(thing, ends.set)
    sent(made, lambda given: None, thing).result(20)
    del thing
    assert ends.wait(20)
    made.close()
