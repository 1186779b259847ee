"""The pen: one append in flight, batches that grow by themselves, unknown outcomes settled, nothing after the fence."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.clock import ManualClock
from riverrun.base.errors import Fenced, HeadMoved, NodeError, RiverrunError
from riverrun.events.kinds import ErrorInfo, NodeChunk, NodeCompleted, RunStopped
from riverrun.graph.replay import replay
from riverrun.log.limits import Limits
from riverrun.log.store import RunKey
from riverrun.runs import writer as writer_file
from riverrun.runs.writer import Writer, in_one_piece, weight
from riverrun.stores.memory import MemoryStore
from tests.graph.play import RUN, run_started
from tests.runs.plans import plan
from tests.runs.wrapped import WaitingStore

KEY = RunKey("t", RUN)
BOOM = ErrorInfo(code="E3001", message="boom")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    """Tries follow at once: the intervals are settings of the file, and no test waits for time to pass."""
    monkeypatch.setattr(writer_file, "_FIRST_RETRY_INTERVAL", 0.0)


class Desk:
    """A machine with one running node, and the writer of its log."""

    def __init__(self, store, limits=None, *, paced=False):
        self.store, self.paced = store, paced
        self.limits = limits or Limits()

    async def open(self):
        """Create the run."""
        await self.store.create("t", run_started(), worker="w", lease_seconds=1e6)
        self.machine = replay(plan(a=lambda state: {}), RUN, [run_started()])
        self.writer = Writer(
            self.store, KEY, 1, self.machine, head=1, lease_seconds=1e6, limits=self.limits, paced=self.paced
        )
        self.writer.push()
        return self

    def say(self, *pieces):
        """Let the node say something."""
        for piece in pieces:
            self.machine.yielded("a:1", None, piece, 2)
            self.writer.push()

    def finish(self):
        """Let the run end."""
        self.machine.returned("a:1", None, (), (), 3)
        self.writer.push()

    async def log(self):
        """Give what is in the store."""
        page = await getattr(self.store, "inner", self.store).read(KEY, 0, 100_000)
        return [record.event for record in page.records]

    async def words(self):
        """Give what was said, as the store has it; the log is whole."""
        log = await self.log()
        assert list(range(1, len(log) + 1)) == [event.seq for event in log]
        return [event.value for event in log if isinstance(event, NodeChunk)]


async def turns(count=20):
    for _ in range(count):
        await asyncio.sleep(0)


# --- batches ---


async def test_what_is_said_while_an_append_is_in_flight_goes_with_the_next_one_as_a_whole():
    desk = await Desk(WaitingStore()).open()
    task = asyncio.create_task(desk.writer.run())
    await turns()
    assert [1] == desk.store.appends
    desk.store.gate.clear()
    desk.say("first")
    await turns()
    desk.say(*"abcdefgh")
    await turns()
    desk.store.gate.set()
    await turns()
    assert [1, 1, 8] == desk.store.appends
    desk.finish()
    await task
    assert [1, 1, 8, 2] == desk.store.appends
    assert ["first", *"abcdefgh"] == await desk.words()


async def test_what_is_said_as_a_run_begins_without_waiting_goes_with_its_first_event():
    desk = await Desk(WaitingStore()).open()
    task = asyncio.create_task(desk.writer.run())
    asyncio.get_running_loop().call_soon(desk.say, "first", "second")  # as a lane does that begins beside the writer
    await turns()
    assert [3] == desk.store.appends
    desk.finish()
    await task
    assert [3, 2] == desk.store.appends
    assert ["first", "second"] == await desk.words()


async def test_what_is_too_much_for_one_row_goes_in_pieces(monkeypatch):
    monkeypatch.setattr(writer_file, "_PIECE_EVENTS", 3)
    desk = await Desk(WaitingStore()).open()
    task = asyncio.create_task(desk.writer.run())
    await turns()
    desk.store.gate.clear()
    desk.say("first")
    await turns()
    desk.say(*"abcdefgh")
    await turns()
    desk.store.gate.set()
    await turns()
    assert [1, 1, 3, 3, 2] == desk.store.appends
    desk.finish()
    await task
    assert ["first", *"abcdefgh"] == await desk.words()


@pytest.mark.parametrize(("chunks", "completed", "count"), [(2, 4, 2), (5, 1, 3), (0, 6, 7), (3, 0, 3), (1, 1, 3)])
def test_what_stands_before_the_end_is_never_torn_from_it(monkeypatch, chunks, completed, count):
    monkeypatch.setattr(writer_file, "_PIECE_EVENTS", 3)
    said = [NodeChunk(seq=1, ts=1, run=RUN, node="a", exec="a:1", message="m", value="x")] * chunks
    done = [NodeCompleted(seq=1, ts=1, run=RUN, node="a", exec="a:1")] * completed
    assert count == in_one_piece([*said, *done, RunStopped(seq=1, ts=1, run=RUN)])


async def test_the_first_word_after_a_silence_goes_at_once():
    desk = await Desk(WaitingStore()).open()
    task = asyncio.create_task(desk.writer.run())
    for count, word in enumerate("abc", 1):
        desk.say(word)
        await turns(6)
        assert count == len(await desk.words())
    desk.finish()
    await task


async def test_a_store_that_commits_at_once_is_written_to_before_push_returns():
    desk = await Desk(MemoryStore()).open()
    desk.say("a")
    assert ["a"] == await desk.words()
    task = asyncio.create_task(desk.writer.run())
    await turns()
    assert not task.done()
    desk.finish()
    await task


async def test_waiting_for_a_run_that_is_over_returns_at_once():
    desk = await Desk(MemoryStore()).open()
    desk.finish()
    await desk.writer.run()


async def test_what_a_stop_leaves_is_held_back_until_the_run_has_ended():
    for store in (MemoryStore(), WaitingStore()):
        desk = await Desk(store).open()
        task = asyncio.create_task(desk.writer.run())
        desk.say("a")
        await turns()
        desk.machine.stopped("enough", 3)
        desk.machine.events, held = [], desk.machine.events
        assert [] == held
        desk.writer.push()
        await turns()
        before = len(await desk.log())
        desk.machine.returned("a:1", None, (), (), 4)
        desk.writer.push()
        await task
        assert ["node.completed", "run.stopped"] == [event.type for event in (await desk.log())[before:]]


# --- unknown outcomes ---


@given(
    st.dictionaries(st.integers(1, 12), st.sampled_from(["before", "after"]), max_size=8),
    st.integers(0, 3),
    st.lists(st.integers(1, 3), min_size=1, max_size=8),
)
def test_whatever_append_fails_before_or_after_its_effect_the_log_is_exact(faults, read_faults, sizes):
    async def write():
        desk = await Desk(WaitingStore()).open()
        desk.store.faults, desk.store.read_faults = faults, read_faults
        task = asyncio.create_task(desk.writer.run())
        said = []
        for number, size in enumerate(sizes):
            pieces = [f"{number}.{place}" for place in range(size)]
            desk.say(*pieces)
            said += pieces
            await turns(number)
        desk.finish()
        await task
        assert said == await desk.words()
        assert "run.completed" == (await desk.log())[-1].type

    old, writer_file._FIRST_RETRY_INTERVAL = writer_file._FIRST_RETRY_INTERVAL, 0.0
    try:
        asyncio.run(write())
    finally:
        writer_file._FIRST_RETRY_INTERVAL = old


async def test_an_outcome_that_cannot_be_read_either_is_not_guessed():
    desk = await Desk(WaitingStore()).open()
    desk.store.faults, desk.store.read_faults = {1: "after"}, 3
    task = asyncio.create_task(desk.writer.run())
    desk.say("a")
    await turns(60)
    desk.finish()
    await task
    assert ["a"] == await desk.words()


async def test_another_owner_found_while_settling_ends_the_writing():
    clock = ManualClock()
    desk = await Desk(WaitingStore(clock)).open()
    desk.store.faults = {1: "before"}
    clock.advance(2e6)
    await desk.store.inner.claim("other", graphs=frozenset({"sketch"}), limit=1, lease_seconds=10)
    with pytest.raises(Fenced):
        await desk.writer.run()
    assert ["run.started", "run.taken_over"] == [event.type for event in await desk.log()]


@pytest.mark.parametrize("store", [MemoryStore, WaitingStore])
async def test_a_fenced_writer_writes_nothing_more(store):
    clock = ManualClock()
    desk = await Desk(store(clock)).open()
    task = asyncio.create_task(desk.writer.run())
    await turns()
    clock.advance(2e6)
    inner = getattr(desk.store, "inner", desk.store)
    await inner.claim("other", graphs=frozenset({"sketch"}), limit=1, lease_seconds=10)
    before = await desk.log()
    refusals = []
    for piece in "abc":
        try:
            desk.say(piece)
        except RiverrunError as error:
            refusals.append(error)
        await turns()
    assert before == await desk.log()
    if store is MemoryStore:
        assert [Fenced] * 3 == [type(error) for error in refusals]
        task.cancel()
    else:
        assert [] == refusals
    with pytest.raises((Fenced, asyncio.CancelledError)):
        await task


async def test_somebody_who_writes_under_the_same_epoch_is_found_out():
    desk = await Desk(WaitingStore()).open()
    inner = desk.store.inner
    inner.append_now(KEY, 1, 1, desk.machine.events)
    with pytest.raises(HeadMoved) as caught:
        await desk.writer.run()
    assert "E4005" == caught.value.code


async def test_what_the_store_cannot_keep_is_an_error_and_no_reason_to_try_again():
    class Picky(WaitingStore):
        async def append(self, key, epoch, expected_seq, events, lease_seconds, **more):
            self.appends.append(len(events))
            raise NodeError("E3008", "not JSON")

    desk = await Desk(Picky()).open()
    with pytest.raises(NodeError):
        await desk.writer.run()
    assert 1 == len(desk.store.appends)


# --- the buffer ---


async def test_a_producer_waits_at_the_limit_and_goes_on_at_half():
    desk = await Desk(WaitingStore(), Limits(items=4, size_bytes=10**9)).open()
    desk.store.gate.clear()
    task = asyncio.create_task(desk.writer.run())
    await turns()
    said = 0
    while not desk.writer.full:
        desk.say("a")
        said += 1
    assert said <= 4
    room = asyncio.create_task(desk.writer.room())
    await turns()
    assert not room.done()
    desk.store.gate.set()
    await room
    assert not desk.writer.full
    desk.finish()
    await task
    statistics = desk.writer.statistics()
    assert (0, 0, 1) == (statistics.items, statistics.size_bytes, statistics.waits)
    assert 4 >= statistics.peak_items


async def test_bytes_are_a_limit_too():
    desk = await Desk(WaitingStore(), Limits(items=10**9, size_bytes=10_000)).open()
    desk.store.gate.clear()
    task = asyncio.create_task(desk.writer.run())
    desk.say("a" * 20_000)
    assert desk.writer.full
    desk.store.gate.set()
    await desk.writer.room()
    desk.finish()
    await task


async def test_a_sole_reader_makes_room_by_reading():
    desk = await Desk(MemoryStore(), Limits(items=3, size_bytes=10**9), paced=True).open()
    desk.say("a", "b")
    assert desk.writer.full
    room = asyncio.create_task(desk.writer.room())
    await turns()
    assert not room.done()
    desk.writer.consumed(3)
    await room
    assert not desk.writer.full


async def test_a_sole_reader_is_given_what_follows_what_it_has_and_nothing_else():
    desk = await Desk(MemoryStore(), paced=True).open()
    assert ["node.started"] == [event.type for event in desk.writer.take(1)]
    desk.say("a", "b")
    assert (["a", "b"], []) == ([event.value for event in desk.writer.take(2)], desk.writer.take(4))
    desk.say("c")
    assert [] == desk.writer.take(3)  # it lacks the one before: the log has that
    desk.say("d")
    assert ["d"] == [event.value for event in desk.writer.take(5)]
    assert [3, 4, 5, 6] == [event.seq for event in await desk.log()][2:]


async def test_who_does_not_set_the_pace_is_given_nothing_but_the_log():
    desk = await Desk(MemoryStore()).open()
    desk.say("a")
    assert [] == desk.writer.take(1)


async def test_when_nobody_reads_any_more_nobody_waits():
    desk = await Desk(MemoryStore(), Limits(items=2, size_bytes=10**9), paced=True).open()
    desk.say("a", "b", "c")
    rooms = [asyncio.create_task(desk.writer.room()) for _ in range(3)]
    await turns()
    rooms[0].cancel()
    desk.writer.release()
    await asyncio.wait(rooms)
    await desk.writer.room()
    assert [True, False, False] == [room.cancelled() for room in rooms]


async def test_an_event_weighs_what_it_carries():
    desk = await Desk(MemoryStore()).open()
    desk.say("abc")
    chunk = (await desk.log())[-1]
    assert weight(run_started()) + 3 == weight(chunk)
