"""One reader's place: whatever the pages, the forks and the store, it is given each piece once and in order."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from riverrun.base.clock import ManualClock
from riverrun.base.errors import CursorError
from riverrun.log.drafting import Draft, began
from riverrun.log.durable import Config, State, stretches
from riverrun.log.store import RunKey
from riverrun.stores.memory import MemoryStore
from riverrun.stores.sqlite import SqliteStore
from riverrun.transports.serve import Pace
from riverrun.transports.stretches import RunPager, StreamPager
from tests.transports.exchange import KEY, LOG, begun, grow, log_of

TENANT = "t.streams"
PLAIN = Config(path="a", content_type="text/plain")
SMALL = Pace(page_events=3, page_bytes=10)


async def made(store, config, pieces, *, name="0"):
    """Make a stream whose log has an event that is no piece behind each piece."""
    run = name * 32
    started, _ = began(config, run=run, log=LOG, now_ms=1, pieces=(), closed=False)
    await store.create(TENANT, started, worker="w", lease_seconds=60)
    state = State(started)
    for piece in pieces:
        await written(store, state, "piece", piece)
        await written(store, state, "touch")
    return state


async def written(store, state, what, *values):
    draft = Draft(state, 2)
    getattr(draft, what)(*values)
    await store.append(RunKey(TENANT, state.run), 1, state.head, draft.events, 60)
    state.fold(draft.events)


async def read(pager):
    """Read to the end; give the pieces, each with the offset that a reader has behind its page."""
    pieces, pages = [], []
    async with asyncio.timeout(5):
        while True:
            found = await pager.page()
            pieces += found.pieces
            pages.append(found)
            if found.at_end:
                return pieces, pages


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, tmp_path):
    store = MemoryStore(ManualClock()) if request.param == "memory" else SqliteStore(tmp_path / "s.db", ManualClock())
    yield store
    await store.close()


PIECES = st.lists(st.binary(min_size=1, max_size=12), max_size=8)
PACES = st.builds(Pace, st.integers(1, 5), st.integers(1, 30))


@given(st.lists(st.tuples(PIECES, st.integers(0, 99)), min_size=1, max_size=4), PACES)
def test_a_chain_of_forks_is_read_like_one_stream_from_any_offset(chain, pace):
    async def go():
        store, config, whole, end = MemoryStore(ManualClock()), PLAIN, list[bytes](), 0
        for name, (pieces, chance) in enumerate(chain):
            state = await made(store, config, pieces, name=str(name))
            whole += pieces
            read_all, pages = await read(StreamPager(store, TENANT, state, 0, pace))
            assert whole == read_all
            assert state.tail == pages[-1].offset
            # A reader that comes back with the offset of any page goes on behind it.
            count = 0
            for page in pages:
                count += len(page.pieces)
                assert whole[count:] == (await read(StreamPager(store, TENANT, state, page.offset, pace)))[0]
            # The next one is forked at an offset that a reader was given.
            end = pages[chance % len(pages)].offset
            whole = whole[: sum(len(page.pieces) for page in pages if page.offset <= end)]
            config = structs.replace(PLAIN, inherited=stretches(state, end))

    asyncio.run(go())


async def test_a_page_is_bounded_in_bytes_and_in_pieces(store):
    state = await made(store, PLAIN, [b"1234"] * 7 + [b"x" * 50] + [b"."] * 9)
    pieces, pages = await read(StreamPager(store, TENANT, state, 0, SMALL))
    assert 17 == len(pieces)
    for page in pages:
        assert len(page.pieces) <= 3
        assert sum(map(len, page.pieces)) <= 10 or len(page.pieces) == 1


async def test_who_has_the_last_piece_is_at_the_end_at_once(store):
    state = await made(store, PLAIN, [b"a", b"b"])
    for offset in (None, state.tail, state.head):
        found = await StreamPager(store, TENANT, state, offset, SMALL).page()
        assert ([], True, False) == (found.pieces, found.at_end, found.closed)
    assert state.tail == (await StreamPager(store, TENANT, state, None, SMALL).page()).offset


async def test_a_place_behind_the_end_is_an_error(store):
    state = await made(store, PLAIN, [b"a"])
    with pytest.raises(CursorError, match="E2006"):
        await StreamPager(store, TENANT, state, state.head + 1, SMALL).page()


async def test_closed_is_said_only_at_the_end_and_also_to_who_has_it_all(store):
    state = await made(store, PLAIN, [b"a" * 9, b"b" * 9])
    await written(store, state, "close")
    await written(store, state, "touch")
    _, pages = await read(StreamPager(store, TENANT, state, 0, SMALL))
    assert [False] * (len(pages) - 1) + [True] == [page.closed for page in pages]
    assert (await StreamPager(store, TENANT, state, state.tail, SMALL).page()).closed


async def test_a_reader_that_waits_sees_what_comes_and_that_it_ends(store):
    state = await made(store, PLAIN, [b"a"])
    pager = StreamPager(store, TENANT, state, None, SMALL)
    assert (await pager.page()).at_end
    for what, value, seen in (("piece", b"b", ([b"b"], False, False)), ("close", None, ([], True, False))):
        waiting = asyncio.create_task(pager.wait(5.0))
        await written(store, state, what, *([] if value is None else [value]))
        await waiting
        found = await pager.page()
        assert seen == (found.pieces, found.closed, found.gone)
    await written(store, state, "delete", "deleted")
    assert (await pager.page()).gone


async def test_the_end_of_a_source_is_not_that_of_its_fork(store):
    source = await made(store, PLAIN, [b"a"])
    fork = await made(store, structs.replace(PLAIN, inherited=stretches(source, source.tail)), [b"b"], name="1")
    await written(store, source, "piece", b"later")
    await written(store, source, "close")
    await written(store, source, "delete", "deleted")
    pieces, pages = await read(StreamPager(store, TENANT, fork, 0, SMALL))
    assert [b"a", b"b"] == pieces
    assert (False, False) == (pages[-1].closed, pages[-1].gone)


async def test_the_events_of_a_run_are_messages_and_their_seqs_the_offsets():
    store = await log_of(range(10))
    whole = await store.read(KEY, 0, 100)
    pieces, pages = await read(RunPager(store, KEY, LOG, 0, Pace(page_events=4)))
    assert [record.data for record in whole.records] == pieces
    assert [4, 8, 12] == [page.offset for page in pages]
    assert [False, False, True] == [page.closed for page in pages]
    assert ([], True) == (await RunPager(store, KEY, LOG, 12, Pace()).page())[::3]
    with pytest.raises(CursorError, match="E2006"):
        await RunPager(store, KEY, LOG, 13, Pace()).page()


async def test_a_run_that_goes_on_is_open():
    store = await begun()
    pager = RunPager(store, KEY, LOG, 0, Pace())
    assert (True, False) == (await pager.page())[2:4]
    waiting = asyncio.create_task(pager.wait(5.0))
    await grow(store, [], end=True)
    await waiting
    found = await pager.page()
    assert (1, True) == (len(found.pieces), found.closed)
