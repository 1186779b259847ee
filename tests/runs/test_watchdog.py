"""Who holds up a loop is named and told of: on real loops, in real threads, with the real driver's frames.

No test sleeps: a node blocks until the warning about it has come, so a watchdog that says nothing is a test that fails.
"""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import END, START
from riverrun.runs.watchdog import Beat, Blocked, Sight, Watchdog, see

HERE = Path(__file__).name
PATIENCE = 30.0  # seconds after which a warning that does not come is a failure


class Ear(logging.Handler):
    """Hears the warnings; a test waits for the next one."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        self.heard = threading.Event()

    def emit(self, record):
        """Note it."""
        self.said.append(record.getMessage())
        self.heard.set()

    def wait(self):
        """Block this thread until a warning has come."""
        assert self.heard.wait(PATIENCE), "the watchdog said nothing"  # what no async code should do


@pytest.fixture
def ear() -> Iterator[Ear]:
    """What the logger of the runs says."""
    made, logger = Ear(), logging.getLogger("riverrun.runs")
    logger.addHandler(made)
    yield made
    logger.removeHandler(made)


@pytest.fixture
def dog():
    """A watchdog that bites early; that of the process, which other tests may have left, is waited for."""
    for thread in dogs():
        thread.join(PATIENCE)
    return Watchdog(limit=0.1)


class Watched:
    """A compiled graph whose one run is watched the way the driver does it."""

    def __init__(self, dog, *nodes):
        graph = StateGraph(dict)
        for node in nodes:
            graph.add_node(node)
        graph.add_edge(START, nodes[0].__name__)
        self.compiled = graph.compile()
        self.dog = dog
        self.reports: list[Blocked] = []

    async def run(self):
        """Run it to its end; its id is in `id`."""
        run = await self.compiled.start({})
        self.id = run.id
        watch = self.dog.enter(asyncio.get_running_loop(), run.id, self.reports.append)
        try:
            await run.result()
            await asyncio.sleep(0)  # the answer to the last ping comes with the next turn
        finally:
            self.dog.leave(watch)
        return self.reports


def line_of(text):
    """Give the place of a line of this file, as a report names it."""
    lines = Path(__file__).read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if line.endswith(f"# {text}")]
    return f"{__file__}:{number}"


# --- who is named ---


async def test_an_async_node_that_blocks_is_named_with_the_line_where_it_stands(dog, ear):
    async def hog(state):
        ear.wait()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return {}

    watched = Watched(dog, hog)
    (report,) = await watched.run()
    assert (watched.id, "hog:1", "hog") == (report.run, report.exec_id, report.node)
    assert line_of("what no async code should do") == report.where
    assert report.seconds >= 0.1
    (said,) = ear.said
    assert f"node 'hog' (hog:1 of run {watched.id}) has held up its event loop for " in said
    assert report.where in said


@pytest.mark.slow
async def test_a_generator_a_stream_under_a_key_and_one_beside_others_are_named(dog, ear):
    async def speaker(state):
        yield "a"
        ear.wait()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def quiet():
        yield "a"

    async def words():
        yield "a"
        ear.wait()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def one(state):
        return {"a": words()}

    async def two(state):
        return {"a": quiet(), "b": words()}

    for node in (speaker, one, two):
        ear.heard.clear()
        reports = await Watched(dog, node).run()
        assert [f"{node.__name__}:1"] == [report.exec_id for report in reports]


async def test_a_task_that_a_node_made_is_its_node(dog, ear):
    async def hog(state):
        async def inner():
            ear.wait()

        await asyncio.gather(inner(), asyncio.sleep(0))
        await asyncio.sleep(0)
        return {}

    (report,) = await Watched(dog, hog).run()
    assert "hog:1" == report.exec_id


async def test_a_router_that_blocks_is_named_by_the_execution_it_looks_at(dog, ear):
    async def quick(state):
        return {}

    async def after(state):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return {}

    def route(state):
        ear.wait()
        return "after"

    watched = Watched(dog, quick)
    graph = StateGraph(dict).add_node(quick).add_node(after).add_edge(START, "quick")
    watched.compiled = graph.add_conditional_edges("quick", route, ["after"]).add_edge("after", END).compile()
    (report,) = await watched.run()
    assert "quick:1" == report.exec_id


async def test_a_node_of_a_sub_graph_is_named_with_its_path(dog, ear):
    async def hog(state):
        ear.wait()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return {}

    inner = StateGraph(dict).add_node(hog).add_edge(START, "hog").compile()
    watched = Watched(dog, hog)
    watched.compiled = StateGraph(dict).add_node("outer", cast("Any", inner)).add_edge(START, "outer").compile()
    (report,) = await watched.run()
    assert ("outer:1/hog:1", "hog") == (report.exec_id, report.node)


async def test_only_the_run_whose_node_it_is_hears_of_it(dog, ear):
    began = asyncio.Event()

    async def hog(state):
        await began.wait()
        ear.wait()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return {}

    async def other(state):
        began.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return {}

    guilty, innocent = Watched(dog, hog), Watched(dog, other)
    await asyncio.gather(guilty.run(), innocent.run())
    assert (1, 0, 1) == (len(guilty.reports), len(innocent.reports), len(ear.said))


async def test_what_is_no_node_is_logged_with_its_line_and_reported_to_nobody(dog, ear):
    reports: list[Blocked] = []
    watch = dog.enter(asyncio.get_running_loop(), "run", reports.append)
    ear.wait()
    await asyncio.sleep(0)
    dog.leave(watch)
    (said,) = ear.said
    assert "outside any node" in said
    assert HERE in said
    assert [] == reports


# --- when, and how often ---


@pytest.mark.slow
async def test_every_blocking_is_told_once_however_long_it_is(dog, ear):
    others = Ear()

    async def hog(state):
        ear.wait()
        # Another loop is blocked and named twice meanwhile: time enough for this one to be named again.
        for _ in range(2):
            await_elsewhere()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return {}

    def await_elsewhere():
        thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
        thread.start()
        thread.join(PATIENCE)
        assert not thread.is_alive()

    async def elsewhere():
        others.heard.clear()
        second = dog.enter(asyncio.get_running_loop(), "elsewhere", lambda _: None)
        others.wait()
        await asyncio.sleep(0)
        dog.leave(second)

    logging.getLogger("riverrun.runs").addHandler(others)
    try:
        reports = await Watched(dog, hog).run()
    finally:
        logging.getLogger("riverrun.runs").removeHandler(others)
    assert 1 == len(reports)
    assert 1 == sum("'hog'" in said for said in ear.said)
    assert 2 == sum("outside any node" in said for said in ear.said)


@pytest.mark.slow
async def test_a_node_that_blocks_twice_is_told_of_twice(dog, ear):
    async def hog(state):
        for _ in range(2):
            ear.heard.clear()
            ear.wait()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return {}

    assert ["hog:1", "hog:1"] == [report.exec_id for report in await Watched(dog, hog).run()]


async def test_a_node_that_blocked_and_is_done_is_told_of_when_the_driver_asks(dog, ear):
    reports: list[Blocked] = []
    watch = dog.enter(asyncio.get_running_loop(), "run", reports.append)
    watch.blocked = Blocked(run="run", exec_id="hog:1", node="hog", where="x:1", seconds=1.0)
    watch.seen_at = asyncio.get_running_loop().time()
    watch.tell()
    watch.tell()
    dog.leave(watch)
    (report,) = reports
    assert report.seconds >= 1.0


@pytest.mark.skipif(sys.platform != "linux", reason="allowed: only Linux tells the processor time of another thread")
@pytest.mark.slow
async def test_a_node_that_keeps_the_interpreter_to_itself_is_named_too(ear):
    # A regular expression holds the interpreter's lock, so that no other thread, the watchdog's neither, can look.
    dog = Watchdog(limit=0.05)

    async def hog(state):
        for length in range(16, 28):  # every step takes twice as long; the loop is free after each
            re.match(r"(a+)+$", "a" * length + "b")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if ear.said:
                break
        return {}

    reports = await Watched(dog, hog).run()
    assert reports
    assert {"hog:1"} == {report.exec_id for report in reports}


@pytest.mark.slow
async def test_nodes_that_wait_and_plain_functions_in_their_thread_hold_up_nobody(ear):
    dog = Watchdog(limit=0.3)
    named, go = threading.Event(), asyncio.Event()

    def plain(state):
        assert named.wait(PATIENCE)
        return {}

    async def patient(state):
        await go.wait()
        return {}

    async def turning(state):
        turns = 0
        while not go.is_set():
            await asyncio.sleep(0)  # a loop that is never idle and always free
            turns += 1
        return {}

    async def elsewhere():
        watch = dog.enter(asyncio.get_running_loop(), "elsewhere", lambda _: None)
        ear.wait()
        await asyncio.sleep(0)
        dog.leave(watch)

    # Both go on for as long as it takes the same watchdog to name somebody else, in another thread.
    rides = [Watched(dog, node) for node in (plain, patient, turning)]
    running = asyncio.gather(*[ride.run() for ride in rides])
    await asyncio.to_thread(lambda: asyncio.run(elsewhere()))
    named.set()
    go.set()
    await running
    assert [[], [], []] == [ride.reports for ride in rides]
    assert 1 == len(ear.said)


# --- loops and threads ---


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_each_loop_in_its_thread_hears_of_its_own(dog, new_loop):
    heard = {name: threading.Event() for name in ("one", "two", "three")}
    logger = logging.getLogger("riverrun.runs")

    class Sorting(logging.Handler):
        def emit(self, record):
            for name, event in heard.items():
                if f"'{name}'" in record.getMessage():
                    event.set()

    def ride(name, found):
        async def hog(state):
            assert heard[name].wait(PATIENCE)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return {}

        hog.__name__ = name
        with asyncio.Runner(loop_factory=new_loop) as runner:
            found[name] = runner.run(Watched(dog, hog).run())

    found: dict[str, list[Blocked]] = {}
    handler = Sorting(logging.WARNING)
    logger.addHandler(handler)
    threads = [threading.Thread(target=ride, args=(name, found)) for name in heard]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    logger.removeHandler(handler)
    assert {name: [name] for name in heard} == {name: [one.node for one in reports] for name, reports in found.items()}


def dogs():
    return [thread for thread in threading.enumerate() if thread.name == "riverrun-watchdog"]


async def test_there_is_one_thread_for_many_runs_and_none_after_the_last(dog):
    loop = asyncio.get_running_loop()
    assert [] == dogs()
    watches = [dog.enter(loop, str(number), lambda _: None) for number in range(50)]
    (thread,) = dogs()
    for watch in watches:
        dog.leave(watch)
        dog.leave(watch)
    await asyncio.to_thread(thread.join, PATIENCE)
    assert [] == dogs()
    dog.leave(dog.enter(loop, "again", lambda _: None))
    for thread in dogs():
        await asyncio.to_thread(thread.join, PATIENCE)
    assert [] == dogs()


async def test_a_loop_that_was_closed_in_the_middle_of_a_run_harms_nobody(dog, ear):
    left = []

    def leave_in_the_middle():
        async def begin():
            left.append(dog.enter(asyncio.get_running_loop(), "left", lambda _: None))

        asyncio.run(begin())

    await asyncio.to_thread(leave_in_the_middle)

    async def hog(state):
        ear.wait()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return {}

    (report,) = await Watched(dog, hog).run()
    assert "hog:1" == report.exec_id
    dog.leave(left[0])


async def test_a_loop_that_was_closed_in_the_middle_of_a_run_keeps_no_thread(dog):
    def leave_in_the_middle():
        async def begin():
            dog.enter(asyncio.get_running_loop(), "left", lambda _: None)

        asyncio.run(begin())

    await asyncio.to_thread(leave_in_the_middle)
    for thread in dogs():
        await asyncio.to_thread(thread.join, PATIENCE)
    assert [] == dogs()


async def test_a_loop_that_stands_still_between_two_turns_is_nobodys_fault(dog, ear):
    def drive_by_hand():
        loop = asyncio.new_event_loop()

        async def begin():
            return dog.enter(loop, "by hand", lambda _: None)

        watch = loop.run_until_complete(begin())
        asyncio.run(elsewhere())  # the same thread does something else for longer than the limit
        loop.run_until_complete(asyncio.sleep(0))
        dog.leave(watch)
        loop.close()

    async def elsewhere():
        watch = dog.enter(asyncio.get_running_loop(), "elsewhere", lambda _: None)
        ear.wait()
        await asyncio.sleep(0)
        dog.leave(watch)

    await asyncio.to_thread(drive_by_hand)
    (said,) = ear.said
    assert "event loop of 1 runs" in said


async def test_a_run_goes_on_unwatched_where_no_thread_can_be_had(dog, ear, monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    watch = dog.enter(asyncio.get_running_loop(), "run", lambda _: None)
    monkeypatch.undo()
    assert ["no thread to watch the event loop: can't start new thread"] == ear.said
    dog.leave(watch)
    dog.leave(dog.enter(asyncio.get_running_loop(), "run", lambda _: None))


@pytest.mark.slow
def test_the_process_ends_while_runs_are_watched():
    program = """
import asyncio
from riverrun.runs.watchdog import watchdog

async def main():
    watchdog.enter(asyncio.get_running_loop(), "run", print)

loop = asyncio.new_event_loop()
loop.run_until_complete(main())
print("over")  # and the loop is left open, with a run in it
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert (0, "over\n", "") == (done.returncode, done.stdout, done.stderr)


# --- what one loop's looks add up to ---


class Seen(Beat):
    """A beat that sees what the test shows it, on a loop that says it runs and keeps the pings."""

    def __init__(self, loop):
        super().__init__(loop)
        self.shown = Sight("run", "node:1", "x:1")
        self.named: list[str] = []

    def _see(self):
        return self.shown

    def _announce(self, sight):
        self.named.append(sight.exec_id)


@given(st.lists(st.sampled_from(["a:1", "b:1", "answer"]), max_size=60))
def test_it_is_named_once_and_only_who_was_seen_for_the_limit_without_an_answer(steps):
    async def play():
        beat, now = Seen(asyncio.get_running_loop()), 0.0
        expected, streak, holder, waiting, pinged_at = [], 0, "", False, -1.0
        for step in steps:
            if step == "answer":
                beat._answer()
                waiting, streak, holder = False, 0, ""
                continue
            now += 0.25
            beat.shown = Sight("run", step, "x:1")
            beat.look(now, 0.0, 0.25, 1.0)
            if not waiting and now - pinged_at >= 0.5:
                waiting, streak, holder, pinged_at = True, 0, step, now
            elif waiting:
                streak, holder = (streak + 1, holder) if step == holder else (0, step)
                if streak == 4:
                    expected.append(step)
        assert expected == beat.named

    asyncio.run(play())


async def test_time_for_which_the_whole_process_stood_still_is_nobodys():
    beat, now = Seen(asyncio.get_running_loop()), 0.0
    for _ in range(4):
        now += 3600.25
        beat.look(now, 3600.0, 0.25, 1.0)
    assert [] == beat.named
    beat.look(now + 0.25, 0.0, 0.25, 1.0)
    assert ["node:1"] == beat.named


async def test_code_that_is_no_ones_is_placed_by_its_innermost_frame():
    sight = see(sys._getframe(), asyncio.get_running_loop())
    assert ("", "", "") == (sight.run, sight.exec_id, sight.node)
    assert sight.where.startswith(__file__)
