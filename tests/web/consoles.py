"""A real server with the console, a real browser, and the graphs that the console is put to the test with.

It does not know what is expected.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any, TypedDict

import httpx

from riverrun import END, START, RetryPolicy, StateGraph, interrupt
from riverrun.face.compiled import CompiledGraph
from riverrun.log.store import LogStore
from riverrun.server.app import create_app
from riverrun.server.serve import Server, listen
from riverrun.server.settings import load
from tests.web.node import WEB, Node, found, installed

CONSOLE = WEB / "console"
BUILT = WEB.parent / "src" / "riverrun" / "_console"


class Talk(TypedDict, total=False):
    topic: str
    words: int
    pace: float
    loud: bool
    notes: str
    draft: str
    verdict: str
    report: str


def _piece(number: int, who: str) -> str:
    # Every few words something that a careless reader breaks on: a pair of surrogates, a joined emoji, a line break.
    ending = "\n\n" if number % 24 == 23 else " "
    return f"{who}{number} {'wörter 👩‍👩‍👧 世界' if number % 6 == 0 else 'flow along'}{ending}"


async def _say(state: Talk, who: str) -> Any:
    for number in range(state.get("words", 30)):
        yield _piece(number, who)
        await asyncio.sleep(state.get("pace", 0.0))


async def _research(state: Talk) -> dict[str, Any]:
    return {"notes": _say(state, "n")}


async def _write(state: Talk) -> dict[str, Any]:
    return {"draft": _say(state, "d")}


async def _edit(state: Talk) -> dict[str, Any]:
    return {"report": _say(state, "e")}


async def _hang(state: Talk) -> dict[str, Any]:
    async def forever() -> Any:
        number = 0
        while True:
            yield _piece(number, "h")
            number += 1
            await asyncio.sleep(state.get("pace", 0.02) or 0.02)

    return {"notes": forever()}


async def _approve(state: Talk) -> dict[str, Any]:
    return {"verdict": "yes" if interrupt("Publish this?", type=bool) else "no"}


async def _enquire(state: Talk) -> dict[str, Any]:
    return {"verdict": str(interrupt({"what": "Which tone?"}, type=str))}


class _Flaky:
    """Breaks in the middle of its first attempt."""

    def __init__(self) -> None:
        self.left = 1

    async def __call__(self, state: Talk) -> dict[str, Any]:
        return {"draft": self._say(state)}

    async def _say(self, state: Talk) -> Any:
        for number in range(6):
            yield f"attempt {number}. "
            if number == 3 and self.left:
                self.left -= 1
                raise ConnectionError("the line went dead")


async def _fail(state: Talk) -> dict[str, Any]:
    raise ValueError("no such topic: 'rivers'")


def _one(node: Any, **options: Any) -> CompiledGraph:
    graph = StateGraph(Talk).add_node("node", node, **options)
    return graph.add_edge(START, "node").add_edge("node", END).compile()


def graphs() -> dict[str, CompiledGraph]:
    """Make the graphs anew: some remember what they did.

    Returns:
        `talk` has two agents at once and one that joins them; `hang` speaks until it is stopped; `approve` and
        `enquire` ask; `flaky` takes text back; `fail` fails.
    """
    talk = StateGraph(Talk)
    talk.add_node("research", _research, agent="Researcher")
    talk.add_node("write", _write, agent="Writer")
    talk.add_node("edit", _edit, agent="Editor")
    for name in ("research", "write"):
        talk.add_edge(START, name)
    talk.add_edge(["research", "write"], "edit")
    talk.add_edge("edit", END)
    return {
        "talk": talk.compile(),
        "hang": _one(_hang, agent="Talker"),
        "approve": _one(_approve),
        "enquire": _one(_enquire),
        "flaky": _one(_Flaky(), retry_policy=RetryPolicy(max_attempts=3, initial_interval=0.01)),
        "fail": _one(_fail),
    }


# --- the server ---


class Host:
    """A server with the console on one port, that can be stopped and started again over the same store."""

    def __init__(self, store: str | LogStore, **settings: Any) -> None:
        self._store = store
        self._settings = settings
        self._graphs: Any = settings.pop("graphs", None) or graphs()
        self._who: Any = {"authenticate": settings.pop("authenticate", None)}
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self.port = 0
        self.app: Any = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve, on the port of the last time."""
        told: SimpleQueue[str] = SimpleQueue()
        listener = listen("127.0.0.1", self.port)
        self.port = listener.getsockname()[1]
        self.app = create_app(self._graphs, store=self._store, settings=load(**self._settings), **self._who)
        server = Server(self.app, listener, announce=told.put, shutdown_timeout=1.0)
        self._server = server

        def run() -> None:
            with listener, asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
                runner.run(server.run_here())

        self._thread = threading.Thread(target=run, name="tests-server")
        self._thread.start()
        told.get(timeout=10)

    def stop(self) -> None:
        """Do what SIGTERM does, and wait."""
        assert self._server is not None
        assert self._thread is not None
        self._server.should_exit = True
        self._thread.join(timeout=20)
        assert not self._thread.is_alive(), "the server hangs"

    @property
    def readers(self) -> int:
        """How many connections read logs."""
        return int(self.app.state.riverrun.statistics()["readers"])

    def begin(self, graph: str = "talk", *, options: dict[str, Any] | None = None, **values: Any) -> str:
        """Start a run and give its id."""
        answer = httpx.post(f"{self.url}/v1/runs", json={"graph": graph, "input": values, **(options or {})})
        assert 201 == answer.status_code, answer.text
        return str(answer.json()["run"])

    def show(self, run: str) -> dict[str, Any]:
        """What the server knows of a run."""
        told: dict[str, Any] = httpx.get(f"{self.url}/v1/runs/{run}").json()
        return told

    def state(self, run: str) -> dict[str, Any]:
        """The last state of a run."""
        told: dict[str, Any] = httpx.get(f"{self.url}/v1/runs/{run}/state").json()["state"]
        return told

    def end(self, run: str, reason: str = "") -> None:
        """Stop a run."""
        httpx.post(f"{self.url}/v1/runs/{run}/stop", json={"reason": reason})

    def events(self, run: str) -> list[dict[str, Any]]:
        """The log of a run, as it is now."""
        events: list[dict[str, Any]] = []
        while True:
            # A page may hold fewer than were asked for.
            page = httpx.get(f"{self.url}/v1/runs/{run}/events", params={"wait": 0, "after": len(events)}).json()
            events += page["events"]
            if not page["events"]:
                return events

    def ended(self, run: str) -> list[dict[str, Any]]:
        """Wait until a run has ended and give its log."""
        with httpx.Client(timeout=30) as http:
            http.get(f"{self.url}/v1/runs/{run}/events", headers={"accept": "text/event-stream"})
        return self.events(run)


@contextmanager
def hosting(store: str | LogStore, **settings: Any) -> Iterator[Host]:
    """Serve while the body goes on."""
    host = Host(store, **settings)
    host.start()
    try:
        yield host
    finally:
        host.stop()


def said(events: list[dict[str, Any]]) -> dict[str, str]:
    """Give what each agent said in a log, as it stands, by our own count and not that of any reader of ours."""
    texts: dict[str, tuple[str, str]] = {}
    for event in events:
        for message in event.get("voids", ()):
            if message in texts:
                texts[message] = (texts[message][0], "")
        if event["type"] == "node.chunk" and isinstance(event["value"], str):
            agent, text = texts.get(event["message"], (event.get("agent") or event["node"], ""))
            texts[event["message"]] = (agent, text + event["value"])
    agents: dict[str, str] = {}
    for agent, text in texts.values():
        agents[agent] = agents.get(agent, "") + text
    return agents


# --- the browser ---

# What a pane shows, put together by scrolling through it from its beginning: only what is in sight is there.
_PAINTED = """
const pane = [...document.querySelectorAll('.pane')].find((one) => one.dataset.agent === value);
const frame = pane?.querySelector('.scroll');
if (!frame) return null;
const seen = new Map();
const frameOver = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
frame.scrollTop = 0;
for (let at = -1; ; ) {
  await frameOver();
  for (const row of frame.querySelectorAll('[data-start]')) {
    const item = row.closest('[data-index]');
    seen.set(Number(item.dataset.index), row.textContent);
  }
  if (frame.scrollTop === at) break;
  at = frame.scrollTop;
  frame.scrollTop += frame.clientHeight / 2;
}
return [...seen].sort((one, other) => one[0] - other[0]).map((row) => row[1]).join('');
"""


class Browser:
    """A browser in a process of its own, told what to do from any thread."""

    def __init__(self, node: Node, chromium: str) -> None:
        self._process = subprocess.Popen(
            [node.node, str(CONSOLE / "test" / "browser.mjs"), chromium],
            cwd=CONSOLE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._lock = threading.Lock()

    def tell(self, what: str, **told: Any) -> Any:
        """Have one thing done, and wait for it.

        Raises:
            AssertionError: It could not be done; the text says why.
        """
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps({"do": what, **told}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            raise AssertionError(f"the browser is gone: {self._process.stderr.read()}")
        answer = json.loads(line)
        if "error" in answer:
            raise AssertionError(f"{what} {told.get('at', '')}{told.get('script', '')}: {answer['error']}")
        return answer["value"]

    def end(self) -> None:
        """Close it."""
        with suppress(OSError):
            self._process.communicate(timeout=20)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(timeout=10)


class Tab:
    """One tab. All its verbs wait in a thread, so that a proxy in the same loop goes on."""

    def __init__(self, browser: Browser, number: int) -> None:
        self._browser = browser
        self._number = number

    async def tell(self, what: str, **told: Any) -> Any:
        return await asyncio.to_thread(self._browser.tell, what, tab=self._number, **told)

    async def run(self, script: str, value: Any = None) -> Any:
        """Run the body of a function of `value` in the page."""
        return await self.tell("run", script=script, value=value)

    async def until(self, script: str, value: Any = None, timeout: float = 15.0) -> Any:
        """Wait until the body of a function gives something true."""
        return await self.tell("until", script=script, value=value, timeout=timeout * 1000)

    async def see(self, selector: str, timeout: float = 15.0) -> str:
        """Wait until something is there and visible, and give its text."""
        script = (
            "const it = document.querySelector(value); return it && it.getClientRects().length ? [it.innerText] : null"
        )
        return str((await self.until(script, selector, timeout))[0])

    async def standing(self, *wanted: str, timeout: float = 15.0) -> str:
        """Wait until the connection stands like one of these."""
        script = "const { standing } = document.querySelector('.connection')?.dataset ?? {}; "
        script += "return value.includes(standing) ? standing : null"
        return str(await self.until(script, list(wanted), timeout))

    async def place(self) -> int:
        """Give the seq that is shown."""
        return int(await self.run("return Number(document.querySelector('[data-place]')?.dataset.place ?? 0)"))

    async def reaches(self, seq: int, timeout: float = 15.0) -> None:
        """Wait until an event is shown."""
        script = "return Number(document.querySelector('[data-place]')?.dataset.place ?? 0) >= value"
        await self.until(script, seq, timeout)

    async def painted(self, agent: str) -> str:
        """Give what is painted of what an agent says, from its beginning to its end."""
        await self.tell("front")  # what is behind other tabs is drawn once a second
        return str(await self.run(_PAINTED, agent))


@contextmanager
def context(browser: Browser, **options: Any) -> Iterator[Any]:
    """A place of its own for storage, and what opens tabs in it."""
    name = f"context {id(object())} {threading.get_ident()} {len(options)} {next(_NUMBERS)}"
    settings = {"viewport": {"width": 1360, "height": 860}, "locale": "en-GB", **options}
    browser.tell("context", name=name, options=settings)

    async def open_tab(url: str, before: str = "") -> Tab:
        number = await asyncio.to_thread(browser.tell, "tab", context=name, url=url, before=before)
        return Tab(browser, number)

    try:
        yield open_tab
    finally:
        browser.tell("leave", name=name)


def _count() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number


_NUMBERS = _count()

# Plain text is what is compared: Markdown leaves out marks and blank lines by design.
PLAIN = "localStorage.setItem('riverrun.console', JSON.stringify({ form: 'plain', language: 'en', theme: 'light' }))"


def answering(script: str) -> str:
    """Put an answer of the test's own in place of one request of the page; the network stays as it is."""
    return (
        PLAIN
        + "; const real = window.fetch; window.fetch = async (asked, more) => {"
        + "const url = new URL(asked instanceof Request ? asked.url : asked, location.href);"
        + "const answer = (body, status, type) => new Response(body, { status, headers: { 'content-type': type } });"
        + script
        + "; return real(asked, more); }"
    )


def button(text: str) -> str:
    """Name a button by what stands on it."""
    return f"button:has-text('{text}')"


async def errors(tab: Tab) -> list[str]:
    """Give what failed in a page, by its own account; it must have asked nobody else for anything."""
    heard = await tab.tell("heard")
    assert [] == heard["foreign"]
    return [error for error in heard["errors"] if "Failed to load resource" not in error]


# --- what both need ---


def chromium() -> str | None:
    """Find a Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


def built(node: Node) -> str:
    """Build the console, unless it is newer than its sources; give what went wrong, or nothing."""
    problem = installed(node)
    if problem:
        return problem
    sources = [
        path for folder in (CONSOLE / "src", WEB / "client" / "src") for path in folder.rglob("*") if path.is_file()
    ]
    newest = max(path.stat().st_mtime for path in [*sources, CONSOLE / "index.html", CONSOLE / "vite.config.js"])
    page = BUILT / "index.html"
    if page.exists() and page.stat().st_mtime > newest:
        return ""
    done = subprocess.run(
        [node.node, str(WEB / "node_modules" / "vite" / "bin" / "vite.js"), "build", "--logLevel", "warn"],
        cwd=CONSOLE,
        env=node.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return f"the console does not build: {done.stdout}{done.stderr}" if done.returncode else ""


def main() -> str | None:
    """Build the console (`make console`); give what went wrong."""
    node = found()
    if node is None:
        return "there is no Node here, neither from its Python wheel nor on the PATH"
    problem = built(node)
    if not problem:
        sys.stdout.write(f"console   ok: {BUILT}\n")
    return problem or None


if __name__ == "__main__":
    sys.exit(main())
