"""The cases of conformance/ hold for the Python client; the TypeScript one is put to the same (tests/web)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from riverrun.base.clock import ManualClock
from riverrun.base.errors import ConnectionFault, ProtocolFault
from riverrun.client.connect import Connect, Piece, Stream
from riverrun.client.session import Pace, Session, Step
from riverrun.client.subscription import Outcome, Subscription
from riverrun.events.codec import decode
from riverrun.events.ending import Close
from riverrun.log.view import View
from riverrun.wire import pages, problem, sse
from riverrun.wire.sse import Parser

CASES = Path(__file__).parents[2] / "conformance"
DICE = (0.0, 0.5, 0.999)
RUN = "018b2f5e3c7d0123456789abcdef0123"


def load(name: str) -> dict[str, Any]:
    """Read one file of cases."""
    told: dict[str, Any] = msgspec.yaml.decode((CASES / f"{name}.yaml").read_bytes())
    return told


def named(cases: list[dict[str, Any]]) -> Any:
    """Make each case a test, under its own name."""
    return pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in cases])


# --- the reconnect machine ---

SESSIONS = load("session")


class Reader:
    """A subscription without a network: what the cases say happens to it, and nothing else does.

    Args:
        told: A file of cases: its log.
        case: One of them.
        dice: Every random number that it is given.
    """

    def __init__(self, told: dict[str, Any], case: dict[str, Any], dice: float) -> None:
        self.log = str(told["log"])
        self.events = {event["seq"]: event for event in told["events"]}
        self.clock = ManualClock()
        self.subscription = Subscription(
            Connect("http://127.0.0.1:1"),  # connects only when it is asked to
            f"/v1/runs/{RUN}/events",
            after=case.get("after", 0),
            log=case.get("log"),
            pace=Pace(**case.get("pace", {})),
            clock=self.clock,
            dice=lambda: dice,
        )
        self.parser = Parser()
        self.step = Step(self.session, self.subscription._action)

    @property
    def session(self) -> Session:
        """The machine."""
        return self.subscription._session

    def happen(self, step: dict[str, Any]) -> None:
        """Let one thing happen."""
        self.step = self.step._replace(events=())
        match step:
            case {"wait": seconds}:
                self.clock.advance(seconds)
            case {"leave": True}:
                self._take(self.session.detached())
            case _ if step.keys() - {"expect"}:
                self._take(self.subscription._tell(self._outcome(step)))

    def told(self) -> dict[str, Any]:
        """Say where it is, in the words of the cases."""
        session, action = self.session, self.step.action
        return {
            "next": action.do.value,
            "state": session.state.value,
            "delay": action.delay,
            "listen": action.listen,
            "applied": [event.seq for event in self.step.events],
            "place": session.place,
            "cursor": session.cursor,
            "close": session.close and session.close.value,
            "ending": session.ending and session.ending.value,
            "duty": session.duty and session.duty.value,
            "reconnects": session.reconnects,
        }

    def _take(self, step: Step) -> None:
        self.step = step
        self.subscription._take(step)

    def _outcome(self, step: dict[str, Any]) -> Outcome:
        match step:
            case {"stream": kind}:
                return self._stream(kind)
            case {"read": parts}:
                return self._piece(b"".join(map(self._bytes, parts)))
            case {"cut": "silence"}:
                self.clock.advance(self.step.action.listen)
                return Close.SILENT
            case {"cut": _}:
                return Close.NETWORK
            case {"fails": how}:
                return ConnectionFault({"refused": "E5001", "timeout": "E5005"}[how], how)
            case {"status": 204}:
                return None
            case {"status": status}:
                return problem.decode(status, b"", step.get("retry_after"))
            case {"page": page}:
                return self._page(page)
        raise AssertionError(f"no such step: {step}")

    def _stream(self, kind: str) -> Outcome:
        if kind.partition(";")[0].strip().lower() != "text/event-stream":
            return ProtocolFault("E5003", f"asked for events, the server sent {kind}")
        self.parser = Parser()
        return Stream(httpx.Response(200))

    def _bytes(self, part: int | str) -> bytes:
        if part == "opening":
            return sse.opening(self.log, self.session.place)
        if isinstance(part, int):
            return f"id: {self.log}.{part}\ndata: {json.dumps(self.events[part])}\n\n".encode()
        return part.encode()

    def _piece(self, data: bytes) -> Piece:
        before = self.parser.heartbeats
        blocks = self.parser.feed(data)
        return Piece(blocks, self.parser.heartbeats - before, self.parser.last_id)

    def _page(self, page: dict[str, Any]) -> Outcome:
        body = {"head": 8, "floor": 0, "log": self.log, "ended": False, **page}
        body["events"] = [self.events[seq] for seq in page["events"]]
        try:
            return pages.decode(json.dumps(body).encode(), pages.EventPage)
        except ProtocolFault as fault:
            return fault


def transcript(told: dict[str, Any], case: dict[str, Any], dice: float) -> list[dict[str, Any]]:
    """Say where a reader is after each step of a case."""
    reader = Reader(told, case, dice)
    places = []
    for step in case["steps"]:
        reader.happen(step)
        places.append(reader.told())
    return places


def expected(want: dict[str, Any], dice: float) -> dict[str, Any]:
    """Make of each pair of bounds the value that stands between them where the dice do."""
    return {
        name: value[0] + dice * (value[1] - value[0]) if name == "delay" and isinstance(value, list) else value
        for name, value in want.items()
    }


@named(SESSIONS["cases"])
@pytest.mark.parametrize("dice", DICE)
def test_the_session_does_what_the_case_says(case, dice):
    for step, place in zip(case["steps"], transcript(SESSIONS, case, dice), strict=True):
        want = expected(step.get("expect", {}), dice)
        for name, value in want.items():
            assert (pytest.approx(value) if isinstance(value, float) else value) == place[name], (name, step)


def test_a_case_that_says_something_else_is_noticed():
    for name, value in [("state", "polling"), ("applied", [1]), ("delay", [1, 2]), ("close", "gone")]:
        case = {"name": "wrong", "steps": [{"fails": "refused", "expect": {name: value}}]}
        with pytest.raises(AssertionError):
            test_the_session_does_what_the_case_says(case, 0.5)


# --- bytes to blocks ---


def pieces(data: bytes) -> list[list[bytes]]:
    """Cut bytes as a network might: not at all, at each place once, and into single bytes."""
    halves = [[data[:place], data[place:]] for place in range(1, len(data))]
    return [[data], *halves, [data[place : place + 1] for place in range(len(data))]]


@named(load("sse")["cases"])
def test_the_parser_gives_what_the_case_says(case):
    data = bytes.fromhex(case["hex"]) if "hex" in case else case["bytes"].encode()
    for cut in pieces(data):
        parser = Parser()
        blocks = [block._asdict() for piece in cut for block in parser.feed(piece)]
        assert case["blocks"] == blocks, cut
        assert case["last_id"] == parser.last_id, cut
        assert case.get("heartbeats", 0) == parser.heartbeats, cut


# --- events to what a reader shows ---


def fold(events: list[dict[str, Any]]) -> View:
    """Apply the events of a case; those without a seq continue."""
    view = View()
    for event in events:
        fields = {"seq": view.place + 1, "ts": 1, "run": RUN, **event}
        want = fields.pop("verdict", "apply")
        try:
            verdict = view.apply(decode(json.dumps(fields))).value
        except ProtocolFault as fault:
            verdict = fault.code
        assert want == verdict, event
    return view


def shown(view: View, keys: list[str]) -> dict[str, Any]:
    """Say what a view has, in the words of the cases."""
    return {
        "place": view.place,
        "log": view.log,
        "graph": view.graph,
        "messages": [
            {
                "id": message.id,
                "node": message.node,
                "key": message.key,
                "text": message.text,
                "length": message.length,
                "values": message.chunks,
            }
            for message in view.messages.values()
        ],
        "texts": {key: view.text(key) for key in keys},
        "nodes": view.nodes,
        "questions": [*view.questions],
        "chunks": view.chunks,
        "voided": view.voided,
        "takeovers": view.takeovers,
        "ending": view.ending and view.ending.value,
        "error": None if view.error is None else msgspec.to_builtins(view.error),
    }


@named(load("view")["cases"])
def test_the_view_has_what_the_case_says(case):
    want = case["expect"]
    found = shown(fold(case["events"]), [*want.get("texts", {})])
    for name, value in want.items():
        if name == "messages":
            # What a case does not say of a message is not looked at.
            assert [item["id"] for item in value] == [item["id"] for item in found[name]]
            assert value == [{key: item[key] for key in told} for told, item in zip(value, found[name], strict=True)]
        else:
            assert value == found[name], name


# --- the files themselves ---


def test_every_case_has_a_name_of_its_own_and_says_something():
    for file in ("session", "sse", "view"):
        cases = load(file)["cases"]
        assert len(cases) == len({case["name"] for case in cases})
    assert all(any("expect" in step for step in case["steps"]) for case in SESSIONS["cases"])
