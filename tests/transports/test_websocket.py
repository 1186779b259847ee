"""Many logs over one socket: in turn, one frame at a time, and what goes wrong with one is no matter to the others."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any
from weakref import WeakSet

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import InputError, StoreError
from riverrun.events.ending import Close
from riverrun.events.kinds import Custom, NodeChunk, RunCompleted, RunStarted
from riverrun.log.store import RunKey
from riverrun.stores.memory import MemoryStore
from riverrun.transports.place import attach
from riverrun.transports.serve import Pace, Readers
from riverrun.transports.websocket import Allowance, Granted, Socket
from riverrun.wire.joined import events_of
from tests.transports.exchange import KEY, LOG, begun, grow, log_of

UNKNOWN = "f" * 32


class Link:
    """The client's side of one socket: exact where a network is not.

    Attributes:
        frames: What was sent to it, taken apart; `texts` as it came.
        closed: Code and reason, once the server has closed.
        slow: Cleared, `send` waits as it does behind a full socket.
        stuck: Set once a `send` waits so.
        gone: Once set, `send` raises what it raises when the client has left.
        socket: The server's side; `over` is its task.
    """

    def __init__(self):
        self.frames = []
        self.texts = []
        self.closed: Any = None
        self.accepted = None
        self.gone = False
        self.over: asyncio.Task[None]
        self.socket: Socket
        self.slow = asyncio.Event()
        self.slow.set()
        self.stuck = asyncio.Event()
        self.held = 0
        self._coming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._news = asyncio.Event()

    async def receive(self):
        return await self._coming.get()

    async def send(self, message):
        if self.gone:
            raise OSError("gone")
        if not self.slow.is_set():
            self.held += 1
            self.stuck.set()
            try:
                await self.slow.wait()
            finally:
                self.held -= 1
        assert self.closed is None, "sent after the end"
        match message["type"]:
            case "websocket.accept":
                self.accepted = message
            case "websocket.send":
                self.texts.append(message["text"])
                self.frames.append(json.loads(message["text"]))
            case "websocket.close":
                self.closed = (message["code"], message["reason"])
        self._news.set()

    def ask(self, kind, name="1", **fields):
        self.say(json.dumps({"type": kind, "id": name, **fields}))

    def say(self, text):
        self._coming.put_nowait({"type": "websocket.receive", "text": text})

    def say_bytes(self, data):
        self._coming.put_nowait({"type": "websocket.receive", "bytes": data})

    def leave(self):
        self._coming.put_nowait({"type": "websocket.disconnect", "code": 1005})

    def of(self, name):
        """The frames of one request or attachment."""
        return [frame for frame in self.frames if frame.get("id") == name]

    def kinds(self, name):
        return [frame["type"] for frame in self.of(name)]

    def seqs(self, name):
        return [event["seq"] for frame in self.of(name) for event in frame.get("events", ())]

    async def until(self, holds):
        """Wait until something holds that a frame brings about."""
        async with asyncio.timeout(5):
            while not holds(self):
                self._news.clear()
                await self._news.wait()

    async def answer(self, name="1"):
        """Wait for the first frame of a name."""
        await self.until(lambda link: link.of(name))
        return self.of(name)[0]


class Verbs:
    """What may be done with the runs of one store.

    Attributes:
        busy: Cleared, requests that steer wait for it.
    """

    def __init__(self, store):
        self.store = store
        self.asked = []
        self.error = None
        self.noted: list[str] = []
        self.busy = asyncio.Event()
        self.busy.set()

    async def attach(self, asked, limit):
        if self.error is not None:
            raise self.error
        return await attach(self.store, RunKey(KEY.tenant, asked.run), str(asked.after), limit)

    async def stop(self, asked):
        return await self._steer(asked)

    async def resume(self, asked):
        return await self._steer(asked)

    def note(self, error):
        self.noted.append(error.code)

    async def _steer(self, asked):
        await self.busy.wait()
        self.asked.append(asked)
        if self.error is not None:
            raise self.error
        return Granted(202, b'{"run":"x"}')


@asynccontextmanager
async def linked(store, *, pace=None, readers=None, verbs=None, **limits):
    """Open a socket; at the end its client leaves, and nothing is left of it."""
    link, readers = Link(), readers or Readers()
    socket = Socket(verbs or Verbs(store), pace or Pace(), Allowance(**limits), readers, link.receive, link.send)
    link.socket = socket
    link.over = asyncio.create_task(socket.serve())
    try:
        yield link
    finally:
        link.slow.set()
        link.leave()
        async with asyncio.timeout(5):
            await link.over
    assert 0 == readers.statistics()["readers"]


async def another(store, number):
    """Begin one more run of the store, whose log holds one event."""
    key = RunKey(KEY.tenant, f"{number:032x}")
    started = RunStarted(seq=1, ts=0, run=key.run, graph="g", log=LOG)
    await store.create(key.tenant, started, worker="w", lease_seconds=60)
    return key


async def fill(store, key, values):
    """Append an event for each value to a run of the store."""
    head = (await store.read(key, 1, 100_000)).head
    events = [
        Custom(seq=head + place, ts=0, run=key.run, node="n", exec="n:1", value=value)
        for place, value in enumerate(values, 1)
    ]
    store.append_now(key, 1, head, events)


# --- reading ---


async def test_a_log_is_read_from_its_start_to_its_end():
    store = await log_of(["a", "b"])
    async with linked(store) as link:
        link.ask("attach", "r", run=KEY.run)
        await link.until(lambda link: "ended" in link.kinds("r"))
    assert ["attached", "events", "ended"] == link.kinds("r")
    told = {"type": "attached", "id": "r", "run": KEY.run, "log": LOG, "after": 0, "head": 4, "floor": 0}
    assert (told, [1, 2, 3, 4]) == (link.frames[0], link.seqs("r"))
    assert {"type": "websocket.accept", "subprotocol": None} == link.accepted


@pytest.mark.parametrize("place", [2, "2", f"{LOG}.2"], ids=repr)
async def test_a_log_is_read_from_a_place(place):
    async with linked(await log_of(["a", "b"])) as link:
        link.ask("attach", run=KEY.run, after=place)
        await link.until(lambda link: "ended" in link.kinds("1"))
    assert (2, [3, 4]) == (link.frames[0]["after"], link.seqs("1"))


async def test_who_has_all_of_a_log_that_ended_is_told_so_at_once():
    async with linked(await log_of(["a"])) as link:
        link.ask("attach", run=KEY.run, after=3)
        await link.answer()
        link.ask("ping", "2")
        await link.answer("2")
    assert ["ended", "pong"] == [frame["type"] for frame in link.frames]


async def test_what_is_appended_arrives():
    store = await begun()
    async with linked(store) as link:
        link.ask("attach", run=KEY.run)
        for size in range(1, 5):
            await link.until(lambda link, size=size: len(link.seqs("1")) == size)
            await grow(store, [size], end=size == 4)
        await link.until(lambda link: "ended" in link.kinds("1"))
    assert [1, 2, 3, 4, 5, 6] == link.seqs("1")


async def test_the_bytes_of_an_event_are_those_of_the_log():
    store = await log_of(["é", 1.0, {"b": 1, "a": 2}])
    async with linked(store) as link:
        link.ask("attach", run=KEY.run)
        await link.until(lambda link: "ended" in link.kinds("1"))
    for record in (await store.read(KEY, 0, 10)).records:
        assert record.data.decode() in link.texts[1]


async def test_a_long_log_comes_in_frames_of_bounded_size():
    async with linked(await log_of(["x" * 100] * 200), frame_bytes=2_000) as link:
        link.ask("attach", run=KEY.run)
        await link.until(lambda link: "ended" in link.kinds("1"))
    sizes = [len(json.dumps(frame["events"])) for frame in link.frames if frame["type"] == "events"]
    assert [*range(1, 203)] == link.seqs("1")
    assert len(sizes) > 15
    assert max(sizes) < 2_600  # spaces that json.dumps adds


async def test_an_event_that_is_larger_than_a_frame_is_sent_alone():
    async with linked(await log_of(["a", "x" * 5_000, "b"]), frame_bytes=1_000) as link:
        link.ask("attach", run=KEY.run)
        await link.until(lambda link: "ended" in link.kinds("1"))
    assert [1, 2, 3, 4, 5] == link.seqs("1")
    assert 1 in [len(frame["events"]) for frame in link.frames if frame["type"] == "events"]


# --- joined chunks ---


async def stream(store, key, words):
    """Append a chunk of one message for each word."""
    head = (await store.read(key, 1, 1)).head
    node: dict[str, Any] = {"run": key.run, "node": "n", "exec": "n:1", "message": "m", "ts": 0}
    chunks = [NodeChunk(seq=head + at, value=word, start=(head + at) * 4, **node) for at, word in enumerate(words, 1)]
    store.append_now(key, 1, head, chunks)


def types(link, name):
    return {event["type"] for frame in link.of(name) for event in frame.get("events", ())}


def apart(link, name):
    """The seqs of the events that came, joined or not."""
    events = [event for frame in link.of(name) for event in frame.get("events", ())]
    return [each.seq for event in events for each in events_of(json.dumps(event))]


@pytest.mark.parametrize("wish", [{"interval": 0}, {"interval": 1, "max_bytes": 1024}])
async def test_who_asks_for_it_gets_joined_chunks(wish):
    store = await begun()
    await stream(store, KEY, ["four"] * 100)
    async with linked(store) as link:
        link.ask("attach", "joined", run=KEY.run, **wish)
        link.ask("attach", "plain", run=KEY.run)
        await link.until(lambda link: apart(link, "joined") == apart(link, "plain") == [*range(1, 102)])
        await stream(store, KEY, ["more"] * 3)
        await finish(store, KEY)
        await link.until(lambda link: "ended" in link.kinds("joined") and "ended" in link.kinds("plain"))
    for name in ("joined", "plain"):
        assert [*range(1, 106)] == apart(link, name)
    assert "node.chunks" in types(link, "joined")
    assert "node.chunks" not in types(link, "plain")
    assert all(len(json.dumps(frame["events"])) < 64 * 1024 for frame in link.of("joined") if "events" in frame)


async def test_who_leaves_it_to_the_server_gets_joined_chunks_only_while_it_is_behind():
    store = await begun()
    async with linked(store) as link:
        link.ask("attach", run=KEY.run, adaptive=True)
        await link.until(lambda link: apart(link, "1") == [1])
        await stream(store, KEY, ["four"] * 3)
        await link.until(lambda link: apart(link, "1") == [*range(1, 5)])
        assert "node.chunks" not in types(link, "1")
        await stream(store, KEY, ["four"] * 2000)
        await link.until(lambda link: apart(link, "1") == [*range(1, 2005)])
    assert "node.chunks" in types(link, "1")


@pytest.mark.parametrize("wish", [{"interval": -1}, {"interval": 10_001}, {"max_bytes": 1023}, {"adaptive": "yes"}])
async def test_a_wish_that_cannot_be_is_refused(wish):
    async with linked(await begun()) as link:
        link.ask("attach", run=KEY.run, **wish)
        told = (await link.answer())["problem"]
    assert (422, "E2002", *wish) == (told["status"], told["code"], told["where"])


# --- several runs ---


async def test_the_runs_of_a_socket_take_turns():
    store = MemoryStore()
    keys = [await another(store, number) for number in range(3)]
    for key in keys:
        await fill(store, key, ["x" * 100] * 50)
    async with linked(store, frame_bytes=1_000) as link:
        await link.until(lambda link: link.accepted)
        link.slow.clear()
        for key in keys:
            link.ask("attach", key.run, run=key.run)
        await link.stuck.wait()
        link.slow.set()
        await link.until(lambda link: all(len(link.seqs(key.run)) == 51 for key in keys))
    order = [frame["id"] for frame in link.frames if frame["type"] == "events"]
    # Once all are under way none sends twice while another waits.
    assert all(one != other for one, other in list(pairwise(order))[1:-3])
    for key in keys:
        assert [*range(1, 52)] == link.seqs(key.run)


class Kept(list[Any]):
    """A list that can be watched."""

    __hash__ = object.__hash__  # type: ignore[assignment]


class Counting:
    """A store that counts the pages that were read, and knows which of them are still held."""

    def __init__(self, store):
        self._store = store
        self.reads = 0
        self.held: WeakSet[Kept] = WeakSet()

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def read(self, key, after, limit):
        self.reads += limit > 1
        page = await self._store.read(key, after, limit)
        kept = Kept(page.records)
        self.held.add(kept)
        return page._replace(records=kept)


async def test_a_socket_that_takes_nothing_holds_one_frame_however_many_runs_are_attached():
    store = MemoryStore()
    keys = [await another(store, number) for number in range(20)]
    for key in keys:
        await fill(store, key, ["x" * 100] * 500)
    counting = Counting(store)
    async with linked(counting) as link:
        await link.until(lambda link: link.accepted)
        link.slow.clear()
        for key in keys:
            link.ask("attach", key.run, run=key.run)
        await link.stuck.wait()
        for _ in range(100):
            await asyncio.sleep(0)
        # One has read its page and writes; the others have not read anything, and nothing else is on its way.
        assert (1, 1) == (counting.reads, link.held)


async def test_what_was_sent_is_not_held_on_to():
    store = MemoryStore()
    keys = [await another(store, number) for number in range(5)]
    counting = Counting(store)
    async with linked(counting) as link:
        for key in keys:
            link.ask("attach", key.run, run=key.run)
        for size in (1, 4):
            await link.until(lambda link, size=size: all(len(link.seqs(key.run)) == size for key in keys))
            link.ask("ping", str(size))
            await link.answer(str(size))
            assert 0 == sum(len(kept) for kept in counting.held)
            for key in keys:
                await fill(store, key, ["a", "b", "c"])


async def test_a_reader_that_waits_for_its_turn_gets_what_there_is_then():
    store = await begun()
    async with linked(store) as link:
        link.ask("attach", run=KEY.run)
        await link.until(lambda link: link.seqs("1") == [1])
        link.slow.clear()
        link.ask("ping", "2")
        await link.stuck.wait()
        await grow(store, ["a"])
        for _ in range(20):
            await asyncio.sleep(0)  # it has noticed by now, and waits for its turn
        await grow(store, ["b", "c"], end=True)
        link.slow.set()
        await link.until(lambda link: "ended" in link.kinds("1"))
    assert [1, 2, 3, 4, 5] == link.seqs("1")
    assert ["attached", "events", "events", "ended"] == link.kinds("1")


# --- requests ---


async def test_a_run_that_is_detached_says_nothing_more_and_its_id_is_free():
    store = await begun()
    async with linked(store) as link:
        for _ in range(2):
            link.ask("attach", run=KEY.run)
            link.ask("detach")
        await link.until(lambda link: link.kinds("1").count("detached") == 2)
        await grow(store, ["a"])
        link.ask("ping", "2")
        await link.answer("2")
    assert "detached" == link.kinds("1")[-1]
    assert [] == [seq for seq in link.seqs("1") if seq > 1]


async def test_to_detach_what_is_not_attached_is_harmless():
    async with linked(await log_of(["a"])) as link:
        link.ask("detach", "9")
        assert {"type": "detached", "id": "9"} == await link.answer("9")


async def test_stop_and_resume_are_answered_as_over_http():
    verbs = Verbs(await begun())
    async with linked(verbs.store, verbs=verbs) as link:
        link.ask("stop", "s", run=KEY.run, reason="enough")
        link.ask("resume", "r", run=KEY.run, answers={"q?": None}, idem_key="k")
        await link.answer("r")
    for name in ("s", "r"):
        assert [{"type": "granted", "id": name, "status": 202, "run": {"run": "x"}}] == link.of(name)
    assert ["enough", {"q?": None}] == [verbs.asked[0].reason, verbs.asked[1].answers]


@pytest.mark.parametrize(
    ("frame", "name", "code"),
    [
        ("no json", None, "E2019"),
        ('{"type":"ping"}', None, "E2019"),
        ('{"type":"dance","id":"2"}', "2", "E2019"),
        ('{"type":"attach","id":"2"}', "2", "E2002"),
        (json.dumps({"type": "attach", "id": "2", "run": UNKNOWN}), "2", "E2005"),
        (json.dumps({"type": "attach", "id": "2", "run": KEY.run, "after": "x"}), "2", "E2007"),
        (json.dumps({"type": "attach", "id": "2", "run": KEY.run, "after": 99}), "2", "E2006"),
        (json.dumps({"type": "attach", "id": "2", "run": KEY.run, "after": "00000000.1"}), "2", "E2008"),
        (json.dumps({"type": "attach", "id": "1", "run": KEY.run}), "1", "E2020"),
    ],
)
async def test_what_is_wrong_with_one_request_is_told_under_its_id_and_concerns_no_other(frame, name, code):
    store = await begun()
    verbs = Verbs(store)
    async with linked(store, verbs=verbs) as link:
        link.ask("attach", run=KEY.run)
        await link.until(lambda link: link.seqs("1"))
        link.say(frame)
        await link.until(lambda link: any(frame["type"] == "problem" for frame in link.frames))
        (told,) = [frame for frame in link.frames if frame["type"] == "problem"]
        await grow(store, ["a"], end=True)
        await link.until(lambda link: "ended" in link.kinds("1"))
    assert (name, code, [code]) == (told["id"], told["problem"]["code"], verbs.noted)
    assert [1, 2, 3] == link.seqs("1")


async def test_a_place_that_is_not_there_says_what_the_log_has():
    async with linked(await begun()) as link:
        link.ask("attach", run=KEY.run, after=99)
        told = (await link.answer())["problem"]
    assert (410, "E2006", 1, 0) == (told["status"], told["code"], told["head"], told["floor"])


async def test_a_socket_has_room_for_so_many_runs_and_no_more():
    store = MemoryStore()
    keys = [await another(store, number) for number in range(3)]
    async with linked(store, attachments=2) as link:
        for key in keys:
            link.ask("attach", key.run, run=key.run)
        told = (await link.answer(keys[2].run))["problem"]
        assert (429, "E2021", 1.0) == (told["status"], told["code"], told["retry_after"])
        link.ask("detach", keys[0].run)
        link.ask("attach", "again", run=keys[2].run)
        await link.until(lambda link: link.seqs("again"))


@pytest.mark.parametrize("kind", ["attach", "stop"])
async def test_a_defect_is_one_requests_alone_and_says_nothing_of_itself(kind, caplog):
    verbs = Verbs(await begun())
    async with linked(verbs.store, verbs=verbs) as link:
        link.ask("attach", run=KEY.run)
        await link.until(lambda link: link.seqs("1"))
        verbs.error = OSError("secret")
        link.ask(kind, "2", run=KEY.run)
        told = (await link.answer("2"))["problem"]
        verbs.error = StoreError("E4002", "the disk is gone")
        link.ask(kind, "3", run=KEY.run)
        busy = (await link.answer("3"))["problem"]
        await grow(verbs.store, ["a"], end=True)
        await link.until(lambda link: "ended" in link.kinds("1"))
    assert (500, "E6007", False) == (told["status"], told["code"], "secret" in json.dumps(told))
    assert (503, "E4002") == (busy["status"], busy["code"])
    assert ["secret"] == [str(record.exc_info[1]) for record in caplog.records]


async def test_a_log_that_goes_away_while_it_is_read_ends_its_attachment_only():
    store = MemoryStore()
    keys = [await another(store, number) for number in range(2)]
    failing = Failing(store, keys[0])
    async with linked(failing) as link:
        for key in keys:
            link.ask("attach", key.run, run=key.run)
        await link.until(lambda link: all(link.seqs(key.run) for key in keys))
        failing.fails = True
        for key in keys:
            await fill(store, key, ["a"])
        await link.until(lambda link: "problem" in link.kinds(keys[0].run) and len(link.seqs(keys[1].run)) == 2)
        told = link.of(keys[0].run)[-1]["problem"]
        assert (503, "E4002") == (told["status"], told["code"])


class Failing:
    """A store that cannot read one run, once it is told so."""

    def __init__(self, store, key):
        self._store = store
        self._key = key
        self.fails = False

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def read(self, key, after, limit):
        if self.fails and key == self._key:
            raise StoreError("E4002", "the disk is gone")
        return await self._store.read(key, after, limit)


# --- how it ends ---


async def test_a_binary_message_closes_the_socket():
    async with linked(await begun()) as link:
        link.say_bytes(b"{}")
        await link.until(lambda link: link.closed)
    assert (1003, "E2019") == link.closed


async def test_a_server_that_stops_says_so_and_its_readers_come_back():
    readers = Readers()
    async with linked(await begun(), readers=readers) as link:
        link.ask("attach", run=KEY.run)
        await link.until(lambda link: link.seqs("1"))
        readers.leave()
        await link.until(lambda link: link.closed)
    assert {"type": "close", "reason": "shutdown"} == link.frames[-1]
    assert (1012, "shutdown") == link.closed


async def test_a_frame_that_is_being_written_when_the_server_stops_is_whole():
    store, readers = await log_of(["x" * 100] * 50), Readers()
    async with linked(store, readers=readers, frame_bytes=1_000) as link:
        await link.until(lambda link: link.accepted)
        link.slow.clear()
        link.ask("attach", run=KEY.run)
        await link.stuck.wait()
        readers.leave()
        link.slow.set()
        await link.until(lambda link: link.closed)
    seqs = link.seqs("1")
    assert [*range(1, len(seqs) + 1)] == seqs
    assert "close" == link.frames[-1]["type"]


async def test_an_old_socket_is_asked_to_come_back():
    async with linked(await begun(), pace=Pace(max_age=0.05)) as link:
        link.ask("attach", run=KEY.run)
        await link.until(lambda link: link.closed)
    assert ({"type": "close", "reason": "rotated"}, (1012, "rotated")) == (link.frames[-1], link.closed)


async def test_a_socket_that_nobody_uses_is_closed_and_one_with_a_run_is_not():
    store = await begun()
    async with linked(store, idle_timeout=0.05, pace=Pace(heartbeat_interval=0.02)) as link:
        link.ask("attach", run=KEY.run)
        await link.until(lambda link: [frame["type"] for frame in link.frames].count("heartbeat") >= 4)
        assert link.closed is None
        await grow(store, ["a"], end=True)
        await link.until(lambda link: link.closed)
    assert [{"type": "close", "reason": "idle"}, (1000, "idle")] == [link.frames[-1], link.closed]


async def test_a_quiet_socket_gives_signs_of_life():
    async with linked(await begun(), pace=Pace(heartbeat_interval=0.01)) as link:
        await link.until(lambda link: len(link.frames) >= 3)
    assert {"heartbeat"} == {frame["type"] for frame in link.frames}


@pytest.mark.parametrize("where", ["a page", "an answer", "a heartbeat", "the close frame", "the handshake"])
async def test_a_client_that_has_gone_leaves_nothing_behind(where):
    readers, before = Readers(), asyncio.all_tasks()
    pace = Pace(heartbeat_interval=0.02 if where == "a heartbeat" else 15.0)
    async with linked(await begun(), readers=readers, pace=pace) as link:
        link.gone = where == "the handshake"
        await asyncio.sleep(0)
        link.gone = True
        if where == "a page":
            link.ask("attach", run=KEY.run)
        elif where == "an answer":
            link.ask("ping")
        elif where == "the close frame":
            readers.leave()
        async with asyncio.timeout(5):
            await link.over  # by itself
    assert [] == link.frames
    assert before == asyncio.all_tasks()


async def test_a_client_that_leaves_ends_what_it_was_attached_to_and_what_it_waits_for():
    verbs, readers, before = Verbs(await begun()), Readers(), asyncio.all_tasks()
    verbs.busy.clear()
    async with linked(verbs.store, verbs=verbs, readers=readers) as link:
        link.ask("attach", run=KEY.run)
        await link.until(lambda link: link.seqs("1"))
        link.ask("stop", "2", run=KEY.run)
        link.gone = True
        readers.leave()
    assert before == asyncio.all_tasks()
    assert [] == verbs.asked


class Attends:
    def __init__(self):
        self.told = []

    def came(self, reader):
        self.told.append(("came", reader.key))

    def left(self, reader, close):
        self.told.append(("left", reader.key, close))

    def polled(self, reader):
        raise AssertionError


async def test_each_attachment_counts_as_a_reader_of_its_run():
    attends = Attends()
    readers = Readers(attends)
    store = MemoryStore()
    keys = [await another(store, number) for number in range(2)]
    async with linked(store, readers=readers) as link:
        for key in keys:
            link.ask("attach", key.run, run=key.run)
        link.ask("attach", "none", run=UNKNOWN)
        await link.until(lambda link: all(link.seqs(key.run) for key in keys))
        assert [("came", key) for key in keys] == attends.told
        link.ask("detach", keys[0].run)
        await link.until(lambda link: "detached" in link.kinds(keys[0].run))
        assert ("left", keys[0], None) == attends.told[-1]
    assert ["left", keys[1], Close.DETACHED] == [*attends.told[-1]]
    assert 4 == len(attends.told)


async def test_the_lag_of_each_attachment_is_told_and_how_long_its_write_waits():
    store, readers = await log_of([]), Readers()
    behind, ahead = [await another(store, number) for number in (1, 2)]
    await fill(store, behind, ["x" * 100] * 50)
    async with linked(store, readers=readers, frame_bytes=1_000) as link:
        link.ask("attach", "ahead", run=ahead.run)
        await link.until(lambda link: link.seqs("ahead"))
        assert (0, 0.0) == (readers.lag(), readers.stalled_seconds())
        link.slow.clear()
        link.ask("attach", "behind", run=behind.run, after="10")
        await link.stuck.wait()
        assert 41 == readers.lag()
        link.slow.set()
        await link.until(lambda link: link.seqs("behind")[-1:] == [51])
        link.stuck.clear()
        link.slow.clear()
        await fill(store, behind, ["x"] * 3)
        await link.stuck.wait()
        assert 3 == readers.lag()
        assert readers.stalled_seconds() > 0
        link.slow.set()
        link.ask("detach", "behind")
        await link.until(lambda link: "detached" in link.kinds("behind"))
        await fill(store, behind, ["x"] * 3)
        assert 0 == readers.lag()
    assert 0 == readers.lag()


async def test_a_hundred_sockets_leave_no_task_behind():
    store, readers, before = await begun(), Readers(), asyncio.all_tasks()
    for _ in range(100):
        async with linked(store, readers=readers) as link:
            link.ask("attach", run=KEY.run)
            await link.until(lambda link: link.seqs("1"))
    assert {"readers": 0, "readers_total": 100} == readers.statistics()
    assert before == asyncio.all_tasks()


async def test_a_request_is_refused_by_the_error_that_its_verb_raises():
    verbs = Verbs(await begun())
    verbs.error = InputError("E2018", "not you", where="scopes")
    async with linked(verbs.store, verbs=verbs) as link:
        for kind in ("attach", "stop"):
            link.ask(kind, kind, run=KEY.run)
            assert "E2018" == (await link.answer(kind))["problem"]["code"]


# --- whatever is asked, in whatever order ---

RUNS = [f"{number:032x}" for number in range(2)]
ANSWERS = {"ping": "pong", "stop": "granted", "dance": "problem", "detach": "detached"}
ASKED = st.tuples(
    st.sampled_from(["attach", "detach", "ping", "stop", "dance"]),
    st.sampled_from("abc"),
    st.sampled_from([*RUNS, UNKNOWN]),
    st.integers(0, 4),
)
HAPPENINGS = st.lists(st.one_of(ASKED, st.sampled_from(["grow", "end", "wait", "stall", "flow"])), max_size=30)


async def finish(store, key):
    """Append the terminal event, unless it is there."""
    page = await store.read(key, 1, 1)
    if page.status != "ended":
        store.append_now(key, 1, page.head, [RunCompleted(seq=page.head + 1, ts=0, run=key.run, steps=1)])


async def live(happenings):
    """Let things happen to one socket; give what was asked, by id, and the client's side of it."""
    store = MemoryStore()
    keys = [await another(store, number) for number in range(2)]
    asked: list[tuple[str, str]] = []
    async with linked(store, frame_bytes=300, attachments=2) as link:
        await link.until(lambda link: link.accepted)
        for number, happening in enumerate(happenings):
            key = keys[number % 2]
            match happening:
                case "grow" if (await store.read(key, 1, 1)).status != "ended":
                    await fill(store, key, ["x" * 100] * 3)
                case "end":
                    await finish(store, key)
                case "wait":
                    await asyncio.sleep(0)
                case "stall":
                    link.slow.clear()
                case "flow":
                    link.slow.set()
                case (kind, name, run, after):
                    # Attachments share a few ids; other requests have each its own.
                    name = name if kind in {"attach", "detach"} else str(number)
                    asked.append((kind, name))
                    link.ask(kind, name, **{"attach": {"run": run, "after": after}, "stop": {"run": run}}.get(kind, {}))
        link.slow.set()
        link.ask("ping", "last")
        await link.answer("last")
        # What is still attached is read to its end, so that every attachment has its last word.
        for key in keys:
            await finish(store, key)
        await link.until(
            lambda link: not link.socket._attached and not any(is_open(link.kinds(name)) for name in "abc")
        )
    return asked, link


def is_open(kinds):
    """Say whether the last attachment of an id is still under way."""
    words = [kind for kind in kinds if kind in {"attached", "ended", "detached"}]
    return words[-1:] == ["attached"]


@given(HAPPENINGS)
def test_each_request_has_its_answer_and_each_attachment_its_events_whatever_happens(happenings):
    asked, link = asyncio.run(live(happenings))
    for kind, name in asked:
        if kind not in {"attach", "detach"}:
            assert [ANSWERS[kind]] == link.kinds(name)
    for name in "abc":
        answered, place = 0, None
        for frame in link.of(name):
            match frame:
                case {"type": "attached", "after": after}:
                    assert place is None, "attached twice"
                    answered, place = answered + 1, after
                case {"type": "events", "events": events}:
                    assert place is not None, "events of what is not attached"
                    assert [*range(place + 1, place + 1 + len(events))] == [event["seq"] for event in events]
                    place += len(events)
                case {"type": "ended"}:
                    answered, place = answered + (place is None), None
                case {"type": "problem"}:
                    answered += 1
                case {"type": "detached"}:
                    place = None
        assert place is None
        detached = link.kinds(name).count("detached")
        assert asked.count(("detach", name)) == detached
        # An attach that is detached before it was answered has that answer only.
        assert 0 <= asked.count(("attach", name)) - answered <= detached
