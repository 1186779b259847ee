"""Which log a path means: created, forked, deleted, expired, and the same after a restart and from another process."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from riverrun.base.clock import ManualClock
from riverrun.base.errors import Busy, InputError, NotFound
from riverrun.log.appending import Append, append
from riverrun.log.durable import Origin
from riverrun.log.store import RunFilter
from riverrun.server import stream_logs
from riverrun.server.stream_logs import StreamLogs, Wanted, realm
from riverrun.stores.memory import MemoryStore
from riverrun.stores.sqlite import SqliteStore
from riverrun.transports.serve import Pace
from tests.transports.test_stretches import read

ME = "acme"


def text(path, body=b"", **more):
    return Wanted(path=path, content_type="text/plain", body=body, **more)


async def put(logs, path, piece=b"", *, close=False):
    wanted = Append(pieces=(piece,) if piece else (), media="text/plain", close=close)
    return await (await logs.look(ME, path)).write(lambda draft: append(draft, wanted))


async def whole(logs, path, tenant=ME):
    desk = await logs.look(tenant, path)
    pieces, pages = await read(logs.pager(desk, 0, Pace()))
    return b"".join(pieces), pages[-1].closed


async def code(awaitable):
    with pytest.raises((NotFound, InputError)) as caught:
        await awaitable
    return caught.value.code


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, tmp_path, clock):
    store = MemoryStore(clock) if request.param == "memory" else SqliteStore(tmp_path / "s.db", clock)
    yield store
    await store.close()


@pytest.fixture
def logs(store, clock):
    return StreamLogs(store, clock)


async def test_a_stream_is_there_as_it_was_made(logs):
    assert await logs.create(ME, text("a/b", b"hello", closed=True))
    assert (b"hello", True) == await whole(logs, "a/b")
    assert "E2031" == await code(logs.look(ME, "a"))


async def test_a_stream_is_made_once(logs):
    assert (await logs.create(ME, text("a", b"1"))).fresh
    assert not (await logs.create(ME, text("a", b"2"))).fresh
    assert (b"1", False) == await whole(logs, "a")
    assert "E2038" == await code(logs.create(ME, text("a", ttl=5)))


async def test_of_many_that_make_one_stream_one_is_first(store, clock):
    each = [StreamLogs(store, clock) for _ in range(5)]
    made = await asyncio.gather(*(logs.create(ME, text("a", b"%d" % n)) for n, logs in enumerate(each)))
    assert [False] * 4 + [True] == sorted(one.fresh for one in made)
    assert 1 == len({(await whole(logs, "a"))[0] for logs in each})


async def test_a_path_belongs_to_a_tenant_and_no_run_of_a_tenant_is_a_stream(logs, store):
    await logs.create(ME, text("a", b"mine"))
    await logs.create("other", text("a", b"theirs"))
    assert (b"mine", False) == await whole(logs, "a")
    assert (b"theirs", False) == await whole(logs, "a", "other")
    for tenant in (ME, "other"):
        assert [] == await store.list(tenant, RunFilter())
        assert 1 == len(await store.list(realm(tenant), RunFilter()))


async def test_no_worker_ever_claims_a_stream(logs, store, clock):
    await logs.create(ME, text("a"))
    await put(logs, "a", b"x")
    clock.advance(10 * 365 * 86_400)
    every = frozenset({"$stream", "$stream.expiring"})
    assert [] == await store.claim("w", graphs=every, limit=10, lease_seconds=1)


async def test_everything_is_there_after_a_restart(logs, store, clock):
    await logs.create(ME, text("a", b"1", ttl=100))
    await put(logs, "a", b"2")
    await logs.create(ME, text("b", b"3", origin=Origin("a")))
    await put(logs, "b", close=True)
    await logs.delete(ME, "a")
    again = StreamLogs(store, clock)
    assert "E2032" == await code(again.look(ME, "a"))
    assert (b"123", True) == await whole(again, "b")
    assert 100 == (await again.look(ME, "b")).state.config.ttl


async def test_a_path_is_free_again_once_its_stream_was_deleted(logs):
    for body in (b"1", b"2", b"3"):
        await logs.create(ME, text("a", body))
        assert (body, False) == await whole(logs, "a")
        await logs.delete(ME, "a")
        assert "E2031" == await code(logs.look(ME, "a"))
        assert "E2031" == await code(logs.delete(ME, "a"))


async def test_the_newest_stream_of_a_path_counts_also_when_the_clock_went_back(logs, clock):
    await logs.create(ME, text("a", b"1"))
    await logs.delete(ME, "a")
    clock.advance(-3_600)
    await logs.create(ME, text("a", b"2"))
    assert (b"2", False) == await whole(StreamLogs(logs.store, clock), "a")


async def test_another_process_sees_what_happens(store, clock):
    one, two = StreamLogs(store, clock), StreamLogs(store, clock)
    await one.create(ME, text("a", b"1"))
    assert (b"1", False) == await whole(two, "a")
    await put(one, "a", b"2")
    assert (b"12", False) == await whole(two, "a")
    await one.delete(ME, "a")
    assert "E2031" == await code(two.look(ME, "a"))
    await two.create(ME, text("a", b"3"))
    assert (b"3", False) == await whole(one, "a")


async def test_more_streams_than_are_kept_folded_are_served_all_the_same(logs, monkeypatch):
    monkeypatch.setattr(stream_logs, "_KNOWN", 3)
    for number in range(10):
        await logs.create(ME, text(f"{number}", b"%d" % number))
    for number in range(10):
        assert (b"%d" % number, False) == await whole(logs, f"{number}")
    assert len(logs._desks) <= 3
    assert len(logs._newest) <= 3


class Troubled(MemoryStore):
    """A store in which others are always faster, or that keeps writers waiting."""

    def __init__(self, clock):
        super().__init__(clock)
        self.busy = False
        self.open = asyncio.Event()
        self.open.set()
        self.waited = asyncio.Event()

    async def create(self, *args, **kwargs):
        if self.busy:
            raise Busy("E3018", "somebody was faster")
        return await super().create(*args, **kwargs)

    async def append(self, *args, **kwargs):
        self.waited.set()
        await self.open.wait()
        return await super().append(*args, **kwargs)


async def test_who_is_always_too_late_to_create_is_told_to_come_back(clock):
    store = Troubled(clock)
    store.busy = True
    with pytest.raises(Busy, match="E3018"):
        await StreamLogs(store, clock).create(ME, text("a"))


async def test_a_stream_that_is_being_written_is_not_forgotten(clock, monkeypatch):
    monkeypatch.setattr(stream_logs, "_KNOWN", 2)
    store = Troubled(clock)
    logs = StreamLogs(store, clock)
    await logs.create(ME, text("a"))
    desk = await logs.look(ME, "a")
    store.open.clear()
    writing = asyncio.create_task(put(logs, "a", b"x"))
    await store.waited.wait()
    assert not desk.idle
    for number in range(5):
        await logs.create(ME, text(f"{number}"))
    assert desk is logs._desks.get(desk.key)
    store.open.set()
    await writing


async def test_a_known_stream_that_another_process_deleted_and_swept_is_gone(store, clock):
    one, two = StreamLogs(store, clock), StreamLogs(store, clock)
    await one.create(ME, text("a", b"1"))
    await two.delete(ME, "a")
    clock.advance(1)
    assert 1 == await store.sweep(clock.now_ms())
    assert "E2031" == await code(one.look(ME, "a"))
    assert (await one.create(ME, text("a", b"2"))).fresh


# --- the time to live ---


async def test_a_stream_lives_by_its_use_and_no_longer(logs, clock):
    await logs.create(ME, text("a", b"x", ttl=80))
    for _ in range(5):
        clock.advance(79)
        await logs.look(ME, "a", use=True)
    for _ in range(3):
        clock.advance(29)
        await logs.look(ME, "a")  # to look at it is no use of it
    clock.advance(3.1)
    assert "E2031" == await code(logs.look(ME, "a"))
    assert (await logs.create(ME, text("a", ttl=80))).fresh


async def test_what_is_appended_is_use(logs, clock):
    await logs.create(ME, text("a", ttl=80))
    for _ in range(5):
        clock.advance(79)
        await put(logs, "a", b"x")
    assert (b"xxxxx", False) == await whole(logs, "a")


async def test_use_is_written_down_seldom(logs, clock, store):
    await logs.create(ME, text("a", ttl=80))
    for _ in range(79):
        clock.advance(1)
        await logs.look(ME, "a", use=True)
    (row,) = await store.list(realm(ME), RunFilter())
    assert 1 + 7 == row.head


async def test_of_many_that_use_a_stream_at_once_one_is_written_down(logs, clock, store):
    await logs.create(ME, text("a", ttl=80))
    clock.advance(50)
    await asyncio.gather(*(logs.look(ME, "a", use=True) for _ in range(20)))
    (row,) = await store.list(realm(ME), RunFilter())
    assert 2 == row.head


async def test_a_time_to_end_is_kept(logs, clock):
    expires_ms = clock.now_ms() + 5_000
    await logs.create(ME, text("a", expires="soon", expires_ms=expires_ms))
    clock.advance(4.9)
    assert "soon" == (await logs.look(ME, "a", use=True)).state.config.expires
    clock.advance(0.2)
    assert "E2031" == await code(logs.look(ME, "a"))


async def test_what_expired_and_nobody_asks_for_is_deleted_in_time(logs, clock, store):
    for number in range(50):
        await logs.create(ME, text(f"{number}", ttl=5 if number % 2 else 10_000))
    clock.advance(100)
    for number in range(4):
        await logs.create(ME, text(f"more {number}"))
    running = await store.list(realm(ME), RunFilter(status="running", limit=100))
    assert {f"{number}" for number in range(0, 50, 2)} | {f"more {n}" for n in range(4)} == {
        row.thread for row in running
    }


# --- forks ---


async def test_a_fork_has_what_its_source_had_and_goes_its_own_way(logs):
    await logs.create(ME, text("a", b"1"))
    await put(logs, "a", b"2")
    await put(logs, "a", close=True)
    await logs.create(ME, text("b", b"3", origin=Origin("a")))
    await put(logs, "b", b"4")
    assert (b"12", True) == await whole(logs, "a")
    assert (b"1234", False) == await whole(logs, "b")


@pytest.mark.parametrize(
    ("kind", "body", "sub", "has"),
    [
        ("text/plain", b"hello", 3, b"hel"),
        ("text/plain", b"hello", 5, b"hello"),
        ("text/plain", "é".encode(), 1, b"\xc3"),
        ("application/json", b'[1,{"a":2},3]', 2, b'1{"a":2}'),
        ("application/json", b"[1,2,3]", 3, b"123"),
    ],
)
async def test_a_fork_may_cut_what_was_appended_at_once(logs, kind, body, sub, has):
    await logs.create(ME, Wanted(path="a", content_type=kind, body=body))
    wanted = Wanted(path="b", origin=Origin("a", 0, sub))
    made = await logs.create(ME, wanted)
    assert (has, False) == await whole(logs, "b")
    assert kind == made.state.config.content_type
    assert not (await logs.create(ME, wanted)).fresh
    # What the fork of a fork cuts may be a cut piece.
    await logs.create(ME, Wanted(path="c", origin=Origin("b", 0, 1)))
    assert (has[:1], False) == await whole(logs, "c")


@pytest.mark.parametrize("origin", [Origin("a", 0, 6), Origin("a", None, 1), Origin("a", 99)])
async def test_a_fork_cannot_have_more_than_its_source_and_does_not_hold_on_to_it_then(logs, origin):
    await logs.create(ME, text("a", b"hello"))
    assert "E2039" == await code(logs.create(ME, text("b", origin=origin)))
    await logs.delete(ME, "a")
    assert "E2031" == await code(logs.look(ME, "a"))


async def test_a_fork_of_what_is_not_there_or_of_another_type_is_refused(logs):
    assert "E2031" == await code(logs.create(ME, text("b", origin=Origin("a"))))
    await logs.create(ME, text("a", b"1"))
    wanted = Wanted(path="b", content_type="application/json", origin=Origin("a"))
    assert "E2034" == await code(logs.create(ME, wanted))
    assert "E2001" == await code(_json_fork(logs))
    for path in ("a", "j"):
        await logs.delete(ME, path)
        assert "E2031" == await code(logs.look(ME, path))


async def _json_fork(logs):
    await logs.create(ME, Wanted(path="j", content_type="application/json", body=b"[1]"))
    await logs.create(ME, Wanted(path="k", origin=Origin("j"), body=b"{"))


async def test_a_fork_that_was_announced_and_never_made_holds_nothing(logs):
    await logs.create(ME, text("a"))
    await (await logs.look(ME, "a")).write(lambda draft: draft.fork("f" * 32))
    await logs.delete(ME, "a")
    assert "E2031" == await code(logs.look(ME, "a"))


async def test_a_source_that_is_deleted_while_it_is_forked_is_not_forked(logs):
    class Slow(StreamLogs):
        async def _forked(self, *args):
            found = await super()._forked(*args)
            await self.delete(ME, "a")
            return found

    await logs.create(ME, text("a", b"1"))
    assert "E2038" == await code(Slow(logs.store, logs._clock).create(ME, text("b", origin=Origin("a"))))
    assert "E2031" == await code(logs.look(ME, "b"))


async def test_a_source_that_expired_is_held_by_forks_that_have_not(logs, clock):
    await logs.create(ME, text("a", b"1", ttl=8))
    await logs.create(ME, text("b", ttl=80, origin=Origin("a")))
    clock.advance(10)
    assert "E2032" == await code(logs.look(ME, "a"))
    assert "E2038" == await code(logs.create(ME, text("a")))
    assert "E2038" == await code(logs.create(ME, text("c", origin=Origin("a"))))
    assert (b"1", False) == await whole(logs, "b")
    clock.advance(100)
    assert "E2031" == await code(logs.look(ME, "a"))


async def test_retention_leaves_what_forks_still_read(logs, store, clock):
    await logs.create(ME, text("a", b"1"))
    await logs.create(ME, text("b", b"2", origin=Origin("a")))
    await logs.create(ME, text("c", b"3", origin=Origin("b")))
    await logs.delete(ME, "a")
    await logs.delete(ME, "b")
    clock.advance(1)
    assert 0 == await store.sweep(clock.now_ms())
    assert 2 == await store.compact(clock.now_ms())
    assert (b"123", False) == await whole(StreamLogs(store, clock), "c")
    await logs.delete(ME, "c")
    clock.advance(1)
    assert 3 == await store.sweep(clock.now_ms())
    assert "E2031" == await code(logs.look(ME, "a"))
    assert (await logs.create(ME, text("c", b"4"))).fresh


class _Life:
    """A stream of the model."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.closed = False
        self.alive = True
        self.forked = False
        self.forks: list[_Life] = []

    def held(self) -> bool:
        return any(fork.alive or fork.held() for fork in self.forks)


PATHS = st.sampled_from("abcd")


class Lives(RuleBasedStateMachine):
    """Random lives of a few paths, with restarts, against a model of dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.logs = StreamLogs(self.store, self.clock)
        self.lives: dict[str, _Life] = {}
        self.number = 0

    def teardown(self) -> None:
        self.runner.close()

    def do(self, awaitable):
        try:
            return self.runner.run(awaitable), None
        except (NotFound, InputError) as error:
            return None, error.code

    def body(self) -> bytes:
        self.number += 1
        return b"<%d>" % self.number

    def living(self, path) -> _Life | None:
        life = self.lives.get(path)
        return life if life is not None and life.alive else None

    def missing(self, path) -> str:
        return "E2032" if path in self.lives and self.lives[path].held() else "E2031"

    @rule(path=PATHS)
    def create(self, path):
        body = self.body()
        made, refused = self.do(self.logs.create(ME, text(path, body)))
        life = self.lives.get(path)
        if life is not None and (life.held() and not life.alive):
            assert "E2038" == refused
        elif life is not None and life.alive:
            assert ("E2038" if life.closed or life.forked else None) == refused
            assert made is None or not made.fresh
        else:
            assert made.fresh
            self.lives[path] = _Life(body)

    @rule(path=PATHS, source=PATHS)
    def fork(self, path, source):
        body = self.body()
        life, origin = self.lives.get(path), self.living(source)
        if life is not None and (life.alive or life.held()):
            return  # what that answers is another test's
        made, refused = self.do(self.logs.create(ME, text(path, body, origin=Origin(source))))
        if origin is None:
            assert ("E2038" if self.missing(source) == "E2032" else "E2031") == refused
            return
        assert made.fresh
        self.lives[path] = fork = _Life(origin.body + body)
        fork.forked = True
        origin.forks.append(fork)

    @rule(path=PATHS, close=st.booleans())
    def append(self, path, close):
        body = self.body()
        outcome, refused = self.do(put(self.logs, path, body, close=close))
        life = self.living(path)
        if life is None:
            assert self.missing(path) == refused
        elif life.closed:
            assert "E2033" == outcome.error.code
        else:
            assert None is outcome.error
            life.body, life.closed = life.body + body, close

    @rule(path=PATHS)
    def delete(self, path):
        _, refused = self.do(self.logs.delete(ME, path))
        life = self.living(path)
        assert (None if life else self.missing(path)) == refused
        if life:
            life.alive = False

    @rule()
    def restart(self):
        self.logs = StreamLogs(self.store, self.clock)

    @precondition(lambda self: self.lives)
    @rule()
    def sweep(self):
        self.clock.advance(1)
        self.runner.run(self.store.sweep(self.clock.now_ms()))

    @invariant()
    def every_path_is_as_it_should_be(self):
        for path in "abcd":
            found, refused = self.do(whole(self.logs, path))
            life = self.living(path)
            if life is None:
                assert self.missing(path) == refused
            else:
                assert (life.body, life.closed) == found


TestLives = Lives.TestCase
TestLives.settings = settings(stateful_step_count=25)
