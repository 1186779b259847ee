"""What the console costs its reader, measured in Chromium: python -m bench.web.console. Prints JSON lines.

A real `riverrun serve` in a process of its own says 10 MB in 10 s; the page shows it. Each line is one measurement,
with what it should be beside it, and how busy the machine was: server and browser share it, so figures are upper
bounds. `main_thread_s` and what ends in `_cpu_ms` are processor time, which other work on the machine hardly changes.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from riverrun.testing.proxy import Faults, Proxy
from tests.web.consoles import Browser, Tab, built, chromium, context
from tests.web.node import found

GRAPHS = Path(__file__).with_name("graphs.py")
CUTS = 9

# Put into the page before it loads: long tasks, how long a click takes to be answered, and when panes are drawn.
WATCH = """
window.told = { tasks: [], events: [], flushes: [] };
new PerformanceObserver((list) => list.getEntries().forEach((one) => told.tasks.push([one.startTime, one.duration])))
  .observe({ type: 'longtask', buffered: true });
const answered = (one) => one.interactionId && told.events.push(one.duration);
new PerformanceObserver((list) => list.getEntries().forEach(answered))
  .observe({ type: 'event', durationThreshold: 16, buffered: true });
addEventListener('DOMContentLoaded', () => new MutationObserver((changes) => {
  if (changes.some((one) => one.target.classList?.contains('pane'))) told.flushes.push(performance.now());
}).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['data-version'] }));
"""

SAMPLE = """
const frame = document.querySelector('.pane .scroll');
if (!frame) return null;
const rows = [...frame.querySelectorAll('[data-index]')];
const top = frame.getBoundingClientRect().top;
const first = rows.find((row) => row.getBoundingClientRect().bottom > top);
return {
  gap: frame.scrollHeight - frame.clientHeight - frame.scrollTop,
  nodes: document.querySelectorAll('*').length,
  place: Number(document.querySelector('[data-place]')?.dataset.place ?? 0),
  first: first && [first.dataset.index, first.getBoundingClientRect().top - top],
};
"""


@contextmanager
def serving() -> Iterator[str]:
    """Serve the graph from a process of its own; give its URL."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "riverrun.cli", "serve", str(GRAPHS), "--port", "0", "--json"]
        store = ["--store", f"sqlite:///{folder}/runs.db"]
        with subprocess.Popen(
            [*command, *store], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            try:
                yield json.loads(process.stdout.readline())["url"]
            finally:
                process.terminate()


def say(name: str, **figures: Any) -> None:
    """Print one line."""
    print(json.dumps({"figure": name, **figures, "load": round(os.getloadavg()[0], 1)}), flush=True)


def start(url: str, pieces: int, seconds: float) -> str:
    """Start a run and give its id."""
    body = {"graph": "flood", "input": {"pieces": pieces, "seconds": seconds}}
    return str(httpx.post(f"{url}/v1/runs", json=body, timeout=30).json()["run"])


def at(values: list[float], share: float) -> float:
    """Give the value below which a share of all lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def heap(tab: Tab) -> float:
    """Give what the page holds after a collection, in MB."""
    for _ in range(2):
        await tab.tell("cdp", method="HeapProfiler.collectGarbage")
    return float(await tab.run("return performance.memory.usedJSHeapSize / 1e6"))


async def busy(tab: Tab) -> float:
    """Give the processor time that the page's main thread has taken, in seconds."""
    told = await tab.tell("cdp", method="Performance.getMetrics")
    return float(next(one["value"] for one in told["metrics"] if one["name"] == "TaskDuration"))


def worked(tasks: list[float]) -> dict[str, int]:
    """Give the longest of some tasks, and how much of them held up the page, in processor time."""
    blocking = sum(max(0.0, task - 50) for task in tasks)
    return {"longest_task_cpu_ms": round(max(tasks, default=0)), "blocking_cpu_ms": round(blocking)}


async def flood(open_tab: Any, url: str, form: str, pieces: int, seconds: float, *, up: bool) -> None:
    """Show a flood; with `up` the reader has scrolled up, and nothing must move."""
    before = f"localStorage.setItem('riverrun.console', JSON.stringify({{form: '{form}', language: 'en'}}));" + WATCH
    tab = await open_tab(f"{url}/console/", before)
    await tab.see(".empty, table.runs")
    empty = await heap(tab)
    await tab.tell("cdp", method="Performance.enable", params={"timeDomain": "threadTicks"})
    spent = await busy(tab)
    run = await asyncio.to_thread(start, url, pieces, seconds)
    began = time.monotonic()
    await tab.tell("watch")
    leads = "history.pushState(null, '', value); dispatchEvent(new PopStateEvent('popstate'))"
    await tab.run(leads, f"/console/runs/{run}")
    await tab.see(".pane .scroll")
    if up:
        await tab.until("return document.querySelector('.pane .scroll').scrollHeight > 6000")
        await tab.tell("wheel", at=".pane .scroll", y=-1500)
        await asyncio.sleep(1.0)
    samples: list[dict[str, Any]] = []
    while not samples or samples[-1]["place"] < pieces + 3:
        samples.append(await tab.run(SAMPLE))
        if len(samples) % 3 == 0:
            await tab.tell("click", at=".run-name h1")
        await asyncio.sleep(0.2)
    wall = time.monotonic() - began
    told = await tab.run("return window.told")
    processor = worked(await tab.tell("watched"))
    tasks = [duration for _, duration in told["tasks"]]
    gaps = [one - other for other, one in zip(told["flushes"], told["flushes"][1:], strict=False)]
    firsts = {json.dumps(sample["first"]) for sample in samples}
    say(
        f"10 MB in 10 s, {form}{', scrolled up' if up else ''}",
        wall_s=round(wall, 1),
        long_tasks=len(tasks),
        longest_task_ms=round(max(tasks, default=0)),
        longest_task_goal_ms=100 if form == "plain" else 200,
        blocking_ms=round(sum(max(0.0, task - 50) for task in tasks)),
        blocking_goal_ms=500,
        **processor,
        worst_interaction_ms=round(max(told["events"], default=0)),
        worst_interaction_goal_ms=100,
        main_thread_s=round(await busy(tab) - spent, 1),
        nodes=max(sample["nodes"] for sample in samples),
        nodes_goal=1500,
        flush_median_ms=round(median(gaps)),
        flush_p95_ms=round(at(gaps, 0.95)),
        flush_goal_ms=[80, 150],
        heap_empty_mb=round(empty, 1),
        heap_after_mb=round(await heap(tab), 1),
        heap_goal_mb=round(2 * pieces * 512 / 1e6 + 30),
        **({"moved": len(firsts) - 1} if up else {"largest_gap_px": round(max(sample["gap"] for sample in samples))}),
    )
    await tab.tell("close")


async def first_text(open_tab: Any, url: str) -> None:
    """From the press of Start to the first text that is painted."""
    times = []
    for _ in range(5):
        tab = await open_tab(f"{url}/console/start?graph=flood", "localStorage.setItem('riverrun.console', '{}')")
        await tab.see("[data-field=pieces]")
        await tab.tell("fill", at="[data-field=pieces]", text="200")
        await tab.see(".node-box")
        script = """
          const began = performance.now();
          document.querySelector('form .actions button.main').click();
          for (;;) {
            await new Promise(requestAnimationFrame);
            if (document.querySelector('.pane [data-start]')?.textContent) return performance.now() - began;
          }
        """
        times.append(float(await tab.run(script)))
        await tab.tell("close")
    say("POST → first text painted", median_ms=round(median(times)), worst_ms=round(max(times)), goal_ms=500)


async def opened(open_tab: Any, url: str, pieces: int) -> None:
    """From a click in the list to text of a long run."""
    run = await asyncio.to_thread(start, url, pieces, 0.0)
    async with httpx.AsyncClient(timeout=120) as http:
        await http.get(f"{url}/v1/runs/{run}/events", headers={"accept": "text/event-stream"})
    times, wholes, steps, tasks, pauses = [], [], [], [], []
    before = "localStorage.setItem('riverrun.console', '{}'); indexedDB.deleteDatabase('riverrun')"
    for _ in range(3):
        tab = await open_tab(f"{url}/console/", before)
        await tab.see("table.runs")
        script = """
          const began = performance.now();
          document.querySelector(`tr[data-run="${value}"] a`).click();
          for (;;) {
            await new Promise(requestAnimationFrame);
            if (document.querySelector('.pane [data-start]')?.textContent) return performance.now() - began;
          }
        """
        began = time.monotonic()
        times.append(float(await tab.run(script, run)))
        await tab.reaches(pieces + 3, timeout=60)
        wholes.append(1000 * (time.monotonic() - began))
        await tab.tell("watch")
        back = """
          const began = performance.now();
          document.dispatchEvent(new KeyboardEvent('keydown', { key: '[', bubbles: true }));
          while (!document.querySelector('.replaying')) await new Promise(requestAnimationFrame);
          return performance.now() - began;
        """
        steps.append(float(await tab.run(back)))
        pauses += await tab.tell("watched")
        # Once more, to see what it takes: to watch costs time itself.
        await tab.tell("goto", url=f"{url}/console/")
        await tab.run("indexedDB.deleteDatabase('riverrun')")
        await tab.tell("reload")
        await tab.see("table.runs")
        await tab.tell("watch")
        await tab.run("document.querySelector(`tr[data-run='${value}'] a`).click()", run)
        await tab.reaches(pieces + 3, timeout=60)
        tasks += await tab.tell("watched")
        await tab.tell("close")
    say(
        f"one event back in a log of {pieces} chunks",
        median_ms=round(median(steps)),
        worst_ms=round(max(steps)),
        **worked(pauses),
    )
    say(
        "list → text of a 10 MB run visible",
        median_ms=round(median(times)),
        worst_ms=round(max(times)),
        goal_ms=500,
        whole_ms=round(median(wholes)),
        **worked(tasks),
    )


async def cuts(open_tab: Any, url: str) -> None:
    """From a cut of the network to the first text after it."""
    run = await asyncio.to_thread(start, url, 40_000, 200.0)
    port = httpx.URL(url).port
    assert port
    times = []
    async with Proxy("127.0.0.1", port, lambda _: Faults()) as proxy:
        tab = await open_tab(f"{proxy.url}/console/runs/{run}", "localStorage.setItem('riverrun.console', '{}')")
        await tab.reaches(50)
        for _ in range(CUTS):
            place = await tab.place()
            proxy.cut()
            began = time.monotonic()
            # What had arrived before the cut may still be drawn: two beats of text more are surely from after it.
            await tab.reaches(place + 80, timeout=30)
            times.append(time.monotonic() - began)
            await asyncio.sleep(0.5)
        await tab.tell("close")
    await asyncio.to_thread(httpx.post, f"{url}/v1/runs/{run}/stop", json={})
    say("cut → new text painted", median_s=round(median(times), 2), worst_s=round(max(times), 2), goal_s=[1, 3])


async def main() -> None:
    """Measure all of it."""
    quick = "--quick" in sys.argv
    pieces, seconds = (2_048, 2.0) if quick else (20_480, 10.0)
    node, program = found(), chromium()
    assert node is not None, "this needs Node"
    assert program is not None, "this needs Chromium"
    problem = built(node)
    assert not problem, problem
    browser = Browser(node, program)
    try:
        with serving() as url, context(browser) as open_tab:
            for form, up in (("plain", False), ("markdown", False), ("plain", True), ("markdown", True)):
                await flood(open_tab, url, form, pieces, seconds, up=up)
            await first_text(open_tab, url)
            await opened(open_tab, url, pieces)
            await cuts(open_tab, url)
    finally:
        browser.end()


if __name__ == "__main__":
    asyncio.run(main())
