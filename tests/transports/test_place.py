"""A place that the log does not have is an error that says what the log has (PROTOCOL.md §3)."""

from __future__ import annotations

import pytest

from riverrun.base.errors import CursorError, NotFound
from riverrun.log.store import RunKey
from riverrun.transports.place import Bounds, attach, bounds, is_last, told
from tests.transports.exchange import KEY, LOG, begun, grow, log_of


@pytest.mark.parametrize(("place", "after"), [("", 0), ("0", 0), ("2", 2), (f"{LOG}.2", 2), (f" {LOG}.3 ", 3)])
async def test_a_place_is_a_cursor_or_a_seq(place, after):
    attached = await attach(await log_of(["a"]), KEY, place, 10)
    assert after == attached.after
    assert list(range(after + 1, 4)) == [record.seq for record in attached.page.records]


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("x", "E2007"),
        ("-1", "E2007"),
        (f"{LOG}.", "E2007"),
        ("9", "E2006"),
        (f"{LOG}.9", "E2006"),
        ("1", "E4007"),
        (f"{LOG}.1", "E4007"),
        ("ffffffff.3", "E2008"),
        ("ffffffff.9", "E2008"),
        ("ffffffff.0", "E2008"),
    ],
)
async def test_a_place_that_is_not_there_is_refused(place, code):
    store = await log_of(["a", "b"])
    store.trim(KEY, 2)
    with pytest.raises(CursorError) as caught:
        await attach(store, KEY, place, 10)
    assert code == caught.value.code
    if code != "E2007":
        assert (4, 2) == (caught.value.head, caught.value.floor)


async def test_a_foreign_run_does_not_exist():
    store = await begun()
    for key in (RunKey("other", KEY.run), RunKey(KEY.tenant, "1" * 32)):
        with pytest.raises(NotFound, match="E2005"):
            await attach(store, key, "", 10)
        with pytest.raises(NotFound, match="E2005"):
            await bounds(store, key)


async def test_an_error_about_a_malformed_place_needs_no_look_at_the_log():
    error = CursorError("E2007", "no")
    assert error is await told(error, await begun(), RunKey("other", KEY.run))


async def test_drained_means_ended_and_read():
    store = await log_of([])
    assert (await attach(store, KEY, "2", 10)).drained
    assert not (await attach(store, KEY, "1", 10)).drained
    assert not (await attach(await begun(), KEY, "1", 10)).drained


async def test_past_its_page_a_reader_holds_on_to_nothing():
    attached = await attach(await log_of(["a"]), KEY, "", 2)
    assert (2, [], 2) == (attached.past().after, attached.past().page.records, attached.past().place)


async def test_only_the_page_with_the_terminal_event_is_the_last():
    store = await log_of(["a"])
    assert is_last((await attach(store, KEY, "", 10)).page)
    assert not is_last((await attach(store, KEY, "", 2)).page)
    assert not is_last((await attach(store, KEY, "3", 2)).page)


async def test_reading_on_begins_after_the_page():
    store = await begun()
    attached = await attach(store, KEY, "", 10)
    await grow(store, ["a"], end=True)
    async with attached.onward(limit=1, idle_interval=1.0) as pages:
        assert [2, 3] == [page.records[0].seq async for page in pages if page is not None]


async def test_who_has_all_of_a_run_that_has_ended_waits_for_nothing():
    attached = await attach(await log_of(["a"]), KEY, "", 10)
    assert (3, 3) == (attached.place, attached.page.head)
    async with attached.onward(limit=1, idle_interval=60.0) as pages:
        # Without a loop: it would have to give way to wait.
        with pytest.raises(StopAsyncIteration):
            pages.__anext__().send(None)


async def test_bounds_are_those_of_the_log():
    assert Bounds(3, 0, LOG) == await bounds(await log_of(["a"]), KEY)
