"""The console in a real browser, on a real server, through a network that fails: what is painted is what the log says.

Each test starts tabs of one Chromium. Text is compared in the plain view, letter by letter, by scrolling through it.
"""

from __future__ import annotations

import asyncio

import pytest

from riverrun.testing.proxy import Break, Faults, Proxy
from tests.web.consoles import PLAIN, context, hosting, said

pytestmark = pytest.mark.slow


@pytest.fixture
def tabs(browser):
    """Opens tabs of a reader that shows plain text."""
    with context(browser) as open_tab:

        async def opened(url, before=""):
            return await open_tab(url, PLAIN + ";" + before)

        yield opened


@pytest.fixture
def host(tmp_path):
    """A server over a file, so that it can be started again."""
    with hosting(f"sqlite:///{tmp_path / 'runs.db'}", heartbeat_interval=1.0, lease_seconds=2.0) as one:
        yield one


def through(proxy, run=""):
    return f"{proxy.url}/console/" + (f"runs/{run}" if run else "")


async def complete(tab, host, run, *, timeout=40.0):
    """Wait until all of a run is shown, and compare what is painted with its log."""
    await tab.standing("ended", timeout=timeout)
    events = host.events(run)
    await tab.reaches(len(events))
    texts = said(events)
    assert texts
    for agent, text in texts.items():
        assert text == await tab.painted(agent), agent
    heard = await tab.tell("heard")
    assert [] == heard["foreign"]
    assert [] == [error for error in heard["errors"] if "Failed to load resource" not in error]
    return texts


async def quiet(host, *, within=5.0):
    """Wait until nobody reads any more."""
    async with asyncio.timeout(within):
        while host.readers:  # noqa: ASYNC110 the server is another thread's
            await asyncio.sleep(0.05)


# --- what is there ---


async def test_a_run_is_shown_while_it_speaks_and_to_its_last_letter(host, tabs):
    run = host.begin(words=250, pace=0.02)
    tab = await tabs(f"{host.url}/console/runs/{run}")
    await tab.standing("live")
    assert 1 == host.readers
    texts = await complete(tab, host, run)
    assert {"Researcher", "Writer", "Editor"} == set(texts)
    await quiet(host)


async def test_text_that_was_taken_back_is_gone_and_it_says_so(host, tabs):
    run = host.begin("flaky")
    host.ended(run)
    tab = await tabs(f"{host.url}/console/runs/{run}")
    texts = await complete(tab, host, run)
    assert "attempt 0. attempt 1. attempt 2. attempt 3. attempt 4. attempt 5. " == texts["node"]
    assert "taken back" in await tab.see(".voided")
    figures = await tab.see(".figures")
    assert "Retries" in figures
    assert "Taken back" in figures


# --- a network that fails ---


@pytest.mark.parametrize("then", [Break.RESET, Break.END, Break.HALF_CLOSE])
async def test_cut_in_the_middle_of_a_character_it_goes_on_from_there(host, tabs, then):
    run = host.begin(words=150, pace=0.004)
    async with Proxy("127.0.0.1", host.port) as proxy:
        tab = await tabs(through(proxy, run))
        await tab.reaches(30)
        # The next connections end after some odd number of bytes each: many of them inside of a character.
        sizes = iter(range(7001, 20_000, 1613))
        proxy.faults = lambda _: Faults(after=next(sizes, None), then=then)
        proxy.cut()
        await complete(tab, host, run)
        assert proxy.statistics()["broken"] >= 2
    await quiet(host)


async def test_a_black_hole_is_noticed_by_its_silence(host, tabs):
    run = host.begin(words=300, pace=0.02)
    async with Proxy("127.0.0.1", host.port) as proxy:
        tab = await tabs(through(proxy, run))
        await tab.reaches(20)
        # Of the next connection nothing more arrives after 4 kB, and no end either.
        holes = [Faults(after=4000, then=Break.BLACK_HOLE)]
        proxy.faults = lambda _: holes.pop() if holes else Faults()
        proxy.cut()
        await complete(tab, host, run, timeout=90)
    await quiet(host)


async def test_behind_a_gateway_that_fails_it_says_that_it_reconnects(host, tabs):
    run = host.begin(words=300, pace=0.01)
    async with Proxy("127.0.0.1", host.port) as proxy:
        tab = await tabs(through(proxy, run))
        await tab.reaches(10)
        proxy.faults = lambda _: Faults(bad_gateway=True)
        proxy.cut()
        await tab.standing("reconnecting")
        assert "reconnecting" in await tab.see(".connection")
        proxy.faults = lambda _: Faults()
        await complete(tab, host, run)
    await quiet(host)


async def test_a_server_that_starts_again_is_found_again(host, tabs):
    run = host.begin(words=400, pace=0.01)
    tab = await tabs(f"{host.url}/console/runs/{run}")
    await tab.reaches(20)
    await asyncio.to_thread(host.stop)
    await tab.standing("reconnecting")
    await asyncio.to_thread(host.start)
    await complete(tab, host, run, timeout=60)
    await quiet(host)


async def test_a_proxy_that_holds_streams_back_is_polled_through(host, tabs):
    run = host.begin("hang", pace=0.03)
    async with Proxy("127.0.0.1", host.port) as proxy:
        tab = await tabs(through(proxy, run))
        await tab.reaches(10)
        held = [Faults(hold=1_000_000)] * 6
        proxy.faults = lambda _: held.pop() if held else Faults()
        proxy.cut()
        await tab.standing("polling", timeout=60)
        assert "polling" in await tab.see(".connection")
        # It passes whole answers; the connections that it holds on to would hold those too.
        held.clear()
        proxy.cut()
        head = host.show(run)["head"]
        await tab.reaches(head, timeout=30)
        await tab.tell("click", at="button.danger")
        await complete(tab, host, run, timeout=40)
    await quiet(host, within=12)


async def test_over_a_slow_network_nothing_is_missing(host, tabs):
    run = host.begin(words=60)
    host.ended(run)
    async with Proxy("127.0.0.1", host.port) as proxy:
        tab = await tabs(through(proxy))
        await tab.see("table.runs")
        proxy.faults = lambda _: Faults(bytes_per_second=12_000, delay=0.05)
        proxy.cut()
        await tab.run("document.querySelector('table.runs a').click()")
        await complete(tab, host, run, timeout=90)


# --- pages that come and go ---


async def test_a_hidden_page_has_all_of_it_when_it_is_shown(host, tabs):
    run = host.begin(words=150, pace=0.005)
    hide = "Object.defineProperty(document, 'visibilityState', { get: () => window.hiddenNow ? 'hidden' : 'visible' });"
    hide += "Object.defineProperty(document, 'hidden', { get: () => Boolean(window.hiddenNow) })"
    tab = await tabs(f"{host.url}/console/runs/{run}", hide)
    await tab.reaches(10)
    await tab.run("window.hiddenNow = true; document.dispatchEvent(new Event('visibilitychange'))")
    host.ended(run)
    await tab.run("window.hiddenNow = false; document.dispatchEvent(new Event('visibilitychange'))")
    await complete(tab, host, run)


async def test_a_page_that_is_loaded_again_goes_on_and_the_run_does_not_notice(host, tabs):
    run = host.begin(words=200, pace=0.006)
    tab = await tabs(f"{host.url}/console/runs/{run}")
    await tab.reaches(30)
    await tab.tell("reload")
    await tab.reaches(60)
    assert "running" == host.show(run)["status"]
    await tab.tell("reload")
    await complete(tab, host, run)
    await quiet(host)


async def test_seven_tabs_of_one_run_read_over_one_connection(host, tabs):
    run = host.begin("hang", pace=0.01)
    opened = [await tabs(f"{host.url}/console/runs/{run}") for _ in range(7)]
    for tab in opened:
        await tab.reaches(20, timeout=30)
    assert 1 == host.readers
    # One of them is shut, and the others go on.
    await opened[0].tell("close")
    head = host.show(run)["head"]
    for tab in opened[1:]:
        await tab.reaches(head + 20, timeout=30)
    await opened[1].tell("click", at="button.danger")
    for tab in opened[1:]:
        await complete(tab, host, run)
    await quiet(host)


async def test_a_second_tab_of_another_run_does_not_disturb_the_first(host, tabs):
    one, other = host.begin(words=100, pace=0.005), host.begin(words=80, pace=0.005)
    first, second = await tabs(f"{host.url}/console/runs/{one}"), await tabs(f"{host.url}/console/runs/{other}")
    await complete(first, host, one)
    await complete(second, host, other)
    await quiet(host)


async def test_two_hundred_visits_leave_nothing_behind(host, tabs):
    run = host.begin("hang", pace=0.02)
    tab = await tabs(f"{host.url}/console/")
    await tab.see("table.runs")
    visit = """
      const until = async (there) => { while (!there()) await new Promise((done) => setTimeout(done, 5)); };
      for (let count = 0; count < value; count += 1) {
        document.querySelector('table.runs tbody a').click();
        await until(() => document.querySelector('.pane .row'));
        document.querySelector('.crumb').click();
        await until(() => document.querySelector('table.runs tbody a'));
      }
    """

    async def weighed():
        await tab.tell("cdp", method="HeapProfiler.collectGarbage")
        told = await tab.tell("cdp", method="Performance.getMetrics")
        return {metric["name"]: metric["value"] for metric in told["metrics"]}

    await tab.tell("cdp", method="Performance.enable")
    await tab.run(visit, 10)
    before = await weighed()
    await tab.run(visit, 200)
    # Of the run itself more was read meanwhile, so its text is let go of by reading something else.
    await quiet(host)
    after = await weighed()
    assert after["JSEventListeners"] <= before["JSEventListeners"] + 20
    assert after["Nodes"] <= before["Nodes"] + 300
    assert after["JSHeapUsedSize"] <= before["JSHeapUsedSize"] + 8_000_000
    host.end(run)


# --- what users end ---


async def test_stop_ends_a_run_also_while_it_reconnects(host, tabs):
    run = host.begin("hang", pace=0.02)
    async with Proxy("127.0.0.1", host.port) as proxy:
        tab = await tabs(through(proxy, run))
        await tab.reaches(10)
        # Streams are refused, and the request to stop passes: it is small.
        proxy.faults = lambda _: Faults(after=400, then=Break.RESET)
        proxy.cut()
        await tab.standing("reconnecting")
        proxy.faults = lambda _: Faults()
        await tab.tell("click", at="button.danger")
        assert "A user stopped the run." in await tab.see(".ending")
        await complete(tab, host, run)
    assert "stopped" == host.show(run)["ending"]


async def test_who_leaves_reads_no_more_and_the_run_goes_on(host, tabs):
    run = host.begin("hang", pace=0.02)
    tab = await tabs(f"{host.url}/console/runs/{run}")
    await tab.reaches(10)
    await tab.run(
        "[...document.querySelectorAll('.run-actions button')].find((one) => /Leave/.test(one.innerText)).click()"
    )
    await tab.standing("detached")
    await quiet(host)
    place, head = await tab.place(), host.show(run)["head"]
    await asyncio.sleep(0.3)
    assert (place, "running") == (await tab.place(), host.show(run)["status"])
    await tab.run(
        "[...document.querySelectorAll('.run-actions button')].find((one) => /Read on/.test(one.innerText)).click()"
    )
    await tab.reaches(head + 5)
    host.end(run, "enough")
    assert "A user stopped the run: enough" in await tab.see(".ending")
    await complete(tab, host, run)


async def test_a_run_that_took_too_long_asks_and_goes_on_as_another(host, tabs):
    run = host.begin("hang", options={"timeout": 0.6}, pace=0.02)
    tab = await tabs(f"{host.url}/console/runs/{run}")
    assert "Shall it go on?" in await tab.see(".ending[data-ending=timed_out]")
    await complete(tab, host, run)
    await tab.tell("click", at=".ending button.main")
    await tab.until("return !location.pathname.endsWith(value) && document.querySelector('.pane') !== null", run)
    other = str(await tab.run("return location.pathname")).rpartition("/")[2]
    assert host.show(other)["run"] != run
    host.end(other)


async def test_a_question_that_is_answered_in_another_tab_goes_away_here(host, tabs):
    run = host.begin("approve")
    one, other = await tabs(f"{host.url}/console/runs/{run}"), await tabs(f"{host.url}/console/runs/{run}")
    assert "Publish this?" in await one.see(".question")
    await other.see(".question")
    assert "asks" in await one.see(".status")
    await other.tell("click", at=".question button.main")
    await one.standing("ended")
    assert await one.until("return document.querySelector('.questions') === null")
    assert "yes" == host.state(run)["verdict"]
