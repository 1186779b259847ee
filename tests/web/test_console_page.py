"""What one can do in the console: start, answer, look back, fork, save, open again; and how it says what is wrong."""

from __future__ import annotations

import json

import pytest

from riverrun.log.jsonl import read_log
from tests.web.consoles import PLAIN, answering, button, context, errors, said

pytestmark = pytest.mark.slow


HEADER = '{"riverrun": "log", "version": 1}\n'
STARTED = '{"type": "run.started", "seq": 1, "ts": 1, "log": "a", "graph": "g", "run": "r"}\n'


# --- the list ---


async def test_the_list_counts_filters_and_is_walked_by_keys(host, tabs):
    ended, asking = host.begin(words=2), host.begin("approve", options={"thread": "a-thread"})
    host.ended(ended)
    tab = await tabs(f"{host.url}/console/")
    await tab.until("return document.querySelectorAll('table.runs tbody tr').length >= 2")
    assert "asking" in await tab.see(".counters")
    await tab.tell("press", key="/")
    await tab.run("document.activeElement.value = ''")
    await tab.tell("fill", at=".find input", text="a-thread")
    await tab.until("return document.querySelectorAll('table.runs tbody tr').length === 1")
    assert "q=a-thread" in await tab.run("return location.search")
    await tab.tell("press", key="Escape")
    await tab.tell("press", key="j")
    assert await tab.until("return document.querySelector('tr[data-chosen]')?.dataset.run ?? null")
    await tab.tell("press", key="?")
    assert "Keys" in await tab.see("dialog")
    await tab.tell("press", key="Escape")
    await tab.until("return document.querySelector('dialog') === null")
    chosen = await tab.run("return document.querySelector('tr[data-chosen]').dataset.run")
    await tab.tell("press", key="Enter")
    await tab.until("return location.pathname.endsWith(value)", chosen)
    await tab.see(".timeline")
    await tab.tell("press", key="Escape")
    await tab.see("table.runs")
    assert [] == await errors(tab)
    host.end(asking)


# --- starting and answering ---


async def test_a_run_is_started_from_a_form_that_says_what_does_not_fit(host, tabs):
    tab = await tabs(f"{host.url}/console/start?graph=talk")
    await tab.see("[data-field=words]")
    await tab.tell("fill", at="[data-field=words]", text="three")
    await tab.tell("click", at=button("Start") + ".main")
    assert "whole number" in await tab.see(".hint.wrong") or "number" in await tab.see(".hint.wrong")
    await tab.tell("fill", at="[data-field=words]", text="3")
    await tab.tell("fill", at="[data-field=topic]", text="rivers\nand lakes")
    await tab.tell("click", at="details summary")
    await tab.tell("fill", at="[data-option=thread]", text="form-thread")
    await tab.tell("fill", at="[data-option=limit]", text="1.5")
    await tab.tell("click", at=button("Start") + ".main")
    assert "whole" in await tab.see(".hint.wrong")
    await tab.tell("fill", at="[data-option=limit]", text="50")
    await tab.tell("click", at=button("Start") + ".main")
    await tab.standing("ended")
    run = str(await tab.run("return location.pathname")).rpartition("/")[2]
    first = host.events(run)[0]
    assert {"topic": "rivers\nand lakes", "words": 3} == {key: first["input"][key] for key in ("topic", "words")}
    assert ("form-thread", 50) == (first["thread"], first["limit"])
    # And once more like it: the form begins with what this one was given.
    await tab.tell("click", at="a:has-text('Start another')")
    await tab.see("[data-field=topic]")
    assert "rivers\nand lakes" == await tab.run("return document.querySelector('[data-field=topic]').value")
    assert [] == await errors(tab)


async def test_a_question_is_answered_by_a_form_and_one_that_does_not_fit_is_asked_again(host, tabs):
    run = host.begin("enquire")
    tab = await tabs(f"{host.url}/console/runs/{run}")
    assert "Which tone?" in await tab.see(".question")
    await tab.tell("fill", at=".question textarea", text="calm")
    await tab.tell("click", at=".question button.main")
    await tab.standing("ended")
    assert "calm" == host.state(run)["verdict"]
    assert await tab.until("return document.querySelector('.questions') === null")


# --- looking back ---


async def test_the_timeline_leads_to_any_event_and_what_is_shown_is_what_the_log_said_until_then(host, tabs):
    run = host.begin(words=40)
    events = host.ended(run)
    tab = await tabs(f"{host.url}/console/runs/{run}?seq=60")
    await tab.until("return document.querySelector('[data-place]')?.dataset.place === '60'")
    assert "earlier moment" in await tab.see(".replaying")
    for agent, text in said(events[:60]).items():
        assert text == await tab.painted(agent)
    await tab.tell("press", key="]")
    await tab.until("return document.querySelector('[data-place]').dataset.place === '61'")
    await tab.tell("press", key="[")
    await tab.tell("press", key="[")
    await tab.until("return document.querySelector('[data-place]').dataset.place === '59'")
    await tab.until("return location.search === '?seq=59'")
    for agent, text in said(events[:59]).items():
        assert text == await tab.painted(agent)
    await tab.tell("press", key="End")
    await tab.until("return document.querySelector('[data-place]').dataset.place === value", str(len(events)))
    for agent, text in said(events).items():
        assert text == await tab.painted(agent)
    assert [] == await errors(tab)


async def test_a_fork_from_an_earlier_event_begins_with_a_copy_of_what_stands_before(host, tabs):
    run = host.begin(words=10)
    events = host.ended(run)
    tab = await tabs(f"{host.url}/console/runs/{run}?seq=12")
    await tab.until("return document.querySelector('[data-place]')?.dataset.place === '12'")
    await tab.tell("click", at=button("Fork from here"))
    await tab.until("return !location.pathname.includes(value)", run)
    await tab.standing("ended", timeout=30)
    other = str(await tab.run("return location.pathname")).rpartition("/")[2]
    copied = [{**event, "run": run} for event in host.events(other)[1:11]]
    assert events[1:11] == copied


async def test_a_deep_link_beyond_the_end_shows_the_end(host, tabs):
    run = host.begin(words=3)
    events = host.ended(run)
    tab = await tabs(f"{host.url}/console/runs/{run}?seq=99999")
    await tab.reaches(len(events))
    await tab.until("return document.querySelector('.replaying') === null")


async def test_events_are_found_by_what_they_say_and_shown_as_json(host, tabs):
    run = host.begin("flaky")
    host.ended(run)
    tab = await tabs(f"{host.url}/console/runs/{run}")
    await tab.see("#tab-events")
    await tab.tell("click", at="#tab-events")
    await tab.see(".event-row")
    await tab.tell("fill", at=".events .find input", text="went DEAD")
    await tab.until("return [...document.querySelectorAll('.event-row')].length === 1")
    assert "node.retrying" in await tab.see(".event-row")
    await tab.tell("click", at=".event-row")
    detail = await tab.see(".event-detail")
    assert "ConnectionError" in detail
    await tab.tell("click", at="#tab-state")
    assert "draft" in await tab.see(".stated .json-branch")


# --- files ---


async def test_what_is_saved_is_played_again_without_the_server(host, tabs, tmp_path):
    run = host.begin(words=20)
    events = host.ended(run)
    tab = await tabs(f"{host.url}/console/runs/{run}")
    await tab.standing("ended")
    await tab.tell("click", at=button("Save"))
    lines = await tab.tell("saved", at="[role=menuitem]:has-text('jsonl')")
    header, *rest = [json.loads(line) for line in lines.splitlines()]
    assert ("log", run, len(events), True) == tuple(header[name] for name in ("riverrun", "run", "head", "ended"))
    assert events == rest
    await tab.tell("click", at=button("Save"))
    text = await tab.tell("saved", at="[role=menuitem]:has-text('Markdown')")
    assert "## Researcher" in text
    assert said(events)["Editor"].strip() in text
    (tmp_path / "run.jsonl").write_text(lines, encoding="utf-8")
    await tab.tell("goto", url=f"{host.url}/console/file")
    await tab.until("return document.querySelector('input[type=file]') !== null")
    before = (await tab.tell("heard"))["requests"]
    await tab.tell("file", at="input[type=file]", path=str(tmp_path / "run.jsonl"))
    await tab.standing("stored")
    for agent, spoken in said(events).items():
        assert spoken == await tab.painted(agent)
    await tab.tell("press", key="[")
    await tab.until("return document.querySelector('.replaying') !== null")
    assert [] == await errors(tab)
    assert before <= (await tab.tell("heard"))["requests"] <= before + 12  # the page's own parts, and none of the run


async def test_a_run_of_more_events_than_the_client_keeps_is_whole_also_when_it_is_loaded_again(host, tabs):
    run = host.begin(words=4500)
    events = host.ended(run)
    assert len(events) > 12_000
    tab = await tabs(f"{host.url}/console/runs/{run}")
    for _ in range(2):
        await tab.reaches(len(events), timeout=60)
        await tab.tell("click", at=button("Save"))
        lines = await tab.tell("saved", at="[role=menuitem]:has-text('jsonl')")
        assert events == [json.loads(line) for line in lines.splitlines()[1:]]
        # Letter by letter as the log holds it: whoever takes it in asks for no less.
        assert len(events) == len(read_log(line.encode() for line in lines.splitlines(keepends=True)).events) + 1
        await tab.tell("reload")
    assert [] == await errors(tab)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "empty"),
        ("<html></html>", "not the log of a run"),
        ('{"riverrun": "something"}\n', "not the log of a run"),
        ('{"riverrun": "log", "version": 7}\n', "another version"),
        (HEADER + STARTED + "{oops", "Line 3 is damaged"),
        (HEADER + STARTED + '{"type": "x", "seq": 3, "ts": 1, "run": "r"}', "Line 3 does not follow"),
    ],
)
async def test_a_file_that_is_no_log_is_refused_in_words(host, tabs, tmp_path, text, wanted):
    (tmp_path / "file.jsonl").write_text(text)
    tab = await tabs(f"{host.url}/console/file")
    await tab.until("return document.querySelector('input[type=file]') !== null")
    await tab.tell("file", at="input[type=file]", path=str(tmp_path / "file.jsonl"))
    assert wanted in await tab.see(".trouble")


# --- text of strangers ---


async def test_what_a_model_wrote_is_never_markup_an_image_or_a_link_by_itself(host, tabs):
    text = (
        "<script>window.caught = 1</script><img src=x onerror='window.caught = 2'>\n\n"
        "![secret](https://evil.example/?q=1) and https://evil.example/auto and [words](https://fine.example/)\n\n"
        "[bad](javascript:window.caught=3) <a href='https://evil.example'>raw</a>\n\n"
        "```\n<b>code</b>\n```\n"
    )
    run = host.begin(words=1)
    started = host.ended(run)[0]
    node = {"node": "n", "exec": "n:1", "ts": started["ts"], "run": run}
    events = [
        started,
        {"type": "node.started", "seq": 2, **node},
        {"type": "node.chunk", "seq": 3, "message": "n:1/x", "value": text, "start": 0, **node},
        {"type": "run.completed", "seq": 4, "ts": started["ts"], "run": run},
    ]
    body = "".join(f"id: {started['log']}.{event['seq']}\ndata: {json.dumps(event)}\n\n" for event in events)
    script = f"if (url.pathname.endsWith('/events')) return answer({json.dumps(body)}, 200, 'text/event-stream')"
    tab = await tabs(f"{host.url}/console/runs/{run}", answering(script).removeprefix(PLAIN + ";"))
    await tab.until("return document.querySelector('.prose .image') !== null")
    assert ["https://fine.example/"] == await tab.run(
        "return [...document.querySelectorAll('.prose a')].map((a) => a.href)"
    )
    assert 0 == await tab.run("return document.querySelectorAll('.prose img, .prose script').length")
    assert None is await tab.run("return window.caught ?? null")
    heard = await tab.tell("heard")
    assert [] == heard["foreign"]


# --- for everybody ---


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_axe_finds_nothing_serious_on_any_page(host, browser, theme, language):
    runs = [host.begin(words=30), host.begin("fail"), host.begin("approve"), host.begin("flaky")]
    host.ended(runs[0])
    chosen = {"form": "markdown", "language": language, "theme": theme}
    with context(browser) as open_tab:
        before = f"localStorage.setItem('riverrun.console', {json.dumps(json.dumps(chosen))})"
        tab = await open_tab(f"{host.url}/console/", before)
        await tab.see("table.runs")
        for place, there in [
            ("", "table.runs"),
            ("start?graph=talk", ".node-box"),
            ("metrics", ".plot canvas"),
            ("file", ".drop"),
            *[(f"runs/{run}", ".node-box") for run in runs],
        ]:
            await tab.tell("goto", url=f"{host.url}/console/{place}")
            await tab.see(there)
            found_there = await tab.tell("axe")
            assert [] == [one for one in found_there if one["impact"] in {"serious", "critical"}], place
        await tab.tell("click", at="#tab-events")
        await tab.see(".event-row")
        assert [] == [one for one in await tab.tell("axe") if one["impact"] in {"serious", "critical"}]
        assert {"en": "en", "zh": "zh-CN"}[language] == await tab.run("return document.documentElement.lang")
        assert [] == await errors(tab)
    host.end(runs[2])


async def test_a_screen_reader_is_told_where_the_run_is_and_not_what_it_says(host, tabs):
    run = host.begin(words=150, pace=0.01)
    count = """
      window.voices = [];
      addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
        const said = document.querySelector('[data-voice]')?.textContent;
        if (said && said !== window.voices.at(-1)) window.voices.push(said);
      }).observe(document.body, { subtree: true, childList: true, characterData: true }));
    """
    tab = await tabs(f"{host.url}/console/runs/{run}", PLAIN + ";" + count)
    await tab.see(".scroll")
    told = "return [...document.querySelectorAll('[role=log]')].every((log) => log.getAttribute('aria-live') === 'off')"
    assert await tab.run(told)
    await tab.standing("ended", timeout=30)
    await tab.until("return window.voices.some((said) => said.includes('complete'))", timeout=20)
    voices = await tab.run("return window.voices")
    assert len(voices) <= 4
    assert all("flow along" not in said for said in voices)


COLOURS = """
  const frame = document.querySelector('.time-tracks canvas');
  const canvas = frame.getContext('2d').getImageData(0, 0, frame.width, frame.height).data;
  const drawn = new Set();
  for (let at = 0; at < canvas.length; at += 4) if (canvas[at + 3] === 255) drawn.add(canvas.slice(at, at + 3).join());
  const style = getComputedStyle(document.body);
  return [style.backgroundColor, style.color, [...drawn].sort()];
"""


async def test_dark_is_the_same_by_the_system_and_by_choice_also_where_it_is_drawn(host, browser):
    run = host.begin(words=5)
    host.ended(run)
    seen = {}
    for system, theme in (("dark", "system"), ("light", "dark"), ("light", "system"), ("dark", "light")):
        chosen = json.dumps({"form": "plain", "language": "en", "theme": theme})
        with context(browser, colorScheme=system) as open_tab:
            before = f"localStorage.setItem('riverrun.console', {json.dumps(chosen)})"
            tab = await open_tab(f"{host.url}/console/runs/{run}", before)
            await tab.standing("ended")
            await tab.until(COLOURS.replace("return [", "return drawn.size > 1 && ["))
            seen[system, theme] = await tab.run(COLOURS)
    assert seen["dark", "system"] == seen["light", "dark"]
    assert seen["light", "system"] == seen["dark", "light"]
    for dark, light in zip(seen["dark", "system"], seen["light", "system"], strict=True):
        assert dark != light


async def test_on_a_small_screen_everything_is_there(host, browser):
    run = host.begin(words=20)
    host.ended(run)
    with context(browser, viewport={"width": 390, "height": 800}) as open_tab:
        tab = await open_tab(f"{host.url}/console/runs/{run}", PLAIN)
        await tab.standing("ended")
        assert await tab.run("return document.documentElement.scrollWidth <= innerWidth")
        for selector in (".pane", "#tab-graph", ".timeline"):
            assert await tab.run("return document.querySelector(value).getClientRects().length > 0", selector)
