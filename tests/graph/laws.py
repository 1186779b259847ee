"""What a log must be, whoever wrote it: every test that makes a log asks `check_log`.

The laws are those of PROTOCOL.md §2, told by the events alone: nothing here knows a graph, a machine or a store.
"""

from __future__ import annotations

from collections.abc import Iterable

from riverrun.events.kinds import (
    Event,
    NodeCancelled,
    NodeChunk,
    NodeCompleted,
    NodeEvent,
    NodeFailed,
    NodeInterrupted,
    NodeRetrying,
    NodeStarted,
    RunCompleted,
    RunFailed,
    RunInterrupted,
    RunStarted,
    Terminal,
)
from riverrun.log.tail import Verdict
from riverrun.log.view import View

START = "__start__"


def texts(log: Iterable[Event]) -> dict[str, str]:
    """Fold a log as a reader does and give the text of each message."""
    view = View()
    for event in log:
        assert view.apply(event) is Verdict.APPLY
    return {name: message.text for name, message in view.messages.items() if message.text}


def check_log(log: list[Event]) -> None:
    """Hold the log of a run that has ended against everything that every log must be."""
    assert list(range(1, len(log) + 1)) == [event.seq for event in log], "seqs are dense"
    assert [log[-1]] == [event for event in log if event.terminal], "one terminal event, the last"
    assert [log[0]] == [event for event in log if isinstance(event, RunStarted)], "one first event, the first"
    laws = Laws()
    for event in log:
        laws.take(event)


class Laws:
    """Reads a log as any reader would, and says at each event whether it may stand there.

    Attributes:
        view: What a reader has.
        alive: Executions that began, or wait before they do, and did not end: id → attempt.
        began: How many executions began or waited to.
        tries: Every attempt so far, by execution and number.
        held: Executions that wait before they begin.
    """

    def __init__(self) -> None:
        self.view = View()
        self.alive: dict[str, int] = {}
        self.ended: dict[str, NodeEvent] = {}
        self.held: set[str] = set()
        self.began = 0
        self.failures: list[NodeFailed] = []
        self.tries: set[tuple[str, int]] = set()

    def take(self, event: Event) -> None:
        """Take in the next event."""
        if isinstance(event, RunInterrupted):
            assert tuple(self.view.questions.values()) == event.questions, "a parked run lists what is open"
            assert event.questions, "a run is parked for a reason"
            asking = {question.exec for question in event.questions}
            waiting = {name for name in self.alive if not any(inner.startswith(f"{name}/") for inner in self.alive)}
            assert asking == waiting, "a run is parked only when everything waits"
        if isinstance(event, Terminal):
            self._end(event)
        assert self.view.apply(event) is Verdict.APPLY  # every piece of text continues its message
        if isinstance(event, NodeEvent) and event.node != START:
            self._node(event)
        if isinstance(event, NodeStarted | NodeRetrying):
            assert (event.exec, event.attempt) not in self.tries, "an execution and its attempt name one thing"
            self.tries.add((event.exec, event.attempt))
        if isinstance(event, NodeRetrying | NodeCancelled) or (isinstance(event, NodeFailed) and event.tolerated):
            self._void(event)

    def _node(self, event: NodeEvent) -> None:
        name = event.exec
        if name not in self.alive:
            assert name not in self.ended, "nothing is said after a node ended, unless a graph around it began anew"
            assert isinstance(event, NodeStarted | NodeInterrupted), "nothing is said before a node started"
            self._begin(event)
            return
        if isinstance(event, NodeStarted):
            assert name in self.held, "an execution starts once"
            self.held.discard(name)
        elif isinstance(event, NodeRetrying):
            self.alive[name] += 1
            assert not self._below(name, self.alive), "a graph begins anew when nothing runs in it any more"
            for inner in self._below(name, self.ended):
                del self.ended[inner]
        elif isinstance(event, NodeCompleted | NodeFailed | NodeCancelled):
            if isinstance(event, NodeFailed):
                self.failures.append(event)
            else:
                assert not self._below(name, self.alive), "what is inside ends before the graph around it"
            del self.alive[name]
            self.ended[name] = event
            return
        assert name not in self.held, "what waits to begin says nothing"
        assert self.alive[name] == event.attempt, "attempts are counted"

    def _begin(self, event: NodeEvent) -> None:
        path = event.exec.split("/")
        around = tuple("/".join(path[: count + 1]) for count in range(len(path) - 1))
        assert around == event.ns, "an event says which graphs it is in"
        assert all(name in self.alive and name not in self.held for name in around), "graphs begin from the outside"
        assert path[-1].rpartition(":")[0] == event.node
        self.began += 1
        self.alive[event.exec] = event.attempt
        if isinstance(event, NodeInterrupted):
            assert event.question.kind in ("before", "after")
            self.held.add(event.exec)

    @staticmethod
    def _below(name: str, those: Iterable[str]) -> list[str]:
        return [each for each in those if each.startswith(f"{name}/")]

    def _void(self, event: NodeEvent) -> None:
        """Hold what a reader still shows against what does not count any more: nothing of an execution taken back."""
        for message in self.view.messages.values():
            if message.exec == event.exec or message.exec.startswith(f"{event.exec}/"):
                assert not message.chunks, "what an execution said that is taken back is void"
        voids = getattr(event, "voids", ())
        assert len(voids) == len(set(voids)), "a message is void once"
        assert set(voids) <= set(self.view.messages), "only what was said is void"

    def _end(self, event: Terminal) -> None:
        assert self.began == event.steps, "the end counts every execution of the tree"
        if isinstance(event, RunCompleted):
            assert not self.alive, "a completed run has ended what it started"
            assert () == event.partial
        standing = {message.exec for message in self.view.messages.values() if message.chunks}
        cut_short = {name for name in standing if not isinstance(self.ended.get(name), NodeCompleted)}
        if isinstance(event, RunFailed) and event.error.code == "E3001":
            assert event.error in [failed.error for failed in self.failures], "what user code raised failed a node"
        named = {self.view.messages[name].exec for name in event.partial}
        assert cut_short == named, "the end names what was cut short"


def chunks(log: Iterable[Event]) -> list[NodeChunk]:
    """The chunks of a log."""
    return [event for event in log if isinstance(event, NodeChunk)]
