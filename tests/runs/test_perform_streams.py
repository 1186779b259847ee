"""The streams of a node beside others: closed whatever happens, sharing the loop, each word in its place."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from riverrun.events.kinds import RunStopped
from tests.runs.plans import compiled, kinds, parallel, told, values
from tests.runs.test_perform import error_of, run, run_all

# --- streams that are closed ---


class Stream:
    """A stream that tells whether it was closed."""

    def __init__(self, *pieces):
        self.pieces = iter(pieces)
        self.closed = 0

    def __aiter__(self):
        return self

    async def __anext__(self):
        for piece in self.pieces:
            return piece
        raise StopAsyncIteration

    async def aclose(self):
        self.closed += 1


class Lines:
    """A sync iterator that tells whether it was closed."""

    def __init__(self):
        self.closed = 0

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration

    def close(self):
        self.closed += 1


async def test_a_stream_is_closed_when_it_has_ended():
    stream = Stream("a")
    await run(lambda state: {"text": stream})
    assert 1 == stream.closed


async def test_streams_that_were_never_begun_are_closed():
    one, other = Stream("a"), Lines()
    log, _ = await run(lambda state: {"text": one, "log": other, "typo": 1})
    assert "E3003" == error_of(log).code
    assert (1, 1) == (one.closed, other.closed)


async def test_a_stream_whose_sibling_failed_at_once_is_closed():
    async def breaks():
        for piece in "":
            yield piece
        raise ValueError

    other = Stream("a", "b")
    log, _ = await run(lambda state: {"text": breaks(), "more": other})
    assert "ValueError" == error_of(log).kind
    assert 1 == other.closed


async def test_a_stream_is_closed_when_its_run_is_stopped():
    began, closed = asyncio.Event(), []

    async def endless():
        try:
            yield "a"
            began.set()
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    started = await compiled(node=lambda state: {"text": endless()}).start({})
    await began.wait()
    await started.stop("enough")
    log = [event async for event in started.events()]
    last = log[-1]
    assert isinstance(last, RunStopped)
    assert ([True], ["a"], ("node:1/text",)) == (closed, values(log), last.partial)


# --- with others ---


@pytest.mark.parametrize("what", ["chunks", "updates"])
@pytest.mark.parametrize("manner", ["async", "sync"])
async def test_a_producer_that_never_waits_does_not_starve_the_others(manner, what):
    seen: list[int] = []
    turns: list[int] = []

    def sync(state):
        for number in range(20_000):
            if turns and turns[-1] > 5:
                seen.append(number)
                return
            yield {"x": number} if what == "updates" else "a"

    async def later_sync(state):
        for value in sync(state):
            yield value

    async def sibling(state):
        for turn in range(8):
            turns.append(turn)
            await asyncio.sleep(0)

    node = later_sync if manner == "async" else sync
    log, _ = await run_all(parallel(node=node, sibling=sibling).compile())
    assert "run.completed" == log[-1].type
    assert seen, "the sibling had its turns before the producer was through"


async def test_context_variables_of_the_caller_reach_every_node():
    colour = contextvars.ContextVar("colour", default="none")
    colour.set("red")
    seen = {}

    def sync(state):
        seen["sync"] = colour.get()

    def generator(state):
        seen["generator"] = colour.get()
        yield "a"

    async def later_node(state):
        seen["async"] = colour.get()

    await run_all(parallel(a=sync, b=generator, c=later_node).compile())
    assert dict.fromkeys(("sync", "generator", "async"), "red") == seen


async def test_what_a_sync_generator_tells_keeps_its_place_between_its_words():
    def node(state, ctx):
        for number in range(50):
            yield str(number)
            ctx.emit("after", number)

    log, _ = await run(node)
    said = [event.value for event in log if event.type in ("node.chunk", "custom")]
    assert [value for number in range(50) for value in (str(number), number)] == said


async def test_a_node_may_tell_from_threads_of_its_own():
    async def node(state, ctx):
        def work():
            for number in range(3):
                ctx.emit("step", number)

        await asyncio.to_thread(work)
        thread = threading.Thread(target=ctx.emit, args=("last", None))
        thread.start()
        await asyncio.to_thread(thread.join)
        return {"x": 1}

    log, _ = await run(node)
    assert [("step", 0), ("step", 1), ("step", 2), ("last", None)] == told(log)
    assert ["node.completed", "run.completed"] == kinds(log)[-2:]
