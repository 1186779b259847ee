"""What the console says when something is wrong: with a run, its log, the server, the browser or who asks."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from riverrun.log.store import RunKey
from riverrun.server import Principal
from riverrun.stores.memory import MemoryStore
from riverrun.testing.proxy import Faults, Proxy
from tests.web.consoles import PLAIN, answering, button, context, errors, hosting, said

pytestmark = pytest.mark.slow


async def test_a_run_that_failed_says_why_where_and_what_to_do(host, tabs):
    run = host.begin("fail")
    host.ended(run)
    tab = await tabs(f"{host.url}/console/runs/{run}")
    told = await tab.see(".ending[data-ending=failed]")
    assert "ValueError" in told
    assert "no such topic: 'rivers'" in told
    assert "Where" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("run", ["f" * 32, "not-an-id"])
async def test_a_link_to_a_run_that_is_not_there_says_so(host, tabs, run):
    tab = await tabs(f"{host.url}/console/runs/{run}")
    assert "no such run" in await tab.see(".trouble")
    await tab.tell("click", at=".trouble a")
    await tab.see("table.runs, .empty")


async def test_an_address_that_leads_nowhere_leads_back(host, tabs):
    tab = await tabs(f"{host.url}/console/elsewhere/entirely")
    assert "nothing at this address" in await tab.see(".empty")


def page(host, run, after):
    return httpx.get(f"{host.url}/v1/runs/{run}/events", params={"wait": 0, "after": after}).json()


def trimmed(host, store, run, floor):
    """Remove the first events of a run, and give those that are left."""
    store.trim(RunKey("default", run), floor)
    told = page(host, run, floor)
    assert floor == told["floor"]
    return told["events"]


async def test_a_link_to_a_run_whose_beginning_was_removed_leads_to_what_is_left(tabs):
    store = MemoryStore()
    with hosting(store) as host:
        run = host.begin(words=60)
        before = said(host.ended(run))
        events = trimmed(host, store, run, 70)
        tab = await tabs(f"{host.url}/console/runs/{run}?seq=20")
        told = await tab.see(".trouble")
        assert "no longer kept" in told
        assert "up to 70" in told
        await tab.tell("click", at=button("Read from event 71 on"))
        await tab.standing("ended")
        await tab.reaches(events[-1]["seq"])
        assert "cannot be forked" in await tab.see(".banners")
        assert "talk" == await tab.see(".run-name h1")
        for agent, text in said(events).items():
            assert text == await tab.painted(agent)
            missing = len((before[agent].removesuffix(text)).encode("utf-16-le")) // 2
            heads = await tab.run("return [...document.querySelectorAll('.message-head')].map((one) => one.innerText)")
            assert missing == 0 or any(f"first {missing} characters are no longer kept" in head for head in heads)
        # Looking back ends where the log begins.
        await tab.tell("click", at="#tab-events")
        await tab.see(".event-row")
        await tab.tell("fill", at=".events .find input", text='"seq":71,')
        await tab.until("return [...document.querySelectorAll('.event-row')].length === 1")
        await tab.tell("click", at=".event-row")
        await tab.tell("click", at=button("Show the run at this event"))
        await tab.until("return document.querySelector('[data-place]').dataset.place === '71'")
        await tab.run("document.activeElement.blur()")
        await tab.tell("press", key="[")
        await tab.tell("press", key="]")
        await tab.until("return document.querySelector('[data-place]').dataset.place === '72'")
        await tab.tell("click", at="#tab-state")
        assert "beginning of this run" in await tab.see(".side-panel .quiet")
        assert [] == await errors(tab)


async def test_a_run_that_is_trimmed_while_it_is_read_keeps_what_was_read_and_leads_on(tabs):
    store = MemoryStore()
    with hosting(store, heartbeat_interval=1.0) as host:
        run = host.begin("hang", pace=0.01)
        async with Proxy("127.0.0.1", host.port) as proxy:
            tab = await tabs(f"{proxy.url}/console/runs/{run}")
            await tab.reaches(20)
            proxy.faults = lambda _: Faults(bad_gateway=True)
            proxy.cut()
            await tab.standing("reconnecting")
            place = await tab.place()
            text = said(page(host, run, 0)["events"][:place])["Talker"]
            async with asyncio.timeout(30):
                while host.show(run)["head"] < place + 30:  # noqa: ASYNC110 the run is another thread's
                    await asyncio.sleep(0.05)
            trimmed(host, store, run, place + 20)
            proxy.faults = lambda _: Faults()
            assert f"up to {place + 20}" in await tab.see(".trouble", timeout=30)
            # What was read stays, to the letter, and nothing is put behind it that does not follow.
            assert place == await tab.place()
            assert text == await tab.painted("Talker")
            await tab.tell("click", at=button(f"Read from event {place + 21} on"))
            await tab.standing("live")
            host.end(run)
            await tab.standing("ended", timeout=30)
            left = page(host, run, place + 20)
            assert left["ended"]
            await tab.reaches(left["head"])
            assert said(left["events"])["Talker"] == await tab.painted("Talker")
            assert [] == await errors(tab)


async def test_an_event_of_a_later_version_is_kept_and_said_to_be_unknown(host, tabs):
    run = host.begin(words=3)
    started = host.ended(run)[0]
    later = {"type": "run.dreamt", "seq": 2, "ts": started["ts"], "run": run, "of": "sheep"}
    end = {"type": "run.completed", "seq": 3, "ts": started["ts"], "run": run}
    body = "".join(
        f"id: {started['log']}.{event['seq']}\ndata: {json.dumps(event)}\n\n" for event in (started, later, end)
    )
    script = f"if (url.pathname.endsWith('/events')) return answer({json.dumps(body)}, 200, 'text/event-stream')"
    tab = await tabs(f"{host.url}/console/runs/{run}", answering(script))
    await tab.standing("ended")
    assert "does not know" in await tab.see(".banners")
    await tab.tell("click", at="#tab-events")
    await tab.until("return document.querySelectorAll('.event-row').length === 3")
    assert [] == await errors(tab)


async def test_a_broken_frame_stops_reading_and_what_came_before_stays(host, tabs):
    run = host.begin(words=3)
    events = host.ended(run)
    log = events[0]["log"]
    whole = "".join(f"id: {log}.{event['seq']}\ndata: {json.dumps(event)}\n\n" for event in events[:6])
    broken = f'id: {log}.7\ndata: {{"type": "node.chunk", "seq"\n\n'
    script = f"""
      const body = () => new ReadableStream({{
        async start(out) {{
          out.enqueue(new TextEncoder().encode({json.dumps(whole)}));
          const place = () => document.querySelector('[data-place]')?.dataset.place;
          while (place() !== '6') await new Promise(requestAnimationFrame);
          out.enqueue(new TextEncoder().encode({json.dumps(broken)}));
        }},
      }});
      if (!window.itself && url.pathname.endsWith('/events')) return answer(body(), 200, 'text/event-stream')
    """
    tab = await tabs(f"{host.url}/console/runs/{run}", answering(script))
    told = await tab.see(".trouble")
    assert "not what this console understands" in told
    assert "Reload the page" in told
    assert 6 == await tab.place()
    for agent, text in said(events[:6]).items():
        assert text == await tab.painted(agent)
    # The server is itself again, and reading goes on from there.
    await tab.run("window.itself = true")
    await tab.tell("click", at=button("Try again"))
    await tab.standing("ended")
    for agent, text in said(events).items():
        assert text == await tab.painted(agent)
    assert [] == await errors(tab)


async def test_a_link_to_a_run_of_somebody_else_says_no_more_than_one_to_none(browser):
    with hosting("memory:", keys="one-key:acme,other-key:other") as host, context(browser) as open_tab:
        asked = {"graph": "talk", "input": {"words": 3}}
        whose = {"authorization": "Bearer one-key"}
        begun = await asyncio.to_thread(httpx.post, f"{host.url}/v1/runs", json=asked, headers=whose)
        told = []
        for run in (begun.json()["run"], "f" * 32):
            tab = await open_tab(f"{host.url}/console/runs/{run}", PLAIN)
            await tab.see(".who")
            await tab.tell("fill", at=".who input", text="other-key")
            await tab.tell("click", at=".who button.main")
            told.append((await tab.see(".trouble")).replace(run, "…"))
            await tab.tell("click", at=".trouble a")
            await tab.see(".empty")
        assert "belongs to somebody else" in told[0]
        assert told[0] == told[1]
        tab = await open_tab(f"{host.url}/console/runs/{begun.json()['run']}", PLAIN)
        await tab.tell("fill", at=".who input", text="one-key")
        await tab.tell("click", at=".who button.main")
        await tab.standing("ended")


@pytest.mark.parametrize(
    ("body", "kind"),
    [("<h1>It works!</h1>", "text/html"), ('{"runs": 7}', "application/json"), ("", "application/json")],
)
async def test_something_that_is_no_riverrun_server_is_told_so(host, tabs, body, kind):
    script = f"if (url.pathname.endsWith('/v1/runs')) return answer({body!r}, 200, {kind!r})"
    tab = await tabs(f"{host.url}/console/", answering(script))
    assert "not what this console understands" in await tab.see(".trouble")


async def test_a_page_whose_parts_are_no_longer_there_says_that_the_server_was_replaced(host, tabs):
    tab = await tabs(f"{host.url}/console/")
    await tab.see("table.runs, .empty")
    await tab.tell("deny", at="**/assets/metrics-*.js")
    await tab.tell("click", at="a.place:has-text('Metrics')")
    assert "another version" in await tab.see("main > .note.warn")


async def test_where_the_browser_keeps_nothing_it_says_so_and_works(host, tabs):
    run = host.begin(words=20)
    host.ended(run)
    forbid = "for (const name of ['localStorage', 'sessionStorage', 'indexedDB'])"
    forbid += "Object.defineProperty(window, name, { get() { throw new DOMException('no', 'SecurityError') } })"
    tab = await tabs(f"{host.url}/console/runs/{run}", forbid)
    await tab.standing("ended")
    assert "keeps nothing" in await tab.see(".note")
    assert [] == await errors(tab)


async def test_where_there_is_no_room_to_keep_a_run_it_says_so_and_shows_it(host, tabs):
    run = host.begin(words=2000)
    events = host.ended(run)
    tab = await tabs(f"{host.url}/console/")
    await tab.see("table.runs")
    await tab.tell("cdp", method="Storage.overrideQuotaForOrigin", params={"origin": host.url, "quotaSize": 1024})
    await tab.run("document.querySelector(`tr[data-run='${value}'] a`).click()", run)
    await tab.standing("ended")
    assert "full" in await tab.see(".banner.unkept")
    for agent, text in said(events).items():
        assert text == await tab.painted(agent)
    await tab.tell("reload")
    await tab.standing("ended")
    await tab.reaches(len(events))
    await tab.tell("cdp", method="Storage.overrideQuotaForOrigin", params={"origin": host.url})
    assert [] == await errors(tab)


async def test_over_plain_http_from_another_machine_it_says_what_that_means_and_works(browser):
    with hosting("memory:", allowed_hosts="far.test", heartbeat_interval=1.0) as host, context(browser) as open_tab:
        far = host.url.replace("127.0.0.1", "far.test")
        run = host.begin("hang", pace=0.01)
        first, second = [await open_tab(f"{far}/console/runs/{run}", PLAIN) for _ in range(2)]
        for tab in (first, second):
            await tab.reaches(20)
            lacking = "return [isSecureContext, 'locks' in navigator, 'randomUUID' in crypto, 'clipboard' in navigator]"
            assert [False] * 4 == await tab.run(lacking)
        assert "read along" in await first.see("main > .note")
        await first.tell("click", at="main > .note button")
        await first.until("return document.querySelector('main > .note') === null")
        # Without locks the tabs agree by what they say to each other: one reads for both.
        async with asyncio.timeout(30):
            while host.readers != 1:  # noqa: ASYNC110 the server is another thread's
                await asyncio.sleep(0.05)
        await first.tell("front")
        await first.tell("click", at=".run-name .id")
        await first.see(".run-name .id[data-copied]")
        field = "const field = document.createElement('textarea'); document.body.append(field);"
        await first.run(f"{field} field.id = 'pasted'; field.focus()")
        await first.tell("press", key="Control+v")
        assert run == await first.until("return document.querySelector('#pasted').value")
        await first.tell("click", at="button.danger")
        text = said(host.ended(run))["Talker"]
        for tab in (first, second):
            await tab.standing("ended", timeout=30)
            assert text == await tab.painted("Talker")
            told = [error for error in await errors(tab) if "Opener-Policy" not in error]
            assert [] == told


async def test_a_server_with_keys_asks_for_one_and_says_what_a_key_may_not_do(browser):
    with hosting("memory:", keys="reader-key:acme:read") as host, context(browser) as open_tab:
        tab = await open_tab(f"{host.url}/console/", PLAIN)
        assert "who you are" in await tab.see(".who")
        await tab.tell("fill", at=".who input", text="wrong")
        await tab.tell("click", at=".who button.main")
        assert "does not know this key" in await tab.see(".who .wrong")
        await tab.tell("fill", at=".who input", text="reader-key")
        await tab.tell("click", at=".who button.main")
        await tab.see(".empty")
        await tab.tell("goto", url=f"{host.url}/console/start?graph=fail")
        await tab.see("[data-field=topic]")
        await tab.tell("click", at=button("Start") + ".main")
        assert "does not allow this" in await tab.see(".trouble")
        assert "reader-key" not in await tab.run("return location.href + JSON.stringify({ ...localStorage })")


async def test_a_program_that_knows_people_by_a_cookie_needs_no_key(browser):
    async def by_cookie(connection):
        return Principal("acme") if connection.cookies.get("who") == "me" else None

    with hosting("memory:", authenticate=by_cookie) as host, context(browser) as open_tab:
        tab = await open_tab(f"{host.url}/healthz", PLAIN)
        await tab.run("document.cookie = 'who=me; path=/'")
        await tab.tell("goto", url=f"{host.url}/console/")
        await tab.see(".empty")
