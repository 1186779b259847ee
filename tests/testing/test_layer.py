"""A layer changes nothing by itself: a store behind one obeys the laws, and every verb passes through one place."""

from __future__ import annotations

import asyncio
import inspect

from riverrun.log.store import Held, KeepsCheckpoints, LogStore, RunFilter, RunKey
from riverrun.stores.memory import MemoryStore
from riverrun.testing.layer import VERBS, Call, StoreLayer
from riverrun.testing.store_model import make_events
from riverrun.testing.stores import check_store
from tests.graph.play import RUN, run_started

KEY = RunKey("t", RUN)


class Listening(StoreLayer):
    """Says which verbs passed."""

    def __init__(self, inner):
        super().__init__(inner)
        self.heard: list[Call] = []

    async def around(self, call):
        self.heard.append(call)
        return await super().around(call)

    def around_now(self, call):
        self.heard.append(call)
        return super().around_now(call)


def test_a_store_behind_a_layer_obeys_the_laws():
    check_store(lambda clock: StoreLayer(MemoryStore(clock)))


def test_every_verb_passes_through_one_place():
    async def use(store):
        await store.create("t", run_started(), worker="w", lease_seconds=9)
        await store.append(KEY, 1, 1, make_events(RUN, 2, ["chunk"]), 9)
        store.renew("w", [Held(KEY, 1, 0)], 9)
        await store.read(KEY, 0, 9)
        await store.wait(KEY, 0, 1)
        await store.control(KEY, "stop", {})
        await store.list("t", RunFilter())
        await store.claim("w", graphs=frozenset(), limit=1, lease_seconds=9)
        await store.keep(KEY, 1, 1, b"bytes")
        await store.kept(KEY)
        await store.sweep(0)
        if hasattr(store.inner, "compact"):
            await store.compact(0)
        await store.close()

    store = Listening(MemoryStore())
    asyncio.run(use(store))
    assert set(VERBS) == {call.verb for call in store.heard}


def test_the_verbs_are_those_of_the_seam_and_no_more():
    seams = {**vars(LogStore), **vars(KeepsCheckpoints)}
    public = {name for name, one in seams.items() if inspect.isfunction(one) and not name.startswith("_")}
    assert public == {*VERBS, "close"}
    assert all(callable(getattr(StoreLayer, verb)) for verb in VERBS)
    assert not hasattr(StoreLayer(MemoryStore()), "append_now")


def test_arguments_are_found_however_they_were_passed():
    by_place = Call("append", (KEY, 1, 7, ["event"], 9.0), {})
    by_name = Call("append", (KEY,), {"epoch": 1, "expected_seq": 7, "events": ["event"], "lease_seconds": 9.0})
    for call in (by_place, by_name):
        assert (KEY, 1, 7) == tuple(call.argument(name) for name in ("key", "epoch", "expected_seq"))
    assert call.argument("unheard of", "default") == "default"
    assert Call("create", ("t",), {}).argument("idem_key") is None
