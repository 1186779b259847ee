"""Many streams as one: the order, that nothing is lost, that nobody runs ahead, and that every source is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from itertools import pairwise, zip_longest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import InputError
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import START
from riverrun.nodes.combine import buffer, concat, latest, merge, round_robin
from riverrun.nodes.combine import zip as zipped
from tests.leaks import held
from tests.nodes.sources import Tap, all_of, settle

MANY: list[Callable[..., Any]] = [merge, zipped, concat, latest, round_robin]
ALL: list[Callable[..., Any]] = [*MANY, lambda *sources: buffer(sources[0], 2)]
NAMES = ["merge", "zip", "concat", "latest", "round_robin", "buffer"]
every = pytest.mark.parametrize("combine", ALL, ids=NAMES)
of_many = pytest.mark.parametrize("combine", MANY, ids=NAMES[:-1])

sources = st.lists(st.builds(Tap, st.lists(st.integers(), max_size=6), turns=st.integers(0, 4)), min_size=1, max_size=4)


# --- order, and that nothing is lost ---


@given(sources)
def test_merge_gives_everything_and_each_source_in_its_order(taps):
    for name, tap in enumerate(taps):
        tap.values = [(name, value) for value in tap.values]
    got = asyncio.run(all_of(merge(*taps)))
    for name, tap in enumerate(taps):
        assert tap.values == [value for value in got if value[0] == name]
    assert sum(len(tap.values) for tap in taps) == len(got)
    assert {1} == {tap.closed for tap in taps}


@given(sources)
def test_zip_gives_what_the_builtin_gives(taps):
    assert list(zip(*[tap.values for tap in taps], strict=False)) == asyncio.run(all_of(zipped(*taps)))
    assert {1} == {tap.closed for tap in taps}


@given(sources)
def test_concat_gives_one_after_another(taps):
    assert [value for tap in taps for value in tap.values] == asyncio.run(all_of(concat(*taps)))
    assert {1} == {tap.closed for tap in taps}


@given(sources)
def test_round_robin_gives_one_of_each_in_turn_however_slow_each_is(taps):
    gone = object()
    rows = zip_longest(*[tap.values for tap in taps], fillvalue=gone)
    assert [value for row in rows for value in row if value is not gone] == asyncio.run(all_of(round_robin(*taps)))
    assert {1} == {tap.closed for tap in taps}


@given(sources)
def test_latest_shows_every_value_in_some_row_and_changes_one_at_a_time(taps):
    rows = asyncio.run(all_of(latest(*taps)))
    assert {1} == {tap.closed for tap in taps}
    if not all(tap.values for tap in taps):
        assert [] == rows
        return
    assert sum(len(tap.values) for tap in taps) - len(taps) + 1 == len(rows)
    for place, tap in enumerate(taps):
        shown = [row[place] for row in rows]
        assert tap.values[0] == shown[0]
        assert tap.values[-1] == shown[-1]
        changes = [after for before, after in pairwise(shown) if before != after]
        kept = [after for before, after in pairwise(tap.values) if before != after]
        assert kept == changes


@given(st.builds(Tap, st.lists(st.integers(), max_size=12), turns=st.integers(0, 2)), st.integers(1, 5))
def test_buffer_gives_everything_in_batches_that_are_full_but_for_the_last(tap, count):
    batches = asyncio.run(all_of(buffer(tap, count)))
    assert tap.values == [value for batch in batches for value in batch]
    assert all(count == len(batch) for batch in batches[:-1])
    assert all(batches)
    assert 1 == tap.closed


@of_many
async def test_no_sources_make_no_values(combine):
    assert [] == await all_of(combine())


@every
async def test_values_that_count_as_nothing_are_values(combine):
    rows = await all_of(combine(Tap([None, 0, "", False])))
    flat = [value for row in rows for value in (row if isinstance(row, tuple | list) else [row])]
    assert [None, 0, "", False] == flat


# --- as they come ---


async def test_the_first_value_of_a_branch_never_waits_for_its_sibling():
    stream = merge(Tap(endless=True), Tap([1, 2, 3]))
    assert [1, 2, 3] == [await anext(stream), await anext(stream), await anext(stream)]
    await stream.aclose()


async def test_a_batch_is_given_when_its_time_is_over_and_the_rest_comes_in_the_next():
    go = asyncio.Event()

    async def halting():
        yield 1
        yield 2
        await go.wait()
        yield 3

    batches = buffer(halting(), 10, interval=0.01)
    assert [1, 2] == await anext(batches)
    go.set()
    assert [[3]] == await all_of(batches)


async def test_a_batch_waits_for_its_first_value_however_long_that_takes():
    assert [[1, 2]] == await all_of(buffer(Tap([1, 2], turns=200), 2, interval=60.0))


async def test_an_interval_of_nothing_gives_each_value_at_once():
    assert [[1], [2], [3]] == await all_of(buffer(Tap([1, 2, 3], turns=5), 10, interval=0.0))


# --- demand ---


@every
async def test_nothing_is_pulled_before_the_first_value_is_asked_for(combine):
    tap = Tap([1, 2])
    stream = combine(tap)
    await settle()
    assert 0 == tap.pulled
    await stream.aclose()


@every
@given(lengths=st.lists(st.integers(0, 8), min_size=1, max_size=4), reads=st.integers(0, 12))
def test_no_source_is_ever_more_than_one_value_ahead(combine, lengths, reads):
    async def play():
        taps = [Tap([(name, number) for number in range(length)]) for name, length in enumerate(lengths)]
        stream = combine(*taps)
        seen: list[set[Any]] = [set() for _ in taps]
        for _ in range(reads):
            try:
                got = await anext(stream)
            except StopAsyncIteration:
                break
            # Rows hold values, which are pairs; a value itself is a pair of numbers.
            for name, number in got if isinstance(got[0], tuple) else [got]:
                seen[name].add(number)
            await settle()
            for tap, numbers in zip(taps, seen, strict=True):
                assert tap.pulled <= len(numbers) + 1
        await stream.aclose()

    asyncio.run(play())


async def test_concat_does_not_begin_a_source_before_its_turn():
    first, second = Tap([1, 2]), Tap([3])
    stream = concat(first, second)
    assert [1, 2] == [await anext(stream), await anext(stream)]
    assert 0 == second.pulled
    await stream.aclose()
    assert (1, 1) == (first.closed, second.closed)


async def test_latest_asks_nobody_twice_before_everybody_has_spoken():
    quick, slow = Tap(range(10)), Tap(["a"], turns=50)
    stream = latest(quick, slow)
    assert (0, "a") == await anext(stream)
    await stream.aclose()


# --- leaving ---


@every
async def test_a_stream_that_never_began_closes_its_sources(combine):
    taps = [Tap([1]), Tap([2])][: 1 if combine is ALL[-1] else 2]
    stream = combine(*taps)
    await stream.aclose()
    await stream.aclose()
    assert {1} == {tap.closed for tap in taps}
    assert [] == await all_of(stream)
    assert {0} == {tap.pulled for tap in taps}


@every
async def test_a_reader_that_leaves_early_closes_every_source(combine):
    taps = [Tap(range(9)), Tap(range(9), turns=2)][: 1 if combine is ALL[-1] else 2]
    stream = combine(*taps)
    await anext(stream)
    await stream.aclose()
    await stream.aclose()
    assert {1} == {tap.closed for tap in taps}
    assert [] == await all_of(stream)


@every
async def test_a_thousand_streams_that_were_read_or_left_leave_nothing_behind(combine):
    async def cycles(count):
        for number in range(count):
            taps = [Tap(range(3)), Tap(range(3))][: 1 if combine is ALL[-1] else 2]
            async with aclosing(combine(*taps)) as stream:
                async for _ in stream:
                    if number % 2:
                        break
            assert {1} == {tap.closed for tap in taps}

    await cycles(50)
    first = held()
    await cycles(1000)
    assert held().objects - first.objects < 500, "something is kept of every second stream"
    assert 1 == len(asyncio.all_tasks())


@every
async def test_a_reader_that_breaks_off_and_forgets_closes_every_source(combine):
    taps = [Tap(range(9)), Tap(range(9))][: 1 if combine is ALL[-1] else 2]
    async for _ in combine(*taps):
        break
    await settle(50)
    assert {1} == {tap.closed for tap in taps}


@every
@pytest.mark.parametrize("turns", [0, 1, 2, 5])
async def test_a_reader_that_is_cancelled_while_it_waits_closes_every_source(combine, turns):
    taps = [Tap(endless=True), Tap(endless=True)][: 1 if combine is ALL[-1] else 2]
    stream = combine(*taps)
    reading = asyncio.ensure_future(all_of(stream))
    await settle(turns)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await stream.aclose()  # with no turns it had not begun
    assert {1} == {tap.closed for tap in taps}


async def test_a_second_cancellation_while_sources_are_closed_reaches_them_and_is_not_lost():
    closing, told = asyncio.Event(), []

    async def clings():
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            closing.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told.append("again")
                raise

    other = Tap(range(3))
    stream = merge(clings(), other)
    reading = asyncio.ensure_future(all_of(stream))
    await settle(30)
    reading.cancel()
    await closing.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert ["again"] == told
    assert 1 == other.closed


@every
async def test_each_source_is_pulled_and_closed_in_one_task(combine):
    tap = Tap([1, 2, 3])
    await all_of(combine(tap))
    assert 1 == len(tap.tasks)


async def test_a_source_that_is_bound_to_its_task_may_be_read_from_several():
    async def bound():
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
            for number in range(3):
                yield number

    stream = merge(bound())
    assert [0, 1, 2] == [await asyncio.create_task(_next(stream)) for _ in range(3)]
    assert [] == await asyncio.create_task(all_of(stream))


async def _next(stream):
    return await anext(stream)


# --- errors ---


@every
@given(places=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=3), bad=st.integers(0, 2))
def test_an_error_comes_once_behind_the_values_before_it_and_every_source_is_closed(combine, places, bad):
    async def play():
        broken = places[bad % len(places)]
        taps = [Tap(range(length), turns=turns) for length, turns in places]
        taps[bad % len(places)].error = failure = ValueError("cut")
        if combine is ALL[-1]:
            taps = [taps[bad % len(places)]]
        stream, got = combine(*taps), []
        raised: BaseException | None = None
        try:
            while True:
                got.append(await anext(stream))
        except (ValueError, StopAsyncIteration) as error:
            raised = error
        if combine in (zipped, latest) and isinstance(raised, StopAsyncIteration):
            return  # another source ended it first
        assert failure is raised
        if combine in (merge, concat, round_robin):
            assert broken[0] <= len(got)
        assert [] == await all_of(stream)
        await stream.aclose()
        assert {1} == {tap.closed for tap in taps}

    asyncio.run(play())


async def test_what_was_gathered_before_an_error_comes_as_a_last_batch():
    batches = buffer(Tap([1, 2, 3], error=ValueError("cut")), 2)
    assert [[1, 2], [3]] == [await anext(batches), await anext(batches)]
    with pytest.raises(ValueError, match="cut"):
        await anext(batches)


async def test_a_cancellation_that_a_source_lets_out_by_itself_is_its_error():
    with pytest.raises(asyncio.CancelledError):
        await all_of(merge(Tap([1], error=asyncio.CancelledError()), Tap([2])))


async def test_a_source_that_cannot_be_closed_is_told_of_and_the_others_are_closed():
    first, second = Tap(range(3), close_error=OSError("stuck")), Tap(range(3))
    stream = merge(first, second)
    await anext(stream)
    with pytest.raises(OSError, match="stuck"):
        await stream.aclose()
    assert 1 == second.closed
    unbegun = merge(Tap(close_error=OSError("stuck")), last := Tap())
    with pytest.raises(OSError, match="stuck"):
        await unbegun.aclose()
    assert 1 == last.closed


async def test_an_error_in_closing_does_not_hide_the_one_before():
    with pytest.raises(ValueError, match="cut") as caught:
        await all_of(merge(Tap(error=ValueError("cut")), Tap(endless=True, close_error=OSError("stuck"))))
    assert ["another source could not be closed: OSError('stuck')"] == caught.value.__notes__


@pytest.mark.parametrize(
    "make",
    [
        lambda: merge(Tap(), 3),  # type: ignore[arg-type]
        lambda: buffer(Tap(), 0),
        lambda: buffer(Tap(), 1, -1.0),
    ],
    ids=["source", "count", "interval"],
)
def test_what_cannot_be_is_refused_at_once(make):
    with pytest.raises(InputError) as caught:
        make()
    assert "E6006" == caught.value.code


# --- sync sources, and all of it in a node ---


async def test_collections_and_sync_iterators_are_sources_too():
    closed = []

    def blocking():
        try:
            yield from "abc"
        finally:
            closed.append(True)

    stream = round_robin([1, 2, 3], blocking(), Tap("xyz"))
    assert [1, "a", "x", 2, "b", "y", 3, "c", "z"] == await all_of(stream)
    assert [True] == closed


async def test_combined_streams_may_be_combined():
    rows = buffer(zipped(concat([1], Tap([2])), merge([3, 4])), 2)
    assert [[(1, 3), (2, 4)]] == await all_of(rows)


def words(text):
    return Tap([f"{word} " for word in text.split()], turns=1)


async def test_a_node_may_give_back_a_combined_stream():
    async def node(state):
        return {"text": round_robin(words("a c e"), words("b d"))}

    state = await StateGraph(dict).add_node("node", node).add_edge(START, "node").compile().ainvoke({})
    assert "a b c d e " == state["text"]


async def test_stopping_the_run_closes_the_sources_of_a_node():
    taps = [Tap(["a "], endless=True), Tap(["b "], endless=True)]

    async def node(state):
        return {"text": merge(*taps)}

    run = await StateGraph(dict).add_node("node", node).add_edge(START, "node").compile().start({})
    seen = 0
    async for event in run.events():
        seen += event.type == "node.chunk"
        if seen == 2:
            break
    await run.stop("enough")
    assert [1, 1] == [tap.closed for tap in taps]
