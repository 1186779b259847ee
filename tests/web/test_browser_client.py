"""The TypeScript client in a real Chromium, against a real server behind a network that fails.

What a page shows is compared with what the log holds, and what the server is asked with what it should be. Where there
is no Chromium, the reason of the skip says so.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from riverrun.testing.proxy import Break, Faults, Proxy
from tests.web.browser import CHROMIUM, SAID, Browser, site, talking
from tests.web.node import compiled, found, installed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="allowed: chromium is not installed"),
]

WORDS = ["wörd ", "世界 ", "👩‍👩‍👧 ", "plain ", "\r\n\n: "]
QUICK = {"firstDelay": 0.01, "longestDelay": 0.2}


@pytest.fixture(scope="module")
def node():
    """A Node with everything that the driver needs, compiled."""
    told = found()
    if told is None:
        pytest.skip("allowed: there is no Node here, neither from its Python wheel nor on the PATH")
    problem = installed(told)
    if problem:
        pytest.skip(f"allowed: {problem}")
    assert "" == compiled(told)
    return told


@pytest.fixture(scope="module")
def chromium(node, tmp_path_factory):
    """One browser for all tests; what it keeps for one run is not seen by another."""
    browser = Browser(node, tmp_path_factory.mktemp("profile"), "--host-resolver-rules=MAP far.test 127.0.0.1")
    yield browser
    browser.close()


@pytest.fixture
async def browser(chromium):
    """The browser; afterwards its pages are closed, and none of them has failed."""
    pages = []
    look = chromium.look

    async def noted(page, *args, **kwargs):
        pages.append(page)
        await look(page, *args, **kwargs)

    chromium.look = noted
    try:
        yield chromium
    finally:
        chromium.look = look
        for page in pages:
            with_page = await chromium.do("has", page)
            if with_page:
                await chromium.do("close", page)
    assert [] == await chromium.do("faults")


def units(text):
    """How long a page says that a text is."""
    return len(text.encode("utf-16-le")) // 2


def say(name, *words):
    SAID[name].extend(words)


async def eventually(so, seconds=10.0):
    """Wait until something is so that nobody tells."""
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def stage(faults=None, heartbeat_interval=0.5, **settings):
    """A site, a server that its pages may use, and the network between them."""
    async with site() as origin:
        # The heart beats quickly, because the proxy notices a client that reset its connection when it writes to it.
        with talking(allowed_origins=(origin,), heartbeat_interval=heartbeat_interval, **settings) as server:
            async with Proxy("127.0.0.1", server.port, faults) as proxy:
                yield origin, server, proxy
            # Whatever happened: nobody is left reading.
            await eventually(lambda: server.readers() == 0)


# --- a network that fails ---


async def test_text_that_is_cut_in_the_middle_of_a_character_is_painted_whole(browser):
    """Four connections in a row break at four bytes in a row, so three of them inside one character of four bytes."""
    text = "🌊" * 3000
    places = iter(range(6000, 6004))

    def faults(_):
        at = next(places, None)
        return Faults() if at is None else Faults(after=at, then=Break.END)

    async with stage(faults) as (origin, server, proxy):
        run = server.start(name="cut")
        say("cut", text, "end", None)
        await eventually(lambda: server.told(run)["status"] == "ended")
        await browser.look("a", origin, proxy.url, run, pace=QUICK)
        told = await browser.until("a", "s.ending !== null && s.state === 'ended'")
        assert 4 == proxy.statistics()["broken"]
        assert server.text(run) == told["text"] == text + "end"
        assert ("ended", "never") == (told["close"], told["duty"])
        assert told["reconnects"] >= 1  # a break that the browser sees before the head of the answer is not counted


async def test_a_network_that_swallows_everything_is_noticed_and_gone_round(browser):
    holes = iter([Faults(after=2500, then=Break.BLACK_HOLE)])
    async with stage(lambda _: next(holes, Faults()), heartbeat_interval=0.4) as (origin, server, proxy):
        run = server.start(name="hole")
        await browser.look("a", origin, proxy.url, run, pace={**QUICK, "heartbeatInterval": 0.4, "firstByteTimeout": 1})
        for number in range(40):
            say("hole", f"{number} {WORDS[number % len(WORDS)]}")
            await asyncio.sleep(0.02)
        told = await browser.until("a", "s.reconnects >= 1 && s.state === 'live'")
        say("hole", "end", None)
        told = await browser.until("a", "s.ending !== null")
        assert server.text(run) == told["text"]
        assert "reconnecting" in told["states"]
        assert 1 == proxy.statistics()["broken"]


async def test_a_server_that_is_started_again_goes_on_with_the_text(browser, tmp_path):
    store = f"sqlite:///{tmp_path}/runs.db"
    async with site() as origin:
        with talking(store, allowed_origins=(origin,), lease_seconds=1) as server:
            async with Proxy("127.0.0.1", server.port) as proxy:
                run = server.start("count", "150")
                await browser.look("a", origin, proxy.url, run, pace=QUICK)
                before = await browser.until("a", "s.text.length > 300")
                server.stop()
                with talking(store, allowed_origins=(origin,), lease_seconds=1) as other:
                    proxy.target = ("127.0.0.1", other.port)
                    told = await browser.until("a", "s.ending !== null")
                    assert other.text(run) == told["text"]
                    assert told["place"] > before["place"]
                    assert told["reconnects"] >= 1
                    await eventually(lambda: other.readers() == 0)


async def test_a_page_that_is_hidden_waits_and_reads_on_at_once_when_it_is_shown(browser):
    holes = iter([Faults(after=2500, then=Break.BLACK_HOLE)])
    async with stage(lambda _: next(holes, Faults()), heartbeat_interval=0.3) as (origin, server, proxy):
        run = server.start(name="hidden")
        pace = {**QUICK, "heartbeatInterval": 0.3, "firstByteTimeout": 0.6}
        await browser.look("a", origin, proxy.url, run, pace=pace)
        say("hidden", "first ")
        await browser.until("a", "s.text === 'first '")
        await browser.do("eval", "a", "page.hide(true)")
        say("hidden", *["x" * 100] * 30)
        await eventually(lambda: proxy.statistics()["broken"] == 1)
        await asyncio.sleep(1.5)  # longer than a page that is shown would wait
        assert 0 == (await browser.state("a"))["reconnects"]
        shown = time.monotonic()
        await browser.do("eval", "a", "page.hide(false)")
        told = await browser.until("a", f"s.text.length === {len('first ') + 3000}")
        assert time.monotonic() - shown < 5
        assert 1 == told["reconnects"]
        say("hidden", None)
        await browser.until("a", "s.ending !== null")


async def test_a_gateway_that_fails_and_a_proxy_that_holds_back_are_got_through(browser):
    """Two gateways answer 502, then three streams are held back; so the page polls, which gets through."""
    ill = iter([Faults(bad_gateway=True)] * 2 + [Faults(hold=1_000_000)] * 3)
    async with stage(lambda _: next(ill, Faults()), heartbeat_interval=15) as (origin, server, proxy):
        run = server.start(name="held")
        pace = {**QUICK, "firstByteTimeout": 0.4, "heartbeatInterval": 0.2}
        await browser.look("a", origin, proxy.url, run, pace=pace, timeout=0.5)
        for number in range(10):
            say("held", f"{number} ")
            await asyncio.sleep(0.1)
        say("held", None)
        told = await browser.until("a", "s.ending !== null && s.state === 'ended'")
        assert server.text(run) == told["text"]
        assert "polling" in told["states"]
        assert 2 == proxy.statistics()["bad_gateways"]


# --- how it ended ---


async def test_a_user_who_stops_a_network_that_fails_and_a_time_out_are_told_apart(browser):
    gone = asyncio.Event()
    async with stage(lambda _: Faults(bad_gateway=gone.is_set())) as (origin, server, proxy):
        stopped, late, cut = (
            server.start(name="stopped"),
            server.start(name="late", timeout=0.5),
            server.start(name="cut2"),
        )
        for name, run in (("a", stopped), ("b", late), ("c", cut)):
            await browser.look(name, origin, proxy.url, run, pace={**QUICK, "longestDelay": 30, "firstDelay": 30})
        await browser.do("eval", "a", "page.live.stop('enough')")
        told = await browser.until("a", "s.state === 'ended'")
        assert ("stopped", "ended", "never", None) == tuple(told[key] for key in ("ending", "close", "duty", "fault"))
        told = await browser.until("b", "s.state === 'ended'")
        assert ("timed_out", "ended", "ask", None) == tuple(told[key] for key in ("ending", "close", "duty", "fault"))
        gone.set()
        proxy.cut()
        told = await browser.until("c", "s.state === 'reconnecting' && s.delay > 0")
        assert (None, "network", None) == tuple(told[key] for key in ("ending", "close", "duty"))
        # A stop is asked of the server, also while the reader is not connected, and is told as what it is.
        gone.clear()
        await browser.do("eval", "c", "page.live.stop('while away')")
        await browser.do("eval", "c", "window.dispatchEvent(new Event('online'))")
        told = await browser.until("c", "s.state === 'ended'")
        assert ("stopped", "never") == (told["ending"], told["duty"])


async def test_a_run_that_is_not_there_is_told_in_words(browser):
    async with stage() as (origin, _, proxy):
        await browser.look("a", origin, proxy.url, "f" * 32, pace=QUICK)
        told = await browser.until("a", "s.state === 'ended'")
        assert ("E2005", "refused", "never") == (told["fault"], told["close"], told["duty"])


# --- leaks ---


async def test_two_hundred_looks_leave_nothing_behind(browser):
    async with stage() as (origin, server, proxy):
        run = server.start(name="leaks")
        say("leaks", "hello")
        await browser.look("a", origin, proxy.url, run, pace=QUICK)
        await browser.until("a", "s.text === 'hello'")
        cycle = """
            (async (count) => {
              for (let at = 0; at < count; at += 1) {
                page.leave();
                const leaves = Array.from({ length: 20 }, () => page.live.look(() => undefined));
                page.leave = page.live.look(page.paint);
                for (const leave of leaves) leave();
                const other = page.riverrun.liveRun(page.client, page.live.run);
                if (other !== page.live) throw new Error("there are two");
                // From time to time long enough for the connection to be given up, and opened anew.
                if (at % 50 === 0) {
                  page.leave();
                  await new Promise((resolve) => setTimeout(resolve, 1050));
                  page.leave = page.live.look(page.paint);
                }
              }
            })"""
        await browser.do("eval", "a", f"{cycle}(2)")
        await eventually(lambda: server.readers() == 1)
        await browser.until("a", "page.live.connection.state === 'live'")
        before = await metrics(browser, "a")
        await browser.do("eval", "a", f"{cycle}(200)")
        await eventually(lambda: server.readers() == 1)
        await browser.until("a", "page.live.connection.state === 'live'")
        for _ in range(10):  # what nobody holds is counted until it is collected, which may take two turns
            after = await metrics(browser, "a")
            if after["JSEventListeners"] <= before["JSEventListeners"]:
                break
        assert after["JSEventListeners"] <= before["JSEventListeners"]
        assert after["JSHeapUsedSize"] < before["JSHeapUsedSize"] + 1_000_000
        assert 6 == len(server.reads(run))
        say("leaks", None)
        await browser.until("a", "s.ending !== null")


async def metrics(browser, page):
    """What the browser counts of a page, once what nobody holds is gone."""
    await browser.do("cdp", page, {"method": "HeapProfiler.collectGarbage"})
    told = await browser.do("counts", page)
    return {one["name"]: one["value"] for one in told["metrics"]}


# --- what is kept ---


async def test_a_page_that_is_loaded_again_asks_only_for_what_came_since(browser):
    async with stage() as (origin, server, proxy):
        run = server.start(name="reload")
        await browser.look("a", origin, proxy.url, run, pace=QUICK)
        say("reload", *WORDS * 20)
        await browser.until("a", f"s.text.length === {units(''.join(WORDS * 20))}")
        await asyncio.sleep(1.2)  # what is read is kept in lumps of a second
        await browser.do("reload", "a")
        told = await browser.until("a", f"s.text.length === {units(''.join(WORDS * 20))}")
        assert "kept" == told["kept"]["where"]
        say("reload", "and more", None)
        told = await browser.until("a", "s.ending !== null && s.state === 'ended'")
        assert server.text(run) == told["text"] == "".join(WORDS * 20) + "and more"
        first, *later = server.reads(run)
        assert "0" == first
        log = server.told(run)["log"]
        assert {f"{log}.102"} == set(later), "run.started, node.started and a hundred chunks were there"
        # Of a run that has ended and is kept whole, nothing is asked any more.
        await asyncio.sleep(0.2)
        count = len(server.asked)
        await browser.do("reload", "a")
        again = await browser.until("a", "s.ending !== null && s.state === 'ended'")
        assert told["text"] == again["text"]
        assert count == len(server.asked)


async def test_a_browser_that_was_killed_goes_on_where_it_was(node, tmp_path):
    async with stage() as (origin, server, proxy):
        run = server.start(name="killed")
        text = "".join(WORDS * 20)
        browser = Browser(node, tmp_path / "profile")
        try:
            await browser.look("a", origin, proxy.url, run, pace=QUICK)
            say("killed", *WORDS * 20)
            await browser.until("a", f"s.text.length === {units(text)}")
            await asyncio.sleep(2.5)  # a lump is kept, and the browser has put it on the disk
        finally:
            browser.kill()
        await eventually(lambda: server.readers() == 0)
        say("killed", "and more", None)
        browser = Browser(node, tmp_path / "profile")
        try:
            await browser.look("a", origin, proxy.url, run, pace=QUICK)
            told = await browser.until("a", "s.ending !== null && s.state === 'ended'")
        finally:
            browser.close()
        assert server.text(run) == told["text"] == text + "and more"
        first, again = server.reads(run)
        assert "0" == first
        assert f"{server.told(run)['log']}.102" == again


async def test_what_was_kept_for_thirty_days_is_forgotten(browser):
    async with stage() as (origin, server, proxy):
        run = server.start(name="old")
        say("old", "old ", None)
        await browser.look("a", origin, proxy.url, run, pace=QUICK)
        await browser.until("a", "s.ending !== null && s.state === 'ended'")
        await asyncio.sleep(0.2)
        reads = len(server.reads(run))
        day = 24 * 60 * 60
        for name, later, more in (("b", 29 * day, 0), ("c", 31 * day, 1)):
            await browser.look(name, origin, proxy.url, run, pace=QUICK, later=later)
            told = await browser.until(name, "s.ending !== null && s.state === 'ended'")
            assert "old " == told["text"]
            assert reads + more == len(server.reads(run)), f"after {later / day} days"


async def test_what_somebody_else_reads_is_not_shared_and_what_is_forgotten_is_gone(browser):
    async with stage() as (origin, server, proxy):
        run = server.start(name="else")
        say("else", "mine", None)
        for reads, who in ((1, "ann"), (1, "ann"), (2, "bob")):
            await browser.look("a", origin, proxy.url, run, pace=QUICK, **{"as": who})
            await browser.until("a", "s.ending !== null && s.state === 'ended'")
            await asyncio.sleep(0.2)
            assert reads == len(server.reads(run)), who
            assert await browser.do("eval", "a", "page.client.forget()") if who == "bob" else True
            await browser.do("close", "a")
        await browser.look("a", origin, proxy.url, run, pace=QUICK, **{"as": "ann"})
        await browser.until("a", "s.ending !== null")
        assert 2 == len(server.reads(run)), "what ann keeps is not bob's to forget"
        await browser.look("b", origin, proxy.url, run, pace=QUICK, **{"as": "bob"})
        await browser.until("b", "s.ending !== null")
        assert 3 == len(server.reads(run))


FORBIDDEN = "Object.defineProperty(window, 'indexedDB', { get() { throw new DOMException('no', 'SecurityError'); } })"


async def test_where_storage_is_forbidden_the_page_reads_on_in_memory_and_says_so(browser):
    async with stage() as (origin, server, proxy):
        run = server.start(name="forbidden")
        say("forbidden", "all of it", None)
        await browser.look("a", origin, proxy.url, run, before=FORBIDDEN, pace=QUICK)
        told = await browser.until("a", "s.ending !== null && s.kept.where === 'memory'")
        assert ("all of it", "the browser forbids its storage") == (told["text"], told["kept"]["why"])


async def test_where_storage_is_full_the_page_reads_on_in_memory_and_says_so(browser):
    async with stage() as (origin, server, proxy):
        run = server.start(name="full")
        await browser.look("a", origin, proxy.url, run, pace=QUICK)
        await browser.until("a", "s.place >= 2 && s.kept.where === 'kept'")
        quota = {"method": "Storage.overrideQuotaForOrigin", "params": {"origin": origin, "quotaSize": 1024}}
        await browser.do("cdp", "a", quota)
        say("full", "x" * 100_000)
        told = await browser.until("a", "s.text.length === 100000 && s.kept.where === 'memory'")
        assert "the storage of this browser is full" == told["kept"]["why"]
        say("full", "end", None)
        told = await browser.until("a", "s.ending !== null")
        assert server.text(run) == told["text"]
        await browser.do("cdp", "a", {**quota, "params": {"origin": origin}})


# --- several tabs ---

SEVEN = "abcdefg"


async def test_seven_tabs_read_through_one_connection_and_the_next_leads_when_a_lead_is_closed(browser):
    async with stage() as (origin, server, proxy):
        run = server.start(name="seven")
        for number, tab in enumerate(SEVEN):
            await browser.look(tab, origin, proxy.url, run, pace=QUICK)
            say("seven", f"{number} {WORDS[number % 5]}")
        text = "".join(f"{number} {WORDS[number % 5]}" for number in range(7))
        for tab in SEVEN:
            assert text == (await browser.until(tab, f"s.text.length === {units(text)}"))["text"]
        assert 1 == server.readers()
        assert 1 == [(await browser.state(tab))["shared"] for tab in SEVEN].count(False)
        assert ["0"] == server.reads(run)
        left = list(SEVEN)
        for number in range(6):
            shared = {tab: (await browser.state(tab))["shared"] for tab in left}
            (lead,) = [tab for tab in left if not shared[tab]]
            word = f"without {lead} 👩‍👩‍👧 "
            text += word
            await browser.do("close", lead)
            left.remove(lead)
            say("seven", word)
            for tab in left:
                assert text == (await browser.until(tab, f"s.text.length === {units(text)}"))["text"]
            await eventually(lambda: server.readers() == 1)
            assert number + 2 == len(server.reads(run))
        say("seven", "end", None)
        told = await browser.until(left[0], "s.ending !== null")
        assert server.text(run) == told["text"] == text + "end"
        await browser.do("close", left[0])


async def lead_of(browser, tabs):
    """Wait until one tab alone says that it holds the connection: what each knows of that follows its messages."""
    leads: list[str] = []
    async with asyncio.timeout(30):
        while 1 != len(leads):
            leads = [tab for tab in tabs if not (await browser.state(tab))["shared"]]
    return leads[0]


async def test_tabs_without_locks_agree_by_what_they_say(browser):
    async with site() as near:
        origin = near.replace("127.0.0.1", "far.test")
        with talking(allowed_origins=(origin,)) as server:
            async with Proxy("127.0.0.1", server.port) as proxy:
                run = server.start(name="word")
                for tab in "abc":
                    await browser.look(tab, origin, proxy.url, run, pace=QUICK)
                    assert not await browser.do("eval", tab, "window.isSecureContext || 'locks' in navigator")
                    say("word", f"{tab} ")
                for tab in "abc":
                    assert "a b c " == (await browser.until(tab, "s.text.length === 6"))["text"]
                await eventually(lambda: server.readers() == 1)
                lead = await lead_of(browser, "abc")
                await browser.do("close", lead)
                say("word", "on", None)
                for tab in set("abc") - {lead}:
                    told = await browser.until(tab, "s.ending !== null")
                    assert server.text(run) == told["text"] == "a b c on"
                await eventually(lambda: server.readers() == 0)


async def test_a_tab_that_is_looked_at_leads_and_not_one_that_is_hidden(browser):
    async with stage() as (origin, server, proxy):
        run = server.start(name="looked")
        for tab in "ab":
            await browser.look(tab, origin, proxy.url, run, pace=QUICK)
            say("looked", f"{tab} ")
            await browser.until(tab, "s.text.length >= 2 && s.state === 'live'")
        await browser.until("b", "s.shared && s.text.length === 4")
        await browser.do("eval", "a", "page.hide(true)")
        await browser.until("b", "!s.shared && s.state === 'live'")
        say("looked", "c ")
        for tab in "ab":
            assert "a b c " == (await browser.until(tab, "s.text.length === 6"))["text"]
        assert (await browser.state("a"))["shared"]
        await eventually(lambda: server.readers() == 1)
        say("looked", None)


async def test_a_lead_that_hangs_is_not_waited_for(browser):
    async with stage() as (origin, server, proxy):
        run = server.start(name="hangs")
        for tab in "ab":
            await browser.look(tab, origin, proxy.url, run, pace=QUICK)
            await browser.until(tab, "s.state === 'live'")
        await browser.until("b", "s.shared")
        say("hangs", "one ")
        await browser.until("b", "s.text === 'one '")
        # Its page does nothing any more for 12 seconds: no event is passed on.
        hang = "setTimeout(() => { const end = Date.now() + 12000; while (Date.now() < end); }, 50); 0"
        await browser.do("eval", "a", hang)
        await asyncio.sleep(0.2)
        say("hangs", "two")
        await browser.until("b", "s.text === 'one two' && !s.shared")
        say("hangs", "!", None)
        told = await browser.until("b", "s.ending !== null")
        assert server.text(run) == told["text"]
        assert "one two!" == (await browser.until("a", "s.ending !== null"))["text"]


# --- leaving ---


async def test_a_page_that_is_left_says_so_and_one_that_comes_back_reads_on(browser):
    async with stage() as (origin, server, proxy):
        run = server.start(name="leave", on_disconnect={"grace": 30})
        await browser.look("a", origin, proxy.url, run, pace=QUICK)
        say("leave", "before ")
        await browser.until("a", "s.text === 'before '")
        path = f"/v1/runs/{run}/leave"
        await browser.do("goto", "a", "about:blank")
        await eventually(lambda: any(other == path for _, other, _ in server.asked))
        ((method, _, query),) = [one for one in server.asked if one[1] == path]
        assert "POST" == method
        assert query["reader"] in {asked.get("reader") for _, other, asked in server.asked if other.endswith("/events")}
        await eventually(lambda: server.readers() == 0)
        await browser.do("back", "a")
        say("leave", "after", None)
        told = await browser.until("a", "s.ending !== null")
        assert server.text(run) == told["text"] == "before after"
        assert "completed" == told["ending"]


async def test_a_page_that_is_loaded_again_within_the_grace_stops_nothing_and_one_that_is_closed_does(browser):
    async with stage() as (origin, server, proxy):
        run = server.start(name="grace", on_disconnect={"grace": 1.5})
        await browser.look("a", origin, proxy.url, run, pace=QUICK)
        say("grace", "one ")
        await browser.until("a", "s.text === 'one '")
        for _ in range(3):
            await browser.do("reload", "a")
            await browser.until("a", "s.text === 'one ' && s.state === 'live'")
        await asyncio.sleep(2)  # longer than the grace
        assert "running" == server.told(run)["status"]
        assert [path for _, path, _ in server.asked].count(f"/v1/runs/{run}/leave") >= 3
        await browser.do("close", "a")
        await eventually(lambda: server.told(run)["ending"] == "stopped", 20)


async def test_a_tab_that_is_closed_while_another_reads_on_says_nothing(browser):
    async with stage() as (origin, server, proxy):
        run = server.start(name="stays", on_disconnect={"grace": 30})
        for tab in "ab":
            await browser.look(tab, origin, proxy.url, run, pace=QUICK)
            await browser.until(tab, "s.state === 'live'")
        await browser.until("b", "s.shared")
        await browser.do("close", "a")
        say("stays", "on")
        await browser.until("b", "s.text === 'on' && !s.shared")
        assert [] == [path for _, path, _ in server.asked if path.endswith("/leave")]
        say("stays", None)
        await browser.until("b", "s.ending !== null")


# --- WebSocket ---


async def test_two_runs_share_one_socket_which_is_cut_and_opened_again(browser):
    cuts = iter([Faults(after=3000)])
    async with stage(lambda _: next(cuts, Faults())) as (origin, server, proxy):
        runs = {name: server.start(name=name) for name in ("left", "right")}
        # Two runs in one page, by one client.
        await browser.look("a", origin, proxy.url, runs["left"], pace=QUICK, transport="websocket")
        script = f"""
            window.right = page.riverrun.liveRun(page.client, {runs["right"]!r});
            window.leaveRight = right.look(() => undefined); 0"""
        await browser.do("eval", "a", script)
        for number in range(60):
            for name in runs:
                say(name, f"{name} {number} {WORDS[number % 5]}")
            await asyncio.sleep(0.005)
        for name in runs:
            say(name, None)
        told = await browser.until("a", "s.ending !== null && s.state === 'ended' && right.view.ending !== null")
        assert server.text(runs["left"]) == told["text"]
        assert server.text(runs["right"]) == await browser.do("eval", "a", "right.view.text('text')")
        assert 1 == proxy.statistics()["broken"]
        sockets = [path for method, path, _ in server.asked if method == "WS"]
        assert ["/v1/ws"] * len(sockets) == sockets
        assert 2 <= len(sockets) <= 4
        assert [] == [run for run in runs.values() if server.reads(run)]
        await eventually(lambda: proxy.statistics()["open"] == 0)


async def test_where_no_socket_gets_through_events_are_read_over_http(browser):
    async with stage() as (origin, server, proxy):
        run = server.start(name="through")
        say("through", "all", None)
        nothing = (
            "window.WebSocket = class { constructor() { setTimeout(() => this.onclose({ code: 1006 })); } close() {} }"
        )
        await browser.look("a", origin, proxy.url, run, before=nothing, pace=QUICK, transport="websocket")
        told = await browser.until("a", "s.ending !== null")
        assert "all" == told["text"]
        assert ["0"] == server.reads(run)
